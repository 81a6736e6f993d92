/**
 * What the program needs of whoever supervises a Stacks node. Providers: systemd, docker (and podman), process,
 * command, none. Every provider passes `__tests__/conformance/node-control.ts` against the real thing.
 */
import type { NodeManager } from "../domain/options.ts";
import type { NodeProcess, StartRecipe } from "../domain/start-recipe.ts";

export interface NodeIdentity {
  readonly manager: NodeManager;
  /** Unit, container or executable base name; for messages and the manifest. */
  readonly name: string;
  /** How it was found, for `auto`: "unit stacks-node.service is loaded". */
  readonly foundBy: string;
}

export interface NodeState {
  readonly running: boolean;
  /** It has ended by itself, and its supervisor is about to start it again: `running` too, because only a stop ends that. */
  readonly restarting?: boolean;
  /** How often its supervisor has started it by itself since somebody asked for a start, where it counts that. */
  readonly restarts?: number;
  /** The process that is the node, where it can be seen from here. */
  readonly process?: NodeProcess;
  /** The supervisor's own words, e.g. "active (running)". */
  readonly detail: string;
}

/** Called around the request to stop, so that the stop is booked when it is taken and not before. */
export interface StopHooks {
  /** Everything is prepared; the request is the next thing done. */
  asking(): Promise<void>;
  /** The node has been asked: from now on it owes its end, and this run its start. */
  taken(): Promise<void>;
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
  /** The supervisor's view now. NODE_NOT_FOUND when the unit, container or executable does not exist. */
  inspect(signal: AbortSignal): Promise<NodeState>;
  /**
   * Everything stop and start will need, tried without doing it: privileges, tools, the supervisor's own time limits.
   * Returns what it would have to adjust for the stop, in words. Of one that is down: what a start needs, with
   * `start-node: always`.
   */
  preflight(stopTimeoutMs: number, signal: AbortSignal): Promise<readonly string[]>;
  /** How to start it again from another process, after this one is gone. Taken while the node still runs. */
  recipe(signal: AbortSignal): Promise<StartRecipe>;
  /**
   * Asks for a graceful stop and waits until the node itself is gone; never kills. NODE_STOP_UNSAFE before anything is
   * asked, NODE_STOP_TIMEOUT when it takes longer than `timeoutMs`.
   */
  stop(timeoutMs: number, signal: AbortSignal, hooks?: StopHooks): Promise<StopReport>;
  /** The supervisor's part of the proof that it is down. Throws NODE_STILL_RUNNING, NODE_CAME_BACK. */
  verifyDown(signal: AbortSignal): Promise<readonly Evidence[]>;
  /** Starts it when all of it is gone, and not before. Returns what did not come back with it, in words. */
  start(signal: AbortSignal): Promise<readonly string[]>;
  /** The executable to ask for `version`, as argv; undefined where it cannot be known. */
  versionCommand(signal: AbortSignal): Promise<readonly string[] | undefined>;
}
