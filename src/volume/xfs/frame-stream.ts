/**
 * A stream of unknown length as zstd frames on a store. Each frame of at most 16 MiB stands behind a skippable frame
 * that tells its lengths and the SHA-256 of its contents, and a last skippable frame tells the whole length, so every
 * byte is verified before it is used and an end that is missing is seen. `zstd -d` skips those and gives the plain stream.
 */
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import { ActionError, throwIfAborted } from "../../domain/errors.ts";
import { inOrder } from "../../system/concurrency.ts";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** https://github.com/facebook/zstd/blob/dev/doc/zstd_compression_format.md, "Skippable Frames". */
const skippableMagic = 0x184d2a57;
const frameBytes = 16 * 1024 * 1024;
/** Magic and length of the skippable frame, then compressed length, length and SHA-256. */
const headerBytes = 8 + 4 + 4 + 32;
const endMark = 0xffff_ffff;
const framesAtOnce = 3;

/** Compresses on libuv's threads, a few frames at once. */
export async function* encodeFrames(
  chunks: AsyncIterable<Uint8Array>,
  level: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let total = 0;
  const frames = inOrder(regroup(chunks, frameBytes), framesAtOnce, async (bytes) => {
    throwIfAborted(signal);
    total += bytes.length;
    return await encodeFrame(bytes, level);
  });
  for await (const frame of frames) yield* frame;
  yield endFrame(total);
}

/** The plain stream again. DUMP_CORRUPT at the first byte that is not what was written, or where the end is missing. */
export async function* decodeFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = new ExactReader(chunks);
  try {
    for (let total = 0; ;) {
      const bytes = await readFrame(reader, total);
      if (bytes === undefined) return;
      total += bytes.length;
      yield bytes;
    }
  } finally {
    await reader.close();
  }
}

/** Undefined at the end mark, when `total` is what had been written and nothing follows. */
async function readFrame(reader: ExactReader, total: number): Promise<Buffer | undefined> {
  const header = await reader.read(headerBytes);
  const [magic, rest, packed, size] = [0, 4, 8, 12].map((at) => header.readUInt32LE(at)) as [
    number,
    number,
    number,
    number,
  ];
  if (magic !== skippableMagic || rest !== headerBytes - 8) throw corrupt("a frame's header is missing");
  const digest = header.subarray(16);
  if (packed === endMark) {
    if (!header.equals(endFrame(total))) throw corrupt("its length is not what was written");
    if (!(await reader.isAtEnd())) throw corrupt("something follows its end");
    return undefined;
  }
  if (size > frameBytes) throw corrupt("a frame is too large");
  const frame = await reader.read(packed);
  const bytes = await decompress(frame, { maxOutputLength: frameBytes + 64 }).catch((cause: unknown) => {
    throw corrupt("a frame cannot be decompressed", cause);
  });
  if (bytes.length !== size || !createHash("sha256").update(bytes).digest().equals(digest)) {
    throw corrupt("a frame does not hold what was written");
  }
  return bytes;
}

async function encodeFrame(bytes: Buffer, level: number): Promise<readonly Uint8Array[]> {
  const packed = await compress(bytes, {
    pledgedSrcSize: bytes.length,
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_contentSizeFlag]: 1,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
  const header = headerOf(packed.length, bytes.length);
  createHash("sha256").update(bytes).digest().copy(header, 16);
  return [header, packed];
}

function endFrame(total: number): Buffer {
  const header = headerOf(endMark, 0);
  header.writeBigUInt64LE(BigInt(total), 16);
  return header;
}

function headerOf(packed: number, size: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  for (const [index, value] of [skippableMagic, headerBytes - 8, packed, size].entries())
    header.writeUInt32LE(value, index * 4);
  return header;
}

async function* regroup(chunks: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer> {
  let group = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const taken = Math.min(size - filled, chunk.length - at);
      group.set(chunk.subarray(at, at + taken), filled);
      filled += taken;
      at += taken;
      if (filled < size) continue;
      yield group;
      group = Buffer.allocUnsafe(size);
      filled = 0;
    }
  }
  if (filled > 0) yield group.subarray(0, filled);
}

class ExactReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async read(size: number): Promise<Buffer> {
    if (size > frameBytes * 2) throw corrupt("a frame is too large");
    const bytes = Buffer.allocUnsafe(size);
    for (let filled = 0; filled < size;) {
      if (this.#rest.length === 0 && !(await this.#fill())) throw corrupt("it ends too early");
      const taken = this.#rest.subarray(0, size - filled);
      bytes.set(taken, filled);
      filled += taken.length;
      this.#rest = this.#rest.subarray(taken.length);
    }
    return bytes;
  }

  async isAtEnd(): Promise<boolean> {
    return this.#rest.length === 0 && !(await this.#fill());
  }

  /** Lets go of the source where it was not read to its end. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #fill(): Promise<boolean> {
    for (;;) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      if (next.value.length === 0) continue;
      this.#rest = next.value;
      return true;
    }
  }
}

function corrupt(what: string, cause?: unknown): ActionError {
  return new ActionError("DUMP_CORRUPT", `The dump on the store is damaged: ${what}.`, {
    ...(cause === undefined ? {} : { cause }),
    hint: "Choose another snapshot.",
  });
}
