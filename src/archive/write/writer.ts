/**
 * Writes an archive from a view: plans segments, has worker threads read, hash and compress them, and hands the frames to
 * the sink in order, while the index is written on the way. Work in flight is bounded, so memory depends on the number of
 * workers and not on the archive.
 */
import { createHash, hash } from "node:crypto";
import { ActionError, throwIfAborted } from "../../domain/errors.ts";
import { isPlainName } from "../format/entry-paths.ts";
import { type Frame, FrameTable } from "../format/frame-table.ts";
import type { FrameRange, Piece } from "../format/index-format.ts";
import { createIndexWriter, indexEntryOf } from "../format/index-writer.ts";
import type { IndexWriter } from "../format/index-writer.ts";
import { encodeSeekTable, seekTableSize } from "../format/seek-table.ts";
import { planSegments, segmentSizeBytes } from "../format/segments.ts";
import type { PlannableEntry, Segment } from "../format/segments.ts";
import { encodeTarHeader, endOfArchiveSize } from "../format/tar-header.ts";
import { tarEntryOf } from "../workers/frame-check.ts";
import { inOrder } from "../../system/concurrency.ts";
import type { RateLimit } from "../../system/rate-limit.ts";
import type { FrameSink, OutgoingFrame, PlacedFrame } from "../transport.ts";
import { show, TreeCheck } from "../format/tree-check.ts";
import type { BytesInBase, View, ViewEntry } from "../view.ts";
import { type PackedFrame, type PackEntry, SegmentPacker } from "./segment-packer.ts";
import { inBaseOf, oldBytesChanged } from "./from-base.ts";
import { WorkerPool } from "../workers/worker-pool.ts";
import type { WorkerLease } from "../workers/worker-pool.ts";
import { ArchiveHash } from "../workers/archive-hash.ts";

/** A frame of an earlier archive, as its index lists it. */
export interface KnownFrame {
  readonly compressedSha256: string;
  readonly offset: number;
  readonly compressedSize: number;
}

/** Digests of segments that need not be read (`trust-timestamps`). */
export interface TrustedSegments {
  /** Asked once for each segment, in order. The digest where all of its files are as recorded; undefined: read it. */
  trusted(segment: Segment<PackEntry>): string | undefined;
}

export interface ArchiveProgress {
  /** Bytes of the tar that have been handed to the sink. */
  readonly doneBytes: number;
  readonly frames: number;
}

export interface WriteArchiveOptions {
  readonly view: View;
  /** The one directory at the top of the archive. */
  readonly rootName: string;
  readonly sink: FrameSink;
  /** Local file that `index.json.zst` is written to; a spool file stands beside it meanwhile. */
  readonly indexFile: string;
  /** zstd's, 1 to 19. */
  readonly level: number;
  /** Worker threads. */
  readonly concurrency: number;
  /** Where a file's content is cut: a multiple of 64 KiB up to 32 MiB, the default. */
  readonly segmentSizeOf?: (entry: ViewEntry) => number;
  /** A frame of the base archive that holds the bytes with this SHA-256. */
  readonly known?: (sha256: string) => KnownFrame | undefined;
  readonly digests?: TrustedSegments;
  /** Of the bytes that are read. */
  readonly readRate?: RateLimit;
  /** Worker threads step behind others, because a node runs beside them. */
  readonly gentle?: boolean;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: ArchiveProgress) => void;
}

export interface WrittenArchive {
  /** Bytes of the archive. */
  readonly size: number;
  /** Of the whole archive, hex; only where no frame was reusable, so that every byte was seen in order. */
  readonly sha256?: string;
  readonly tarSize: number;
  readonly frames: number;
  /** Entries without the root. */
  readonly files: number;
  readonly treeSha256: string;
  readonly index: { readonly size: number; readonly sha256: string };
  /** Frames the store copied from the base archive. */
  readonly reused: { readonly frames: number; readonly bytes: number };
  /** Bytes of the archive that were handed over. */
  readonly uploadedBytes: number;
  /** A frame as it was placed, by its ordinal from 0. */
  readonly frameAt: (frame: number) => Frame;
}

