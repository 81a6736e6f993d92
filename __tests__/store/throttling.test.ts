/** Stores that take so many requests a second, or so many at once, and refuse the others: the run goes on, slower. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultLimits } from "../../src/store/limits.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { Limiter } from "../../src/system/concurrency.ts";
import { s3Location } from "./ceph.ts";
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
  }, 60_000);

  test("by https", async () => {
    const url = await serve(listener());
    store = await openStore({ scheme: "https", url }, { limits: defaultLimits });
    await read(store, times);
    expect(refused).toBeGreaterThan(0);
  }, 60_000);
});

test("a store that refuses everything is given up, and what it said is named", async () => {
  const url = await serve((_, response) => answer(response, true));
  store = await openStore(s3Location(url, "bucket", "p"), {
    limits: { ...defaultLimits, attempts: 2, busyAttempts: 2 },
  });
  await expect(read(store, 1)).rejects.toMatchObject({ code: "STORE_BUSY" });
  expect(refused).toBe(4);
});
