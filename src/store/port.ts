/**
 * What the program needs of a place that keeps snapshots. Keys are relative to the prefix the store was opened with,
 * "/"-separated, without leading slash. Every provider passes `__tests__/conformance/store.ts`.
 */

export interface ObjectInfo {
  readonly key: string;
  readonly size: number;
  /** Opaque; equal etags mean equal bytes. Absent where the store gives none worth trusting. */
  readonly etag?: string;
  readonly modifiedAt?: Date;
  /** False where the store was asked for a part and gave all: then only a whole `stream` makes sense. */
  readonly ranged?: false;
  /** The host that a web server has sent the reader on to. */
  readonly sentTo?: string;
}

export interface GetOptions {
  /** Bytes [offset, offset + length). */
  readonly range?: { readonly offset: number; readonly length: number };
  /** Of `get` with a range, and as long: where the bytes go. They are given back as well. */
  readonly into?: Uint8Array;
  /** Of `get` without a range: OBJECT_TOO_LARGE for more; 64 MiB if it is not set. */
  readonly atMostBytes?: number;
  /** Fail with ObjectChangedError unless the object still has this etag. */
  readonly ifMatch?: string;
  readonly signal: AbortSignal;
}

export interface PutOptions {
  /** Create only: fail with PreconditionFailedError when the key exists. */
  readonly ifAbsent?: boolean;
  /** Replace only this version: fail with PreconditionFailedError otherwise. */
  readonly ifMatch?: string;
  readonly contentType?: string;
  readonly signal: AbortSignal;
}

export interface StoreCapabilities {
  /**
   * `PutOptions.ifAbsent`/`ifMatch` are enforced by the store and not merely looked at before. Some stores have to be
   * tried: then this is false until `probeWritable` or the first conditional `put` has found out.
   */
  readonly conditionalWrites: boolean;
  /** `Upload.copyPart` works without sending the bytes over the network. */
  readonly copyRange: boolean;
  readonly readOnly: boolean;
}

/** How an upload has to be cut. All sizes in bytes. */
export interface PartLimits {
  readonly minPartSizeBytes: number;
  readonly maxPartSizeBytes: number;
  readonly maxParts: number;
}

export interface ObjectStore {
  /** For people: scheme, bucket, prefix, never credentials. */
  readonly url: string;
  /** URL of an S3-compatible store that is not AWS: people's own tools need to be told it besides. */
  readonly s3Endpoint?: string;
  readonly capabilities: StoreCapabilities;
  /** Some stores have to be tried: known after `probeWritable`. */
  readonly partLimits: PartLimits;
  /** Undefined where there is no such object. */
  head(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined>;
  /** The object (or range) whole in memory; for small objects and single frames. ObjectNotFoundError if missing. */
  get(key: string, options: GetOptions): Promise<{ readonly bytes: Uint8Array; readonly info: ObjectInfo }>;
  /**
   * The object (or range) as a stream that resumes by itself after a broken connection, bound to one etag. `chunks` holds
   * a connection or a file until it is read to its end or left (`return`), so it has to be iterated.
   */
  stream(
    key: string,
    options: GetOptions,
  ): Promise<{ readonly chunks: AsyncIterable<Uint8Array>; readonly info: ObjectInfo }>;
  put(key: string, bytes: Uint8Array, options: PutOptions): Promise<ObjectInfo>;
  /** Keys that start with `prefix`, in lexical order. */
  list(prefix: string, signal: AbortSignal): AsyncIterable<ObjectInfo>;
  /** Removing what is not there is no error. */
  delete(key: string, signal: AbortSignal): Promise<void>;
  openUpload(key: string, options: OpenUploadOptions): Promise<Upload>;
  /** Where parts go over the network. Any thread may send one, whoever opened the upload. */
  readonly sendPart?: SendPart;
  /** Takes back an upload that an earlier process left open; unknown tokens are no error. */
  abortUpload(token: UploadToken, signal: AbortSignal): Promise<void>;
  /** Uploads below `prefix` that were begun and neither completed nor aborted. */
  listUploads(
    prefix: string,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly token: UploadToken; readonly startedAt: Date | undefined }>;
  /**
   * Checks that the prefix can be read and written, in the ways a run will write, and leaves nothing behind. Errors name
   * what is missing.
   */
  probeWritable(signal: AbortSignal, options?: ProbeOptions): Promise<void>;
  /** A URL a person or `aws s3 cp` can use for `key`. */
  urlOf(key: string): string;
  close(): Promise<void>;
}

export interface ProbeOptions {
  /** Nothing will be written: what a run would make for itself (a directory) is not made. */
  readonly dryRun?: boolean;
}

export interface OpenUploadOptions {
  readonly contentType?: string;
  /**
   * Object whose ranges `copyPart` takes, bound to its etag: `copyPart` or `complete` fails with ObjectChangedError
   * when it is another version by then.
   */
  readonly copyFrom?: { readonly key: string; readonly etag: string };
  /** Sends the upload's parts in the store's place. */
  readonly sendPart?: SendPart;
  readonly signal: AbortSignal;
}

/** Returns what the upload needs to know of the part to be completed. Pieces as of `Upload.writePart`. */
export type SendPart = (
  part: PartToSend,
  pieces: readonly Uint8Array[],
  signal: AbortSignal,
  release?: () => void,
) => Promise<string>;

/** Plain data. */
export interface PartToSend {
  readonly key: string;
  /** The store's own name of the upload. */
  readonly upload: string;
  readonly number: number;
}

/** Plain JSON: it is written to the journal so that another process can abort the upload. */
export interface UploadToken {
  readonly key: string;
  readonly id: string;
}

/**
 * Where a part stands in the object. Numbers run from 1 and their order is the order of the bytes; the writer also
 * knows the offset, which stores that write in place need. Each number is used once.
 */
export interface PartPlace {
  readonly number: number;
  readonly offset: number;
}

/** One object being written in parts, in any order and in parallel. Invisible until completed. */
export interface Upload {
  readonly token: UploadToken;
  /**
   * How `copyPart` works here. "bound": the store checks `copyFrom`'s etag with every copied part. "unbound": it does
   * not; `complete` looks at the source once more, and the caller should read the boundaries back (`verifyBoundaries`) before it
   * shows the object to anybody. "none": there is no `copyFrom`, or the store cannot copy ranges after all.
   */
  readonly copies: "bound" | "unbound" | "none";
  /**
   * Pieces, one after the other, that must stay as they are until `release` is called: once, at the latest when it has resolved; after a
   * failure perhaps never.
   */
  writePart(place: PartPlace, pieces: readonly Uint8Array[], release?: () => void): Promise<void>;
  /** Only with `capabilities.copyRange` and `copyFrom`. */
  copyPart(place: PartPlace, range: { readonly offset: number; readonly length: number }): Promise<void>;
  /** Makes the object visible, whole. STORE_MISMATCH when the parts do not join, or the store holds another size. */
  complete(): Promise<ObjectInfo>;
  /** Takes everything back. Safe to call twice, and after `complete` (then it does nothing). */
  abort(): Promise<void>;
}
