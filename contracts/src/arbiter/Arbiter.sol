// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Float} from "./Float.sol";
import {Functions} from "./Functions.sol";
import {Integers} from "./Integers.sol";
import {Maps} from "./Maps.sol";
import {Moves} from "./Moves.sol";
import {Node, Openings, Operand, Run} from "./Openings.sol";
import {Random} from "./Random.sol";

/// What a piece of evidence shows of a node's value as it was claimed.
enum Kind {
    Element, // one element, recomputed
    Part, // a part of the sum that an element is, as it was claimed
    Larger, // an element of the input that the claimed maximum or exponent is too small for
    Absent, // nothing: that no element of the input is as large as was claimed
    Witness, // an element of the input that is: the defender's answer
    Fault // that there is no value: an element which the node cannot give
}

enum Ruling {
    Upheld, // the claim is wrong
    Dismissed, // the claim is right where it was looked at
    JobFault, // no value is right: the program or its inputs are at fault
    Parts, // the sum is too long to be recomputed at once: the defender is to say what its parts are
    Witness // the defender is to show an element
}

/// Openings that a ruling needs. The first operand is the claimed value, the others are inputs, each as often as an element
/// of it is needed: assay/proof/evidence.py says which.
struct Evidence {
    Kind kind;
    uint256 node;
    bytes leaf;
    bytes32[] proof;
    uint256 element;
    Operand[] operands;
    uint256 from; // Part: first addend, and how many
    uint256 count;
    int256 claimed;
}

/// What the arbiter found: of a sum that is too long, which one, and how many addends a part may have.
struct Finding {
    Ruling ruling;
    int256 claimed;
    uint256 from;
    uint256 count;
    uint256 size;
}

