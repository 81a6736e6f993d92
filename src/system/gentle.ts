/**
 * Lets a thread step behind the node it works beside. On Linux nice belongs to a thread, not to a process, and children
 * inherit it: so only threads that start nothing (workers) call this, never one that may start a node.
 */
import { readlinkSync } from "node:fs";
import { setPriority } from "node:os";

/** 0 … 19 as `nice` has it. */
export const gentleNice = 10;

export interface SteppedBack {
  /** The kernel's id of the calling thread. */
  readonly threadId: number;
  /** What was done, in words for the log. */
  readonly what: string;
}

/**
 * Lowers the calling thread for good (raising needs privileges). Its I/O priority follows: where none was set the kernel
 * derives it from nice (ioprio_set(2)). Best effort: never fails.
 */
export function stepBackBestEffort(nice: number = gentleNice): SteppedBack {
  // "<pid>/task/<tid>"
  const threadId = Number(readlinkSync("/proc/thread-self").split("/").at(-1));
  try {
    // 0 is the calling thread: setpriority(2), PRIO_PROCESS.
    setPriority(0, nice);
    return { threadId, what: `nice ${nice}` };
  } catch (error) {
    return {
      threadId,
      what: `priority unchanged (${error instanceof Error ? error.message : String(error)})`,
    };
  }
}
