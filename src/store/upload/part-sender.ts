/** The parts of one upload on their way: several at once, memory bounded, the first failure thrown by whoever sends next. */
import { availableParallelism } from "node:os";
import { Limiter } from "../../system/concurrency.ts";
import { Pace } from "../../system/pace.ts";
import type { RateLimit } from "../../system/rate-limit.ts";
import type { PartPlace, Upload } from "../port.ts";
import { ByteQueue } from "./byte-queue.ts";

/** At the beginning: as many as it takes to fill the links that machines of a size have. */
const writesAtOnce = Math.max(8, 2 * availableParallelism());
const copiesAtOnce = 12;
/** So many times as many where that sends, or has copied, more. */
const mostTimes = 4;
/** Of parts on their way, however many; a single larger part goes alone. */
export const bytesOnTheWay = writesAtOnce * 12 * 1024 * 1024;

export interface SinkProgress {
  readonly sentBytes: number;
  readonly copiedBytes: number;
}

export interface PartSenderOptions {
  readonly upload: Upload;
  readonly signal: AbortSignal;
  /** Of the bytes that are sent; copies on the store pass freely. */
  readonly rate?: RateLimit;
  /** Called as parts arrive. */
  readonly onProgress?: (progress: SinkProgress) => void;
}

export class PartSender {
  readonly #options: PartSenderOptions;
  /** What was added and not sent yet. */
  readonly #bytes = new ByteQueue();
  readonly #writes: Limiter;
  readonly #copies: Limiter;
  #parts = 0;
  #sentBytes = 0;
  #copiedBytes = 0;

  constructor(options: PartSenderOptions) {
    this.#options = options;
    const { signal } = options;
    const pace = (first: number): Pace => new Pace({ first, most: mostTimes * first });
    this.#writes = new Limiter({ count: pace(writesAtOnce), weight: bytesOnTheWay, signal });
    this.#copies = new Limiter({ count: pace(copiesAtOnce), signal });
  }

  /** Begun so far. */
  get parts(): number {
    return this.#parts;
  }

  get progress(): SinkProgress {
    return { sentBytes: this.#sentBytes, copiedBytes: this.#copiedBytes };
  }

  /** `release` is called as soon as the bytes are not needed any more. */
  add(bytes: Uint8Array, release?: () => void): void {
    this.#bytes.add(bytes, release);
  }

  /** Sends the next `size` bytes that were added; resolves when that has begun. */
  async write(place: PartPlace, size: number): Promise<void> {
    const { upload, rate, signal } = this.#options;
    this.#parts += 1;
    await this.#writes.add(async () => {
      const portion = this.#bytes.take(size);
      await rate?.take(size, signal);
      await upload.writePart(place, portion.pieces, () => portion.release());
      this.#sentBytes += size;
      this.#options.onProgress?.(this.progress);
    }, size);
  }

  async copy(place: PartPlace, baseOffset: number, size: number): Promise<void> {
    this.#parts += 1;
    await this.#copies.add(async () => {
      await this.#options.upload.copyPart(place, { offset: baseOffset, length: size });
      this.#copiedBytes += size;
      this.#options.onProgress?.(this.progress);
    }, size);
  }

  /** Waits until all of it has arrived, or for the first failure. */
  async drain(): Promise<void> {
    await Promise.all([this.#writes.drain(), this.#copies.drain()]);
  }
}
