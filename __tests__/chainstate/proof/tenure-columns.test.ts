import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runProofJob } from "../../../src/chainstate/proof/job.ts";
import { type TenureSources, verifyTenureColumns } from "../../../src/chainstate/proof/tenure-columns.ts";
import { createChainstate } from "../../../simulator/chainstate.ts";
import { type DatabaseKey, databasePaths } from "../../../simulator/schema.ts";
import { Scratch } from "../scratch.ts";

const scratch = new Scratch();
const dir = scratch.path();
const height = 41;
afterAll(() => scratch.remove());
beforeAll(() => {
  createChainstate(dir, { era: "nakamoto", height, blocksInWal: 0 });
});

/** What the proof of all blocks says while these statements are in force. */
async function failuresAfter(key: DatabaseKey, ...statements: string[]): Promise<readonly string[]> {
  const databases = new Map<string, DatabaseSync>();
  const database = (path: string): DatabaseSync => {
    const one = databases.get(path) ?? new DatabaseSync(join(dir, path));
    databases.set(path, one);
    return one;
  };
  const changed = database(databasePaths[key]);
  changed.exec("BEGIN");
  try {
    for (const sql of statements) changed.exec(sql);
    const job = { kind: "blocks", after: 0, upTo: 1e9, hasBlockFiles: true } as const;
    const access = { dir, database, file: () => 0, onProgress: () => undefined };
    return (await runProofJob(job, access)).failures;
  } finally {
    changed.exec("ROLLBACK");
    for (const each of databases.values()) each.close();
  }
}

describe("columns that no hash covers", () => {
  // Of three blocks a tenure the first one begins it.
  const first = height - 2;

  it("are what they must be", async () => {
    expect(await failuresAfter("index", "SELECT 1")).toEqual([]);
  });

  it.each([
    ["header_type", "'nakamotp'", first],
    ["tenure_changed", "0", first],
    ["tenure_changed", "1", height],
    ["vrf_proof", "'ff' || substr(vrf_proof, 3)", first],
    ["vrf_proof", "NULL", first],
    ["vrf_proof", "'00'", height],
    ["burn_view", "'ff' || substr(burn_view, 3)", first],
    ["burn_view", "NULL", height],
    ["height_in_tenure", "height_in_tenure + 1", height],
    ["height_in_tenure", "2", first],
    ["height_in_tenure", "NULL", height],
    ["total_tenure_size", "total_tenure_size + 1", height],
    ["total_tenure_size", "0", height],
    ["tenure_tx_fees", "'1' || tenure_tx_fees", height],
    ["tenure_tx_fees", "'x'", height],
    ["cost", "replace(cost, '5000', '5001')", height],
    ["cost", "replace(cost, '5000', '5001')", first],
    ["cost", "replace(cost, 'runtime', 'runtine')", height],
    ["total_tenure_cost", "replace(total_tenure_cost, '15000', '05000')", height],
    ["total_tenure_cost", "replace(total_tenure_cost, '5000', '6000')", first],
  ])("%s = %s at %i is seen", async (column, value, at) => {
    const sql = `UPDATE nakamoto_block_headers SET ${column} = ${value} WHERE block_height = ${at}`;
    expect(await failuresAfter("index", sql)).not.toEqual([]);
  });

  it.each([
    "is_tenure_start = 1 - is_tenure_start",
    "burn_attachable = 0",
    "orphaned = 1",
    "obtain_method = 'Shadow'",
  ])("of a staged block, %s, is seen", async (assignment) => {
    const sql = `UPDATE nakamoto_staging_blocks SET ${assignment} WHERE height = ${height}`;
    expect(await failuresAfter("nakamoto", sql)).toHaveLength(1);
  });

  it.each([
    "version = 1",
    "proof = '02' || substr(proof, 3)",
    "burn_header_hash = replace(burn_header_hash, 'a', 'b')",
    "block_size = 1",
  ])("of the first block, %s, is seen", async (assignment) => {
    const sql = `UPDATE block_headers SET ${assignment} WHERE block_height = 0`;
    expect(await failuresAfter("index", sql)).toHaveLength(1);
  });

  it("may cost more in a tenure's first block where there were Bitcoin transactions for Stacks", async () => {
    const costlier = `UPDATE nakamoto_block_headers SET total_tenure_cost = replace(total_tenure_cost, '000}', '007}')
      WHERE block_height >= ${first}`;
    expect(await failuresAfter("index", costlier)).toHaveLength(1);
    const sortition = new DatabaseSync(join(dir, databasePaths.sortition));
    try {
      sortition.exec(`CREATE TABLE stack_stx (block_height INTEGER NOT NULL);
        INSERT INTO stack_stx SELECT max(block_height) - 1 FROM snapshots`);
      expect(await failuresAfter("index", costlier)).toEqual([]);
      sortition.exec("UPDATE stack_stx SET block_height = block_height - 101");
      expect(await failuresAfter("index", costlier)).toHaveLength(1);
    } finally {
      sortition.exec("DROP TABLE stack_stx");
      sortition.close();
    }
  });
});

