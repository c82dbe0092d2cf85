// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Clock: the time that all windows, games' clocks and unbonding go by. It stands still while the network is frozen.
/// @notice Protocol time is the chain's time less all seconds that were frozen. Whoever owns `Params` may freeze and thaw: this
///         moves nothing and decides nothing, it delays. A freeze ends by itself once 14 days were frozen within 365 days,
///         whichever 365 days one looks at. The model registry's dates are the chain's time, and blocks go on: what waits for a
///         block, as the beacon does, waits for no time.
interface IClock {
    /// @notice Frozen at this moment, at the latest until that one; both of the chain's time.
    event Frozen(uint256 instant, uint256 until);
    /// @notice Thawed by the owner before it would have ended by itself. `frozenSeconds`: how long it was.
    event Thawed(uint256 instant, uint256 frozenSeconds);

    error NotOwner(address caller);
    error AlreadyFrozen(uint256 until);
    /// @notice 14 of the last 365 days were frozen.
    error NoneLeft();
    error NotFrozen();
    /// @notice Nothing is settled before this moment of the chain's time, or before the owner thaws.
    error StandsStill(uint256 until);

    function freeze() external;
    function thaw() external;

    /// @notice Protocol time, in seconds.
    function time() external view returns (uint256);
    /// @notice Protocol time at a moment of the chain's time that is not later than now.
    function timeAt(uint256 instant) external view returns (uint256);
    /// @notice Seconds of protocol time since a moment of the chain's time.
    function elapsed(uint256 since) external view returns (uint256);
    /// @notice Whether protocol time has come to `instant` and goes on: while it stands still nothing that waits has waited for
    ///         long enough, even if its time had come before.
    function reached(uint256 instant) external view returns (bool);
    /// @notice The moment of the chain's time at which the freeze that runs ends by itself; zero while none runs.
    function frozenUntil() external view returns (uint256);
    /// @notice Seconds for which a freeze could last that began now; while one runs, what is left of it.
    function allowance() external view returns (uint256);
}
