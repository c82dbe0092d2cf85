// Section 6 of docs/reference/exact-arithmetic.md: functions as fixed sequences of rounded operations.

import { add, div, exponentOf, mul, nearest, ofBits, powerOfTwo, sub } from "./binary32.mjs";

const terms = (...bits) => bits.map(ofBits);

const LOG2_E = ofBits(0x3fb8aa3b);
const LN2_HIGH = ofBits(0x3f318000);
const LN2_LOW = ofBits(0xb95e8083);
const EXP = terms(0x39506967, 0x3ab743ce, 0x3c088908, 0x3d2aa9c1, 0x3e2aaaaa, 0x3f000000);
const ROOT_HALF = ofBits(0x3f3504f3);
const LOG = terms(
  ...[0x3d9021bb, 0xbdebd1b8, 0x3def251a, 0xbdfe5d4f, 0x3e11e9bf, 0xbe2aae50, 0x3e4cceac, 0xbe7ffffc, 0x3eaaaaaa],
);
const TANH = terms(0xbbbaf0ea, 0x3ca9134e, 0xbd5c1e2d, 0x3e088393, 0xbeaaaa99);
const ERF = terms(0x38a4b519, 0xba51fb80, 0x3baa02d9, 0xbcdbfc87, 0x3de7167c, 0xbec0939f, 0x3f906eba);
const ERF_SLOPE = ofBits(0x3ea7ba05);
const ERF_TAIL = terms(0x3f87dc22, 0xbfba00e3, 0x3fb5f0e3, 0xbe91a98e, 0x3e827906);
const TWO_OVER_PI = ofBits(0x3f22f983);
const HALF_PI = terms(0x3fc90000, 0x39fda000, 0x33a22168);
const SIN = terms(0xb94ca1f9, 0x3c08839e, 0xbe2aaaa3);
const COS = terms(0x37ccf5ce, 0xbab6061a, 0x3d2aaaa5);

const horner = (x, [first, ...others]) => others.reduce((t, c) => add(mul(t, x), c), first);

/** RNE(x) with the sign of x where it is zero. */
function whole(x) {
  const integer = nearest(x);
  return integer === 0 ? 0 * Math.sign(x) : integer;
}

export function exp(given) {
  if (given < -87) return 0;
  const x = given >= 89 ? 89 : given;
  const n = whole(mul(x, LOG2_E));
  const r = sub(sub(x, mul(n, LN2_HIGH)), mul(n, LN2_LOW));
  const y = add(add(mul(horner(r, EXP), mul(r, r)), r), 1);
  const half = Math.floor(n / 2);
  return mul(mul(y, powerOfTwo(half)), powerOfTwo(n - half));
}

export function log(x) {
  if (x <= 0) return NaN;
  let n = exponentOf(x);
  let m = x * powerOfTwo(-n);
  if (m < ROOT_HALF) {
    m = add(m, m);
    n -= 1;
  }
  m = sub(m, 1);
  const z = mul(m, m);
  const p = horner(m, LOG);
  const y = sub(add(mul(mul(p, m), z), mul(n, LN2_LOW)), mul(z, 0.5));
  return add(add(m, y), mul(n, LN2_HIGH));
}

export function tanh(x) {
  const s = Math.abs(x);
  if (s < 0.625) {
    const z = mul(x, x);
    return add(mul(mul(horner(z, TANH), z), x), x);
  }
  const d = s < 20 ? add(s, s) : 40;
  const result = sub(1, div(2, add(exp(d), 1)));
  return x < 0 ? -result : result;
}

export function erf(x) {
  if (Math.abs(x) < 1) return mul(horner(mul(x, x), ERF), x);
  const s = Math.min(Math.abs(x), 6);
  const t = div(1, add(mul(s, ERF_SLOPE), 1));
  const result = sub(1, mul(mul(horner(t, ERF_TAIL), t), exp(-mul(s, s))));
  return x < 0 ? -result : result;
}

/** sin(x) where `turns` is 0, cos(x) where it is 1. */
function wave(x, turns) {
  const n = whole(mul(x, TWO_OVER_PI));
  const r = HALF_PI.reduce((rest, part) => sub(rest, mul(n, part)), x);
  const quadrant = ((n % 4) + 4 + turns) % 4;
  const z = mul(r, r);
  const v =
    quadrant % 2 === 0
      ? add(mul(mul(horner(z, SIN), z), r), r)
      : add(sub(mul(mul(horner(z, COS), z), z), mul(z, 0.5)), 1);
  return quadrant < 2 ? v : -v;
}

export const sin = (x) => wave(x, 0);
export const cos = (x) => wave(x, 1);
