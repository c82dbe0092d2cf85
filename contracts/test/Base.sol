// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function warp(uint256 timestamp) external;
    function roll(uint256 number) external;
    function deal(address account, uint256 amount) external;
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata reason) external;
    function expectPartialRevert(bytes4 selector) external;
    function assume(bool holds) external pure;
    function label(address account, string calldata name) external;
    function getBlockNumber() external view returns (uint256);
    function getBlockTimestamp() external view returns (uint256);
    function writeFile(string calldata path, string calldata content) external;
    function toString(uint256 value) external pure returns (string memory);
    function setBlockhash(uint256 number, bytes32 value) external;
    function snapshotState() external returns (uint256);
    function revertToState(uint256 snapshot) external returns (bool);
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
}

/// @title The few lines of a test library that these tests need.
abstract contract Base {
    bool public constant IS_TEST = true;
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    address[] private _targets;

    error Differ(string what, uint256 actual, uint256 expected);
    error DifferBytes(string what, bytes32 actual, bytes32 expected);
    error Untrue(string what);

    function targetContracts() public view returns (address[] memory) {
        return _targets;
    }

    function target(address contract_) internal {
        _targets.push(contract_);
    }

    function equal(uint256 actual, uint256 expected, string memory what) internal pure {
        if (actual != expected) revert Differ(what, actual, expected);
    }

    function equal(bytes32 actual, bytes32 expected, string memory what) internal pure {
        if (actual != expected) revert DifferBytes(what, actual, expected);
    }

    function equal(address actual, address expected, string memory what) internal pure {
        equal(uint256(uint160(actual)), uint256(uint160(expected)), what);
    }

    function yes(bool holds, string memory what) internal pure {
        if (!holds) revert Untrue(what);
    }

    function atMost(uint256 actual, uint256 limit, string memory what) internal pure {
        if (actual > limit) revert Differ(what, actual, limit);
    }

    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }
}
