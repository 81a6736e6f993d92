/**
 * What one process proves: a range of the tries of a MARF with the values that they add, a range of blocks, or who has
 * signed the last ones. Jobs are independent, each compares with the stored bytes of what is older, so any number can run at once in any order.
 */
import { databases } from "../layout.ts";
import { noParent } from "../tries.ts";
import { BlockProof, headerTables } from "./block-proof.ts";
import { ContractSources } from "./contract-sources.ts";
import { CorruptError, genesisId } from "./format.ts";
import { type JobAccess, Slices } from "./job-access.ts";
import { Lineage } from "./lineage.ts";
import { Marf, type Trie } from "./marf.ts";
import { checkSigners, type SignersJob, type SignersReport } from "./signers-job.ts";
import { TrieProof } from "./trie-proof.ts";
import { type RowTable, ValueRows } from "./value-rows.ts";

export type MarfName = "clarity" | "index" | "sortition";

/** `after` and `upTo` are block ids of the MARF's table: proven is what is above the one, up to the other. */
export interface TriesJob {
  readonly kind: "tries";
  readonly marf: MarfName;
  readonly after: number;
  readonly upTo: number;
  /** Absolute path; null where the table holds the tries. */
  readonly blobs: string | null;
  /** Rows of values by rowid; `to` null: to the end. */
  readonly rows: { readonly from: number; readonly to: number | null };
  readonly cacheBytes: number;
}

/** Where in the table of values the rows begin that the tries above `after` have added. */
export interface FirstRowJob {
  readonly kind: "first-row";
  readonly marf: MarfName;
  readonly after: number;
  readonly blobs: string | null;
}

export interface BlocksJob {
  readonly kind: "blocks";
  readonly after: number;
  readonly upTo: number;
  readonly hasBlockFiles: boolean;
}

/** Header rows newer than that of the block `after` (all with null) that no trie belongs to. */
export interface HeadersJob {
  readonly kind: "headers";
  readonly after: string | null;
}

export type ProofJob = TriesJob | FirstRowJob | BlocksJob | HeadersJob | SignersJob;

export interface ProofCounts {
  blocks: number;
  tries: number;
  values: number;
  /** Of tries and blocks. */
  bytes: number;
  rows: number;
  contracts: number;
  filesElsewhere: number;
  /** Of `.blobs`, between two tries. */
  gapBytes: number;
}

export interface JobReport {
  readonly counts: ProofCounts;
  readonly failureCount: number;
  /** The first of them, in words. */
  readonly failures: readonly string[];
  /** Of jobs of these kinds. */
  readonly firstRow?: number;
  readonly signers?: SignersReport;
}

const keptFailures = 10;
/** Tries that are looked at for the first row of a value. */
const firstTries = 64;

export const valueTables: Readonly<Record<MarfName, RowTable>> = {
  clarity: { table: "data_table", key: "key" },
  index: { table: "__fork_storage", key: "value_hash" },
  sortition: { table: "__fork_storage", key: "value_hash" },
};

export const emptyCounts = (): ProofCounts => ({
  blocks: 0,
  tries: 0,
  values: 0,
  bytes: 0,
  rows: 0,
  contracts: 0,
  filesElsewhere: 0,
  gapBytes: 0,
});

export async function runProofJob(job: ProofJob, access: JobAccess): Promise<JobReport> {
  const failures = new Failures(access.onFailure);
  const counts = emptyCounts();
  if (job.kind === "first-row") {
    return { ...failures.report(counts), firstRow: firstRowOf(job, access) };
  }
  if (job.kind === "signers") {
    const signers = await checkSigners(
      job,
      access,
      (what) => failures.add(what),
      new Slices(access.onProgress),
    );
    return { ...failures.report(counts), signers };
  }
  if (job.kind === "tries") await proveTries(job, access, counts, failures);
  else if (job.kind === "blocks") await proveBlocks(job, access, counts, failures);
  else findOrphans(job, access, failures);
  return failures.report(counts);
}

