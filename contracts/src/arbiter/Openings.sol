// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Hashing} from "../Hashing.sol";

/// What a tensor's or a value's root binds: docs/reference/exact-arithmetic.md, section 11.
struct Value {
    uint8 tag; // 3: leaves of 4 KiB, of states and updates; 4: of 1 KiB, of what a node gave
    uint8 dtype;
    uint256[] shape;
    bytes32 tree;
}

/// Adjacent leaves of a value's tree: their bytes, and the siblings of each, lowest first, one leaf after another.
struct Window {
    uint256 first;
    bytes content;
    bytes32[] proof;
}

/// A value that both sides agree on, or the one that they do not, with as much of its content as is needed.
struct Operand {
    Value value;
    bytes32[] proof;
    Window window;
}

/// Tensors that a run begins with, by one root: a state's, or an update's.
struct Origin {
    bytes32 root;
    uint256 count;
}

/// A run of a program, as far as it is agreed or claimed.
struct Run {
    bytes32 nodes; // tree over the program's nodes
    uint256 nodeCount;
    uint256 inputCount;
    uint256 rowsFrom; // values below are tensors of `origins`, in order; from here on each has a row
    bytes32 rows; // tree over the rows: roots of the values, as claimed
    Origin[] origins;
}

/// A node's fields.
struct Node {
    uint256 opcode;
    uint256 dtype;
    bool isOutput;
    uint256[] shape;
    uint256[] inputs;
    int256[] attributes;
    bytes32 payload; // tree over a constant's bytes
}

