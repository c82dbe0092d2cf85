// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Commitment, Leaf, RoundPhase, Target, UNSCORED} from "../src/Types.sol";
import {Facts} from "../src/interfaces/IDisputes.sol";
import {IRerun} from "../src/interfaces/IRerun.sol";
import {Plays} from "./Plays.sol";
import {Tree} from "./Tree.sol";

/// @title What was found wrong in contracts/src when these tests were written: each of them FAILS as long as it is.
contract HolesTest is Plays {
    uint256 private job;

    function setUp() external {
        deploy(false);
        populate(6, 12, 4);
        draft(4, 5, 3);
        _programs(4);
        job = running(5);
    }

    function _showOne(IRerun.Claim memory claim) private {
        IRerun.Claim[] memory one = new IRerun.Claim[](1);
        one[0] = claim;
        one[0].target = Target.Emit;
        try disputes.showUpdates(one) {} catch {}
    }

    /// Until the beacon block a slot may replace what the root has of it by a commitment of its own, and only that one stands
    /// then. An update that was shown before stays shown: an honest aggregator would have to stand for it.
    function test_updatesOf_replacedCommitment_isNotShown() external {
        commitAs(jobs.aggregatorOf(job), job, 0, 0, commitmentRoot(job, 0, 0, 0xf), 0xf, order.quorum);
        _showOne(this.segmentClaim(job, 0, 0, 0xf, 1, SEGMENTS - 1));
        Commitment memory b = commitmentOf(job, 0, 0, 1);
        bytes32[] memory leaves = leafHashes(b);
        Leaf memory last = leafAt(b, SEGMENTS);
        last.updateRoot = "another";
        leaves[SEGMENTS] = this.hashLeaf(b, secretOf(b), last);
        b.transcriptRoot = Tree.root(leaves);
        vm.prank(b.provider);
        rounds.commitSlot(b);
        mine(3);
        tables(job, 0, 0);
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        bytes32 shown = disputes.updatesOf(job, 0, 0)[1];
        yes(shown != keccak256(abi.encode("update", uint16(1))), "of a commitment that does not stand");
    }

    /// No quorum comes. The aggregator's own root says that a slot is present which has committed nothing, and it includes that
    /// slot: there is no update to be shown, so nobody can challenge an end that it made up, and it becomes final.
    function test_aggregate_ofASlotThatCommittedNothing_isChallenged() external {
        address aggregator = jobs.aggregatorOf(job);
        bytes32 root = commitmentRoot(job, 0, 0, 0x7);
        skip(order.windows.train + order.windows.aggregate / 2);
        vm.prank(aggregator);
        rounds.commit(job, 0, 0, root, bits(0xf), new bytes[](0));
        mine(3);
        for (uint256 times = 0; times < 3; times++) {
            skip(order.windows.table);
            rounds.advance(job, 0, 0);
        }
        yes(rounds.viewOf(job, 0, 0).optimistic, "nobody judges it");
        includeAlone(job, 0, 0, 0xf);
        skip(order.windows.aggregate / 2);
        vm.prank(aggregator);
        rounds.aggregate(job, 0, 0, "made up", UNSCORED, new bytes[](0));
        for (uint16 slot = 0; slot < 4; slot++) _showOne(this.segmentClaim(job, 0, 0, 0x7, slot, SEGMENTS - 1));
        IRerun.Claim memory claim = aggregateClaim(Target.Aggregate, job, 0, 0);
        _seal(claim, stranger);
        mine(1);
        Facts memory facts = _facts(claim);
        vm.prank(stranger);
        try disputes.openChallenge(claim, facts, "salt") {} catch {}
        skip(4 * order.windows.challenge);
        try rounds.finalise(job, 0, 0) {} catch {}
        yes(rounds.viewOf(job, 0, 0).phase != RoundPhase.Final, "a made up end is final, and nobody could challenge it");
    }
}
