/** The real systemd of `testbed/systemd.sh`: units are put into /run/systemd/system, which it shares with this machine. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { CancelledError } from "../../../src/domain/errors.ts";
import { chooseNodeControl, startFromRecipe } from "../../../src/node/registry.ts";
import { verifyStopped } from "../verify-stopped.ts";
import { dropInPath } from "../../../src/node/systemd/unit.ts";
import { systemClock } from "../../../src/system/clock.ts";
import { privilegeFor } from "../../../src/system/privilege.ts";
import type { Privilege } from "../../../src/system/privilege.ts";
import { never, nodeControlConformance, privilege, proofOf, waitUp } from "../../conformance/node-control.ts";
import type { NodeSetup } from "../../conformance/node-control.ts";
import { contextOf } from "../bed.ts";
import {
  isUp,
  makeSystemdBed,
  property,
  systemctl,
  systemdEnvironment,
  type SystemdBed,
} from "./systemd-bed.ts";

beforeAll(() => {
  if (isUp) Object.assign(process.env, systemdEnvironment());
});

describe.skipIf(!isUp)("systemd (testbed/systemd.sh)", () => {
  nodeControlConformance("systemd", { seesExitCode: true }, makeSystemdBed);

  describe("systemd", () => {
    let bed: SystemdBed;
    afterEach(() => bed.dispose());
    const upWith = async (service: string, setup: Partial<NodeSetup> = {}) => {
      bed = await makeSystemdBed({ stopDelayMs: 700, service, ...setup });
      await bed.bringUp();
      const control = await bed.control();
      await waitUp(bed, control);
      return control;
    };

    it("keeps systemd from killing a node that takes longer than TimeoutStopSec", async () => {
      const control = await upWith("TimeoutStopSec=2\nSendSIGKILL=yes", { stopDelayMs: 5_000 });
      expect(await control.preflight(60_000, never)).toEqual([
        expect.stringMatching(/gives .* 2 s to stop and then kills it/),
        expect.stringMatching(/a runtime drop-in \(TimeoutStopSec=infinity, SendSIGKILL=no\)/),
      ]);
      const before = await control.inspect(never);
      const report = await control.stop(60_000, never);
      expect(report).toMatchObject({ result: "success", exitCode: 0 });
      expect(report.seconds).toBeGreaterThan(4.5);
      expect(bed.log()).toContain("Exiting stacks-node");
      await verifyStopped({ ...proofOf(bed, control), before });
      expect(existsSync(path.dirname(dropInPath(bed.unit)))).toBe(false);
      expect(property(bed.unit, "TimeoutStopUSec")).toBe("2s");
      await control.start(never);
      await waitUp(bed, control);
    });

    it("leaves what others have put beside its drop-in", async () => {
      const control = await upWith("TimeoutStopSec=2\nSendSIGKILL=yes", { stopDelayMs: 3_000 });
      const directory = path.dirname(dropInPath(bed.unit));
      mkdirSync(directory);
      writeFileSync(path.join(directory, "10-other.conf"), "[Service]\nTimeoutStopSec=1\n");
      systemctl("daemon-reload");
      expect(await control.stop(60_000, never)).toMatchObject({ result: "success", exitCode: 0 });
      expect(readdirSync(directory)).toEqual(["10-other.conf"]);
      expect(property(bed.unit, "TimeoutStopUSec")).toBe("1s");
    });

    it("would have been killed without it", async () => {
      await upWith("TimeoutStopSec=2\nSendSIGKILL=yes", { stopDelayMs: 5_000 });
      systemctl("stop", bed.unit);
      expect(property(bed.unit, "Result")).toBe("timeout");
      expect(bed.log()).not.toContain("Exiting stacks-node");
    });

    it("leaves the drop-in while the node still stops, and a start takes it away", async () => {
      const control = await upWith("TimeoutStopSec=2\nSendSIGKILL=yes", { stopDelayMs: 6_000 });
      const recipe = await control.recipe(never);
      expect(recipe).toMatchObject({ dropIn: dropInPath(bed.unit) });
      const cancel = new AbortController();
      const stopped = control.stop(60_000, cancel.signal);
      stopped.catch(() => undefined);
      while (!bed.log().includes("Graceful termination request received")) await systemClock.sleep(50);
      cancel.abort(new CancelledError());
      await expect(stopped).rejects.toMatchObject({ code: "CANCELLED" });
      expect(existsSync(dropInPath(bed.unit))).toBe(true);
      expect(await startFromRecipe(recipe, privilege, never)).toBe("started");
      expect(bed.log()).toContain("Exiting stacks-node");
      expect(existsSync(path.dirname(dropInPath(bed.unit)))).toBe(false);
      await waitUp(bed, control);
      expect(property(bed.unit, "TimeoutStopUSec")).toBe("2s");
    });

    it("does not stop a unit that would be killed, where it may not change that", async () => {
      await upWith("TimeoutStopSec=2\nSendSIGKILL=yes");
      const powerless: Privilege = {
        ...privilegeFor("never"),
        isRoot: false,
        elevate: (argv) => ["sudo", "-n", ...argv],
        may: (argv) => Promise.resolve(argv[0] === "systemctl" && argv.includes("--no-block")),
      };
      const control = await chooseNodeControl(
        contextOf(
          bed.surroundings.options({ manager: "systemd", name: bed.unit }),
          bed.chainstateDir,
          powerless,
          systemClock,
        ),
        never,
      );
      await expect(control.preflight(60_000, never)).rejects.toMatchObject({
        code: "NODE_STOP_UNSAFE",
        hint: expect.stringContaining("TimeoutStopSec=60"),
      });
      await expect(control.stop(60_000, never)).rejects.toMatchObject({ code: "NODE_STOP_UNSAFE" });
      expect((await control.inspect(never)).running).toBe(true);
    });

    it("says which right is missing before anything is touched", async () => {
      await upWith("TimeoutStopSec=600");
      const nobody: Privilege = {
        ...privilegeFor("never"),
        require: (argv) =>
          Promise.reject(Object.assign(new Error(argv.join(" ")), { code: "PRIVILEGE_MISSING" })),
      };
      const control = await chooseNodeControl(
        contextOf(
          bed.surroundings.options({ manager: "systemd", name: bed.unit }),
          bed.chainstateDir,
          nobody,
          systemClock,
        ),
        never,
      );
      await expect(control.preflight(60_000, never)).rejects.toMatchObject({ code: "PRIVILEGE_MISSING" });
      expect((await control.inspect(never)).running).toBe(true);
    });

    it("is not fooled by Restart=always", async () => {
      const control = await upWith("Restart=always\nRestartSec=100ms\nTimeoutStopSec=600");
      const before = await control.inspect(never);
      await control.stop(60_000, never);
      await verifyStopped({ ...proofOf(bed, control), before });
      await systemClock.sleep(500);
      expect((await control.inspect(never)).running).toBe(false);
      // As a process it would come back, for systemd would see it end unasked.
      await control.start(never);
      await waitUp(bed, control);
      await expect(bed.control({ manager: "process", name: "stacks-node" })).rejects.toMatchObject({
        code: "NODE_NOT_AS_GIVEN",
        hint: expect.stringContaining(`node-manager: systemd\` and \`node-name: ${bed.unit}`),
      });
    });

    it("refuses a unit whose stop signal is no request", async () => {
      const control = await upWith("KillSignal=SIGKILL");
      await expect(control.preflight(60_000, never)).rejects.toMatchObject({ code: "NODE_STOP_UNSAFE" });
    });

    it("refuses a unit whose main process would die of the signal", async () => {
      bed = await makeSystemdBed({
        stopDelayMs: 1,
        service: "TimeoutStopSec=600\nExecStart=\nExecStart=/bin/sh -c 'sleep 1000; true'",
      });
      await bed.bringUp();
      let now = Date.now();
      const hurried = { now: () => now, sleep: async (ms: number) => void (now += ms * 10) };
      const control = await chooseNodeControl(
        contextOf(
          bed.surroundings.options({ manager: "systemd", name: bed.unit }),
          bed.chainstateDir,
          privilege,
          hurried,
        ),
        never,
      );
      await expect(control.stop(60_000, never)).rejects.toMatchObject({ code: "NODE_STOP_UNSAFE" });
      expect((await control.inspect(never)).running).toBe(true);
    });

    it("says why a unit does not start", async () => {
      bed = await makeSystemdBed({ stopDelayMs: 1, service: "ExecStart=\nExecStart=/bin/false" });
      const control = await bed.control();
      await expect(
        (async () => {
          await control.start(never);
          await waitUp(bed, control);
        })(),
      ).rejects.toMatchObject({ code: expect.stringMatching(/NODE_START_FAILED|NODE_GONE_AGAIN/) });
    });

    it("knows a unit that does not exist, and finds one that does by `auto`", async () => {
      const control = await upWith("TimeoutStopSec=600");
      expect(control.identity.manager).toBe("systemd");
      await expect(bed.control({ name: "testbed-no-such-unit" })).rejects.toMatchObject({
        code: "NODE_NOT_AS_GIVEN",
        hint: expect.stringContaining(bed.unit),
      });
      const found = await bed.control({ manager: "auto", name: bed.unit.replace(".service", "") });
      expect(found.identity).toMatchObject({ manager: "systemd", name: bed.unit });
    });
  });
});
