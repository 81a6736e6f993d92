/** What a dry run of a snapshot says it would do: figures for people, and the output `plan`. Reads the catalogue, changes nothing. */
import { basename } from "node:path";
import type { CatalogEntry } from "../../catalog/catalog.ts";
import { listSnapshots } from "../../catalog/read.ts";
import type { SnapshotConfig } from "../../config/config.ts";
import { describeError, throwIfAborted } from "../../domain/errors.ts";
import { formatBytes, nearestExisting, spaceAt } from "../../system/space.ts";
import { describeEstimate, estimateSeconds } from "../estimate.ts";
import { describeGoing, previewRetention } from "../prune.ts";
import { reportPlanned, type PlanRow } from "../report-plan.ts";
import { newestToBaseOn } from "./base.ts";
import { cutOf, type Plan, type SnapshotRun } from "./plan.ts";

export async function reportPlan(run: SnapshotRun, plan: Plan): Promise<void> {
  const { config, ctx, store } = run;
  const { report } = ctx;
  const { node, archive, volume } = plan;
  const { running } = node.before;
  const expected = archive?.expected;
  const entries = await tryList(run);
  const last = newestToBaseOn(entries, basename(config.chainstateDir), ctx.host.hostName);
  const freeBytes = (await spaceAt(config.chainstateDir)).freeBytes;
  const storageFreeBytes = await freeInStorage(config);
  const retention = await previewRetention(
    ctx,
    store,
    { retention: config.retention, sudo: config.node.sudo },
    expectedEntry(run, entries),
  );
  const downtime = describeDowntime(config, plan);

  const before = running && last !== undefined ? `; ${last.cut.downtimeSeconds} s the last time` : "";
  const rows: PlanRow[] = [
    ["Node", `${node.control.identity.manager} ${node.control.identity.name}, ${node.before.detail}`],
    ["Downtime", `${downtime ?? "none: the node is not running"}${before}`],
  ];
  if (volume !== undefined)
    rows.push(["Volume snapshot by", `${volume.snapshotter.driver} (${volume.reason})`]);
  if (archive?.chosen !== undefined)
    // Why this one, and none that would be preferred, is in the log.
    rows.push(["Frozen by", archive.chosen.freezer.name]);
  if (expected !== undefined) {
    rows.push(
      ["To read", `${expected.entries} entries, ${formatBytes(expected.contentBytes)}`],
      ["To send", `at most that, compressed; ${describeLast(last)}`],
      ["Time", describeEstimate(expected.contentBytes, config.rateLimits)],
    );
  }
  rows.push(
    ["Space", describeSpace(freeBytes, storageFreeBytes)],
    ["Retention would remove", describeGoing(retention)],
    [archive === undefined ? "Manifest to" : "Archive to", store.url],
  );
  reportPlanned(ctx, rows, {
    command: "snapshot",
    storage: store.url,
    nodeRuns: running,
    stacksHeight: node.info?.stacks_tip_height ?? null,
    downtime: downtime ?? null,
    frozenBy: archive?.chosen?.freezer.name ?? null,
    volumeSnapshotBy: volume?.snapshotter.driver ?? null,
    entries: expected?.entries ?? null,
    contentBytes: expected?.contentBytes ?? null,
    estimatedSeconds:
      expected === undefined ? null : estimateSeconds(expected.contentBytes, config.rateLimits),
    freeBytes,
    storageFreeBytes: storageFreeBytes ?? null,
    last: factsOfLast(last),
    removes: retention?.ids ?? null,
    removesBytes: retention?.bytes ?? null,
  });
  report.headline("Dry run: a snapshot can be taken; nothing was touched.");
}

/** Without a node that runs there is none. */
function describeDowntime(config: SnapshotConfig, plan: Plan): string | undefined {
  if (!plan.node.before.running) return undefined;
  return {
    live: "it is not stopped",
    cold: "until all of it is in the store",
    frozen: plan.volume?.isSlow === true ? "until the volume is dumped" : "until it is frozen",
  }[cutOf(config, plan).method];
}

/** What was published before is no condition for a snapshot. */
async function tryList({ ctx, store }: SnapshotRun): Promise<readonly CatalogEntry[]> {
  try {
    return await listSnapshots(store, ctx.signal);
  } catch (error) {
    throwIfAborted(ctx.signal);
    ctx.report.notice(`What the storage holds cannot be read: ${describeError(error)}`);
    return [];
  }
}

function describeLast(last: CatalogEntry | undefined): string {
  if (last === undefined || last.archive === null) return "there is no earlier archive of this network";
  const { size, uploadedBytes } = last.archive;
  return `of the last one, ${last.id}, ${formatBytes(uploadedBytes)} of ${formatBytes(size)} were sent`;
}

function factsOfLast(last: CatalogEntry | undefined): unknown {
  if (last === undefined) return null;
  const { id, createdAt, archive, cut } = last;
  return {
    id,
    createdAt,
    sizeBytes: archive?.size ?? null,
    sentBytes: archive?.uploadedBytes ?? null,
    downtimeSeconds: cut.downtimeSeconds,
  };
}

/** Undefined where nobody can say how much a storage still takes. */
async function freeInStorage({ storage }: SnapshotConfig): Promise<number | undefined> {
  if (storage.scheme !== "file") return undefined;
  return (await spaceAt(await nearestExisting(storage.directory))).freeBytes;
}

function describeSpace(freeBytes: number, storageFreeBytes: number | undefined): string {
  const storage =
    storageFreeBytes === undefined ? "" : `; ${formatBytes(storageFreeBytes)} free in the storage`;
  return `${formatBytes(freeBytes)} free beside the chainstate, for what the node writes meanwhile${storage}`;
}

/** As retention will see the snapshot that is to come. */
function expectedEntry(
  { config, ctx }: SnapshotRun,
  entries: readonly CatalogEntry[],
): Parameters<typeof previewRetention>[3] {
  const sequence = 1 + entries.reduce((highest, entry) => Math.max(highest, entry.sequence ?? 0), 0);
  return {
    id: "(this one)",
    createdAt: new Date(ctx.clock.now()).toISOString(),
    sequence,
    network: basename(config.chainstateDir),
    profile: config.profile,
    verified: config.check === "none" || config.readBack < 1 ? "checksum" : "database",
    pinned: config.pin,
  };
}
