/**
 * A store that stands still in the middle of a restore, through dist. It needs nothing but two minutes in which nothing
 * happens: the store's own limit is waited for, four times. (For an upload: `ceph.testbed.test.ts`.)
 */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { setUp } from "./support.ts";
import { serveDirectory } from "./web.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

it("is given up with a clear error, the chainstate as it was and the node running", async () => {
  const setup = await setUp({ height: 100, extraBytes: 100_000 });
  closing.push(async () => await setup.remove());
  const taken = await setup.job(setup.snapshotInputs).run();
  expect(taken.main.exitCode, taken.main.log).toBe(0);
  const web = await serveDirectory(setup.store);
  closing.push(async () => await web.close());
  const mark = join(setup.chainstate, "the-old-one");
  writeFileSync(mark, "");
  const before = setup.pids();
  web.stallAfterBytes = Number(taken.main.outputs["size-bytes"]) / 2;
  const restore = {
    ...setup.snapshotInputs,
    command: "restore",
    "allow-lower-height": "true",
    storage: web.url,
  };
  // Nothing to take frames from instead.
  const { main } = await setup.job({ ...restore, "seed-from": setup.store }).run();
  expect(web.stalled).toBeGreaterThan(0);
  expect(main.exitCode, main.log).toBe(1);
  expect(main.log).toMatch(/STORE_STALLED.*(?:stopped answering|took longer than)/);
  expect(main.log).toMatch(/The node (?:is running|was not touched)/);
  expect(main.log).toMatch(/What to do/);
  expect(main.outputs["node-running"]).toBe("true");
  expect(setup.pids()).toEqual(before);
  expect(existsSync(mark)).toBe(true);

  // The store is well again: what has come is used, and the restore goes through.
  web.stallAfterBytes = Infinity;
  const again = (await setup.job({ ...restore, "seed-from": setup.store }).run()).main;
  expect(again.exitCode, again.log).toBe(0);
  expect(existsSync(mark)).toBe(false);
  expect(setup.pids()).toHaveLength(1);
  expect(Number(again.outputs["fetched-bytes"])).toBeLessThan(Number(taken.main.outputs["size-bytes"]));
  expect(readdirSync(dirname(setup.chainstate)).filter((name) => name.startsWith("."))).toEqual([]);
});
