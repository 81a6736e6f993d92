/**
 * Whether an archive that was made with a kept clone holds what was frozen, told by `tar` and SQLite: the clone that is kept is what
 * was frozen, to the byte, and the archive's databases have to be the same ones, both with their WALs folded.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** A database of many pages, so that what changes of it is sent by pages. Called before a node has it open. */
export function addPages(database: string): void {
  const connection = new DatabaseSync(database);
  connection.exec("CREATE TABLE more (key TEXT PRIMARY KEY, value TEXT); BEGIN");
  const insert = connection.prepare("INSERT INTO more VALUES (?, ?)");
  for (let row = 0; row < 30_000; row += 1) {
    const key = createHash("sha256").update(`${row}`).digest("hex");
    insert.run(key, key.repeat(2));
  }
  connection.exec("COMMIT");
  connection.close();
}

/** Of the clones that stand beside a chainstate. */
export function keptBeside(chainstate: string): readonly string[] {
  return readdirSync(dirname(chainstate)).filter((name) => name.startsWith(".chainstate-snapshot-kept-"));
}

/** What is wrong, in words. `archive`: a file. */
export function judgeKept(chainstate: string, archive: string): string[] {
  const [name, ...more] = keptBeside(chainstate);
  if (name === undefined || more.length > 0)
    return [`${more.length + (name === undefined ? 0 : 1)} clones are kept`];
  const scratch = mkdtempSync(join(tmpdir(), "kept-archive-"));
  try {
    const [clone, plain] = [join(scratch, "clone"), join(scratch, "plain")];
    cpSync(join(dirname(chainstate), name), clone, { recursive: true });
    mkdirSync(plain);
    execFileSync("tar", ["--zstd", "-xf", archive, "-C", plain]);
    const files = readdirSync(clone, { recursive: true, encoding: "utf8" });
    const databases = files.filter((file) => file.endsWith(".sqlite"));
    if (databases.length === 0) return ["nothing is in the clone that is kept"];
    return databases.flatMap((path) => {
      const archived = join(plain, basename(chainstate), path);
      return digestOf(join(clone, path)) === digestOf(archived)
        ? []
        : [`${path} in the archive is not what was frozen`];
    });
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function digestOf(path: string): string {
  if (!existsSync(path)) return "nothing";
  const database = new DatabaseSync(path);
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
