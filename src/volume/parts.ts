/**
 * The parts of a chainstate on volumes that have been opened: where each of them is, and what checks have to know of that.
 * Which paths those are says a record, and whoever can write to the storage can write records: each path is looked up component
 * by component beneath its root, and a link on the way is refused, because what reads and moves it may be root.
 */
import { lstat } from "node:fs/promises";
import { ActionError, hasCode } from "../domain/errors.ts";
import { fsPath } from "../system/path-bytes.ts";
import type { OpenPart } from "./port.ts";

/** A letter for each path, as `find -printf %y` has them ("d", "f", "l" …); "" or nothing where there is none. */
export type FileTypes = (paths: readonly string[]) => Promise<readonly string[]>;

/** What a record says of its volume's parts, below the place at which that volume is mounted. Errors: see `pathBeneath`. */
export async function partsAt(
  root: string,
  parts: readonly { readonly at: string; readonly within: string }[],
): Promise<readonly OpenPart[]> {
  return await Promise.all(
    parts.map(async ({ at, within }) => ({ at, path: await pathBeneath(root, within) })),
  );
}

/**
 * The path of `within` beneath `root`, a directory or a file. VOLUME_RECORD_INVALID where a link or something else is on
 * the way, or where there is nothing. Nobody else may be able to rename there while the path is used.
 */
export async function pathBeneath(
  root: string,
  within: string,
  typesOf: FileTypes = lstatTypes,
): Promise<string> {
  const paths = [root];
  for (const name of within === "" ? [] : within.split("/")) paths.push(`${paths.at(-1)}/${name}`);
  const types = await typesOf(paths);
  for (const [index, path] of paths.entries()) {
    const type = types[index] ?? "";
    const isLast = index === paths.length - 1;
    if (type === "d" || (type === "f" && isLast)) continue;
    const what = type === "l" ? "is a link" : type === "" ? "does not exist" : "is not a directory";
    throw new ActionError(
      "VOLUME_RECORD_INVALID",
      `The record says that a part of the chainstate is in "${within}", but ${path} ${what}.`,
      { hint: "Choose another snapshot, and see who can write to the storage." },
    );
  }
  return paths.at(-1) ?? root;
}

async function lstatTypes(paths: readonly string[]): Promise<readonly string[]> {
  const types: string[] = [];
  // One after the other: what is below a link is not looked at.
  for (const path of paths) {
    const found = await lstat(fsPath(path)).catch((error: unknown) => {
      if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return undefined;
      throw error;
    });
    const type = found?.isDirectory() ? "d" : found?.isFile() ? "f" : found?.isSymbolicLink() ? "l" : "?";
    types.push(found === undefined ? "" : type);
    if (type !== "d") break;
  }
  return types;
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
