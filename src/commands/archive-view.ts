/**
 * From a view to an archive that stands in the store: written in parallel, sent in parts without a copy on local disk,
 * looked at again when it is there. An upload that fails leaves nothing behind.
 */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import type { SegmentRecord } from "../archive/segment-record.ts";
import { writeArchive, type WrittenArchive } from "../archive/writer.ts";
import { decompressFrame } from "../archive/zstd-frame.ts";
import { checksumFile } from "../catalog/checksum-file.ts";
import { archiveName, snapshotFolder } from "../catalog/ids.ts";
import type { ArchiveRecord } from "../catalog/manifest.ts";
import type { SnapshotConfig } from "../config.ts";
import { ActionError } from "../errors.ts";
import type { FreezeRequest, FrozenView } from "../freeze/port.ts";
import type { Journal } from "../recovery/journal.ts";
import { openPartSink } from "../store/part-sink.ts";
import { openFrameSource } from "../store/frame-source.ts";
import { verifySeams, type Seam } from "../store/seams.ts";
import { uploadFile } from "../store/upload-file.ts";
import type { ObjectStore, Upload } from "../store/port.ts";
import { limitRate } from "../system/rate-limit.ts";
import type { BaseSnapshot } from "./base-snapshot.ts";
import type { Rooms } from "./rooms.ts";

export interface StoredArchive {
  readonly id: string;
  readonly record: ArchiveRecord;
  /** Local copy of the index, for the proof; in the run's scratch directory. */
  readonly indexFile: string;
}

export interface ArchiveRequest {
  readonly config: Pick<SnapshotConfig, "storage" | "compressionLevel" | "concurrency" | "rateLimits">;
  readonly rooms: Rooms;
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
export interface ExpectedArchive {
  readonly entries: number;
  readonly contentBytes: number;
}

/** Walks the directory as the archive will, reading nothing. */
export async function measure(
  rooms: Rooms,
  { chainstateDir, selection, signal }: Pick<FreezeRequest, "chainstateDir" | "selection" | "signal">,
): Promise<ExpectedArchive> {
  const view = await rooms.viewOf(chainstateDir, selection);
  let entries = 0;
  let contentBytes = 0;
  for await (const { size } of view.entries(signal)) {
    entries += 1;
    contentBytes += size;
  }
  return { entries, contentBytes };
}

/** What a node may add between the count and the cut, and what headers and incompressible frames may cost. */
function upperBound({ entries, contentBytes }: ExpectedArchive): number {
  return Math.ceil(contentBytes * 1.05) + entries * 1536 + 1024 ** 3;
}

/** Writes archive, index and checksum file; what makes them a snapshot, the manifest, comes later. */
export async function archiveView(request: ArchiveRequest, subject: ArchiveSubject): Promise<StoredArchive> {
  const { rooms, store } = request;
  const { rootName, signal } = subject;
  const { id, at } = subject.claimed;
  const key = `${snapshotFolder(id)}/${archiveName(rootName, subject.nodeVersion ?? "unknown", at)}`;
  const indexKey = `${snapshotFolder(id)}/index.json.zst`;
  const indexFile = join(rooms.host.tempDir, `${id}.index.json.zst`);
  const written = await send(request, subject, { key, indexFile });
  await uploadFile(store, indexKey, indexFile, { signal, contentType: "application/zstd" });
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
  { config, rooms, journal, store }: ArchiveRequest,
  { frozen, rootName, expected, base, segments, signal }: ArchiveSubject,
  target: { readonly key: string; readonly indexFile: string },
): Promise<WrittenArchive> {
  return await rooms.report.phase("archive", "Archive to the store", async (phase) => {
    rooms.report.info(`To ${store.urlOf(target.key)}`);
    const upload = await store.openUpload(target.key, {
      contentType: "application/zstd",
      ...(base === undefined ? {} : { copyFrom: { key: base.key, etag: base.etag } }),
      signal,
    });
    await noteUpload(journal, config.storage, upload);
    const { readBytesPerSecond, sendBytesPerSecond } = config.rateLimits;
    const sink = openPartSink({
      upload,
      ...(sendBytesPerSecond === undefined ? {} : { rate: limitRate(sendBytesPerSecond) }),
      limits: store.partLimits,
      expectedSizeBytes: upperBound(expected),
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
        await checkSeams(store, target.key, sink.result().seams, written, signal);
      phase.bytes(written.tarSize);
      for (const [reason, count] of skipped) rooms.report.info(`Left out (${reason}): ${count}`);
      return written;
    } catch (error) {
      await upload.abort();
      await forgetUpload(journal, upload);
      throw error;
    }
  });
}

/** The store did not bind its copies to the version they were asked of: where parts meet, the frames are read back. */
async function checkSeams(
  store: ObjectStore,
  key: string,
  seams: readonly Seam[],
  written: WrittenArchive,
  signal: AbortSignal,
): Promise<void> {
  const source = await openFrameSource(store, key, signal);
  const check = async (ordinal: number, bytes: Uint8Array): Promise<void> => {
    const { size, sha256 } = written.frameAt(ordinal);
    if (createHash("sha256").update(decompressFrame(bytes, size)).digest("hex") === sha256) return;
    throw new ActionError("COPIED_WRONGLY", `${source.url}: the store copied frame ${ordinal} wrongly.`, {
      hint: "Nothing was published. The earlier snapshot may be damaged: verify it, and prune it if it is.",
    });
  };
  await verifySeams(source, seams, check, { concurrency: 4, signal });
}

/** What was sent is looked at as a stranger would find it. */
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
