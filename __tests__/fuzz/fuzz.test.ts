/** A few cases of each target, of a seed of this run's own; `npm run fuzz` makes as many as there is time for. */
import { assert } from "fast-check";
import { expect, test } from "vitest";
import { targets } from "./targets.ts";

test.each(Object.keys(targets))("%s: an answer or an ActionError, and nothing outside", async (name) => {
  const target = await targets[name]?.();
  expect(target).toBeDefined();
  if (target === undefined) return;
  try {
    await assert(target.property, { numRuns: 40 });
  } finally {
    await target.close();
  }
});
