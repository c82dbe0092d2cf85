// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {Commitment, JobPhase, RoundPhase, RoundView, Terms, TranscriptOpening, UNSCORED} from "../src/Types.sol";
import {IBeacon} from "../src/interfaces/IBeacon.sol";
import {IJobs} from "../src/interfaces/IJobs.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Network} from "./Network.sol";
import {Tree} from "./Tree.sol";

contract RoundsTest is Network {
    uint256 internal constant PRICE = 804;
    uint256 internal constant COST = 4 * PRICE + 5 * 100 + 300;
    uint256 internal job;

    function setUp() external {
        deploy(false);
        populate(6, 12, 4);
        draft(4, 5, 3);
        job = running(5);
    }

    function _phase(uint32 generation, uint32 round) private view returns (RoundPhase) {
        return rounds.viewOf(job, generation, round).phase;
    }

    function _commitAs(address caller, uint256 present) private {
        commitAs(caller, job, 0, 0, "root", present, order.quorum);
    }

    function _refuseCommit(address caller, uint256 present, bytes4 reason) private {
        bytes[] memory signatures = sign(job, rootHash(job, 0, 0, "root", present), order.quorum);
        vm.prank(caller);
        vm.expectPartialRevert(reason);
        rounds.commit(job, 0, 0, "root", bits(present), signatures);
    }

    // ---------------------------------------------------------------- commit

    function test_commit_stranger_reverts() external {
        _refuseCommit(stranger, 0xf, IRounds.NotAggregator.selector);
    }

    function test_commit_someMissing_early_reverts() external {
        _refuseCommit(jobs.aggregatorOf(job), 0x7, IRounds.TooEarly.selector);
    }

    function test_commit_someMissing_afterTheWindow_succeeds() external {
        skip(order.windows.train);
        _commitAs(jobs.aggregatorOf(job), 0x7);
        yes(_phase(0, 0) == RoundPhase.Sampling, "sampling");
    }

    function test_commit_unknownSlot_reverts() external {
        _refuseCommit(jobs.aggregatorOf(job), 0x1f, IRounds.NotIncluded.selector);
    }

    function test_commit_twice_reverts() external {
        address aggregator = jobs.aggregatorOf(job);
        _commitAs(aggregator, 0xf);
        _refuseCommit(aggregator, 0xf, IRounds.WrongPhase.selector);
    }

    function test_commitSlot_leftOut_isIncluded_succeeds() external {
        skip(order.windows.train);
        _commitAs(jobs.aggregatorOf(job), 0x7);
        Commitment memory c = commitmentOf(job, 0, 0, 3);
        vm.prank(c.provider);
        rounds.commitSlot(c);
        equal(rounds.viewOf(job, 0, 0).present[0], 0xf, "present");
        yes(rounds.standing(c, new bytes32[](0), ""), "stands");
    }

    function test_commitSlot_beforeCommit_counts_succeeds() external {
        Commitment memory c = commitmentOf(job, 0, 0, 3);
        vm.prank(c.provider);
        rounds.commitSlot(c);
        _commitAs(jobs.aggregatorOf(job), 0x7);
        equal(rounds.viewOf(job, 0, 0).present[0], 0xf, "all have reported");
    }

    function test_commitSlot_afterBeaconBlock_reverts() external {
        Commitment memory c = commitmentOf(job, 0, 0, 3);
        commitRound(job, 0, 0, 0xf);
        vm.prank(c.provider);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        rounds.commitSlot(c);
    }

    function test_commitSlot_twice_reverts() external {
        Commitment memory c = commitmentOf(job, 0, 0, 3);
        vm.startPrank(c.provider);
        rounds.commitSlot(c);
        c.sealedHash = "another";
        vm.expectPartialRevert(IRounds.AlreadyDone.selector);
        rounds.commitSlot(c);
        vm.stopPrank();
    }

    function test_commitSlot_anothersSlot_reverts() external {
        Commitment memory c = commitmentOf(job, 0, 0, 3);
        vm.prank(bidders[0]);
        vm.expectPartialRevert(IRounds.NotProvider.selector);
        rounds.commitSlot(c);
        c.provider = bidders[0];
        vm.prank(bidders[0]);
        vm.expectPartialRevert(IRounds.NotProvider.selector);
        rounds.commitSlot(c);
    }

    function test_commitSlot_staleStart_reverts() external {
        Commitment memory c = commitmentOf(job, 0, 0, 3);
        c.startRoot = "stale";
        vm.prank(c.provider);
        vm.expectPartialRevert(IRounds.WrongOpening.selector);
        rounds.commitSlot(c);
    }

    function test_standing_overriddenLeaf_succeeds() external {
        bytes32[] memory leaves = slotLeaves(job, 0, 0, 0xf);
        Commitment memory real = commitmentOf(job, 0, 0, 2);
        Commitment memory forged = commitmentOf(job, 0, 0, 2);
        forged.sealedHash = "made up by the aggregator";
        leaves[2] = this.hashCommitment(forged);
        bytes32[] memory proof = Tree.proof(leaves, 2);
        bytes32 root = Tree.root(leaves);
        commitAs(jobs.aggregatorOf(job), job, 0, 0, root, 0xf, order.quorum);
        yes(!rounds.standing(forged, proof, ""), "not without the provider's signature");
        yes(!rounds.standing(forged, proof, signCommitment(real)), "nor with one over something else");
        vm.prank(real.provider);
        rounds.commitSlot(real);
        yes(!rounds.standing(forged, proof, signCommitment(forged)), "overridden");
        yes(rounds.standing(real, proof, ""), "direct");
    }

    function test_standing_wrongIndex_succeeds() external {
        commitRound(job, 0, 0, 0xf);
        Commitment memory c = commitmentOf(job, 0, 0, 2);
        bytes memory signature = signCommitment(c);
        yes(rounds.standing(c, slotProof(job, 0, 0, 0xf, 2), signature), "stands");
        yes(!rounds.standing(c, slotProof(job, 0, 0, 0xf, 1), signature), "another's proof");
        yes(!rounds.standing(c, new bytes32[](1), signature), "short proof");
        c.job = job + 1;
        yes(!rounds.standing(c, slotProof(job, 0, 0, 0xf, 2), signCommitment(c)), "another job");
    }

    // ---------------------------------------------------------------- tables

    function test_commitTable_beforeBeacon_reverts() external {
        address validator = jobs.validatorsOf(job)[0];
        _commitAs(jobs.aggregatorOf(job), 0xf);
        vm.prank(validator);
        vm.expectPartialRevert(IBeacon.TooEarly.selector);
        rounds.commitTable(job, 0, 0, "sealed");
    }

    function test_commitTable_stranger_reverts() external {
        commitRound(job, 0, 0, 0xf);
        vm.prank(stranger);
        vm.expectPartialRevert(IJobs.NotDrawn.selector);
        rounds.commitTable(job, 0, 0, "sealed");
    }

    function test_commitTable_twiceOrLate_reverts() external {
        address validator = jobs.validatorsOf(job)[0];
        commitRound(job, 0, 0, 0xf);
        sealTable(job, 0, 0, validator);
        vm.prank(validator);
        vm.expectPartialRevert(IRounds.AlreadyDone.selector);
        rounds.commitTable(job, 0, 0, "sealed");
        skip(order.windows.table);
        vm.prank(jobs.validatorsOf(job)[1]);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        rounds.commitTable(job, 0, 0, "sealed");
    }

    function test_revealTable_beforeAllCommitted_reverts() external {
        address validator = jobs.validatorsOf(job)[0];
        commitRound(job, 0, 0, 0xf);
        sealTable(job, 0, 0, validator);
        bytes32 nonce = nonceFor(job, 0, 0, validator);
        bytes32 root = tableRoot(job, 0);
        vm.prank(validator);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.revealTable(job, 0, 0, root, nonce, "pepper");
    }

    function test_revealTable_otherTable_reverts() external {
        playTo(RoundPhase.Sampling, job, 0, 0, 0xf);
        address[] memory drawn_ = jobs.validatorsOf(job);
        for (uint256 i = 0; i < 5; i++) sealTable(job, 0, 0, drawn_[i]);
        bytes32 nonce = nonceFor(job, 0, 0, drawn_[0]);
        vm.prank(drawn_[0]);
        vm.expectPartialRevert(IRounds.WrongOpening.selector);
        rounds.revealTable(job, 0, 0, "another", nonce, "pepper");
    }

    function test_revealTable_copiedSeal_reverts() external {
        playTo(RoundPhase.Sampling, job, 0, 0, 0xf);
        address[] memory drawn_ = jobs.validatorsOf(job);
        bytes32 nonce = nonceFor(job, 0, 0, drawn_[0]);
        bytes32 root = tableRoot(job, 0);
        bytes32 copied = keccak256(abi.encode(root, nonce, bytes32("pepper")));
        for (uint256 i = 0; i < 4; i++) sealTable(job, 0, 0, drawn_[i]);
        vm.prank(drawn_[4]);
        rounds.commitTable(job, 0, 0, copied);
        openTable(job, 0, 0, drawn_[0]);
        vm.prank(drawn_[4]);
        vm.expectPartialRevert(IJobs.WrongOpening.selector);
        rounds.revealTable(job, 0, 0, root, nonce, "pepper");
    }

    function test_revealTable_afterInclude_untilTheWindowCloses_succeeds() external {
        playTo(RoundPhase.Sampling, job, 0, 0, 0xf);
        address[] memory drawn_ = jobs.validatorsOf(job);
        for (uint256 i = 0; i < 5; i++) sealTable(job, 0, 0, drawn_[i]);
        for (uint256 i = 0; i < 3; i++) openTable(job, 0, 0, drawn_[i]);
        includeRound(job, 0, 0, 0xf, 0xf);
        openTable(job, 0, 0, drawn_[3]);
        aggregateRound(job, 0, 0);
        skip(order.windows.open);
        bytes32 nonce = nonceFor(job, 0, 0, drawn_[4]);
        bytes32 root = tableRoot(job, 0);
        vm.prank(drawn_[4]);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        rounds.revealTable(job, 0, 0, root, nonce, "pepper");
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        equal(bucket(IVault.Kind.Credit, job), COST - 200, "three served");
        equal(rounds.earned(job, drawn_[2]), 100, "earned");
        equal(rounds.earned(job, drawn_[3]), 0, "too late for the fee");
        equal(rounds.earned(job, drawn_[4]), 0, "not earned");
        vm.expectPartialRevert(IRounds.AlreadyDone.selector);
        rounds.penaliseSilent(job, 0, 0, 3);
        rounds.penaliseSilent(job, 0, 0, 4);
    }

    function test_penaliseSilent_once_succeeds() external {
        playTo(RoundPhase.Sampling, job, 0, 0, 0xf);
        address[] memory drawn_ = jobs.validatorsOf(job);
        for (uint256 i = 0; i < 4; i++) sealTable(job, 0, 0, drawn_[i]);
        skip(order.windows.table);
        for (uint256 i = 0; i < 4; i++) openTable(job, 0, 0, drawn_[i]);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.penaliseSilent(job, 0, 0, 4);
        skip(order.windows.open);
        rounds.penaliseSilent(job, 0, 0, 4);
        equal(stakes.staked(token, drawn_[4]), FUNDS / 2 - COST, "penalised");
        equal(vault.burned(token), COST, "silence is burned whole");
        vm.expectPartialRevert(IRounds.AlreadyDone.selector);
        rounds.penaliseSilent(job, 0, 0, 4);
        vm.expectPartialRevert(IRounds.AlreadyDone.selector);
        rounds.penaliseSilent(job, 0, 0, 0);
    }

    // ---------------------------------------------------------------- include

    function test_include_tooFewSignatures_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        bytes[] memory signatures = resultSignatures(job, 0, 0, 0xf, 0xf, 2);
        vm.expectPartialRevert(IRounds.NoQuorum.selector);
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0x1f, "result", signatures);
    }

    function test_include_oneSignerTwice_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        bytes[] memory signatures = resultSignatures(job, 0, 0, 0xf, 0xf, 3);
        signatures[1] = signatures[0];
        vm.expectPartialRevert(IRounds.BadSignature.selector);
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0x1f, "result", signatures);
    }

    function test_include_otherResult_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        bytes[] memory signatures = resultSignatures(job, 0, 0, 0xf, 0xf, 3);
        vm.expectRevert();
        rounds.include(job, 0, 0, bits(0xf), bits(0x7), 0x1f, "result", signatures);
    }

    function test_include_anotherGenerationsSignatures_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        bytes[] memory signatures = resultSignatures(job, 1, 0, 0xf, 0xf, 3);
        vm.expectRevert();
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0x1f, "result", signatures);
    }

    function test_include_strangersSignature_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        bytes32 structHash = resultHash(job, 0, 0, 0xf, 0xf, 0x1f);
        bytes[] memory signatures = new bytes[](3);
        address[3] memory signers = [stranger, bidders[0], bidders[1]];
        for (uint256 i = 0; i < 3; i++) {
            for (uint256 k = i + 1; k < 3; k++) if (signers[k] < signers[i]) (signers[i], signers[k]) = (signers[k], signers[i]);
            signatures[i] = signAs(signers[i], structHash);
        }
        vm.expectPartialRevert(IJobs.NotDrawn.selector);
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0x1f, "result", signatures);
    }

    function test_include_absentSlot_reverts() external {
        skip(order.windows.train);
        playTo(RoundPhase.Opening, job, 0, 0, 0x7);
        bytes[] memory signatures = resultSignatures(job, 0, 0, 0xf, 0xf, 3);
        vm.expectPartialRevert(IRounds.NotIncluded.selector);
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0x1f, "result", signatures);
    }

    function test_include_notAccepted_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        bytes[] memory signatures = resultSignatures(job, 0, 0, 0x7, 0xf, 3);
        vm.expectPartialRevert(IRounds.NotIncluded.selector);
        rounds.include(job, 0, 0, bits(0x7), bits(0xf), 0x1f, "result", signatures);
    }

    function test_include_acceptedOnly_paysHalf_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        includeRound(job, 0, 0, 0x7, 0x3);
        aggregateRound(job, 0, 0);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        address[] memory providers = jobs.providersOf(job);
        equal(rounds.earned(job, providers[0]), PRICE, "included");
        equal(rounds.earned(job, providers[2]), PRICE / 2, "accepted");
        equal(rounds.earned(job, providers[3]), 0, "neither");
        equal(bucket(IVault.Kind.Credit, job), 2 * PRICE + PRICE / 2 + 800, "credited");
    }

    function test_include_belowReportsMin_voids_succeeds() external {
        order.reportsMin = 3;
        job = _again();
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        includeRound(job, 0, 0, 0x3, 0x3);
        yes(_phase(0, 0) == RoundPhase.Void, "void");
        yes(_phase(1, 0) == RoundPhase.Training, "reopened");
        equal(rounds.viewOf(job, 1, 0).startRoot, bytes32("state"), "from the same state");
        equal(bucket(IVault.Kind.Credit, job), 2 * (PRICE / 2) + 800, "accepted work is paid half");
    }

    function _again() private returns (uint256) {
        return running(5);
    }

    function test_late_burnsTheBond_andClosesTheSlot_succeeds() external {
        for (uint32 round = 0; round < 2; round++) {
            uint256 burned = vault.burned(token);
            skip(order.windows.train);
            playTo(RoundPhase.Final, job, 0, round, 0x7);
            equal(vault.burned(token) - burned, PRICE, "one price");
        }
        // A bond of 2,000 less two prices of 804 does not cover a third.
        equal(jobs.slotsOpen(job)[0], 0x7, "closed");
        playTo(RoundPhase.Final, job, 0, 2, 0x7);
        equal(vault.burned(token), 2 * PRICE, "no more");
        jobs.end(job);
        equal(rounds.earned(job, jobs.providersOf(job)[3]), 0, "unpaid");
    }

    function test_commitSlot_closedForLateness_reverts() external {
        for (uint32 round = 0; round < 2; round++) {
            skip(order.windows.train);
            playTo(RoundPhase.Final, job, 0, round, 0x7);
        }
        Commitment memory c = commitmentOf(job, 0, 2, 3);
        vm.prank(c.provider);
        vm.expectPartialRevert(IRounds.NotProvider.selector);
        rounds.commitSlot(c);
        c = commitmentOf(job, 0, 2, 2);
        vm.prank(c.provider);
        rounds.commitSlot(c);
        equal(rounds.viewOf(job, 0, 2).present[0], 0x4, "an open one may");
    }

    function test_include_leftOut_losesOnePriceOfItsBond_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        includeRound(job, 0, 0, 0x7, 0x7);
        equal(vault.burned(token), PRICE, "present and not accepted");
        equal(jobs.slotsOpen(job)[0], 0xf, "may try again");
    }

    function test_include_alone_burnsNobodyThatCame_succeeds() external {
        playTo(RoundPhase.Sampling, job, 0, 0, 0xf);
        for (uint256 i = 0; i < 3; i++) {
            skip(order.windows.table);
            rounds.advance(job, 0, 0);
            mine(3);
        }
        yes(rounds.viewOf(job, 0, 0).optimistic, "no quorum");
        uint256 burned = vault.burned(token);
        includeAlone(job, 0, 0, 0x3);
        equal(vault.burned(token), burned, "an aggregator alone takes nobody's bond");
    }

    function test_nobodyPresent_voids_untilTheJobEnds_succeeds() external {
        for (uint32 generation = 0; generation < 2; generation++) {
            skip(order.windows.train);
            commitAs(jobs.aggregatorOf(job), job, generation, 0, Tree.EMPTY, 0, order.quorum);
            mine(3);
            rounds.advance(job, generation, 0);
            yes(_phase(generation, 0) == RoundPhase.Void, "void");
        }
        // All slots are closed for lateness: nothing opens any more.
        equal(jobs.slotsOpen(job)[0], 0, "closed");
        yes(rounds.settled(job), "settled");
        jobs.end(job);
        yes(phaseOf(job) == JobPhase.Done, "done");
        equal(bucket(IVault.Kind.Credit, job), 0, "nobody earned");
    }

    // ---------------------------------------------------------------- aggregate, finalise

    function test_aggregate_stranger_reverts() external {
        playTo(RoundPhase.Aggregating, job, 0, 0, 0xf);
        vm.prank(stranger);
        vm.expectPartialRevert(IRounds.NotAggregator.selector);
        rounds.aggregate(job, 0, 0, "end", UNSCORED, new bytes[](0));
    }

    function test_aggregate_alone_early_reverts() external {
        playTo(RoundPhase.Aggregating, job, 0, 0, 0xf);
        vm.prank(jobs.aggregatorOf(job));
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.aggregate(job, 0, 0, "end", UNSCORED, new bytes[](0));
    }

    function test_aggregate_alone_waitsFourWindows_succeeds() external {
        playTo(RoundPhase.Aggregating, job, 0, 0, 0xf);
        skip(order.windows.aggregate / 2);
        vm.prank(jobs.aggregatorOf(job));
        rounds.aggregate(job, 0, 0, "end", UNSCORED, new bytes[](0));
        yes(rounds.viewOf(job, 0, 0).optimistic, "optimistic");
        skip(4 * order.windows.challenge - 1);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.finalise(job, 0, 0);
        skip(1);
        rounds.finalise(job, 0, 0);
    }

    function test_finalise_early_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.finalise(job, 0, 0);
    }

    function test_finalise_twice_reverts() external {
        playTo(RoundPhase.Final, job, 0, 0, 0xf);
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.finalise(job, 0, 0);
    }

    function test_finalise_outOfOrder_reverts() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Challenging, job, 0, 1, 0xf);
        skip(order.windows.challenge);
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.finalise(job, 0, 1);
        rounds.finalise(job, 0, 0);
        rounds.finalise(job, 0, 1);
    }

    function test_lookahead_holdsTheNextRound_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        yes(_phase(0, 1) == RoundPhase.Training, "one ahead");
        playTo(RoundPhase.Challenging, job, 0, 1, 0xf);
        yes(_phase(0, 2) == RoundPhase.None, "not two");
        rounds.proceed(job);
        yes(_phase(0, 2) == RoundPhase.None, "nor by asking");
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        yes(_phase(0, 2) == RoundPhase.Training, "now");
        equal(rounds.viewOf(job, 0, 2).startRoot, endRootOf(0, 1), "from round 1's end");
    }

    function test_claim_beforeTheEnd_reverts() external {
        playTo(RoundPhase.Final, job, 0, 0, 0xf);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.claim(job, bidders[0]);
    }

    function test_claim_twice_reverts() external {
        for (uint32 round = 0; round < 3; round++) playTo(RoundPhase.Final, job, 0, round, 0xf);
        jobs.end(job);
        rounds.claim(job, bidders[0]);
        vm.expectPartialRevert(IRounds.AlreadyDone.selector);
        rounds.claim(job, bidders[0]);
    }

    // ---------------------------------------------------------------- exits

    function test_advance_early_reverts() external {
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.advance(job, 0, 0);
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        vm.expectPartialRevert(IRounds.AlreadyDone.selector);
        rounds.advance(job, 0, 0);
    }

    function test_advance_silentAggregator_callerTakesOver_succeeds() external {
        address silent = jobs.aggregatorOf(job);
        skip(order.windows.train + order.windows.aggregate);
        vm.prank(stranger);
        rounds.advance(job, 0, 0);
        equal(jobs.aggregatorOf(job), stranger, "taken over");
        equal(stakes.staked(token, silent), FUNDS / 2 - order.aggregatorStake, "lock lost");
        equal(stakes.locked(token, stranger), order.aggregatorStake, "locked");
        for (uint32 round = 0; round < 3; round++) playTo(RoundPhase.Final, job, 0, round, 0xf);
        jobs.end(job);
        equal(rounds.claim(job, stranger), 900, "paid");
        equal(rounds.claim(job, silent), 0, "not paid");
        equal(stakes.locked(token, stranger), 0, "unlocked");
    }

    function test_advance_silentAggregator_providerCalls_poolIsDrawn_succeeds() external {
        playTo(RoundPhase.Aggregating, job, 0, 0, 0xf);
        address silent = jobs.aggregatorOf(job);
        skip(order.windows.aggregate);
        address provider = jobs.providersOf(job)[0];
        vm.prank(provider);
        rounds.advance(job, 0, 0);
        address next = jobs.aggregatorOf(job);
        yes(next != provider && next != silent && next != address(0), "somebody from the pool");
        aggregateRound(job, 0, 0);
    }

    function test_advance_noAggregatorLeft_endsTheJob_succeeds() external {
        for (uint256 i = 0; i < 4; i++) {
            skip(order.windows.train + order.windows.aggregate);
            vm.prank(bidders[0]);
            rounds.advance(job, 0, 0);
        }
        yes(_phase(0, 0) == RoundPhase.Void, "void");
        yes(rounds.settled(job), "settled");
        jobs.end(job);
        equal(sumOfBuckets(), held(), "conserved");
        for (uint256 i = 0; i < everybody.length; i++) equal(stakes.locked(token, everybody[i]), 0, "unlocked");
    }

    /// Nobody in the pool has the stake any more to follow the present aggregator.
    function _emptyThePool() private {
        for (uint256 i = 0; i < 4; i++) {
            if (aggregators[i] == jobs.aggregatorOf(job)) continue;
            vm.prank(aggregators[i]);
            stakes.unstake(token, FUNDS / 2);
        }
        vm.warp(block.timestamp + 61);
        for (uint256 i = 0; i < 4; i++) {
            if (aggregators[i] == jobs.aggregatorOf(job)) continue;
            vm.prank(aggregators[i]);
            stakes.release(token);
        }
    }

    function test_advance_vacantPlaceTakenEarly_hasTheTimeToCommit_succeeds() external {
        _emptyThePool();
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        vm.prank(address(disputes));
        rounds.disprovedAggregate(job, 0, 0, bidders[0], "aggregate");
        equal(jobs.aggregatorOf(job), address(0), "vacant");
        skip(10);
        vm.prank(stranger);
        rounds.advance(job, 1, 0);
        equal(jobs.aggregatorOf(job), stranger, "taken at once");
        RoundView memory r = rounds.viewOf(job, 1, 0);
        equal(r.deadline, r.openedAt + order.windows.train + order.windows.aggregate, "not before slots may still report");
        skip(order.windows.train - 10);
        _commitIn(1, 0x7);
        yes(_phase(1, 0) == RoundPhase.Sampling, "committed without the late one");
    }

    function _commitIn(uint32 generation, uint256 present) private {
        commitAs(jobs.aggregatorOf(job), job, generation, 0, "root", present, order.quorum);
    }

    function test_advance_vacantPlace_cannotBeRushed_reverts() external {
        _emptyThePool();
        skip(order.windows.train + order.windows.aggregate);
        vm.prank(bidders[0]);
        rounds.advance(job, 0, 0);
        equal(jobs.aggregatorOf(job), address(0), "vacant");
        vm.prank(bidders[0]);
        vm.expectPartialRevert(IRounds.NotAggregator.selector);
        rounds.advance(job, 0, 0);
        vm.prank(stranger);
        rounds.advance(job, 0, 0);
        equal(jobs.aggregatorOf(job), stranger, "whoever has the stake may take it at once");
    }

    function test_advance_noTables_redrawsTwice_thenOptimistic_succeeds() external {
        playTo(RoundPhase.Sampling, job, 0, 0, 0xf);
        address[] memory first = jobs.validatorsOf(job);
        for (uint256 i = 0; i < 2; i++) {
            skip(order.windows.table);
            rounds.advance(job, 0, 0);
            yes(_phase(0, 0) == RoundPhase.Sampling, "drawn anew");
            equal(rounds.viewOf(job, 0, 0).redraws, i + 1, "redraws");
            mine(3);
        }
        for (uint256 i = 0; i < 5; i++) equal(stakes.staked(token, first[i]), FUNDS / 2 - COST, "penalised once");
        address[] memory second = jobs.validatorsOf(job);
        for (uint256 i = 0; i < 5; i++) yes(second[i] != first[i], "replaced");
        skip(order.windows.table);
        rounds.advance(job, 0, 0);
        RoundView memory r = rounds.viewOf(job, 0, 0);
        yes(r.optimistic && r.phase == RoundPhase.Opening, "optimistic");
        vm.prank(stranger);
        vm.expectPartialRevert(IRounds.NotAggregator.selector);
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0, "result", new bytes[](0));
        address aggregator = jobs.aggregatorOf(job);
        vm.startPrank(aggregator);
        rounds.include(job, 0, 0, bits(0xf), bits(0xf), 0, "result", new bytes[](0));
        rounds.aggregate(job, 0, 0, "end", UNSCORED, new bytes[](0));
        vm.stopPrank();
        skip(4 * order.windows.challenge);
        rounds.finalise(job, 0, 0);
        equal(rounds.earned(job, bidders[0]), PRICE, "work is paid");
    }

    function test_advance_replacedValidatorsServe_succeeds() external {
        playTo(RoundPhase.Sampling, job, 0, 0, 0xf);
        address[] memory first = jobs.validatorsOf(job);
        for (uint256 i = 0; i < 2; i++) sealTable(job, 0, 0, first[i]);
        skip(order.windows.table);
        rounds.advance(job, 0, 0);
        address[] memory second = jobs.validatorsOf(job);
        equal(second[0], first[0], "who served stays");
        for (uint256 i = 2; i < 5; i++) enlist(job, second[i]);
        mine(3);
        for (uint256 i = 0; i < 5; i++) sealTable(job, 0, 0, second[i]);
        for (uint256 i = 0; i < 5; i++) openTable(job, 0, 0, second[i]);
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        equal(bucket(IVault.Kind.Credit, job), COST, "a round's cost");
        equal(stakes.staked(token, first[0]), FUNDS / 2, "untouched");
    }

    function test_advance_enlistedAfterTheBeacon_cannotServe_reverts() external {
        playTo(RoundPhase.Sampling, job, 0, 0, 0xf);
        skip(order.windows.table);
        rounds.advance(job, 0, 0);
        mine(3);
        address late = jobs.validatorsOf(job)[0];
        enlist(job, late);
        vm.prank(late);
        vm.expectPartialRevert(IRounds.NotValidator.selector);
        rounds.commitTable(job, 0, 0, "sealed");
    }

    function test_advance_noInclude_redraws_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        skip(order.windows.open);
        rounds.advance(job, 0, 0);
        yes(_phase(0, 0) == RoundPhase.Sampling, "drawn anew");
        equal(vault.burned(token), 0, "nobody was silent");
        mine(3);
        tables(job, 0, 0);
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        equal(bucket(IVault.Kind.Credit, job), COST, "validators are paid once a round");
    }

    // ---------------------------------------------------------------- evidence

    function _demand(uint16 slot) private returns (Commitment memory c, bytes32[] memory proof) {
        c = commitmentOf(job, 0, 0, slot);
        proof = slotProof(job, 0, 0, 0xf, slot);
        bytes memory signature = signCommitment(c);
        vm.prank(jobs.validatorsOf(job)[0]);
        rounds.demandSecret(c, proof, signature);
    }

    function test_demandSecret_stranger_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Commitment memory c = commitmentOf(job, 0, 0, 1);
        bytes32[] memory proof = slotProof(job, 0, 0, 0xf, 1);
        bytes memory signature = signCommitment(c);
        vm.prank(stranger);
        vm.expectPartialRevert(IJobs.NotDrawn.selector);
        rounds.demandSecret(c, proof, signature);
    }

    function test_demandSecret_forgedCommitment_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        Commitment memory c = commitmentOf(job, 0, 0, 1);
        bytes32[] memory proof = slotProof(job, 0, 0, 0xf, 1);
        vm.prank(jobs.validatorsOf(job)[0]);
        vm.expectPartialRevert(IRounds.WrongProof.selector);
        rounds.demandSecret(c, proof, new bytes(65));
    }

    function test_advance_whileASecretIsAwaited_waits_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        skip(order.windows.open / 2);
        _demand(1);
        skip(order.windows.open / 2);
        rounds.advance(job, 0, 0);
        yes(_phase(0, 0) == RoundPhase.Opening, "still open");
        equal(rounds.viewOf(job, 0, 0).deadline, block.timestamp + order.windows.open, "for another window");
        skip(order.windows.open);
        rounds.defaultSecret(job, 0, 0, 1);
        rounds.advance(job, 0, 0);
        yes(_phase(0, 0) == RoundPhase.Sampling, "nothing is awaited any more");
    }

    function test_demandSecret_whileTablesAreBlind_reverts() external {
        playTo(RoundPhase.Sampling, job, 0, 0, 0xf);
        Commitment memory c = commitmentOf(job, 0, 0, 1);
        bytes32[] memory proof = slotProof(job, 0, 0, 0xf, 1);
        bytes memory signature = signCommitment(c);
        vm.prank(jobs.validatorsOf(job)[0]);
        vm.expectRevert(abi.encodeWithSelector(IRounds.WrongPhase.selector, RoundPhase.Sampling));
        rounds.demandSecret(c, proof, signature);
        tables(job, 0, 0);
        _demand(1);
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 1, "once they are open");
    }

    function test_defaultSecret_voidRound_losesNothing_succeeds() external {
        playTo(RoundPhase.Aggregating, job, 0, 0, 0xf);
        (Commitment memory c,) = _demand(1);
        Commitment memory a = commitmentOf(job, 0, 0, 0);
        Commitment memory b = commitmentOf(job, 0, 0, 0);
        b.sealedHash = "other";
        rounds.equivocate(a, signCommitment(a), b, signCommitment(b));
        yes(_phase(0, 0) == RoundPhase.Void, "void by another's fault");
        skip(order.windows.open);
        rounds.defaultSecret(job, 0, 0, 1);
        _expectUntouched(c.provider);
        equal(jobs.slotsOpen(job)[0], 0xe, "its slot stays open");
        vm.expectPartialRevert(IRounds.AlreadyDone.selector);
        rounds.defaultSecret(job, 0, 0, 1);
    }

    function test_defaultSecret_faultedJob_losesNothing_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        (Commitment memory c,) = _demand(1);
        bytes32 structHash = keccak256(abi.encode(Hashing.FAULT_TYPE, job, uint32(0), uint32(0), bytes32("fault")));
        rounds.attestFault(job, 0, 0, "fault", sign(job, structHash, 3));
        yes(!rounds.settled(job), "the demand is still counted");
        rounds.defaultSecret(job, 0, 0, 1);
        _expectUntouched(c.provider);
        skip(order.windows.open + order.windows.challenge);
        jobs.end(job);
        equal(rounds.claim(job, c.provider), PRICE, "paid as present");
    }

    function _expectUntouched(address provider) private {
        equal(stakes.staked(token, provider), FUNDS / 2, "nothing is lost");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
    }

    function test_revealSecret_answers_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        (Commitment memory c,) = _demand(1);
        rounds.revealSecret(c, new bytes32[](0), openingOf(c));
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "answered");
        skip(order.windows.open);
        vm.expectPartialRevert(IRounds.AlreadyDone.selector);
        rounds.defaultSecret(job, 0, 0, 1);
    }

    function test_revealSecret_wrong_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        (Commitment memory c,) = _demand(1);
        TranscriptOpening memory o = openingOf(c);
        o.secret = "wrong";
        vm.expectPartialRevert(IRounds.WrongOpening.selector);
        rounds.revealSecret(c, new bytes32[](0), o);
        c.secretHash = sha256(abi.encode(bytes32("wrong")));
        vm.expectPartialRevert(IRounds.WrongOpening.selector);
        rounds.revealSecret(c, new bytes32[](0), o);
    }

    function test_revealSecret_beforeBeacon_reverts() external {
        Commitment memory c = commitmentOf(job, 0, 0, 1);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.revealSecret(c, new bytes32[](2), openingOf(c));
    }

    function test_defaultSecret_losesTheLock_succeeds() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        (Commitment memory c,) = _demand(1);
        address demander = jobs.validatorsOf(job)[0];
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.defaultSecret(job, 0, 0, 1);
        includeRound(job, 0, 0, 0xf, 0xf);
        aggregateRound(job, 0, 0);
        skip(order.windows.challenge);
        vm.expectPartialRevert(IRounds.DisputeOpen.selector);
        rounds.finalise(job, 0, 0);
        rounds.defaultSecret(job, 0, 0, 1);
        equal(stakes.staked(token, c.provider), FUNDS / 2 - order.providerStake, "whole lock");
        equal(free(demander), FUNDS / 2 + order.providerStake / 3, "a third to who asked");
        yes(_phase(0, 0) == RoundPhase.Void && _phase(1, 0) == RoundPhase.Training, "rewound");
        equal(jobs.slotsOpen(job)[0], 0xd, "closed");
        equal(rounds.earned(job, c.provider), 0, "forfeited");
        equal(rounds.earned(job, bidders[0]), PRICE, "honest work of the void round is paid");
    }

    function test_equivocate_twoSignatures_losesTheLock_succeeds() external {
        playTo(RoundPhase.Final, job, 0, 0, 0xf);
        Commitment memory a = commitmentOf(job, 0, 0, 2);
        Commitment memory b = commitmentOf(job, 0, 0, 2);
        b.transcriptRoot = "another";
        bytes memory signatureA = signCommitment(a);
        bytes memory signatureB = signCommitment(b);
        uint256 credit = bucket(IVault.Kind.Credit, job);
        vm.prank(stranger);
        rounds.equivocate(a, signatureA, b, signatureB);
        equal(stakes.staked(token, a.provider), FUNDS / 2 - order.providerStake, "whole lock");
        equal(credit - bucket(IVault.Kind.Credit, job), PRICE, "unvested credit forfeited");
        yes(_phase(0, 0) == RoundPhase.Final, "a final round stays");
    }

    function test_equivocate_directAgainstSigned_succeeds() external {
        Commitment memory a = commitmentOf(job, 0, 0, 2);
        Commitment memory b = commitmentOf(job, 0, 0, 2);
        b.transcriptRoot = "another";
        bytes memory signature = signCommitment(b);
        vm.prank(a.provider);
        rounds.commitSlot(a);
        rounds.equivocate(a, "", b, signature);
        equal(stakes.staked(token, a.provider), FUNDS / 2 - order.providerStake, "whole lock");
    }

    function test_equivocate_sameOrForgedOrOther_reverts() external {
        Commitment memory a = commitmentOf(job, 0, 0, 2);
        Commitment memory b = commitmentOf(job, 0, 0, 2);
        bytes memory signature = signCommitment(a);
        vm.expectPartialRevert(IRounds.WrongProof.selector);
        rounds.equivocate(a, signature, b, signature);
        b.sealedHash = "another";
        vm.expectPartialRevert(IRounds.BadSignature.selector);
        rounds.equivocate(a, signature, b, signature);
        vm.expectPartialRevert(IRounds.WrongProof.selector);
        rounds.equivocate(a, signature, b, "");
        b.round = 1;
        bytes memory other = signCommitment(b);
        vm.expectPartialRevert(IRounds.WrongProof.selector);
        rounds.equivocate(a, signature, b, other);
        a.slot = b.slot = 1;
        b.round = 0;
        vm.expectPartialRevert(IRounds.NotProvider.selector);
        rounds.equivocate(a, signature, b, other);
    }

    // ---------------------------------------------------------------- fault

    /// What no contract has seen ends the job, and takes nothing from whoever posted it.
    function test_attestFault_paysAndForfeitsNothing_succeeds() external {
        uint256 before = free(consumer);
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        commitRound(job, 0, 1, 0xf);
        bytes32 digest = "fault";
        bytes32 structHash = keccak256(abi.encode(Hashing.FAULT_TYPE, job, uint32(0), uint32(1), digest));
        bytes[] memory signatures = sign(job, structHash, 3);
        rounds.attestFault(job, 0, 1, "fault", signatures);
        (, bool ending,) = jobs.phaseOf(job);
        yes(ending && phaseOf(job) == JobPhase.Running, "it ends");
        yes(_phase(0, 0) == RoundPhase.Void, "nothing is final before its window is over");
        yes(_phase(0, 1) == RoundPhase.Void, "the faulty round is void");
        equal(vault.burned(token), 0, "nothing is forfeited");
        vm.expectPartialRevert(IJobs.WrongPhase.selector);
        jobs.end(job);
        // What is paid for it can be disputed for a window.
        vm.prank(address(disputes));
        rounds.disputeOpened(job, 0, 1);
        vm.prank(address(disputes));
        rounds.disputeClosed(job, 0, 1);
        skip(order.windows.open + order.windows.challenge);
        jobs.end(job);
        address[] memory providers = jobs.providersOf(job);
        for (uint256 i = 0; i < 4; i++) {
            equal(rounds.claim(job, providers[i]), 2 * PRICE, "paid for both");
            equal(worth(providers[i]), FUNDS + 2 * PRICE, "nobody slashed");
        }
        equal(free(consumer) - before, jobs.cost(order) - COST - 4 * PRICE - 300, "the rest refunded");
        yes(phaseOf(job) == JobPhase.Done && !rounds.complete(job), "without a model");
    }

    function test_attestFault_afterTheWindow_whatStoodIsFinal_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        commitRound(job, 0, 1, 0xf);
        skip(order.windows.challenge + order.windows.open);
        bytes32 structHash = keccak256(abi.encode(Hashing.FAULT_TYPE, job, uint32(0), uint32(1), bytes32("fault")));
        rounds.attestFault(job, 0, 1, "fault", sign(job, structHash, 3));
        yes(_phase(0, 0) == RoundPhase.Final, "final");
        (bytes32 root,) = rounds.finalState(job);
        equal(root, endRootOf(0, 0), "and the model is what it says");
    }

    /// A validator that may still open its table is not cut off by somebody else's fault.
    function test_attestFault_whileTablesMayBeOpened_nothingIsFinal_succeeds() external {
        order.windows.open = 4 * order.windows.challenge;
        job = running(5);
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        commitRound(job, 0, 1, 0xf);
        skip(order.windows.challenge);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.finalise(job, 0, 0);
        bytes32 structHash = keccak256(abi.encode(Hashing.FAULT_TYPE, job, uint32(0), uint32(1), bytes32("fault")));
        rounds.attestFault(job, 0, 1, "fault", sign(job, structHash, 3));
        yes(_phase(0, 0) == RoundPhase.Void, "no window of it was over");
    }

    /// At a price of nearly nothing bonds last for thousands of rounds that nobody accepts: the job ends all the same.
    function test_rewinds_areBounded_succeeds() external {
        (order.validatorFee, order.aggregatorFee) = (0, 0);
        job = post();
        for (uint256 i = 0; i < 5; i++) sealBid(job, bidders[i], 1);
        skip(order.windows.bid);
        for (uint256 i = 0; i < 5; i++) openBid(job, bidders[i], 1);
        jobs.close(job);
        mine(3);
        jobs.draw(job);
        address[] memory seats = jobs.validatorsOf(job);
        for (uint256 i = 0; i < 5; i++) enlist(job, seats[i]);
        jobs.start(job);
        for (uint32 generation = 0; generation < 64; generation++) {
            (, bool ending,) = jobs.phaseOf(job);
            yes(!ending, "it goes on until then");
            commitRound(job, generation, 0, 0xf);
            tables(job, generation, 0);
            includeRound(job, generation, 0, 0, 0);
        }
        (, bool stopped,) = jobs.phaseOf(job);
        yes(stopped, "the job ends");
        uint256 gas = gasleft();
        equal(rounds.earned(job, seats[0]), 0, "nothing was earned");
        atMost(gas - gasleft(), 50_000, "and adding it up is cheap");
        jobs.end(job);
    }

    // ---------------------------------------------------------------- a fault of the aggregate

    function _aggregateFault(uint32 round, uint256 node) private {
        vm.prank(jobs.aggregatorOf(job));
        rounds.aggregateFault(job, 0, round, node, "sum");
    }

    function test_aggregateFault_undisputed_isOneOfTheJob_succeeds() external {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Aggregating, job, 0, 1, 0xf);
        _aggregateFault(1, 7);
        RoundView memory r = rounds.viewOf(job, 0, 1);
        yes(r.faulted && r.optimistic && r.phase == RoundPhase.Challenging, "it can be disputed");
        equal(r.endRoot, Hashing.faultDigest(0, 7, "sum"), "its end is the fault's digest");
        equal(r.deadline, block.timestamp + 4 * order.windows.challenge, "for as long as what no quorum has signed");
        (,, uint32 next) = rounds.progress(job);
        equal(next, 2, "nothing opens on it");
        skip(4 * order.windows.challenge - 1);
        rounds.finalise(job, 0, 0);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.finalise(job, 0, 1);
        skip(1);
        rounds.finalise(job, 0, 1);
        yes(phaseOf(job) == JobPhase.Faulted, "faulted");
        yes(_phase(0, 0) == RoundPhase.Final && _phase(0, 1) == RoundPhase.Void, "what stood stands");
        equal(vault.burned(token), order.faultDeposit, "the consumer's deposit is forfeited");
        skip(order.windows.open + order.windows.challenge);
        jobs.end(job);
        address[] memory providers = jobs.providersOf(job);
        for (uint256 i = 0; i < 4; i++) {
            equal(rounds.claim(job, providers[i]), 2 * PRICE, "paid for both");
            equal(worth(providers[i]), FUNDS + 2 * PRICE, "nobody slashed");
        }
    }

    function test_aggregateFault_disproved_goesOn_succeeds() external {
        playTo(RoundPhase.Aggregating, job, 0, 0, 0xf);
        _aggregateFault(0, 7);
        vm.prank(address(disputes));
        rounds.disputeOpened(job, 0, 0);
        skip(4 * order.windows.challenge);
        vm.expectPartialRevert(IRounds.DisputeOpen.selector);
        rounds.finalise(job, 0, 0);
        vm.startPrank(address(disputes));
        rounds.disputeClosed(job, 0, 0);
        rounds.disprovedAggregate(job, 0, 0, stranger, "aggregate");
        vm.stopPrank();
        yes(phaseOf(job) == JobPhase.Running && _phase(1, 0) == RoundPhase.Training, "again");
        yes(!rounds.viewOf(job, 1, 0).faulted, "anew");
    }

    function test_aggregateFault_byAnotherOrElsewhen_reverts() external {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        address aggregator = jobs.aggregatorOf(job);
        vm.prank(aggregator);
        vm.expectPartialRevert(IRounds.WrongPhase.selector);
        rounds.aggregateFault(job, 0, 0, 7, "sum");
        includeRound(job, 0, 0, 0xf, 0xf);
        vm.prank(stranger);
        vm.expectPartialRevert(IRounds.NotAggregator.selector);
        rounds.aggregateFault(job, 0, 0, 7, "sum");
        _aggregateFault(0, 7);
        vm.prank(aggregator);
        vm.expectPartialRevert(IRounds.WrongPhase.selector);
        rounds.aggregateFault(job, 0, 0, 7, "sum");
    }

    function test_attestFault_withoutQuorum_reverts() external {
        bytes32 digest = "fault";
        bytes32 structHash = keccak256(abi.encode(Hashing.FAULT_TYPE, job, uint32(0), uint32(0), digest));
        bytes[] memory signatures = sign(job, structHash, 2);
        vm.expectPartialRevert(IRounds.NoQuorum.selector);
        rounds.attestFault(job, 0, 0, "fault", signatures);
    }

    function test_modules_byStranger_reverts() external {
        vm.startPrank(stranger);
        vm.expectPartialRevert(IRounds.NotModule.selector);
        rounds.disputeOpened(job, 0, 0);
        vm.expectPartialRevert(IRounds.NotModule.selector);
        rounds.disputeClosed(job, 0, 0);
        vm.expectPartialRevert(IRounds.NotModule.selector);
        rounds.disprovedSlot(job, 0, 0, 0, stranger, "x");
        vm.expectPartialRevert(IRounds.NotModule.selector);
        rounds.disprovedValidator(job, 0, 0, stranger, stranger, "x");
        vm.expectPartialRevert(IRounds.NotModule.selector);
        rounds.disprovedAggregate(job, 0, 0, stranger, "x");
        vm.expectPartialRevert(IRounds.NotModule.selector);
        rounds.disputeJoined(job, 0, 0);
        vm.expectPartialRevert(IRounds.NotModule.selector);
        rounds.jobFault(job, 0, 0);
        vm.stopPrank();
        Terms memory terms = rounds.termsOf(job);
        vm.expectPartialRevert(IRounds.NotModule.selector);
        rounds.open(job + 1, terms);
    }
}
