/**
 * The process that reads a chainstate's databases without changing a byte of them. How SQLite is kept from it:
 *
 * - Where a `-wal` has content the database is opened read-only, through the VFS that takes no locks, in exclusive
 *   locking mode: then SQLite reads the WAL and keeps its index of it in memory, so no `-shm` is made, read or written
 *   (https://sqlite.org/wal.html, "Use of WAL Without Shared-Memory"). Works on a read-only mount and without write access.
 * - Where it has none the database is opened as immutable: SQLite looks at nothing beside it.
 * - No connection is ever closed, because closing the last one checkpoints and deletes the WAL: the process ends by
 *   SIGKILL, however it ends.
 *
 * It takes no locks, so it is right only while nobody writes: on a stopped node's chainstate, on a clone, on an
 * unpacked copy. (A frozen cut is asked through its keeper.)
 */
import { rmSync, statSync } from "node:fs";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { fsPath } from "../system/path-bytes.ts";
import { collectRows, limitMemory } from "../system/sqlite-limits.ts";
import { FilesExchangedError, watchOpened, type OpenedFiles } from "./held-files.ts";

export interface ReaderRequest {
  readonly id: number;
  /** Absolute path. */
  readonly database: string;
  readonly sql: string;
  /** Instead of asking anything the WAL is folded into the database: the one thing that changes files. */
  readonly folds?: true;
}

export type SqlValue = string | number | null;
export type Row = Readonly<Record<string, SqlValue>>;

export type ReaderReply =
  | { readonly id: number; readonly rows: readonly Row[] }
  | {
      readonly id: number;
      readonly message: string;
      readonly sqliteCode: number | null;
      readonly exchanged?: true;
    };

export function runReader(): void {
  const open = new Map<string, DatabaseSync>();
  serveLines((line) => {
    process.stdout.write(`${JSON.stringify(answer(open, JSON.parse(line) as ReaderRequest))}\n`);
  });
}

/** Calls `onLine` with each line from the process that started this one, and ends, however that ends, by SIGKILL. */
export function serveLines(onLine: (line: string) => void): void {
  for (const event of ["exit", "uncaughtException", "unhandledRejection"]) process.on(event, endAtOnce);
  process.stdout.on("error", endAtOnce);
  process.stdin.on("error", endAtOnce);
  process.stdin.on("close", endAtOnce);
  process.stdin.on("end", endAtOnce);
  createInterface({ input: process.stdin, crlfDelay: Infinity }).on("line", onLine);
}

function answer(open: Map<string, DatabaseSync>, { id, database, sql, folds }: ReaderRequest): ReaderReply {
  try {
    if (folds === true) return { id, rows: foldWal(database) };
    let connection = open.get(database);
    if (connection === undefined) {
      connection = connect(database);
      open.set(database, connection);
    }
    return { id, rows: collectRows(connection.prepare(sql, { readBigInts: true }).iterate(), plainRow) };
  } catch (error) {
    const sqliteCode = error instanceof Error && "errcode" in error ? Number(error.errcode) : null;
    const exchanged = error instanceof FilesExchangedError ? ({ exchanged: true } as const) : {};
    return { id, message: error instanceof Error ? error.message : String(error), sqliteCode, ...exchanged };
  }
}

/** Also of those that were refused: one that nobody names any more is closed by Node.js. */
const kept: DatabaseSync[] = [];

/** Opens a database of a chainstate as above. Never close it. FilesExchangedError. */
export function connect(path: string): DatabaseSync {
  const wal = statSync(fsPath(`${path}-wal`), { throwIfNoEntry: false });
  if (wal === undefined || wal.size === 0) return open(path, "?mode=ro&immutable=1").connection;
  const { connection, opened } = open(path, "?mode=ro&vfs=unix-none");
  requireWal(connection, opened);
  return connection;
}

/**
 * Copies what is in the WAL into the database file and removes the WAL, by SQLite itself. Only for a copy that no node has
 * opened. Returns what the checkpoint said.
 */
function foldWal(path: string): readonly Row[] {
  // One that is not there is not made.
  const { connection, opened } = open(path, "?mode=rw");
  requireWal(connection, opened);
  const rows = connection.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
  // SQLite would remove it by its name when it is closed, whatever stands there by then.
  if (rows[0]?.["busy"] === 0) rmSync(fsPath(`${path}-wal`), { force: true });
  return rows.map((row) => plainRow(row));
}

interface Opened {
  readonly connection: DatabaseSync;
  readonly opened: OpenedFiles;
}

/** The database file alone: nothing else is looked at before the first statement. */
function open(path: string, search: `?mode=${string}`): Opened {
  const url = pathToFileURL(path);
  url.search = search;
  const opened = watchOpened(path);
  const connection = new DatabaseSync(url, { readOnly: search.startsWith("?mode=ro") });
  kept.push(connection);
  opened.require("");
  limitMemory(connection);
  return { connection, opened };
}

/** Has the WAL opened, which stays so, and its index in memory, where nobody else can write. */
function requireWal(connection: DatabaseSync, opened: OpenedFiles): void {
  connection.exec("PRAGMA locking_mode = EXCLUSIVE");
  connection.prepare("SELECT COUNT(*) FROM sqlite_schema").get();
  const isWal = connection.prepare("PRAGMA journal_mode").get()?.["journal_mode"] === "wal";
  opened.require(isWal ? "-wal" : "");
}

/** Bytes as hex, integers as numbers as far as those go: heights and sizes do. */
function plainRow(row: Record<string, unknown>): Row {
  const plain: Record<string, SqlValue> = {};
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === "bigint") plain[name] = Number(value);
    else if (value instanceof Uint8Array) plain[name] = Buffer.from(value).toString("hex");
    else plain[name] = value as SqlValue;
  }
  return plain;
}

function endAtOnce(): void {
  process.kill(process.pid, "SIGKILL");
}
