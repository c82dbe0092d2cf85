// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Commitment, Entry, Leaf, Target} from "../Types.sol";

/// @title Rerun: who lied, by a vote, where no game is to be had: of rows of tables and of scores. All drawn validators re-execute
///        the disputed unit and vote, blind, by commit and reveal; every slash is capped at the round's cost.
interface IRerun {
    /// Everything the accused has claimed, with its proofs. Fields that a target does not need are empty.
    struct Claim {
        Target target;
        Commitment commitment; // of the slot; Aggregate, Score: job, generation, round, and as transcriptRoot the root or digest disputed
        bytes32[] commitmentProof;
        bytes signature; // the provider's, when the commitment came by the aggregator's root
        bytes32 secret;
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

    enum Outcome {
        Open,
        Upheld, // the accused claimed something else than the quorum found
        Dismissed, // the quorum found what the accused claimed
        NoQuorum
    }

    struct DisputeView {
        uint256 job;
        uint32 generation;
        uint32 round;
        Target target;
        uint16 slot;
        uint32 segment;
        address accused;
        address challenger;
        bytes32 claimed; // digest
        bytes32 truth; // digest, when decided
        uint64 commitDeadline;
        uint64 revealDeadline;
        uint256 committed; // bitmaps over validators
        uint256 revealed;
        Outcome outcome;
    }

    event ChallengeCommitted(bytes32 indexed sealedChallenge, address indexed challenger);
    event Challenged(
        uint256 indexed dispute, uint256 indexed job, address indexed accused, Target target, uint32 generation, uint32 round,
        uint16 slot, uint32 segment, bytes32 claimed
    );
    event Voted(uint256 indexed dispute, address indexed validator, bytes32 sealedVote);
    event VoteRevealed(uint256 indexed dispute, address indexed validator, bytes32 digest);
    event Decided(uint256 indexed dispute, Outcome outcome, bytes32 truth);

    error NoSealedChallenge(bytes32 sealedChallenge);
    error NotYours(address caller);
    error AlreadyDisputed(uint256 dispute);
    error WindowClosed(uint256 closedAt);
    error WrongClaim(bytes32 part);
    error NotReady(uint256 readyAt);
    error TooFewVoters(uint256 voters, uint256 needed);
    error NoVote(Target target);

    /// @notice keccak256(abi.encode(claim, challenger, salt)); the bond (Params.challengeBond of the round's cost) leaves the free balance.
    ///         It belongs to the caller: others may seal the same and gain nothing by it.
    function commitChallenge(uint256 job, bytes32 sealedChallenge) external;
    function withdrawChallenge(uint256 job, bytes32 sealedChallenge) external;
    /// @notice Opens it, in a later block, before the round is final. The first to have committed earns. What stayed undecided
    ///         costs twice the bond the next time, from the free balance, and cannot be disputed a fourth time.
    function openChallenge(Claim calldata claim, bytes32 salt) external returns (uint256 dispute);
    /// @notice keccak256(abi.encode(dispute, voter, digest, salt)) of a drawn validator that is not the accused.
    ///         The digest of a unit that rests on a state which the voter was not served and could not derive is
    ///         Hashing.unservedDigest. Who cannot tell at all says Hashing.abstainDigest: it counts for nothing, costs nothing and
    ///         earns nothing.
    function vote(uint256 dispute, bytes32 sealedVote) external;
    function revealVote(uint256 dispute, bytes32 digest, bytes32 salt) external;
    /// @notice Counts once all have revealed, or after the windows. Minority and silent voters are penalised like a mismatch,
    ///         but not where either side says that a state was not served: who was served what, no chain can tell.
    ///         Without a quorum a third of the bond is burned.
    function decide(uint256 dispute) external;

    function viewOf(uint256 dispute) external view returns (DisputeView memory);
    function claimOf(uint256 dispute) external view returns (bytes32 claimHash);
    function votersOf(uint256 dispute) external view returns (address[] memory);
    function disputeCount() external view returns (uint256);
    function bondOf(uint256 job) external view returns (uint256);
}