/**
 * Throws FILE_VANISHED, FILE_CHANGED, FILE_UNREADABLE (a file of the view), ENTRY_UNSUPPORTED (a name or link that no
 * archive may hold), what the sink throws, or the signal's reason. No worker outlives the call.
 */
export async function writeArchive(options: WriteArchiveOptions): Promise<WrittenArchive> {
  if (!isPlainName(options.rootName)) throw new RangeError(`Not a directory name: ${show(options.rootName)}`);
  throwIfAborted(options.signal);
  const index = await createIndexWriter(options.indexFile);
  const pool = new WorkerPool(options.concurrency, { gentle: options.gentle ?? false });
  const abort = (): void => void pool.close(options.signal.reason);
  options.signal.addEventListener("abort", abort, { once: true });
  const writing = new ArchiveWriting(options, pool, index);
  try {
    return await writing.run();
  } catch (error) {
    throwIfAborted(options.signal);
    throw error;
  } finally {
    options.signal.removeEventListener("abort", abort);
    await pool.close();
    await writing.close();
    await index.close();
  }
}

interface Packed {
  readonly segment: Segment<PackEntry>;
  readonly sha256: string;
  /** Undefined: the base archive has it. */
  readonly frame: PackedFrame | undefined;
  readonly known: KnownFrame | undefined;
}

class ArchiveWriting {
  readonly #options: WriteArchiveOptions;
  readonly #pool: WorkerPool;
  readonly #index: IndexWriter;
  readonly #frames = new FrameTable();
  readonly #packer: SegmentPacker;
  /** Undefined when a frame's bytes were not seen here. */
  #archiveHash: ArchiveHash | undefined;
  #table: Uint8Array = new Uint8Array();
  #handedOver = 0;
  #tarSize = 0;
  #files = 0;
  #reused = { frames: 0, bytes: 0 };
  #rootHeader: FrameRange | undefined;
  /** The large file whose pieces are still being planned. */
  #growing: { entry: ViewEntry; header: FrameRange; pieces: Piece[] } | undefined;

  constructor(options: WriteArchiveOptions, pool: WorkerPool, index: IndexWriter) {
    this.#options = options;
    this.#pool = pool;
    this.#index = index;
    this.#packer = new SegmentPacker(options.level);
    this.#archiveHash = new ArchiveHash(options.signal);
  }

  /** Hashes no more. */
  async close(): Promise<void> {
    const hash = this.#archiveHash;
    this.#archiveHash = undefined;
    await hash?.close();
  }

