import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { processState, runnerState } from "../../src/report/state.ts";

test("what main saves is what post knows, later values winning", async () => {
  const directory = await mkdtemp(join(tmpdir(), "state-"));
  try {
    const environment = { GITHUB_STATE: join(directory, "state") };
    const state = runnerState(environment);
    await state.save({ runId: "r1", journalPath: "/var/lib/x/j=1.json" });
    await state.save({ outcome: "failed" });
    const lines = (await readFile(environment.GITHUB_STATE, "utf8")).trimEnd().split("\n");
    // The runner hands each saved value to post in a variable of its own.
    const post = Object.fromEntries(
      lines.map((line) => [`STATE_${line.split("=")[0]}`, line.slice(line.indexOf("=") + 1)]),
    );
    expect(runnerState(post).load()).toEqual({
      runId: "r1",
      journalPath: "/var/lib/x/j=1.json",
      outcome: "failed",
    });
    await expect(state.save({ runId: "a\nb" })).rejects.toThrow("one line");
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("in one process what was saved is what is known", async () => {
  const state = processState();
  await state.save({ runId: "r1", outcome: "failed" });
  await state.save({ outcome: "succeeded" });
  expect(state.load()).toEqual({ runId: "r1", outcome: "succeeded" });
});
