// Compiles the contracts and writes the artifacts that ship inside the Python package.
//
//   node build.mjs          compile, write ../assay/chain/artifacts/<Name>.json
//   node build.mjs --check  compile, compare with what is there, fail on a difference
//
// An artifact: {name, abi, bytecode, links, deployed_size, source_hash}. `links` names, per library, the byte offsets in
// `bytecode` where its 20-byte address goes. `source_hash` is sha256 over every source that the contract is made of.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { existsSync, mkdirSync, readFileSync, readdirSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = resolve(HERE, "../assay/chain/artifacts");
const SIZE_LIMIT = 24576; // EIP-170
const solc = createRequire(import.meta.url)(join(HERE, "node_modules", "solc"));

const settings = {
  viaIR: true,
  optimizer: { enabled: true, runs: 200 },
  evmVersion: "cancun",
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.bytecode.linkReferences", "evm.deployedBytecode.object"] } },
};

const solidity = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? solidity(join(folder, entry.name)) : entry.name.endsWith(".sol") ? [join(folder, entry.name)] : [],
  );

const IMPORT = /import\s+(?:[^"']*?from\s+)?["']([^"']+)["']/g;

/** All sources that `roots` reach, by the name under which the compiler knows them. */
function collect(roots) {
  const sources = new Map();
  const visit = (name) => {
    if (sources.has(name)) return;
    const file = name.startsWith("@openzeppelin/") ? join(HERE, "node_modules", name) : join(HERE, name);
    const content = readFileSync(file, "utf8");
    const imports = [...content.matchAll(IMPORT)].map(([, to]) =>
      to.startsWith(".") ? join(dirname(name), to).replaceAll("\\", "/") : to,
    );
    sources.set(name, { content, imports });
    imports.forEach(visit);
  };
  roots.forEach(visit);
  return sources;
}

/** sha256 over the sources below `name`, sorted by name. */
function sourceHash(sources, name) {
  const seen = new Set();
  const visit = (at) => {
    if (seen.has(at)) return;
    seen.add(at);
    sources.get(at).imports.forEach(visit);
  };
  visit(name);
  const digest = createHash("sha256");
  for (const at of [...seen].sort()) digest.update(at).update("\0").update(sources.get(at).content).update("\0");
  return digest.digest("hex");
}

function compile() {
  const roots = solidity(join(HERE, "src")).map((file) => relative(HERE, file).replaceAll("\\", "/")).sort();
  const sources = collect(roots);
  const input = {
    language: "Solidity",
    sources: Object.fromEntries([...sources].map(([name, { content }]) => [name, { content }])),
    settings,
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const problems = (output.errors ?? []).filter(({ severity, sourceLocation }) => severity === "error" || !sourceLocation?.file.startsWith("@"));
  for (const { formattedMessage } of problems) process.stderr.write(formattedMessage + "\n");
  if (problems.some(({ severity }) => severity === "error")) process.exit(1);

  const contracts = roots.flatMap((path) =>
    Object.entries(output.contracts[path] ?? {}).map(([name, compiled]) => ({ path, name, compiled })),
  );
  const libraries = new Map(contracts.map(({ path, name, compiled }) => [`${path}:${name}`, compiled]));
  return contracts.flatMap(({ path, name, compiled }) => {
    const links = {};
    let abi = compiled.abi;
    for (const [file, byLibrary] of Object.entries(compiled.evm.bytecode.linkReferences ?? {}))
      for (const [library, places] of Object.entries(byLibrary)) {
        links[library] = places.map(({ start }) => start);
        // A linked library's errors and events surface under this contract's address.
        abi = merge(abi, libraries.get(`${file}:${library}`).abi.filter(({ type }) => type !== "function"));
      }
    const size = compiled.evm.deployedBytecode.object.length / 2;
    if (!/^I[A-Z]/.test(name) && size < 100) return []; // an internal library or an abstract base
    return [
      {
        name,
        abi,
        bytecode: "0x" + compiled.evm.bytecode.object.replace(/__\$[0-9a-f]{34}\$__/g, "0".repeat(40)),
        links,
        deployed_size: size,
        source_hash: sourceHash(sources, path),
      },
    ];
  });
}

function merge(abi, more) {
  const key = ({ type, name, inputs }) => JSON.stringify([type, name, (inputs ?? []).map((input) => input.type)]);
  const known = new Set(abi.map(key));
  return [...abi, ...more.filter((item) => !known.has(key(item)) && known.add(key(item)))];
}

const checking = process.argv.includes("--check");
const artifacts = compile();
mkdirSync(OUT, { recursive: true });
let failures = 0;
const wanted = new Set(artifacts.map(({ name }) => `${name}.json`));
for (const artifact of artifacts) {
  const { name, deployed_size: size } = artifact;
  if (size > SIZE_LIMIT) {
    process.stderr.write(`${name} has ${size} bytes, over ${SIZE_LIMIT}\n`);
    failures += 1;
  }
  const file = join(OUT, `${name}.json`);
  const text = JSON.stringify(artifact) + "\n";
  if (checking) {
    if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
      process.stderr.write(`${name}.json is stale: run node build.mjs\n`);
      failures += 1;
    }
  } else writeFileSync(file, text);
  if (size) process.stdout.write(`${name.padEnd(20)} ${String(size).padStart(6)} bytes\n`);
}
for (const file of readdirSync(OUT).filter((name) => name.endsWith(".json") && !wanted.has(name))) {
  if (checking) {
    process.stderr.write(`${file} belongs to no contract\n`);
    failures += 1;
  } else unlinkSync(join(OUT, file));
}
process.exit(failures ? 1 : 0);
