// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Integers: elements read from tensors' bytes, their sums and inner products, and the integers of exact groups.
/// Sections 3, 7 and 8 of docs/reference/exact-arithmetic.md. Offsets and strides are in bytes. Nothing here reverts: `ok` is
/// false where bytes are missing, a count exceeds `COUNT_LIMIT`, or a type is none. Sums are exact, not yet wrapped.
library Integers {
    uint256 internal constant F32 = 1;
    uint256 internal constant I16 = 4;
    uint256 internal constant I32 = 5;
    uint256 internal constant I64 = 6;
    uint256 internal constant BOOL = 8;

    uint256 internal constant COUNT_LIMIT = 256;

    /// Modulo 2^64, from -2^63.
    function wrap(int256 value) internal pure returns (int256 result) {
        assembly ("memory-safe") {
            result := signextend(7, value)
        }
    }

    /// Bytes of an element; 0 for a code that is none.
    function itemBytes(uint256 dtype) internal pure returns (uint256) {
        if (dtype == I16) return 2;
        if (dtype == I64) return 8;
        if (dtype == BOOL) return 1;
        return dtype == F32 || dtype == I32 ? 4 : 0;
    }

    /// One element; of an F32 the pattern. A BOOL byte other than 0 and 1 is none.
    function load(bytes calldata content, uint256 offset, uint256 dtype) internal pure returns (bool ok, int256 value) {
        uint256 size = itemBytes(dtype);
        if (size == 0 || !_within(content.length, offset, size)) return (false, 0);
        value = _item(content, offset, size);
        if (dtype == F32) value &= 0xFFFFFFFF;
        return dtype == BOOL && (value < 0 || value > 1) ? (false, int256(0)) : (true, value);
    }

    /// Inner product of I16 (2 bytes) or I32 (4 bytes).
    ///
    /// A product of two words with a few elements in each, those of the second in reverse, has in its top lane the sum of the
    /// products of pairs. Lanes are signed: a lower one borrows from the one above, which rounding at the end puts right.
    /// Masks are added to `none`, a zero of which the optimizer knows nothing: it would compute literals at every use.
    function dot(bytes calldata a, uint256 offsetA, bytes calldata b, uint256 offsetB, uint256 count, uint256 size)
        internal
        pure
        returns (bool ok, int256 total)
    {
        if (count > COUNT_LIMIT || (size != 2 && size != 4)) return (false, 0);
        unchecked {
            if (!_within(a.length, offsetA, count * size) || !_within(b.length, offsetB, count * size)) return (false, 0);
        }
        ok = true;
        if (size == 2) total = _dot16(a, offsetA, b, offsetB, count);
        else total = _dot32(a, offsetA, b, offsetB, count);
    }

    /// The sum of I16, I32, I64 or BOOL.
    ///
    /// Adds up the 32 bytes of all words apart, in lanes of 16 bits, which hold 256 of them; the order of bytes comes last.
    function sum(bytes calldata content, uint256 offset, uint256 count, uint256 dtype) internal pure returns (bool ok, int256 total) {
        uint256 size = itemBytes(dtype);
        if (size == 0 || dtype == F32 || count > COUNT_LIMIT) return (false, 0);
        unchecked {
            if (!_within(content.length, offset, count * size)) return (false, 0);
        }
        uint256 low;
        uint256 high;
        uint256 odd;
        assembly ("memory-safe") {
            // Inverting signs adds half the range to each element; `_fromColumns` takes it off again.
            let signs := mul(div(not(0), sub(shl(mul(size, 8), 1), 1)), 0x80)
            let above := 0
            if eq(dtype, BOOL) {
                signs := 0
                above := 0xfefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefe
            }
            let mask := add(0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff, shr(16, count)) // as in `dot`
            let at := add(content.offset, offset)
            let end := add(at, mul(count, size))
            for {} lt(at, end) { at := add(at, 32) } {
                let word := calldataload(at)
                if lt(sub(end, at), 32) { word := and(word, not(shr(mul(sub(end, at), 8), not(0)))) }
                odd := or(odd, and(word, above))
                word := xor(word, signs)
                low := add(low, and(word, mask))
                high := add(high, and(shr(8, word), mask))
            }
        }
        if (odd != 0) return (false, 0);
        unchecked {
            uint256 each = 32 / size;
            return (true, _fromColumns(low, high, size, ((count + each - 1) / each) * each));
        }
    }

    /// The sum of those elements, `stride` apart, whose I64 index, one after another, equals `wanted`.
    function sumAt(
        bytes calldata content,
        uint256 offset,
        uint256 stride,
        uint256 dtype,
        bytes calldata indices,
        uint256 offsetIndices,
        uint256 count,
        int256 wanted
    ) internal pure returns (bool ok, int256 total) {
        if ((dtype != I16 && dtype != I32) || count > COUNT_LIMIT) return (false, 0);
        if (count == 0) return (true, 0);
        uint256 size = itemBytes(dtype);
        unchecked {
            if (stride > content.length && count > 1) return (false, 0);
            if (!_within(content.length, offset, (count - 1) * stride + size)) return (false, 0);
            if (!_within(indices.length, offsetIndices, count * 8)) return (false, 0);
        }
        if (wanted != wrap(wanted)) return (true, 0);
        // Reversed once instead of every index.
        uint256 reversed = _reverse(uint256(wanted) << 192) >> 192;
        uint256 low;
        uint256 high;
        uint256 found;
        assembly ("memory-safe") {
            let bits := mul(size, 8)
            let mask := add(0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff, shr(16, count))
            let at := add(content.offset, offset)
            let place := add(indices.offset, offsetIndices)
            for { let end := add(place, mul(count, 8)) } lt(place, end) { place := add(place, 8) } {
                if eq(shr(192, calldataload(place)), reversed) {
                    let word := xor(shr(sub(256, bits), calldataload(at)), 0x80)
                    low := add(low, and(word, mask))
                    high := add(high, and(shr(8, word), mask))
                    found := add(found, 1)
                }
                at := add(at, stride)
            }
        }
        return (true, _fromColumns(low, high, size, found));
    }

    /// Whether `exponent` may have these bits and this limit.
    function isProfile(int256 bits, int256 limit) internal pure returns (bool) {
        if (bits < 2 || bits > 30) return false;
        uint256 most = 1 << uint256(bits);
        return limit & 1 == 1 && uint256(limit) >= most >> 2 && uint256(limit) < most >> 1;
    }

    /// RNE(a * 2^(bits - 1 - e)) of a finite a. From a size of 2^200 on, any number of that size and sign may stand for it.
    function quantise(uint256 pattern, int256 bits, int256 e) internal pure returns (int256) {
        int256 magnitude = int256(_rounded(pattern, bits, e));
        unchecked {
            return pattern & 0x80000000 == 0 ? magnitude : -magnitude;
        }
    }

    /// Whether RNE(|a| * 2^(bits - 1 - e)) exceeds the limit: e is too small for a group with this element.
    function needs(uint256 pattern, int256 bits, int256 limit, int256 e) internal pure returns (bool) {
        return int256(_rounded(pattern, bits, e)) > limit;
    }

    /// The exponent of a group whose largest element this is; for bits and a limit of a profile.
    function exponentOf(uint256 pattern, int256 bits, int256 limit) internal pure returns (int256 e) {
        (uint256 magnitude, int256 unit) = _parts(pattern);
        if (magnitude == 0) return 0;
        unchecked {
            for (; magnitude < 1 << 23; magnitude <<= 1) unit--;
            e = unit + 24;
            if (magnitude << uint256(bits) >= (2 * uint256(limit) + 1) << 24) e++;
        }
    }

    function _rounded(uint256 pattern, int256 bits, int256 e) private pure returns (uint256 magnitude) {
        int256 unit;
        (magnitude, unit) = _parts(pattern);
        unchecked {
            // Bits of a profile and an I16 are well within; others must not overflow.
            int256 shift = unit + _clamp(bits, 1 << 16) - 1 - _clamp(e, 1 << 16);
            if (shift >= 0) return magnitude << uint256(_clamp(shift, 200));
            if (shift < -25) return 0;
            uint256 places = uint256(-shift);
            uint256 rest = magnitude & ((1 << places) - 1);
            uint256 half = 1 << (places - 1);
            magnitude >>= places;
            if (rest > half || (rest == half && magnitude & 1 == 1)) magnitude++;
        }
    }

    /// |a| = magnitude * 2^unit.
    function _parts(uint256 pattern) private pure returns (uint256 magnitude, int256 unit) {
        unchecked {
            uint256 field = (pattern >> 23) & 0xFF;
            magnitude = pattern & 0x7FFFFF;
            return field == 0 ? (magnitude, int256(-149)) : (magnitude | 0x800000, int256(field) - 150);
        }
    }

    function _clamp(int256 value, int256 most) private pure returns (int256) {
        unchecked {
            return value > most ? most : value < -most ? -most : value;
        }
    }

    function _within(uint256 length, uint256 offset, uint256 size) private pure returns (bool) {
        unchecked {
            return offset <= length && size <= length - offset;
        }
    }

    /// A signed little-endian element; whoever calls has compared lengths.
    function _item(bytes calldata content, uint256 offset, uint256 size) private pure returns (int256 value) {
        uint256 word;
        assembly ("memory-safe") {
            word := calldataload(add(content.offset, offset))
        }
        unchecked {
            word = _reverse(word & ~(type(uint256).max >> (8 * size))) >> 192;
        }
        assembly ("memory-safe") {
            value := signextend(sub(size, 1), word)
        }
    }

    /// The sum of `count` elements from the sums of their bytes, in lanes of 16 bits: `high` has the first, third ... of an
    /// element, `low` the others. 256 elements do not leave a lane, so that lanes may be added up.
    function _fromColumns(uint256 low, uint256 high, uint256 size, uint256 count) private pure returns (int256) {
        unchecked {
            uint256 least = size == 1 ? 16 : 8 * size;
            for (uint256 by = 128; by >= least; by >>= 1) {
                low += low >> by;
                high += high >> by;
            }
            if (size == 1) return int256((low + high) & 0xFFFF);
            uint256 total = 0;
            for (uint256 i = 0; i < size; i += 2) {
                uint256 lane = 8 * (size - 2 - i);
                total += (((high >> lane) & 0xFFFF) << (8 * i)) + (((low >> lane) & 0xFFFF) << (8 * i + 8));
            }
            return int256(total) - int256(count << (8 * size - 1));
        }
    }

    /// The bytes of each of four lanes in reverse.
    function _reverse(uint256 word) private pure returns (uint256) {
        uint256 mask = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
        word = ((word & mask) << 8) | ((word >> 8) & mask);
        mask = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
        word = ((word & mask) << 16) | ((word >> 16) & mask);
        mask = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
        return ((word & mask) << 32) | ((word >> 32) & mask);
    }

    /// 16 elements a word, in four products of four lanes.
    function _dot16(bytes calldata a, uint256 offsetA, bytes calldata b, uint256 offsetB, uint256 count)
        private
        pure
        returns (int256 total)
    {
        assembly ("memory-safe") {
            function four(left, right, lane, half) -> product {
                product := mul(sub(and(left, lane), half), sub(and(right, lane), half))
            }
            let none := shr(16, count)
            let odd := add(0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff, none)
            let lane := add(0x000000000000ffff000000000000ffff000000000000ffff000000000000ffff, none)
            let signs := add(0x8000800080008000800080008000800080008000800080008000800080008000, none)
            let half := and(signs, lane)
            let pairs := add(0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff, none)
            let at := add(a.offset, offsetA)
            let end := add(at, mul(count, 2))
            let apart := sub(add(b.offset, offsetB), at)
            for {} lt(at, end) { at := add(at, 32) } {
                let x := calldataload(at)
                // Elements of `a` beyond the end are zero, those of `b` do not matter then.
                if lt(sub(end, at), 32) { x := and(x, not(shr(mul(sub(end, at), 8), not(0)))) }
                x := xor(or(shl(8, and(x, odd)), and(shr(8, x), odd)), signs)
                let y := calldataload(add(at, apart))
                y := xor(or(shl(8, and(y, odd)), and(shr(8, y), odd)), signs)
                y := or(shl(128, y), shr(128, y))
                y := or(shl(64, and(y, pairs)), and(shr(64, y), pairs))
                total := add(total, four(x, y, lane, half))
                total := add(total, four(shr(16, x), shr(16, y), lane, half))
                total := add(total, four(shr(32, x), shr(32, y), lane, half))
                total := add(total, four(shr(48, x), shr(48, y), lane, half))
            }
            total := sar(192, add(total, shl(191, 1)))
        }
    }

    /// 8 elements a word, in four products of two lanes.
    function _dot32(bytes calldata a, uint256 offsetA, bytes calldata b, uint256 offsetB, uint256 count)
        private
        pure
        returns (int256 total)
    {
        assembly ("memory-safe") {
            function two(left, right, lane, half) -> product {
                product := mul(sub(and(left, lane), half), sub(and(right, lane), half))
            }
            let none := shr(16, count)
            let odd := add(0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff, none)
            let pairs := add(0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff, none)
            let lane := add(0x000000000000000000000000ffffffff000000000000000000000000ffffffff, none)
            let signs := add(0x8000000080000000800000008000000080000000800000008000000080000000, none)
            let half := and(signs, lane)
            let at := add(a.offset, offsetA)
            let end := add(at, mul(count, 4))
            let apart := sub(add(b.offset, offsetB), at)
            for {} lt(at, end) { at := add(at, 32) } {
                let x := calldataload(at)
                if lt(sub(end, at), 32) { x := and(x, not(shr(mul(sub(end, at), 8), not(0)))) }
                x := or(shl(8, and(x, odd)), and(shr(8, x), odd))
                x := xor(or(shl(16, and(x, pairs)), and(shr(16, x), pairs)), signs)
                let y := calldataload(add(at, apart))
                y := or(shl(8, and(y, odd)), and(shr(8, y), odd))
                y := xor(or(shl(16, and(y, pairs)), and(shr(16, y), pairs)), signs)
                y := or(shl(128, y), shr(128, y))
                total := add(total, two(x, y, lane, half))
                total := add(total, two(shr(32, x), shr(32, y), lane, half))
                total := add(total, two(shr(64, x), shr(64, y), lane, half))
                total := add(total, two(shr(96, x), shr(96, y), lane, half))
            }
            total := sar(128, add(total, shl(127, 1)))
        }
    }
}
