/** Timestamps are trusted where a change cannot hide behind them, and nowhere else. */
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openDirectoryView } from "../../../src/archive/write/directory-view.ts";
import { openIndex } from "../../../src/archive/format/index-reader.ts";
import { readSegmentRecord, SegmentRecord } from "../../../src/archive/write/segment-record.ts";
import type { KnownFrame } from "../../../src/archive/write/writer.ts";
import type { BaseFrames } from "../../../src/archive/write/segment-record.ts";
import type { View, ViewEntry } from "../../../src/archive/view.ts";
import { archiveOf, signal, unpack, useScratch } from "../local-archive.ts";
import type { LocalArchive } from "../local-archive.ts";

const MiB = 1024 * 1024;
const segmentSizeOf = (): number => MiB;
/** A cut after which everything made by now is old enough. */
const later = (): Date => new Date(Date.now() + 60_000);

interface Night extends LocalArchive {
  readonly base: BaseFrames;
  readonly segments: SegmentRecord;
}

/** A night of `tree` that trusts the record of the last one, and leaves its own. */
async function night(
  tree: string | View,
  scratch: string,
  name: string,
  options: { readonly last?: Night; readonly cutAt?: Date } = {},
): Promise<Night> {
  const recordFile = join(scratch, "record");
  const { last } = options;
  const fingerprints = last && (await readSegmentRecord(recordFile, last.base));
  const segments = new SegmentRecord({
    cutAt: options.cutAt ?? later(),
    ...(last && fingerprints ? { last: { base: last.base, fingerprints } } : {}),
  });
  const known = last && (await framesOf(last));
  const archive = await archiveOf(
    tree,
    scratch,
    {
      segmentSizeOf,
      digests: segments,
      ...(last && known ? { base: last.file, known: (sha256) => known.get(sha256) } : {}),
    },
    name,
  );
  const { frames } = await openIndex(archive.indexFile, { signal });
  const base = {
    id: name,
    indexSha256: archive.written.index.sha256,
    frames: frames.count,
    sha256Of: (frame: number) => frames.sha256Of(frame),
  };
  await segments.save(recordFile, base);
  return { ...archive, base, segments };
}

async function framesOf(archive: LocalArchive): Promise<Map<string, KnownFrame>> {
  const { frames } = await openIndex(archive.indexFile, { signal });
  return new Map(Array.from({ length: frames.count }, (_, n) => [frames.sha256Of(n), frames.at(n)]));
}

const allButBlobs = 3 * MiB + 5;
const everything = allButBlobs + 6 * MiB + 100;

function makeTree(tree: string): void {
  mkdirSync(join(tree, "dir"), { recursive: true });
  writeFileSync(join(tree, "blobs"), randomBytes(6 * MiB + 100));
  writeFileSync(join(tree, "dir/small"), "small");
  writeFileSync(join(tree, "table"), randomBytes(3 * MiB));
}

/** The same entries, whose bytes cannot be read: whoever reads them fails. */
async function unreadable(tree: string, isUnreadable: (entry: ViewEntry) => boolean): Promise<View> {
  const view = await openDirectoryView({ directory: tree });
  return {
    rootEntry: view.rootEntry,
    async *entries(reading) {
      for await (const entry of view.entries(reading)) {
        yield isUnreadable(entry) ? { ...entry, source: "/nowhere" } : entry;
      }
    },
  };
}

function overwrite(path: string, at: number, bytes: Uint8Array): void {
  writeSync(openSync(path, "r+"), bytes, 0, bytes.length, at);
}

