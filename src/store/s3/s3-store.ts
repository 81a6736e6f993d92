/** S3 and what speaks its protocol. Writes use conditions where a probe shows that the store enforces them. */
import type { S3Options } from "../../domain/options.ts";
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
import { collect, getByStream } from "../chunks.ts";
import { PreconditionFailedError } from "../errors.ts";
import { isOwnKey } from "../keys.ts";
import type {
  GetOptions,
  ObjectInfo,
  ObjectStore,
  OpenUploadOptions,
  PartLimits,
  PutOptions,
  SendPart,
  StoreCapabilities,
  Upload,
  UploadToken,
} from "../port.ts";
import { objectInfo, quoted, requireSize, wholeSize } from "../object-info.ts";
import { streamObject, type RangedAnswer } from "../ranged-read.ts";
import { createS3Bucket, type S3Bucket } from "./bucket.ts";
import { defaultLimits, type RequestLimits } from "../limits.ts";
import { probeConditions, type EnforcedConditions } from "./conditions.ts";
import { isPreconditionFailure, readFailure } from "./errors.ts";
import {
  abortS3Upload,
  leastPartBytes,
  openS3Upload,
  partNumbers,
  probeCopies,
  probeParts,
  probeUpload,
  sendS3Part,
} from "./upload.ts";

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
  return new S3Store(createS3Bucket(client, options, options.s3, options.limits ?? defaultLimits), options);
}

class S3Store implements ObjectStore {
  readonly url: string;
  readonly s3Endpoint?: string;
  readonly #bucket: S3Bucket;
  readonly #limits: RequestLimits;
  // Asked of the store at most once at a time; a failure to find out is asked again.
  #conditions: EnforcedConditions | undefined;
  #copies: Upload["copies"] | undefined;
  #maxParts: number = partNumbers.most;

  constructor(bucket: S3Bucket, { scheme, s3, limits }: S3StoreOptions) {
    this.#bucket = bucket;
    this.#limits = limits ?? defaultLimits;
    this.url = bucket.url;
    if (scheme === "s3" && s3.endpoint !== undefined) this.s3Endpoint = s3.endpoint;
  }

  get partLimits(): PartLimits {
    return {
      minPartSizeBytes: leastPartBytes,
      maxPartSizeBytes: 5 * 1024 * MiB,
      maxParts: this.#maxParts,
    };
  }

  get capabilities(): StoreCapabilities {
    return {
      conditionalWrites: this.#conditions?.ifAbsent === true && this.#conditions.ifMatch,
      copyRange: this.#copies !== "none",
      readOnly: false,
    };
  }

  head(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    const bucket = this.#bucket;
    return bucket.call(key, "look at", signal, async () => {
      try {
        const answer = await bucket.client.send(
          new HeadObjectCommand({ Bucket: bucket.name, Key: bucket.full(key) }),
          { abortSignal: signal },
        );
        return objectInfo(
          key,
          requireSize(bucket.urlOf(key), answer.ContentLength),
          answer.ETag,
          answer.LastModified,
        );
      } catch (error) {
        if (readFailure(error).status === 404) return undefined;
        throw error;
      }
    });
  }

  stream(
    key: string,
    options: GetOptions,
  ): Promise<{ readonly chunks: AsyncIterable<Uint8Array>; readonly info: ObjectInfo }> {
    const bucket = this.#bucket;
    return streamObject(
      {
        url: bucket.urlOf(key),
        limits: this.#limits,
        request: (range, signal) => request(bucket, key, range, signal),
      },
      options,
    );
  }

