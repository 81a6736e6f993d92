/** The parts of a chainstate on volumes that have been opened: where each of them is, and what checks have to know of that. */
import { ActionError } from "../errors.ts";
import type { OpenPart } from "./port.ts";

/** What a record says of its volume's parts, below the place at which that volume is mounted. */
export function partsAt(
  mountPoint: string,
  parts: readonly { readonly at: string; readonly within: string }[],
): readonly OpenPart[] {
  return parts.map(({ at, within }) => ({
    at,
    path: within === "" ? mountPoint : `${mountPoint}/${within}`,
  }));
}

/** The chainstate directory itself. VOLUME_RECORD_INVALID where no volume holds it. */
export function mainOf(parts: readonly OpenPart[]): string {
  const main = parts.find(({ at }) => at === "");
  if (main !== undefined) return main.path;
  throw new ActionError("VOLUME_RECORD_INVALID", "No volume of the snapshot holds the chainstate directory.");
}

/**
 * Where those `.blobs` are read that stand on other volumes: in the directory there are only links, to the files of the running node.
 * Undefined where more than such files is elsewhere, so that the directory cannot be checked by itself.
 */
export function blobsElsewhere(parts: readonly OpenPart[]): ReadonlyMap<string, string> | undefined {
  const others = parts.filter(({ at }) => at !== "");
  if (others.some(({ at }) => !at.endsWith(".blobs"))) return undefined;
  return new Map(others.map(({ at, path }) => [at, path]));
}
