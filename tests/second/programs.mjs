// Sections 11 and 12 of docs/reference/exact-arithmetic.md: bytes of programs, roots, runs and faults.

import { createHash } from "node:crypto";

import { OutsideIndex } from "./maps.mjs";
import { compute, PRIMITIVES } from "./primitives.mjs";
import { need, readElements, sameShape, TYPES } from "./values.mjs";

const NAME_OF = new Map(Object.entries(TYPES).map(([name, { code }]) => [code, name]));
const PROFILES = [
  [8, 127],
  [15, 16_319],
  [22, 2_097_151],
];
const MOST_SIZES = 6;

/** Reads integers one after another and refuses to go past the end. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = 0;
  }
  take(count) {
    need(this.at + count <= this.bytes.length, "bytes that are not cut off");
    this.at += count;
    return this.at - count;
  }
  u8 = () => this.view.getUint8(this.take(1));
  u16 = () => this.view.getUint16(this.take(2));
  u32 = () => this.view.getUint32(this.take(4));
  /** An attribute; one that a double does not hold exactly is out of every range, also after rounding. */
  i64 = () => Number(this.view.getBigInt64(this.take(8)));
  chunk(count) {
    const start = this.take(count);
    return this.bytes.subarray(start, start + count);
  }
  many(count, one) {
    const read = [];
    while (read.length < count) read.push(one());
    return read;
  }
  zero(field) {
    need(field === 0, "a zero field");
  }
  type() {
    const name = NAME_OF.get(this.u8());
    need(name !== undefined, "a type");
    return name;
  }
  shape(rank) {
    const sizes = this.many(MOST_SIZES, this.u32);
    need(rank <= MOST_SIZES, "a rank of at most 6");
    need(sizes.every((size, axis) => (axis < rank ? size > 0 : size === 0)), "sizes above zero, unused ones zero");
    return sizes.slice(0, rank);
  }
}

function readNode(reader) {
  const start = reader.at;
  const opcode = reader.u16();
  const name = PRIMITIVES.get(opcode)?.name;
  need(name !== undefined && reader.u8() === 1, "a primitive of version 1");
  const [type, rank] = [reader.type(), reader.u8()];
  reader.zero(reader.u8());
  const [inputCount, attributeCount] = [reader.u16(), reader.u16()];
  reader.zero(reader.u16());
  const size = reader.u32();
  const shape = reader.shape(rank);
  const inputs = reader.many(inputCount, reader.u32);
  const attributes = reader.many(attributeCount, reader.i64);
  const bytes = reader.chunk(size);
  const fields = reader.bytes.subarray(start, reader.at - size);
  const leaf = size ? Buffer.concat([fields, treeOfBytes(bytes, 1024)]) : fields;
  const node = { opcode, name, type, shape, inputs, attributes, leaf };
  if (name !== "constant") need(size === 0, "a payload of constants only");
  else node.payload = readElements(type, shape, bytes);
  need(type !== "F32" || !node.payload || node.payload.every(Number.isFinite), "finite constants");
  return node;
}

/** The value of a node, which the rule of its primitive admits. */
function admitted(node, values) {
  const inputs = node.inputs.map((number) => values[number]);
  need(inputs.every((value) => value !== undefined), "earlier values");
  const { type, shape, bound } = PRIMITIVES.get(node.opcode).rule(node, inputs);
  need(type === node.type && sameShape(shape, node.shape), "the result as declared");
  return { type, shape, bound, node, inputs };
}

/** A program of its bytes. */
export function readProgram(bytes) {
  const reader = new Reader(bytes);
  need(Buffer.from(reader.chunk(8)).toString("latin1") === "ASSAYPRG" && reader.u16() === 1, "format 1");
  const profile = [reader.u16(), reader.u32()];
  need(PROFILES.some((each) => sameShape(each, profile)), "a profile");
  const [inputCount, nodeCount, outputCount] = reader.many(3, reader.u32);
  const head = bytes.subarray(0, reader.at);
  const inputs = reader.many(inputCount, () => {
    const [type, rank] = [reader.type(), reader.u8()];
    reader.zero(reader.u16());
    return { type, shape: reader.shape(rank), bound: 1n << 63n };
  });
  const outputsAt = reader.at;
  const outputs = reader.many(outputCount, reader.u32);
  const types = cut(bytes.subarray(head.length, outputsAt), 28);
  const places = cut(bytes.subarray(outputsAt, reader.at), 4);
  const values = [...inputs];
  const nodes = reader.many(nodeCount, () => {
    const node = readNode(reader);
    values.push(admitted(node, values));
    return node;
  });
  need(reader.at === bytes.length, "nothing behind the nodes");
  need(outputs.every((number) => number < values.length), "outputs that are values");
  return { head, types, places, inputs, nodes, outputs };
}

const sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(typeof part === "number" ? Uint8Array.of(part) : part);
  return hash.digest();
};
const EMPTY = sha256(new Uint8Array(32));
const leaf = (bytes) => sha256(0, bytes);

function tree(leaves) {
  if (leaves.length === 0) return EMPTY;
  let level = leaves;
  while (level.length > 1) {
    const whole = level.length % 2 ? [...level, EMPTY] : level;
    level = Array.from({ length: whole.length / 2 }, (_, at) => sha256(1, whole[2 * at], whole[2 * at + 1]));
  }
  return level[0];
}

/** Pieces of a size; the last may be short. */
const cut = (bytes, size) =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(size * at, size * (at + 1)));
const treeOf = (leaves) => tree(leaves.map(leaf));
const treeOfBytes = (bytes, size) => treeOf(cut(bytes, size));

function nodeLeaf({ leaf }, isOutput) {
  const bytes = Buffer.from(leaf);
  bytes[5] = isOutput ? 1 : 0;
  return bytes;
}

export const rootOf = ({ head, types, places, inputs, outputs, nodes }) => {
  const trees = [types, places, nodes.map((node, at) => nodeLeaf(node, outputs.includes(inputs.length + at)))].map(treeOf);
  return sha256(2, Uint8Array.of(0, 0, 0, 4), leaf(head), ...trees);
};

/** The commitment of a tensor. */
export function commitment(type, shape, bytes) {
  const sizes = Buffer.alloc(8 * shape.length);
  shape.forEach((size, axis) => sizes.writeBigUInt64BE(BigInt(size), 8 * axis));
  return sha256(3, TYPES[type].code, shape.length, sizes, treeOfBytes(bytes, 4096));
}

const isWhole = ({ type, data }) => type !== "F32" || data.every(Number.isFinite);

/** Outputs as lists of elements, or the fault: [node, operator, reason]. */
export function run(program, given) {
  need(given.length === program.inputs.length, "as many inputs");
  const values = program.inputs.map(({ type, shape }, at) => ({ type, shape, data: given[at] }));
  const broken = values.findIndex((value) => !isWhole(value));
  if (broken >= 0) return { fault: [-1 - broken, "input", "not finite"] };
  for (const [index, node] of program.nodes.entries()) {
    const value = { type: node.type, shape: node.shape };
    try {
      value.data = compute(
        node,
        node.inputs.map((number) => values[number]),
      );
    } catch (error) {
      if (!(error instanceof OutsideIndex)) throw error;
      return { fault: [index, node.name, error.message] };
    }
    if (!isWhole(value)) return { fault: [index, node.name, "not finite"] };
    values.push(value);
  }
  return { outputs: program.outputs.map((number) => values[number]) };
}
