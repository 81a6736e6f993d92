/**
 * How much an archive made elsewhere may ask of a disk that a running node shares. Every entry is counted before it is
 * made, so that one which declares more than there is room for is refused as soon as its header is read.
 */
import { ActionError } from "../errors.ts";
import { formatBytes, spaceAt } from "../system/space.ts";
import { show } from "./tree-check.ts";

export interface EntryLimits {
  /** However large the archive. */
  readonly maxEntries: number;
  /** Entries that any archive may have, and one more for each so many of its bytes. */
  readonly freeEntries: number;
  readonly bytesAnEntry: number;
}

/**
 * A mainnet chainstate has half a million files and directories in hundreds of gigabytes. An archive of nothing but tiny
 * entries would fill a file system's inodes long before its bytes.
 */
export const entryLimits: EntryLimits = {
  maxEntries: 4_000_000,
  freeEntries: 100_000,
  bytesAnEntry: 1024,
};

const blockBytes = 4096;
const lookEveryBytes = 256 * 1024 * 1024;
const lookEveryEntries = 4096;
/** Left to the node: a hundredth of the file system, and no more than this. */
const reserveBytes = 1024 ** 3;

export class ForeignBudget {
  readonly #directory: string;
  readonly #maxEntries: number;
  #entries = 0;
  /** What may still be written before the file system is looked at again. */
  #bytesLeft = 0;
  #entriesLeft = 0;

  constructor(directory: string, archiveBytes: number, limits: EntryLimits = entryLimits) {
    this.#directory = directory;
    this.#maxEntries = Math.min(
      limits.maxEntries,
      limits.freeEntries + Math.floor(archiveBytes / limits.bytesAnEntry),
    );
  }

  /** Counts an entry that takes `size` bytes. Throws TOO_MANY_ENTRIES or SPACE_MISSING. */
  async claim(path: string, size: number): Promise<void> {
    this.count();
    const needed = Math.ceil(size / blockBytes) * blockBytes;
    if (needed > this.#bytesLeft || this.#entriesLeft === 0) await this.#look(path, needed);
    this.#bytesLeft -= needed;
    this.#entriesLeft -= 1;
  }

  /** Counts an entry that is not written. */
  count(): void {
    this.#entries += 1;
    if (this.#entries <= this.#maxEntries) return;
    throw new ActionError(
      "TOO_MANY_ENTRIES",
      `The archive has more than ${this.#maxEntries} entries, which is too many for its size.`,
      { hint: "No chainstate looks like that. Use another archive." },
    );
  }

  async #look(path: string, needed: number): Promise<void> {
    const { freeBytes, totalBytes, freeInodes } = await spaceAt(this.#directory);
    const room = freeBytes - Math.min(reserveBytes, totalBytes / 100);
    if (needed > room) {
      throw new ActionError(
        "SPACE_MISSING",
        `The archive's entry ${show(path)} takes ${formatBytes(needed)}; ${this.#directory} has ${formatBytes(freeBytes)} free.`,
        { hint: "Free some space or use a larger disk. What was unpacked so far is removed." },
      );
    }
    if (freeInodes !== undefined && freeInodes <= lookEveryEntries) {
      throw new ActionError("SPACE_MISSING", `The file system of ${this.#directory} runs out of inodes.`, {
        hint: "Remove files from it or use another one. What was unpacked so far is removed.",
      });
    }
    this.#bytesLeft = Math.min(room, Math.max(needed, lookEveryBytes));
    this.#entriesLeft = lookEveryEntries;
  }
}
