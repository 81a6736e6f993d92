/**
 * An object growing inside a directory: one hidden file beside its final name, every part written at its offset, renamed
 * when all of it is on the disk. Ranges of an earlier object are copied by this process: a frame starts at any byte, so
 * its blocks can hardly ever be shared (`FICLONERANGE` wants whole blocks on both sides), and the page cache makes the
 * copy cheap.
 */
import type { FileHandle } from "node:fs/promises";
import { open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { throwIfAborted } from "../errors.ts";
import { writeFully } from "../system/write-fully.ts";
import { ObjectChangedError, StoreError, uploadClosed } from "./errors.ts";
import { explained } from "./file-errors.ts";
import { etagOf, readRange, sameContents } from "./file-version.ts";
import type { ObjectInfo, PartPlace, Upload, UploadToken } from "./port.ts";
import { assertPartsJoin, type WrittenPart } from "./upload-parts.ts";

export interface FileUploadOptions {
  readonly token: UploadToken;
  readonly temporaryPath: string;
  readonly finalPath: string;
  readonly copySource: { readonly file: FileHandle; readonly path: string } | undefined;
  readonly signal: AbortSignal;
}

/** Dirty pages are pushed to the disk in the background whenever so much has gathered, so the end does not stall. */
const syncEveryBytes = 128 * 1024 * 1024;

/** Takes over both file handles. */
export async function beginFileUpload(file: FileHandle, options: FileUploadOptions): Promise<Upload> {
  const { signal, copySource } = options;
  const sourceStat = await copySource?.file.stat({ bigint: true });
  const parts: WrittenPart[] = [];
  let unsyncedBytes = 0;
  let syncing: Promise<unknown> | undefined;
  let syncError: unknown;
  let isOpen = true;

  const release = async (): Promise<void> => {
    isOpen = false;
    await syncing;
    await copySource?.file.close();
    await file.close();
  };
  const assertOpen = (): void => {
    throwIfAborted(signal);
    if (!isOpen) throw uploadClosed(options.finalPath);
  };
  const written = (place: PartPlace, size: number): void => {
    parts.push({ ...place, size });
    unsyncedBytes += size;
    if (unsyncedBytes < syncEveryBytes || syncing !== undefined) return;
    unsyncedBytes = 0;
    syncing = file.datasync().then(
      () => (syncing = undefined),
      (error: unknown) => (syncError = error),
    );
  };

  return {
    token: options.token,
    copies: copySource === undefined ? "none" : "bound",
    async writePart(place, bytes) {
      assertOpen();
      await explained(options.finalPath, () => writeFully(file, bytes, place.offset));
      written(place, bytes.length);
    },
    async copyPart(place, range) {
      assertOpen();
      if (copySource === undefined) throw noSource(options.finalPath);
      let at = place.offset;
      await explained(options.finalPath, async () => {
        for await (const chunk of readRange(copySource.file, range.offset, range.length)) {
          throwIfAborted(signal);
          await writeFully(file, chunk, at);
          at += chunk.length;
        }
      });
      if (at - place.offset !== range.length) throw tooShort(copySource.path, range);
      written(place, range.length);
    },
    async complete() {
      assertOpen();
      const size = assertPartsJoin(parts, options.finalPath);
      return explained(options.finalPath, async (): Promise<ObjectInfo> => {
        if (copySource !== undefined && sourceStat !== undefined) {
          const now = await copySource.file.stat({ bigint: true });
          if (!sameContents(sourceStat, now)) throw new ObjectChangedError(copySource.path);
        }
        await syncing;
        if (syncError !== undefined) throw syncError;
        await file.sync();
        const stat = await file.stat({ bigint: true });
        if (stat.size !== BigInt(size)) {
          throw new StoreError(
            "STORE_MISMATCH",
            `${options.finalPath} has ${stat.size} bytes, ${size} were written.`,
          );
        }
        const etag = await etagOf(file, stat);
        await rename(options.temporaryPath, options.finalPath);
        await release();
        await syncDirectory(path.dirname(options.finalPath));
        return { key: options.token.key, size, etag, modifiedAt: stat.mtime };
      });
    },
    async abort() {
      if (!isOpen) return;
      await release();
      await explained(options.temporaryPath, () => rm(options.temporaryPath, { force: true }));
    },
  };
}

/** Makes a rename in this directory last through a power cut. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function noSource(place: string): StoreError {
  return new StoreError("STORE_UNSUPPORTED", `${place}: no object to copy from was named.`);
}

function tooShort(place: string, range: { readonly offset: number; readonly length: number }): StoreError {
  return new StoreError(
    "STORE_MISMATCH",
    `${place} ends before byte ${range.offset + range.length}, which was to be copied.`,
  );
}
