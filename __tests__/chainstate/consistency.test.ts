/**
 * "Consistent ⇔ accepted" over generated chainstates: whatever was done to one, the checks accept it exactly when a node
 * (the simulator's own, slow and obvious consistency check) would run on it.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runChecks } from "../../src/chainstate/checks.ts";
import { findDatabases } from "../../src/chainstate/find-databases.ts";
import { type Ask, type DatabaseReader, openReader } from "../../src/chainstate/read-only-database.ts";
import { blobsOf } from "../../src/chainstate/source.ts";
import { CorruptError } from "../../src/chainstate/proof/format.ts";
import { Tips } from "../../src/chainstate/tips.ts";
import { ChainWriter, type ChainstateOptions, createChainstate } from "../../simulator/chainstate.ts";
import { whyInconsistent } from "../../simulator/consistency.ts";
import * as damage from "../../simulator/damage.ts";
import { memoryDirectory } from "../tools.ts";

const runs = 240;
const signal = new AbortController().signal;
/** In memory where there is some: syncing to a disk proves nothing here and takes most of the time. */
const root = mkdtempSync(join(memoryDirectory(), "consistency-"));

const shapes = {
  nakamoto: { era: "nakamoto", height: 24, lastEpoch2Height: 4, blocksInWal: 9 },
  checkpointed: { era: "nakamoto", height: 20, lastEpoch2Height: 4, blocksInWal: 0 },
  previous: { era: "nakamoto", height: 17, lastEpoch2Height: 3, blocksInWal: 6, generation: "previous" },
  epoch2: { era: "epoch2", height: 9, blocksInWal: 4 },
  oldest: { era: "epoch2", height: 8, blocksInWal: 4, generation: "epoch2" },
} satisfies Record<string, ChainstateOptions>;
type Shape = keyof typeof shapes;

const consensus = ["clarity", "index", "nakamoto", "sortition"] as const;
const all = [...consensus, "burnchain", "headers"] as const;

type Step =
  | { readonly do: "grow"; readonly blocks: number }
  | { readonly do: "fork" }
  | { readonly do: "reorganise"; readonly depth: number; readonly blocks: number }
  | { readonly do: "delete wal"; readonly key: (typeof all)[number] }
  | { readonly do: "tear"; readonly until: (typeof consensus)[number] }
  | { readonly do: "older" | "other"; readonly key: (typeof all)[number] }
  | { readonly do: "cut blobs" | "zero blobs"; readonly key: "clarity" | "index"; readonly bytes: number }
  | { readonly do: "swap blobs" };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant("grow"), blocks: fc.integer({ min: 1, max: 4 }) }) },
  fc.record({ do: fc.constant("fork") }),
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("reorganise"),
      depth: fc.integer({ min: 1, max: 3 }),
      blocks: fc.integer({ min: 0, max: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete wal"), key: fc.constantFrom(...all) }) },
  fc.record({ do: fc.constant("tear"), until: fc.constantFrom(...consensus) }),
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("older", "other"), key: fc.constantFrom(...all) }),
  },
  fc.record({
    do: fc.constantFrom("cut blobs", "zero blobs"),
    key: fc.constantFrom("clarity", "index"),
    bytes: fc.integer({ min: 1, max: 2000 }),
  }),
  fc.record({ do: fc.constant("swap blobs") }),
);

/** Steps that a running node takes. */
const byNode: ReadonlySet<Step["do"]> = new Set(["grow", "fork", "reorganise", "tear"] as const);

