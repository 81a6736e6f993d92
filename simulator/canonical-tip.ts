/** The tip a node chooses, found the slow and obvious way: sortition by sortition from the highest valid one down. */
import type { DatabaseSync } from "node:sqlite";

export interface BurnBlock {
  readonly height: number;
  readonly hash: string;
  readonly sortitionId: string;
  readonly parentSortitionId: string;
  readonly consensusHash: string;
}

/** The burn chain that the node follows, highest first. */
export function* canonicalBurnBlocks(sortition: DatabaseSync): Generator<BurnBlock> {
  const columns = `block_height AS height, burn_header_hash AS hash, sortition_id AS sortitionId,
    parent_sortition_id AS parentSortitionId, consensus_hash AS consensusHash`;
  let row = sortition
    .prepare(
      `SELECT ${columns} FROM snapshots WHERE pox_valid = 1 ORDER BY block_height DESC, burn_header_hash ASC LIMIT 1`,
    )
    .get();
  const parent = sortition.prepare(`SELECT ${columns} FROM snapshots WHERE sortition_id = ?`);
  while (row !== undefined) {
    const block = { ...row } as unknown as BurnBlock;
    yield block;
    // The first sortition is its own parent.
    row = block.parentSortitionId === block.sortitionId ? undefined : parent.get(block.parentSortitionId);
  }
}

/** Undefined where no table says. */
export function canonicalTip(
  sortition: DatabaseSync,
  isNakamoto: boolean,
): { readonly consensusHash: string; readonly blockHash: string; readonly height: number } | undefined {
  if (!isNakamoto) {
    const row = sortition
      .prepare(
        `SELECT canonical_stacks_tip_consensus_hash AS consensusHash, canonical_stacks_tip_hash AS blockHash,
           canonical_stacks_tip_height AS height FROM snapshots
         WHERE pox_valid = 1 ORDER BY block_height DESC, burn_header_hash ASC LIMIT 1`,
      )
      .get();
    return row as ReturnType<typeof canonicalTip>;
  }
  const tables = sortition
    .prepare(
      "SELECT name FROM sqlite_master WHERE name IN ('stacks_chain_tips', 'stacks_chain_tips_by_burn_view')",
    )
    .all()
    .map(({ name }) => String(name));
  for (const table of tables.toSorted().toReversed()) {
    const look = sortition.prepare(
      `SELECT consensus_hash AS consensusHash, block_hash AS blockHash, block_height AS height FROM ${table}
       WHERE sortition_id = ?`,
    );
    for (const { sortitionId } of canonicalBurnBlocks(sortition)) {
      const row = look.get(sortitionId);
      if (row !== undefined) return row as ReturnType<typeof canonicalTip>;
    }
  }
  return undefined;
}
