/**
 * A multipart upload. Stores differ in what a copied part checks (Ceph 20 ignores the source's etag, some stores cannot
 * copy ranges at all), so that is tried once per store, on a scratch object, before anybody relies on it.
 */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { throwIfAborted } from "../errors.ts";
import { ObjectChangedError, StoreError, uploadClosed } from "./errors.ts";
import type { ObjectInfo, OpenUploadOptions, Upload, UploadToken } from "./port.ts";
import { objectInfo, plainEtag, quoted } from "./object-info.ts";
import type { S3Bucket } from "./s3-bucket.ts";
import { isPreconditionFailure, readFailure } from "./s3-errors.ts";
import { assertPartsJoin, type WrittenPart } from "./upload-parts.ts";

type CopySource = NonNullable<OpenUploadOptions["copyFrom"]>;

export const leastPartBytes = 5 * 1024 * 1024;
/** Giving back what an upload holds is tried for this long, also when the run itself was cancelled. */
const abortWithinMs = 30_000;

/** `fullKey` is the key in the bucket: the scratch upload of `probeCopies` has one no caller may use. */
async function begin(
  bucket: S3Bucket,
  key: string,
  fullKey: string,
  contentType: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const answer = await bucket.call(key, "begin an upload", signal, () =>
    bucket.client.send(
      new CreateMultipartUploadCommand({
        Bucket: bucket.name,
        Key: fullKey,
        ...(contentType === undefined ? {} : { ContentType: contentType }),
        ...bucket.creation,
      }),
      { abortSignal: signal },
    ),
  );
  if (answer.UploadId !== undefined) return answer.UploadId;
  throw new StoreError("STORE_UNSUPPORTED", `${bucket.urlOf(key)}: the store began an upload without an id.`);
}

export async function abortS3Upload(
  bucket: S3Bucket,
  token: UploadToken,
  fullKey: string,
  signal: AbortSignal,
): Promise<void> {
  await bucket.call(token.key, "abort an upload", signal, async () => {
    try {
      await bucket.client.send(
        new AbortMultipartUploadCommand({ Bucket: bucket.name, Key: fullKey, UploadId: token.id }),
        { abortSignal: signal },
      );
    } catch (error) {
      if (readFailure(error).name !== "NoSuchUpload") throw error;
    }
  });
}

interface CopiedRange {
  readonly offset: number;
  readonly length: number;
}

function copyCommand(
  bucket: S3Bucket,
  part: { readonly Key: string; readonly UploadId: string; readonly PartNumber: number },
  source: CopySource,
  range: CopiedRange,
): UploadPartCopyCommand {
  const path = [bucket.name, ...bucket.full(source.key).split("/")].map(encodeURIComponent).join("/");
  return new UploadPartCopyCommand({
    Bucket: bucket.name,
    ...part,
    CopySource: path,
    CopySourceIfMatch: quoted(source.etag),
    CopySourceRange: `bytes=${range.offset}-${range.offset + range.length - 1}`,
  });
}

/** The smallest part every S3 store takes, and one byte more: some stores want all parts of one size. */
const probedRanges: readonly [CopiedRange, CopiedRange] = [
  { offset: 0, length: leastPartBytes },
  { offset: leastPartBytes, length: leastPartBytes + 1 },
];
const probedBytes = 2 * leastPartBytes + 1;

/**
 * Makes an object of two copied parts of different sizes and a written one, and throws it away: everything an archive's
 * upload will need. A source too small for that is not worth copying from.
 */
export async function probeCopies(
  bucket: S3Bucket,
  source: CopySource,
  signal: AbortSignal,
): Promise<Upload["copies"]> {
  const { client, name: Bucket } = bucket;
  const options = { abortSignal: signal };
  const Key = bucket.scratch();
  const copy = async (UploadId: string, PartNumber: number, range: CopiedRange, etag: string) => {
    const command = copyCommand(bucket, { Key, UploadId, PartNumber }, { ...source, etag }, range);
    const answer = await client.send(command, options);
    return { PartNumber, ETag: answer.CopyPartResult?.ETag };
  };
  const build = async (UploadId: string): Promise<Upload["copies"]> => {
    const [first, second] = probedRanges;
    const Parts = [await copy(UploadId, 1, first, source.etag), await copy(UploadId, 2, second, source.etag)];
    const isBound = await copy(UploadId, 3, first, "00000000000000000000000000000000").then(
      () => false,
      (error: unknown) => {
        if (isPreconditionFailure(readFailure(error))) return true;
        throw error;
      },
    );
    // Overwrites what a store that does not look has copied: Ceph completes no upload with parts left over.
    const last = await client.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 3, Body: Buffer.from("\n") }),
      options,
    );
    Parts.push({ PartNumber: 3, ETag: last.ETag });
    const command = { Bucket, Key, UploadId, MultipartUpload: { Parts } };
    await client.send(new CompleteMultipartUploadCommand(command), options);
    const { ContentLength } = await client.send(new HeadObjectCommand({ Bucket, Key }), options);
    if (ContentLength !== probedBytes + 1) return "none";
    return isBound ? "bound" : "unbound";
  };
  return bucket.call(source.key, "copy a range", signal, async () => {
    const { ContentLength } = await client.send(
      new HeadObjectCommand({ Bucket, Key: bucket.full(source.key) }),
      options,
    );
    if ((ContentLength ?? 0) < probedBytes) return "none";
    const id = await begin(bucket, source.key, Key, undefined, signal);
    try {
      return await build(id);
    } catch (error) {
      // 400, 405, 411 and 501 are what stores say to a request they do not have, or to parts they do not want.
      if ([400, 405, 411, 501].includes(readFailure(error).status ?? 0)) return "none";
      throw error;
    } finally {
      const limit = AbortSignal.timeout(abortWithinMs);
      await abortS3Upload(bucket, { key: source.key, id }, Key, limit);
      await client.send(new DeleteObjectCommand({ Bucket, Key }), { abortSignal: limit });
    }
  });
}

