/** What holds the chainstate still is lost while the archive is made: nothing is published and the node runs, through dist. */
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { databasePaths } from "../../simulator/schema.ts";
import { keepersOf } from "../freeze/support.ts";
import { evaluateInside } from "./inside.ts";
import { setUp, untilNodeRuns, visibleSnapshots, type Setup } from "./support.ts";

let setup: Setup | undefined;
afterEach(async () => {
  await setup?.remove();
  setup = undefined;
});

interface Loss {
  readonly what: string;
  readonly said: RegExp;
  /** A node that writes would notice it too: only this run is to. */
  readonly nodeRests?: boolean;
  readonly cause: (keeper: number, chainstate: string) => Promise<unknown> | void;
}

const losses: readonly Loss[] = [
  {
    what: "the keeper killed",
    said: /FREEZE_BROKEN.*keeper process was ended by SIGKILL/,
    cause: (keeper) => void process.kill(keeper, "SIGKILL"),
  },
  {
    what: "its locks lost, by a descriptor that it closed",
    said: /FREEZE_BROKEN.*holds no read lock on chainstate\/vm\/index\.sqlite/,
    cause: async (keeper, chainstate) => {
      const shm = JSON.stringify(join(chainstate, `${databasePaths.index}-shm`));
      const files = 'process.getBuiltinModule("node:fs")';
      await evaluateInside(keeper, `${files}.closeSync(${files}.openSync(${shm}, "r"))`);
    },
  },
  {
    what: "a WAL cut short behind it",
    nodeRests: true,
    // Whoever looks first: the one that watches the hold, or the one that reads the file.
    said: /(?:FREEZE_BROKEN|FILE_CHANGED).*clarity\/marf\.sqlite/,
    cause: (_, chainstate) => truncateSync(join(chainstate, `${databasePaths.clarity}-wal`), 0),
  },
];

describe.each(["short", "none"])("downtime: %s", (downtime) => {
  it.each(losses)(
    "$what: void, nothing is published, no keeper is left",
    async ({ said, nodeRests, cause }) => {
      const blocks = nodeRests === true ? "0" : "5";
      setup = await setUp({ extraBytes: 200_000, nodeArguments: ["--blocks-per-second", blocks] });
      const job = setup.job({
        ...setup.snapshotInputs,
        downtime,
        "freeze-with": "sqlite",
        "rate-limit-read": "1MiB",
      });
      const main = job.startMain();
      await main.waitForLog(/::group::Archive to/);
      // The node starts beside the archive, and would not come up on what is done to it here.
      if (downtime === "short") await main.waitForLog(/▸ Start .*: done/);
      const { pid } = main.child;
      if (pid === undefined) throw new Error("no process");
      const [keeper, ...more] = keepersOf(pid);
      if (keeper === undefined || more.length > 0) throw new Error("one keeper was expected");
      await cause(keeper, setup.chainstate);
      const { exitCode, log } = await main.ended;
      expect(exitCode).toBe(1);
      expect(log).toMatch(said);
      expect(visibleSnapshots(setup.store)).toEqual([]);
      expect(keepersOf(pid)).toEqual([]);
      await untilNodeRuns(setup);
    },
  );
});
