/**
 * Looks at the space of a file system while an archive is unpacked to it: a node may run on the same disk, and what was
 * free when the unpacking began says nothing of hours later. A share of bytes and inodes is left to others.
 */
import { nameOf } from "../system/held-directory.ts";
import { ActionError } from "../domain/errors.ts";
import { formatBytes, spaceAt } from "../system/space.ts";
import { show } from "./format/tree-check.ts";

const blockBytes = 4096;
const lookEveryBytes = 256 * 1024 * 1024;
const lookEveryEntries = 4096;
/** Left to others: a hundredth of the file system, and no more than this. */
const reserveBytes = 1024 ** 3;
const reserveInodes = 100_000;

export class SpaceWatch {
  readonly #directory: string;
  /** What may still be written before the file system is looked at again. */
  #bytesLeft = 0;
  #entriesLeft = 0;

  /** `directory` exists before anything is claimed. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Counts entries that are not written by `claim`: directories that are made on the way. */
  count(entries: number): void {
    this.#entriesLeft -= entries;
  }

  /** Before `sizeBytes` are written into `entries` files, directories and links; `path` is one of them. Throws SPACE_MISSING. */
  async claim(path: string, sizeBytes: number, entries = 1): Promise<void> {
    const needed = Math.ceil(sizeBytes / blockBytes) * blockBytes;
    if (needed > this.#bytesLeft || entries > this.#entriesLeft) await this.#look(path, needed, entries);
    this.#bytesLeft -= needed;
    this.#entriesLeft -= entries;
  }

  /** SPACE_MISSING where so many entries are more than the file system has inodes for. */
  async requireInodes(entries: number): Promise<void> {
    await this.#look("", 0, entries);
  }

  async #look(path: string, needed: number, entries: number): Promise<void> {
    const { freeBytes, totalBytes, inodes } = await spaceAt(this.#directory);
    const available = freeBytes - Math.min(reserveBytes, totalBytes / 100);
    if (needed > available) {
      throw new ActionError(
        "SPACE_MISSING",
        `The archive's entry ${show(path)} takes ${formatBytes(needed)}; ${nameOf(this.#directory)} has ${formatBytes(freeBytes)} free.`,
        { hint: "Free some space or use a larger disk. What was unpacked so far is removed." },
      );
    }
    const spare =
      inodes === undefined ? Infinity : inodes.free - Math.min(reserveInodes, Math.floor(inodes.total / 100));
    if (entries > spare) {
      throw new ActionError(
        "SPACE_MISSING",
        `The file system of ${nameOf(this.#directory)} runs out of inodes.`,
        {
          hint: "Remove files from it or use another one. What was unpacked so far is removed.",
        },
      );
    }
    this.#bytesLeft = Math.min(available, Math.max(needed, lookEveryBytes));
    this.#entriesLeft = Math.min(spare, Math.max(entries, lookEveryEntries));
  }
}