describe("timestamps", () => {
  test("of files that are as recorded are trusted: nothing of them is opened", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      const first = await night(tree, scratch, "first");
      expect(first.segments.spared.segments).toBe(0);
      const second = await night(await unreadable(tree, () => true), scratch, "second", { last: first });
      expect(second.segments.spared.bytes).toBe(everything);
      expect(readFileSync(second.file).equals(readFileSync(first.file))).toBe(true);
      // And a third trusts the second, whose files nobody read.
      const third = await night(await unreadable(tree, () => true), scratch, "third", { last: second });
      expect(third.segments.spared.bytes).toBe(everything);
    }));

  test("spare only the files that did not change", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      const first = await night(tree, scratch, "first");
      appendFileSync(join(tree, "blobs"), "more");
      const others = await unreadable(tree, ({ path }) => path === "table");
      const second = await night(others, scratch, "second", { last: first });
      expect(second.segments.spared.bytes).toBe(allButBlobs);
      await unpack(second, join(scratch, "back"));
      execFileSync("diff", ["-r", tree, join(scratch, "back")]);
    }));

  const changes: Record<string, (path: string) => void> = {
    "overwritten, its size and mtime set back": (path) => {
      const { atime, mtime } = statSync(path);
      overwrite(path, MiB + 5, Buffer.from("other"));
      utimesSync(path, atime, mtime);
    },
    "replaced by a file of the same size and mtime": (path) => {
      const { atime, mtime, size } = statSync(path);
      writeFileSync(`${path}.new`, randomBytes(size));
      utimesSync(`${path}.new`, atime, mtime);
      renameSync(`${path}.new`, path);
    },
    "cut short and filled again": (path) => {
      const { atime, mtime, size } = statSync(path);
      truncateSync(path, 10);
      truncateSync(path, size);
      utimesSync(path, atime, mtime);
    },
    "given another mode only": (path) => chmodSync(path, 0o600),
  };
  test.each(Object.entries(changes))("of a file that was %s are not trusted", async (_, change) =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      const first = await night(tree, scratch, "first");
      change(join(tree, "blobs"));
      const second = await night(tree, scratch, "second", { last: first });
      expect(second.segments.spared.bytes).toBe(allButBlobs);
      await unpack(second, join(scratch, "back"));
      execFileSync("diff", ["-r", tree, join(scratch, "back")]);
      expect(statSync(join(scratch, "back/blobs")).mode).toBe(statSync(join(tree, "blobs")).mode);
    }),
  );

  test("as young as the cut are not remembered: a change in the same tick would not show", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      const first = await night(tree, scratch, "first", { cutAt: new Date() });
      // What the margin is for: the bytes change, and no time says so.
      const view = await openDirectoryView({ directory: tree });
      const before = new Map<string, ViewEntry>();
      for await (const entry of view.entries(signal)) before.set(entry.path, entry);
      overwrite(join(tree, "table"), 17, Buffer.from("in the same tick"));
      const sameTick: View = {
        rootEntry: view.rootEntry,
        async *entries(reading) {
          for await (const entry of view.entries(reading))
            yield { ...entry, ...before.get(entry.path), guard: "prefix" };
        },
      };
      const second = await night(sameTick, scratch, "second", { last: first });
      expect(second.segments.spared.bytes).toBe(0);
      await unpack(second, join(scratch, "back"));
      execFileSync("cmp", [join(tree, "table"), join(scratch, "back/table")]);
    }));
});

describe("the record", () => {
  test("counts only whole, and only for the very archive it is of", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      const file = join(scratch, "record");
      const { base } = await night(tree, scratch, "first");
      expect((await readSegmentRecord(file, base))?.size).toBe(base.frames - 1);
      expect(await readSegmentRecord(file, { ...base, id: "other" })).toBeUndefined();
      expect(await readSegmentRecord(file, { ...base, indexSha256: "0".repeat(64) })).toBeUndefined();
      expect(await readSegmentRecord(file, { ...base, frames: base.frames + 1 })).toBeUndefined();
      expect(await readSegmentRecord(join(scratch, "none"), base)).toBeUndefined();
      const bytes = readFileSync(file);
      for (const at of [10, bytes.length >> 1, bytes.length - 1]) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ 1;
        writeFileSync(file, flipped);
        expect(await readSegmentRecord(file, base)).toBeUndefined();
      }
      writeFileSync(file, bytes.subarray(0, -32));
      expect(await readSegmentRecord(file, base)).toBeUndefined();
      expect(existsSync(`${file}.new`)).toBe(false);
      expect(statSync(file).mode & 0o777).toBe(0o600);
    }));
});
