// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "../Bitmap.sol";
import {Target} from "../Types.sol";
import {IDisputes} from "../interfaces/IDisputes.sol";
import {Demand, Ending, IGames} from "../interfaces/IGames.sol";
import {IRounds} from "../interfaces/IRounds.sol";

struct Dispute {
    uint64 job;
    uint32 generation;
    uint32 round;
    uint32 segment;
    uint16 slot;
    Target target;
    IDisputes.Settlement outcome;
    bool faulted;
    bool faultClaimed; // of a score: that the state cannot be measured, since a batch ends in a fault
    uint48 showUntil; // of what is not decided by a game yet
    uint48 sealedBlock; // when its challenger had committed
    address challenger;
    uint48 game;
    uint48 previous; // of the same case, before this one
    address validator; // of a table
}

/// All that is disputed of one slot's transcript, of a validator's table, of an aggregate or of its score.
struct Case {
    uint48 faultUntil;
    uint48 last;
    uint32 count;
    uint32 open; // games that have not ended in a fault
    bool disproved;
}

/// @title Cases: what is disputed together, so that the first that is won decides it, and who earns then.
library Cases {
    /// The earliest sealed of those about the same thing that have not lost by this moment of protocol time.
    function earner(mapping(uint256 dispute => Dispute) storage disputes, IGames games, uint256 dispute, Case storage about, uint256 time)
        external
        view
        returns (address first)
    {
        Dispute storage d = disputes[dispute];
        uint256 earliest = d.sealedBlock;
        first = d.challenger;
        for (uint256 each = about.last; each != 0; each = disputes[each].previous) {
            Dispute storage other = disputes[each];
            if (each == dispute || other.target != d.target || other.segment != d.segment || other.slot != d.slot) continue;
            if (other.outcome != IDisputes.Settlement.Open || other.faulted || other.sealedBlock >= earliest) continue;
            // It has not begun.
            if (other.game == 0) continue;
            IGames.GameView memory game = games.viewOf(other.game);
            if (game.outcome == Ending.Dismissed || game.outcome == Ending.JobFault) continue;
            // INVARIANT: who has let its clock run out has lost, whether anybody has said so or not.
            if (game.outcome == Ending.Open && game.demand == Demand.None && time > game.deadline) continue;
            (earliest, first) = (other.sealedBlock, other.challenger);
        }
    }

    /// Roots of a round's included updates, by slot; zero where one was not shown.
    function updates(IRounds rounds, mapping(uint256 slot => bytes32) storage shown, uint256 job, uint32 generation, uint32 round)
        external
        view
        returns (bytes32[] memory roots)
    {
        uint256[] memory included = rounds.viewOf(job, generation, round).included;
        uint256 count;
        for (uint256 word = 0; word < included.length; word++) count += Bitmap.count(included[word]);
        roots = new bytes32[](count);
        count = 0;
        for (uint256 slot = 0; slot < 256 * included.length; slot++) {
            if ((included[slot >> 8] >> (slot & 255)) & 1 == 1) roots[count++] = shown[slot];
        }
    }

    function allShown(bytes32[] memory roots) internal pure returns (bool) {
        for (uint256 i = 0; i < roots.length; i++) if (roots[i] == 0) return false;
        return true;
    }

    function caseOf(Dispute storage d) internal view returns (bytes32) {
        return caseOf(d.job, d.generation, d.round, d.target, d.slot, d.validator);
    }

    /// A slot's transcript with its update; a whole table; an aggregate; a score.
    function caseOf(uint256 job, uint32 generation, uint32 round, Target target, uint16 slot, address validator)
        internal
        pure
        returns (bytes32)
    {
        if (target == Target.Emit) target = Target.Segment;
        if (target == Target.Table) slot = 0;
        return keccak256(abi.encode(job, generation, round, target, slot, validator));
    }

    function isOfSlot(Target target) internal pure returns (bool) {
        return target == Target.Segment || target == Target.Emit;
    }

    /// Whether a fault of the job comes out of its game.
    function faultCounts(Dispute storage d) internal view returns (bool) {
        return d.target != Target.Table && d.target != Target.Score;
    }

    function reasonOf(Target target) internal pure returns (bytes32) {
        if (target == Target.Segment) return "segment";
        if (target == Target.Emit) return "emit";
        if (target == Target.Table) return "table";
        return target == Target.Aggregate ? bytes32("aggregate") : bytes32("score");
    }
}
