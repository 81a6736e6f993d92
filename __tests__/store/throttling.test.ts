/** Stores that take so many requests a second, or so many at once, and refuse the others: the run goes on, slower. */
import { createHash } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultLimits } from "../../src/store/limits.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { Limiter } from "../../src/system/concurrency.ts";
import { s3Location } from "./ceph.ts";
import { serveMemoryS3 } from "./memory-s3.ts";
import { openStore } from "./open-store.ts";

const { signal } = new AbortController();
const bytes = Buffer.alloc(100_000, 1);
const environment = { ...process.env };
let server: Server | undefined;
let store: ObjectStore | undefined;
let refused = 0;

beforeEach(() => {
  process.env["AWS_ACCESS_KEY_ID"] = "key";
  process.env["AWS_SECRET_ACCESS_KEY"] = "secret";
  refused = 0;
});

afterEach(async () => {
  await store?.close();
  server?.closeAllConnections();
  server?.close();
  process.env = { ...environment };
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The range, or what a store says that has too much to do. */
function answer(response: Parameters<RequestListener>[1], isRefused: boolean): void {
  if (isRefused) {
    refused += 1;
    response.writeHead(503, { "content-type": "application/xml" });
    response.end("<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>");
    return;
  }
  const headers = { "content-range": `bytes 0-${bytes.length - 1}/1000000`, "content-length": bytes.length };
  response.writeHead(206, { etag: '"one"', ...headers });
  response.end(bytes);
}

function soManyASecond(most: number): RequestListener {
  let tokens = most;
  let last = Date.now();
  return (_, response) => {
    const now = Date.now();
    tokens = Math.min(most, tokens + ((now - last) * most) / 1000);
    last = now;
    if (tokens >= 1) tokens -= 1;
    answer(response, tokens < 1);
  };
}

function soManyAtOnce(most: number): RequestListener {
  let underWay = 0;
  return (_, response) => {
    const isRefused = underWay >= most;
    if (isRefused) return answer(response, true);
    underWay += 1;
    setTimeout(() => {
      underWay -= 1;
      answer(response, false);
    }, 50);
  };
}

async function read(from: ObjectStore, times: number): Promise<void> {
  const limiter = new Limiter({ count: 64, signal });
  const range = { offset: 0, length: bytes.length };
  for (let n = 0; n < times; n += 1) {
    await limiter.add(async () => {
      const got = await from.get("x", { range, signal });
      expect(bytes.equals(got.bytes)).toBe(true);
    });
  }
  await limiter.drain();
}

describe.each([
  ["20 requests a second", () => soManyASecond(20), 40],
  ["5 requests at once", () => soManyAtOnce(5), 70],
] as const)("a store that takes %s", (_, listener, times) => {
  test("by S3", async () => {
    const url = await serve(listener());
    store = await openStore(s3Location(url, "bucket", "p"), { limits: defaultLimits });
    await read(store, times);
    expect(refused).toBeGreaterThan(0);
  });

  test("by https", async () => {
    const url = await serve(listener());
    store = await openStore({ scheme: "https", url }, { limits: defaultLimits });
    await read(store, times);
    expect(refused).toBeGreaterThan(0);
  });
});

/** Enforces conditions, and calls itself too busy `times` times for a write to `key` that it has carried out. */
function liesAbout(key: string, times: number): RequestListener {
  const objects = new Map<string, Buffer>();
  const etagOf = (body: Buffer): string => `"${createHash("md5").update(body).digest("hex")}"`;
  return (request, response) => {
    const path = new URL(request.url ?? "", "http://store").pathname;
    const had = objects.get(path);
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method === "DELETE") objects.delete(path);
      if (request.method === "GET") {
        const bytes = had ?? Buffer.alloc(0);
        response.writeHead(200, { etag: etagOf(bytes), "content-length": bytes.length }).end(bytes);
        return;
      }
      const { "if-none-match": absent, "if-match": match } = request.headers;
      const isWrong =
        had === undefined ? match !== undefined : absent === "*" || (match ?? etagOf(had)) !== etagOf(had);
      const body = Buffer.concat(chunks);
      if (request.method === "PUT" && !isWrong) objects.set(path, body);
      if (path.endsWith(key) && refused < times) return answer(response, true);
      response.writeHead(isWrong ? 412 : 200, { etag: etagOf(body) }).end();
    });
  };
}

test("a server that says when to come back is not asked before", async () => {
  const asked: number[] = [];
  const url = await serve((_, response) => {
    asked.push(Date.now());
    if (asked.length === 1) response.writeHead(429, { "retry-after": "3" }).end();
    else answer(response, false);
  });
  store = await openStore({ scheme: "https", url }, { limits: defaultLimits });
  await read(store, 1);
  expect(asked).toHaveLength(2);
  expect((asked[1] ?? 0) - (asked[0] ?? 0)).toBeGreaterThanOrEqual(2_990);
});

test("what a store has written and refused all the same is this run's own", async () => {
  const url = await serve(liesAbout("manifest", 2));
  store = await openStore(s3Location(url, "bucket", "p"), { limits: { ...defaultLimits, attempts: 2 } });
  const { size } = await store.put("manifest", Buffer.from("ours"), { ifAbsent: true, signal });
  expect([size, refused]).toEqual([4, 2]);
  await expect(
    store.put("manifest", Buffer.from("theirs"), { ifAbsent: true, signal }),
  ).rejects.toMatchObject({ code: "PRECONDITION_FAILED" });
});

test("an upload that a store has completed and refused all the same is complete", async () => {
  const memory = await serveMemoryS3();
  memory.deniesCompletion = true;
  // One attempt of the client's own: only the next turn can find the upload gone.
  const limits = { ...defaultLimits, attempts: 1 };
  store = await openStore(s3Location(memory.url, "bucket", "p"), { limits });
  const upload = await store.openUpload("x", { signal });
  await upload.writePart({ number: 1, offset: 0 }, [bytes]);
  expect(await upload.complete()).toMatchObject({ size: bytes.length });
  await memory.close();
});

test("a store that refuses everything is given up, and what it said is named", async () => {
  const url = await serve((_, response) => answer(response, true));
  store = await openStore(s3Location(url, "bucket", "p"), {
    limits: { ...defaultLimits, attempts: 2, busyAttempts: 2 },
  });
  await expect(read(store, 1)).rejects.toMatchObject({ code: "STORE_BUSY" });
  expect(refused).toBe(4);
});
