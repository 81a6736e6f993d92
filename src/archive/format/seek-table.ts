/**
 * The seek table that closes an archive: zstd's seekable format (facebook/zstd, contrib/seekable_format), a skippable
 * frame that lists the compressed and the decompressed size of every frame before it. Without per-frame checksums: the
 * index has SHA-256.
 */
import { ActionError } from "../../domain/errors.ts";

const skippableMagic = 0x184d2a5e;
const seekableMagic = 0x8f92eab1;
const headerSize = 8;
const footerSize = 9;
const recordSize = 8;

export interface FrameSizes {
  readonly count: number;
  compressedSizeOf(frame: number): number;
  sizeOf(frame: number): number;
}

/** Bytes the table of so many frames takes. */
export function seekTableSize(frames: number): number {
  return headerSize + frames * recordSize + footerSize;
}

export function encodeSeekTable(frames: FrameSizes): Buffer {
  const total = seekTableSize(frames.count);
  const table = Buffer.alloc(total);
  table.writeUInt32LE(skippableMagic, 0);
  table.writeUInt32LE(total - headerSize, 4);
  for (let frame = 0; frame < frames.count; frame += 1) {
    table.writeUInt32LE(frames.compressedSizeOf(frame), headerSize + frame * recordSize);
    table.writeUInt32LE(frames.sizeOf(frame), headerSize + frame * recordSize + 4);
  }
  const footer = total - footerSize;
  table.writeUInt32LE(frames.count, footer);
  table.writeUInt8(0, footer + 4);
  table.writeUInt32LE(seekableMagic, footer + 5);
  return table;
}

/** Throws SEEK_TABLE_INVALID unless `bytes` is the very table of these frames. */
export function checkSeekTable(bytes: Uint8Array, frames: FrameSizes): void {
  if (encodeSeekTable(frames).equals(bytes)) return;
  throw new ActionError(
    "SEEK_TABLE_INVALID",
    "The seek table at the end of the archive does not list the frames that the index lists.",
    { hint: "Archive and index are not of one snapshot, or one is damaged. Use another snapshot." },
  );
}
