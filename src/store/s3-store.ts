/** S3 and what speaks its protocol. Writes use conditions where the store proves that it keeps them. */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type ListMultipartUploadsCommandInput,
  type ListMultipartUploadsCommandOutput,
  type S3Client,
} from "@aws-sdk/client-s3";
import type { Readable } from "node:stream";
import type { S3Options } from "../config.ts";
import { collect } from "./chunks.ts";
import { PreconditionFailedError } from "./errors.ts";
import { isOwnKey } from "./keys.ts";
import type { GetOptions, ObjectInfo, ObjectStore, PutOptions, Upload } from "./port.ts";
import { objectInfo, quoted, wholeSize } from "./object-info.ts";
import { streamObject, type RangedAnswer } from "./ranged-read.ts";
import { createS3Bucket, type S3Bucket } from "./s3-bucket.ts";
import { defaultLimits, type RequestLimits } from "./limits.ts";
import { probeConditions, type EnforcedConditions } from "./s3-conditions.ts";
import { isPreconditionFailure, readFailure } from "./s3-errors.ts";
import { abortS3Upload, leastPartBytes, openS3Upload, probeCopies } from "./s3-upload.ts";

const MiB = 1024 * 1024;

export interface S3StoreOptions {
  /** "gs" is Google's store spoken to by the S3 protocol. */
  readonly scheme: "s3" | "gs";
  readonly bucket: string;
  readonly prefix: string;
  readonly s3: S3Options;
  readonly limits?: RequestLimits;
}

