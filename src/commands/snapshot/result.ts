/** The manifest of a snapshot, and what is said of one that has been published, made here or imported. */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { commandsByHand, placeOf } from "../../catalog/by-hand.ts";
import { carriedWalBytes, importedBy, type ArchiveRecord, type Manifest } from "../../domain/manifest.ts";
import type { ObjectStore } from "../../store/port.ts";
import { formatBytes, percentOf } from "../../system/space.ts";
import type { RunContext } from "../context.ts";
import { cutOf, type Plan, type SnapshotRun, type Taken } from "./plan.ts";
import type { Verified } from "./verify-archive.ts";

export async function reportPublished(
  ctx: RunContext,
  store: ObjectStore,
  manifest: Manifest,
): Promise<void> {
  const { report, host } = ctx;
  const { archive, chain, cut, id, volumes } = manifest;
  const local = join(host.tempDir, `${id}.manifest.json`);
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  await writeFile(local, text);
  report.output("snapshot-id", id);
  report.output("manifest-url", store.urlOf(`snapshots/${id}/manifest.json`));
  report.output("manifest-path", local);
  // The same bytes as in the store, where they are known to have been written.
  if (manifest.digest !== undefined)
    report.output("manifest-digest", createHash("sha256").update(text).digest("hex"));
  report.output("downtime-seconds", String(cut.downtimeSeconds));
  report.fact("Snapshot", id);
  if (manifest.signedBy !== undefined) report.fact("Signed with", manifest.signedBy);
  const isImport = cut.freezer === importedBy;
  report.fact("Storage", store.url);
  if (!isImport) {
    report.fact("Taken at", cut.at);
    report.fact("Cut", `${cut.method}, frozen by ${cut.freezer}`);
  }
  if (archive !== undefined) reportArchive(ctx, store, archive);
  if (volumes.length > 0) {
    report.output("volume-snapshots", JSON.stringify(volumes));
    report.fact("Volume snapshot", volumes.map(({ driver, snapshot }) => `${driver} ${snapshot}`).join(", "));
  }
  // Not the downtime: where a start takes longer than what is sent, it is not over yet.
  report.headline(`Snapshot ${id} at Stacks height ${chain.stacksHeight} is published.`);
}

function reportArchive(ctx: RunContext, store: ObjectStore, archive: ArchiveRecord): void {
  const { report } = ctx;
  const url = store.urlOf(archive.key);
  report.output("archive-url", url);
  report.output("size-bytes", String(archive.size));
  report.output("uploaded-bytes", String(archive.uploadedBytes));
  report.fact(
    "Archive",
    `${archive.files} files, ${formatBytes(archive.tarSize)} in ${formatBytes(archive.size)}`,
  );
  const frames = archive.reused?.frames ?? 0;
  const share = percentOf(archive.reused?.bytes ?? 0, archive.size);
  report.output("reused-frames", String(frames));
  report.output("reused-percent", share);
  if (archive.reused !== undefined) {
    report.fact(
      "Reused",
      `${frames} of ${archive.frames} frames, ${share} % of the bytes, from ${archive.reused.from}`,
    );
  }
  reportSent(ctx, archive);
  report.link("Archive", url);
  report.commands(
    "Restore it by hand",
    Object.values(
      commandsByHand({
        storage: placeOf(store),
        key: archive.key,
        hasSha256: archive.sha256 !== undefined,
      }),
    ).flat(),
  );
}

/** How much was sent, and how databases were archived where that was by what changed in them. */
function reportSent({ report }: RunContext, { databases = [], uploadedBytes }: ArchiveRecord): void {
  report.fact("Sent", formatBytes(uploadedBytes));
  const carried = databases.filter((database) => database.carried !== undefined);
  if (databases.length === 0) return;
  const anew = databases.length - carried.length;
  if (carried.length === 0) {
    report.fact("Databases", `${anew} archived whole; the next snapshot can send what changes in them`);
    return;
  }
  const pages = carried.reduce((sum, database) => sum + (database.carried?.changedPages ?? 0), 0);
  const wals = formatBytes(carriedWalBytes(databases));
  report.fact(
    "Databases",
    `${pages} changed pages of ${carried.length} sent, ${anew} archived whole; their WALs have ${wals}`,
  );
}

export function manifestOf(
  { config, ctx }: SnapshotRun,
  plan: Plan,
  taken: Taken,
  { checks, verified, proof, confirmation, downtimeSeconds }: Verified & { readonly downtimeSeconds: number },
): Manifest {
  const { node } = plan;
  const { archive, volumes, cleanStop } = taken;
  return {
    version: 1,
    id: taken.id,
    createdAt: new Date(ctx.clock.now()).toISOString(),
    kind: config.method,
    tool: ctx.host.tool,
    host: ctx.host.hostName,
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
    ...(proof === undefined ? {} : { proof }),
    ...(confirmation === undefined ? {} : { confirmation }),
    cut: { ...cutOf(config, plan), at: taken.at.toISOString(), downtimeSeconds },
    ...(archive === undefined ? {} : { archive: archive.record }),
    volumes: [...volumes],
    profile: config.profile,
    excluded: [...config.exclude],
    ...(config.pin ? { pinned: true } : {}),
  };
}
