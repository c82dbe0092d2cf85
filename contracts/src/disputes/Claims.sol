// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../Hashing.sol";
import {Commitment, Leaf, RoundView, Target} from "../Types.sol";
import {IRerun} from "../interfaces/IRerun.sol";
import {IRounds} from "../interfaces/IRounds.sol";

/// @title Claims: what somebody has committed to of a round, with its proofs. Both ways to dispute begin with it.
library Claims {
    /// Checks on chain all that a claim says. `plain` is the reason when arithmetic alone decides it.
    function examine(IRounds rounds, IRerun.Claim calldata claim)
        external
        view
        returns (address accused, uint32 segment, bytes32 claimed, bytes32 plain)
    {
        Commitment calldata c = claim.commitment;
        if (claim.target == Target.Aggregate || claim.target == Target.Score) {
            RoundView memory r = rounds.viewOf(c.job, c.generation, c.round);
            claimed = claim.target == Target.Score ? Hashing.scoreDigest(r.endRoot, r.score) : r.endRoot;
            // INVARIANT: a claim names what it disputes, so that one made on a chain that was rewritten disputes nothing else.
            if (r.endRoot == 0 || c.slot != 0 || c.transcriptRoot != claimed) revert IRerun.WrongClaim("aggregate");
            return (rounds.aggregatorOf(c.job, c.generation, c.round), 0, claimed, 0);
        }
        if (!rounds.standing(c, claim.commitmentProof, claim.signature)) revert IRerun.WrongClaim("commitment");
        uint32 last = rounds.termsOf(c.job).segments;
        if (claim.target == Target.Table) {
            if (claim.entry.slot != c.slot || claim.entry.segment >= last) revert IRerun.WrongClaim("entry");
            if (claim.entryIndex >= claim.entryCount || claim.entryProof.length != Hashing.depth(claim.entryCount)) {
                revert IRerun.WrongClaim("entryProof");
            }
            bytes32 root = Hashing.climb(claim.entryIndex, Hashing.entryLeaf(claim.entry), claim.entryProof);
            bytes32 revealed = rounds.tableRootOf(c.job, c.generation, c.round, claim.validator);
            if (revealed == 0 || revealed != Hashing.tableRoot(claim.entryCount, root)) revert IRerun.WrongClaim("table");
            return (claim.validator, claim.entry.segment, claim.entry.digest, 0);
        }
        accused = c.provider;
        if (Hashing.secretHash(claim.secret) != c.secretHash) revert IRerun.WrongClaim("secret");
        _open(claim, claim.after_, claim.afterProof, last);
        if (claim.target == Target.Emit) {
            if (claim.after_.index != last) revert IRerun.WrongClaim("after");
            return (accused, last, Hashing.emitDigest(claim.after_.updateRoot), plain);
        }
        segment = claim.before.index;
        if (segment >= last || claim.after_.index != segment + 1) revert IRerun.WrongClaim("before");
        _open(claim, claim.before, claim.beforeProof, last);
        // A commitment that stands names the round's start.
        if (segment == 0 && claim.before.stateRoot != c.startRoot) plain = "start";
        // Only the last leaf binds an update, and nothing was trained before the first.
        if (claim.before.updateRoot != 0 || (segment == 0 && claim.before.lossBits != 0)) plain = plain == 0 ? bytes32("leaf") : plain;
        claimed = Hashing.segmentDigest(claim.after_);
    }

    function _open(IRerun.Claim calldata claim, Leaf calldata leaf, bytes32[] calldata proof, uint32 last) private view {
        bytes32 hash = Hashing.segmentLeaf(claim.commitment, claim.secret, leaf);
        if (!Hashing.verify(claim.commitment.transcriptRoot, uint256(last) + 1, leaf.index, hash, proof)) revert IRerun.WrongClaim("leaf");
    }
}
