/** Where a bucket's name goes: into the host's of stores that want it there, into the path of all others, whoever named the endpoint. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HeadObjectCommand } from "@aws-sdk/client-s3";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { S3Options } from "../../../src/domain/options.ts";
import { defaultLimits } from "../../../src/store/limits.ts";
import { createS3Client } from "../../../src/store/s3/client.ts";

let directory = "";
const before = { ...process.env };
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "path-style-"));
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: "AKID",
    AWS_SECRET_ACCESS_KEY: "secret",
    AWS_CONFIG_FILE: join(directory, "config"),
  });
});
afterEach(() => {
  process.env = { ...before };
  rmSync(directory, { recursive: true });
});

async function asked(given: Partial<S3Options>): Promise<string> {
  const client = await createS3Client({ storageClass: "STANDARD", ...given }, defaultLimits);
  let where = "";
  client.middlewareStack.add(
    () => async (args) => {
      const { hostname, path } = args.request as { readonly hostname: string; readonly path: string };
      where = hostname + path;
      return await Promise.resolve({ response: {}, output: { $metadata: {} } });
    },
    { step: "build", name: "look" },
  );
  await client.send(new HeadObjectCommand({ Bucket: "nights", Key: "a" }));
  client.destroy();
  return where;
}

test.each([
  ["AWS, in a region", { region: "eu-west-1" }, "nights.s3.eu-west-1.amazonaws.com/a"],
  ["AWS, without one", {}, "nights.s3.us-east-1.amazonaws.com/a"],
  [
    "AWS, by an endpoint of a VPC",
    { region: "eu-west-1", endpoint: "https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com" },
    "nights.bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com/a",
  ],
  ["MinIO", { endpoint: "https://minio.example.org:9000" }, "minio.example.org/nights/a"],
  ["Alibaba", { endpoint: "https://oss-cn-beijing.aliyuncs.com" }, "nights.oss-cn-beijing.aliyuncs.com/a"],
  ["one by its address", { endpoint: "http://127.0.0.1:1" }, "127.0.0.1/nights/a"],
])("%s", async (_, given, where) => {
  expect(await asked(given)).toBe(where);
});

test("a store that a variable names, and one that a profile names", async () => {
  writeFileSync(join(directory, "config"), "[default]\nendpoint_url = https://ceph.example.org\n");
  process.env["AWS_ENDPOINT_URL_S3"] = "https://minio.example.org";
  expect(await asked({})).toBe("minio.example.org/nights/a");
  delete process.env["AWS_ENDPOINT_URL_S3"];
  expect(await asked({})).toBe("ceph.example.org/nights/a");
});
