// Section 13 of docs/reference/exact-arithmetic.md: five steps of a training program on drawn inputs, and their hash.

import { createHash } from "node:crypto";

import { randomWords } from "./philox.mjs";
import { run } from "./programs.mjs";

const STEPS = 5;
const KEY = [11n, 12n];

const drawn = (step, stream, { shape }, modulus) =>
  randomWords(KEY, BigInt(step), stream, shape.reduce((a, b) => a * b, 1)).map((word) => word % modulus);

/** What is trained on: the last two inputs of the program. */
function batch(program, step) {
  const [x, y] = program.inputs.slice(-2);
  const words = drawn(step, 1, x, 17n);
  const first = x.type === "F32" ? Float32Array.from(words, (word) => Number(word) / 16) : words;
  return [first, drawn(step, 2, y, 10n)];
}

/** The hash of the losses and of all state after the steps, in hex. */
export function hashOfSteps(program, start) {
  const digest = createHash("sha256");
  let state = start;
  for (let step = 0; step < STEPS; step++) {
    const results = run(program, [...state, ...batch(program, step)]).outputs.map((value) => value.data);
    digest.update(results.at(-1));
    state = results.slice(0, -1);
  }
  for (const each of state) digest.update(each);
  return digest.digest("hex");
}
