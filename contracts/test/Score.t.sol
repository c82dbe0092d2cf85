// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {JobPhase, RoundPhase, Target, UNSCORED} from "../src/Types.sol";
import {IRerun} from "../src/interfaces/IRerun.sol";
import {IJobs} from "../src/interfaces/IJobs.sol";
import {IModels} from "../src/interfaces/IModels.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Network} from "./Network.sol";

/// @title Scores: what an aggregator says of a round's end, and voters judge; one that is as good as the job asks for is the last.
contract ScoreTest is Network {
    uint256 internal constant PRICE = 804;
    uint256 internal constant COST = 4 * PRICE + 5 * 100 + 300;
    uint256 internal job;

    function setUp() external {
        deploy(false);
        populate(6, 12, 4);
        draft(4, 5, 6);
        order.stopScore = 950_000;
        job = running(5);
    }

    function _score(uint32 generation, uint32 round, int64 score) private {
        playTo(RoundPhase.Aggregating, job, generation, round, 0xf);
        aggregateScored(job, generation, round, score);
    }

    function _finalise(uint32 generation, uint32 round) private {
        skip(order.windows.challenge + order.windows.open);
        rounds.finalise(job, generation, round);
    }

    function _disprove(uint32 generation, uint32 round, bytes32 truth) private {
        IRerun.Claim memory claim = aggregateClaim(Target.Score, job, generation, round);
        vm.startPrank(stranger);
        rerun.commitChallenge(job, keccak256(abi.encode(claim, stranger, bytes32("salt"))));
        mine(1);
        uint256 dispute = rerun.openChallenge(claim, "salt");
        vm.stopPrank();
        address[] memory voters = rerun.votersOf(dispute);
        for (uint256 i = 0; i < voters.length; i++) {
            vm.prank(voters[i]);
            rerun.vote(dispute, keccak256(abi.encode(dispute, voters[i], truth, bytes32("pepper"))));
        }
        for (uint256 i = 0; i < voters.length; i++) {
            vm.prank(voters[i]);
            rerun.revealVote(dispute, truth, "pepper");
        }
        rerun.decide(dispute);
    }

    function test_aggregate_scoreAsAsked_isTheLast_succeeds() external {
        uint256 before = free(consumer);
        _score(0, 0, 949_999);
        yes(rounds.viewOf(job, 0, 1).phase == RoundPhase.Training, "not good enough: on it goes");
        _finalise(0, 0);
        _score(0, 1, 950_000);
        yes(rounds.viewOf(job, 0, 2).phase == RoundPhase.None, "no round after it");
        yes(!rounds.settled(job) && !rounds.complete(job), "not before its window is over");
        vm.expectPartialRevert(IModels.NotComplete.selector);
        models.mint(job);
        rounds.proceed(job);
        yes(rounds.viewOf(job, 0, 2).phase == RoundPhase.None, "whoever calls");
        _finalise(0, 1);
        yes(rounds.complete(job) && rounds.settled(job), "complete");
        uint256 deposited = jobs.viewOf(job).deposited;
        jobs.end(job);
        yes(phaseOf(job) == JobPhase.Done, "done");
        equal(free(consumer) - before, deposited - 2 * COST, "what was not used is refunded");
        models.mint(job);
        IModels.Lineage memory lineage = models.lineageOf(job);
        equal(lineage.stateRoot, endRootOf(0, 1), "root");
        equal(uint256(lineage.rounds), 2, "rounds");
        yes(lineage.score == 950_000, "score");
        equal(lineage.testRoot, order.testRoot, "of what");
        for (uint256 i = 0; i < 4; i++) equal(rounds.claim(job, jobs.providerAt(job, i)), 2 * PRICE, "pay");
        equal(bucket(IVault.Kind.Escrow, job), 0, "escrow");
    }

    function test_aggregate_neverScored_goesOn_succeeds() external {
        for (uint32 round = 0; round < 6; round++) playTo(RoundPhase.Final, job, 0, round, 0xf);
        yes(rounds.complete(job), "all rounds");
        (, int64 score) = rounds.finalState(job);
        yes(score == UNSCORED, "and no score");
    }

    function test_aggregate_signedForAnotherScore_reverts() external {
        playTo(RoundPhase.Aggregating, job, 0, 0, 0xf);
        bytes32 endRoot = endRootOf(0, 0);
        bytes32 structHash = keccak256(abi.encode(Hashing.AGGREGATE_TYPE, job, uint32(0), uint32(0), endRoot, int64(1)));
        bytes[] memory signatures = sign(job, structHash, order.quorum);
        vm.prank(jobs.aggregatorOf(job));
        vm.expectRevert();
        rounds.aggregate(job, 0, 0, endRoot, 950_000, signatures);
    }

    function test_disprovedScore_opensTheRoundsAgain_succeeds() external {
        _score(0, 0, 0);
        _score(0, 1, 990_000);
        address liar = jobs.aggregatorOf(job);
        uint256 before = stakes.staked(token, liar);
        _disprove(0, 1, Hashing.scoreDigest(endRootOf(0, 1), 400_000));
        equal(stakes.staked(token, liar), before - COST, "slashed");
        yes(rounds.viewOf(job, 1, 1).phase == RoundPhase.Training, "the round is made again");
        _finalise(0, 0);
        _score(1, 1, 400_000);
        yes(rounds.viewOf(job, 1, 2).phase == RoundPhase.Training, "and the job goes on");
    }

    function test_disprovedEarlierRound_opensTheRoundsAgain_succeeds() external {
        _score(0, 0, 0);
        _score(0, 1, 990_000);
        _disprove(0, 0, Hashing.scoreDigest(endRootOf(0, 0), 1));
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "from the first on");
        for (uint32 round = 0; round < 6; round++) playTo(RoundPhase.Final, job, 1, round, 0xf);
        jobs.end(job);
        yes(rounds.complete(job), "complete");
    }

    function test_fault_afterTheStop_endsIt_succeeds() external {
        _score(0, 0, 990_000);
        bytes32 structHash = keccak256(abi.encode(Hashing.FAULT_TYPE, job, uint32(0), uint32(0), bytes32("fault")));
        rounds.attestFault(job, 0, 0, "fault", sign(job, structHash, 3));
        yes(phaseOf(job) == JobPhase.Faulted, "faulted");
        skip(order.windows.open + order.windows.challenge);
        jobs.end(job);
        yes(!rounds.complete(job), "no model of a faulted job");
        vm.expectPartialRevert(IModels.NotComplete.selector);
        models.mint(job);
    }

    function test_post_stopAtNothing_reverts() external {
        order.stopScore = UNSCORED;
        vm.prank(consumer);
        vm.expectRevert(abi.encodeWithSelector(IJobs.BadOrder.selector, bytes32("stopScore")));
        jobs.post(order);
    }

    /// Whatever is scored, the job has as many rounds as it takes to reach what it asks for, and pays for these alone.
    function test_rounds_areAsManyAsItTakes_succeeds(int64[6] memory scores) external {
        uint256 expected = 6;
        for (uint256 i = 0; i < 6; i++) {
            if (scores[i] >= 950_000) {
                expected = i + 1;
                break;
            }
        }
        for (uint32 round = 0; round < expected; round++) {
            _score(0, round, scores[round]);
            _finalise(0, round);
        }
        uint256 escrow = bucket(IVault.Kind.Escrow, job);
        uint256 before = free(consumer);
        yes(rounds.complete(job), "complete");
        jobs.end(job);
        equal(free(consumer) - before, escrow + order.faultDeposit, "the rest is refunded");
        equal(bucket(IVault.Kind.Credit, job), expected * COST, "and what was done is credited");
    }
}
