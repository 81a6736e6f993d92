import { expect, it } from "vitest";
import { endAndGoOn, endingsOf } from "./freeze-killed.ts";
import { failuresOf } from "./moments.ts";
import { setUp } from "./support.ts";

/** `restart.test.ts` ends frozen runs at each of their moments; here it is what holds the chainstate that counts. */
const whileHeld = endingsOf("frozen").filter(([, moment]) => /Freeze|Start|Archive|Read/.test(moment.source));

const runs = [
  ...endingsOf("live").map((ending) => [{ downtime: "none" }, ending] as const),
  ...whileHeld.map((ending) => [{ downtime: "short", "freeze-with": "sqlite" }, ending] as const),
];

it(
  "a run killed while SQLite's readers hold the chainstate: the node runs, and the next run leaves no process, no lock, no file",
  { timeout: 400_000 },
  async () => {
    const failures = await failuresOf(
      runs,
      ([{ downtime }, [signal, moment]]) => `${downtime}, ${signal} at ${moment}`,
      async ([inputs, ending]) => {
        const setup = await setUp({ extraBytes: 20_000, nodeArguments: ["--stop-delay-ms", "300"] });
        try {
          await endAndGoOn(setup, { ...setup.snapshotInputs, ...inputs }, ending);
        } finally {
          await setup.remove();
        }
      },
    );
    expect(failures).toEqual([]);
  },
);
