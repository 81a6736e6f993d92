/** The rates that a producing node is spared by, as seen on a clock. */
import { expect, it } from "vitest";
import { fresh } from "./fresh.ts";

const MiB = 1024 ** 2;

it.each(["rate-limit-read", "rate-limit-send"])(
  "%s: the archive takes as long as it has to",
  async (limit) => {
    const setup = await fresh({ running: false, extraBytes: 200_000 });
    const inputs = { ...setup.snapshotInputs, "node-manager": "none", downtime: "full", [limit]: "2MiB" };
    const job = setup.job(inputs).startMain();
    await job.waitForLog(/::group::Archive to/);
    const startedAt = performance.now();
    await job.waitForLog(/::group::Read the databases back/);
    const seconds = (performance.now() - startedAt) / 1000;
    const { exitCode, log, outputs } = await job.ended;
    expect(exitCode, log).toBe(0);
    // What is taken waits for what was taken before it, not for itself: the last segment or part is not waited for.
    const waitedFor = Number(outputs["size-bytes"]) - 8 * MiB;
    expect(waitedFor).toBeGreaterThan(12 * MiB);
    expect(seconds).toBeGreaterThan((0.9 * waitedFor) / (2 * MiB));
  },
);
