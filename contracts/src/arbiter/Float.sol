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
    uint256 private constant LARGEST = 0x7F7FFFFF;
    uint256 private constant BIAS = (1 << 62) - (1 << 38) + 1; // a leading bit, less what rounds bit 39 up from more than half
    uint256 private constant FRACTION = 0x7FFFFF;
    uint256 private constant LEADING = 0x800000;
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
            assembly ("memory-safe") {
                // a is the larger in size from here on.
                let change := mul(xor(a, b), lt(and(a, SIZE), and(b, SIZE)))
                a := xor(a, change)
                b := xor(b, change)
            }
            uint256 f = (a >> 23) & 0xFF;
            uint256 apart = f - ((b >> 23) & 0xFF);
            uint256 m = (a & FRACTION) | LEADING;
            uint256 n = (b & FRACTION) | LEADING;
            if (apart == f) {
                // b's field is 0: it counts as 1, without a leading bit; perhaps that of a too.
                n ^= LEADING;
                if (f == 0) {
                    m ^= LEADING;
                    f = 1;
                } else {
                    apart -= 1;
                }
            }
            if (apart > 38) return f == 255 ? FAULT : a & MASK; // b is less than a quarter of a's last bit
            if ((a ^ b) & SIGN != 0) n = 0 - n;
            m = (m << 38) + (n << (38 - apart));
            if (m < 1 << 61) {
                if (f == 255) return FAULT;
                if (m == 0) return a & b & SIGN;
                uint256 up = 62 - topBit(m);
                return _round(a & SIGN, m << up, f + 1 - up);
            }
            // As in `_round`, which is not called for the sake of gas: f is above 0.
            uint256 carry = m >> 62;
            m <<= 1 - carry;
            m = ((f + carry) << 23) + ((m + ((m >> 39) & 1) - BIAS) >> 39);
            if (m > LARGEST) return FAULT;
            return (a & SIGN) | m;
        }
    }

    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        return add(a, b ^ SIGN);
    }

    function mul(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            uint256 f = (a >> 23) & 0xFF;
            uint256 g = (b >> 23) & 0xFF;
            uint256 m = (a & FRACTION) | LEADING;
            uint256 n = (b & FRACTION) | LEADING;
            if (((f + 1) & 0xFE) * ((g + 1) & 0xFE) == 0) (m, f, n, g) = _rare(a, b);
            m *= n;
            uint256 carry = m >> 47;
            return _round((a ^ b) & SIGN, m << (16 - carry), f + g + carry - 127);
        }
    }

    function div(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            if ((b & SIZE) - 1 >= INFINITE - 1) return FAULT; // zero, by wrapping around, or not finite
            uint256 f = (a >> 23) & 0xFF;
            uint256 g = (b >> 23) & 0xFF;
            uint256 m = (a & FRACTION) | LEADING;
            uint256 n = (b & FRACTION) | LEADING;
            if (((f + 1) & 0xFE) * ((g + 1) & 0xFE) == 0) (m, f, n, g) = _rare(a, b);
            // The rest may go: a tie would be c * 2^38, and m / n is one or away from all by a multiple of 2^38 / n, which is above 2^14.
            assembly ("memory-safe") {
                m := div(shl(62, m), n)
            }
            uint256 carry = m >> 62;
            return _round((a ^ b) & SIGN, m << (1 - carry), f - g + carry + 126);
        }
    }

    function sqrt(uint256 a) internal pure returns (uint256) {
        unchecked {
            a &= MASK;
            if (a & SIZE == 0) return a;
            if (a >= INFINITE) return FAULT;
            (uint256 x, uint256 f) = parts(a);
            x <<= 26 - (f & 1); // from 2^48 to 2^50, at an even exponent
            // The chord between both ends is within 6 %, and each of Newton's steps squares that: after three it is right or 1 too large.
            uint256 r = (x / 3 >> 24) + 11184810;
            assembly ("memory-safe") {
                r := shr(1, add(r, div(x, r)))
                r := shr(1, add(r, div(x, r)))
                r := shr(1, add(r, div(x, r)))
                r := sub(r, gt(mul(r, r), x))
                // A rest counts as one more bit at the end: what is rounded away keeps its side of a half.
                r := or(shl(38, r), lt(mul(r, r), x))
            }
            return _round(0, r, (f + 127) >> 1);
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
            m = (a & FRACTION) | LEADING;
            if (f - 1 > 253) {
                if (f == 255) return (m, 1 << 20);
                m ^= LEADING;
                if (m == 0) return (LEADING, uint256(int256(-1000)));
                uint256 up = 23 - topBit(m);
                return (m << up, 1 - up);
            }
        }
    }

    /// The place of the leading bit of m; 0 for 0.
    function topBit(uint256 m) internal pure returns (uint256 top) {
        assembly ("memory-safe") {
            if shr(64, m) {
                top := shl(7, gt(shr(128, m), 0))
                top := or(top, shl(6, gt(shr(64, shr(top, m)), 0)))
            }
            top := or(top, shl(5, lt(0xFFFFFFFF, shr(top, m))))
            top := or(top, shl(4, lt(0xFFFF, shr(top, m))))
            top := or(top, shl(3, lt(0xFF, shr(top, m))))
            top := or(top, shl(2, lt(0xF, shr(top, m))))
            top := or(top, shl(1, lt(3, shr(top, m))))
            top := or(top, lt(1, shr(top, m)))
        }
    }

    /// Both as `parts`: where a field is 0 or 255.
    function _rare(uint256 a, uint256 b) private pure returns (uint256 m, uint256 f, uint256 n, uint256 g) {
        (m, f) = parts(a);
        (n, g) = parts(b);
    }

    /// The nearest float to m * 2^(f - 189) with 2^62 <= m < 2^63; f is signed, and is the result's field where that is normal.
    function _round(uint256 sign, uint256 m, uint256 f) private pure returns (uint256 r) {
        unchecked {
            if (int256(f) < 1) return sign | _subnormal(m, 40 - f);
            r = (f << 23) + ((m + ((m >> 39) & 1) - BIAS) >> 39); // a carry that rounding brings adds to the field
            if (r > LARGEST) return FAULT;
            r |= sign;
        }
    }

    function _subnormal(uint256 m, uint256 places) private pure returns (uint256) {
        unchecked {
            return places > 64 ? 0 : (m + ((m >> places) & 1) + (1 << (places - 1)) - 1) >> places;
        }
    }

    /// Whether a < b, a = b or a > b is among the wanted relations: their bits are 1, 2 and 4.
    function _compare(uint256 a, uint256 b, uint256 wanted) private pure returns (uint256 r) {
        if (!isFinite(a) || !isFinite(b)) return FAULT;
        int256 x = _order(a);
        int256 y = _order(b);
        assembly ("memory-safe") {
            r := and(shr(sub(add(1, sgt(x, y)), slt(x, y)), wanted), 1)
        }
    }

    /// Compares as the value does; both zeros are 0.
    function _order(uint256 a) private pure returns (int256 r) {
        assembly ("memory-safe") {
            let negative := sar(31, signextend(3, a)) // all ones, or 0
            r := sub(xor(and(a, SIZE), negative), negative)
        }
    }
}
