/**
 * How a child process ends. Its end is its exit, not that of whatever it left in the background with its pipes open; and
 * a child that is asked to end and does not is ended by force, or no longer waited for.
 */
import type { ChildProcess } from "node:child_process";
import { CommandError } from "./command-error.ts";

export interface ChildEnd {
  /** Null when a signal ended it, or it is not known how. */
  readonly exitCode: number | null;
  readonly signal: string | null;
}

export interface EndOptions {
  /** For messages. */
  readonly command: string;
  /** What the group is sent first. */
  readonly endSignal?: NodeJS.Signals;
  /** SIGKILL follows after so long; "never" for what guards or starts a node: then it is left to itself. */
  readonly killAfterMs?: number | "never";
  /** How long to read on after its exit, from the last byte, where others hold its pipes. Default: until they close. */
  readonly pipesAfterExitMs?: number;
}

export const defaultKillAfterMs = 10_000;
/** A process that SIGKILL does not end waits for a device; nobody waits for it. */
const leaveAfterMs = 5_000;

/** Of a child that was started as leader of its own process group (`detached`), right after the start. */
export class ChildSupervisor {
  /** Rejects with CommandError where it cannot be started. */
  readonly started: Promise<void>;
  readonly ended: Promise<ChildEnd>;
  readonly #child: ChildProcess;
  readonly #options: EndOptions;
  readonly #end = Promise.withResolvers<ChildEnd>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopping = false;
  #over = false;

  constructor(child: ChildProcess, options: EndOptions) {
    this.#child = child;
    this.#options = options;
    this.ended = this.#end.promise.finally(() => {
      this.#over = true;
      for (const timer of this.#timers) clearTimeout(timer);
    });
    this.ended.catch(() => undefined);
    const start = Promise.withResolvers<void>();
    this.started = start.promise;
    this.started.catch(() => undefined);
    child.once("spawn", start.resolve);
    child.once("error", (cause) => {
      const { command } = options;
      const hint = `Install ${command} or put it on PATH.`;
      const error = new CommandError(`Cannot run ${command}.`, { cause, hint });
      start.reject(error);
      this.#end.reject(error);
    });
    child.once("close", (exitCode, signal) => this.#end.resolve({ exitCode, signal }));
    child.once("exit", (exitCode, signal) => this.#readOn({ exitCode, signal }));
  }

  /** Asks the group to end, then sees to it. `ended` resolves in any case. Again with a shorter time: that one counts. */
  stop(killAfterMs = this.#options.killAfterMs ?? defaultKillAfterMs): void {
    if (this.#over) return;
    const { endSignal = "SIGTERM" } = this.#options;
    if (!this.#stopping) this.#signalGroup(endSignal);
    this.#stopping = true;
    const graceMs = killAfterMs === "never" ? defaultKillAfterMs : killAfterMs;
    this.#after(graceMs, () => {
      if (killAfterMs !== "never") this.#signalGroup("SIGKILL");
      this.#after(leaveAfterMs, () => {
        this.#letGo({ exitCode: this.#child.exitCode, signal: this.#child.signalCode });
      });
    });
  }

  #readOn(end: ChildEnd): void {
    const { pipesAfterExitMs } = this.#options;
    if (pipesAfterExitMs === undefined) return;
    const timer = this.#after(pipesAfterExitMs, () => {
      // Once more round the loop: what a busy process has not read yet is read before.
      setImmediate(() => this.#letGo(end));
    });
    for (const pipe of [this.#child.stdout, this.#child.stderr]) pipe?.on("data", () => timer.refresh());
  }

  #letGo(end: ChildEnd): void {
    for (const pipe of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) pipe?.destroy();
    this.#child.unref();
    this.#end.resolve(end);
  }

  #after(ms: number, work: () => void): NodeJS.Timeout {
    const timer = setTimeout(work, ms);
    this.#timers.add(timer);
    return timer;
  }

  /** The group exists as long as one of its members does, and until then its number is nobody else's. */
  #signalGroup(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // It has ended, or is another user's (behind sudo) and ends with its pipes.
    }
  }
}
