/** A snapshot of our own to restore: fetched frame by frame, resumed where an interrupted run stopped. */
import { createHash } from "node:crypto";
import { lstat, rm } from "node:fs/promises";
import { join } from "node:path";
import { claimAllFrames } from "../archive/claim.ts";
import { unpackArchive } from "../archive/reader.ts";
import type { Manifest } from "../catalog/manifest.ts";
import { tryAnnounceRestore } from "../catalog/readers.ts";
import type { SnapshotSelector, StorageLocation } from "../config.ts";
import { hasCode } from "../errors.ts";
import { formatBytes, percentOf } from "../system/space.ts";
import { archiveOf, openArchive, openSnapshot, type OpenSnapshot } from "./open-snapshot.ts";
import type { RestoreSource, UnpackRequest } from "./restore-source.ts";
import type { Rooms } from "./rooms.ts";

export async function openOwnSource(
  rooms: Rooms,
  storage: StorageLocation,
  selector: SnapshotSelector,
): Promise<RestoreSource> {
  const opened = await openSnapshot(rooms, storage, selector);
  const { manifest, store } = opened;
  if (manifest.archive === undefined) await store.close();
  const { tarSize } = archiveOf(manifest);
  return {
    id: manifest.id,
    name: manifest.id,
    chain: manifest.chain,
    ...cacheableOf(manifest),
    neededBytes: tarSize,
    introduce() {
      const { chain, cut } = manifest;
      rooms.report.info(`Snapshot ${manifest.id}: Stacks height ${chain.stacksHeight}, taken ${cut.at}.`);
      rooms.report.output("snapshot-id", manifest.id);
    },
    async unpack(request) {
      const { signal, host, clock } = rooms;
      const announcement = await tryAnnounceRestore(store, manifest.id, host.runId, clock, signal);
      try {
        await unpackFrom(rooms, opened, request);
      } finally {
        await announcement?.withdraw(AbortSignal.timeout(10_000));
      }
    },
    close: async () => await store.close(),
  };
}

async function unpackFrom(rooms: Rooms, opened: OpenSnapshot, request: UnpackRequest): Promise<void> {
  const { report, signal, host } = rooms;
  const { staging, phase } = request;
  const archive = await openArchive(opened, request.scratch, signal);
  const journalFile = join(host.stateDir, `unpack-${sha256(staging).slice(0, 16)}.frames`);
  if (request.claimed === true) {
    await rm(journalFile, { force: true });
    await claimAllFrames({ indexFile: archive.indexFile, expect: archive.record.index, journalFile, signal });
  }
  // Without its list of frames what stands there is of no use: a run ended between the unpacking and the swap.
  const isOfNoUse = !(await exists(journalFile)) && (await request.files.names(staging)).length > 0;
  if (isOfNoUse) await request.files.removeTree(staging);
  const totalBytes = archive.record.tarSize;
  const unpacked = await unpackArchive({
    source: archive.source,
    indexFile: archive.indexFile,
    indexDigest: archive.record.index,
    target: staging,
    owner: request.owner,
    seeds: request.seeds,
    journalFile,
    concurrency: request.concurrency,
    durable: true,
    signal,
    onProgress: ({ doneBytes }) => phase.progress({ doneBytes, totalBytes }),
  });
  await rm(journalFile, { force: true });
  phase.bytes(unpacked.contentSize);
  const { fetchedBytes, fetchedFrames, frames } = unpacked;
  const here = percentOf(archive.record.size - fetchedBytes, archive.record.size);
  report.output("fetched-bytes", String(fetchedBytes));
  report.output("reused-frames", String(frames - fetchedFrames));
  report.output("reused-percent", here);
  report.fact("Fetched", `${formatBytes(fetchedBytes)} of ${formatBytes(archive.record.size)}`);
  report.fact("Found here", `${frames - fetchedFrames} of ${frames} frames, ${here} % of the bytes`);
}

function cacheableOf({ id, profile, archive }: Manifest): Pick<RestoreSource, "cacheable"> {
  if (archive === undefined) return {};
  const key = `${id.slice(0, 120)}-${profile}-${archive.treeSha256.slice(0, 32)}`;
  return { cacheable: { key, archiveBytes: archive.size, entries: archive.files } };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}
