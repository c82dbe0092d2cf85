// Measures what each transaction of a job costs, with the rules of Cancun and of Osaka, and writes ../bench/gas.json.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = resolve(HERE, "../bench/gas.json");
const ROUND = { commit: 1, commitTable: 5, revealTable: 5, include: 1, aggregate: 1, finalise: 1 };
const MATCH = { post: 1, commitBid: 7, revealBid: 7, close: 1, draw: 1, enlist: 5, start: 1 };
const DISPUTE = { commitChallenge: 1, openChallenge: 1, vote: 5, revealVote: 5, decide: 1 };

const output = execFileSync(process.execPath, [join(HERE, "forge.mjs"), "test", "--match-contract", "GasTest", "--isolate", "-vvvv"], {
  cwd: HERE,
  encoding: "utf8",
  maxBuffer: 1 << 30,
  stdio: ["ignore", "pipe", "inherit"],
});

const measured = {};
let rules = null;
for (const line of output.split("\n")) {
  rules = line.match(/test_gas_(\w+)_succeeds/)?.[1] ?? rules;
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
report.artifacts = Object.fromEntries(
  ["Vault", "Stakes", "Params", "Beacon", "Jobs", "Rounds", "Rerun", "Models", "Payroll", "Verdicts", "Evidence"].map((name) => [
    name,
    JSON.parse(readFileSync(join(HERE, "../assay/chain/artifacts", `${name}.json`))).deployed_size,
  ]),
);
writeFileSync(OUT, JSON.stringify(report, null, 1) + "\n");
for (const rules of ["cancun", "osaka"]) {
  const { per_round, matching, dispute } = report[rules];
  process.stdout.write(`${rules}: round ${per_round}, matching ${matching}, dispute ${dispute}\n`);
}
