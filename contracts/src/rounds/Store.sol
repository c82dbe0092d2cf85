// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "../Bitmap.sol";
import {RoundPhase, Terms} from "../Types.sol";
import {IBeacon} from "../interfaces/IBeacon.sol";
import {IClock} from "../interfaces/IClock.sol";
import {IJobs} from "../interfaces/IJobs.sol";
import {IRounds} from "../interfaces/IRounds.sol";
import {IStakes} from "../interfaces/IStakes.sol";
import {IVault} from "../interfaces/IVault.sol";

/// How a closed round is paid.
enum Pay {
    None,
    Included, // included slots in full, slots that were accepted only by half
    PresentHalf, // committed, then void, and nobody judged it: every present slot by half
    PresentFull // the job was at fault: every present slot in full
}

struct Table {
    bytes32 sealedTable;
    bytes32 root;
    uint8 redraw; // which draw of the round it answers
    bool served; // a quorum says so: it earns the round's fee
}

struct Demand {
    bytes32 leaf; // of the commitment whose opening is called for
    address by;
    uint48 deadline;
    bool open;
    bool shown; // the slot's whole transcript stands on chain, whoever called for it
}

struct Round {
    RoundPhase phase;
    uint40 openedAt;
    uint40 deadline;
    uint40 openDeadline; // tables may be opened until then, whatever the phase
    uint48 beaconBlock;
    uint8 redraws;
    uint8 replacements; // of silent aggregators
    uint8 served; // validators that earn this round's fee
    uint16 disputesOpen;
    bool optimistic;
    bool lateDone;
    bool orphan; // a round before it was disproved: it is judged and paid by half, and leads nowhere
    Pay pay;
    bool faulted; // what its updates come to is a fault of the job, and endRoot its digest
    address aggregator;
    uint40 includedAt;
    bool aggregatorPaid;
    bool unvouched; // its root came without a quorum's word: who made it earns nothing
    uint32 drawing; // of the job: which nonce of a validator's chain draws its sample
    int64 score; // of the end state
    bytes32 startRoot;
    bytes32 commitmentRoot;
    bytes32 resultRoot;
    bytes32 endRoot;
    uint256 tablesCommitted;
    uint256 tablesRevealed;
    uint256 unserved; // seats that revealed a table which a quorum did not accept as their sample
    uint256[4] present;
    uint256[4] accepted;
    uint256[4] included;
    uint256[4] direct;
    mapping(uint256 slot => bytes32) leaves; // of direct inclusions
    mapping(address validator => Table) tables;
    mapping(uint256 slot => Demand) demands;
    mapping(uint256 slot => bool) billed;
    mapping(address account => bool) penalised;
    mapping(address account => uint256) slashed; // for this round, by disputes or silence: a round's cost at most
}

struct Progress {
    uint32 generation; // of the rounds that open now
    uint32 firstOpen; // the first round that is not final
    uint32 next; // the next round to open
    uint32 disputesOpen;
    uint32 orphans;
    uint32 drawings; // of samples, in all rounds and generations
    uint40 settledAt; // after a fault of the job: until then what is paid for it can be disputed
    uint32 stopAt; // rounds that the job has, once one of them scored as much as it asks for
}

/// All of the state of Rounds; its libraries get it by reference.
struct State {
    IVault vault;
    IStakes stakes;
    IJobs jobs;
    IBeacon beacon;
    IClock clock;
    address disputes;
    mapping(uint256 job => Terms) terms;
    mapping(uint256 job => Progress) progress;
    mapping(uint256 job => mapping(uint256 round => uint32)) generationOf;
    mapping(uint256 job => mapping(uint256 generation => mapping(uint256 round => Round))) rounds;
    mapping(uint256 job => uint64[]) paid; // generation << 32 | round, of every round that was paid
    mapping(uint256 job => uint64[]) orphans; // generation << 32 | round, while they are judged
    mapping(uint256 job => uint256[4]) forfeitedSlots;
    mapping(uint256 job => mapping(address account => bool)) forfeited;
    mapping(uint256 job => mapping(address account => bool)) claimed;
}

