/**
 * `command: snapshot`. Everything that can be known before the node is touched is looked at first; the node is down only
 * from the stop until the moment is held still (or, `cold`, until all of it stands in the store); nothing is published
 * that was not checked, and `latest` moves last.
 */
import { basename } from "node:path";
import type { CheckResult, Manifest } from "../catalog/manifest.ts";
import { publish } from "../catalog/publish.ts";
import { selectEntries } from "../chainstate/layout.ts";
import type { SnapshotConfig } from "../config.ts";
import type { FreezeRequest } from "../freeze/port.ts";
import { largestPlannedBytes } from "../store/part-sizes.ts";
import { openFrameSource } from "../store/frame-source.ts";
import { formatBytes } from "../system/space.ts";
import { measure, type StoredArchive } from "./archive-view.ts";
import { tryFindBase } from "./base-snapshot.ts";
import { describeColdDowntime } from "./expected-downtime.ts";
import { takeLive, takeStopped } from "./hold-still.ts";
import { withJournal } from "./journaled.ts";
import { meetNode } from "./managed-node.ts";
import { Outage } from "./outage.ts";
import { proveArchive } from "./prove-archive.ts";
import { applyRetention } from "./prune.ts";
import { reportPublished } from "./report-published.ts";
import type { Rooms } from "./rooms.ts";
import { cutOf, type ArchivePlan, type Plan, type SnapshotRun, type Taken } from "./snapshot-run.ts";
import { planVolumes, proveVolumes, type VolumePlan } from "./take-volumes.ts";
import { writePage } from "./write-page.ts";

export async function snapshot(config: SnapshotConfig, rooms: Rooms): Promise<void> {
  const { chainstateDir, node } = config;
  const journaled = { chainstateDir, command: "snapshot", sudo: node.sudo, node };
  await withJournal(rooms, journaled, async (journal) => {
    const store = await rooms.openStore(config.storage);
    try {
      const run: SnapshotRun = { config, rooms, journal, store };
      const plan = await rooms.report.phase(
        "preflight",
        "Look at everything before the node is touched",
        () => preflight(run),
      );
      if (config.dryRun) return reportPlan(run, plan);
      try {
        await reportPublished(rooms, store, await take(run, plan));
      } finally {
        await plan.archive?.base?.withdraw();
        await plan.volume?.withdraw();
      }
    } finally {
      await store.close();
    }
  });
}

async function preflight(run: SnapshotRun): Promise<Plan> {
  const { config, rooms, store } = run;
  const { report, signal, host } = rooms;
  await store.probeWritable(signal);
  report.info(`Storage: ${store.url} can be written.`);
  const node = await meetNode(rooms, config.node, config.chainstateDir);
  const request: FreezeRequest = {
    chainstateDir: config.chainstateDir,
    selection: selectEntries(config.profile, config.exclude),
    runId: host.runId,
    stateDir: host.stateDir,
    signal,
  };
  const volume = config.method === "archive" ? undefined : await planVolumes(run, request);
  const archive = config.method === "volume" ? undefined : await planArchive(run, request, volume);
  return { node, request, archive, volume };
}

async function planArchive(
  { config, rooms, store }: SnapshotRun,
  request: FreezeRequest,
  volume: VolumePlan | undefined,
): Promise<ArchivePlan> {
  const { report } = rooms;
  const chosen = isViewOfVolume(config, rooms, volume)
    ? undefined
    : await rooms.chooseFreezer(config, request, rooms.privilege(config.node.sudo));
  if (chosen !== undefined) report.info(`Held still by ${chosen.freezer.name}: ${chosen.reason}.`);
  const expected = await measure(rooms, request);
  if (chosen?.notice !== undefined)
    report.notice(`${chosen.notice} ${describeColdDowntime(expected.contentBytes, config.rateLimits)}`);
  report.info(`To archive: ${expected.entries} entries, ${formatBytes(expected.contentBytes)}.`);
  const largest = largestPlannedBytes(store.partLimits);
  if (expected.contentBytes > largest) {
    report.warning(
      `Uncompressed this is more than the ${formatBytes(largest)} that ${store.partLimits.maxParts} parts of ${store.url} can hold; ` +
        "if it does not compress well enough the upload fails and nothing is published.",
    );
  }
  const base = config.dryRun ? undefined : await tryFindBase(rooms, store, basename(config.chainstateDir));
  return { chosen, expected, base };
}

/** True where the archive is made from the very snapshot that stays, unless something else was asked for. */
function isViewOfVolume(
  { cut, freezeWith }: SnapshotConfig,
  rooms: Rooms,
  volume: VolumePlan | undefined,
): boolean {
  if (volume === undefined || cut === "cold" || rooms.volumes.viewer(volume.snapshotter) === undefined)
    return false;
  return freezeWith === "auto" || freezeWith === volume.snapshotter.driver;
}

