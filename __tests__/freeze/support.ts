/** What the freezers' tests share: a chainstate, a writer that does not wait, rules, and the copy a reader makes of a view. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { onTestFinished } from "vitest";
import { openDirectoryView } from "../../src/archive/write/directory-view.ts";
import type { View } from "../../src/archive/view.ts";
import { chainstateRules } from "../../src/chainstate/freeze-rules.ts";
import { databaseOfBlobs, selectEntries } from "../../src/chainstate/layout.ts";
import type { Ask, FreezeRequest, ViewOf } from "../../src/freeze/port.ts";
import { ChainWriter } from "../../simulator/chainstate.ts";
import { whyInconsistent } from "../../simulator/consistency.ts";
import { databasePaths } from "../../simulator/schema.ts";

export const rules = chainstateRules;

export const viewOf: ViewOf = (directory, selection) =>
  openDirectoryView({ directory, selection, followLink: databaseOfBlobs });

export async function scratch(name = "freeze"): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), `${name}-`));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

let runs = 0;

export function requestFor(chainstateDir: string, stateDir: string): FreezeRequest {
  runs += 1;
  return {
    chainstateDir,
    stateDir,
    selection: selectEntries("backup"),
    runId: `test-${process.pid}-${runs}`,
    signal: new AbortController().signal,
  };
}

/** What an archive does with a view: reads each file's first `size` bytes, in order, in small pieces. */
export async function copyView(view: View, target: string, pauseMs = 0): Promise<readonly string[]> {
  mkdirSync(target, { recursive: true });
  const paths: string[] = [];
  for await (const entry of view.entries(new AbortController().signal)) {
    paths.push(entry.path);
    const to = join(target, entry.path);
    if (entry.type === "directory") mkdirSync(to, { recursive: true });
    if (entry.type === "symlink") symlinkSync(entry.linkTarget ?? "", to);
    if (entry.type !== "file" || entry.source === undefined) continue;
    await copyPrefix(entry.source, to, entry.size, pauseMs);
  }
  return paths;
}

async function copyPrefix(source: string, target: string, size: number, pauseMs: number): Promise<void> {
  const from = openSync(source, "r");
  const to = openSync(target, "wx");
  try {
    const piece = Buffer.alloc(64 * 1024);
    for (let at = 0; at < size;) {
      const read = readSync(from, piece, 0, Math.min(piece.length, size - at), at);
      if (read === 0) throw new Error(`${source} ends at ${at}, not at ${size}`);
      writeSync(to, piece, 0, read, at);
      at += read;
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

export const databasesOf = Object.values(databasePaths);

/** SHA-256 over the schema and every row of every table: equal digests, equal content. */
export async function digestOf(
  ask: (sql: string) => Promise<readonly object[]> | readonly object[],
): Promise<string> {
  const hash = createHash("sha256");
  const tables = await ask("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name");
  for (const table of tables) {
    hash.update(JSON.stringify(table));
    const rows = await ask(
      `SELECT rowid AS "row number", * FROM "${String(Reflect.get(table, "name"))}" ORDER BY rowid`,
    );
    for (const row of rows) hash.update(JSON.stringify(Object.entries(row).map(([k, v]) => [k, plain(v)])));
  }
  return hash.digest("hex");
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (typeof value !== "bigint") return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

export type Digests = Record<string, string>;

/** Opens the databases of a copy, writably as a node would, and checks each. */
export async function examineCopy(directory: string): Promise<Digests> {
  const digests: Digests = {};
  for (const path of databasesOf) {
    if (!existsSync(join(directory, path))) continue;
    const database = new DatabaseSync(join(directory, path));
    try {
      const verdict = database.prepare("PRAGMA integrity_check").get()?.["integrity_check"];
      digests[path] = verdict === "ok" ? await digestOf((sql) => rowsOf(database, sql)) : String(verdict);
    } finally {
      database.close();
    }
  }
  return digests;
}

function rowsOf(database: DatabaseSync, sql: string): readonly object[] {
  const statement = database.prepare(sql);
  statement.setReadBigInts(true);
  return statement.all();
}

/** The same, asked inside the held transactions. */
export async function examineHeld(ask: Ask): Promise<Digests> {
  const digests: Digests = {};
  for (const path of databasesOf) digests[path] = await digestOf((sql) => ask(path, sql));
  return digests;
}

/** Why a node would not run on this copy, by the simulator's own judgement; undefined when it would. */
export function whyNodeWouldPanic(directory: string): string | undefined {
  const chain = ChainWriter.open(directory);
  try {
    return whyInconsistent(chain);
  } finally {
    chain.close(true);
  }
}

export interface Writer {
  readonly child: ChildProcess;
  /** What it has done so far. */
  progress(): Promise<{
    readonly height: number;
    readonly busy: number;
    readonly checkpoints: number;
    readonly pid: number;
  }>;
  /** Closes the databases as a node does that leaves its WALs, and opens them again; the process stays. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends, leaving the WALs. */
  stop(): Promise<void>;
}

/** A process that appends blocks and checkpoints as hard as it is told. */
export async function startWriter(directory: string, blocksPerSecond: number): Promise<Writer> {
  const script = join(import.meta.dirname, "busy-writer.ts");
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", script, directory, String(blocksPerSecond)],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (what: string): Promise<string> => {
    child.stdin.write(`${what}\n`);
    const { value, done } = await lines.next();
    if (done === true) throw new Error("the writer has died");
    return value;
  };
  await ask("ready");
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    const ended = once(child, "close");
    child.stdin.end();
    await ended;
  };
  const tell = async (what: string): Promise<void> => {
    await ask(what);
  };
  return {
    child,
    pause: () => tell("stop"),
    resume: () => tell("start"),
    stop,
    progress: async () => JSON.parse(await ask("progress")) as never,
  };
}

/** Processes whose command line names the keeper, and were started by this one. */
export function keepersOf(parent = process.pid): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/stat`, "utf8");
        const [state, ppid] = status.slice(status.lastIndexOf(")") + 2).split(" ");
        return (
          state !== "Z" &&
          Number(ppid) === parent &&
          readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("keeper")
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}
