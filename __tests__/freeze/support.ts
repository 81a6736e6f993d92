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
import { lstat, mkdtemp, readdir, readlink, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { onTestFinished } from "vitest";
import type { View, ViewEntry } from "../../src/archive/view.ts";
import type { EntrySelection } from "../../src/chainstate/layout.ts";
import type { Ask, DatabaseRules, FreezeRequest } from "../../src/freeze/port.ts";
import { databasePaths } from "../../simulator/schema.ts";

export const takeAll: EntrySelection = {
  profile: "backup",
  exclude: [],
  leavesOut: () => undefined,
  isWriteOnce: (path) => /^chainstate\/blocks\/[0-9a-f]{4}\/[0-9a-f]{4}\/[0-9a-f]{64}$/.test(path),
};

/** A view of a directory as it is; small trees only. */
export async function viewOf(directory: string, selection: EntrySelection): Promise<View> {
  const root = await stat(directory, { bigint: true });
  const entries: ViewEntry[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const name of (await readdir(join(directory, below))).sort()) {
      const path = below === "" ? name : `${below}/${name}`;
      const source = join(directory, path);
      const found = await lstat(source, { bigint: true });
      if (selection.leavesOut(path, found.isDirectory()) !== undefined) continue;
      const base = {
        path,
        mode: Number(found.mode & 0o7777n),
        uid: Number(found.uid),
        gid: Number(found.gid),
        mtimeNs: found.mtimeNs,
      };
      if (found.isDirectory()) {
        entries.push({ ...base, type: "directory", size: 0 });
        await walk(path);
      } else if (found.isSymbolicLink()) {
        entries.push({ ...base, type: "symlink", size: 0, linkTarget: await readlink(source) });
      } else {
        const { ino, mtimeNs, ctimeNs } = found;
        const size = Number(found.size);
        entries.push({
          ...base,
          type: "file",
          size,
          source,
          guard: "unchanged",
          stat: { ino, size, mtimeNs, ctimeNs },
        });
      }
    }
  };
  return {
    rootEntry: {
      mode: Number(root.mode & 0o7777n),
      uid: Number(root.uid),
      gid: Number(root.gid),
      mtimeNs: root.mtimeNs,
    },
    async *entries() {
      entries.length = 0;
      await walk("");
      yield* entries.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
    },
  };
}

/** The rules of a Stacks chainstate, written down a second time for these tests. */
export const rules: DatabaseRules = {
  consensusDatabases: [
    databasePaths.clarity,
    databasePaths.index,
    databasePaths.nakamoto,
    databasePaths.sortition,
  ],
  appendOnlyFileOf: (database) => `${database}.blobs`,
  async recordedLength(database, ask) {
    const one = async (sql: string): Promise<number> => Number((await ask(database, sql))[0]?.["n"] ?? 0);
    const unsettled = "SELECT COUNT(*) AS n FROM marf_data WHERE unconfirmed = 1 AND external_length > 0";
    if ((await one(unsettled)) > 0) return "unsettled";
    return one("SELECT MAX(external_offset + external_length) AS n FROM marf_data");
  },
  async tipsAgree(ask) {
    const one = async (database: string, sql: string): Promise<string> =>
      String(Object.values((await ask(database, sql))[0] ?? {})[0]);
    const lastTrie = "SELECT block_hash FROM marf_data WHERE unconfirmed = 0 ORDER BY block_id DESC LIMIT 1";
    const a = await one(databasePaths.clarity, lastTrie);
    const b = await one(databasePaths.index, lastTrie);
    const header = "FROM nakamoto_block_headers ORDER BY block_height DESC LIMIT 1";
    const c = await one(databasePaths.index, `SELECT index_block_hash ${header}`);
    const height = await one(databasePaths.index, `SELECT block_height ${header}`);
    const d = await one(
      databasePaths.nakamoto,
      "SELECT index_block_hash FROM nakamoto_staging_blocks WHERE processed = 1 ORDER BY height DESC LIMIT 1",
    );
    const e = await one(
      databasePaths.sortition,
      "SELECT MAX(block_height) FROM stacks_chain_tips_by_burn_view",
    );
    const agree = a === b && a === c && a === d && e === height;
    return { agree, detail: `A ${a} B ${b} C ${c} (${height}) D ${d} E ${e}` };
  },
};

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
    selection: takeAll,
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
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
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
      digests[path] =
        verdict === "ok" ? await digestOf((sql) => database.prepare(sql).all()) : String(verdict);
    } finally {
      database.close();
    }
  }
  return digests;
}

/** The same, asked inside the held transactions. */
export async function examineHeld(ask: Ask): Promise<Digests> {
  const digests: Digests = {};
  for (const path of databasesOf) digests[path] = await digestOf((sql) => ask(path, sql));
  return digests;
}

export async function tipsOfCopy(
  directory: string,
): Promise<{ readonly agree: boolean; readonly detail: string }> {
  return rules.tipsAgree(async (path, sql) => {
    const database = new DatabaseSync(join(directory, path));
    try {
      return database.prepare(sql).all() as never;
    } finally {
      database.close();
    }
  });
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
  /** Ends as a node does that leaves its WALs. */
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
  return { child, progress: async () => JSON.parse(await ask("progress")) as never, stop };
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
