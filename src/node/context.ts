/** What every provider of NodeControl is made with, and the two waits they share. */
import type { NodeOptions } from "../config.ts";
import type { Clock } from "../system/clock.ts";
import type { Privilege } from "../system/privilege.ts";
import { isAlive, readName, readStatus } from "../system/proc.ts";
import type { ProcessId } from "../system/proc.ts";
import { UnsafeStopError } from "./errors.ts";

export interface NodeContext {
  readonly options: NodeOptions;
  /** Absolute path of the mode directory; it need not exist. */
  readonly chainstateDir: string;
  readonly privilege: Privilege;
  readonly clock: Clock;
}

/** How long a stop that was begun earlier may still take before a start gives up waiting for it. */
export const finishStopMs = 20 * 60_000;

/**
 * Asks `look` until it answers something, after 20 ms at first and twice a second later: what is waited for is downtime,
 * and a node that ends at once should not be found gone a tenth of a second late. Undefined when `timeoutMs` is over.
 */
export async function poll<T>(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal,
  look: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const deadline = clock.now() + timeoutMs;
  for (let pauseMs = 20; ; pauseMs = Math.min(500, pauseMs * 1.2)) {
    const answer = await look();
    if (answer !== undefined) return answer;
    const leftMs = deadline - clock.now();
    if (leftMs <= 0) return undefined;
    await clock.sleep(Math.min(pauseMs, leftMs), signal);
  }
}

/** The signals a stacks-node takes as a request for a graceful stop. */
export const gracefulSignals: Readonly<Record<number, "SIGHUP" | "SIGINT" | "SIGTERM">> = {
  1: "SIGHUP",
  2: "SIGINT",
  15: "SIGTERM",
};

const handlerWaitMs = 30_000;

/**
 * Init programs of containers. They pass signals on but install no handler: they wait for them (sigwait), and while a
 * process waits for a signal the kernel shows it as neither caught nor blocked.
 */
const inits = new Set(["docker-init", "tini", "tini-static", "catatonit", "dumb-init"]);

/**
 * Throws unless the process handles `signalNumber` itself. A node that has just been started installs its handler a
 * moment later; until then the signal would end it on the spot (or, as first process of a container, not at all).
 */
export async function requireSignalHandler(
  id: ProcessId,
  signalNumber: number,
  what: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const bit = 1n << BigInt(signalNumber - 1);
  const handled = await poll(clock, handlerWaitMs, signal, async () => {
    const status = readStatus(id.pid);
    if (status === undefined || !isAlive(id) || inits.has(readName(id.pid) ?? "")) return true;
    // A blocked signal is one that is read from a signalfd.
    return ((status.caughtSignals | status.blockedSignals) & bit) === 0n ? undefined : true;
  });
  if (handled === true) return;
  const name = gracefulSignals[signalNumber] ?? `signal ${signalNumber}`;
  throw new UnsafeStopError(
    `${what} (pid ${id.pid}) does not handle ${name}, so it cannot be stopped gracefully.`,
    {
      hint: "If it is a shell that runs the node, start the node with `exec` (in a Dockerfile: CMD in its JSON form), or start the container with `--init`.",
    },
  );
}
