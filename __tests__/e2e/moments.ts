/** Runs that are ended in the middle: when, how, and what must be true afterwards. */
import { pause, untilNodeRuns, visibleSnapshots, type Setup } from "./support.ts";

/** Ten moments of a run, by what its log has said by then. */
export const moments: readonly (readonly [string, RegExp])[] = [
  ["at the first line", /chainstate-snapshot \d/],
  ["in preflight", /Preflight checks/],
  ["with the switch armed", /Restart watchdog/],
  ["when the stop is asked for", /::group::Stop /],
  ["when it has stopped", /Stopped in/],
  ["while it is verified", /Verify the node has stopped/],
  ["while it is checked", /Check chainstate consistency/],
  ["while it is frozen", /Freeze by/],
  ["while it is started", /(?:::group::|▸ )Start /],
  ["while the archive is sent", /Archive to/],
];

export interface Ending {
  readonly signal: "SIGINT" | "SIGTERM" | "SIGKILL";
  readonly withPost: boolean;
}

export const endings: readonly Ending[] = (["SIGINT", "SIGTERM", "SIGKILL"] as const).flatMap((signal) =>
  [true, false].map((withPost) => ({ signal, withPost })),
);

export function describeEnding({ signal, withPost }: Ending): string {
  return `by ${signal}, ${withPost ? "with" : "without"} the post step`;
}

/** Does all of `work`, four at a time, and returns what went wrong. */
export async function failuresOf<T>(
  cases: readonly T[],
  nameOf: (one: T) => string,
  work: (one: T) => Promise<void>,
): Promise<string[]> {
  const failures: string[] = [];
  const waiting = [...cases];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const name = nameOf(next);
      await work(next).catch((error: unknown) => failures.push(`${name}: ${String(error)}`));
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  return failures;
}

/**
 * Ends a run of `setup` when its log says `pattern`. Throws unless one node runs and answers within a minute and stays, was never
 * killed on the way, and every visible snapshot verifies.
 */
export async function endAt(setup: Setup, pattern: RegExp, { signal, withPost }: Ending): Promise<void> {
  const job = setup.job(setup.snapshotInputs);
  const main = job.startMain();
  await main.waitForLog(pattern);
  main.child.kill(signal);
  const { log } = await main.ended;
  if (withPost) await job.post();
  // A run that is killed before its stop has any effect leaves the old process; both are "running".
  await untilNodeRuns(setup).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${log}\n${setup.nodeLog()}`);
  });
  // A stop that was asked for in the last moment may take effect late: then it has to be brought back again.
  await pause(3_000);
  await untilNodeRuns(setup);
  const ends = setup.nodeLog().match(/Exiting stacks-node/g)?.length ?? 0;
  const starts = setup.nodeLog().match(/stacks-node \S+ starting/g)?.length ?? 0;
  if (starts !== ends + 1) throw new Error(`${starts} starts, ${ends} clean ends:\n${setup.nodeLog()}`);
  for (const id of visibleSnapshots(setup.store)) {
    const verified = await setup
      .job({ command: "verify", storage: `file://${setup.store}`, snapshot: id })
      .run();
    if (verified.main.exitCode !== 0)
      throw new Error(`a visible snapshot does not verify:\n${verified.main.log}`);
  }
}
