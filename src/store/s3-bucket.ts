/** One bucket and prefix behind one client: what every S3 request of this room has in common. */
import { randomUUID } from "node:crypto";
import type { S3Client } from "@aws-sdk/client-s3";
import type { S3Options } from "../config.ts";
import { throwIfAborted } from "../errors.ts";
import { assertKey, trimPrefix } from "./keys.ts";
import { explainS3Error, readFailure, wasDamagedOnTheWay } from "./s3-errors.ts";

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
   * Runs one request (the SDK repeats what is known to pass), and repeats it where its bytes were damaged on the way.
   * Errors come out explained; `doing` is a verb phrase such as "write".
   */
  call<T>(key: string, doing: string, signal: AbortSignal, request: () => Promise<T>): Promise<T>;
}

export interface ObjectCreation {
  readonly StorageClass?: "STANDARD";
  readonly ServerSideEncryption?: "AES256" | "aws:kms";
  readonly SSEKMSKeyId?: string;
}

const damagedAttempts = 3;

export function createS3Bucket(
  client: S3Client,
  location: { readonly scheme: "s3" | "gs"; readonly bucket: string; readonly prefix: string },
  options: S3Options,
): S3Bucket {
  const prefix = trimPrefix(location.prefix);
  const start = prefix === "" ? "" : `${prefix}/`;
  const url = `${location.scheme}://${location.bucket}${prefix === "" ? "" : `/${prefix}`}`;
  const urlOf = (key: string): string => (key === "" ? url : `${url}/${key}`);
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
    async call(key, doing, signal, request) {
      for (let attempt = 1; ; attempt += 1) {
        throwIfAborted(signal);
        try {
          return await request();
        } catch (error) {
          if (attempt < damagedAttempts && !signal.aborted && wasDamagedOnTheWay(readFailure(error)))
            continue;
          throw explainS3Error(error, urlOf(key), doing, signal);
        }
      }
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
