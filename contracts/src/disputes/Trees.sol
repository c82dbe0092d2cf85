// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../Hashing.sol";

/// @title Trees: parts of a Merkle tree, opened six levels at a time. A part is named by its height above the leaves and its
///        index among the nodes of that height.
library Trees {
    uint256 private constant LEVELS = 6;

    /// The height of the nodes that open a part: a multiple of six, so that the last opening is of 64 leaves side by side.
    function below(uint256 height) internal pure returns (uint256) {
        return height == 0 ? 0 : ((height - 1) / LEVELS) * LEVELS;
    }

    /// How many nodes open a part of a tree over `count` leaves.
    function width(uint256 count, uint256 height, uint256 index) internal pure returns (uint256) {
        uint256 lower = below(height);
        uint256 all = (count + (1 << lower) - 1) >> lower;
        uint256 first = index << (height - lower);
        uint256 most = 1 << (height - lower);
        if (first >= all) return 0;
        return all - first < most ? all - first : most;
    }

    /// Whether a tree over `count` leaves has such a part.
    function has(uint256 count, uint256 height, uint256 index) internal pure returns (bool) {
        return height <= Hashing.depth(count) && width(count, height, index) != 0;
    }

    /// The hash of a part, from the nodes that open it: what is missing to the right is empty.
    function rootOf(bytes32[] calldata nodes, uint256 levels) internal view returns (bytes32) {
        uint256 size = nodes.length;
        bytes32[] memory row = nodes;
        for (uint256 level = 0; level < levels; level++) {
            uint256 pairs = (size + 1) / 2;
            for (uint256 i = 0; i < pairs; i++) {
                row[i] = Hashing.nodeHash(row[2 * i], 2 * i + 1 < size ? row[2 * i + 1] : Hashing.EMPTY);
            }
            size = pairs;
        }
        return row[0];
    }

    /// Whether nodes open the part of the tree with this root.
    function opens(bytes32 root, uint256 count, uint256 height, uint256 index, bytes32[] calldata nodes, bytes32[] calldata proof)
        internal
        view
        returns (bool)
    {
        if (!has(count, height, index) || nodes.length != width(count, height, index)) return false;
        if (proof.length != Hashing.depth(count) - height) return false;
        return Hashing.climb(index, rootOf(nodes, height - below(height)), proof) == root;
    }
}
