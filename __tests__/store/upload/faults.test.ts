import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { ObjectStore } from "../../../src/store/port.ts";
import { PartSink } from "../../../src/store/upload/part-sink.ts";
import { uploadStream } from "../../../src/store/upload/upload-file.ts";
import { memoryStore } from "../../catalog/memory-store.ts";
import { failEachCall } from "../every-call.ts";
import { withMembers } from "../../../src/system/with-members.ts";

const signal = new AbortController().signal;
const limits = { minPartSizeBytes: 1000, maxPartSizeBytes: 4000, maxParts: 1000 };
const bytes = randomBytes(30_000);

async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700);
}

const small = (store: ObjectStore): ObjectStore => withMembers(store, { partLimits: limits });

async function sendFrames(store: ObjectStore): Promise<void> {
  const upload = await store.openUpload("x", { signal });
  try {
    const sink = new PartSink({ upload, limits, expectedSizeBytes: bytes.length, signal });
    for await (const piece of pieces()) await sink.append({ kind: "bytes", bytes: piece }, () => undefined);
    await sink.finish(() => new Uint8Array());
    await upload.complete();
  } catch (error) {
    await upload.abort().catch(() => undefined);
    throw error;
  }
}

test.each([
  [
    "a stream",
    async (store: ObjectStore) => await uploadStream(store, "x", pieces(), { signal, expectedSizeBytes: 1 }),
  ],
  ["the frames of an archive", sendFrames],
])("%s that is sent is there whole, or it is said that it is not", async (_, send) => {
  const failed = await failEachCall(
    async () => memoryStore(),
    async (store) => void (await send(small(store))),
    async ({ store, where, outcome }) => {
      const found = store.objects.get("x")?.bytes;
      expect(found === undefined || bytes.equals(found), where).toBe(true);
      expect(outcome.status === "rejected" || found !== undefined, where).toBe(true);
      expect(outcome.status === "rejected" ? (outcome.reason as Error).message : "", where).toMatch(
        /^(Call \d+ fails\.)?$/,
      );
    },
  );
  expect(failed).toBeGreaterThan(30);
});