/// @title Arbiter: who is right about one element of one node. Every node before it is agreed. Whatever the program, its inputs
///        and the claim are, there is a ruling; only evidence that does not show what it should is sent back.
contract Arbiter {
    uint256 private constant SUM_LIMIT = 256; // addends that lie side by side
    uint256 private constant PARTS_LIMIT = 256;
    uint256 private constant ROWS_LIMIT = 4; // of those that lie in different rows, each in a leaf of its own

    function judge(Run memory run, Evidence calldata e) external view returns (Finding memory f) {
        f.ruling = _ruling(run, e, f);
    }

    function _ruling(Run memory run, Evidence calldata e, Finding memory f) private view returns (Ruling) {
        Node memory n = Openings.nodeOf(run, e.node, e.leaf, e.proof);
        Operand calldata out = _operand(e, 0);
        if (e.kind == Kind.Fault) return _fault(run, n, e);
        Openings.agreed(run, run.inputCount + e.node, out);
        if (n.opcode == 0 || (n.opcode == 0x01 && !_isConstant(n))) return Ruling.JobFault;
        if (out.value.tag != (n.isOutput ? 3 : 4) || out.value.dtype != n.dtype || !_same(out.value.shape, n.shape)) return Ruling.Upheld;
        if (n.opcode == 0x01 && out.value.tag == 4) return out.value.tree == n.payload ? Ruling.Dismissed : Ruling.Upheld;
        if (e.element >= Openings.sizeOf(n.shape)) revert Openings.WrongOpening("element");
        bool padded = Openings.shown(out);
        (bool sound, int256 claimed) = Integers.load(out.window.content, Openings.offset(out, e.element, 1), n.dtype);
        if (!padded || !sound) return Ruling.Upheld;
        if (n.opcode == 0x70) return _exponent(run, n, e, claimed);
        if (n.opcode == 0x78) return _largest(run, n, e, uint256(claimed));
        if (e.kind != Kind.Element && e.kind != Kind.Part) revert Openings.WrongOpening("kind");
        if (n.opcode == 0x72) return _contract(run, n, e, claimed, f);
        if (n.opcode == 0x73) return _sum(run, n, e, claimed, f);
        if (n.opcode == 0x75) return _sumAt(run, n, e, claimed, f);
        if (e.kind != Kind.Element) revert Openings.WrongOpening("kind");
        if (n.opcode == 0x79) return _argmax(run, n, e, claimed);
        (bool ok, int256 found) = _finite(run, n, e);
        if (!ok) return Ruling.JobFault;
        return found == claimed ? Ruling.Dismissed : Ruling.Upheld;
    }

    /// Sums and largest elements have a value whatever they are of.
    function _fault(Run memory run, Node memory n, Evidence calldata e) private view returns (Ruling) {
        if (e.element >= Openings.sizeOf(n.shape)) revert Openings.WrongOpening("element");
        uint256 opcode = n.opcode;
        if (opcode == 0x01 || opcode == 0x70 || opcode == 0x72 || opcode == 0x73 || opcode == 0x75 || opcode == 0x78 || opcode == 0x79) {
            return Ruling.Upheld;
        }
        (bool ok,) = _finite(run, n, e);
        return ok ? Ruling.Upheld : Ruling.JobFault;
    }

    function _finite(Run memory run, Node memory n, Evidence calldata e) private view returns (bool ok, int256 found) {
        (ok, found) = _value(run, n, e);
        if (n.dtype == Openings.F32 && !Float.isFinite(uint256(found))) ok = false;
    }

    // ---------------------------------------------------------------- one element

    /// The element that a node gives; not ok where there is none.
    function _value(Run memory run, Node memory n, Evidence calldata e) private view returns (bool, int256) {
        uint256 opcode = n.opcode;
        if (opcode == 0x01) return _constant(n, e);
        if (opcode == 0x02) {
            (bool fits, uint256 index) = Maps.iota(n.shape, n.attributes, e.element);
            return (fits && n.inputs.length == 0 && n.dtype == Openings.I64, int256(index));
        }
        if (opcode < 0x50) return _elementwise(run, n, e);
        if (opcode < 0x60) return _moved(run, n, e);
        if (opcode < 0x70) return _lookedUp(run, n, e);
        if (opcode == 0x71) return _quantise(run, n, e);
        return opcode == 0x74 ? _rescale(run, n, e) : _random(run, n, e);
    }

    function _isConstant(Node memory n) private pure returns (bool) {
        if (n.inputs.length != 0 || n.attributes.length != 0) return false;
        return n.dtype == Openings.F32 || n.dtype == Openings.I64 || n.dtype == Openings.BOOL;
    }

    /// Of a constant that the program ends in, whose leaves are longer than those of its payload.
    function _constant(Node memory n, Evidence calldata e) private view returns (bool, int256) {
        Operand calldata payload = _operand(e, 1);
        if (payload.value.tag != 4 || payload.value.tree != n.payload) revert Openings.WrongOpening("payload");
        if (payload.value.dtype != n.dtype || !_same(payload.value.shape, n.shape)) revert Openings.WrongOpening("payload");
        return _load(payload, e.element);
    }

    function _elementwise(Run memory run, Node memory n, Evidence calldata e) private view returns (bool, int256) {
        uint256 count = n.inputs.length;
        if (count == 0 || count > 3 || n.attributes.length != 0) return (false, 0);
        uint256[][] memory shapes = new uint256[][](count);
        for (uint256 i = 0; i < count; i++) shapes[i] = _input(run, n, e, i, i + 1).value.shape;
        if (!Maps.common(shapes, n.shape)) return (false, 0);
        int256[3] memory x;
        uint256[3] memory dtypes;
        for (uint256 i = 0; i < count; i++) {
            Operand calldata operand = e.operands[i + 1];
            (, uint256 place) = Maps.expand(shapes[i], n.shape, e.element);
            bool ok;
            (ok, x[i]) = _load(operand, place);
            if (!ok) return (false, 0);
            dtypes[i] = operand.value.dtype;
        }
        uint256 opcode = n.opcode;
        if (opcode == 0x39) {
            bool fits = count == 3 && dtypes[0] == Openings.BOOL && dtypes[1] == dtypes[2] && n.dtype == dtypes[1];
            return (fits && (n.dtype == Openings.F32 || n.dtype == Openings.I64), x[0] == 1 ? x[1] : x[2]);
        }
        if (count == 2 && dtypes[0] != dtypes[1]) return (false, 0);
        if (opcode >= 0x30) return _discrete(n.opcode, n.dtype, count, dtypes[0], x);
        if (n.dtype != Openings.F32 || dtypes[0] != Openings.F32) return (false, 0);
        (bool known, uint256 result) = Functions.evaluate(opcode, count, uint256(x[0]), uint256(x[1]));
        return (known, int256(result));
    }

    /// Comparisons, logic, integers and conversions.
    function _discrete(uint256 opcode, uint256 dtype, uint256 count, uint256 given, int256[3] memory x)
        private
        pure
        returns (bool, int256)
    {
        if (opcode <= 0x35) {
            bool fits = count == 2 && dtype == Openings.BOOL && (given == Openings.F32 || given == Openings.I64);
            return (fits, _compare(opcode, given == Openings.F32, x[0], x[1]));
        }
        if (opcode <= 0x38) {
            bool fits = dtype == Openings.BOOL && given == Openings.BOOL && count == (opcode == 0x38 ? 1 : 2);
            return (fits, opcode == 0x36 ? x[0] & x[1] : opcode == 0x37 ? x[0] | x[1] : int256(1) - x[0]);
        }
        if (opcode >= 0x40 && opcode <= 0x42) {
            bool fits = count == 2 && dtype == Openings.I64 && given == Openings.I64;
            // Both are below 2^63 in size: neither overflows before it is wrapped.
            return (fits, Integers.wrap(opcode == 0x40 ? x[0] + x[1] : opcode == 0x41 ? x[0] - x[1] : x[0] * x[1]));
        }
        if (opcode == 0x48) {
            bool fits = count == 1 && dtype == Openings.F32 && (given == Openings.BOOL || given == Openings.I64);
            return (fits, int256(Float.scale(x[0], 0)));
        }
        if (opcode == 0x49) {
            bool fits = given == Openings.BOOL || given == Openings.I16 || given == Openings.I32;
            return (fits && count == 1 && dtype == Openings.I64, x[0]);
        }
        return (false, 0);
    }

    function _compare(uint256 opcode, bool floats, int256 a, int256 b) private pure returns (int256) {
        bool less = floats ? Float.lt(uint256(a), uint256(b)) == 1 : a < b;
        bool more = floats ? Float.gt(uint256(a), uint256(b)) == 1 : a > b;
        bool holds = opcode == 0x30
            ? !less && !more
            : opcode == 0x31 ? less || more : opcode == 0x32 ? more : opcode == 0x33 ? !less : opcode == 0x34 ? less : !more;
        return holds ? int256(1) : int256(0);
    }

    function _moved(Run memory run, Node memory n, Evidence calldata e) private view returns (bool, int256) {
        if (n.opcode == 0x55) return _joined(run, n, e);
        if (n.inputs.length != 1) return (false, 0);
        Operand calldata from = _input(run, n, e, 0, 1);
        (bool ok, uint256 place) = Moves.origin(n.opcode, from.value.shape, n.shape, n.attributes, e.element);
        if (!ok || from.value.dtype != n.dtype) return (false, 0);
        return place == Maps.ZERO ? (true, int256(0)) : _load(from, place);
    }

    /// Of `concat` the shapes of all inputs count: each is shown, and of the one that the element is of its bytes too.
    function _joined(Run memory run, Node memory n, Evidence calldata e) private view returns (bool, int256) {
        uint256 count = n.inputs.length;
        if (count > 256) return (false, 0);
        uint256[][] memory shapes = new uint256[][](count);
        for (uint256 i = 0; i < count; i++) {
            Operand calldata each = _input(run, n, e, i, i + 1);
            if (each.value.dtype != n.dtype) return (false, 0);
            shapes[i] = each.value.shape;
        }
        (bool ok, uint256 which, uint256 place) = Maps.concat(shapes, n.shape, n.attributes, e.element);
        return ok ? _load(e.operands[which + 1], place) : (false, int256(0));
    }

    function _lookedUp(Run memory run, Node memory n, Evidence calldata e) private view returns (bool, int256) {
        if (n.inputs.length != 2 || n.attributes.length != 0) return (false, 0);
        Operand calldata places = _input(run, n, e, 1, 1);
        Operand calldata table = _input(run, n, e, 0, 2);
        if (places.value.dtype != Openings.I64 || table.value.dtype != n.dtype) return (false, 0);
        (uint256[] memory rows, uint256[] memory indices) = (table.value.shape, places.value.shape);
        bool gathers = n.opcode == 0x60;
        (bool ok, uint256 place) =
            gathers ? Maps.gatherIndex(rows, indices, n.shape, e.element) : Maps.pickIndex(rows, indices, n.shape, e.element);
        if (!ok) return (false, 0);
        int256 index;
        (ok, index) = _load(places, place);
        (ok, place) = gathers ? Maps.gather(rows, indices, n.shape, e.element, index) : Maps.pick(rows, indices, n.shape, e.element, index);
        return ok && place != Maps.OUTSIDE ? _load(table, place) : (false, int256(0));
    }

    function _quantise(Run memory run, Node memory n, Evidence calldata e) private view returns (bool, int256) {
        if (n.inputs.length != 2 || n.attributes.length != 1) return (false, 0);
        Operand calldata values = _input(run, n, e, 0, 1);
        Operand calldata exponents = _input(run, n, e, 1, 2);
        if (values.value.dtype != Openings.F32 || exponents.value.dtype != Openings.I16 || !_same(values.value.shape, n.shape)) {
            return (false, 0);
        }
        (bool ok, uint256 place) = Maps.expand(exponents.value.shape, n.shape, e.element);
        if (!ok) return (false, 0);
        int256 pattern;
        (ok, pattern) = _load(values, e.element);
        (, int256 exponent) = _load(exponents, place);
        int256 found = Integers.quantise(uint256(pattern), n.attributes[0], exponent);
        bool fits = n.dtype == Openings.I16 ? found == int16(found) : n.dtype == Openings.I32 && found == int32(found);
        return (ok && fits, found);
    }

    function _rescale(Run memory run, Node memory n, Evidence calldata e) private view returns (bool, int256) {
        uint256 count = n.inputs.length;
        if (count < 2 || count > 3 || n.attributes.length != 1 || n.dtype != Openings.F32) return (false, 0);
        Operand calldata sums = _input(run, n, e, 0, 1);
        if (!_same(sums.value.shape, n.shape) || sums.value.dtype == Openings.F32 || sums.value.dtype == Openings.BOOL) return (false, 0);
        (, int256 c) = _load(sums, e.element);
        int256 exponent = n.attributes[0];
        if (exponent < -64 || exponent > 64) return (false, 0);
        for (uint256 i = 1; i < count; i++) {
            Operand calldata exponents = _input(run, n, e, i, i + 1);
            (bool ok, uint256 place) = Maps.expand(exponents.value.shape, n.shape, e.element);
            if (!ok || exponents.value.dtype != Openings.I16) return (false, 0);
            (, int256 more) = _load(exponents, place);
            exponent += more;
        }
        return (true, int256(Float.scale(c, exponent)));
    }

    function _random(Run memory run, Node memory n, Evidence calldata e) private view returns (bool, int256) {
        if (n.inputs.length != 2 || n.attributes.length != 1 || n.shape.length != 1 || n.dtype != Openings.I64) return (false, 0);
        Operand calldata key = _input(run, n, e, 0, 1);
        Operand calldata step = _input(run, n, e, 1, 2);
        if (n.attributes[0] < 0 || n.attributes[0] >= 1 << 32) return (false, 0);
        if (key.value.dtype != Openings.I64 || step.value.dtype != Openings.I64) return (false, 0);
        if (key.value.shape.length != 1 || key.value.shape[0] != 2 || step.value.shape.length != 0) return (false, 0);
        (, int256 k0) = _load(key, 0);
        (, int256 k1) = _load(key, 1);
        (, int256 number) = _load(step, 0);
        return (true, int256(Random.philox(k0, k1, number, n.attributes[0], e.element)));
    }

    // ---------------------------------------------------------------- sums

    function _contract(Run memory run, Node memory n, Evidence calldata e, int256 claimed, Finding memory f)
        private
        view
        returns (Ruling)
    {
        if (n.inputs.length != 2 || n.attributes.length != 0 || n.dtype != Openings.I64) return Ruling.JobFault;
        Operand calldata left = _input(run, n, e, 0, 1);
        Operand calldata right = _input(run, n, e, 1, 2);
        uint256 dtype = left.value.dtype;
        if (dtype != right.value.dtype || (dtype != Openings.I16 && dtype != Openings.I32)) return Ruling.JobFault;
        (bool ok, uint256 a, uint256 b, uint256 length) = Maps.contractRows(left.value.shape, right.value.shape, n.shape, e.element);
        if (!ok) return Ruling.JobFault;
        (uint256 from, uint256 count, int256 wanted, bool whole) = _part(e, length, claimed);
        if (count > SUM_LIMIT) return _tooLong(f, from, count, wanted, SUM_LIMIT);
        (, int256 found) = Integers.dot(
            left.window.content,
            _place(left, a + from, count),
            right.window.content,
            _place(right, b + from, count),
            count,
            Openings.itemBytes(dtype)
        );
        return (whole ? Integers.wrap(found) : found) == wanted ? Ruling.Dismissed : Ruling.Upheld;
    }

    function _sum(Run memory run, Node memory n, Evidence calldata e, int256 claimed, Finding memory f)
        private
        view
        returns (Ruling)
    {
        if (n.inputs.length != 1 || n.attributes.length != 0 || n.dtype != Openings.I64) return Ruling.JobFault;
        Operand calldata addends = _input(run, n, e, 0, 1);
        if (addends.value.dtype == Openings.F32) return Ruling.JobFault;
        (bool ok, uint256 start, uint256 length) = Maps.rowStart(addends.value.shape, n.shape, e.element);
        if (!ok || length > Maps.REDUCTION_LIMIT) return Ruling.JobFault;
        (uint256 from, uint256 count, int256 wanted, bool whole) = _part(e, length, claimed);
        if (count > SUM_LIMIT) return _tooLong(f, from, count, wanted, SUM_LIMIT);
        int256 found;
        (ok, found) = Integers.sum(addends.window.content, _place(addends, start + from, count), count, addends.value.dtype);
        if (!ok) return Ruling.JobFault;
        return (whole ? Integers.wrap(found) : found) == wanted ? Ruling.Dismissed : Ruling.Upheld;
    }

    /// Operands: the claimed value, the indices, then each row on its own.
    function _sumAt(Run memory run, Node memory n, Evidence calldata e, int256 claimed, Finding memory f)
        private
        view
        returns (Ruling)
    {
        if (n.inputs.length != 2 || n.attributes.length != 0 || n.dtype != Openings.I64) return Ruling.JobFault;
        Operand calldata places = _input(run, n, e, 1, 1);
        Operand calldata rows = _input(run, n, e, 0, 2);
        uint256 dtype = rows.value.dtype;
        if (places.value.dtype != Openings.I64 || (dtype != Openings.I16 && dtype != Openings.I32)) return Ruling.JobFault;
        (bool ok, uint256 target, uint256 column) = Maps.sumAtColumn(rows.value.shape, places.value.shape, n.shape, e.element);
        if (!ok) return Ruling.JobFault;
        (uint256 from, uint256 count, int256 wanted,) = _part(e, rows.value.shape[0], claimed);
        if (count > ROWS_LIMIT) return _tooLong(f, from, count, wanted, ROWS_LIMIT);
        int256 found;
        for (uint256 i = 0; i < count; i++) {
            (, int256 index) = _load(places, from + i);
            if (index != int256(target)) continue;
            (, int256 addend) = _load(_input(run, n, e, 0, 2 + i), (from + i) * n.shape[1] + column);
            found += addend;
        }
        return found == wanted ? Ruling.Dismissed : Ruling.Upheld;
    }

    /// Which addends are to be summed, and what they are said to come to: all of them to the element, or a part of them.
    function _part(Evidence calldata e, uint256 length, int256 claimed) private pure returns (uint256, uint256, int256, bool) {
        if (e.kind == Kind.Element) return (0, length, claimed, true);
        if (e.count == 0 || e.from >= length || e.count > length - e.from) revert Openings.WrongOpening("part");
        return (e.from, e.count, e.claimed, false);
    }

    /// Up to 256 parts: each as long as can be looked at, or longer where they would be more.
    function _tooLong(Finding memory f, uint256 from, uint256 count, int256 wanted, uint256 limit) private pure returns (Ruling) {
        uint256 size = (count + PARTS_LIMIT - 1) / PARTS_LIMIT;
        (f.claimed, f.from, f.count, f.size) = (wanted, from, count, size > limit ? size : limit);
        return Ruling.Parts;
    }

    // ---------------------------------------------------------------- largest elements

    function _exponent(Run memory run, Node memory n, Evidence calldata e, int256 claimed) private view returns (Ruling) {
        if (n.inputs.length != 1 || n.attributes.length != 3 || n.dtype != Openings.I16) return Ruling.JobFault;
        (int256 mask, int256 bits, int256 limit) = (n.attributes[0], n.attributes[1], n.attributes[2]);
        Operand calldata values = _input(run, n, e, 0, 1);
        if (values.value.dtype != Openings.F32 || !Integers.isProfile(bits, limit)) return Ruling.JobFault;
        // What no group has is wrong without a look at it; and for 0 a group of zeros has no element to show.
        if (claimed < -148 || claimed > 129) return Ruling.Upheld;
        (bool ok, bool inside) = Maps.inGroup(values.value.shape, n.shape, mask, e.element, e.from);
        if (!ok) return Ruling.JobFault;
        if (e.kind == Kind.Absent && claimed != 0) return Ruling.Witness;
        if (!inside || e.from >= Openings.sizeOf(values.value.shape)) revert Openings.WrongOpening("group");
        int256 pattern;
        (ok, pattern) = _load(values, e.from);
        if (!ok) return Ruling.JobFault;
        if (e.kind == Kind.Absent) {
            if (uint256(pattern) & 0x7FFFFFFF == 0) revert Openings.WrongOpening("zero");
            return Ruling.Witness;
        }
        if (e.kind == Kind.Larger) return Integers.needs(uint256(pattern), bits, limit, claimed) ? Ruling.Upheld : Ruling.Dismissed;
        if (e.kind != Kind.Witness) revert Openings.WrongOpening("kind");
        return Integers.needs(uint256(pattern), bits, limit, claimed - 1) ? Ruling.Dismissed : Ruling.Upheld;
    }

    function _largest(Run memory run, Node memory n, Evidence calldata e, uint256 claimed) private view returns (Ruling) {
        if (n.inputs.length != 1 || n.attributes.length != 0 || n.dtype != Openings.F32) return Ruling.JobFault;
        Operand calldata values = _input(run, n, e, 0, 1);
        (bool ok, uint256 start, uint256 length) = Maps.rowStart(values.value.shape, n.shape, e.element);
        if (!ok || values.value.dtype != Openings.F32) return Ruling.JobFault;
        // A zero is +0, and what is not finite is not among the elements.
        if (claimed == 0x80000000 || !Float.isFinite(claimed)) return Ruling.Upheld;
        if (e.kind == Kind.Absent) return Ruling.Witness;
        if (e.from < start || e.from >= start + length) revert Openings.WrongOpening("row");
        int256 pattern;
        (ok, pattern) = _load(values, e.from);
        if (!ok) return Ruling.JobFault;
        if (e.kind == Kind.Larger) return Float.gt(uint256(pattern), claimed) == 1 ? Ruling.Upheld : Ruling.Dismissed;
        if (e.kind != Kind.Witness) revert Openings.WrongOpening("kind");
        return Float.eq(uint256(pattern), claimed) == 1 ? Ruling.Dismissed : Ruling.Upheld;
    }

    /// Operands: the claimed index, the element there, and the one at `from`, which should have been named instead.
    function _argmax(Run memory run, Node memory n, Evidence calldata e, int256 claimed) private view returns (Ruling) {
        if (n.inputs.length != 1 || n.attributes.length != 0 || n.dtype != Openings.I64) return Ruling.JobFault;
        Operand calldata there = _input(run, n, e, 0, 1);
        (bool ok, uint256 start, uint256 length) = Maps.rowStart(there.value.shape, n.shape, e.element);
        if (!ok || there.value.dtype != Openings.F32) return Ruling.JobFault;
        if (claimed < 0 || uint256(claimed) >= length) return Ruling.Upheld;
        if (e.from < start || e.from >= start + length) revert Openings.WrongOpening("row");
        uint256 chosen = start + uint256(claimed);
        (bool known, int256 named) = _load(there, chosen);
        int256 other;
        (ok, other) = _load(_input(run, n, e, 0, 2), e.from);
        if (!ok || !known) return Ruling.JobFault;
        bool better = Float.gt(uint256(other), uint256(named)) == 1 || (e.from < chosen && Float.eq(uint256(other), uint256(named)) == 1);
        return better ? Ruling.Upheld : Ruling.Dismissed;
    }

    // ---------------------------------------------------------------- operands

    function _operand(Evidence calldata e, uint256 place) private pure returns (Operand calldata) {
        if (place >= e.operands.length) revert Openings.WrongOpening("operands");
        return e.operands[place];
    }

    /// An operand that has to be an input of the node; whoever calls has looked how many there are.
    function _input(Run memory run, Node memory n, Evidence calldata e, uint256 input, uint256 place)
        private
        view
        returns (Operand calldata operand)
    {
        operand = _operand(e, place);
        Openings.agreed(run, n.inputs[input], operand);
    }

    /// An element of an input; not ok where it is none that a value may have.
    function _load(Operand calldata operand, uint256 element) private view returns (bool ok, int256 value) {
        (ok, value) = Integers.load(operand.window.content, _place(operand, element, 1), operand.value.dtype);
        if (operand.value.dtype == Openings.F32 && !Float.isFinite(uint256(value))) ok = false;
    }

    /// Where elements begin in the bytes that are shown of a value, which have to be its own.
    function _place(Operand calldata operand, uint256 element, uint256 count) private view returns (uint256) {
        Openings.shown(operand);
        return Openings.offset(operand, element, count);
    }

    function _same(uint256[] calldata a, uint256[] memory b) private pure returns (bool) {
        if (a.length != b.length) return false;
        for (uint256 i = 0; i < a.length; i++) if (a[i] != b[i]) return false;
        return true;
    }
}
