import { describe, expect, it } from "vitest";
import { patienceMs } from "../../simulator/launch.ts";
import { query, run, type RunOptions } from "../../src/system/exec.ts";

const never = new AbortController().signal;
const sh = async (script: string, options: Partial<RunOptions> = {}) =>
  await run(["sh", "-c", script], { signal: never, timeoutMs: 60_000, ...options });

/** Pids that a script said, one a line. */
const pidsIn = (text: string): number[] => text.split("\n").filter(Boolean).map(Number);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("a short question", () => {
  it("is over when its time is, by SIGTERM or, where that does not end it, by SIGKILL", async () => {
    const [gentle, stubborn] = await Promise.all([
      query(["sleep", "60"], { timeoutMs: 500 }),
      query(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], { timeoutMs: 500 }),
    ]);
    expect(gentle).toMatchObject({ timedOut: true });
    expect(stubborn).toMatchObject({ timedOut: true, exitCode: null });
  });

  it("that somebody else kills has not run out of time, and has no exit code", async () => {
    expect(await query(["sh", "-c", "kill -9 $$"])).toMatchObject({ timedOut: false, exitCode: null });
  });
});

describe("a long command", () => {
  it("is over when it exits, whatever it left in the background with its pipes open", async () => {
    const result = await sh("sleep 12 & echo $!; echo error >&2; exit 3", { timeoutMs: 60_000 });
    expect(result).toMatchObject({ exitCode: 3, timedOut: false, stderr: "error\n" });
    const [left = 0] = pidsIn(result.stdout);
    // It is not ours to end: a start command may leave a node so.
    expect(isAlive(left)).toBe(true);
    process.kill(left, "SIGKILL");
  });

  it("that has the pipes to itself is read to the last byte, however much it is", async () => {
    const lines: string[] = [];
    const script =
      "i=0; while [ $i -lt 20000 ]; do echo line-$i; i=$((i+1)); done; printf 'last, without newline'";
    const result = await sh(script, { onLine: (line) => lines.push(line) });
    expect(lines).toHaveLength(20_001);
    expect(lines.at(-1)).toBe("last, without newline");
    expect(result.stdout.endsWith("line-19999\nlast, without newline")).toBe(true);
  });

  it("that is told to stop says how it ended", async () => {
    const stop = new AbortController();
    const told = sh("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done", {
      stop: { signal: stop.signal, killAfterMs: 60_000 },
      onLine: (line) => {
        if (line === "up") stop.abort();
      },
    });
    expect(await told).toMatchObject({ exitCode: 7, timedOut: false, stdout: "up\nbye\n" });
  });

  it("that is told to stop, and takes its time, is not waited for when the run is cancelled", async () => {
    const stop = new AbortController();
    const cancel = new AbortController();
    const told = sh("trap '' TERM; echo up; while :; do sleep 1; done", {
      signal: cancel.signal,
      timeoutMs: 2 * patienceMs,
      killAfterMs: 300,
      stop: { signal: stop.signal, killAfterMs: 2 * patienceMs },
      onLine: () => {
        stop.abort();
        setTimeout(() => cancel.abort(), 100);
      },
    });
    await expect(told).rejects.toMatchObject({ code: "CANCELLED" });
  });

  it("that ignores SIGTERM is killed with its whole group when its time is over", async () => {
    const result = await sh("trap '' TERM; sleep 77 & echo $!; echo $$; while :; do sleep 1; done", {
      timeoutMs: 300,
      killAfterMs: 300,
    });
    expect(result).toMatchObject({ timedOut: true, exitCode: null, signal: "SIGKILL" });
    const pids = pidsIn(result.stdout);
    expect(pids).toHaveLength(2);
    await expect.poll(() => pids.filter(isAlive)).toEqual([]);
  });

  it("that ignores SIGTERM is killed when the run is cancelled, and the reason is thrown", async () => {
    const stop = new AbortController();
    let pids: number[] = [];
    const running = sh("trap '' TERM; echo $$; while :; do sleep 1; done", {
      signal: stop.signal,
      killAfterMs: 300,
      onLine: (line) => {
        pids = pidsIn(line);
        stop.abort();
      },
    });
    await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
    await expect.poll(() => pids.filter(isAlive)).toEqual([]);
    expect(pids).toHaveLength(1);
  });

  it("that must never be killed is left to itself in the end", async () => {
    const result = await sh("trap '' TERM; echo $$; while :; do sleep 1; done", {
      timeoutMs: 300,
      killAfterMs: "never",
    });
    expect(result).toMatchObject({ timedOut: true, exitCode: null, signal: null });
    const [pid = 0] = pidsIn(result.stdout);
    expect(isAlive(pid)).toBe(true);
    process.kill(-pid, "SIGKILL");
  });

  it("that cannot be started says so", async () => {
    const started = run(["no-such-command-here"], { signal: never, timeoutMs: 1_000 });
    await expect(started).rejects.toMatchObject({
      code: "COMMAND_FAILED",
      message: "Cannot run no-such-command-here.",
    });
  });
});
