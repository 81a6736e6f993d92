/**
 * The earlier snapshot whose frames a new archive may take over: the newest one of the same network on the same store.
 * Equal digests are equal bytes, so any will do; this is only about how much is saved, and nothing here may fail a run.
 */
import type { IndexEntry } from "../../archive/format/index-format.ts";
import { openIndex, type ArchiveIndex } from "../../archive/format/index-reader.ts";
import type { BaseFrames } from "../../archive/write/segment-record.ts";
import type { KnownFrame } from "../../archive/write/writer.ts";
import type { CatalogEntry } from "../../catalog/catalog.ts";
import { listSnapshots, loadManifest } from "../../catalog/read.ts";
import { tryAnnounceRestore, type Announcement } from "../../catalog/readers.ts";
import { describeError, throwIfAborted } from "../../domain/errors.ts";
import { isBlobs } from "../../chainstate/layout.ts";
import type { DatabaseRecord } from "../../domain/manifest.ts";
import type { BaseArchive } from "../../pages/base-file.ts";
import type { ObjectStore } from "../../store/port.ts";
import { openArchive } from "../open-snapshot.ts";
import type { RunContext } from "../context.ts";
import { withScratch } from "../with-scratch.ts";

export interface BaseSnapshot extends BaseFrames, BaseArchive {
  /** Of its archive. */
  readonly key: string;
  readonly etag: string;
  sha256Of(frame: number): string;
  known(sha256: string): KnownFrame | undefined;
  /** Retention may remove it from now on. */
  withdraw(): Promise<void>;
}

/** Undefined, with the reason in the log, where there is none that can be used: then everything is sent. */
export async function tryFindBase(
  ctx: RunContext,
  store: ObjectStore,
  network: string,
): Promise<BaseSnapshot | undefined> {
  const { report } = ctx;
  if (!store.capabilities.copyRange) {
    report.info("This store cannot copy parts of an earlier archive: everything is sent.");
    return undefined;
  }
  return await withScratch(ctx, "base", async (scratch) => await tryOpenBase(ctx, store, network, scratch));
}

/** Of this network, with an archive; of this host before others. `entries`: newest first. */
export function newestToBaseOn(
  entries: readonly CatalogEntry[],
  network: string,
  hostName: string,
): CatalogEntry | undefined {
  const candidates = entries.filter((entry) => entry.network === network && entry.archive !== null);
  return candidates.find((entry) => entry.host === hostName) ?? candidates[0];
}

async function tryOpenBase(
  ctx: RunContext,
  store: ObjectStore,
  network: string,
  scratch: string,
): Promise<BaseSnapshot | undefined> {
  const { report, host, signal } = ctx;
  let announcement: Announcement | undefined;
  try {
    const chosen = newestToBaseOn(await listSnapshots(store, signal), network, host.hostName);
    if (chosen === undefined) {
      report.info("There is no earlier snapshot of this network to take frames from: everything is sent.");
      return undefined;
    }
    announcement = await tryAnnounceRestore(store, chosen.id, host.runId, ctx);
    const manifest = await loadManifest(store, chosen.id, signal);
    const { record, source, indexFile } = await openArchive({ store, manifest }, scratch, signal);
    if (source.etag === undefined) {
      report.info("This store names no versions of its objects: everything is sent.");
      await announcement?.withdraw();
      return undefined;
    }
    const index = await openIndex(indexFile, { signal, expect: record.index });
    const { frames } = index;
    const { databases = [] } = record;
    const entries = await entriesOf(index, databases, signal);
    const bySha256 = new Map<string, number>();
    for (let frame = 0; frame < frames.count; frame += 1) bySha256.set(frames.sha256Of(frame), frame);
    report.info(
      `Frames that ${chosen.id} has already are copied by the store and not sent (${frames.count} known).`,
    );
    return {
      id: chosen.id,
      key: record.key,
      etag: source.etag,
      indexSha256: record.index.sha256,
      frames: frames.count,
      databases,
      entry: (path) => entries.get(path),
      sizeOf: (frame) => frames.sizeOf(frame),
      sha256Of: (frame) => frames.sha256Of(frame),
      fetch: async (frame, until) =>
        await source.read(frames.offsetOf(frame), frames.compressedSizeOf(frame), until),
      known(sha256) {
        const frame = bySha256.get(sha256);
        if (frame === undefined) return undefined;
        return frames.at(frame);
      },
      withdraw: async () => await announcement?.withdraw(),
    };
  } catch (error) {
    throwIfAborted(signal);
    report.notice(`No earlier snapshot can be used to save sending: ${describeError(error)}`);
    await announcement?.withdraw();
    return undefined;
  }
}

/** Where `.blobs` stand in it, and the databases that were looked at page by page, and their WALs. */
async function entriesOf(
  index: ArchiveIndex,
  databases: readonly DatabaseRecord[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, IndexEntry>> {
  const paged = new Set(databases.flatMap(({ path }) => [path, `${path}-wal`]));
  const entries = new Map<string, IndexEntry>();
  for await (const batch of index.entries(signal)) {
    for (const entry of batch)
      if (paged.has(entry.path) || isBlobs(entry.path)) entries.set(entry.path, entry);
  }
  return entries;
}
