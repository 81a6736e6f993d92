/**
 * A directory as a store: a local disk, or a NAS. Objects are plain files under their keys. A file appears under its name
 * only when all of it is on the disk; until then it is a hidden file beside it. Compare-and-swap holds one lock for the
 * whole store, and the kernel frees it whatever becomes of the process.
 */
import { randomUUID } from "node:crypto";
import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { mkdir, open, rename, rm, rmdir, stat } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { hasCode, throwIfAborted } from "../errors.ts";
import { withFileLock } from "../system/file-lock.ts";
import { writeFully } from "../system/write-fully.ts";
import { collect } from "./chunks.ts";
import {
  beyondEnd,
  ObjectChangedError,
  ObjectNotFoundError,
  PreconditionFailedError,
  StoreError,
} from "./errors.ts";
import { explained, explainFileError } from "./file-errors.ts";
import { beginFileUpload, syncDirectory } from "./file-upload.ts";
import { etagOf, readRange, sameContents } from "./file-version.ts";
import { walkFiles } from "./file-walk.ts";
import { assertKey, isOwnKey } from "./keys.ts";
import type { GetOptions, ObjectInfo, ObjectStore, PutOptions, Upload, UploadToken } from "./port.ts";

const lockTimeoutMs = 60_000;
const partial = /^\.partial-([0-9a-f-]{36})-(.+)$/u;

