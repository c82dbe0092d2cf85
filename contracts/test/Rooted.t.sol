// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Commitment, RoundPhase, UNSCORED} from "../src/Types.sol";
import {IJobs} from "../src/interfaces/IJobs.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Network} from "./Network.sol";
import {Tree} from "./Tree.sol";

/// @title A round's root: vouched for by a quorum, or so late that whoever it leaves out has entered by itself.
contract RootedTest is Network {
    uint256 internal job;

    function setUp() external {
        deploy(false);
        populate(6, 12, 4);
        draft(4, 5, 3);
        job = running(5);
    }

    function _phase() private view returns (RoundPhase) {
        return rounds.viewOf(job, 0, 0).phase;
    }

    function _alone(uint256 present) private {
        vm.prank(jobs.aggregatorOf(job));
        rounds.commit(job, 0, 0, "made up", bits(present), new bytes[](0));
    }

    function _refuseAlone(uint256 present) private {
        address aggregator = jobs.aggregatorOf(job);
        vm.prank(aggregator);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.commit(job, 0, 0, "made up", bits(present), new bytes[](0));
    }

    function _enter(uint16 slot) private {
        Commitment memory c = commitmentOf(job, 0, 0, slot);
        vm.prank(c.provider);
        rounds.commitSlot(c);
    }

    // ---------------------------------------------------------------- vouched

    function test_commit_vouched_allPresent_atOnce_succeeds() external {
        commitAs(jobs.aggregatorOf(job), job, 0, 0, "root", 0xf, 3);
        yes(_phase() == RoundPhase.Sampling, "before the train window is over");
        equal(rounds.viewOf(job, 0, 0).drawing, 1, "the job's first drawing");
        equal(rounds.drawings(job), 1, "counted");
    }

    function test_commit_vouched_someMissing_afterTrain_succeeds() external {
        bytes[] memory signatures = sign(job, rootHash(job, 0, 0, "root", 0x7), 3);
        address aggregator = jobs.aggregatorOf(job);
        skip(order.windows.train - 1);
        vm.prank(aggregator);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.commit(job, 0, 0, "root", bits(0x7), signatures);
        skip(1);
        vm.prank(aggregator);
        rounds.commit(job, 0, 0, "root", bits(0x7), signatures);
        equal(rounds.viewOf(job, 0, 0).present[0], 0x7, "present");
    }

    function _refuseSigned(bytes32 structHash, uint256 count) private {
        bytes[] memory signatures = sign(job, structHash, count);
        vm.prank(jobs.aggregatorOf(job));
        vm.expectRevert();
        rounds.commit(job, 0, 0, "root", bits(0xf), signatures);
    }

    function test_commit_vouchedForSomethingElse_reverts() external {
        _refuseSigned(rootHash(job, 0, 0, "another", 0xf), 3);
        _refuseSigned(rootHash(job, 0, 0, "root", 0x7), 3);
        _refuseSigned(rootHash(job, 0, 1, "root", 0xf), 3);
        _refuseSigned(rootHash(job, 1, 0, "root", 0xf), 3);
        _refuseSigned(rootHash(job + 1, 0, 0, "root", 0xf), 3);
        bytes[] memory two = sign(job, rootHash(job, 0, 0, "root", 0xf), 2);
        address aggregator = jobs.aggregatorOf(job);
        vm.prank(aggregator);
        vm.expectPartialRevert(IRounds.NoQuorum.selector);
        rounds.commit(job, 0, 0, "root", bits(0xf), two);
        bytes[] memory again = sign(job, rootHash(job, 0, 0, "root", 0xf), 3);
        again[2] = again[1];
        vm.prank(aggregator);
        vm.expectPartialRevert(IRounds.BadSignature.selector);
        rounds.commit(job, 0, 0, "root", bits(0xf), again);
    }

    function test_commit_vouchedByStrangers_reverts() external {
        bytes32 structHash = rootHash(job, 0, 0, "root", 0xf);
        address[3] memory signers = [stranger, bidders[0], aggregators[0]];
        bytes[] memory signatures = new bytes[](3);
        for (uint256 i = 0; i < 3; i++) {
            for (uint256 k = i + 1; k < 3; k++) if (signers[k] < signers[i]) (signers[i], signers[k]) = (signers[k], signers[i]);
            signatures[i] = signAs(signers[i], structHash);
        }
        vm.prank(jobs.aggregatorOf(job));
        vm.expectPartialRevert(IJobs.NotDrawn.selector);
        rounds.commit(job, 0, 0, "root", bits(0xf), signatures);
    }

    /// Who came by itself is there, whatever the vouched bitmap says.
    function test_commit_vouched_directOnesCount_succeeds() external {
        _enter(3);
        commitAs(jobs.aggregatorOf(job), job, 0, 0, "root", 0x7, 3);
        equal(rounds.viewOf(job, 0, 0).present[0], 0xf, "all");
    }

    function test_commit_wrongWords_reverts() external {
        vm.prank(jobs.aggregatorOf(job));
        vm.expectPartialRevert(IRounds.WrongOpening.selector);
        rounds.commit(job, 0, 0, "root", new uint256[](2), new bytes[](0));
    }

    // ---------------------------------------------------------------- alone

    function test_commit_alone_waitsHalfAnAggregateWindow_succeeds() external {
        _refuseAlone(0xf);
        skip(order.windows.train);
        _refuseAlone(0xf);
        skip(order.windows.aggregate / 2 - 1);
        _refuseAlone(0xf);
        skip(1);
        _alone(0xf);
        yes(_phase() == RoundPhase.Sampling, "in time for its own deadline");
    }

    function test_commit_alone_allEntered_atOnce_succeeds() external {
        for (uint16 slot = 0; slot < 3; slot++) {
            _enter(slot);
            _refuseAlone(0xf);
        }
        _enter(3);
        _alone(0);
        equal(rounds.viewOf(job, 0, 0).present[0], 0xf, "all are there by themselves");
    }

    /// The attack: a root over what the aggregator made up, as soon as it can, to shut the honest out. By then each of them
    /// has had half a window to enter, and its own leaf counts.
    function test_commit_alone_shutsNobodyOut_succeeds() external {
        skip(order.windows.train);
        _refuseAlone(0);
        for (uint16 slot = 0; slot < 4; slot++) _enter(slot);
        skip(order.windows.aggregate / 2);
        _alone(0);
        equal(rounds.viewOf(job, 0, 0).present[0], 0xf, "all are there");
        mine(3);
        for (uint16 slot = 0; slot < 4; slot++) {
            yes(rounds.standing(commitmentOf(job, 0, 0, slot), new bytes32[](0), ""), "and each by its own leaf");
        }
        tables(job, 0, 0);
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        for (uint256 i = 0; i < 4; i++) equal(rounds.earned(job, jobs.providersOf(job)[i]), 804, "paid in full");
        equal(rounds.earned(job, jobs.aggregatorOf(job)), 0, "no fee for a root that nobody vouched for");
        equal(bucket(IVault.Kind.Credit, job), 4 * 804 + 5 * 100, "nor is it credited");
    }

    /// Who comes after an aggregator that made its root alone and then fell silent earns the fee.
    function test_commit_alone_successorEarns_succeeds() external {
        skip(order.windows.train + order.windows.aggregate / 2);
        for (uint16 slot = 0; slot < 4; slot++) _enter(slot);
        _alone(0);
        mine(3);
        tables(job, 0, 0);
        includeRound(job, 0, 0, 0xf, 0xf);
        skip(order.windows.aggregate);
        vm.prank(stranger);
        rounds.advance(job, 0, 0);
        equal(jobs.aggregatorOf(job), stranger, "took over");
        aggregateRound(job, 0, 0);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        equal(rounds.earned(job, stranger), 300, "its fee");
    }

    /// Even after such a root, until the beacon block.
    function test_commitSlot_afterARootAlone_succeeds() external {
        skip(order.windows.train + order.windows.aggregate / 2);
        _alone(0);
        _enter(2);
        equal(rounds.viewOf(job, 0, 0).present[0], 0x4, "entered");
        mine(3);
        Commitment memory c = commitmentOf(job, 0, 0, 1);
        vm.prank(c.provider);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        rounds.commitSlot(c);
    }

    /// What the aggregator says of a slot binds it only with its signature.
    function test_commit_alone_forgesNobody_succeeds() external {
        Commitment memory forged = commitmentOf(job, 0, 0, 2);
        forged.transcriptRoot = "made up";
        bytes32[] memory leaves = slotLeaves(job, 0, 0, 0xf);
        leaves[2] = this.hashCommitment(forged);
        skip(order.windows.train + order.windows.aggregate / 2);
        bytes32 root = Tree.root(leaves);
        vm.prank(jobs.aggregatorOf(job));
        rounds.commit(job, 0, 0, root, bits(0xf), new bytes[](0));
        mine(3);
        yes(!rounds.standing(forged, Tree.proof(leaves, 2), ""), "not bound");
    }

    // ---------------------------------------------------------------- an aggregate alone

    function test_aggregate_alone_opensTheNextRoundOnlyWhenFinal_succeeds() external {
        playTo(RoundPhase.Aggregating, job, 0, 0, 0xf);
        skip(order.windows.aggregate / 2);
        vm.prank(jobs.aggregatorOf(job));
        rounds.aggregate(job, 0, 0, "end", UNSCORED, new bytes[](0));
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.None, "nobody trains on it yet");
        rounds.proceed(job);
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.None, "nor by asking");
        skip(4 * order.windows.challenge);
        rounds.finalise(job, 0, 0);
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.Training, "now");
        equal(rounds.viewOf(job, 0, 1).startRoot, bytes32("end"), "from there");
    }

    /// A quorum may come to an optimistic round after all: its window stays long, and its word is not waited for twice.
    function test_aggregate_optimisticWithSignatures_staysLong_succeeds() external {
        commitRound(job, 0, 0, 0xf);
        for (uint256 i = 0; i < 3; i++) {
            skip(order.windows.table);
            rounds.advance(job, 0, 0);
            mine(3);
        }
        includeAlone(job, 0, 0, 0xf);
        address[] memory seats = jobs.validatorsOf(job);
        for (uint256 i = 0; i < 5; i++) {
            if (seats[i] != address(0)) enlist(job, seats[i]);
        }
        aggregateRound(job, 0, 0);
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.None, "opens when it is final");
        skip(4 * order.windows.challenge);
        rounds.finalise(job, 0, 0);
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.Training, "now");
    }
}
