// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Entry, JobPhase, RoundPhase, Target} from "../src/Types.sol";
import {Claim, Facts, IDisputes} from "../src/interfaces/IDisputes.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {TestStablecoin} from "../src/tokens/TestStablecoin.sol";
import {Plays} from "./Plays.sol";

/// @title A pool in which nearly nobody can be drawn: every exit still fits one transaction (EIP-7825).
contract CrowdedTest is Plays {
    uint256 private constant LIMIT = 16_777_216;
    uint256 private constant DUST = 1500;
    uint256 private constant REAL = 40;

    function setUp() external {
        deploy(false);
        populate(6, 0, 3);
        draft(4, 9, 3);
        uint128 worst = 4 * 1000 + 9 * 100 + 300;
        (order.providerStake, order.validatorStake, order.aggregatorStake) = (worst, worst, worst);
        for (uint256 i = 0; i < DUST; i++) {
            _dust(address(uint160(0xD0000000 + i)));
            if (i % (DUST / REAL) == 0) {
                pool.push(_account(0xA000 + i));
                _enrol(pool[pool.length - 1], IStakes.Role.Validator);
            }
        }
        mine(1);
    }

    /// A member of the least weight that takes no lock worth mentioning.
    function _dust(address account) private {
        vm.startPrank(account);
        TestStablecoin(token).mint(account, 1);
        TestStablecoin(token).approve(address(vault), 1);
        vault.deposit(token, 1);
        stakes.stake(token, 1);
        stakes.enrol(token, IStakes.Role.Validator, 1, 1, 1);
        vm.stopPrank();
    }

    function _started() private returns (uint256 job) {
        job = matched(5);
        for (uint256 calls = 0; phaseOf(job) == JobPhase.Drawing; calls++) {
            require(calls < 40, "the draw comes to its end");
            jobs.draw{gas: LIMIT}(job);
        }
        address[] memory drawn = jobs.validatorsOf(job);
        equal(drawn.length, 9, "everybody is found in the end");
        for (uint256 i = 0; i < drawn.length; i++) enlist(job, drawn[i]);
        jobs.start(job);
        _takeIdleStake(job);
    }

    /// The others of the pool have no free stake any more.
    function _takeIdleStake(uint256 job) private {
        address[] memory seats = jobs.validatorsOf(job);
        for (uint256 i = 0; i < pool.length; i++) {
            bool seated;
            for (uint256 k = 0; k < seats.length; k++) seated = seated || seats[k] == pool[i];
            if (seated) continue;
            uint256 idle = stakes.available(token, pool[i]);
            vm.prank(pool[i]);
            stakes.unstake(token, idle);
        }
    }

    function test_advance_noQuorum_fitsATransaction_succeeds() external {
        uint256 job = _started();
        commitRound(job, 0, 0, 0xf);
        skip(order.windows.table);
        for (uint256 i = 0; i < 2; i++) {
            rounds.advance{gas: LIMIT}(job, 0, 0);
            skip(order.windows.table);
        }
    }

    function tableRoot(uint256 job, uint32 round) internal view override returns (bytes32) {
        return _tableOf(_entries(job, round));
    }

    /// Begins elsewhere than the round.
    function _entries(uint256 job, uint32 round) private view returns (Entry[] memory entries) {
        entries = new Entry[](1);
        entries[0] = _trueRow(commitmentOf(job, 0, round, 0), 0);
        entries[0].startRoot = "another start";
    }

    /// For each of nine that lose their seats somebody is looked for in vain.
    function test_disproved_fitsATransaction_succeeds() external {
        order.stopScore = 950_000;
        uint256 job = _started();
        playTo(RoundPhase.Challenging, job, 0, 0, 0xf);
        address[] memory seats = jobs.validatorsOf(job);
        Facts memory facts;
        for (uint256 i = 0; i < seats.length; i++) {
            Claim memory claim = _rowClaim(job, 0, 0, seats[i], _entries(job, 0), 0);
            _seal(claim, stranger);
            mine(1);
            vm.prank(stranger);
            disputes.openChallenge{gas: LIMIT}(claim, facts, "salt");
            yes(rounds.forfeited(job, seats[i]), "disproved");
        }
        Play memory score = _challenge(aggregateClaim(Target.Score, job, 0, 0), stranger);
        skip(order.windows.open);
        disputes.settle{gas: LIMIT}(score.dispute);
        _is(score.dispute, IDisputes.Settlement.Upheld, "the aggregator too");
    }
}
