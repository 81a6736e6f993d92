/** A published snapshot, opened for reading: its manifest, its index on local disk, its archive at random access. */
import type { SnapshotSelector } from "../domain/options.ts";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { SpaceWatch } from "../archive/space-watch.ts";
import { formatBytes } from "../system/space.ts";
import type { ArchiveRecord, Manifest } from "../domain/manifest.ts";
import { resolveSnapshot } from "../catalog/read.ts";
import { ActionError } from "../domain/errors.ts";
import { openFrameSource, type StoredSource } from "../store/frame-source.ts";
import type { ObjectStore } from "../store/port.ts";
import type { RunContext } from "./context.ts";
import { describeSigner, requireAge } from "./manifest-trust.ts";
import { closeStore, openCheckedStore, type StorageAccess } from "./with-store.ts";

export interface OpenSnapshot {
  readonly store: ObjectStore;
  readonly manifest: Manifest;
}

export interface OpenRequest extends StorageAccess {
  readonly snapshot: SnapshotSelector;
  /** SHA-256 of the manifest, hex. */
  readonly expectDigest?: string | undefined;
  /** From the cut to now. */
  readonly maxAgeMs?: number | undefined;
}

/** Says whose signature the manifest has. Errors as `resolveSnapshot`, and SNAPSHOT_TOO_OLD. */
export async function openSnapshot(
  ctx: RunContext,
  { snapshot, expectDigest, maxAgeMs, ...access }: OpenRequest,
): Promise<OpenSnapshot> {
  const { clock, report, signal } = ctx;
  const { store, signerOf } = await openCheckedStore(ctx, access);
  try {
    const manifest = await resolveSnapshot(store, snapshot, signal, clock, expectDigest);
    requireAge(manifest, maxAgeMs, clock.now());
    report.fact("Storage", store.url);
    report.fact("Taken at", manifest.cut.at);
    const signer = signerOf(manifest.id);
    if (signer !== undefined) report.fact("Signed by", describeSigner(signer));
    return { store, manifest };
  } catch (error) {
    await closeStore(ctx, store);
    throw error;
  }
}

export interface OpenArchive {
  readonly record: ArchiveRecord;
  readonly source: StoredSource;
  /** Local copy, with the size and digest the manifest wants. */
  readonly indexFile: string;
}

/** Of four million entries it has less. */
const mostIndexBytes = 1024 ** 3;

/**
 * Fetches the index into `directory` and opens the archive, which must have the size the manifest gives. INDEX_INVALID for one larger
 * than any, SPACE_MISSING.
 */
export async function openArchive(
  { store, manifest }: OpenSnapshot,
  directory: string,
  signal: AbortSignal,
): Promise<OpenArchive> {
  const record = archiveOf(manifest);
  const indexFile = join(directory, "index.json.zst");
  if (record.index.size > mostIndexBytes) {
    throw new ActionError(
      "INDEX_INVALID",
      `${store.urlOf(record.index.key)} has ${formatBytes(record.index.size)}, more than any index.`,
    );
  }
  await new SpaceWatch(directory).claim("index.json.zst", record.index.size);
  const { chunks, info } = await store.stream(record.index.key, { signal });
  if (info.size !== record.index.size)
    throw differs(store.urlOf(record.index.key), record.index.size, info.size);
  await pipeline(chunks, createWriteStream(indexFile), { signal });
  const source = await openFrameSource(store, record.key, signal);
  if (source.size !== record.size) throw differs(source.url, record.size, source.size);
  return { record, source, indexFile };
}

/** NO_ARCHIVE where it has none. */
export function archiveOf({ id, archive }: Manifest): ArchiveRecord {
  if (archive !== undefined) return archive;
  throw new ActionError("NO_ARCHIVE", `Snapshot ${id} is a volume snapshot and has no archive.`, {
    hint: "Set `method: volume`, or choose another snapshot.",
  });
}

function differs(url: string, expected: number, found: number): ActionError {
  return new ActionError(
    "SNAPSHOT_DAMAGED",
    `${url} has ${found} bytes where the manifest says ${expected}.`,
    {
      hint: "The snapshot is damaged or was changed after it was published. Choose another one.",
    },
  );
}
