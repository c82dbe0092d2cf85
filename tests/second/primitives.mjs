// Section 5 of docs/reference/exact-arithmetic.md: every opcode with its name, its rule and what it computes.

import * as binary32 from "./binary32.mjs";
import * as functions from "./functions.mjs";
import * as groups from "./groups.mjs";
import * as maps from "./maps.mjs";
import { randomWords } from "./philox.mjs";
import * as rules from "./rules.mjs";
import { indices, places, spread, TYPES } from "./values.mjs";

/** Applies a function to elements that stand at the same place of the common shape. */
const each = (made) => (node, inputs) => {
  const at = inputs.map((value) => spread(value.shape, node.shape));
  const data = inputs.map((value) => value.data);
  return indices(at[0].length, (index) => made(...data.map((list, which) => list[at[which][index]])));
};
const integers = (made) => each((a, b) => BigInt.asIntN(64, made(a, b)));

const constant = (node) => node.payload;
const iota = ({ attributes, shape }) =>
  BigInt64Array.from(
    places(shape.map((size, axis) => indices(size, (index) => (axis === attributes[0] ? index : 0)))),
    BigInt,
  );
const random = (node, [key, step]) => randomWords(key.data, step.data[0], node.attributes[0], node.shape[0]);

const TABLE = [
  [0x01, "constant", rules.constant, constant],
  [0x02, "iota", rules.iota, iota],
  [0x10, "add", rules.floats, each(binary32.add)],
  [0x11, "sub", rules.floats, each(binary32.sub)],
  [0x12, "mul", rules.floats, each(binary32.mul)],
  [0x13, "div", rules.floats, each(binary32.div)],
  [0x14, "neg", rules.float, each((a) => -a)],
  [0x15, "abs", rules.float, each(Math.abs)],
  [0x16, "sqrt", rules.float, each(binary32.sqrt)],
  [0x17, "maximum", rules.floats, each((a, b) => (a > b ? a : b))],
  [0x18, "minimum", rules.floats, each((a, b) => (a < b ? a : b))],
  [0x20, "exp", rules.float, each(functions.exp)],
  [0x21, "log", rules.float, each(functions.log)],
  [0x22, "tanh", rules.float, each(functions.tanh)],
  [0x23, "erf", rules.float, each(functions.erf)],
  [0x24, "sin", rules.float, each(functions.sin)],
  [0x25, "cos", rules.float, each(functions.cos)],
  [0x30, "eq", rules.comparison, each((a, b) => a === b)],
  [0x31, "ne", rules.comparison, each((a, b) => a !== b)],
  [0x32, "gt", rules.comparison, each((a, b) => a > b)],
  [0x33, "ge", rules.comparison, each((a, b) => a >= b)],
  [0x34, "lt", rules.comparison, each((a, b) => a < b)],
  [0x35, "le", rules.comparison, each((a, b) => a <= b)],
  [0x36, "and", rules.truths, each((a, b) => a & b)],
  [0x37, "or", rules.truths, each((a, b) => a | b)],
  [0x38, "not", rules.truth, each((a) => 1 - a)],
  [0x39, "where", rules.where, each((a, b, c) => (a === 1 ? b : c))],
  [0x40, "integer_add", rules.integerSums, integers((a, b) => a + b)],
  [0x41, "integer_sub", rules.integerSums, integers((a, b) => a - b)],
  [0x42, "integer_mul", rules.integerProducts, integers((a, b) => a * b)],
  [0x48, "to_float", rules.toFloat, each((a) => binary32.ofInteger(BigInt(a)))],
  [0x49, "to_integer", rules.toInteger, each(BigInt)],
  [0x50, "reshape", rules.reshape, maps.reshape],
  [0x51, "permute", rules.permute, maps.permute],
  [0x52, "expand", rules.expand, maps.expand],
  [0x53, "slice", rules.slice, maps.slice],
  [0x54, "pad", rules.pad, maps.pad],
  [0x55, "concat", rules.concat, maps.concat],
  [0x56, "unfold", rules.unfold, maps.unfold],
  [0x57, "flip", rules.flip, maps.flip],
  [0x60, "gather", rules.gather, maps.gather],
  [0x61, "pick", rules.pick, maps.pick],
  [0x70, "exponent", rules.exponent, groups.exponent],
  [0x71, "quantise", rules.quantise, groups.quantise],
  [0x72, "contract", rules.contract, groups.contract],
  [0x73, "integer_sum", rules.integerSum, groups.integerSum],
  [0x74, "rescale", rules.rescale, groups.rescale],
  [0x75, "integer_sum_at", rules.integerSumAt, groups.integerSumAt],
  [0x78, "amax", rules.amax, groups.amax],
  [0x79, "argmax", rules.argmax, groups.argmax],
  [0x80, "random", rules.random, random],
];

export const PRIMITIVES = new Map(TABLE.map(([opcode, name, rule, compute]) => [opcode, { name, rule, compute }]));

/** The elements of a node's result, in the container of its type; NaN is a float that does not exist. */
export function compute(node, inputs) {
  const { list } = TYPES[node.type];
  const data = PRIMITIVES.get(node.opcode).compute(node, inputs);
  return data instanceof list ? data : list.from(data);
}