export function openFileStore(directory: string): ObjectStore {
  const root = path.resolve(directory);
  const pathOf = (key: string): string => {
    assertKey(key);
    return path.join(root, key);
  };
  const partialPathOf = (token: UploadToken): string => {
    const target = pathOf(token.key);
    return path.join(path.dirname(target), `.partial-${token.id}-${path.basename(target)}`);
  };

  /** Device and inode of the root, once it was written to. */
  let identity: string | undefined;

  /**
   * The root is made if its parent is there, once: a NAS that is not mounted, or not any more, must not fill the disk
   * below it.
   */
  const requireRoot = async (): Promise<void> => {
    if (identity === undefined) {
      try {
        await mkdir(root);
      } catch (error) {
        if (!hasCode(error, "EEXIST")) throw error;
      }
    }
    const { dev, ino } = await stat(root);
    identity ??= `${dev}:${ino}`;
    if (identity === `${dev}:${ino}`) return;
    throw new StoreError(
      "STORE_MISMATCH",
      `${root} is not the directory any more that this run began with.`,
      {
        hint: "What was mounted there may have been unmounted: mount it again, and run this again.",
      },
    );
  };

  /** A new hidden file for `key`. Its directory may be removed by a `delete` between making and using it. */
  const createPartial = async (key: string): Promise<{ file: FileHandle; token: UploadToken }> => {
    const token = { key, id: randomUUID() };
    await requireRoot();
    for (let attempt = 1; ; attempt += 1) {
      await mkdir(path.dirname(partialPathOf(token)), { recursive: true });
      try {
        return { token, file: await open(partialPathOf(token), "wx+") };
      } catch (error) {
        if (!hasCode(error, "ENOENT") || attempt === 5) throw error;
      }
    }
  };

  const openObject = async (key: string): Promise<FileHandle | undefined> => {
    try {
      const file = await open(pathOf(key), "r");
      if ((await file.stat()).isFile()) return file;
      await file.close();
      return undefined;
    } catch (error) {
      if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return undefined;
      throw error;
    }
  };

  const head = async (key: string): Promise<ObjectInfo | undefined> => {
    const file = await openObject(key);
    if (file === undefined) return undefined;
    try {
      return (await describe(key, file)).info;
    } finally {
      await file.close();
    }
  };

  /** The object open for reading, if it is (still) the version that was asked for. */
  const openVersion = async (
    key: string,
    etag: string | undefined,
  ): Promise<Version & { readonly file: FileHandle }> => {
    const file = await openObject(key);
    if (file === undefined) throw new ObjectNotFoundError(pathOf(key));
    try {
      const version = await describe(key, file);
      if (etag !== undefined && etag !== version.info.etag) throw new ObjectChangedError(pathOf(key));
      return { file, ...version };
    } catch (error) {
      await file.close();
      throw error;
    }
  };

  const stream: ObjectStore["stream"] = (key, options) =>
    explained(pathOf(key), async () => {
      throwIfAborted(options.signal);
      const { file, info, stat } = await openVersion(key, options.ifMatch);
      return { info, chunks: chunksOf(pathOf(key), file, stat, options) };
    });

  const assertCondition = async (key: string, options: PutOptions): Promise<void> => {
    if (options.ifAbsent !== true && options.ifMatch === undefined) return;
    const now = await head(key);
    if (options.ifAbsent === true ? now !== undefined : now?.etag !== options.ifMatch) {
      throw new PreconditionFailedError(pathOf(key));
    }
  };

  const replace = async (key: string, bytes: Uint8Array, options: PutOptions): Promise<ObjectInfo> => {
    const target = pathOf(key);
    // Who has lost already need not write anything; who has not is asked again under the lock.
    await assertCondition(key, options);
    const { file, token } = await createPartial(key);
    const temporary = partialPathOf(token);
    try {
      let info: ObjectInfo;
      try {
        await writeFully(file, bytes, 0);
        await file.sync();
        info = (await describe(key, file)).info;
      } finally {
        await file.close();
      }
      throwIfAborted(options.signal);
      if (options.ifAbsent === true || options.ifMatch !== undefined) {
        const lock = path.join(root, ".lock");
        await withFileLock(lock, { timeoutMs: lockTimeoutMs, signal: options.signal }, async () => {
          await assertCondition(key, options);
          await rename(temporary, target);
        });
      } else {
        await rename(temporary, target);
      }
      await syncDirectory(path.dirname(target));
      return info;
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  };

  return {
    url: pathToFileURL(root).href,
    capabilities: { conditionalWrites: true, copyRange: true, readOnly: false },
    partLimits: {
      minPartSizeBytes: 1,
      maxPartSizeBytes: 2 ** 40,
      maxParts: 2 ** 31,
    },
    head: (key, signal) =>
      explained(pathOf(key), () => {
        throwIfAborted(signal);
        return head(key);
      }),
    stream,
    async get(key, options) {
      const { chunks, info } = await stream(key, options);
      return { bytes: await collect(chunks), info };
    },
    put: (key, bytes, options) => explained(pathOf(key), () => replace(key, bytes, options)),
    async *list(prefix, signal) {
      for await (const found of walkFiles(root, prefix, (name) => !name.startsWith("."), signal)) {
        if (!isOwnKey(found.key)) continue;
        yield { key: found.key, size: found.stat.size, modifiedAt: found.stat.mtime };
      }
    },
    delete: (key, signal) =>
      explained(pathOf(key), async () => {
        throwIfAborted(signal);
        await removeFile(pathOf(key));
        await pruneEmptyDirectories(path.dirname(pathOf(key)), root);
      }),
    openUpload: (key, options) =>
      explained(pathOf(key), async (): Promise<Upload> => {
        throwIfAborted(options.signal);
        const source =
          options.copyFrom === undefined
            ? undefined
            : await openVersion(options.copyFrom.key, options.copyFrom.etag);
        try {
          const { file, token } = await createPartial(key);
          return await beginFileUpload(file, {
            token,
            temporaryPath: partialPathOf(token),
            finalPath: pathOf(key),
            copySource:
              source === undefined ? undefined : { file: source.file, path: pathOf(source.info.key) },
            signal: options.signal,
          });
        } catch (error) {
          await source?.file.close();
          throw error;
        }
      }),
    abortUpload: (token, signal) =>
      explained(pathOf(token.key), async () => {
        throwIfAborted(signal);
        await removeFile(partialPathOf(token));
        await pruneEmptyDirectories(path.dirname(pathOf(token.key)), root);
      }),
    async *listUploads(prefix, signal) {
      const wanted = (name: string): boolean => !name.startsWith(".") || partial.test(name);
      for await (const found of walkFiles(root, "", wanted, signal)) {
        const directory = path.posix.dirname(found.key);
        const [, id, name] = partial.exec(path.posix.basename(found.key)) ?? [];
        if (id === undefined || name === undefined) continue;
        const key = directory === "." ? name : `${directory}/${name}`;
        if (key.startsWith(prefix)) yield { token: { key, id }, startedAt: found.stat.birthtime };
      }
    },
    probeWritable: (signal) =>
      explained(root, async () => {
        throwIfAborted(signal);
        const { file, token } = await createPartial("probe");
        try {
          await writeFully(file, Buffer.from("probe\n"), 0);
          await file.sync();
        } finally {
          await file.close();
          await rm(partialPathOf(token), { force: true });
        }
        await withFileLock(
          path.join(root, ".lock"),
          { timeoutMs: lockTimeoutMs, signal },
          async () => undefined,
        );
      }),
    urlOf: (key) => pathToFileURL(pathOf(key)).href,
    close: async () => undefined,
  };
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

async function removeFile(file: string): Promise<void> {
  try {
    await rm(file);
  } catch (error) {
    if (!hasCode(error, "ENOENT") && !hasCode(error, "ENOTDIR")) throw error;
  }
}

/** Keys have no directories; one that holds nothing any more is not left for people to wonder about. */
async function pruneEmptyDirectories(directory: string, root: string): Promise<void> {
  for (let at = directory; at !== root && at.startsWith(root); at = path.dirname(at)) {
    try {
      await rmdir(at);
    } catch (error) {
      if (["ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR", "EBUSY"].some((code) => hasCode(error, code))) return;
      throw error;
    }
  }
}
