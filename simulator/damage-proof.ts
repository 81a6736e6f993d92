/**
 * Changes single bytes and rows of a chainstate at random, one at a time, and asks the proof of the part that was changed
 * whether it sees it. For tests, and for the figures in docs/checks.md. The chainstate is as it was afterwards.
 */
import { closeSync, existsSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { type JobReport, type MarfName, type ProofJob, runProofJob } from "../src/chainstate/proof/job.ts";
import { databasePaths } from "./schema.ts";

export interface DamageCount {
  readonly kind: string;
  readonly tried: number;
  /** In words, each change that the proof did not see. */
  readonly missed: readonly string[];
}

/** Columns of the header tables that nothing commits to; docs/checks.md names them. */
export const uncommittedColumns: ReadonlySet<string> = new Set([
  "header_type",
  "cost",
  "total_tenure_cost",
  "tenure_changed",
  "tenure_tx_fees",
  "vrf_proof",
  "burn_view",
  "height_in_tenure",
  "total_tenure_size",
]);

type Random = (below: number) => number;

export class DamageProof {
  readonly #dir: string;
  readonly #random: Random;
  readonly #databases = new Map<string, DatabaseSync>();
  readonly #files = new Map<string, number>();

  /** `dir`: a chainstate of one's own, whose WALs may be checkpointed. */
  constructor(dir: string, random: Random) {
    this.#dir = dir;
    this.#random = random;
  }

  close(): void {
    for (const database of this.#databases.values()) database.close();
    for (const file of this.#files.values()) closeSync(file);
  }

  /** One byte of a recorded trie each. */
  async tries(marf: MarfName, count: number): Promise<DamageCount> {
    const blobs = this.#blobs(marf);
    const database = this.#database(databasePaths[marf]);
    const where = blobs === null ? "0 AS o, length(data) AS l" : "external_offset AS o, external_length AS l";
    const tries = database
      .prepare(`SELECT block_id AS id, ${where} FROM marf_data WHERE unconfirmed = 0`)
      .all();
    return await this.#each(`${marf} tries`, count, async () => {
      const { id, o, l } = this.#one(tries);
      const at = this.#random(Number(l));
      const label = `byte ${at} of trie ${String(id)}`;
      const proof = (): Promise<JobReport> => this.#trie(marf, Number(id));
      if (blobs === null) {
        const data = database.prepare("SELECT data FROM marf_data WHERE block_id = ?").get(Number(id))?.[
          "data"
        ];
        const changed = Buffer.from(data as Uint8Array);
        changed[at] = this.#other(changed[at] ?? 0);
        return await this.#within(
          marf,
          "UPDATE marf_data SET data = ? WHERE block_id = ?",
          [changed, Number(id)],
          label,
          proof,
        );
      }
      return await this.#withByte(blobs, Number(o) + at, label, proof);
    });
  }

  /** One character of a value or of its key each, of rows that tries name or not. */
  async rows(marf: MarfName, count: number): Promise<DamageCount> {
    const { table, key } = tableOf(marf);
    const rows = this.#database(databasePaths[marf])
      .prepare(`SELECT rowid AS id, ${key} AS k, value AS v FROM ${table}`)
      .all();
    return await this.#each(`${table} of ${marf}`, count, async () => {
      const { id, k, v } = this.#one(rows);
      const column = this.#random(4) === 0 ? key : "value";
      const changed = this.#changedText(String(column === key ? k : v));
      const sql = `UPDATE OR IGNORE ${table} SET ${column} = ? WHERE rowid = ?`;
      const proof = (): Promise<JobReport> => this.#all(marf);
      return await this.#within(marf, sql, [changed, Number(id)], `${column} of row ${String(id)}`, proof);
    });
  }

  /** Rows that are gone: of those, only such as a trie names can be missed. `marf`'s whole proof each. */
  async deletedRows(marf: MarfName, count: number): Promise<DamageCount> {
    const { table, key } = tableOf(marf);
    const named = await this.#named(marf);
    const rows = this.#database(databasePaths[marf])
      .prepare(`SELECT rowid AS id, ${key} AS k FROM ${table}`)
      .all()
      .filter((row) => named.has(String(row["k"])));
    return await this.#each(`deleted rows of ${marf}`, count, async () => {
      const { id } = this.#one(rows);
      const sql = `DELETE FROM ${table} WHERE rowid = ?`;
      return await this.#within(marf, sql, [Number(id)], `row ${String(id)}`, () => this.#all(marf));
    });
  }

  /** One character or digit of a column of a header row each, those apart that nothing commits to. */
  async headers(count: number): Promise<DamageCount> {
    const index = this.#database(databasePaths.index);
    const tables = ["nakamoto_block_headers", "block_headers"].map((table) => ({
      table,
      rows: index.prepare(`SELECT rowid AS id, * FROM ${table} WHERE block_height > 0`).all(),
    }));
    return await this.#each("header rows", count, async () => {
      const { table, rows } = this.#one(tables.filter((each) => each.rows.length > 0));
      const row = this.#one(rows);
      const column = this.#one(
        Object.keys(row).filter((name) => name !== "id" && !uncommittedColumns.has(name)),
      );
      const value = row[column];
      if (value === null || value === undefined || value === "") return undefined;
      const changed =
        typeof value === "number" ? value + 1 + this.#random(1000) : this.#changedText(String(value));
      const label = `${column} of ${String(row["index_block_hash"])}`;
      const sql = `UPDATE OR IGNORE ${table} SET ${column} = ? WHERE rowid = ?`;
      const id = this.#trieOf("index", String(row["index_block_hash"]));
      return await this.#within("index", sql, [changed, Number(row["id"])], label, () => this.#block(id));
    });
  }

  /** One byte of a stored block each. */
  async blocks(count: number): Promise<DamageCount> {
    const nakamoto = this.#database(databasePaths.nakamoto);
    const rows = nakamoto
      .prepare("SELECT index_block_hash AS h, data AS d FROM nakamoto_staging_blocks WHERE processed = 1")
      .all();
    return await this.#each("Nakamoto blocks", count, async () => {
      const { h, d } = this.#one(rows);
      const data = Buffer.from(d as Uint8Array);
      const at = this.#random(data.length);
      data[at] = this.#other(data[at] ?? 0);
      const sql = "UPDATE nakamoto_staging_blocks SET data = ? WHERE index_block_hash = ?";
      const id = this.#trieOf("index", String(h));
      return await this.#within("nakamoto", sql, [data, String(h)], `byte ${at} of ${String(h)}`, () =>
        this.#block(id),
      );
    });
  }

  /** One byte of an epoch-2 block's file each. */
  async blockFiles(count: number): Promise<DamageCount> {
    const rows = this.#database(databasePaths.index)
      .prepare("SELECT index_block_hash AS h, block_size AS s FROM block_headers WHERE block_height > 0")
      .all();
    return await this.#each("epoch-2 block files", count, async () => {
      const { h, s } = this.#one(rows);
      const hash = String(h);
      const path = join(this.#dir, "chainstate/blocks", hash.slice(0, 4), hash.slice(4, 8), hash);
      const at = this.#random(Number(s));
      const id = this.#trieOf("index", hash);
      return await this.#withByte(path, at, `byte ${at} of ${hash}`, () => this.#block(id));
    });
  }

  async #each(
    kind: string,
    count: number,
    change: () => Promise<string | boolean | undefined>,
  ): Promise<DamageCount> {
    const missed: string[] = [];
    let tried = 0;
    for (let attempt = 0; tried < count && attempt < 2 * count; attempt += 1) {
      const result = await change();
      if (result === undefined) continue;
      tried += 1;
      if (typeof result === "string") missed.push(result);
    }
    return { kind, tried, missed };
  }

  /** Undefined where nothing was changed, true where it was seen, else the label. */
  async #within(
    key: keyof typeof databasePaths,
    sql: string,
    values: readonly SQLInputValue[],
    label: string,
    proof: () => Promise<JobReport>,
  ): Promise<string | boolean | undefined> {
    const database = this.#database(databasePaths[key]);
    database.exec("BEGIN");
    try {
      if (Number(database.prepare(sql).run(...values).changes) === 0) return undefined;
      return await isSeen(proof, label);
    } finally {
      database.exec("ROLLBACK");
    }
  }

  async #withByte(
    path: string,
    at: number,
    label: string,
    proof: () => Promise<JobReport>,
  ): Promise<string | boolean> {
    const file = openSync(path, "r+");
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, at);
    const before = byte[0] ?? 0;
    try {
      writeSync(file, Buffer.of(this.#other(before)), 0, 1, at);
      return await isSeen(proof, label);
    } finally {
      writeSync(file, Buffer.of(before), 0, 1, at);
      closeSync(file);
    }
  }

  #trie(marf: MarfName, id: number): Promise<JobReport> {
    return this.#run(this.#triesJob(marf, id - 1, id, Number.MAX_SAFE_INTEGER));
  }

  #all(marf: MarfName): Promise<JobReport> {
    return this.#run(this.#triesJob(marf, 0, Number.MAX_SAFE_INTEGER, 0));
  }

  async #block(id: number): Promise<JobReport> {
    const blocks = await this.#run({ kind: "blocks", after: id - 1, upTo: id, hasBlockFiles: true });
    if (blocks.failureCount > 0) return blocks;
    const next = await this.#run({ kind: "blocks", after: id, upTo: id + 1, hasBlockFiles: true });
    if (next.failureCount > 0) return next;
    const orphans = await this.#run({ kind: "headers", after: null });
    if (orphans.failureCount > 0) return orphans;
    const trie = await this.#trie("index", id);
    if (trie.failureCount > 0) return trie;
    const hash = this.#database(databasePaths.index)
      .prepare("SELECT block_hash AS h FROM marf_data WHERE block_id = ?")
      .get(id);
    return await this.#trie("clarity", this.#trieOf("clarity", String(hash?.["h"])));
  }

  #triesJob(marf: MarfName, after: number, upTo: number, from: number): ProofJob {
    return {
      kind: "tries",
      marf,
      after,
      upTo,
      blobs: this.#blobs(marf),
      rows: { from, to: null },
      cacheBytes: 1 << 20,
    };
  }

  #run(job: ProofJob): Promise<JobReport> {
    return runProofJob(job, {
      dir: this.#dir,
      database: (path) => this.#database(path),
      file: (path) => {
        const file = this.#files.get(path) ?? openSync(path, "r");
        this.#files.set(path, file);
        return file;
      },
      onProgress: () => undefined,
    });
  }

  /** Keys of rows that tries name: those whose loss the proof of everything must see. */
  async #named(marf: MarfName): Promise<Set<string>> {
    const { table, key } = tableOf(marf);
    const database = this.#database(databasePaths[marf]);
    const keys = database
      .prepare(`SELECT ${key} AS k FROM ${table}`)
      .all()
      .map((row) => String(row["k"]));
    database.exec("BEGIN");
    database.exec(`DELETE FROM ${table}`);
    const named = new Set<string>();
    const known = new Set(keys);
    const job = this.#triesJob(marf, 0, Number.MAX_SAFE_INTEGER, 0);
    const report = await runProofJob(job, {
      dir: this.#dir,
      database: (path) => this.#database(path),
      file: (path) => openSync(path, "r"),
      onProgress: () => undefined,
      onFailure: (what) => {
        const value = /[0-9a-f]{80}$/.exec(what)?.[0];
        if (value !== undefined && known.has(value)) named.add(value);
      },
    });
    database.exec("ROLLBACK");
    if (report.failureCount === 0) throw new Error("a table without rows passed");
    return named;
  }

  #trieOf(marf: MarfName, hash: string): number {
    const row = this.#database(databasePaths[marf])
      .prepare("SELECT block_id AS id FROM marf_data WHERE block_hash = ?")
      .get(hash);
    return Number(row?.["id"] ?? 0);
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

  #one<T>(list: readonly T[]): T {
    const one = list[this.#random(list.length)];
    if (one === undefined) throw new Error("nothing to change");
    return one;
  }

  #other(byte: number): number {
    return (byte + 1 + this.#random(255)) & 0xff;
  }

  #changedText(text: string): string {
    const at = this.#random(text.length);
    const letters = "0123456789abcdef".replace((text[at] ?? "").toLowerCase(), "");
    return text.slice(0, at) + letters.charAt(this.#random(letters.length)) + text.slice(at + 1);
  }
}

async function isSeen(proof: () => Promise<JobReport>, label: string): Promise<string | boolean> {
  try {
    return (await proof()).failureCount > 0 || label;
  } catch (error) {
    // SQLite cannot read it.
    if (error instanceof Error && "errcode" in error) return true;
    throw error;
  }
}

function tableOf(marf: MarfName): { readonly table: string; readonly key: string } {
  return marf === "clarity"
    ? { table: "data_table", key: "key" }
    : { table: "__fork_storage", key: "value_hash" };
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
