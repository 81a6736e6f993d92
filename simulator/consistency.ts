/**
 * What makes a node panic on its chainstate: its databases tell of different moments. Written the slow and obvious way,
 * on open writable databases, and on purpose without a line of the action's own checks: tests use it as the oracle for them.
 */
import { readSync, openSync, closeSync, fstatSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { type ChainWriter, hasTable } from "./chainstate.ts";
import { databasePaths } from "./schema.ts";

/** Why a node would not run on this chainstate; undefined when it would. */
export function whyInconsistent(chain: ChainWriter): string | undefined {
  const clarity = chain.database("clarity");
  const index = chain.database("index");
  const sortition = chain.database("sortition");
  const state = lastTrie(clarity);
  const headerTrie = lastTrie(index);
  if (state !== headerTrie) return `Clarity stands at ${state}, the headers at ${headerTrie}`;
  const headers = [
    ...(hasTable(index, "nakamoto_block_headers") ? allHeaders(index, "nakamoto_block_headers") : []),
    ...allHeaders(index, "block_headers"),
  ];
  const tip = headers.find((header) => header.id === state);
  if (tip === undefined) return `no header of block ${state}`;
  const highest = Math.max(...headers.map((header) => header.height));
  if (tip.height !== highest) return `the state stands at ${tip.height}, the highest header at ${highest}`;
  if (tip.table === "nakamoto_block_headers") {
    const staged = chain.database("nakamoto");
    const processed = count(
      staged,
      "SELECT MAX(height) AS n FROM nakamoto_staging_blocks WHERE processed = 1",
    );
    const own = staged
      .prepare("SELECT processed FROM nakamoto_staging_blocks WHERE index_block_hash = ?")
      .get(tip.id);
    if (processed !== tip.height || own?.["processed"] !== 1)
      return "the tip's block is not the last one processed";
  }
  const known = sortition
    .prepare("SELECT block_height FROM snapshots WHERE consensus_hash = ?")
    .get(tip.consensusHash);
  if (known === undefined) return "the tip's tenure is unknown to the sortition database";
  const recorded = recordedTip(sortition, tip.table);
  if (recorded !== undefined && recorded !== tip.height) return `the sortition database's tip is ${recorded}`;
  const burnHeight = count(sortition, "SELECT MAX(block_height) AS n FROM snapshots WHERE pox_valid = 1");
  const spv = chain.database("headers");
  if (count(spv, "SELECT MAX(height) AS n FROM headers") < burnHeight)
    return "headers end before the sortition";
  const burnHash = sortition
    .prepare("SELECT burn_header_hash AS hash FROM snapshots WHERE pox_valid = 1 AND block_height = ?")
    .get(burnHeight)?.["hash"];
  if (spv.prepare("SELECT hash FROM headers WHERE height = ?").get(burnHeight)?.["hash"] !== burnHash)
    return "headers are of another burn chain";
  const burnBlock = "SELECT 1 FROM burnchain_db_block_headers WHERE block_hash = ?";
  if (chain.database("burnchain").prepare(burnBlock).get(String(burnHash)) === undefined)
    return "the burn block is not in burnchain.sqlite";
  return (
    whyBlobsDiffer(chain, "clarity", tip.id, tip.stateRoot) ??
    whyBlobsDiffer(chain, "index", tip.id, tip.indexRoot)
  );
}

interface Header {
  readonly table: string;
  readonly id: string;
  readonly height: number;
  readonly consensusHash: string;
  readonly stateRoot: string;
  readonly indexRoot: string;
}

function allHeaders(index: DatabaseSync, table: string): Header[] {
  const rows = index
    .prepare(
      `SELECT index_block_hash, block_height, consensus_hash, state_index_root, index_root FROM ${table}`,
    )
    .all();
  return rows.map((row) => ({
    table,
    id: String(row["index_block_hash"]),
    height: Number(row["block_height"]),
    consensusHash: String(row["consensus_hash"]),
    stateRoot: String(row["state_index_root"]),
    indexRoot: String(row["index_root"]),
  }));
}

function lastTrie(database: DatabaseSync): string {
  const sql = "SELECT block_hash FROM marf_data WHERE unconfirmed = 0 ORDER BY block_id DESC LIMIT 1";
  return String(database.prepare(sql).get()?.["block_hash"]);
}

function recordedTip(sortition: DatabaseSync, headerTable: string): number | undefined {
  for (const table of ["stacks_chain_tips_by_burn_view", "stacks_chain_tips"])
    if (hasTable(sortition, table)) return count(sortition, `SELECT MAX(block_height) AS n FROM ${table}`);
  if (headerTable === "nakamoto_block_headers") return undefined;
  return count(sortition, "SELECT MAX(canonical_stacks_tip_height) AS n FROM snapshots WHERE pox_valid = 1");
}

function whyBlobsDiffer(
  chain: ChainWriter,
  key: "clarity" | "index",
  tip: string,
  root: string,
): string | undefined {
  const database = chain.database(key);
  if (
    !database
      .prepare("PRAGMA table_info(marf_data)")
      .all()
      .some((column) => column["name"] === "external_offset")
  )
    return undefined;
  const fd = openSync(join(chain.dir, `${databasePaths[key]}.blobs`), "r");
  try {
    const end = count(database, "SELECT MAX(external_offset + external_length) AS n FROM marf_data");
    if (fstatSync(fd).size < end) return `${databasePaths[key]}.blobs is too short`;
    const row = database.prepare("SELECT external_offset AS at FROM marf_data WHERE block_hash = ?").get(tip);
    const found = Buffer.alloc(32);
    readSync(fd, found, 0, 32, Number(row?.["at"]) + 36);
    return found.toString("hex") === root
      ? undefined
      : `${databasePaths[key]}.blobs does not hold the tip's trie`;
  } finally {
    closeSync(fd);
  }
}

function count(database: DatabaseSync, sql: string): number {
  return Number(database.prepare(sql).get()?.["n"] ?? -1);
}
