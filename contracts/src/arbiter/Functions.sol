// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Float} from "./Float.sol";

/// @title Functions: section 6 of docs/reference/exact-arithmetic.md, step by step, on the words of `Float`; as total as that is.
library Functions {
    using Float for uint256;

    uint256 private constant LOG2_E = 0x3FB8AA3B;
    uint256 private constant LN2_HIGH = 0x3F318000;
    uint256 private constant LN2_LOW = 0xB95E8083;
    uint256 private constant TWO = 0x40000000;

    function exp(uint256 x) internal pure returns (uint256) {
        unchecked {
            x &= Float.MASK;
            if (!x.isFinite()) return Float.FAULT;
            if (x > 0xC2AE0000) return 0;
            if (x >= 0x42B20000 && x < Float.SIGN) x = 0x42B20000;
            uint256 n = x.mul(LOG2_E).whole();
            uint256 r = x.sub(n.mul(LN2_HIGH)).sub(n.mul(LN2_LOW));
            uint256 p = _horner(r, 0x39506967, 0x00_3AB743CE_3C088908_3D2AA9C1_3E2AAAAA_3F000000, 5);
            uint256 y = p.mul(r.mul(r)).add(r).add(Float.ONE);
            int256 k = n.integer(); // from -126 to 128, so that both powers below are normal
            int256 h = k >> 1;
            return y.mul(uint256(h + 127) << 23).mul(uint256(k - h + 127) << 23);
        }
    }

    function log(uint256 x) internal pure returns (uint256) {
        unchecked {
            x &= Float.MASK;
            if (x == 0 || x >= Float.INFINITE) return Float.FAULT;
            (uint256 m, uint256 f) = x.parts();
            m += 125 << 23; // its leading bit makes that the field of 1/2
            if (m < 0x3F3504F3) {
                m += 1 << 23;
                f -= 1;
            }
            m = m.sub(Float.ONE);
            uint256 n = Float.scale(int256(f - 126), 0);
            uint256 z = m.mul(m);
            uint256 p = _horner(m, 0x3D9021BB, 0xBDEBD1B8_3DEF251A_BDFE5D4F_3E11E9BF_BE2AAE50_3E4CCEAC_BE7FFFFC_3EAAAAAA, 8);
            uint256 y = p.mul(m).mul(z).add(n.mul(LN2_LOW)).sub(z.mul(Float.HALF));
            return m.add(y).add(n.mul(LN2_HIGH));
        }
    }

    function tanh(uint256 x) internal pure returns (uint256) {
        if (!x.isFinite()) return Float.FAULT;
        uint256 s = x.abs();
        if (s < 0x3F200000) {
            uint256 z = x.mul(x);
            return _horner(z, 0xBBBAF0EA, 0x3CA9134E_BD5C1E2D_3E088393_BEAAAA99, 4).mul(z).mul(x).add(x);
        }
        uint256 d = s < 0x41A00000 ? s.add(s) : 0x42200000;
        return Float.ONE.sub(TWO.div(exp(d).add(Float.ONE))) | (x & Float.SIGN);
    }

    function erf(uint256 x) internal pure returns (uint256) {
        if (!x.isFinite()) return Float.FAULT;
        uint256 s = x.abs();
        if (s > 0x40C00000) s = 0x40C00000;
        uint256 z = s.mul(s);
        if (s < Float.ONE) {
            return _horner(z, 0x38A4B519, 0xBA51FB80_3BAA02D9_BCDBFC87_3DE7167C_BEC0939F_3F906EBA, 6).mul(x);
        }
        uint256 t = Float.ONE.div(s.mul(0x3EA7BA05).add(Float.ONE));
        uint256 p = _horner(t, 0x3F87DC22, 0xBFBA00E3_3FB5F0E3_BE91A98E_3E827906, 4);
        return Float.ONE.sub(p.mul(t).mul(exp(z.neg()))) | (x & Float.SIGN);
    }

    function sin(uint256 x) internal pure returns (uint256) {
        return _wave(x, 0);
    }

    function cos(uint256 x) internal pure returns (uint256) {
        return _wave(x, 1);
    }

    /// Sine, turned by quarters.
    function _wave(uint256 x, uint256 quarters) private pure returns (uint256 v) {
        unchecked {
            uint256 n = x.mul(0x3F22F983).whole();
            uint256 r = x.sub(n.mul(0x3FC90000)).sub(n.mul(0x39FDA000)).sub(n.mul(0x33A22168));
            uint256 q = uint256(n.integer()) + quarters; // two's complement: its last two bits are the quadrant
            uint256 z = r.mul(r);
            if (q & 1 == 0) {
                v = _horner(z, 0xB94CA1F9, 0x3C08839E_BE2AAAA3, 2).mul(z).mul(r).add(r);
            } else {
                v = _horner(z, 0x37CCF5CE, 0xBAB6061A_3D2AAAA5, 2).mul(z).mul(z).sub(z.mul(Float.HALF)).add(Float.ONE);
            }
            if (q & 2 == 2) v = v.neg();
        }
    }

    /// P(x; first, ...) by Horner's rule; the further `count` terms are packed, 32 bits each, the next one highest.
    function _horner(uint256 x, uint256 first, uint256 terms, uint256 count) private pure returns (uint256 t) {
        unchecked {
            t = first;
            for (uint256 at = 32 * count; at > 0;) {
                at -= 32;
                t = t.mul(x).add(terms >> at);
            }
        }
    }
}
