/**
 * What has come of an archive that can only be read in order, kept in a file as it comes: the next run reads it from there
 * and fetches the rest. It never takes space that unpacking needs: then it goes, what has been read of it first, and what is
 * unpacked stays.
 */
import { constants } from "node:fs";
import { open, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { describeError, hasCode, throwIfAborted } from "../../domain/errors.ts";
import { runOk } from "../../system/exec.ts";
import { nameOf } from "../../system/held-directory.ts";
import { formatBytes, spaceAt } from "../../system/space.ts";
import { writeFully } from "../../system/write-fully.ts";

const chunkBytes = 4 * 1024 ** 2;
const lookEveryBytes = 64 * 1024 ** 2;
const releaseTimeoutMs = 60_000;
const needed = "the space is needed for what is unpacked";

export interface KeptOptions {
  /** One name for one version of one archive. */
  readonly file: string;
  /** Of the whole archive. */
  readonly size: number;
  /** Bytes that have been unpacked from what was read so far. */
  readonly unpackedBytes: () => number;
  /** A sentence for people. */
  readonly onInfo: (sentence: string) => void;
  readonly signal: AbortSignal;
}

export class KeptBytes {
  readonly #options: KeptOptions;
  #handle: FileHandle | undefined;
  #length: number;
  #sinceLook = Infinity;
  /** So much of what there was at first has been read, and so much given back. */
  #readBytes = 0;
  #releasedBytes = 0;
  /** Nothing is kept any more. */
  #isGone: boolean;

  private constructor(options: KeptOptions, handle?: FileHandle, length = 0, isGone = false) {
    this.#options = options;
    this.#handle = handle;
    this.#length = length;
    this.#isGone = isGone;
  }

  /** Never fails: where nothing can be kept, that is said and nothing is. The file is made when there is something to keep. */
  static async open(options: KeptOptions): Promise<KeptBytes> {
    const { file, size, onInfo } = options;
    try {
      const handle = await openOwn(file, constants.O_RDWR);
      const length = (await handle?.stat())?.size ?? 0;
      if (handle !== undefined && length > 0 && length <= size) {
        onInfo(`Going on after ${formatBytes(length)}, which an interrupted run left in ${nameOf(file)}.`);
        return new KeptBytes(options, handle, length);
      }
      await handle?.close();
      await rm(file, { force: true });
      return new KeptBytes(options);
    } catch (error) {
      onInfo(`What comes is not kept for another run: ${describeError(error)}.`);
      return new KeptBytes(options, undefined, 0, true);
    }
  }

  /** What there was when it was opened, from the archive's first byte on; less of it where it has to go meanwhile. */
  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    const end = this.#length;
    for (let at = 0; at < end; this.#readBytes = at) {
      const handle = this.#handle;
      if (handle === undefined) return;
      const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, end - at));
      try {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
        if (bytesRead === 0) throw new RangeError(`${nameOf(this.#options.file)} became shorter`);
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      } catch (error) {
        await this.#drop(describeError(error));
        return;
      }
    }
    if (this.#releasedBytes > 0) await this.#drop(needed);
  }

  /** The next bytes of the archive. */
  async append(bytes: Uint8Array): Promise<void> {
    if (this.#isGone) return;
    try {
      const handle = (this.#handle ??= await openOwn(
        this.#options.file,
        constants.O_RDWR | constants.O_CREAT,
      ));
      if (handle === undefined) return;
      this.#sinceLook += bytes.length;
      if (this.#sinceLook >= lookEveryBytes) {
        this.#sinceLook = 0;
        if (await this.#isInTheWay()) {
          await this.#drop(needed);
          return;
        }
      }
      await writeFully(handle, bytes, this.#length);
      this.#length += bytes.length;
    } catch (error) {
      await this.#drop(describeError(error));
    }
  }

  /** True: it took space and takes less now, or none any more. */
  async makeRoom(): Promise<boolean> {
    if (await this.#release()) return true;
    const isSomething = !this.#isGone && this.#length > 0;
    await this.#drop(needed);
    return isSomething;
  }

  /** `isOfUse`: another run may go on with it. */
  async close(isOfUse: boolean): Promise<void> {
    const handle = this.#handle;
    if (handle === undefined) return;
    const { file, onInfo } = this.#options;
    this.#handle = undefined;
    await handle.close();
    if (isOfUse && this.#length > 0 && this.#releasedBytes === 0) {
      onInfo(
        `${formatBytes(this.#length)} of the archive stay in ${nameOf(file)}: run the same restore again and it goes on from there. Remove the file if you will not.`,
      );
    } else await rm(file, { force: true });
  }

  async #isInTheWay(): Promise<boolean> {
    const { file, size, unpackedBytes } = this.#options;
    const { freeBytes, totalBytes } = await spaceAt(dirname(file));
    const growth = this.#length === 0 ? 1 : Math.max(1, unpackedBytes() / this.#length);
    const reserve = Math.min(1024 ** 3, totalBytes / 100);
    return freeBytes - reserve < (size - this.#length) * growth + lookEveryBytes;
  }

  /** Gives back what has been read; what is still to be read would have to be fetched again. False: that is nothing, or cannot be done here. */
  async #release(): Promise<boolean> {
    const handle = this.#handle;
    const [from, to] = [this.#releasedBytes, this.#readBytes];
    if (handle === undefined || to === from || to === this.#length) return false;
    const { file, signal } = this.#options;
    const range = ["--offset", String(from), "--length", String(to - from)];
    try {
      // Nobody may find it any more and take the hole for the archive's beginning.
      await rm(file, { force: true });
      this.#releasedBytes = to;
      const path = `/proc/${process.pid}/fd/${handle.fd}`;
      await runOk(["fallocate", "--punch-hole", ...range, path], { signal, timeoutMs: releaseTimeoutMs });
      return true;
    } catch {
      throwIfAborted(signal);
      return false;
    }
  }

  async #drop(why: string): Promise<void> {
    if (this.#isGone) return;
    this.#isGone = true;
    const handle = this.#handle;
    this.#handle = undefined;
    const { file, onInfo } = this.#options;
    await handle?.close();
    await rm(file, { force: true }).catch((error: unknown) => {
      why += ` (and ${nameOf(file)} cannot be removed: ${describeError(error)})`;
    });
    onInfo(`What came is not kept any more: ${why}. An interrupted run has to start anew.`);
  }
}

/** A regular file of this user alone: anything else in its place is removed. Undefined: there is none, and none was to be made. */
async function openOwn(file: string, flags: number): Promise<FileHandle | undefined> {
  for (let isAgain = false; ; isAgain = true) {
    try {
      const handle = await open(file, flags | constants.O_NOFOLLOW, 0o600);
      const found = await handle.stat();
      if (found.isFile() && found.uid === process.geteuid?.() && found.nlink === 1) return handle;
      await handle.close();
    } catch (error) {
      if (hasCode(error, "ENOENT")) return undefined;
      if (isAgain || !(hasCode(error, "ELOOP") || hasCode(error, "EACCES"))) throw error;
    }
    if (isAgain) throw new RangeError(`${nameOf(file)} is in the way`);
    await rm(file, { force: true });
  }
}
