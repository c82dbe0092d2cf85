// Sections 7 and 8 of docs/reference/exact-arithmetic.md: exact groups and sums.
//
// Products, sums and scaled integers here stay below 2^53 in size or are a binary32 times a power of two, so doubles
// hold them exactly; what may be longer is a BigInt.

import { exponentOf, nearest, powerOfTwo, toBinary32 } from "./binary32.mjs";
import { axesOf, spread } from "./values.mjs";

/** The smallest e with RNE(m * 2^(B-1-e)) <= Q: it is m's own or the next. */
function smallest(m, bits, limit) {
  if (m === 0) return 0;
  const own = exponentOf(m);
  return nearest(m * powerOfTwo(bits - 1 - own)) <= limit ? own : own + 1;
}

export function exponent(node, [value]) {
  const [mask, bits, limit] = node.attributes;
  const named = axesOf(mask, value.shape.length);
  const shape = value.shape.map((size, axis) => (named.includes(axis) ? 1 : size));
  const largest = new Float64Array(shape.reduce((a, b) => a * b, 1));
  spread(shape, value.shape).forEach((group, at) => {
    largest[group] = Math.max(largest[group], Math.abs(value.data[at]));
  });
  return Int16Array.from(largest, (m) => smallest(m, bits, limit));
}

export function quantise(node, [value, exponents]) {
  const bits = node.attributes[0];
  const groups = spread(exponents.shape, value.shape);
  return Array.from(value.data, (a, at) => nearest(a * powerOfTwo(bits - 1 - exponents.data[groups[at]])));
}

export function contract(node, [a, b]) {
  const [slices, rows, length] = a.shape;
  const columns = b.shape[1];
  const result = new BigInt64Array(slices * rows * columns);
  for (let row = 0; row < slices * rows; row++) {
    const other = Math.floor(row / rows) * columns;
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += a.data[row * length + k] * b.data[(other + column) * length + k];
      result[row * columns + column] = BigInt(sum);
    }
  }
  return result;
}

export function rescale(node, [integers, ...exponents]) {
  const groups = exponents.map((each) => spread(each.shape, integers.shape));
  return Array.from(integers.data, (c, at) => {
    const power = exponents.reduce((sum, each, which) => sum + each.data[groups[which][at]], node.attributes[0]);
    return toBinary32(Number(c) * powerOfTwo(power));
  });
}

export function integerSum(node, [value]) {
  const length = value.shape.at(-1);
  const sums = new BigInt64Array(value.data.length / length);
  value.data.forEach((each, at) => (sums[Math.floor(at / length)] += BigInt(each)));
  return sums;
}

export function integerSumAt(node, [rows, where]) {
  const [count, width] = node.shape;
  const sums = new BigInt64Array(count * width);
  where.data.forEach((target, row) => {
    if (target < 0n || target >= BigInt(count)) return;
    for (let at = 0; at < width; at++) sums[Number(target) * width + at] += BigInt(rows.data[row * width + at]);
  });
  return sums;
}

/** The lowest place of the largest element of each row. */
function largestPlaces({ shape, data }) {
  const length = shape.at(-1);
  const result = new Float64Array(data.length / length);
  for (let row = 0; row < result.length; row++) {
    for (let at = 1; at < length; at++) {
      if (data[row * length + at] > data[row * length + result[row]]) result[row] = at;
    }
  }
  return result;
}

export const argmax = (node, [value]) => BigInt64Array.from(largestPlaces(value), BigInt);

/** Adding +0 turns -0 into +0 and nothing else. */
export const amax = (node, [value]) =>
  largestPlaces(value).map((at, row) => value.data[row * value.shape.at(-1) + at] + 0);
