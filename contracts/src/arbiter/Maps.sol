// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Maps: where an element of a result comes from, by sections 4, 7, 8 and 9 of docs/reference/exact-arithmetic.md.
/// `source` is an input's shape, `shape` that of the declared result, attributes are the node's, places are row-major.
/// Nothing here reverts. `ok` is false exactly where the rules refuse the node, whatever the index; that one is taken modulo
/// the elements of the result, so whoever calls has compared it with `sizeOf`.
library Maps {
    /// The place of an element that is zero.
    uint256 internal constant ZERO = type(uint256).max;
    /// The place of what an index outside its axis would select.
    uint256 internal constant OUTSIDE = type(uint256).max - 1;

    uint256 internal constant RANK_LIMIT = 6;
    uint256 internal constant SIZE_LIMIT = 1 << 32;
    uint256 internal constant REDUCTION_LIMIT = 65_536;

    /// Whether a shape is one, and how many elements it has, below 2^192.
    function sizeOf(uint256[] memory shape) internal pure returns (bool ok, uint256 count) {
        uint256 rank = shape.length;
        if (rank > RANK_LIMIT) return (false, 0);
        count = 1;
        unchecked {
            for (uint256 axis = 0; axis < rank; axis++) {
                if (shape[axis] - 1 >= SIZE_LIMIT - 1) return (false, 0);
                count *= shape[axis];
            }
        }
        return (true, count);
    }

    /// Whether operands of these shapes, at most three, have an elementwise result of that shape.
    function common(uint256[][] memory sources, uint256[] memory shape) internal pure returns (bool) {
        (bool ok,) = sizeOf(shape);
        uint256 rank = shape.length;
        uint256 most = 0;
        uint256 missing = 0;
        unchecked {
            if (!ok || sources.length - 1 >= 3) return false;
            for (uint256 axis = 0; axis < rank; axis++) if (shape[axis] > 1) missing |= 1 << axis;
            for (uint256 i = 0; i < sources.length; i++) {
                uint256[] memory source = sources[i];
                (ok,) = expand(source, shape, 0);
                if (!ok) return false;
                if (source.length > most) most = source.length;
                for (uint256 axis = 0; axis < source.length; axis++) {
                    if (source[axis] > 1) missing &= ~(1 << (rank - source.length + axis));
                }
            }
        }
        return most == rank && missing == 0;
    }

    function reshape(uint256[] memory source, uint256[] memory shape, uint256 index) internal pure returns (bool ok, uint256 place) {
        (bool given, uint256 elements) = sizeOf(source);
        (bool wanted, uint256 count) = sizeOf(shape);
        return given && wanted && elements == count ? (true, index % count) : (false, 0);
    }

    function permute(uint256[] memory source, uint256[] memory shape, int256[] memory attributes, uint256 index)
        internal
        pure
        returns (bool ok, uint256 place)
    {
        (ok,) = sizeOf(source);
        uint256 rank = source.length;
        if (!ok || shape.length != rank || attributes.length != rank) return (false, 0);
        uint256[] memory steps = _strides(source);
        uint256 seen = 0;
        unchecked {
            for (uint256 at = rank; at-- > 0;) {
                uint256 axis = uint256(attributes[at]);
                if (axis >= rank || (seen >> axis) & 1 == 1 || shape[at] != source[axis]) return (false, 0);
                seen |= 1 << axis;
                place += (index % shape[at]) * steps[axis];
                index /= shape[at];
            }
        }
    }

    /// Also where the operand of an elementwise node is read, once `common` holds.
    function expand(uint256[] memory source, uint256[] memory shape, uint256 index) internal pure returns (bool ok, uint256 place) {
        (bool given,) = sizeOf(source);
        (bool wanted,) = sizeOf(shape);
        if (!given || !wanted || source.length > shape.length) return (false, 0);
        uint256 step = 1;
        unchecked {
            uint256 extra = shape.length - source.length;
            for (uint256 axis = source.length; axis-- > 0;) {
                uint256 size = shape[extra + axis];
                if (source[axis] != 1) {
                    if (source[axis] != size) return (false, 0);
                    place += (index % size) * step;
                    step *= size;
                }
                index /= size;
            }
        }
        ok = true;
    }

    function slice(uint256[] memory source, uint256[] memory shape, int256[] memory attributes, uint256 index)
        internal
        pure
        returns (bool ok, uint256 place)
    {
        (bool given,) = sizeOf(source);
        (bool wanted,) = sizeOf(shape);
        uint256 rank = source.length;
        if (!given || !wanted || shape.length != rank || attributes.length != 2 * rank) return (false, 0);
        uint256 apart = 1;
        unchecked {
            for (uint256 axis = rank; axis-- > 0;) {
                // What is negative is a large number here.
                (uint256 start, uint256 step) = (uint256(attributes[axis]), uint256(attributes[rank + axis]));
                (uint256 limit, uint256 size) = (source[axis], shape[axis]);
                if (start >= limit || step - 1 >= limit || start + (size - 1) * step >= limit) return (false, 0);
                place += (start + (index % size) * step) * apart;
                index /= size;
                apart *= limit;
            }
        }
        ok = true;
    }

    function pad(uint256[] memory source, uint256[] memory shape, int256[] memory attributes, uint256 index)
        internal
        pure
        returns (bool ok, uint256 place)
    {
        (bool given,) = sizeOf(source);
        (bool wanted,) = sizeOf(shape);
        uint256 rank = source.length;
        if (!given || !wanted || shape.length != rank || attributes.length != 2 * rank) return (false, 0);
        uint256 apart = 1;
        bool zero = false;
        unchecked {
            for (uint256 axis = rank; axis-- > 0;) {
                (uint256 low, uint256 high) = (uint256(attributes[axis]), uint256(attributes[rank + axis]));
                (uint256 limit, uint256 size) = (source[axis], shape[axis]);
                if (low >= 1 << 24 || high >= 1 << 24 || low + limit + high != size) return (false, 0);
                uint256 at = (index % size) - low;
                if (at >= limit) zero = true;
                place += at * apart;
                index /= size;
                apart *= limit;
            }
        }
        return (true, zero ? ZERO : place);
    }

    function concat(uint256[][] memory sources, uint256[] memory shape, int256[] memory attributes, uint256 index)
        internal
        pure
        returns (bool ok, uint256 which, uint256 place)
    {
        (bool wanted, uint256 count) = sizeOf(shape);
        uint256 rank = shape.length;
        unchecked {
            if (!wanted || attributes.length != 1 || uint256(attributes[0]) >= rank || sources.length - 1 >= 256) return (false, 0, 0);
            uint256 axis = uint256(attributes[0]);
            uint256 run = 1;
            for (uint256 each = axis + 1; each < rank; each++) run *= shape[each];
            index %= count;
            uint256 at = (index / run) % shape[axis];
            uint256 joined = 0;
            for (uint256 i = 0; i < sources.length; i++) {
                uint256[] memory source = sources[i];
                if (source.length != rank) return (false, 0, 0);
                if (!_match(source, 0, shape, 0, axis) || !_match(source, axis + 1, shape, axis + 1, rank - axis - 1)) {
                    return (false, 0, 0);
                }
                uint256 size = source[axis];
                if (size - 1 >= SIZE_LIMIT - 1) return (false, 0, 0);
                if (at - joined < size) {
                    which = i;
                    place = ((index / (run * shape[axis])) * size + at - joined) * run + (index % run);
                }
                joined += size;
            }
            return joined == shape[axis] ? (true, which, place) : (false, 0, 0);
        }
    }

    function flip(uint256[] memory source, uint256[] memory shape, int256[] memory attributes, uint256 index)
        internal
        pure
        returns (bool ok, uint256 place)
    {
        (ok,) = sizeOf(source);
        uint256 rank = source.length;
        if (!ok || shape.length != rank || attributes.length != 1 || !_isMask(attributes[0], rank)) return (false, 0);
        uint256 apart = 1;
        unchecked {
            for (uint256 axis = rank; axis-- > 0;) {
                uint256 size = source[axis];
                if (shape[axis] != size) return (false, 0);
                uint256 at = index % size;
                place += ((uint256(attributes[0]) >> axis) & 1 == 1 ? size - 1 - at : at) * apart;
                index /= size;
                apart *= size;
            }
        }
    }

    function unfold(uint256[] memory source, uint256[] memory shape, int256[] memory attributes, uint256 index)
        internal
        pure
        returns (bool ok, uint256 place)
    {
        (bool given, uint256 elements) = sizeOf(source);
        (bool wanted, uint256 count) = sizeOf(shape);
        if (!given || !wanted || source.length != 4 || shape.length != 6 || attributes.length != 12) return (false, 0);
        unchecked {
            for (uint256 i = 0; i < 12; i++) {
                uint256 least = i >> 2 == 1 ? 0 : 1; // the middle four are paddings
                if (uint256(attributes[i]) - least >= (1 << 16) - least) return (false, 0);
            }
            if (shape[0] != source[0] || shape[3] != source[1]) return (false, 0);
            uint256 y = index / (shape[5] * shape[4] * shape[3] * shape[2]);
            uint256 x = index / (shape[5] * shape[4] * shape[3]);
            (bool fitsH, uint256 paddedH, uint256 h) = _window(0, source, shape, attributes, y, index / shape[5]);
            (bool fitsW, uint256 paddedW, uint256 w) = _window(1, source, shape, attributes, x, index);
            uint256 padded = source[0] * source[1] * paddedH * paddedW;
            if (!fitsH || !fitsW || padded > 4 * (elements + count) + REDUCTION_LIMIT) return (false, 0);
            if (h == ZERO || w == ZERO) return (true, ZERO);
            uint256 image = ((y / shape[1]) % shape[0]) * shape[3] + (index / (shape[5] * shape[4])) % shape[3];
            return (true, (image * source[2] + h) * source[3] + w);
        }
    }

    /// Where the index of an element lies.
    function gatherIndex(uint256[] memory table, uint256[] memory places, uint256[] memory shape, uint256 index)
        internal
        pure
        returns (bool ok, uint256 place)
    {
        uint256 count;
        uint256 run;
        (ok, count, run) = _gathered(table, places, shape);
        if (ok) place = (index / run) % count;
    }

    /// Where the element lies in the table when `value` is its index.
    function gather(uint256[] memory table, uint256[] memory places, uint256[] memory shape, uint256 index, int256 value)
        internal
        pure
        returns (bool ok, uint256 place)
    {
        uint256 run;
        (ok,, run) = _gathered(table, places, shape);
        if (!ok) return (false, 0);
        unchecked {
            return (true, uint256(value) < table[0] ? uint256(value) * run + (index % run) : OUTSIDE);
        }
    }

    /// Where the index of an element lies.
    function pickIndex(uint256[] memory table, uint256[] memory places, uint256[] memory shape, uint256 index)
        internal
        pure
        returns (bool ok, uint256 place)
    {
        uint256 length;
        (ok, place, length) = rowStart(table, shape, index);
        if (!ok || places.length != shape.length || !_match(places, 0, shape, 0, shape.length)) return (false, 0);
        place /= length;
    }

    /// Where the element lies in the table when `value` is its index.
    function pick(uint256[] memory table, uint256[] memory places, uint256[] memory shape, uint256 index, int256 value)
        internal
        pure
        returns (bool ok, uint256 place)
    {
        (ok, place) = pickIndex(table, places, shape, index);
        if (!ok) return (false, 0);
        uint256 size = table[shape.length];
        unchecked {
            return (true, uint256(value) < size ? place * size + uint256(value) : OUTSIDE);
        }
    }

    /// The element itself, its index along the axis.
    function iota(uint256[] memory shape, int256[] memory attributes, uint256 index) internal pure returns (bool ok, uint256 value) {
        (ok,) = sizeOf(shape);
        if (!ok || attributes.length != 1 || uint256(attributes[0]) >= shape.length) return (false, 0);
        for (uint256 axis = shape.length - 1; axis > uint256(attributes[0]); axis--) index /= shape[axis];
        return (true, index % shape[uint256(attributes[0])]);
    }

    /// Where the exponent of an input's element lies: `shape` is that of the exponents, the index that of the element.
    function group(uint256[] memory source, uint256[] memory shape, int256 mask, uint256 index)
        internal
        pure
        returns (bool ok, uint256 place)
    {
        uint256 rank = source.length;
        if (rank > RANK_LIMIT || shape.length != rank || !_isMask(mask, rank)) return (false, 0);
        for (uint256 axis = 0; axis < rank; axis++) {
            if (shape[axis] != ((uint256(mask) >> axis) & 1 == 1 ? 1 : source[axis])) return (false, 0);
        }
        return expand(shape, source, index);
    }

    /// Whether an input's element is of the group whose exponent lies at `place`.
    function inGroup(uint256[] memory source, uint256[] memory shape, int256 mask, uint256 place, uint256 index)
        internal
        pure
        returns (bool ok, bool inside)
    {
        uint256 found;
        (ok, found) = group(source, shape, mask, index);
        inside = ok && found == place;
    }

    /// The row that an element of a reduction along the last axis is made of; a limit of its length is the caller's.
    function rowStart(uint256[] memory source, uint256[] memory shape, uint256 index)
        internal
        pure
        returns (bool ok, uint256 start, uint256 length)
    {
        uint256 count;
        (ok, count) = sizeOf(source);
        unchecked {
            uint256 rank = shape.length;
            if (!ok || source.length != rank + 1 || !_match(source, 0, shape, 0, rank)) return (false, 0, 0);
            length = source[rank];
            start = (index % (count / length)) * length;
        }
    }

    /// The two rows of an element of `contract`.
    function contractRows(uint256[] memory left, uint256[] memory right, uint256[] memory shape, uint256 index)
        internal
        pure
        returns (bool ok, uint256 startLeft, uint256 startRight, uint256 length)
    {
        (bool given,) = sizeOf(left);
        (bool also,) = sizeOf(right);
        if (!given || !also || left.length != 3 || right.length != 3 || shape.length != 3) return (false, 0, 0, 0);
        length = left[2];
        if (left[0] != right[0] || length != right[2] || length > REDUCTION_LIMIT) return (false, 0, 0, 0);
        if (shape[0] != left[0] || shape[1] != left[1] || shape[2] != right[1]) return (false, 0, 0, 0);
        unchecked {
            uint256 row = (index / shape[2]) % (shape[0] * shape[1]);
            return (true, row * length, ((row / shape[1]) * shape[2] + (index % shape[2])) * length, length);
        }
    }

    /// Of an element of `integer_sum_at`: the index of the rows that it adds up, and where in a row its addends are.
    function sumAtColumn(uint256[] memory source, uint256[] memory places, uint256[] memory shape, uint256 index)
        internal
        pure
        returns (bool ok, uint256 target, uint256 column)
    {
        (bool given,) = sizeOf(source);
        (bool wanted,) = sizeOf(shape);
        if (!given || !wanted || source.length != 2 || places.length != 1 || shape.length != 2) return (false, 0, 0);
        if (places[0] != source[0] || shape[1] != source[1] || source[0] > REDUCTION_LIMIT) return (false, 0, 0);
        return (true, (index / shape[1]) % shape[0], index % shape[1]);
    }

    /// How far apart neighbours of each axis lie.
    function _strides(uint256[] memory shape) private pure returns (uint256[] memory steps) {
        steps = new uint256[](shape.length);
        uint256 step = 1;
        unchecked {
            for (uint256 axis = shape.length; axis-- > 0;) {
                steps[axis] = step;
                step *= shape[axis];
            }
        }
    }

    function _gathered(uint256[] memory table, uint256[] memory places, uint256[] memory shape)
        private
        pure
        returns (bool ok, uint256 count, uint256 run)
    {
        uint256 elements;
        (ok, elements) = sizeOf(table);
        bool wanted;
        (wanted, count) = sizeOf(places);
        (uint256 rank, uint256 before) = (table.length, places.length);
        unchecked {
            if (!ok || !wanted || rank == 0 || shape.length > RANK_LIMIT || shape.length != before + rank - 1) return (false, 0, 0);
            ok = _match(places, 0, shape, 0, before) && _match(table, 1, shape, before, rank - 1);
            run = elements / table[0];
        }
    }

    /// Along H (0) or W (1): whether the declared windows follow, the padded size, and where an element of a window lies. The
    /// window and the offset in it are modulo their counts.
    function _window(
        uint256 axis,
        uint256[] memory source,
        uint256[] memory shape,
        int256[] memory attributes,
        uint256 window,
        uint256 offset
    ) private pure returns (bool ok, uint256 padded, uint256 place) {
        unchecked {
            (uint256 kernel, uint256 stride) = (uint256(attributes[axis]), uint256(attributes[2 + axis]));
            (uint256 dilation, uint256 wide) = (uint256(attributes[8 + axis]), uint256(attributes[10 + axis]));
            uint256 low = uint256(attributes[4 + 2 * axis]);
            uint256 spread = (source[2 + axis] - 1) * wide + 1;
            padded = spread + low + uint256(attributes[5 + 2 * axis]);
            uint256 reach = dilation * (kernel - 1) + 1;
            ok = shape[4 + axis] == kernel && padded >= reach && (padded - reach) / stride + 1 == shape[1 + axis];
            uint256 at = (window % shape[1 + axis]) * stride + (offset % shape[4 + axis]) * dilation - low;
            place = at < spread && at % wide == 0 ? at / wide : ZERO;
        }
    }

    /// At least one axis, and none outside the rank.
    function _isMask(int256 mask, uint256 rank) private pure returns (bool) {
        return mask >= 1 && uint256(mask) < 1 << rank;
    }

    /// Whether `count` sizes are the same; whoever calls has compared lengths.
    function _match(uint256[] memory a, uint256 atA, uint256[] memory b, uint256 atB, uint256 count) private pure returns (bool same) {
        assembly ("memory-safe") {
            same := 1
            let at := add(a, shl(5, add(atA, 1)))
            let apart := sub(add(b, shl(5, add(atB, 1))), at)
            for { let end := add(at, shl(5, count)) } lt(at, end) { at := add(at, 32) } {
                if sub(mload(at), mload(add(at, apart))) {
                    same := 0
                    break
                }
            }
        }
    }
}
