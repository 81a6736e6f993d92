import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { collect } from "../../../src/store/chunks.ts";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { publish } from "../../../src/catalog/publish.ts";
import { listSnapshots, resolveSnapshot } from "../../../src/catalog/read.ts";
import { openFrameSource } from "../../../src/store/frame-source.ts";
import { memoryStore } from "../../catalog/memory-store.ts";
import { putObjects, sampleManifest } from "../../catalog/samples.ts";
import { openHttpsStore } from "../../../src/store/https/https-store.ts";
import { openStore, patientLimits } from "../open-store.ts";
import { storeReadConformance } from "../../conformance/store.ts";
import { serveObjects, type ObjectServer } from "../object-server.ts";

const signal = new AbortController().signal;
const impatientLimits = { ...patientLimits, idleTimeoutMs: 1_000, requestTimeoutMs: 2_000 };

for (const ignoresRanges of [false, true]) {
  describe(`a host that ${ignoresRanges ? "ignores" : "knows"} ranges`, () => {
    let server: ObjectServer;
    beforeAll(async () => {
      server = await serveObjects();
      server.ignoresRanges = ignoresRanges;
    });
    afterAll(async () => {
      await server.close();
    });
    for (const threads of [0, 2]) {
      storeReadConformance(`https://, ${threads} threads`, {
        open: () => openStore({ scheme: "https", url: `${server.url}/some/prefix/` }, { threads }),
        publish: async (key, bytes) => void server.objects.set(`/some/prefix/${key}`, { bytes }),
      });
    }
  });
}

