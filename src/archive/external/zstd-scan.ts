/**
 * Finds where a zstd frame ends, from its header and the lengths of its blocks (RFC 8878, 3.1.1), without decompressing.
 * Needed because Node's decoder stops after the first of several frames and, up to 24.19, takes a truncated one for whole.
 */
import { ActionError } from "../../domain/errors.ts";
import { formatBytes } from "../../system/space.ts";

export const zstdMagic = 0xfd2fb528;
/** 2^31 bytes: what `zstd --long=31` uses and the decoder can take. */
export const maxWindowLog = 31;
/** What any decoder takes without being asked (RFC 8878 wants 8 MiB, zstd's own takes 128). */
const freeWindowBytes = 2 ** 27;
/** Of the memory that is available: the decoder keeps the whole window there, and others need some too. */
const memoryShare = 1 / 4;

const dictionaryIdBytes = [0, 1, 2, 4] as const;

export class ZstdFrameScanner {
  readonly #availableBytes: () => number;
  /** What has to be collected before the next decision, over however many chunks. */
  readonly #kept = Buffer.alloc(18);
  #keptBytes = 0;
  #wanted = 5;
  #step: "descriptor" | "header" | "block" | "checksum" | "done" = "descriptor";
  /** Bytes of the current block that are still to come. */
  #content = 0;
  #isLast = false;
  #hasChecksum = false;

  /** `availableBytes`: of memory. */
  constructor(availableBytes: () => number = () => process.availableMemory()) {
    this.#availableBytes = availableBytes;
  }

  get done(): boolean {
    return this.#step === "done";
  }

  /** How many of these bytes belong to the frame; fewer than all only when it is done. Throws ARCHIVE_DAMAGED. */
  scan(bytes: Uint8Array): number {
    let at = 0;
    for (;;) {
      const skipped = Math.min(this.#content, bytes.length - at);
      at += skipped;
      this.#content -= skipped;
      if (this.#content === 0 && this.#wanted === 0) this.#afterContent();
      if (this.done || at === bytes.length) return at;
      const taken = Math.min(this.#wanted - this.#keptBytes, bytes.length - at);
      this.#kept.set(bytes.subarray(at, at + taken), this.#keptBytes);
      this.#keptBytes += taken;
      at += taken;
      if (this.#keptBytes === this.#wanted) this.#decide();
    }
  }

  #decide(): void {
    switch (this.#step) {
      case "descriptor": {
        const descriptor = this.#kept.readUInt8(4);
        if ((descriptor & 0x08) !== 0) throw damaged("has a zstd frame of an unknown kind");
        if ((descriptor & 0x03) !== 0)
          throw damaged("is compressed with a dictionary, which it does not hold");
        this.#hasChecksum = (descriptor & 0x04) !== 0;
        const isSingle = (descriptor & 0x20) !== 0;
        const sizeFlag = descriptor >>> 6;
        const sizeBytes = sizeFlag === 0 ? Number(isSingle) : 1 << sizeFlag;
        this.#wanted = 5 + Number(!isSingle) + (dictionaryIdBytes[descriptor & 3] ?? 0) + sizeBytes;
        this.#step = "header";
        if (this.#keptBytes === this.#wanted) this.#decide();
        return;
      }
      case "header":
        this.#checkWindow();
        this.#expect("block", 3);
        return;
      case "block": {
        const header = this.#kept.readUIntLE(0, 3);
        const type = (header >>> 1) & 3;
        if (type === 3) throw damaged("has a zstd block of an unknown type");
        this.#isLast = (header & 1) === 1;
        // A block of type 1 is one byte repeated.
        this.#content = type === 1 ? 1 : header >>> 3;
        this.#wanted = 0;
        this.#keptBytes = 0;
        if (this.#content === 0) this.#afterContent();
        return;
      }
      case "checksum":
        this.#step = "done";
        return;
      case "done":
        return;
    }
  }

  #afterContent(): void {
    if (!this.#isLast) this.#expect("block", 3);
    else if (this.#hasChecksum) this.#expect("checksum", 4);
    else this.#step = "done";
  }

  #expect(step: "block" | "checksum", bytes: number): void {
    this.#step = step;
    this.#wanted = bytes;
    this.#keptBytes = 0;
  }

  #checkWindow(): void {
    const windowBytes = windowBytesOf(this.#kept);
    if (windowBytes > 2 ** maxWindowLog) {
      throw damaged(
        `needs a window of ${windowBytes} bytes to decompress, and no decoder takes more than 2^31`,
      );
    }
    const limit = Math.max(freeWindowBytes, this.#availableBytes() * memoryShare);
    if (windowBytes <= limit) return;
    throw new ActionError(
      "WINDOW_TOO_LARGE",
      `The archive needs a window of ${formatBytes(windowBytes)} to decompress, more than a quarter of the memory that is available.`,
      { hint: "Use a host with more memory, or compress it anew without `--long` or with a smaller one." },
    );
  }
}

/** RFC 8878, 3.1.1.1.2; a frame of a single segment is its own window. */
function windowBytesOf(header: Buffer): number {
  const descriptor = header.readUInt8(4);
  if ((descriptor & 0x20) === 0) {
    const value = header.readUInt8(5);
    const base = 2 ** (10 + (value >>> 3));
    return base + (base / 8) * (value & 7);
  }
  switch (descriptor >>> 6) {
    case 0:
      return header.readUInt8(5);
    case 1:
      return header.readUInt16LE(5) + 256;
    case 2:
      return header.readUInt32LE(5);
    default:
      return Number(header.readBigUInt64LE(5));
  }
}

function damaged(why: string): ActionError {
  return new ActionError("ARCHIVE_DAMAGED", `The archive ${why}.`, {
    hint: "Download it again, or use another one.",
  });
}
