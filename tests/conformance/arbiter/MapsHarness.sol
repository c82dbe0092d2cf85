// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Maps} from "../src/arbiter/Maps.sol";

/// @title MapsHarness: many elements of one node at a time.
contract MapsHarness {
    struct Node {
        uint256 opcode;
        uint256[][] sources;
        uint256[] shape;
        int256[] attributes;
    }

    /// Per index whether the node is accepted and up to three answers, and the most gas that one took.
    function map(Node memory node, uint256[] memory indices, int256 value)
        external
        view
        returns (bool[] memory oks, uint256[3][] memory answers, uint256 most)
    {
        oks = new bool[](indices.length);
        answers = new uint256[3][](indices.length);
        for (uint256 i = 0; i < indices.length; i++) {
            uint256 before = gasleft();
            (oks[i], answers[i]) = _one(node, indices[i], value);
            uint256 spent = before - gasleft();
            if (spent > most) most = spent;
        }
    }

    /// Opcodes of the page; 0x160 and 0x161 look up by `value`, 0x170 asks whether it is in the group `value`.
    function _one(Node memory node, uint256 at, int256 value) private pure returns (bool ok, uint256[3] memory answer) {
        (uint256 opcode, uint256[] memory shape, int256[] memory attributes) = (node.opcode, node.shape, node.attributes);
        uint256[] memory first = node.sources.length > 0 ? node.sources[0] : new uint256[](0);
        uint256[] memory second = node.sources.length > 1 ? node.sources[1] : new uint256[](0);
        int256 mask = attributes.length > 0 ? attributes[0] : int256(0);
        if (opcode == 0x02) (ok, answer[0]) = Maps.iota(shape, attributes, at);
        else if (opcode == 0x10) ok = Maps.common(node.sources, shape);
        else if (opcode == 0x50) (ok, answer[0]) = Maps.reshape(first, shape, at);
        else if (opcode == 0x51) (ok, answer[0]) = Maps.permute(first, shape, attributes, at);
        else if (opcode == 0x52) (ok, answer[0]) = Maps.expand(first, shape, at);
        else if (opcode == 0x53) (ok, answer[0]) = Maps.slice(first, shape, attributes, at);
        else if (opcode == 0x54) (ok, answer[0]) = Maps.pad(first, shape, attributes, at);
        else if (opcode == 0x55) (ok, answer[0], answer[1]) = Maps.concat(node.sources, shape, attributes, at);
        else if (opcode == 0x56) (ok, answer[0]) = Maps.unfold(first, shape, attributes, at);
        else if (opcode == 0x57) (ok, answer[0]) = Maps.flip(first, shape, attributes, at);
        else if (opcode == 0x60) (ok, answer[0]) = Maps.gatherIndex(first, second, shape, at);
        else if (opcode == 0x61) (ok, answer[0]) = Maps.pickIndex(first, second, shape, at);
        else if (opcode == 0x70) (ok, answer[0]) = Maps.group(first, shape, mask, at);
        else if (opcode == 0x72) (ok, answer[0], answer[1], answer[2]) = Maps.contractRows(first, second, shape, at);
        else if (opcode == 0x73) (ok, answer[0], answer[1]) = Maps.rowStart(first, shape, at);
        else if (opcode == 0x75) (ok, answer[0], answer[1]) = Maps.sumAtColumn(first, second, shape, at);
        else if (opcode == 0x160) (ok, answer[0]) = Maps.gather(first, second, shape, at, value);
        else if (opcode == 0x161) (ok, answer[0]) = Maps.pick(first, second, shape, at, value);
        else if (opcode == 0x170) {
            bool inside;
            (ok, inside) = Maps.inGroup(first, shape, mask, uint256(value), at);
            answer[0] = inside ? 1 : 0;
        }
    }
}
