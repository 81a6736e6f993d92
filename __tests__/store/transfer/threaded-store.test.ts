/** What moves through threads is what goes without them, and what goes wrong in one ends the work with the right error. */
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StoreError } from "../../../src/store/errors.ts";
import type { ObjectStore } from "../../../src/store/port.ts";
import { s3Location } from "../ceph.ts";
import { serveMemoryS3, type MemoryS3 } from "../memory-s3.ts";
import { openStore, patientLimits } from "../open-store.ts";

const MiB = 1024 * 1024;
const { signal } = new AbortController();
const environment = { ...process.env };
let server: MemoryS3;
let store: ObjectStore;
let workers: Worker[];
const noteWorker = (worker: Worker): void => void workers.push(worker);

beforeEach(async () => {
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
  process.env["AWS_ACCESS_KEY_ID"] = "first";
  process.env["AWS_SECRET_ACCESS_KEY"] = "secret";
  workers = [];
  process.on("worker", noteWorker);
  server = await serveMemoryS3();
  store = await openStore(s3Location(server.url, "bucket", "p"), { limits: patientLimits, threads: 2 });
});

afterEach(async () => {
  process.off("worker", noteWorker);
  await store.close();
  await server.close();
  process.env = { ...environment };
});

const part = (number: number) => ({ number, offset: (number - 1) * 5 * MiB });

test("parts and ranges go through threads, and nothing else does", async () => {
  const bytes = randomBytes(12 * MiB);
  const upload = await store.openUpload("x", { signal });
  expect(workers).toEqual([]);
  await Promise.all(
    [1, 2, 3].map(async (number) => {
      const piece = bytes.subarray((number - 1) * 5 * MiB, number * 5 * MiB);
      await upload.writePart(part(number), [piece.subarray(0, 1000), piece.subarray(1000)]);
    }),
  );
  expect(workers).toHaveLength(2);
  await upload.complete();
  expect(Buffer.concat(server.objects.get("/bucket/p/x") ?? []).equals(bytes)).toBe(true);

  const range = { offset: 4 * MiB, length: 3 * MiB };
  const wanted = bytes.subarray(4 * MiB, 7 * MiB);
  const own = await store.get("x", { range, signal });
  expect(wanted.equals(own.bytes)).toBe(true);
  expect(own.info.size).toBe(bytes.length);
  for (const memory of [new SharedArrayBuffer(range.length), new ArrayBuffer(range.length)]) {
    const into = new Uint8Array(memory);
    const given = await store.get("x", { range, into, signal });
    expect(wanted.equals(into)).toBe(true);
    expect(given.bytes.buffer).toBe(memory);
  }
});

test("a refusal comes back with its code and what to do", async () => {
  server.objects.set("/bucket/p/x", [randomBytes(MiB)]);
  const read = async (key: string, ifMatch?: string) =>
    await store.get(key, {
      range: { offset: 0, length: MiB },
      signal,
      ...(ifMatch === undefined ? {} : { ifMatch }),
    });
  await expect(read("none")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND", hint: expect.any(String) });
  await expect(read("x", "other")).rejects.toMatchObject({
    code: "OBJECT_CHANGED",
    hint: expect.any(String),
  });
});

test("a request that is given up ends with the reason, in its thread too", async () => {
  server.objects.set("/bucket/p/x", [randomBytes(MiB)]);
  server.stalls = true;
  const stop = new AbortController();
  const reading = store.get("x", { range: { offset: 0, length: MiB }, signal: stop.signal });
  await expect.poll(() => server.requests).toEqual(["GET /bucket/p/x"]);
  stop.abort(new StoreError("STORE_STALLED", "enough"));
  await expect(reading).rejects.toThrow("enough");
  server.stalls = false;
  // The thread is free for others.
  expect((await store.get("x", { range: { offset: 0, length: MiB }, signal })).bytes).toHaveLength(MiB);
});

test("a socket that stands still in one thread ends that request, and no other", async () => {
  store = await openStore(s3Location(server.url, "bucket", "p"), {
    limits: { ...patientLimits, idleTimeoutMs: 500 },
    threads: 2,
  });
  server.objects.set("/bucket/p/x", [randomBytes(MiB)]);
  server.stalls = true;
  const stalled = store.get("x", { range: { offset: 0, length: MiB }, signal });
  await expect.poll(() => server.requests).toEqual(["GET /bucket/p/x"]);
  server.stalls = false;
  expect((await store.get("x", { range: { offset: 0, length: MiB }, signal })).bytes).toHaveLength(MiB);
  // Read on after the stall, as without threads.
  expect((await stalled).bytes).toHaveLength(MiB);
});

test.each(["while it reads", "while it sends"])(
  "a thread that ends %s fails the work, and what comes after it",
  async (when) => {
    server.objects.set("/bucket/p/x", [randomBytes(MiB)]);
    const upload = await store.openUpload("y", { signal });
    const before = server.requests.length;
    server.stalls = true;
    const work =
      when === "while it reads"
        ? store.get("x", { range: { offset: 0, length: MiB }, signal })
        : upload.writePart(part(1), [randomBytes(MiB)]);
    await expect.poll(() => server.requests.length).toBeGreaterThan(before);
    const failure = { code: "WORKER_FAILED", hint: expect.any(String) };
    await Promise.all([
      expect(work).rejects.toMatchObject(failure),
      ...workers.map(async (worker) => await worker.terminate()),
    ]);
    await expect(store.get("x", { range: { offset: 0, length: MiB }, signal })).rejects.toMatchObject(
      failure,
    );
    server.stalls = false;
    // What is small needs no thread: an upload can be taken back.
    await upload.abort();
    expect(server.requests.at(-1)).toBe("DELETE /bucket/p/y");
  },
);

/** Gives credentials that last for a second, as a metadata service does; `key` is the access key it gives now. */
async function serveCredentials(key: () => string): Promise<Server> {
  const http = createServer((_, response) => {
    const Expiration = new Date(Date.now() + 1_000).toISOString();
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ AccessKeyId: key(), SecretAccessKey: "s", Token: "t", Expiration }));
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  process.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] =
    `http://127.0.0.1:${(http.address() as AddressInfo).port}/`;
  delete process.env["AWS_ACCESS_KEY_ID"];
  delete process.env["AWS_SECRET_ACCESS_KEY"];
  return http;
}

test("credentials that expire are renewed by each thread; where they cannot be, that is what is said", async () => {
  let key = "early";
  const credentials = await serveCredentials(() => key);
  try {
    await store.close();
    store = await openStore(s3Location(server.url, "bucket", "p"), { limits: patientLimits, threads: 2 });
    server.accessKey = "early";
    const upload = await store.openUpload("x", { signal });
    await upload.writePart(part(1), [randomBytes(5 * MiB)]);
    key = "late";
    server.accessKey = "late";
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await Promise.all(
      [2, 3].map(async (number) => await upload.writePart(part(number), [randomBytes(5 * MiB)])),
    );
    server.accessKey = "later still";
    await expect(upload.writePart(part(4), [randomBytes(MiB)])).rejects.toMatchObject({
      code: "STORE_CREDENTIALS",
      hint: expect.any(String),
    });
  } finally {
    credentials.closeAllConnections();
    credentials.close();
  }
});
