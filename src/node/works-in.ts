/**
 * Whether the node works in the directory that is meant. A unit that is active and an RPC that answers say nothing about
 * that: a path as it is inside a container, a slip in it or a stale copy look just the same.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { ActionError } from "../domain/errors.ts";
import type { Clock } from "../system/clock.ts";
import { poll } from "../system/poll.ts";
import type { Privilege } from "../system/privilege.ts";
import { withDescendants, listStats } from "../system/proc.ts";
import type { NodeControl } from "./port.ts";

export interface WorksInRequest {
  /** As `nodeStarter` has it: throws where it cannot be seen. */
  readonly isInUse: (directory: string, privilege: Privilege, signal: AbortSignal) => Promise<boolean>;
  readonly control: Pick<NodeControl, "identity" | "inspect">;
  readonly chainstateDir: string;
  readonly privilege: Privilege;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** A node that was started a moment ago opens its files when it has loaded. */
  readonly limitMs: number;
}

/**
 * Throws NODE_ELSEWHERE when within `limitMs` no process has a file of the directory
 * open, PRIVILEGE_MISSING where that cannot be seen.
 */
export async function verifyWorksIn(request: WorksInRequest): Promise<void> {
  const { control, isInUse, chainstateDir, privilege, clock, signal, limitMs } = request;
  const works = await poll({ everyMs: [100, 1_000], limitMs, signal, clock }, async () =>
    (await isInUse(chainstateDir, privilege, signal)) ? true : undefined,
  );
  if (works === true) return;
  const { process } = await control.inspect(signal);
  const elsewhere = process === undefined ? undefined : openDatabase(process.pid);
  const { manager, name } = control.identity;
  throw new ActionError(
    "NODE_ELSEWHERE",
    `The node (${manager} ${name}) runs, and no process has a file of ${chainstateDir} open${elsewhere === undefined ? "" : `; it has ${elsewhere} open`}.`,
    {
      hint: "Set `chainstate-dir` to the directory on this host that the node works in: not its path inside a container, not a copy.",
    },
  );
}

/** A database that the process or one of its children has open, by the name that process knows it by. */
function openDatabase(root: number): string | undefined {
  for (const pid of withDescendants(listStats(), root)) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        const link = readlinkSync(`/proc/${pid}/fd/${fd}`);
        if (link.endsWith(".sqlite")) return link;
      }
    } catch {
      // Gone in between, or not this user's to look at: the message is shorter then.
    }
  }
  return undefined;
}
