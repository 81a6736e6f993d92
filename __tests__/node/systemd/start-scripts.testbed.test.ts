/**
 * Units as people really write them, on the real systemd: start scripts, kill modes, stop commands, time limits. The node
 * takes longer to stop than anything in the unit would let it; it has to end by its own hand, with its unit as it was, or
 * not to be touched at all. Which combinations there are, `stop-plan.test.ts` asks of the plan alone.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { chooseNodeControl, startFromRecipe } from "../../../src/node/registry.ts";
import { verifyStopped } from "../verify-stopped.ts";
import { dropInPath } from "../../../src/node/systemd/unit.ts";
import { systemClock } from "../../../src/system/clock.ts";
import { privilegeFor, type Privilege } from "../../../src/system/privilege.ts";
import { isAlive } from "../../../src/system/proc.ts";
import { canBeOthers } from "../../other-user.ts";
import { never, proofOf, waitUp } from "../../conformance/node-control.ts";
import { contextOf } from "../bed.ts";
import {
  isUp,
  livesOf,
  makeSystemdBed,
  property,
  startUserManager,
  stopUserManager,
  systemctl,
  systemdEnvironment,
  type SystemdBed,
  type SystemdSetup,
} from "./systemd-bed.ts";

/** Ends with 0 at once when it is asked to stop, and leaves the node behind. */
const trap = (node: string): string => `/bin/sh -c "trap 'exit 0' TERM INT; ${node} & wait"`;
/** Dies of the signal. */
const plain = (node: string): string => `/bin/sh -c "${node}; true"`;

const short = "TimeoutStopSec=2\nSendSIGKILL=yes";
const long = "TimeoutStopSec=600\nSendSIGKILL=yes";
const units: readonly (readonly [what: string, setup: Partial<SystemdSetup>])[] = [
  ["trap, mixed, long limit", { start: trap, service: `KillMode=mixed\n${long}` }],
  ["trap, mixed, no SIGKILL", { start: trap, service: "KillMode=mixed\nTimeoutStopSec=600\nSendSIGKILL=no" }],
  [
    "trap, mixed, short limit, Restart",
    { start: trap, service: `KillMode=mixed\nRestart=always\nRestartSec=100ms\n${short}` },
  ],
  ["trap, process", { start: trap, service: `KillMode=process\n${long}` }],
  ["trap, control-group, long limit", { start: trap, service: long }],
  ["plain, control-group, short limit", { start: plain, service: short }],
  [
    "plain, mixed, long limit, Restart",
    { start: plain, service: `KillMode=mixed\nRestart=on-failure\n${long}` },
  ],
  ["itself, none", { service: `KillMode=none\n${long}` }],
  ["itself, mixed, short limit", { service: `KillMode=mixed\n${short}` }],
  ["itself, ExecStop that kills", { service: `ExecStop=/bin/sh -c "kill -9 $MAINPID"\n${long}` }],
  [
    "trap, ExecStop with a limit of its own, short limit",
    { start: trap, service: `ExecStop=/bin/sh -c "kill $MAINPID; sleep 1"\n${short}` },
  ],
];

const user = 65_534;
let bed: SystemdBed | undefined;
afterEach(async () => {
  await bed?.dispose();
  bed = undefined;
});

async function upWith(setup: Partial<SystemdSetup>) {
  const made = await makeSystemdBed({ stopDelayMs: 4_000, ...setup });
  bed = made;
  await made.bringUp();
  // By no name: what has the databases open is the node, and who runs it is found out.
  const make = async () => await made.control({ manager: "auto", name: "stacks-node" });
  let control = await made.control();
  await waitUp(made, control);
  control = await make();
  return { made, control, make };
}

/** Stops, verifies and starts; what the node says of its own life is the judge. */
async function stopAndStart(setup: Partial<SystemdSetup>): Promise<SystemdBed> {
  const { made, control } = await upWith(setup);
  expect(control.identity).toMatchObject({ manager: "systemd", name: made.unit });
  const settings = ["KillMode", "SendSIGKILL", "TimeoutStopUSec"];
  const before = await control.inspect(never);
  const was = settings.map((name) => property(made.unit, name));
  await control.preflight(60_000, never);
  const report = await control.stop(60_000, never);
  expect(report.seconds).toBeGreaterThan(3.5);
  expect(livesOf(made.log())).toEqual(["start", "end"]);
  const evidence = await verifyStopped({ ...proofOf(made, control), before });
  expect(evidence.map(({ id }) => id)).toContain("group-empty");
  await control.start(never);
  await waitUp(made, control);
  expect(livesOf(made.log())).toEqual(["start", "end", "start"]);
  expect(existsSync(dropInPath(made.unit))).toBe(false);
  expect(settings.map((name) => property(made.unit, name))).toEqual(was);
  return made;
}

