// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Scores} from "../src/disputes/Scores.sol";

/// @title ScoresHarness: the functions of Scores.
contract ScoresHarness {
    function scoreOf(bytes calldata batches, bool scoresLoss) external pure returns (int64) {
        return Scores.scoreOf(batches, scoresLoss);
    }

    function isImpossible(bytes calldata mark) external pure returns (bool) {
        return Scores.isImpossible(mark);
    }

    function endOf(bytes calldata mark) external pure returns (bytes32) {
        return Scores.endOf(mark);
    }
}
