/**
 * Changes single bytes of a chainstate at random, one at a time, in the files as they lie on the disk, and asks whether
 * `full` finds it. The jobs of the proof are asked first, in this process and the likeliest first: what one of them finds,
 * `full` finds. A change that nothing finds has to be of a class that cannot matter, and that it is of the class is shown
 * from what the databases say. For tests, and for the figures in docs/checks.md. The chainstate is as it was afterwards.
 */
import { closeSync, existsSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inspectChainstate } from "../src/chainstate/inspect.ts";
import { type JobReport, type MarfName, type ProofJob, runProofJob } from "../src/chainstate/proof/job.ts";
import { databasePaths } from "./schema.ts";

/** Columns of which a change that `full` does not find cannot matter; docs/checks.md names each. */
export const harmlessColumns: Readonly<Record<string, readonly string[]>> = {
  nakamoto_staging_blocks: ["processed_time", "obtain_method", "signing_weight"],
  block_headers: ["cost", "burn_header_timestamp of block 0"],
};

export interface DamageCount {
  readonly kind: string;
  readonly tried: number;
  readonly found: number;
  /** Not found, and why that cannot matter, with their number. */
  readonly classes: ReadonlyMap<string, number>;
  /** In words, each other change that was not found. */
  readonly missed: readonly string[];
  /** Besides: changes of bytes that are in no row, after which the databases said what they had said before. */
  readonly unused: number;
}

export type Random = (below: number) => number;
type Key = "clarity" | "index" | "sortition" | "nakamoto";

/** What is changed in pages of databases: tables whose rows the proof is about, with their indexes. */
export const pageKinds = {
  "tries of burn blocks": { key: "sortition", tables: ["marf_data"] },
  "records of tries": { key: "clarity", tables: ["marf_data"] },
  "records of the index's tries": { key: "index", tables: ["marf_data"] },
  "rows of data_table": { key: "clarity", tables: ["data_table"] },
  "rows of the index's values": { key: "index", tables: ["__fork_storage"] },
  "rows of the sortitions' values": { key: "sortition", tables: ["__fork_storage"] },
  "header rows": { key: "index", tables: ["nakamoto_block_headers", "block_headers"] },
  "rows of Nakamoto blocks": { key: "nakamoto", tables: ["nakamoto_staging_blocks"] },
} as const satisfies Readonly<Record<string, { readonly key: Key; readonly tables: readonly string[] }>>;

export type PageKind = keyof typeof pageKinds;

const unused = "";
/** Of each that is in use. */
const mostUnused = 20;
const signal = new AbortController().signal;
const noRows = Number.MAX_SAFE_INTEGER;

export class DamageProof {
  readonly #dir: string;
  readonly #random: Random;
  readonly #databases = new Map<string, DatabaseSync>();
  readonly #files = new Map<string, number>();
  readonly #confirmEvery: number;
  #changes = 0;

  /**
   * `dir`: a chainstate of one's own, whose databases are taken out of WAL mode. Of the changes that a job of the proof
   * has found, each `confirmEvery`th is shown to `full` as a command has it, too.
   */
  constructor(dir: string, random: Random, confirmEvery = Infinity) {
    this.#dir = dir;
    this.#random = random;
    this.#confirmEvery = confirmEvery;
    for (const path of Object.values(databasePaths)) {
      if (!existsSync(join(dir, path))) continue;
      const database = new DatabaseSync(join(dir, path));
      database.exec("PRAGMA journal_mode = DELETE");
      database.close();
    }
  }

  close(): void {
    for (const database of this.#databases.values()) database.close();
    for (const file of this.#files.values()) closeSync(file);
    this.#databases.clear();
    this.#files.clear();
  }

  /** The chainstate as it is. */
  async isProven(): Promise<boolean> {
    return (await this.#full()).length === 0;
  }

  /** One byte of a recorded trie in `.blobs` each. */
  async tries(marf: "clarity" | "index", count: number): Promise<DamageCount> {
    const blobs = this.#blobs(marf);
    if (blobs === null) throw new Error(`${marf} keeps its tries in tables`);
    const tries = this.#database(databasePaths[marf])
      .prepare(
        "SELECT block_id AS id, external_offset AS o, external_length AS l FROM marf_data WHERE unconfirmed = 0",
      )
      .all();
    return await this.#each(`tries of ${marf}`, count, async () => {
      const { id, o, l } = this.#weighted(tries, ({ l }) => Number(l));
      const at = this.#random(Number(l));
      const job = this.#triesJob(marf, Number(id) - 1, Number(id), noRows);
      return await this.#withByte(blobs, Number(o) + at, `byte ${at} of trie ${String(id)}`, () =>
        this.#isFound([job]),
      );
    });
  }

