/**
 * The program that `runner-as.testbed.test.ts` runs as different users: `as-runner.ts MANAGER SUDO DIRECTORY`. Prints as JSON
 * what preflight and the check that the node has stopped come to. Without a test runner, whose processes would be root's.
 */
import { ActionError } from "../../src/domain/errors.ts";
import type { NodeManager, SudoMode } from "../../src/domain/options.ts";
import { chooseNodeControl } from "../../src/node/registry.ts";
import { verifyStopped } from "./verify-stopped.ts";
import { systemClock, type Clock } from "../../src/system/clock.ts";
import { privilegeFor } from "../../src/system/privilege.ts";

const [, , manager = "none", sudo = "auto", chainstateDir = ""] = process.argv;
const { signal } = new AbortController();
const privilege = privilegeFor(sudo as SudoMode);
/** Hurries where only the limits of waits are at stake. */
let now = Date.now();
const clock: Clock = {
  now: () => now,
  sleep: async (ms) => {
    now += ms * 20;
    await systemClock.sleep(ms / 20);
  },
};
const context = {
  options: {
    manager: manager as NodeManager,
    name: "stacks-node",
    startCommand: "true",
    stopCommand: "true",
    stopTimeoutMs: 1_000,
    startTimeoutMs: 1_000,
    startNode: "as-before" as const,
    syncBlocks: 0,
    syncRequired: false,
    syncTimeoutMs: 1_000,
    sudo: sudo as SudoMode,
  },
  chainstateDir,
  privilege,
  clock,
  environment: process.env,
};

async function outcome(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "fine";
  } catch (error) {
    return error instanceof ActionError ? error.code : String(error);
  }
}

const before = { running: false, detail: "" };
const said = {
  preflight: await outcome(async () => {
    const control = await chooseNodeControl(context, signal);
    await control.preflight(1_000, signal);
    return control;
  }),
  running: await outcome(async () => {
    const control = await chooseNodeControl(context, signal);
    if ((await control.inspect(signal)).running) throw new Error("running");
  }),
  stopped: await outcome(async () => {
    const control = await chooseNodeControl(
      { ...context, options: { ...context.options, manager: "none" } },
      signal,
    );
    await verifyStopped({ control, before, chainstateDir, privilege, clock, signal });
  }),
};
console.log(JSON.stringify(said));
