import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
  appendFileSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { openDirectoryView } from "../../../src/archive/write/directory-view.ts";
import { openIndex } from "../../../src/archive/format/index-reader.ts";
import { unpackArchive } from "../../../src/archive/read/reader.ts";
import { endOfArchiveSize } from "../../../src/archive/format/tar-header.ts";
import type { FrameSource } from "../../../src/archive/transport.ts";
import type { View, ViewEntry } from "../../../src/archive/view.ts";
import { writeArchive } from "../../../src/archive/write/writer.ts";
import type { KnownFrame } from "../../../src/archive/write/writer.ts";
import { limitRate } from "../../../src/system/rate-limit.ts";
import {
  all,
  archiveOf,
  openLocalSink,
  openLocalSource,
  signal,
  unpack,
  useScratch,
  verify,
} from "../local-archive.ts";
import type { LocalArchive } from "../local-archive.ts";

const MiB = 1024 * 1024;
const segmentSizeOf = (): number => MiB;

/** Lists a directory now and gives that list later, whatever has become of the directory. */
async function listedView(directory: string, change: Partial<ViewEntry> = {}): Promise<View> {
  const view = await openDirectoryView({ directory });
  const entries = (await all(view.entries(signal))).map((entry) => ({ ...entry, ...change }));
  return {
    rootEntry: view.rootEntry,
    async *entries() {
      yield* entries;
    },
  };
}

function makeTree(tree: string): void {
  mkdirSync(join(tree, "dir"), { recursive: true });
  writeFileSync(join(tree, "blobs"), randomBytes(6 * MiB + 100));
  writeFileSync(join(tree, "dir/small"), "small");
  writeFileSync(join(tree, "table"), randomBytes(3 * MiB));
}

const threads = (): number => readdirSync("/proc/self/task").length;

