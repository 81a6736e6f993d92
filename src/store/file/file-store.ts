/**
 * A directory as a store: a local disk, or a NAS. Objects are plain files under their keys. A file appears under its name
 * only when all of it is on the disk; until then it is a hidden file beside it. Compare-and-swap holds one lock for the
 * whole store, and the kernel frees it whatever becomes of the process.
 */
import { randomUUID } from "node:crypto";
import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { mkdir, mkdtemp, open, rename, rm, rmdir, stat } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { hasCode, throwIfAborted } from "../../domain/errors.ts";
import { withFileLock } from "../../system/file-lock.ts";
import { writeFully } from "../../system/write-fully.ts";
import { getByStream } from "../chunks.ts";
import {
  beyondEnd,
  ObjectChangedError,
  ObjectNotFoundError,
  PreconditionFailedError,
  StoreError,
} from "../errors.ts";
import { explained, explainFileError } from "./errors.ts";
import { FileUpload, syncDirectory } from "./upload.ts";
import { etagOf, readRange, sameContents } from "./version.ts";
import { walkFiles } from "./walk.ts";
import { assertKey, isOwnKey } from "../keys.ts";
import type {
  GetOptions,
  ObjectInfo,
  ObjectStore,
  OpenUploadOptions,
  ProbeOptions,
  PutOptions,
  Upload,
  UploadToken,
} from "../port.ts";

const lockTimeoutMs = 60_000;
const partial = /^\.partial-([0-9a-f-]{36})-(.+)$/u;

export function openFileStore(directory: string): ObjectStore {
  return new FileStore(path.resolve(directory));
}

class FileStore implements ObjectStore {
  readonly url: string;
  readonly capabilities = { conditionalWrites: true, copyRange: true, readOnly: false };
  readonly partLimits = { minPartSizeBytes: 1, maxPartSizeBytes: 2 ** 40, maxParts: 2 ** 31 };
  readonly #root: string;
  /** Device and inode of the root, once it was written to. */
  #identity: string | undefined;