beforeAll(() => {
  for (const [name, options] of Object.entries(shapes)) {
    createChainstate(join(root, name, "base"), options);
    createChainstate(join(root, name, "older"), { ...options, height: options.height - 3, blocksInWal: 0 });
    createChainstate(join(root, name, "other"), { ...options, seed: "other", blocksInWal: 0 });
  }
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

function take(shape: Shape, dir: string, { ...step }: Step): void {
  const from = join(root, shape);
  const has = (key: string): boolean => shape !== "oldest" || key !== "nakamoto";
  switch (step.do) {
    case "grow":
    case "reorganise":
    case "fork": {
      const chain = ChainWriter.open(dir);
      if (step.do === "reorganise") chain.reorganiseBurnchain(step.depth);
      if (step.do !== "fork") for (let i = 0; i < step.blocks; i += 1) chain.appendBlock();
      else {
        const parent = chain.tip.indexBlockHash;
        chain.appendBlock();
        chain.appendBlock({ parent, salt: "fork" });
      }
      chain.close(true);
      break;
    }
    case "delete wal":
      damage.deleteWal(dir, step.key);
      break;
    case "tear":
      damage.tearCommit(dir, step.until);
      break;
    case "older":
    case "other":
      if (has(step.key))
        damage.replaceDatabase(dir, join(from, step.do === "older" ? "older" : "other"), step.key);
      break;
    case "cut blobs":
      if (shape !== "oldest") damage.cutBlobs(dir, step.key, step.bytes);
      break;
    case "zero blobs":
      if (shape !== "oldest") damage.zeroEndOfBlobs(dir, step.key, step.bytes);
      break;
    case "swap blobs":
      if (shape !== "oldest") damage.swapBlobs(dir);
      break;
    default:
      throw new Error("no such step");
  }
}

/** False where the node dies of older tries that were damaged: it reads them to go on, the checks of the tips do not. */
function tryTake(shape: Shape, dir: string, each: Step): boolean {
  try {
    take(shape, dir, each);
    return true;
  } catch (error) {
    if (error instanceof CorruptError) return false;
    throw error;
  }
}

/** What failed; empty when the chainstate is accepted. `reader` is of the directory above all cases. */
async function refusal(dir: string, reader: DatabaseReader): Promise<string[]> {
  const found = await findDatabases(dir, signal);
  const usable = new Set(
    found.databases.filter((each) => each.damage === undefined).map((each) => each.path),
  );
  const blobs = blobsOf(dir);
  const ask: Ask = async (database, sql) =>
    await reader.ask(`${dir.slice(root.length + 1)}/${database}`, sql);
  try {
    const findings = await runChecks(new Tips({ ask, has: (path) => usable.has(path), blobs }));
    const failed = findings.filter((finding) => finding.result === "failed");
    return [...found.problems, ...failed].map((each) => each.detail);
  } finally {
    await blobs.close();
  }
}

function nodeRefusal(dir: string): string | undefined {
  let chain: ChainWriter;
  try {
    chain = ChainWriter.open(dir);
  } catch (error) {
    return String(error);
  }
  try {
    return whyInconsistent(chain);
  } finally {
    chain.close(true);
  }
}

describe("a chainstate is accepted exactly when a node would run on it", () => {
  it(`in ${runs} generated cases`, { timeout: 900_000 }, async () => {
    const reader = await openReader({ dir: root, signal });
    const tally = { accepted: 0, refused: 0 };
    let count = 0;
    const shape = fc.constantFrom(...(Object.keys(shapes) as Shape[]));
    await fc.assert(
      fc.asyncProperty(shape, fc.array(step, { maxLength: 3 }), async (name, steps) => {
        count += 1;
        const dir = join(root, `case-${count}`, "mainnet");
        mkdirSync(dir, { recursive: true });
        execFileSync("cp", ["-a", `${join(root, name, "base")}/.`, dir]);
        try {
          for (const each of steps) {
            // A node does not run on what is damaged.
            if (!byNode.has(each.do)) take(name, dir, each);
            else if (nodeRefusal(dir) === undefined) fc.pre(tryTake(name, dir, each));
          }
          const refused = await refusal(dir, reader);
          const expected = nodeRefusal(dir);
          tally[expected === undefined ? "accepted" : "refused"] += 1;
          expect({ accepted: refused.length === 0, refused, expected }).toMatchObject({
            accepted: expected === undefined,
          });
        } finally {
          rmSync(join(root, `case-${count}`), { recursive: true, force: true });
        }
      }),
      {
        numRuns: runs,
        examples: [
          // The headers follow Bitcoin to another fork, the sortitions have not come to it: a node goes on.
          [
            "checkpointed",
            [
              { do: "reorganise", depth: 1, blocks: 0 },
              { do: "delete wal", key: "sortition" },
            ],
          ],
        ],
      },
    );
    await reader.end();
    expect(tally.accepted).toBeGreaterThan(runs / 8);
    expect(tally.refused).toBeGreaterThan(runs / 8);
  });
});
