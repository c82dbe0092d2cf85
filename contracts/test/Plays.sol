// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "../src/Bitmap.sol";
import {Hashing} from "../src/Hashing.sol";
import {Commitment, Entry, Leaf, RoundView, Target} from "../src/Types.sol";
import {Evidence, Kind} from "../src/arbiter/Arbiter.sol";
import {Operand, Origin, Value} from "../src/arbiter/Openings.sol";
import {Claim, Facts, IDisputes, Marks} from "../src/interfaces/IDisputes.sol";
import {Assertion, Demand, Program, Sample} from "../src/interfaces/IGames.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Network} from "./Network.sol";
import {Tree} from "./Tree.sol";

/// @title Plays: challenges against the real games and arbiter. A state is one tensor, and so is an update. The job's programs are
///        at fault, where somebody looks: the step's x has no batch, and the one node of each is none. Held out are real records.
abstract contract Plays is Network {
    uint32 internal constant CLOCK = 120; // of a draft's windows
    uint32 internal constant STEPS = 8;
    uint32 internal constant BATCH = 16;
    uint32 internal constant HELD_OUT = 40; // so that the last of three batches begins again
    bytes32 internal constant OPERATOR = keccak256("none"); // by hash; of which one nobody asks
    bytes private constant NODE = "no node";
    Facts internal _step;
    Facts internal _emit;
    Facts internal _evaluate;
    bytes[2] internal _types;
    bytes32[] private _leaves; // over the order's programs
    bytes32[] private _merges; // of those, what adds updates up

    struct Play {
        Claim claim;
        Assertion a;
        address challenger;
        address accused;
        uint256 dispute;
        uint256 game;
    }

    function leafAt(Commitment memory c, uint32 index) internal pure virtual override returns (Leaf memory leaf) {
        leaf = super.leafAt(c, index);
        if (index != 0) leaf.stateRoot = _tuple(_tensor(c, index));
    }

    function endRootOf(uint32 generation, uint32 round) internal pure override returns (bytes32) {
        return _tuple(_rootOf(_end(generation, round)));
    }

    /// Root of the only tensor of a state.
    function _tensor(Commitment memory c, uint32 index) internal pure returns (bytes32) {
        return keccak256(abi.encode("tensor", c.job, c.generation, c.round, c.slot, index));
    }

    /// The only tensor of a round's end.
    function _end(uint32 generation, uint32 round) internal pure returns (Value memory) {
        return _value(keccak256(abi.encode("end", generation, round)));
    }

    function _value(bytes32 tree) internal pure returns (Value memory) {
        return Value(4, 1, new uint256[](0), tree);
    }

    function _rootOf(Value memory value) internal pure returns (bytes32) {
        bytes memory content = abi.encodePacked(value.tag, value.dtype, uint8(value.shape.length));
        for (uint256 i = 0; i < value.shape.length; i++) content = bytes.concat(content, bytes8(uint64(value.shape[i])));
        return sha256(bytes.concat(content, value.tree));
    }

    function _tuple(bytes32 tensor) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x02), uint32(1), tensor));
    }

    // ---------------------------------------------------------------- the order's programs

    /// Step, emit, evaluate, and aggregate for up to so many updates.
    function _programs(uint16 providers) internal {
        bytes memory scalar = abi.encodePacked(uint8(1), uint8(0), uint16(0), new bytes(24));
        _types = [scalar, scalar];
        bytes32 node = Hashing.leafHash(NODE);
        bytes32[] memory inputs = _inputs(3);
        (inputs[1], inputs[2]) = (Hashing.leafHash(scalar), Hashing.leafHash(scalar));
        _step.program = Program(Tree.root(inputs), _outputs(2, 3), node, 1, 2, 3);
        _step.head = _head(3, 1, 2);
        (_step.xType, _step.xTypeProof) = (scalar, Tree.proof(inputs, 1));
        _emit.program = Program(Tree.root(_inputs(2)), _outputs(1, 2), node, 1, 1, 2);
        _emit.head = _head(2, 1, 1);
        inputs = _heldOutInputs();
        _evaluate.program = Program(Tree.root(inputs), _outputs(3, 3), node, 1, 3, 3);
        _evaluate.head = _head(3, 1, 3);
        (_evaluate.xType, _evaluate.xTypeProof) = (_heldOutType(1), Tree.proof(inputs, 1));

        for (uint16 count = 1; count <= providers; count++) _merges.push(_programLeaf(4, count, _aggregation(count)));
        _programsAgain();
        (_step.samplesRoot, _step.sampleCount, _step.form) = ("samples", 64, "form");
        order.dataRoot = sha256(abi.encode(bytes32("assay.manifest.1"), uint256(64), bytes32("samples"), bytes32("form")));
        _holdOut(HELD_OUT, Tree.root(_records()));
    }

    /// The order's programs are those that are there now.
    function _programsAgain() internal {
        delete _leaves;
        _leaves.push(_programLeaf(0, 0, _step));
        _leaves.push(_programLeaf(1, 0, _emit));
        _leaves.push(_programLeaf(2, 0, _evaluate));
        for (uint256 i = 0; i < _merges.length; i++) _leaves.push(_merges[i]);
        _step.programs = _leaves;
        _emit.programs = _leaves;
        _evaluate.programs = _leaves;
        (_step.place, _emit.place, _evaluate.place) = (0, 1, 2);
        _step.programCount = _emit.programCount = _evaluate.programCount = uint32(_leaves.length);
        order.programs = sha256(abi.encodePacked(bytes1(0x02), uint32(_leaves.length), _leaves));
    }

    /// So many samples under this root measure a state.
    function _holdOut(uint32 count, bytes32 root) internal {
        (_evaluate.samplesRoot, _evaluate.sampleCount, _evaluate.form) = (root, count, "held out");
        order.testRoot = sha256(abi.encode(bytes32("assay.manifest.1"), uint256(count), root, bytes32("held out")));
    }

    /// The program that makes a round's end of its start and so many updates.
    function _aggregation(uint16 count) internal view returns (Facts memory f) {
        f.program = Program(Tree.root(_inputs(count + 1)), _outputs(1, count + 1), Hashing.leafHash(NODE), 1, 1, count + 1);
        f.head = _head(count + 1, 1, 1);
        (f.place, f.programCount, f.programs) = (count + 2, uint32(_leaves.length), _leaves);
    }

    function _inputs(uint256 count) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; i++) leaves[i] = Hashing.leafHash(_tensorType());
    }

    function _tensorType() internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), uint8(1), uint16(0), uint32(1), new bytes(20));
    }

    function _head(uint32 inputs, uint32 nodes, uint32 outputs) internal pure returns (bytes memory) {
        return abi.encodePacked("ASSAYPRG", uint16(1), uint16(15), uint32(0), inputs, nodes, outputs);
    }

    function _outputs(uint256 count, uint32 value) internal pure returns (bytes32) {
        bytes32[] memory leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; i++) leaves[i] = Hashing.leafHash(abi.encodePacked(value));
        return Tree.root(leaves);
    }

    function _programLeaf(uint16 kind, uint16 updates, Facts memory f) internal pure returns (bytes32) {
        Program memory p = f.program;
        bytes32 root = sha256(abi.encodePacked(bytes1(0x02), uint32(4), Hashing.leafHash(f.head), p.inputs, p.outputs, p.nodes));
        return Hashing.leafHash(abi.encodePacked(kind, updates, uint32(0), root));
    }

    // ---------------------------------------------------------------- what is held out

    /// Of a batch: float x (1), or integer y (6).
    function _heldOutType(uint8 dtype) internal pure returns (bytes memory) {
        return abi.encodePacked(dtype, uint8(1), uint16(0), BATCH, new bytes(20));
    }

    function _heldOutInputs() internal pure returns (bytes32[] memory inputs) {
        inputs = _inputs(3);
        (inputs[1], inputs[2]) = (Hashing.leafHash(_heldOutType(1)), Hashing.leafHash(_heldOutType(6)));
    }

    /// A float 1, and a class as a little endian int64.
    function _record(uint256 index) internal pure returns (bytes memory) {
        return abi.encodePacked(uint32(0x0000803f), uint8(index % 10), bytes7(0));
    }

    function _records() internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](HELD_OUT);
        for (uint256 i = 0; i < HELD_OUT; i++) leaves[i] = Hashing.leafHash(_record(i));
    }

    /// Bytes of x (0) or y (1) of a batch. Beyond the last sample they begin again, with targets that count for nothing.
    function _batchOf(uint32 batch, uint256 input) internal pure returns (bytes memory content) {
        for (uint256 i = 0; i < BATCH; i++) {
            uint256 index = batch * BATCH + i;
            bytes memory record = _record(index % HELD_OUT);
            for (uint256 k = 0; k < 4 + 4 * input; k++) {
                content = bytes.concat(content, index >= HELD_OUT && input == 1 ? bytes1(0xFF) : record[4 * input + k]);
            }
        }
    }

    function _batchValue(bytes memory content, uint256 input) internal pure returns (Value memory value) {
        value = Value(4, input == 0 ? 1 : 6, new uint256[](1), Hashing.leafHash(content));
        value.shape[0] = BATCH;
    }

    /// Of an evaluation's run with these samples: x, y, and what its node gave.
    function _scoreRows(bytes memory x, bytes memory y) internal pure returns (bytes32[] memory rows) {
        rows = new bytes32[](3);
        (rows[0], rows[1]) = (_rootOf(_batchValue(x, 0)), _rootOf(_batchValue(y, 1)));
        rows[2] = _rootOf(_value("counted"));
    }

    function _mark(int64 correct, int64 targets, uint32 lossBits) internal pure returns (bytes memory) {
        return abi.encodePacked(correct, targets, lossBits);
    }

    /// Of the three batches, the last of which has only eight targets.
    function _marks(int64 correct) internal pure returns (Marks memory marks) {
        marks.batches = bytes.concat(_mark(correct, 16, 0x3f800000), _mark(correct, 16, 0x40000000), _mark(0, 8, 0));
    }

    /// More right answers than targets, in the batch with this number.
    function _impossible(uint32 batch) internal pure returns (Marks memory marks) {
        (marks.first, marks.batches) = (batch, _mark(1, 0, 0));
    }

    function _showMarks(uint256 job, uint32 generation, uint32 round, Marks memory marks) internal {
        Facts memory facts = _evaluate;
        vm.prank(rounds.aggregatorOf(job, generation, round));
        disputes.showMarks(job, generation, round, facts, marks);
    }

    /// The challenger of a score looks at this batch.
    function _beginScore(Play memory p, Marks memory marks, uint32 batch) internal {
        Facts memory facts = _evaluate;
        vm.prank(p.challenger);
        disputes.beginScore(p.dispute, facts, marks, batch);
        p.game = disputes.viewOf(p.dispute).game;
        p.a = _evaluation(p.claim.commitment, marks, batch);
    }

    /// What Grounds makes of a mark.
    function _evaluation(Commitment memory c, Marks memory marks, uint32 batch) internal view returns (Assertion memory a) {
        a.subject = keccak256(abi.encode(c.job, c.generation, c.round, uint16(0), Target.Score, batch));
        (a.defender, a.program) = (rounds.aggregatorOf(c.job, c.generation, c.round), _evaluate.program);
        (a.rowsFrom, a.endCount, a.steps, a.hasLoss) = (1, 2, 1, true);
        a.origins = new Origin[](1);
        a.origins[0] = Origin(rounds.viewOf(c.job, c.generation, c.round).endRoot, 1);
        (a.feed.samplesRoot, a.feed.sampleCount) = (_evaluate.samplesRoot, _evaluate.sampleCount);
        (a.feed.firstStep, a.feed.batchSize, a.end) = (batch, BATCH, marks.fault);
        if (marks.fault != 0) {
            a.lossBits = type(uint32).max;
            return a;
        }
        bytes memory mark = new bytes(20);
        for (uint256 i = 0; i < 20; i++) mark[i] = marks.batches[20 * (batch - marks.first) + i];
        for (uint256 i = 16; i < 20; i++) a.lossBits = (a.lossBits << 8) | uint8(mark[i]);
        a.end = sha256(abi.encodePacked(bytes1(0x02), uint32(2), _countRoot(mark, 0), _countRoot(mark, 8)));
    }

    /// A count as a state's tensor of one int64.
    function _countRoot(bytes memory mark, uint256 from) private pure returns (bytes32) {
        bytes memory content = new bytes(8);
        for (uint256 i = 0; i < 8; i++) content[7 - i] = mark[from + i];
        return _rootOf(Value(3, 6, new uint256[](0), Hashing.leafHash(content)));
    }

    // ---------------------------------------------------------------- rows of tables

    function hashEntry(Entry calldata entry) external pure returns (bytes32) {
        return Hashing.entryLeaf(entry);
    }

    /// What executing a segment gives where the slot has told the truth.
    function _trueRow(Commitment memory c, uint32 segment) internal pure returns (Entry memory) {
        Leaf memory end = leafAt(c, segment + 1);
        return Entry(c.slot, segment, leafAt(c, segment).stateRoot, end.stateRoot, end.lossBits);
    }

    function _entryLeaves(Entry[] memory entries) internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](entries.length);
        for (uint256 i = 0; i < entries.length; i++) leaves[i] = this.hashEntry(entries[i]);
    }

    function _tableOf(Entry[] memory entries) internal view returns (bytes32) {
        return Hashing.tableRoot(entries.length, Tree.root(_entryLeaves(entries)));
    }

    /// That a row of a validator's table is false.
    function _rowClaim(
        uint256 job, uint32 generation, uint32 round, address validator, Entry[] memory entries, uint256 index
    ) internal view returns (Claim memory claim) {
        Entry memory entry = entries[index];
        Claim memory full = this.segmentClaim(job, generation, round, _presentIn(job, generation, round), entry.slot, entry.segment);
        (claim.target, claim.commitment) = (Target.Table, full.commitment);
        (claim.commitmentProof, claim.signature) = (full.commitmentProof, full.signature);
        (claim.validator, claim.entry) = (validator, entry);
        (claim.entryIndex, claim.entryCount) = (uint32(index), uint32(entries.length));
        claim.entryProof = Tree.proof(_entryLeaves(entries), index);
    }

    function _presentIn(uint256 job, uint32 generation, uint32 round) private view returns (uint256) {
        return rounds.viewOf(job, generation, round).present[0];
    }

    // ---------------------------------------------------------------- challenges

    /// Claims about Emit of all included slots: what shows their updates.
    function _emissions(uint256 job, uint32 generation, uint32 round) internal view returns (Claim[] memory claims) {
        RoundView memory r = rounds.viewOf(job, generation, round);
        claims = new Claim[](Bitmap.count(r.included[0]));
        uint256 count;
        for (uint16 slot = 0; slot < order.providers; slot++) {
            if ((r.included[0] >> slot) & 1 == 0) continue;
            claims[count] = this.segmentClaim(job, generation, round, r.present[0], slot, SEGMENTS - 1);
            claims[count++].target = Target.Emit;
        }
    }

    function _show(uint256 job, uint32 generation, uint32 round) internal {
        disputes.showUpdates(_emissions(job, generation, round));
    }

    function _sealOf(Claim memory claim, address challenger) internal pure returns (bytes32) {
        return keccak256(abi.encode(claim, challenger, bytes32("salt")));
    }

    function _seal(Claim memory claim, address challenger) internal {
        vm.prank(challenger);
        disputes.commitChallenge(claim.commitment.job, _sealOf(claim, challenger));
    }

    function _facts(Claim memory claim) internal view returns (Facts memory f) {
        Commitment memory c = claim.commitment;
        if (claim.target == Target.Aggregate) return _aggregation(uint16(disputes.updatesOf(c.job, c.generation, c.round).length));
        if (claim.target == Target.Score) return _evaluate;
        bool emission = claim.target == Target.Emit;
        f = emission ? _emit : _step;
        f.stateRoots = new bytes32[](1);
        f.stateRoots[0] = _tensor(c, emission ? claim.after_.index : _segmentOf(claim));
    }

    function _open(Claim memory claim, address challenger) internal returns (Play memory p) {
        Facts memory facts = _facts(claim);
        vm.prank(challenger);
        p.dispute = disputes.openChallenge(claim, facts, "salt");
        (p.claim, p.challenger) = (claim, challenger);
        (p.accused, p.game) = (disputes.viewOf(p.dispute).accused, disputes.viewOf(p.dispute).game);
        p.a = _assertion(claim);
    }

    function _challenge(Claim memory claim, address challenger) internal returns (Play memory) {
        _seal(claim, challenger);
        mine(1);
        return _open(claim, challenger);
    }

    /// What Grounds makes of a claim.
    function _assertion(Claim memory claim) internal view returns (Assertion memory a) {
        if (_isOfStep(claim.target)) return _stepAssertion(claim);
        if (claim.target == Target.Score) return a; // of which it is said later
        Commitment memory c = claim.commitment;
        bytes32 start = rounds.viewOf(c.job, c.generation, c.round).startRoot;
        (a.endCount, a.steps) = (1, 1);
        if (claim.target == Target.Emit) {
            a.subject = keccak256(abi.encode(c.job, c.generation, c.round, c.slot, Target.Emit, SEGMENTS));
            (a.defender, a.program, a.rowsFrom, a.end) = (c.provider, _emit.program, 2, claim.after_.updateRoot);
            a.origins = new Origin[](2);
            a.origins[1] = Origin(claim.after_.stateRoot, 1);
            a.feed.firstStep = STEPS * SEGMENTS;
        } else {
            bytes32[] memory updates = disputes.updatesOf(c.job, c.generation, c.round);
            a.subject = keccak256(abi.encode(c.job, c.generation, c.round, uint16(0), Target.Aggregate, uint32(0)));
            a.defender = rounds.aggregatorOf(c.job, c.generation, c.round);
            (a.program, a.end) = (_aggregation(uint16(updates.length)).program, rounds.viewOf(c.job, c.generation, c.round).endRoot);
            a.rowsFrom = a.program.inputCount;
            a.origins = new Origin[](updates.length + 1);
            for (uint256 i = 0; i < updates.length; i++) a.origins[i + 1] = Origin(updates[i], 1);
        }
        a.origins[0] = Origin(start, 1);
    }

    function _isOfStep(Target target_) internal pure returns (bool) {
        return target_ == Target.Segment || target_ == Target.Table;
    }

    function _segmentOf(Claim memory claim) private pure returns (uint32) {
        return claim.target == Target.Table ? claim.entry.segment : claim.before.index;
    }

    function _stepAssertion(Claim memory claim) private view returns (Assertion memory a) {
        Commitment memory c = claim.commitment;
        uint32 segment = _segmentOf(claim);
        a.subject = keccak256(abi.encode(c.job, c.generation, c.round, c.slot, claim.target, segment));
        (a.defender, a.program) = (c.provider, _step.program);
        (a.rowsFrom, a.endCount, a.steps, a.end) = (1, 1, STEPS, claim.after_.stateRoot);
        (a.hasLoss, a.lossBits) = (true, claim.after_.lossBits);
        a.origins = new Origin[](1);
        a.origins[0] = Origin(claim.before.stateRoot, 1);
        if (claim.target == Target.Table) {
            (a.defender, a.origins[0].root) = (claim.validator, claim.entry.startRoot);
            (a.end, a.lossBits) = (claim.entry.stateRoot, claim.entry.lossBits);
        }
        (a.feed.samplesRoot, a.feed.sampleCount, a.feed.slot, a.feed.slotCount) = ("samples", 64, c.slot, order.providers);
        a.feed.firstStep = STEPS * segment;
        a.feed.key = sha256(
            abi.encode(bytes32("assay.schedule.1"), order.seed, c.beacon, uint256(c.generation), uint256(c.round))
        );
    }

    // ---------------------------------------------------------------- moves

    function _states() internal pure returns (bytes32[] memory roots) {
        roots = new bytes32[](STEPS - 1);
        for (uint256 i = 0; i < roots.length; i++) roots[i] = keccak256(abi.encode("between", i));
    }

    function _answerSteps(Play memory p, bytes32[] memory roots) internal {
        vm.prank(p.accused);
        games.answerSteps(p.game, roots);
    }

    /// Height of the tree over a run's rows: three of a step or an evaluation, else one.
    function _height(Play memory p) private pure returns (uint32) {
        return _isOfStep(p.claim.target) || p.claim.target == Target.Score ? 2 : 0;
    }

    function _demandRun(Play memory p, uint32 step, bytes32[] memory roots) internal {
        vm.prank(p.challenger);
        games.demandRun(p.game, p.a, step, roots);
    }

    /// A step's x, of the type that the program says, or of another; y; and what its node gave.
    function _rows(uint8 dtype, bytes32 last) internal pure returns (bytes32[] memory rows) {
        rows = new bytes32[](3);
        rows[0] = sha256(abi.encodePacked(uint8(4), dtype, uint8(0), bytes32("tree")));
        (rows[1], rows[2]) = ("y", last);
    }

    /// What the only node of another program gave.
    function _row(Value memory value) internal pure returns (bytes32[] memory rows) {
        rows = new bytes32[](1);
        rows[0] = _rootOf(value);
    }

    function _answerRows(Play memory p, uint32 step, bytes32[] memory rows) internal {
        vm.prank(p.accused);
        games.answerRows(p.game, step, _height(p), 0, rows, new bytes32[](0));
    }

    function _proveSample(Play memory p, uint8 dtype, bytes32[] memory rows) internal {
        Sample memory s;
        s.value.value = Value(4, dtype, new uint256[](0), "tree");
        s.value.proof = Tree.proof(rows, 0);
        s.types = _types;
        bytes32[] memory inputs = _inputs(3);
        (inputs[1], inputs[2]) = (Hashing.leafHash(_types[0]), Hashing.leafHash(_types[1]));
        for (uint256 i = 0; i < 2; i++) s.typeProofs[i] = Tree.proof(inputs, i + 1);
        vm.prank(p.challenger);
        games.proveSample(p.game, p.a, 0, s);
    }

    /// That an element of a batch's x (0) or y (1), whose bytes were opened, is not that of the record.
    function _proveHeldOut(Play memory p, uint256 input, uint256 element, bytes memory content, bytes32[] memory rows) internal {
        Sample memory s;
        (s.input, s.element, s.value.value, s.value.window.content) = (uint32(input), element, _batchValue(content, input), content);
        s.value.proof = Tree.proof(rows, input);
        s.types = [_heldOutType(1), _heldOutType(6)];
        bytes32[] memory leaves = _heldOutInputs();
        for (uint256 i = 0; i < 2; i++) s.typeProofs[i] = Tree.proof(leaves, i + 1);
        uint256 index = (uint256(p.a.feed.firstStep) * BATCH + element) % HELD_OUT;
        (s.record, s.recordProof) = (_record(index), Tree.proof(_records(), index));
        vm.prank(p.challenger);
        games.proveSample(p.game, p.a, 0, s);
    }

    /// That the end's tensor is what the only node gave, or is not; `tensor`: the end's.
    function _proveOutput(Play memory p, Value memory given, bytes32 tensor) internal {
        Operand memory value;
        value.value = given;
        bytes32[] memory roots = new bytes32[](1);
        roots[0] = tensor;
        vm.prank(p.challenger);
        games.proveOutput(p.game, p.a, 0, 0, p.a.rowsFrom, new bytes32[](0), value, roots);
    }

    /// That the only node is none.
    function _proveFault(Play memory p, Value memory given) internal {
        _proveFaultIn(p, given, _row(given));
    }

    /// The node's row is the last.
    function _proveFaultIn(Play memory p, Value memory given, bytes32[] memory rows) internal {
        Evidence memory e;
        (e.kind, e.leaf, e.operands) = (Kind.Element, NODE, new Operand[](1));
        (e.operands[0].value, e.operands[0].proof) = (given, Tree.proof(rows, rows.length - 1));
        vm.prank(p.challenger);
        games.prove(p.game, p.a, 0, e);
    }

    /// The defender's word that the run ends in the digest of its only node's fault.
    function _answerFault(Play memory p, bytes32[] memory rows) internal {
        Evidence memory e;
        (e.kind, e.leaf, e.operands) = (Kind.Fault, NODE, new Operand[](1));
        bytes32 root = Tree.root(rows);
        vm.prank(p.accused);
        games.answerFault(p.game, p.a, 0, new bytes32[](0), root, OPERATOR, e);
    }

    /// The run has an x of another type than the program's (6), or the one that shows the job's fault (1).
    function _shown(Play memory p, uint8 dtype) internal {
        bytes32[] memory rows = _rows(dtype, "node");
        if (games.viewOf(p.game).demand == Demand.Steps) _answerSteps(p, _states());
        _demandRun(p, 0, _states());
        _answerRows(p, 0, rows);
        _proveSample(p, dtype, rows);
    }

    /// The aggregator opens the value that its only node gave, if it is not open yet.
    function _opened(Play memory p, Value memory given) internal {
        if (games.rowsOf(games.viewOf(p.game).claim, 0) != 0) return;
        _demandRun(p, 0, new bytes32[](0));
        _answerRows(p, 0, _row(given));
    }

    function _silent(Play memory p) internal {
        skip(CLOCK + 1);
        games.timeout(p.game);
        disputes.settle(p.dispute);
    }

    /// Secret and leaves of the slot that a claim is about, on chain.
    function _reveal(Claim memory claim) internal {
        rounds.revealSecret(claim.commitment, claim.commitmentProof, openingOf(claim.commitment));
    }

    function _resign(Play memory p) internal {
        vm.prank(p.challenger);
        games.resign(p.game);
        disputes.settle(p.dispute);
    }

    // ---------------------------------------------------------------- what came of it

    function _is(uint256 dispute, IDisputes.Settlement outcome, string memory what) internal view {
        yes(disputes.viewOf(dispute).outcome == outcome, what);
    }

    function _conserved() internal view {
        equal(sumOfBuckets(), held(), "conserved");
    }

    function _bondOf(uint256 job, address provider) internal view returns (uint256) {
        return bucket(IVault.Kind.Bond, uint256(keccak256(abi.encode("assay.bond.1", job, provider))));
    }

    /// Bonds that are no challenger's: for a fault of the job, and the providers'.
    function _otherBonds(uint256 job) internal view returns (uint256 sum) {
        sum = bucket(IVault.Kind.Bond, uint256(keccak256(abi.encode("assay.fault.1", job))));
        for (uint256 i = 0; i < bidders.length; i++) sum += _bondOf(job, bidders[i]);
    }
}

/// @title Contested: a job of four slots and five validators that runs, and what its tests share.
abstract contract Contested is Plays {
    uint256 internal constant PRICE = 804;
    uint256 internal constant COST = 4 * PRICE + 5 * 100 + 300;
    uint256 internal job;
    uint256 internal bond;

    /// Of so many rounds, or fewer where one scores as much.
    function _run(uint32 rounds_, int64 stopScore) internal {
        deploy(false);
        populate(6, 12, 4);
        draft(4, 5, rounds_);
        _programs(4);
        order.stopScore = stopScore;
        job = running(5);
        bond = disputes.bondOf(job);
    }

    function _segment(uint16 slot, uint32 segment) internal view returns (Claim memory) {
        return this.segmentClaim(job, 0, 0, 0xf, slot, segment);
    }

    function _fact(bytes32 part) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IDisputes.WrongFact.selector, part);
    }

    /// Nothing is open, and no challenger's bond is left anywhere.
    function _closed() internal view {
        equal(rounds.viewOf(job, 0, 0).disputesOpen, 0, "closed");
        equal(vault.total(token, IVault.Kind.Bond), _otherBonds(job), "no bond left");
        _conserved();
    }
}
