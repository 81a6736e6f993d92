/** What is said of a snapshot that has been published, made here or imported. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { commandsByHand, placeOf } from "../catalog/by-hand.ts";
import type { Manifest } from "../catalog/manifest.ts";
import type { ObjectStore } from "../store/port.ts";
import { formatBytes, percentOf } from "../system/space.ts";
import type { Rooms } from "./rooms.ts";

export async function reportPublished(rooms: Rooms, store: ObjectStore, manifest: Manifest): Promise<void> {
  const { report, host } = rooms;
  const { archive, chain, cut, id, volumes } = manifest;
  const local = join(host.tempDir, `${id}.manifest.json`);
  await writeFile(local, `${JSON.stringify(manifest, undefined, 2)}\n`);
  report.output("snapshot-id", id);
  report.output("manifest-url", store.urlOf(`snapshots/${id}/manifest.json`));
  report.output("manifest-path", local);
  report.output("downtime-seconds", String(cut.downtimeSeconds));
  report.fact("Snapshot", id);
  const isImport = cut.freezer === importedBy;
  if (!isImport) report.fact("Cut", `${cut.method}, held by ${cut.freezer}, at ${cut.at}`);
  if (archive !== undefined) {
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
    report.fact("Sent", formatBytes(archive.uploadedBytes));
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
  if (volumes.length > 0) {
    report.output("volume-snapshots", JSON.stringify(volumes));
    report.fact("Volume snapshot", volumes.map(({ driver, snapshot }) => `${driver} ${snapshot}`).join(", "));
  }
  const downtime = isImport ? "no node was touched" : `downtime ${cut.downtimeSeconds} s`;
  report.headline(`Snapshot ${id} at Stacks height ${chain.stacksHeight} is published; ${downtime}.`);
}

/** In the place of a freezer's name, in the manifest of a snapshot that was an archive made elsewhere. */
export const importedBy = "import";
