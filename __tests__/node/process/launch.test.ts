/** Starting a process again, where how it ends says something. */
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { startProcess } from "../../../src/node/process/process.ts";
import type { ProcessRecipe } from "../../../src/node/process/launch.ts";
import { privilegeFor } from "../../../src/system/privilege.ts";
import { readStatus } from "../../../src/system/proc.ts";

const own = readStatus(process.pid)!;
const never = new AbortController().signal;
const clock = { now: Date.now, sleep: () => Promise.resolve() };

const recipe: ProcessRecipe = {
  manager: "process",
  name: "node",
  executable: "/bin/true",
  argv: ["/bin/true"],
  environment: { PATH: "/usr/bin:/bin" },
  directory: tmpdir(),
  uid: own.uid,
  gid: own.gid,
  groups: own.groups,
  stdout: "/dev/null",
  stderr: "/dev/null",
  sudo: false,
};

const start = async (given: Partial<ProcessRecipe>): Promise<string> =>
  await startProcess({ ...recipe, ...given }, privilegeFor("never"), clock, never, 0);

// Which of the two ends first, the line or the look at it, is chance: each start is a try.
test("a start line that puts the node into the background has started it, though it ends at once", async () => {
  for (let tries = 0; tries < 20; tries += 1) expect(await start({ startCommand: ":" })).toBe("started");
});

test("a node that ends at once has not been started", async () => {
  const patient = {
    ...clock,
    sleep: async () => await new Promise<void>((done) => void setTimeout(done, 1_000)),
  };
  await expect(startProcess(recipe, privilegeFor("never"), patient, never, 0)).rejects.toMatchObject({
    code: "NODE_START_FAILED",
  });
});
