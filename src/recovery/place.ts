/**
 * Where a restore works: a directory beside the target that nobody but this user can enter, held by descriptor, because whoever
 * owns the directory it stands in may rename it. What is in it becomes anybody else's only by the rename that puts it in
 * the target's place.
 *
 *   tree       what is being staged, and takes the place of the target
 *   unpacked   an archive made elsewhere, whole
 *   fetched    what was kept of its download
 *   tree-work  of a volume's driver
 *   old        what was replaced, when it is about to go
 */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ActionError } from "../domain/errors.ts";
import { exchanged, holdDirectory, withHeld, type HeldDirectory } from "../system/held-directory.ts";
import { conflictHint, type FileOperations } from "./file-operations.ts";

const parts = ["tree", "unpacked", "fetched", "tree-work", "old"] as const;

export type PlacePart = (typeof parts)[number];

export function partOf(place: string, part: PlacePart): string {
  return join(place, part);
}

/** Makes the place where there is none, and holds it. PATH_EXCHANGED, SWAP_CONFLICT: what stands there is no place of ours. */
export async function openPlace(path: string, files: FileOperations): Promise<HeldDirectory> {
  await files.makeDirectory(path);
  const held = holdDirectory(path);
  const why = whyNoPlace(held);
  if (why === undefined) return held;
  held.close();
  throw why;
}

/** True for a directory that a restore of this user made, and not for one that somebody renamed to look like it. */
export function isPlace(path: string): boolean {
  try {
    const held = holdDirectory(path);
    try {
      return whyNoPlace(held) === undefined;
    } finally {
      held.close();
    }
  } catch {
    return false;
  }
}

/** Removes a place with all that is in it; none there: no error. PATH_EXCHANGED, SWAP_CONFLICT: what stands there is none of ours. */
export async function removePlace(path: string, files: FileOperations): Promise<void> {
  if (!(await files.exists(path))) return;
  await withHeld(path, async (held) => {
    const why = whyNoPlace(held);
    if (why !== undefined) throw why;
    for (const name of await files.names(held.at)) await files.removeTree(join(held.at, name));
  });
  await files.removeEmptyDirectory(path);
}

/** Removes the place of a part, or of what was a part, when it holds nothing any more. */
export async function tidyPlaceOf(part: string, files: FileOperations): Promise<void> {
  const place = dirname(part);
  if (!(parts as readonly string[]).includes(basename(part)) || !isPlace(place)) return;
  if ((await files.names(place)).length === 0) await files.removeEmptyDirectory(place);
}

/** The list with this place on it, once. */
export function withPlace(places: readonly string[], place: string): string[] {
  return [...new Set([...places, place])];
}

/** What stands in a staging directory: which frames, or that it is whole. Without it that is of no use. */
export function noteOf(stateDir: string, staging: string, kind: "frames" | "whole"): string {
  const name = createHash("sha256").update(staging).digest("hex").slice(0, 16);
  return join(stateDir, `unpack-${name}.${kind}`);
}

export async function forgetNotes(stateDir: string, staging: string): Promise<void> {
  for (const kind of ["frames", "whole"] as const) await rm(noteOf(stateDir, staging, kind), { force: true });
}

function whyNoPlace(held: HeldDirectory): ActionError | undefined {
  const { uid, mode } = held.stat();
  if (uid !== process.geteuid?.() || (mode & 0o077) !== 0)
    return exchanged(held.path, "others than this user can enter it");
  const stranger = readdirSync(held.at).find((name) => !(parts as readonly string[]).includes(name));
  if (stranger === undefined) return undefined;
  return new ActionError("SWAP_CONFLICT", `${held.path} holds ${stranger}, which no restore put there.`, {
    hint: conflictHint,
  });
}
