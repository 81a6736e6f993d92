/**
 * Which version of a file one is looking at. Small files (what is ever replaced by compare-and-swap) are known by their
 * bytes; large ones, which are written once and renamed into place, by inode, size and modification time.
 */
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";

const hashedUpToBytes = 16 * 1024 * 1024;

export async function etagOf(file: FileHandle, stat: BigIntStats): Promise<string> {
  if (stat.size > BigInt(hashedUpToBytes)) return `${stat.ino}-${stat.size}-${stat.mtimeNs}`;
  const hash = createHash("sha256");
  for await (const chunk of readRange(file, 0, Number(stat.size))) hash.update(chunk);
  return hash.digest("hex");
}

/** Whether a file was written to between two looks at its handle. */
export function sameContents(a: BigIntStats, b: BigIntStats): boolean {
  return a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs;
}

const chunkBytes = 1024 * 1024;

/** The bytes [offset, offset + length), fewer where the file ends before; each chunk is the caller's own. */
export async function* readRange(
  file: FileHandle,
  offset: number,
  length: number,
): AsyncGenerator<Buffer, void, undefined> {
  let at = offset;
  const end = offset + length;
  while (at < end) {
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, end - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
