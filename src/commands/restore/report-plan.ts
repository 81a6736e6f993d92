/** What a dry run of a restore says it would do: figures for people, and the output `plan`. */
import { dirname } from "node:path";
import type { RestoreConfig } from "../../config/config.ts";
import type { ChainFacts } from "../../domain/manifest.ts";
import type { SwapPlan } from "../../recovery/swap.ts";
import { formatCount } from "../../report/words.ts";
import { formatBytes, nearestExisting, spaceAt } from "../../system/space.ts";
import type { RunContext } from "../context.ts";
import { describeEstimate, estimateSeconds } from "../estimate.ts";
import { reportPlanned, type PlanRow } from "../report-plan.ts";
import type { RestoreTarget } from "./target.ts";

export interface PlannedRestore {
  readonly swap: SwapPlan;
  readonly replaces: boolean;
  /** Undefined too where what is replaced cannot be read. */
  readonly replaced: ChainFacts | undefined;
  readonly nodeRuns: boolean;
}

/** In `plan`, what is not known before it is unpacked is null. */
export async function reportPlan(
  ctx: Pick<RunContext, "report">,
  { chainstateDir, keepPrevious }: RestoreConfig,
  { source, sizes }: RestoreTarget,
  { swap, replaces, replaced, nodeRuns }: PlannedRestore,
): Promise<void> {
  const { snapshotId = null, name, chain } = source;
  const { freeBytes } = await spaceAt(await nearestExisting(dirname(swap.place)));
  const downtime = nodeRuns ? describeDowntime(sizes === undefined) : null;
  const rows: PlanRow[] = [
    ["Snapshot", name],
    ["Replaces", replaces ? chainstateDir : `nothing: ${chainstateDir} holds no chainstate`],
    ["Height", describeHeights(replaced, chain)],
  ];
  if (sizes !== undefined) {
    const { archiveBytes, neededBytes } = sizes;
    rows.push(
      ["To fetch", `at most ${formatBytes(archiveBytes)}; what is here already is not fetched`],
      ["Time", `${describeEstimate(neededBytes)}; then the node's own stop and start`],
      [
        "Space",
        `${formatBytes(neededBytes)} needed, ${formatBytes(freeBytes)} free, beside ${chainstateDir}`,
      ],
    );
  }
  rows.push(["Downtime", downtime ?? "none: the node is not running"]);
  if (replaces)
    rows.push([
      "Old chainstate",
      keepPrevious ? "kept beside the new one" : "removed when the node is healthy on the new one",
    ]);
  reportPlanned(ctx, rows, {
    command: "restore",
    snapshot: snapshotId ?? name,
    stacksHeight: chain?.stacksHeight ?? null,
    chainstateDir,
    replaces,
    replacedStacksHeight: replaced?.stacksHeight ?? null,
    goesBackBlocks: blocksBack(replaced, chain) ?? null,
    nodeRuns,
    downtime,
    fetchBytesAtMost: sizes?.archiveBytes ?? null,
    neededBytes: sizes?.neededBytes ?? null,
    freeBytes,
    estimatedSeconds: sizes === undefined ? null : estimateSeconds(sizes.neededBytes),
    keepsPrevious: keepPrevious,
  });
  const fits = chain === undefined ? "can be unpacked beside" : "fits";
  ctx.report.headline(`Dry run: ${name} ${fits} ${chainstateDir}; nothing was touched.`);
}

function describeDowntime(isVolume: boolean): string {
  return `from the stop until the node answers on the new chainstate; in between ${isVolume ? "the volumes are exchanged" : "two directories are renamed"}`;
}

/** 0: not at all. Undefined where one of the two is not known, or nothing is replaced. */
function blocksBack(replaced: ChainFacts | undefined, chain: ChainFacts | undefined): number | undefined {
  if (replaced === undefined || chain === undefined) return undefined;
  return Math.max(0, replaced.stacksHeight - chain.stacksHeight);
}

function describeHeights(replaced: ChainFacts | undefined, chain: ChainFacts | undefined): string {
  const before = replaced?.stacksHeight;
  const after = chain?.stacksHeight;
  if (after === undefined) return `${before ?? "?"} → known when it is unpacked`;
  if (before === undefined) return `${after}`;
  const blocks = formatCount(Math.abs(after - before), "block");
  const change =
    after === before ? "the same" : after > before ? `${blocks} further` : `the node goes back ${blocks}`;
  return `${before} → ${after}, ${change}`;
}
