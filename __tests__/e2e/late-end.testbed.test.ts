/**
 * A node that ends after `stop-timeout`, whatever has become of the run by then, under real supervisors, all at once: up
 * again, once, and never a second one beside it. For ends after hours see `recovery/late-end.test.ts`.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { livesOf } from "../node/systemd/systemd-bed.ts";
import { byContainer, byProcess, bySystemd, type SupervisorKind } from "./supervisors.ts";
import { setUp, until, untilNodeRuns, type Setup } from "./support.ts";

const kinds: readonly (readonly [string, SupervisorKind | undefined])[] = [
  ["nobody", byProcess],
  ["systemd", bySystemd("Restart=always\nTimeoutStopSec=1\nSendSIGKILL=yes")],
  ["docker", byContainer("docker", ["--stop-timeout", "2", "--restart", "always"])],
];

/** `lets`: lets the node end. */
const fates: readonly {
  readonly name: string;
  readonly stopTimeout: string;
  readonly ends: (run: Run, lets: () => void) => Promise<void>;
}[] = [
  {
    name: "is alive",
    stopTimeout: "15s",
    async ends({ main }, lets) {
      // It waits as long once more.
      await main.waitForLog(/Bring .* back/);
      lets();
      await main.ended;
    },
  },
  {
    name: "has ended, and its post step waits",
    stopTimeout: "2s",
    async ends({ main, job }, lets) {
      const { outputs, log } = await main.ended;
      expect(outputs["node-running"], log).toBe("stopping");
      const post = job.post();
      lets();
      await post;
    },
  },
  {
    name: "has ended, without a post step",
    stopTimeout: "2s",
    async ends({ main }, lets) {
      const { outputs, log } = await main.ended;
      expect(outputs["node-running"], log).toBe("stopping");
      lets();
    },
  },
  {
    name: "was killed, without a post step",
    stopTimeout: "2s",
    async ends({ main }, lets) {
      main.child.kill("SIGKILL");
      await main.ended;
      lets();
    },
  },
];

interface Run {
  readonly job: ReturnType<Setup["job"]>;
  readonly main: ReturnType<ReturnType<Setup["job"]>["startMain"]>;
}

const cases = kinds.flatMap(([by, kind]) =>
  kind === undefined ? [] : fates.map((fate) => ({ by, kind, ...fate })),
);

describe("a node that ends after stop-timeout", () => {
  it.concurrent.each(cases)(
    "kept by $by, while the run $name",
    { timeout: 500_000 },
    async ({ kind, stopTimeout, ends }) => {
      const setup = await setUp({ kind, endsWith: "observer-is-back" });
      try {
        const [old = 0] = setup.pids();
        const job = setup.job({ ...setup.snapshotInputs, downtime: "short", "stop-timeout": stopTimeout });
        const main = job.startMain();
        await until("it was told to stop", () => setup.nodeLog().includes("Graceful termination"));
        await ends({ job, main }, () => writeFileSync(join(setup.directory, "observer-is-back"), ""));
        await until("another one runs", () => !setup.pids().includes(old) && setup.pids().length > 0);
        await untilNodeRuns(setup);
        // Whoever else had it in mind to start it has had the time.
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        expect(setup.pids()).toHaveLength(1);
        expect(livesOf(setup.nodeLog())).toEqual(["start", "end", "start"]);
      } finally {
        for (const pid of setup.pids()) process.kill(pid, "SIGKILL");
        await setup.remove();
      }
    },
  );
});
