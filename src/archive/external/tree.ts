/**
 * Writes the entries of an archive made elsewhere below one directory and nowhere else. The directory is ours alone and
 * nothing in it is ever replaced: a name that is there twice is refused, and so is one below anything but a real directory,
 * so no link of the archive is ever followed.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { ActionError, hasCode } from "../../domain/errors.ts";
import { encodePath, fsPath } from "../../system/path-bytes.ts";
import { isPlainPath, parentOf, symlinkStaysInside } from "../format/entry-paths.ts";
import type { ExternalBudget } from "./limits.ts";
import type { ExternalEntry, TarEvent } from "./tar.ts";
import { ownerFor, permissionBits, writeFailed } from "../workers/frame-placer.ts";
import type { LateAttributes } from "../read/late-attributes.ts";
import { show } from "../format/tree-check.ts";
import type { OwnerPolicy } from "../workers/worker-protocol.ts";

export interface ExternalTreeOptions {
  /** Exists and is empty. */
  readonly directory: string;
  readonly owner: OwnerPolicy;
  /** Which files and links are written; the others are looked at only. Directories are made as needed. */
  readonly select: ((path: string, size: number) => boolean) | undefined;
  readonly budget: ExternalBudget;
  readonly late: LateAttributes;
}

const creating = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Files up to this size are collected and written at once, without a turn of the event loop. */
const smallBytes = 1024 * 1024;
const knownDirectoriesAtMost = 4096;

export class ExternalTree {
  readonly #options: ExternalTreeOptions;
  /** Directories seen lately to be real. Nothing is ever removed here, so they stay so. */
  readonly #known = new Set<string>();
  #file: { readonly entry: ExternalEntry; readonly handle: FileHandle | undefined } | undefined;
  #collected: Uint8Array[] = [];
  #contentSize = 0;
  #entries = 0;

  constructor(options: ExternalTreeOptions) {
    this.#options = options;
  }

  get contentSize(): number {
    return this.#contentSize;
  }

  get entries(): number {
    return this.#entries;
  }

  /** Throws ARCHIVE_UNSAFE, TOO_MANY_ENTRIES, SPACE_MISSING, DISK_FULL, OWNER_DENIED or TARGET_UNWRITABLE. */
  async handle(event: TarEvent): Promise<void> {
    if (event.kind === "entry") await this.#begin(event.entry);
    else if (event.kind === "bytes") await this.#write(event.bytes);
    else await this.#end();
  }

  /** Closes a file that a failure left open. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle?.close();
  }

  /**
   * Gives directories their attributes. `root`: the directory below the archive's root that is going to be used alone, so
   * that no link in it may lead out of it.
   */
  finish(root: string): void {
    const { directory, late, owner } = this.#options;
    const prefix = root === "" ? "" : `${root}/`;
    for (const { path, target } of late.links()) {
      if (!path.startsWith(prefix) || symlinkStaysInside(path.slice(prefix.length), target)) continue;
      throw unsafe(path, `is a symbolic link that leads out of the chainstate (${show(target)})`);
    }
    chmodSync(directory, 0o755);
    for (const entry of late.directories()) {
      const path = this.#pathOf(entry.path);
      guarded(entry.path, () => {
        const owned = ownerFor(entry, owner);
        if (owned !== undefined) chownSync(path, owned.uid, owned.gid);
        chmodSync(path, entry.mode & permissionBits);
        utimesSync(path, entry.mtimeSeconds, entry.mtimeSeconds);
      });
    }
  }

  async #begin(entry: ExternalEntry): Promise<void> {
    const { budget, select } = this.#options;
    const problem = problemOf(entry);
    if (problem !== undefined) throw unsafe(entry.path, problem);
    this.#entries += 1;
    if (select !== undefined && (entry.type === "directory" || !select(entry.path, entry.size))) {
      budget.count();
      return;
    }
    // A directory and a link with a long text take a block, and a line of the spool file each.
    const takes = entry.type === "file" ? entry.size : entry.path.length + (entry.linkTarget?.length ?? 0);
    await budget.claim(entry.path, takes);
    const path = this.#pathOf(entry.path);
    if (entry.path !== "") this.#requireDirectory(parentOf(entry.path), entry.path);
    if (entry.type === "file") this.#file = { entry, handle: await this.#openLarge(path, entry) };
    else guarded(entry.path, () => this.#make(path, entry));
  }

  async #openLarge(path: string | Buffer, entry: ExternalEntry): Promise<FileHandle | undefined> {
    if (entry.size <= smallBytes) return undefined;
    try {
      return await open(path, creating, 0o600);
    } catch (cause) {
      throw failed(entry.path, cause);
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    if (file.handle === undefined) {
      this.#collected.push(bytes);
      return;
    }
    try {
      for (let at = 0; at < bytes.length;) at += (await file.handle.write(bytes, at)).bytesWritten;
    } catch (cause) {
      throw failed(file.entry.path, cause);
    }
  }

