import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { collect } from "../../src/store/chunks.ts";
import { openHttpsStore } from "../../src/store/https-store.ts";
import type { RequestLimits } from "../../src/store/limits.ts";
import { openStore } from "../../src/store/registry.ts";
import { storeReadConformance } from "../conformance/store.ts";
import { serveObjects, type ObjectServer } from "./object-server.ts";

const signal = new AbortController().signal;
const limits: RequestLimits = {
  connectTimeoutMs: 300,
  idleTimeoutMs: 300,
  requestTimeoutMs: 2_000,
  attempts: 2,
};

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
    storeReadConformance("https://", {
      open: () => openStore({ scheme: "https", url: `${server.url}/some/prefix/` }),
      publish: async (key, bytes) => void server.objects.set(`/some/prefix/${key}`, { bytes }),
    });
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
    const store = openHttpsStore(`${server.url}/p`, limits);
    const { bytes: read } = await store.get("x", { signal, range: { offset: 100_000, length: 1_800_000 } });
    expect(bytes.subarray(100_000, 1_900_000).equals(read)).toBe(true);
    expect(server.requests.length).toBe(3);
  });

  test("follows a redirect anew with every request", async () => {
    server.redirects.set("/p/moved", "/p/x?signature=1");
    server.misbehaviour = { kind: "cut", afterBytes: 700_000, times: 1 };
    const store = openHttpsStore(`${server.url}/p`, limits);
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
      const store = openHttpsStore(`${server.url}/p`, limits);
      const { chunks, info } = await store.stream("x", { signal });
      expect(info.etag).toBe(etag.startsWith("W/") ? undefined : "strong");
      server.objects.set("/p/x", { bytes: randomBytes(2_000_001), etag: `${etag.slice(0, -1)}2"` });
      await expect(collect(chunks)).rejects.toMatchObject({ code: "OBJECT_CHANGED" });
    }
  });

  test("refuses to read a late part of a large file from a host that ignores ranges", async () => {
    server.ignoresRanges = true;
    server.objects.set("/p/large", { bytes: Buffer.alloc(70 * 1024 * 1024), etag: '"large"' });
    const store = openHttpsStore(`${server.url}/p`, limits);
    const late = store.get("large", { signal, range: { offset: 69 * 1024 * 1024, length: 1 } });
    await expect(late).rejects.toMatchObject({ code: "STORE_UNSUPPORTED" });
  });

  test("has an error for each way a server says no", async () => {
    const store = openHttpsStore(`${server.url}/p`, limits);
    for (const [status, code, requests] of [
      [403, "STORE_DENIED", 1],
      [410, "OBJECT_NOT_FOUND", 1],
      [503, "STORE_FAILED", limits.attempts],
    ] as const) {
      server.requests.length = 0;
      server.statuses.set("/p/x", status);
      await expect(store.get("x", { signal })).rejects.toMatchObject({ code });
      expect(server.requests.length).toBe(requests);
    }
    server.silent = true;
    await expect(store.head("x", signal)).rejects.toMatchObject({ code: "STORE_STALLED" });
    await server.close();
    await expect(store.get("x", { signal })).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    const listing = async (): Promise<void> => {
      for await (const _ of store.list("", signal)) return;
    };
    await expect(listing()).rejects.toMatchObject({ code: "STORE_UNSUPPORTED" });
  });
});
