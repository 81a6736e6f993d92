/**
 * Takes an archive's frames and puts them into an upload, in parts the store accepts: several on their way at once,
 * memory bounded, reused frames copied by the store. Nothing is visible until the caller completes the upload.
 */
import type { FrameSink, OutgoingFrame, PlacedFrame } from "../archive/transport.ts";
import { throwIfAborted } from "../errors.ts";
import { createByteQueue } from "./byte-queue.ts";
import { createLane } from "./lane.ts";
import { createPartPlanner, type Choice, type Part } from "./part-planner.ts";
import type { RateLimit } from "../system/rate-limit.ts";
import type { PartLimits, PartPlace, Upload } from "./port.ts";
import { createSeamFinder, type Seam } from "./seams.ts";

export interface PartSinkOptions {
  readonly upload: Upload;
  readonly limits: PartLimits;
  /** How large the archive will be; better too large than too small. Parts are planned by it. */
  readonly expectedSizeBytes: number;
  readonly signal: AbortSignal;
  /** Of the bytes that are sent; copies on the store pass freely. */
  readonly rate?: RateLimit;
  /** Called as parts arrive. */
  readonly onProgress?: (progress: SinkProgress) => void;
}

export interface SinkProgress {
  readonly sentBytes: number;
  readonly copiedBytes: number;
}

export interface PartSinkResult extends SinkProgress {
  readonly sizeBytes: number;
  readonly parts: number;
  readonly reusedFrames: number;
  readonly seams: readonly Seam[];
}

export interface PartSink extends FrameSink {
  /** After `finish`. */
  result(): PartSinkResult;
}

interface HeldFrame {
  readonly frame: OutgoingFrame;
  readonly placed: (at: PlacedFrame) => void;
}

const writesAtOnce = 8;
const copiesAtOnce = 12;
/** Of parts on their way; a single larger part goes alone. */
const bytesOnTheWay = 96 * 1024 * 1024;

export function openPartSink(options: PartSinkOptions): PartSink {
  const { upload, signal } = options;
  const planner = createPartPlanner({
    limits: options.limits,
    expectedSizeBytes: options.expectedSizeBytes,
    canCopy: upload.copies !== "none",
  });
  const held: HeldFrame[] = [];
  const gathered = createByteQueue();
  const writes = createLane(writesAtOnce, bytesOnTheWay);
  const copies = createLane(copiesAtOnce, Infinity);
  const seams = createSeamFinder();
  let sentBytes = 0;
  let copiedBytes = 0;
  let parts = 0;
  let reusedFrames = 0;
  let settledFrames = 0;
  let failure: { readonly error: unknown } | undefined;
  let finished = false;

  const send = async (place: PartPlace, bytes: Buffer): Promise<void> => {
    await options.rate?.take(bytes.length, signal);
    await upload.writePart(place, bytes);
    // Not after a failure: somebody may still be reading them.
    gathered.giveBack(bytes);
  };

  const start = async (part: Part): Promise<void> => {
    parts += 1;
    const lane = part.kind === "write" ? writes : copies;
    await lane.room(part.size);
    throwIfFailed();
    const work =
      part.kind === "write"
        ? send(part.place, gathered.take(part.size))
        : upload.copyPart(part.place, { offset: part.baseOffset, length: part.size });
    if (part.kind === "copy") seams.part(part.place.offset, part.size);
    lane.add(
      part.size,
      work.then(
        () => {
          if (part.kind === "write") sentBytes += part.size;
          else copiedBytes += part.size;
          options.onProgress?.({ sentBytes, copiedBytes });
        },
        (error: unknown) => {
          failure ??= { error };
        },
      ),
    );
  };

  const throwIfFailed = (): void => {
    throwIfAborted(signal);
    if (failure !== undefined) throw failure.error;
  };

  const settle = async (choice: Choice, { frame, placed }: HeldFrame): Promise<void> => {
    const offset = planner.position;
    let size: number;
    if (choice === "copy" && frame.kind === "reusable") {
      size = frame.compressedSize;
      reusedFrames += 1;
      seams.frame({ frame: settledFrames, offset, compressedSize: size });
    } else {
      const { bytes, release } = frame.kind === "bytes" ? frame : await frame.materialize();
      size = bytes.length;
      gathered.add(bytes, release);
    }
    settledFrames += 1;
    const ready = planner.settle(choice, size);
    placed({ offset, compressedSize: size, reused: choice === "copy" });
    for (const part of ready) await start(part);
  };

  const settleAll = async (): Promise<void> => {
    for (;;) {
      throwIfFailed();
      const choice = planner.next();
      const next = choice === undefined ? undefined : held.shift();
      if (choice === undefined || next === undefined) return;
      await settle(choice, next);
    }
  };

  const offer = (frame: OutgoingFrame): void =>
    planner.offer(
      frame.kind === "bytes"
        ? { kind: "bytes", size: frame.bytes.length }
        : { kind: "reusable", size: frame.compressedSize, baseOffset: frame.baseOffset },
    );

  return {
    async append(frame, placed) {
      throwIfFailed();
      held.push({ frame, placed });
      offer(frame);
      await settleAll();
    },
    async finish(tail) {
      planner.end();
      await settleAll();
      const bytes = tail();
      gathered.add(bytes);
      planner.offer({ kind: "bytes", size: bytes.length });
      for (const part of planner.settle("write", bytes.length)) await start(part);
      for (const part of planner.close()) await start(part);
      await Promise.all([writes.drained(), copies.drained()]);
      throwIfFailed();
      finished = true;
    },
    result() {
      if (!finished) throw new Error("the sink has not been finished");
      return {
        sizeBytes: planner.position,
        parts,
        sentBytes,
        copiedBytes,
        reusedFrames,
        seams: seams.found,
      };
    },
  };
}
