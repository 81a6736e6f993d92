/**
 * Builds, once a run, the programs that tests start by the hundred: those of `src/entries` and the simulated node. From source
 * each start strips the types of a whole tree, which is several times the work that it is started for.
 */
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { buildSync } from "esbuild";
import type { Plugin } from "vitest/config";

const checkout = resolve(import.meta.dirname, "..");

/** Builds each of them as one file; returns the directory, which is removed when this process ends. */
function build(sources: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), "built-programs-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  // Some are started as another user.
  chmodSync(directory, 0o755);
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  buildSync({
    entryPoints: sources.map((source) => join(checkout, source)),
    outdir: directory,
    entryNames: "[name]",
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node24",
    // For packages that are CommonJS.
    banner: {
      js: 'import { createRequire as requireFor } from "node:module"; const require = requireFor(import.meta.url);',
    },
  });
  return directory;
}

/** Nodes that this process's tests start are of a built simulator. */
export function buildSimulator(): void {
  process.env["SIMULATED_NODE"] = join(build(["simulator/node.ts"]), "node.js");
}

/** What is under test finds its other programs built, beside where it takes itself to be, as in `dist`. */
export function builtEntries(): Plugin {
  const directory = build(readdirSync(join(checkout, "src/entries")).map((name) => `src/entries/${name}`));
  return {
    name: "built-entries",
    transform: (code, id) =>
      id === join(checkout, "src/system/entry.ts")
        ? code.replaceAll("import.meta.filename", JSON.stringify(join(directory, "action.js")))
        : undefined,
  };
}
