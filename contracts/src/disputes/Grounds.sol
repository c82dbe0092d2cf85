// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../Hashing.sol";
import {Openings, Origin} from "../arbiter/Openings.sol";
import {Commitment, RoundView, Target} from "../Types.sol";
import {Facts, IDisputes} from "../interfaces/IDisputes.sol";
import {Assertion, Program} from "../interfaces/IGames.sol";
import {IJobs} from "../interfaces/IJobs.sol";
import {IRerun} from "../interfaces/IRerun.sol";
import {IRounds} from "../interfaces/IRounds.sol";

/// @title Grounds: what a slot or an aggregator stands for, from commitments and the order. Nothing of it is the challenger's word.
library Grounds {
    uint256 private constant HEAD_BYTES = 28;
    uint256 private constant TYPE_BYTES = 28;
    uint16 private constant STEP = 0;
    uint16 private constant EMIT = 1;
    uint16 private constant AGGREGATE = 4;
    bytes32 private constant SCHEDULE = "assay.schedule.1";
    bytes32 private constant MANIFEST = "assay.manifest.1";

    struct Basis {
        bytes32 programs;
        bytes32 dataRoot;
        bytes32 seed;
        uint32 providers;
        uint32 stepsPerRound;
        uint32 stepsPerSegment;
    }

    /// `beacon` is that of the job's draw; `plain`: what decides it without a game.
    function assertion(IJobs jobs, bytes32 beacon, IRerun.Claim calldata claim, Facts calldata facts)
        external
        view
        returns (Assertion memory a, bytes32 plain)
    {
        Commitment calldata c = claim.commitment;
        Basis memory order;
        (order.programs, order.dataRoot, order.seed, order.providers, order.stepsPerRound, order.stepsPerSegment) = jobs.basisOf(c.job);
        (a.defender, a.program) = (c.provider, facts.program);
        if (claim.target == Target.Segment) {
            a.subject = keccak256(abi.encode(c.job, c.generation, c.round, c.slot, claim.target, claim.before.index));
            _program(order, facts, STEP, 0);
            _segment(a, order, beacon, claim, facts);
        } else {
            a.subject = keccak256(abi.encode(c.job, c.generation, c.round, c.slot, claim.target, claim.after_.index));
            _program(order, facts, EMIT, 0);
            plain = _emission(a, order, claim, facts);
        }
    }

    /// That a round's end follows from its start and its included updates, by the program for as many.
    function aggregation(
        IJobs jobs, IRounds rounds, uint256 job, uint32 generation, uint32 round, Facts calldata facts, bytes32[] calldata updates
    ) external view returns (Assertion memory a) {
        Basis memory order;
        (order.programs,,,,,) = jobs.basisOf(job);
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

    function _segment(Assertion memory a, Basis memory order, bytes32 beacon, IRerun.Claim calldata claim, Facts calldata facts)
        private
        view
    {
        Program calldata p = facts.program;
        // The step ends in the state and a loss.
        uint32 tensors = p.outputCount - 1;
        (a.rowsFrom, a.endCount, a.steps, a.end) = (tensors, tensors, order.stepsPerSegment, claim.after_.stateRoot);
        (a.hasLoss, a.lossBits) = (true, claim.after_.lossBits);
        a.origins = new Origin[](1);
        a.origins[0] = Origin(claim.before.stateRoot, tensors);
        bytes32 dataRoot = sha256(abi.encode(MANIFEST, uint256(facts.sampleCount), facts.samplesRoot, facts.form));
        if (dataRoot != order.dataRoot) revert IDisputes.WrongFact("samples");
        bytes32 leaf = Hashing.leafHash(facts.xType);
        if (facts.xType.length != TYPE_BYTES || !Hashing.verify(p.inputs, p.inputCount, tensors, leaf, facts.xTypeProof)) {
            revert IDisputes.WrongFact("xType");
        }
        Commitment calldata c = claim.commitment;
        a.feed.samplesRoot = facts.samplesRoot;
        a.feed.sampleCount = facts.sampleCount;
        a.feed.slot = c.slot;
        a.feed.slotCount = order.providers;
        a.feed.firstStep = claim.before.index * order.stepsPerSegment;
        a.feed.batchSize = uint32(bytes4(facts.xType[4:8]));
        a.feed.key = sha256(abi.encode(SCHEDULE, order.seed, beacon, uint256(c.generation), uint256(c.round)));
        // INVARIANT: behind a fault of the job there is nothing to open, and nobody is called upon for it.
        if (claim.before.index != 0) _isState(claim.before.stateRoot, tensors, facts);
    }

    function _isState(bytes32 root, uint256 tensors, Facts calldata facts) private pure {
        if (facts.stateRoots.length == 0) revert IDisputes.WrongFact("stateRoots");
        Openings.inTuple(root, tensors, 0, facts.stateRoots[0], facts.stateRoots);
    }

    function _emission(Assertion memory a, Basis memory order, IRerun.Claim calldata claim, Facts calldata facts)
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

    /// That the program is the order's of this kind, for so many updates.
    function _program(Basis memory order, Facts calldata facts, uint16 kind, uint16 updates) private pure {
        Program calldata p = facts.program;
        bytes calldata head = facts.head;
        if (head.length != HEAD_BYTES) revert IDisputes.WrongFact("head");
        if (uint32(bytes4(head[16:20])) != p.inputCount || uint32(bytes4(head[20:24])) != p.nodeCount) revert IDisputes.WrongFact("head");
        if (uint32(bytes4(head[24:28])) != p.outputCount) revert IDisputes.WrongFact("head");
        bytes32 root = sha256(abi.encodePacked(bytes1(0x02), uint32(4), Hashing.leafHash(head), p.inputs, p.outputs, p.nodes));
        bytes32 leaf = Hashing.leafHash(abi.encodePacked(kind, updates, uint32(0), root));
        if (facts.place >= facts.programCount) revert IDisputes.WrongFact("program");
        Openings.inTuple(order.programs, facts.programCount, facts.place, leaf, facts.programs);
    }
}
