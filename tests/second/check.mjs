// Section 13 of docs/reference/exact-arithmetic.md: whether this implementation agrees.
//
//     node tests/second/check.mjs [--json]          how many cases of vectors/exact agree; ends with 1 if any does not
//     node tests/second/check.mjs --jobs < jobs     answers to a list of jobs in JSON, bytes in hex
//
// A job { program } is answered by its { root }, or { refused }; { program, inputs } also by { outputs, commitments }
// or { fault }; { program, state }, a training program and where it starts, by the { hash } after five steps.

import { readFileSync } from "node:fs";

import { ofBits } from "./binary32.mjs";
import { compute } from "./primitives.mjs";
import { commitment, readProgram, rootOf, run } from "./programs.mjs";
import { hashOfSteps } from "./steps.mjs";
import { readElements, Refused, TYPES } from "./values.mjs";

const vectors = (name) => JSON.parse(readFileSync(new URL(`../../vectors/exact/${name}.json`, import.meta.url)));
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const unhex = (text) => new Uint8Array(Buffer.from(text, "hex"));
const bytesOf = (data) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Elements of a value in vectors: floats are bits, null is one that is not finite. */
function listed({ type, shape, items }) {
  const one = { F32: (bits) => (bits === null ? NaN : ofBits(bits)), I64: BigInt }[type] ?? Number;
  return { type, shape, data: TYPES[type].list.from(items, one) };
}

function agreesOnPrimitive({ opcode, attributes, inputs, result: { type, shape, items } }) {
  const { data: wanted } = listed({ type, shape, items });
  const data = compute({ opcode, attributes, type, shape }, inputs.map(listed));
  return data.length === wanted.length && data.every((each, at) => Object.is(each, wanted[at]));
}

/** The elements of a program's first inputs. */
const read = (program, texts) =>
  texts.map((text, at) => readElements(program.inputs[at].type, program.inputs[at].shape, unhex(text)));

function ran(program, inputs) {
  const { fault, outputs } = run(program, read(program, inputs));
  if (fault !== undefined) return { fault };
  const bytes = outputs.map((value) => bytesOf(value.data));
  const commitments = outputs.map(({ type, shape }, at) => hex(commitment(type, shape, bytes[at])));
  return { outputs: bytes.map(hex), commitments };
}

function answer({ program: text, inputs, state }) {
  try {
    const program = readProgram(unhex(text));
    const root = hex(rootOf(program));
    if (inputs !== undefined) return { root, ...ran(program, inputs) };
    return state === undefined ? { root } : { root, hash: hashOfSteps(program, read(program, state)) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { refused: error.message };
  }
}

function agreesOnProgram(row) {
  const { root, outputs, fault } = answer(row);
  return root === row.root && JSON.stringify([outputs, fault]) === JSON.stringify([row.outputs, row.fault]);
}

function check() {
  const files = { primitives: agreesOnPrimitive, programs: agreesOnProgram };
  return Object.entries(files).map(([file, agrees]) => {
    const rows = vectors(file);
    const differing = rows.filter((row) => !agrees(row)).map((row) => row.name);
    return { file, cases: rows.length, differing };
  });
}

const inWords = (report) =>
  report.map(({ file, cases, differing }) =>
    [`${file}: ${cases - differing.length} of ${cases} agree`, ...differing].join(" "),
  );

const asked = process.argv.slice(2).join(" ");
if (asked === "--jobs") {
  console.log(JSON.stringify(JSON.parse(readFileSync(0)).map(answer)));
} else if (asked === "" || asked === "--json") {
  const report = check();
  console.log(asked === "" ? inWords(report).join("\n") : JSON.stringify(report));
  process.exitCode = report.some(({ differing }) => differing.length > 0) ? 1 : 0;
} else {
  console.error("usage: node tests/second/check.mjs [--json | --jobs]");
  process.exitCode = 2;
}
