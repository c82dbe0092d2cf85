// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {JobPhase, RoundPhase} from "../src/Types.sol";
import {Claim, IDisputes} from "../src/interfaces/IDisputes.sol";
import {IClock} from "../src/interfaces/IClock.sol";
import {Demand, Ending, IGames} from "../src/interfaces/IGames.sol";
import {IJobs} from "../src/interfaces/IJobs.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {Plays} from "./Plays.sol";

contract ClockTest is Plays {
    uint256 private constant YEAR = 365 days;
    uint256 private constant FROZEN_MAX = 14 days;

    uint256[] private _begins; // of all freezes, in the chain's time
    uint256[] private _ends;

    function setUp() external {
        deploy(false);
    }

    function _now() private view returns (uint256) {
        return vm.getBlockTimestamp();
    }

    /// Stands still for so long.
    function _freezeFor(uint256 seconds_) private {
        clock.freeze();
        skip(seconds_);
        clock.thaw();
    }

    // ---------------------------------------------------------------- the clock itself

    function test_time_neverFrozen_isTheChains_succeeds() external view {
        equal(clock.time(), _now(), "the chain's");
        equal(clock.timeAt(_now() - 5), _now() - 5, "before too");
        equal(clock.elapsed(_now() - 7), 7, "elapsed");
        equal(clock.allowance(), FROZEN_MAX, "all of it");
        equal(clock.frozenUntil(), 0, "goes on");
        yes(clock.reached(_now()), "now is reached");
        yes(!clock.reached(_now() + 1), "the next second is not");
    }

    function test_freeze_stranger_reverts() external {
        address somebody = vm.addr(7);
        vm.startPrank(somebody);
        vm.expectRevert(abi.encodeWithSelector(IClock.NotOwner.selector, somebody));
        clock.freeze();
        vm.expectRevert(abi.encodeWithSelector(IClock.NotOwner.selector, somebody));
        clock.thaw();
    }

    /// Whoever takes over the limits takes over the clock.
    function test_freeze_nextOwner_succeeds() external {
        address next = vm.addr(7);
        params.transferOwnership(next);
        vm.prank(next);
        params.acceptOwnership();
        vm.expectPartialRevert(IClock.NotOwner.selector);
        clock.freeze();
        vm.prank(next);
        clock.freeze();
    }

    function test_freeze_standsStill_andGoesOn_succeeds() external {
        uint256 at = _now();
        clock.freeze();
        equal(clock.frozenUntil(), at + FROZEN_MAX, "at the latest");
        skip(1000);
        equal(clock.time(), at, "stands still");
        yes(!clock.reached(at - 100), "nothing has waited for long enough");
        equal(clock.elapsed(at - 10), 10, "seconds before it count");
        equal(clock.elapsed(at + 10), 0, "seconds in it do not");
        equal(clock.allowance(), FROZEN_MAX - 1000, "what is left of it");
        clock.thaw();
        equal(clock.frozenUntil(), 0, "thawed");
        yes(clock.reached(at) && !clock.reached(at + 1), "at once");
        skip(50);
        equal(clock.time(), at + 50, "goes on");
        equal(clock.timeAt(at + 400), at, "as it was in the freeze");
        equal(clock.timeAt(at + 1020), at + 20, "and behind it");
        equal(clock.elapsed(at + 400), 50, "from within it");
    }

    function test_freeze_twice_thawTwice_reverts() external {
        clock.freeze();
        uint256 until = clock.frozenUntil();
        vm.expectRevert(abi.encodeWithSelector(IClock.AlreadyFrozen.selector, until));
        clock.freeze();
        clock.thaw();
        vm.expectPartialRevert(IClock.NotFrozen.selector);
        clock.thaw();
    }

    function test_freeze_endsByItself_succeeds() external {
        uint256 at = _now();
        clock.freeze();
        skip(FROZEN_MAX - 1);
        equal(clock.time(), at, "stands still");
        skip(1);
        yes(clock.reached(at), "goes on without anybody");
        skip(100);
        equal(clock.time(), at + 100, "it has ended");
        vm.expectPartialRevert(IClock.NotFrozen.selector);
        clock.thaw();
        vm.expectPartialRevert(IClock.NoneLeft.selector);
        clock.freeze();
    }

    /// Not 14 days twice in a row, over no boundary.
    function test_freeze_allowance_comesBackAfterAYear_succeeds() external {
        uint256 at = _now();
        clock.freeze();
        skip(FROZEN_MAX);
        vm.expectPartialRevert(IClock.NoneLeft.selector);
        clock.freeze();
        vm.warp(at + YEAR);
        equal(clock.allowance(), 0, "a year after it began");
        vm.warp(at + YEAR + 3600);
        equal(clock.allowance(), 3600, "what was frozen more than a year ago");
        clock.freeze();
        skip(3600);
        yes(clock.frozenUntil() == 0, "only so long");
        vm.warp(at + YEAR + FROZEN_MAX + 3600 + YEAR);
        equal(clock.allowance(), FROZEN_MAX, "all of it");
    }

    function test_freeze_often_gainsNothing_succeeds() external {
        uint256 at = _now();
        for (uint256 i = 0; i < 14; i++) {
            clock.freeze();
            skip(1 days - 1);
            clock.thaw();
            skip(1 hours);
        }
        equal(clock.allowance(), 14, "what is left");
        _freezeFor(13);
        clock.freeze();
        skip(5);
        equal(clock.time(), at + 14 hours + 4, "only what was not frozen");
        vm.expectPartialRevert(IClock.NoneLeft.selector);
        clock.freeze();
    }

    function test_freeze_ofNoLength_succeeds() external {
        uint256 at = _now();
        for (uint256 i = 0; i < 5; i++) _freezeFor(0);
        _freezeFor(10);
        for (uint256 i = 0; i < 5; i++) _freezeFor(0);
        equal(clock.time(), at, "ten seconds");
        equal(clock.timeAt(at + 4), at, "in it");
        equal(clock.timeAt(at), at, "before");
    }

    /// Frozen seconds within `[from, until)`, as they were noted.
    function _frozen(uint256 from, uint256 until) private view returns (uint256 sum) {
        for (uint256 i = 0; i < _begins.length; i++) {
            uint256 low = _begins[i] > from ? _begins[i] : from;
            uint256 high = _ends[i] < until ? _ends[i] : until;
            if (high > low) sum += high - low;
        }
    }

    function testFuzz_freeze_noYearHasMoreThan14Days_succeeds(uint256 seed) external {
        uint256 first = _now();
        uint256 last = clock.time();
        for (uint256 i = 0; i < 40; i++) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            skip(bound(dice >> 8, 0, dice % 3 == 0 ? 200 days : 3 days));
            try clock.freeze() {
                (uint256 began, uint256 until) = (_now(), clock.frozenUntil());
                atMost(until - began, FROZEN_MAX, "a freeze");
                if ((dice >> 128) % 3 == 0) {
                    skip(until - began + bound(dice >> 160, 0, 5 days)); // it ends by itself
                } else {
                    skip(bound(dice >> 136, 0, until - began - 1));
                    clock.thaw();
                }
                _begins.push(began);
                _ends.push(until < _now() ? until : _now());
            } catch {}
            yes(clock.time() >= last, "time never goes back");
            last = clock.time();
            equal(last, _now() - _frozen(0, _now()), "less what was frozen");
            uint256 instant = bound(dice >> 192, first, _now());
            equal(clock.timeAt(instant), instant - _frozen(0, instant), "at any moment");
            equal(clock.elapsed(instant), _now() - instant - _frozen(instant, _now()), "since any moment");
        }
        // A year that has most of them ends where one of them does.
        for (uint256 i = 0; i < _ends.length; i++) atMost(_frozen(_ends[i] - YEAR, _ends[i]), FROZEN_MAX, "14 days in a year");
    }

    // ---------------------------------------------------------------- what stands still

    function _job() private returns (uint256 job) {
        populate(6, 12, 4);
        draft(4, 5, 3);
        _programs(4);
        return running(5);
    }

    function test_freeze_bids_succeeds() external {
        populate(6, 12, 4);
        draft(4, 5, 3);
        uint256 job = post();
        skip(order.windows.bid / 2);
        uint256 closesAt = jobs.viewOf(job).phaseDeadline;
        clock.freeze();
        skip(1 days);
        for (uint256 i = 0; i < 4; i++) sealBid(job, bidders[i], uint128(800 + i)); // the window is still open
        equal(jobs.viewOf(job).phaseDeadline, closesAt, "nothing has moved");
        vm.prank(bidders[0]);
        vm.expectPartialRevert(IJobs.OutsideWindow.selector);
        jobs.revealBid(job, 800, "salt");
        clock.thaw();
        skip(order.windows.bid / 2);
        for (uint256 i = 0; i < 3; i++) openBid(job, bidders[i], uint128(800 + i));
        skip(order.windows.reveal / 2);
        _freezeFor(7 days);
        openBid(job, bidders[3], 803);
        jobs.close(job);
        yes(phaseOf(job) == JobPhase.Drawing, "matched");
    }

    function test_freeze_bids_dueBefore_closeWaits_succeeds() external {
        populate(6, 12, 4);
        draft(4, 5, 3);
        uint256 job = post();
        bid(job, 4);
        clock.freeze();
        skip(1 days);
        vm.expectPartialRevert(IJobs.OutsideWindow.selector);
        jobs.close(job);
        clock.thaw();
        jobs.close(job);
    }

    function test_freeze_training_succeeds() external {
        uint256 job = _job();
        skip(order.windows.train / 2);
        clock.freeze();
        skip(10 days);
        address aggregator = jobs.aggregatorOf(job);
        bytes[] memory signatures = sign(job, rootHash(job, 0, 0, "root", 0x7), order.quorum);
        vm.prank(aggregator);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.commit(job, 0, 0, "root", bits(0x7), signatures);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.advance(job, 0, 0);
        clock.thaw();
        skip(order.windows.train / 2);
        vm.prank(aggregator);
        rounds.commit(job, 0, 0, "root", bits(0x7), signatures);
    }

    /// What waits for nothing goes on: a whole round, up to where somebody must have had the time to object.
    function test_freeze_challenges_finaliseWaits_succeeds() external {
        uint256 job = _job();
        clock.freeze();
        skip(1 days);
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        skip(2 days);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.finalise(job, 0, 0);
        Play memory p = _challenge(this.segmentClaim(job, 0, 0, 0xf, 1, 1), stranger); // late by the calendar
        vm.prank(p.challenger);
        games.resign(p.game);
        vm.expectPartialRevert(IClock.StandsStill.selector);
        disputes.settle(p.dispute);
        clock.thaw();
        disputes.settle(p.dispute);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.finalise(job, 0, 0);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
    }

    function test_freeze_dueBefore_nothingIsSettled_succeeds() external {
        uint256 job = _job();
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        skip(order.windows.challenge + order.windows.train + order.windows.aggregate);
        clock.freeze();
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.finalise(job, 0, 0);
        vm.expectPartialRevert(IRounds.TooEarly.selector);
        rounds.advance(job, 0, 1);
        // And nothing that was too late is in time again.
        Claim memory claim = this.segmentClaim(job, 0, 0, 0xf, 1, 1);
        _seal(claim, stranger);
        mine(1);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        this.openAs(claim, stranger);
        skip(FROZEN_MAX); // it ends by itself, and anybody goes on
        rounds.finalise(job, 0, 0);
        rounds.advance(job, 0, 1);
    }

    function openAs(Claim memory claim, address challenger) external {
        _open(claim, challenger);
    }

    function test_freeze_jobDoesNotEnd_succeeds() external {
        uint256 job = _job();
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        vm.prank(consumer);
        jobs.cancel(job);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, 0);
        (, uint32 first, uint32 next) = rounds.progress(job);
        for (; first < next; first++) {
            playTo(RoundPhase.Challenging, job, 0, first, 0xf);
            skip(order.windows.challenge);
            rounds.finalise(job, 0, first);
        }
        clock.freeze();
        skip(1 days);
        vm.expectPartialRevert(IJobs.WrongPhase.selector);
        jobs.end(job);
        clock.thaw();
        jobs.end(job);
    }

    // ---------------------------------------------------------------- games

    function _game(uint256 job) private returns (Play memory) {
        playTo(RoundPhase.Opening, job, 0, 0, 0xf);
        return _challenge(this.segmentClaim(job, 0, 0, 0xf, 1, 1), stranger);
    }

    function test_freeze_game_clockStands_succeeds() external {
        Play memory p = _game(_job());
        skip(CLOCK / 2);
        uint256 deadline = games.viewOf(p.game).deadline;
        clock.freeze();
        skip(10 days);
        equal(games.viewOf(p.game).deadline, deadline, "stands still");
        vm.expectPartialRevert(IGames.ClockRuns.selector);
        games.timeout(p.game);
        clock.thaw();
        vm.expectPartialRevert(IGames.ClockRuns.selector);
        games.timeout(p.game);
        skip(CLOCK / 4);
        _answerSteps(p, _states());
        equal(games.viewOf(p.game).defenderLeft, CLOCK - CLOCK / 2 - 1 - CLOCK / 4 + 1, "what it took without the freeze");
        equal(games.viewOf(p.game).challengerLeft, CLOCK, "nothing of the other's");
        skip(CLOCK + 1);
        games.timeout(p.game);
        yes(games.endingOf(p.game) == Ending.Dismissed, "the challenger's time ran out");
        equal(deadline, clock.time() - CLOCK - 1 - CLOCK / 4 + CLOCK - CLOCK / 2, "of protocol time");
    }

    function test_freeze_game_ranOutBefore_timeoutWaits_succeeds() external {
        Play memory p = _game(_job());
        skip(CLOCK + 1);
        clock.freeze();
        vm.expectPartialRevert(IGames.ClockRuns.selector);
        games.timeout(p.game);
        vm.prank(p.accused);
        vm.expectPartialRevert(IGames.ClockRuns.selector);
        games.answerSteps(p.game, _states());
        skip(3 days);
        clock.thaw();
        games.timeout(p.game);
        yes(games.endingOf(p.game) == Ending.Upheld, "by what was before");
    }

    /// It began, was frozen, moved in and went on: all of it as if there had been no freeze.
    function test_freeze_game_movesGoOn_succeeds() external {
        Play memory p = _game(_job());
        clock.freeze();
        skip(10 days);
        _answerSteps(p, _states());
        skip(1 days);
        equal(games.viewOf(p.game).defenderLeft, CLOCK, "nothing taken");
        _demandRun(p, 0, _states());
        equal(games.viewOf(p.game).challengerLeft, CLOCK, "nothing taken");
        skip(1 days);
        clock.thaw();
        skip(CLOCK);
        vm.expectPartialRevert(IGames.ClockRuns.selector);
        games.timeout(p.game);
        skip(1);
        games.timeout(p.game);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Upheld, "nobody answered");
    }

    /// Quick moves cost nothing of a clock, slow ones what they take, and an eighth is always left.
    function test_clock_ofAGame_succeeds() external {
        Play memory p = _game(_job());
        skip(CLOCK / 8);
        _answerSteps(p, _states());
        equal(games.viewOf(p.game).defenderLeft, CLOCK, "an eighth is given");
        skip(CLOCK / 8 + 1);
        _demandRun(p, 0, _states());
        equal(games.viewOf(p.game).challengerLeft, CLOCK - CLOCK / 8 - 1, "more is not");
        skip(CLOCK);
        _answerRows(p, 0, _rows(1, "node"));
        equal(games.viewOf(p.game).defenderLeft, CLOCK / 8, "an eighth is left");
        yes(games.viewOf(p.game).demand == Demand.None, "the challenger's turn");
    }

    // ---------------------------------------------------------------- unbonding

    function test_freeze_unbonding_succeeds() external {
        _job();
        vm.prank(stranger);
        stakes.stake(token, 100);
        vm.prank(stranger);
        stakes.unstake(token, 100);
        skip(30);
        clock.freeze();
        skip(10 days);
        vm.prank(stranger);
        vm.expectPartialRevert(IStakes.NotReady.selector);
        stakes.release(token);
        clock.thaw();
        skip(29);
        vm.prank(stranger);
        vm.expectPartialRevert(IStakes.NotReady.selector);
        stakes.release(token);
        skip(1);
        vm.prank(stranger);
        equal(stakes.release(token), 100, "released");
    }

    function test_freeze_unbonding_dueBefore_waits_succeeds() external {
        _job();
        vm.prank(stranger);
        stakes.stake(token, 100);
        vm.prank(stranger);
        stakes.unstake(token, 100);
        skip(60);
        clock.freeze();
        vm.prank(stranger);
        vm.expectPartialRevert(IStakes.NotReady.selector);
        stakes.release(token);
        skip(FROZEN_MAX);
        vm.prank(stranger);
        stakes.release(token);
    }

    /// What has stood for its window would be void by it, since nothing becomes final while time stands still.
    function test_freeze_attestFault_waits_succeeds() external {
        uint256 job = _job();
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        playTo(RoundPhase.Opening, job, 0, 1, 0xf);
        skip(order.windows.challenge + order.windows.open);
        clock.freeze();
        bytes32 structHash = keccak256(abi.encode(Hashing.FAULT_TYPE, job, uint32(0), uint32(1), bytes32("digest")));
        bytes[] memory signatures = sign(job, structHash, order.quorum);
        vm.expectPartialRevert(IClock.StandsStill.selector);
        rounds.attestFault(job, 0, 1, "digest", signatures);
        clock.thaw();
        rounds.attestFault(job, 0, 1, "digest", signatures);
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Final, "what stood stands");
    }

    /// A draw that was overdue before calls nothing off.
    function test_freeze_overdueDraw_waits_succeeds() external {
        populate(6, 12, 4);
        draft(4, 5, 3);
        uint256 other = matched(5);
        skip(jobs.viewOf(other).phaseDeadline + order.windows.enlist - block.timestamp);
        clock.freeze();
        try jobs.draw(other) {} catch {}
        yes(phaseOf(other) != JobPhase.Cancelled, "not while time stands still");
    }
}
