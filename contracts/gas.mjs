// Measures what each transaction of a job costs, with the rules of Cancun and of Osaka, and what the heaviest ones cost at the
// ceilings, and writes ../bench/gas.json.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = resolve(HERE, "../bench/gas.json");
const ROUND = { commit: 1, commitTable: 5, revealTable: 5, include: 1, aggregate: 1, finalise: 1 };
const MATCH = { post: 1, commitBid: 7, revealBid: 7, close: 1, draw: 1, enlist: 5, start: 1 };
const DISPUTE = { commitChallenge: 1, openChallenge: 1, answerSteps: 1, resign: 1, settle: 1 };
const ARTIFACTS = [
  "Vault", "Stakes", "Params", "Beacon", "Jobs", "Rounds", "Models", "Disputes", "Games", "Arbiter", "Grounds", "Payroll", "Verdicts",
  "Evidence", "Book", "Bids", "Draws",
];
const artifact = (name) => join(HERE, "../assay/chain/artifacts", `${name}.json`);

const output = execFileSync(process.execPath, [join(HERE, "forge.mjs"), "test", "--match-contract", "GasTest|CeilingsTest", "--isolate", "-vvvv"], {
  cwd: HERE,
  encoding: "utf8",
  maxBuffer: 1 << 30,
  stdio: ["ignore", "pipe", "inherit"],
});

const measured = {};
let rules = null;
for (const line of output.split("\n")) {
  rules = line.match(/test_(?:gas_)?(cancun|osaka|ceilings)_?\w*_succeeds/)?.[1] ?? rules;
  const found = line.match(/emit Measured\(name: "(\w+)", gas: (\d+)/);
  if (found) ((measured[rules] ??= {})[found[1]] ??= []).push(Number(found[2]));
}

const mean = (values) => Math.round(values.reduce((sum, value) => sum + value, 0) / values.length);
const sum = (phases, counts) => Object.entries(counts).reduce((total, [name, count]) => total + count * phases[name], 0);
const report = { providers: 6, validators: 5, unit: "gas per transaction, mean, calldata included" };
for (const rules of ["cancun", "osaka"]) {
  const transactions = Object.fromEntries(Object.entries(measured[rules]).map(([name, values]) => [name, mean(values)]));
  report[rules] = {
    transactions,
    per_round: sum(transactions, ROUND),
    matching: sum(transactions, MATCH),
    dispute: sum(transactions, DISPUTE),
  };
}
// With 256 providers, 64 validators and four rounds ahead; the dearest of each. EIP-7825 admits 16,777,216 to a transaction.
report.ceilings = Object.fromEntries(Object.entries(measured.ceilings).map(([name, values]) => [name, Math.max(...values)]));
report.artifacts = Object.fromEntries(
  ARTIFACTS.filter((name) => existsSync(artifact(name))).map((name) => [name, JSON.parse(readFileSync(artifact(name))).deployed_size]),
);
writeFileSync(OUT, JSON.stringify(report, null, 1) + "\n");
for (const rules of ["cancun", "osaka"]) {
  const { per_round, matching, dispute } = report[rules];
  process.stdout.write(`${rules}: round ${per_round}, matching ${matching}, dispute ${dispute}\n`);
}
const [dearest, most] = Object.entries(report.ceilings).reduce((a, b) => (b[1] > a[1] ? b : a));
process.stdout.write(`ceilings: ${most} at most (${dearest})\n`);
