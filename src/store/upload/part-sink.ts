/**
 * Takes an archive's frames and puts them into an upload, in parts the store accepts: several on their way at once,
 * memory bounded, reused frames copied by the store. Nothing is visible until the caller completes the upload.
 */
import type { FrameSink, OutgoingFrame, PlacedFrame } from "../../archive/transport.ts";
import { throwIfAborted } from "../../domain/errors.ts";
import type { PartLimits } from "../port.ts";
import { BoundaryFinder, type PartBoundary } from "./part-boundaries.ts";
import { PartPlanner, type Choice, type Part } from "./part-planner.ts";
import { PartSender, type PartSenderOptions, type SinkProgress } from "./part-sender.ts";

export interface PartSinkOptions extends PartSenderOptions {
  readonly limits: PartLimits;
  /** How large the archive will be; better too large than too small. Parts are planned by it. */
  readonly expectedSizeBytes: number;
}

export interface PartSinkResult extends SinkProgress {
  readonly sizeBytes: number;
  readonly parts: number;
  readonly reusedFrames: number;
  readonly boundaries: readonly PartBoundary[];
}

interface WaitingFrame {
  readonly frame: OutgoingFrame;
  readonly placed: (at: PlacedFrame) => void;
}

export class PartSink implements FrameSink {
  readonly #signal: AbortSignal;
  readonly #planner: PartPlanner<WaitingFrame>;
  readonly #sender: PartSender;
  readonly #boundaries = new BoundaryFinder();
  #reusedFrames = 0;
  #placedFrames = 0;
  #isFinished = false;

  constructor(options: PartSinkOptions) {
    this.#signal = options.signal;
    this.#sender = new PartSender(options);
    this.#planner = new PartPlanner({
      limits: options.limits,
      expectedSizeBytes: options.expectedSizeBytes,
      canCopy: options.upload.copies !== "none",
    });
  }

  async append(frame: OutgoingFrame, placed: (at: PlacedFrame) => void): Promise<void> {
    const planned =
      frame.kind === "bytes"
        ? ({ kind: "bytes", size: frame.bytes.length } as const)
        : ({ kind: "reusable", size: frame.compressedSize, baseOffset: frame.baseOffset } as const);
    this.#planner.offer(planned, { frame, placed });
    await this.#placeAll();
  }

  async finish(tail: () => Uint8Array): Promise<void> {
    const planner = this.#planner;
    planner.end();
    await this.#placeAll();
    const bytes = tail();
    await this.#place(
      "write",
      { frame: { kind: "bytes", bytes }, placed: () => undefined },
      { isTail: true },
    );
    await this.#start(planner.close());
    await this.#sender.drain();
    throwIfAborted(this.#signal);
    this.#isFinished = true;
  }

  /** After `finish`. */
  result(): PartSinkResult {
    if (!this.#isFinished) throw new Error("the sink has not been finished");
    return {
      sizeBytes: this.#planner.position,
      parts: this.#sender.parts,
      ...this.#sender.progress,
      reusedFrames: this.#reusedFrames,
      boundaries: this.#boundaries.found,
    };
  }

  async #placeAll(): Promise<void> {
    for (;;) {
      throwIfAborted(this.#signal);
      const next = this.#planner.next();
      if (next === undefined) return;
      await this.#place(next.choice, next.item);
    }
  }

  async #place(choice: Choice, { frame, placed }: WaitingFrame, { isTail = false } = {}): Promise<void> {
    const offset = this.#planner.position;
    let size: number;
    if (choice === "copy" && frame.kind === "reusable") {
      size = frame.compressedSize;
      this.#reusedFrames += 1;
      this.#boundaries.frame({ frame: this.#placedFrames, offset, compressedSize: size });
    } else {
      const { bytes, release } = frame.kind === "bytes" ? frame : await frame.materialize();
      size = bytes.length;
      this.#sender.add(bytes, release);
    }
    this.#placedFrames += 1;
    if (isTail) this.#planner.offer({ kind: "bytes", size }, { frame, placed });
    const ready = this.#planner.place(choice, size);
    placed({ offset, compressedSize: size, reused: choice === "copy" });
    await this.#start(ready);
  }

  async #start(parts: readonly Part[]): Promise<void> {
    for (const part of parts) {
      if (part.kind === "write") await this.#sender.write(part.place, part.size);
      else {
        await this.#sender.copy(part.place, part.baseOffset, part.size);
        this.#boundaries.part(part.place.offset, part.size);
      }
    }
  }
}
