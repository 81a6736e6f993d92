/** What happens between a real store and us: bytes damaged on the way, connections that end, rights that are missing. */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OutgoingFrame } from "../../src/archive/transport.ts";
import { openFrameSource } from "../../src/store/frame-source.ts";
import { PartSink } from "../../src/store/upload/part-sink.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { withMembers } from "../../src/system/with-members.ts";
import { openStore } from "./open-store.ts";
import type { RequestLimits } from "../../src/store/limits.ts";
import {
  cephEndpoint,
  cephNames,
  cephSuites,
  emptyBucket,
  makeBucket,
  s3Location,
  useCephCredentials,
} from "./ceph.ts";
import { startFaultProxy, type FaultProxy } from "./fault-proxy.ts";

const signal = new AbortController().signal;
const MiB = 1024 * 1024;
const limits: RequestLimits = {
  connectTimeoutMs: 2_000,
  idleTimeoutMs: 2_000,
  slowAfterMs: 60_000,
  requestTimeoutMs: 20_000,
  attempts: 3,
  busyAttempts: 1,
};
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

for (const suite of cephSuites) {
  const endpoint = cephEndpoint(suite);
  const how = endpoint === undefined ? `, not up: testbed/ceph.sh up ${suite}` : "";
  describe.skipIf(endpoint === undefined)(`${cephNames[suite]}${how}`, () => {
    const bucket = `faults-${randomUUID()}`;
    const before = { ...process.env };
    let proxy: FaultProxy;
    let store: ObjectStore;
    beforeAll(async () => {
      useCephCredentials();
      await makeBucket(endpoint ?? "", bucket);
      proxy = await startFaultProxy(endpoint ?? "");
      store = await openStore(s3Location(proxy.url, bucket, "p"), { limits });
    });
    afterAll(async () => {
      await emptyBucket(endpoint ?? "", bucket);
      await store.close();
      await proxy.close();
      process.env = before;
    });

    const bytes = randomBytes(6 * MiB);

    test.each(["cut", "stall", "flip"] as const)(
      "a part that is %s on its way arrives whole",
      async (kind) => {
        const upload = await store.openUpload(`up-${kind}`, { signal });
        proxy.struck = 0;
        proxy.fault = { kind, direction: "up", afterBytes: 3 * MiB, times: 1 };
        await upload.writePart({ number: 1, offset: 0 }, [bytes]);
        proxy.fault = undefined;
        expect(proxy.struck).toBe(1);
        await upload.complete();
        expect(sha256((await store.get(`up-${kind}`, { signal })).bytes)).toBe(sha256(bytes));
      },
    );

    test("an object whose bytes are always damaged on the way is refused, and is not there", async () => {
      proxy.fault = { kind: "flip", direction: "up", afterBytes: 3 * MiB, times: 1_000 };
      const failed = store.put("damaged", bytes, { signal });
      await expect(failed).rejects.toMatchObject({ code: "STORE_FAILED" });
      proxy.fault = undefined;
      expect(await store.head("damaged", signal)).toBeUndefined();
    });

    test("the answer to a completion is lost, and the object is there all the same", async () => {
      const upload = await store.openUpload("completed", { signal });
      await upload.writePart({ number: 1, offset: 0 }, [bytes]);
      proxy.fault = { kind: "cut", direction: "down", afterBytes: 0, times: 1 };
      const info = await upload.complete();
      proxy.fault = undefined;
      expect(info.size).toBe(bytes.length);
    });

    test("a conditional write whose answer is lost is still known as ours", async () => {
      await store.put("cas", Buffer.from("1"), { signal, ifAbsent: true });
      proxy.fault = { kind: "cut", direction: "down", afterBytes: 0, times: 1 };
      await store.put("cas-lost", Buffer.from("2"), { signal, ifAbsent: true });
      proxy.fault = undefined;
      const { bytes } = await store.get("cas-lost", { signal });
      expect(Buffer.from(bytes).toString()).toBe("2");
    });

    test.each(["cut", "stall"] as const)("a body that is %s half way is read on", async (kind) => {
      await store.put("down", bytes, { signal });
      proxy.struck = 0;
      proxy.fault = { kind, direction: "down", afterBytes: 2 * MiB, times: 2 };
      expect(sha256((await store.get("down", { signal })).bytes)).toBe(sha256(bytes));
      proxy.fault = undefined;
      expect(proxy.struck).toBe(2);
    });

    test("an upload that is cancelled in the middle of its parts leaves nothing", async () => {
      const cancel = new AbortController();
      const upload = await store.openUpload("cancelled", { signal: cancel.signal });
      const parts = [1, 2, 3].map((number) =>
        upload.writePart({ number, offset: (number - 1) * bytes.length }, [bytes]),
      );
      const settled = Promise.allSettled(parts);
      setTimeout(() => cancel.abort(), 5);
      await settled;
      await upload.abort();
      // Its own uploads only: on Ceph 16 one whose part was cut above is seldom still listed after its completion.
      for await (const { token } of store.listUploads("cancelled", signal)) expect(token.key).toBe("none");
    });

    test("credentials, rights and names that are wrong have their own errors", async () => {
      const open = async (change: () => void, name = bucket): Promise<ObjectStore> => {
        change();
        const other = await openStore(s3Location(endpoint ?? "", name, "p"), { limits });
        return other;
      };
      const attempts: [string, () => void, string?][] = [
        ["STORE_CREDENTIALS", () => (process.env["AWS_SECRET_ACCESS_KEY"] = "wrong")],
        ["STORE_CREDENTIALS", () => (process.env["AWS_ACCESS_KEY_ID"] = "NOBODY")],
        [
          "STORE_DENIED",
          () => {
            process.env["AWS_ACCESS_KEY_ID"] = "AKOTHER";
            process.env["AWS_SECRET_ACCESS_KEY"] = "SKOTHER";
          },
        ],
        ["STORE_NOT_FOUND", useCephCredentials, "no-such-bucket"],
      ];
      for (const [code, change, name] of attempts) {
        useCephCredentials();
        const other = await open(change, name);
        await expect(other.probeWritable(signal)).rejects.toMatchObject({ code });
        await other.close();
      }
      useCephCredentials();
    });

    test("nights of an archive: what the base has is copied, and every night stands alone", async () => {
      // With the time that a busy store is given; the short limits are for the faults above.
      const store = await openStore(s3Location(endpoint ?? "", bucket, "nights"));
      const frames = Array.from({ length: 24 }, () => randomBytes(2 * MiB));
      let copyFrom: { key: string; etag: string } | undefined;
      let offsets: number[] = [];
      for (const night of [1, 2, 3]) {
        const changed = night === 1 ? [] : [night * 3, night * 3 + 7];
        for (const index of changed) frames[index] = randomBytes(2 * MiB);
        const key = `night-${night}.tar.zst`;
        const upload = await store.openUpload(key, {
          signal,
          ...(copyFrom === undefined ? {} : { copyFrom }),
        });
        const sink = new PartSink({
          upload,
          limits: store.partLimits,
          expectedSizeBytes: 60 * MiB,
          signal,
        });
        const placed: number[] = [];
        for (const [index, bytes] of frames.entries()) {
          const frame: OutgoingFrame =
            night === 1 || changed.includes(index)
              ? { kind: "bytes", bytes }
              : {
                  kind: "reusable",
                  baseOffset: offsets[index]!,
                  compressedSize: bytes.length,
                  materialize: async () => ({ bytes }),
                };
          await sink.append(frame, ({ offset }) => placed.push(offset));
        }
        await sink.finish(() => Buffer.from("tail"));
        const info = await upload.complete();
        const result = sink.result();
        // Two changed frames of 2 MiB are two islands below 5 MiB: each takes two neighbours along.
        expect(result.sentBytes).toBe(night === 1 ? 24 * 2 * MiB + 4 : 12 * MiB + 4);
        if (copyFrom !== undefined) await store.delete(copyFrom.key, signal);
        copyFrom = { key, etag: info.etag ?? "" };
        offsets = placed;
        const whole = Buffer.concat([...frames, Buffer.from("tail")]);
        expect(sha256((await store.get(key, { signal })).bytes)).toBe(sha256(whole));
        const source = await openFrameSource(store, key, signal);
        const boundary = result.boundaries[0];
        expect(boundary === undefined).toBe(night === 1);

        expect(frames[5]!.equals(await source.read(placed[5]!, 2 * MiB, signal))).toBe(true);
      }
      await store.close();
    });

    test("a thousand parts are enough where a store takes no more", async () => {
      const open = await openStore(s3Location(endpoint ?? "", bucket, "p"), { limits });
      const choosy = withMembers(open, { partLimits: { ...open.partLimits, maxParts: 3 } });
      const upload = await choosy.openUpload("few", { signal });
      const sink = new PartSink({ upload, limits: choosy.partLimits, expectedSizeBytes: 40 * MiB, signal });
      for (let index = 0; index < 20; index += 1) {
        await sink.append({ kind: "bytes", bytes: randomBytes(2 * MiB) }, () => undefined);
      }
      await sink.finish(() => Buffer.from("tail"));
      expect((await upload.complete()).size).toBe(40 * MiB + 4);
      expect(sink.result().parts).toBeLessThanOrEqual(3);
      await choosy.close();
    });
  });
}
