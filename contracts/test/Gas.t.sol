// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Claim, Facts} from "../src/interfaces/IDisputes.sol";
import {TestStablecoin} from "../src/tokens/TestStablecoin.sol";
import {Plays} from "./Plays.sol";

interface Meter {
    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    function lastCallGas() external view returns (Gas memory);
    function setEvmVersion(string calldata evm) external;
}

/// @title What each transaction of a job costs, with six providers and five validators. Run with --isolate, so that each call
///        is a transaction of its own and pays for its calldata.
contract GasTest is Plays {
    event Measured(string name, uint256 gas);

    Meter private constant METER = Meter(address(vm));

    function _measure(string memory name) private {
        emit Measured(name, METER.lastCallGas().gasTotalUsed);
    }

    function _play() private {
        deploy(false);
        populate(7, 8, 3);
        draft(6, 5, 2);
        _programs(6);
        vm.startPrank(stranger);
        TestStablecoin(token).mint(stranger, 200);
        TestStablecoin(token).approve(address(vault), 200);
        vault.deposit(token, 200);
        _measure("deposit");
        stakes.stake(token, 100);
        _measure("stake");
        vault.withdraw(token, 50);
        _measure("withdraw");
        vm.stopPrank();

        uint256 job = post();
        _measure("post");
        for (uint256 i = 0; i < 7; i++) {
            sealBid(job, bidders[i], uint128(800 + i));
            _measure("commitBid");
        }
        skip(order.windows.bid);
        for (uint256 i = 0; i < 7; i++) {
            openBid(job, bidders[i], uint128(800 + i));
            _measure("revealBid");
        }
        jobs.close(job);
        _measure("close");
        mine(3);
        jobs.draw(job);
        _measure("draw");
        address[] memory drawn_ = jobs.validatorsOf(job);
        for (uint256 i = 0; i < 5; i++) {
            enlist(job, drawn_[i]);
            _measure("enlist");
        }
        jobs.start(job);
        _measure("start");
        for (uint32 round = 0; round < 2; round++) _round(job, round, drawn_);
        jobs.end(job);
        _measure("end");
        rounds.claim(job, bidders[0]);
        _measure("claim");
        models.mint(job);
        _measure("mint");
    }

    function _round(uint256 job, uint32 round, address[] memory drawn_) private {
        bytes32 root = commitmentRoot(job, 0, round, 0x3f);
        commitAs(jobs.aggregatorOf(job), job, 0, round, root, 0x3f, order.quorum);
        _measure("commit");
        mine(3);
        for (uint256 i = 0; i < 5; i++) {
            sealTable(job, 0, round, drawn_[i]);
            _measure("commitTable");
        }
        for (uint256 i = 0; i < 5; i++) {
            openTable(job, 0, round, drawn_[i]);
            _measure("revealTable");
        }
        includeRound(job, 0, round, 0x3f, 0x3f);
        _measure("include");
        aggregateRound(job, 0, round);
        _measure("aggregate");
        if (round == 0) _dispute(job);
        skip(order.windows.challenge);
        rounds.finalise(job, 0, round);
        _measure("finalise");
    }

    /// A challenge of a segment whose challenger finds nothing wrong once the states between are opened.
    function _dispute(uint256 job) private {
        Claim memory claim = this.segmentClaim(job, 0, 0, 0x3f, 1, 2);
        Facts memory facts = _facts(claim);
        bytes32[] memory states = _states();
        _seal(claim, consumer);
        _measure("commitChallenge");
        mine(1);
        vm.prank(consumer);
        uint256 dispute = disputes.openChallenge(claim, facts, "salt");
        _measure("openChallenge");
        uint256 game = disputes.viewOf(dispute).game;
        vm.prank(claim.commitment.provider);
        games.answerSteps(game, states);
        _measure("answerSteps");
        vm.prank(consumer);
        games.resign(game);
        _measure("resign");
        disputes.settle(dispute);
        _measure("settle");
    }

    function test_gas_cancun_succeeds() external {
        METER.setEvmVersion("cancun");
        _play();
    }

    function test_gas_osaka_succeeds() external {
        METER.setEvmVersion("osaka");
        _play();
    }
}
