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
import { throwIfAborted } from "../../domain/errors.ts";
import { ObjectChangedError, StoreError, uploadClosed } from "../errors.ts";
import type {
  ObjectInfo,
  OpenUploadOptions,
  PartPlace,
  PartToSend,
  SendPart,
  Upload,
  UploadToken,
} from "../port.ts";
import { bestEffort } from "../../system/best-effort.ts";
import { timeLimit } from "../../system/deadline.ts";
import { objectInfo, plainEtag, quoted, requireSize } from "../object-info.ts";
import type { S3Bucket } from "./bucket.ts";
import { isPreconditionFailure, readFailure } from "./errors.ts";
import { bytesIn, withJoined } from "../upload/joined.ts";
import { assertPartsJoin, type WrittenPart } from "../upload/upload-parts.ts";

type CopySource = NonNullable<OpenUploadOptions["copyFrom"]>;

export const leastPartBytes = 5 * 1024 * 1024;
/** Giving back what an upload holds is tried for this long, also when the run itself was cancelled. */
const abortWithinMs = 30_000;
/** Scratch that stays is hidden, and whoever tries things out has the first error to tell. */
const nobody = { warning: () => undefined };

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
    const Body = Buffer.from("\n");
    const last = await bucket.sendBody(Body, async (checksum) => {
      const command = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 3, Body, ...checksum });
      return await client.send(command, options);
    });
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
      await bestEffort(nobody, `remove what was copied to try it out`, async (limit) => {
        await abortS3Upload(bucket, { key: source.key, id }, Key, limit);
        await client.send(new DeleteObjectCommand({ Bucket, Key }), { abortSignal: limit });
      });
    }
  });
}

/** Writes an object in the way an archive is written, and removes it: what a bucket wants of parts shows here, not in the night. */
export async function probeUpload(bucket: S3Bucket, signal: AbortSignal): Promise<void> {
  const key = "probe";
  const fullKey = bucket.scratch();
  const id = await begin(bucket, key, fullKey, undefined, signal);
  const upload = new S3Upload(bucket, { key, id, fullKey }, { signal }, "none");
  try {
    await upload.writePart({ number: 1, offset: 0 }, [Buffer.from("probe\n")]);
    await upload.complete();
    await bucket.call(key, "delete", signal, async () => {
      const command = new DeleteObjectCommand({ Bucket: bucket.name, Key: fullKey });
      await bucket.client.send(command, { abortSignal: signal });
    });
  } catch (error) {
    await bestEffort(nobody, "take back the probe", async () => await upload.abort());
    throw error;
  }
}

/** AWS takes part numbers to the first, some stores to the second. */
export const partNumbers = { most: 10_000, fewest: 1_000 } as const;

/** What stores say to a number that is too high for them. */
const refusesNumber = new Set(["InvalidArgument", "InvalidPart", "InvalidPartNumber", "TooManyParts"]);

/** How many parts an upload may have here: a part with the highest number is taken or not, in an upload that is taken back. */
export async function probeParts(bucket: S3Bucket, signal: AbortSignal): Promise<number> {
  const key = "probe";
  const fullKey = bucket.scratch();
  const upload = await begin(bucket, key, fullKey, undefined, signal);
  const Body = Buffer.from("probe\n");
  const target = { Bucket: bucket.name, Key: fullKey, UploadId: upload, PartNumber: partNumbers.most, Body };
  const send = async (): Promise<number> => {
    try {
      await bucket.sendBody(Body, async (checksum) => {
        return await bucket.client.send(new UploadPartCommand({ ...target, ...checksum }), {
          abortSignal: signal,
        });
      });
      return partNumbers.most;
    } catch (error) {
      if (refusesNumber.has(readFailure(error).name)) return partNumbers.fewest;
      throw error;
    }
  };
  try {
    return await bucket.call(key, "try how many parts it takes", signal, send);
  } finally {
    await bestEffort(nobody, "take back the probe", async (limit) => {
      await abortS3Upload(bucket, { key, id: upload }, fullKey, limit);
    });
  }
}

export async function openS3Upload(
  bucket: S3Bucket,
  key: string,
  options: OpenUploadOptions,
  copies: Upload["copies"],
): Promise<Upload> {
  const fullKey = bucket.full(key);
  const id = await begin(bucket, key, fullKey, options.contentType, options.signal);
  return new S3Upload(bucket, { key, id, fullKey }, options, copies);
}

/** Returns the part's etag. */
export async function sendS3Part(
  bucket: S3Bucket,
  { key, fullKey, upload, number }: PartToSend & { readonly fullKey: string },
  pieces: readonly Uint8Array[],
  signal: AbortSignal,
  release?: () => void,
): Promise<string> {
  const send = async (bytes: Uint8Array): Promise<string> => {
    const { ETag } = await bucket.sendBody(bytes, async (checksum) => {
      const body = { Body: bytes, ContentLength: bytes.length, ...checksum };
      const target = { Bucket: bucket.name, Key: fullKey, UploadId: upload, PartNumber: number };
      return await bucket.client.send(new UploadPartCommand({ ...target, ...body }), { abortSignal: signal });
    });
    return plainEtag(ETag) ?? "";
  };
  return await withJoined(pieces, release, async (bytes) => {
    return await bucket.call(key, `write part ${number}`, signal, async () => await send(bytes));
  });
}

