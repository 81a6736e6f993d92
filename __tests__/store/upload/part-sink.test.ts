import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OutgoingFrame, PlacedFrame } from "../../../src/archive/transport.ts";
import { StoreError } from "../../../src/store/errors.ts";
import { openFileStore } from "../../../src/store/file/file-store.ts";
import { openFrameSource } from "../../../src/store/frame-source.ts";
import { bytesOnTheWay } from "../../../src/store/upload/part-sender.ts";
import { PartSink } from "../../../src/store/upload/part-sink.ts";
import type { ObjectStore, PartLimits, Upload } from "../../../src/store/port.ts";
import { verifyBoundaries } from "../../../src/store/upload/part-boundaries.ts";
import { bytesIn } from "../../../src/store/upload/joined.ts";
import { uploadFile, uploadStream } from "../../../src/store/upload/upload-file.ts";
import { faultyUpload } from "../faulty.ts";

const signal = new AbortController().signal;
/** A store as choosy as S3, a thousand times smaller. */
const limits: PartLimits = { minPartSizeBytes: 5_000, maxPartSizeBytes: 5_000_000, maxParts: 10_000 };

let directory = "";
let store: ObjectStore;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "part-sink-"));
  store = openFileStore(directory);
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function writeBase(frames: readonly Buffer[]): Promise<{ key: string; etag: string }> {
  const info = await store.put("base.tar.zst", Buffer.concat(frames), { signal });
  return { key: info.key, etag: info.etag ?? "" };
}

