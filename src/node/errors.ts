/**
 * What can go wrong between this program and a node, one class each, so that commands can tell them apart by code and a
 * person by the sentence. None of them says whether the node runs now: the report adds that.
 */
import { ActionError } from "../errors.ts";
import type { ErrorDetails } from "../errors.ts";

/** No unit, container or process of that name. */
export class NodeNotFoundError extends ActionError {
  override readonly name = "NodeNotFoundError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("NODE_NOT_FOUND", message, details);
  }
}

/** The supervisor itself (systemctl, docker, podman) is not there or does not answer. */
export class SupervisorUnavailableError extends ActionError {
  override readonly name = "SupervisorUnavailableError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("SUPERVISOR_UNAVAILABLE", message, details);
  }
}

/** More than one node could be meant: two of one name, or two on one directory. */
export class AmbiguousNodeError extends ActionError {
  override readonly name = "AmbiguousNodeError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("NODE_AMBIGUOUS", message, details);
  }
}

/** Somebody who is not the node has files of the chainstate open. */
export class DirectoryInUseError extends ActionError {
  override readonly name = "DirectoryInUseError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("DIRECTORY_IN_USE", message, details);
  }
}

/** The node is set up in a way in which it cannot be stopped gracefully, or not be started again after. */
export class UnsafeStopError extends ActionError {
  override readonly name = "UnsafeStopError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("NODE_STOP_UNSAFE", message, details);
  }
}

/** The node was asked to stop and was still there when the time was up. It was not killed. */
export class StopTimeoutError extends ActionError {
  override readonly name = "StopTimeoutError";
  constructor(what: string, timeoutMs: number) {
    super(
      "NODE_STOP_TIMEOUT",
      `${what} had not stopped after ${Math.round(timeoutMs / 1000)} s. Nothing was killed.`,
      {
        hint: "Raise `stop-timeout` (a graceful stop can take 20 minutes), and stop event observers after the node, never before it.",
      },
    );
  }
}

/** The node cannot be asked to stop, for want of rights or because the request failed. */
export class StopRefusedError extends ActionError {
  override readonly name = "StopRefusedError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("NODE_STOP_REFUSED", message, details);
  }
}

/** The node ended, but not by finishing its work: a crash, a kill, or a signal that it did not handle. */
export class UncleanStopError extends ActionError {
  override readonly name = "UncleanStopError";
  constructor(what: string, how: string, details: ErrorDetails = {}) {
    super("NODE_STOP_UNCLEAN", `${what} did not stop cleanly: ${how}.`, {
      hint: "Its chainstate may be torn, so no snapshot is taken of it. Read the node's log for the reason, let it run until it is healthy and try again.",
      ...details,
    });
  }
}

/** The proof of shutdown found that the node (or part of it) is still there. */
export class NodeStillRunningError extends ActionError {
  override readonly name = "NodeStillRunningError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("NODE_STILL_RUNNING", message, details);
  }
}

/** It was down and runs again, and this program did not start it. */
export class NodeCameBackError extends ActionError {
  override readonly name = "NodeCameBackError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("NODE_CAME_BACK", message, {
      hint: "Something else starts the node (a restart policy, a timer, a second supervisor). Name that supervisor in `node-manager` and `node-name`, or switch it off for the time of the snapshot.",
      ...details,
    });
  }
}

/** Files of the chainstate say that the stop was not the end: a hot rollback journal, or sizes that still change. */
export class ChainstateNotAtRestError extends ActionError {
  override readonly name = "ChainstateNotAtRestError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("CHAINSTATE_NOT_AT_REST", message, details);
  }
}

/** The supervisor could not start the node, or it ended at once. */
export class NodeStartError extends ActionError {
  override readonly name = "NodeStartError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("NODE_START_FAILED", message, details);
  }
}
