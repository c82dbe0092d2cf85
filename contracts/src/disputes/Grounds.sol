// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../Hashing.sol";
import {Openings, Origin} from "../arbiter/Openings.sol";
import {Commitment, RoundView, Target, UNSCORED} from "../Types.sol";
import {Claim, Facts, IDisputes, Marks} from "../interfaces/IDisputes.sol";
import {Assertion, Program} from "../interfaces/IGames.sol";
import {IJobs} from "../interfaces/IJobs.sol";
import {IRounds} from "../interfaces/IRounds.sol";
import {Scores} from "./Scores.sol";

/// @title Grounds: what a slot, a validator or an aggregator stands for, from commitments and the order. Nothing of it is the
///        challenger's word.
library Grounds {
    uint256 private constant HEAD_BYTES = 28;
    uint256 private constant TYPE_BYTES = 28;
    uint16 private constant STEP = 0;
    uint16 private constant EMIT = 1;
    uint16 private constant EVALUATE = 2;
    uint16 private constant AGGREGATE = 4;
    bytes32 private constant SCHEDULE = "assay.schedule.1";
    bytes32 private constant MANIFEST = "assay.manifest.1";

    /// Where a segment begins and ends, as a slot's leaves or a validator's row say.
    struct Span {
        uint32 segment;
        bytes32 start;
        bytes32 end;
        uint32 lossBits;
    }

    /// `beacon` is that of the job's draw; `plain`: what decides it without a game.
    function assertion(IJobs jobs, bytes32 beacon, Claim calldata claim, Facts calldata facts)
        external
        view
        returns (Assertion memory a, bytes32 plain)
    {
        Commitment calldata c = claim.commitment;
        IJobs.Basis memory order = jobs.basisOf(c.job);
        (a.defender, a.program) = (c.provider, facts.program);
        Span memory span;
        if (claim.target == Target.Emit) {
            a.subject = keccak256(abi.encode(c.job, c.generation, c.round, c.slot, claim.target, claim.after_.index));
            _program(order, facts, EMIT, 0);
            plain = _emission(a, order, claim, facts);
            return (a, plain);
        }
        if (claim.target == Target.Table) {
            span = Span(claim.entry.segment, claim.entry.startRoot, claim.entry.stateRoot, claim.entry.lossBits);
            a.defender = claim.validator;
        } else {
            span = Span(claim.before.index, claim.before.stateRoot, claim.after_.stateRoot, claim.after_.lossBits);
        }
        // Who stands for it is in the assertion beside it.
        a.subject = keccak256(abi.encode(c.job, c.generation, c.round, c.slot, claim.target, span.segment));
        _program(order, facts, STEP, 0);
        _segment(a, order, beacon, c, span, facts);
    }

    /// Reverts unless the marks are as many as the held-out samples have batches and come to the round's score, or show that there
    /// is none.
    function marked(
        IJobs jobs, IRounds rounds, uint256 job, uint32 generation, uint32 round, Facts calldata facts, Marks calldata marks
    ) external view {
        IJobs.Basis memory order = jobs.basisOf(job);
        RoundView memory r = rounds.viewOf(job, generation, round);
        _program(order, facts, EVALUATE, 0);
        uint256 batch = _samples(order.testRoot, facts, facts.program.inputCount - 2);
        if (batch == 0) revert IDisputes.WrongFact("xType");
        uint256 count = (uint256(facts.sampleCount) + batch - 1) / batch;
        bytes calldata batches = marks.batches;
        if (r.score == UNSCORED) {
            bool one = marks.fault == 0 ? batches.length == Scores.MARK_BYTES && Scores.isImpossible(batches) : batches.length == 0;
            if (!one || marks.first >= count) revert IDisputes.WrongFact("marks");
            return;
        }
        if (marks.first != 0 || marks.fault != 0 || batches.length != count * Scores.MARK_BYTES) revert IDisputes.WrongFact("marks");
        if (Scores.scoreOf(batches, order.scoresLoss) != r.score) revert IDisputes.WrongFact("score");
    }

    /// That a batch of the held-out samples comes to its mark, by the job's `evaluate` over the round's end state.
    function evaluation(
        IJobs jobs, IRounds rounds, uint256 job, uint32 generation, uint32 round, Facts calldata facts, Marks calldata marks, uint32 batch
    ) external view returns (Assertion memory a) {
        IJobs.Basis memory order = jobs.basisOf(job);
        Program calldata p = facts.program;
        _program(order, facts, EVALUATE, 0);
        // The evaluation ends in two counts and a loss.
        uint32 tensors = p.inputCount - 2;
        (a.defender, a.program) = (rounds.aggregatorOf(job, generation, round), p);
        a.subject = keccak256(abi.encode(job, generation, round, uint16(0), Target.Score, batch));
        (a.rowsFrom, a.endCount, a.steps, a.hasLoss) = (tensors, p.outputCount - 1, 1, true);
        a.origins = new Origin[](1);
        a.origins[0] = Origin(rounds.viewOf(job, generation, round).endRoot, tensors);
        a.feed.batchSize = _samples(order.testRoot, facts, tensors);
        (a.feed.samplesRoot, a.feed.sampleCount, a.feed.firstStep) = (facts.samplesRoot, facts.sampleCount, batch);
        if (marks.fault != 0) {
            if (batch != marks.first) revert IDisputes.WrongFact("batch");
            // No run ends in this loss: whatever its end, it is not the one that is claimed.
            (a.end, a.lossBits) = (marks.fault, type(uint32).max);
            return a;
        }
        if (batch < marks.first) revert IDisputes.WrongFact("batch");
        uint256 from = (uint256(batch) - marks.first) * Scores.MARK_BYTES;
        if (from >= marks.batches.length) revert IDisputes.WrongFact("batch");
        bytes calldata mark = marks.batches[from:from + Scores.MARK_BYTES];
        (a.end, a.lossBits) = (Scores.endOf(mark), Scores.lossBits(mark));
    }

    /// That a round's end follows from its start and its included updates, by the program for as many.
    function aggregation(
        IJobs jobs, IRounds rounds, uint256 job, uint32 generation, uint32 round, Facts calldata facts, bytes32[] calldata updates
    ) external view returns (Assertion memory a) {
        IJobs.Basis memory order = jobs.basisOf(job);
        RoundView memory r = rounds.viewOf(job, generation, round);
        Program calldata p = facts.program;
        _program(order, facts, AGGREGATE, uint16(updates.length));
        (a.defender, a.program) = (rounds.aggregatorOf(job, generation, round), p);
        a.subject = keccak256(abi.encode(job, generation, round, uint16(0), Target.Aggregate, uint32(0)));
        (a.rowsFrom, a.endCount, a.steps, a.end) = (p.inputCount, p.outputCount, 1, r.endRoot);
        a.origins = new Origin[](updates.length + 1);
        a.origins[0] = Origin(r.startRoot, p.outputCount);
        uint256 tensors = (p.inputCount - p.outputCount) / updates.length;
        for (uint256 i = 0; i < updates.length; i++) a.origins[i + 1] = Origin(updates[i], tensors);
    }

    function _segment(
        Assertion memory a, IJobs.Basis memory order, bytes32 beacon, Commitment calldata c, Span memory span, Facts calldata facts
    ) private view {
        // The step ends in the state and a loss.
        uint32 tensors = facts.program.outputCount - 1;
        (a.rowsFrom, a.endCount, a.steps, a.end) = (tensors, tensors, order.stepsPerSegment, span.end);
        (a.hasLoss, a.lossBits) = (true, span.lossBits);
        a.origins = new Origin[](1);
        a.origins[0] = Origin(span.start, tensors);
        a.feed.batchSize = _samples(order.dataRoot, facts, tensors);
        a.feed.samplesRoot = facts.samplesRoot;
        a.feed.sampleCount = facts.sampleCount;
        a.feed.slot = c.slot;
        a.feed.slotCount = order.providers;
        a.feed.firstStep = span.segment * order.stepsPerSegment;
        a.feed.key = sha256(abi.encode(SCHEDULE, order.seed, beacon, uint256(c.generation), uint256(c.round)));
        // INVARIANT: behind a fault of the job there is nothing to open, and nobody is called upon for it.
        if (span.segment != 0) _isState(span.start, tensors, facts);
    }

    /// That these are the order's samples, and how many of them a batch has.
    function _samples(bytes32 root, Facts calldata facts, uint256 input) private view returns (uint32 batchSize) {
        Program calldata p = facts.program;
        if (sha256(abi.encode(MANIFEST, uint256(facts.sampleCount), facts.samplesRoot, facts.form)) != root) {
            revert IDisputes.WrongFact("samples");
        }
        bytes32 leaf = Hashing.leafHash(facts.xType);
        if (facts.xType.length != TYPE_BYTES || !Hashing.verify(p.inputs, p.inputCount, input, leaf, facts.xTypeProof)) {
            revert IDisputes.WrongFact("xType");
        }
        return uint32(bytes4(facts.xType[4:8]));
    }

    function _isState(bytes32 root, uint256 tensors, Facts calldata facts) private pure {
        if (facts.stateRoots.length == 0) revert IDisputes.WrongFact("stateRoots");
        Openings.inTuple(root, tensors, 0, facts.stateRoots[0], facts.stateRoots);
    }

    function _emission(Assertion memory a, IJobs.Basis memory order, Claim calldata claim, Facts calldata facts)
        private
        pure
        returns (bytes32 plain)
    {
        Program calldata p = facts.program;
        uint32 tensors = p.inputCount / 2;
        (a.rowsFrom, a.endCount, a.steps, a.end) = (p.inputCount, p.outputCount, 1, claim.after_.updateRoot);
        a.origins = new Origin[](2);
        // A commitment that stands names the round's start.
        a.origins[0] = Origin(claim.commitment.startRoot, tensors);
        a.origins[1] = Origin(claim.after_.stateRoot, tensors);
        // Faults of the emission are numbered after the last step.
        a.feed.firstStep = order.stepsPerRound;
        // INVARIANT: who trained up to a fault of the job has no update and owes none; whoever has a state owes one.
        if (claim.after_.updateRoot == 0) {
            _isState(claim.after_.stateRoot, tensors, facts);
            plain = "update";
        }
    }

    /// That the program is the order's of this kind, for so many updates, and has what any of that kind takes and gives.
    function _program(IJobs.Basis memory order, Facts calldata facts, uint16 kind, uint16 updates) private pure {
        Program calldata p = facts.program;
        bytes calldata head = facts.head;
        if (head.length != HEAD_BYTES) revert IDisputes.WrongFact("head");
        if (uint32(bytes4(head[16:20])) != p.inputCount || uint32(bytes4(head[20:24])) != p.nodeCount) revert IDisputes.WrongFact("head");
        if (uint32(bytes4(head[24:28])) != p.outputCount) revert IDisputes.WrongFact("head");
        // A step and an evaluation end in a loss, an evaluation takes samples, an aggregate a state.
        uint256 least = kind == EVALUATE ? 2 : kind == AGGREGATE ? p.outputCount : 0;
        if (p.inputCount < least || (kind != EMIT && p.outputCount == 0)) revert IDisputes.WrongFact("head");
        bytes32 root = sha256(abi.encodePacked(bytes1(0x02), uint32(4), Hashing.leafHash(head), p.inputs, p.outputs, p.nodes));
        bytes32 leaf = Hashing.leafHash(abi.encodePacked(kind, updates, uint32(0), root));
        if (facts.place >= facts.programCount) revert IDisputes.WrongFact("program");
        Openings.inTuple(order.programs, facts.programCount, facts.place, leaf, facts.programs);
    }
}
