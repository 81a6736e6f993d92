/**
 * Half a million files that are written once and never touched again need not be listed while a node is down: what of
 * them was there at the cut is there later too, and whatever came after it says so by its times. So the cut's list names
 * their directories alone, and those are listed when the view is read, and merged into it.
 */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { compareEntries, mergeSorted, placedAt } from "../archive/view.ts";
import type { View, ViewEntry } from "../archive/view.ts";
import { selectionBelow, type EntrySelection } from "../chainstate/layout.ts";
import { fsPath } from "../system/path-bytes.ts";
import type { ViewOf } from "./port.ts";

/** The selection without those directories: what has to be listed at the cut. Each is told to `onDeferred` when it is met. */
export function withoutWriteOnce(
  selection: EntrySelection,
  onDeferred: (path: string) => void,
): EntrySelection {
  return {
    ...selection,
    leavesOut(path, isDirectory) {
      const why = selection.leavesOut(path, isDirectory);
      if (why !== undefined || !isDirectory || !selection.isWriteOnceDirectory(path)) return why;
      onDeferred(path);
      return "scratch";
    },
  };
}

export interface WriteOnceOptions {
  readonly chainstateDir: string;
  readonly selection: EntrySelection;
  readonly viewOf: ViewOf;
  readonly at: Date;
  /** The directories of the cut, from its list. */
  readonly deferred: readonly string[];
}

/** `view` (made with `withoutWriteOnce`) and the write-once files of the cut, in the order of a view. */
export function withWriteOnce(view: View, options: WriteOnceOptions): View {
  if (options.deferred.length === 0) return view;
  const whole: View = {
    rootEntry: view.rootEntry,
    entries(signal) {
      view.onSkipped = (skipped) => whole.onSkipped?.(skipped);
      return mergeSorted(view.entries(signal), inTheCut(entriesOf(whole, options, signal), options));
    },
  };
  return whole;
}

async function* entriesOf(
  whole: View,
  { chainstateDir, selection, viewOf, deferred }: WriteOnceOptions,
  signal: AbortSignal,
): AsyncGenerator<ViewEntry> {
  const directories = deferred.map((path) => ({ path, type: "directory" as const, size: 0 }));
  for (const directory of directories.toSorted(compareEntries)) {
    const { path: at } = directory;
    const view = await viewOf(join(chainstateDir, at), selectionBelow(selection, at));
    view.onSkipped = (skipped) => whole.onSkipped?.({ ...skipped, path: `${at}/${skipped.path}` });
    yield { ...view.rootEntry, ...directory };
    yield* placedAt(at, view.entries(signal));
  }
}

async function* inTheCut(
  entries: AsyncIterable<ViewEntry>,
  { chainstateDir, at }: WriteOnceOptions,
): AsyncGenerator<ViewEntry> {
  const cutNs = BigInt(at.getTime()) * 1_000_000n;
  for await (const entry of entries) {
    const madeNs = entry.stat?.ctimeNs ?? birthTimeNs(join(chainstateDir, entry.path));
    // A time to come is no time after the cut but a clock that was wrong once.
    const cameAfter = madeNs > cutNs && madeNs <= BigInt(Date.now()) * 1_000_000n;
    if (!cameAfter) yield entry;
  }
}

/** 0 where the file system does not know, which counts as old: an empty directory too many harms nobody. */
function birthTimeNs(path: string): bigint {
  return lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false })?.birthtimeNs ?? 0n;
}
