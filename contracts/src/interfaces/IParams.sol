// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Params: what governance may tune, within floors and ceilings that nobody may leave.
/// @notice A job keeps what it read at posting: a change never touches a posted job.
interface IParams {
    struct Limits {
        uint32 windowFloor; // seconds, of every window of an order
        uint32 windowCeiling;
        uint32 unbonding; // seconds
        uint32 roundsMax; // redo rounds included
        uint16 providersMax;
        uint16 validatorsMax;
        uint16 lookaheadMax;
        uint16 beaconDelay; // blocks from an event to the block whose hash it waits for, D
        uint16 challengeBondBps; // of a round's cost
    }

    event Changed(Limits limits);
    event PoolMinimumChanged(address indexed token, uint256 amount);

    error OutOfBounds(bytes32 field, uint256 value, uint256 floor, uint256 ceiling);

    function set(Limits calldata limits) external;
    /// @notice The least stake that a member of the pools must have, in the token's smallest unit.
    function setPoolMinimum(address token, uint256 amount) external;
    function limits() external view returns (Limits memory);
    function poolMinimum(address token) external view returns (uint256);
}