describe("writing", () => {
  test.each<[string, string, (file: string) => void]>([
    ["changed", "FILE_CHANGED", (file) => appendFileSync(file, "x")],
    ["rewritten in place", "FILE_CHANGED", (file) => writeFileSync(file, "SMALL")],
    ["cut", "FILE_CHANGED", (file) => truncateSync(file, 1)],
    ["replaced", "FILE_CHANGED", (file) => (rmSync(file), writeFileSync(file, "small"))],
    ["removed", "FILE_VANISHED", (file) => rmSync(file)],
  ])("names a file that was %s since it was listed", async (_, code, change) =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      const view = await listedView(tree);
      change(join(tree, "dir/small"));
      const before = threads();
      const attempt = archiveOf(view, scratch);
      await expect(attempt).rejects.toMatchObject({ code, message: expect.stringContaining("dir/small") });
      expect(threads()).toBeLessThanOrEqual(before + 4);
      expect(existsSync(join(scratch, "archive.index.json.zst.entries"))).toBe(false);
    }),
  );

  test("reads no faster than it may, and counts every byte", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      const rate = limitRate(10 * MiB);
      let taken = 0;
      const startedAt = performance.now();
      const { written } = await archiveOf(tree, scratch, {
        segmentSizeOf,
        readRate: {
          async take(bytes, stop) {
            taken += bytes;
            await rate.take(bytes, stop);
          },
        },
      });
      expect(taken).toBe(written.tarSize - endOfArchiveSize);
      // The last segment waits for those before it, not for itself; and a tenth of a second may be made up for.
      const waitedForBytes = taken - 1.1 * MiB - MiB;
      expect(performance.now() - startedAt).toBeGreaterThan((waitedForBytes / (10 * MiB)) * 1000);
    }));

  test("takes the first bytes of a file that may grow, and no less", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      const view = await listedView(tree, { guard: "prefix" });
      const before = readFileSync(join(tree, "blobs"));
      appendFileSync(join(tree, "blobs"), "grown");
      const archive = await archiveOf(view, scratch);
      await unpack(archive, join(scratch, "back"));
      expect(readFileSync(join(scratch, "back/blobs")).equals(before)).toBe(true);
      truncateSync(join(tree, "blobs"), 5 * MiB);
      await expect(archiveOf(view, scratch)).rejects.toMatchObject({ code: "FILE_CHANGED" });
    }));

  test.each<[string, Partial<ViewEntry>]>([
    ["a symlink that leads out", { type: "symlink", size: 0, linkTarget: "/mnt/blocks" }],
    ["a path that climbs", { path: "../x" }],
  ])("refuses %s, which could not be restored", async (_, change) =>
    useScratch(async (scratch) => {
      writeFileSync(join(scratch, "file"), "x");
      const attempt = archiveOf(await listedView(scratch, change), scratch);
      await expect(attempt).rejects.toMatchObject({ code: "ENTRY_UNSUPPORTED" });
    }),
  );

  test("stops with the signal, or with what the sink throws, and leaves no thread and no spool", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      const view = await openDirectoryView({ directory: tree });
      const sink = await openLocalSink(join(scratch, "out"));
      const common = { view, rootName: "mainnet", level: 19, concurrency: 2, segmentSizeOf };
      const indexFile = join(scratch, "index");
      const stop = new AbortController();
      let appended = 0;
      const stopping = {
        ...sink,
        append: async (...args: Parameters<typeof sink.append>) => {
          appended += 1;
          if (appended === 2) stop.abort();
          await sink.append(...args);
        },
      };
      const aborted = writeArchive({ ...common, sink: stopping, indexFile, signal: stop.signal });
      await expect(aborted).rejects.toMatchObject({ code: "CANCELLED" });
      const full = { ...sink, append: async () => Promise.reject(new Error("full")) };
      await expect(writeArchive({ ...common, sink: full, indexFile, signal })).rejects.toThrow("full");
      await sink.close();
      expect(readdirSync(scratch).toSorted((a, b) => (a < b ? -1 : 1))).toEqual(["out", "tree"]);
      await expect.poll(workers).toBe(0);
    }));

  test("takes what the base archive has from there, and the result stands alone", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      const first = await archiveOf(tree, scratch, { segmentSizeOf }, "first");
      appendFileSync(join(tree, "blobs"), randomBytes(1000));
      const known = await framesBySha256(first);
      const options = { segmentSizeOf, known: (sha256: string) => known.get(sha256) };
      const second = await archiveOf(tree, scratch, { ...options, base: first.file }, "second");
      expect(second.written.reused.frames).toBeGreaterThanOrEqual(8);
      expect(second.written.uploadedBytes).toBeLessThan(2 * MiB);
      expect(second.written.sha256).toBeUndefined();
      const compressedAgain = await archiveOf(tree, scratch, options, "third");
      expect(compressedAgain.written.reused.frames).toBe(0);
      expect(readFileSync(compressedAgain.file).equals(readFileSync(second.file))).toBe(true);
      rmSync(first.file);
      await unpack(second, join(scratch, "back"));
      execFileSync("diff", ["-r", tree, join(scratch, "back")]);
      expect(await verify(second)).toMatchObject({ treeSha256: second.written.treeSha256 });
    }));
});

