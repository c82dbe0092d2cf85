// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Evidence} from "../arbiter/Arbiter.sol";
import {Operand, Origin} from "../arbiter/Openings.sol";

/// A program's trees, as its root binds them.
struct Program {
    bytes32 inputs;
    bytes32 outputs;
    bytes32 nodes;
    uint32 nodeCount;
    uint32 outputCount;
    uint32 inputCount;
}

/// Samples that each run of a claim takes: two inputs after those of the origins, x and y. With a key they are those of a
/// slot's step, else the samples in their order.
struct Feed {
    bytes32 samplesRoot;
    uint32 sampleCount;
    uint32 slot;
    uint32 slotCount;
    uint32 firstStep;
    uint32 batchSize;
    bytes32 key;
}

/// What somebody stands for: that `steps` runs of a program, each of which begins with the state that the one before ended
/// in, lead from `origins` to `end`.
struct Assertion {
    bytes32 subject; // whose claim about what it is
    address defender;
    Program program;
    Origin[] origins;
    Feed feed;
    uint32 rowsFrom; // values of the origins
    uint32 endCount; // tensors of `end`: as many of the outputs, from the first
    uint32 lossBits; // of the output behind them, in the last run
    bool hasLoss;
    uint32 steps;
    bytes32 end;
}

/// A row of a run, with its node, or with its type among the program's inputs: what the value has to be like.
struct Row {
    uint32 step;
    uint32 row;
    bytes leaf;
    bytes32[] proof;
}

/// An element of x (input 0 behind the origins) or y (1) of a run, with the record that it is out of.
struct Sample {
    uint32 input;
    uint256 element;
    Operand value;
    bytes[2] types; // of x and y, as the program has them
    bytes32[][2] typeProofs;
    bytes record;
    bytes32[] recordProof;
}

/// A sum that was too long to be looked at at once.
struct Sum {
    uint32 step;
    uint32 node;
    uint256 element;
    uint256 from;
    uint256 count;
    uint256 size; // addends of a part; the last may be short
    int256 total;
    bool wraps; // the parts add up to it modulo 2^64
}

/// What a defender is asked to open.
enum Demand {
    None,
    Steps, // the states between the runs
    Rows, // a part of the tree over a run's values
    Leaves, // a part of the tree over a value's bytes
    Content, // a leaf's bytes
    State, // a part of the tuple that a state's root is over
    Parts, // what the parts of a sum come to
    Witness // an element that is as large as claimed
}

enum Ending {
    Open,
    Upheld, // the claim is wrong, or was not stood for
    Dismissed, // it is right where the challenger looked, or the challenger left
    JobFault
}

/// @title Games: one challenger narrows one claim down, until the arbiter rules on one element.
///
/// The defender opens what it has committed, part by part; nothing of it can be refused. Whatever it opened is known to all
/// games about the same claim. The challenger wins by showing that two things which the defender stands for do not go together;
/// it need not say beforehand where. Each side has a clock.
interface IGames {
    struct GameView {
        bytes32 claim;
        address challenger;
        Demand demand; // what the defender owes; None: it is the challenger's turn
        bytes32 demanded;
        Ending outcome;
        uint32 defenderLeft; // seconds on the clocks
        uint32 challengerLeft;
        uint64 deadline; // of who is to move
        uint16 demands;
    }

    /// @dev `row`: of a witness the node; `index`: of a witness the element.
    event Demanded(uint256 indexed game, bytes32 indexed claim, Demand demand, uint256 step, uint256 row, uint256 height, uint256 index);
    /// @dev `content`: what was opened, one hash after another, or the bytes.
    event Answered(uint256 indexed game, bytes32 indexed claim, Demand demand, bytes32 demanded, bytes content);
    /// @dev A sum whose parts are asked for.
    event Summed(uint256 indexed game, bytes32 indexed claim, Sum sum);
    /// @dev `number`: of the value, inputs first; `element`: of a state's tensor which output it is.
    event Ruled(uint256 indexed game, uint256 step, uint256 number, uint256 element, uint8 ruling);
    event Ended(uint256 indexed game, bytes32 indexed claim, Ending outcome);

    error NotYourTurn(address caller);
    error WrongClaim();
    error WrongAnswer(bytes32 part);
    error Known(bytes32 demanded);
    error NotKnown(bytes32 part);
    error TooMany(uint256 limit);
    error ClockRuns(uint256 until);
    error Over(Ending outcome);

    /// @notice Begins a game; Disputes only. `clock` is what each side has in all, in seconds.
    function open(Assertion calldata claim, address challenger, uint32 clock) external returns (uint256 game);

