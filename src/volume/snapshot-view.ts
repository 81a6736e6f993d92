/**
 * The chainstate as one tree, read from the parts of an opened snapshot: the directory itself, what was mounted inside
 * it, and files that its symlinks led to on other volumes.
 */
import { lstat } from "node:fs/promises";
import { mergeSorted, placedAt } from "../archive/view.ts";
import type { View, ViewEntry } from "../archive/view.ts";
import { selectionBelow, type EntrySelection } from "../chainstate/layout.ts";
import { ActionError } from "../domain/errors.ts";
import type { ViewOf } from "../freeze/port.ts";
import { fsPath } from "../system/path-bytes.ts";
import type { OpenPart } from "./port.ts";

/**
 * `parts` as `open` returns them: the one at "" first. SQLite's `-shm` files are left out: they mean something only to the
 * processes that share them, and are made anew.
 */
export async function viewOfParts(
  parts: readonly OpenPart[],
  selection: EntrySelection,
  viewOf: ViewOf,
): Promise<View> {
  const whole = await viewOfWhole(parts, withoutOwn(selection), viewOf);
  const view: View = {
    rootEntry: whole.rootEntry,
    async *entries(signal) {
      whole.onSkipped = (skipped) => view.onSkipped?.(skipped);
      for await (const entry of whole.entries(signal)) {
        if (entry.type !== "file" || !entry.path.endsWith("-shm")) yield entry;
      }
    },
  };
  return view;
}

async function viewOfWhole(
  parts: readonly OpenPart[],
  selection: EntrySelection,
  viewOf: ViewOf,
): Promise<View> {
  const [main, ...others] = parts;
  if (main === undefined || main.at !== "") {
    throw new ActionError(
      "VOLUME_RECORD_INVALID",
      "No volume of the snapshot holds the chainstate directory.",
    );
  }
  const root = await viewOf(main.path, selection);
  if (others.length === 0) return root;
  const files = new Map<string, ViewEntry>();
  const trees: { readonly at: string; readonly view: View }[] = [];
  for (const part of others) {
    if ((await lstat(fsPath(part.path))).isDirectory()) {
      trees.push({ at: part.at, view: await viewOf(part.path, selectionBelow(selection, part.at)) });
    } else {
      files.set(part.at, await fileEntry(part));
    }
  }
  const view: View = {
    rootEntry: root.rootEntry,
    entries(signal) {
      root.onSkipped = (skipped) => view.onSkipped?.(skipped);
      let all = replaceEntries(
        root.entries(signal),
        files,
        new Map(trees.map((tree) => [tree.at, tree.view])),
      );
      for (const tree of trees) {
        tree.view.onSkipped = (skipped) =>
          view.onSkipped?.({ ...skipped, path: `${tree.at}/${skipped.path}` });
        all = mergeSorted(all, placedAt(tree.at, tree.view.entries(signal)));
      }
      return all;
    },
  };
  return view;
}

/** What a link or a mount point stands for takes its place. */
async function* replaceEntries(
  entries: AsyncIterable<ViewEntry>,
  files: ReadonlyMap<string, ViewEntry>,
  trees: ReadonlyMap<string, View>,
): AsyncGenerator<ViewEntry> {
  for await (const entry of entries) {
    const tree = trees.get(entry.path);
    yield tree === undefined
      ? (files.get(entry.path) ?? entry)
      : { ...tree.rootEntry, path: entry.path, type: "directory", size: 0 };
  }
}

async function fileEntry({ at, path }: OpenPart): Promise<ViewEntry> {
  const found = await lstat(fsPath(path), { bigint: true });
  const { ino, mtimeNs, ctimeNs } = found;
  const size = Number(found.size);
  return {
    path: at,
    type: "file",
    size,
    mode: Number(found.mode) & 0o777,
    uid: Number(found.uid),
    gid: Number(found.gid),
    mtimeNs,
    source: path,
    guard: "unchanged",
    stat: { ino, size, mtimeNs, ctimeNs },
  };
}

/** Directories that this tool keeps in a chainstate that is a mount point. */
function withoutOwn(selection: EntrySelection): EntrySelection {
  return {
    ...selection,
    leavesOut: (path, isDirectory) =>
      path.startsWith(".chainstate-snapshot-") ? "scratch" : selection.leavesOut(path, isDirectory),
  };
}
