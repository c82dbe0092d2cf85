// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Models: the registry. One token per model, with the lineage that anyone can replay.
interface IModels {
    struct Lineage {
        uint256 job;
        bytes32 programs;
        bytes32 profile;
        bytes32 dataRoot;
        bytes32 testRoot; // the samples that the score is of
        bytes32 initialRoot;
        bytes32 stateRoot; // the trained state
        bytes32 document;
        uint32 rounds;
        int64 score; // of the trained state by the job's `evaluate`, as a quorum signed it
        uint64 mintedAt;
    }

    event Minted(uint256 indexed token, uint256 indexed job, address indexed owner, bytes32 stateRoot);

    error NotComplete(uint256 job);
    error AlreadyMinted(uint256 job);

    /// @notice Mints to the job's consumer once every window is over. Anybody may call.
    function mint(uint256 job) external returns (uint256 token);
    function lineageOf(uint256 token) external view returns (Lineage memory);
    function tokenOf(uint256 job) external view returns (uint256 token);
}
