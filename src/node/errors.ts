/** Errors that several providers raise. None of them says whether the node runs now: the report adds that. */
import { ActionError } from "../domain/errors.ts";

/** It was down and runs again, and this program did not start it. */
export function cameBack(message: string): ActionError {
  return new ActionError("NODE_CAME_BACK", message, {
    hint: "Something else starts the node (a restart policy, a timer, a second supervisor). Name that supervisor in `node-manager` and `node-name`, or switch it off for the time of the snapshot.",
  });
}

/** `left`: what is still there. */
export function stopTimeout(what: string, timeoutMs: number, left: string): ActionError {
  return new ActionError(
    "NODE_STOP_TIMEOUT",
    `${what} had not stopped after ${Math.round(timeoutMs / 1000)} s: ${left}. Nothing was killed.`,
    {
      hint: "Raise `stop-timeout` (a graceful stop can take 20 minutes), and stop event observers after the node, never before it.",
    },
  );
}

/** A start that was not asked for. */
export function stillStopping(what: string): ActionError {
  return new ActionError(
    "NODE_STILL_STOPPING",
    `${what} has not finished stopping, so it was not started: it would be a second node on the directory.`,
  );
}

/** The node ended, but not by finishing its work: a crash, a kill, or a signal that it did not handle. */
export function uncleanStop(what: string, how: string): ActionError {
  return new ActionError("NODE_STOP_UNCLEAN", `${what} did not stop cleanly: ${how}.`, {
    hint: "Its chainstate may be torn, so no snapshot is taken of it. Read the node's log for the reason, let it run until it is healthy and try again.",
  });
}