    /// @notice The challenger asks for the top of the tree over a run's rows, which says which run is looked at; `steps` are the
    ///         states between the runs, as they were opened.
    function demandRun(uint256 game, Assertion calldata claim, uint32 step, bytes32[] calldata steps) external;
    /// @notice Then for the part of it at (height, index). An answer is the part's nodes up to six levels below.
    function demandRows(uint256 game, uint32 step, uint32 height, uint32 index) external;
    /// @notice The same in the tree over the bytes of the value of a row.
    function demandLeaves(uint256 game, uint32 step, uint32 row, uint32 height, uint32 index) external;
    /// @notice A leaf's bytes.
    function demandContent(uint256 game, uint32 step, uint32 row, uint32 index) external;
    /// @notice The roots that the state after a run is over: group `index` of up to 64.
    function demandState(uint256 game, uint32 step, uint32 index) external;

    function answerSteps(uint256 game, bytes32[] calldata roots) external;
    /// @notice `proof` leads from the part to the rows' root, which the first answer for a run fixes.
    function answerRows(
        uint256 game, uint32 step, uint32 height, uint32 index, bytes32[] calldata nodes, bytes32[] calldata proof
    ) external;
    /// @notice `value` shows the row's value without a window; `proof` leads from the part to the value's tree. Who has asked for a
    ///         part, or a leaf, that such a value has not got has lost then. Of a value that was shown before, `claim`, the row's
    ///         leaf and all proofs but the last may be empty.
    function answerLeaves(
        uint256 game, Assertion calldata claim, Row calldata row, uint32 height, uint32 index, Operand calldata value,
        bytes32[] calldata nodes, bytes32[] calldata proof
    ) external;
    /// @notice `value` shows the leaf.
    function answerContent(uint256 game, Assertion calldata claim, Row calldata row, uint32 index, Operand calldata value) external;
    /// @notice `roots`: the group, then the hashes of all groups where there are several.
    function answerState(uint256 game, uint32 step, uint32 index, bytes32[] calldata roots) external;
    /// @notice The sums of the parts, nine bytes each, two's complement.
    function answerParts(uint256 game, Sum calldata sum, bytes calldata parts) external;
    function answerWitness(uint256 game, Assertion calldata claim, uint32 step, Evidence calldata evidence) external;
    /// @notice What is owed lies at the fault that a run is said to end in, or behind it: the job is at fault. `operator` is the
    ///         hash of its name, as it is in the digest; `steps` as in `demandRun`; `rows` is the root over the run's rows, for
    ///         where none was opened.
    function answerFault(
        uint256 game, Assertion calldata claim, uint32 step, bytes32[] calldata steps, bytes32 rows, bytes32 operator, Evidence calldata evidence
    ) external;
    /// @notice The same where it is a sample that no run can begin with; its `value` counts for nothing.
    function answerFaultySample(
        uint256 game, Assertion calldata claim, uint32 step, bytes32[] calldata steps, bytes32 rows, Sample calldata sample
    ) external;
    /// @notice What is owed was opened in another game. Anybody.
    function recall(uint256 game) external;

    /// @notice The challenger shows that a node's value does not follow from its inputs.
    function prove(uint256 game, Assertion calldata claim, uint32 step, Evidence calldata evidence) external;
    /// @notice The same of one part of a sum whose parts were opened.
    function provePart(
        uint256 game, Assertion calldata claim, Sum calldata sum, bytes calldata parts, uint32 part, Evidence calldata evidence
    ) external;
    /// @notice The challenger shows that a tensor of the state after a run is not the value that the program ends in there.
    ///         `roots` as in `answerState`; `value` without a window.
    function proveOutput(
        uint256 game, Assertion calldata claim, uint32 step, uint32 output, uint32 number, bytes32[] calldata outputProof,
        Operand calldata value, bytes32[] calldata roots
    ) external;
    /// @notice The challenger shows that the loss of the last run is another. The first group of the state after it has been opened.
    function proveLoss(uint256 game, Assertion calldata claim, uint32 number, bytes32[] calldata outputProof, Operand calldata value)
        external;
    /// @notice The challenger shows that an element of a run's samples is another: the one of its record, or none.
    function proveSample(uint256 game, Assertion calldata claim, uint32 step, Sample calldata sample) external;
    /// @notice The challenger leaves.
    function resign(uint256 game) external;
    /// @notice The clock of who is to move has run out. Anybody.
    function timeout(uint256 game) external;

    function viewOf(uint256 game) external view returns (GameView memory);
    /// @notice How a game has ended, alone.
    function endingOf(uint256 game) external view returns (Ending);
    /// @notice Root over the rows of a run, as the defender opened it.
    function rowsOf(bytes32 claim, uint32 step) external view returns (bytes32);
    function known(bytes32 claim, bytes32 demanded) external view returns (bytes32);
}
