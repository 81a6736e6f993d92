/**
 * The proof of blocks: each hashes to its id, its transactions to the root in its header, its parent is one lower and
 * there, both tables say what its bytes say, and the burn block that it names is known.
 */
import { existsSync, readFileSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { fsPath } from "../../system/path-bytes.ts";
import { noParent } from "../tries.ts";
import { genesisId, hashBuffer, hashHex } from "./format.ts";
import { verifyTenureColumns } from "./tenure-columns.ts";
import { Cursor, epoch2Header, parseNakamotoBlock } from "./wire-format.ts";

const burnOperationTables = ["stack_stx", "transfer_stx", "delegate_stx", "vote_for_aggregate_key"];
const burnBlocksBack = 100;
const zeros = "0".repeat(64);
/** What is the same on every network (stacks-core, `genesis_block_header` and `StacksHeaderInfo::genesis`). */
const genesisRow = {
  version: 0,
  total_burn: "0",
  total_work: "0",
  proof: "01".repeat(80),
  parent_block: noParent,
  parent_microblock: zeros,
  parent_microblock_sequence: 0,
  tx_merkle_root: zeros,
  state_index_root: zeros,
  microblock_pubkey_hash: "0".repeat(40),
  block_hash: zeros,
  block_height: 0,
  consensus_hash: "0".repeat(40),
  parent_block_id: noParent,
  block_size: "0",
};

export interface BlockCounts {
  blocks: number;
  bytes: number;
  /** Epoch-2 blocks whose files are not here to be looked at. */
  filesElsewhere: number;
}

type Row = Readonly<Record<string, unknown>>;
type Fail = (what: string) => void;

export interface BlockSources {
  readonly dir: string;
  readonly index: DatabaseSync;
  readonly sortition: DatabaseSync;
  /** Undefined before Nakamoto. */
  readonly nakamoto: DatabaseSync | undefined;
  /** False: the directory holds the databases of a snapshot, not its block files. */
  readonly hasBlockFiles: boolean;
}

export class BlockProof {
  readonly counts: BlockCounts = { blocks: 0, bytes: 0, filesElsewhere: 0 };
  readonly #sources: BlockSources;
  readonly #headers: readonly StatementSync[];
  readonly #burn: StatementSync;
  readonly #staged: StatementSync | undefined;

  constructor(sources: BlockSources) {
    const { index, sortition, nakamoto } = sources;
    this.#sources = sources;
    this.#headers = headerTables(index).map((table) =>
      index.prepare(`SELECT * FROM ${table} WHERE index_block_hash = ?`),
    );
    this.#burn = sortition.prepare(
      "SELECT burn_header_hash AS h, block_height AS n, burn_header_timestamp AS t FROM snapshots WHERE consensus_hash = ?",
    );
    this.#staged = nakamoto?.prepare("SELECT * FROM nakamoto_staging_blocks WHERE index_block_hash = ?");
    for (const statement of [...this.#headers, ...(this.#staged === undefined ? [] : [this.#staged])])
      statement.setReadBigInts(true);
  }

  header(id: string): Row | undefined {
    for (const statement of this.#headers) {
      const row = statement.get(id);
      if (row !== undefined) return row;
    }
    return undefined;
  }

  /** Calls `fail` with each thing that is wrong. */
  verify(id: string, fail: Fail): void {
    const row = this.header(id);
    if (row === undefined) return fail("no row in the header tables");
    if (id === genesisId) return this.#verifyGenesis(row, fail);
    const parent = this.header(String(row["parent_block_id"]));
    const height = Number(row["block_height"]);
    if (parent === undefined || Number(parent["block_height"]) !== height - 1)
      fail(`its parent ${String(row["parent_block_id"])} is not there, or not one lower`);
    const burn = this.#burn.get(String(row["consensus_hash"]));
    const isBurn =
      burn !== undefined &&
      burn["h"] === row["burn_header_hash"] &&
      Number(burn["n"]) === Number(row["burn_header_height"]) &&
      Number(burn["t"]) === Number(row["burn_header_timestamp"]);
    if (!isBurn) fail("no sortition for its consensus hash, or another burn block");
    try {
      if ("proof" in row) this.#verifyEpoch2(row, parent, fail);
      else this.#verifyNakamoto(row, parent, fail);
      this.counts.blocks += 1;
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
      fail(`it cannot be read to its end (${error.message})`);
    }
  }

  /** Made by every node for itself. When it was is what the node's configuration says. */
  #verifyGenesis(row: Row, fail: Fail): void {
    const burn = this.#burn.get(String(row["consensus_hash"]));
    const expected = { ...genesisRow, burn_header_hash: burn?.["h"], burn_header_height: burn?.["n"] };
    for (const [name, value] of Object.entries(expected))
      if (String(row[name]) !== String(value))
        fail(`${name} is ${String(row[name])}, and must be ${String(value)}`);
  }

  #verifyNakamoto(row: Row, parent: Row | undefined, fail: Fail): void {
    const staged = this.#staged?.get(String(row["index_block_hash"]));
    const data = staged?.["data"];
    if (staged === undefined || !(data instanceof Uint8Array)) return fail("not in nakamoto_staging_blocks");
    const block = parseNakamotoBlock(Buffer.from(data.buffer, data.byteOffset, data.length));
    this.counts.bytes += data.length;
    for (const [name, value] of Object.entries(block.fields)) {
      for (const [table, each] of [
        ["header table", row],
        ["staging table", staged],
      ] as const) {
        if (name in each && String(each[name]) !== String(value))
          fail(`${name} is ${value} in the block, ${String(each[name])} in the ${table}`);
      }
    }
    if (block.transactionRoot !== block.fields["tx_merkle_root"])
      fail("its transactions do not hash to the root in its header");
    const agrees =
      Number(row["block_height"]) === block.height &&
      Number(staged["height"]) === block.height &&
      Number(row["block_size"]) === data.length &&
      Number(staged["processed"]) === 1;
    if (!agrees) fail("height, size or state in its rows are not the block's");
    const hasBurnOperations = (): boolean => this.#hasBurnOperations(Number(row["burn_header_height"]));
    verifyTenureColumns({ row, parent, staged, block, hasBurnOperations }, fail);
  }

  /** Among the last burn blocks: the node looks back a few for those that are late. */
  #hasBurnOperations(height: number): boolean {
    const { sortition } = this.#sources;
    const names = burnOperationTables.map((name) => `'${name}'`).join(", ");
    return sortition
      .prepare(`SELECT name AS n FROM sqlite_master WHERE type = 'table' AND name IN (${names})`)
      .all()
      .some(({ n }) => {
        const sql = `SELECT 1 FROM ${String(n)} WHERE block_height BETWEEN ? AND ? LIMIT 1`;
        return sortition.prepare(sql).get(height - burnBlocksBack, height) !== undefined;
      });
  }

  #verifyEpoch2(row: Row, parent: Row | undefined, fail: Fail): void {
    const { dir, hasBlockFiles } = this.#sources;
    const header = epoch2Header(row);
    const hash = hashBuffer(header);
    const id = hashHex(Buffer.concat([hash, Buffer.from(String(row["consensus_hash"]), "hex")]));
    if (hash.toString("hex") !== row["block_hash"] || id !== row["index_block_hash"])
      fail("its header does not hash to its block hash and id");
    if (parent !== undefined && parent["block_hash"] !== row["parent_block"])
      fail("its header and its row name different parents");
    if (Number(row["block_height"]) !== Number(row["total_work"])) fail("its header names another height");
    const path = fsPath(`${dir}/chainstate/blocks/${id.slice(0, 4)}/${id.slice(4, 8)}/${id}`);
    if (!existsSync(path)) {
      if (hasBlockFiles) return fail("no block file");
      this.counts.filesElsewhere += 1;
      return;
    }
    const bytes = readFileSync(path);
    this.counts.bytes += bytes.length;
    if (Number(row["block_size"]) !== bytes.length) fail("its row names another size");
    if (header.compare(bytes, 0, header.length) !== 0) fail("its file has another header");
    else if (new Cursor(bytes, header.length).transactionRoot() !== row["tx_merkle_root"])
      fail("its transactions do not hash to the root in its header");
  }
}

export function headerTables(index: DatabaseSync): readonly string[] {
  const known = index.prepare(
    "SELECT name AS n FROM sqlite_master WHERE type = 'table' AND name IN ('nakamoto_block_headers', 'block_headers') ORDER BY name DESC",
  );
  return known.all().map((row) => String(row["n"]));
}
