/** A node that ends long after it was told to, when nobody of the run is left but the watcher: up again, once. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { StartRecipe } from "../../src/domain/start-recipe.ts";
import { openJournal, readJournal } from "../../src/recovery/journal.ts";
import { noteNode, noteStopRequested, noteStopTaken } from "../../src/recovery/node-account.ts";
import { watch } from "../../src/recovery/watch.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { volumeRecovery } from "../../src/volume/recovery.ts";
import { memoryDirectory } from "../tools.ts";
import { recipeFor } from "./doomed-run.ts";
import { fakeClock } from "../system/fake-clock.ts";
import { unasked } from "./unasked.ts";

const { signal } = new AbortController();
let base: string;
beforeEach(() => {
  base = mkdtempSync(join(memoryDirectory(), "late-"));
  mkdirSync(join(base, "mainnet"));
});
afterEach(() => rmSync(base, { recursive: true }));

const recipes: Readonly<Record<string, () => StartRecipe>> = {
  systemd: () => ({ manager: "systemd", unit: "stacks-node.service", sudo: false }),
  docker: () => ({ manager: "docker", cli: "docker", container: "node", sudo: false }),
  process: () => recipeFor(base),
};

const cases = Object.keys(recipes).flatMap((supervisor) =>
  [20, 600, 7200, 30 * 3600].map((after) => [supervisor, after] as const),
);

test.each(cases)("%s, %d s after `stop-timeout`", async (supervisor, after) => {
  const clock = fakeClock(Date.parse("2026-01-01T00:00:00Z"));
  const { journal } = await openJournal({
    stateDirectory: join(base, "state"),
    chainstateDir: join(base, "mainnet"),
    run: { runId: "one", command: "snapshot", sudo: "never" },
    signal,
  });
  const recipe = recipes[supervisor]!();
  await noteNode(journal, { wasRunning: true, recipe, process: undefined, stopTimeoutMs: 60_000 });
  await noteStopRequested(journal, clock);
  await noteStopTaken(journal, clock);
  const { path } = journal;
  journal.release();
  const endsAt = clock.now() + 60_000 + after * 1000;
  const startedAt: number[] = [];
  const end = await watch({
    nodes: {
      ...unasked,
      isInUse: async () => await Promise.resolve(clock.now() < endsAt || startedAt.length > 0),
      start: async () => {
        if (clock.now() < endsAt) return await Promise.resolve("stopping");
        if (startedAt.length > 0) return "already-running";
        startedAt.push(clock.now());
        return "started";
      },
    },
    volumes: volumeRecovery,
    clock,
    signal,
    privilege: () => privilegeFor("never"),
    journalPath: path,
    runId: "one",
    once: false,
    // As rarely as it can be without a downtime that anybody would notice.
    timings: { intervalMs: after > 7200 ? 30_000 : 2_000 },
    log: () => undefined,
  });
  expect(end).toBe("recovered");
  expect(startedAt).toHaveLength(1);
  expect(startedAt[0]! - endsAt).toBeLessThan(40_000);
  expect((await readJournal(path))?.node?.mustStart).toBe(false);
});