  constructor(root: string) {
    this.#root = root;
    this.url = pathToFileURL(root).href;
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    return await explained(this.#pathOf(key), async () => {
      throwIfAborted(signal);
      return await this.#head(key);
    });
  }

  async stream(
    key: string,
    options: GetOptions,
  ): Promise<{ readonly chunks: AsyncIterable<Uint8Array>; readonly info: ObjectInfo }> {
    const place = this.#pathOf(key);
    return await explained(place, async () => {
      throwIfAborted(options.signal);
      const { file, info, stat } = await this.#openVersion(key, options.ifMatch);
      return { info, chunks: chunksOf(place, file, stat, options) };
    });
  }

  async get(
    key: string,
    options: GetOptions,
  ): Promise<{ readonly bytes: Uint8Array; readonly info: ObjectInfo }> {
    return await getByStream(this, key, options);
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions): Promise<ObjectInfo> {
    return await explained(this.#pathOf(key), async () => {
      // Who has lost already need not write anything; who has not is asked again under the lock.
      await this.#assertCondition(key, options);
      const { file, token } = await this.#createPartial(key);
      const temporary = this.#partialPathOf(token);
      try {
        const info = await writeAll(key, file, bytes);
        throwIfAborted(options.signal);
        await this.#moveIn(key, temporary, options);
        return info;
      } catch (error) {
        await removeQuietly(temporary);
        throw error;
      }
    });
  }

  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<ObjectInfo, void, undefined> {
    await this.#requireRoot();
    for await (const found of walkFiles(this.#root, prefix, (name) => !name.startsWith("."), signal)) {
      if (!isOwnKey(found.key)) continue;
      yield { key: found.key, size: found.stat.size, modifiedAt: found.stat.mtime };
    }
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    await this.#remove(this.#pathOf(key), signal);
  }

  async openUpload(key: string, options: OpenUploadOptions): Promise<Upload> {
    const finalPath = this.#pathOf(key);
    return await explained(finalPath, async () => {
      const { copyFrom, signal } = options;
      throwIfAborted(signal);
      const source =
        copyFrom === undefined ? undefined : await this.#openVersion(copyFrom.key, copyFrom.etag);
      try {
        const { file, token } = await this.#createPartial(key);
        return new FileUpload(file, {
          token,
          temporaryPath: this.#partialPathOf(token),
          finalPath,
          copySource: source === undefined ? undefined : { ...source, path: this.#pathOf(source.info.key) },
          signal,
        });
      } catch (error) {
        await source?.file.close();
        throw error;
      }
    });
  }

  async abortUpload(token: UploadToken, signal: AbortSignal): Promise<void> {
    await this.#remove(this.#partialPathOf(token), signal);
  }

  async *listUploads(
    prefix: string,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly token: UploadToken; readonly startedAt: Date }, void, undefined> {
    await this.#requireRoot();
    const wanted = (name: string): boolean => !name.startsWith(".") || partial.test(name);
    for await (const found of walkFiles(this.#root, "", wanted, signal)) {
      const directory = path.posix.dirname(found.key);
      const [, id, name] = partial.exec(path.posix.basename(found.key)) ?? [];
      if (id === undefined || name === undefined) continue;
      const key = directory === "." ? name : `${directory}/${name}`;
      if (key.startsWith(prefix)) yield { token: { key, id }, startedAt: found.stat.birthtime };
    }
  }

  async probeWritable(signal: AbortSignal, { dryRun = false }: ProbeOptions = {}): Promise<void> {
    await explained(this.#root, async () => {
      throwIfAborted(signal);
      if (dryRun && !(await isThere(this.#root))) {
        // It would be made by the run itself: what is asked is whether it could be.
        await rmdir(await mkdtemp(path.join(path.dirname(this.#root), ".probe-")));
        return;
      }
      const { file, token } = await this.#createPartial("probe");
      const probe = this.#partialPathOf(token);
      try {
        await writeAll("probe", file, Buffer.from("probe\n"));
        // Locks the probe's own file: the store's lock is made by the first change.
        await withFileLock(probe, { timeoutMs: lockTimeoutMs, signal }, async () => undefined);
      } finally {
        await removeQuietly(probe);
      }
    });
  }

  urlOf(key: string): string {
    return pathToFileURL(this.#pathOf(key)).href;
  }

  async close(): Promise<void> {
    // Nothing is kept open between calls.
  }

  #pathOf(key: string): string {
    assertKey(key);
    return path.join(this.#root, key);
  }

  #partialPathOf({ key, id }: UploadToken): string {
    const target = this.#pathOf(key);
    return path.join(path.dirname(target), `.partial-${id}-${path.basename(target)}`);
  }

  /** A directory that is not there, or not mounted, is no empty store. */
  async #requireRoot(): Promise<void> {
    await explained(this.#root, async () => {
      const found = await stat(this.#root);
      if (found.isDirectory()) return;
      throw Object.assign(new Error("not a directory"), { code: "ENOTDIR" });
    });
  }

  /**
   * The root is made if its parent is there, once: a NAS that is not mounted, or not any more, must not fill the disk
   * below it. Returns its permissions: who may read what is in a store is said by its directory (and the umask).
   */
  async #makeRoot(): Promise<number> {
    if (this.#identity === undefined) {
      try {
        await mkdir(this.#root, { mode: 0o750 });
      } catch (error) {
        if (!hasCode(error, "EEXIST")) throw error;
      }
    }
    const { dev, ino, mode } = await stat(this.#root);
    this.#identity ??= `${dev}:${ino}`;
    if (this.#identity === `${dev}:${ino}`) return mode & 0o777;
    throw new StoreError(
      "STORE_MISMATCH",
      `${this.#root} is not the directory any more that this run began with.`,
      { hint: "What was mounted there may have been unmounted: mount it again, and run this again." },
    );
  }

  /** A new hidden file for `key`. Its directory may be removed by a `delete` between making and using it. */
  async #createPartial(key: string): Promise<{ file: FileHandle; token: UploadToken }> {
    const token = { key, id: randomUUID() };
    const mode = await this.#makeRoot();
    for (let attempt = 1; ; attempt += 1) {
      await mkdir(path.dirname(this.#partialPathOf(token)), { recursive: true, mode });
      try {
        return { token, file: await open(this.#partialPathOf(token), "wx+", mode & 0o666) };
      } catch (error) {
        if (!hasCode(error, "ENOENT") || attempt === 5) throw error;
      }
    }
  }

  async #openObject(key: string): Promise<FileHandle | undefined> {
    try {
      const file = await open(this.#pathOf(key), "r");
      if ((await file.stat()).isFile()) return file;
      await file.close();
      return undefined;
    } catch (error) {
      if (!hasCode(error, "ENOENT") && !hasCode(error, "ENOTDIR")) throw error;
      await this.#requireRoot();
      return undefined;
    }
  }

  async #head(key: string): Promise<ObjectInfo | undefined> {
    const file = await this.#openObject(key);
    if (file === undefined) return undefined;
    try {
      return (await describe(key, file)).info;
    } finally {
      await file.close();
    }
  }

  /** The object open for reading, if it is (still) the version that was asked for. */
  async #openVersion(
    key: string,
    etag: string | undefined,
  ): Promise<Version & { readonly file: FileHandle }> {
    const place = this.#pathOf(key);
    const file = await this.#openObject(key);
    if (file === undefined) throw new ObjectNotFoundError(place);
    try {
      const version = await describe(key, file);
      if (etag !== undefined && etag !== version.info.etag) throw new ObjectChangedError(place);
      return { file, ...version };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async #assertCondition(key: string, options: PutOptions): Promise<void> {
    if (!isConditional(options)) return;
    await this.#makeRoot();
    const now = await this.#head(key);
    if (options.ifAbsent === true ? now !== undefined : now?.etag !== options.ifMatch) {
      throw new PreconditionFailedError(this.#pathOf(key));
    }
  }

  async #moveIn(key: string, temporary: string, options: PutOptions): Promise<void> {
    const target = this.#pathOf(key);
    if (isConditional(options)) {
      const lock = path.join(this.#root, ".lock");
      await withFileLock(lock, { timeoutMs: lockTimeoutMs, signal: options.signal }, async () => {
        await this.#assertCondition(key, options);
        await rename(temporary, target);
      });
    } else {
      await rename(temporary, target);
    }
    await syncDirectory(path.dirname(target));
  }

  async #remove(file: string, signal: AbortSignal): Promise<void> {
    await explained(file, async () => {
      throwIfAborted(signal);
      try {
        await rm(file);
      } catch (error) {
        if (!hasCode(error, "ENOENT") && !hasCode(error, "ENOTDIR")) throw error;
      }
      await pruneEmptyDirectories(path.dirname(file), this.#root);
    });
  }
}

function isConditional({ ifAbsent, ifMatch }: PutOptions): boolean {
  return ifAbsent === true || ifMatch !== undefined;
}

async function isThere(directory: string): Promise<boolean> {
  try {
    await stat(directory);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}

/** To the disk, and closes it. */
async function writeAll(key: string, file: FileHandle, bytes: Uint8Array): Promise<ObjectInfo> {
  try {
    await writeFully(file, bytes, 0);
    await file.sync();
    return (await describe(key, file)).info;
  } finally {
    await file.close();
  }
}

/** After a failure that says more: what stays is hidden, and `prune` finds it. */
export async function removeQuietly(file: string): Promise<void> {
  await rm(file, { force: true }).catch(() => undefined);
}

interface Version {
  readonly stat: BigIntStats;
  readonly info: ObjectInfo & { readonly etag: string };
}

async function describe(key: string, file: FileHandle): Promise<Version> {
  const stat = await file.stat({ bigint: true });
  const etag = await etagOf(file, stat);
  return { stat, info: { key, size: Number(stat.size), etag, modifiedAt: stat.mtime } };
}

/** Closes the file when it was read to its end, left early, or failed. */
async function* chunksOf(
  place: string,
  file: FileHandle,
  before: BigIntStats,
  { range, signal }: GetOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const wanted = range ?? { offset: 0, length: Number(before.size) };
  let rest = wanted.length;
  try {
    for await (const chunk of readRange(file, wanted.offset, wanted.length)) {
      throwIfAborted(signal);
      rest -= chunk.length;
      yield chunk;
    }
    if (!sameContents(before, await file.stat({ bigint: true }))) throw new ObjectChangedError(place);
    if (rest > 0) throw beyondEnd(place, wanted, Number(before.size));
  } catch (error) {
    throw explainFileError(error, place);
  } finally {
    await file.close();
  }
}

const harmless = ["ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR", "EBUSY"] as const;

/** Keys have no directories; one that holds nothing any more is not left for people to wonder about. */
async function pruneEmptyDirectories(directory: string, root: string): Promise<void> {
  for (let at = directory; at !== root && at.startsWith(root); at = path.dirname(at)) {
    try {
      await rmdir(at);
    } catch (error) {
      if (harmless.some((code) => hasCode(error, code))) return;
      throw error;
    }
  }
}
