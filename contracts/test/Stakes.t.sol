// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Beacon} from "../src/Beacon.sol";
import {Clock} from "../src/Clock.sol";
import {Params} from "../src/Params.sol";
import {Stakes} from "../src/Stakes.sol";
import {Vault} from "../src/Vault.sol";
import {IBeacon} from "../src/interfaces/IBeacon.sol";
import {IParams} from "../src/interfaces/IParams.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Base} from "./Base.sol";

contract StakesTest is Base {
    Params internal params;
    Vault internal vault;
    Stakes internal stakes;
    address internal constant COIN = address(0);
    address internal alice = vm.addr(1);
    address internal bob = vm.addr(2);
    IParams.Limits internal limits = IParams.Limits(1, 30 days, 60, 1024, 256, 64, 4, 2, 2000);

    function setUp() external {
        vm.warp(1_800_000_000);
        vm.roll(1000);
        params = new Params(address(this), limits);
        vault = new Vault();
        stakes = new Stakes(vault, params, new Clock(params));
        address[] memory modules = new address[](2);
        (modules[0], modules[1]) = (address(stakes), address(this));
        vault.wire(modules);
        stakes.wire(modules);
        vm.deal(alice, 1000);
        vm.startPrank(alice);
        vault.deposit{value: 1000}(COIN, 1000);
        stakes.stake(COIN, 900);
        vm.stopPrank();
    }

    function test_stake_moreThanFree_reverts() external {
        vm.prank(alice);
        vm.expectPartialRevert(IVault.Insufficient.selector);
        stakes.stake(COIN, 101);
    }

    function test_lock_byStranger_reverts() external {
        vm.prank(alice);
        vm.expectPartialRevert(IStakes.NotModule.selector);
        stakes.lock("a", COIN, alice, 1);
    }

    function test_lock_moreThanAvailable_reverts() external {
        stakes.lock("a", COIN, alice, 500);
        vm.expectPartialRevert(IStakes.NotEnoughStake.selector);
        stakes.lock("b", COIN, alice, 401);
    }

    function test_lock_sameObligation_reverts() external {
        stakes.lock("a", COIN, alice, 1);
        stakes.unlock("a");
        vm.expectPartialRevert(IStakes.LockExists.selector);
        stakes.lock("a", COIN, alice, 1);
    }

    function test_unlock_twice_reverts() external {
        stakes.lock("a", COIN, alice, 1);
        stakes.unlock("a");
        vm.expectPartialRevert(IStakes.NoLock.selector);
        stakes.unlock("a");
    }

    function test_slash_released_reverts() external {
        stakes.lock("a", COIN, alice, 1);
        stakes.unlock("a");
        vm.expectPartialRevert(IStakes.NoLock.selector);
        stakes.slash("a", 1, bob, 1);
    }

    function test_slash_byStranger_reverts() external {
        stakes.lock("a", COIN, alice, 1);
        vm.prank(bob);
        vm.expectPartialRevert(IStakes.NotModule.selector);
        stakes.slash("a", 1, bob, 1);
    }

    function test_unstake_locked_reverts() external {
        stakes.lock("a", COIN, alice, 500);
        vm.prank(alice);
        vm.expectPartialRevert(IStakes.NotEnoughStake.selector);
        stakes.unstake(COIN, 401);
    }

    function test_unstake_twiceTheSame_reverts() external {
        vm.startPrank(alice);
        stakes.unstake(COIN, 900);
        vm.expectPartialRevert(IStakes.NotEnoughStake.selector);
        stakes.unstake(COIN, 1);
        vm.stopPrank();
    }

    function test_release_early_reverts() external {
        vm.startPrank(alice);
        stakes.unstake(COIN, 900);
        vm.expectPartialRevert(IStakes.NotReady.selector);
        stakes.release(COIN);
        vm.stopPrank();
    }

    function test_release_lockedWhileUnbonding_waits_succeeds() external {
        vm.prank(alice);
        stakes.unstake(COIN, 900);
        stakes.lock("a", COIN, alice, 600);
        vm.warp(block.timestamp + 61);
        vm.prank(alice);
        equal(stakes.release(COIN), 300, "what is not locked");
        stakes.unlock("a");
        vm.prank(alice);
        equal(stakes.release(COIN), 600, "the rest");
        equal(stakes.staked(COIN, alice), 0, "nothing left");
    }

    function test_slash_reachesUnbonding_succeeds() external {
        stakes.lock("a", COIN, alice, 600);
        vm.prank(alice);
        stakes.unstake(COIN, 300);
        stakes.slash("a", 600, address(0), 1);
        (uint256 leaving,) = stakes.unbonding(COIN, alice);
        equal(leaving, 300, "unbonding");
        vm.warp(block.timestamp + 61);
        vm.prank(alice);
        equal(stakes.release(COIN), 300, "released");
    }

    function test_slash_split_succeeds(uint256 amount, uint256 asked, bool challenged) external {
        amount = bound(amount, 0, 900);
        asked = bound(asked, 0, 2000);
        stakes.lock("a", COIN, alice, amount);
        (uint256 taken, uint256 toJob) = stakes.slash("a", asked, challenged ? bob : address(0), 7);
        equal(taken, asked < amount ? asked : amount, "taken");
        uint256 toBob = vault.free(COIN, bob);
        atMost(3 * toBob, taken, "challenger's third");
        if (!challenged) equal(vault.burned(COIN), taken, "silence is burned whole");
        atMost(taken, 3 * vault.burned(COIN), "at least a third burned");
        equal(vault.balance(COIN, IVault.Kind.Escrow, bytes32(uint256(7))), toJob, "job's share");
        equal(taken, toBob + toJob + vault.burned(COIN), "all of it");
        equal(stakes.locked(COIN, alice), amount - taken, "locked");
        stakes.unlock("a");
        equal(stakes.locked(COIN, alice), 0, "released");
        equal(stakes.available(COIN, alice), 900 - taken, "available");
    }

    // ---------------------------------------------------------------- pools

    IStakes.Role private constant VALIDATOR = IStakes.Role.Validator;

    function _enrol(address account, uint96 weight) private {
        vm.prank(account);
        stakes.enrol(COIN, VALIDATOR, weight, 77, 88);
    }

    function _weight(uint256 place, uint256 blockNumber) private view returns (uint256) {
        return stakes.poolAt(COIN, VALIDATOR, place, blockNumber).weight;
    }

    function _fund(address account, uint256 amount) private {
        vm.deal(account, amount);
        vm.startPrank(account);
        vault.deposit{value: amount}(COIN, amount);
        stakes.stake(COIN, amount);
        vm.stopPrank();
    }

    function test_enrol_member_succeeds() external {
        _enrol(alice, 600);
        IStakes.Member memory member = stakes.poolAt(COIN, VALIDATOR, 0, 1000);
        equal(member.account, alice, "account");
        equal(member.enrolledAt, 1000, "block");
        equal(member.weight, 600, "weight");
        equal(member.lockMax, 77, "lockMax");
        equal(member.windowMin, 88, "windowMin");
        equal(stakes.peak(COIN, VALIDATOR), 600, "peak");
        equal(stakes.peak(COIN, IStakes.Role.Aggregator), 0, "of its own role");
        equal(_weight(0, 999), 0, "not in the pool before");
        equal(keccak256(abi.encode(stakes.memberOf(COIN, VALIDATOR, alice))), keccak256(abi.encode(member)), "of the account");
        equal(stakes.memberOf(COIN, IStakes.Role.Aggregator, alice).account, address(0), "in one pool alone");
    }

    function test_enrol_twice_reverts() external {
        _enrol(alice, 600);
        vm.prank(alice);
        vm.expectPartialRevert(IStakes.AlreadyEnrolled.selector);
        stakes.enrol(COIN, VALIDATOR, 1, 77, 88);
    }

    function test_enrol_moreThanItsStake_reverts() external {
        vm.prank(alice);
        vm.expectPartialRevert(IStakes.NotEnoughStake.selector);
        stakes.enrol(COIN, VALIDATOR, 901, 77, 88);
        vm.prank(bob);
        vm.expectPartialRevert(IStakes.NotEnoughStake.selector);
        stakes.enrol(COIN, VALIDATOR, 1, 77, 88);
    }

    function test_enrol_unbondingDoesNotCount_reverts() external {
        vm.startPrank(alice);
        stakes.unstake(COIN, 400);
        vm.expectPartialRevert(IStakes.NotEnoughStake.selector);
        stakes.enrol(COIN, VALIDATOR, 501, 77, 88);
        stakes.enrol(COIN, VALIDATOR, 500, 77, 88);
        vm.stopPrank();
    }

    function test_enrol_weightlessOrBelowTheMinimum_reverts() external {
        vm.prank(alice);
        vm.expectPartialRevert(IStakes.NotEnoughStake.selector);
        stakes.enrol(COIN, VALIDATOR, 0, 77, 88);
        params.setPoolMinimum(COIN, 500);
        vm.prank(alice);
        vm.expectPartialRevert(IStakes.NotEnoughStake.selector);
        stakes.enrol(COIN, VALIDATOR, 499, 77, 88);
        _enrol(alice, 500);
    }

    function test_retire_placeIsUsedAgain_countsAnew_succeeds() external {
        _fund(bob, 900);
        _enrol(alice, 600);
        vm.roll(1010);
        vm.prank(alice);
        stakes.retire(COIN, VALIDATOR);
        equal(stakes.poolSize(COIN, VALIDATOR), 1, "the place stays");
        equal(_weight(0, 1005), 0, "and nobody holds it");
        vm.prank(alice);
        vm.expectPartialRevert(IStakes.NotEnrolled.selector);
        stakes.retire(COIN, VALIDATOR);
        _enrol(bob, 300);
        equal(stakes.poolSize(COIN, VALIDATOR), 1, "no new place");
        equal(_weight(0, 1009), 0, "for nothing that was matched before");
        equal(_weight(0, 1010), 300, "from now on");
        equal(stakes.peak(COIN, VALIDATOR), 600, "a peak stays");
        _enrol(alice, 600);
        equal(stakes.poolSize(COIN, VALIDATOR), 2, "none was vacant");
    }

    function test_retire_comingAndGoing_doesNotFillThePool_succeeds() external {
        for (uint256 i = 0; i < 50; i++) {
            _enrol(alice, 600);
            vm.prank(alice);
            stakes.retire(COIN, VALIDATOR);
        }
        equal(stakes.poolSize(COIN, VALIDATOR), 1, "one place");
    }

    function test_purge_lessStakeThanWeight_succeeds() external {
        vm.expectPartialRevert(IStakes.NotEnrolled.selector);
        stakes.purge(COIN, VALIDATOR, alice);
        _enrol(alice, 600);
        vm.prank(alice);
        stakes.unstake(COIN, 300);
        vm.expectPartialRevert(IStakes.NotReady.selector);
        stakes.purge(COIN, VALIDATOR, alice);
        equal(_weight(0, 1000), 600, "still covered");
        vm.prank(alice);
        stakes.unstake(COIN, 1);
        equal(_weight(0, 1000), 0, "not drawn any more");
        equal(stakes.memberOf(COIN, VALIDATOR, alice).weight, 0, "nor told so");
        stakes.purge(COIN, VALIDATOR, alice);
        equal(stakes.poolAt(COIN, VALIDATOR, 0, 1000).account, address(0), "purged");
        equal(stakes.memberOf(COIN, VALIDATOR, alice).account, address(0), "nobody's place");
        vm.prank(alice);
        vm.expectPartialRevert(IStakes.NotEnoughStake.selector);
        stakes.enrol(COIN, VALIDATOR, 600, 77, 88);
    }

    /// One stake that wanders through many accounts must not be many lots: who was short at the match is out of its draw,
    /// whatever it stakes once the beacon is known.
    function test_stake_afterTheMatch_wakesNobody_succeeds() external {
        _enrol(alice, 600);
        vm.prank(alice);
        stakes.unstake(COIN, 900);
        vm.warp(block.timestamp + 61);
        vm.prank(alice);
        stakes.release(COIN);
        vm.roll(1010);
        equal(_weight(0, 1005), 0, "asleep");
        vm.prank(alice);
        stakes.stake(COIN, 500);
        equal(_weight(0, 1010), 0, "still short");
        vm.roll(1020);
        vm.prank(alice);
        stakes.stake(COIN, 100);
        equal(_weight(0, 1019), 0, "not for what was matched while it was short");
        equal(_weight(0, 1020), 600, "for what comes");
        vm.roll(1030);
        vm.prank(alice);
        stakes.stake(COIN, 100);
        equal(_weight(0, 1020), 600, "adding to what is enough changes nothing");
    }

    function test_params_outOfBounds_reverts() external {
        limits.providersMax = 1025;
        vm.expectPartialRevert(IParams.OutOfBounds.selector);
        params.set(limits);
        limits.providersMax = 1024;
        limits.beaconDelay = 0;
        vm.expectPartialRevert(IParams.OutOfBounds.selector);
        params.set(limits);
        limits.beaconDelay = 1;
        params.set(limits);
        equal(params.limits().providersMax, 1024, "set");
    }

    function test_params_notOwner_reverts() external {
        vm.prank(alice);
        vm.expectRevert();
        params.set(limits);
    }

    function test_record_early_reverts() external {
        Beacon beacon = new Beacon();
        vm.expectPartialRevert(IBeacon.TooEarly.selector);
        beacon.record(1000);
    }

    function test_record_visible_succeeds() external {
        Beacon beacon = new Beacon();
        vm.roll(1256);
        bytes32 value = beacon.record(1000);
        equal(value, blockhash(1000), "the block's");
        vm.roll(9000);
        equal(beacon.record(1000), value, "kept");
        (, uint256 misses) = beacon.read(1000);
        equal(misses, 0, "misses");
    }

    function test_record_expired_succeeds(uint256 later) external {
        Beacon beacon = new Beacon();
        later = bound(later, 1, 5000);
        vm.roll(1000 + later);
        bytes32 value = beacon.record(1000);
        (, uint256 misses) = beacon.read(1000);
        equal(misses, (later - 1) / 256, "misses");
        equal(value, blockhash(1000 + 256 * misses), "the next fixed block");
        yes(value != 0, "visible");
    }
}
