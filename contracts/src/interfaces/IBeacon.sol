// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Beacon: remembers block hashes that the protocol has fixed in advance.
interface IBeacon {
    event Recorded(uint256 indexed target, uint256 indexed blockNumber, bytes32 value);

    error TooEarly(uint256 blockNumber);
    error NotRecorded(uint256 target);

    /// @notice Records the hash of `target`, or, if that is no longer visible, of the next fixed block
    ///         (target + 256 * i, the first that is visible). Anybody may call. Idempotent.
    function record(uint256 target) external returns (bytes32 value);
    /// @return value 0 when not recorded. @return misses how many fixed blocks had expired: the sample doubles with each.
    function read(uint256 target) external view returns (bytes32 value, uint256 misses);
}
