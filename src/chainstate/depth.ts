/**
 * What the depths `quick` and `full` add to the tips: SQLite's own look at every page of every database, several at a
 * time, and for `full` every record of `.blobs`, read to its end and compared with what headers and tables say of it.
 */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { throwIfAborted } from "../domain/errors.ts";
import { Limiter } from "../system/concurrency.ts";
import { rootOf } from "./check-blobs.ts";
import { failed, notMade, type Outcome, passed } from "./finding.ts";
import type { FoundDatabase } from "./find-databases.ts";
import { databases } from "./layout.ts";
import { type DatabaseReader, DatabaseUnreadableError } from "./read-only-database.ts";
import { hexLiteral, numberOf } from "./source.ts";
import type { Tips } from "./tips.ts";
import {
  hasExternalTries,
  noParent,
  parseTrieHead,
  recordedEnd,
  type TrieHead,
  type TrieRecord,
} from "./tries.ts";

export type OnProgress = (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void;

export interface PageCheckOptions {
  readonly depth: "quick" | "full";
  readonly databases: readonly FoundDatabase[];
  readonly openReader: () => Promise<DatabaseReader>;
  readonly signal: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** Messages of SQLite that are kept of one database. */
const keptMessages = 3;
const progressEveryMs = 1000;
/** Of one database: a terabyte at 20 MB/s takes fourteen hours. */
const pagesTimeoutMs = 24 * 3_600_000;

/** `quick_check` or `integrity_check` of every database, the largest first. */
export async function checkPages(options: PageCheckOptions): Promise<Outcome> {
  const { depth, signal, onProgress } = options;
  const pragma = depth === "quick" ? "quick_check" : "integrity_check";
  const queue = options.databases
    .filter((each) => each.damage === undefined)
    .toSorted((a, b) => sizeOf(b) - sizeOf(a));
  const totalBytes = queue.reduce((sum, database) => sum + sizeOf(database), 0);
  const count = queue.length;
  const problems: { database: string; detail: string }[] = [];
  const readers: DatabaseReader[] = [];
  const idle: DatabaseReader[] = [];
  const check = async (path: string): Promise<void> => {
    let reader = idle.pop();
    if (reader === undefined) readers.push((reader = await options.openReader()));
    const problem = await problemOfPages(reader, path, pragma);
    if (problem !== undefined) problems.push({ database: path, detail: problem });
    idle.push(reader);
  };
  const limiter = new Limiter({ count: availableParallelism(), signal });
  const timer = setInterval(() => {
    void readSoFar(readers).then((bytes) =>
      onProgress?.({ doneBytes: Math.min(bytes, totalBytes), totalBytes }),
    );
  }, progressEveryMs);
  try {
    for (const { path } of queue) await limiter.add(async () => await check(path));
    await limiter.drain();
  } finally {
    clearInterval(timer);
    await limiter.idle();
    for (const reader of readers) await reader.end();
  }
  onProgress?.({ doneBytes: totalBytes, totalBytes });
  if (problems.length === 0) return passed(`${pragma} found nothing in ${count} databases`);
  return failed(problems.map((each) => each.detail).join("; "), ...problems.map((each) => each.database));
}

const sizeOf = (database: FoundDatabase): number => database.sizeBytes + database.walBytes;

async function problemOfPages(
  reader: DatabaseReader,
  database: string,
  pragma: string,
): Promise<string | undefined> {
  try {
    const rows = await reader.ask(database, `PRAGMA ${pragma}(${keptMessages})`, pagesTimeoutMs);
    const messages = rows.map((row) => String(Object.values(row)[0]).replaceAll("\n", " "));
    return messages.length === 1 && messages[0] === "ok" ? undefined : `${database}: ${messages.join("; ")}`;
  } catch (error) {
    if (error instanceof DatabaseUnreadableError) return error.message;
    throw error;
  }
}

/** Bytes that the readers have read, from the kernel's counters: SQLite tells nothing before it is done. */
async function readSoFar(readers: readonly DatabaseReader[]): Promise<number> {
  let sum = 0;
  for (const { pid } of readers) {
    const io = await readFile(`/proc/${pid}/io`, "utf8").catch(() => "");
    sum += Number(/^rchar: (\d+)$/m.exec(io)?.[1] ?? 0);
  }
  return sum;
}

const rowsAtOnce = 400;
const bytesAtOnce = 4 * 1024 ** 2;

/** Every record of every `.blobs`, in the order of the table. */
export async function checkBlobRecords(
  tips: Tips,
  signal: AbortSignal,
  onProgress?: OnProgress,
): Promise<Outcome> {
  const { blobs } = tips.source;
  const read = blobs?.read?.bind(blobs);
  if (read === undefined) return notMade("`.blobs` cannot be read from here");
  const marfs: { database: string; end: number }[] = [];
  for (const database of [databases.clarity, databases.index, databases.sortition]) {
    const schema = await tips.schema(database);
    if (!hasExternalTries(schema)) continue;
    const end = await recordedEnd(tips.source.ask, database, schema);
    if (end > 0) marfs.push({ database, end });
  }
  const totalBytes = marfs.reduce((sum, { end }) => sum + end, 0);
  let doneBytes = 0;
  let count = 0;
  for (const { database } of marfs) {
    for await (const batch of trieRecords(tips, database, signal)) {
      const heads = new Map<TrieEntry, TrieHead>();
      for (const entry of batch) {
        throwIfAborted(signal);
        const head = await readTrie(entry, `${database}.blobs`, read);
        if (typeof head === "string") return failed(`${database}.blobs: ${head}`, database);
        heads.set(entry, head);
        doneBytes += entry.length;
        onProgress?.({ doneBytes: Math.min(doneBytes, totalBytes), totalBytes });
      }
      const problem = await problemOfHeads(tips, database, heads);
      if (problem !== undefined) return failed(`${database}.blobs: ${problem}`, database);
      count += batch.length;
    }
  }
  if (count === 0) return notMade("this schema keeps its tries inside the databases");
  return passed(`${count} tries in ${marfs.length} files of blobs read`);
}

interface TrieEntry extends TrieRecord {
  readonly hash: string;
}

async function* trieRecords(
  tips: Tips,
  database: string,
  signal: AbortSignal,
): AsyncGenerator<readonly TrieEntry[]> {
  for (let after = -1; ;) {
    throwIfAborted(signal);
    const rows = await tips.source.ask(
      database,
      `SELECT block_id AS id, block_hash AS hash, external_offset AS o, external_length AS l FROM marf_data
       WHERE block_id > ${after} ORDER BY block_id LIMIT ${rowsAtOnce}`,
    );
    if (rows.length === 0) return;
    after = Number(rows.at(-1)?.["id"]);
    yield rows
      .map((row) => ({
        hash: String(row["hash"]),
        offset: numberOf(row, "o") ?? 0,
        length: numberOf(row, "l") ?? 0,
      }))
      .filter((entry) => entry.length > 0);
  }
}

/** Reads a trie to its end and returns its head, or in words why it cannot. */
async function readTrie(
  { hash, offset, length }: TrieEntry,
  file: string,
  read: (path: string, offset: number, length: number) => Promise<Buffer>,
): Promise<TrieHead | string> {
  const where = `the trie of block ${hash} at byte ${offset}`;
  let head: TrieHead | undefined;
  for (let at = 0; at < length; at += bytesAtOnce) {
    const wanted = Math.min(bytesAtOnce, length - at);
    const bytes = await read(file, offset + at, wanted);
    if (bytes.length !== wanted) return `${where} ends after ${at + bytes.length} of ${length} bytes`;
    if (at === 0) head = parseTrieHead(bytes);
  }
  return head ?? `${where} is only ${length} bytes long`;
}

/** Every trie but the first hangs on one of the same table; and where its block has a header, that says its root. */
async function problemOfHeads(
  tips: Tips,
  database: string,
  heads: ReadonlyMap<TrieEntry, TrieHead>,
): Promise<string | undefined> {
  const parents = [...new Set([...heads.values()].map((head) => head.parent))];
  const sql = `SELECT block_hash AS hash FROM marf_data WHERE block_hash IN (${parents.map(hexLiteral).join(", ")})`;
  const known = new Set((await tips.source.ask(database, sql)).map((row) => String(row["hash"])));
  const roots = await rootsOf(
    tips,
    database,
    [...heads.keys()].map((entry) => entry.hash),
  );
  for (const [{ hash, offset }, { parent, root }] of heads) {
    const where = `the trie of block ${hash} at byte ${offset}`;
    // The header of the first block is made up (its root is not its trie's), and in a pruned MARF this one trie stands
    // for many blocks.
    if (parent === noParent) continue;
    if (!known.has(parent)) return `${where} hangs on a block that its table does not know`;
    if ((roots.get(hash) ?? root) !== root) return `${where} has another root than the block's header says`;
  }
  return undefined;
}

async function rootsOf(
  tips: Tips,
  database: string,
  hashes: readonly string[],
): Promise<Map<string, string>> {
  const roots = new Map<string, string>();
  if (database === databases.sortition) return roots;
  const schema = await tips.schema(databases.index);
  const list = hashes.map(hexLiteral).join(", ");
  for (const table of ["nakamoto_block_headers", "block_headers"]) {
    if (!schema.has(table)) continue;
    const sql = `SELECT index_block_hash AS hash, index_root, state_index_root FROM ${table} WHERE index_block_hash IN (${list})`;
    for (const row of await tips.source.ask(databases.index, sql)) {
      const header = { indexRoot: String(row["index_root"]), stateRoot: String(row["state_index_root"]) };
      roots.set(String(row["hash"]), rootOf(header, database));
    }
  }
  return roots;
}
