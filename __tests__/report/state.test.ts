import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isPost, loadState, markMainBegun, saveState } from "../../src/report/state.ts";

test("what main saves is what post knows, later values winning", async () => {
  const directory = await mkdtemp(join(tmpdir(), "state-"));
  try {
    const environment = { GITHUB_STATE: join(directory, "state") };
    await markMainBegun(environment);
    await saveState(environment, { runId: "r1", journalPath: "/var/lib/x/j=1.json" });
    await saveState(environment, { outcome: "failed" });
    const lines = (await readFile(environment.GITHUB_STATE, "utf8")).trimEnd().split("\n");
    // The runner hands each saved value to post in a variable of its own.
    const post = Object.fromEntries(
      lines.map((line) => [`STATE_${line.split("=")[0]}`, line.slice(line.indexOf("=") + 1)]),
    );
    expect(isPost(post)).toBe(true);
    expect(isPost(environment)).toBe(false);
    expect(loadState(post)).toEqual({ runId: "r1", journalPath: "/var/lib/x/j=1.json", outcome: "failed" });
    await expect(saveState(environment, { runId: "a\nb" })).rejects.toThrow("one line");
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("outside a runner nothing is kept", async () => {
  await saveState({}, { runId: "r1" });
  expect(loadState({})).toEqual({});
});
