// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Float
library Float {
    function neg(uint256 a) internal pure returns (uint256) {
        return a ^ 0x80000000;
    }
}
