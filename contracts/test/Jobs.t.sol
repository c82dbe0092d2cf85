// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {JobPhase, RoundPhase} from "../src/Types.sol";
import {IBeacon} from "../src/interfaces/IBeacon.sol";
import {IJobs} from "../src/interfaces/IJobs.sol";
import {IParams} from "../src/interfaces/IParams.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Network} from "./Network.sol";

contract JobsTest is Network {
    function setUp() external {
        deploy(false);
        populate(6, 7, 2);
        draft(4, 5, 2);
    }

    // ---------------------------------------------------------------- post

    function _bad(bytes32 field) private {
        vm.prank(consumer);
        vm.expectRevert(abi.encodeWithSelector(IJobs.BadOrder.selector, field));
        jobs.post(order);
        order.canaryRoot = 0;
        draft(4, 5, 2);
    }

    function test_post_badOrders_reverts() external {
        order.programs = 0;
        _bad("programs");
        order.rounds = 0;
        _bad("rounds");
        order.rounds = 1024;
        _bad("rounds");
        order.stepsPerSegment = 0;
        _bad("stepsPerSegment");
        order.stepsPerRound = 33;
        _bad("stepsPerRound");
        order.stepsPerRound = 8 * 1025;
        _bad("stepsPerSegment");
        order.canaryRoot = "planted";
        _bad("canaryRoot");
        order.providers = 0;
        _bad("providers");
        order.providers = 257;
        _bad("providers");
        order.reportsMin = 0;
        _bad("reportsMin");
        order.reportsMin = 5;
        _bad("reportsMin");
        order.validators = 65;
        _bad("validators");
        order.quorum = 2;
        _bad("quorum");
        order.quorum = 6;
        _bad("quorum");
        order.samplesPerValidator = 0;
        _bad("samplesPerValidator");
        order.lookahead = 5;
        _bad("lookahead");
        order.priceCeiling = 0;
        _bad("priceCeiling");
        order.priceCeiling = type(uint128).max;
        _bad("priceCeiling");
        order.providerStake = 4799;
        _bad("providerStake");
        order.validatorStake = 4799;
        _bad("validatorStake");
        order.aggregatorStake = 4799;
        _bad("aggregatorStake");
        order.windows.challenge = 0;
        _bad("windows");
        order.windows.bid = 31 days;
        _bad("windows");
    }

    function test_post_withoutMoney_reverts() external {
        vm.startPrank(consumer);
        vault.withdraw(token, free(consumer));
        vm.expectPartialRevert(IVault.Insufficient.selector);
        jobs.post(order);
        vm.stopPrank();
    }

    function test_post_escrow_succeeds() external {
        uint256 before = free(consumer);
        uint256 job = post();
        equal(jobs.cost(order), 4 * (4 * 1000 + 5 * 100 + 300) + 500, "worst cost");
        equal(before - free(consumer), jobs.cost(order), "deposited");
        equal(bucket(IVault.Kind.Escrow, job), jobs.cost(order) - 500, "escrow");
    }

    function test_post_laterParams_leaveItAlone_succeeds() external {
        uint256 job = matched(5);
        params.set(_tighter());
        jobs.draw(job);
        yes(phaseOf(job) == JobPhase.Enlisting, "goes on");
    }

    function _tighter() private view returns (IParams.Limits memory out) {
        out = params.limits();
        out.providersMax = 1;
        out.validatorsMax = 1;
        out.roundsMax = 1;
    }

    // ---------------------------------------------------------------- bids

    function test_commitBid_late_reverts() external {
        uint256 job = post();
        skip(order.windows.bid);
        vm.prank(bidders[0]);
        vm.expectPartialRevert(IJobs.OutsideWindow.selector);
        jobs.commitBid(job, "x");
    }

    function test_commitBid_twice_reverts() external {
        uint256 job = post();
        sealBid(job, bidders[0], 900);
        vm.prank(bidders[0]);
        vm.expectPartialRevert(IJobs.AlreadyBid.selector);
        jobs.commitBid(job, "x");
    }

    function test_commitBid_consumer_reverts() external {
        uint256 job = post();
        vm.prank(consumer);
        vm.expectPartialRevert(IJobs.WrongOpening.selector);
        jobs.commitBid(job, "x");
    }

    function test_revealBid_early_reverts() external {
        uint256 job = post();
        sealBid(job, bidders[0], 900);
        vm.prank(bidders[0]);
        vm.expectPartialRevert(IJobs.OutsideWindow.selector);
        jobs.revealBid(job, 900, "salt");
    }

    function test_revealBid_otherPrice_reverts() external {
        uint256 job = post();
        sealBid(job, bidders[0], 900);
        skip(order.windows.bid);
        vm.prank(bidders[0]);
        vm.expectPartialRevert(IJobs.WrongOpening.selector);
        jobs.revealBid(job, 899, "salt");
    }

    function test_revealBid_overCeiling_reverts() external {
        uint256 job = post();
        sealBid(job, bidders[0], 1001);
        skip(order.windows.bid);
        vm.prank(bidders[0]);
        vm.expectPartialRevert(IJobs.WrongOpening.selector);
        jobs.revealBid(job, 1001, "salt");
    }

    function test_revealBid_twice_reverts() external {
        uint256 job = post();
        sealBid(job, bidders[0], 900);
        skip(order.windows.bid);
        openBid(job, bidders[0], 900);
        vm.prank(bidders[0]);
        vm.expectPartialRevert(IJobs.WrongOpening.selector);
        jobs.revealBid(job, 900, "salt");
    }

    function test_revealBid_unbondingStake_succeeds() external {
        uint256 job = post();
        sealBid(job, bidders[0], 900);
        skip(order.windows.bid);
        vm.startPrank(bidders[0]);
        stakes.unstake(token, FUNDS / 2);
        vm.warp(block.timestamp + 59);
        vm.stopPrank();
        skip(0);
        // Still unbonding: a lock may take it.
        openBid(job, bidders[0], 900);
        equal(stakes.locked(token, bidders[0]), order.providerStake, "locked while unbonding");
    }

    function test_revealBid_evicted_getsAllBack_succeeds() external {
        uint256 job = post();
        for (uint256 i = 0; i < 6; i++) sealBid(job, bidders[i], uint128(900 - i));
        skip(order.windows.bid);
        for (uint256 i = 0; i < 6; i++) openBid(job, bidders[i], uint128(900 - i));
        // 900 was pushed out by the five lower ones.
        equal(free(bidders[0]), FUNDS / 2, "bond back");
        equal(stakes.locked(token, bidders[0]), 0, "lock back");
        jobs.close(job);
        equal(jobs.viewOf(job).price, 899, "first losing price");
        equal(free(bidders[1]), FUNDS / 2, "the one who set the price");
        equal(stakes.locked(token, bidders[1]), 0, "and its lock");
        address[] memory winners = jobs.providersOf(job);
        for (uint256 i = 0; i < 4; i++) equal(winners[i], bidders[5 - i], "by price");
    }

    function test_revealBid_sorted_succeeds(uint256 seed) external {
        uint256 job = post();
        uint128[6] memory prices;
        for (uint256 i = 0; i < 6; i++) {
            prices[i] = uint128(bound(uint256(keccak256(abi.encode(seed, i))), 1, 8));
            sealBid(job, bidders[i], prices[i]);
        }
        skip(order.windows.bid);
        for (uint256 i = 0; i < 6; i++) openBid(job, bidders[i], prices[i]);
        IJobs.Bid[] memory kept = jobs.bidsOf(job);
        equal(kept.length, 5, "n + 1");
        for (uint256 i = 1; i < 5; i++) atMost(kept[i - 1].price, kept[i].price, "ascending");
        jobs.close(job);
        uint256 lower;
        for (uint256 i = 0; i < 6; i++) {
            if (prices[i] < jobs.viewOf(job).price) lower++;
        }
        atMost(lower, 4, "no loser was below the cleared price");
        uint256 locks;
        for (uint256 i = 0; i < 6; i++) locks += stakes.locked(token, bidders[i]);
        equal(locks, 4 * order.providerStake, "winners only are locked");
        equal(vault.total(token, IVault.Kind.Bond), 500 + 4 * 2000, "winners' bonds and the fault deposit");
    }

    function test_settleBid_unopened_burns_succeeds() external {
        uint256 job = post();
        for (uint256 i = 0; i < 5; i++) sealBid(job, bidders[i], 900);
        skip(order.windows.bid);
        for (uint256 i = 0; i < 4; i++) openBid(job, bidders[i], 900);
        vm.expectPartialRevert(IJobs.OutsideWindow.selector);
        jobs.settleBid(job, bidders[4]);
        vm.expectPartialRevert(IJobs.OutsideWindow.selector);
        jobs.close(job);
        skip(order.windows.reveal);
        jobs.settleBid(job, bidders[4]);
        jobs.settleBid(job, bidders[4]);
        equal(vault.burned(token), 2000, "burned once");
        jobs.close(job);
        equal(jobs.viewOf(job).price, 1000, "nobody lost: the ceiling");
        vm.expectPartialRevert(IJobs.WrongOpening.selector);
        jobs.settleBid(job, bidders[0]);
    }

    function test_close_tooFew_refundsAll_succeeds() external {
        uint256 before = free(consumer);
        uint256 job = post();
        bid(job, 3);
        jobs.close(job);
        yes(phaseOf(job) == JobPhase.Cancelled, "cancelled");
        equal(free(consumer), before, "refunded");
        for (uint256 i = 0; i < 3; i++) {
            equal(worth(bidders[i]), FUNDS, "bidder whole");
            equal(stakes.locked(token, bidders[i]), 0, "unlocked");
        }
        equal(vault.total(token, IVault.Kind.Bond), 0, "no bond left");
    }

    function test_cancel_whileBidding_returnsSealedBonds_succeeds() external {
        uint256 before = free(consumer);
        uint256 job = post();
        sealBid(job, bidders[0], 900);
        vm.prank(consumer);
        jobs.cancel(job);
        equal(free(consumer), before, "refunded");
        jobs.settleBid(job, bidders[0]);
        equal(worth(bidders[0]), FUNDS, "bond back");
    }

    function test_cancel_stranger_reverts() external {
        uint256 job = post();
        vm.prank(stranger);
        vm.expectPartialRevert(IJobs.NotConsumer.selector);
        jobs.cancel(job);
    }

    function test_cancel_betweenMatchAndStart_reverts() external {
        uint256 job = matched(5);
        vm.prank(consumer);
        vm.expectPartialRevert(IJobs.WrongPhase.selector);
        jobs.cancel(job);
        jobs.draw(job);
        vm.prank(consumer);
        vm.expectPartialRevert(IJobs.WrongPhase.selector);
        jobs.cancel(job);
    }

    // ---------------------------------------------------------------- draw

    function test_draw_beforeItsBlock_reverts() external {
        uint256 job = post();
        bid(job, 5);
        jobs.close(job);
        vm.expectPartialRevert(IBeacon.TooEarly.selector);
        jobs.draw(job);
    }

    function test_draw_distinct_succeeds(uint256 block_) external {
        vm.roll(bound(block_, 2000, 1_000_000));
        uint256 job = drawn(5);
        address[] memory found = jobs.validatorsOf(job);
        equal(found.length, 5, "m");
        for (uint256 i = 0; i < 5; i++) {
            yes(found[i] != jobs.aggregatorOf(job), "not the aggregator");
            yes(jobs.slotOf(job, found[i]) == 0, "not a provider");
            equal(stakes.locked(token, found[i]), order.validatorStake, "locked");
            for (uint256 k = 0; k < i; k++) yes(found[i] != found[k], "distinct");
        }
    }

    function test_draw_providerInPool_isPassedOver_succeeds() external {
        for (uint256 i = 0; i < 6; i++) {
            _enrol(bidders[i], IStakes.Role.Validator);
        }
        _enrol(consumer, IStakes.Role.Validator);
        vm.roll(block.number + 1);
        uint256 job = drawn(5);
        address[] memory found = jobs.validatorsOf(job);
        for (uint256 i = 0; i < 5; i++) {
            yes(found[i] != consumer, "not the consumer");
            equal(jobs.slotOf(job, found[i]), 0, "not a provider");
        }
    }

    function test_draw_enrolledAfterTheMatch_isPassedOver_reverts() external {
        for (uint256 i = 0; i < 7; i++) {
            vm.prank(pool[i]);
            stakes.retire(token, IStakes.Role.Validator);
        }
        vm.roll(block.number + 1);
        uint256 job = matched(5);
        for (uint256 i = 0; i < 7; i++) {
            _enrol(pool[i], IStakes.Role.Validator);
        }
        mine(1);
        vm.expectPartialRevert(IJobs.PoolTooSmall.selector);
        jobs.draw(job);
    }

    function test_draw_poolTooSmall_thenCancels_succeeds() external {
        for (uint256 i = 0; i < 3; i++) {
            vm.prank(pool[i]);
            stakes.retire(token, IStakes.Role.Validator);
        }
        uint256 before = free(consumer);
        uint256 job = matched(5);
        vm.expectPartialRevert(IJobs.PoolTooSmall.selector);
        jobs.draw(job);
        skip(order.windows.enlist);
        jobs.draw(job);
        yes(phaseOf(job) == JobPhase.Cancelled, "cancelled");
        equal(free(consumer), before, "refunded");
        for (uint256 i = 0; i < everybody.length; i++) equal(stakes.locked(token, everybody[i]), 0, "unlocked");
        equal(vault.total(token, IVault.Kind.Bond), 0, "no bond left");
    }

    function test_draw_unopenedBidderDrawn_stillLosesItsBond_succeeds() external {
        uint256 job = post();
        // Every member of the pool seals a bid that it never opens.
        for (uint256 i = 0; i < 7; i++) sealBid(job, pool[i], 900);
        bid(job, 5);
        skip(order.windows.reveal);
        jobs.close(job);
        mine(3);
        jobs.draw(job);
        skip(order.windows.enlist);
        jobs.start(job);
        for (uint256 i = 0; i < 7; i++) jobs.settleBid(job, pool[i]);
        yes(phaseOf(job) == JobPhase.Cancelled, "nobody enlisted");
        for (uint256 i = 0; i < 7; i++) equal(free(pool[i]), FUNDS / 2 - 2000, "bond burned");
        for (uint256 i = 0; i < 7; i++) equal(stakes.locked(token, pool[i]), 0, "unlocked");
        equal(vault.total(token, IVault.Kind.Bond), 0, "no bond left");
    }

    // ---------------------------------------------------------------- enlist, start

    function test_enlist_notDrawn_reverts() external {
        uint256 job = drawn(5);
        vm.prank(stranger);
        vm.expectPartialRevert(IJobs.NotDrawn.selector);
        jobs.enlist(job, "tip");
    }

    function test_enlist_twice_reverts() external {
        uint256 job = drawn(5);
        address first = jobs.validatorsOf(job)[0];
        enlist(job, first);
        vm.prank(first);
        vm.expectPartialRevert(IJobs.WrongOpening.selector);
        jobs.enlist(job, "tip");
    }

    function test_enlist_late_reverts() external {
        uint256 job = drawn(5);
        address first = jobs.validatorsOf(job)[0];
        skip(order.windows.enlist);
        vm.prank(first);
        vm.expectPartialRevert(IJobs.OutsideWindow.selector);
        jobs.enlist(job, "tip");
    }

    function test_start_early_reverts() external {
        uint256 job = drawn(5);
        vm.expectPartialRevert(IJobs.OutsideWindow.selector);
        jobs.start(job);
    }

    function test_start_withQuorum_penalisesTheRest_succeeds() external {
        uint256 job = drawn(5);
        address[] memory found = jobs.validatorsOf(job);
        enlist(job, found[1]);
        enlist(job, found[3]);
        enlist(job, found[4]);
        skip(order.windows.enlist);
        jobs.start(job);
        yes(phaseOf(job) == JobPhase.Running, "running");
        address[] memory kept = jobs.validatorsOf(job);
        equal(kept.length, 3, "kept");
        equal(kept[0], found[1], "in order");
        equal(jobs.seatsLive(job), 7, "live");
        uint256 cost = 4 * 804 + 5 * 100 + 300;
        equal(stakes.staked(token, found[0]), FUNDS / 2 - cost, "penalised");
        equal(stakes.staked(token, found[2]), FUNDS / 2 - cost, "penalised too");
        equal(stakes.staked(token, found[1]), FUNDS / 2, "untouched");
        playWholeJob(job);
        for (uint256 i = 0; i < everybody.length; i++) equal(stakes.locked(token, everybody[i]), 0, "unlocked at the end");
    }

    function playWholeJob(uint256 job) private {
        for (uint32 round = 0; round < order.rounds; round++) playTo(RoundPhase.Final, job, 0, round, 0xf);
        jobs.end(job);
    }

    function test_start_belowQuorum_cancels_succeeds() external {
        uint256 before = free(consumer);
        uint256 job = drawn(5);
        address[] memory found = jobs.validatorsOf(job);
        enlist(job, found[1]);
        enlist(job, found[3]);
        skip(order.windows.enlist);
        jobs.start(job);
        yes(phaseOf(job) == JobPhase.Cancelled, "cancelled");
        equal(free(consumer), before, "refunded, and nothing gained by a window that nobody kept");
        equal(stakes.staked(token, found[1]), FUNDS / 2, "who enlisted is whole");
        for (uint256 i = 0; i < everybody.length; i++) equal(stakes.locked(token, everybody[i]), 0, "unlocked");
        equal(sumOfBuckets(), held(), "conserved");
    }

    // ---------------------------------------------------------------- end

    function test_end_early_reverts() external {
        uint256 job = running(5);
        vm.expectPartialRevert(IJobs.WrongPhase.selector);
        jobs.end(job);
    }

    function test_end_twice_reverts() external {
        uint256 job = running(5);
        playWholeJob(job);
        vm.expectPartialRevert(IJobs.WrongPhase.selector);
        jobs.end(job);
    }

    function test_cancel_whileRunning_endsAfterTheRound_succeeds() external {
        uint256 job = running(5);
        vm.prank(consumer);
        jobs.cancel(job);
        playTo(RoundPhase.Final, job, 0, 0, 0xf);
        (, uint32 firstOpen, uint32 next) = rounds.progress(job);
        equal(firstOpen, 1, "one round is final");
        equal(next, 1, "none opened");
        jobs.end(job);
        equal(rounds.claim(job, bidders[0]), 804, "committed work is paid");
        yes(!rounds.complete(job), "not complete");
        vm.expectRevert();
        models.mint(job);
    }

    function test_modules_byStranger_reverts() external {
        uint256 job = running(5);
        vm.startPrank(stranger);
        vm.expectPartialRevert(IJobs.NotDrawn.selector);
        jobs.closeSlot(job, 0);
        vm.expectPartialRevert(IJobs.NotDrawn.selector);
        jobs.miss(job, 0);
        vm.expectPartialRevert(IJobs.NotDrawn.selector);
        jobs.replaceAggregator(job, stranger, 0);
        vm.expectPartialRevert(IJobs.NotDrawn.selector);
        jobs.replaceValidators(job, 1, 0);
        vm.expectPartialRevert(IJobs.NotDrawn.selector);
        jobs.fault(job);
        vm.expectPartialRevert(IJobs.NotDrawn.selector);
        jobs.stop(job);
        vm.expectPartialRevert(IJobs.NotDrawn.selector);
        jobs.spendNonce(job, 0, 0, 1);
        vm.expectPartialRevert(IJobs.NotDrawn.selector);
        jobs.bill(job, 0, new address[](0));
        vm.stopPrank();
    }

    /// Each drawing takes the nonce of its own place in the chain, whatever came before.
    function test_spendNonce_ownPlaceOnly_succeeds(uint256 drawing, uint256 place) external {
        uint256 job = running(5);
        address validator = jobs.validatorsOf(job)[0];
        drawing = bound(drawing, 0, 60);
        place = bound(place, 0, 70);
        bytes32 nonce = nonceOf(job, validator, place);
        vm.prank(address(rounds));
        if (place != drawing + 1) vm.expectPartialRevert(IJobs.WrongOpening.selector);
        jobs.spendNonce(job, 0, nonce, drawing);
    }

    function test_spendNonce_anyOrder_succeeds(uint256 seed) external {
        uint256 job = running(5);
        address validator = jobs.validatorsOf(job)[0];
        for (uint256 i = 0; i < 6; i++) {
            uint256 drawing = bound(uint256(keccak256(abi.encode(seed, i))), 0, 60);
            bytes32 other = nonceOf(job, validator, drawing + 2);
            vm.prank(address(rounds));
            vm.expectPartialRevert(IJobs.WrongOpening.selector);
            jobs.spendNonce(job, 0, other, drawing);
            bytes32 own = nonceOf(job, validator, drawing + 1);
            vm.prank(address(rounds));
            jobs.spendNonce(job, 0, own, drawing);
        }
    }
}
