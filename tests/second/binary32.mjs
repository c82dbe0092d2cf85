// Section 2 of docs/reference/exact-arithmetic.md: binary32, its operations and its roundings.
//
// A number here is a double that holds a binary32; NaN stands for a result that does not exist or is infinite.
// Each operation is one of doubles and one rounding by Math.fround, and that is the rounding of the exact result:
// - A product of two binary32 is exact as a double (48 bits, at least 2^-298), so it is rounded once.
// - A sum that a double does not hold is far from a tie of binary32 unless it is one, since 53 >= 2 * 24 + 2. Below
//   2^-126 a sum is a multiple of 2^-149, so exact.
// - A quotient a / b that is no tie t (25 bits at most, also below 2^-126) differs from it by at least 2^-49 of
//   itself, as a - t * b is not zero; a double that is nearer by 2^-53 stays on its side of t.
// - A square root of a binary32 is never subnormal, and the argument is that of quotients.

export const finite = (x) => (Number.isFinite(x) ? x : NaN);
export const toBinary32 = (x) => finite(Math.fround(x));
export const add = (a, b) => toBinary32(a + b);
export const sub = (a, b) => toBinary32(a - b);
export const mul = (a, b) => toBinary32(a * b);
export const div = (a, b) => toBinary32(a / b);
export const sqrt = (a) => toBinary32(Math.sqrt(a));

const word = new DataView(new ArrayBuffer(8));

/** The binary32 of these bits. */
export function ofBits(bits) {
  word.setUint32(0, bits);
  return word.getFloat32(0);
}

/** 2^k as a double, -1022 <= k <= 1023. */
export function powerOfTwo(k) {
  word.setBigUint64(0, BigInt(k + 1023) << 52n);
  return word.getFloat64(0);
}

/** The n of x = m * 2^n with 1/2 <= m < 1, x > 0 a binary32: as a double it is never subnormal. */
export function exponentOf(x) {
  word.setFloat64(0, x);
  return ((word.getUint16(0) >> 4) & 0x7ff) - 1022;
}

/** RNE of a binary32 times a power of two. */
export function nearest(x) {
  const below = Math.floor(x);
  const rest = x - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}

/** RN32 of a 64-bit integer: the bits that a double would lose stay as one bit that breaks ties. */
export function ofInteger(integer) {
  const size = integer < 0n ? -integer : integer;
  if (size <= 1n << 53n) return Math.fround(Number(integer));
  const kept = Number((size >> 12n) | (size & 0xfffn ? 1n : 0n)) * 4096;
  return Math.fround(integer < 0n ? -kept : kept);
}