describe("unpacking", () => {
  test("goes on where an interrupted run stopped, and believes the disk, not the journal", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      // Neighbours are read together: enough for several requests.
      writeFileSync(join(tree, "random"), randomBytes(40 * MiB));
      const archive = await archiveOf(tree, scratch, { segmentSizeOf });
      const target = join(scratch, "back");
      const journalFile = join(scratch, "journal");
      const journaled = (): number[] =>
        existsSync(journalFile) ? readFileSync(journalFile, "utf8").split("\n").slice(1, -1).map(Number) : [];
      // Reads are ahead of what is finished: the connection breaks only when something is.
      const broken = await failingAfter(archive, 4, async () => {
        while (journaled().length < 2) await delay(5);
      });
      const options = {
        target,
        journalFile,
        indexFile: archive.indexFile,
        owner: "mine",
        durable: false,
      } as const;
      const first = unpackArchive({ ...options, source: broken, concurrency: 1, signal });
      await expect(first).rejects.toThrow("connection lost");
      const done = journaled().length;
      expect(done).toBeGreaterThanOrEqual(2);
      // Something happened to the disk meanwhile: what was finished of this file is not what it was.
      writeFileSync(join(target, "blobs"), Buffer.alloc(MiB, "torn"), { flag: "r+" });
      const second = await unpack(archive, target, { journalFile });
      expect(second.fetchedFrames).toBeLessThan(archive.written.frames);
      expect(second.fetchedFrames).toBeGreaterThanOrEqual(archive.written.frames - done);
      execFileSync("diff", ["-r", tree, target]);
      writeFileSync(join(tree, "dir/small"), "other");
      const other = await archiveOf(tree, scratch, {}, "other");
      await expect(unpack(other, target, { journalFile })).rejects.toMatchObject({ code: "JOURNAL_FOREIGN" });
    }));

  test("takes from other directories what they have", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      const archive = await archiveOf(tree, scratch, { segmentSizeOf });
      const same = await unpack(archive, join(scratch, "same"), { seeds: [join(scratch, "none"), tree] });
      // The end of the tar is no file's.
      expect(same.fetchedFrames).toBe(0);
      execFileSync("diff", ["-r", tree, join(scratch, "same")]);
      const seed = join(scratch, "seed");
      execFileSync("cp", ["-a", tree, seed]);
      writeFileSync(join(seed, "blobs"), Buffer.alloc(10, "x"), { flag: "r+" });
      truncateSync(join(seed, "table"), 100);
      const some = await unpack(archive, join(scratch, "some"), { seeds: [seed] });
      expect(some.fetchedFrames).toBe(4);
      execFileSync("diff", ["-r", tree, join(scratch, "some")]);
    }));

  test("stops with the signal or with the first failure, and leaves no thread", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      writeFileSync(join(tree, "random"), randomBytes(20 * MiB));
      const archive = await archiveOf(tree, scratch, { segmentSizeOf });
      const stop = new AbortController();
      const attempt = unpack(archive, join(scratch, "back"), {
        signal: stop.signal,
        onProgress: () => stop.abort(),
      });
      await expect(attempt).rejects.toMatchObject({ code: "CANCELLED" });
      const source = await failingAfter(archive, 3);
      const common = { source, indexFile: archive.indexFile, concurrency: 2, signal } as const;
      const failing = unpackArchive({
        ...common,
        target: join(scratch, "b2"),
        owner: "mine",
        durable: false,
      });
      await expect(failing).rejects.toThrow("connection lost");
      await expect.poll(workers).toBe(0);
    }));

  test("says so when the disk is full", async () =>
    useScratch(async (scratch) => {
      if (process.geteuid?.() !== 0) return;
      const tree = join(scratch, "tree");
      makeTree(tree);
      const archive = await archiveOf(tree, scratch, { segmentSizeOf });
      const small = join(scratch, "small");
      mkdirSync(small);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", small]);
      try {
        await expect(unpack(archive, join(small, "back"))).rejects.toMatchObject({ code: "DISK_FULL" });
      } finally {
        execFileSync("umount", [small]);
      }
    }));

  test("returns with everything on disk where it is asked to", async () =>
    useScratch(async (scratch) => {
      const tree = join(scratch, "tree");
      makeTree(tree);
      const archive = await archiveOf(tree, scratch);
      await unpack(archive, join(scratch, "back"), { durable: true });
      expect(execFileSync("diff", ["-r", tree, join(scratch, "back")])).toHaveLength(0);
    }));
});

function workers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Worker").length;
}

async function framesBySha256(archive: LocalArchive): Promise<Map<string, KnownFrame>> {
  const { frames } = await openIndex(archive.indexFile, { signal });
  return new Map(Array.from({ length: frames.count }, (_, n) => [frames.sha256Of(n), frames.at(n)]));
}

/** A source whose connection breaks after so many reads, not before `ready`. */
async function failingAfter(
  archive: LocalArchive,
  reads: number,
  ready: () => Promise<void> = async () => undefined,
): Promise<FrameSource> {
  const source = await openLocalSource(archive.file);
  let left = reads;
  return {
    url: source.url,
    size: source.size,
    async read(...args) {
      left -= 1;
      if (left >= 0) return source.read(...args);
      await ready();
      await source.close().catch(() => undefined);
      throw new Error("connection lost");
    },
  };
}
