/**
 * A keeper with the fault that the real one must not have: asked by SIGUSR2, it opens and closes a `-shm` it stands on
 * (named in the file that its last argument names), and so loses its locks without noticing.
 */
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runKeeper } from "../../../src/freeze/sqlite/keeper-process.ts";

process.on("SIGUSR2", () => {
  const path = readFileSync(join("/tmp", `leaky-keeper-${process.ppid}`), "utf8");
  closeSync(openSync(path, "r"));
});
runKeeper();
