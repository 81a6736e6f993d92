/**
 * Reads many frames of an archive at once and has worker threads take them apart, with a bound on the compressed bytes
 * that are on their way. Used by unpacking and by verifying.
 */
import { ActionError, throwIfAborted } from "../../domain/errors.ts";
import { Limiter } from "../../system/concurrency.ts";
import { Pace } from "../../system/pace.ts";
import { SharedBuffers } from "../../system/shared-buffers.ts";
import type { PlannedFrame } from "./frame-plan.ts";
import type { ArchiveIndex } from "../format/index-reader.ts";
import { checkSeekTable, seekTableSize } from "../format/seek-table.ts";
import type { FrameSource } from "../transport.ts";
import { ArchiveHash } from "../workers/archive-hash.ts";
import type { WorkerPool } from "../workers/worker-pool.ts";
import type { FrameFacts, UnpackTarget } from "../workers/worker-protocol.ts";

/** Small files are objects on the heap long before a worker takes their frame: of half a million, a few frames' are enough. */
const maxItemsPerWorker = 16_384;
/** Requests at once, at the beginning: a store with latency is read fast only by many. */
const firstRequests = 16;
const firstRequestsPerWorker = 4;
/** So many times as many, of a share of the bytes each, where connections give little. */
const mostTimes = 4;
/** Frames that stand one after the other are asked for in one request of so much, at the beginning; one that is larger goes alone. */
const bytesPerRequest = 4 * 1024 * 1024;

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
  /** What is under way at once, in requests as they are at the beginning: of bytes, and of items. */
  readonly #most: number;
  readonly #pace: Pace;
  readonly #buffers: SharedBuffers;
  /** Neighbours that are not asked for yet. */
  #waiting: Neighbours | undefined;
  readonly #archiveHash: ArchiveHash | undefined;
  /** Resolves when what stands before has been hashed. */
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
    this.#most = Math.max(firstRequests, options.pool.size * firstRequestsPerWorker);
    this.#pace = new Pace({ first: this.#most, most: mostTimes * this.#most });
    this.#limiter = new Limiter({ count: this.#pace, weight: this.#most, signal });
    this.#buffers = new SharedBuffers(bytesPerRequest / 16, bytesPerRequest * this.#most);
    if (options.archiveSha256 !== undefined) this.#archiveHash = new ArchiveHash(signal);
  }

  get result(): Fetched {
    return { frames: this.#frames, fetchedBytes: this.#fetchedBytes, fetchedFrames: this.#fetchedFrames };
  }

  /** Begins a frame, or its neighbours, as soon as there is space for them. Throws the failure of an earlier one. */
  async start(planned: PlannedFrame): Promise<void> {
    const { frame } = planned;
    if (frame < this.#next || (this.#options.complete && frame > this.#next)) throw framesMissing();
    this.#next = frame + 1;
    this.#started += 1;
    const directories = this.#options.seedsOf(planned);
    if (directories.length > 0) {
      await this.#startWaiting();
      const [weight, size] = [this.#weightOf(planned), this.#sizeOf(planned)];
      await this.#limiter.add(async () => await this.#takeOrFetch(planned, directories, size), weight);
      return;
    }
    const waiting = this.#waiting;
    const [weight, size] = [this.#weightOf(planned), this.#sizeOf(planned)];
    const isNext = waiting?.frames.at(-1)?.frame === frame - 1;
    if (!isNext || waiting.weight + weight > this.#most / this.#pace.atOnce) await this.#startWaiting();
    const { frames = [], ...sums } = this.#waiting ?? { size: 0, weight: 0 };
    this.#waiting = {
      frames: [...frames, planned],
      size: sums.size + size,
      weight: sums.weight + weight,
    };
  }

  /** In requests as they are at the beginning. Bytes and items in one: a frame takes the larger of its shares. */
  #weightOf(planned: PlannedFrame): number {
    const itemsPerRequest = (this.#options.pool.size * maxItemsPerWorker) / this.#most;
    return Math.max(this.#sizeOf(planned) / bytesPerRequest, planned.items.length / itemsPerRequest);
  }

  #sizeOf({ frame }: PlannedFrame): number {
    return this.#options.index.frames.compressedSizeOf(frame);
  }

  async #startWaiting(): Promise<void> {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    await this.#limiter.add(async () => await this.#fetch(waiting.frames, waiting.size), waiting.weight);
  }

  /** Waits for the frames under way. Throws the failure of one, FRAMES_MISSING, or ARCHIVE_DIGEST_WRONG. */
  async finish(seekTable: Uint8Array): Promise<void> {
    await this.#startWaiting();
    await this.#limiter.drain();
    const { complete, index } = this.#options;
    if (this.#frames !== (complete ? index.frames.count : this.#started)) throw framesMissing();
    await this.#checkArchiveDigest(seekTable);
  }

  async idle(): Promise<void> {
    await this.#limiter.idle();
    await this.#archiveHash?.close();
  }

  async #checkArchiveDigest(seekTable: Uint8Array): Promise<void> {
    await this.#archiveHash?.add(seekTable);
    const found = await this.#archiveHash?.digest();
    if (found === this.#options.archiveSha256) return;
    throw new ActionError("ARCHIVE_DIGEST_WRONG", "The archive has not the SHA-256 of the manifest.", {
      hint: "The archive is damaged on its store. Use another snapshot.",
    });
  }

  async #takeOrFetch(
    planned: PlannedFrame,
    directories: readonly string[],
    compressedSize: number,
  ): Promise<void> {
    const facts = this.#factsOf(planned, directories);
    const seeded = await this.#options.pool.use(
      async (lease) => lease.call({ kind: "seed", directories, ...facts }),
      this.#signal,
    );
    if (seeded) this.#count(planned);
    else await this.#fetch([planned], compressedSize, facts);
  }

  #factsOf({ frame, items }: PlannedFrame, directories: readonly string[]): FrameFacts {
    const { index, target } = this.#options;
    return {
      rootName: index.root.name,
      frame,
      size: index.frames.sizeOf(frame),
      sha256: index.frames.sha256Of(frame),
      items,
      // Where the target itself may have the bytes it may also have others, and no hole is left for zeros.
      target:
        target !== undefined && directories.includes(target.directory) ? { ...target, used: true } : target,
    };
  }

  /** `frames` stand one after the other in the archive. */
  async #fetch(frames: readonly PlannedFrame[], compressedSize: number, facts?: FrameFacts): Promise<void> {
    const table = this.#options.index.frames;
    const [first] = frames;
    const start = table.offsetOf(first?.frame ?? 0);
    const shared = this.#buffers.take(compressedSize);
    await this.#readInTurn(start, shared.bytes);
    const unpacked = await Promise.allSettled(
      frames.map(async (planned) => {
        const at = table.offsetOf(planned.frame) - start;
        const bytes = shared.bytes.subarray(at, at + this.#sizeOf(planned));
        const compressedSha256 = table.compressedSha256Of(planned.frame);
        const known = facts ?? this.#factsOf(planned, []);
        const request = { kind: "unpack", bytes, compressedSha256, ...known } as const;
        await this.#options.pool.use(async (lease) => lease.call(request), this.#signal);
        this.#fetchedBytes += bytes.length;
        this.#fetchedFrames += 1;
        this.#count(planned);
      }),
    );
    for (const each of unpacked) if (each.status === "rejected") throw each.reason;
    shared.release();
  }

  #count(planned: PlannedFrame): void {
    const { index, onFrame, onProgress } = this.#options;
    onFrame(planned);
    this.#frames += 1;
    this.#doneBytes += this.#sizeOf(planned);
    onProgress?.({
      doneBytes: this.#doneBytes,
      totalBytes: index.frames.compressedEnd,
      frames: this.#frames,
      fetchedBytes: this.#fetchedBytes,
    });
  }

  /** Reads at once; where the archive is hashed, returns when all that stands before has been. */
  async #readInTurn(offset: number, into: Uint8Array): Promise<void> {
    const before = this.#hashTurn;
    const turn = Promise.withResolvers<void>();
    this.#hashTurn = turn.promise;
    try {
      const read = await this.#options.source.read(offset, into.length, this.#signal, into);
      if (read.length !== into.length)
        throw new RangeError("The source returned another length than asked for.");
      // From memory that is not shared each worker would get a copy.
      if (read.buffer !== into.buffer) into.set(read);
      if (this.#archiveHash !== undefined) {
        await before;
        await this.#archiveHash.add(into);
      }
    } finally {
      turn.resolve();
    }
  }
}

/** Frames that stand one after the other. */
interface Neighbours {
  readonly frames: readonly PlannedFrame[];
  /** Compressed bytes. */
  readonly size: number;
  readonly weight: number;
}

/** A fault of this program or of the index: no outcome is good while a frame has not been looked at. */
function framesMissing(): ActionError {
  return new ActionError("FRAMES_MISSING", "Not every frame of the archive was read.", {
    hint: "Verify the snapshot; if its index is in order, this is a fault of the action: report it with the log.",
  });
}