describe("rows", () => {
  const cost = (...numbers: number[]): string => {
    const [write_length, write_count, read_length, read_count, runtime] = numbers;
    return JSON.stringify({ write_length, write_count, read_length, read_count, runtime });
  };
  const view = "ab".repeat(20);
  const parent = {
    height_in_tenure: 4n,
    total_tenure_size: 1000n,
    tenure_tx_fees: "70",
    burn_view: view,
    total_tenure_cost: cost(10, 20, 30, 40, 50),
  };
  const row = {
    header_type: "nakamoto",
    tenure_changed: 0n,
    vrf_proof: null,
    block_size: "100",
    height_in_tenure: 5n,
    total_tenure_size: 1100n,
    tenure_tx_fees: "75",
    burn_view: view,
    cost: cost(1, 2, 3, 4, 5),
    total_tenure_cost: cost(11, 22, 33, 44, 55),
  };
  const staged = { is_tenure_start: 0n, burn_attachable: 1n, orphaned: 0n };
  const failuresOf = (
    change: Partial<Record<"row" | "parent", Record<string, unknown>>>,
    tenureChange?: { cause: number; burnView: string },
  ): readonly string[] => {
    const failures: string[] = [];
    const block = { fees: 5n, tenureChange, vrfProof: undefined, isShadow: false };
    verifyTenureColumns(
      {
        row: { ...row, ...change.row },
        parent: { ...parent, ...change.parent },
        staged,
        block: block as unknown as TenureSources["block"],
        hasBurnOperations: () => false,
      },
      (what) => failures.push(what),
    );
    return failures;
  };

  it("go on from the parent's", () => {
    expect(failuresOf({})).toEqual([]);
  });

  it.each([
    [1, cost(1, 2, 3, 4, 5)],
    [2, cost(11, 22, 33, 44, 5)],
    [3, cost(11, 22, 33, 4, 55)],
    [4, cost(11, 22, 3, 44, 55)],
    [5, cost(11, 2, 33, 44, 55)],
    [6, cost(1, 22, 33, 44, 55)],
  ])("have the budget anew that an extension of cause %i gives", (cause, total_tenure_cost) => {
    const burnView = "cd".repeat(20);
    const extended = { total_tenure_size: 100n, burn_view: burnView, total_tenure_cost };
    expect(failuresOf({ row: extended }, { cause, burnView })).toEqual([]);
    expect(
      failuresOf({ row: { ...extended, total_tenure_cost: row.total_tenure_cost } }, { cause, burnView }),
    ).toHaveLength(1);
  });

  it("of a node that did not write a column yet are not missed, nor the first one after it", () => {
    const blank = { height_in_tenure: null, total_tenure_size: 0n, burn_view: null };
    expect(failuresOf({ row: blank, parent: blank })).toEqual([]);
    expect(failuresOf({ row: { ...blank, total_tenure_size: 100n }, parent: blank })).toEqual([]);
    expect(failuresOf({ row: { ...blank, total_tenure_size: 101n }, parent: blank })).toHaveLength(1);
    expect(failuresOf({ row: blank })).toHaveLength(3);
  });
});
