/** Summaries of real runs, by what became of them: to be looked at. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setUp, until, visibleSnapshots } from "./support.ts";

export const summaryNames = [
  "dry-run",
  "snapshot",
  "restore",
  "inputs",
  "failure",
  "killed",
  "rolled-back",
  "list",
] as const;

type Name = (typeof summaryNames)[number];

/** Markdown as the runner takes it, of main and post. */
export async function summariesOfRuns(): Promise<ReadonlyMap<Name, string>> {
  const setup = await setUp({ height: 120, extraBytes: 40_000, panicsWhile: "panics" });
  const summaries = new Map<Name, string>();
  const { snapshotInputs, chainstate } = setup;
  /** With paths as they are outside of tests. */
  const asOnAHost = (text: string): string =>
    text.replaceAll(setup.store, "/srv/snapshots/mainnet").replaceAll(chainstate, "/var/stacks/mainnet");
  const run = async (name: Name, inputs: Readonly<Record<string, string>>): Promise<void> => {
    const { main, post } = await setup.job(inputs).run();
    summaries.set(name, asOnAHost(main.summary + post.summary));
  };
  const restore = {
    ...snapshotInputs,
    command: "restore",
    "allow-lower-height": "true",
    "sync-blocks": "30",
  };
  try {
    await run("dry-run", { ...snapshotInputs, "dry-run": "true", "keep-daily": "7" });
    await run("snapshot", { ...snapshotInputs, "keep-daily": "7" });
    await run("restore", { ...restore, "start-timeout": "30s" });
    await run("inputs", { ...snapshotInputs, "keep-dayly": "7", "stop-timeout": "20" });
    await run("failure", { ...snapshotInputs, storage: "file:///nowhere/at/all" });

    const killed = setup.job({ ...snapshotInputs, "rate-limit-read": "1MiB" });
    const main = killed.startMain();
    await main.waitForLog(/── Archive|::group::Archive/);
    main.child.kill("SIGKILL");
    const { summary } = await main.ended;
    summaries.set("killed", asOnAHost(summary + (await killed.post()).summary));

    await until("the node runs", () => setup.pids().length === 1);
    const mark = join(chainstate, "panics");
    writeFileSync(mark, "");
    const before = new Set(visibleSnapshots(setup.store));
    await setup.job({ ...snapshotInputs, downtime: "none" }).run();
    rmSync(mark);
    const id = visibleSnapshots(setup.store).find((each) => !before.has(each)) ?? "";
    await run("rolled-back", { ...restore, snapshot: id });
    await run("list", { command: "list", storage: snapshotInputs["storage"] ?? "" });
    return summaries;
  } finally {
    await setup.remove();
  }
}