class S3Upload implements Upload {
  readonly token: UploadToken;
  readonly copies: Upload["copies"];
  readonly #bucket: S3Bucket;
  readonly #fullKey: string;
  readonly #copyFrom: CopySource | undefined;
  readonly #sendPart: SendPart | undefined;
  readonly #ending = new AbortController();
  readonly #stop: AbortSignal;
  readonly #parts: (WrittenPart & { readonly etag: string | undefined })[] = [];
  readonly #underWay = new Set<Promise<unknown>>();
  #isOpen = true;

  constructor(
    bucket: S3Bucket,
    { key, id, fullKey }: UploadToken & { readonly fullKey: string },
    { copyFrom, sendPart, signal }: OpenUploadOptions,
    copies: Upload["copies"],
  ) {
    this.#bucket = bucket;
    this.token = { key, id };
    this.#fullKey = fullKey;
    this.#copyFrom = copyFrom;
    this.#sendPart = sendPart;
    this.#stop = AbortSignal.any([signal, this.#ending.signal]);
    this.copies = copyFrom === undefined ? "none" : copies;
  }

  async writePart(place: PartPlace, pieces: readonly Uint8Array[], release?: () => void): Promise<void> {
    const { key, id: upload } = this.token;
    const part = { key, upload, number: place.number };
    const etag = await this.#tracked(
      this.#sendPart?.(part, pieces, this.#stop, release) ??
        sendS3Part(this.#bucket, { ...part, fullKey: this.#fullKey }, pieces, this.#stop, release),
    );
    this.#parts.push({ ...place, size: bytesIn(pieces), etag });
  }

  async copyPart(place: PartPlace, range: CopiedRange): Promise<void> {
    const copy = async (): Promise<string | undefined> => {
      const source = this.#copyFrom;
      if (source === undefined || this.copies === "none") {
        throw new StoreError("STORE_UNSUPPORTED", `${this.#bucket.url} cannot copy ranges.`);
      }
      try {
        const part = { Key: this.#fullKey, UploadId: this.token.id, PartNumber: place.number };
        const command = copyCommand(this.#bucket, part, source, range);
        const answer = await this.#bucket.client.send(command, { abortSignal: this.#stop });
        return plainEtag(answer.CopyPartResult?.ETag);
      } catch (error) {
        if (!isPreconditionFailure(readFailure(error))) throw error;
        throw new ObjectChangedError(this.#bucket.urlOf(source.key));
      }
    };
    const doing = `copy part ${place.number}`;
    const etag = await this.#tracked(this.#bucket.call(this.token.key, doing, this.#stop, copy));
    this.#parts.push({ ...place, size: range.length, etag });
  }

  async complete(): Promise<ObjectInfo> {
    throwIfAborted(this.#stop);
    const place = this.#bucket.urlOf(this.token.key);
    const size = assertPartsJoin(this.#parts, place);
    if (this.#copyFrom !== undefined && this.copies === "unbound") {
      const source = await this.#head(this.#copyFrom.key, this.#bucket.full(this.#copyFrom.key));
      if (source.etag !== this.#copyFrom.etag)
        throw new ObjectChangedError(this.#bucket.urlOf(this.#copyFrom.key));
    }
    const { key } = this.token;
    await this.#bucket.call(key, "complete the upload", this.#stop, async (isRepeated) => {
      await this.#finish(isRepeated);
    });
    this.#isOpen = false;
    // Some stores complete with an empty etag or size: only the object itself says what it is.
    const info = await this.#head(key, this.#fullKey);
    if (info.size === size) return info;
    throw new StoreError("STORE_MISMATCH", `${place} has ${info.size} bytes, ${size} were written.`, {
      hint: "Do not use this object; run again, and report it to whoever runs the store if it stays.",
    });
  }

  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#ending.abort(uploadClosed(this.#bucket.urlOf(this.token.key)));
    // No `Limiter`: how many parts go at once is the writer's bound; here they are only waited for.
    await Promise.allSettled(this.#underWay);
    const limit = timeLimit(abortWithinMs, "STORE_STALLED", `Taking back the upload of ${this.token.key}`);
    await abortS3Upload(this.#bucket, this.token, this.#fullKey, limit);
  }

  get #target(): { readonly Bucket: string; readonly Key: string; readonly UploadId: string } {
    return { Bucket: this.#bucket.name, Key: this.#fullKey, UploadId: this.token.id };
  }

  /** Parts still on their way when an upload is aborted would stay behind in the store: abort waits for them. */
  async #tracked<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    try {
      return await work;
    } finally {
      this.#underWay.delete(work);
    }
  }

  async #head(key: string, Key: string): Promise<ObjectInfo> {
    const answer = await this.#bucket.call(key, "look at", this.#stop, async () =>
      this.#bucket.client.send(new HeadObjectCommand({ Bucket: this.#bucket.name, Key }), {
        abortSignal: this.#stop,
      }),
    );
    const size = requireSize(this.#bucket.urlOf(key), answer.ContentLength);
    return objectInfo(key, size, answer.ETag, answer.LastModified);
  }

  async #finish(isRepeated: boolean): Promise<void> {
    const Parts = this.#parts
      .toSorted((a, b) => a.number - b.number)
      .map(({ number, etag }) => ({ PartNumber: number, ETag: quoted(etag ?? "") }));
    try {
      const command = new CompleteMultipartUploadCommand({ ...this.#target, MultipartUpload: { Parts } });
      await this.#bucket.client.send(command, { abortSignal: this.#stop });
    } catch (error) {
      // The answer to an earlier attempt was lost and the upload is complete: the look at the object tells.
      const failure = readFailure(error);
      if (failure.name !== "NoSuchUpload" || !(isRepeated || failure.attempts > 1)) throw error;
    }
  }
}
