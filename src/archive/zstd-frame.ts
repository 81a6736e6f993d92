/**
 * One segment ⇄ one zstd frame. Node's synchronous calls are used inside worker threads: no copy in between, and one
 * thread a frame. (`ZSTD_c_nbWorkers` stays unset: it gives wrong output in Node's asynchronous calls.)
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { ActionError } from "../errors.ts";

const frameMagic = 0xfd2fb528;

/** A frame with content size and checksum, in an ArrayBuffer that nothing else is in. */
export function compressFrame(bytes: Uint8Array, level: number): Buffer {
  return zstdCompressSync(bytes, {
    // Room for the worst case, so that the output is one buffer and never concatenated; untouched pages cost nothing.
    // At least the pool's size, so that it is not in the pool.
    chunkSize: Math.max(Buffer.poolSize, bytes.length + (bytes.length >>> 7) + 512),
    pledgedSrcSize: bytes.length,
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_contentSizeFlag]: 1,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
}

/**
 * Exactly `size` bytes out of exactly one frame, in an ArrayBuffer of their own, or FRAME_CORRUPT. Size, checksum flag and the absence of anything
 * behind the frame are checked here, because Node accepts truncated frames and ignores what follows the first.
 */
export function decompressFrame(frame: Uint8Array, size: number): Buffer {
  checkFrameHeader(frame, size);
  let result: { buffer: Buffer; consumed: number };
  try {
    // `info` is documented for every one of zlib's one-shot calls but missing in the type of this one's result.
    const { buffer, engine } = zstdDecompressSync(frame, {
      chunkSize: Math.max(Buffer.poolSize, size + 64),
      maxOutputLength: size + 64,
      info: true,
    }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
    result = { buffer, consumed: engine.bytesWritten };
  } catch (cause) {
    throw corrupt("it cannot be decompressed", cause);
  }
  if (result.buffer.length !== size)
    throw corrupt(`it holds ${result.buffer.length} bytes instead of ${size}`);
  if (result.consumed !== frame.length) throw corrupt("something follows the end of its data");
  return result.buffer;
}

/** Magic, a checksum, a content size that is `size`, no dictionary and no unknown bit. */
function checkFrameHeader(frame: Uint8Array, size: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 13 || view.getUint32(0, true) !== frameMagic) throw corrupt("it is no zstd frame");
  const descriptor = view.getUint8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x1f) !== 0x04) throw corrupt("its header has no checksum flag or unknown bits");
  const at = singleSegment ? 5 : 6;
  const sizeFlag = descriptor >>> 6;
  const declared =
    sizeFlag === 3
      ? Number(view.getBigUint64(at, true))
      : sizeFlag === 2
        ? view.getUint32(at, true)
        : sizeFlag === 1
          ? view.getUint16(at, true) + 256
          : singleSegment
            ? view.getUint8(at)
            : -1;
  if (declared !== size) throw corrupt(`its header announces ${declared} bytes instead of ${size}`);
}

function corrupt(why: string, cause?: unknown): ActionError {
  return new ActionError("FRAME_CORRUPT", `A frame of the archive is damaged: ${why}.`, { cause });
}
