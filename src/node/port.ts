/**
 * What the program needs of whoever supervises a Stacks node. Providers: systemd, docker (and podman), process,
 * command, none. Every provider passes `__tests__/conformance/node-control.ts` against the real thing.
 */
import type { StartRecipe } from "./recipe.ts";

export type NodeManager = "systemd" | "docker" | "process" | "command" | "none";

export interface NodeIdentity {
  readonly manager: NodeManager;
  /** Unit, container or executable base name; for messages and the manifest. */
  readonly name: string;
  /** How it was found, for `auto`: "unit stacks-node.service is loaded". */
  readonly foundBy: string;
}

export interface NodeProcess {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat, clock ticks since boot: with the pid it names one process for ever. */
  readonly startTicks: number;
}

export interface NodeState {
  readonly running: boolean;
  /** The main process where one can be seen from here. */
  readonly process?: NodeProcess;
  /** The supervisor's own words, e.g. "active (running)". */
  readonly detail: string;
}

/** What an orderly stop looked like. Goes to the manifest's `cleanStop`. */
export interface StopReport {
  /** "success" only when the supervisor says so in its own terms. */
  readonly result: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly seconds: number;
}

export interface Evidence {
  /** e.g. "supervisor", "process-gone", "no-open-files", "rpc-closed", "no-hot-journal", "files-stable". */
  readonly id: string;
  readonly detail: string;
}

export interface NodeControl {
  readonly identity: NodeIdentity;
  /** The supervisor's view now. NodeNotFoundError when the unit, container or executable does not exist. */
  inspect(signal: AbortSignal): Promise<NodeState>;
  /**
   * Everything stop and start will need, tried without doing it: privileges, tools, the supervisor's own time limits.
   * Returns what it would have to adjust for the stop, in words.
   */
  preflight(stopTimeoutMs: number, signal: AbortSignal): Promise<readonly string[]>;
  /** How to start it again from another process, after this one is gone. Taken while the node still runs. */
  recipe(signal: AbortSignal): Promise<StartRecipe>;
  /** Asks for a graceful stop and waits; never kills. StopTimeoutError when it takes longer than `timeoutMs`. */
  stop(timeoutMs: number, signal: AbortSignal): Promise<StopReport>;
  /** The supervisor's part of the proof that it is down. Throws NodeStillRunningError, NodeCameBackError. */
  provesDown(signal: AbortSignal): Promise<readonly Evidence[]>;
  start(signal: AbortSignal): Promise<void>;
  /** The executable to ask for `version`, as argv; undefined where it cannot be known. */
  versionCommand(signal: AbortSignal): Promise<readonly string[] | undefined>;
}
