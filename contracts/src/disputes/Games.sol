// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../Hashing.sol";
import {Arbiter, Evidence, Finding, Kind, Ruling} from "../arbiter/Arbiter.sol";
import {Node, Openings, Operand, Origin, Run} from "../arbiter/Openings.sol";
import {IClock} from "../interfaces/IClock.sol";
import {Assertion, Demand, IGames, Ending, Row, Sample, Sum} from "../interfaces/IGames.sol";
import {Samples} from "./Samples.sol";
import {Trees} from "./Trees.sol";

contract Games is IGames {
    /// What changes with each move, in one word.
    struct Turn {
        uint64 reach; // what is owed follows from the rows below this place, by (run, row)
        uint48 since; // when the one who is to move began to think, in the chain's time
        uint32 defenderLeft;
        uint32 challengerLeft;
        uint16 demands;
        Demand demand;
        Ending outcome;
    }

    struct Game {
        bytes32 claim;
        bytes32 demanded;
        address challenger;
        uint32 clock;
        uint32 rowCount; // of each run
        uint32 endCount;
        address defender;
        uint32 steps;
        Turn turn;
    }

    struct Span {
        bytes32 before;
        bytes32 end;
        bytes32 rows;
    }

    uint256 private constant DEMANDS_LIMIT = 24; // of a game; sixteen reach the last leaf of the largest run
    uint256 private constant PARTS_LIMIT = 256;
    uint256 private constant PART_BYTES = 9;
    uint256 private constant ARITY = 64;
    bytes32 private constant OPENED = bytes32(uint256(1));

    Arbiter private immutable ARBITER;
    address private immutable OWNER;
    IClock private immutable CLOCK;

    uint256 public gameCount;
    mapping(uint256 game => Game) private _games;
    mapping(bytes32 claim => mapping(uint32 step => Span)) private _spans;
    mapping(bytes32 claim => mapping(bytes32 demanded => bytes32)) public known;
    mapping(bytes32 claim => mapping(uint256 place => bytes32)) private _values; // roots of rows' values that were shown once

    constructor(Arbiter arbiter, address owner, IClock clock) {
        ARBITER = arbiter;
        OWNER = owner;
        CLOCK = clock;
    }

    function open(Assertion calldata claim, address challenger, uint32 clock) external returns (uint256 game) {
        if (msg.sender != OWNER) revert NotYourTurn(msg.sender);
        if (claim.steps == 0 || claim.origins.length == 0) revert WrongClaim();
        bytes32 id = keccak256(abi.encode(claim));
        game = ++gameCount;
        Game storage g = _games[game];
        (g.claim, g.challenger, g.defender) = (id, challenger, claim.defender);
        (g.rowCount, g.endCount, g.steps, g.clock) = (uint32(_rowCount(claim)), claim.endCount, claim.steps, clock);
        Turn storage turn = g.turn;
        (turn.defenderLeft, turn.challengerLeft, turn.since) = (clock, clock, uint48(block.timestamp));
        if (claim.steps == 1) {
            Span storage span = _spans[id][0];
            (span.before, span.end) = (claim.origins[0].root, claim.end);
        } else {
            bytes32 demanded = keccak256(abi.encode(Demand.Steps));
            if (known[id][demanded] == 0) _demand(game, g, Demand.Steps, demanded, 0);
        }
    }

    // ---------------------------------------------------------------- what the challenger asks for

    function demandRun(uint256 game, Assertion calldata claim, uint32 step, bytes32[] calldata steps) external {
        Game storage g = _challengers(game, claim);
        if (_span(g, claim, step, steps).rows != 0 || g.rowCount == 0) revert NotKnown("run");
        _askRows(game, g, step, uint32(Hashing.depth(g.rowCount)), 0);
    }

    function demandRows(uint256 game, uint32 step, uint32 height, uint32 index) external {
        Game storage g = _asking(game);
        // INVARIANT: nothing is asked for that nobody could open: the first opening of a run is of the whole.
        if (_spans[g.claim][step].rows == 0 || !Trees.has(g.rowCount, height, index)) revert NotKnown("part");
        _askRows(game, g, step, height, index);
    }

    function demandLeaves(uint256 game, uint32 step, uint32 row, uint32 height, uint32 index) external {
        Game storage g = _asking(game);
        if (_spans[g.claim][step].rows == 0 || row >= g.rowCount) revert NotKnown("row");
        _ask(game, g, Demand.Leaves, keccak256(abi.encode(Demand.Leaves, step, row, height, index)), _place(step, row) + 1);
        emit Demanded(game, g.claim, Demand.Leaves, step, row, height, index);
    }

    function demandContent(uint256 game, uint32 step, uint32 row, uint32 index) external {
        Game storage g = _asking(game);
        if (_spans[g.claim][step].rows == 0 || row >= g.rowCount) revert NotKnown("row");
        _ask(game, g, Demand.Content, keccak256(abi.encode(Demand.Content, step, row, index)), _place(step, row) + 1);
        emit Demanded(game, g.claim, Demand.Content, step, row, 0, index);
    }

    function demandState(uint256 game, uint32 step, uint32 index) external {
        Game storage g = _asking(game);
        if (_spans[g.claim][step].before == 0 || index * ARITY >= g.endCount) revert NotKnown("state");
        _ask(game, g, Demand.State, keccak256(abi.encode(Demand.State, step, index)), _place(step, 0) + (1 << 32));
        emit Demanded(game, g.claim, Demand.State, step, 0, 0, index);
    }

    // ---------------------------------------------------------------- what the defender opens

    function answerSteps(uint256 game, bytes32[] calldata roots) external {
        Game storage g = _owing(game, keccak256(abi.encode(Demand.Steps)));
        if (roots.length + 1 != g.steps) revert WrongAnswer("count");
        // A state that is none would stand for a run that nobody can ask about.
        for (uint256 i = 0; i < roots.length; i++) if (roots[i] == 0) revert WrongAnswer("root");
        bytes memory content = abi.encodePacked(roots);
        _answer(game, g, keccak256(content), content);
    }

    function answerRows(
        uint256 game, uint32 step, uint32 height, uint32 index, bytes32[] calldata nodes, bytes32[] calldata proof
    ) external {
        Game storage g = _owing(game, keccak256(abi.encode(Demand.Rows, step, height, index)));
        Span storage span = _spans[g.claim][step];
        uint256 count = g.rowCount;
        // INVARIANT: a run has one tree of rows, fixed by its first opening, which is of the whole.
        if (span.rows == 0) {
            if (height != Hashing.depth(count) || nodes.length != Trees.width(count, height, 0)) revert WrongAnswer("rows");
            span.rows = Trees.rootOf(nodes, height - Trees.below(height));
        } else if (!Trees.opens(span.rows, count, height, index, nodes, proof)) {
            revert WrongAnswer("rows");
        }
        _answer(game, g, OPENED, abi.encodePacked(nodes));
    }

    function answerLeaves(
        uint256 game, Assertion calldata claim, Row calldata row, uint32 height, uint32 index, Operand calldata value,
        bytes32[] calldata nodes, bytes32[] calldata proof
    ) external {
        Game storage g = _owing(game, keccak256(abi.encode(Demand.Leaves, row.step, row.row, height, index)));
        _shape(g, claim, row, value);
        uint256 count = Openings.leafCount(value.value);
        if (!Trees.has(count, height, index)) return _end(game, g, Ending.Dismissed);
        if (!Trees.opens(value.value.tree, count, height, index, nodes, proof)) revert WrongAnswer("leaves");
        _answer(game, g, OPENED, abi.encodePacked(nodes));
    }

    function answerContent(uint256 game, Assertion calldata claim, Row calldata row, uint32 index, Operand calldata value) external {
        Game storage g = _owing(game, keccak256(abi.encode(Demand.Content, row.step, row.row, index)));
        _shape(g, claim, row, value);
        uint256 count = Openings.leafCount(value.value);
        if (index >= count) return _end(game, g, Ending.Dismissed);
        Openings.shown(value);
        // One leaf and no more, or what was opened could not be shown again as it stands.
        if (value.window.first != index || value.window.proof.length != Hashing.depth(count)) revert WrongAnswer("leaf");
        _answer(game, g, OPENED, value.window.content);
    }

    function answerState(uint256 game, uint32 step, uint32 index, bytes32[] calldata roots) external {
        Game storage g = _owing(game, keccak256(abi.encode(Demand.State, step, index)));
        if (roots.length == 0) revert WrongAnswer("state");
        Openings.inTuple(_spans[g.claim][step].end, g.endCount, index * ARITY, roots[0], roots);
        _answer(game, g, OPENED, abi.encodePacked(roots));
    }

    function answerParts(uint256 game, Sum calldata sum, bytes calldata parts) external {
        Game storage g = _owing(game, keccak256(abi.encode(Demand.Parts, sum)));
        uint256 count = (sum.count + sum.size - 1) / sum.size;
        if (parts.length != count * PART_BYTES) revert WrongAnswer("count");
        int256 total;
        // At most 256 of 72 bits.
        unchecked {
            for (uint256 i = 0; i < count; i++) total += _part(parts, i);
        }
        if (sum.wraps) total = int64(total);
        // INVARIANT: parts that do not add up to the element answer nothing.
        if (total != sum.total) revert WrongAnswer("total");
        _answer(game, g, keccak256(parts), parts);
    }

    function answerWitness(uint256 game, Assertion calldata claim, uint32 step, Evidence calldata evidence) external {
        _game(game, claim);
        Game storage g = _owing(game, keccak256(abi.encode(Demand.Witness, step, evidence.node, evidence.element)));
        if (evidence.kind != Kind.Witness || _judge(g, claim, step, evidence).ruling != Ruling.Dismissed) revert WrongAnswer("witness");
        emit Answered(game, g.claim, Demand.Witness, g.demanded, "");
        _end(game, g, Ending.Dismissed);
    }

    function answerFault(
        uint256 game, Assertion calldata claim, uint32 step, bytes32[] calldata steps, bytes32 rows, bytes32 operator, Evidence calldata evidence
    ) external {
        uint256 row = uint256(claim.program.inputCount) - claim.rowsFrom + evidence.node;
        Game storage g = _faulted(game, claim, step, steps, rows, row);
        bytes32 digest = Hashing.faultDigest(uint256(claim.feed.firstStep) + step, evidence.node, operator);
        if (digest != _spans[g.claim][step].end || evidence.kind != Kind.Fault) revert WrongAnswer("digest");
        if (_judge(g, claim, step, evidence).ruling != Ruling.JobFault) revert WrongAnswer("fault");
        _end(game, g, Ending.JobFault);
    }

    function answerFaultySample(
        uint256 game, Assertion calldata claim, uint32 step, bytes32[] calldata steps, bytes32 rows, Sample calldata sample
    ) external {
        if (claim.rowsFrom + 2 != claim.program.inputCount || sample.input > 1) revert WrongAnswer("sample");
        Game storage g = _faulted(game, claim, step, steps, rows, sample.input);
        uint256 number = uint256(claim.rowsFrom) + sample.input;
        bytes32 digest = Hashing.faultDigest(uint256(claim.feed.firstStep) + step, number, sha256("input"));
        if (digest != _spans[g.claim][step].end) revert WrongAnswer("digest");
        if (!Samples.isFaulty(claim.program, claim.feed, claim.rowsFrom, step, sample)) revert WrongAnswer("fault");
        _end(game, g, Ending.JobFault);
    }

    function recall(uint256 game) external {
        Game storage g = _games[game];
        if (g.turn.outcome != Ending.Open || g.claim == 0) revert Over(g.turn.outcome);
        if (g.turn.demand == Demand.None || known[g.claim][g.demanded] == 0) revert NotKnown("answer");
        _passToChallenger(g);
    }

    // ---------------------------------------------------------------- what the challenger shows

    function prove(uint256 game, Assertion calldata claim, uint32 step, Evidence calldata evidence) external {
        Game storage g = _challengers(game, claim);
        // INVARIANT: what only a defender shows, and the part of a sum that only it has put in numbers, is no challenger's evidence.
        if (evidence.kind != Kind.Element && evidence.kind != Kind.Larger && evidence.kind != Kind.Absent) revert NotKnown("kind");
        _ruled(game, g, claim.program.inputCount, step, evidence, _judge(g, claim, step, evidence), true);
    }

    function provePart(
        uint256 game, Assertion calldata claim, Sum calldata sum, bytes calldata parts, uint32 part, Evidence calldata evidence
    ) external {
        Game storage g = _challengers(game, claim);
        // INVARIANT: what a part comes to is what the defender has said that it does.
        if (known[g.claim][keccak256(abi.encode(Demand.Parts, sum))] != keccak256(parts)) revert NotKnown("parts");
        uint256 offset = uint256(part) * sum.size;
        if (offset >= sum.count || evidence.kind != Kind.Part) revert NotKnown("part");
        uint256 count = sum.count - offset < sum.size ? sum.count - offset : sum.size;
        if (evidence.node != sum.node || evidence.element != sum.element || evidence.from != sum.from + offset) revert NotKnown("part");
        if (evidence.count != count || evidence.claimed != _part(parts, part)) revert NotKnown("part");
        _ruled(game, g, claim.program.inputCount, sum.step, evidence, _judge(g, claim, sum.step, evidence), false);
    }

    function proveOutput(
        uint256 game, Assertion calldata claim, uint32 step, uint32 output, uint32 number, bytes32[] calldata outputProof,
        Operand calldata value, bytes32[] calldata roots
    ) external {
        Game storage g = _challengers(game, claim);
        _output(g, claim, step, output, number, outputProof, value);
        if (output >= claim.endCount || roots.length <= output % ARITY) revert NotKnown("output");
        // A sample that the program ends in has leaves of another size than a state's tensor: no end is right.
        if (number >= claim.rowsFrom && number < claim.program.inputCount) return _end(game, g, Ending.JobFault);
        Openings.inTuple(_spans[g.claim][step].end, claim.endCount, output, roots[output % ARITY], roots);
        bool same = roots[output % ARITY] == Openings.rootOf(value.value);
        emit Ruled(game, step, number, output, uint8(same ? Ruling.Dismissed : Ruling.Upheld));
        _end(game, g, same ? Ending.Dismissed : Ending.Upheld);
    }

    function proveLoss(uint256 game, Assertion calldata claim, uint32 number, bytes32[] calldata outputProof, Operand calldata value) external {
        Game storage g = _challengers(game, claim);
        if (!claim.hasLoss) revert NotKnown("loss");
        uint32 step = claim.steps - 1;
        // INVARIANT: a run that ends in a fault has no loss, whatever its rows before that are.
        if (known[g.claim][keccak256(abi.encode(Demand.State, step, uint32(0)))] == 0) revert NotKnown("state");
        _output(g, claim, step, claim.endCount, number, outputProof, value);
        Openings.shown(value);
        // Whatever its shape: the program says that it is one float.
        bytes calldata content = value.window.content;
        bool same = content.length == 4 && _reversed(uint32(bytes4(content))) == claim.lossBits;
        emit Ruled(game, step, number, 0, uint8(same ? Ruling.Dismissed : Ruling.Upheld));
        _end(game, g, same ? Ending.Dismissed : Ending.Upheld);
    }

    function proveSample(uint256 game, Assertion calldata claim, uint32 step, Sample calldata sample) external {
        Game storage g = _challengers(game, claim);
        Run memory run = _run(g, claim, step);
        if (claim.rowsFrom + 2 != claim.program.inputCount || sample.input > 1) revert NotKnown("sample");
        uint256 number = uint256(claim.rowsFrom) + sample.input;
        Openings.agreed(run, number, sample.value);
        Ruling ruling = Samples.rule(claim.program, claim.feed, claim.rowsFrom, step, sample);
        emit Ruled(game, step, number, sample.element, uint8(ruling));
        _end(game, g, ruling == Ruling.Upheld ? Ending.Upheld : ruling == Ruling.JobFault ? Ending.JobFault : Ending.Dismissed);
    }

    // ---------------------------------------------------------------- the end

    function resign(uint256 game) external {
        Game storage g = _games[game];
        if (msg.sender != g.challenger) revert NotYourTurn(msg.sender);
        if (g.turn.outcome != Ending.Open) revert Over(g.turn.outcome);
        _end(game, g, Ending.Dismissed);
    }

    function timeout(uint256 game) external {
        Game storage g = _games[game];
        if (g.claim == 0 || g.turn.outcome != Ending.Open) revert Over(g.turn.outcome);
        uint256 until = _deadline(g);
        if (!CLOCK.reached(until + 1)) revert ClockRuns(until);
        // INVARIANT: who has opened what is owed in another game does not lose this one by the clock: it is recalled first.
        if (g.turn.demand != Demand.None && known[g.claim][g.demanded] != 0) revert Known(g.demanded);
        _end(game, g, g.turn.demand == Demand.None ? Ending.Dismissed : Ending.Upheld);
    }

    function viewOf(uint256 game) external view returns (GameView memory v) {
        Game storage g = _games[game];
        Turn storage turn = g.turn;
        v = GameView(
            g.claim, g.challenger, turn.demand, g.demanded, turn.outcome, turn.defenderLeft, turn.challengerLeft, uint64(_deadline(g)),
            turn.demands
        );
    }

    function endingOf(uint256 game) external view returns (Ending) {
        return _games[game].turn.outcome;
    }

    function rowsOf(bytes32 claim, uint32 step) external view returns (bytes32) {
        return _spans[claim][step].rows;
    }

    // ---------------------------------------------------------------- within

    function _running(uint256 game) private view returns (Game storage g) {
        g = _games[game];
        if (g.claim == 0) revert WrongClaim();
        if (g.turn.outcome != Ending.Open) revert Over(g.turn.outcome);
        // A move in time by the chain's clock is in time by the network's too: mostly nobody has to be asked.
        if (block.timestamp > g.turn.since + _mine(g) && _elapsed(g) > _mine(g)) revert ClockRuns(_deadline(g));
    }

    function _game(uint256 game, Assertion calldata claim) private view returns (Game storage g) {
        g = _running(game);
        if (g.claim != keccak256(abi.encode(claim))) revert WrongClaim();
    }

    /// A challenger whose turn it is.
    function _asking(uint256 game) private view returns (Game storage g) {
        g = _running(game);
        if (msg.sender != g.challenger || g.turn.demand != Demand.None) revert NotYourTurn(msg.sender);
    }

    function _challengers(uint256 game, Assertion calldata claim) private view returns (Game storage g) {
        _game(game, claim);
        return _asking(game);
    }

    /// INVARIANT: only a defender says what it stands for: the first opening of a tree, and the parts of a sum, bind it.
    function _owing(uint256 game, bytes32 demanded) private view returns (Game storage g) {
        g = _running(game);
        if (msg.sender != g.defender) revert NotYourTurn(msg.sender);
        if (g.turn.demand == Demand.None || g.demanded != demanded) revert NotKnown("demand");
    }

    /// INVARIANT: behind a fault there is nothing to open, so it answers for what lies at its place or after it, and for nothing
    /// before: what it follows from could be a lie that is being asked about.
    function _faulted(uint256 game, Assertion calldata claim, uint32 step, bytes32[] calldata steps, bytes32 rows, uint256 row)
        private
        returns (Game storage g)
    {
        g = _game(game, claim);
        if (msg.sender != g.defender) revert NotYourTurn(msg.sender);
        if (g.turn.demand == Demand.None || row >= g.rowCount || _place(step, row) >= g.turn.reach) revert NotKnown("demand");
        Span storage span = _span(g, claim, step, steps);
        if (span.rows == 0) span.rows = rows;
    }

    /// A run, for whoever looks at it first with the states between the runs, as they were opened.
    function _span(Game storage g, Assertion calldata claim, uint32 step, bytes32[] calldata steps) private returns (Span storage span) {
        if (step >= claim.steps) revert NotKnown("step");
        span = _spans[g.claim][step];
        if (span.before == 0) {
            if (known[g.claim][keccak256(abi.encode(Demand.Steps))] != keccak256(abi.encodePacked(steps))) revert NotKnown("steps");
            span.before = step == 0 ? claim.origins[0].root : steps[step - 1];
            span.end = step + 1 == claim.steps ? claim.end : steps[step];
        }
    }

    function _place(uint256 step, uint256 row) private pure returns (uint64) {
        return uint64((step << 32) + row);
    }

    function _askRows(uint256 game, Game storage g, uint32 step, uint32 height, uint32 index) private {
        _ask(game, g, Demand.Rows, keccak256(abi.encode(Demand.Rows, step, height, index)), _place(step, 0));
        emit Demanded(game, g.claim, Demand.Rows, step, 0, height, index);
    }

    function _ask(uint256 game, Game storage g, Demand demand, bytes32 demanded, uint64 reach) private {
        if (known[g.claim][demanded] != 0) revert Known(demanded);
        _demand(game, g, demand, demanded, reach);
    }

    function _demand(uint256 game, Game storage g, Demand demand, bytes32 demanded, uint64 reach) private {
        // INVARIANT: no challenger can have a defender open things for ever.
        Turn storage turn = g.turn;
        if (++turn.demands > DEMANDS_LIMIT) revert TooMany(DEMANDS_LIMIT);
        turn.challengerLeft = _left(turn.challengerLeft, g);
        (g.demanded, turn.demand, turn.reach, turn.since) = (demanded, demand, reach, uint48(block.timestamp));
        if (demand == Demand.Steps) emit Demanded(game, g.claim, demand, 0, 0, 0, 0);
    }

    function _answer(uint256 game, Game storage g, bytes32 answer, bytes memory content) private {
        known[g.claim][g.demanded] = answer;
        emit Answered(game, g.claim, g.turn.demand, g.demanded, content);
        _passToChallenger(g);
    }

    function _passToChallenger(Game storage g) private {
        Turn storage turn = g.turn;
        turn.defenderLeft = _left(turn.defenderLeft, g);
        (turn.demand, turn.since) = (Demand.None, uint48(block.timestamp));
    }

    /// Of what is left an eighth of the whole at least: a late move is not followed by one that nobody could make. And a move
    /// within an eighth takes nothing of it: a game is not longer for it, and such a move does not pay for asking what was frozen.
    function _left(uint32 left, Game storage g) private view returns (uint32) {
        (uint256 used, uint32 least) = (block.timestamp - g.turn.since, g.clock / 8);
        if (used > least) used = _elapsed(g);
        if (used <= least) return left;
        return left > used + least ? uint32(left - used) : least;
    }

    /// Seconds of protocol time that whoever is to move has had.
    function _elapsed(Game storage g) private view returns (uint256) {
        return CLOCK.elapsed(g.turn.since);
    }

    /// What is left to whoever is to move.
    function _mine(Game storage g) private view returns (uint256) {
        return g.turn.demand == Demand.None ? g.turn.challengerLeft : g.turn.defenderLeft;
    }

    function _deadline(Game storage g) private view returns (uint256) {
        return CLOCK.timeAt(g.turn.since) + _mine(g);
    }

    function _ruled(
        uint256 game, Game storage g, uint256 inputs, uint32 step, Evidence calldata evidence, Finding memory f, bool whole
    ) private {
        emit Ruled(game, step, inputs + evidence.node, evidence.element, uint8(f.ruling));
        if (f.ruling == Ruling.Upheld) return _end(game, g, Ending.Upheld);
        if (f.ruling == Ruling.Dismissed) return _end(game, g, Ending.Dismissed);
        if (f.ruling == Ruling.JobFault) return _end(game, g, Ending.JobFault);
        if (f.ruling == Ruling.Witness) {
            bytes32 element = keccak256(abi.encode(Demand.Witness, step, evidence.node, evidence.element));
            _ask(game, g, Demand.Witness, element, 0);
            emit Demanded(game, g.claim, Demand.Witness, step, evidence.node, 0, evidence.element);
            return;
        }
        Sum memory sum = Sum(step, uint32(evidence.node), evidence.element, f.from, f.count, f.size, f.claimed, whole);
        bytes32 demanded = keccak256(abi.encode(Demand.Parts, sum));
        emit Summed(game, g.claim, sum);
        // The parts of this very sum may have been opened to somebody else.
        if (known[g.claim][demanded] == 0) _demand(game, g, Demand.Parts, demanded, 0);
    }

    function _end(uint256 game, Game storage g, Ending outcome) private {
        g.turn.outcome = outcome;
        emit Ended(game, g.claim, outcome);
    }

    function _judge(Game storage g, Assertion calldata claim, uint32 step, Evidence calldata evidence) private view returns (Finding memory) {
        return ARBITER.judge(_run(g, claim, step), evidence);
    }

    function _run(Game storage g, Assertion calldata claim, uint32 step) private view returns (Run memory run) {
        Span storage span = _spans[g.claim][step];
        if (span.rows == 0 && g.rowCount != 0) revert NotKnown("rows");
        run = Run(
            claim.program.nodes, claim.program.nodeCount, claim.program.inputCount, claim.rowsFrom, span.rows, new Origin[](claim.origins.length)
        );
        for (uint256 i = 0; i < claim.origins.length; i++) run.origins[i] = claim.origins[i];
        run.origins[0].root = span.before;
    }

    function _rowCount(Assertion calldata claim) private pure returns (uint256) {
        return uint256(claim.program.inputCount) - claim.rowsFrom + claim.program.nodeCount;
    }

    /// Whether `value` is the run's in this row, and as its node says that it has to be: nothing else is an opening of it. Once it
    /// was shown it is known by its root, and neither claim nor row has to be shown again.
    function _shape(Game storage g, Assertion calldata claim, Row calldata row, Operand calldata value) private {
        bytes32 root = Openings.rootOf(value.value);
        mapping(uint256 place => bytes32) storage values = _values[g.claim];
        uint256 place = _place(row.step, row.row);
        if (values[place] == root) return;
        if (values[place] != 0) revert WrongAnswer("row");
        if (g.claim != keccak256(abi.encode(claim))) revert WrongClaim();
        values[place] = root;
        Run memory run = _run(g, claim, row.step);
        uint256 inputs = uint256(claim.program.inputCount) - claim.rowsFrom;
        if (!Hashing.verify(run.rows, _rowCount(claim), row.row, root, value.proof)) revert WrongAnswer("row");
        if (row.row < inputs) {
            if (!Samples.fits(claim.program, claim.rowsFrom + row.row, row.leaf, row.proof, value.value)) revert WrongAnswer("type");
            return;
        }
        Node memory n = Openings.nodeOf(run, row.row - inputs, row.leaf, row.proof);
        if (value.value.tag != (n.isOutput ? 3 : 4) || value.value.dtype != n.dtype) revert WrongAnswer("type");
        if (keccak256(abi.encodePacked(value.value.shape)) != keccak256(abi.encodePacked(n.shape))) revert WrongAnswer("shape");
    }

    /// That the program's output is the value with this number, and `value` that one of the run.
    function _output(
        Game storage g, Assertion calldata claim, uint32 step, uint32 output, uint32 number, bytes32[] calldata proof, Operand calldata value
    ) private view {
        bytes32 leaf = Hashing.leafHash(abi.encodePacked(number));
        if (!Hashing.verify(claim.program.outputs, claim.program.outputCount, output, leaf, proof)) revert NotKnown("output");
        Openings.agreed(_run(g, claim, step), number, value);
    }

    /// A number of nine bytes, two's complement; whoever calls has looked that it is there.
    function _part(bytes calldata parts, uint256 index) private pure returns (int256 part) {
        assembly ("memory-safe") {
            part := signextend(8, shr(184, calldataload(add(parts.offset, mul(9, index)))))
        }
    }

    function _reversed(uint32 word) private pure returns (uint32) {
        return (word >> 24) | ((word >> 8) & 0xFF00) | ((word << 8) & 0xFF0000) | (word << 24);
    }
}
