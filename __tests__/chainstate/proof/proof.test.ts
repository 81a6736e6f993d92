import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspectChainstate, type Inspection } from "../../../src/chainstate/inspect.ts";
import type { ProofRange } from "../../../src/chainstate/proof/plan.ts";
import { prove, type ProofResult, proofVersion } from "../../../src/chainstate/proof/proof.ts";
import { openReader } from "../../../src/chainstate/read-only-database.ts";
import { blobsOf } from "../../../src/chainstate/source.ts";
import { Tips } from "../../../src/chainstate/tips.ts";
import { ChainWriter, createChainstate, type Tip } from "../../../simulator/chainstate.ts";
import { damageEach, DamageProof, harmlessColumns, randomFrom } from "../../../simulator/damage-proof.ts";
import * as damage from "../../../simulator/damage.ts";
import { type DatabaseKey, databasePaths } from "../../../simulator/schema.ts";
import { Scratch } from "../scratch.ts";

const scratch = new Scratch();
const signal = new AbortController().signal;
afterAll(() => scratch.remove());

async function proofOf(
  dir: string,
  range: ProofRange = { kind: "all" },
  more: { readonly hasBlockFiles?: boolean; readonly withBlobs?: boolean; readonly cores?: number } = {},
): Promise<ProofResult> {
  const reader = await openReader({ dir, signal });
  const blobs = blobsOf(dir);
  try {
    return await prove({
      tips: new Tips({ ask: reader.ask, has: (path) => existsSync(join(dir, path)), blobs }),
      range,
      access: { dir, signal },
      placeOf: more.withBlobs === false ? undefined : (path) => join(dir, path),
      blobs,
      hasBlockFiles: more.hasBlockFiles ?? true,
      ...(more.cores === undefined ? {} : { cores: more.cores }),
    });
  } finally {
    await reader.end();
    await blobs.close();
  }
}

function change(dir: string, key: DatabaseKey, ...statements: string[]): void {
  const database = new DatabaseSync(join(dir, databasePaths[key]));
  for (const sql of statements) database.exec(sql);
  database.close();
}

function ask(dir: string, key: DatabaseKey, sql: string): Record<string, unknown> {
  const database = new DatabaseSync(join(dir, databasePaths[key]));
  const row = database.prepare(sql).get();
  database.close();
  return row ?? {};
}

describe("a generated chainstate", () => {
  it.each([
    { era: "nakamoto", height: 40 },
    { era: "nakamoto", height: 40, generation: "previous" },
    { era: "epoch2", height: 12, generation: "epoch2" },
    { era: "nakamoto", height: 30, extraBytes: 20_000 },
  ] as const)("is proven: %o", async (options) => {
    const dir = scratch.path();
    const tip = createChainstate(dir, options);
    const result = await proofOf(dir);
    expect(result).toMatchObject({
      result: "passed",
      upTo: { height: options.height, id: tip.indexBlockHash },
    });
    expect(result.detail).toContain(`${options.height} blocks, `);
    expect(result.detail).toContain(`(id ${tip.indexBlockHash}) commits to`);
    expect(result.detail.includes("belong to none")).toBe("extraBytes" in options);
  });

  it("is proven with forks, whole and from any block on", async () => {
    const dir = scratch.path();
    createChainstate(dir, { era: "nakamoto", height: 30, blocksInWal: 0 });
    const chain = ChainWriter.open(dir);
    const tips: Tip[] = [chain.tip];
    for (let i = 0; i < 12; i += 1) {
      const parent = tips.at(i % 3 === 2 ? -3 : -1)?.indexBlockHash ?? "";
      tips.push(chain.appendBlock({ parent, ...(i % 3 === 2 ? { salt: `fork ${i}` } : {}) }));
    }
    chain.close(true);
    expect(await proofOf(dir)).toMatchObject({ result: "passed" });
    for (const { height, indexBlockHash: id } of tips.filter((_, i) => i % 3 === 0)) {
      const { result, detail } = await proofOf(dir, { kind: "after", height, id });
      expect({ result, detail }).toEqual({
        result: "passed",
        detail: expect.stringContaining(`since block ${height}`),
      });
    }
  });

  it("is proven with headers of epoch 4.0, whose marks are hashed", async () => {
    const dir = scratch.path();
    createChainstate(dir, { era: "nakamoto", height: 30, blocksInWal: 0 });
    const chain = ChainWriter.open(dir);
    for (const isMarked of [true, true, false]) chain.appendBlock({ isMarked });
    chain.close(true);
    const marked = "problematic_txs <> '[]'";
    const found = "SELECT count(*) AS n, max(version) AS v FROM nakamoto_block_headers WHERE";
    expect(ask(dir, "index", `${found} ${marked}`)).toEqual({ n: 2, v: 1 });
    expect(await proofOf(dir)).toMatchObject({ result: "passed", upTo: { height: 33 } });
    const other = `[{"tx_index":1,"category":2}]`;
    change(dir, "index", `UPDATE nakamoto_block_headers SET problematic_txs = '${other}' WHERE ${marked}`);
    expect((await proofOf(dir)).detail).toContain("problematic_txs is [{");
  });

  it("is proven by several processes at once", async () => {
    const dir = scratch.path();
    const tip = createChainstate(dir, { era: "nakamoto", height: 450, blocksInWal: 3 });
    const result = await proofOf(dir, { kind: "all" }, { cores: 2 });
    expect(result).toMatchObject({ result: "passed", upTo: { height: 450, id: tip.indexBlockHash } });
    expect(result.detail).toMatch(/^450 blocks, 1,\d{3} tries/);
  });
});

