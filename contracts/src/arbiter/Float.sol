// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Float: binary32 as docs/reference/exact-arithmetic.md, section 2, defines it, each result rounded once.
/// A value is the 32-bit pattern in the lower bits of a word; what stands above is ignored, and results have nothing there. Nothing
/// reverts, whatever the words: an infinity or NaN among the inputs, an overflow and a result that does not exist all give FAULT.
library Float {
    uint256 internal constant FAULT = 0x7FC00000; // also of comparisons, which are 0 or 1 else
    uint256 internal constant INFINITE = 0x7F800000;
    uint256 internal constant SIGN = 0x80000000;
    uint256 internal constant SIZE = 0x7FFFFFFF;
    uint256 internal constant MASK = 0xFFFFFFFF;
    uint256 internal constant HALF = 0x3F000000;
    uint256 internal constant ONE = 0x3F800000;

    function isFinite(uint256 a) internal pure returns (bool) {
        return a & INFINITE != INFINITE;
    }

    function neg(uint256 a) internal pure returns (uint256) {
        return isFinite(a) ? (a ^ SIGN) & MASK : FAULT;
    }

    function abs(uint256 a) internal pure returns (uint256) {
        return isFinite(a) ? a & SIZE : FAULT;
    }

    function add(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            uint256 x = a & SIZE;
            uint256 y = b & SIZE;
            if (x < y) (a, b, x, y) = (b, a, y, x);
            if (x >= INFINITE) return FAULT;
            uint256 f = _field(x);
            uint256 apart = f - _field(y);
            if (apart > 38) return a & MASK; // b is less than a quarter of a's last bit
            // A field of 0 counts as 1 and has no leading bit, which is what subtracting `field - 1` leaves.
            uint256 left = (x - ((f - 1) << 23)) << 38;
            uint256 right = (y - ((f - apart - 1) << 23)) << (38 - apart);
            uint256 m = (a ^ b) & SIGN == 0 ? left + right : left - right;
            if (m == 0) return a & b & SIGN;
            uint256 up = m >> 61 == 0 ? 62 - topBit(m) : 1 - (m >> 62);
            return _round(a & SIGN, m << up, f + 1 - up);
        }
    }

    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        return add(a, b ^ SIGN);
    }

    function mul(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            (uint256 x, uint256 f) = parts(a);
            (uint256 y, uint256 g) = parts(b);
            uint256 m = x * y;
            uint256 carry = m >> 47;
            return _round((a ^ b) & SIGN, m << (16 - carry), f + g + carry - 127);
        }
    }

    function div(uint256 a, uint256 b) internal pure returns (uint256 r) {
        unchecked {
            if ((b & SIZE) - 1 >= INFINITE - 1) return FAULT; // zero, by wrapping around, or not finite
            (uint256 x, uint256 f) = parts(a);
            (uint256 y, uint256 g) = parts(b);
            x <<= 62;
            assembly ("memory-safe") {
                r := div(x, y)
                let carry := shr(62, r)
                // A rest counts as one more bit at the end: what is rounded away keeps its side of a half.
                r := or(shl(sub(1, carry), r), iszero(iszero(mod(x, y))))
                f := add(f, carry)
            }
            return _round((a ^ b) & SIGN, r, f - g + 126);
        }
    }

    function sqrt(uint256 a) internal pure returns (uint256) {
        unchecked {
            a &= MASK;
            if (a & SIZE == 0) return a;
            if (a >= INFINITE) return FAULT;
            (uint256 x, uint256 f) = parts(a);
            x <<= 26 - (f & 1); // from 2^48 to 2^50, at an even exponent
            // The chord between both ends is within 7 %, and each of Newton's steps squares that: the third is at most 1 too large.
            uint256 r = (x / 3 >> 24) + 11184810;
            r = (r + x / r) >> 1;
            r = (r + x / r) >> 1;
            r = (r + x / r) >> 1;
            if (r * r > x) r -= 1;
            return _round(0, (r << 38) | (r * r == x ? 0 : 1), (f + 127) >> 1);
        }
    }

    /// a where a > b, else b.
    function maximum(uint256 a, uint256 b) internal pure returns (uint256) {
        uint256 more = gt(a, b);
        return more == FAULT ? FAULT : (more == 1 ? a : b) & MASK;
    }

    /// a where a < b, else b.
    function minimum(uint256 a, uint256 b) internal pure returns (uint256) {
        uint256 less = lt(a, b);
        return less == FAULT ? FAULT : (less == 1 ? a : b) & MASK;
    }

    function eq(uint256 a, uint256 b) internal pure returns (uint256) {
        return _compare(a, b, 2);
    }

    function ne(uint256 a, uint256 b) internal pure returns (uint256) {
        return _compare(a, b, 5);
    }

    function gt(uint256 a, uint256 b) internal pure returns (uint256) {
        return _compare(a, b, 4);
    }

    function ge(uint256 a, uint256 b) internal pure returns (uint256) {
        return _compare(a, b, 6);
    }

    function lt(uint256 a, uint256 b) internal pure returns (uint256) {
        return _compare(a, b, 1);
    }

    function le(uint256 a, uint256 b) internal pure returns (uint256) {
        return _compare(a, b, 3);
    }

    /// c * 2^e, rounded once; +0 for c = 0, and where it underflows the zero of c's sign.
    function scale(int256 c, int256 e) internal pure returns (uint256) {
        unchecked {
            if (c == 0) return 0;
            uint256 sign = c < 0 ? SIGN : 0;
            if (e < -1000) return sign;
            if (e > 1000) return FAULT;
            uint256 m = uint256(c < 0 ? -c : c);
            uint256 top = topBit(m);
            m <<= 255 - top;
            return _round(sign, (m >> 193) | (m << 63 == 0 ? 0 : 1), uint256(e) + top + 127);
        }
    }

    /// The nearest whole number, ties to even; a zero has the sign of a.
    function whole(uint256 a) internal pure returns (uint256) {
        unchecked {
            uint256 x = a & SIZE;
            if (x >= INFINITE) return FAULT;
            if (x <= HALF) return a & SIGN;
            if (x < ONE) return (a & SIGN) | ONE;
            if (x >> 23 >= 150) return a & MASK;
            // From 1 on a pattern's bit of ones is the number's parity, also where it is the field's last; so a carry fits too.
            uint256 places = 150 - (x >> 23);
            return (a & SIGN) | (((x + ((x >> places) & 1) + (1 << (places - 1)) - 1) >> places) << places);
        }
    }

    /// A whole number as an integer.
    function integer(uint256 a) internal pure returns (int256) {
        unchecked {
            (uint256 m, uint256 f) = parts(a);
            m = f < 150 ? m >> (150 - f) : m << (f - 150);
            return a & SIGN == 0 ? int256(m) : -int256(m);
        }
    }

    /// |a| = m * 2^(f - 150) with 2^23 <= m < 2^24. What no f can say has one so far outside that any use underflows or overflows:
    /// a zero 2^-1150 or so, an infinity or NaN 2^2^20.
    function parts(uint256 a) internal pure returns (uint256 m, uint256 f) {
        unchecked {
            f = (a >> 23) & 0xFF;
            m = (a & 0x7FFFFF) | 0x800000;
            if (f - 1 > 253) {
                if (f == 255) return (m, 1 << 20);
                m ^= 0x800000;
                if (m == 0) return (0x800000, uint256(int256(-1000)));
                uint256 up = 23 - topBit(m);
                return (m << up, 1 - up);
            }
        }
    }

    /// The place of the leading bit of m; 0 for 0.
    function topBit(uint256 m) internal pure returns (uint256 top) {
        assembly ("memory-safe") {
            top := shl(7, lt(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF, m))
            top := or(top, shl(6, lt(0xFFFFFFFFFFFFFFFF, shr(top, m))))
            top := or(top, shl(5, lt(0xFFFFFFFF, shr(top, m))))
            top := or(top, shl(4, lt(0xFFFF, shr(top, m))))
            top := or(top, shl(3, lt(0xFF, shr(top, m))))
            top := or(top, shl(2, lt(0xF, shr(top, m))))
            top := or(top, shl(1, lt(3, shr(top, m))))
            top := or(top, lt(1, shr(top, m)))
        }
    }

    /// The nearest float to m * 2^(f - 189) with 2^62 <= m < 2^63; f is signed, and is the result's field where that is normal.
    function _round(uint256 sign, uint256 m, uint256 f) private pure returns (uint256 r) {
        unchecked {
            uint256 places = 39;
            if (int256(f) < 1) {
                places = 40 - f;
                if (places > 64) return sign;
                f = 1;
            }
            // A leading bit that is there, or comes by a carry, adds 1 to the field.
            r = ((f - 1) << 23) + ((m + ((m >> places) & 1) + (1 << (places - 1)) - 1) >> places);
            return r < INFINITE ? sign | r : FAULT;
        }
    }

    /// The exponent's field of a pattern without sign, 1 for subnormals.
    function _field(uint256 x) private pure returns (uint256 f) {
        assembly ("memory-safe") {
            f := shr(23, x)
            f := or(f, iszero(f))
        }
    }

    /// Whether a < b, a = b or a > b is among the wanted relations: their bits are 1, 2 and 4.
    function _compare(uint256 a, uint256 b, uint256 wanted) private pure returns (uint256 r) {
        if (!isFinite(a) || !isFinite(b)) return FAULT;
        uint256 x = _order(a);
        uint256 y = _order(b);
        assembly ("memory-safe") {
            r := and(shr(sub(add(1, gt(x, y)), lt(x, y)), wanted), 1)
        }
    }

    /// Compares as the value does; both zeros are `SIGN`.
    function _order(uint256 a) private pure returns (uint256) {
        unchecked {
            return a & SIGN == 0 ? SIGN + (a & SIZE) : SIGN - (a & SIZE);
        }
    }
}
