import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { discardTree } from "../../src/cache/clone.ts";
import { seal } from "../../src/cache/seal.ts";
import { tryLock } from "../../src/system/process-lock.ts";
import { cloneInto, describeTree, makeTree, open } from "./support.ts";

let base = "";
const at = (name: string): string => join(base, name);

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "cache-"));
});
afterEach(async () => {
  await discardTree(base);
});

async function fillWith(cache: Awaited<ReturnType<typeof open>>, key: string, word = key): Promise<void> {
  const request = {
    neededBytes: 1_000_000,
    make: async (tree: string): Promise<Record<string, string>> => {
      makeTree(tree, word);
      return await Promise.resolve({ word });
    },
  };
  (await cache.fill(key, request)).seed.release();
}

const seedPath = (key: string): string => join(at("cache"), "seeds", key, "tree");

test("what is filled once is cloned exactly, and the pristine copy cannot be written by accident", async () => {
  makeTree(at("model"), "one");
  const cache = await open(at("cache"));
  expect(await cache.take("one")).toBeUndefined();
  await fillWith(cache, "one");
  const seed = await cache.take("one");
  expect(seed).toMatchObject({ notes: { word: "one" }, tree: seedPath("one") });
  const pristine = describeTree(seedPath("one"));
  for (const entry of Object.values(pristine)) expect(entry).toMatch(/^(link |directory [1-5]|file [0-5])/);
  for (const name of ["a", "b"]) {
    await seed?.clone(cloneInto(at(name)));
    expect(describeTree(at(name))).toEqual(describeTree(at("model")));
  }
  // A node writes in place.
  appendFileSync(join(at("a"), "chainstate/vm/file-3.sqlite"), "new block");
  expect(describeTree(seedPath("one"))).toEqual(pristine);
  expect(describeTree(at("b"))).not.toEqual(describeTree(at("a")));
  seed?.release();
});

test("a copy that was changed behind the cache's back is noticed and made anew", async () => {
  const said: string[] = [];
  const cache = await open(at("cache"), { onInfo: (message) => said.push(message) });
  await fillWith(cache, "one");
  const file = join(seedPath("one"), "burnchain/shared.sqlite");
  const { atime, mtime } = statSync(file);
  chmodSync(file, 0o600);
  writeFileSync(file, "two");
  // Size and times as before: only the inode's change time tells.
  utimesSync(file, atime, mtime);
  chmodSync(file, 0o464);
  expect(await cache.take("one")).toBeUndefined();
  expect(said).toEqual(["one in the cache was changed after it was made, and is made anew."]);
  expect(existsSync(seedPath("one"))).toBe(false);
  await fillWith(cache, "one");
  const seed = await cache.take("one");
  expect(seed).toBeDefined();
  seed?.release();
});

test("a fill that fails leaves nothing that counts, and the next one gets what it had", async () => {
  const cache = await open(at("cache"));
  await expect(
    cache.fill("one", {
      neededBytes: 1,
      make: (tree) => {
        mkdirSync(tree, { recursive: true });
        writeFileSync(join(tree, "half"), "half");
        return Promise.reject(new Error("the store is gone"));
      },
    }),
  ).rejects.toThrow("the store is gone");
  expect(await cache.take("one")).toBeUndefined();
  let found: readonly string[] = [];
  const { seed, filledHere } = await cache.fill("one", {
    neededBytes: 1,
    make: async (tree) => {
      found = readdirSync(tree);
      return await Promise.resolve({});
    },
  });
  expect({ found, filledHere }).toEqual({ found: ["half"], filledHere: true });
  seed.release();
});

test("what died while it was sealed is not filled further", async () => {
  const cache = await open(at("cache"));
  const filling = join(at("cache"), "filling", "one");
  makeTree(join(filling, "tree"), "other");
  const facts = { notes: { word: "other" }, filledAt: "2026-11-22T00:00:00.000Z" } as const;
  await seal(filling, facts, new AbortController().signal);
  await fillWith(cache, "one");
  makeTree(at("model"), "one");
  const seed = await cache.take("one");
  await seed?.clone(cloneInto(at("clone")));
  expect(Object.keys(describeTree(at("clone")))).toEqual(Object.keys(describeTree(at("model"))));
  expect(seed?.notes).toEqual({ word: "one" });
  seed?.release();
});

