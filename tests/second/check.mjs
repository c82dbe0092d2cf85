// Section 13 of docs/reference/exact-arithmetic.md: whether this implementation agrees with the recorded vectors.
//
//     node tests/second/check.mjs [--json]          how many cases of vectors/exact agree; ends with 1 if any does not
//     node tests/second/check.mjs --run < jobs      a list of { program, inputs } in hex; without inputs only the root
//
// A job's answer is { refused }, or { root }, with inputs also { outputs } in hex, their { commitments }, or { fault }.

import { readFileSync } from "node:fs";

import { ofBits } from "./binary32.mjs";
import { compute } from "./primitives.mjs";
import { commitment, readProgram, rootOf, run } from "./programs.mjs";
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

const agreesOnPrimitive = ({ opcode, attributes, inputs, result }) => {
  const data = compute({ opcode, attributes, type: result.type, shape: result.shape }, inputs.map(listed));
  return hex(bytesOf(data)) === hex(bytesOf(listed(result).data));
};

function answer({ program: text, inputs }) {
  try {
    const program = readProgram(unhex(text));
    const root = hex(rootOf(program));
    if (inputs === undefined) return { root };
    const given = program.inputs.map(({ type, shape }, at) => readElements(type, shape, unhex(inputs[at])));
    const { fault, outputs } = run(program, given);
    if (fault !== undefined) return { root, fault };
    const bytes = outputs.map((value) => bytesOf(value.data));
    const commitments = outputs.map(({ type, shape }, at) => hex(commitment(type, shape, bytes[at])));
    return { root, outputs: bytes.map(hex), commitments };
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

if (process.argv.includes("--run")) {
  console.log(JSON.stringify(JSON.parse(readFileSync(0)).map(answer)));
} else {
  const report = check();
  if (process.argv.includes("--json")) console.log(JSON.stringify(report));
  else {
    for (const { file, cases, differing } of report) {
      console.log(`${file}: ${cases - differing.length} of ${cases} agree`, ...differing);
    }
  }
  process.exitCode = report.some(({ differing }) => differing.length > 0) ? 1 : 0;
}