const fixtures = [
  {
    archive: "sbtc-regtest-chainstate",
    dir: "stacks-node",
    height: 57,
    tries: 355,
    values: 1396,
    contracts: 41,
  },
  { archive: "regtest-4.0.2-two-nights", dir: "h115", height: 115, tries: 484, values: 7068, contracts: 42 },
  {
    archive: "regtest-4.0.2-two-nights",
    dir: "h198",
    height: 198,
    tries: 661,
    values: 27_121,
    contracts: 42,
  },
  {
    archive: "regtest-4.0.2-after-reorg",
    dir: "reorg",
    height: 102,
    tries: 509,
    values: 5337,
    contracts: 42,
  },
] as const;
const archiveOf = (name: string): string =>
  join(import.meta.dirname, "../../../../shared/fixtures", `${name}.tar.xz`);
const hasFixtures = fixtures.every(({ archive }) => existsSync(archiveOf(archive)));

function unpack({ archive, dir }: (typeof fixtures)[number]): string {
  const parent = scratch.path("");
  mkdirSync(parent, { recursive: true });
  execFileSync("tar", ["-xJf", archiveOf(archive), "-C", parent, dir]);
  return join(parent, dir);
}

describe.runIf(hasFixtures)("a chainstate that a real node wrote", () => {
  it.each(fixtures)("is proven: $dir", async (fixture) => {
    const result = await proofOf(unpack(fixture));
    expect(result).toMatchObject({ result: "passed", upTo: { height: fixture.height } });
    const number = (value: number): string => value.toLocaleString("en-US");
    expect(result.detail).toContain(
      `${number(fixture.tries)} tries, ${number(fixture.values)} values, ${fixture.contracts} contracts`,
    );
  });

  it("goes on being one where the simulator goes on with it", async () => {
    const dir = unpack(fixtures[1]);
    const chain = ChainWriter.open(dir);
    for (let i = 0; i < 8; i += 1) chain.appendBlock();
    const tip = chain.tip;
    chain.close(true);
    expect(await proofOf(dir)).toMatchObject({ result: "passed", upTo: { id: tip.indexBlockHash } });
  });

  it("a night proves what was added, after the block of the night before", async () => {
    const before = ask(
      unpack(fixtures[1]),
      "index",
      "SELECT block_hash AS id FROM marf_data ORDER BY block_id DESC LIMIT 1",
    );
    const result = await proofOf(unpack(fixtures[2]), {
      kind: "after",
      height: 115,
      id: String(before["id"]),
    });
    expect(result.result).toBe("passed");
    expect(result.detail).toMatch(
      /^83 blocks, 17\d tries, .* since block 115: the state is the one that block 198 /,
    );
  });
});