  /** One byte each of the pages that hold these tables and their indexes. */
  async pages(kind: PageKind, count: number): Promise<DamageCount> {
    const { key, tables } = pageKinds[kind];
    const path = databasePaths[key];
    const before = this.#contents(key, tables);
    const database = this.#database(path);
    const size = Number(database.prepare("PRAGMA page_size").get()?.["page_size"]);
    const pages = database
      .prepare(
        `SELECT s.pageno AS page, s.name AS name, s.pagetype AS type FROM dbstat s
         JOIN sqlite_master m ON m.name = s.name WHERE m.tbl_name IN (${tables.map((name) => `'${name}'`).join(", ")})`,
      )
      .all();
    // A connection keeps pages that it has read.
    this.#forget(path);
    return await this.#each(kind, count, async () => {
      const { page, name, type } = this.#one(pages);
      const at = this.#random(size);
      const label = `byte ${at} of page ${String(page)} of ${String(name)} (${String(type)})`;
      return await this.#withByte(
        join(this.#dir, path),
        (Number(page) - 1) * size + at,
        label,
        () => this.#isPageFound(key, before),
        () => this.#forget(path),
      );
    });
  }

  /** One byte of an epoch-2 block's file each. */
  async blockFiles(count: number): Promise<DamageCount> {
    const rows = this.#database(databasePaths.index)
      .prepare("SELECT index_block_hash AS h FROM block_headers WHERE block_height > 0")
      .all();
    return await this.#each("files of epoch-2 blocks", count, async () => {
      const hash = String(this.#one(rows)["h"]);
      const path = join(this.#dir, "chainstate/blocks", hash.slice(0, 4), hash.slice(4, 8), hash);
      const at = this.#random(statSync(path).size);
      return await this.#withByte(path, at, `byte ${at} of ${hash}`, () => this.#isFound([blocksJob]));
    });
  }

  /** Rows that are gone: of those, only such as a trie names can be missed. The MARF's whole proof each. */
  async deletedRows(marf: MarfName, count: number): Promise<DamageCount> {
    const { table, key } = tableOf(marf);
    const named = await this.#named(marf);
    const database = this.#database(databasePaths[marf]);
    const rows = database.prepare(`SELECT rowid AS id, ${key} AS k FROM ${table}`).all();
    const reachable = rows.filter((row) => named.has(String(row["k"])));
    return await this.#each(`deleted rows of ${marf}`, count, async () => {
      const { id } = this.#one(reachable);
      database.exec("BEGIN");
      try {
        database.prepare(`DELETE FROM ${table} WHERE rowid = ?`).run(Number(id));
        const isFound = await this.#isFound([this.#triesJob(marf, 0, noRows, 0)]);
        return isFound || { missed: `row ${String(id)}` };
      } finally {
        database.exec("ROLLBACK");
      }
    });
  }

  /** `change` gives true where it was found, or the class that it is of. */
  async #each(
    kind: string,
    count: number,
    change: () => Promise<true | string | { readonly missed: string }>,
  ): Promise<DamageCount> {
    const missed: string[] = [];
    const classes = new Map<string, number>();
    let found = 0;
    let unusedCount = 0;
    for (let tried = 0; tried < count;) {
      const result = await change();
      if (result === unused) {
        unusedCount += 1;
        if (unusedCount > mostUnused * count) throw new Error(`${kind}: hardly a byte is in use`);
        continue;
      }
      tried += 1;
      if (result === true) found += 1;
      else if (typeof result === "string") classes.set(result, (classes.get(result) ?? 0) + 1);
      else missed.push(result.missed);
    }
    return { kind, tried: count, found, classes, missed, unused: unusedCount };
  }

  async #withByte(
    path: string,
    at: number,
    label: string,
    look: () => Promise<boolean | string>,
    changed: () => void = () => undefined,
  ): Promise<true | string | { readonly missed: string }> {
    const file = openSync(path, "r+");
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, at);
    const before = byte[0] ?? 0;
    try {
      writeSync(file, Buffer.of((before + 1 + this.#random(255)) & 0xff), 0, 1, at);
      changed();
      const result = await look();
      this.#changes += 1;
      if (typeof result === "string") return result;
      if (result && this.#changes % this.#confirmEvery !== 0) return true;
      // What no job of the proof has found, one of the other checks may.
      if ((await this.#full()).length > 0) return true;
      return { missed: result ? `${label}: found by the proof's job, and not by full` : label };
    } finally {
      writeSync(file, Buffer.of(before), 0, 1, at);
      closeSync(file);
      changed();
    }
  }

  /** The checks that failed, as a command with `check: full` has them. */
  async #full(): Promise<readonly string[]> {
    const { checks } = await inspectChainstate({ dir: this.#dir, depth: "full", signal });
    return checks.filter(({ result }) => result === "failed").map(({ id }) => id);
  }

  /** A string: not found, and the class of it. */
  async #isPageFound(key: Key, before: Contents): Promise<boolean | string> {
    const path = databasePaths[key];
    let differing: ReadonlySet<string>;
    try {
      const answers = this.#database(path).prepare("PRAGMA integrity_check").all();
      if (answers.length !== 1 || answers[0]?.["integrity_check"] !== "ok") return true;
      differing = differencesOf(before, this.#contents(key, [...before.keys()]));
    } catch (error) {
      if (isOfSqlite(error)) return true;
      throw error;
    }
    if (differing.size === 0) return unused;
    if (await this.#isFound(this.#jobsFor(key))) return true;
    return [...differing].every((column) => harmless.has(column))
      ? [...differing].toSorted().join(", ")
      : false;
  }

  /** All of `full` that reads this database, the quick ones first. */
  #jobsFor(key: Key): readonly ProofJob[] {
    const blocks: ProofJob[] = [blocksJob, { kind: "headers", after: null }];
    const whole = (marf: MarfName): ProofJob => this.#triesJob(marf, 0, noRows, 0);
    const rows = (marf: MarfName): ProofJob => this.#triesJob(marf, noRows, noRows, 0);
    if (key === "nakamoto") return blocks;
    if (key === "index") return [rows("index"), ...blocks, whole("index"), whole("clarity")];
    return [rows(key), whole(key), ...blocks];
  }

  async #isFound(jobs: readonly ProofJob[]): Promise<boolean> {
    for (const job of jobs) {
      try {
        if ((await this.#run(job)).failureCount > 0) return true;
      } catch (error) {
        if (isOfSqlite(error)) return true;
        throw error;
      }
    }
    return false;
  }

  /** All that the tables' rows say, each value with its type, by rowid. */
  #contents(key: Key, tables: readonly string[]): Contents {
    const database = this.#database(databasePaths[key]);
    const contents = new Map<string, Map<number, readonly (readonly [string, string])[]>>();
    for (const table of tables) {
      const names = database
        .prepare(`PRAGMA table_info(${table})`)
        .all()
        .map((column) => String(column["name"]));
      // With its type: 1 and '1' are not the same.
      const cells = names.map((name) => `typeof(${name}) || quote(${name})`);
      const statement = database.prepare(`SELECT rowid, ${cells.join(", ")} FROM ${table}`);
      statement.setReturnArrays(true);
      const rows = new Map<number, readonly (readonly [string, string])[]>();
      for (const [id, ...values] of statement.iterate() as unknown as Iterable<readonly unknown[]>)
        rows.set(
          Number(id),
          values.map((value, i) => [names[i] ?? "", String(value)]),
        );
      contents.set(table, rows);
    }
    return contents;
  }

  #triesJob(marf: MarfName, after: number, upTo: number, from: number): ProofJob {
    const blobs = this.#blobs(marf);
    return { kind: "tries", marf, after, upTo, blobs, rows: { from, to: null }, cacheBytes: 1 << 20 };
  }

  #run(job: ProofJob, onFailure?: (what: string) => void): Promise<JobReport> {
    return runProofJob(job, {
      dir: this.#dir,
      database: (path) => this.#database(path),
      file: (path) => {
        const file = this.#files.get(path) ?? openSync(path, "r");
        this.#files.set(path, file);
        return file;
      },
      onProgress: () => undefined,
      ...(onFailure === undefined ? {} : { onFailure }),
    });
  }

  /** Keys of rows that tries name: those whose loss the proof of everything must see. */
  async #named(marf: MarfName): Promise<Set<string>> {
    const { table, key } = tableOf(marf);
    const database = this.#database(databasePaths[marf]);
    const rows = database.prepare(`SELECT ${key} AS k FROM ${table}`).all();
    const known = new Set(rows.map((row) => String(row["k"])));
    database.exec(`BEGIN; DELETE FROM ${table}`);
    const named = new Set<string>();
    const report = await this.#run(this.#triesJob(marf, 0, noRows, 0), (what) => {
      const value = /[0-9a-f]{80}$/.exec(what)?.[0];
      if (value !== undefined && known.has(value)) named.add(value);
    });
    database.exec("ROLLBACK");
    if (report.failureCount === 0) throw new Error("a table without rows passed");
    return named;
  }

  #blobs(marf: MarfName): string | null {
    const path = join(this.#dir, `${databasePaths[marf]}.blobs`);
    return marf !== "sortition" && existsSync(path) ? path : null;
  }

  #database(path: string): DatabaseSync {
    const database = this.#databases.get(path) ?? new DatabaseSync(join(this.#dir, path));
    this.#databases.set(path, database);
    return database;
  }

  #forget(path: string): void {
    this.#databases.get(path)?.close();
    this.#databases.delete(path);
  }

  #one<T>(list: readonly T[]): T {
    const one = list[this.#random(list.length)];
    if (one === undefined) throw new Error("nothing to change");
    return one;
  }

  /** Each byte of all as likely as another. */
  #weighted<T>(list: readonly T[], weight: (each: T) => number): T {
    let at = this.#random(list.reduce((sum, each) => sum + weight(each), 0));
    for (const each of list) {
      at -= weight(each);
      if (at < 0) return each;
    }
    throw new Error("nothing to change");
  }
}

