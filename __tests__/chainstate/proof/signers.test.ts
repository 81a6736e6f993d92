import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspectChainstate } from "../../../src/chainstate/inspect.ts";
import type { SignersReport } from "../../../src/chainstate/proof/signers-job.ts";
import type { CheckResult, SignerSetName } from "../../../src/domain/manifest.ts";
import {
  type ChainstateOptions,
  ChainWriter,
  createChainstate,
  type Tip,
} from "../../../simulator/chainstate.ts";
import * as damage from "../../../simulator/damage.ts";
import { type DatabaseKey, databasePaths } from "../../../simulator/schema.ts";
import type { SignerOptions, SimulatedSigner } from "../../../simulator/signers.ts";
import { hasFixture, Scratch } from "../scratch.ts";

const scratch = new Scratch();
const signal = new AbortController().signal;
afterAll(() => scratch.remove());

/** A weight of 11 in all, of which 7.7 are 70 %: 8. */
const names = ["ada", "bob", "cyd", "dan", "eva"];
const weights = [1, 4, 3, 2, 1];
const setOf = (cycle: number): readonly SimulatedSigner[] =>
  names.map((name, i) => ({ name: `${name} ${Math.floor(cycle / 2)}`, weight: weights[i] ?? 0 }));
/** In cycles of 5 burn blocks of 3 blocks each. */
const cycles = { cycleLength: 5, prepareLength: 2 };

function chain(
  height: number,
  signs?: SignerOptions["signs"],
  options: Partial<ChainstateOptions> = {},
): { readonly dir: string; readonly tip: Tip } {
  const dir = scratch.path();
  const signers = { ...cycles, set: setOf, ...(signs === undefined ? {} : { signs }) };
  const given = {
    era: "nakamoto",
    height,
    lastEpoch2Height: 3,
    blocksInWal: 0,
    signers,
    ...options,
  } as const;
  return { dir, tip: createChainstate(dir, given) };
}

interface Found {
  readonly check: CheckResult | undefined;
  readonly signers: SignersReport | undefined;
}

async function signersOf(dir: string, trusted: readonly SignerSetName[] = []): Promise<Found> {
  const signers = async () => ({ trusted, isTraced: true });
  const found = await inspectChainstate({ dir, depth: "proof", signal, signers });
  expect(found.checks.find(({ id }) => id === "proof")?.result).toBe("passed");
  return { check: found.checks.find(({ id }) => id === "signers"), signers: found.signers };
}

function change(dir: string, key: DatabaseKey, sql: string): void {
  const database = new DatabaseSync(join(dir, databasePaths[key]));
  database.exec(sql);
  database.close();
}

function read(dir: string, key: DatabaseKey, sql: string): Record<string, unknown> {
  const database = new DatabaseSync(join(dir, databasePaths[key]), { readOnly: true });
  const row = database.prepare(sql).get();
  database.close();
  return row ?? {};
}

const some =
  (...who: readonly number[]) =>
  (_height: number, cycle: number) =>
    who.map((i) => setOf(cycle)[i]?.name ?? "");