  async run(): Promise<WrittenArchive> {
    const { sink, signal, view, rootName } = this.#options;
    // Two beyond the workers: one being handed over and one that a free worker finds waiting.
    const ahead = this.#options.concurrency + 2;
    const packed = inOrder(this.#segments(), ahead, async (segment) => this.#pack(segment));
    for await (const next of packed) await this.#handOver(next);
    await this.#handOver(await this.#pool.use(async (lease) => this.#packEnd(lease), signal));
    await sink.finish(() => this.#tail());
    if (this.#rootHeader === undefined) throw new RangeError("The archive has no root.");
    const { mode, uid, gid, mtimeNs } = view.rootEntry;
    const index = await this.#index.finish(
      { name: rootName, mode, uid, gid, mtimeNs, header: this.#rootHeader },
      this.#frames,
      segmentSizeBytes,
      signal,
    );
    const size = this.#frames.compressedEnd + seekTableSize(this.#frames.count);
    return {
      size,
      ...(await this.#digest()),
      tarSize: this.#tarSize,
      frames: this.#frames.count,
      files: this.#files,
      treeSha256: createHash("sha256").update(this.#frames.digests()).digest("hex"),
      index,
      reused: this.#reused,
      uploadedBytes: size - this.#reused.bytes,
      frameAt: (frame) => this.#frames.at(frame),
    };
  }

  async #digest(): Promise<{ readonly sha256?: string }> {
    if (this.#archiveHash === undefined) return {};
    await this.#archiveHash.add(this.#table);
    return { sha256: await this.#archiveHash.digest() };
  }

  /** In order, each when its index lines are written. */
  async *#segments(): AsyncGenerator<Segment<PackEntry>> {
    for await (const segment of planSegments(this.#plannable())) {
      throwIfAborted(this.#options.signal);
      await this.#record(segment);
      yield segment;
    }
  }

  /** The root and the view's entries, checked, with their headers. */
  async *#plannable(): AsyncGenerator<PlannableEntry<PackEntry>> {
    const { view, rootName, signal, segmentSizeOf } = this.#options;
    const tree = new TreeCheck();
    const root: ViewEntry = { ...view.rootEntry, path: "", type: "directory", size: 0 };
    yield plannableOf(root, rootName, segmentSizeBytes);
    for await (const entry of view.entries(signal)) {
      const problem = tree.problemOf(entry);
      if (problem !== undefined) {
        throw new ActionError(
          "ENTRY_UNSUPPORTED",
          `${show(entry.path)} ${problem.text}; it could not be restored.`,
          {
            hint: "Leave it out with the input `exclude`, or put what it points to in its place.",
          },
        );
      }
      this.#files += 1;
      const segmentSize = segmentSizeOf?.(entry) ?? segmentSizeBytes;
      if (segmentSize < 65_536 || segmentSize > segmentSizeBytes || segmentSize % 65_536 !== 0) {
        throw new RangeError(`No segment size: ${segmentSize}`);
      }
      yield plannableOf(entry, rootName, segmentSize);
    }
  }

  /** Writes the index lines of the entries that are complete with this segment. */
  async #record(segment: Segment<PackEntry>): Promise<void> {
    const frame = segment.number;
    for (const item of segment.items) {
      const { entry } = item.entry.payload;
      if (item.headerAt !== undefined) {
        const header = { frame, offset: item.headerAt, size: item.entry.headerSize };
        if (entry.path === "") {
          this.#rootHeader = header;
          continue;
        }
        this.#growing = { entry, header, pieces: [] };
      }
      const growing = this.#growing;
      if (growing === undefined) throw new RangeError("Content came before its header.");
      const { contentAt, fileOffset, size } = item;
      if (size > 0) growing.pieces.push({ frame, offset: contentAt, fileOffset, size });
      if (fileOffset + size === entry.size) {
        await this.#index.add(indexEntryOf(growing));
        this.#growing = undefined;
      }
    }
  }

  async #pack(segment: Segment<PackEntry>): Promise<Packed> {
    const { known, digests, readRate, signal } = this.#options;
    const inBase = inBaseOf(segment);
    if (inBase !== undefined) return await this.#takeFromBase(segment, inBase);
    const trusted = digests?.trusted(segment);
    const trustedFrame = trusted === undefined ? undefined : known?.(trusted);
    if (trusted !== undefined && trustedFrame !== undefined) {
      return { segment, sha256: trusted, frame: undefined, known: trustedFrame };
    }
    await readRate?.take(segment.size, signal);
    return this.#pool.use(async (lease) => {
      // With a base archive the digest decides whether compressing is worth it; without one a question less is asked.
      const packer = this.#packer;
      if (known === undefined) return { segment, ...(await packer.pack(lease, segment)), known: undefined };
      const sha256 = await packer.load(lease, segment);
      const frame = known(sha256);
      if (frame !== undefined) return { segment, sha256, frame: undefined, known: frame };
      return { segment, sha256, frame: await packer.compress(lease, segment), known: undefined };
    }, signal);
  }

  async #takeFromBase(segment: Segment<PackEntry>, inBase: BytesInBase): Promise<Packed> {
    const { known, readRate, signal } = this.#options;
    const { fileOffset = 0, entry } = segment.items[0] ?? {};
    const sha256 = inBase.sha256At(fileOffset);
    const frame = known?.(sha256);
    if (frame === undefined) throw new RangeError("The base archive does not have what it should have.");
    if (inBase.isSampled?.(fileOffset) === true) {
      await readRate?.take(segment.size, signal);
      const found = await this.#pool.use(async (lease) => await this.#packer.load(lease, segment), signal);
      if (found !== sha256) throw oldBytesChanged(entry?.path ?? "", fileOffset, segment.size);
    }
    return { segment, sha256, frame: undefined, known: frame };
  }

  /** The zero blocks that end the tar. */
  async #packEnd(lease: WorkerLease): Promise<Packed> {
    const segment: Segment<PackEntry> = { number: this.#handedOver, size: endOfArchiveSize, items: [] };
    return { segment, ...(await this.#packer.packEnd(lease, segment)), known: undefined };
  }

  /** Compresses a frame that was thought reusable, from its files, which must still give the same digest. */
  async #materialize(packed: Packed): Promise<PackedFrame> {
    const { readRate, signal } = this.#options;
    const fetchAt = inBaseOf(packed.segment)?.fetchAt;
    if (fetchAt !== undefined) {
      const bytes = await fetchAt(packed.segment.items[0]?.fileOffset ?? 0, signal);
      return { bytes, compressedSha256: hash("sha256", bytes, "hex") };
    }
    await readRate?.take(packed.segment.size, signal);
    return this.#pool.use(async (lease) => {
      const { sha256, frame } = await this.#packer.pack(lease, packed.segment);
      if (sha256 !== packed.sha256) {
        const first = packed.segment.items.find((item) => item.size > 0)?.entry.path;
        throw new ActionError(
          "FILE_CHANGED",
          `${show(first)} or a file next to it changed while it was archived.`,
          {
            hint: "The directory must stand still. Find what writes there (`fuser -v`), stop it and run again.",
          },
        );
      }
      return frame;
    }, signal);
  }

