// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../Hashing.sol";
import {UNSCORED} from "../Types.sol";

/// @title Scores: the score that marks come to. The same integers as assay/protocol/score.py.
library Scores {
    uint256 internal constant MARK_BYTES = 20;
    int256 private constant MILLION = 1_000_000;
    uint256 private constant LOSS_SHIFT = 40; // a batch's sum of losses is taken to the 2^-40, rounded down
    int256 private constant EXPONENT = 150; // binary32: mantissa x 2^(exponent - 150)
    uint8 private constant TENSOR = 3;
    uint8 private constant I64 = 6;

    /// Of marks of all batches: accuracy in millionths, or the loss in millionths below zero, rounded down.
    function scoreOf(bytes calldata batches, bool scoresLoss) internal pure returns (int64) {
        int256 correct;
        int256 targets;
        int256 loss;
        // At most some thousands of 64 bits, and of 168.
        unchecked {
            for (uint256 from = 0; from < batches.length; from += MARK_BYTES) {
                (int256 right, int256 count, uint32 bits) = _read(batches, from);
                if (_isImpossible(right, count, bits)) return UNSCORED;
                correct += right;
                targets += count;
                loss += _fixed(bits);
            }
        }
        if (targets == 0) targets = 1;
        if (!scoresLoss) return int64((correct * MILLION) / targets);
        (int256 above, int256 below) = (-loss * MILLION, targets << LOSS_SHIFT);
        int256 score = above / below - (above < 0 && above % below != 0 ? int256(1) : int256(0));
        if (score <= UNSCORED) return UNSCORED + 1;
        return score >= type(int64).max ? type(int64).max - 1 : int64(score);
    }

    /// Whether no batch comes to this, so that the state cannot be measured.
    function isImpossible(bytes calldata mark) internal pure returns (bool) {
        (int256 right, int256 count, uint32 bits) = _read(mark, 0);
        return _isImpossible(right, count, bits);
    }

    function lossBits(bytes calldata mark) internal pure returns (uint32 bits) {
        (,, bits) = _read(mark, 0);
    }

    /// Root over the two counts that a run of the program ends in.
    function endOf(bytes calldata mark) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x02), uint32(2), _rootOf(bytes8(mark[0:8])), _rootOf(bytes8(mark[8:16]))));
    }

    function _rootOf(bytes8 word) private pure returns (bytes32) {
        uint64 reversed;
        for (uint256 i = 0; i < 8; i++) reversed |= uint64(uint8(word[i])) << uint64(8 * i);
        return sha256(abi.encodePacked(TENSOR, I64, uint8(0), Hashing.leafHash(abi.encodePacked(reversed))));
    }

    /// The mark that begins there; whoever calls has looked that it is there.
    function _read(bytes calldata batches, uint256 from) private pure returns (int256 right, int256 count, uint32 bits) {
        uint256 word;
        assembly ("memory-safe") {
            word := calldataload(add(batches.offset, from))
        }
        return (int64(uint64(word >> 192)), int64(uint64(word >> 128)), uint32(word >> 96));
    }

    function _isImpossible(int256 right, int256 count, uint32 bits) private pure returns (bool) {
        return right < 0 || right > count || (bits >> 23) & 0xFF == 0xFF;
    }

    /// A finite binary32 as a multiple of 2^-40, rounded down.
    function _fixed(uint32 bits) private pure returns (int256 value) {
        uint256 exponent = (bits >> 23) & 0xFF;
        value = int256(uint256(bits & 0x7FFFFF));
        if (exponent == 0) exponent = 1;
        else value += 1 << 23;
        if (bits >> 31 == 1) value = -value;
        int256 shift = int256(exponent) - EXPONENT + int256(LOSS_SHIFT);
        // At most 24 bits by 144.
        return shift < 0 ? value >> uint256(-shift) : value << uint256(shift);
    }
}
