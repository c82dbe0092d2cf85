// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Target} from "../Types.sol";
import {Program} from "./IGames.sol";
import {IRerun} from "./IRerun.sol";

/// What a challenge rests on that the order names by hash, opened.
struct Facts {
    Program program; // the step's, the emission's or the aggregation's
    bytes head; // of the program, as its root binds it
    uint32 place; // among the order's programs
    uint32 programCount;
    bytes32[] programs; // the group of leaves over the programs that holds this one, then all groups where there are several
    // Of a segment alone, the training data:
    bytes32 samplesRoot;
    uint32 sampleCount;
    bytes32 form;
    bytes xType; // of the step's x, whose first size is a batch's
    bytes32[] xTypeProof;
    // The first group of tensors of the state that the segment begins with, or that should have had an update: shows that it is one.
    bytes32[] stateRoots;
}

/// @title Disputes: who challenges a slot's transcript or an aggregate, in what order, for what bond, and what follows from the
///        game.
///
/// A challenge is sealed, then opened; then it is a game (`IGames`) of its challenger with the slot's provider, or with the
/// aggregator, which nobody votes on. Many may be open about one slot or aggregate: the first that is won disproves it, and the
/// earliest sealed that is about the same thing and not lost earns. A fault of the job that comes out of a game stands only after
/// a window in which anybody may show that the same slot, or aggregate, is wrong.
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
        uint64 faultUntil; // the game ended with the job at fault, which is disputed until then
        uint64 showUntil; // until then the aggregator has to show what it has included; its challenger begins after that
        Settlement outcome;
    }

    event ChallengeSealed(bytes32 indexed sealedChallenge, address indexed challenger);
    event ChallengeOpened(
        uint256 indexed dispute, uint256 indexed job, address indexed accused, Target target, uint32 generation, uint32 round,
        uint16 slot, uint32 segment, address challenger, uint256 game
    );
    /// @dev The game of a challenge that was opened before all updates were shown.
    event ChallengeBegun(uint256 indexed dispute, uint256 indexed job, uint256 game);
    event FaultFound(uint256 indexed dispute, uint256 until);
    event Settled(uint256 indexed dispute, Settlement outcome);

    error NotSealed(bytes32 sealedChallenge);
    error TooSoon(uint256 readyAt);
    error AlreadyDisproved();
    error AlreadySettled(uint256 dispute);
    error NoGame(Target target);
    error WrongFact(bytes32 part);
    error StillOpen(uint256 dispute);
    error NotFirst(uint32 round);

    /// @notice keccak256(abi.encode(claim, challenger, salt)); the bond leaves the free balance.
    function commitChallenge(uint256 job, bytes32 sealedChallenge) external;
    function withdrawChallenge(uint256 job, bytes32 sealedChallenge) external;
    /// @notice Opens it, in a later block, before the round is final, or until a fault that came out of the slot is final.
    ///         Targets are Segment, Emit and Aggregate. Of an aggregate all included updates are shown before; where one is not,
    ///         the aggregator has to show it within a window, or has lost.
    function openChallenge(IRerun.Claim calldata claim, Facts calldata facts, bytes32 salt) external returns (uint256 dispute);
    /// @notice Shows which updates slots have committed to, by claims about Emit, once the included set is fixed: an aggregate is
    ///         made of them. Anybody.
    function showUpdates(IRerun.Claim[] calldata claims) external;
    /// @notice Begins the game of a challenge for which updates had to be shown first; its challenger, within a window.
    function begin(uint256 dispute, Facts calldata facts) external;
    /// @notice Draws the consequences of a game that has ended. A fault takes two calls: the second when its window is over, no
    ///         challenge of the slot is open and all earlier rounds are final. Anybody.
    function settle(uint256 dispute) external;

    function viewOf(uint256 dispute) external view returns (ChallengeView memory);
    /// @notice Roots of the included updates, by slot; zero where it was not shown.
    function updatesOf(uint256 job, uint32 generation, uint32 round) external view returns (bytes32[] memory);
    function disputeCount() external view returns (uint256);
    function bondOf(uint256 job) external view returns (uint256);
}
