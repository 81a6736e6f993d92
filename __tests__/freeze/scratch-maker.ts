/**
 * Makes and removes every few milliseconds what a node makes and removes while it works: the scratch copy of the Bitcoin
 * headers with its journals, and a journal of another database. Its stdin is its life.
 *
 *   node scratch-maker.ts <mode directory>
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error("no directory");
const names = ["reorg", "reorg-journal", "reorg-shm", "reorg-wal"].map((end) => `headers.sqlite.${end}`);
const paths = [...names, "notes.db-journal"].map((name) => join(directory, name));

function turn(): void {
  for (const path of paths) writeFileSync(path, "scratch");
  for (const path of paths) rmSync(path);
  setTimeout(turn, 1);
}

turn();
process.stdout.write("ready\n");
process.stdin.on("close", () => process.exit(0)).resume();