describe("what is not proven is said", () => {
  const base = scratch.path();
  beforeAll(() => {
    createChainstate(base, { era: "nakamoto", height: 30, blocksInWal: 0 });
  });

  it.each<[string, (dir: string) => void, RegExp]>([
    [
      "a squashed MARF",
      (dir) =>
        change(
          dir,
          "clarity",
          "CREATE TABLE marf_squash_info (id INTEGER PRIMARY KEY, squash_height INTEGER NOT NULL)",
          "INSERT INTO marf_squash_info VALUES (1, 20)",
        ),
      /marf\.sqlite is squashed \(pruned\) up to height 20/,
    ],
    [
      "a newer schema",
      (dir) => change(dir, "index", "UPDATE schema_version SET version = 4"),
      /index\.sqlite has a MARF of schema 4, which is not known here/,
    ],
    [
      "`.blobs` that are not there",
      (dir) => damage.removeBlobs(dir, "clarity"),
      /\.blobs cannot be read from here/,
    ],
  ])("%s", async (_what, harm, said) => {
    const dir = scratch.copy(base);
    harm(dir);
    const result = await proofOf(dir);
    expect(result.result).toBe("not-made");
    expect(result.detail).toMatch(said);
    expect(result.upTo).toBeUndefined();
  });

  it("`.blobs` whose contents are elsewhere", async () => {
    expect(await proofOf(base, { kind: "all" }, { withBlobs: false })).toMatchObject({ result: "not-made" });
  });

  it("unconfirmed tries of epoch 2, which belong to no chain", async () => {
    const dir = scratch.copy(base);
    change(
      dir,
      "clarity",
      `INSERT INTO marf_data (block_hash, data, unconfirmed) VALUES ('${"ab".repeat(32)}', x'00', 1)`,
    );
    const result = await proofOf(dir);
    expect(result.result).toBe("passed");
    expect(result.detail).toContain("1 unconfirmed tries are part of no chain and were passed over");
  });

  it("block files that were not unpacked", async () => {
    const dir = scratch.copy(base);
    execFileSync("sh", ["-c", `rm -r "${dir}"/chainstate/blocks/[0-9a-f]*`]);
    expect((await proofOf(dir)).detail).toContain("no block file");
    const result = await proofOf(dir, { kind: "all" }, { hasBlockFiles: false });
    expect(result.result).toBe("passed");
    expect(result.detail).toContain("15 epoch-2 block files are not here and were not looked at");
  });
});

