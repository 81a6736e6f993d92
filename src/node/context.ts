/** What every provider of NodeControl is made with. */
import type { NodeOptions } from "../domain/options.ts";
import { ActionError } from "../domain/errors.ts";
import type { ToBeGone } from "../domain/start-recipe.ts";
import type { Clock } from "../system/clock.ts";
import { poll } from "../system/poll.ts";
import type { Privilege } from "../system/privilege.ts";
import { isAlive, readName, readStatus, type ProcessId } from "../system/proc.ts";
import { membersOf, type Group } from "./cgroup.ts";
import { scanHolders } from "./holders.ts";
import type { Evidence, StopHooks } from "./port.ts";

/** The environment of the process that was started by a runner, a timer or a person. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface NodeContext {
  readonly options: NodeOptions;
  /** Absolute path of the mode directory; it need not exist. */
  readonly chainstateDir: string;
  readonly privilege: Privilege;
  readonly clock: Clock;
  readonly environment: Environment;
}

/** The process that is the node, and the group of its service or container. */
export interface FoundNode {
  readonly process: ProcessId;
  readonly group: Group | undefined;
}

/** How long a stop that was begun earlier may still take before a start gives up waiting for it. */
export const finishStopMs = 20 * 60_000;

/** What is waited for is downtime: a node that ends at once should not be found gone a tenth of a second late. */
export const stopPauses = [20, 500] as const;

/** What came of a request to start. "stopping": what has to be gone is not gone yet, and nothing was started. */
export type StartOutcome = "started" | "already-running" | "stopping";

export const noHooks: StopHooks = {
  asking: () => Promise.resolve(),
  taken: () => Promise.resolve(),
};

/**
 * Init programs of containers. They pass signals on but install no handler: they wait for them (sigwait), and while a
 * process waits for a signal the kernel shows it as neither caught nor blocked.
 */
const inits = new Set(["docker-init", "podman-init", "tini", "tini-static", "catatonit", "dumb-init"]);

export function isInitProgram(name: string): boolean {
  return inits.has(name);
}

const handlerWaitMs = 10_000;

/**
 * True when the process handles the signal itself. A node that has just been started installs its handler a moment later;
 * until then the signal would end it on the spot (or, as first process of a container, not at all).
 */
export async function handlesSignal(
  id: ProcessId,
  signalNumber: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  const bit = 1n << BigInt(signalNumber - 1);
  const handled = await poll({ everyMs: stopPauses, limitMs: handlerWaitMs, signal, clock }, () => {
    const status = readStatus(id.pid);
    if (status === undefined || !isAlive(id) || isInitProgram(readName(id.pid) ?? "")) return true;
    // A blocked signal is one that is read from a signalfd.
    return ((status.caughtSignals | status.blockedSignals) & bit) === 0n ? undefined : true;
  });
  return handled === true;
}

/** What of `gone` is still there, in words; undefined when all of it is gone. Holders are looked at only where asked. */
export function describeLeft({
  process,
  group,
}: {
  readonly process?: ProcessId | undefined;
  readonly group?: Group | undefined;
}): string | undefined {
  if (process !== undefined && isAlive(process))
    return `the node's process (pid ${process.pid}) is still there`;
  if (group === undefined) return undefined;
  const members = membersOf(group);
  return members.length === 0
    ? undefined
    : `${members.length === 1 ? "a process" : `${members.length} processes`} of ${group.path} still there (pid ${members.slice(0, 5).join(", ")})`;
}

/**
 * True when everything that has to be gone is, within `limitMs`. Throws DIRECTORY_IN_USE where all that is left is somebody
 * else with files of the directory open: what that is nobody knows, and a node must not be started beside another.
 */
export async function waitGone(
  gone: ToBeGone,
  { privilege, clock }: { readonly privilege: Privilege; readonly clock: Clock },
  signal: AbortSignal,
  limitMs: number,
): Promise<boolean> {
  const { chainstateDir } = gone;
  let holders = "";
  const done = await poll({ everyMs: stopPauses, limitMs, signal, clock }, async () => {
    holders = "";
    if (describeLeft(gone) !== undefined) return undefined;
    if (chainstateDir === undefined) return true;
    const scan = await scanHolders(chainstateDir, privilege, signal);
    holders = scan.holders.map(({ pid }) => `pid ${pid}`).join(", ");
    return scan.holders.length === 0 ? true : undefined;
  });
  if (done === true) return true;
  if (holders === "") return false;
  throw new ActionError(
    "DIRECTORY_IN_USE",
    `The node is not started: another process has files of ${chainstateDir} open (${holders}).`,
    { hint: "End that program, or start the node by hand if it is harmless." },
  );
}

/** Evidence that the group is empty; undefined where the node was in none. */
export function groupEvidence(group: Group | undefined): readonly Evidence[] {
  return group === undefined ? [] : [{ id: "group-empty", detail: `no process is left in ${group.path}` }];
}
