import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isLocked, tryLock } from "../../src/system/process-lock.ts";

const dropped = fileURLToPath(new URL("./lock-dropped.ts", import.meta.url));
const loop = fileURLToPath(new URL("./lock-loop.ts", import.meta.url));
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lock-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

test("a lock that is removed by its holder is free, and leaves no file", () => {
  const path = join(directory, "a.lock");
  const lock = tryLock(path);
  expect(tryLock(path)).toBeUndefined();
  expect(isLocked(path)).toBe(true);
  lock?.releaseAndRemove();
  lock?.release();
  expect(existsSync(path)).toBe(false);
  const again = tryLock(path);
  expect(again).toBeDefined();
  again?.release();
});

test("of two who look at once neither takes the other for a holder", () => {
  const path = join(directory, "a.lock");
  const look = tryLock(path, "shared");
  expect(look).toBeDefined();
  expect(isLocked(path)).toBe(false);
  expect(tryLock(path)).toBeUndefined();
  look?.release();
  const holder = tryLock(path);
  expect(isLocked(path)).toBe(true);
  holder?.release();
});

test("however often its file is removed, never have two processes a lock at once", async () => {
  const path = join(directory, "a.lock");
  const run = promisify(execFile);
  const ended = await Promise.all(
    [1, 2, 3].map(async () => await run(process.execPath, ["--no-warnings", loop, path, "400"])),
  );
  expect(ended.map(({ stdout }) => stdout)).toEqual(["0", "0", "0"]);
  expect(readdirSync(directory)).toEqual([]);
});

test("a lock is held until its process ends, whether or not anything there refers to it", async () => {
  const path = join(directory, "a.lock");
  const child = spawn(process.execPath, ["--expose-gc", "--no-warnings", dropped, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await once(child.stdout, "data");
    expect(isLocked(path)).toBe(true);
  } finally {
    child.kill("SIGKILL");
  }
  await once(child, "exit");
  expect(isLocked(path)).toBe(false);
});