/** Takes over the client: `close` destroys it. */
export function openS3Store(client: S3Client, options: S3StoreOptions): ObjectStore {
  const limits = options.limits ?? defaultLimits;
  const bucket = createS3Bucket(client, options, options.s3);
  // Asked of the store at most once at a time; a failure to find out is asked again.
  let conditions: EnforcedConditions | undefined;
  let copies: Upload["copies"] | undefined;
  const learnConditions = async (signal: AbortSignal): Promise<EnforcedConditions> =>
    (conditions ??= await probeConditions(bucket, signal));

  const head = (key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> =>
    bucket.call(key, "look at", signal, async () => {
      try {
        const answer = await client.send(
          new HeadObjectCommand({ Bucket: bucket.name, Key: bucket.full(key) }),
          { abortSignal: signal },
        );
        return objectInfo(key, answer.ContentLength ?? 0, answer.ETag, answer.LastModified);
      } catch (error) {
        if (readFailure(error).status === 404) return undefined;
        throw error;
      }
    });

  const stream: ObjectStore["stream"] = (key, options) =>
    streamObject(
      { url: bucket.urlOf(key), limits, request: (range, signal) => request(bucket, key, range, signal) },
      options,
    );

  const list: ObjectStore["list"] = async function* (prefix, signal) {
    let token: string | undefined;
    do {
      const page = await bucket.call("", "list", signal, () =>
        client.send(
          new ListObjectsV2Command({
            Bucket: bucket.name,
            Prefix: bucket.start + prefix,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          { abortSignal: signal },
        ),
      );
      for (const item of page.Contents ?? []) {
        const key = bucket.relative(item.Key ?? "");
        if (key !== undefined && isOwnKey(key))
          yield objectInfo(key, item.Size ?? 0, item.ETag, item.LastModified);
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  };

  const { endpoint, forcePathStyle } = options.s3;
  return {
    url: bucket.url,
    ...(options.scheme === "s3" && endpoint !== undefined
      ? { s3Endpoint: { url: endpoint, isPathStyle: forcePathStyle } }
      : {}),
    get capabilities() {
      return {
        conditionalWrites: conditions?.ifAbsent === true && conditions.ifMatch,
        copyRange: copies !== "none",
        readOnly: false,
      };
    },
    partLimits: {
      minPartSizeBytes: leastPartBytes,
      maxPartSizeBytes: 5 * 1024 * MiB,
      maxParts: options.s3.maxParts,
    },
    head,
    stream,
    async get(key, options) {
      const { chunks, info } = await stream(key, options);
      return { bytes: await collect(chunks), info };
    },
    async put(key, bytes, options) {
      const enforced = isConditional(options) ? await learnConditions(options.signal) : undefined;
      return putObject(bucket, key, bytes, options, enforced, () => head(key, options.signal));
    },
    list,
    delete: (key, signal) =>
      bucket.call(key, "delete", signal, async () => {
        await client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: bucket.full(key) }), {
          abortSignal: signal,
        });
      }),
    async openUpload(key, options) {
      if (options.copyFrom !== undefined)
        copies ??= await probeCopies(bucket, options.copyFrom, options.signal);
      return openS3Upload(bucket, key, options, copies ?? "none");
    },
    abortUpload: (token, signal) => abortS3Upload(bucket, token, bucket.full(token.key), signal),
    async *listUploads(prefix, signal) {
      let from: Pick<ListMultipartUploadsCommandInput, "KeyMarker" | "UploadIdMarker"> | undefined = {};
      while (from !== undefined) {
        const command = new ListMultipartUploadsCommand({
          Bucket: bucket.name,
          Prefix: bucket.start + prefix,
          ...from,
        });
        const page: ListMultipartUploadsCommandOutput = await bucket.call("", "list uploads", signal, () =>
          client.send(command, { abortSignal: signal }),
        );
        for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
          const key = bucket.relative(Key ?? "");
          if (key === undefined || !isOwnKey(key) || UploadId === undefined) continue;
          yield { token: { key, id: UploadId }, startedAt: Initiated };
        }
        from =
          page.IsTruncated === true
            ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
            : undefined;
      }
    },
    async probeWritable(signal) {
      conditions = await probeConditions(bucket, signal);
      const upload = await openS3Upload(bucket, "probe", { signal }, "none");
      await upload.abort();
      for await (const _ of list("probe", signal)) break;
    },
    urlOf: (key) => bucket.urlOf(key),
    async close() {
      client.destroy();
    },
  };
}

async function request(
  bucket: S3Bucket,
  key: string,
  range: GetOptions["range"],
  signal: AbortSignal,
): Promise<RangedAnswer> {
  const answer = await bucket.call(key, "read", signal, () =>
    bucket.client.send(
      new GetObjectCommand({
        Bucket: bucket.name,
        Key: bucket.full(key),
        ...(range === undefined ? {} : { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
      }),
      { abortSignal: signal },
    ),
  );
  const size = wholeSize(answer.ContentRange, answer.ContentLength);
  return { info: objectInfo(key, size, answer.ETag, answer.LastModified), body: answer.Body as Readable };
}

function isConditional(options: PutOptions): boolean {
  return options.ifAbsent === true || options.ifMatch !== undefined;
}

async function putObject(
  bucket: S3Bucket,
  key: string,
  bytes: Uint8Array,
  options: PutOptions,
  enforced: EnforcedConditions | undefined,
  head: () => Promise<ObjectInfo | undefined>,
): Promise<ObjectInfo> {
  const { signal } = options;
  const condition: { IfNoneMatch?: string; IfMatch?: string } = {};
  if (options.ifAbsent === true) {
    if (enforced?.ifAbsent === true) condition.IfNoneMatch = "*";
    else if ((await head()) !== undefined) throw new PreconditionFailedError(bucket.urlOf(key));
  }
  if (options.ifMatch !== undefined) {
    if (enforced?.ifMatch === true) condition.IfMatch = quoted(options.ifMatch);
    else if ((await head())?.etag !== options.ifMatch) throw new PreconditionFailedError(bucket.urlOf(key));
  }
  return bucket.call(key, "write", signal, async () => {
    try {
      const answer = await bucket.client.send(
        new PutObjectCommand({
          Bucket: bucket.name,
          Key: bucket.full(key),
          Body: bytes,
          ContentLength: bytes.length,
          ...(options.contentType === undefined ? {} : { ContentType: options.contentType }),
          ...bucket.creation,
          ...condition,
        }),
        { abortSignal: signal },
      );
      return objectInfo(key, bytes.length, answer.ETag, undefined);
    } catch (error) {
      const failure = readFailure(error);
      const lost =
        isPreconditionFailure(failure) || (options.ifMatch !== undefined && failure.name === "NoSuchKey");
      if (!lost) throw error;
      // An earlier attempt may have written it with its answer lost; then what stands there are our own bytes.
      const own = failure.attempts > 1 ? await readIfEqual(bucket, key, bytes, signal) : undefined;
      if (own !== undefined) return own;
      throw new PreconditionFailedError(bucket.urlOf(key));
    }
  });
}

async function readIfEqual(
  bucket: S3Bucket,
  key: string,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<ObjectInfo | undefined> {
  const { info, body } = await request(bucket, key, undefined, signal);
  const stands = await collect(body);
  return stands.equals(bytes) ? info : undefined;
}
