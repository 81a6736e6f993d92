/**
 * A run that goes to a given step and stays there until it is killed: a process of its own for the tests of the dead
 * man's switch. Its node is `tail -f` on a file of the chainstate, which is a real process that holds the directory.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { arm } from "../../src/recovery/watchdog.ts";
import type { JournalContent } from "../../src/recovery/content.ts";
import { fileOperations } from "../../src/recovery/file-operations.ts";
import { openJournal } from "../../src/recovery/journal.ts";
import {
  noteNode,
  noteStarted,
  noteStartRequested,
  noteStopRequested,
} from "../../src/recovery/node-account.ts";
import { expectConfirmation } from "../../src/recovery/settle.ts";
import { planSwap, commitSwap, swapIn } from "../../src/recovery/swap.ts";
import { systemClock } from "../../src/system/clock.ts";
import { readStat } from "../../src/system/proc.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { startFromRecipe } from "../../src/node/registry.ts";
import type { NodeOptions } from "../../src/domain/options.ts";
import type { StartRecipe } from "../../src/domain/start-recipe.ts";

export const steps = [
  "armed",
  "stop-noted",
  "stopped",
  "swap-out",
  "swap-in",
  "swapped",
  "committed",
  "started-uncommitted",
  "started",
] as const;
export type Step = (typeof steps)[number];

export interface DoomedRun {
  readonly base: string;
  readonly runId: string;
  readonly step: Step;
  readonly nodePid: number;
  /** The node is this unit instead of a process. */
  readonly unit?: string;
  readonly wasRunning: boolean;
  readonly graceMs: number;
  readonly switchKind: "systemd" | "detached";
}

/** Without an RPC that could be asked. */
function optionsFor({ unit }: DoomedRun): NodeOptions {
  return {
    manager: unit === undefined ? "process" : "systemd",
    name: unit ?? "tail",
    stopTimeoutMs: 60_000,
    startTimeoutMs: 60_000,
    startNode: "as-before",
    syncBlocks: 0,
    syncRequired: false,
    syncTimeoutMs: 60_000,
    sudo: "never",
  };
}

/** The node of these tests, in the words of the node layer. `base/mainnet/headers.sqlite` is its database. */
export function recipeFor(base: string, process?: { pid: number; startTicks: number }): StartRecipe {
  return {
    manager: "process",
    name: "tail",
    executable: "/usr/bin/tail",
    argv: ["/usr/bin/tail", "-f", join(base, "mainnet", "headers.sqlite")],
    environment: { PATH: "/usr/bin:/bin", NODE_MARK: base },
    directory: base,
    uid: processIds().uid,
    gid: processIds().gid,
    groups: processIds().groups,
    stdout: "/dev/null",
    stderr: "/dev/null",
    sudo: false,
    ...(process === undefined ? {} : { process }),
  };
}

function processIds(): { uid: number; gid: number; groups: readonly number[] } {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, groups: process.getgroups?.() ?? [] };
}

async function stay(): Promise<never> {
  process.stdout.write("there\n");
  setInterval(() => undefined, 1000);
  return await new Promise<never>(() => undefined);
}

async function main(run: DoomedRun): Promise<void> {
  const signal = AbortSignal.timeout(120_000);
  const privilege = privilegeFor("never");
  const target = join(run.base, "mainnet");
  const { journal } = await openJournal({
    stateDirectory: join(run.base, "state"),
    chainstateDir: target,
    run: { runId: run.runId, command: "restore", sudo: "never" },
    signal,
  });
  const at = async (step: Step): Promise<void> => {
    if (run.step === step) await stay();
  };
  const node = run.unit === undefined ? readStat(run.nodePid) : undefined;
  const found = node === undefined ? undefined : { pid: node.pid, startTicks: node.startTicks };
  const recipe: StartRecipe =
    run.unit === undefined ? recipeFor(run.base, found) : { manager: "systemd", unit: run.unit, sudo: false };
  await noteNode(journal, { wasRunning: run.wasRunning, recipe, process: found, stopTimeoutMs: 60_000 });
  await arm(journal, {
    privilege,
    clock: systemClock,
    env: process.env,
    prefer: run.switchKind,
    graceMs: run.graceMs,
    intervalMs: 200,
  });
  await at("armed");
  await noteStopRequested(journal, systemClock);
  await at("stop-noted");
  if (run.unit !== undefined) execFileSync("systemctl", ["stop", run.unit]);
  else if (run.wasRunning) process.kill(run.nodePid, "SIGTERM");
  await at("stopped");
  const plan = await planSwap(target, run.runId);
  await expectConfirmation(journal, optionsFor(run), {});
  mkdirSync(plan.staging, { recursive: true, mode: 0o700 });
  writeFileSync(join(plan.staging, "headers.sqlite"), "new");
  const record = async (swap: JournalContent["swap"]): Promise<void> => {
    await journal.update({ swap });
    if (swap?.step === "in") await at("swap-out");
  };
  const files = fileOperations(privilege, signal);
  await swapIn(plan, record, {
    ...files,
    sync: async (directory) => {
      await files.sync(directory);
      if (journal.content.swap?.step === "in") await at("swap-in");
    },
  });
  await at("swapped");
  if (run.step === "committed") await commitSwap(journal.content.swap ?? neverSwapped(), record);
  await at("committed");
  await noteStartRequested(journal, systemClock);
  await startFromRecipe(recipe, privilege, signal);
  await at("started-uncommitted");
  await noteStarted(journal);
  await at("started");
}

function neverSwapped(): never {
  throw new Error("no swap in the journal");
}

const told = process.argv[2];
if (told !== undefined && process.argv[1] === import.meta.filename) await main(JSON.parse(told) as DoomedRun);
