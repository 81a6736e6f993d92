/** Where SQLite's locks are tried: nowhere where another user can rename what is made for it. */
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { tryLocks } from "../../../src/freeze/sqlite/lock-trial.ts";
import { isOwnWay } from "../../../src/system/own-way.ts";
import { requestFor, scratch } from "../support.ts";

const neighbour = 65_534;
const isRoot = process.geteuid?.() === 0;

async function makeScene(): Promise<{ readonly home: string; readonly dir: string }> {
  const home = join(await scratch(), "home");
  const dir = join(home, "mainnet");
  mkdirSync(dir, { recursive: true });
  return { home, dir };
}

/** Of a state directory that is not there: it is no place. */
const requestOf = (dir: string) => requestFor(dir, join(dirname(dir), "absent"));

test("in a directory of one's own they are tried", async () => {
  const { home, dir } = await makeScene();
  const trial = await tryLocks(requestOf(dir));
  expect(trial).toEqual({
    usable: true,
    reason: expect.stringContaining("hold between two processes") as string,
  });
  expect(readdirSync(home)).toEqual(["mainnet"]);
});

test.runIf(isRoot).each([
  ["another user owns", ({ home }: { home: string }) => chownSync(home, neighbour, neighbour)],
  ["all may write to", ({ home }: { home: string }) => chmodSync(home, 0o777)],
])("below a directory that %s nothing is made", async (_, change) => {
  const scene = await makeScene();
  change(scene);
  chownSync(scene.dir, neighbour, neighbour);
  const before = [scene.home, scene.dir].map((path) => statSync(path, { bigint: true }).mtimeNs);
  const trial = await tryLocks(requestOf(scene.dir));
  expect(trial).toEqual({ usable: true, reason: expect.stringContaining("no place to try them") as string });
  expect([scene.home, scene.dir].map((path) => statSync(path, { bigint: true }).mtimeNs)).toEqual(before);
});

test.runIf(isRoot)("a way is one's own only with all that is above it", async () => {
  const { home, dir } = await makeScene();
  expect(await isOwnWay(dir)).toBe(true);
  chmodSync(home, 0o1777);
  expect(await isOwnWay(dir)).toBe(true);
  chmodSync(home, 0o775);
  expect(await isOwnWay(dir)).toBe(false);
  chmodSync(home, 0o755);
  chownSync(home, neighbour, neighbour);
  expect(await isOwnWay(dir)).toBe(false);
});
