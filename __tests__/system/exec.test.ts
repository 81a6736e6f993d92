import { describe, expect, it } from "vitest";
import { query } from "../../src/system/exec.ts";

describe("a short question", () => {
  it("is over when its time is, by SIGTERM or, where that does not end it, by SIGKILL", async () => {
    const [gentle, stubborn] = await Promise.all([
      query(["sleep", "60"], { timeoutMs: 500 }),
      query(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], { timeoutMs: 500 }),
    ]);
    expect(gentle).toMatchObject({ timedOut: true });
    expect(stubborn).toMatchObject({ timedOut: true, exitCode: null });
  }, 30_000);

  it("that somebody else kills has not run out of time, and has no exit code", async () => {
    expect(await query(["sh", "-c", "kill -9 $$"])).toMatchObject({ timedOut: false, exitCode: null });
  });
});
