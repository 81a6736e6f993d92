/**
 * From a view to an archive that stands in the store: written in parallel, sent in parts without a copy on local disk,
 * looked at again when it is there. An upload that fails leaves nothing behind.
 */
import { hash } from "node:crypto";
import { basename, join } from "node:path";
import type { SegmentRecord } from "../../archive/write/segment-record.ts";
import { writeArchive, type WrittenArchive } from "../../archive/write/writer.ts";
import { checksumFile } from "../../catalog/checksum-file.ts";
import { archiveName, snapshotFolder } from "../../catalog/ids.ts";
import type { ArchiveRecord } from "../../domain/manifest.ts";
import type { SnapshotConfig } from "../../config/config.ts";
import { ActionError } from "../../domain/errors.ts";
import type { FrozenView, Survey } from "../../freeze/port.ts";
import type { Journal } from "../../recovery/journal.ts";
import { PartSink } from "../../store/upload/part-sink.ts";
import { openFrameSource } from "../../store/frame-source.ts";
import { verifyBoundaries, type PartBoundary } from "../../store/upload/part-boundaries.ts";
import { uploadFile } from "../../store/upload/upload-file.ts";
import type { ObjectStore, PartLimits, Upload } from "../../store/port.ts";
import { bestEffort } from "../../system/best-effort.ts";
import { limitRate } from "../../system/rate-limit.ts";
import type { BaseSnapshot } from "./base.ts";
import type { RunContext } from "../context.ts";

export interface StoredArchive {
  readonly id: string;
  readonly record: ArchiveRecord;
  /** Local copy of the index, for its verification; in the run's scratch directory. */
  readonly indexFile: string;
}

export interface ArchiveRequest {
  readonly config: Pick<SnapshotConfig, "storage" | "compressionLevel" | "concurrency" | "rateLimits">;
  readonly ctx: RunContext;
  readonly journal: Journal;
  readonly store: ObjectStore;
}

export interface ArchiveSubject {
  readonly frozen: FrozenView;
  /** The directory that the archive unpacks to. */
  readonly rootName: string;
  /** Of the node that wrote the chainstate, fit for a file name. */
  readonly nodeVersion: string | undefined;
  readonly expected: ExpectedArchive;
  /** Whose frames are taken over where they are the same. */
  readonly base: BaseSnapshot | undefined;
  /** What need not be read, and what the next run need not. */
  readonly segments?: SegmentRecord | undefined;
  /** From `claimSnapshotId`: the snapshot's id, and the time it was made with. */
  readonly claimed: { readonly id: string; readonly at: Date };
  readonly signal: AbortSignal;
}

/** How large the archive may become: counted before the node is stopped, so a little less than it will be. */
export interface ExpectedArchive extends Pick<Survey, "entries" | "contentBytes"> {
  /** Of WALs that are made on the way, at most. */
  readonly walBytes?: number;
}

/**
 * By which parts are planned. A chainstate comes to less than a third (mainnet: 672 GiB to 208), and of ten thousand parts enough are left
 * to grow that what does not compress at all fits too. Planned by its content a part of mainnet would be 120 MB, and only one at a
 * time have space in memory. A thousand parts are planned by the content.
 */
function expectedBytes(
  { entries, contentBytes, walBytes = 0 }: ExpectedArchive,
  { maxParts }: PartLimits,
): number {
  const share = maxParts >= 10_000 ? 0.4 : 1.05;
  // What a node may add between the count and the cut, and what headers may cost.
  return Math.ceil((contentBytes + walBytes) * share) + entries * 1536 + 1024 ** 3;
}

/** Writes archive, index and checksum file; what makes them a snapshot, the manifest, comes later. */
export async function archiveView(request: ArchiveRequest, subject: ArchiveSubject): Promise<StoredArchive> {
  const { ctx, store } = request;
  const { rootName, signal } = subject;
  const { id, at } = subject.claimed;
  const key = `${snapshotFolder(id)}/${archiveName(rootName, subject.nodeVersion ?? "unknown", at)}`;
  const indexKey = `${snapshotFolder(id)}/index.json.zst`;
  const indexFile = join(ctx.host.tempDir, `${id}.index.json.zst`);
  const written = await send(request, subject, { key, indexFile });
  await whileOpening(request, indexKey, () =>
    uploadFile(store, indexKey, indexFile, { signal, contentType: "application/zstd" }),
  );
  const { sha256 } = written;
  if (sha256 !== undefined) {
    const text = checksumFile(sha256, basename(key));
    await store.put(`${key}.sha256`, Buffer.from(text), { signal, contentType: "text/plain" });
  }
  return {
    id,
    indexFile,
    record: {
      key,
      size: written.size,
      ...(sha256 === undefined ? {} : { sha256 }),
      tarSize: written.tarSize,
      frames: written.frames,
      files: written.files,
      treeSha256: written.treeSha256,
      index: { key: indexKey, ...written.index },
      ...(subject.base === undefined || written.reused.frames === 0
        ? {}
        : { reused: { from: subject.base.id, ...written.reused } }),
      uploadedBytes: written.uploadedBytes,
    },
  };
}

