/**
 * What makes a node panic on its chainstate: its databases tell of different moments. Written the slow and obvious way,
 * on open writable databases, and on purpose without a line of the action's own checks: tests use it as the oracle for them.
 */
import { readSync, openSync, closeSync, fstatSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { canonicalBurnBlocks, canonicalTip } from "./canonical-tip.ts";
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
  const last = headers.find((header) => header.id === state);
  if (last === undefined) return `no header of block ${state}`;
  const highest = Math.max(...headers.map((header) => header.height));
  const isNakamoto = headers.some((header) => header.table === "nakamoto_block_headers");
  const burn = [...canonicalBurnBlocks(sortition)];
  const isCanonical = (header: Header): boolean =>
    burn.some(({ consensusHash }) => consensusHash === header.burnView);
  for (const header of headers.filter(({ height }) => height === highest || height === last.height)) {
    const known = sortition.prepare("SELECT 1 FROM snapshots WHERE consensus_hash = ?");
    if (known.get(header.consensusHash) === undefined)
      return `the tenure of a block at ${header.height} is unknown`;
  }
  // What is not on a burn fork that was left has to be behind the tip.
  const recorded = canonicalTip(sortition, isNakamoto);
  const tip =
    recorded === undefined
      ? last
      : headers.find(
          (header) =>
            header.blockHash === recorded.blockHash && header.consensusHash === recorded.consensusHash,
        );
  if (tip === undefined) return `the tip at ${recorded?.height} has no header`;
  if (headers.some((header) => header.height > tip.height && isCanonical(header)))
    return `the sortition database's tip is ${tip.height}, the highest header at ${highest}`;
  if (!hasTrie(clarity, tip.id) || !hasTrie(index, tip.id)) return "the tip has no state";
  if (isNakamoto) {
    const staged = chain.database("nakamoto");
    const processed = count(
      staged,
      "SELECT MAX(height) AS n FROM nakamoto_staging_blocks WHERE processed = 1",
    );
    if (processed !== highest)
      return `blocks are processed up to ${processed}, the headers end at ${highest}`;
    const own = staged
      .prepare("SELECT processed FROM nakamoto_staging_blocks WHERE index_block_hash = ?")
      .get(tip.id);
    if (tip.table === "nakamoto_block_headers" && own?.["processed"] !== 1)
      return "the tip's block is not processed";
  }
  const burnHeight = count(sortition, "SELECT MAX(block_height) AS n FROM snapshots WHERE pox_valid = 1");
  const spv = chain.database("headers");
  if (count(spv, "SELECT MAX(height) AS n FROM headers") < burnHeight)
    return "headers end before the sortition";
  // Bitcoin's last blocks may be of a fork that the sortitions have not come to: the node follows it. Not another chain.
  const sortitions = sortition
    .prepare("SELECT block_height AS height, burn_header_hash AS hash FROM snapshots WHERE pox_valid = 1")
    .all();
  const header = spv.prepare("SELECT 1 FROM headers WHERE height = ? AND hash = ?");
  const near = sortitions.filter(({ height }) => Number(height) > burnHeight - 144);
  if (!near.some(({ height, hash }) => header.get(Number(height), String(hash)) !== undefined))
    return "headers are of another burn chain";
  const burnchain = chain.database("burnchain");
  if (count(burnchain, "SELECT MAX(block_height) AS n FROM burnchain_db_block_headers") < burnHeight)
    return "burnchain.sqlite ends before the sortition";
  const burnBlock = burnchain.prepare("SELECT 1 FROM burnchain_db_block_headers WHERE block_hash = ?");
  if (!near.some(({ hash }) => burnBlock.get(String(hash)) !== undefined))
    return "no burn block is in burnchain.sqlite";
  return (
    whyBlobsDiffer(chain, "clarity", last.id, last.stateRoot) ??
    whyBlobsDiffer(chain, "index", last.id, last.indexRoot)
  );
}

interface Header {
  readonly table: string;
  readonly id: string;
  readonly blockHash: string;
  readonly height: number;
  readonly consensusHash: string;
  readonly burnView: string;
  readonly stateRoot: string;
  readonly indexRoot: string;
}

function allHeaders(index: DatabaseSync, table: string): Header[] {
  const rows = index
    .prepare(
      `SELECT index_block_hash, block_hash, block_height, consensus_hash, state_index_root, index_root,
         ${table === "block_headers" ? "consensus_hash" : "burn_view"} AS burn_view FROM ${table}`,
    )
    .all();
  return rows.map((row) => ({
    table,
    id: String(row["index_block_hash"]),
    blockHash: String(row["block_hash"]),
    height: Number(row["block_height"]),
    consensusHash: String(row["consensus_hash"]),
    burnView: String(row["burn_view"]),
    stateRoot: String(row["state_index_root"]),
    indexRoot: String(row["index_root"]),
  }));
}

function lastTrie(database: DatabaseSync): string {
  const sql = "SELECT block_hash FROM marf_data WHERE unconfirmed = 0 ORDER BY block_id DESC LIMIT 1";
  return String(database.prepare(sql).get()?.["block_hash"]);
}

function hasTrie(database: DatabaseSync, id: string): boolean {
  return (
    database.prepare("SELECT 1 FROM marf_data WHERE unconfirmed = 0 AND block_hash = ?").get(id) !== undefined
  );
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
    // The first block's header names no root of the state.
    return found.toString("hex") === root || /^0+$/.test(root)
      ? undefined
      : `${databasePaths[key]}.blobs does not hold the tip's trie`;
  } finally {
    closeSync(fd);
  }
}

function count(database: DatabaseSync, sql: string): number {
  return Number(database.prepare(sql).get()?.["n"] ?? -1);
}
