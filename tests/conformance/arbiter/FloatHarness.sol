// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Float} from "../src/arbiter/Float.sol";

contract FloatHarness {
    function neg(uint256 a) external pure returns (uint256) {
        return Float.neg(a);
    }
}
