/** What holds the chainstate still is lost while the archive is made: nothing is published and the node runs, through dist. */
import { readdirSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { keepersOf } from "../freeze/support.ts";
import { setUp, untilNodeRuns, visibleSnapshots, type Setup } from "./support.ts";

let setup: Setup | undefined;
afterEach(async () => {
  await setup?.remove();
  setup = undefined;
});

const losses: readonly (readonly [string, RegExp, (parent: number, chainstate: string) => void])[] = [
  [
    "the keeper killed",
    /FREEZE_BROKEN.*keeper process was ended by SIGKILL/,
    (parent) => {
      for (const keeper of keepersOf(parent)) process.kill(keeper, "SIGKILL");
    },
  ],
  [
    "a WAL cut short behind it",
    // Whoever looks first: the one that watches the hold, or the one that reads the file.
    /(?:FREEZE_BROKEN|FILE_CHANGED).*clarity\/marf\.sqlite/,
    (_, chainstate) => {
      for (const name of readdirSync(chainstate, { recursive: true, encoding: "utf8" }))
        if (name.endsWith("clarity/marf.sqlite-wal")) truncateSync(join(chainstate, name), 0);
    },
  ],
];

describe.each(["frozen", "live"])("cut: %s", (cut) => {
  it.each(losses)("%s: void, nothing is published, no keeper is left", async (what, said, lose) => {
    // A node that writes would notice a WAL that was cut: only this run is to.
    const blocks = what.startsWith("the keeper") ? "5" : "0";
    setup = await setUp({ extraBytes: 200_000, nodeArguments: ["--blocks-per-second", blocks] });
    const job = setup.job({
      ...setup.snapshotInputs,
      cut,
      "freeze-with": "sqlite",
      "rate-limit-read": "1MiB",
    });
    const main = job.startMain();
    await main.waitForLog(/::group::Archive to/, 60_000);
    const { pid } = main.child;
    if (pid === undefined) throw new Error("no process");
    expect(keepersOf(pid)).toHaveLength(1);
    lose(pid, setup.chainstate);
    const { exitCode, log } = await main.ended;
    expect(exitCode).toBe(1);
    expect(log).toMatch(said);
    expect(visibleSnapshots(setup.store)).toEqual([]);
    expect(keepersOf(pid)).toEqual([]);
    await untilNodeRuns(setup);
  });
});
