import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openIndex } from "../../../src/archive/format/index-reader.ts";
import { fetchFrames } from "../../../src/archive/read/frame-fetch.ts";
import { planFrames } from "../../../src/archive/read/frame-plan.ts";
import { unpackArchive, verifyArchive } from "../../../src/archive/read/reader.ts";
import type { FrameSource } from "../../../src/archive/transport.ts";
import { WorkerPool } from "../../../src/archive/workers/worker-pool.ts";
import { all, archiveOf, openLocalSource, signal, useScratch, type LocalArchive } from "../local-archive.ts";

const pieces = 24;
const segmentSizeBytes = 1024 * 1024;
const failure = new Error("this read fails at once");

/** An archive of many frames, most of them one file's. */
async function useArchive(work: (archive: LocalArchive, scratch: string) => Promise<void>): Promise<void> {
  await useScratch(async (scratch) => {
    const tree = join(scratch, "tree");
    mkdirSync(tree);
    writeFileSync(join(tree, "a"), "small");
    writeFileSync(join(tree, "large"), randomBytes(pieces * segmentSizeBytes));
    await work(await archiveOf(tree, scratch, { segmentSizeOf: () => segmentSizeBytes }), scratch);
  });
}

function countingReads(source: FrameSource): { readonly source: FrameSource; reads(): number } {
  let reads = 0;
  const read: FrameSource["read"] = async (...range) => {
    reads += 1;
    return await source.read(...range);
  };
  return { source: { ...source, read }, reads: () => reads };
}

/** The source, whose read number `at` (0: the seek table) fails once, before it waits for anything. */
function failingOnce(source: FrameSource, at: number): FrameSource {
  let reads = -1;
  return {
    ...source,
    read: async (offset, length, stop) => {
      reads += 1;
      if (reads === at) throw failure;
      return await source.read(offset, length, stop);
    },
  };
}

describe("a frame that fails", () => {
  test("ends a restore and a verification wherever it stands, when its read fails at once", async () => {
    await useArchive(async (archive, scratch) => {
      const source = await openLocalSource(archive.file);
      expect(archive.written.frames).toBeGreaterThan(pieces);
      const counted = countingReads(source);
      await verifyArchive({ source: counted.source, indexFile: archive.indexFile, concurrency: 1, signal });
      // Neighbours are read together.
      expect(counted.reads()).toBeGreaterThan(4);
      expect(counted.reads()).toBeLessThan(archive.written.frames);
      for (let at = 0; at < counted.reads(); at += 1) {
        const common = {
          source: failingOnce(source, at),
          indexFile: archive.indexFile,
          concurrency: 1,
          signal,
        };
        await expect(verifyArchive(common)).rejects.toBe(failure);
        const target = join(scratch, `target-${at}`);
        const again = { ...common, source: failingOnce(source, at) };
        await expect(unpackArchive({ ...again, target, owner: "mine", durable: false })).rejects.toBe(
          failure,
        );
      }
      await source.close();
    });
  });

  test("ends a verification wherever it stands, when it is damaged", async () => {
    await useArchive(async ({ file, indexFile, written }) => {
      const whole = readFileSync(file);
      for (let frame = 0; frame < written.frames; frame += 1) {
        const damaged = Buffer.from(whole);
        const at = written.frameAt(frame).offset + 20;
        damaged[at] = 255 - (damaged[at] ?? 0);
        const source: FrameSource = {
          size: damaged.length,
          url: "memory:",
          read: async (offset, length) => new Uint8Array(damaged.subarray(offset, offset + length)),
        };
        await expect(verifyArchive({ source, indexFile, concurrency: 1, signal })).rejects.toMatchObject({
          code: "FRAME_CORRUPT",
        });
      }
    });
  });
});

test("the frames done are counted, and held against those that were to be done", async () => {
  await useArchive(async (archive) => {
    const source = await openLocalSource(archive.file);
    const index = await openIndex(archive.indexFile, { signal });
    const planned = await all(
      planFrames(index, { signal, wanted: () => true, onLargeFile: () => undefined }),
    );
    const fetchSome = async (frames: typeof planned, complete: boolean) =>
      await fetchFrames(
        (async function* () {
          yield* frames;
        })(),
        {
          source,
          index,
          pool: new WorkerPool(1),
          target: undefined,
          seedsOf: () => [],
          signal,
          complete,
          onFrame: () => undefined,
          onProgress: undefined,
        },
      );
    const count = index.frames.count;
    expect(await fetchSome(planned, true)).toMatchObject({ frames: count, fetchedFrames: count });
    expect(await fetchSome(planned.slice(3), false)).toMatchObject({ frames: count - 3 });
    await expect(fetchSome(planned.slice(0, -1), true)).rejects.toMatchObject({ code: "FRAMES_MISSING" });
    await expect(fetchSome([...planned.slice(1), planned[1]!], true)).rejects.toMatchObject({
      code: "FRAMES_MISSING",
    });
    await source.close();
  });
});
