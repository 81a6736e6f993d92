/**
 * The process that holds one read transaction on every database of a chainstate, and does nothing else. A reader pins
 * its view: checkpoints may not write past it and the WAL may not be restarted under it (https://sqlite.org/wal.html,
 * "Concurrency" and "Avoiding Excessively Large WAL Files"). Two rules follow from how SQLite locks:
 *
 * - POSIX locks of a process vanish when it closes any descriptor of the file (https://sqlite.org/howtocorrupt.html,
 *   2.2), so this process opens the databases through SQLite once and touches their files in no other way.
 * - Closing the last connection to a database checkpoints it and deletes its WAL, so no connection is ever closed:
 *   however this process ends, it ends by a signal that leaves no time for it.
 */
import { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";
import { fsPath } from "../../system/path-bytes.ts";
import { describeError } from "../../domain/errors.ts";
import type { Greeting, KeeperReply, KeeperRequest, Row, SqlValue } from "./keeper-protocol.ts";

/** How long a statement waits for a lock: recovery by another process, a moment's exclusive lock of a checkpoint. */
const busyTimeoutMs = 10_000;

export function runKeeper(): void {
  const databases = new Map<string, DatabaseSync>();
  process.on("exit", endAtOnce);
  process.on("uncaughtException", endAtOnce);
  process.on("unhandledRejection", endAtOnce);
  process.stdout.on("error", endAtOnce);
  process.stdin.on("error", endAtOnce);
  // The parent's end of the pipe is gone: it has released the view, or it is dead.
  process.stdin.on("close", endAtOnce);
  process.stdin.on("end", endAtOnce);
  createInterface({ input: process.stdin, crlfDelay: Infinity }).on("line", (line) => {
    say(answer(databases, JSON.parse(line) as KeeperRequest));
  });
  const { version } = readOne(new DatabaseSync(":memory:"), "SELECT sqlite_version() AS version");
  say({ pid: process.pid, sqliteVersion: String(version) } satisfies Greeting);
}

function answer(databases: Map<string, DatabaseSync>, request: KeeperRequest): KeeperReply {
  try {
    return { ok: true, ...carryOut(databases, request) };
  } catch (error) {
    return { ok: false, message: describeError(error) };
  }
}

function carryOut(
  databases: Map<string, DatabaseSync>,
  request: KeeperRequest,
): { readonly rows?: readonly Row[]; readonly lost?: readonly string[] } {
  switch (request.do) {
    case "open":
      for (const path of request.databases)
        databases.set(
          path,
          naming(path, () => open(path)),
        );
      return {};
    case "begin":
      for (const path of request.databases) naming(path, () => begin(connected(databases, path)));
      return {};
    case "rollback":
      for (const path of request.databases) naming(path, () => rollBack(connected(databases, path)));
      return {};
    case "ask":
      return {
        rows: naming(request.database, () => readAll(connected(databases, request.database), request.sql)),
      };
    case "lost":
      return { lost: [...databases].filter(([, each]) => !each.isTransaction).map(([path]) => path) };
    default:
      throw new Error("unknown request");
  }
}

function naming<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new Error(path, { cause });
  }
}

function begin(connection: DatabaseSync): void {
  connection.exec("BEGIN");
  // BEGIN alone fixes nothing: the view is that of the first read.
  readOne(connection, "SELECT COUNT(*) FROM sqlite_schema");
}

function rollBack(connection: DatabaseSync): void {
  if (connection.isTransaction) connection.exec("ROLLBACK");
}

function open(path: string): DatabaseSync {
  const connection = new DatabaseSync(fsPath(path), { timeout: busyTimeoutMs });
  // Not read-only: a read-only connection cannot make the `-shm` that its lock lives in.
  connection.exec("PRAGMA query_only = 1");
  connection.exec("PRAGMA wal_autocheckpoint = 0");
  const { journal_mode: mode } = readOne(connection, "PRAGMA journal_mode");
  if (mode !== "wal") throw new Error(`journal mode is ${String(mode)}, not wal`);
  return connection;
}

function connected(databases: Map<string, DatabaseSync>, path: string): DatabaseSync {
  const connection = databases.get(path);
  if (connection === undefined) throw new Error("not opened");
  return connection;
}

function readOne(connection: DatabaseSync, sql: string): Row {
  return readAll(connection, sql)[0] ?? {};
}

function readAll(connection: DatabaseSync, sql: string): Row[] {
  const statement = connection.prepare(sql);
  // Real chainstates have integers beyond what a number holds, and a statement that meets one fails otherwise.
  statement.setReadBigInts(true);
  return statement
    .all()
    .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])));
}

/** Blobs as hex, integers beyond a number's precision as digits: what JSON can carry. */
function plain(value: unknown): SqlValue {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (typeof value !== "bigint") return value as SqlValue;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function say(message: Greeting | KeeperReply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function endAtOnce(): void {
  process.kill(process.pid, "SIGKILL");
}
