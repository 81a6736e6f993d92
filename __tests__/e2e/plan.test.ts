/** What a dry run says it would do, in the log, in the summary and as JSON; and that the run then does it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StepResult } from "../../simulator/runner.ts";
import { setUp, treeOf, visibleSnapshots, type Setup } from "./support.ts";

let setup: Setup;
let storage: { readonly storage: string };
/** Older, newer. */
let ids: readonly [string, string];

beforeAll(async () => {
  setup = await setUp();
  storage = { storage: `file://${setup.store}` };
  const take = async (): Promise<string> =>
    (await passes({ ...setup.snapshotInputs })).outputs["snapshot-id"] ?? "";
  ids = [await take(), await take()];
});
afterAll(async () => await setup.remove());

async function passes(inputs: Readonly<Record<string, string>>): Promise<StepResult> {
  const { main } = await setup.job(inputs).run();
  expect(main.exitCode, main.log).toBe(0);
  return main;
}

/** Changes nothing, and says the plan. */
async function plans(
  inputs: Readonly<Record<string, string>>,
): Promise<StepResult & { readonly plan: Record<string, unknown> }> {
  const [pids, store] = [setup.pids(), treeOf(setup.store)];
  const main = await passes({ ...inputs, "dry-run": "true" });
  expect(setup.pids()).toEqual(pids);
  expect(treeOf(setup.store)).toEqual(store);
  return { ...main, plan: JSON.parse(main.outputs["plan"] ?? "") as Record<string, unknown> };
}

/** A figure of the summary. */
const figure = ({ summary }: StepResult, label: string): string =>
  new RegExp(String.raw`^\| ${label} \| (.*) \|$`, "m").exec(summary)?.[1] ?? `no figure "${label}"`;

const aSize = /\d+(?:\.\d+)? (?:B|[KMG]iB)/.source;

describe("the plan of a snapshot", () => {
  it("has sizes, what the last one sent, time, downtime, room, and what retention would remove", async () => {
    const dry = await plans({ ...setup.snapshotInputs, "keep-last": "2" });
    expect(dry.plan).toMatchObject({
      command: "snapshot",
      storage: storage.storage,
      nodeRuns: true,
      downtime: "until it is frozen",
      entries: expect.any(Number) as number,
      contentBytes: expect.any(Number) as number,
      estimatedSeconds: expect.any(Number) as number,
      freeBytes: expect.any(Number) as number,
      storageFreeBytes: expect.any(Number) as number,
      last: {
        id: ids[1],
        sizeBytes: expect.any(Number) as number,
        sentBytes: expect.any(Number) as number,
        downtimeSeconds: expect.any(Number) as number,
      },
      removes: [ids[0]],
      removesBytes: expect.any(Number) as number,
    });
    expect(dry.plan["removesBytes"]).toBeGreaterThan(0);
    expect(figure(dry, "To read")).toMatch(new RegExp(String.raw`^\d+ entries, ${aSize}$`));
    expect(figure(dry, "To send")).toMatch(
      new RegExp(`^at most that, compressed; of the last one, ${ids[1]}, ${aSize} of ${aSize} were sent$`),
    );
    expect(figure(dry, "Time")).toMatch(/^about a minute or less, .*at 100 MiB a second/);
    expect(figure(dry, "Downtime")).toMatch(/^until it is frozen; \d+(\.\d+)? s the last time$/);
    expect(figure(dry, "Space")).toMatch(new RegExp(`${aSize} free .*; ${aSize} free in the storage`));
    expect(figure(dry, "Retention would remove")).toMatch(new RegExp(`^${ids[0]} \\(${aSize}\\)$`));
    // A command line has no summary.
    for (const label of ["Downtime", "To read", "To send", "Retention would remove"])
      expect(dry.log).toMatch(new RegExp(`^${label} +\\S`, "m"));
  });

  it("removes nothing where no rule is set", async () => {
    const dry = await plans({ ...setup.snapshotInputs });
    expect(dry.plan["removes"]).toEqual([]);
    expect(figure(dry, "Retention would remove")).toBe("nothing");
  });
});

describe("the plan of a restore", () => {
  it("has what would be fetched, room, time, downtime, and how far the height goes back", async () => {
    const dry = await plans({ ...setup.snapshotInputs, command: "restore", snapshot: ids[0] });
    const { stacksHeight, replacedStacksHeight, fetchBytesAtMost, neededBytes, freeBytes } =
      dry.plan as Record<string, number>;
    expect(dry.plan).toMatchObject({
      command: "restore",
      snapshot: ids[0],
      replaces: true,
      nodeRuns: true,
      keepsPrevious: false,
      estimatedSeconds: expect.any(Number) as number,
      goesBackBlocks: Math.max(0, (replacedStacksHeight ?? 0) - (stacksHeight ?? 0)),
    });
    expect(fetchBytesAtMost).toBeGreaterThan(0);
    expect(neededBytes).toBeGreaterThan(fetchBytesAtMost ?? 0);
    expect(freeBytes).toBeGreaterThan(neededBytes ?? 0);
    expect(figure(dry, "Replaces")).toContain(setup.chainstate);
    expect(figure(dry, "Height")).toMatch(/^\d+ → \d+, the node goes back \d+ blocks?$/);
    expect(figure(dry, "To fetch")).toMatch(new RegExp(`^at most ${aSize}`));
    expect(figure(dry, "Space")).toMatch(new RegExp(`^${aSize} needed, ${aSize} free`));
    expect(figure(dry, "Downtime")).toMatch(/^from the stop until the node answers/);
    expect(figure(dry, "Old chainstate")).toMatch(/^removed when the node is healthy/);
  });
});

describe("the plan of a prune", () => {
  it("has what would go and how large it is, and what stays and why", async () => {
    const prune = { command: "prune", ...storage, "keep-last": "1" };
    const dry = await plans(prune);
    expect(dry.plan).toMatchObject({
      command: "prune",
      storage: storage.storage,
      removes: [ids[0]],
      removesBytes: expect.any(Number) as number,
      keeps: [{ id: ids[1], reasons: expect.arrayContaining(["newest"]) as string[] }],
      leftovers: [],
    });
    expect(dry.plan["removesBytes"]).toBeGreaterThan(0);
    expect(figure(dry, "Would remove")).toMatch(new RegExp(String.raw`^${ids[0]} \(${aSize}\)$`));
    const done = await passes(prune);
    expect(JSON.parse(done.outputs["pruned"] ?? "")).toEqual(dry.plan["removes"]);
    expect(visibleSnapshots(setup.store)).toEqual([ids[1]]);
  });
});
