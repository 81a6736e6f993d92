/**
 * The one place that kills: `force-stop` of a restore. A node on a damaged chainstate takes the request to stop and never
 * ends; its chainstate is about to be replaced. SIGKILL goes to the process that was told to stop, if it is the one that
 * has files of that directory open (by device and inode), and to nothing else.
 */
import { ActionError, hasCode } from "../domain/errors.ts";
import type { Clock } from "../system/clock.ts";
import { query } from "../system/exec.ts";
import { poll } from "../system/poll.ts";
import type { Privilege } from "../system/privilege.ts";
import { describeProcess, isAlive, type ProcessId } from "../system/proc.ts";
import { stopPauses } from "./context.ts";
import { describeHolders, requireSeen, rootHolders, scanHolders } from "./holders.ts";
import type { NodeControl } from "./port.ts";

export interface ForceStopRequest {
  /** Asked to stop before, so that the supervisor does not start the node again when its process is gone. */
  readonly control: Pick<NodeControl, "verifyDown">;
  /** The process that was told to stop. */
  readonly told: ProcessId | undefined;
  readonly chainstateDir: string;
  readonly privilege: Privilege;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** From SIGKILL to the end of the process: a disk that answers late keeps it. */
const goneMs = 60_000;
/** From there until the supervisor has noticed. */
const noticedMs = 30_000;

/**
 * Throws NODE_STOP_UNSAFE where the process that was told to stop is not known, DIRECTORY_IN_USE where another has the
 * directory open, NODE_STOP_REFUSED, NODE_STOP_TIMEOUT (it is in the kernel and cannot end), NODE_CAME_BACK and what
 * `verifyDown` throws. Returns what was done, a sentence; undefined: it had ended by itself.
 */
export async function forceStop(request: ForceStopRequest): Promise<string | undefined> {
  const { control, told, chainstateDir, privilege, clock, signal } = request;
  const scan = await scanHolders(chainstateDir, privilege, signal);
  if (scan.holders.length === 0) requireSeen(scan, chainstateDir);
  const [holder, ...others] = rootHolders(scan.holders);
  if (holder === undefined) return undefined;
  if (told === undefined || others.length > 0 || !isSame(holder, told)) {
    throw new ActionError(
      told === undefined ? "NODE_STOP_UNSAFE" : "DIRECTORY_IN_USE",
      `Nothing was killed: the process that was told to stop is ${told === undefined ? "not known" : `pid ${told.pid}`}, and files of ${chainstateDir} are in use by ${describeHolders(scan.holders)}.`,
      { hint: "End that program by hand, then run again; what was fetched is still there." },
    );
  }
  const name = describeProcess(holder.pid);
  await kill(holder, name, privilege);
  const gone = await poll({ everyMs: stopPauses, limitMs: goneMs, signal, clock }, () =>
    isAlive(holder) ? undefined : true,
  );
  if (gone === undefined) {
    throw new ActionError(
      "NODE_STOP_TIMEOUT",
      `${name} is still there ${goneMs / 1000} s after SIGKILL: it waits for a disk, in the kernel.`,
      { hint: "Look at the disk and at the kernel's log. What was fetched is still there for the next run." },
    );
  }
  await poll(
    {
      everyMs: stopPauses,
      limitMs: noticedMs,
      signal,
      clock,
      passes: (error) => hasCode(error, "NODE_STILL_RUNNING"),
    },
    async () => await control.verifyDown(signal),
  );
  return `It had not ended in time, so \`force-stop\` has sent SIGKILL to pid ${holder.pid} (${name}), which had ${holder.fileCount} files of ${chainstateDir} open.`;
}

/** For before anything is touched: whether the process could be killed. PRIVILEGE_MISSING. */
export async function requireMayKill({ pid }: ProcessId, privilege: Privilege): Promise<void> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (hasCode(error, "EPERM")) await privilege.require(killCommand(pid), "for `force-stop`");
  }
}

function isSame(one: ProcessId, other: ProcessId): boolean {
  return one.pid === other.pid && one.startTicks === other.startTicks;
}

const killCommand = (pid: number): readonly string[] => ["kill", "-KILL", String(pid)];

async function kill(id: ProcessId, name: string, privilege: Privilege): Promise<void> {
  // The last look before the signal: a pid that came to somebody else has another start time.
  if (!isAlive(id)) return;
  try {
    process.kill(id.pid, "SIGKILL");
  } catch (error) {
    if (hasCode(error, "ESRCH")) return;
    if (!hasCode(error, "EPERM")) throw error;
    const asked = await query(privilege.elevate(killCommand(id.pid)));
    if (asked.exitCode === 0 || !isAlive(id)) return;
    throw new ActionError("NODE_STOP_REFUSED", `This runner may not end ${name}.`, {
      cause: error,
      hint: "Run the runner as the node's user or as root, or allow `sudo -n kill -KILL`.",
    });
  }
}
