// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Commitment, Entry, Leaf, Target} from "../Types.sol";
import {Program} from "./IGames.sol";

/// Everything the accused has claimed, with its proofs. Fields that a target does not need are empty.
struct Claim {
    Target target;
    Commitment commitment; // of the slot; Aggregate, Score: job, generation, round, and as transcriptRoot the root or digest disputed
    bytes32[] commitmentProof;
    bytes signature; // the provider's, when the commitment came by the aggregator's root
    bytes32 secret; // Segment, Emit
    Leaf before; // Segment: the start of the segment
    bytes32[] beforeProof;
    Leaf after_; // Segment: its end; Emit: the last leaf
    bytes32[] afterProof;
    address validator; // Table: the accused
    Entry entry;
    uint32 entryIndex;
    uint32 entryCount;
    bytes32[] entryProof;
}

/// What a round's end state comes to on the held-out samples, batch by batch, as its score says. Of a state that could not be
/// measured: the batch that shows it.
struct Marks {
    uint32 first; // the batch that `batches` begins with, or that ends in a fault
    bytes batches; // of each 20 bytes: right answers, targets (int64), and the binary32 of the sum of losses
    bytes32 fault; // the digest in which the batch ends
}

/// What a challenge rests on that the order names by hash, opened.
struct Facts {
    Program program; // the step's, the emission's, the evaluation's or the aggregation's
    bytes head; // of the program, as its root binds it
    uint32 place; // among the order's programs
    uint32 programCount;
    bytes32[] programs; // the group of leaves over the programs that holds this one, then all groups where there are several
    // Of a segment the training data, of a score the held-out:
    bytes32 samplesRoot;
    uint32 sampleCount;
    bytes32 form;
    bytes xType; // of the program's x, whose first size is a batch's
    bytes32[] xTypeProof;
    // The first group of tensors of the state that the segment begins with, or that should have had an update: shows that it is one.
    bytes32[] stateRoots;
}

/// @title Disputes: who challenges a slot's transcript, a validator's row, an aggregate or its score, in what order, for what
///        bond, and what follows from the game.
///
/// A challenge is sealed, then opened; then it is a game (`IGames`) of its challenger with the slot's provider, the validator or
/// the aggregator, which nobody votes on. Many may be open about one slot, table, aggregate or score: the first that is won
/// disproves it, and the earliest sealed that is about the same thing and not lost earns. A fault of the job that comes out of a
/// game about a slot or an aggregate stands only after a window in which anybody may show that the same is wrong.
interface IDisputes {
    enum Settlement {
        Open,
        Upheld, // the slot, or aggregate, is disproved by this
        Dismissed, // the challenger lost, and its bond
        Moot, // it was disproved by another
        JobFault,
        Undone // the job was said to be at fault on the word of what was then disproved
    }

    struct ChallengeView {
        uint256 job;
        uint32 generation;
        uint32 round;
        Target target;
        uint16 slot;
        uint32 segment;
        address accused;
        address challenger;
        uint48 sealedBlock;
        uint256 game;
        uint64 faultUntil; // the game ended with the job at fault, or that was claimed: it is disputed until then
        uint64 showUntil; // until then the aggregator has to show what the game begins with, or the provider its leaves
        Settlement outcome;
    }

    event ChallengeSealed(bytes32 indexed sealedChallenge, address indexed challenger);
    event ChallengeOpened(
        uint256 indexed dispute, uint256 indexed job, address indexed accused, Target target, uint32 generation, uint32 round,
        uint16 slot, uint32 segment, address challenger, uint256 game
    );
    /// @dev The game of a challenge that was opened before all that it needs was shown; `batch`: of a score's marks.
    event ChallengeBegun(uint256 indexed dispute, uint256 indexed job, uint256 game, uint32 batch);
    /// @dev A slot says so itself: nobody is accused.
    event FaultClaimed(
        uint256 indexed dispute, uint256 indexed job, address indexed provider, Target target, uint32 generation, uint32 round,
        uint16 slot, uint32 segment, address by
    );
    event MarksShown(uint256 indexed job, uint32 generation, uint32 round, Marks marks);
    /// @dev Its game has ended in a fault, and the slot's transcript is to be shown until then.
    event LeavesCalled(uint256 indexed dispute, uint256 until);
    event FaultFound(uint256 indexed dispute, uint256 until);
    event Settled(uint256 indexed dispute, Settlement outcome);

    error NotSealed(bytes32 sealedChallenge);
    error TooSoon(uint256 readyAt);
    error AlreadyDisproved();
    error AlreadySettled(uint256 dispute);
    error NoGame(Target target);
    error WrongClaim(bytes32 part);
    error WrongFact(bytes32 part);
    error StillOpen(uint256 dispute);
    error NotFirst(uint32 round);

    /// @notice keccak256(abi.encode(claim, challenger, salt)); the bond leaves the free balance.
    function commitChallenge(uint256 job, bytes32 sealedChallenge) external;
    function withdrawChallenge(uint256 job, bytes32 sealedChallenge) external;
    /// @notice Opens it, in a later block, before the round is final, or until a fault that came out of the slot is final.
    ///         Of an aggregate all included updates are shown before; where one is not, the aggregator has to show it within a
    ///         window, or has lost. Of a score the aggregator has to show the marks. A row is held to where it says that it began;
    ///         of a slot that is disproved no row is.
    function openChallenge(Claim calldata claim, Facts calldata facts, bytes32 salt) external returns (uint256 dispute);
    /// @notice Shows which updates slots have committed to, by claims about Emit, once the included set is fixed: an aggregate is
    ///         made of them. Anybody.
    function showUpdates(Claim[] calldata claims) external;
    /// @notice Shows what a round's score is made of; its aggregator, once.
    function showMarks(uint256 job, uint32 generation, uint32 round, Facts calldata facts, Marks calldata marks) external;
    /// @notice Begins the game of a challenge for which updates had to be shown first; its challenger, within a window.
    function begin(uint256 dispute, Facts calldata facts) external;
    /// @notice Begins the game about one batch of the marks that were shown; its challenger, within a window.
    function beginScore(uint256 dispute, Facts calldata facts, Marks calldata marks, uint32 batch) external;
    /// @notice A slot has committed to a fault of the job, which nobody disputes: it stands as one that a game has found does. The
    ///         claim is about the segment that ends in the fault's digest, or about Emit; the step is numbered in the round.
    ///         Once for a slot and round, whose transcript stands on chain by then (Rounds.revealSecret), so that it can be
    ///         disputed; without a bond, since a slot that says so falsely is disproved. Anybody.
    function claimFault(Claim calldata claim, uint256 step, uint256 node, bytes32 operator) external returns (uint256 dispute);
    /// @notice Draws the consequences of a game that has ended. A fault takes two calls: the second when its window is over, no
    ///         challenge of the slot is open and all earlier rounds are final. Where the slot's transcript does not stand on
    ///         chain the first call asks for it, and a window later the slot has lied. Anybody.
    function settle(uint256 dispute) external;

    function viewOf(uint256 dispute) external view returns (ChallengeView memory);
    /// @notice Roots of the included updates, by slot; zero where it was not shown.
    function updatesOf(uint256 job, uint32 generation, uint32 round) external view returns (bytes32[] memory);
    /// @notice keccak256(abi.encode(marks)) of what was shown; zero before.
    function marksOf(uint256 job, uint32 generation, uint32 round) external view returns (bytes32);
    function disputeCount() external view returns (uint256);
    function bondOf(uint256 job) external view returns (uint256);
}