describe("the last blocks", () => {
  it("are signed by the sets of their cycles, in whatever order", async () => {
    const { dir, tip } = chain(60, some(3, 1, 2));
    const { check, signers } = await signersOf(dir);
    expect(check?.result).toBe("passed");
    expect(check?.detail).toMatch(
      /^57 blocks are signed, block 60 by 3 of 5 signers, 81 % of the weight, of cycle 4: consistent, not confirmed: the set is the one in this chainstate, signed by the set of cycle 3; below the last 57 blocks is epoch 2/,
    );
    expect(signers).toMatchObject({ blocks: 57, isVouched: true, isTraced: true });
    expect(signers?.newest).toMatchObject({ id: tip.indexBlockHash, weight: 9, set: { cycle: 4 } });
  });

  it("are 100, whatever is below", async () => {
    const mostly = some(0, 1, 2);
    const { dir } = chain(130, (height, cycle) => (height < 28 ? ["mallory"] : mostly(height, cycle)));
    const { check } = await signersOf(dir);
    expect(check?.detail).toMatch(/^100 blocks are signed/);
  });

  it.each<[string, readonly number[], boolean]>([
    ["8 of 11, just enough", [0, 1, 2], true],
    ["7 of 11, not enough", [1, 2], false],
    ["none", [], false],
  ])("need seven tenths of the weight, rounded up: %s", async (_what, who, isEnough) => {
    const { dir } = chain(30, (height, cycle) => (height === 29 ? some(...who)(height, cycle) : undefined));
    const { check } = await signersOf(dir);
    expect(check?.result).toBe(isEnough ? "passed" : "failed");
    const tooFew = check?.detail.match(/^block 29 \(id .* of a weight of 11, which is less than 70 %$/);
    expect(tooFew !== null).toBe(!isEnough);
  });

  it.each<[string, SignerOptions["signs"]]>([
    [
      "somebody else",
      (height, cycle) => (height === 29 ? [...setOf(cycle).map((s) => s.name), "mallory"] : undefined),
    ],
    ["somebody twice", (height) => (height === 29 ? ["ada 0", "bob 0", "cyd 0", "bob 0"] : undefined)],
    ["the set of another cycle", (height) => (height === 29 ? setOf(7).map(({ name }) => name) : undefined)],
  ])("are not signed by %s", async (_what, signs) => {
    const { check } = await signersOf(chain(30, signs).dir);
    expect(check?.result).toBe("failed");
    expect(check?.detail).toMatch(
      /^block 29 \(id [0-9a-f]{64}\): \d of \d signatures are of nobody in the set of cycle 2/,
    );
  });

  it("are not signed where a signature was changed in the block and in its header row alike", async () => {
    const { dir } = chain(30);
    const database = new DatabaseSync(join(dir, databasePaths.nakamoto));
    const row = database
      .prepare("SELECT data, index_block_hash AS id FROM nakamoto_staging_blocks WHERE height = 29")
      .get();
    const data = Buffer.from(row?.["data"] as Uint8Array);
    const before = data.toString("hex", 210, 210 + 65);
    data[240] = (data[240] ?? 0) ^ 1;
    database.prepare("UPDATE nakamoto_staging_blocks SET data = ? WHERE height = 29").run(data);
    database.close();
    const after = data.toString("hex", 210, 210 + 65);
    change(
      dir,
      "index",
      `UPDATE nakamoto_block_headers SET signer_signature = replace(signer_signature, '${before}', '${after}')`,
    );
    expect((await signersOf(dir)).check).toMatchObject({ result: "failed" });
  });
});

describe.runIf(hasFixture)("a chainstate that a real node wrote", () => {
  it("is signed by its signer, and its set by that of the cycle before", async () => {
    const { check, signers } = await signersOf(scratch.unpackFixture("regtest-4.0.2-after-reorg"));
    expect(signers).toMatchObject({ blocks: 74, isVouched: true, isTraced: true });
    expect(signers?.newest).toMatchObject({ height: 102, signers: 1, members: 1, set: { cycle: 12 } });
    expect(check?.result).toBe("passed");
  });

  it("is signed in its first cycle of Nakamoto by a set that was computed in epoch 2", async () => {
    const { check, signers } = await signersOf(scratch.unpackFixture());
    expect(signers).toMatchObject({
      blocks: 29,
      isVouched: false,
      newest: { height: 57, set: { cycle: 11 } },
    });
    expect(check?.detail).toContain("the set of cycle 11 was computed in epoch 2, which has no signers");
  });
});

describe("what is not known of signers is said", () => {
  it.each<[string, () => string, RegExp]>([
    [
      "a state that has no signers",
      () => {
        const dir = scratch.path();
        createChainstate(dir, { era: "nakamoto", height: 20 });
        return dir;
      },
      /^the state does not say how long reward cycles are$/,
    ],
    [
      "a chain before Nakamoto",
      () => {
        const dir = scratch.path();
        createChainstate(dir, { era: "epoch2", height: 8 });
        return dir;
      },
      /^the tip is of epoch 2, whose blocks nobody signs$/,
    ],
    [
      "keys that are nowhere",
      () => {
        const { dir } = chain(30);
        change(dir, "index", "DELETE FROM nakamoto_reward_sets");
        return dir;
      },
      /^the keys of 5 of 5 signers of cycle 2 are not here, so that /,
    ],
    [
      "reward sets that cannot be read",
      () => {
        const { dir } = chain(30);
        change(dir, "index", "UPDATE nakamoto_reward_sets SET reward_set = '{'");
        return dir;
      },
      /3 rows of reward sets cannot be read$/,
    ],
  ])("%s", async (_what, make, said) => {
    const { check, signers } = await signersOf(make());
    expect(check?.result).toBe("not-made");
    expect(check?.detail).toMatch(said);
    expect(signers?.newest).toBeUndefined();
  });

  it("shadow blocks, which carry no signatures: below the tip, and at it", async () => {
    const { dir, tip } = chain(30, (height) => (height === 27 || height === 30 ? "shadow" : undefined));
    const { check, signers } = await signersOf(dir);
    expect(check?.result).toBe("passed");
    expect(check?.detail).toMatch(
      /^25 blocks are signed, block 29 by 5 .*; 2 shadow blocks carry no signatures/,
    );
    expect(signers?.newest?.id).not.toBe(tip.indexBlockHash);
  });

  it("a set that no block here has put into the state", async () => {
    const { dir } = chain(74);
    // That of cycle 5. The keys stay known: the set before has the same.
    change(dir, "index", "DELETE FROM nakamoto_reward_sets WHERE rowid = 6");
    const { check, signers } = await signersOf(dir);
    expect(signers).toMatchObject({ isVouched: false, isTraced: false });
    expect(check?.detail).toMatch(/no block is here that put the set of signers of cycle 5 into the state/);
  });
});

describe("below the blocks that `quick` proves", () => {
  let base: string;
  let origin: string;
  beforeAll(() => {
    // Cycle 1 of 30 burn blocks: its set was computed in block 67, the last 100 begin with block 72.
    base = chain(171, undefined, { signers: { cycleLength: 30, prepareLength: 5, set: setOf } }).dir;
    const row = read(
      base,
      "index",
      "SELECT index_block_hash AS id FROM nakamoto_reward_sets WHERE rowid = 2",
    );
    origin = String(row["id"]);
  });
  const quick = async (dir: string): Promise<CheckResult | undefined> => {
    const signers = async () => ({ trusted: [], isTraced: true });
    const { checks } = await inspectChainstate({ dir, depth: "quick", signal, signers });
    expect(checks.find(({ id }) => id === "proof")?.result).toBe("passed");
    return checks.find(({ id }) => id === "signers");
  };

  it("the block that computed the set is proven all the same", async () => {
    expect((await quick(base))?.detail).toMatch(/signed by the set of cycle 0$/);
    const height = read(
      base,
      "index",
      `SELECT block_height AS h FROM nakamoto_block_headers WHERE index_block_hash = '${origin}'`,
    );
    expect(height["h"]).toBe(67);
  });

  it("a byte of its trie is none that can be changed", async () => {
    const dir = scratch.copy(base);
    const sql = `SELECT external_offset AS at, external_length AS length FROM marf_data WHERE block_hash = '${origin}'`;
    const { at, length } = read(dir, "clarity", sql);
    // Of the last node, a leaf: the value of some key.
    damage.flipByte(dir, "clarity", ".blobs", Number(at) + Number(length) - 20);
    const found = await quick(dir);
    expect(found?.result).toBe("failed");
    expect(found?.detail).toMatch(/cannot be read/);
  });

  it("its bytes are its own", async () => {
    const dir = scratch.copy(base);
    const other = "(SELECT data FROM nakamoto_staging_blocks WHERE height = 60)";
    change(
      dir,
      "nakamoto",
      `UPDATE nakamoto_staging_blocks SET data = ${other} WHERE index_block_hash = '${origin}'`,
    );
    const found = await quick(dir);
    expect(found?.result).toBe("failed");
    expect(found?.detail).toContain(`block ${origin}: its bytes are of another block`);
  });

  it("its header's root is the one of its trie", async () => {
    const signers = { cycleLength: 30, prepareLength: 5, set: setOf };
    const { dir, tip } = chain(68, undefined, { signers });
    const writer = ChainWriter.open(dir, { signers });
    const parent = read(
      dir,
      "index",
      "SELECT parent_block_id AS p FROM nakamoto_block_headers WHERE block_height = 68",
    );
    const orphan = writer.appendBlock({
      parent: String(parent["p"]),
      salt: "a fork on which nothing stands",
    });
    writer.appendBlock({ parent: tip.indexBlockHash });
    while (writer.tip.height < 168) writer.appendBlock();
    writer.close(false);
    expect((await quick(dir))?.detail).toMatch(/signed by the set of cycle 0$/);
    // It takes the trie of the block that computed the set, and the place of that block.
    const row = read(dir, "index", "SELECT index_block_hash AS id FROM nakamoto_reward_sets WHERE rowid = 2");
    const from = `FROM marf_data WHERE block_hash = '${String(row["id"])}'`;
    change(
      dir,
      "clarity",
      `UPDATE marf_data SET (external_offset, external_length) = (SELECT external_offset, external_length ${from}) WHERE block_hash = '${orphan.indexBlockHash}'`,
    );
    change(
      dir,
      "index",
      `UPDATE nakamoto_reward_sets SET index_block_hash = '${orphan.indexBlockHash}' WHERE rowid = 2`,
    );
    const found = await quick(dir);
    expect(found?.result).toBe("failed");
    expect(found?.detail).toContain("has not the root in its header");
  });
});

describe("from a set that is trusted", () => {
  const height = 90;
  let dir: string;
  let tip: SignerSetName;
  const sets = new Map<number, SignerSetName>();
  beforeAll(async () => {
    ({ dir } = chain(height));
    const { signers } = await signersOf(dir);
    tip = signers?.newest?.set ?? { cycle: -1, digest: "" };
    // What is said of a set is the same at every height.
    for (const each of [18, 34, 48]) {
      const at = (await signersOf(chain(each).dir)).signers?.newest?.set;
      if (at !== undefined) sets.set(at.cycle, at);
    }
  });

  it("the tip's set follows, and the tip", async () => {
    expect(tip.cycle).toBe(6);
    expect([...sets.keys()]).toEqual([1, 2, 3]);
    for (const trusted of [...sets.values(), tip]) {
      const { check, signers } = await signersOf(dir, [trusted]);
      expect(signers?.followsFrom).toEqual(trusted);
      const how = trusted.cycle === tip.cycle ? "is" : "follows from";
      expect(check?.detail).toContain(`the set ${how} the trusted one of cycle ${trusted.cycle}`);
    }
    const { signers } = await signersOf(dir, [...sets.values()]);
    expect(signers?.followsFrom?.cycle).toBe(3);
  });

  it("another one of its cycle is seen", async () => {
    const trusted = { cycle: 2, digest: "ab".repeat(32) };
    const { signers } = await signersOf(dir, [trusted]);
    expect(signers?.differs).toEqual({ trusted, found: sets.get(2)?.digest });
    expect(signers?.followsFrom).toBeUndefined();
  });

  it("nothing follows before it", async () => {
    const { signers, check } = await signersOf(dir, [{ ...tip, cycle: tip.cycle + 1 }]);
    expect(signers?.followsFrom).toBeUndefined();
    expect(check?.detail).toContain("the trusted set is of cycle 7, the last block of cycle 6, before it");
  });

  it("nothing follows over a shadow block, or over a set that is not there", async () => {
    const trusted = [sets.get(2) ?? tip];
    // The first block of the prepare phase before cycle 4.
    const shadow = chain(height, (at) => (at === 46 ? "shadow" : undefined));
    const over = await signersOf(shadow.dir, trusted);
    expect(over.signers?.followsFrom).toBeUndefined();
    expect(over.check?.detail).toContain("the set of cycle 4 was computed in a shadow block");
    const copy = scratch.copy(dir);
    change(copy, "index", "DELETE FROM nakamoto_reward_sets WHERE rowid = 5");
    const without = await signersOf(copy, trusted);
    expect(without.signers?.followsFrom).toBeUndefined();
    expect(without.check?.detail).toContain("no block is here that put the set of signers of cycle 4 into");
  });

  it("nothing follows of a chain that others go on with", async () => {
    // From the end of cycle 3 on, more than 100 blocks below the tip.
    const stranger = (cycle: number): readonly SimulatedSigner[] =>
      cycle < 4 ? setOf(cycle) : [{ name: "mallory", weight: 1 }];
    const { dir: forged } = chain(170, (at) => (at >= 46 ? ["mallory"] : undefined), {});
    expect((await signersOf(forged)).check?.result).toBe("failed");
    const own = chain(170, (at) => (at >= 46 ? ["mallory"] : undefined), {
      signers: { ...cycles, set: stranger, signs: (at) => (at >= 46 ? ["mallory"] : undefined) },
    });
    // By itself it is consistent: nobody can see otherwise.
    expect((await signersOf(own.dir)).check).toMatchObject({ result: "passed" });
    const { check, signers } = await signersOf(own.dir, [sets.get(3) ?? tip]);
    expect(signers?.followsFrom).toBeUndefined();
    expect(check?.result).toBe("failed");
    expect(check?.detail).toMatch(/1 of 1 signatures are of nobody in the set of cycle 3$/);
  });
});
