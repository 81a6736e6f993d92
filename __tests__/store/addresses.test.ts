/** Without encryption a store is spoken to on this host and in private networks alone. */
import { describe, expect, test } from "vitest";
import type { StorageLocation } from "../../src/domain/options.ts";
import { requireTrustedWay } from "../../src/store/addresses.ts";
import { openStore } from "../../src/store/registry.ts";

const { signal } = new AbortController();
const refused = { code: "STORE_PLAIN_HTTP" };

test.each([
  "http://203.0.113.7",
  "http://[2001:db8::1]:9000",
  "http://169.254.169.254",
  "http://0x08080808",
  "HTTP://8.8.8.8/",
])("%s is refused", async (endpoint) => {
  await expect(requireTrustedWay(endpoint)).rejects.toMatchObject(refused);
});

test.each([
  "https://203.0.113.7",
  "http://127.0.0.1:9000",
  "http://localhost:9000",
  "http://[::1]:9000",
  "http://10.1.2.3",
  "http://192.168.0.9:7480",
  "http://[fd12::1]",
  // The request says what is wrong with it.
  "http://no-such-name.invalid",
])("%s is not", async (endpoint) => {
  await expect(requireTrustedWay(endpoint)).resolves.toBeUndefined();
});

describe("nothing is sent", () => {
  const s3 = { storageClass: "STANDARD" } as const;
  const bucket = { scheme: "s3", url: "s3://bucket", bucket: "bucket", prefix: "", s3 } as const;
  const keys = { AWS_ACCESS_KEY_ID: "x", AWS_SECRET_ACCESS_KEY: "x" };
  test.each<[string, StorageLocation, Record<string, string>]>([
    ["`s3-endpoint`", { ...bucket, s3: { ...s3, endpoint: "http://203.0.113.7" } }, {}],
    ["AWS_ENDPOINT_URL_S3", bucket, { AWS_ENDPOINT_URL_S3: "http://203.0.113.7" }],
    [
      "BlobEndpoint",
      { scheme: "az", url: "az://a/c", account: "a", container: "c", prefix: "" },
      { AZURE_STORAGE_CONNECTION_STRING: "BlobEndpoint=http://203.0.113.7;AccountName=a;AccountKey=eA==" },
    ],
  ])("to an endpoint that %s names", async (_, location, environment) => {
    Object.assign(process.env, keys);
    const asked = (async () => {
      const store = await openStore(location, { environment });
      return await store.head("latest.json", signal);
    })();
    await expect(asked).rejects.toMatchObject(refused);
  });
});
