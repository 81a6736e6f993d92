/**
 * What a tree holds, counted without reading a byte of it: enough to see that a copy is whole, and, by the newest change
 * of any inode (which no program can set back), that a pristine copy is what it was when it was sealed.
 */
import { runOk } from "../system/exec.ts";

export interface Inventory {
  /** Entries of any kind, the root not counted. */
  readonly entries: number;
  /** Bytes of all regular files; a file with several names counts once a name. */
  readonly bytes: number;
  /** The newest ctime in the tree, in seconds with a fraction of fixed length, so that texts compare as times do. */
  readonly newestChange: string;
}

/** Half a million entries take a second or two; a disk that is asleep or far away may take this long. */
const limitMs = 30 * 60_000;

export async function takeInventory(directory: string, signal: AbortSignal): Promise<Inventory> {
  let entries = -1;
  let bytes = 0;
  let newestChange = "";
  await runOk(["find", directory, "-printf", "%y %s %C@\\n"], {
    signal,
    timeoutMs: limitMs,
    onLine(line) {
      const [kind, size, changed = ""] = line.split(" ");
      if (changed === "") return;
      entries += 1;
      if (kind === "f") bytes += Number(size);
      if (changed > newestChange) newestChange = changed;
    },
  });
  return { entries, bytes, newestChange };
}

/** The same number of entries and bytes. */
export function holdsTheSame(a: Inventory, b: Inventory): boolean {
  return a.entries === b.entries && a.bytes === b.bytes;
}