/** Table → rowid → columns with their values. */
type Contents = ReadonlyMap<string, ReadonlyMap<number, readonly (readonly [string, string])[]>>;

const blocksJob: ProofJob = { kind: "blocks", after: 0, upTo: noRows, hasBlockFiles: true };
const harmless = new Set(
  Object.entries(harmlessColumns).flatMap(([table, columns]) => columns.map((name) => `${table}.${name}`)),
);

/** As `table.column`; `table` alone where there are other rows. */
function differencesOf(before: Contents, after: Contents): Set<string> {
  const differing = new Set<string>();
  for (const [table, rows] of before) {
    const others = after.get(table);
    if (others?.size !== rows.size) differing.add(table);
    for (const [id, row] of rows) {
      const other = others?.get(id);
      if (other === undefined) differing.add(table);
      row.forEach(([name, value], i) => {
        if (other === undefined || other[i]?.[1] === value) return;
        const isGenesis = row.some(([name, value]) => name === "block_height" && value === "integer0");
        differing.add(
          `${table}.${name}${isGenesis && name === "burn_header_timestamp" ? " of block 0" : ""}`,
        );
      });
    }
  }
  return differing;
}

const isOfSqlite = (error: unknown): boolean => error instanceof Error && "errcode" in error;

function tableOf(marf: MarfName): { readonly table: string; readonly key: string } {
  return marf === "clarity"
    ? { table: "data_table", key: "key" }
    : { table: "__fork_storage", key: "value_hash" };
}

