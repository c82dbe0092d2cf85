// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Builds the trees whose proofs the contracts check; padded with EMPTY.
library Tree {
    bytes32 internal constant EMPTY = 0x66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925; // sha256 of 32 zero bytes

    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        while (leaves.length > 1) leaves = _above(leaves);
        return leaves.length == 0 ? EMPTY : leaves[0];
    }

    function proof(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory path) {
        path = new bytes32[](0);
        while (leaves.length > 1) {
            uint256 sibling = index ^ 1;
            path = _push(path, sibling < leaves.length ? leaves[sibling] : EMPTY);
            index >>= 1;
            leaves = _above(leaves);
        }
    }

    function _above(bytes32[] memory row) private pure returns (bytes32[] memory up) {
        up = new bytes32[]((row.length + 1) / 2);
        for (uint256 i = 0; i < up.length; i++) {
            bytes32 right = 2 * i + 1 < row.length ? row[2 * i + 1] : EMPTY;
            up[i] = sha256(abi.encodePacked(bytes1(0x01), row[2 * i], right));
        }
    }

    function _push(bytes32[] memory path, bytes32 value) private pure returns (bytes32[] memory out) {
        out = new bytes32[](path.length + 1);
        for (uint256 i = 0; i < path.length; i++) out[i] = path[i];
        out[path.length] = value;
    }
}
