/** What the archive's worker threads are asked and what they answer: plain data that can be cloned. */
import type { EntryFacts, SourceStat } from "../view.ts";

/** A stretch of a segment: a header, bytes of a file, zeros. */
export interface PackItem {
  /** Bytes of `headers` that come first. */
  readonly headerSize: number;
  /** Absolute path the content is read from; only with `size` > 0. */
  readonly source: string;
  readonly fileOffset: number;
  readonly size: number;
  readonly padding: number;
  /** The file must still be as this says after it was read. */
  readonly expect: SourceStat | undefined;
}

/** What of an entry stands in a frame. */
export interface FrameItem {
  readonly entry: EntryFacts;
  readonly header?: { readonly offset: number; readonly size: number };
  readonly piece?: { readonly offset: number; readonly fileOffset: number; readonly size: number };
  /** Write it to the target; false: only check it. */
  readonly wanted: boolean;
}

/** `archived`: as the entry says. `mine`: as the process that unpacks. */
export type OwnerPolicy = "archived" | "mine" | { readonly uid: number; readonly gid: number };

export interface UnpackTarget {
  /** Absolute path of the directory that stands for the archive's root. */
  readonly directory: string;
  readonly owner: OwnerPolicy;
  /** True when something may be there already (a resumed run): zeros are then written, not left out. */
  readonly used: boolean;
}

export interface FrameFacts {
  readonly rootName: string;
  readonly frame: number;
  readonly size: number;
  /** Of the uncompressed bytes. */
  readonly sha256: string;
  readonly items: readonly FrameItem[];
  /** Absent: check only. */
  readonly target: UnpackTarget | undefined;
}

/** Pages of a file, some of which stand in another file. */
export interface PagesRequest {
  readonly source: string;
  /** Where `elsewhere` is read. */
  readonly otherSource: string;
  readonly pageSize: number;
  /** Pages are counted from 1. */
  readonly firstPage: number;
  readonly count: number;
  /** Pairs: a page, and where it begins in `otherSource`. */
  readonly elsewhere: Float64Array;
  /** A page whose bytes mean nothing. */
  readonly ignoredPage: number;
  /** The digests these pages had the last time; they end earlier where there were fewer. Absent: nothing is compared. */
  readonly last: Uint8Array | undefined;
  /** 1 for each page that is known to be as it was: it is not read, and has the digest of `last`, which is there. Absent: all are read. */
  readonly same?: Uint8Array | undefined;
}

export interface PageDigests {
  /** 16 bytes of each page's SHA-256. */
  readonly digests: Uint8Array;
  /** The pages that differ from `last`, ascending, and their bytes one after the other. */
  readonly changed: readonly number[];
  readonly bytes: Uint8Array;
}

export interface CompressedFrame {
  readonly size: number;
  /** Of the compressed bytes. */
  readonly compressedSha256: string;
}

export interface Compression {
  /** zstd's. */
  readonly level: number;
  /** Memory that the asking thread sees as well, of at least `frameBound` bytes. */
  readonly into: Uint8Array;
}

export type WorkerRequest =
  | {
      /** Reads a segment into the worker and hashes it; with `compress`, that too. */
      readonly kind: "load";
      readonly size: number;
      readonly headers: Uint8Array;
      readonly items: readonly PackItem[];
      readonly compress: Compression | undefined;
    }
  /** Compresses the segment that was loaded last. */
  | ({ readonly kind: "compress" } & Compression)
  /** Goes on with the SHA-256 of all bytes that this worker was given so. */
  | { readonly kind: "hash"; readonly bytes: Uint8Array }
  | { readonly kind: "digest" }
  /** Digests of pages, and those that are not as they were. */
  | ({ readonly kind: "pages" } & PagesRequest)
  /** Decompresses a frame, checks it whole, and writes what is wanted of it. `bytes` are only read. */
  | ({
      readonly kind: "unpack";
      readonly bytes: Uint8Array;
      readonly compressedSha256: string;
    } & FrameFacts)
  /** Builds the frame from files of local directories; when its digest fits, writes it like `unpack`. */
  | ({ readonly kind: "seed"; readonly directories: readonly string[] } & FrameFacts);

export interface WorkerReplies {
  load: { readonly sha256: string; readonly frame: CompressedFrame | undefined };
  compress: CompressedFrame;
  hash: undefined;
  /** Hex. */
  digest: string;
  pages: PageDigests;
  unpack: undefined;
  /** False: none of the directories has these bytes. */
  seed: boolean;
}
