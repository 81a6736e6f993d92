/**
 * One segment ⇄ one zstd frame. Node's synchronous calls are used inside worker threads: no copy in between, and one
 * thread a frame. (`ZSTD_c_nbWorkers` stays unset: it gives wrong output in Node's asynchronous calls.)
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { ActionError } from "../../domain/errors.ts";

const frameMagic = 0xfd2fb528;
const checksumSize = 4;

/**
 * zstd's level 3 with hash tables of 64 and 32 Ki entries, which stay in a core's own cache, and no matches of 5 bytes, which hashes make by
 * chance: docs/decisions/0007.
 */
const level3 = {
  [constants.ZSTD_c_hashLog]: 16,
  [constants.ZSTD_c_chainLog]: 15,
  [constants.ZSTD_c_minMatch]: 6,
};

/** The most that a frame of so many bytes can have. */
export function frameBound(size: number): number {
  return size + (size >>> 7) + 512;
}

/** A frame with content size and checksum, in an ArrayBuffer that nothing else is in. */
export function compressFrame(bytes: Uint8Array, level: number): Buffer {
  return zstdCompressSync(bytes, {
    // Space for the worst case, so that the output is one buffer and never concatenated; untouched pages cost nothing.
    // At least the pool's size, so that it is not in the pool.
    chunkSize: Math.max(Buffer.poolSize, frameBound(bytes.length)),
    pledgedSrcSize: bytes.length,
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      ...(level === 3 ? level3 : {}),
      [constants.ZSTD_c_contentSizeFlag]: 1,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
}

/**
 * Exactly `size` bytes out of exactly one frame, in an ArrayBuffer of their own, or FRAME_CORRUPT. Header, block lengths
 * and end are checked here, because Node accepts truncated frames and ignores what follows the first.
 */
export function decompressFrame(frame: Uint8Array, size: number): Buffer {
  checkFrameShape(frame, size);
  let content: Buffer;
  try {
    content = zstdDecompressSync(frame, {
      chunkSize: Math.max(Buffer.poolSize, size + 64),
      maxOutputLength: size + 64,
    });
  } catch (cause) {
    throw corrupt("it cannot be decompressed", cause);
  }
  if (content.length !== size) throw corrupt(`it holds ${content.length} bytes instead of ${size}`);
  return content;
}

/** A header with checksum, content size `size`, no dictionary and no unknown bit; blocks; and the end, where it must be. */
function checkFrameShape(frame: Uint8Array, size: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 18 || view.getUint32(0, true) !== frameMagic) throw corrupt("it is no zstd frame");
  const descriptor = view.getUint8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x1f) !== 0x04) throw corrupt("its header has no checksum flag or unknown bits");
  let at = singleSegment ? 5 : 6;
  const sizeFlag = descriptor >>> 6;
  const declared = declaredSize(view, at, sizeFlag, singleSegment);
  if (declared !== size) throw corrupt(`its header announces ${declared} bytes instead of ${size}`);
  at += sizeFlag === 0 ? Number(singleSegment) : 1 << sizeFlag;
  for (let last = false; !last;) {
    if (at + 3 > frame.length) throw corrupt("it is cut off");
    const block = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    last = (block & 1) === 1;
    const type = (block >>> 1) & 3;
    // A block of type 1 is one byte repeated.
    at += 3 + (type === 1 ? 1 : block >>> 3);
    if (type === 3) throw corrupt("it has a block of an unknown type");
  }
  if (at + checksumSize !== frame.length) throw corrupt("it does not end where its last block does");
}

function declaredSize(view: DataView, at: number, sizeFlag: number, singleSegment: boolean): number {
  if (sizeFlag === 3) return Number(view.getBigUint64(at, true));
  if (sizeFlag === 2) return view.getUint32(at, true);
  if (sizeFlag === 1) return view.getUint16(at, true) + 256;
  return singleSegment ? view.getUint8(at) : -1;
}

function corrupt(why: string, cause?: unknown): ActionError {
  return new ActionError("FRAME_CORRUPT", `A frame of the archive is damaged: ${why}.`, {
    hint: "The archive is damaged on its store. Use another snapshot.",
    cause,
  });
}
