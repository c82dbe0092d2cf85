// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../src/Hashing.sol";
import {JobPhase, RoundPhase, Target, UNSCORED} from "../src/Types.sol";
import {Openings} from "../src/arbiter/Openings.sol";
import {Scores} from "../src/disputes/Scores.sol";
import {Claim, Facts, IDisputes, Marks} from "../src/interfaces/IDisputes.sol";
import {Ending, IGames} from "../src/interfaces/IGames.sol";
import {IJobs} from "../src/interfaces/IJobs.sol";
import {IModels} from "../src/interfaces/IModels.sol";
import {IRounds} from "../src/interfaces/IRounds.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Contested} from "./Plays.sol";

/// @title Scores: what an aggregator says of a round's end, and shows of what it is made when somebody asks. One that is as good as
///        the job asks for is the last.
contract ScoreTest is Contested {
    function setUp() external {
        _run(6, 950_000);
    }

    function _score(uint32 generation, uint32 round, int64 score) private {
        playTo(RoundPhase.Aggregating, job, generation, round, 0xf);
        aggregateScored(job, generation, round, score);
    }

    function _finalise(uint32 generation, uint32 round) private {
        skip(order.windows.challenge + order.windows.open);
        rounds.finalise(job, generation, round);
    }

    function _claim(uint32 generation, uint32 round) private view returns (Claim memory) {
        return aggregateClaim(Target.Score, job, generation, round);
    }

    /// Nobody shows what it is made of.
    function _disprove(uint32 generation, uint32 round) private {
        Play memory p = _challenge(_claim(generation, round), stranger);
        skip(order.windows.open);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Upheld, "disproved");
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
        _disprove(0, 1);
        equal(stakes.staked(token, liar), before - COST, "slashed");
        yes(rounds.viewOf(job, 1, 1).phase == RoundPhase.Training, "the round is made again");
        _finalise(0, 0);
        _score(1, 1, 400_000);
        yes(rounds.viewOf(job, 1, 2).phase == RoundPhase.Training, "and the job goes on");
    }

    function test_disprovedEarlierRound_opensTheRoundsAgain_succeeds() external {
        _score(0, 0, 0);
        _score(0, 1, 990_000);
        _disprove(0, 0);
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "from the first on");
        for (uint32 round = 0; round < 6; round++) playTo(RoundPhase.Final, job, 1, round, 0xf);
        jobs.end(job);
        yes(rounds.complete(job), "complete");
    }

    function test_fault_afterTheStop_endsIt_succeeds() external {
        _score(0, 0, 990_000);
        bytes32 structHash = keccak256(abi.encode(Hashing.FAULT_TYPE, job, uint32(0), uint32(0), bytes32("fault")));
        rounds.attestFault(job, 0, 0, "fault", sign(job, structHash, 3));
        skip(order.windows.open + order.windows.challenge);
        jobs.end(job);
        yes(!rounds.complete(job), "no model of a job at fault");
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

    // ---------------------------------------------------------------- marks

    /// Of 40 targets 32 are right, if the aggregator is.
    function _scored() private returns (Marks memory marks) {
        marks = _marks(16);
        _score(0, 0, 800_000);
    }

    function _unscored() private {
        _score(0, 0, UNSCORED);
    }

    function _disputed() private returns (Play memory p, Marks memory marks) {
        marks = _scored();
        p = _challenge(_claim(0, 0), stranger);
    }

    function _isDisproved(Play memory p) private view {
        _is(p.dispute, IDisputes.Settlement.Upheld, "upheld");
        equal(stakes.staked(token, p.accused), FUNDS / 2 - COST, "slashed by the round's cost");
        equal(vault.burned(token), COST - 2 * (COST / 3), "a third burned");
        equal(free(stranger), FUNDS / 2 + COST / 3, "bond back and a third");
        yes(jobs.aggregatorOf(job) != p.accused && jobs.aggregatorOf(job) != address(0), "replaced");
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "void");
        yes(rounds.viewOf(job, 1, 0).phase == RoundPhase.Training, "reopened");
        equal(bucket(IVault.Kind.Credit, job), COST - 300, "all but the aggregator are paid");
        _closed();
    }

    function _isDismissed(Play memory p) private view {
        _is(p.dispute, IDisputes.Settlement.Dismissed, "dismissed");
        equal(free(stranger), FUNDS / 2 - bond, "bond lost");
        equal(vault.burned(token), bond / 3, "a third burned");
        equal(worth(p.accused), FUNDS + bond - bond / 3, "the rest for whom it made work");
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Challenging, "it stands");
        _closed();
    }

    function test_marks_notShownInTime_isUpheld_succeeds() external {
        (Play memory p,) = _disputed();
        equal(p.game, 0, "no game yet");
        equal(p.accused, rounds.aggregatorOf(job, 0, 0), "who stands for it");
        uint256 until = block.timestamp + order.windows.open;
        equal(disputes.viewOf(p.dispute).showUntil, until, "a window to show them");
        skip(order.windows.open - 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.TooSoon.selector, until));
        disputes.settle(p.dispute);
        skip(1);
        disputes.settle(p.dispute);
        _isDisproved(p);
        for (uint32 round = 0; round < 6; round++) playTo(RoundPhase.Final, job, 1, round, 0xf);
        jobs.end(job);
        for (uint256 i = 0; i < everybody.length; i++) {
            rounds.claim(job, everybody[i]);
            equal(stakes.locked(token, everybody[i]), 0, "unlocked");
        }
        equal(vault.total(token, IVault.Kind.Bond), 0, "no bond left");
        _conserved();
    }

    function test_finalise_disputeOpen_reverts() external {
        (Play memory p,) = _disputed();
        skip(order.windows.challenge);
        vm.expectPartialRevert(IRounds.DisputeOpen.selector);
        rounds.finalise(job, 0, 0);
        disputes.settle(p.dispute);
        vm.expectPartialRevert(IRounds.WrongRound.selector);
        rounds.finalise(job, 0, 0);
    }

    /// Whoever has shown them late, but before anybody called the time, has shown them.
    function test_showMarks_beforeTheTimeIsCalled_succeeds() external {
        (Play memory p, Marks memory marks) = _disputed();
        skip(order.windows.open + 5);
        _showMarks(job, 0, 0, marks);
        vm.expectPartialRevert(IDisputes.TooSoon.selector);
        disputes.settle(p.dispute);
        skip(order.windows.open);
        disputes.settle(p.dispute);
        _isDismissed(p);
    }

    /// Also before anybody asks.
    function test_showMarks_unasked_succeeds() external {
        Marks memory marks = _scored();
        equal(disputes.marksOf(job, 0, 0), 0, "nothing is shown");
        _showMarks(job, 0, 0, marks);
        equal(disputes.marksOf(job, 0, 0), keccak256(abi.encode(marks)), "shown");
        equal(disputes.marksOf(job, 0, 1), 0, "of no other round");
        Play memory p = _challenge(_claim(0, 0), stranger);
        _beginScore(p, marks, 1);
        equal(games.viewOf(p.game).claim, keccak256(abi.encode(p.a)), "begun at once");
        _resign(p);
        _isDismissed(p);
    }

    function _notShown(Marks memory marks, Facts memory facts, bytes memory reason) private {
        vm.prank(rounds.aggregatorOf(job, 0, 0));
        vm.expectRevert(reason);
        disputes.showMarks(job, 0, 0, facts, marks);
    }

    function test_showMarks_strangerOrTwiceOrTooSoon_reverts() external {
        playTo(RoundPhase.Aggregating, job, 0, 0, 0xf);
        Marks memory marks = _marks(16);
        Facts memory facts = _evaluate;
        address aggregator = jobs.aggregatorOf(job);
        vm.prank(aggregator);
        vm.expectRevert();
        disputes.showMarks(job, 0, 0, facts, marks);
        aggregateScored(job, 0, 0, 800_000);
        address[3] memory others = [stranger, consumer, jobs.validatorsOf(job)[0]];
        for (uint256 i = 0; i < 3; i++) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IRounds.NotAggregator.selector, others[i]));
            disputes.showMarks(job, 0, 0, facts, marks);
        }
        _showMarks(job, 0, 0, marks);
        for (uint256 i = 0; i < 2; i++) {
            if (i == 1) marks = _marks(8);
            _notShown(marks, facts, abi.encodeWithSelector(IRounds.WrongPhase.selector, RoundPhase.Challenging));
        }
        equal(disputes.marksOf(job, 0, 0), keccak256(abi.encode(_marks(16))), "what was shown first");
    }

    function test_showMarks_thatDoNotAddUp_reverts() external {
        Marks memory marks = _scored();
        Facts memory facts = _evaluate;
        _notShown(_marks(15), facts, _fact("score"));
        _notShown(_marks(17), facts, _fact("score")); // more right than there are
        marks.batches = bytes.concat(_mark(16, 16, 0), _mark(16, 16, 0));
        _notShown(marks, facts, _fact("marks"));
        marks.batches = bytes.concat(_marks(16).batches, _mark(0, 0, 0));
        _notShown(marks, facts, _fact("marks"));
        marks.batches = bytes.concat(_marks(16).batches, bytes1(0));
        _notShown(marks, facts, _fact("marks"));
        marks.batches = "";
        _notShown(marks, facts, _fact("marks"));
        marks = _marks(16);
        marks.first = 1;
        _notShown(marks, facts, _fact("marks"));
        marks = _marks(16);
        marks.fault = "fault";
        _notShown(marks, facts, _fact("marks"));
        marks = _marks(16);
        marks.batches = bytes.concat(_mark(16, 16, 0), _mark(16, 16, 0x7f800000), _mark(0, 8, 0));
        _notShown(marks, facts, _fact("score"));
        _notShown(_impossible(0), facts, _fact("marks"));
        equal(disputes.marksOf(job, 0, 0), 0, "nothing is shown");
        marks.batches = bytes.concat(_mark(15, 15, 0), _mark(16, 17, 0), _mark(1, 8, 0));
        _showMarks(job, 0, 0, marks);
    }

    function test_showMarks_anotherProgramOrData_reverts() external {
        Marks memory marks = _scored();
        bytes memory tuple = abi.encodeWithSelector(Openings.WrongOpening.selector, bytes32("tuple"));
        _notShown(marks, _step, tuple); // of another kind
        Facts memory f = _evaluate;
        f.place = 0;
        _notShown(marks, f, tuple);
        f.place = f.programCount;
        _notShown(marks, f, _fact("program"));
        f = _evaluate;
        f.program.nodes = "others";
        _notShown(marks, f, tuple);
        f = _evaluate;
        f.head = _head(3, 1, 2);
        _notShown(marks, f, _fact("head"));
        f = _evaluate;
        f.sampleCount = 32;
        _notShown(marks, f, _fact("samples"));
        f = _evaluate;
        f.samplesRoot = "others";
        _notShown(marks, f, _fact("samples"));
        f = _evaluate;
        f.form = "another";
        _notShown(marks, f, _fact("samples"));
        f = _evaluate;
        f.xType = _heldOutType(6);
        _notShown(marks, f, _fact("xType"));
    }

    /// Whoever posts a job may write anything in the place of a program.
    function test_showMarks_evaluationWithoutSamplesOrLoss_reverts() external {
        uint32[2][3] memory counts = [[uint32(0), 3], [uint32(1), 3], [uint32(3), 0]];
        for (uint256 i = 0; i < 3; i++) {
            uint256 before = vm.snapshotState();
            (_evaluate.program.inputCount, _evaluate.program.outputCount) = (counts[i][0], counts[i][1]);
            _evaluate.head = _head(counts[i][0], 1, counts[i][1]);
            _programsAgain();
            job = running(5);
            _score(0, 0, 800_000);
            _notShown(_marks(16), _evaluate, _fact("head"));
            vm.revertToState(before);
        }
    }

    function test_beginScore_batchBeforeTheFirst_reverts() external {
        _unscored();
        Play memory p = _challenge(_claim(0, 0), stranger);
        Marks memory marks = _impossible(2);
        _showMarks(job, 0, 0, marks);
        _notBegun(p, _evaluate, marks, 0, _fact("batch"));
        _notBegun(p, _evaluate, marks, 1, _fact("batch"));
        _beginScore(p, marks, 2);
    }

    function test_showMarks_ofAStateThatCannotBeMeasured_succeeds() external {
        _unscored();
        Facts memory facts = _evaluate;
        Marks memory marks = _marks(16);
        _notShown(marks, facts, _fact("marks"));
        marks.batches = _mark(8, 16, 0x3f800000); // there is nothing impossible about it
        _notShown(marks, facts, _fact("marks"));
        marks.batches = bytes.concat(_mark(1, 0, 0), _mark(1, 0, 0));
        _notShown(marks, facts, _fact("marks"));
        marks.batches = "";
        _notShown(marks, facts, _fact("marks"));
        _notShown(_impossible(3), facts, _fact("marks")); // of three batches
        marks = _impossible(2);
        marks.fault = "fault";
        _notShown(marks, facts, _fact("marks"));
        (marks.first, marks.batches) = (3, "");
        _notShown(marks, facts, _fact("marks"));
        bytes[5] memory impossible =
            [_mark(1, 0, 0), _mark(-1, 5, 0), _mark(0, -1, 0), _mark(1, 2, 0x7f800000), _mark(1, 2, 0xffc00001)];
        (marks.first, marks.fault) = (2, 0);
        for (uint256 i = 0; i < 5; i++) {
            uint256 before = vm.snapshotState();
            marks.batches = impossible[i];
            _showMarks(job, 0, 0, marks);
            vm.revertToState(before);
        }
        (marks.batches, marks.fault) = ("", "fault");
        _showMarks(job, 0, 0, marks);
    }

    // ---------------------------------------------------------------- the game about a batch

    function test_beginScore_challengerDoesNot_isDismissed_succeeds() external {
        (Play memory p, Marks memory marks) = _disputed();
        _showMarks(job, 0, 0, marks);
        uint256 until = disputes.viewOf(p.dispute).showUntil + order.windows.open;
        skip(2 * order.windows.open - 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.TooSoon.selector, until));
        disputes.settle(p.dispute);
        skip(1);
        disputes.settle(p.dispute);
        _isDismissed(p);
        Facts memory facts = _evaluate;
        vm.prank(stranger);
        vm.expectPartialRevert(IDisputes.AlreadySettled.selector);
        disputes.beginScore(p.dispute, facts, marks, 0);
    }

    function _notBegun(Play memory p, Facts memory facts, Marks memory marks, uint32 batch, bytes memory reason) private {
        vm.prank(stranger);
        vm.expectRevert(reason);
        disputes.beginScore(p.dispute, facts, marks, batch);
    }

    function test_beginScore_anothersOrOfSomethingElse_reverts() external {
        (Play memory p, Marks memory marks) = _disputed();
        Facts memory facts = _evaluate;
        _notBegun(p, facts, marks, 0, _fact("marks")); // not shown yet
        _showMarks(job, 0, 0, marks);
        vm.prank(consumer);
        vm.expectPartialRevert(IGames.NotYourTurn.selector);
        disputes.beginScore(p.dispute, facts, marks, 0);
        _notBegun(p, facts, _marks(15), 0, _fact("marks"));
        _notBegun(p, facts, marks, 3, _fact("batch"));
        _notBegun(p, facts, marks, type(uint32).max, _fact("batch"));
        _notBegun(p, _step, marks, 0, abi.encodeWithSelector(Openings.WrongOpening.selector, bytes32("tuple")));
        facts.samplesRoot = "others";
        _notBegun(p, facts, marks, 0, _fact("samples"));
        facts = _evaluate;
        vm.prank(stranger);
        vm.expectPartialRevert(IDisputes.AlreadySettled.selector);
        disputes.begin(p.dispute, facts); // that is for aggregates
        vm.prank(stranger);
        vm.expectPartialRevert(IDisputes.AlreadySettled.selector);
        disputes.beginScore(p.dispute + 1, facts, marks, 0);
        _beginScore(p, marks, 0);
        _notBegun(p, facts, marks, 1, abi.encodeWithSelector(IDisputes.AlreadySettled.selector, p.dispute));
        vm.expectPartialRevert(IDisputes.StillOpen.selector);
        disputes.settle(p.dispute);
    }

    /// Nothing of what is played about is the challenger's word.
    function test_beginScore_standsForTheMark_succeeds() external {
        (Play memory p, Marks memory marks) = _disputed();
        _showMarks(job, 0, 0, marks);
        for (uint32 batch = 0; batch < 3; batch++) {
            uint256 before = vm.snapshotState();
            _beginScore(p, marks, batch);
            equal(games.viewOf(p.game).claim, keccak256(abi.encode(p.a)), "the batch's mark");
            equal(games.viewOf(p.game).challenger, stranger, "who asks");
            vm.revertToState(before);
        }
    }

    function _begun(uint32 batch) private returns (Play memory p, Marks memory marks) {
        (p, marks) = _disputed();
        _showMarks(job, 0, 0, marks);
        _beginScore(p, marks, batch);
    }

    function test_silentAggregator_isDisproved_succeeds() external {
        (Play memory p,) = _begun(1);
        _demandRun(p, 0, new bytes32[](0));
        _silent(p);
        _isDisproved(p);
    }

    function test_idleChallenger_isDismissed_succeeds() external {
        (Play memory p,) = _begun(1);
        _silent(p);
        _isDismissed(p);
    }

    function _opened(Play memory p, bytes memory x, bytes memory y) private returns (bytes32[] memory rows) {
        rows = _scoreRows(x, y);
        _demandRun(p, 0, new bytes32[](0));
        _answerRows(p, 0, rows);
    }

    /// Samples that are not the held-out ones.
    function test_shownByTheArbiter_otherSamples_isDisproved_succeeds() external {
        (Play memory p,) = _begun(0);
        bytes memory y = _batchOf(0, 1);
        y[8 * 7] = 0x01;
        bytes32[] memory rows = _opened(p, _batchOf(0, 0), y);
        _proveHeldOut(p, 1, 7, y, rows);
        disputes.settle(p.dispute);
        _isDisproved(p);
    }

    function test_shownByTheArbiter_rightSample_isDismissed_succeeds() external {
        (Play memory p,) = _begun(0);
        (bytes memory x, bytes memory y) = (_batchOf(0, 0), _batchOf(0, 1));
        bytes32[] memory rows = _opened(p, x, y);
        _proveHeldOut(p, 1, 7, y, rows);
        disputes.settle(p.dispute);
        _isDismissed(p);
    }

    /// Behind the last sample they begin again, and there a target counts for nothing: it is -1.
    function test_lastBatch_beyondTheLastSample_succeeds() external {
        (Play memory p,) = _begun(2);
        (bytes memory x, bytes memory y) = (_batchOf(2, 0), _batchOf(2, 1));
        uint256 before = vm.snapshotState();
        for (uint256 element = 7; element < 16; element++) {
            for (uint256 input = 0; input < 2; input++) {
                _proveHeldOut(p, input, element, input == 0 ? x : y, _opened(p, x, y));
                yes(games.viewOf(p.game).outcome == Ending.Dismissed, "as it is");
                vm.revertToState(before);
                before = vm.snapshotState();
            }
        }
        // The record's own target, which would count.
        y = bytes.concat(_first(y, 64), _first(_batchOf(0, 1), 64));
        bytes32[] memory rows = _opened(p, x, y);
        before = vm.snapshotState();
        _proveHeldOut(p, 1, 7, y, rows);
        yes(games.viewOf(p.game).outcome == Ending.Dismissed, "the last one counts");
        vm.revertToState(before);
        _proveHeldOut(p, 1, 8, y, rows);
        yes(games.viewOf(p.game).outcome == Ending.Upheld, "none behind it does");
    }

    function test_lastBatch_xBeyondTheLastSample_isTheFirstAgain_succeeds() external {
        (Play memory p,) = _begun(2);
        bytes memory x = bytes.concat(_first(_batchOf(2, 0), 32), new bytes(32));
        bytes32[] memory rows = _opened(p, x, _batchOf(2, 1));
        _proveHeldOut(p, 0, 8, x, rows);
        yes(games.viewOf(p.game).outcome == Ending.Upheld, "not zeros");
    }

    function _first(bytes memory content, uint256 count) private pure returns (bytes memory out) {
        out = new bytes(count);
        for (uint256 i = 0; i < count; i++) out[i] = content[i];
    }

    // ---------------------------------------------------------------- faults

    /// A state of which no batch can be measured has no score.
    function test_faultFound_whereNoneIsClaimed_isUpheld_succeeds() external {
        (Play memory p,) = _begun(0);
        bytes32[] memory rows = _opened(p, _batchOf(0, 0), _batchOf(0, 1));
        _proveFaultIn(p, _value("counted"), rows);
        yes(games.viewOf(p.game).outcome == Ending.JobFault, "a fault");
        disputes.settle(p.dispute);
        _isDisproved(p);
        yes(phaseOf(job) == JobPhase.Running, "which is none of the job");
    }

    function _claimedFault() private returns (Play memory p, Marks memory marks) {
        _unscored();
        (marks.first, marks.fault) = (1, Hashing.faultDigest(1, 0, OPERATOR));
        p = _challenge(_claim(0, 0), stranger);
        _showMarks(job, 0, 0, marks);
        Facts memory facts = _evaluate;
        _notBegun(p, facts, marks, 0, _fact("batch"));
        _notBegun(p, facts, marks, 2, _fact("batch"));
        _beginScore(p, marks, 1);
        equal(games.viewOf(p.game).claim, keccak256(abi.encode(p.a)), "that the batch ends in it");
        equal(p.a.end, marks.fault, "the digest");
    }

    function test_faultClaimed_andShown_isDismissed_succeeds() external {
        (Play memory p,) = _claimedFault();
        vm.prank(stranger);
        games.demandState(p.game, 0, 0);
        _answerFault(p, _scoreRows(_batchOf(1, 0), _batchOf(1, 1)));
        yes(games.viewOf(p.game).outcome == Ending.JobFault, "a fault");
        disputes.settle(p.dispute);
        _isDismissed(p);
        yes(phaseOf(job) == JobPhase.Running, "which is none of the job");
    }

    function test_faultClaimed_foundByTheChallenger_isDismissed_succeeds() external {
        (Play memory p,) = _claimedFault();
        bytes32[] memory rows = _opened(p, _batchOf(1, 0), _batchOf(1, 1));
        _proveFaultIn(p, _value("counted"), rows);
        disputes.settle(p.dispute);
        _isDismissed(p);
    }

    function test_faultClaimed_notShown_isUpheld_succeeds() external {
        (Play memory p,) = _claimedFault();
        vm.prank(stranger);
        games.demandState(p.game, 0, 0);
        _silent(p);
        _isDisproved(p);
    }

    function test_impossibleMark_isPlayedAbout_succeeds() external {
        _unscored();
        Play memory p = _challenge(_claim(0, 0), stranger);
        _showMarks(job, 0, 0, _impossible(2));
        Facts memory facts = _evaluate;
        _notBegun(p, facts, _impossible(2), 3, _fact("batch"));
        _beginScore(p, _impossible(2), 2);
        equal(games.viewOf(p.game).claim, keccak256(abi.encode(p.a)), "of the batch that it is said of");
        _demandRun(p, 0, new bytes32[](0));
        _silent(p);
        _isDisproved(p);
    }

    // ---------------------------------------------------------------- what is disputed

    /// Nobody has to measure a round that is not the last of a job which does not ask for it.
    function test_openChallenge_roundThatIsNotDue_reverts() external {
        order.stopScore = type(int64).max;
        order.rounds = 2;
        job = running(5);
        _score(0, 0, UNSCORED);
        _wrong(_claim(0, 0), "score");
        _finalise(0, 0);
        _score(0, 1, UNSCORED);
        Play memory p = _challenge(_claim(0, 1), stranger);
        skip(order.windows.open);
        disputes.settle(p.dispute);
        _is(p.dispute, IDisputes.Settlement.Upheld, "the last one is due");
    }

    /// Nor may anybody: who does not measure it could not say whether it is true.
    function test_aggregate_scoredRoundThatIsNotDue_reverts() external {
        order.stopScore = type(int64).max;
        job = running(5);
        playTo(RoundPhase.Aggregating, job, 0, 0, 0xf);
        skip(order.windows.aggregate / 2);
        vm.prank(jobs.aggregatorOf(job));
        vm.expectRevert(IRounds.WrongOpening.selector);
        rounds.aggregate(job, 0, 0, "end", 1, new bytes[](0));
    }

    function _wrong(Claim memory claim, bytes32 part) private {
        Facts memory facts;
        _seal(claim, stranger);
        mine(1);
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.WrongClaim.selector, part));
        disputes.openChallenge(claim, facts, "salt");
        disputes.withdrawChallenge(job, _sealOf(claim, stranger));
        vm.stopPrank();
    }

    function test_openChallenge_ofAnotherEndOrScore_reverts() external {
        playTo(RoundPhase.Aggregating, job, 0, 0, 0xf);
        _wrong(_claim(0, 0), "aggregate"); // there is none yet
        aggregateScored(job, 0, 0, 800_000);
        Claim memory claim = _claim(0, 0);
        claim.commitment.transcriptRoot = Hashing.scoreDigest("another", 800_000);
        _wrong(claim, "aggregate");
        claim.commitment.transcriptRoot = Hashing.scoreDigest(endRootOf(0, 0), 799_999);
        _wrong(claim, "aggregate");
        claim.commitment.transcriptRoot = endRootOf(0, 0);
        _wrong(claim, "aggregate");
        claim = _claim(0, 0);
        claim.commitment.slot = 1;
        _wrong(claim, "aggregate");
        equal(disputes.disputeCount(), 0, "nothing is disputed");
    }

    function test_openChallenge_afterTheWindow_reverts() external {
        _scored();
        Claim memory claim = _claim(0, 0);
        Facts memory facts;
        _seal(claim, stranger);
        skip(order.windows.challenge);
        vm.prank(stranger);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        disputes.openChallenge(claim, facts, "salt");
        rounds.finalise(job, 0, 0);
        vm.prank(stranger);
        vm.expectPartialRevert(IRounds.TooLate.selector);
        disputes.openChallenge(claim, facts, "salt");
    }

    /// Each looks at another batch; one that is lost settles nothing for others, and one that is won all.
    function test_three_differentBatches_succeeds() external {
        Marks memory marks = _scored();
        address[3] memory who = [pool[0], pool[1], stranger];
        Play[3] memory plays;
        for (uint256 i = 0; i < 3; i++) plays[i] = _challenge(_claim(0, 0), who[i]);
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 3, "three");
        _showMarks(job, 0, 0, marks);
        for (uint32 i = 0; i < 3; i++) _beginScore(plays[i], marks, i);
        uint256 had = free(plays[0].accused);
        _resign(plays[0]);
        _is(plays[0].dispute, IDisputes.Settlement.Dismissed, "left");
        equal(free(plays[0].accused), had + bond - bond / 3, "the rest of its bond");
        bytes memory y = _batchOf(2, 1);
        y[0] = 0x7f;
        bytes32[] memory rows = _opened(plays[2], _batchOf(2, 0), y);
        _proveHeldOut(plays[2], 1, 0, y, rows);
        disputes.settle(plays[2].dispute);
        disputes.settle(plays[1].dispute);
        _is(plays[2].dispute, IDisputes.Settlement.Upheld, "won");
        _is(plays[1].dispute, IDisputes.Settlement.Moot, "moot");
        equal(worth(pool[1]), FUNDS + COST / 3, "the earliest that has not lost earns");
        equal(free(stranger), FUNDS / 2, "bond back");
        _closed();
    }

    /// A challenge without a game has looked at nothing.
    function test_earner_hasBegun_succeeds() external {
        Marks memory marks = _scored();
        Play memory idle = _challenge(_claim(0, 0), pool[0]);
        Play memory p = _challenge(_claim(0, 0), stranger);
        _showMarks(job, 0, 0, marks);
        _beginScore(p, marks, 0);
        _demandRun(p, 0, new bytes32[](0));
        _silent(p);
        _is(p.dispute, IDisputes.Settlement.Upheld, "upheld");
        equal(free(stranger), FUNDS / 2 + COST / 3, "who has begun earns");
        disputes.settle(idle.dispute);
        _is(idle.dispute, IDisputes.Settlement.Moot, "moot");
        equal(worth(pool[0]), FUNDS, "nothing lost or won");
        _closed();
    }

    /// A round that is done again is no excuse, nor does what was shown of it say anything of the next generation.
    function test_voidRound_isStillAnsweredFor_succeeds() external {
        (Play memory p, Marks memory marks) = _disputed();
        Play memory slot = _challenge(this.segmentClaim(job, 0, 0, 0xf, 1, 2), pool[0]);
        _answerSteps(slot, _states());
        _demandRun(slot, 0, _states());
        bytes32[] memory rows = _rows(6, "node");
        _answerRows(slot, 0, rows);
        _proveSample(slot, 6, rows);
        disputes.settle(slot.dispute);
        yes(rounds.viewOf(job, 0, 0).phase == RoundPhase.Void, "void");
        _showMarks(job, 0, 0, marks);
        equal(disputes.marksOf(job, 1, 0), 0, "of this generation only");
        _beginScore(p, marks, 0);
        _resign(p);
        _is(p.dispute, IDisputes.Settlement.Dismissed, "it stood for it");
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        _conserved();
    }

    /// Aggregator, challenger and consumer in one: what is burned is lost.
    function test_liarAndFriends_loseAtLeastTheBurn_succeeds() external {
        _scored();
        address liar = rounds.aggregatorOf(job, 0, 0);
        uint256 before = worth(liar) + worth(stranger) + free(consumer) + bucket(IVault.Kind.Escrow, job);
        _disprove(0, 0);
        uint256 afterwards = worth(liar) + worth(stranger) + free(consumer) + bucket(IVault.Kind.Escrow, job);
        yes(before - afterwards >= COST / 3, "a third of the slash");
    }

    // ---------------------------------------------------------------- arithmetic

    function scoreOf(bytes calldata batches, bool scoresLoss) external pure returns (int64) {
        return Scores.scoreOf(batches, scoresLoss);
    }

    function endOf(bytes calldata mark) external pure returns (bytes32) {
        return Scores.endOf(mark);
    }

    function _comesTo(bytes memory batches, int64 accuracy, int64 loss, string memory what) private view {
        yes(this.scoreOf(batches, false) == accuracy, string.concat(what, ": accuracy"));
        yes(this.scoreOf(batches, true) == loss, string.concat(what, ": loss"));
    }

    /// By exact fractions, elsewhere.
    function test_scoreOf_numbers_succeeds() external view {
        (int64 least, int64 most) = (type(int64).min + 1, type(int64).max - 1);
        _comesTo(_mark(1, 3, 0), 333_333, 0, "a third");
        _comesTo(bytes.concat(_mark(1, 3, 0x3f800000), _mark(2, 4, 0x40490fdb)), 428_571, -591_657, "1 and pi of seven");
        _comesTo(_mark(0, 1, 0x40490fdb), 0, -3_141_593, "pi");
        _comesTo(
            bytes.concat(_mark(5, 8, 0x41200000), _mark(7, 8, 0x3e99999a), _mark(0, 3, 0xbdcccccd)), 631_578, -536_843, "one below zero"
        );
        _comesTo(_mark(0, 3, 0xbf800000), 0, 333_333, "a loss below zero is good");
        _comesTo(_mark(0, 0, 0x3f000000), 0, -500_000, "no targets");
        _comesTo("", 0, 0, "no batches");
        _comesTo(_mark(0, 5, 0x80000000), 0, 0, "-0");
        _comesTo(_mark(0, 1, 0x2b800000), 0, -1, "2^-40 is rounded down");
        _comesTo(_mark(0, 1, 0xab800000), 0, 0, "so is -2^-40");
        _comesTo(_mark(0, 1, 0x2b000000), 0, 0, "2^-41 is none");
        _comesTo(_mark(0, 1, 0x00000001), 0, 0, "the least subnormal");
        _comesTo(_mark(0, 7, 0x007fffff), 0, 0, "the greatest");
        _comesTo(_mark(0, 1, 0x00800000), 0, 0, "the least normal");
        _comesTo(bytes.concat(_mark(0, 1, 0x2b800000), _mark(0, 1, 0)), 0, -1, "2^-40 in two");
        _comesTo(bytes.concat(_mark(0, 1, 0x2b800000), _mark(0, 1, 0x80000001)), 0, 0, "what is below zero is 2^-40 less");
        _comesTo(bytes.concat(_mark(0, 3, 0x40490fdb), _mark(0, 3, 0xc0490fdb)), 0, 0, "pi and -pi");
        _comesTo(_mark(0, 1, 0x55000000), 0, -8_796_093_022_208_000_000, "2^43");
        _comesTo(_mark(0, 1, 0x551184e7), 0, least, "10^13 is too much");
        _comesTo(_mark(0, 1, 0x7f7fffff), 0, least, "the greatest of all");
        _comesTo(_mark(0, 1, 0xff7fffff), 0, most, "below zero");
        int64 many = 1 << 62;
        _comesTo(bytes.concat(_mark(many, many, 0x3f800000), _mark(many, many + 5, 0x3f800000)), 999_999, -1, "2^63 targets and 5");
        _comesTo(bytes.concat(_mark(1, 3, 0), _mark(4, 3, 0)), UNSCORED, UNSCORED, "more right than there are");
        _comesTo(bytes.concat(_mark(1, 3, 0), _mark(1, 3, 0x7fc00000)), UNSCORED, UNSCORED, "no number");
        _comesTo(_mark(0, 3, 0xff800000), UNSCORED, UNSCORED, "infinitely good");
    }

    /// Rounded down: as many millionths as there are whole ones.
    function test_scoreOf_accuracy_succeeds(uint64[4] memory a, uint64[4] memory b) external view {
        bytes memory batches;
        (uint256 right, uint256 all) = (0, 0);
        for (uint256 i = 0; i < 4; i++) {
            (uint64 few, uint64 many) = (a[i] >> 1, b[i] >> 1);
            if (few > many) (few, many) = (many, few);
            batches = bytes.concat(batches, _mark(int64(few), int64(many), uint32(b[i]) & 0x7f7fffff));
            (right, all) = (right + few, all + many);
        }
        if (all == 0) all = 1;
        uint256 score = uint256(int256(this.scoreOf(batches, false)));
        yes(score * all <= right * 1_000_000 && (score + 1) * all > right * 1_000_000, "whole millionths");
    }

    /// A float by its value, in another way: by doubling and halving.
    function test_scoreOf_loss_succeeds(uint32[3] memory bits, uint16[3] memory targets) external view {
        bytes memory batches;
        (int256 loss, int256 all) = (0, 0);
        for (uint256 i = 0; i < 3; i++) {
            if ((bits[i] >> 23) & 0xff == 0xff) bits[i] ^= 0x800000;
            batches = bytes.concat(batches, _mark(0, int64(uint64(targets[i])), bits[i]));
            uint256 exponent = (bits[i] >> 23) & 0xff;
            uint256 size = exponent == 0 ? 2 * uint256(bits[i] & 0x7fffff) : uint256(bits[i] & 0x7fffff) + 0x800000;
            // Of 2^(exponent - 150) as many as `size`; of an exponent of zero of half of it.
            bool up;
            for (; exponent < 110; exponent++) {
                if (size % 2 == 1) up = true;
                size /= 2;
            }
            for (; exponent > 110; exponent--) size *= 2;
            loss += bits[i] >> 31 == 0 ? int256(size) : -int256(up ? size + 1 : size);
            all += int256(uint256(targets[i]));
        }
        if (all == 0) all = 1;
        int256 score = this.scoreOf(batches, true);
        (int256 above, int256 whole) = (-loss * 1_000_000, all * 2 ** 40);
        if (score == type(int64).max - 1) yes(above >= score * whole, "as good as can be said");
        else if (score == type(int64).min + 1) yes(above < (score + 1) * whole, "as bad");
        else yes(score * whole <= above && (score + 1) * whole > above, "whole millionths");
    }

    function test_endOf_isTheTupleOfBothCounts_succeeds() external view {
        // sha256 over the encodings of two int64 tensors of rank 0, computed elsewhere.
        equal(this.endOf(_mark(3, 16, 0x3f800000)), 0x167df59ae644c06a5d38ea6da7ffb1a06d08b68a9fc03fc262ecd29bc354fbb7, "3 of 16");
        bytes32 other = 0xa02979b65fca027e382cf3e63c2a97d45d3e5bbd84cf9592f160a790e2f6d7f1;
        equal(this.endOf(_mark(-1, 0x0102030405060708, 0)), other, "of any numbers");
    }

    /// The order says what is scored.
    function test_scoresLoss_marksComeToIt_succeeds() external {
        order.scoresLoss = true;
        order.stopScore = -50_000;
        job = running(5);
        _score(0, 0, -75_000);
        Facts memory facts = _evaluate;
        Marks memory marks = _marks(0);
        marks.batches = bytes.concat(_mark(16, 16, 0x3f800000), _mark(16, 16, 0x3f800000), _mark(0, 8, 0x3f800001));
        _notShown(marks, facts, _fact("score"));
        yes(this.scoreOf(marks.batches, true) == -75_001, "a little worse, and rounded down");
        _showMarks(job, 0, 0, _marks(3)); // 1 and 2 of 40
        _finalise(0, 0);
        _score(0, 1, -50_000);
        yes(rounds.viewOf(job, 0, 2).phase == RoundPhase.None, "as good as it has to be");
    }
}