/// @title Store: lookups that Rounds and its libraries share.
library Store {
    /// Protocol time, in which all moments in Rounds are.
    function time(State storage s) internal view returns (uint256) {
        return s.clock.time();
    }

    /// Whether an instant of it is still to come. The chain's time is never behind: mostly it answers.
    function before(State storage s, uint256 instant) internal view returns (bool) {
        return block.timestamp < instant || s.clock.time() < instant;
    }

    /// Whether what waits for an instant has waited for long enough; never while the network is frozen.
    function reached(State storage s, uint256 instant) internal view returns (bool) {
        return block.timestamp >= instant && s.clock.reached(instant);
    }

    function roundCost(Terms storage t) internal view returns (uint256) {
        return uint256(t.providers) * t.price + uint256(t.validators) * t.validatorFee + t.aggregatorFee;
    }

    /// Rounds that the job has: as many as were ordered, or up to the one that scored as much as it asks for.
    function roundCount(State storage s, uint256 job) internal view returns (uint32) {
        uint32 stopAt = s.progress[job].stopAt;
        return stopAt == 0 ? s.terms[job].rounds : stopAt;
    }

    function isLive(State storage s, uint256 job, uint32 generation, uint32 round) internal view returns (bool) {
        Round storage r = s.rounds[job][generation][round];
        RoundPhase phase = r.phase;
        return s.generationOf[job][round] == generation && !r.orphan && phase >= RoundPhase.Training && phase <= RoundPhase.Challenging;
    }

    function live(State storage s, uint256 job, uint32 generation, uint32 round) internal view returns (Round storage r) {
        if (!isLive(s, job, generation, round)) revert IRounds.WrongRound(job, generation, round);
        r = s.rounds[job][generation][round];
    }

    /// A round that is judged: live, or an orphan.
    function judged(State storage s, uint256 job, uint32 generation, uint32 round) internal view returns (Round storage r) {
        r = s.rounds[job][generation][round];
        if (!r.orphan) live(s, job, generation, round);
    }

    function expect(Round storage r, RoundPhase phase) internal view {
        if (r.phase != phase) revert IRounds.WrongPhase(r.phase);
    }

    /// A round takes disputes once nobody can commit to it any more, until it is final.
    function challengeable(State storage s, uint256 job, uint32 generation, uint32 round) internal view returns (Round storage r) {
        r = s.rounds[job][generation][round];
        RoundPhase phase = r.phase;
        if (phase == RoundPhase.None) revert IRounds.WrongRound(job, generation, round);
        // INVARIANT: a void round is disputed until the one in its place is final: nobody has to remember it for longer.
        if (phase == RoundPhase.Final || (phase == RoundPhase.Void && round < s.progress[job].firstOpen)) {
            revert IRounds.TooLate(r.deadline);
        }
        if (r.beaconBlock == 0 || block.number <= r.beaconBlock) revert IRounds.TooEarly(r.beaconBlock);
        // INVARIANT: the set that waits for what is disputed is not held up for ever, one dispute before the other ends; once
        // there is an aggregate all of it can be disputed again.
        if (phase == RoundPhase.Opening && !before(s, uint256(r.openDeadline) + s.terms[job].windows.challenge)) {
            revert IRounds.TooLate(r.openDeadline);
        }
        // INVARIANT: what was not disputed by the end of its window stands.
        if (phase == RoundPhase.Challenging && !before(s, r.deadline)) revert IRounds.TooLate(r.deadline);
        (,, bool ended) = s.jobs.phaseOf(job);
        if (ended) revert IRounds.TooLate(r.deadline);
    }

    /// When every window is over in which somebody could still act in a round that is challenged.
    function readyAt(Round storage r) internal view returns (uint256) {
        return r.deadline > r.openDeadline ? r.deadline : r.openDeadline;
    }

    /// Seed of a replacement, out of hashes that nobody could choose: the draw's and, once there is one, the round's.
    function seed(State storage s, uint256 job, Round storage r, bytes32 purpose) internal view returns (bytes32) {
        (bytes32 value,) = s.beacon.read(r.beaconBlock);
        return keccak256(abi.encode(purpose, s.jobs.viewOf(job).beacon, value, r.startRoot, r.redraws, r.replacements));
    }

    function name(uint32 generation, uint32 round) internal pure returns (uint64) {
        return (uint64(generation) << 32) | round;
    }

    function key(address account) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function words(Terms storage t) internal view returns (uint256) {
        return Bitmap.words(t.providers);
    }
}
