/**
 * Reads many frames of an archive at once and has worker threads take them apart, with a bound on the compressed bytes
 * that are on their way. Used by unpacking and by verifying.
 */
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { ActionError, throwIfAborted } from "../../domain/errors.ts";
import { Limiter } from "../../system/concurrency.ts";
import type { PlannedFrame } from "./frame-plan.ts";
import type { ArchiveIndex } from "../format/index-reader.ts";
import { checkSeekTable, seekTableSize } from "../format/seek-table.ts";
import type { FrameSource } from "../transport.ts";
import type { WorkerPool } from "../workers/worker-pool.ts";
import type { UnpackTarget } from "../workers/worker-protocol.ts";

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
  /** All frames of the archive have to come, in order; else FRAMES_MISSING. */
  readonly complete: boolean;
  /** SHA-256 (hex) the whole archive must have; asks for every frame to be fetched. */
  readonly archiveSha256?: string;
  readonly signal: AbortSignal;
  readonly onFrame: (frame: PlannedFrame) => void;
  readonly onProgress: ((progress: FetchProgress) => void) | undefined;
}

export interface Fetched {
  /** As many as were taken apart and checked. */
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
    await work.finish(seekTable);
    return work.result;
  } catch (error) {
    throwIfAborted(options.signal);
    throw error;
  } finally {
    stop.abort(new ActionError("WORKER_CLOSED", "Another part of the work failed."));
    signal.removeEventListener("abort", abort);
    await work.idle();
    await pool.close();
  }
}

class FrameWork {
  readonly #options: FetchOptions;
  readonly #signal: AbortSignal;
  readonly #limiter: Limiter;
  readonly #maxItems: number;
  readonly #archiveHash: Hash | undefined;
  /** Resolves when the frame before has been hashed. */
  #hashTurn: Promise<void> = Promise.resolve();
  /** Of the frame that comes next at the earliest. */
  #next = 0;
  #started = 0;
  #doneBytes = 0;
  #frames = 0;
  #fetchedBytes = 0;
  #fetchedFrames = 0;

  constructor(options: FetchOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#limiter = new Limiter({ count: Math.max(minRequests, options.pool.size * 2), weight: 1, signal });
    this.#maxItems = options.pool.size * maxItemsPerWorker;
    if (options.archiveSha256 !== undefined) this.#archiveHash = createHash("sha256");
  }

  get result(): Fetched {
    return { frames: this.#frames, fetchedBytes: this.#fetchedBytes, fetchedFrames: this.#fetchedFrames };
  }

  /** Begins a frame as soon as there is space for it. Throws the failure of an earlier one. */
  async start(planned: PlannedFrame): Promise<void> {
    const { frame, items } = planned;
    if (frame < this.#next || (this.#options.complete && frame > this.#next)) throw framesMissing();
    this.#next = frame + 1;
    const size = this.#options.index.frames.compressedSizeOf(frame);
    // Both bounds in one weight: a frame takes the larger of its shares.
    const weight = Math.max(size / maxBytesInFlight, items.length / this.#maxItems);
    await this.#limiter.add(async () => this.#do(planned, size), weight);
    this.#started += 1;
  }

  /** Waits for the frames under way. Throws the failure of one, FRAMES_MISSING, or ARCHIVE_DIGEST_WRONG. */
  async finish(seekTable: Uint8Array): Promise<void> {
    await this.#limiter.drain();
    const { complete, index } = this.#options;
    if (this.#frames !== (complete ? index.frames.count : this.#started)) throw framesMissing();
    this.#checkArchiveDigest(seekTable);
  }

  async idle(): Promise<void> {
    await this.#limiter.idle();
  }

  #checkArchiveDigest(seekTable: Uint8Array): void {
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

/** A fault of this program or of the index: no outcome is good while a frame has not been looked at. */
function framesMissing(): ActionError {
  return new ActionError("FRAMES_MISSING", "Not every frame of the archive was read.", {
    hint: "Verify the snapshot; if its index is in order, this is a fault of the action: report it with the log.",
  });
}

/** Bytes that fill an ArrayBuffer of their own, so that it can be handed to a worker without taking others along. */
function ownBuffer(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer
    ? bytes
    : new Uint8Array(bytes);
}
