/**
 * `force-stop` where a real supervisor keeps the node: it was asked for the stop before, so it does not start again what is
 * killed; also where it always starts what has ended.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { byContainer, bySystemd, type SupervisorKind } from "./supervisors.ts";
import { setUp, until } from "./support.ts";

const always = ["--restart", "always"];
const kinds: readonly (readonly [string, SupervisorKind | undefined])[] = [
  ["systemd", bySystemd("TimeoutStopSec=600\nSendSIGKILL=no")],
  ["systemd, Restart=always", bySystemd("Restart=always\nRestartSec=100ms\nTimeoutStopSec=1")],
  ["docker", byContainer("docker")],
  ["docker, restart always", byContainer("docker", always)],
  ["podman, restart always", byContainer("podman", always)],
];

const starts = (log: string): number => log.match(/stacks-node \S+ starting/g)?.length ?? 0;

describe("a broken node that never ends", () => {
  it.concurrent.each(kinds.filter(([, kind]) => kind !== undefined))(
    "kept by %s: is killed with force-stop, and starts once, on the snapshot",
    { timeout: 300_000 },
    async (_name, kind) => {
      const setup = await setUp({ kind: kind!, height: 60, brokenWhile: "broken.flag" });
      try {
        const taken = await setup.job({ ...setup.snapshotInputs, downtime: "full" }).run();
        expect(taken.main.exitCode, taken.main.log).toBe(0);
        const [well = 0] = setup.pids();
        const lives = starts(setup.nodeLog());
        writeFileSync(join(setup.chainstate, "broken.flag"), "");
        process.kill(well, "SIGKILL");
        await until("it has ended", () => !setup.pids().includes(well));
        setup.start();
        await until("a broken one runs", () => {
          const log = setup.nodeLog();
          if (setup.pids().length !== 1 || starts(log) === lives) return false;
          return log.lastIndexOf("RPC listening") > log.lastIndexOf(" starting,");
        });
        const [broken = 0] = setup.pids();
        const before = starts(setup.nodeLog());
        const inputs = {
          ...setup.snapshotInputs,
          command: "restore",
          "stop-timeout": "3s",
          "force-stop": "true",
          "allow-lower-height": "true",
        };
        const { main } = await setup.job(inputs).run();
        expect(main.exitCode, main.log).toBe(0);
        expect(main.log).toContain(`SIGKILL to pid ${broken}`);
        expect(main.outputs["node-running"]).toBe("true");
        expect(await setup.height()).toBeGreaterThanOrEqual(Number(taken.main.outputs["stacks-height"]));
        expect(setup.pids()).toHaveLength(1);
        expect(setup.pids()).not.toContain(broken);
        expect(starts(setup.nodeLog())).toBe(before + 1);
      } finally {
        for (const pid of setup.pids()) process.kill(pid, "SIGKILL");
        await setup.remove();
      }
    },
  );
});
