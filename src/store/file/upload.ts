/**
 * An object growing inside a directory: one hidden file beside its final name, every part written at its offset, renamed
 * when all of it is on the disk. Ranges of an earlier object are copied by this process: a frame starts at any byte, so
 * its blocks can hardly ever be shared (`FICLONERANGE` wants whole blocks on both sides), and the page cache makes the
 * copy cheap.
 */
import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { throwIfAborted } from "../../domain/errors.ts";
import { Limiter } from "../../system/concurrency.ts";
import { writeFully } from "../../system/write-fully.ts";
import { ObjectChangedError, StoreError, uploadClosed } from "../errors.ts";
import { explained } from "./errors.ts";
import { etagOf, readRange, sameContents } from "./version.ts";
import type { ObjectInfo, PartPlace, Upload, UploadToken } from "../port.ts";
import { assertPartsJoin, type WrittenPart } from "../upload/upload-parts.ts";

export interface FileUploadOptions {
  readonly token: UploadToken;
  readonly temporaryPath: string;
  readonly finalPath: string;
  readonly copySource:
    { readonly file: FileHandle; readonly path: string; readonly stat: BigIntStats } | undefined;
  readonly signal: AbortSignal;
}

/** Dirty pages are pushed to the disk in the background whenever so much has come together, so the end does not stall. */
const syncEveryBytes = 128 * 1024 * 1024;

/** Takes over both file handles. */
export class FileUpload implements Upload {
  readonly token: UploadToken;
  readonly copies: Upload["copies"];
  readonly #file: FileHandle;
  readonly #options: FileUploadOptions;
  readonly #parts: WrittenPart[] = [];
  #unsyncedBytes = 0;
  /** One at a time; a failure is thrown by `complete`. */
  readonly #syncs = new Limiter({ count: 1 });
  #isSyncing = false;
  #isOpen = true;

  constructor(file: FileHandle, options: FileUploadOptions) {
    this.#file = file;
    this.#options = options;
    this.token = options.token;
    this.copies = options.copySource === undefined ? "none" : "bound";
  }

  async writePart(place: PartPlace, pieces: readonly Uint8Array[], release?: () => void): Promise<void> {
    this.#assertOpen();
    let at = place.offset;
    await explained(this.#options.finalPath, async () => {
      for (const piece of pieces) {
        await writeFully(this.#file, piece, at);
        at += piece.length;
      }
    });
    release?.();
    await this.#note(place, at - place.offset);
  }

  async copyPart(
    place: PartPlace,
    range: { readonly offset: number; readonly length: number },
  ): Promise<void> {
    this.#assertOpen();
    const { copySource, finalPath, signal } = this.#options;
    if (copySource === undefined) throw noSource(finalPath);
    let at = place.offset;
    await explained(finalPath, async () => {
      for await (const chunk of readRange(copySource.file, range.offset, range.length)) {
        throwIfAborted(signal);
        await writeFully(this.#file, chunk, at);
        at += chunk.length;
      }
    });
    if (at - place.offset !== range.length) throw tooShort(copySource.path, range);
    await this.#note(place, range.length);
  }

  async complete(): Promise<ObjectInfo> {
    this.#assertOpen();
    const { copySource, finalPath, temporaryPath } = this.#options;
    const size = assertPartsJoin(this.#parts, finalPath);
    return await explained(finalPath, async () => {
      if (copySource !== undefined) {
        const now = await copySource.file.stat({ bigint: true });
        if (!sameContents(copySource.stat, now)) throw new ObjectChangedError(copySource.path);
      }
      await this.#syncs.drain();
      await this.#file.sync();
      const stat = await this.#file.stat({ bigint: true });
      if (stat.size !== BigInt(size)) {
        throw new StoreError("STORE_MISMATCH", `${finalPath} has ${stat.size} bytes, ${size} were written.`);
      }
      const etag = await etagOf(this.#file, stat);
      await rename(temporaryPath, finalPath);
      await this.#release();
      await syncDirectory(path.dirname(finalPath));
      return { key: this.token.key, size, etag, modifiedAt: stat.mtime };
    });
  }

  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    const { temporaryPath } = this.#options;
    await explained(temporaryPath, async () => {
      await this.#release();
      await rm(temporaryPath, { force: true });
    });
  }

  #assertOpen(): void {
    throwIfAborted(this.#options.signal);
    if (!this.#isOpen) throw uploadClosed(this.#options.finalPath);
  }

  async #note(place: PartPlace, size: number): Promise<void> {
    this.#parts.push({ ...place, size });
    this.#unsyncedBytes += size;
    if (this.#unsyncedBytes < syncEveryBytes || this.#isSyncing) return;
    this.#unsyncedBytes = 0;
    this.#isSyncing = true;
    await this.#syncs.add(async () => {
      try {
        await explained(this.#options.finalPath, async () => await this.#file.datasync());
      } finally {
        this.#isSyncing = false;
      }
    });
  }

  async #release(): Promise<void> {
    this.#isOpen = false;
    await this.#syncs.idle();
    await this.#options.copySource?.file.close();
    await this.#file.close();
  }
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
