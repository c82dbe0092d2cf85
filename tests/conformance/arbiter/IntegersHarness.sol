// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Integers} from "../src/arbiter/Integers.sol";

/// @title IntegersHarness: a call or many of each function, and the most gas that one took.
contract IntegersHarness {
    function wrap(int256 value) external pure returns (int256) {
        return Integers.wrap(value);
    }

    function isProfile(int256 bits, int256 limit) external pure returns (bool) {
        return Integers.isProfile(bits, limit);
    }

    function load(bytes calldata content, uint256[] memory offsets, uint256 dtype)
        external
        view
        returns (bool[] memory oks, int256[] memory values, uint256 most)
    {
        oks = new bool[](offsets.length);
        values = new int256[](offsets.length);
        for (uint256 i = 0; i < offsets.length; i++) {
            uint256 before = gasleft();
            (oks[i], values[i]) = Integers.load(content, offsets[i], dtype);
            uint256 spent = before - gasleft();
            if (spent > most) most = spent;
        }
    }

    function dot(bytes calldata a, uint256 offsetA, bytes calldata b, uint256 offsetB, uint256 count, uint256 size)
        external
        view
        returns (bool ok, int256 total, uint256 spent)
    {
        spent = gasleft();
        (ok, total) = Integers.dot(a, offsetA, b, offsetB, count, size);
        spent -= gasleft();
    }

    function sum(bytes calldata content, uint256 offset, uint256 count, uint256 dtype)
        external
        view
        returns (bool ok, int256 total, uint256 spent)
    {
        spent = gasleft();
        (ok, total) = Integers.sum(content, offset, count, dtype);
        spent -= gasleft();
    }

    function sumAt(
        bytes calldata content,
        uint256 offset,
        uint256 stride,
        uint256 dtype,
        bytes calldata indices,
        uint256 offsetIndices,
        uint256 count,
        int256 wanted
    ) external view returns (bool ok, int256 total, uint256 spent) {
        spent = gasleft();
        (ok, total) = Integers.sumAt(content, offset, stride, dtype, indices, offsetIndices, count, wanted);
        spent -= gasleft();
    }

    /// Of each pattern: its integer at e, whether e is too small, and the exponent that it would need.
    function grouped(uint256[] memory patterns, int256 bits, int256 limit, int256 e)
        external
        view
        returns (int256[] memory values, bool[] memory small, int256[] memory exponents, uint256 most)
    {
        values = new int256[](patterns.length);
        small = new bool[](patterns.length);
        exponents = new int256[](patterns.length);
        for (uint256 i = 0; i < patterns.length; i++) {
            uint256 before = gasleft();
            values[i] = Integers.quantise(patterns[i], bits, e);
            small[i] = Integers.needs(patterns[i], bits, limit, e);
            exponents[i] = Integers.exponentOf(patterns[i], bits, limit);
            uint256 spent = before - gasleft();
            if (spent > most) most = spent;
        }
    }
}
