/** One bucket and prefix behind one client: what every S3 request of this folder has in common. */
import type { S3Options } from "../../domain/options.ts";
import { createHash, randomUUID } from "node:crypto";
import type { S3Client } from "@aws-sdk/client-s3";
import { retry } from "../../system/retry.ts";
import { assertKey, trimPrefix } from "../keys.ts";
import type { RequestLimits } from "../limits.ts";
import { patiently } from "../patience.ts";
import { explainS3Error, isChecksumMissing, readFailure, wasDamagedOnTheWay } from "./errors.ts";

export interface S3Bucket {
  readonly client: S3Client;
  readonly name: string;
  readonly url: string;
  /** What every key in the bucket begins with: "" or "prefix/". */
  readonly start: string;
  /** The key in the bucket. */
  full(key: string): string;
  /** A new key in the bucket that no caller can name and no listing shows, for trying things out. */
  scratch(): string;
  /** The key below the prefix; undefined for what is not. */
  relative(fullKey: string): string | undefined;
  urlOf(key: string): string;
  /** What goes with every object that is made. */
  readonly creation: ObjectCreation;
  /**
   * Sends a body. Buckets with Object Lock want its MD5 with every one; that is learnt from the first refusal, and then sent
   * with all.
   */
  sendBody<T>(
    bytes: Uint8Array,
    send: (checksum: { readonly ContentMD5?: string }) => Promise<T>,
  ): Promise<T>;
  /**
   * Runs one request (the SDK repeats what is known to pass), and repeats it where its bytes were damaged on the way, or the store
   * is too busy.
   * Errors come out explained; `doing` is a verb phrase such as "write". `isRepeated`: an earlier request was refused, and may have been
   * carried out all the same.
   */
  call<T>(
    key: string,
    doing: string,
    signal: AbortSignal,
    request: (isRepeated: boolean) => Promise<T>,
  ): Promise<T>;
}

export interface ObjectCreation {
  readonly StorageClass?: "STANDARD";
  readonly ServerSideEncryption?: "AES256" | "aws:kms";
  readonly SSEKMSKeyId?: string;
}

/** The SDK repeats everything else that is known to pass. */
const damagedPolicy = {
  attempts: 3,
  firstPauseMs: 100,
  longestPauseMs: 1_000,
  passes: (error: unknown) => wasDamagedOnTheWay(readFailure(error)),
};

function md5Of(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("base64");
}

export function createS3Bucket(
  client: S3Client,
  location: { readonly scheme: "s3" | "gs"; readonly bucket: string; readonly prefix: string },
  options: S3Options,
  limits: RequestLimits,
): S3Bucket {
  const prefix = trimPrefix(location.prefix);
  const start = prefix === "" ? "" : `${prefix}/`;
  const url = `${location.scheme}://${location.bucket}${prefix === "" ? "" : `/${prefix}`}`;
  const urlOf = (key: string): string => (key === "" ? url : `${url}/${key}`);
  let wantsMd5 = false;
  return {
    client,
    name: location.bucket,
    url,
    start,
    scratch: () => `${start}.probe-${randomUUID()}`,
    full(key) {
      assertKey(key);
      return start + key;
    },
    relative: (fullKey) => (fullKey.startsWith(start) ? fullKey.slice(start.length) : undefined),
    urlOf,
    creation: creationOf(options),
    async sendBody(bytes, send) {
      if (wantsMd5) return await send({ ContentMD5: md5Of(bytes) });
      try {
        return await send({});
      } catch (error) {
        if (!isChecksumMissing(readFailure(error))) throw error;
        const sent = await send({ ContentMD5: md5Of(bytes) });
        wantsMd5 = true;
        return sent;
      }
    },
    async call(key, doing, signal, request) {
      return await patiently(limits, signal, async (attempt) => {
        try {
          return await retry({ ...damagedPolicy, signal }, async () => await request(attempt > 1));
        } catch (error) {
          throw explainS3Error(error, urlOf(key), doing, signal);
        }
      });
    },
  };
}

function creationOf(options: S3Options): ObjectCreation {
  const [, algorithm, kmsKey] = /^(AES256|aws:kms)(?::(.+))?$/u.exec(options.sse ?? "") ?? [];
  return {
    // The SDK's type lists the classes it knows; compatible stores have their own.
    ...(options.storageClass === "STANDARD" ? {} : { StorageClass: options.storageClass as "STANDARD" }),
    ...(algorithm === undefined ? {} : { ServerSideEncryption: algorithm as "AES256" | "aws:kms" }),
    ...(kmsKey === undefined ? {} : { SSEKMSKeyId: kmsKey }),
  };
}