/** Of a hundred changes, how many are of which kind. */
const shares = {
  clarity: 25,
  index: 10,
  pages: {
    "tries of burn blocks": 10,
    "records of tries": 4,
    "records of the index's tries": 4,
    "rows of data_table": 15,
    "rows of the index's values": 5,
    "rows of the sortitions' values": 5,
    "header rows": 12,
    "rows of Nakamoto blocks": 7,
  } satisfies Readonly<Record<PageKind, number>>,
  files: 3,
};

/**
 * `changes` of a chainstate of one's own, each kind its share of them, at least one. `say` hears of each kind once it is
 * done. Throws where the chainstate is not proven as it is, before or afterwards.
 */
export async function damageEach(
  dir: string,
  { random, changes, confirmEvery, say }: DamageOptions,
): Promise<readonly DamageCount[]> {
  const damage = new DamageProof(dir, random, confirmEvery);
  const counts: DamageCount[] = [];
  const of = (share: number): number => Math.max(1, Math.round((changes * share) / 100));
  const count = async (one: Promise<DamageCount>): Promise<void> => {
    counts.push(await one);
    say?.(await one);
  };
  try {
    if (!(await damage.isProven())) throw new Error(`${dir} is not proven as it is`);
    for (const marf of ["clarity", "index"] as const) await count(damage.tries(marf, of(shares[marf])));
    for (const [kind, share] of Object.entries(shares.pages) as [PageKind, number][])
      await count(damage.pages(kind, of(share)));
    await count(damage.blockFiles(of(shares.files)));
    if (!(await damage.isProven())) throw new Error(`${dir} is not what it was`);
  } finally {
    damage.close();
  }
  return counts;
}

export interface DamageOptions {
  readonly random: Random;
  readonly changes: number;
  readonly confirmEvery?: number;
  readonly say?: (count: DamageCount) => void;
}

/** Numbers below a bound, the same ones for the same seed (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
