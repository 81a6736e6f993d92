/**
 * What every ObjectStore must do, asked of the real thing. A provider's test opens an empty store and says what it is
 * expected to be able to do; nothing here is skipped because of what the store itself claims.
 */
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ObjectStore, Upload } from "../../src/store/port.ts";
import { hasCode } from "../../src/domain/errors.ts";
import { collect } from "../../src/store/chunks.ts";

export interface StoreExpectation {
  readonly open: () => Promise<ObjectStore>;
  readonly copies: Upload["copies"];
  readonly conditionalWrites: boolean;
}

const MiB = 1024 * 1024;

export function storeConformance(name: string, expectation: StoreExpectation): void {
  describe(`store port: ${name}`, () => {
    let store: ObjectStore;
    const signal = new AbortController().signal;
    beforeAll(async () => {
      store = await expectation.open();
    });
    afterAll(async () => {
      await store.close();
    });

    const keys = async (prefix: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const { key } of store.list(prefix, signal)) found.push(key);
      return found;
    };
    const uploads = async (prefix: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const { token } of store.listUploads(prefix, signal)) found.push(token.key);
      return found;
    };
    const text = async (key: string): Promise<string> =>
      Buffer.from((await store.get(key, { signal })).bytes).toString();

    test("proves that it can be written to, and leaves nothing behind", async () => {
      await store.probeWritable(signal);
      expect(await keys("")).toEqual([]);
      expect(await uploads("")).toEqual([]);
      expect(store.capabilities.conditionalWrites).toBe(expectation.conditionalWrites);
      expect(store.capabilities.readOnly).toBe(false);
    });

    storeReadingTests(
      () => store,
      async (key, bytes) => void (await store.put(key, bytes, { signal })),
    );

    test("tells with every put which version it made, and removes what is there and what is not", async () => {
      const first = await store.put("a/put.json", Buffer.from("one"), { signal });
      const second = await store.put("a/put.json", Buffer.from("two"), {
        signal,
        contentType: "application/json",
      });
      expect(first.etag).not.toBe(second.etag);
      expect(await store.head("a/put.json", signal)).toMatchObject({ size: 3, etag: second.etag });
      await store.delete("a/put.json", signal);
      await store.delete("a/put.json", signal);
      expect(await store.head("a/put.json", signal)).toBeUndefined();
    });

    test("creates only once, and replaces only the version that was seen", async () => {
      const created = await store.put("cas/latest.json", Buffer.from("1"), { signal, ifAbsent: true });
      await expect(
        store.put("cas/latest.json", Buffer.from("x"), { signal, ifAbsent: true }),
      ).rejects.toMatchObject({
        code: "PRECONDITION_FAILED",
      });
      const etag = created.etag ?? "";
      const next = await store.put("cas/latest.json", Buffer.from("2"), { signal, ifMatch: etag });
      await expect(
        store.put("cas/latest.json", Buffer.from("x"), { signal, ifMatch: etag }),
      ).rejects.toMatchObject({
        code: "PRECONDITION_FAILED",
      });
      expect(await text("cas/latest.json")).toBe("2");
      expect((await store.head("cas/latest.json", signal))?.etag).toBe(next.etag);
      await expect(
        store.put("cas/absent.json", Buffer.from("x"), { signal, ifMatch: etag }),
      ).rejects.toMatchObject({
        code: "PRECONDITION_FAILED",
      });
      expect(await store.head("cas/absent.json", signal)).toBeUndefined();
    });

    test.runIf(expectation.conditionalWrites)("loses no update of a dozen racing writers", async () => {
      const writers = 12;
      await store.put("cas/counter", Buffer.from("0"), { signal });
      const increment = async (): Promise<void> => {
        for (let attempt = 0; attempt < 500; attempt += 1) {
          const { bytes, info } = await store.get("cas/counter", { signal });
          try {
            const next = String(Number(Buffer.from(bytes).toString()) + 1);
            await store.put("cas/counter", Buffer.from(next), { signal, ifMatch: info.etag ?? "" });
            return;
          } catch (error) {
            if (!hasCode(error, "PRECONDITION_FAILED")) throw error;
          }
        }
        throw new Error("starved");
      };
      await Promise.all(Array.from({ length: writers }, increment));
      expect(await text("cas/counter")).toBe(String(writers));
    });

    test("lists keys by prefix in byte order, however deep", async () => {
      const names = [
        "l/a",
        "l/a-b/c",
        "l/a.txt",
        "l/a/b",
        "l/ä",
        "l/a b+c&d%20",
        "l/Z",
        "l/zz/yy/xx/ww",
      ].filter(
        // A directory cannot hold both l/a and l/a/b.
        (key) => key !== "l/a",
      );
      for (const key of names) await store.put(key, Buffer.from(key), { signal });
      const inOrder = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(await keys("l/")).toEqual(inOrder);
      expect(await keys("l/a")).toEqual(inOrder.filter((key) => key.startsWith("l/a")));
      expect(await keys("l/a/")).toEqual(["l/a/b"]);
      expect(await keys("nothing")).toEqual([]);
      for (const key of names) expect(await text(key)).toBe(key);
      for (const key of names) await store.delete(key, signal);
      expect(await keys("l/")).toEqual([]);
    });

    test("refuses keys that leave the prefix", async () => {
      for (const key of ["", "/a", "a//b", "../a", "a/../b", "a/", ".hidden", "a/.b", "a\nb"]) {
        const put = async (): Promise<unknown> => store.put(key, Buffer.from("x"), { signal });
        await expect(put()).rejects.toMatchObject({ code: "STORE_UNSUPPORTED" });
      }
    });

    test("builds an object of parts written in any order, invisible until it is complete", async () => {
      const sizes = [5 * MiB, 5 * MiB + 1, 6 * MiB, 17];
      const parts = sizes.map((size) => randomBytes(size));
      const whole = Buffer.concat(parts);
      const upload = await store.openUpload("u/object.bin", { signal });
      expect(upload.copies).toBe("none");
      const place = (index: number) => ({
        number: index + 1,
        offset: sizes.slice(0, index).reduce((a, b) => a + b, 0),
      });
      let released = 0;
      const release = (): void => void (released += 1);
      for (const index of [3, 1]) await upload.writePart(place(index), [parts[index]!], release);
      expect(released).toBe(2);
      const inPieces = (part: Uint8Array): Uint8Array[] => [part.subarray(0, 1000), part.subarray(1000)];
      await Promise.all(
        [0, 2].map((index) => upload.writePart(place(index), inPieces(parts[index]!), release)),
      );
      expect(released).toBe(4);
      expect(await store.head("u/object.bin", signal)).toBeUndefined();
      expect(await keys("u/")).toEqual([]);
      expect(await uploads("u/")).toEqual(["u/object.bin"]);
      const info = await upload.complete();
      expect(info.size).toBe(whole.length);
      expect(await uploads("u/")).toEqual([]);
      await upload.abort();
      const { bytes, info: read } = await store.get("u/object.bin", { signal });
      expect(sha256(bytes)).toBe(sha256(whole));
      expect(read.etag).toBe(info.etag);
    });

    test("refuses parts that do not join", async () => {
      const upload = await store.openUpload("u/gap.bin", { signal });
      await upload.writePart({ number: 1, offset: 0 }, [randomBytes(5 * MiB)]);
      await upload.writePart({ number: 3, offset: 5 * MiB + 1 }, [randomBytes(10)]);
      await expect(upload.complete()).rejects.toMatchObject({ code: "STORE_MISMATCH" });
      await upload.abort();
      expect(await store.head("u/gap.bin", signal)).toBeUndefined();
      expect(await uploads("u/gap")).toEqual([]);
    });

    test("takes an upload back, from this process and from another", async () => {
      const upload = await store.openUpload("u/aborted.bin", { signal });
      await upload.writePart({ number: 1, offset: 0 }, [randomBytes(1000)]);
      await upload.abort();
      await upload.abort();
      await expect(
        (async () => upload.writePart({ number: 2, offset: 1000 }, [randomBytes(10)]))(),
      ).rejects.toMatchObject({ code: "STORE_FAILED" });
      const left = await store.openUpload("u/left.bin", { signal });
      await left.writePart({ number: 1, offset: 0 }, [randomBytes(1000)]);
      const other = await expectation.open();
      try {
        const token = JSON.parse(JSON.stringify(left.token)) as typeof left.token;
        for await (const found of other.listUploads("u/left", signal)) {
          expect(found.token).toEqual(token);
          expect(Math.abs((found.startedAt?.getTime() ?? 0) - Date.now())).toBeLessThan(3_600_000);
        }
        await other.abortUpload(token, signal);
        await other.abortUpload(token, signal);
      } finally {
        await other.close();
      }
      expect(await uploads("u/")).toEqual([]);
      expect(await keys("u/a")).toEqual([]);
      expect(await keys("u/l")).toEqual([]);
      await left.abort();
    });

    describe.runIf(expectation.copies !== "none")("copies ranges", () => {
      const base = randomBytes(12 * MiB + 12345);
      let etag = "";
      beforeAll(async () => {
        const upload = await store.openUpload("c/base.bin", { signal });
        await upload.writePart({ number: 1, offset: 0 }, [base.subarray(0, 6 * MiB)]);
        await upload.writePart({ number: 2, offset: 6 * MiB }, [base.subarray(6 * MiB)]);
        etag = (await upload.complete()).etag ?? "";
      });

      test("of an earlier object, from any byte on, between written parts", async () => {
        const fresh = randomBytes(5 * MiB + 3);
        const upload = await store.openUpload("c/next.bin", {
          signal,
          copyFrom: { key: "c/base.bin", etag },
        });
        expect(upload.copies).toBe(expectation.copies);
        const first = { offset: 777, length: 5 * MiB + 1 };
        const second = { offset: 7 * MiB + 1, length: base.length - 7 * MiB - 1 };
        await Promise.all([
          upload.copyPart({ number: 1, offset: 0 }, first),
          upload.writePart({ number: 2, offset: first.length }, [fresh]),
          upload.copyPart({ number: 3, offset: first.length + fresh.length }, second),
        ]);
        const info = await upload.complete();
        const cut = (range: typeof first): Buffer => base.subarray(range.offset, range.offset + range.length);
        const whole = Buffer.concat([cut(first), fresh, cut(second)]);
        expect(info.size).toBe(whole.length);
        await store.delete("c/base-copy", signal);
        expect(sha256((await store.get("c/next.bin", { signal })).bytes)).toBe(sha256(whole));
      });

      test("and never of another version", async () => {
        await store.put("c/moving.bin", base, { signal });
        const seen = (await store.head("c/moving.bin", signal))?.etag ?? "";
        const attempt = async (): Promise<void> => {
          const upload = await store.openUpload("c/mixed.bin", {
            signal,
            copyFrom: { key: "c/moving.bin", etag: seen },
          });
          try {
            await upload.copyPart({ number: 1, offset: 0 }, { offset: 0, length: 5 * MiB });
            await store.put("c/moving.bin", randomBytes(base.length), { signal });
            await upload.copyPart({ number: 2, offset: 5 * MiB }, { offset: 5 * MiB, length: 5 * MiB });
            await upload.complete();
          } finally {
            await upload.abort();
          }
        };
        // Refused, or (a directory: its upload keeps reading the version it opened) whole; never a mixture.
        const outcome = await attempt().then(
          () => "whole",
          (error: unknown) => (hasCode(error, "OBJECT_CHANGED") ? "refused" : error),
        );
        const mixed = await store.head("c/mixed.bin", signal);
        const bytes = mixed && (await store.get("c/mixed.bin", { signal })).bytes;
        expect([outcome, bytes && sha256(bytes)]).toBeOneOf([
          ["refused", undefined],
          ["whole", sha256(base.subarray(0, 10 * MiB))],
        ]);
        const upload = async (): Promise<unknown> => {
          const late = await store.openUpload("c/late.bin", {
            signal,
            copyFrom: { key: "c/moving.bin", etag: seen },
          });
          try {
            await late.copyPart({ number: 1, offset: 0 }, { offset: 0, length: 5 * MiB });
            return await late.complete();
          } finally {
            await late.abort();
          }
        };
        await expect(upload()).rejects.toMatchObject({ code: "OBJECT_CHANGED" });
        expect(await store.head("c/late.bin", signal)).toBeUndefined();
      });

      test("and the copy outlives its source", async () => {
        const upload = await store.openUpload("c/heir.bin", {
          signal,
          copyFrom: { key: "c/base.bin", etag },
        });
        await upload.copyPart({ number: 1, offset: 0 }, { offset: 0, length: base.length });
        await upload.complete();
        await store.delete("c/base.bin", signal);
        expect(sha256((await store.get("c/heir.bin", { signal })).bytes)).toBe(sha256(base));
      });
    });

    test("stops at once when the run is cancelled", async () => {
      const cancelled = AbortSignal.abort();
      for (const attempt of [
        async () => store.head("a/range.bin", cancelled),
        async () => store.get("a/range.bin", { signal: cancelled }),
        async () => store.put("a/never", Buffer.from("x"), { signal: cancelled }),
        async () => store.openUpload("a/never", { signal: cancelled }),
        async () => store.delete("a/range.bin", cancelled),
        async () => store.probeWritable(cancelled),
      ]) {
        await expect(attempt()).rejects.toMatchObject({ code: "CANCELLED" });
      }
      expect(await store.head("a/range.bin", signal)).toBeDefined();
      expect(await store.head("a/never", signal)).toBeUndefined();
    });

    test("tells people where an object is", async () => {
      expect(store.urlOf("snapshots/x/manifest.json")).toMatch(
        /^[a-z0-9]+:\/\/.*\/snapshots\/x\/manifest\.json$/,
      );
      expect(store.url).not.toMatch(/\/$/);
    });

    test("leaves no upload open after all this", async () => {
      expect(await uploads("")).toEqual([]);
    });
  });
}

