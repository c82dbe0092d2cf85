// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Maps} from "./Maps.sol";

/// @title Moves: index maps of one input, by opcode. A library of its own, since the arbiter has no room for it.
library Moves {
    /// Where an element comes from, or `Maps.ZERO`; not ok where the node is refused or of another kind.
    function origin(uint256 opcode, uint256[] memory source, uint256[] memory shape, int256[] memory attributes, uint256 element)
        external
        pure
        returns (bool, uint256)
    {
        if (opcode == 0x50 || opcode == 0x52) {
            if (attributes.length != 0) return (false, 0);
            return opcode == 0x50 ? Maps.reshape(source, shape, element) : Maps.expand(source, shape, element);
        }
        if (opcode == 0x51) return Maps.permute(source, shape, attributes, element);
        if (opcode == 0x53) return Maps.slice(source, shape, attributes, element);
        if (opcode == 0x54) return Maps.pad(source, shape, attributes, element);
        if (opcode == 0x56) return Maps.unfold(source, shape, attributes, element);
        if (opcode == 0x57) return Maps.flip(source, shape, attributes, element);
        return (false, 0);
    }
}
