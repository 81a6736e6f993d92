/**
 * Finds where a zstd frame ends, from its header and the lengths of its blocks (RFC 8878, 3.1.1), without decompressing.
 * Needed because Node's decoder stops after the first of several frames and, up to 24.19, takes a truncated one for whole.
 */
import { ActionError } from "../errors.ts";

export const zstdMagic = 0xfd2fb528;
/** 2^31 bytes: what `zstd --long=31` uses and the decoder can take. */
export const maxWindowLog = 31;

const dictionaryIdBytes = [0, 1, 2, 4] as const;

export class ZstdFrameScanner {
  /** What has to be gathered before the next decision, over however many chunks. */
  readonly #held = Buffer.alloc(18);
  #heldBytes = 0;
  #wanted = 5;
  #step: "descriptor" | "header" | "block" | "checksum" | "done" = "descriptor";
  /** Bytes of the current block that are still to come. */
  #content = 0;
  #isLast = false;
  #hasChecksum = false;

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
      const taken = Math.min(this.#wanted - this.#heldBytes, bytes.length - at);
      this.#held.set(bytes.subarray(at, at + taken), this.#heldBytes);
      this.#heldBytes += taken;
      at += taken;
      if (this.#heldBytes === this.#wanted) this.#decide();
    }
  }

  #decide(): void {
    switch (this.#step) {
      case "descriptor": {
        const descriptor = this.#held.readUInt8(4);
        if ((descriptor & 0x08) !== 0) throw damaged("has a zstd frame of an unknown kind");
        if ((descriptor & 0x03) !== 0)
          throw damaged("is compressed with a dictionary, which it does not hold");
        this.#hasChecksum = (descriptor & 0x04) !== 0;
        const isSingle = (descriptor & 0x20) !== 0;
        const sizeFlag = descriptor >>> 6;
        const sizeBytes = sizeFlag === 0 ? Number(isSingle) : 1 << sizeFlag;
        this.#wanted = 5 + Number(!isSingle) + (dictionaryIdBytes[descriptor & 3] ?? 0) + sizeBytes;
        this.#step = "header";
        if (this.#heldBytes === this.#wanted) this.#decide();
        return;
      }
      case "header":
        this.#checkWindow();
        this.#expect("block", 3);
        return;
      case "block": {
        const header = this.#held.readUIntLE(0, 3);
        const type = (header >>> 1) & 3;
        if (type === 3) throw damaged("has a zstd block of an unknown type");
        this.#isLast = (header & 1) === 1;
        // A block of type 1 is one byte repeated.
        this.#content = type === 1 ? 1 : header >>> 3;
        this.#wanted = 0;
        this.#heldBytes = 0;
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
    this.#heldBytes = 0;
  }

  #checkWindow(): void {
    const isSingle = (this.#held.readUInt8(4) & 0x20) !== 0;
    const windowLog = isSingle ? 0 : 10 + (this.#held.readUInt8(5) >>> 3);
    if (windowLog <= maxWindowLog) return;
    throw damaged(
      `needs a window of 2^${windowLog} bytes to decompress, and no decoder takes more than 2^31`,
    );
  }
}

function damaged(why: string): ActionError {
  return new ActionError("ARCHIVE_DAMAGED", `The archive ${why}.`, {
    hint: "Download it again, or use another one.",
  });
}