class Failures {
  #count = 0;
  readonly #first: string[] = [];
  readonly #onFailure: JobAccess["onFailure"];

  constructor(onFailure: JobAccess["onFailure"]) {
    this.#onFailure = onFailure;
  }

  add(what: string): void {
    this.#onFailure?.(what);
    this.#count += 1;
    if (this.#first.length < keptFailures) this.#first.push(what);
  }

  report(counts: ProofCounts): JobReport {
    return { counts, failureCount: this.#count, failures: this.#first };
  }
}

function openMarf({ marf, blobs }: TriesJob | FirstRowJob, access: JobAccess, cacheBytes: number): Marf {
  const fd = blobs === null ? undefined : access.file(blobs);
  return new Marf(access.database(databases[marf]), fd, cacheBytes);
}

async function proveTries(
  job: TriesJob,
  access: JobAccess,
  counts: ProofCounts,
  failures: Failures,
): Promise<void> {
  const { marf: name, after, upTo } = job;
  const marf = openMarf(job, access, job.cacheBytes);
  const database = access.database(databases[name]);
  const range = { from: job.rows.from, to: job.rows.to ?? Infinity };
  const rows = new ValueRows(database, valueTables[name], range, (id, what) =>
    failures.add(id === 0 ? what : `${name} trie of block ${marf.trie(id)?.hash ?? id}: ${what}`),
  );
  let current = 0;
  const proof = new TrieProof(marf, new Lineage(marf, after + 1), name === "clarity", (value) =>
    rows.want(value, current),
  );
  const expected = headersFor(name, access);
  const sources = name === "clarity" ? new ContractSources(database, marf) : undefined;
  const slices = new Slices(access.onProgress);
  const before = after === 0 ? undefined : marf.trieBefore(after + 1);
  let end = before === undefined ? 0 : before.offset + before.length;
  for (const trie of marf.list(after, upTo)) {
    current = trie.id;
    if (job.blobs !== null) {
      if (trie.offset < end) failures.add(`${name} trie of block ${trie.hash}: lies within another one`);
      counts.gapBytes += Math.max(0, trie.offset - end);
      end = trie.offset + trie.length;
    }
    const fail = (what: string): void => failures.add(`${name} trie of block ${trie.hash}: ${what}`);
    try {
      const { root, parent, height } = proof.verify(trie);
      const want = expected(trie, parent === 0);
      const parentHash = parent === 0 ? noParent : marf.hashOf(parent).toString("hex");
      if (want === undefined) fail("no header belongs to it");
      else if (want.root !== null && want.root !== root)
        fail(`its root is ${root}, its header says ${want.root}`);
      else if (want.parent !== parentHash || (want.height ?? height) !== height)
        fail(`it is of height ${height} on ${parentHash}, its header says ${want.height} on ${want.parent}`);
      sources?.verify(trie, fail);
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      fail(`node at +${error.at}: ${error.message}`);
    }
    rows.advance();
    await slices.pause(proof.counts.bytes);
  }
  while (rows.readOn()) await slices.pause(proof.counts.bytes);
  counts.tries += proof.counts.tries;
  counts.bytes += proof.counts.bytes;
  counts.values += rows.matched;
  counts.rows += rows.scanned;
  counts.contracts += sources?.verified ?? 0;
}

interface ExpectedHead {
  /** Null: it names none. */
  readonly root: string | null;
  readonly parent: string;
  /** Undefined: it does not say. */
  readonly height: number | undefined;
}

/** What the header tables say of a trie. */
function headersFor(
  name: MarfName,
  access: JobAccess,
): (trie: Trie, isFirst: boolean) => ExpectedHead | undefined {
  if (name === "sortition") {
    const one = access
      .database(databases.sortition)
      .prepare("SELECT index_root AS r, parent_sortition_id AS p FROM snapshots WHERE sortition_id = ?");
    return ({ hash }, isFirst) => {
      const row = one.get(hash);
      // The first snapshot names a parent, the first trie has none.
      const parent = isFirst ? noParent : String(row?.["p"]);
      return row === undefined ? undefined : { root: String(row["r"]), parent, height: undefined };
    };
  }
  const index = access.database(databases.index);
  const column = name === "clarity" ? "state_index_root" : "index_root";
  const each = headerTables(index).map((table) =>
    index.prepare(
      `SELECT ${column} AS r, parent_block_id AS p, block_height AS h FROM ${table} WHERE index_block_hash = ?`,
    ),
  );
  return ({ hash }) => {
    for (const statement of each) {
      const row = statement.get(hash);
      if (row === undefined) continue;
      const isUnnamed = hash === genesisId && name === "clarity";
      return {
        root: isUnnamed ? null : String(row["r"]),
        parent: String(row["p"]),
        height: Number(row["h"]),
      };
    }
    return undefined;
  };
}

function firstRowOf(job: FirstRowJob, access: JobAccess): number {
  const { table, key } = valueTables[job.marf];
  const database = access.database(databases[job.marf]);
  const marf = openMarf(job, access, 1 << 20);
  const rowid = database.prepare(`SELECT rowid AS r FROM ${table} WHERE ${key} = ?`);
  let first = Infinity;
  const proof = new TrieProof(marf, new Lineage(marf, job.after + 1), job.marf === "clarity", (value) => {
    const row = rowid.get(value);
    if (row !== undefined) first = Math.min(first, Number(row["r"]));
  });
  for (const trie of marf.list(job.after, job.after + firstTries)) {
    try {
      proof.verify(trie);
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
    }
    if (first < Infinity) return first;
  }
  const last = Number(database.prepare(`SELECT MAX(rowid) AS r FROM ${table}`).get()?.["r"] ?? 0);
  return last + 1;
}

async function proveBlocks(
  job: BlocksJob,
  access: JobAccess,
  counts: ProofCounts,
  failures: Failures,
): Promise<void> {
  const { dir, database } = access;
  const index = database(databases.index);
  const clarity = database(databases.clarity);
  const proof = new BlockProof({
    dir,
    index,
    sortition: database(databases.sortition),
    nakamoto: headerTables(index).includes("nakamoto_block_headers")
      ? database(databases.nakamoto)
      : undefined,
    hasBlockFiles: job.hasBlockFiles,
  });
  const state = clarity.prepare("SELECT 1 AS found FROM marf_data WHERE block_hash = ? AND unconfirmed = 0");
  const slices = new Slices(access.onProgress);
  const ids = index
    .prepare(
      "SELECT block_hash AS h FROM marf_data WHERE unconfirmed = 0 AND block_id > ? AND block_id <= ? ORDER BY block_id",
    )
    .iterate(job.after, job.upTo);
  for (const row of ids) {
    const id = String(row["h"]);
    const fail = (what: string): void => failures.add(`block ${id}: ${what}`);
    if (state.get(id) === undefined) fail("the Clarity state has no trie of it");
    proof.verify(id, fail);
    await slices.pause(proof.counts.bytes);
  }
  counts.blocks += proof.counts.blocks;
  counts.bytes += proof.counts.bytes;
  counts.filesElsewhere += proof.counts.filesElsewhere;
}

/** Headers are written together with their tries, in the order of their rows. */
function findOrphans({ after }: HeadersJob, access: JobAccess, failures: Failures): void {
  const index = access.database(databases.index);
  for (const table of headerTables(index)) {
    let first = 0;
    if (after !== null) {
      const row = index.prepare(`SELECT rowid AS r FROM ${table} WHERE index_block_hash = ?`).get(after);
      if (row === undefined) continue;
      first = Number(row["r"]);
    }
    const orphans = index.prepare(
      `SELECT h.index_block_hash AS h FROM ${table} h LEFT JOIN marf_data m ON m.block_hash = h.index_block_hash
       WHERE h.rowid > ? AND m.block_id IS NULL LIMIT ${keptFailures}`,
    );
    for (const row of orphans.all(first)) failures.add(`block ${String(row["h"])}: a header without a trie`);
  }
}
