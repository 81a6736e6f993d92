/**
 * Databases of a chainstate whose nights are all there can be: rows under hash keys, WALs with live frames, unfinished
 * transactions and frames of an older salt, VACUUM, another page size, another journal mode, databases that come and go.
 */
import { createHash, randomBytes } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export type Random = (below: number) => number;

const key = (text: string): string => createHash("sha256").update(text).digest("hex");

export interface DatabaseOptions {
  readonly rows: number;
  readonly pageSize?: number;
}

/** A database with a table of the node's, kept open as a node keeps it. */
export class ChangingDatabase {
  readonly path: string;
  #connection: DatabaseSync;
  #rows = 0;
  readonly #random: Random;

  constructor(path: string, random: Random, { rows, pageSize = 4096 }: DatabaseOptions) {
    this.path = path;
    this.#random = random;
    mkdirSync(dirname(path), { recursive: true });
    this.#connection = new DatabaseSync(path);
    this.exec(`PRAGMA page_size = ${pageSize}`);
    this.exec("PRAGMA journal_mode = WAL");
    this.exec("PRAGMA synchronous = OFF");
    this.exec("CREATE TABLE data_table (key TEXT PRIMARY KEY, value TEXT)");
    this.add(rows);
    this.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  exec(sql: string): void {
    this.#connection.exec(sql);
  }

  /** A tenth of them replace old ones. */
  add(rows: number): void {
    this.exec("BEGIN");
    const statement = this.#connection.prepare("REPLACE INTO data_table VALUES (?, ?)");
    for (let count = 0; count < rows; count += 1) {
      const replaces = this.#rows > 0 && this.#random(10) === 0;
      const row = replaces ? this.#random(this.#rows) : this.#rows;
      if (!replaces) this.#rows += 1;
      statement.run(key(`${row}`), randomBytes(20 + this.#random(60)).toString("hex"));
      if (count % 40 === 39) {
        this.exec("COMMIT");
        this.exec("BEGIN");
      }
    }
    this.exec("COMMIT");
  }

  /** Leaves frames in the WAL that are not committed, until `settle`. */
  leaveUnfinished(rows: number): void {
    this.exec("PRAGMA cache_size = 10");
    this.exec("BEGIN");
    const statement = this.#connection.prepare("REPLACE INTO data_table VALUES (?, ?)");
    for (let row = 0; row < rows; row += 1)
      statement.run(key(`lost ${row}`), randomBytes(60).toString("hex"));
  }

  settle(): void {
    if (this.#connection.isTransaction) this.exec("ROLLBACK");
  }

  /** Half of the rows go, and what they took. */
  shrink(): void {
    this.exec("DELETE FROM data_table WHERE rowid % 2 = 0");
    this.exec("VACUUM");
  }

  changePageSize(pageSize: number): void {
    this.exec("PRAGMA journal_mode = DELETE");
    this.exec(`PRAGMA page_size = ${pageSize}`);
    this.exec("VACUUM");
    this.exec("PRAGMA journal_mode = WAL");
  }

  /** In the orderly way: the WAL goes into the file. */
  close(): void {
    this.#connection.close();
  }

  remove(): void {
    this.close();
    for (const ending of ["", "-wal", "-shm"]) rmSync(this.path + ending, { force: true });
  }
}

/** By path: SHA-256 of each file of the tree; databases with what their WALs hold folded in by SQLite, in a copy. */
export function foldedTree(root: string, scratch: string): Readonly<Record<string, string>> {
  rmSync(scratch, { recursive: true, force: true });
  cpSync(root, scratch, { recursive: true });
  const tree: Record<string, string> = {};
  const entries = readdirSync(scratch, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile() || !entry.name.endsWith(".sqlite")) continue;
    const path = join(entry.parentPath, entry.name);
    rmSync(`${path}-shm`, { force: true });
    const database = new DatabaseSync(path);
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    const intact = database.prepare("PRAGMA integrity_check").get();
    if (intact?.["integrity_check"] !== "ok") throw new Error(`${path}: ${JSON.stringify(intact)}`);
    database.close();
  }
  for (const entry of readdirSync(scratch, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile())
      tree[path.slice(scratch.length + 1)] = createHash("sha256").update(readFileSync(path)).digest("hex");
  }
  rmSync(scratch, { recursive: true, force: true });
  return tree;
}
