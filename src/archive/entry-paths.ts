/**
 * What a path or a link inside an archive may look like. The same rules bind the writer, so that no snapshot is taken
 * that could not be restored, and the reader, so that no archive can name anything outside the directory it unpacks to.
 */
const maxPathChars = 65_536;

/** True for "a/b": relative, no empty, "." or ".." component, no NUL. */
export function isPlainPath(path: string): boolean {
  if (path === "" || path.length > maxPathChars || path.includes("\0")) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
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
  if (target === "" || target.startsWith("/") || target.includes("\0") || target.length > maxPathChars)
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