function reportPlan({ config, rooms, store }: SnapshotRun, plan: Plan): void {
  const { report } = rooms;
  const { node, archive, volume } = plan;
  const downtime = {
    live: "it is not stopped",
    cold: "until all of it is in the store",
    frozen: volume?.isSlow === true ? "until the volume is dumped" : "until the moment is held",
  }[cutOf(config, plan).method];
  report.fact(
    "Node",
    `${node.control.identity.manager} ${node.control.identity.name}, ${node.before.detail}`,
  );
  if (volume !== undefined)
    report.fact("Volume snapshot by", `${volume.snapshotter.driver} (${volume.reason})`);
  if (archive?.chosen !== undefined)
    report.fact("Held still by", `${archive.chosen.freezer.name} (${archive.chosen.reason})`);
  report.fact("Downtime", node.before.running ? downtime : "none: the node is not running");
  report.fact(archive === undefined ? "Manifest to" : "Archive to", store.url);
  report.headline("Dry run: a snapshot can be taken; nothing was touched.");
}

async function take(run: SnapshotRun, plan: Plan): Promise<Manifest> {
  const { config, rooms, journal } = run;
  const outage = new Outage(rooms, plan.node, config.node, journal, config.chainstateDir);
  const taken = await outage.guard(async () => {
    const result = config.cut === "live" ? await takeLive(run, plan) : await takeStopped(run, plan, outage);
    await outage.end({ minStacksHeight: result.facts.stacksHeight });
    return result;
  });
  const manifest = manifestOf(run, plan, taken, {
    ...(await prove(run, plan, taken)),
    downtimeSeconds: outage.downtimeSeconds,
  });
  await rooms.report.phase("publish", "Publish", async () => {
    await publish(run.store, manifest, rooms.signal);
    await journal.update({ volumes: [] });
    if (taken.archive !== undefined) await taken.trust?.tryRemember(manifest.id, taken.archive.record);
    await writePage(run.store, rooms.signal);
  });
  await outage.sync({ minStacksHeight: taken.facts.stacksHeight });
  // Nothing is read from it any more, and retention must not take this run for a reader.
  await plan.archive?.base?.withdraw();
  if (Object.keys(config.retention).length > 0)
    await applyRetention(rooms, run.store, config.retention, false);
  return manifest;
}

interface Proof {
  readonly checks: readonly CheckResult[];
  readonly verified: Manifest["verified"];
}

/** Reads the databases back from what was taken, when the node is back, and looks at them again as deep as was asked. */
async function prove(run: SnapshotRun, plan: Plan, taken: Taken): Promise<Proof> {
  const { archive, checks } = taken;
  if (archive !== undefined) {
    const verified = run.config.check === "none" ? "checksum" : "database";
    return { checks: (await proveStored(run, taken, archive)) ?? checks, verified };
  }
  const { volume, request } = plan;
  const found =
    volume === undefined ? undefined : await proveVolumes(run, volume, taken.volumes, request, taken.facts);
  return found === undefined ? { checks, verified: "none" } : { checks: found.checks, verified: "database" };
}

/** Returns what was found; undefined where it was not to be made, or there is no room for it. */
async function proveStored(
  { config, rooms, store }: SnapshotRun,
  taken: Taken,
  { record, indexFile }: StoredArchive,
): Promise<readonly CheckResult[] | undefined> {
  const { check: depth } = config;
  if (depth === "none") return undefined;
  const proof = await rooms.report.phase("verify", "Read the databases back from the archive", async () =>
    proveArchive({
      source: await openFrameSource(store, record.key, rooms.signal),
      indexFile,
      indexDigest: record.index,
      concurrency: config.concurrency,
      scratchParent: rooms.host.tempDir,
      depth,
      cut: { facts: taken.facts, checks: taken.checks },
      signal: rooms.signal,
    }),
  );
  if (proof.made) return proof.inspection.checks;
  const lost = depth === "tips" ? "" : `, so \`check: ${depth}\` could not be made`;
  rooms.report.notice(`The databases were not read back from the archive${lost}: ${proof.reason}.`);
  return undefined;
}

function manifestOf(
  { config, rooms }: SnapshotRun,
  plan: Plan,
  taken: Taken,
  { checks, verified, downtimeSeconds }: Proof & { readonly downtimeSeconds: number },
): Manifest {
  const { node } = plan;
  const { archive, volumes, cleanStop } = taken;
  return {
    version: 1,
    id: taken.id,
    createdAt: new Date(rooms.clock.now()).toISOString(),
    kind: config.method,
    tool: rooms.host.tool,
    host: rooms.host.hostName,
    node: {
      manager: node.control.identity.manager,
      name: node.control.identity.name,
      versionLine: node.version?.line ?? null,
      version: node.version?.version ?? null,
      commit: node.version?.commit ?? null,
    },
    chain: taken.facts,
    cleanStop: cleanStop === undefined ? null : { ...cleanStop, evidence: [...cleanStop.evidence] },
    checks: [...checks],
    verified,
    cut: { ...cutOf(config, plan), at: taken.at.toISOString(), downtimeSeconds },
    ...(archive === undefined ? {} : { archive: archive.record }),
    volumes: [...volumes],
    profile: config.profile,
    excluded: [...config.exclude],
    ...(config.pin ? { pinned: true } : {}),
  };
}
