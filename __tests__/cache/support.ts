/** Trees to cache, caches to put them in, and what a tree is, byte for byte. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { openCache, type Cache, type CacheOptions } from "../../src/cache/cache.ts";
import { systemClock } from "../../src/system/clock.ts";

/** What looks like a chainstate from afar: a few files, modes of several kinds, a link. The same for the same word. */
export function makeTree(tree: string, word: string): void {
  mkdirSync(join(tree, "chainstate", "vm"), { recursive: true });
  mkdirSync(join(tree, "burnchain"), { recursive: true });
  for (let at = 0; at < 12; at += 1) {
    const bytes = Buffer.alloc(10_000 * (at + 1), `${word}-${at}-`);
    writeFileSync(join(tree, "chainstate", "vm", `file-${at}.sqlite`), bytes, { mode: 0o644 });
    utimesSync(join(tree, "chainstate", "vm", `file-${at}.sqlite`), 1_700_000_000 + at, 1_700_000_000 + at);
  }
  writeFileSync(join(tree, "burnchain", "shared.sqlite"), word, { mode: 0o664 });
  chmodSync(join(tree, "burnchain", "shared.sqlite"), 0o664);
  writeFileSync(join(tree, "burnchain", "kept read-only"), word, { mode: 0o444 });
  for (const name of ["shared.sqlite", "kept read-only"]) utimesSync(join(tree, "burnchain", name), 1, 1);
  symlinkSync("shared.sqlite", join(tree, "burnchain", "link"));
}

/** Path → type, mode, content of everything in a tree. */
export function describeTree(tree: string): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (below: string): void => {
    const path = join(tree, below);
    const stats = lstatSync(path);
    const mode = (stats.mode & 0o7777).toString(8);
    if (stats.isSymbolicLink()) found[below] = `link ${readlinkSync(path)}`;
    else if (stats.isDirectory()) {
      found[below] = `directory ${mode}`;
      for (const name of readdirSync(path)) walk(join(below, name));
    } else {
      const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
      found[below] = `file ${mode} ${stats.mtimeMs} ${digest}`;
    }
  };
  walk("");
  return found;
}

export async function open(root: string, options: Partial<CacheOptions> = {}): Promise<Cache> {
  return await openCache(root, {
    clock: systemClock,
    signal: new AbortController().signal,
    onInfo: () => undefined,
    ...options,
    limits: { keepFreeShare: 0, ...options.limits },
  });
}

export const cloneInto = (into: string): { into: string; owner: "kept"; mayBeSubvolume: boolean } => ({
  into,
  owner: "kept",
  mayBeSubvolume: true,
});