  get(key: string, options: GetOptions): Promise<{ readonly bytes: Uint8Array; readonly info: ObjectInfo }> {
    return getByStream(this, key, options);
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions): Promise<ObjectInfo> {
    const enforced = isConditional(options)
      ? (this.#conditions ??= await probeConditions(this.#bucket, options.signal))
      : undefined;
    return putObject(this.#bucket, key, bytes, options, enforced, () => this.head(key, options.signal));
  }

  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<ObjectInfo, void, undefined> {
    const bucket = this.#bucket;
    let token: string | undefined;
    do {
      const page = await bucket.call("", "list", signal, () =>
        bucket.client.send(
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
  }

  delete(key: string, signal: AbortSignal): Promise<void> {
    const bucket = this.#bucket;
    return bucket.call(key, "delete", signal, async () => {
      await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: bucket.full(key) }), {
        abortSignal: signal,
      });
    });
  }

  async openUpload(key: string, options: OpenUploadOptions): Promise<Upload> {
    if (options.copyFrom !== undefined)
      this.#copies ??= await probeCopies(this.#bucket, options.copyFrom, options.signal);
    return openS3Upload(this.#bucket, key, options, this.#copies ?? "none");
  }

  readonly sendPart: SendPart = (part, ...rest) =>
    sendS3Part(this.#bucket, { ...part, fullKey: this.#bucket.full(part.key) }, ...rest);

  abortUpload(token: UploadToken, signal: AbortSignal): Promise<void> {
    return abortS3Upload(this.#bucket, token, this.#bucket.full(token.key), signal);
  }

  async *listUploads(
    prefix: string,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly token: UploadToken; readonly startedAt: Date | undefined }> {
    const bucket = this.#bucket;
    let from: Pick<ListMultipartUploadsCommandInput, "KeyMarker" | "UploadIdMarker"> | undefined = {};
    while (from !== undefined) {
      const command = new ListMultipartUploadsCommand({
        Bucket: bucket.name,
        Prefix: bucket.start + prefix,
        ...from,
      });
      const page: ListMultipartUploadsCommandOutput = await bucket.call("", "list uploads", signal, () =>
        bucket.client.send(command, { abortSignal: signal }),
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
  }

  async probeWritable(signal: AbortSignal): Promise<void> {
    const list = async (): Promise<void> => {
      for await (const _ of this.list("probe", signal)) break;
    };
    // Together, for each is a way to the store and back. None is left behind by another's failure.
    const [conditions, upload, parts, listed] = await Promise.allSettled([
      probeConditions(this.#bucket, signal),
      probeUpload(this.#bucket, signal),
      probeParts(this.#bucket, signal),
      list(),
    ]);
    // In this order: a missing bucket or right shows best in the first.
    for (const probe of [conditions, upload, parts, listed])
      if (probe.status === "rejected") throw probe.reason;
    if (conditions.status === "fulfilled") this.#conditions = conditions.value;
    if (parts.status === "fulfilled") this.#maxParts = parts.value;
  }

  urlOf(key: string): string {
    return this.#bucket.urlOf(key);
  }

  async close(): Promise<void> {
    this.#bucket.client.destroy();
  }
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
  return {
    info: objectInfo(key, requireSize(bucket.urlOf(key), size), answer.ETag, answer.LastModified),
    body: answer.Body as Readable,
  };
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
  return bucket.call(key, "write", signal, async (isRepeated) => {
    try {
      const answer = await bucket.sendBody(bytes, async (checksum) => {
        const command = new PutObjectCommand({
          Bucket: bucket.name,
          Key: bucket.full(key),
          Body: bytes,
          ContentLength: bytes.length,
          ...(options.contentType === undefined ? {} : { ContentType: options.contentType }),
          ...bucket.creation,
          ...checksum,
          ...condition,
        });
        return await bucket.client.send(command, { abortSignal: signal });
      });
      return objectInfo(key, bytes.length, answer.ETag, undefined);
    } catch (error) {
      const failure = readFailure(error);
      const lost =
        isPreconditionFailure(failure) || (options.ifMatch !== undefined && failure.name === "NoSuchKey");
      if (!lost) throw error;
      // An earlier attempt may have written it with its answer lost; then what stands there are our own bytes.
      const own =
        isRepeated || failure.attempts > 1 ? await readIfEqual(bucket, key, bytes, signal) : undefined;
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
