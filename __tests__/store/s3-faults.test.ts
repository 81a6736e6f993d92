import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { S3Client } from "@aws-sdk/client-s3";
import { describeError } from "../../src/domain/errors.ts";
import { collect } from "../../src/store/chunks.ts";
import { openFrameSource } from "../../src/store/frame-source.ts";
import { openStore, patientLimits } from "./open-store.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { explainS3Error } from "../../src/store/s3/errors.ts";
import { s3Location } from "./ceph.ts";
import { serveObjects, type ObjectServer } from "./object-server.ts";

const signal = new AbortController().signal;
const impatientLimits = { ...patientLimits, idleTimeoutMs: 1_000, requestTimeoutMs: 2_000 };

let server: ObjectServer;
let store: ObjectStore;
const environment = { ...process.env };
beforeEach(async () => {
  process.env["AWS_ACCESS_KEY_ID"] = "AKIDSECRETKEYID00000";
  process.env["AWS_SECRET_ACCESS_KEY"] = "the-secret-itself";
  server = await serveObjects();
  store = await openStore(s3Location(server.url, "bucket", "p"), { limits: patientLimits });
});
afterEach(async () => {
  await store.close();
  await server.close();
  process.env = { ...environment };
});

const bytes = randomBytes(2_000_000);

describe("reading from S3 over a bad network", () => {
  test.each(["cut", "stall"] as const)(
    "goes on after a body that is %s, with the rest only",
    async (kind) => {
      server.objects.set("/bucket/p/x", { bytes });
      server.misbehaviour = { kind, afterBytes: 700_000, times: 2 };
      const hurried = await openStore(s3Location(server.url, "bucket", "p"), { limits: impatientLimits });
      const { chunks } = await hurried.stream("x", { signal });
      expect(bytes.equals(await collect(chunks))).toBe(true);
      await hurried.close();
      expect(server.requests).toEqual([
        "GET /bucket/p/x",
        "GET /bucket/p/x bytes=700000-1999999",
        "GET /bucket/p/x bytes=1400000-1999999",
      ]);
    },
  );

  test("goes on inside a range", async () => {
    server.objects.set("/bucket/p/x", { bytes });
    server.misbehaviour = { kind: "cut", afterBytes: 10, times: 1 };
    const { bytes: part } = await store.get("x", { signal, range: { offset: 1_000, length: 5_000 } });
    expect(bytes.subarray(1_000, 6_000).equals(part)).toBe(true);
    expect(server.requests.at(-1)).toBe("GET /bucket/p/x bytes=1010-5999");
  });

  test("gives up when nothing comes any more", async () => {
    server.objects.set("/bucket/p/x", { bytes });
    server.misbehaviour = { kind: "cut", afterBytes: 0, times: 1_000 };
    await expect(store.get("x", { signal })).rejects.toMatchObject({ code: "STORE_STALLED" });
    expect(server.requests.length).toBe(patientLimits.attempts + 1);
  });

  test("never mixes two versions", async () => {
    server.objects.set("/bucket/p/x", { bytes });
    server.misbehaviour = { kind: "cut", afterBytes: 700_000, times: 1 };
    const { chunks } = await store.stream("x", { signal });
    server.objects.set("/bucket/p/x", { bytes: randomBytes(bytes.length) });
    await expect(collect(chunks)).rejects.toMatchObject({ code: "OBJECT_CHANGED" });
    server.objects.set("/bucket/p/x", { bytes });
    const source = await openFrameSource(store, "x", signal);
    expect(bytes.subarray(5, 15).equals(await source.read(5, 10, signal))).toBe(true);
    server.objects.set("/bucket/p/x", { bytes: randomBytes(bytes.length) });
    await expect(source.read(5, 10, signal)).rejects.toMatchObject({ code: "OBJECT_CHANGED" });
  });

  test("ends at once when it is cancelled, however the body stands", async () => {
    server.objects.set("/bucket/p/x", { bytes });
    server.misbehaviour = { kind: "stall", afterBytes: 700_000, times: 1_000 };
    const cancel = new AbortController();
    const { chunks } = await store.stream("x", { signal: cancel.signal });
    setTimeout(() => cancel.abort(), 50);
    // Nothing else would end it.
    await expect(collect(chunks)).rejects.toMatchObject({ code: "CANCELLED" });
  });
});

