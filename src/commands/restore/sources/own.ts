/** A snapshot of our own to restore: fetched frame by frame, resumed where an interrupted run stopped. */
import { lstat, rm } from "node:fs/promises";
import { claimAllFrames } from "../../../archive/read/claim.ts";
import { unpackArchive } from "../../../archive/read/reader.ts";
import { foldWals } from "../../../chainstate/fold.ts";
import { carriedWalBytes, type Manifest } from "../../../domain/manifest.ts";
import { tryAnnounceRestore } from "../../../catalog/readers.ts";
import { hasCode } from "../../../domain/errors.ts";
import { formatBytes, percentOf } from "../../../system/space.ts";
import {
  archiveOf,
  openArchive,
  openSnapshot,
  type OpenArchive,
  type OpenRequest,
  type OpenSnapshot,
} from "../../open-snapshot.ts";
import { noteOf } from "../../../recovery/place.ts";
import type { Cacheable, FetchRequest, Kept, RestoreSource } from "./source.ts";
import type { RunContext } from "../../context.ts";
import { closeStore } from "../../with-store.ts";

export async function openOwnSource(ctx: RunContext, request: OpenRequest): Promise<RestoreSource> {
  const opened = await openSnapshot(ctx, request);
  const { manifest, store } = opened;
  if (manifest.archive === undefined) await closeStore(ctx, store);
  const { size, tarSize } = archiveOf(manifest);
  return {
    id: manifest.id,
    name: manifest.id,
    chain: manifest.chain,
    producer: manifest.node.version,
    proof: manifest.proof,
    about: `Snapshot ${manifest.id}: Stacks height ${manifest.chain.stacksHeight}, taken ${manifest.cut.at}.`,
    snapshotId: manifest.id,
    cacheable: cacheableOf(manifest),
    archiveBytes: size,
    neededBytes: tarSize,
    async fetch(request) {
      const announcement = await tryAnnounceRestore(store, manifest.id, ctx.host.runId, ctx);
      try {
        return { kept: await unpackFrom(ctx, opened, request) };
      } finally {
        await announcement?.withdraw();
      }
    },
    close: async () => await closeStore(ctx, store),
  };
}

async function unpackFrom(ctx: RunContext, opened: OpenSnapshot, request: FetchRequest): Promise<Kept> {
  const { report, signal, host } = ctx;
  const { staging, pinned, phase } = request;
  const archive = await openArchive(opened, request.scratch, signal);
  report.info(`Archive: ${archive.source.place}, ${formatBytes(archive.source.size)}.`);
  const journalFile = noteOf(host.stateDir, staging, "frames");
  if (request.claimed === true) {
    await rm(journalFile, { force: true });
    await claimAllFrames({ indexFile: archive.indexFile, expect: archive.record.index, journalFile, signal });
  }
  // One is of no use without the other.
  const isListed = await exists(journalFile);
  const stands = (await request.files.names(pinned)).length > 0;
  if (stands && !isListed) await request.files.removeTree(pinned);
  if (isListed && !stands) await rm(journalFile);
  const totalBytes = archive.record.tarSize;
  const unpacked = await unpackArchive({
    source: archive.source,
    indexFile: archive.indexFile,
    indexDigest: archive.record.index,
    target: pinned,
    owner: request.owner,
    seeds: request.seeds,
    journalFile,
    concurrency: request.concurrency,
    durable: true,
    signal,
    onProgress: ({ doneBytes }) => phase.progress({ doneBytes, totalBytes }),
  });
  await foldCarried(ctx, archive, pinned);
  phase.bytes(unpacked.contentSize);
  const { fetchedBytes, fetchedFrames, frames } = unpacked;
  const here = percentOf(archive.record.size - fetchedBytes, archive.record.size);
  report.output("fetched-bytes", String(fetchedBytes));
  report.output("reused-frames", String(frames - fetchedFrames));
  report.output("reused-percent", here);
  report.fact("Fetched", `${formatBytes(fetchedBytes)} of ${formatBytes(archive.record.size)}`);
  report.fact("Found here", `${frames - fetchedFrames} of ${frames} frames, ${here} % of the bytes`);
  return { hasDigests: true, forget: async () => await rm(journalFile, { force: true }) };
}

/** What travelled in a WAL is put into its database here, so that the node need not. */
async function foldCarried(
  { report, signal }: RunContext,
  { record }: OpenArchive,
  pinned: string,
): Promise<void> {
  const carried = (record.databases ?? []).filter((database) => database.carried !== undefined);
  if (carried.length === 0) return;
  report.info(`Folding ${formatBytes(carriedWalBytes(carried))} of WALs into ${carried.length} databases.`);
  await foldWals(
    pinned,
    carried.map(({ path }) => path),
    signal,
  );
}

function cacheableOf({ id, profile, archive }: Manifest): Cacheable | undefined {
  if (archive === undefined) return undefined;
  const key = `${id.slice(0, 120)}-${profile}-${archive.treeSha256.slice(0, 32)}`;
  return { key, archiveBytes: archive.size };
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
