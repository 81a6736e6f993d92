import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import type { SteppedBack } from "../../src/system/gentle.ts";

test("a worker steps back alone: the thread that starts nodes keeps its priority", async () => {
  const before = getPriority();
  const worker = new Worker(new URL("gentle-worker.ts", import.meta.url));
  try {
    const [{ threadId, what }] = (await once(worker, "message")) as [SteppedBack];
    expect(what).toBe("nice 10");
    expect(niceOf(threadId)).toBe(10);
    expect(getPriority()).toBe(before);
    expect(niceOf(process.pid)).toBe(before);
    // No class of its own: the kernel derives the I/O priority from nice.
    expect(ioClassOf(threadId)).not.toContain("idle");
  } finally {
    await worker.terminate();
  }
});

/** Field 19 of the thread's stat. */
function niceOf(threadId: number): number {
  const text = readFileSync(`/proc/${process.pid}/task/${threadId}/stat`, "utf8");
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[16]);
}

function ioClassOf(threadId: number): string {
  return execFileSync("ionice", ["-p", String(threadId)], { encoding: "utf8" });
}