  async #handOver(packed: Packed): Promise<void> {
    const { sink, onProgress } = this.#options;
    const { segment, sha256, known } = packed;
    let frame: OutgoingFrame;
    let compressedSha256 = packed.frame?.compressedSha256 ?? known?.compressedSha256 ?? "";
    if (packed.frame !== undefined) {
      await this.#archiveHash?.add(packed.frame.bytes);
      frame = { kind: "bytes", ...packed.frame };
    } else {
      await this.close();
      frame = {
        kind: "reusable",
        baseOffset: known?.offset ?? 0,
        compressedSize: known?.compressedSize ?? 0,
        materialize: async () => {
          const made = await this.#materialize(packed);
          ({ compressedSha256 } = made);
          return made;
        },
      };
    }
    this.#handedOver += 1;
    await sink.append(frame, (at) => this.#place(segment, { sha256, compressedSha256 }, at));
    this.#tarSize += segment.size;
    onProgress?.({ doneBytes: this.#tarSize, frames: this.#handedOver });
  }

  #place(
    segment: Segment<PackEntry>,
    digests: Pick<Frame, "sha256" | "compressedSha256">,
    at: PlacedFrame,
  ): void {
    if (segment.number !== this.#frames.count || at.offset !== this.#frames.compressedEnd) {
      throw new RangeError("The sink placed a frame out of order.");
    }
    const { offset, compressedSize } = at;
    this.#frames.add({ offset, compressedSize, size: segment.size, ...digests });
    if (!at.reused) return;
    this.#reused = { frames: this.#reused.frames + 1, bytes: this.#reused.bytes + at.compressedSize };
  }

  #tail(): Uint8Array {
    if (this.#frames.count !== this.#handedOver)
      throw new RangeError("The sink has frames it did not place.");
    this.#table = encodeSeekTable(this.#frames);
    return this.#table;
  }
}

function plannableOf(entry: ViewEntry, rootName: string, segmentSize: number): PlannableEntry<PackEntry> {
  const header = encodeTarHeader(tarEntryOf(rootName, entry));
  const { path, size } = entry;
  return { path, headerSize: header.length, size, segmentSize, payload: { entry, header } };
}