describe("damage below the tips", () => {
  const base = scratch.path();
  beforeAll(() => {
    createChainstate(base, { era: "nakamoto", height: 150, blocksInWal: 0 });
  });
  const failed = ({ checks }: Inspection): string[] =>
    checks.filter((check) => check.result === "failed").map((check) => check.id);
  const newest = "(SELECT block_id FROM marf_data ORDER BY block_id DESC LIMIT 1 OFFSET";

  it.each<[string, (dir: string) => void, ("quick" | "proof")[]]>([
    [
      "a row of Clarity's values deleted",
      (dir) => {
        // The contract of the first block: no block has set it since.
        change(dir, "clarity", "DELETE FROM data_table WHERE rowid = 1");
      },
      ["proof"],
    ],
    [
      "three bytes of the blobs changed, in the middle",
      (dir) => {
        for (let i = 0; i < 3; i += 1) damage.flipByte(dir, "clarity", ".blobs", 30_000 + i);
      },
      ["proof"],
    ],
    [
      "three bytes of the blobs changed, near the end",
      (dir) => {
        for (let i = 0; i < 3; i += 1) damage.flipByte(dir, "clarity", ".blobs", -1500 - i);
      },
      ["quick", "proof"],
    ],
    [
      "a block 30 below the tip gone",
      (dir) => change(dir, "nakamoto", "DELETE FROM nakamoto_staging_blocks WHERE height = 120"),
      ["quick", "proof"],
    ],
    [
      "a header 3 below the tip gone",
      (dir) => change(dir, "index", "DELETE FROM nakamoto_block_headers WHERE block_height = 147"),
      ["quick", "proof"],
    ],
    [
      "a trie of an older block gone",
      (dir) => change(dir, "clarity", `DELETE FROM marf_data WHERE block_id = ${newest} 40)`),
      ["quick", "proof"],
    ],
    [
      "the source of a contract changed",
      (dir) => change(dir, "clarity", "UPDATE metadata_table SET value = value || ' '"),
      ["proof"],
    ],
    [
      "an epoch-2 block file gone",
      (dir) => {
        const { id } = ask(
          dir,
          "index",
          "SELECT index_block_hash AS id FROM block_headers WHERE block_height = 5",
        );
        const name = String(id);
        rmSync(join(dir, "chainstate/blocks", name.slice(0, 4), name.slice(4, 8), name));
      },
      ["proof"],
    ],
  ])("%s", async (_what, harm, seenBy) => {
    const dir = scratch.copy(base);
    harm(dir);
    for (const depth of ["tips", "quick", "proof"] as const) {
      const inspection = await inspectChainstate({ dir, depth, signal });
      const isSeen = depth !== "tips" && seenBy.includes(depth);
      expect({ depth, failed: failed(inspection) }).toEqual({ depth, failed: isSeen ? ["proof"] : [] });
      expect(inspection.proof !== undefined).toBe(depth === "proof" && !isSeen);
    }
  });

  it.each([["a fixed seed", 20261129] as const, ["a seed of this run", randomInt(2 ** 31)] as const])(
    "is seen when it is one byte, wherever it is, or cannot matter: %s, %i",
    async (_what, seed) => {
      const counts = await damageEach(scratch.copy(base), {
        random: randomFrom(seed),
        changes: 120,
        confirmEvery: 40,
      });
      expect(counts).toHaveLength(11);
      for (const { kind, missed } of counts) expect({ kind, missed }).toEqual({ kind, missed: [] });
      expect(counts.reduce((sum, { found }) => sum + found, 0)).toBeGreaterThan(100);
    },
  );

  it.each(["clarity", "index", "sortition"] as const)(
    "is seen when a row of %s is gone that a trie names",
    async (marf) => {
      const proof = new DamageProof(scratch.copy(base), randomFrom(20261129));
      try {
        expect(await proof.deletedRows(marf, 5)).toMatchObject({ tried: 5, found: 5 });
      } finally {
        proof.close();
      }
    },
  );

  it("is excused only in columns that the documentation names", () => {
    const said = readFileSync(join(import.meta.dirname, "../../../docs/checks.md"), "utf8");
    for (const [table, columns] of Object.entries(harmlessColumns))
      for (const name of columns)
        expect(said).toMatch(new RegExp(`\`${table}\`[^;]*\`${name.replace(/ .*/, "")}\``));
  });
});

describe("what was proven before", () => {
  const dir = scratch.path();
  let before: { readonly height: number; readonly id: string };
  let tip: Tip;
  beforeAll(() => {
    const { height, indexBlockHash } = createChainstate(dir, { era: "nakamoto", height: 40 });
    before = { height, id: indexBlockHash };
    const chain = ChainWriter.open(dir);
    for (let i = 0; i < 7; i += 1) chain.appendBlock();
    tip = chain.tip;
    chain.close(true);
  });

  async function detail(proven: { upTo: { height: number; id: string }; version: number }): Promise<string> {
    const inspection = await inspectChainstate({ dir, depth: "proof", signal, proven });
    expect(inspection.proof).toEqual({ upTo: { height: 47, id: tip.indexBlockHash }, version: proofVersion });
    return inspection.checks.find((check) => check.id === "proof")?.detail ?? "";
  }

  it("is not proven again", async () => {
    expect(await detail({ upTo: before, version: proofVersion })).toMatch(
      /^7 blocks, 1\d tries, .* since block 40: /,
    );
  });

  it("is not believed of another version", async () => {
    expect(await detail({ upTo: before, version: proofVersion + 1 })).toMatch(/^47 blocks, /);
  });

  it("is not believed of a block that is not here, or not at that height", async () => {
    expect(await detail({ upTo: { ...before, id: "ab".repeat(32) }, version: proofVersion })).toMatch(
      /^47 blocks, /,
    );
    expect(await detail({ upTo: { ...before, height: 39 }, version: proofVersion })).toMatch(/^47 blocks, /);
  });
});
