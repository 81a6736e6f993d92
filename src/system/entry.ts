/**
 * Where the program's other entry points are: scripts that run in a worker thread or in a process of their own. As
 * source they stand in `src/entries/<name>.ts`, in the committed bundle beside the file that is running.
 */
import { dirname, join } from "node:path";

export type EntryName =
  | "archive-worker"
  | "transfer-worker"
  | "watchdog"
  | "sqlite-keeper"
  | "chainstate-reader"
  | "chainstate-prover";

/** True where the TypeScript source itself runs, so that an entry needs the whole tree around it and cannot be copied. */
export function runsFromSource(filename: string = import.meta.filename): boolean {
  return filename.endsWith(".ts");
}

/** Absolute path of an entry point, for `new Worker(path)` or `[process.execPath, path]`. */
export function entryPath(name: EntryName, filename: string = import.meta.filename): string {
  const here = dirname(filename);
  return runsFromSource(filename) ? join(dirname(here), "entries", `${name}.ts`) : join(here, `${name}.js`);
}
