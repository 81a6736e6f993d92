/**
 * How much an archive made elsewhere may ask of a disk that a running node shares. Every entry is counted before it is
 * made, so that one which declares more than there is space for is refused as soon as its header is read.
 */
import { ActionError, hasCode } from "../../domain/errors.ts";
import { maxEntries } from "../format/tree-check.ts";
import { SpaceWatch } from "../space-watch.ts";

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
  maxEntries,
  freeEntries: 100_000,
  bytesAnEntry: 1024,
};

export class ExternalBudget {
  readonly #space: SpaceWatch;
  readonly #maxEntries: number;
  readonly #makeRoom: () => Promise<boolean>;
  #entries = 0;

  /** `makeRoom`: gives space back that is needed more urgently here; false where there is no more of it. */
  constructor(
    directory: string,
    archiveBytes: number,
    limits: EntryLimits = entryLimits,
    makeRoom: () => Promise<boolean> = async () => await Promise.resolve(false),
  ) {
    this.#space = new SpaceWatch(directory);
    this.#makeRoom = makeRoom;
    this.#maxEntries = Math.min(
      limits.maxEntries,
      limits.freeEntries + Math.floor(archiveBytes / limits.bytesAnEntry),
    );
  }

  /** Counts an entry that takes `sizeBytes`. Throws TOO_MANY_ENTRIES or SPACE_MISSING. */
  async claim(path: string, sizeBytes: number): Promise<void> {
    this.count();
    for (;;) {
      try {
        return await this.#space.claim(path, sizeBytes);
      } catch (error) {
        if (!hasCode(error, "SPACE_MISSING") || !(await this.#makeRoom())) throw error;
      }
    }
  }

  /** Counts a directory that the archive does not name and that one of its names implies. */
  countImplied(): void {
    this.count();
    this.#space.count(1);
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
}
