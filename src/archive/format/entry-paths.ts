/**
 * What a path or a link inside an archive may look like. The same rules bind the writer, so that no snapshot is taken
 * that could not be restored, and the reader, so that no archive can name anything outside the directory it unpacks to.
 */
import { encodePath } from "../../system/path-bytes.ts";

/** Linux's own limits, in bytes: no file system has a longer name, no call takes a longer path or link. */
const maxNameBytes = 255;
const maxPathBytes = 4095;
/** A chainstate is ten directories deep. */
const maxDepth = 64;

/** True for "a/b": relative, no empty, "." or ".." component, no NUL, and not longer or deeper than the limits above. */
export function isPlainPath(path: string): boolean {
  if (path === "" || path.includes("\0") || !isWithin(path, maxPathBytes)) return false;
  const parts = path.split("/");
  return (
    parts.length <= maxDepth &&
    parts.every((part) => part !== "" && part !== "." && part !== ".." && isWithin(part, maxNameBytes))
  );
}

function isWithin(text: string, maxBytes: number): boolean {
  if (text.length > maxBytes) return false;
  // A character of a string is three bytes at most.
  return text.length * 3 <= maxBytes || encodePath(text).length <= maxBytes;
}

/** True for one plain path component. */
export function isPlainName(name: string): boolean {
  return isPlainPath(name) && !name.includes("/");
}

/**
 * True when the symlink `path` → `target` cannot lead out of the root. ".." is taken only in front and only as often as
 * the link is deep: behind a name it could climb out through another link ("l/.." where l leads to ".").
 */
export function symlinkStaysInside(path: string, target: string): boolean {
  if (target === "" || target.startsWith("/") || target.includes("\0") || !isWithin(target, maxPathBytes))
    return false;
  const depth = path.split("/").length - 1;
  const parts = target.split("/").filter((part) => part !== "" && part !== ".");
  const climbs = parts.findIndex((part) => part !== "..");
  const leading = climbs === -1 ? parts.length : climbs;
  return leading <= depth && !parts.slice(leading).includes("..");
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? "" : path.slice(0, slash);
}

/**
 * Follows entries in the archive's order and knows which directories are open: those the current entry is in. Their paths
 * are prefixes of each other, so few are open at any time, however large the tree.
 */
export class OpenDirectories {
  readonly #open: string[] = [];

  /** Closes the directories that `path` is not in, and returns them, deepest first. */
  advance(path: string): string[] {
    const closed: string[] = [];
    for (let top = this.#open.at(-1); top !== undefined; top = this.#open.at(-1)) {
      if (path.startsWith(`${top}/`)) break;
      closed.push(top);
      this.#open.pop();
    }
    return closed;
  }

  add(path: string): void {
    this.#open.push(path);
  }

  /** The deepest open directory, "" for the root. */
  get deepest(): string {
    return this.#open.at(-1) ?? "";
  }
}
