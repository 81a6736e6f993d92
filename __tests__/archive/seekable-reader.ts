/**
 * A reader of facebook/zstd's contrib/seekable_format, written from its description, that knows nothing of ours: footer,
 * then table, then each frame by itself. Throws where the file is no such archive.
 */
import assert from "node:assert/strict";
import { zstdDecompressSync } from "node:zlib";

/** The contents of each frame. */
export function framesBySeekTable(bytes: Buffer): Buffer[] {
  assert.equal(bytes.readUInt32LE(bytes.length - 4), 0x8f92eab1, "no seekable magic number at the end");
  const descriptor = bytes.readUInt8(bytes.length - 5);
  assert.equal(descriptor & 0x7c, 0, "reserved bits are set");
  const entrySize = (descriptor & 0x80) === 0 ? 8 : 12;
  const count = bytes.readUInt32LE(bytes.length - 9);
  const table = bytes.length - 9 - count * entrySize;
  assert.equal(bytes.readUInt32LE(table - 8), 0x184d2a5e, "the table is no skippable frame");
  assert.equal(bytes.readUInt32LE(table - 4), count * entrySize + 9, "the table has another size");
  let offset = 0;
  const frames = Array.from({ length: count }, (_, frame) => {
    const compressed = bytes.readUInt32LE(table + frame * entrySize);
    const content = zstdDecompressSync(bytes.subarray(offset, offset + compressed));
    assert.equal(content.length, bytes.readUInt32LE(table + frame * entrySize + 4));
    offset += compressed;
    return content;
  });
  assert.equal(offset, table - 8, "the frames do not end where the table begins");
  return frames;
}
