/** What `force-stop` kills, on real processes: the one that was told to stop and has the directory open, or nothing. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ActionError } from "../../src/domain/errors.ts";
import { forceStop } from "../../src/node/force-stop.ts";
import { systemClock } from "../../src/system/clock.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { isAlive, readStat, type ProcessId } from "../../src/system/proc.ts";
import { holdOpen } from "./bed.ts";

const { signal } = new AbortController();
const down = { verifyDown: async () => await Promise.resolve([]) };
let base: string;
let chainstateDir: string;
const started: ProcessId[] = [];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "force-"));
  chainstateDir = join(base, "mainnet");
  mkdirSync(chainstateDir);
  writeFileSync(join(chainstateDir, "headers.sqlite"), "");
});
afterEach(() => {
  for (const id of started.splice(0)) if (isAlive(id)) process.kill(id.pid, "SIGKILL");
  rmSync(base, { recursive: true });
});

/** Ignores SIGTERM. */
async function holder(file = join(chainstateDir, "headers.sqlite")): Promise<ProcessId> {
  const pid = await holdOpen(file, 300, "trap '' TERM");
  const { startTicks } = readStat(pid)!;
  started.push({ pid, startTicks });
  return { pid, startTicks };
}

const stop = async (
  told: ProcessId | undefined,
  control: Parameters<typeof forceStop>[0]["control"] = down,
) =>
  await forceStop({
    control,
    told,
    chainstateDir,
    privilege: privilegeFor("never"),
    clock: systemClock,
    signal,
  });

test("the process that was told to stop is ended, when the supervisor has noticed, and no other", async () => {
  const told = await holder();
  const elsewhere = await holder("/dev/null");
  let looks = 0;
  const done = await stop(told, {
    verifyDown: async () => {
      looks += 1;
      if (looks < 3) throw new ActionError("NODE_STILL_RUNNING", "it is deactivating");
      return await Promise.resolve([]);
    },
  });
  expect(done).toContain(`SIGKILL to pid ${told.pid}`);
  expect([isAlive(told), isAlive(elsewhere), looks]).toEqual([false, true, 3]);
});

test("one that has come back is an error", async () => {
  const back = async (): Promise<never> =>
    await Promise.reject(new ActionError("NODE_CAME_BACK", "it is back"));
  await expect(stop(await holder(), { verifyDown: back })).rejects.toMatchObject({ code: "NODE_CAME_BACK" });
});

test("nothing is killed where somebody else has the directory open, or somebody beside it, or a pid came to another", async () => {
  const told = await holder("/dev/null");
  const other = await holder();
  await expect(stop(told)).rejects.toMatchObject({ code: "DIRECTORY_IN_USE" });
  await expect(stop({ pid: other.pid, startTicks: other.startTicks - 1 })).rejects.toMatchObject({
    code: "DIRECTORY_IN_USE",
  });
  await expect(stop(undefined)).rejects.toMatchObject({ code: "NODE_STOP_UNSAFE" });
  const second = await holder();
  await expect(stop(other)).rejects.toMatchObject({ code: "DIRECTORY_IN_USE" });
  expect([told, other, second].map(isAlive)).toEqual([true, true, true]);
});

test("one that has ended by itself needs nothing", async () => {
  expect(await stop({ pid: process.pid, startTicks: 1 })).toBeUndefined();
});
