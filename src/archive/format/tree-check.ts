/**
 * Whether entries, in the order they come, make a tree that can be written below one directory and nowhere else. The
 * writer asks it about the view, the index reader about the index.
 */
import { isPlainPath, OpenDirectories, parentOf, symlinkStaysInside } from "./entry-paths.ts";
import { compareEntries } from "../view.ts";
import type { EntryType } from "../view.ts";

export interface TreeEntry {
  readonly path: string;
  readonly type: EntryType;
  readonly size: number;
  readonly linkTarget?: string;
}

/** Eight times what mainnet has. */
export const maxEntries = 4_000_000;

export interface TreeProblem {
  readonly kind: "count" | "name" | "order" | "parent" | "link-target" | "link-leads-out" | "size";
  /** A clause that follows the entry's name: "is …". */
  readonly text: string;
}

export class TreeCheck {
  readonly #open = new OpenDirectories();
  /** Entries that are no directories and whose path everything since then starts with: a directory may follow. */
  readonly #shadowed: string[] = [];
  #last: TreeEntry | undefined;
  #entries = 0;

  /** What is wrong with the next entry, if anything: paths plain, in strict order, below directories that came. */
  problemOf(entry: TreeEntry): TreeProblem | undefined {
    const { path, type, size, linkTarget } = entry;
    this.#entries += 1;
    if (this.#entries > maxEntries)
      return { kind: "count", text: `is one of more than ${maxEntries} entries` };
    if (!isPlainPath(path)) return { kind: "name", text: "is no plain relative path, or a very long one" };
    if ((this.#last !== undefined && compareEntries(this.#last, entry) >= 0) || this.#isTwice(entry)) {
      return { kind: "order", text: "is out of order or there twice" };
    }
    this.#last = entry;
    this.#open.advance(path);
    if (this.#open.deepest !== parentOf(path)) {
      return { kind: "parent", text: "is in no directory of the archive" };
    }
    if (type === "directory") this.#open.add(path);
    if (type !== "file" && size !== 0) return { kind: "size", text: "has a size and is no file" };
    if ((type === "symlink" || type === "hardlink") !== (linkTarget !== undefined)) {
      return { kind: "link-target", text: "has a link target and is no link, or the reverse" };
    }
    if (type === "symlink" && !symlinkStaysInside(path, linkTarget ?? "")) {
      return { kind: "link-leads-out", text: `is a symbolic link that leads out (${show(linkTarget)})` };
    }
    if (type === "hardlink" && !isPlainPath(linkTarget ?? "")) {
      return { kind: "link-target", text: `is a hard link to no plain relative path (${show(linkTarget)})` };
    }
    return undefined;
  }

  /** The order alone does not notice a file "a" and a directory "a/": "a-b" may stand between them. */
  #isTwice({ path, type }: TreeEntry): boolean {
    let top = this.#shadowed.at(-1);
    while (top !== undefined && !path.startsWith(top)) {
      this.#shadowed.pop();
      top = this.#shadowed.at(-1);
    }
    if (type !== "directory") this.#shadowed.push(path);
    return type === "directory" && this.#shadowed.includes(path);
  }
}

/** A name for a message: quoted, control characters and odd bytes escaped. */
export function show(name: string | undefined): string {
  return JSON.stringify(name ?? "");
}