async function send(
  request: ArchiveRequest,
  { frozen, rootName, expected, base, segments, signal }: ArchiveSubject,
  target: { readonly key: string; readonly indexFile: string },
): Promise<WrittenArchive> {
  const { config, ctx, journal, store } = request;
  return await ctx.report.phase("archive", "Archive to the store", async (phase) => {
    ctx.report.info(`To ${store.urlOf(target.key)}`);
    const upload = await openNoted(request, target.key, base, signal);
    const { readBytesPerSecond, sendBytesPerSecond } = config.rateLimits;
    const sink = new PartSink({
      upload,
      ...(sendBytesPerSecond === undefined ? {} : { rate: limitRate(sendBytesPerSecond) }),
      limits: store.partLimits,
      expectedSizeBytes: expectedBytes(expected, store.partLimits),
      signal,
    });
    try {
      const skipped = new Map<string, number>();
      frozen.view.onSkipped = ({ reason }) => void skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
      const written = await writeArchive({
        view: frozen.view,
        rootName,
        sink,
        indexFile: target.indexFile,
        level: config.compressionLevel,
        concurrency: config.concurrency,
        // Beside a node that runs on, the archive steps back.
        gentle: frozen.method !== "cold",
        ...(readBytesPerSecond === undefined ? {} : { readRate: limitRate(readBytesPerSecond) }),
        ...(base === undefined ? {} : { known: (sha256: string) => base.known(sha256) }),
        ...(segments === undefined ? {} : { digests: segments }),
        signal,
        onProgress: ({ doneBytes }) =>
          phase.progress({ doneBytes, totalBytes: Math.max(doneBytes, expected.contentBytes) }),
      });
      const stored = await upload.complete();
      await forgetUpload(journal, upload);
      await requireStored(store, target.key, written.size, stored.etag, signal);
      if (upload.copies === "unbound")
        await checkBoundaries(store, target.key, sink.result().boundaries, written, signal);
      phase.bytes(written.tarSize);
      for (const [reason, count] of skipped) ctx.report.info(`Left out (${reason}): ${count}`);
      return written;
    } catch (error) {
      await bestEffort(ctx.report, `take back the upload of ${target.key}`, async () => {
        await upload.abort();
        await forgetUpload(journal, upload);
      });
      throw error;
    }
  });
}

/** The store did not bind its copies to the version they were asked of: where parts meet, the frames are read back. */
async function checkBoundaries(
  store: ObjectStore,
  key: string,
  boundaries: readonly PartBoundary[],
  written: WrittenArchive,
  signal: AbortSignal,
): Promise<void> {
  const source = await openFrameSource(store, key, signal);
  const check = async (ordinal: number, bytes: Uint8Array): Promise<void> => {
    if (hash("sha256", bytes, "hex") === written.frameAt(ordinal).compressedSha256) return;
    throw new ActionError("COPIED_WRONGLY", `${source.url}: the store copied frame ${ordinal} wrongly.`, {
      hint: "Nothing was published. The earlier snapshot may be damaged: verify it, and prune it if it is.",
    });
  };
  await verifyBoundaries(source, boundaries, check, { concurrency: 4, signal });
}

/** What was sent is looked at as anybody else would find it. */
async function requireStored(
  store: ObjectStore,
  key: string,
  size: number,
  etag: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const found = await store.head(key, signal);
  if (found?.size === size && (etag === undefined || found.etag === undefined || etag === found.etag)) return;
  throw new ActionError(
    "STORED_DIFFERS",
    `${store.urlOf(key)} was sent with ${size} bytes and is found with ${found?.size ?? "none"}.`,
    { hint: "Nothing was published. See whether something else writes to that prefix, and run this again." },
  );
}

/** An answer that is lost leaves an upload that nobody knows by its id: then it is found by its key. */
async function whileOpening<T>(
  { config, journal }: ArchiveRequest,
  key: string,
  work: () => Promise<T>,
): Promise<T> {
  const entry = { location: config.storage, key };
  await journal.update((now) => ({ ...now, opening: [...now.opening, entry] }));
  const result = await work();
  await journal.update((now) => ({ ...now, opening: now.opening.filter((each) => each !== entry) }));
  return result;
}

async function openNoted(
  request: ArchiveRequest,
  key: string,
  base: BaseSnapshot | undefined,
  signal: AbortSignal,
): Promise<Upload> {
  return await whileOpening(request, key, async () => {
    const opened = await request.store.openUpload(key, {
      contentType: "application/zstd",
      ...(base === undefined ? {} : { copyFrom: { key: base.key, etag: base.etag } }),
      signal,
    });
    await noteUpload(request.journal, request.config.storage, opened);
    return opened;
  });
}

async function noteUpload(
  journal: Journal,
  location: SnapshotConfig["storage"],
  { token }: Upload,
): Promise<void> {
  await journal.update((now) => ({ ...now, uploads: [...now.uploads, { location, ...token }] }));
}

async function forgetUpload(journal: Journal, { token }: Upload): Promise<void> {
  await journal.update((now) => ({ ...now, uploads: now.uploads.filter(({ id }) => id !== token.id) }));
}
