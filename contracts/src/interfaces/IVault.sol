// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Vault: holds every token and is the only contract that transfers.
/// @notice balance of the vault = free + staked + credit + escrow + bond + burned, per token, at every moment.
interface IVault {
    enum Kind {
        Free, // key: address; may be withdrawn
        Staked, // key: address; Stakes decides
        Bond, // key: whatever the owning module chose (bid, aggregator, challenge)
        Escrow, // key: job
        Credit, // key: job; earned by final rounds, not yet claimed
        Burned // key: 0
    }

    event Deposited(address indexed token, address indexed account, uint256 amount);
    event Withdrawn(address indexed token, address indexed account, uint256 amount);
    event Moved(address indexed token, Kind fromKind, bytes32 fromKey, Kind toKind, bytes32 toKey, uint256 amount);

    error NotModule(address caller);
    error Insufficient(address token, Kind kind, bytes32 key, uint256 balance, uint256 needed);
    error WrongValue(uint256 sent, uint256 expected);
    error TransferFailed(address token);

    /// @notice Brings `amount` of `token` in; credits what arrived (fee-on-transfer tokens arrive short).
    /// @dev For the native coin `token` is address(0) and `amount` equals msg.value.
    function deposit(address token, uint256 amount) external payable returns (uint256 received);
    /// @notice The same, with an EIP-2612 permit in front.
    function depositWithPermit(address token, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint256 received);
    function withdraw(address token, uint256 amount) external;
    /// @notice Sends what is burned out of circulation; anybody may call.
    function sweepBurned(address token) external returns (uint256 amount);
    /// @notice Moves between accounts; modules only.
    function move(address token, Kind fromKind, bytes32 fromKey, Kind toKind, bytes32 toKey, uint256 amount) external;
    function balance(address token, Kind kind, bytes32 key) external view returns (uint256);
    function total(address token, Kind kind) external view returns (uint256);
    function free(address token, address account) external view returns (uint256);
    /// @notice All that was ever burned of a token, swept or not.
    function burned(address token) external view returns (uint256);
}