  async #end(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    const { entry, handle } = file;
    const path = this.#pathOf(entry.path);
    try {
      if (handle === undefined) this.#writeSmall(path, entry);
      else applyFileMetadata(handle.fd, entry, this.#options.owner);
      this.#contentSize += entry.size;
    } catch (cause) {
      throw failed(entry.path, cause);
    } finally {
      this.#collected = [];
      await this.close();
    }
  }

  #writeSmall(path: string | Buffer, entry: ExternalEntry): void {
    const descriptor = openSync(path, creating, 0o600);
    try {
      for (const bytes of this.#collected) {
        for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
      }
      applyFileMetadata(descriptor, entry, this.#options.owner);
    } finally {
      closeSync(descriptor);
    }
  }

  #make(path: string | Buffer, entry: ExternalEntry): void {
    const { late } = this.#options;
    if (entry.type === "directory") {
      if (!late.addDirectory(entry)) throw unsafe(entry.path, twice);
      this.#requireDirectory(entry.path, entry.path, false);
      // Open until the end, whatever mode it is to have.
      chmodSync(path, 0o700);
    } else if (entry.type === "symlink") {
      symlinkSync(encodePath(entry.linkTarget ?? ""), path);
      late.addLink(entry.path, entry.linkTarget ?? "");
      const owner = ownerFor(entry, this.#options.owner);
      if (owner !== undefined) lchownSync(path, owner.uid, owner.gid);
      lutimesSync(path, entry.mtimeSeconds, entry.mtimeSeconds);
    } else {
      this.#makeHardLink(path, entry);
    }
  }

  #makeHardLink(path: string | Buffer, entry: ExternalEntry): void {
    const target = entry.linkTarget ?? "";
    this.#requireDirectory(parentOf(target), entry.path);
    const twin = this.#pathOf(target);
    if (lstatSync(twin, { throwIfNoEntry: false })?.isFile() !== true) {
      throw unsafe(entry.path, `is a hard link to no file that came before it (${show(target)})`);
    }
    linkSync(twin, path);
  }

  /** Makes a directory and those above it where they are not there, and refuses what is there and is none. */
  #requireDirectory(directory: string, forEntry: string, isImplied = true): void {
    if (directory === "" || this.#known.has(directory)) return;
    this.#requireDirectory(parentOf(directory), forEntry);
    const path = this.#pathOf(directory);
    try {
      mkdirSync(path, { mode: 0o755 });
      if (isImplied) this.#options.budget.countImplied();
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw writeFailed(directory, error);
      if (!lstatSync(path).isDirectory()) throw unsafe(forEntry, "is below something that is no directory");
    }
    if (this.#known.size >= knownDirectoriesAtMost) this.#known.clear();
    this.#known.add(directory);
  }

  #pathOf(path: string): string | Buffer {
    return fsPath(path === "" ? this.#options.directory : `${this.#options.directory}/${path}`);
  }
}

const twice = "is there twice";

function problemOf({ path, type, size, linkTarget }: ExternalEntry): string | undefined {
  if (path === "" ? type !== "directory" : !isPlainPath(path)) return "would be written outside";
  if (type !== "file" && size !== 0) return "has a size and is no file";
  if (type === "symlink" && !symlinkStaysInside(path, linkTarget ?? "")) {
    return `is a symbolic link that leads out (${show(linkTarget)})`;
  }
  if (type === "hardlink" && !isPlainPath(linkTarget ?? "")) {
    return `is a hard link that leads out (${show(linkTarget)})`;
  }
  return undefined;
}

function applyFileMetadata(descriptor: number, entry: ExternalEntry, policy: OwnerPolicy): void {
  const owner = ownerFor(entry, policy);
  if (owner !== undefined) fchownSync(descriptor, owner.uid, owner.gid);
  fchmodSync(descriptor, entry.mode & permissionBits);
  futimesSync(descriptor, entry.mtimeSeconds, entry.mtimeSeconds);
}

function guarded(path: string, work: () => void): void {
  try {
    work();
  } catch (cause) {
    throw failed(path, cause);
  }
}

function failed(path: string, cause: unknown): ActionError {
  return hasCode(cause, "EEXIST") ? unsafe(path, twice) : writeFailed(path, cause);
}

function unsafe(path: string, why: string): ActionError {
  return new ActionError("ARCHIVE_UNSAFE", `The archive's entry ${show(path)} ${why}.`, {
    hint: "Such an archive can do harm and is not unpacked. Use one from a source you trust.",
  });
}
