/**
 * Tries in `.blobs`: how much of the file a MARF's table records, and what stands at the head of a trie there: the
 * parent's hash (32 bytes), four reserved bytes, the root's hash (32 bytes), which the block's header repeats
 * (stacks-core, stackslib/src/chainstate/stacks/index/blob_layout.rs).
 */
import type { Ask } from "./read-only-database.ts";
import { hexLiteral, numberOf, type Schema } from "./source.ts";

export const trieHeadBytes = 68;
/** The parent of a MARF's first trie, and of the one trie that a pruned MARF begins with. */
export const noParent = "f".repeat(64);

export interface TrieHead {
  readonly parent: string;
  readonly root: string;
}

export function parseTrieHead(bytes: Buffer): TrieHead | undefined {
  if (bytes.length < trieHeadBytes) return undefined;
  return { parent: bytes.toString("hex", 0, 32), root: bytes.toString("hex", 36, 68) };
}

export interface TrieRecord {
  readonly offset: number;
  readonly length: number;
}

export function hasExternalTries(schema: Schema): boolean {
  return schema.has("marf_data", "external_offset");
}

/**
 * Bytes of `.blobs` that the table records. Tries are appended, so the greatest end is among the greatest offsets; rows
 * of tries that are kept inside the database have offset and length 0.
 */
export async function recordedEnd(ask: Ask, database: string, schema: Schema): Promise<number> {
  const order = schema.hasIndex("marf_data", "external_offset") ? "external_offset" : "block_id";
  const recent = `SELECT external_offset + external_length AS e FROM marf_data ORDER BY ${order} DESC LIMIT 1000`;
  return numberOf((await ask(database, `SELECT MAX(e) AS e FROM (${recent})`))[0], "e") ?? 0;
}

/** True where rows are there whose tries the node may rewrite in place (epoch-2 microblocks). */
export async function hasUnconfirmedTries(ask: Ask, database: string): Promise<boolean> {
  const sql = "SELECT 1 AS found FROM marf_data WHERE unconfirmed = 1 AND external_length > 0 LIMIT 1";
  return (await ask(database, sql)).length > 0;
}

/** Where a block's trie stands; undefined where the table has no row of it, or has it inside the database. */
export async function trieOf(ask: Ask, database: string, hash: string): Promise<TrieRecord | undefined> {
  const columns = "external_offset AS o, external_length AS l";
  const sql = `SELECT ${columns} FROM marf_data WHERE block_hash = ${hexLiteral(hash)} LIMIT 1`;
  const row = (await ask(database, sql))[0];
  const length = numberOf(row, "l") ?? 0;
  return length === 0 ? undefined : { offset: numberOf(row, "o") ?? 0, length };
}