describe("https store", () => {
  let server: ObjectServer;
  const bytes = randomBytes(2_000_000);
  beforeEach(async () => {
    server = await serveObjects();
    server.objects.set("/p/x", { bytes });
  });
  afterEach(async () => {
    await server.close();
  });

  test.each(["cut", "stall"] as const)("goes on after a body that is %s", async (kind) => {
    server.misbehaviour = { kind, afterBytes: 700_000, times: 2 };
    const store = openHttpsStore(`${server.url}/p`, impatientLimits);
    const { bytes: read } = await store.get("x", { signal, range: { offset: 100_000, length: 1_800_000 } });
    expect(bytes.subarray(100_000, 1_900_000).equals(read)).toBe(true);
    expect(server.requests.length).toBe(3);
  });

  test.each([false, true])("gives up a body that drips (no length: %s)", async (omitsLength) => {
    server.omitsLength = omitsLength;
    server.misbehaviour = { kind: "drip", afterBytes: 100, times: 9 };
    const store = openHttpsStore(`${server.url}/p`, { ...patientLimits, slowAfterMs: 500 });
    await expect(store.get("x", { signal })).rejects.toMatchObject({
      code: "STORE_STALLED",
      message: expect.stringContaining("sends too slowly") as string,
    });
  });

  test("does not blame a store for a reader that takes its time", async () => {
    server.objects.set("/p/x", { bytes: Buffer.alloc(8_000_000) });
    const store = openHttpsStore(`${server.url}/p`, { ...patientLimits, slowAfterMs: 20 });
    const { chunks } = await store.stream("x", { signal });
    let size = 0;
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size < 400_000) await sleep(50);
    }
    expect(size).toBe(8_000_000);
  });

  test("follows a redirect anew with every request", async () => {
    server.redirects.set("/p/moved", "/p/x?signature=1");
    server.misbehaviour = { kind: "cut", afterBytes: 700_000, times: 1 };
    const store = openHttpsStore(`${server.url}/p`, patientLimits);
    expect(bytes.equals((await store.get("moved", { signal })).bytes)).toBe(true);
    expect(server.requests).toEqual([
      "GET /p/moved",
      "GET /p/x",
      "GET /p/moved bytes=700000-1999999",
      "GET /p/x bytes=700000-1999999",
    ]);
  });

  test("never mixes two versions, with and without etags", async () => {
    for (const etag of ['"strong"', 'W/"weak"']) {
      server.objects.set("/p/x", { bytes, etag });
      server.misbehaviour = { kind: "cut", afterBytes: 700_000, times: 1 };
      const store = openHttpsStore(`${server.url}/p`, patientLimits);
      const { chunks, info } = await store.stream("x", { signal });
      expect(info.etag).toBe(etag.startsWith("W/") ? undefined : "strong");
      server.objects.set("/p/x", { bytes: randomBytes(2_000_001), etag: `${etag.slice(0, -1)}2"` });
      await expect(collect(chunks)).rejects.toMatchObject({ code: "OBJECT_CHANGED" });
    }
  });

  test("refuses to read a late part of a large file from a host that ignores ranges", async () => {
    server.ignoresRanges = true;
    server.objects.set("/p/large", { bytes: Buffer.alloc(70 * 1024 * 1024), etag: '"large"' });
    const store = openHttpsStore(`${server.url}/p`, patientLimits);
    const late = store.get("large", { signal, range: { offset: 69 * 1024 * 1024, length: 1 } });
    await expect(late).rejects.toMatchObject({ code: "STORE_UNSUPPORTED" });
  });

  test.each([false, true])("reads a host that says no length (ranges ignored: %s)", async (ignoresRanges) => {
    server.omitsLength = true;
    server.ignoresRanges = ignoresRanges;
    server.objects.set("/p/empty", { bytes: Buffer.alloc(0) });
    const store = openHttpsStore(`${server.url}/p`, patientLimits);
    expect(await store.head("x", signal)).toMatchObject({ size: bytes.length });
    expect(bytes.equals((await store.get("x", { signal })).bytes)).toBe(true);
    const range = { offset: 1_000_000, length: 500 };
    expect(bytes.subarray(1_000_000, 1_000_500).equals((await store.get("x", { signal, range })).bytes)).toBe(
      true,
    );
    expect((await store.get("empty", { signal })).bytes.length).toBe(0);
    await expect(store.get("x", { signal, atMostBytes: 1000 })).rejects.toMatchObject({
      code: "OBJECT_TOO_LARGE",
    });
  });

  test("reads a whole published prefix from a host that says no length", async () => {
    server.omitsLength = true;
    const published = memoryStore();
    const manifest = sampleManifest({ at: new Date(Date.UTC(2026, 10, 1)) });
    await putObjects(published, manifest, signal);
    const { id } = await publish(published, manifest, signal);
    for (const [key, { bytes }] of published.objects)
      server.objects.set(`/p/${key}`, { bytes: Buffer.from(bytes) });
    const store = openHttpsStore(`${server.url}/p`, patientLimits);
    expect((await resolveSnapshot(store, { kind: "latest" }, signal)).id).toBe(id);
    expect((await listSnapshots(store, signal)).map((entry) => entry.id)).toEqual([id]);
  });

  test("says of a large file without a length that the server is to blame, not the file", async () => {
    server.omitsLength = true;
    server.ignoresRanges = true;
    server.objects.set("/p/large", { bytes: Buffer.alloc(65 * 1024 * 1024), etag: '"large"' });
    const store = openHttpsStore(`${server.url}/p`, patientLimits);
    await expect(store.head("large", signal)).rejects.toMatchObject({
      code: "STORE_UNSUPPORTED",
      message: expect.stringContaining("does not say how long") as unknown,
    });
  });

  test.each([
    ["archive.tar.gz", "gzip", gzipSync(bytes)],
    ["archive.tar.gz", "x-gzip", gzipSync(bytes)],
    ["archive.tgz", "gzip", gzipSync(bytes)],
    ["archive.tar.zst", "zstd", zstdCompressSync(bytes)],
    ["archive.tar.gz.sha256", "x-gzip", Buffer.from("not packed at all")],
    ["latest.json", "none-that-is-known", Buffer.from("{}")],
  ])("gives the bytes of %s as they are, though it is called %s", async (name, encoding, packed) => {
    server.encoding = encoding;
    server.objects.set(`/p/${name}`, { bytes: packed });
    const store = openHttpsStore(`${server.url}/p`, patientLimits);
    expect(await store.head(name, signal)).toMatchObject({ size: packed.length });
    expect(packed.equals((await store.get(name, { signal })).bytes)).toBe(true);
  });

  test("unpacks what a server packs though it was asked not to", async () => {
    server.encoding = "gzip";
    const text = Buffer.from(JSON.stringify({ id: "x".repeat(5000) }));
    server.objects.set("/p/latest.json", { bytes: gzipSync(text) });
    server.ignoresRanges = true;
    const store = openHttpsStore(`${server.url}/p`, patientLimits);
    expect(text.equals((await store.get("latest.json", { signal })).bytes)).toBe(true);
    expect(await store.head("latest.json", signal)).toMatchObject({ size: text.length });
  });

  test("reads from mirrors that have an etag each, and never mixes two files", async () => {
    server.mirrors = 3;
    const store = openHttpsStore(`${server.url}/p`, patientLimits);
    const source = await openFrameSource(store, "x", signal);
    for (const offset of [0, 5, 700_000]) {
      expect(bytes.subarray(offset, offset + 10).equals(await source.read(offset, 10, signal))).toBe(true);
    }
    server.misbehaviour = { kind: "cut", afterBytes: 700_000, times: 1 };
    expect(bytes.equals((await store.get("x", { signal })).bytes)).toBe(true);
    server.objects.set("/p/x", { bytes: randomBytes(bytes.length) });
    await expect(source.read(0, 10, signal)).rejects.toMatchObject({ code: "OBJECT_CHANGED" });
  });

  test.each([
    "http://192.0.2.1/x",
    "https://169.254.169.254/latest/meta-data/",
    "https://[fe80::1]/x",
    "https://[::ffff:169.254.169.254]/x",
    "http://storage.example/x",
    "file:///etc/passwd",
  ])("does not follow a redirect to %s", async (location) => {
    server.redirects.set("/p/away", location);
    const store = openHttpsStore(`${server.url}/p`, patientLimits);
    await expect(store.get("away", { signal })).rejects.toMatchObject({ code: "STORE_REDIRECT_REFUSED" });
  });

  test("gives up on redirects without an end", async () => {
    server.redirects.set("/p/round", "/p/round");
    const store = openHttpsStore(`${server.url}/p`, patientLimits);
    await expect(store.get("round", { signal })).rejects.toMatchObject({ code: "STORE_FAILED" });
    expect(server.requests.length).toBe(6);
  });

  test("has an error for each way a server says no", async () => {
    const store = openHttpsStore(`${server.url}/p`, patientLimits);
    for (const [status, code, requests] of [
      [403, "STORE_DENIED", 1],
      [410, "OBJECT_NOT_FOUND", 1],
      [500, "STORE_FAILED", patientLimits.attempts],
      [503, "STORE_BUSY", 1],
    ] as const) {
      server.requests.length = 0;
      server.statuses.set("/p/x", status);
      await expect(store.get("x", { signal })).rejects.toMatchObject({ code });
      expect(server.requests.length).toBe(requests);
    }
    server.silent = true;
    const hurried = openHttpsStore(`${server.url}/p`, impatientLimits);
    await expect(hurried.head("x", signal)).rejects.toMatchObject({ code: "STORE_STALLED" });
    await server.close();
    await expect(store.get("x", { signal })).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    const listing = async (): Promise<void> => {
      for await (const _ of store.list("", signal)) return;
    };
    await expect(listing()).rejects.toMatchObject({ code: "STORE_UNSUPPORTED" });
  });
});