describe("part sink", () => {
  test("writes what it is given, and tells where each frame stands", async () => {
    const frames = Array.from({ length: 40 }, (_, index) => randomBytes(1 + ((index * 977) % 30_000)));
    const upload = await store.openUpload("a.tar.zst", { signal });
    const progress: number[] = [];
    const sink = new PartSink({
      upload,
      limits,
      expectedSizeBytes: 1,
      signal,
      onProgress: ({ sentBytes }) => progress.push(sentBytes),
    });
    const placed: PlacedFrame[] = [];
    for (const bytes of frames) await sink.append({ kind: "bytes", bytes }, (at) => placed.push(at));
    await sink.finish(() => {
      expect(placed.length).toBe(frames.length);
      return Buffer.from("the seek table");
    });
    await upload.complete();
    const { bytes } = await store.get("a.tar.zst", { signal });
    const whole = Buffer.concat([...frames, Buffer.from("the seek table")]);
    expect(sha256(bytes)).toBe(sha256(whole));
    const result = sink.result();
    expect(result).toMatchObject({
      sizeBytes: whole.length,
      sentBytes: whole.length,
      copiedBytes: 0,
      reusedFrames: 0,
      boundaries: [],
    });
    expect(progress.at(-1)).toBe(whole.length);
    const source = await openFrameSource(store, "a.tar.zst", signal);
    expect(source.size).toBe(whole.length);
    for (const [index, { offset, compressedSize, reused }] of placed.entries()) {
      expect(reused).toBe(false);
      expect(frames[index]!.equals(await source.read(offset, compressedSize, signal))).toBe(true);
    }
  });

  test("copies what the base has, sends the rest, and knows the boundaries", async () => {
    const old = Array.from({ length: 30 }, () => randomBytes(3_000));
    const copyFrom = await writeBase(old);
    const upload = await store.openUpload("b.tar.zst", { signal, copyFrom });
    const sink = new PartSink({ upload, limits, expectedSizeBytes: 100_000, signal });
    const placed: PlacedFrame[] = [];
    const expected: Buffer[] = [];
    let materialized = 0;
    for (const [index, bytes] of old.entries()) {
      const changed = index === 10;
      const fresh = randomBytes(2_500);
      const frame: OutgoingFrame = changed
        ? { kind: "bytes", bytes: fresh }
        : {
            kind: "reusable",
            baseOffset: index * 3_000,
            compressedSize: 3_000,
            materialize: async () => {
              materialized += 1;
              return { bytes };
            },
          };
      expected.push(changed ? fresh : bytes);
      await sink.append(frame, (at) => placed.push(at));
    }
    await sink.finish(() => Buffer.from("tail"));
    await upload.complete();
    const whole = Buffer.concat([...expected, Buffer.from("tail")]);
    expect(sha256((await store.get("b.tar.zst", { signal })).bytes)).toBe(sha256(whole));
    const result = sink.result();
    // 2,500 changed bytes are below the least part: one neighbour of 3,000 goes along.
    expect(materialized).toBe(1);
    expect(result.sentBytes).toBe(2_500 + 3_000 + 4);
    expect(result.copiedBytes).toBe(28 * 3_000);
    expect(result.reusedFrames).toBe(28);
    expect(placed.filter(({ reused }) => reused).length).toBe(28);

    const source = await openFrameSource(store, "b.tar.zst", signal);
    const seen: number[] = [];
    const check = async (frame: number, bytes: Uint8Array): Promise<void> => {
      seen.push(frame);
      if (!expected[frame]!.equals(bytes)) throw new StoreError("STORE_MISMATCH", `frame ${frame}`);
    };
    await verifyBoundaries(source, result.boundaries, check, { concurrency: 3, signal });
    expect(seen.length).toBe(4);
    expect(seen).toEqual(expect.arrayContaining([0, 29]));
    const wrong = result.boundaries
      .map((boundary) => ({ ...boundary, offset: boundary.offset + 1 }))
      .slice(0, 1);
    await expect(verifyBoundaries(source, wrong, check, { concurrency: 1, signal })).rejects.toMatchObject({
      code: "STORE_MISMATCH",
    });
  });

  test("sends everything where the store cannot copy", async () => {
    const upload = await store.openUpload("c.tar.zst", { signal });
    expect(upload.copies).toBe("none");
    const sink = new PartSink({ upload, limits, expectedSizeBytes: 1, signal });
    const bytes = randomBytes(9_000);
    await sink.append(
      { kind: "reusable", baseOffset: 0, compressedSize: 9_500, materialize: async () => ({ bytes }) },
      ({ reused, compressedSize }) => expect([reused, compressedSize]).toEqual([false, 9_000]),
    );
    await sink.finish(() => new Uint8Array());
    await upload.complete();
    expect(sha256((await store.get("c.tar.zst", { signal })).bytes)).toBe(sha256(bytes));
  });

  test("keeps few parts and bytes on their way", async () => {
    let now = 0;
    let most = 0;
    const slow: Upload = {
      token: { key: "x", id: "x" },
      copies: "none",
      async writePart(_, pieces) {
        const size = bytesIn(pieces);
        now += size;
        most = Math.max(most, now);
        await sleep(2);
        now -= size;
      },
      copyPart: async () => undefined,
      complete: async () => ({ key: "x", size: 0 }),
      abort: async () => undefined,
    };
    const MiB = 1024 * 1024;
    const aws = { minPartSizeBytes: 5 * MiB, maxPartSizeBytes: 5_000 * MiB, maxParts: 10_000 };
    const sink = new PartSink({ upload: slow, limits: aws, expectedSizeBytes: 3_000 * MiB, signal });
    const frame = Buffer.alloc(8 * MiB);
    for (let index = 0; index < 60; index += 1) {
      await sink.append({ kind: "bytes", bytes: frame }, () => undefined);
    }
    await sink.finish(() => Buffer.from("tail"));
    expect(most).toBeLessThanOrEqual(bytesOnTheWay);
    expect(most).toBeGreaterThan(32 * MiB);
    expect(now).toBe(0);
  });

  test("stops with the first error of a part, and leaves nothing behind", async () => {
    for (const failAt of [1, 2, 5]) {
      const upload = faultyUpload(await store.openUpload("d.tar.zst", { signal }), {
        failAt,
        error: new StoreError("STORE_FULL", "no space"),
      });
      const sink = new PartSink({ upload, limits, expectedSizeBytes: 1, signal });
      const send = async (): Promise<void> => {
        for (let index = 0; index < 20; index += 1) {
          await sink.append({ kind: "bytes", bytes: Buffer.alloc(20_000_000) }, () => undefined);
        }
        await sink.finish(() => Buffer.from("tail"));
      };
      try {
        await expect(send()).rejects.toMatchObject({ code: "STORE_FULL" });
      } finally {
        await upload.abort();
      }
      expect(await readdir(directory)).toEqual([]);
    }
  });
});

describe("uploading files and streams", () => {
  test.each([0, 1, 4_999, 30_000_000])("a file of %d bytes", async (size) => {
    const bytes = randomBytes(size);
    const source = openFileStore(path.join(directory, "from"));
    await source.put("file", bytes, { signal });
    const info = await uploadFile(store, "to/file", path.join(directory, "from/file"), { signal });
    expect(info).toMatchObject({ key: "to/file", size });
    expect(sha256((await store.get("to/file", { signal })).bytes)).toBe(sha256(bytes));
  });

  test("a stream that breaks leaves nothing", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(1000);
      throw new Error("broken");
    }
    await expect(
      uploadStream(store, "to/stream", broken(), { signal, expectedSizeBytes: 1000 }),
    ).rejects.toThrow("broken");
    expect(await store.head("to/stream", signal)).toBeUndefined();
    expect(
      (await readdir(directory, { recursive: true })).filter((name) => name.includes("partial")),
    ).toEqual([]);
  });
});
