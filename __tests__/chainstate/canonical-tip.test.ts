/** The tip after Bitcoin was reorganised: the node's own choice, whatever stands higher on the fork it has left. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, it } from "vitest";
import { inspectChainstate, type Inspection } from "../../src/chainstate/inspect.ts";
import { ChainWriter, createChainstate } from "../../simulator/chainstate.ts";
import * as damage from "../../simulator/damage.ts";
import { databasePaths } from "../../simulator/schema.ts";
import { hasFixture, Scratch } from "./scratch.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());

const inspect = async (dir: string): Promise<Inspection> =>
  await inspectChainstate({ dir, depth: "tips", signal: new AbortController().signal });

const failed = ({ checks }: Inspection): string[] =>
  checks.filter(({ result }) => result === "failed").map(({ id }) => id);

/** Orphans the last `depth` Bitcoin blocks, then appends `blocks` on the new fork. */
function reorganised(
  depth: number,
  blocks: number,
): { readonly dir: string; readonly tip: string; readonly height: number } {
  const dir = scratch.path();
  createChainstate(dir, { era: "nakamoto", height: 40, blocksInWal: 12 });
  const chain = ChainWriter.open(dir);
  chain.reorganiseBurnchain(depth);
  for (let count = 0; count < blocks; count += 1) chain.appendBlock();
  const { indexBlockHash: tip, height } = chain.tip;
  chain.close(true);
  return { dir, tip, height };
}

describe("after a reorganisation of Bitcoin", () => {
  it.each([0, 1, 3, 20])("%i blocks into the new fork, the tip is the node's", async (blocks) => {
    const { dir, tip, height } = reorganised(2, blocks);
    const inspection = await inspect(dir);
    expect(failed(inspection)).toEqual([]);
    expect(inspection.facts).toMatchObject({ stacksHeight: height, stacksTip: tip });
    const tipCheck = inspection.checks.find(({ id }) => id === "C")?.detail ?? "";
    expect(/of an orphaned fork, up to height 40/.test(tipCheck)).toBe(height < 40);
  });

  it("a database that lost its last blocks is found all the same", async () => {
    const { dir } = reorganised(2, 3);
    const older = reorganised(2, 0).dir;
    const ids: Record<string, string[]> = {};
    for (const key of ["clarity", "index", "nakamoto", "sortition"] as const) {
      const copy = scratch.copy(dir);
      damage.replaceDatabase(copy, older, key);
      ids[key] = failed(await inspect(copy));
    }
    expect(ids).toEqual({ clarity: ["B", "C"], index: ["B", "C", "E"], nakamoto: ["D"], sortition: ["C"] });
  });

  it.each([
    ["0", 39],
    ["f", 40],
  ] as const)(
    "of two Bitcoin blocks at one height the one with the lower hash counts (%s…)",
    async (digit, height) => {
      const dir = scratch.path();
      createChainstate(dir, { era: "nakamoto", height: 40 });
      const chain = ChainWriter.open(dir);
      const sortition = chain.database("sortition");
      const top = {
        ...sortition.prepare("SELECT * FROM snapshots ORDER BY block_height DESC LIMIT 1").get(),
      };
      const before = chain
        .database("index")
        .prepare(
          "SELECT consensus_hash, block_hash, block_height FROM nakamoto_block_headers WHERE block_height = 39",
        )
        .get();
      const sibling = {
        burn_header_hash: digit.repeat(64),
        sortition_id: "51b".padEnd(64, "0"),
        consensus_hash: "c2".padEnd(40, "0"),
      };
      chain.insert("sortition", "snapshots", { ...top, ...sibling, index_root: "1".repeat(64) });
      chain.insert("sortition", "stacks_chain_tips_by_burn_view", {
        ...before,
        sortition_id: sibling.sortition_id,
        burn_view_consensus_hash: sibling.consensus_hash,
      });
      chain.close(true);
      expect((await inspect(dir)).facts.stacksHeight).toBe(height);
    },
  );

  it("a block that stands higher on the chain itself is no fork: the sortition database has lost its record", async () => {
    const { dir, tip } = reorganised(2, 3);
    const raise = (key: "index" | "nakamoto", table: string, column: string): void => {
      const database = new DatabaseSync(join(dir, databasePaths[key]));
      expect(
        database.prepare(`UPDATE ${table} SET ${column} = 90 WHERE index_block_hash = ?`).run(tip).changes,
      ).toBe(1);
      database.close();
    };
    raise("index", "nakamoto_block_headers", "block_height");
    raise("nakamoto", "nakamoto_staging_blocks", "height");
    // The record is of the block before.
    const sortition = new DatabaseSync(join(dir, databasePaths.sortition));
    sortition.exec(
      "DELETE FROM stacks_chain_tips_by_burn_view WHERE rowid = (SELECT MAX(rowid) FROM stacks_chain_tips_by_burn_view)",
    );
    sortition.close();
    expect(failed(await inspect(dir))).toEqual(["E"]);
  });
});

describe.skipIf(!hasFixture)("a real chainstate after a reorganisation of two Bitcoin blocks", () => {
  it("is accepted at the height that its node said, 102 of 121", async () => {
    const inspection = await inspect(scratch.unpackFixture("regtest-4.0.2-after-reorg"));
    expect(failed(inspection)).toEqual([]);
    expect(inspection.facts).toMatchObject({ stacksHeight: 102, burnHeight: 252 });
    expect(inspection.facts.stacksTip).toMatch(/^a50ea7a2/);
    expect(inspection.checks.find(({ id }) => id === "C")?.detail).toContain(
      "beside it 19 headers of an orphaned fork, up to height 121",
    );
  });

  it("is refused when the tip's record, header, state or block is gone", async () => {
    const whole = scratch.unpackFixture("regtest-4.0.2-after-reorg");
    const without = async (database: string, sql: string): Promise<string[]> => {
      const dir = scratch.copy(whole, "krypton");
      const open = new DatabaseSync(join(dir, database));
      expect(open.prepare(sql).run().changes).toBe(1);
      open.close();
      return failed(await inspect(dir));
    };
    const id = "index_block_hash LIKE 'a50ea7a2%'";
    expect({
      record: await without(
        databasePaths.sortition,
        "DELETE FROM stacks_chain_tips_by_burn_view WHERE block_height = 102",
      ),
      header: await without(databasePaths.index, `DELETE FROM nakamoto_block_headers WHERE ${id}`),
      state: await without(databasePaths.clarity, "DELETE FROM marf_data WHERE block_hash LIKE 'a50ea7a2%'"),
      block: await without(databasePaths.nakamoto, `DELETE FROM nakamoto_staging_blocks WHERE ${id}`),
    }).toEqual({ record: ["C"], header: ["C", "E"], state: ["B"], block: ["D"] });
  });
});
