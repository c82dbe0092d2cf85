// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../Hashing.sol";
import {Commitment, Leaf, RoundPhase, RoundView, Target, Terms, UNSCORED, isScored} from "../Types.sol";
import {Claim, IDisputes} from "../interfaces/IDisputes.sol";
import {IRounds} from "../interfaces/IRounds.sol";

/// @title Claims: what somebody has committed to of a round, with its proofs. Every dispute begins with it.
library Claims {
    /// Checks on chain all that a claim says. `plain` is the reason when arithmetic alone decides it.
    function examine(IRounds rounds, Claim calldata claim) public view returns (address accused, uint32 segment, bytes32 plain) {
        Commitment calldata c = claim.commitment;
        if (claim.target == Target.Aggregate || claim.target == Target.Score) return (_ofRound(rounds, claim), 0, 0);
        if (!rounds.standing(c, claim.commitmentProof, claim.signature)) revert IDisputes.WrongClaim("commitment");
        uint32 last = rounds.termsOf(c.job).segments;
        if (claim.target == Target.Table) return (claim.validator, claim.entry.segment, _row(rounds, claim, last));
        accused = c.provider;
        _open(claim, claim.after_, claim.afterProof, last);
        if (claim.target == Target.Emit) {
            if (claim.after_.index != last) revert IDisputes.WrongClaim("after");
            return (accused, last, 0);
        }
        segment = claim.before.index;
        if (segment >= last || claim.after_.index != segment + 1) revert IDisputes.WrongClaim("before");
        _open(claim, claim.before, claim.beforeProof, last);
        // A commitment that stands names the round's start.
        if (segment == 0 && claim.before.stateRoot != c.startRoot) plain = "start";
        // Only the last leaf binds an update, and nothing was trained before the first.
        if (claim.before.updateRoot != 0 || (segment == 0 && claim.before.lossBits != 0)) plain = plain == 0 ? bytes32("leaf") : plain;
    }

    /// The same of a slot that has committed to a fault of the job.
    function examineFault(IRounds rounds, Claim calldata claim, uint256 step, uint256 node, bytes32 operator)
        external
        view
        returns (address provider, uint32 segment)
    {
        if (claim.target != Target.Segment && claim.target != Target.Emit) revert IDisputes.NoGame(claim.target);
        bytes32 plain;
        (provider, segment, plain) = examine(rounds, claim);
        if (plain != 0) revert IDisputes.WrongClaim(plain);
        bytes32 digest = Hashing.faultDigest(step, node, operator);
        if (digest != claim.after_.stateRoot && digest != claim.after_.updateRoot) revert IDisputes.WrongClaim("fault");
        Commitment calldata c = claim.commitment;
        (RoundPhase phase, bool orphan) = rounds.phaseOf(c.job, c.generation, c.round);
        // Of a round that leads nowhere no fault follows; and while tables are blind nobody shows what others look for.
        if (orphan || phase == RoundPhase.Void || phase < RoundPhase.Opening) revert IRounds.WrongPhase(phase);
        // INVARIANT: a fault stands only after a window in which whoever looks can see, and derive, all that it rests on.
        if (!rounds.shown(c.job, c.generation, c.round, c.slot)) revert IDisputes.WrongClaim("shown");
    }

    function _ofRound(IRounds rounds, Claim calldata claim) private view returns (address) {
        Commitment calldata c = claim.commitment;
        RoundView memory r = rounds.viewOf(c.job, c.generation, c.round);
        bytes32 claimed = r.endRoot;
        if (claim.target == Target.Score) {
            Terms memory t = rounds.termsOf(c.job);
            // Nor has what ends in a fault a score: there is no state.
            bool due = isScored(t.stopScore, c.round, t.rounds);
            if ((r.score == UNSCORED && !due) || r.faulted) revert IDisputes.WrongClaim("score");
            claimed = Hashing.scoreDigest(r.endRoot, r.score);
        }
        // INVARIANT: a claim names what it disputes, so that one made on a chain that was rewritten disputes nothing else.
        if (r.endRoot == 0 || c.slot != 0 || c.transcriptRoot != claimed) revert IDisputes.WrongClaim("aggregate");
        return rounds.aggregatorOf(c.job, c.generation, c.round);
    }

    function _row(IRounds rounds, Claim calldata claim, uint32 last) private view returns (bytes32 plain) {
        Commitment calldata c = claim.commitment;
        if (claim.entry.slot != c.slot || claim.entry.segment >= last) revert IDisputes.WrongClaim("entry");
        if (claim.entryIndex >= claim.entryCount || claim.entryProof.length != Hashing.depth(claim.entryCount)) {
            revert IDisputes.WrongClaim("entryProof");
        }
        bytes32 root = Hashing.climb(claim.entryIndex, Hashing.entryLeaf(claim.entry), claim.entryProof);
        bytes32 revealed = rounds.tableRootOf(c.job, c.generation, c.round, claim.validator);
        if (revealed == 0 || revealed != Hashing.tableRoot(claim.entryCount, root)) revert IDisputes.WrongClaim("table");
        // INVARIANT: only what is on chain says where a row has to begin: who derived a state is not blamed for what its slot made up.
        if (claim.entry.segment == 0 && claim.entry.startRoot != c.startRoot) plain = "start";
    }

    function _open(Claim calldata claim, Leaf calldata leaf, bytes32[] calldata proof, uint32 last) private view {
        if (Hashing.secretHash(claim.secret) != claim.commitment.secretHash) revert IDisputes.WrongClaim("secret");
        bytes32 hash = Hashing.segmentLeaf(claim.commitment, claim.secret, leaf);
        if (!Hashing.verify(claim.commitment.transcriptRoot, uint256(last) + 1, leaf.index, hash, proof)) {
            revert IDisputes.WrongClaim("leaf");
        }
    }
}
