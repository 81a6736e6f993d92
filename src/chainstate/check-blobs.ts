/**
 * Check F: every MARF whose tries stand in a `.blobs` has that file, at the length its table records at least, and the
 * tip's trie there is the tip's: it carries the root that the tip's header commits to. A longer file is harmless (the
 * node appends before it records).
 */
import type { Outcome } from "./finding.ts";
import { databases } from "./layout.ts";
import type { BlobFiles } from "./source.ts";
import type { Header, Tips } from "./tips.ts";
import { hasExternalTries, noParent, parseTrieHead, recordedEnd, trieHeadBytes, trieOf } from "./tries.ts";

const { clarity, index, sortition } = databases;

export async function checkBlobs(tips: Tips): Promise<Outcome> {
  const { blobs } = tips.source;
  if (blobs === undefined)
    return { result: "not-made", detail: "`.blobs` cannot be seen from here", databases: [] };
  const details: string[] = [];
  for (const database of [clarity, index, sortition]) {
    const verdict = await checkOne(tips, database, blobs);
    if (verdict.problem !== undefined)
      return { result: "failed", detail: verdict.problem, databases: [database] };
    if (verdict.detail !== undefined) details.push(verdict.detail);
  }
  if (details.length === 0) {
    return { result: "not-made", detail: "this schema keeps its tries inside the databases", databases: [] };
  }
  return { result: "passed", detail: details.join("; "), databases: [] };
}

async function checkOne(
  tips: Tips,
  database: string,
  blobs: BlobFiles,
): Promise<{ readonly problem?: string; readonly detail?: string }> {
  const schema = await tips.schema(database);
  if (!hasExternalTries(schema)) return {};
  const end = await recordedEnd(tips.source.ask, database, schema);
  if (end === 0) return {};
  const file = `${database}.blobs`;
  const size = await blobs.sizeOf(file);
  if (size === undefined) return { problem: `${file} is missing: it holds the tries, ${end} bytes of them` };
  if (size < end)
    return { problem: `${file} is cut short: ${size} of the ${end} bytes that its table records` };
  const external = await whyExternal(tips, database, blobs);
  return external === undefined
    ? { detail: `${file} holds the ${end} bytes recorded` }
    : { problem: `${file} ${external}` };
}

/**
 * Why the trie that stands where the tip's should is another block's: a swapped, stale or empty file holds another root
 * there, or none.
 */
async function whyExternal(tips: Tips, database: string, blobs: BlobFiles): Promise<string | undefined> {
  if (blobs.read === undefined || database === sortition) return undefined;
  const last = await tips.lastTrie(database);
  const header = last === undefined ? undefined : await tips.header(last);
  if (header === undefined) return undefined;
  const record = await trieOf(tips.source.ask, database, header.id);
  if (record === undefined) return undefined;
  const head = parseTrieHead(await blobs.read(`${database}.blobs`, record.offset, trieHeadBytes));
  if (head === undefined) return "cannot be read where the tip's trie begins";
  const root = rootOf(header, database);
  // The first block's header is made up, and a pruned MARF begins with one trie that stands for many blocks.
  if (head.root === root || head.parent === noParent) return undefined;
  return `holds another block's trie, or none, where that of the tip should be`;
}

/** The root of a block's trie in this MARF, as the block's header has it. */
export function rootOf(header: Pick<Header, "indexRoot" | "stateRoot">, database: string): string {
  return database === clarity ? header.stateRoot : header.indexRoot;
}
