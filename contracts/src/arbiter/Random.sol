// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Random: words of Philox, and who works on which sample. Section 10 of docs/reference/exact-arithmetic.md and
/// assay/protocol/schedule.py. Nothing here reverts.
library Random {
    uint256 internal constant LOW = 0xFFFFFFFF;
    uint256 internal constant FIRST = 0xD2511F53;
    uint256 internal constant SECOND = 0xCD9E8D57;
    /// The smallest domain has 256 positions, so no walk in it is longer; in others a walk ends with 1/4 and more at each step.
    uint256 internal constant WALK_LIMIT = 512;

    /// Element j of `random`.
    function philox(int256 key0, int256 key1, int256 step, int256 stream, uint256 j) internal pure returns (uint256) {
        unchecked {
            (uint256 k0, uint256 k1) = (uint256(key0) & LOW, uint256(key1) & LOW);
            (uint256 c0, uint256 c1) = ((j >> 2) & LOW, uint256(stream) & LOW);
            (uint256 c2, uint256 c3) = (uint256(step) & LOW, (uint256(step) >> 32) & LOW);
            for (uint256 i = 0; i < 10; i++) {
                (uint256 a, uint256 b) = (FIRST * c0, SECOND * c2);
                (c0, c1, c2, c3) = ((b >> 32) ^ c1 ^ k0, b & LOW, (a >> 32) ^ c3 ^ k1, a & LOW);
                (k0, k1) = ((k0 + 0x9E3779B9) & LOW, (k1 + 0xBB67AE85) & LOW);
            }
            return j & 2 == 0 ? (j & 1 == 0 ? c0 : c1) : (j & 1 == 0 ? c2 : c3);
        }
    }

    /// The image of a position under the key's permutation of 0..count-1.
    function permute(bytes32 key, uint256 count, uint256 position) internal pure returns (bool ok, uint256 image) {
        unchecked {
            if (count - 1 >= 1 << 32 || position >= count) return (false, 0);
            uint256 half = 4;
            while ((count - 1) >> (2 * half) != 0) half++;
            uint256 mask = (1 << half) - 1;
            uint256 schedule = uint256(sha256(abi.encodePacked("assay.feistel.1", key)));
            image = position;
            for (uint256 walk = 0; walk < WALK_LIMIT; walk++) {
                (uint256 left, uint256 right) = (image >> half, image & mask);
                for (uint256 bits = 256; bits > 0;) {
                    bits -= 32;
                    uint256 product = (right ^ ((schedule >> bits) & LOW)) * FIRST;
                    product = ((product >> 32) ^ (product & LOW)) * SECOND;
                    (left, right) = (right, left ^ (((product >> 32) ^ (product >> 16)) & mask));
                }
                image = (left << half) | right;
                if (image < count) return (true, image);
            }
            return (false, 0);
        }
    }

    /// Sample `b` of a slot's step.
    function sampleOf(
        bytes32 key,
        uint256 sampleCount,
        uint256 slot,
        uint256 slotCount,
        uint256 step,
        uint256 batchSize,
        uint256 b
    ) internal pure returns (bool ok, uint256 sample) {
        if (sampleCount > 1 << 32 || slot >= slotCount || slotCount > sampleCount || b >= batchSize) return (false, 0);
        unchecked {
            uint256 shard = sampleCount / slotCount;
            return permute(key, sampleCount, slot + slotCount * addmod(b, mulmod(step, batchSize, shard), shard));
        }
    }
}
