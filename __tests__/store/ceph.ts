/** The Cephs that `testbed/ceph.sh up` has brought up, and an empty bucket in each. */
import type { StorageLocation } from "../../src/domain/options.ts";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import {
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";

export const cephSuites = ["sid", "trixie", "bookworm"] as const;
export type CephSuite = (typeof cephSuites)[number];

export const cephNames: Readonly<Record<CephSuite, string>> = {
  sid: "Ceph 20",
  trixie: "Ceph 18",
  bookworm: "Ceph 16",
};

/** Undefined when it is not up. */
export function cephEndpoint(suite: CephSuite): string | undefined {
  const root = process.env["TESTBED_DIR"] ?? "/var/tmp/testbed";
  try {
    return readFileSync(path.join(root, `ceph-${suite}`, "endpoint"), "utf8").trim();
  } catch {
    return undefined;
  }
}

export const cephCredentials = { accessKeyId: "AKTEST", secretAccessKey: "SKTEST" };

/** The owner's credentials, where the SDK's default chain looks first. */
export function useCephCredentials(): void {
  process.env["AWS_ACCESS_KEY_ID"] = cephCredentials.accessKeyId;
  process.env["AWS_SECRET_ACCESS_KEY"] = cephCredentials.secretAccessKey;
}

/** Runs `work` with the rights of the buckets' owner. */
export async function asOwner<T>(endpoint: string, work: (client: S3Client) => Promise<T>): Promise<T> {
  const options = { endpoint, region: "us-east-1", forcePathStyle: true, credentials: cephCredentials };
  const client = new S3Client(options);
  try {
    return await work(client);
  } finally {
    client.destroy();
  }
}

export async function makeBucket(endpoint: string, Bucket: string): Promise<void> {
  await asOwner(endpoint, async (client) => await client.send(new CreateBucketCommand({ Bucket })));
}

/** `url`: `s3://bucket/key`. */
export async function fetchObject(endpoint: string, url: string, file: string): Promise<void> {
  const { host: Bucket, pathname } = new URL(url);
  await asOwner(endpoint, async (client) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: pathname.slice(1) }));
    await writeFile(file, (await Body?.transformToByteArray()) ?? new Uint8Array());
  });
}

/** The testbed keeps every object in memory. */
export async function emptyBucket(endpoint: string, Bucket: string): Promise<void> {
  await asOwner(endpoint, async (client) => {
    await client.send(new DeleteBucketPolicyCommand({ Bucket }));
    for (;;) {
      const { Contents = [], IsTruncated } = await client.send(new ListObjectsV2Command({ Bucket }));
      for (const { Key } of Contents) await client.send(new DeleteObjectCommand({ Bucket, Key }));
      if (IsTruncated !== true) return;
    }
  });
}

export function s3Location(
  endpoint: string,
  bucket: string,
  prefix: string,
): Extract<StorageLocation, { scheme: "s3" }> {
  return {
    scheme: "s3",
    url: `s3://${bucket}/${prefix}`,
    bucket,
    prefix,
    s3: { endpoint, region: "us-east-1", storageClass: "STANDARD" },
  };
}
