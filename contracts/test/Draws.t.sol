// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {JobPhase} from "../src/Types.sol";
import {IJobs} from "../src/interfaces/IJobs.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {Network} from "./Network.sol";

/// @title Who is drawn: in proportion to stake, out of the pool as it stood at the match, and only who takes the job's terms.
contract DrawsTest is Network {
    uint96 private constant UNIT = 20_000; // a lock
    IStakes.Role private constant VALIDATOR = IStakes.Role.Validator;
    IStakes.Role private constant AGGREGATOR = IStakes.Role.Aggregator;

    function setUp() external {
        deploy(false);
        populate(5, 7, 2);
        draft(4, 5, 2);
    }

    function _retire(address account, IStakes.Role role) private {
        vm.prank(account);
        stakes.retire(token, role);
    }

    /// The pool of validators anew, with these weights.
    function _repopulate(uint96[7] memory weights) private {
        for (uint256 i = 0; i < 7; i++) {
            vm.prank(pool[i]);
            try stakes.retire(token, VALIDATOR) {} catch {}
        }
        for (uint256 i = 0; i < 7; i++) {
            if (weights[i] != 0) _enrolWith(pool[i], VALIDATOR, weights[i]);
        }
        mine(1);
    }

    function _isDrawn(uint256 job, address account) private view returns (bool) {
        address[] memory found = jobs.validatorsOf(job);
        for (uint256 i = 0; i < found.length; i++) {
            if (found[i] == account) return true;
        }
        return jobs.aggregatorOf(job) == account;
    }

    // ---------------------------------------------------------------- the pool as it stood

    /// Accounts that enrol between match and draw, the match's block included, into new places and into vacant ones, change
    /// nothing.
    function test_draw_lateEnrolments_changeNothing_succeeds(uint256 seed) external {
        vm.roll(bound(seed, 2000, 1_000_000));
        _retire(pool[3], VALIDATOR);
        _retire(pool[6], VALIDATOR);
        mine(1);
        uint256 job = post();
        bid(job, 5);
        jobs.close(job);
        uint256 before = vm.snapshotState();
        mine(3);
        jobs.draw(job);
        address[] memory alone = jobs.validatorsOf(job);
        address aggregator = jobs.aggregatorOf(job);
        yes(vm.revertToState(before), "back to the match");
        for (uint256 i = 0; i < 6; i++) {
            address late = _account(0xF000 + i);
            _enrolWith(late, VALIDATOR, uint96(UNIT * (1 + i % 4)));
            _enrolWith(late, AGGREGATOR, uint96(UNIT * (1 + i % 4)));
            if (i == 2) mine(1);
        }
        mine(2);
        jobs.draw(job);
        address[] memory found = jobs.validatorsOf(job);
        for (uint256 i = 0; i < 5; i++) equal(found[i], alone[i], "the same validators");
        equal(jobs.aggregatorOf(job), aggregator, "the same aggregator");
    }

    function test_draw_lateEnrolments_cannotFillIt_reverts() external {
        for (uint256 i = 0; i < 3; i++) _retire(pool[i], VALIDATOR);
        uint256 job = matched(5);
        for (uint256 i = 0; i < 3; i++) _enrol(pool[i], VALIDATOR);
        mine(1);
        vm.expectPartialRevert(IJobs.PoolTooSmall.selector);
        jobs.draw(job);
    }

    // ---------------------------------------------------------------- weights

    /// How often each of the pool is drawn as the one validator, by `count` beacons.
    function _tally(uint256 count) private returns (uint256[7] memory times) {
        order.validators = 1;
        order.quorum = 1;
        uint256 job = post();
        bid(job, 5);
        jobs.close(job);
        uint256 before = vm.snapshotState();
        bytes32 slot = keccak256("beacon");
        for (uint256 i = 0; i < count; i++) {
            mine(3);
            vm.setBlockhash(jobs.viewOf(job).drawBlock, keccak256(abi.encode(slot, i)));
            jobs.draw(job);
            address found = jobs.validatorsOf(job)[0];
            for (uint256 k = 0; k < 7; k++) {
                if (pool[k] == found) times[k]++;
            }
            yes(vm.revertToState(before), "back to the match");
        }
    }

    function _between(uint256 value, uint256 low, uint256 high, string memory what) private pure {
        if (value < low || value > high) revert Differ(what, value, (low + high) / 2);
    }

    function test_draw_fourTimesTheWeight_fourTimesAsOften_succeeds() external {
        _repopulate([4 * UNIT, UNIT, UNIT, UNIT, UNIT, 0, 0]);
        uint256[7] memory times = _tally(1600);
        // Expected 800 and 4 x 200; five standard deviations are 100 and 64.
        _between(times[0], 700, 900, "weight 4");
        for (uint256 i = 1; i < 5; i++) _between(times[i], 136, 264, "weight 1");
        equal(times[5] + times[6], 0, "who retired");
    }

    function test_draw_splitStake_gainsNothing_succeeds() external {
        // The same stake in one account and in four.
        _repopulate([4 * UNIT, UNIT, UNIT, UNIT, UNIT, 0, 0]);
        uint256[7] memory times = _tally(1600);
        uint256 split = times[1] + times[2] + times[3] + times[4];
        _between(times[0], split - split / 4, split + split / 4, "one account as often as the four");
    }

    function test_draw_moreThanSixteenLocks_countAsSixteen_succeeds() external {
        _repopulate([25 * UNIT, 16 * UNIT, 0, 0, 0, 0, 0]);
        uint256[7] memory times = _tally(800);
        _between(times[0], 330, 470, "capped");
        _between(times[1], 330, 470, "at the cap");
    }

    /// A peak that left, however high, only costs tries.
    function test_draw_afterAPeak_stillByWeight_succeeds() external {
        _repopulate([25 * UNIT, 0, 0, 0, 0, 0, 0]);
        _repopulate([0, 2 * UNIT, UNIT, UNIT, 0, 0, 0]);
        uint256[7] memory times = _tally(800);
        equal(times[0], 0, "gone");
        _between(times[1], 325, 475, "weight 2");
        _between(times[2], 135, 265, "weight 1");
    }

    function test_draw_shortOfItsWeight_isPassedOver_succeeds() external {
        _repopulate([uint96(FUNDS / 2), UNIT, UNIT, UNIT, UNIT, UNIT, 0]);
        vm.prank(pool[0]);
        stakes.unstake(token, 1);
        uint256 job = drawn(5);
        yes(!_isDrawn(job, pool[0]), "has less at stake than it says");
        equal(stakes.locked(token, pool[0]), 0, "not locked");
    }

    // ---------------------------------------------------------------- terms

    function _enrolFor(address account, IStakes.Role role, uint96 lockMax, uint32 windowMin) private {
        _retire(account, role);
        vm.prank(account);
        stakes.enrol(token, role, UNIT, lockMax, windowMin);
    }

    function test_draw_terms_areKept_succeeds(uint256 seed) external {
        vm.roll(bound(seed, 2000, 1_000_000));
        // The shortest window in which a validator owes something, and an aggregator.
        (order.windows.table, order.windows.open, order.windows.enlist) = (70, 65, 80);
        _enrolFor(pool[0], VALIDATOR, UNIT - 1, 1);
        _enrolFor(pool[1], VALIDATOR, UNIT, 65);
        _enrolFor(pool[2], VALIDATOR, type(uint96).max, 66);
        _enrolFor(aggregators[0], AGGREGATOR, UNIT, 66);
        _enrolFor(aggregators[1], AGGREGATOR, UNIT, 65);
        mine(1);
        uint256 job = drawn(5);
        yes(!_isDrawn(job, pool[0]), "the lock is larger than it takes");
        yes(!_isDrawn(job, pool[2]), "the window is shorter than it takes");
        yes(_isDrawn(job, pool[1]), "just what it takes");
        equal(jobs.aggregatorOf(job), aggregators[1], "its shortest window too");
    }

    function test_draw_nobodyTakesTheTerms_reverts() external {
        for (uint256 i = 0; i < 3; i++) _enrolFor(pool[i], VALIDATOR, UNIT - 1, 1);
        mine(1);
        uint256 job = matched(5);
        vm.expectPartialRevert(IJobs.PoolTooSmall.selector);
        jobs.draw(job);
    }

    function test_abstain_beforeTheDraw_isNotDrawn_succeeds(uint256 seed) external {
        vm.roll(bound(seed, 2000, 1_000_000));
        uint256 job = post();
        vm.prank(pool[2]);
        jobs.abstain(job);
        vm.prank(aggregators[0]);
        jobs.abstain(job);
        bid(job, 5);
        jobs.close(job);
        vm.prank(pool[4]);
        jobs.abstain(job);
        mine(3);
        jobs.draw(job);
        yes(!_isDrawn(job, pool[2]) && !_isDrawn(job, pool[4]), "not these");
        equal(jobs.aggregatorOf(job), aggregators[1], "the other aggregator");
    }

    function test_abstain_inTheBlockThatDraws_reverts() external {
        uint256 job = post();
        bid(job, 5);
        jobs.close(job);
        vm.roll(jobs.viewOf(job).drawBlock);
        vm.prank(pool[0]);
        vm.expectPartialRevert(IJobs.WrongPhase.selector);
        jobs.abstain(job);
        mine(3);
        vm.prank(pool[0]);
        vm.expectPartialRevert(IJobs.WrongPhase.selector);
        jobs.abstain(job);
        jobs.draw(job);
        vm.prank(pool[0]);
        vm.expectPartialRevert(IJobs.WrongPhase.selector);
        jobs.abstain(job);
    }

    /// Nor is it taken in when an aggregator is replaced.
    function test_abstain_holdsForReplacements_succeeds() external {
        uint256 job = post();
        vm.prank(stranger);
        jobs.abstain(job);
        bid(job, 5);
        jobs.close(job);
        mine(3);
        jobs.draw(job);
        address[] memory found = jobs.validatorsOf(job);
        for (uint256 i = 0; i < 5; i++) enlist(job, found[i]);
        jobs.start(job);
        address first = jobs.aggregatorOf(job);
        skip(order.windows.train + order.windows.aggregate);
        vm.prank(stranger);
        rounds.advance(job, 0, 0);
        address next = jobs.aggregatorOf(job);
        yes(next != stranger && next != first && next != address(0), "the pool's other one");
    }

    // ---------------------------------------------------------------- a clogged pool

    /// A pool full of places that can never be drawn is searched at a bounded price, and holds an escrow for two windows only.
    function test_draw_cloggedPool_cancelsWithoutLooking_succeeds() external {
        for (uint256 i = 0; i < 300; i++) {
            // What a crowd costs: a stake of one each.
            vm.prank(_account(0x10000 + i));
            stakes.enrol(token, VALIDATOR, 1, 1, 1);
        }
        mine(1);
        uint256 before = free(consumer);
        uint256 job = matched(5);
        skip(2 * order.windows.enlist);
        uint256 gas = gasleft();
        jobs.draw(job);
        atMost(gas - gasleft(), 1_000_000, "without looking");
        yes(phaseOf(job) == JobPhase.Cancelled, "cancelled");
        equal(free(consumer), before, "refunded");
        for (uint256 i = 0; i < everybody.length; i++) equal(stakes.locked(token, everybody[i]), 0, "unlocked");
    }

    function test_draw_betweenOneWindowAndTwo_stillLooks_succeeds() external {
        uint256 job = matched(5);
        skip(order.windows.enlist + 10);
        jobs.draw(job);
        yes(phaseOf(job) == JobPhase.Enlisting, "drawn late");
        job = matched(5);
        skip(2 * order.windows.enlist - 4);
        jobs.draw(job);
        yes(phaseOf(job) == JobPhase.Enlisting, "just in time");
    }
}
