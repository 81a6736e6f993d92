import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hasCode } from "../../../src/domain/errors.ts";
import { decodeFrames, encodeFrames } from "../../../src/volume/xfs/frame-stream.ts";
import { has } from "../../tools.ts";

const signal = new AbortController().signal;

async function* pieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let index = 0; at < bytes.length; index += 1) {
    const size = Math.max(1, sizes[index % sizes.length] ?? 1);
    yield bytes.subarray(at, at + size);
    at += size;
  }
  await Promise.resolve();
}

async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

const encode = async (bytes: Buffer, sizes: readonly number[] = [65_536]): Promise<Buffer> =>
  await gather(encodeFrames(pieces(bytes, sizes), 1, signal));
const decode = async (bytes: Buffer, sizes: readonly number[] = [65_536]): Promise<Buffer> =>
  await gather(decodeFrames(pieces(bytes, sizes)));
const large = Buffer.alloc(40 << 20, "three frames, the last one not full ");

describe("dumps as frames", () => {
  it("come back whole, however they are cut on the way", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 5000 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }),
        async (bytes, sizes) => {
          const plain = Buffer.from(bytes);
          expect(await decode(await encode(plain, sizes), sizes)).toEqual(plain);
        },
      ),
      { numRuns: 60 },
    );
    const packed = await encode(large, [1_000_003]);
    expect((await decode(packed, [777_777])).equals(large)).toBe(true);
  });

  it.skipIf(!has("zstd"))("are what `zstd -d` makes the plain stream of", async () => {
    const plain = execFileSync("zstd", ["-dc"], { input: await encode(large), maxBuffer: 64 << 20 });
    expect(createHash("sha256").update(plain).digest("hex")).toBe(
      createHash("sha256").update(large).digest("hex"),
    );
  });

  it("a flipped bit is an error or changes nothing, and a lost end is an error", async () => {
    const plain = Buffer.from("a dump of some length, long enough to be compressed, compressed, compressed");
    const packed = await encode(plain);
    const outcomes = { error: 0, same: 0, wrong: 0 };
    for (let bit = 0; bit < packed.length * 8; bit += 1) {
      const damaged = Buffer.from(packed);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const result = await decode(damaged).catch((error: unknown) => error);
      const isError = hasCode(result, "DUMP_CORRUPT");
      outcomes[isError ? "error" : Buffer.isBuffer(result) && result.equals(plain) ? "same" : "wrong"] += 1;
    }
    // A few bits of zstd's frame header are not used for anything.
    expect(outcomes.wrong).toBe(0);
    expect(outcomes.same).toBeLessThan(8);
    for (let size = 0; size < packed.length; size += 1) {
      await expect(decode(packed.subarray(0, size)), `${size} bytes`).rejects.toMatchObject({
        code: "DUMP_CORRUPT",
      });
    }
    await expect(decode(Buffer.concat([packed, packed]))).rejects.toMatchObject({ code: "DUMP_CORRUPT" });
  });

  it("a source that fails is passed on, and an abort ends it", async () => {
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(large.subarray(0, 100));
      throw new Error("the source failed");
    };
    await expect(gather(encodeFrames(failing(), 1, signal))).rejects.toThrow("the source failed");
    await expect(gather(encodeFrames(pieces(large, [65_536]), 1, AbortSignal.abort()))).rejects.toMatchObject(
      { code: "CANCELLED" },
    );
  });
});