describe("a store that does not answer", () => {
  test("is given up after the time limits", async () => {
    server.silent = true;
    const hurried = await openStore(s3Location(server.url, "bucket", "p"), { limits: impatientLimits });
    await expect(hurried.head("x", signal)).rejects.toMatchObject({ code: "STORE_STALLED" });
    await expect(hurried.put("x", bytes, { signal })).rejects.toMatchObject({ code: "STORE_STALLED" });
    await hurried.close();
    expect(server.requests.length).toBeLessThanOrEqual(2 * impatientLimits.attempts);
  });

  test("is unreachable when nobody listens", async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise<void>((resolve) => closed.close(() => resolve()));
    const gone = await openStore(s3Location(`http://127.0.0.1:${port}`, "bucket", "p"), {
      limits: patientLimits,
    });
    await expect(gone.probeWritable(signal)).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
    const nowhere = await openStore(s3Location("http://no-such-host.invalid", "bucket", "p"), {
      limits: patientLimits,
    });
    await expect(nowhere.probeWritable(signal)).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
  });

  test.each([
    [500, "STORE_FAILED"],
    [503, "STORE_BUSY"],
    [429, "STORE_BUSY"],
  ])("answering only %i is repeated, and then reported", async (status, code) => {
    server.objects.set("/bucket/p/x", { bytes });
    server.statuses.set("/bucket/p/x", status);
    await expect(store.get("x", { signal })).rejects.toMatchObject({ code });
    expect(server.requests.length).toBe(patientLimits.attempts);
  });
});

describe("error texts", () => {
  test("have a code and a hint, and never a credential", async () => {
    server.objects.set("/bucket/p/x", { bytes });
    for (const [status, code] of [
      [401, "STORE_CREDENTIALS"],
      [403, "STORE_DENIED"],
      [301, "STORE_REGION"],
      [507, "STORE_FULL"],
      [418, "STORE_FAILED"],
    ] as const) {
      server.statuses.set("/bucket/p/x", status);
      const error: unknown = await store.get("x", { signal }).catch((error: unknown) => error);
      expect(error).toMatchObject({ code, hint: expect.stringMatching(/\.$/) as unknown });
      expect(describeError(error)).not.toMatch(/AKIDSECRET|the-secret/);
    }
    const quoting = Object.assign(new Error("The key AKIDSECRETKEYID00000 is unknown"), {
      name: "InvalidAccessKeyId",
      $response: { secret: "the-secret-itself" },
    });
    const said = explainS3Error(quoting, "s3://bucket/p/x", "read", signal);
    expect(said).toMatchObject({ code: "STORE_CREDENTIALS" });
    expect(describeError(said)).toContain("***");
    expect(JSON.stringify(said, Object.getOwnPropertyNames(said))).not.toMatch(/AKIDSECRET|the-secret/);
  });
});

describe("the client", () => {
  test("is loaded only for s3://, and can be replaced", async () => {
    let asked = 0;
    const replaced = await openStore(s3Location(server.url, "bucket", "p"), {
      s3ClientFactory: async (options) => {
        asked += 1;
        return new S3Client({ endpoint: options.endpoint ?? "", region: "x", forcePathStyle: true });
      },
    });
    expect(await replaced.head("none", signal)).toBeUndefined();
    expect(asked).toBe(1);
    await replaced.close();
  });

  test("does without a region where the environment names none", async () => {
    for (const name of ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"]) delete process.env[name];
    process.env["AWS_CONFIG_FILE"] = "/dev/null";
    const location = s3Location(server.url, "bucket", "p");
    const { region: _, ...s3 } = location.s3;
    const regionless = await openStore({ ...location, s3 }, { limits: patientLimits });
    expect(await regionless.head("none", signal)).toBeUndefined();
    await regionless.close();
  });

  test("takes the endpoint from the environment", async () => {
    process.env["AWS_ENDPOINT_URL_S3"] = server.url;
    server.objects.set("/bucket/p/x", { bytes });
    const location = s3Location("", "bucket", "p");
    const { endpoint: _, ...s3 } = location.s3;
    const found = await openStore({ ...location, s3 }, { limits: patientLimits });
    expect((await found.head("x", signal))?.size).toBe(bytes.length);
    await found.close();
  });

  test("keeps its connection between reads", async () => {
    server.objects.set("/bucket/p/x", { bytes });
    for (let index = 0; index < 5; index += 1) await store.get("x", { signal });
    expect([server.requests.length, server.connections]).toEqual([5, 1]);
  });
});
