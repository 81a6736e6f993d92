/**
 * A node that takes 90 s to stop, as real ones do, under every supervisor at once: the action waits for it, whole, whatever
 * shorter limit the supervisor has, and there is never a second one beside it.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  livesOf,
  startUserManager,
  stopUserManager,
  systemdEnvironment,
} from "../node/systemd/systemd-bed.ts";
import { canBeOthers } from "../other-user.ts";
import {
  byCommand,
  byContainer,
  byProcess,
  bySystemd,
  byUserManager,
  type SupervisorKind,
} from "./supervisors.ts";
import { setUp } from "./support.ts";

const user = 65_534;
const trap = (node: string): string => `/bin/sh -c "trap 'exit 0' TERM INT; ${node} & wait"`;
const short = "TimeoutStopSec=5\nSendSIGKILL=yes";
const kinds: readonly (readonly [string, SupervisorKind | undefined])[] = [
  ["process", byProcess],
  ["command", byCommand],
  ["systemd", bySystemd(short)],
  [
    "systemd, a script that ends at once",
    bySystemd(`KillMode=mixed\nRestart=always\n${short}`, { start: trap }),
  ],
  [
    "a user's systemd",
    canBeOthers ? byUserManager(user, `KillMode=mixed\n${short}`, { start: trap }) : undefined,
  ],
  ["docker", byContainer("docker", ["--stop-timeout", "5", "--restart", "always"])],
  ["podman", byContainer("podman", ["--stop-timeout", "5", "--restart", "always"])],
];

describe("a node that takes 90 s to stop", () => {
  const hasUserManager = kinds.some(([name, kind]) => name === "a user's systemd" && kind !== undefined);
  beforeAll(() => {
    if (!hasUserManager) return;
    Object.assign(process.env, systemdEnvironment());
    startUserManager(user);
  });
  afterAll(() => {
    if (hasUserManager) stopUserManager(user);
  });

  it.concurrent.each(kinds.filter(([, kind]) => kind !== undefined))(
    "%s",
    { timeout: 400_000 },
    async (_name, kind) => {
      const setup = await setUp({ kind: kind!, nodeArguments: ["--stop-delay-ms", "90000"] });
      try {
        const { main } = await setup
          .job({ ...setup.snapshotInputs, downtime: "full", "stop-timeout": "5m", "start-timeout": "2m" })
          .run();
        expect(main.exitCode, main.log).toBe(0);
        expect(livesOf(setup.nodeLog())).toEqual(["start", "end", "start"]);
        expect(setup.pids()).toHaveLength(1);
        expect(Number(main.outputs["downtime-seconds"])).toBeGreaterThan(89);
        expect(main.outputs["node-running"]).toBe("true");
      } finally {
        // It would take as long once more.
        for (const pid of setup.pids()) process.kill(pid, "SIGKILL");
        await setup.remove();
      }
    },
  );
});
