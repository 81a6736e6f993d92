import { afterEach, describe, expect, it } from "vitest";
import { setUp, until, visibleSnapshots, type Setup } from "./support.ts";

/** Ten moments of a run, by what its log has said by then. */
const moments: readonly (readonly [string, RegExp])[] = [
  ["at the first line", /chainstate-snapshot \d/],
  ["in preflight", /Look at everything/],
  ["with the switch armed", /Dead man's switch/],
  ["when the stop is asked for", /Stop stacks-node/],
  ["when it has stopped", /Stopped in/],
  ["while it is proved down", /Prove that it is down/],
  ["while it is checked", /Check that the databases/],
  ["while it is frozen", /Hold it still/],
  ["while it is started", /Start stacks-node/],
  ["while the archive is sent", /Archive to/],
];

const open: Setup[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(async (setup) => await setup.remove()));
});

describe("a run that is ended brings the node back", () => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
    for (const withPost of [true, false]) {
      it(
        `by ${signal}, ${withPost ? "with" : "without"} the post step, at ten moments`,
        { timeout: 400_000 },
        async () => {
          const failures: string[] = [];
          const waiting = [...moments];
          const work = async (): Promise<void> => {
            for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
              const [when, pattern] = next;
              await endAt(pattern, signal, withPost).catch((error: unknown) => {
                failures.push(`${when}: ${String(error)}`);
              });
            }
          };
          await Promise.all(Array.from({ length: 4 }, work));
          expect(failures).toEqual([]);
        },
      );
    }
  }
});

async function endAt(pattern: RegExp, signal: NodeJS.Signals, withPost: boolean): Promise<void> {
  const setup = await setUp({ nodeArguments: ["--stop-delay-ms", "1500", "--start-delay-ms", "500"] });
  open.push(setup);
  const job = setup.job(setup.snapshotInputs);
  const main = job.startMain();
  await main.waitForLog(pattern, 60_000);
  main.child.kill(signal);
  const endedAt = Date.now();
  await main.ended;
  if (withPost) await job.post();
  // A run that is killed before its stop has any effect leaves the old process; both are "running".
  await until("one node runs and answers", 60_000 - (Date.now() - endedAt), async () => {
    if (setup.pids().length !== 1) return false;
    return await fetch(`http://127.0.0.1:${setup.port}/v2/info`, { signal: AbortSignal.timeout(1000) }).then(
      (response) => response.ok,
      () => false,
    );
  });
  await staysUp(setup);
  for (const id of visibleSnapshots(setup.store)) {
    const verified = await setup
      .job({ command: "verify", storage: `file://${setup.store}`, snapshot: id })
      .run();
    if (verified.main.exitCode !== 0)
      throw new Error(`a visible snapshot does not verify:\n${verified.main.log}`);
  }
}

/** A stop that was asked for in the last moment may take effect late: then it has to be brought back again. */
async function staysUp(setup: Setup): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  await until("the node still runs", 45_000, () => setup.pids().length === 1);
}