describe.skipIf(!isUp)("units as they are written (testbed/systemd.sh)", { timeout: 120_000 }, () => {
  beforeAll(() => {
    Object.assign(process.env, systemdEnvironment());
  });

  it.each(units)("the node survives and comes back: %s", async (_what, setup) => {
    await expect(stopAndStart(setup)).resolves.toBeDefined();
  });

  it.each([
    ["trap, mixed", { start: trap, service: `KillMode=mixed\n${long}` }, "KillMode=control-group"],
    ["ExecStop", { service: `ExecStop=/bin/true\n${long}` }, "ExecStop="],
    ["a short limit", { service: short }, "TimeoutStopSec=60"],
    ["RefuseManualStop", { head: "RefuseManualStop=yes", service: long }, "RefuseManualStop=no"],
  ])("nothing is touched where nothing may be changed: %s", async (_what, setup, line) => {
    const { made, control } = await upWith(setup);
    const before = await control.inspect(never);
    const powerless: Privilege = {
      ...privilegeFor("never"),
      isRoot: false,
      elevate: (argv) => argv,
      may: (argv) => Promise.resolve(argv[0] === "find"),
    };
    const context = contextOf(made.surroundings.options(), made.chainstateDir, powerless, systemClock);
    const asked = await chooseNodeControl(context, never);
    for (const attempt of [() => asked.preflight(60_000, never), () => asked.stop(60_000, never)]) {
      await expect(attempt()).rejects.toMatchObject({
        code: "NODE_STOP_UNSAFE",
        hint: expect.stringContaining(`\`${line}\``),
      });
    }
    expect(isAlive(before.process!)).toBe(true);
    expect(made.log()).not.toContain("Graceful termination");
  });

  it("no second node is started beside one that systemd has lost sight of", async () => {
    const { made, control } = await upWith({
      start: trap,
      service: "KillMode=process\nTimeoutStopSec=600\nSendSIGKILL=no",
    });
    const recipe = await control.recipe(never);
    // As a run that was killed had it, or an operator: the unit is down in systemd's books, and its node still stops.
    const node = (await control.inspect(never)).process!;
    process.kill(node.pid, "SIGTERM");
    systemctl("stop", made.unit);
    expect(property(made.unit, "ActiveState")).toMatch(/inactive|failed/);
    expect(isAlive(node)).toBe(true);
    const privilege = privilegeFor("auto");
    expect(await startFromRecipe(recipe, privilege, never, { finishStopMs: 100 })).toBe("stopping");
    expect(await startFromRecipe(recipe, privilege, never, { finishStopMs: 60_000 })).toBe("started");
    expect(livesOf(made.log()).slice(0, 2)).toEqual(["start", "end"]);
    await waitUp(made, control);
    expect(livesOf(made.log())).toEqual(["start", "end", "start"]);
  });

  it("what goes down with the node is noted, and started again after it", async () => {
    const { made, control } = await upWith({ service: long });
    const signer = made.unit.replace("node", "signer");
    const file = `/run/systemd/system/${signer}`;
    const head = `[Unit]\nBindsTo=${made.unit}\nAfter=${made.unit}\n`;
    writeFileSync(file, `${head}[Service]\nExecStart=/bin/sleep 1000\n`);
    systemctl("daemon-reload");
    try {
      systemctl("start", signer);
      expect(await control.preflight(60_000, never)).toContainEqual(expect.stringContaining(signer));
      expect(await control.recipe(never)).toMatchObject({ dependents: [signer] });
      await control.stop(60_000, never);
      expect(property(signer, "ActiveState")).toBe("inactive");
      expect(await control.start(never)).toEqual([]);
      expect(property(signer, "ActiveState")).toBe("active");
    } finally {
      systemctl("stop", signer);
      rmSync(file);
      systemctl("daemon-reload");
    }
  });
});

describe.skipIf(!isUp || !canBeOthers)("a user's units", { timeout: 120_000 }, () => {
  beforeAll(() => {
    Object.assign(process.env, systemdEnvironment());
    startUserManager(user);
  });
  afterAll(() => stopUserManager(user));

  it("are found, stopped with a drop-in where they need one, and started", async () => {
    const made = await makeSystemdBed({
      stopDelayMs: 4_000,
      user,
      start: trap,
      service: `KillMode=mixed\n${short}`,
    });
    bed = made;
    await made.bringUp();
    await waitUp(made, { inspect: () => Promise.resolve({ running: true, detail: "" }) });
    const control = await made.control({ manager: "auto", name: "stacks-node" });
    expect(control.identity).toMatchObject({ manager: "systemd", name: made.unit });
    const before = await control.inspect(never);
    await control.preflight(60_000, never);
    expect(await control.recipe(never)).toMatchObject({ user, dropIn: dropInPath(made.unit, user) });
    await control.stop(60_000, never);
    expect(livesOf(made.log())).toEqual(["start", "end"]);
    await verifyStopped({ ...proofOf(made, control), before });
    await control.start(never);
    await waitUp(made, control);
    expect(livesOf(made.log())).toEqual(["start", "end", "start"]);
    const { pid } = (
      await made.control({ manager: "auto", name: "stacks-node" }).then((now) => now.inspect(never))
    ).process!;
    expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toContain(path.join(`user@${user}.service`));
  });
});
