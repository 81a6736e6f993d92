/** Half a million files are not looked at more often than it takes: once before the node is touched, once for the archive. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { coldFreezer } from "../../src/freeze/cold.ts";
import type { Freezer, ViewOf } from "../../src/freeze/port.ts";
import { sqliteFreezer } from "../../src/freeze/sqlite/sqlite.ts";
import { surveyTree } from "../../src/freeze/survey.ts";
import { createChainstate } from "../../simulator/chainstate.ts";
import { requestFor, rules, scratch, viewOf } from "./support.ts";

const blocks = ["00aa/0001", "00aa/0002", "00ab/0001"].map(
  (at) => `chainstate/blocks/${at}/${"e".repeat(64)}`,
);

test.each([
  ["cold", true, coldFreezer, 2],
  ["frozen by sqlite", true, sqliteFreezer, 2],
  // The databases have to be known before they can be frozen, and all else is listed after.
  ["live", false, sqliteFreezer, 3],
] as const)("%s", async (_name, nodeDown, make, most) => {
  const base = await scratch();
  const dir = join(base, "mainnet");
  createChainstate(dir, { era: "nakamoto", height: 10 });
  for (const block of blocks) {
    mkdirSync(join(dir, block, ".."), { recursive: true });
    writeFileSync(join(dir, block), "block");
  }
  const seen = new Map<string, number>();
  const counting: ViewOf = async (directory, selection) => {
    const view = await viewOf(directory, selection);
    return {
      rootEntry: view.rootEntry,
      async *entries(signal) {
        for await (const entry of view.entries(signal)) {
          const path = join(directory, entry.path).slice(dir.length + 1);
          seen.set(path, (seen.get(path) ?? 0) + 1);
          yield entry;
        }
      },
    };
  };
  const freezer: Freezer = make({ viewOf: counting, rules, limits: { minFreeBytes: 1 } });
  const request = requestFor(dir, join(base, "state"));
  const survey = await surveyTree(counting, request);
  expect((await freezer.probe({ ...request, survey })).usable).toBe(true);
  const frozen = await freezer.freeze({ ...request, survey }, nodeDown);
  const archived: string[] = [];
  try {
    for await (const { path } of frozen.view.entries(request.signal)) archived.push(path);
  } finally {
    await frozen.release();
  }
  expect(archived).toEqual(expect.arrayContaining(blocks));
  const looks = [...seen].map(([path, count]) => ({ path, count }));
  expect(looks.filter(({ path, count }) => count > (blocks.includes(path) ? 2 : most))).toEqual([]);
  for (const block of blocks) expect(seen.get(block)).toBe(2);
});