export interface ReadableStoreExpectation {
  readonly open: () => Promise<ObjectStore>;
  /** Puts an object there by other means than the store under test. */
  readonly publish: (key: string, bytes: Buffer) => Promise<void>;
}

/** The part of the suite that a store for reading passes. */
export function storeReadConformance(name: string, expectation: ReadableStoreExpectation): void {
  describe(`store port, reading: ${name}`, () => {
    let store: ObjectStore;
    const signal = new AbortController().signal;
    beforeAll(async () => {
      store = await expectation.open();
    });
    afterAll(async () => {
      await store.close();
    });

    storeReadingTests(() => store, expectation.publish);

    test("writes nothing, and says so", async () => {
      expect(store.capabilities).toEqual({ conditionalWrites: false, copyRange: false, readOnly: true });
      for (const attempt of [
        async () => store.put("a/x", Buffer.from("x"), { signal }),
        async () => store.delete("a/x", signal),
        async () => store.openUpload("a/x", { signal }),
        async () => store.abortUpload({ key: "a/x", id: "x" }, signal),
        async () => store.probeWritable(signal),
      ]) {
        await expect(attempt()).rejects.toMatchObject({ code: "STORE_READ_ONLY" });
      }
    });
  });
}

function storeReadingTests(
  store: () => ObjectStore,
  publish: (key: string, bytes: Buffer) => Promise<void>,
): void {
  const signal = new AbortController().signal;

  test("says that there is nothing where there is nothing", async () => {
    expect(await store().head("no/such.json", signal)).toBeUndefined();
    await expect(store().get("no/such.json", { signal })).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
    await expect(store().stream("no/such.json", { signal })).rejects.toMatchObject({
      code: "OBJECT_NOT_FOUND",
    });
  });

  test("gives back what was put, whole and by range", async () => {
    const bytes = randomBytes(300_000);
    await publish("a/range.bin", bytes);
    const head = await store().head("a/range.bin", signal);
    expect(head).toMatchObject({ key: "a/range.bin", size: bytes.length });
    expect(head?.etag).toMatch(/^[^"]+$/);
    expect(head?.modifiedAt?.getTime()).toBeGreaterThan(1_600_000_000_000);
    const whole = await store().get("a/range.bin", { signal });
    expect(bytes.equals(whole.bytes)).toBe(true);
    expect(whole.info).toMatchObject({ size: bytes.length, etag: head?.etag });
    for (const [offset, length] of [
      [0, 1],
      [1, 70_000],
      [299_999, 1],
      [0, 300_000],
      [5, 0],
    ] as const) {
      const part = await store().get("a/range.bin", { signal, range: { offset, length } });
      expect(bytes.subarray(offset, offset + length).equals(part.bytes)).toBe(true);
      expect(part.info.size).toBe(bytes.length);
      for (const memory of [new SharedArrayBuffer(length), new ArrayBuffer(length)]) {
        const into = new Uint8Array(memory);
        const put = await store().get("a/range.bin", { signal, range: { offset, length }, into });
        expect(put.bytes.buffer).toBe(memory);
        expect(bytes.subarray(offset, offset + length).equals(into)).toBe(true);
      }
    }
  });

  test("refuses a range that the object does not have", async () => {
    await publish("a/short.bin", randomBytes(100));
    const get = async (offset: number, length: number): Promise<unknown> =>
      store().get("a/short.bin", { signal, range: { offset, length } });
    await expect(get(50, 51)).rejects.toMatchObject({ code: "STORE_MISMATCH" });
    await expect(get(100, 1)).rejects.toMatchObject({ code: "STORE_MISMATCH" });
  });

  test("reads no more into memory than was allowed", async () => {
    await publish("a/limited.bin", randomBytes(5000));
    const get = async (atMostBytes: number): Promise<number> =>
      (await store().get("a/limited.bin", { signal, atMostBytes })).bytes.length;
    expect(await get(5000)).toBe(5000);
    await expect(get(4999)).rejects.toMatchObject({ code: "OBJECT_TOO_LARGE" });
  });

  test("streams, also an empty object, and lets go when the reader leaves early", async () => {
    const bytes = randomBytes(3 * MiB);
    await publish("a/stream.bin", bytes);
    const { chunks, info } = await store().stream("a/stream.bin", { signal });
    expect(info.size).toBe(bytes.length);
    expect(bytes.equals(await collect(chunks))).toBe(true);
    await publish("a/empty", Buffer.alloc(0));
    expect((await store().get("a/empty", { signal })).bytes.length).toBe(0);
    const left = await store().stream("a/stream.bin", { signal });
    for await (const chunk of left.chunks) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    const again = await store().stream("a/stream.bin", { signal, range: { offset: MiB, length: MiB } });
    expect(bytes.subarray(MiB, 2 * MiB).equals(await collect(again.chunks))).toBe(true);
  });

  test("binds reads to a version", async () => {
    await publish("a/version.json", Buffer.from("one"));
    const seen = (await store().head("a/version.json", signal))?.etag ?? "";
    const bound = await store().get("a/version.json", { signal, ifMatch: seen });
    expect(Buffer.from(bound.bytes).toString()).toBe("one");
    await publish("a/version.json", Buffer.from("two"));
    await expect(store().get("a/version.json", { signal, ifMatch: seen })).rejects.toMatchObject({
      code: "OBJECT_CHANGED",
    });
    expect(await store().get("a/version.json", { signal })).not.toMatchObject({ info: { etag: seen } });
  });

  test("stops reading at once when the run is cancelled", async () => {
    await publish("a/cancelled", Buffer.from("x"));
    const cancelled = AbortSignal.abort();
    for (const attempt of [
      async () => store().head("a/cancelled", cancelled),
      async () => store().get("a/cancelled", { signal: cancelled }),
      async () => store().stream("a/cancelled", { signal: cancelled }),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: "CANCELLED" });
    }
  });
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
