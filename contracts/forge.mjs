// Runs forge: the binary that npm installed for this platform, else the one on the path.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const ARCH = { x64: "amd64", arm64: "arm64" }[process.arch];
const packaged = join(HERE, "node_modules", "@foundry-rs", `forge-${process.platform}-${ARCH}`, "bin", "forge");
const { status, error } = spawnSync(existsSync(packaged) ? packaged : "forge", process.argv.slice(2), { cwd: HERE, stdio: "inherit" });
if (error) process.stderr.write(`no forge: run npm ci, or install Foundry 1.7 (${error.message})\n`);
process.exit(status ?? 1);
