/** Has workers read, hash and compress segments; the frames are in memory that is used again. */
import { SharedBuffers } from "../../system/shared-buffers.ts";
import type { Segment } from "../format/segments.ts";
import { frameBound } from "../format/zstd-frame.ts";
import type { FrameBytes } from "../transport.ts";
import type { ViewEntry } from "../view.ts";
import type { WorkerLease } from "../workers/worker-pool.ts";
import type { CompressedFrame, Compression, PackItem, WorkerRequest } from "../workers/worker-protocol.ts";

/** An entry on its way into a segment; the root has the path "". */
export interface PackEntry {
  readonly entry: ViewEntry;
  readonly header: Buffer;
}

export interface PackedFrame extends FrameBytes {
  readonly compressedSha256: string;
}

/** Holds a segment of 4 MiB whatever it compresses to. */
const usualFrameBytes = frameBound(4 * 1024 * 1024);

type LoadRequest = Extract<WorkerRequest, { kind: "load" }>;

export class SegmentPacker {
  readonly #level: number;
  readonly #buffers = new SharedBuffers(usualFrameBytes);

  constructor(level: number) {
    this.#level = level;
  }

  /** Reads and hashes it: its SHA-256, hex. */
  async load(lease: WorkerLease, segment: Segment<PackEntry>): Promise<string> {
    return (await lease.call(loadRequest(segment, undefined))).sha256;
  }

  /** What this worker loaded last. */
  async compress(lease: WorkerLease, { size }: Segment<PackEntry>): Promise<PackedFrame> {
    const space = this.#spaceFor(size);
    return space.frame(await lease.call({ kind: "compress", ...space.compression }));
  }

  /** Both in one request. */
  async pack(
    lease: WorkerLease,
    segment: Segment<PackEntry>,
  ): Promise<{ readonly sha256: string; readonly frame: PackedFrame }> {
    return await this.#pack(lease, segment.size, (compress) => loadRequest(segment, compress));
  }

  /** A segment of zeros, which no file has. */
  async packEnd(
    lease: WorkerLease,
    { size }: Segment<PackEntry>,
  ): Promise<{ readonly sha256: string; readonly frame: PackedFrame }> {
    const [headers, none] = [new Uint8Array(0), { headerSize: 0, source: "", fileOffset: 0, size: 0 }];
    const items: readonly PackItem[] = [{ ...none, padding: size, expect: undefined }];
    return await this.#pack(lease, size, (compress) => ({ kind: "load", size, headers, items, compress }));
  }

  async #pack(
    lease: WorkerLease,
    size: number,
    requestOf: (compress: Compression) => LoadRequest,
  ): Promise<{ readonly sha256: string; readonly frame: PackedFrame }> {
    const space = this.#spaceFor(size);
    const { sha256, frame } = await lease.call(requestOf(space.compression));
    if (frame === undefined) throw new RangeError("A worker compressed nothing.");
    return { sha256, frame: space.frame(frame) };
  }

  /** For the frame of a segment of this size. */
  #spaceFor(size: number): {
    readonly compression: Compression;
    readonly frame: (made: CompressedFrame) => PackedFrame;
  } {
    const { bytes, release } = this.#buffers.take(frameBound(size));
    return {
      compression: { level: this.#level, into: bytes },
      frame: ({ size: length, compressedSha256 }) => ({
        bytes: bytes.subarray(0, length),
        compressedSha256,
        release,
      }),
    };
  }
}

function loadRequest(segment: Segment<PackEntry>, compress: Compression | undefined): LoadRequest {
  const headers: Buffer[] = [];
  const items = segment.items.map((item): PackItem => {
    const { entry, header } = item.entry.payload;
    const headerSize = item.headerAt === undefined ? 0 : header.length;
    if (headerSize > 0) headers.push(header);
    return {
      headerSize,
      source: entry.source ?? "",
      fileOffset: item.fileOffset,
      size: item.size,
      padding: item.padding,
      expect: entry.guard === "unchanged" ? entry.stat : undefined,
    };
  });
  return { kind: "load", size: segment.size, headers: Buffer.concat(headers), items, compress };
}
