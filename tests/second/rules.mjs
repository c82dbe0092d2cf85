// Sections 3 to 10 of docs/reference/exact-arithmetic.md: what a use of a primitive gives, and what is refused.
//
// A rule takes a node and the values it uses, { type, shape, bound, node }, and gives the type and shape that the
// node must declare and the bound of its integers.

import { paddedSizes } from "./maps.mjs";
import { axesOf, broadcast, elements, need, sameShape } from "./values.mjs";

const WIDEST = 1n << 63n;
const EXACT = 1n << 53n;
const LONGEST = 65_536;

const capped = (bound) => (bound < WIDEST ? bound : WIDEST);
const largest = (values) => values.reduce((bound, value) => (value.bound > bound ? value.bound : bound), 0n);
const within = (number, least, most) => number >= least && number <= most;

function takes(node, inputs, signatures, attributes = 0) {
  const types = inputs.map((value) => value.type);
  need(signatures.some((each) => sameShape(each, types)), "inputs of these types");
  need(node.attributes.length === attributes, "as many attributes");
  return types;
}

/** The rule of a map of elements: one of the signatures, and the common shape. */
const pointwise = (signatures, type, bound) => (node, inputs) => {
  const types = takes(node, inputs, signatures);
  const shape = broadcast(inputs.map((value) => value.shape));
  return { type: type ?? types.at(-1), shape, bound: bound?.(inputs) };
};
const TWO_NUMBERS = [
  ["F32", "F32"],
  ["I64", "I64"],
];
const one = () => 1n;
export const float = pointwise([["F32"]]);
export const floats = pointwise([["F32", "F32"]]);
export const comparison = pointwise(TWO_NUMBERS, "BOOL", one);
export const truth = pointwise([["BOOL"]], "BOOL", one);
export const truths = pointwise([["BOOL", "BOOL"]], "BOOL", one);
export const where = pointwise(
  TWO_NUMBERS.map((types) => ["BOOL", ...types]),
  undefined,
  ([, ...either]) => largest(either),
);
export const integerSums = pointwise([["I64", "I64"]], "I64", ([a, b]) => capped(a.bound + b.bound));
export const integerProducts = pointwise([["I64", "I64"]], "I64", ([a, b]) => capped(a.bound * b.bound));
export const toFloat = pointwise([["BOOL"], ["I64"]], "F32");
export const toInteger = pointwise([["BOOL"], ["I16"], ["I32"]], "I64", ([a]) => a.bound);

export function constant(node, inputs) {
  takes(node, inputs, [[]]);
  need(["F32", "I64", "BOOL"].includes(node.type), "a type that constants have");
  return { type: node.type, shape: node.shape, bound: WIDEST };
}

export function iota(node, inputs) {
  takes(node, inputs, [[]], 1);
  const size = node.shape[node.attributes[0]];
  need(size !== undefined, "an axis of the result");
  return { type: "I64", shape: node.shape, bound: BigInt(size - 1) };
}

/** The rule of an index map of one value: a shape from the node and the value's shape. */
const map = (count, shapeOf) => (node, inputs) => {
  need(inputs.length === 1, "one input");
  const [{ type, shape, bound }] = inputs;
  need(node.attributes.length === count(shape.length), "as many attributes");
  return { type, shape: shapeOf(node, shape), bound };
};

export const reshape = map(
  () => 0,
  (node, shape) => {
    need(elements(shape) === elements(node.shape), "as many elements");
    return node.shape;
  },
);

export const permute = map(
  (rank) => rank,
  ({ attributes }, shape) => {
    need(sameShape([...attributes].sort(), [...shape.keys()]), "each axis once");
    return attributes.map((axis) => shape[axis]);
  },
);

export const expand = map(
  () => 0,
  (node, shape) => broadcast([shape, node.shape]),
);

export const slice = map(
  (rank) => 2 * rank,
  (node, shape) => {
    need(node.shape.length === shape.length, "the input's rank");
    shape.forEach((size, axis) => {
      const [start, step] = [node.attributes[axis], node.attributes[shape.length + axis]];
      need(start >= 0 && within(step, 1, size), "a start and a step");
      need(start + (node.shape[axis] - 1) * step < size, "a last index inside");
    });
    return node.shape;
  },
);

export const pad = map(
  (rank) => 2 * rank,
  ({ attributes }, shape) => {
    need(attributes.every((amount) => within(amount, 0, 2 ** 24 - 1)), "amounts in range");
    return shape.map((size, axis) => attributes[axis] + size + attributes[shape.length + axis]);
  },
);

export const flip = map(
  () => 1,
  ({ attributes }, shape) => {
    need(within(attributes[0], 1, 2 ** shape.length - 1), "axes of the input");
    return shape;
  },
);

export const unfold = map(
  () => 12,
  ({ attributes }, shape) => {
    need(shape.length === 4, "rank 4");
    attributes.forEach((each, at) => need(within(each, at >= 4 && at < 8 ? 0 : 1, 2 ** 16 - 1), "attributes in range"));
    const [kernelH, kernelW, strideH, strideW, , , , , dilationH, dilationW] = attributes;
    const [height, width] = paddedSizes(attributes, shape);
    const rows = Math.floor((height - dilationH * (kernelH - 1) - 1) / strideH) + 1;
    const columns = Math.floor((width - dilationW * (kernelW - 1) - 1) / strideW) + 1;
    need(rows >= 1 && columns >= 1, "a window");
    const result = [shape[0], rows, columns, shape[1], kernelH, kernelW];
    const most = 4n * (elements(shape) + elements(result)) + 65_536n;
    need(elements([shape[0], shape[1], height, width]) <= most, "a padded image of this size");
    return result;
  },
);

