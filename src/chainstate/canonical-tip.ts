/**
 * The tip that a node chooses: not the highest header, which may be an orphaned fork's, but what the sortition database
 * records for the highest valid sortition, or for the nearest of its ancestors that has a record. The same look-ups, in the
 * same order, as stacks-core 4.0.2 makes (`get_canonical_stacks_chain_tip_hash_and_height` of its sortdb.rs).
 */
import { databases } from "./layout.ts";
import type { Row } from "./reader-process.ts";
import { type ChainSource, hexLiteral, numberOf, type Schema, textOf } from "./source.ts";

export interface RecordedTip {
  readonly consensusHash: string;
  readonly blockHash: string;
  readonly height: number;
  /** The table it was read from. */
  readonly from: string;
}

/** "unknown": the sortition database has no such sortition. "undecided": it is further back than is looked. */
export type Standing = "canonical" | "orphaned" | "unknown" | "undecided";

/** As many sortitions as a node goes back in `stacks_chain_tips_by_burn_view` (its STACKS_TIPS_BY_BURN_VIEW_SEARCH_DEPTH). */
const byBurnViewDepth = 4200;
/** A node goes back without limit. Two years of Bitcoin blocks. */
const furthest = 105_000;

interface Sortition {
  readonly id: string;
  readonly height: number;
}

export class BurnFork {
  readonly #source: Pick<ChainSource, "ask">;
  readonly #schema: Schema;

  constructor(source: Pick<ChainSource, "ask">, schema: Schema) {
    this.#source = source;
    this.#schema = schema;
  }

  /** Undefined: this schema does not say, or there is no sortition. */
  async recordedTip(isNakamoto: boolean): Promise<RecordedTip | undefined> {
    const burnTip = await this.#burnTip();
    if (burnTip === undefined) return undefined;
    if (!isNakamoto) return tipOf(burnTip.row, "snapshots", "canonical_stacks_tip_");
    return (
      (await this.#nearestTip("stacks_chain_tips_by_burn_view", burnTip, byBurnViewDepth)) ??
      (await this.#nearestTip("stacks_chain_tips", burnTip, furthest))
    );
  }

  /** Whether the sortition of this consensus hash is an ancestor of the highest valid one, or that one itself. */
  async standingOf(consensusHash: string): Promise<Standing> {
    const [row] = await this.#ask(
      `SELECT sortition_id, block_height FROM snapshots WHERE consensus_hash = ${hexLiteral(consensusHash)} LIMIT 1`,
    );
    const [burnTip, height] = [await this.#burnTip(), numberOf(row, "block_height")];
    if (burnTip === undefined || height === undefined) return "unknown";
    if (burnTip.height - height > furthest) return "undecided";
    const [found] = await this.#ask(
      `${ancestry(burnTip, Math.max(0, burnTip.height - height))} SELECT sortition_id FROM fork WHERE block_height = ${height} LIMIT 1`,
    );
    return found?.["sortition_id"] === row?.["sortition_id"] ? "canonical" : "orphaned";
  }

  async #burnTip(): Promise<(Sortition & { readonly row: Row }) | undefined> {
    const [row] = await this.#ask(
      "SELECT * FROM snapshots WHERE pox_valid = 1 ORDER BY block_height DESC, burn_header_hash ASC LIMIT 1",
    );
    const [id, height] = [textOf(row, "sortition_id"), numberOf(row, "block_height")];
    return row === undefined || id === undefined || height === undefined ? undefined : { id, height, row };
  }

  async #nearestTip(table: string, from: Sortition, depth: number): Promise<RecordedTip | undefined> {
    if (!this.#schema.has(table)) return undefined;
    const [row] = await this.#ask(
      `${ancestry(from, depth)} SELECT t.consensus_hash, t.block_hash, t.block_height AS height
       FROM fork CROSS JOIN ${table} t ON t.sortition_id = fork.sortition_id LIMIT 1`,
    );
    return tipOf(row, table);
  }

  async #ask(sql: string): Promise<readonly Row[]> {
    return await this.#source.ask(databases.sortition, sql);
  }
}

/**
 * `fork`: a sortition and its ancestors, nearest first, so that a LIMIT ends the search at the first that fits. The first
 * sortition of a chain is its own parent.
 */
function ancestry({ id }: Sortition, depth: number): string {
  return `WITH RECURSIVE fork(sortition_id, parent, block_height, depth) AS (
    SELECT sortition_id, parent_sortition_id, block_height, 0 FROM snapshots WHERE sortition_id = ${hexLiteral(id)}
    UNION ALL
    SELECT s.sortition_id, s.parent_sortition_id, s.block_height, fork.depth + 1
    FROM fork CROSS JOIN snapshots s ON s.sortition_id = fork.parent
    WHERE fork.depth < ${depth} AND s.sortition_id != fork.sortition_id)`;
}

function tipOf(row: Row | undefined, from: string, prefix = ""): RecordedTip | undefined {
  const consensusHash = textOf(row, `${prefix}consensus_hash`);
  const blockHash = textOf(row, prefix === "" ? "block_hash" : `${prefix}hash`);
  const height = numberOf(row, `${prefix}height`);
  if (consensusHash === undefined || blockHash === undefined || height === undefined) return undefined;
  return { consensusHash, blockHash, height, from };
}
