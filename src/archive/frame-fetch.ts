/**
 * Reads many frames of an archive at once and has worker threads take them apart, with a bound on the compressed bytes
 * that are on their way. Used by unpacking and by verifying.
 */
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { ActionError, throwIfAborted } from "../errors.ts";
import type { PlannedFrame } from "./frame-plan.ts";
import type { ArchiveIndex } from "./index-reader.ts";
import { checkSeekTable, seekTableSize } from "./seek-table.ts";
import type { FrameSource } from "./transport.ts";
import type { WorkerPool } from "./worker-pool.ts";
import type { UnpackTarget } from "./worker-protocol.ts";

const maxBytesInFlight = 80 * 1024 * 1024;
/** Small files are objects on the heap long before a worker takes their frame: of half a million, a few frames' are enough. */
const maxItemsPerWorker = 16_384;
/** Requests at once, at least: a store with latency is read fast only by many. */
const minRequests = 16;

export interface FetchProgress {
  /** Bytes of the archive that are dealt with. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly frames: number;
  /** Bytes of the archive that were read from the source; the rest came from seeds or was not wanted. */
  readonly fetchedBytes: number;
}

export interface FetchOptions {
  readonly source: FrameSource;
  readonly index: ArchiveIndex;
  /** Closed by this call, whatever happens. */
  readonly pool: WorkerPool;
  readonly target: UnpackTarget | undefined;
  /** Directories that may hold this frame's bytes already. */
  readonly seedsOf: (frame: PlannedFrame) => readonly string[];
  /** SHA-256 (hex) the whole archive must have; asks for every frame to be fetched. */
  readonly archiveSha256?: string;
  readonly signal: AbortSignal;
  readonly onFrame: (frame: PlannedFrame) => void;
  readonly onProgress: ((progress: FetchProgress) => void) | undefined;
}

export interface Fetched {
  readonly frames: number;
  readonly fetchedBytes: number;
  readonly fetchedFrames: number;
}

/** Size and seek table of the archive against the index; throws ARCHIVE_TRUNCATED or SEEK_TABLE_INVALID. */
export async function checkArchiveEnd(
  source: FrameSource,
  index: ArchiveIndex,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const end = index.frames.compressedEnd;
  const tableSize = seekTableSize(index.frames.count);
  if (source.size !== end + tableSize) {
    throw new ActionError(
      "ARCHIVE_SIZE_WRONG",
      `The archive ${source.url} has ${source.size} bytes instead of ${end + tableSize}.`,
      { hint: "It is truncated or not the one the index belongs to. Use another snapshot." },
    );
  }
  const table = await source.read(end, tableSize, signal);
  checkSeekTable(table, index.frames);
  return table;
}

/** Works through `frames`. The first failure stops the others; when this returns or throws nothing is under way. */
export async function fetchFrames(
  frames: AsyncIterable<PlannedFrame>,
  options: FetchOptions,
): Promise<Fetched> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const { pool } = options;
  const abort = (): void => void pool.close(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  const work = new FrameWork(options, signal);
  try {
    const seekTable = await checkArchiveEnd(options.source, options.index, signal);
    for await (const frame of frames) await work.start(frame);
    await work.settle();
    work.checkArchiveDigest(seekTable);
    return work.result;
  } catch (error) {
    throwIfAborted(options.signal);
    throw error;
  } finally {
    stop.abort(new ActionError("WORKER_CLOSED", "Another part of the work failed."));
    signal.removeEventListener("abort", abort);
    await work.abandon();
    await pool.close();
  }
}

class FrameWork {
  readonly #options: FetchOptions;
  readonly #signal: AbortSignal;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #maxInFlight: number;
  readonly #maxItems: number;
  readonly #archiveHash: Hash | undefined;
  /** Resolves when the frame before has been hashed. */
  #hashTurn: Promise<void> = Promise.resolve();
  #bytesInFlight = 0;
  #itemsInFlight = 0;
  #doneBytes = 0;
  #frames = 0;
  #fetchedBytes = 0;
  #fetchedFrames = 0;