export async function openS3Upload(
  bucket: S3Bucket,
  key: string,
  options: OpenUploadOptions,
  copies: Upload["copies"],
): Promise<Upload> {
  const { copyFrom, signal } = options;
  const fullKey = bucket.full(key);
  const id = await begin(bucket, key, fullKey, options.contentType, signal);
  const ending = new AbortController();
  const stop = AbortSignal.any([signal, ending.signal]);
  const parts: (WrittenPart & { readonly etag: string | undefined })[] = [];
  const underWay = new Set<Promise<unknown>>();
  let open = true;

  /** Parts still on their way when an upload is aborted would stay behind in the store: abort waits for them. */
  const tracked = async <T>(work: Promise<T>): Promise<T> => {
    underWay.add(work);
    try {
      return await work;
    } finally {
      underWay.delete(work);
    }
  };

  const headOf = async (what: string): Promise<ObjectInfo> => {
    const answer = await bucket.call(what, "look at", stop, () =>
      bucket.client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: bucket.full(what) }), {
        abortSignal: stop,
      }),
    );
    return objectInfo(what, answer.ContentLength ?? 0, answer.ETag, answer.LastModified);
  };

  const finish = async (): Promise<void> => {
    const list = parts.toSorted((a, b) => a.number - b.number);
    try {
      await bucket.client.send(
        new CompleteMultipartUploadCommand({
          Bucket: bucket.name,
          Key: fullKey,
          UploadId: id,
          MultipartUpload: {
            Parts: list.map((part) => ({ PartNumber: part.number, ETag: quoted(part.etag ?? "") })),
          },
        }),
        { abortSignal: stop },
      );
    } catch (error) {
      // The answer to an earlier attempt was lost and the upload is complete: the look at the object tells.
      const failure = readFailure(error);
      if (failure.name !== "NoSuchUpload" || failure.attempts < 2) throw error;
    }
  };

  return {
    token: { key, id },
    copies: copyFrom === undefined ? "none" : copies,
    writePart: (place, bytes) =>
      tracked(
        bucket.call(key, `write part ${place.number}`, stop, async () => {
          const answer = await bucket.client.send(
            new UploadPartCommand({
              Bucket: bucket.name,
              Key: fullKey,
              UploadId: id,
              PartNumber: place.number,
              Body: bytes,
              ContentLength: bytes.length,
            }),
            { abortSignal: stop },
          );
          parts.push({ ...place, size: bytes.length, etag: plainEtag(answer.ETag) });
        }),
      ),
    copyPart: (place, range) =>
      tracked(
        bucket.call(key, `copy part ${place.number}`, stop, async () => {
          if (copyFrom === undefined || copies === "none") {
            throw new StoreError("STORE_UNSUPPORTED", `${bucket.url} cannot copy ranges.`);
          }
          try {
            const command = copyCommand(
              bucket,
              { Key: fullKey, UploadId: id, PartNumber: place.number },
              copyFrom,
              range,
            );
            const answer = await bucket.client.send(command, { abortSignal: stop });
            parts.push({ ...place, size: range.length, etag: plainEtag(answer.CopyPartResult?.ETag) });
          } catch (error) {
            if (!isPreconditionFailure(readFailure(error))) throw error;
            throw new ObjectChangedError(bucket.urlOf(copyFrom.key));
          }
        }),
      ),
    async complete() {
      throwIfAborted(stop);
      const size = assertPartsJoin(parts, bucket.urlOf(key));
      if (copyFrom !== undefined && copies === "unbound") {
        const source = await headOf(copyFrom.key);
        if (source.etag !== copyFrom.etag) throw new ObjectChangedError(bucket.urlOf(copyFrom.key));
      }
      await bucket.call(key, "complete the upload", stop, finish);
      open = false;
      // Some stores complete with an empty etag or size: only the object itself says what it is.
      const info = await headOf(key);
      if (info.size === size) return info;
      throw new StoreError(
        "STORE_MISMATCH",
        `${bucket.urlOf(key)} has ${info.size} bytes, ${size} were written.`,
        { hint: "Do not use this object; run again, and report it to whoever runs the store if it stays." },
      );
    },
    async abort() {
      if (!open) return;
      open = false;
      ending.abort(uploadClosed(bucket.urlOf(key)));
      await Promise.allSettled(underWay);
      await abortS3Upload(bucket, { key, id }, fullKey, AbortSignal.timeout(abortWithinMs));
    },
  };
}
