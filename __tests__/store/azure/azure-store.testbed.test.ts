import { createHash, randomBytes, randomUUID } from "node:crypto";
import { ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PartSink } from "../../../src/store/upload/part-sink.ts";
import type { ObjectStore } from "../../../src/store/port.ts";
import { openStore } from "../open-store.ts";
import { storeConformance } from "../../conformance/store.ts";
import { azurite, azuriteConnection } from "../azurite.ts";
import { startFaultProxy, type FaultProxy } from "../fault-proxy.ts";

const signal = new AbortController().signal;
const MiB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const endpoint = azurite?.endpoint;

describe.skipIf(endpoint === undefined)(
  `Azurite${endpoint === undefined ? ", not up: testbed/azurite.sh up" : ""}`,
  () => {
    const container = `c-${randomUUID()}`;
    const before = { ...process.env };
    const open = (name = container, threads = 0): Promise<ObjectStore> =>
      openStore(
        {
          scheme: "az",
          url: `az://devstoreaccount1/${name}/p`,
          account: "devstoreaccount1",
          container: name,
          prefix: `some/prefix-${threads}`,
        },
        {
          threads,
          limits: {
            connectTimeoutMs: 2_000,
            idleTimeoutMs: 2_000,
            slowAfterMs: 60_000,
            requestTimeoutMs: 20_000,
            attempts: 3,
            busyAttempts: 1,
          },
        },
      );
    beforeAll(async () => {
      process.env["AZURE_STORAGE_CONNECTION_STRING"] = azuriteConnection(endpoint ?? "");
      await new ContainerClient(azuriteConnection(endpoint ?? ""), container).create();
    });
    afterAll(() => {
      process.env = before;
    });

    for (const threads of [0, 2]) {
      storeConformance(`az://, ${threads} threads`, {
        open: () => open(container, threads),
        copies: "unbound",
        conditionalWrites: true,
      });
    }

    describe("over a bad network", () => {
      let proxy: FaultProxy;
      let store: ObjectStore;
      beforeAll(async () => {
        proxy = await startFaultProxy(endpoint ?? "");
        const { pathname } = new URL(endpoint ?? "");
        process.env["AZURE_STORAGE_CONNECTION_STRING"] = azuriteConnection(proxy.url + pathname);
        store = await open();
      });
      afterAll(async () => {
        await proxy.close();
        process.env["AZURE_STORAGE_CONNECTION_STRING"] = azuriteConnection(endpoint ?? "");
      });
      const bytes = randomBytes(6 * MiB);

      test.each(["cut", "stall"] as const)("a part that is %s on its way arrives whole", async (kind) => {
        const upload = await store.openUpload(`up-${kind}`, { signal });
        proxy.struck = 0;
        proxy.fault = { kind, direction: "up", afterBytes: 3 * MiB, times: 1 };
        await upload.writePart({ number: 1, offset: 0 }, [bytes]);
        proxy.fault = undefined;
        expect(proxy.struck).toBe(1);
        await upload.complete();
        expect(sha256((await store.get(`up-${kind}`, { signal })).bytes)).toBe(sha256(bytes));
      });

      test("a part that is always damaged on its way is refused", async () => {
        const upload = await store.openUpload("damaged", { signal });
        proxy.fault = { kind: "flip", direction: "up", afterBytes: 3 * MiB, times: 1_000 };
        await expect(upload.writePart({ number: 1, offset: 0 }, [bytes])).rejects.toMatchObject({
          code: "STORE_FAILED",
        });
        proxy.fault = undefined;
        await upload.abort();
        expect(await store.head("damaged", signal)).toBeUndefined();
      });

      test.each(["cut", "stall"] as const)("a body that is %s half way is read on", async (kind) => {
        await store.put("down", bytes, { signal });
        proxy.struck = 0;
        proxy.fault = { kind, direction: "down", afterBytes: 2 * MiB, times: 2 };
        expect(sha256((await store.get("down", { signal })).bytes)).toBe(sha256(bytes));
        proxy.fault = undefined;
        expect(proxy.struck).toBe(2);
      });
    });

    test("credentials and names that are wrong have their own errors", async () => {
      const missing = await open("no-such-container");
      await expect(missing.probeWritable(signal)).rejects.toMatchObject({ code: "STORE_NOT_FOUND" });
      process.env["AZURE_STORAGE_CONNECTION_STRING"] = azuriteConnection(endpoint ?? "", "AAAA");
      // Azure says AuthenticationFailed to a wrong signature; Azurite says AuthorizationFailure.
      await expect((await open()).probeWritable(signal)).rejects.toMatchObject({ code: "STORE_DENIED" });
      process.env["AZURE_STORAGE_CONNECTION_STRING"] = azuriteConnection(
        "http://127.0.0.1:9/devstoreaccount1",
      );
      await expect((await open()).probeWritable(signal)).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
      process.env["AZURE_STORAGE_CONNECTION_STRING"] = azuriteConnection(endpoint ?? "");
    });

    test("nights of an archive send exactly what changed, and every night stands alone", async () => {
      const store = await open();
      const frames = Array.from({ length: 24 }, () => randomBytes(MiB));
      let copyFrom: { key: string; etag: string } | undefined;
      let offsets: number[] = [];
      for (const night of [1, 2, 3, 4]) {
        const changed = night === 1 ? [] : [night * 3, night * 3 + 7];
        for (const index of changed) frames[index] = randomBytes(MiB);
        const name = `night-${night}.tar.zst`;
        const upload = await store.openUpload(name, {
          signal,
          ...(copyFrom === undefined ? {} : { copyFrom }),
        });
        const sink = new PartSink({ upload, limits: store.partLimits, expectedSizeBytes: 60 * MiB, signal });
        const placed: number[] = [];
        for (const [index, bytes] of frames.entries()) {
          await sink.append(
            night === 1 || changed.includes(index)
              ? { kind: "bytes", bytes }
              : {
                  kind: "reusable",
                  baseOffset: offsets[index]!,
                  compressedSize: MiB,
                  materialize: async () => ({ bytes }),
                },
            ({ offset }) => placed.push(offset),
          );
        }
        await sink.finish(() => Buffer.from("tail"));
        const info = await upload.complete();
        expect(sink.result().sentBytes).toBe((night === 1 ? 24 : 2) * MiB + 4);
        if (copyFrom !== undefined) await store.delete(copyFrom.key, signal);
        copyFrom = { key: name, etag: info.etag ?? "" };
        offsets = placed;
        const whole = Buffer.concat([...frames, Buffer.from("tail")]);
        expect(sha256((await store.get(name, { signal })).bytes)).toBe(sha256(whole));
      }
    });
  },
);
