// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Stakes: who has how much at risk, and for which obligation it is locked.
/// @notice A lock is keyed by obligation, released exactly once; locks never exceed the stake; unbonding stake stays slashable.
interface IStakes {
    enum Role {
        Validator,
        Aggregator
    }

    /// @notice A place in a pool. An account is drawn in proportion to its weight, and only for what it has said it takes.
    struct Member {
        address account;
        uint48 enrolledAt; // block
        uint96 weight; // of its stake; zero: not to be drawn
        uint96 lockMax; // the largest lock that it accepts
        uint32 windowMin; // the shortest window, in seconds, in which it promises to act
    }

    struct Lock {
        address account;
        address token;
        uint256 amount; // what is left of it
        bool released;
    }

    event Staked(address indexed token, address indexed account, uint256 amount);
    event Unbonding(address indexed token, address indexed account, uint256 amount, uint256 ready);
    event Unstaked(address indexed token, address indexed account, uint256 amount);
    event Enrolled(address indexed token, Role indexed role, address indexed account, uint256 index, uint256 weight);
    event Retired(address indexed token, Role indexed role, address indexed account, uint256 index);
    event Locked(bytes32 indexed obligation, address indexed account, uint256 amount);
    event Released(bytes32 indexed obligation, address indexed account, uint256 amount);
    /// @notice `amount` left the stake: `burnedAmount` is gone, `toChallenger` and `toJob` are the rest.
    event Slashed(
        bytes32 indexed obligation, address indexed account, uint256 amount, uint256 burnedAmount, uint256 toChallenger, uint256 toJob
    );

    error NotModule(address caller);
    error NotEnoughStake(address account, uint256 available, uint256 needed);
    error NotReady(uint256 readyAt);
    error LockExists(bytes32 obligation);
    error NoLock(bytes32 obligation);
    error AlreadyEnrolled(address account);
    error NotEnrolled(address account);

    /// @notice Puts free balance of the vault at stake.
    function stake(address token, uint256 amount) external;
    /// @notice Starts unbonding what is not locked; it can still be slashed by locks made before it is ready.
    function unstake(address token, uint256 amount) external;
    /// @notice Takes what has finished unbonding and is not locked back to the vault's free balance.
    function release(address token) external returns (uint256 amount);
    /// @notice Joins the pool that validators or aggregators are drawn from, with `weight` of the caller's stake: at least the
    ///         pool's minimum. It is drawn only for jobs whose lock is at most `lockMax` and whose windows for its duties are
    ///         at least `windowMin` seconds. To change one of them: retire and enrol again.
    function enrol(address token, Role role, uint96 weight, uint96 lockMax, uint32 windowMin) external;
    function retire(address token, Role role) external;
    /// @notice Retires a member whose stake (unbonding left out) fell below the weight that it enrolled with. Anybody may call.
    function purge(address token, Role role, address account) external;

    function lock(bytes32 obligation, address token, address account, uint256 amount) external;
    function unlock(bytes32 obligation) external;
    /// @notice Takes up to `amount` from a lock: at least a third is burned, a third goes to `challenger` and
    ///         a third to the job's escrow; without a challenger, for silence, all of it is burned.
    function slash(bytes32 obligation, uint256 amount, address challenger, uint256 job)
        external
        returns (uint256 taken, uint256 toJob);

    function staked(address token, address account) external view returns (uint256);
    function locked(address token, address account) external view returns (uint256);
    function unbonding(address token, address account) external view returns (uint256 amount, uint256 ready);
    /// @notice stake - locked: what a new lock may take (unbonding included).
    function available(address token, address account) external view returns (uint256);
    function lockOf(bytes32 obligation) external view returns (Lock memory);
    function poolSize(address token, Role role) external view returns (uint256);
    /// @notice The largest weight that ever enrolled.
    function peak(address token, Role role) external view returns (uint256);
    /// @notice Member at `index`; its weight is zero if it had not joined by `blockNumber` or has less at stake by now.
    function poolAt(address token, Role role, uint256 index, uint256 blockNumber) external view returns (Member memory);
    /// @notice An account's place in a pool, nobody's where it has none; its weight is zero if it has less at stake by now.
    function memberOf(address token, Role role, address account) external view returns (Member memory);
}
