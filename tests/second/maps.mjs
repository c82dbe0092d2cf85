// Section 9 of docs/reference/exact-arithmetic.md: index maps and look-ups.
//
// A map is a list of places in the input, one for each element of the result; NaN is a place outside, which is zero.

import { axesOf, indices, places, spread, strides } from "./values.mjs";

/** A look-up's index outside 0 .. last. */
export class OutsideIndex extends Error {
  constructor(last) {
    super(`an index is outside 0..${last}`);
  }
}

/** The elements at these places. */
function taken(data, at) {
  const result = new data.constructor(at.length);
  at.forEach((place, index) => {
    if (!Number.isNaN(place)) result[index] = data[place];
  });
  return result;
}

/** A map that has for each axis of the result a list of places, from the node, the input's shape and its strides. */
const byAxis =
  (lists) =>
  (node, [{ shape, data }]) =>
    taken(data, places(lists(node, shape, strides(shape))));

export const reshape = (node, [{ data }]) => data;

export const expand = (node, [{ shape, data }]) => taken(data, spread(shape, node.shape));

export const permute = byAxis(({ attributes }, shape, steps) =>
  attributes.map((axis) => indices(shape[axis], (index) => index * steps[axis])),
);

export const slice = byAxis((node, shape, steps) =>
  node.shape.map((size, axis) => {
    const [start, step] = [node.attributes[axis], node.attributes[shape.length + axis]];
    return indices(size, (index) => (start + index * step) * steps[axis]);
  }),
);

export const flip = byAxis(({ attributes }, shape, steps) => {
  const named = axesOf(attributes[0], shape.length);
  return shape.map((size, axis) =>
    indices(size, (index) => (named.includes(axis) ? size - 1 - index : index) * steps[axis]),
  );
});

/** Places along an axis with `before` zeros before it and `spacing` - 1 between neighbours. */
const padded = (size, step, before, length, spacing = 1) =>
  indices(length, (index) => {
    const place = (index - before) / spacing;
    return Number.isInteger(place) && place >= 0 && place < size ? place * step : NaN;
  });

export const pad = byAxis((node, shape, steps) =>
  shape.map((size, axis) => padded(size, steps[axis], node.attributes[axis], node.shape[axis])),
);

export function concat(node, inputs) {
  const axis = node.attributes[0];
  const inner = node.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = node.shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const result = new inputs[0].data.constructor(outer * node.shape[axis] * inner);
  let at = 0;
  for (let row = 0; row < outer; row++) {
    for (const { shape, data } of inputs) {
      const length = shape[axis] * inner;
      result.set(data.subarray(row * length, (row + 1) * length), at);
      at += length;
    }
  }
  return result;
}

/** Height and width of the image once it is spread and padded. */
export function paddedSizes(attributes, shape) {
  const [, , , , top, bottom, left, right, , , spacingH, spacingW] = attributes;
  return [(shape[2] - 1) * spacingH + 1 + top + bottom, (shape[3] - 1) * spacingW + 1 + left + right];
}

export function unfold(node, [{ shape, data }]) {
  const [, , strideH, strideW, top, , left, , dilationH, dilationW, spacingH, spacingW] = node.attributes;
  const [height, width] = paddedSizes(node.attributes, shape);
  const [images, channels, rows, columns] = shape;
  const steps = strides(shape);
  const image = places([
    indices(images, (index) => index * steps[0]),
    indices(channels, (index) => index * steps[1]),
    padded(rows, steps[2], top, height, spacingH),
    padded(columns, steps[3], left, width, spacingW),
  ]);
  const moves = [channels * height * width, strideH * width, strideW, height * width, dilationH * width, dilationW];
  const windows = places(node.shape.map((size, axis) => indices(size, (index) => index * moves[axis])));
  return taken(data, windows.map((place) => image[place]));
}

function checked(wanted, size) {
  if (wanted.some((index) => index < 0n || index >= BigInt(size))) throw new OutsideIndex(size - 1);
  return Array.from(wanted, Number);
}

export function gather(node, [table, { data: wanted }]) {
  const length = strides(table.shape)[0];
  return taken(table.data, places([checked(wanted, table.shape[0]).map((row) => row * length), indices(length)]));
}

export function pick(node, [table, { data: wanted }]) {
  const length = table.shape.at(-1);
  return taken(table.data, Float64Array.from(checked(wanted, length), (index, row) => row * length + index));
}