/// @title Openings: nodes, values and elements, each shown to stand where it is said to stand. Reverts where something shown
///        does not, which is the fault of whoever shows it: nothing is decided by that.
library Openings {
    error WrongOpening(bytes32 part);
    error NotShown(uint256 byteOffset);

    uint256 internal constant F32 = 1;
    uint256 internal constant I16 = 4;
    uint256 internal constant I32 = 5;
    uint256 internal constant I64 = 6;
    uint256 internal constant BOOL = 8;
    uint256 private constant ARITY = 64;
    uint256 private constant HEAD_BYTES = 40;
    uint256 private constant RANK_LIMIT = 6;
    /// A bit for each primitive.
    uint256 private constant OPCODES = 0x1033f000300ff030703ff003f01ff0006;

    /// Bytes of an element, or 0 for no type that a value may have.
    function itemBytes(uint256 dtype) internal pure returns (uint256) {
        if (dtype == F32 || dtype == I32) return 4;
        if (dtype == I64) return 8;
        if (dtype == I16) return 2;
        return dtype == BOOL ? 1 : 0;
    }

    function sizeOf(uint256[] memory shape) internal pure returns (uint256 count) {
        count = 1;
        // Those of a value that nodes may have are below 2^32 and at most six: no product overflows.
        for (uint256 i = 0; i < shape.length; i++) count *= shape[i];
    }

    // ---------------------------------------------------------------- nodes

    /// The node at a place of the run's program. The fields of a leaf in the program's root are as whoever made it wrote them: one
    /// that no node can have, or a use of a later value, gives a node without an opcode.
    function nodeOf(Run memory run, uint256 index, bytes calldata leaf, bytes32[] calldata proof) internal view returns (Node memory n) {
        if (!Hashing.verify(run.nodes, run.nodeCount, index, Hashing.leafHash(leaf), proof)) revert WrongOpening("node");
        if (leaf.length < HEAD_BYTES) return n;
        uint256 opcode = uint16(bytes2(leaf[0:2]));
        uint256 rank = uint8(leaf[4]);
        (uint256 inputs, uint256 attributes) = (uint16(bytes2(leaf[6:8])), uint16(bytes2(leaf[8:10])));
        uint256 end = HEAD_BYTES + 4 * inputs + 8 * attributes;
        n.dtype = uint8(leaf[3]);
        n.isOutput = leaf[5] != 0;
        if (opcode > 0xFF || (OPCODES >> opcode) & 1 == 0 || leaf[2] != 0x01 || rank > RANK_LIMIT || itemBytes(n.dtype) == 0) return n;
        if (leaf.length != end + (opcode == 0x01 ? 32 : 0)) return n;
        if (opcode == 0x01) n.payload = bytes32(leaf[end:]);
        n.inputs = new uint256[](inputs);
        for (uint256 i = 0; i < inputs; i++) {
            n.inputs[i] = uint32(bytes4(leaf[HEAD_BYTES + 4 * i:]));
            if (n.inputs[i] >= run.inputCount + index) return n;
        }
        n.attributes = new int256[](attributes);
        for (uint256 i = 0; i < attributes; i++) n.attributes[i] = int64(uint64(bytes8(leaf[HEAD_BYTES + 4 * inputs + 8 * i:])));
        n.shape = new uint256[](rank);
        for (uint256 i = 0; i < rank; i++) {
            n.shape[i] = uint32(bytes4(leaf[16 + 4 * i:]));
            if (n.shape[i] == 0) return n;
        }
        if (uint32(bytes4(leaf[12:16])) != (opcode == 0x01 ? sizeOf(n.shape) * itemBytes(n.dtype) : 0)) return n;
        n.opcode = opcode;
    }

    // ---------------------------------------------------------------- values

    /// Of whatever type may be claimed, also of one that no value has.
    function rootOf(Value calldata value) internal pure returns (bytes32) {
        bytes memory content = abi.encodePacked(value.tag, value.dtype, uint8(value.shape.length));
        for (uint256 i = 0; i < value.shape.length; i++) {
            if (value.shape[i] >> 64 != 0) revert WrongOpening("shape");
            content = bytes.concat(content, bytes8(uint64(value.shape[i])));
        }
        return sha256(bytes.concat(content, value.tree));
    }

    /// Whether a value is the run's of this number: a tensor of its origins, or a row.
    function agreed(Run memory run, uint256 number, Operand calldata operand) internal view {
        bytes32 root = rootOf(operand.value);
        if (number >= run.rowsFrom) {
            uint256 rows = run.inputCount - run.rowsFrom + run.nodeCount;
            if (!Hashing.verify(run.rows, rows, number - run.rowsFrom, root, operand.proof)) revert WrongOpening("row");
            return;
        }
        for (uint256 i = 0; i < run.origins.length; i++) {
            if (number < run.origins[i].count) {
                return inTuple(run.origins[i].root, run.origins[i].count, number, root, operand.proof);
            }
            number -= run.origins[i].count;
        }
        revert WrongOpening("origin");
    }

    /// `roots` is the group of up to 64 roots that holds this one, followed by the hashes of all groups where there are several.
    function inTuple(bytes32 root, uint256 count, uint256 index, bytes32 member, bytes32[] calldata roots) internal pure {
        uint256 groups = (count + ARITY - 1) / ARITY;
        uint256 group = index / ARITY;
        uint256 size = group + 1 == groups ? count - ARITY * group : ARITY;
        if (groups > ARITY || roots.length != size + (groups > 1 ? groups : 0) || roots[index % ARITY] != member) {
            revert WrongOpening("tuple");
        }
        bytes32 hash = sha256(abi.encodePacked(bytes1(0x02), uint32(size), roots[:size]));
        if (groups > 1) {
            if (roots[size + group] != hash) revert WrongOpening("tuple");
            hash = sha256(abi.encodePacked(bytes1(0x02), uint32(groups), roots[size:]));
        }
        if (hash != root) revert WrongOpening("tuple");
    }

    /// Leaves of a value's tree.
    function leafCount(Value calldata value) internal pure returns (uint256) {
        uint256 leafBytes = value.tag == 3 ? 4096 : 1024;
        return (sizeOf(value.shape) * itemBytes(value.dtype) + leafBytes - 1) / leafBytes;
    }

    /// Reverts unless the bytes shown are the value's. `padded` is whether beyond the leaves, as far as the last one shown tells,
    /// there are empty nodes as there should be: what else stands there is of no element, and yet changes the root.
    function shown(Operand calldata operand) internal view returns (bool padded) {
        Value calldata value = operand.value;
        Window calldata window = operand.window;
        uint256 leafBytes = value.tag == 3 ? 4096 : 1024;
        uint256 size = sizeOf(value.shape) * itemBytes(value.dtype);
        uint256 count = (size + leafBytes - 1) / leafBytes;
        uint256 depth = Hashing.depth(count);
        uint256 leaves = (window.content.length + leafBytes - 1) / leafBytes;
        if (leaves == 0 || window.first >= count || leaves > count - window.first || window.proof.length != leaves * depth) {
            revert WrongOpening("window");
        }
        uint256 whole = window.first + leaves == count ? size - leafBytes * window.first : leafBytes * leaves;
        if (window.content.length != whole) revert WrongOpening("window");
        for (uint256 i = 0; i < leaves; i++) {
            uint256 from = leafBytes * i;
            uint256 to = from + leafBytes < whole ? from + leafBytes : whole;
            bytes32 leaf = Hashing.leafHash(window.content[from:to]);
            if (Hashing.climb(window.first + i, leaf, window.proof[depth * i:depth * (i + 1)]) != value.tree) revert WrongOpening("leaf");
        }
        uint256 index = window.first + leaves - 1;
        count -= 1;
        padded = true;
        for (uint256 i = depth * (leaves - 1); i < depth * leaves; i++) {
            if (index ^ 1 > count && window.proof[i] != Hashing.EMPTY) padded = false;
            (index, count) = (index >> 1, count >> 1);
        }
    }

    /// Where an element lies in what is shown of its value, which has to hold `count` of them from there on.
    function offset(Operand calldata operand, uint256 element, uint256 count) internal pure returns (uint256) {
        uint256 item = itemBytes(operand.value.dtype);
        uint256 from = (operand.value.tag == 3 ? 4096 : 1024) * operand.window.first;
        if (item * element < from || item * (element + count) > from + operand.window.content.length) revert NotShown(item * element);
        return item * element - from;
    }
}
