// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Bitmap: sets of at most 1,024 slots, 256 to a word.
library Bitmap {
    function words(uint256 size) internal pure returns (uint256) {
        return (size + 255) >> 8;
    }

    function has(uint256[4] storage bitmap, uint256 index) internal view returns (bool) {
        return (bitmap[index >> 8] >> (index & 255)) & 1 == 1;
    }

    function add(uint256[4] storage bitmap, uint256 index) internal {
        bitmap[index >> 8] |= 1 << (index & 255);
    }

    function remove(uint256[4] storage bitmap, uint256 index) internal {
        bitmap[index >> 8] &= ~(1 << (index & 255));
    }

    function isEmpty(uint256[4] storage bitmap, uint256 wordCount) internal view returns (bool) {
        for (uint256 i = 0; i < wordCount; i++) {
            if (bitmap[i] != 0) return false;
        }
        return true;
    }

    function count(uint256 word) internal pure returns (uint256) {
        unchecked {
            word = word - ((word >> 1) & 0x5555555555555555555555555555555555555555555555555555555555555555);
            word = (word & 0x3333333333333333333333333333333333333333333333333333333333333333)
                + ((word >> 2) & 0x3333333333333333333333333333333333333333333333333333333333333333);
            word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
            word = (word & 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff) + ((word >> 8) & 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff);
            return (word * 0x0001000100010001000100010001000100010001000100010001000100010001) >> 240;
        }
    }

    function copy(uint256[4] storage bitmap, uint256 size) internal view returns (uint256[] memory out) {
        out = new uint256[](words(size));
        for (uint256 i = 0; i < out.length; i++) out[i] = bitmap[i];
    }
}
