/** A bench's own process as the action is run: a bundle, with the programs of `src/entries` beside it. */
import { rmSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { buildSync } from "esbuild";

const root = join(import.meta.dirname, "..");

/** `source`: the file of `bench/`. Returns the program's path, `DIRECTORY/bundle/NAME.js`. */
export function bundle(source: string, directory: string, entries: readonly string[]): string {
  const name = basename(source, ".ts");
  const bundled = join(directory, "bundle", `${name}.js`);
  rmSync(dirname(bundled), { recursive: true, force: true });
  buildSync({
    entryPoints: {
      [name]: source,
      ...Object.fromEntries(entries.map((entry) => [entry, join(root, "src/entries", `${entry}.ts`)])),
    },
    outdir: dirname(bundled),
    bundle: true,
    minify: process.env["BENCH_READABLE"] === undefined,
    platform: "node",
    format: "esm",
    external: ["esbuild"],
    banner: {
      js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
    },
  });
  // What is external is found there.
  symlinkSync(join(root, "node_modules"), join(dirname(bundled), "node_modules"));
  return bundled;
}