test("the oldest goes when room is missing, what is in use stays, and old age is enough", async () => {
  const cache = await open(at("cache"));
  for (const key of ["one", "two", "three", "four"]) await fillWith(cache, key);
  const days = (count: number): number => Date.now() / 1000 - count * 24 * 3600;
  const used = (key: string, count: number): void =>
    utimesSync(join(at("cache"), "seeds", key, "seed.json"), days(count), days(count));
  const inUse = await cache.take("one");
  used("one", 30);
  used("two", 20);
  used("three", 3);
  used("four", 2);
  await fillWith(cache, "five");
  const present = (): readonly string[] => readdirSync(join(at("cache"), "seeds")).toSorted();
  expect(present()).toEqual(["five", "four", "one", "three"]);

  const full = { neededBytes: Number.MAX_SAFE_INTEGER, make: () => Promise.reject(new Error("not reached")) };
  await expect(cache.fill("six", full)).rejects.toMatchObject({ code: "CACHE_FULL" });
  expect(present()).toEqual(["one"]);
  await inUse?.clone(cloneInto(at("clone")));
  expect(existsSync(join(at("clone"), "burnchain"))).toBe(true);
  inUse?.release();
  await expect(cache.fill("six", full)).rejects.toMatchObject({ code: "CACHE_FULL" });
  expect(present()).toEqual([]);
  expect(readdirSync(join(at("cache"), "going"))).toEqual([]);
});

test("what a dead filler left goes before whole copies, and what died going is swept", async () => {
  const cache = await open(at("cache"));
  await fillWith(cache, "one");
  const [abandoned, alive, going] = [
    join(at("cache"), "filling", "dead"),
    join(at("cache"), "filling", "alive"),
    join(at("cache"), "going", "0123456789abcdef"),
  ];
  for (const path of [abandoned, alive, going]) makeTree(join(path, "tree"), "x");
  for (const path of [abandoned, alive]) utimesSync(join(path, "tree"), 1, 1);
  const lock = tryLock(join(at("cache"), "locks", "alive.lock"));
  await fillWith(cache, "two");
  expect([abandoned, alive, going].map(existsSync)).toEqual([false, true, false]);
  expect(readdirSync(join(at("cache"), "seeds")).toSorted()).toEqual(["one", "two"]);
  lock?.release();
});

test("waiting for another filler ends", async () => {
  const cache = await open(at("cache"), { limits: { waitMs: 300 } });
  const lock = tryLock(join(at("cache"), "locks", "one.lock"));
  await expect(fillWith(cache, "one")).rejects.toMatchObject({ code: "CACHE_WAIT_TIMEOUT" });
  lock?.release();
  await fillWith(cache, "one");
});

test("a directory that is somebody else's, or anybody's, is refused and left as it is", async () => {
  mkdirSync(at("home"));
  writeFileSync(join(at("home"), "thesis.tex"), "");
  await expect(open(at("home"))).rejects.toMatchObject({ code: "CACHE_UNUSABLE" });
  expect(readdirSync(at("home"))).toEqual(["thesis.tex"]);
  mkdirSync(at("open"), { mode: 0o777 });
  chmodSync(at("open"), 0o777);
  await expect(open(at("open"))).rejects.toMatchObject({ code: "CACHE_UNUSABLE" });
  writeFileSync(at("file"), "");
  await expect(open(at("file"))).rejects.toMatchObject({ code: "CACHE_UNUSABLE" });
  rmSync(at("file"));
});

test("a clone that cannot be finished leaves nothing", async () => {
  const cache = await open(at("cache"));
  await fillWith(cache, "one");
  const seed = await cache.take("one");
  // A seed is read-only to everybody but root.
  chmodSync(seedPath("one"), 0o755);
  await discardTree(join(seedPath("one"), "burnchain"));
  await expect(seed?.clone(cloneInto(at("clone")))).rejects.toMatchObject({ code: "CLONE_DIFFERS" });
  expect(existsSync(at("clone"))).toBe(false);
  seed?.release();
});
