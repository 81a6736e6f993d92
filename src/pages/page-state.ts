/**
 * What this host keeps of a database between two nights: 16 bytes of each page's SHA-256, one file a database. It says
 * nothing by itself: it counts only where its digest is the one that the manifest of the last snapshot has, so that a
 * state that is lost, torn, of another snapshot, or changed by anybody is none.
 */
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { pageDigestBytes } from "../archive/workers/page-digests.ts";
import { ActionError, hasCode } from "../domain/errors.ts";
import { writeFully } from "../system/write-fully.ts";

export class PageStates {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async in(directory: string): Promise<PageStates> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return new PageStates(directory);
  }

  /** Undefined where there is none of so many pages. */
  async last(path: string, pages: number): Promise<LastDigests | undefined> {
    let file: FileHandle;
    try {
      file = await open(this.#fileOf(path), "r");
    } catch (error) {
      if (hasCode(error, "ENOENT")) return undefined;
      throw error;
    }
    const { size } = await file.stat();
    if (size === pages * pageDigestBytes) return new LastDigests(file, size);
    await file.close();
    return undefined;
  }

  async next(path: string): Promise<NextDigests> {
    return new NextDigests(await open(this.#freshOf(path), "w", 0o600));
  }

  /** Only after the snapshot is published: the next digests of these databases are the last ones from now on. */
  async replace(paths: readonly string[]): Promise<void> {
    for (const path of paths) await rename(this.#freshOf(path), this.#fileOf(path));
    const kept = new Set(paths.map((path) => this.#fileOf(path)));
    for (const name of await readdir(this.#directory)) {
      const file = join(this.#directory, name);
      if (!kept.has(file)) await rm(file, { force: true });
    }
  }

  #fileOf(path: string): string {
    return join(this.#directory, `${createHash("sha256").update(path).digest("hex").slice(0, 32)}.digests`);
  }

  #freshOf(path: string): string {
    return `${this.#fileOf(path)}.new`;
  }
}

/** Read once, in order. */
export class LastDigests {
  readonly #file: FileHandle;
  readonly #size: number;
  readonly #hash: Hash = createHash("sha256");
  #at = 0;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#size = size;
  }

  /** Of the next pages, in an ArrayBuffer of their own; fewer where there were fewer. */
  async read(pages: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.min(pages * pageDigestBytes, this.#size - this.#at));
    for (let done = 0; done < bytes.length;) {
      const { bytesRead } = await this.#file.read(bytes, done, bytes.length - done, this.#at + done);
      if (bytesRead === 0)
        throw new ActionError("FILE_CHANGED", "The digests of the last snapshot's pages were cut short.");
      done += bytesRead;
    }
    this.#at += bytes.length;
    this.#hash.update(bytes);
    return bytes;
  }

  /** Of all of it; what was not read yet is. */
  async digest(): Promise<string> {
    while (this.#at < this.#size) await this.read(64 * 1024);
    return this.#hash.digest("hex");
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

export class NextDigests {
  readonly #file: FileHandle;
  readonly #hash: Hash = createHash("sha256");
  #at = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async add(digests: Uint8Array): Promise<void> {
    this.#hash.update(digests);
    await writeFully(this.#file, digests, this.#at);
    this.#at += digests.length;
  }

  digest(): string {
    return this.#hash.digest("hex");
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
