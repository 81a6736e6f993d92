/**
 * Makes a finished tree a pristine copy: read-only, with a record of what it holds beside it. On btrfs a subvolume is
 * made read-only by its property and keeps all modes; elsewhere the owner's write bit is taken away, and the few
 * entries that did not have it are noted, so that a clone gets exactly the modes it should have.
 */
import { lstat, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { query, runOk } from "../system/exec.ts";
import { mountOf } from "../system/mounts.ts";
import { writeFileAtomically } from "../system/atomic-file.ts";
import { takeInventory, type Inventory } from "./inventory.ts";

/** The inode number of every btrfs subvolume's root. */
const subvolumeInode = 256n;

const recordSchema = v.object({
  version: v.literal(1),
  kind: v.picklist(["directory", "subvolume"]),
  filledAt: v.string(),
  /** What its maker wants to know of it later. */
  notes: v.record(v.string(), v.string()),
  inventory: v.object({ entries: v.number(), bytes: v.number(), newestChange: v.string() }),
});

export type SeedRecord = v.InferOutput<typeof recordSchema>;
export type Notes = Readonly<Record<string, string>>;

export function treeOf(seed: string): string {
  return join(seed, "tree");
}

function recordOf(seed: string): string {
  return join(seed, "seed.json");
}

/** Names (NUL-terminated, below the tree) of what has no write bit for its owner. Written before anything is sealed. */
export function readOnlyListOf(seed: string): string {
  return join(seed, "read-only");
}

/** Minutes for half a million files on a slow disk. */
const limitMs = 60 * 60_000;

/** An empty tree to fill: a subvolume where that is to be had, so that it can be cloned at once whatever it holds. */
export async function tryMakeSubvolume(tree: string, within: string): Promise<void> {
  if ((await mountOf(within)).fsType === "btrfs") await query(["btrfs", "subvolume", "create", tree]);
}

/** `seed` holds a complete, durable `tree`. Returns when the record of it is on disk. */
export async function seal(
  seed: string,
  facts: { readonly notes: Notes; readonly filledAt: string },
  signal: AbortSignal,
): Promise<void> {
  const tree = treeOf(seed);
  const list = readOnlyListOf(seed);
  await runOk(["find", tree, "!", "-type", "l", "!", "-perm", "-u=w", "-fprintf", list, "./%P\\0"], {
    signal,
    timeoutMs: limitMs,
  });
  const kind = (await isSubvolume(tree)) && (await setReadOnly(tree, true)) ? "subvolume" : "directory";
  if (kind === "directory") {
    await runOk(["chmod", "--recursive", "u-w", "--", tree], { signal, timeoutMs: limitMs });
  }
  const inventory: Inventory = await takeInventory(tree, signal);
  const record: SeedRecord = { version: 1, kind, ...facts, inventory };
  await writeFileAtomically(recordOf(seed), `${JSON.stringify(record, null, 2)}\n`, 0o600);
}

/** Undefined: what stands there is not what was sealed, or was sealed by another version. */
export async function readSealed(seed: string, signal: AbortSignal): Promise<SeedRecord | undefined> {
  const parsed = v.safeParse(recordSchema, parse(await readFile(recordOf(seed), "utf8").catch(() => "")));
  if (!parsed.success) return undefined;
  const { inventory } = parsed.output;
  const now = await takeInventory(treeOf(seed), signal);
  const untouched =
    now.entries === inventory.entries &&
    now.bytes === inventory.bytes &&
    now.newestChange === inventory.newestChange;
  return untouched ? parsed.output : undefined;
}

/** True when a sealing was begun: the tree is no longer one that can be filled. */
export async function isSealing(seed: string): Promise<boolean> {
  return (await stat(readOnlyListOf(seed)).catch(() => undefined)) !== undefined;
}

/** Path of the file whose mtime says when the seed was last used. */
export const useMarkOf = recordOf;

export async function isSubvolume(path: string): Promise<boolean> {
  const found = await lstat(path, { bigint: true }).catch(() => undefined);
  if (found?.isDirectory() !== true || found.ino !== subvolumeInode) return false;
  return (await stat(join(path, ".."), { bigint: true })).dev !== found.dev;
}

export async function setReadOnly(subvolume: string, value: boolean): Promise<boolean> {
  const set = await query(["btrfs", "property", "set", "-ts", subvolume, "ro", String(value)]);
  return set.exitCode === 0;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
