/**
 * Half a million files that are written once and never touched again need not be listed while a node is down: what of
 * them was there at the cut is there later too, and whatever came after it says so by its times. So the cut's list leaves
 * their directories out, and they are listed when the view is read and merged into it.
 */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { compareEntries } from "../archive/view.ts";
import type { View, ViewEntry } from "../archive/view.ts";
import type { EntrySelection } from "../chainstate/layout.ts";
import { fsPath } from "../system/path-bytes.ts";
import type { ViewOf } from "./port.ts";

/** A directory of write-once files, or one within it. */
export function isDeferred(selection: EntrySelection, path: string): boolean {
  return selection.isWriteOnceDirectory?.(path) === true;
}

/** The selection without those directories: what has to be listed at the cut. */
export function withoutWriteOnce(selection: EntrySelection): EntrySelection {
  return {
    ...selection,
    leavesOut: (path, isDirectory) =>
      // The reason is not told to anybody: they are not left out of the view.
      isDirectory && isDeferred(selection, path) ? "scratch" : selection.leavesOut(path, isDirectory),
  };
}

export interface WriteOnceOptions {
  readonly chainstateDir: string;
  readonly selection: EntrySelection;
  readonly viewOf: ViewOf;
  readonly at: Date;
}

/** `view` (made with `withoutWriteOnce`) and the write-once files of the cut, in the order of a view. */
export function withWriteOnce(view: View, options: WriteOnceOptions): View {
  const { chainstateDir, selection, viewOf } = options;
  if (selection.isWriteOnceDirectory === undefined) return view;
  const whole: View = {
    rootEntry: view.rootEntry,
    async *entries(signal) {
      view.onSkipped = (skipped) => whole.onSkipped?.(skipped);
      const later = await viewOf(chainstateDir, onlyWriteOnce(selection));
      later.onSkipped = ({ path, reason }) => {
        if (isWithinDeferred(selection, path)) whole.onSkipped?.({ path, reason });
      };
      yield* merge(view.entries(signal), inTheCut(later.entries(signal), options));
    },
  };
  return whole;
}

/** Every directory is walked, for those in question may be anywhere; of the files, only theirs. */
function onlyWriteOnce(selection: EntrySelection): EntrySelection {
  return {
    ...selection,
    leavesOut: (path, isDirectory) =>
      isDirectory || isWithinDeferred(selection, path) ? selection.leavesOut(path, isDirectory) : "scratch",
  };
}

function isWithinDeferred(selection: EntrySelection, path: string): boolean {
  return (
    isDeferred(selection, path) || isDeferred(selection, path.slice(0, Math.max(0, path.lastIndexOf("/"))))
  );
}

async function* inTheCut(
  entries: AsyncIterable<ViewEntry>,
  { chainstateDir, selection, at }: WriteOnceOptions,
): AsyncGenerator<ViewEntry> {
  const cutNs = BigInt(at.getTime()) * 1_000_000n;
  for await (const entry of entries) {
    if (!isWithinDeferred(selection, entry.path)) continue;
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

/** Two streams in the order of a view as one. */
async function* merge(a: AsyncIterable<ViewEntry>, b: AsyncIterable<ViewEntry>): AsyncGenerator<ViewEntry> {
  const streams = [a[Symbol.asyncIterator](), b[Symbol.asyncIterator]()] as const;
  try {
    let [left, right] = await Promise.all([streams[0].next(), streams[1].next()]);
    while (left.done !== true || right.done !== true) {
      if (right.done === true || (left.done !== true && compareEntries(left.value, right.value) < 0)) {
        if (left.done !== true) yield left.value;
        left = await streams[0].next();
      } else {
        yield right.value;
        right = await streams[1].next();
      }
    }
  } finally {
    await Promise.allSettled(streams.map(async (stream) => stream.return?.()));
  }
}
