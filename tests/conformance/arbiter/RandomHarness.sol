// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Random} from "../src/arbiter/Random.sol";

/// @title RandomHarness: many words, images or samples of one key, and the most gas that one took.
contract RandomHarness {
    function philox(int256 key0, int256 key1, int256 step, int256 stream, uint256[] memory at)
        external
        view
        returns (uint256[] memory words, uint256 most)
    {
        words = new uint256[](at.length);
        for (uint256 i = 0; i < at.length; i++) {
            uint256 before = gasleft();
            words[i] = Random.philox(key0, key1, step, stream, at[i]);
            uint256 spent = before - gasleft();
            if (spent > most) most = spent;
        }
    }

    function permute(bytes32 key, uint256 count, uint256[] memory at)
        external
        view
        returns (bool[] memory oks, uint256[] memory images, uint256[] memory spent)
    {
        oks = new bool[](at.length);
        images = new uint256[](at.length);
        spent = new uint256[](at.length);
        for (uint256 i = 0; i < at.length; i++) {
            uint256 before = gasleft();
            (oks[i], images[i]) = Random.permute(key, count, at[i]);
            spent[i] = before - gasleft();
        }
    }

    function samples(
        bytes32 key,
        uint256 sampleCount,
        uint256 slot,
        uint256 slotCount,
        uint256 step,
        uint256 batchSize,
        uint256[] memory at
    ) external pure returns (bool[] memory oks, uint256[] memory images) {
        oks = new bool[](at.length);
        images = new uint256[](at.length);
        for (uint256 i = 0; i < at.length; i++) {
            (oks[i], images[i]) = Random.sampleOf(key, sampleCount, slot, slotCount, step, batchSize, at[i]);
        }
    }
}
