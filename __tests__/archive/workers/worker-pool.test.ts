import { expect, test } from "vitest";
import { frameBound } from "../../../src/archive/format/zstd-frame.ts";
import { WorkerPool } from "../../../src/archive/workers/worker-pool.ts";
import type { WorkerRequest } from "../../../src/archive/workers/worker-protocol.ts";
import { signal } from "../local-archive.ts";

const kibibyte: Extract<WorkerRequest, { kind: "load" }> = {
  kind: "load",
  size: 1024,
  headers: new Uint8Array(0),
  compress: { level: 1, into: new Uint8Array(new SharedArrayBuffer(frameBound(1024))) },
  items: [{ headerSize: 0, source: "", fileOffset: 0, size: 0, padding: 1024, expect: undefined }],
};

/** Works until the pool is closed; resolves with why. */
async function work(pool: WorkerPool, onAnswer: () => void): Promise<unknown> {
  try {
    for (;;) {
      await pool.use(async (lease) => await lease.call(kibibyte), signal);
      onAnswer();
    }
  } catch (error) {
    return error;
  }
}

/** Ending threads at once aborted the process in 1 of some 20 to 60 rounds. */
test("a pool that is closed in the middle of work does not take the process with it", async () => {
  for (let round = 0; round < 6; round += 1) {
    const pool = new WorkerPool(4);
    const warm = Promise.withResolvers<void>();
    let answers = 0;
    const workers = Array.from({ length: 4 }, async () =>
      work(pool, () => ((answers += 1) > 40 ? warm.resolve() : undefined)),
    );
    await warm.promise;
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
    await pool.close();
    expect(await Promise.all(workers)).toMatchObject(workers.map(() => ({ code: "WORKER_CLOSED" })));
  }
});

test("what waits for a thread goes in its turn, and is not begun when the pool is closed", async () => {
  const pool = new WorkerPool(1);
  const begun: string[] = [];
  const held = Promise.withResolvers<void>();
  const uses = Promise.allSettled(
    ["first", "second", "third"].map(async (name) =>
      pool.use(async () => {
        begun.push(name);
        if (name === "second") await held.promise;
      }, signal),
    ),
  );
  await expect.poll(() => begun).toEqual(["first", "second"]);
  await pool.close();
  held.resolve();
  expect(await uses).toMatchObject([
    { status: "fulfilled" },
    { status: "fulfilled" },
    { status: "rejected", reason: { code: "WORKER_CLOSED" } },
  ]);
  await expect(pool.use(async () => undefined, signal)).rejects.toMatchObject({ code: "WORKER_CLOSED" });
  expect(begun).toEqual(["first", "second"]);
});