  constructor(options: FetchOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#maxInFlight = Math.max(minRequests, options.pool.size * 2);
    this.#maxItems = options.pool.size * maxItemsPerWorker;
    if (options.archiveSha256 !== undefined) this.#archiveHash = createHash("sha256");
  }

  get result(): Fetched {
    return { frames: this.#frames, fetchedBytes: this.#fetchedBytes, fetchedFrames: this.#fetchedFrames };
  }

  /** Begins a frame as soon as there is room for it. */
  async start(frame: PlannedFrame): Promise<void> {
    const size = this.#options.index.frames.compressedSizeOf(frame.frame);
    const items = frame.items.length;
    while (this.#inFlight.size > 0 && !this.#hasRoom(size, items)) await Promise.race(this.#inFlight);
    throwIfAborted(this.#signal);
    this.#bytesInFlight += size;
    this.#itemsInFlight += items;
    const work = this.#do(frame, size).finally(() => {
      this.#inFlight.delete(work);
      this.#bytesInFlight -= size;
      this.#itemsInFlight -= items;
    });
    // Met by the race above or by `settle`; until then it must not count as unhandled.
    work.catch(() => undefined);
    this.#inFlight.add(work);
  }

  #hasRoom(size: number, items: number): boolean {
    return (
      this.#inFlight.size < this.#maxInFlight &&
      this.#bytesInFlight + size <= maxBytesInFlight &&
      this.#itemsInFlight + items <= this.#maxItems
    );
  }

  async settle(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.race(this.#inFlight);
  }

  async abandon(): Promise<void> {
    await Promise.allSettled(this.#inFlight);
  }

  checkArchiveDigest(seekTable: Uint8Array): void {
    const found = this.#archiveHash?.update(seekTable).digest("hex");
    if (found === this.#options.archiveSha256) return;
    throw new ActionError("ARCHIVE_DIGEST_WRONG", "The archive has not the SHA-256 of the manifest.", {
      hint: "The archive is damaged on its store. Use another snapshot.",
    });
  }

  async #do(planned: PlannedFrame, compressedSize: number): Promise<void> {
    const { index, target, pool, onFrame, onProgress } = this.#options;
    const { frame } = planned;
    const directories = this.#options.seedsOf(planned);
    const facts = {
      rootName: index.root.name,
      frame,
      size: index.frames.sizeOf(frame),
      sha256: index.frames.sha256Of(frame),
      items: planned.items,
      // Where the target itself may have the bytes it may also have others, and no hole is left for zeros.
      target:
        target !== undefined && directories.includes(target.directory) ? { ...target, used: true } : target,
    };
    const seeded =
      directories.length > 0 &&
      (await pool.use(async (lease) => lease.call({ kind: "seed", directories, ...facts }), this.#signal));
    if (!seeded) {
      const read = await this.#readInTurn(index.frames.offsetOf(frame), compressedSize);
      const bytes = ownBuffer(read);
      await pool.use(
        async (lease) => lease.call({ kind: "unpack", bytes, ...facts }, [bytes.buffer as ArrayBuffer]),
        this.#signal,
      );
      this.#fetchedBytes += compressedSize;
      this.#fetchedFrames += 1;
    }
    onFrame(planned);
    this.#frames += 1;
    this.#doneBytes += compressedSize;
    onProgress?.({
      doneBytes: this.#doneBytes,
      totalBytes: index.frames.compressedEnd,
      frames: this.#frames,
      fetchedBytes: this.#fetchedBytes,
    });
  }

  /** Reads at once; where the archive is hashed, returns when all frames before this one have been. */
  async #readInTurn(offset: number, length: number): Promise<Uint8Array> {
    const before = this.#hashTurn;
    const turn = Promise.withResolvers<void>();
    this.#hashTurn = turn.promise;
    try {
      const read = await this.#options.source.read(offset, length, this.#signal);
      if (read.length !== length) throw new RangeError("The source returned another length than asked for.");
      if (this.#archiveHash !== undefined) {
        await before;
        this.#archiveHash.update(read);
      }
      return read;
    } finally {
      turn.resolve();
    }
  }
}

/** Bytes that fill an ArrayBuffer of their own, so that it can be handed to a worker without taking others along. */
function ownBuffer(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer
    ? bytes
    : new Uint8Array(bytes);
}
