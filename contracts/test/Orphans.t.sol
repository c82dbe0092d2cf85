// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {Commitment, JobPhase, RoundPhase, RoundView, UNSCORED} from "../src/Types.sol";
import {IJobs} from "../src/interfaces/IJobs.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Network} from "./Network.sol";

/// @title Orphans: committed, not judged when a round before it was disproved. Each is judged, paid by half, and leads nowhere.
contract OrphansTest is Network {
    uint256 internal constant PRICE = 804;
    uint256 internal constant COST = 4 * PRICE + 5 * 100 + 300;
    uint256 internal job;
    address[] internal providers;

    function setUp() external {
        deploy(false);
        populate(6, 12, 4);
        draft(4, 5, 3);
        order.redoRounds = 4;
        job = running(5);
        providers = jobs.providersOf(job);
    }

    /// Slot 0 gives two roots in round 0, so that what is built on it falls.
    function _disprove() private {
        Commitment memory a = commitmentOf(job, 0, 0, 0);
        Commitment memory b = commitmentOf(job, 0, 0, 0);
        b.sealedHash = "another";
        bytes memory signatureA = signCommitment(a);
        bytes memory signatureB = signCommitment(b);
        vm.prank(stranger);
        rounds.equivocate(a, signatureA, b, signatureB);
    }

    /// Round 0 is disproved while round 1 is in this phase.
    function _orphan(RoundPhase phase) private {
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        if (phase != RoundPhase.Training) playTo(phase, job, 0, 1, 0xf);
        _disprove();
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "void");
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "reopened");
    }

    function _earned(uint256 slot) private view returns (uint256) {
        return rounds.earned(job, providers[slot]);
    }

    function _finish() private {
        for (uint32 round = 0; round < 3; round++) playTo(RoundPhase.Final, job, 1, round, 0xe);
        jobs.end(job);
        for (uint256 i = 0; i < everybody.length; i++) {
            rounds.claim(job, everybody[i]);
            equal(stakes.locked(token, everybody[i]), 0, "unlocked");
        }
        equal(bucket(IVault.Kind.Credit, job), 0, "all credit claimed");
        equal(sumOfBuckets(), held(), "conserved");
    }

    // ---------------------------------------------------------------- what becomes one

    function test_rewind_training_isVoid_succeeds() external {
        _orphan(RoundPhase.Training);
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.Void, "nothing was committed");
        equal(rounds.orphansOf(job).length, 0, "no orphan");
        equal(_earned(1), PRICE, "round 0 only");
    }

    function test_rewind_included_isVoidAndPaid_succeeds() external {
        _orphan(RoundPhase.Aggregating);
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.Void, "judged already");
        equal(rounds.orphansOf(job).length, 0, "no orphan");
        equal(_earned(1), 2 * PRICE, "in full: a quorum accepted it");
    }

    function test_rewind_sampling_isAnOrphan_paysNothingYet_succeeds() external {
        _orphan(RoundPhase.Sampling);
        RoundView memory r = rounds.viewOf(job, 0, 1);
        yes(r.orphan && r.phase == RoundPhase.Sampling, "orphan");
        equal(rounds.orphansOf(job).length, 1, "one");
        equal(rounds.orphansOf(job)[0], 1, "generation 0, round 1");
        equal(_earned(1), PRICE, "not a coin for what nobody looked at");
        yes(!rounds.settled(job), "not settled");
        equal(r.deadline, block.timestamp + order.windows.table, "a whole window to judge it");
    }

    // ---------------------------------------------------------------- judged

    function test_orphan_included_paysHalfOfTheAccepted_succeeds() external {
        _orphan(RoundPhase.Sampling);
        tables(job, 0, 1);
        uint256 burned = vault.burned(token);
        includeRound(job, 0, 1, 0x6, 0x6);
        RoundView memory r = rounds.viewOf(job, 0, 1);
        yes(r.phase == RoundPhase.Void && !r.orphan, "void");
        equal(r.included[0], 0, "none enters an aggregate");
        equal(rounds.orphansOf(job).length, 0, "gone");
        equal(_earned(1), PRICE + PRICE / 2, "accepted");
        equal(_earned(3), PRICE, "not accepted");
        equal(vault.burned(token) - burned, PRICE, "and it loses a price of its bond");
        for (uint256 i = 0; i < 5; i++) equal(rounds.earned(job, jobs.validatorsOf(job)[i]), 200, "validators' fees for both");
        equal(rounds.earned(job, rounds.aggregatorOf(job, 0, 1)), 300, "the aggregator's for round 0 only");
        _finish();
    }

    function test_orphan_opening_included_succeeds() external {
        _orphan(RoundPhase.Opening);
        equal(rounds.viewOf(job, 0, 1).deadline, block.timestamp + order.windows.open, "a whole window");
        includeServed(job, 0, 1, 0xe, 0xe, 0x0f);
        equal(_earned(2), PRICE + PRICE / 2, "half");
        equal(rounds.earned(job, jobs.validatorsOf(job)[4]), 100, "not served");
        _finish();
    }

    function test_orphan_forfeitedSlot_isNotAccepted_reverts() external {
        _orphan(RoundPhase.Opening);
        bytes[] memory signatures = resultSignatures(job, 0, 1, 0xf, 0xf, 3);
        vm.expectPartialRevert(IRounds.NotIncluded.selector);
        rounds.include(job, 0, 1, bits(0xf), bits(0xf), 0x1f, "result", signatures);
    }

    function test_orphan_needsAQuorum_reverts() external {
        _orphan(RoundPhase.Opening);
        vm.prank(jobs.aggregatorOf(job));
        vm.expectPartialRevert(IRounds.NoQuorum.selector);
        rounds.include(job, 0, 1, bits(0xe), bits(0xe), 0x1f, "result", new bytes[](0));
    }

    function test_orphan_leadsNowhere_reverts() external {
        _orphan(RoundPhase.Opening);
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.finalise(job, 0, 1);
        vm.prank(jobs.aggregatorOf(job));
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.aggregate(job, 0, 1, "end", UNSCORED, new bytes[](0));
        Commitment memory c = commitmentOf(job, 0, 1, 1);
        vm.prank(c.provider);
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.commitSlot(c);
        includeRound(job, 0, 1, 0xe, 0xe);
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.advance(job, 0, 1);
        bytes[] memory signatures = resultSignatures(job, 0, 1, 0xe, 0xe, 3);
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.include(job, 0, 1, bits(0xe), bits(0xe), 0x1f, "result", signatures);
    }

    /// While round 1 of the next generation runs, its orphan twin is judged beside it.
    function test_orphan_besideTheLiveRound_succeeds() external {
        _orphan(RoundPhase.Sampling);
        playTo(RoundPhase.Sampling, job, 1, 0, 0xe);
        tables(job, 0, 1);
        tables(job, 1, 0);
        includeRound(job, 0, 1, 0xe, 0xe);
        includeRound(job, 1, 0, 0xe, 0xe);
        equal(_earned(1), PRICE + PRICE / 2, "one and a half");
    }

    // ---------------------------------------------------------------- evidence in it

    function _demand(uint16 slot) private returns (Commitment memory c) {
        c = commitmentOf(job, 0, 1, slot);
        bytes32[] memory proof = slotProof(job, 0, 1, 0xf, slot);
        bytes memory signature = signCommitment(c);
        vm.prank(jobs.validatorsOf(job)[0]);
        rounds.demandSecret(c, proof, signature);
    }

    function test_orphan_demand_isAnswered_succeeds() external {
        _orphan(RoundPhase.Opening);
        Commitment memory c = _demand(2);
        rounds.revealSecret(c, new bytes32[](0), openingOf(c));
        equal(rounds.viewOf(job, 0, 1).disputesOpen, 0, "answered");
    }

    function test_orphan_demand_unanswered_losesTheLock_succeeds() external {
        _orphan(RoundPhase.Opening);
        Commitment memory c = _demand(2);
        skip(order.windows.open);
        rounds.advance(job, 0, 1);
        yes(rounds.viewOf(job, 0, 1).orphan, "what is called for is waited for");
        rounds.defaultSecret(job, 0, 1, 2);
        equal(stakes.staked(token, c.provider), FUNDS / 2 - order.providerStake, "the whole lock");
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "nothing is rewound");
        bytes[] memory signatures = resultSignatures(job, 0, 1, 0xe, 0xe, 3);
        vm.expectPartialRevert(IRounds.NotIncluded.selector);
        rounds.include(job, 0, 1, bits(0xe), bits(0xe), 0x1f, "result", signatures);
        includeRound(job, 0, 1, 0xa, 0xa);
        equal(_earned(2), 0, "forfeited");
        equal(_earned(1), PRICE + PRICE / 2, "the honest");
    }

    function test_orphan_billUnserved_succeeds() external {
        _orphan(RoundPhase.Opening);
        bytes32 structHash = keccak256(abi.encode(Hashing.UNSERVED_TYPE, job, uint32(0), uint32(1), uint16(1)));
        uint256 before = vault.total(token, IVault.Kind.Bond);
        rounds.billUnserved(job, 0, 1, 1, sign(job, structHash, 3));
        equal(before - vault.total(token, IVault.Kind.Bond), PRICE, "billed");
    }

    // ---------------------------------------------------------------- nobody judges it

    function test_orphan_pastItsDeadline_paysHalfOfThePresent_succeeds() external {
        _orphan(RoundPhase.Sampling);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.advance(job, 0, 1);
        skip(order.windows.table);
        vm.prank(stranger);
        rounds.advance(job, 0, 1);
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.Void, "void");
        equal(_earned(0), 0, "but not the one that was disproved");
        for (uint256 i = 1; i < 4; i++) equal(_earned(i), PRICE + PRICE / 2, "who came");
        equal(rounds.viewOf(job, 0, 1).redraws, 0, "no redraw");
        _finish();
    }

    function test_orphan_tablesButNoQuorumOfJudges_paysThem_succeeds() external {
        _orphan(RoundPhase.Sampling);
        for (uint256 i = 0; i < 4; i++) sealTable(job, 0, 1, jobs.validatorsOf(job)[i]);
        skip(order.windows.table);
        rounds.advance(job, 0, 1);
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.Opening, "opened all the same");
        for (uint256 i = 0; i < 4; i++) openTable(job, 0, 1, jobs.validatorsOf(job)[i]);
        skip(order.windows.open);
        rounds.advance(job, 0, 1);
        equal(rounds.earned(job, jobs.validatorsOf(job)[0]), 200, "who opened a table");
        equal(rounds.earned(job, jobs.validatorsOf(job)[4]), 100, "who did not");
    }

    function test_orphan_holdsTheEnd_succeeds() external {
        _orphan(RoundPhase.Sampling);
        for (uint32 round = 0; round < 3; round++) playTo(RoundPhase.Final, job, 1, round, 0xe);
        vm.expectPartialRevert(IJobs.WrongPhase.selector);
        jobs.end(job);
        rounds.advance(job, 0, 1);
        jobs.end(job);
        yes(phaseOf(job) == JobPhase.Done, "done");
    }

    // ---------------------------------------------------------------- money

    /// The reserve covers an orphan besides every open round, or no round opens.
    function test_orphan_isReservedFor_succeeds() external {
        order.redoRounds = 0;
        order.priceCeiling = 804;
        order.rounds = 2;
        order.faultDeposit = 0;
        job = running(5);
        providers = jobs.providersOf(job);
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Sampling, job, 0, 1, 0xf);
        equal(bucket(IVault.Kind.Escrow, job), 2 * COST, "two rounds, no more");
        vm.prank(address(disputes));
        rounds.disprovedAggregate(job, 0, 0, bidders[0], "aggregate");
        uint256 left = bucket(IVault.Kind.Escrow, job);
        yes(left >= COST && left < 2 * COST, "one round's cost, and what the slash brought");
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.None, "it is the orphan's: nothing opens");
        tables(job, 0, 1);
        includeRound(job, 0, 1, 0xf, 0xf);
        yes(rounds.settled(job), "settled");
        jobs.end(job);
        equal(rounds.claim(job, providers[2]), PRICE + PRICE / 2, "paid");
        equal(sumOfBuckets(), held(), "conserved");
    }

    function test_orphan_fault_closesIt_inFull_succeeds() external {
        _orphan(RoundPhase.Opening);
        bytes32 structHash = keccak256(abi.encode(Hashing.FAULT_TYPE, job, uint32(1), uint32(0), bytes32("fault")));
        rounds.attestFault(job, 1, 0, "fault", sign(job, structHash, 3));
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.Void, "void");
        equal(rounds.orphansOf(job).length, 0, "closed");
        equal(_earned(1), 2 * PRICE, "the job was at fault: in full");
        equal(rounds.earned(job, jobs.validatorsOf(job)[0]), 200, "and their judges");
        skip(order.windows.open + order.windows.challenge);
        jobs.end(job);
    }

    function test_orphans_several_eachClosedOnce_succeeds() external {
        order.lookahead = 3;
        order.rounds = 4;
        job = running(5);
        providers = jobs.providersOf(job);
        for (uint32 round = 0; round < 3; round++) playTo(RoundPhase.Challenging, job, 0, round, 0xf);
        playTo(RoundPhase.Sampling, job, 0, 3, 0xf);
        vm.prank(address(disputes));
        rounds.disprovedAggregate(job, 0, 3, bidders[0], "aggregate");
        playTo(RoundPhase.Sampling, job, 1, 3, 0xf);
        _disprove();
        uint64[] memory orphans = rounds.orphansOf(job);
        equal(orphans.length, 2, "one of each generation");
        playTo(RoundPhase.Sampling, job, 2, 0, 0xe);
        skip(order.windows.table);
        rounds.advance(job, 0, 3);
        equal(rounds.orphansOf(job).length, 1, "one left");
        equal(rounds.orphansOf(job)[0], (uint64(1) << 32) | 3, "the other");
        rounds.advance(job, 1, 3);
        equal(rounds.orphansOf(job).length, 0, "none");
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.advance(job, 1, 3);
    }
}
