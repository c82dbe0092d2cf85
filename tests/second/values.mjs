// Sections 3 and 4 of docs/reference/exact-arithmetic.md: types, shapes, broadcasting.

/** A program, a use of a primitive or inputs that the page does not allow. */
export class Refused extends Error {}

export function need(condition, why) {
  if (!condition) throw new Refused(why);
}

/** Codes, bytes and containers of the types. Machines that Node runs on are taken to be little endian. */
export const TYPES = {
  F32: { code: 1, bytes: 4, list: Float32Array },
  I16: { code: 4, bytes: 2, list: Int16Array },
  I32: { code: 5, bytes: 4, list: Int32Array },
  I64: { code: 6, bytes: 8, list: BigInt64Array },
  BOOL: { code: 8, bytes: 1, list: Uint8Array },
};

/** The number of elements, as a BigInt: what a program only declares may be huge. */
export const elements = (shape) => shape.reduce((product, size) => product * BigInt(size), 1n);

export const sameShape = (a, b) => a.length === b.length && a.every((size, axis) => size === b[axis]);

/** Elements of little-endian bytes. */
export function readElements(type, shape, bytes) {
  const { list, bytes: width } = TYPES[type];
  need(BigInt(bytes.length) === elements(shape) * BigInt(width), "as many bytes as elements");
  const data = new list(Uint8Array.from(bytes).buffer);
  need(type !== "BOOL" || data.every((each) => each < 2), "a truth value is 0 or 1");
  return data;
}

/** The shape that all of these broadcast to. */
export function broadcast(shapes) {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  const full = shapes.map((shape) => [...Array(rank - shape.length).fill(1), ...shape]);
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = full.map((shape) => shape[axis]).filter((size) => size !== 1);
    need(sizes.every((size) => size === sizes[0]), "sizes that broadcast");
    return sizes[0] ?? 1;
  });
}

/** Distances in row-major order between neighbours along each axis. */
export const strides = (shape) => shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));

/** The axes that a mask names. */
export const axesOf = (mask, rank) => Array.from({ length: rank }, (_, axis) => axis).filter((axis) => (mask >> axis) & 1);

/** A list of `size` numbers, each made from its index. */
export const indices = (size, make = (index) => index) => Array.from({ length: size }, (_, index) => make(index));

/** Sums of one number of each list, the last list fastest: places in memory from places along the axes. */
export function places(lists) {
  let result = Float64Array.of(0);
  for (const list of lists) {
    const next = new Float64Array(result.length * list.length);
    result.forEach((base, row) => list.forEach((step, column) => (next[row * list.length + column] = base + step)));
    result = next;
  }
  return result;
}

/** For each element of a broadcast shape, the place of its element in a value. */
export function spread(from, to) {
  const missing = to.length - from.length;
  const steps = strides(from);
  return places(
    to.map((size, axis) => indices(size, (index) => (from[axis - missing] > 1 ? index * steps[axis - missing] : 0))),
  );
}