export function concat(node, inputs) {
  need(within(inputs.length, 1, 256) && node.attributes.length === 1, "inputs and an axis");
  const [{ type, shape }] = inputs;
  const axis = node.attributes[0];
  need(within(axis, 0, shape.length - 1), "an axis of the inputs");
  for (const each of inputs) {
    need(each.type === type && sameShape(each.shape.toSpliced(axis, 1), shape.toSpliced(axis, 1)), "equal sizes");
    need(each.shape.length === shape.length, "equal ranks");
  }
  const total = inputs.reduce((sum, each) => sum + each.shape[axis], 0);
  return { type, shape: shape.with(axis, total), bound: largest(inputs) };
}

function tableAndIndices(node, inputs) {
  need(inputs.length === 2 && node.attributes.length === 0, "a table and indices");
  need(inputs[0].shape.length >= 1 && inputs[1].type === "I64", "a table of rank 1 or more, and I64");
  return inputs;
}

export function gather(node, inputs) {
  const [table, wanted] = tableAndIndices(node, inputs);
  return { type: table.type, shape: [...wanted.shape, ...table.shape.slice(1)], bound: table.bound };
}

export function pick(node, inputs) {
  const [table, wanted] = tableAndIndices(node, inputs);
  need(sameShape(wanted.shape, table.shape.slice(0, -1)), "an index for each row");
  return { type: table.type, shape: wanted.shape, bound: table.bound };
}

export function exponent(node, inputs) {
  takes(node, inputs, [["F32"]], 3);
  const [mask, bits, limit] = node.attributes;
  const { shape } = inputs[0];
  need(within(mask, 1, 2 ** shape.length - 1), "axes of the input");
  need(within(bits, 2, 30) && within(limit, 2 ** (bits - 2), 2 ** (bits - 1) - 1) && limit % 2 === 1, "bits and limit");
  const named = axesOf(mask, shape.length);
  return { type: "I16", shape: shape.map((size, axis) => (named.includes(axis) ? 1 : size)), bound: 160n };
}

export function quantise(node, inputs) {
  takes(node, inputs, [["F32", "I16"]], 1);
  const source = inputs[1].node;
  need(source?.name === "exponent" && source.inputs[0] === node.inputs[0], "exponents of the very same value");
  const [, bits, limit] = source.attributes;
  need(node.attributes[0] === bits, "the bits of the exponents");
  return { type: limit < 2 ** 15 ? "I16" : "I32", shape: inputs[0].shape, bound: BigInt(limit) };
}

export function contract(node, inputs) {
  takes(node, inputs, [
    ["I16", "I16"],
    ["I32", "I32"],
  ]);
  const [a, b] = inputs;
  need(a.shape.length === 3 && b.shape.length === 3, "rank 3");
  const [slices, rows, length] = a.shape;
  need(b.shape[0] === slices && b.shape[2] === length && length <= LONGEST, "slices and lengths that fit");
  const bound = BigInt(length) * a.bound * b.bound;
  need(bound <= EXACT, "a bound of at most 2^53");
  return { type: "I64", shape: [slices, rows, b.shape[1]], bound };
}

/** Whether a value is an `exponent` node, or an index map or look-up of such. */
function areExponents({ node, inputs }) {
  if (node?.name === "exponent") return true;
  if (node?.name === "gather" || node?.name === "pick") return areExponents(inputs[0]);
  return node?.opcode >= 0x50 && node.opcode <= 0x57 && inputs.every(areExponents);
}

export function rescale(node, inputs) {
  const [integers, ...exponents] = inputs;
  need(within(exponents.length, 1, 2) && node.attributes.length === 1, "integers, exponents and a shift");
  need(["I16", "I32", "I64"].includes(integers.type) && integers.bound <= EXACT, "integers of at most 2^53");
  need(exponents.every(areExponents), "exponents");
  need(sameShape(broadcast(inputs.map((value) => value.shape)), integers.shape), "exponents that broadcast");
  need(within(node.attributes[0], -64, 64), "a shift in range");
  return { type: "F32", shape: integers.shape };
}

export function integerSum(node, inputs) {
  takes(node, inputs, [["I16"], ["I32"], ["I64"], ["BOOL"]]);
  const { shape, bound } = inputs[0];
  need(shape.length >= 1 && shape.at(-1) <= LONGEST, "a last axis in range");
  return { type: "I64", shape: shape.slice(0, -1), bound: capped(BigInt(shape.at(-1)) * bound) };
}

export function integerSumAt(node, inputs) {
  takes(node, inputs, [
    ["I16", "I64"],
    ["I32", "I64"],
  ]);
  const [rows, wanted] = inputs;
  const [count, width] = rows.shape;
  need(rows.shape.length === 2 && sameShape(wanted.shape, [count]) && count <= LONGEST, "rows and their indices");
  return { type: "I64", shape: [node.shape[0] ?? 0, width], bound: BigInt(count) * rows.bound };
}

const ofLastAxis = (type) => (node, inputs) => {
  takes(node, inputs, [["F32"]]);
  const { shape } = inputs[0];
  need(shape.length >= 1, "rank 1 or more");
  return { type, shape: shape.slice(0, -1), bound: BigInt(shape.at(-1) - 1) };
};
export const amax = ofLastAxis("F32");
export const argmax = ofLastAxis("I64");

export function random(node, inputs) {
  takes(node, inputs, [["I64", "I64"]], 1);
  need(sameShape(inputs[0].shape, [2]) && inputs[1].shape.length === 0, "a key and a step number");
  need(within(node.attributes[0], 0, 2 ** 32 - 1) && node.shape.length === 1, "a stream and a length");
  return { type: "I64", shape: node.shape, bound: 2n ** 32n - 1n };
}
