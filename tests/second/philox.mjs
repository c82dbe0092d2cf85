// Section 10 of docs/reference/exact-arithmetic.md: random words.

const LOW = 0xffffffffn;

/** A block of four words: Philox 4x32-10. */
export function block(counter, key) {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const p = 0xcd9e8d57n * c2;
    const q = 0xd2511f53n * c0;
    [c0, c1, c2, c3] = [(p >> 32n) ^ c1 ^ k0, p & LOW, (q >> 32n) ^ c3 ^ k1, q & LOW];
    k0 = (k0 + 0x9e3779b9n) & LOW;
    k1 = (k1 + 0xbb67ae85n) & LOW;
  }
  return [c0, c1, c2, c3];
}

/** `count` words of a key, a step number and a stream. */
export function randomWords(key, step, stream, count) {
  const words = new BigInt64Array(count);
  const keys = [key[0] & LOW, key[1] & LOW];
  for (let at = 0; at < count; at += 4) {
    const counter = [BigInt(at / 4) & LOW, BigInt(stream), step & LOW, (step >> 32n) & LOW];
    words.set(block(counter, keys).slice(0, count - at), at);
  }
  return words;
}
