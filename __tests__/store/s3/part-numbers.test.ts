/** How many parts a store takes is found out from it, and nothing of the attempt stays. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { defaultLimits } from "../../../src/store/limits.ts";
import { createS3Bucket, type S3Bucket } from "../../../src/store/s3/bucket.ts";
import { createS3Client } from "../../../src/store/s3/client.ts";
import { probeParts } from "../../../src/store/s3/upload.ts";
import { s3Location } from "../ceph.ts";
import { serveMemoryS3, type MemoryS3 } from "../memory-s3.ts";

const { signal } = new AbortController();
const environment = { ...process.env };
let server: MemoryS3;
let bucket: S3Bucket;

beforeEach(async () => {
  process.env["AWS_ACCESS_KEY_ID"] = "first";
  process.env["AWS_SECRET_ACCESS_KEY"] = "secret";
  server = await serveMemoryS3();
  const location = s3Location(server.url, "bucket", "p");
  bucket = createS3Bucket(
    await createS3Client(location.s3, defaultLimits),
    location,
    location.s3,
    defaultLimits,
  );
});

afterEach(async () => {
  bucket.client.destroy();
  await server.close();
  process.env = { ...environment };
});

test.each([10_000, 1_000])("a store that takes %i parts", async (parts) => {
  server.mostParts = parts;
  expect(await probeParts(bucket, signal)).toBe(parts);
  expect(server.requests.map((request) => request.split(" ")[0])).toEqual(["POST", "PUT", "DELETE"]);
  expect(server.objects.size).toBe(0);
});

test("what is wrong with more than the number is no answer", async () => {
  server.accessKey = "another";
  await expect(probeParts(bucket, signal)).rejects.toMatchObject({ code: "STORE_CREDENTIALS" });
});
