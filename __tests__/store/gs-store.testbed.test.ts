import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStore } from "./open-store.ts";
import { storeConformance } from "../conformance/store.ts";
import { cephEndpoint, emptyBucket, makeBucket, useCephCredentials } from "./ceph.ts";
import { googleClients } from "./google-dialect.ts";

const endpoint = cephEndpoint("sid") ?? "";

describe.skipIf(endpoint === "")(
  `Google's dialect on Ceph 20${endpoint === "" ? " (not up: testbed/ceph.sh up sid)" : ""}`,
  () => {
    const bucket = `google-${randomUUID()}`;
    const before = { ...process.env };
    const location = {
      scheme: "gs",
      url: `gs://${bucket}/some/prefix`,
      bucket,
      prefix: "some/prefix",
    } as const;
    const open = () => openStore(location, { s3ClientFactory: googleClients(endpoint) });
    beforeAll(async () => {
      useCephCredentials();
      await makeBucket(endpoint, bucket);
    });
    afterAll(async () => {
      await emptyBucket(endpoint, bucket);
      process.env = before;
    });

    storeConformance("gs://", { open, copies: "none", conditionalWrites: false });

    test("copies nothing within the store, and says so", async () => {
      const { signal } = new AbortController();
      const store = await open();
      try {
        const { etag = "" } = await store.put("base", Buffer.alloc(11 * 1024 * 1024), { signal });
        const upload = await store.openUpload("next", { signal, copyFrom: { key: "base", etag } });
        expect(upload.copies).toBe("none");
        expect(store.capabilities.copyRange).toBe(false);
        await upload.abort();
      } finally {
        await store.close();
      }
    });
  },
);
