/**
 * The tar inside an archive that anybody may have made: what it is compressed with is told by its first bytes, never by
 * its name. Several zstd frames or gzip members one after another are one stream; what ends early, and what has other
 * bytes behind its end, is refused.
 */
import { once } from "node:events";
import { constants, createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from "node:zlib";
import { ActionError } from "../../domain/errors.ts";
import { ByteReader } from "./byte-reader.ts";
import { maxWindowLog, ZstdFrameScanner, zstdMagic } from "./zstd-scan.ts";

/** The decoder works ahead of whoever writes what it gives, by so much. (Streams' own options, unknown to zlib's types.) */
const streaming: object = { readableHighWaterMark: 4 * 1024 * 1024 };
const outputBytes = 256 * 1024;

/** Formats that people use and that this program does not read, by their first bytes in hex. */
const otherFormats: readonly (readonly [string, string])[] = [
  ["fd377a585a00", "xz"],
  ["425a68", "bzip2"],
  ["04224d18", "lz4"],
  ["504b0304", "zip"],
  ["377abcaf271c", "7-Zip"],
];

/**
 * Throws ARCHIVE_TRUNCATED, ARCHIVE_DAMAGED, ARCHIVE_FORMAT, WINDOW_TOO_LARGE, or what `chunks` throws. `availableBytes`:
 * of memory, by default what there is.
 */
export async function* decompress(
  chunks: AsyncIterable<Uint8Array>,
  availableBytes?: () => number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(chunks);
  const head = await reader.peek(8);
  if (isZstd(head)) yield* decompressZstd(reader, availableBytes);
  else if (head.subarray(0, 2).equals(gzipMagic)) yield* decompressGzip(reader);
  else yield* decompressNothing(reader, head);
}

const gzipMagic = Buffer.from([0x1f, 0x8b]);

async function* decompressNothing(
  reader: ByteReader,
  head: Buffer,
): AsyncGenerator<Uint8Array, void, undefined> {
  const other = otherFormats.find(([magic]) => head.toString("hex").startsWith(magic));
  if (other !== undefined) {
    throw new ActionError("ARCHIVE_FORMAT", `The archive is compressed with ${other[1]}.`, {
      hint: "Only .tar.zst, .tar.gz and .tar are read. Compress it anew.",
    });
  }
  yield* reader.rest();
}

function isZstd(head: Buffer): boolean {
  return head.length >= 4 && (head.readUInt32LE(0) === zstdMagic || isSkippable(head));
}

function isSkippable(head: Buffer): boolean {
  return head.length >= 4 && (head.readUInt32LE(0) & 0xfffffff0) >>> 0 === 0x184d2a50;
}

async function* decompressZstd(
  reader: ByteReader,
  availableBytes: (() => number) | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let head = await reader.peek(8); head.length > 0; head = await reader.peek(8)) {
    if (head.length < 4) throw truncated();
    if (isSkippable(head)) {
      if (head.length < 8 || (await reader.skip(8 + head.readUInt32LE(4))) > 0) throw truncated();
    } else if (head.readUInt32LE(0) === zstdMagic) {
      const decoder = createZstdDecompress({
        ...streaming,
        chunkSize: outputBytes,
        params: { [constants.ZSTD_d_windowLogMax]: maxWindowLog },
      });
      yield* through(frameOf(reader, new ZstdFrameScanner(availableBytes)), decoder);
    } else {
      throw trailing();
    }
  }
}

/** The bytes of one frame; what follows it stays in the reader. */
async function* frameOf(
  reader: ByteReader,
  scanner: ZstdFrameScanner,
): AsyncGenerator<Uint8Array, void, undefined> {
  while (!scanner.done) {
    const chunk = await reader.next();
    if (chunk === undefined) throw truncated();
    const own = scanner.scan(chunk);
    if (own < chunk.length) reader.putBack(chunk.subarray(own));
    if (own > 0) yield chunk.subarray(0, own);
  }
}

async function* decompressGzip(reader: ByteReader): AsyncGenerator<Uint8Array, void, undefined> {
  // Goes on by itself from one member to the next.
  yield* through(reader.rest(), createGunzip({ ...streaming, chunkSize: outputBytes }));
}

/** What a decoder makes of an input, which it has to take to its last byte. */
async function* through(
  input: AsyncIterable<Uint8Array>,
  decoder: Gunzip | ZstdDecompress,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stop = new AbortController();
  let fed = 0;
  const feed = async (): Promise<void> => {
    for await (const chunk of input) {
      fed += chunk.length;
      if (!decoder.write(chunk)) await once(decoder, "drain", { signal: stop.signal });
    }
    decoder.end();
  };
  feed().catch((error: unknown) =>
    decoder.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  try {
    for await (const chunk of decoder as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    throw explain(error);
  } finally {
    stop.abort();
    decoder.destroy();
  }
  // It ends its output by itself when it meets bytes it cannot make anything of.
  if (!decoder.writableEnded || decoder.bytesWritten !== fed) throw trailing();
}

function explain(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "Z_BUF_ERROR") return truncated();
  if (!/^Z(?:STD)?_/.test(code)) return error;
  return new ActionError("ARCHIVE_DAMAGED", "The archive cannot be decompressed.", {
    hint: "It is damaged. Download it again, or use another one.",
    cause: error,
  });
}

export function truncated(): ActionError {
  return new ActionError("ARCHIVE_TRUNCATED", "The archive ends in the middle.", {
    hint: "It was cut off when it was made or copied. Copy it again, or use another one.",
  });
}

function trailing(): ActionError {
  return new ActionError("ARCHIVE_DAMAGED", "The archive has other bytes behind its end.", {
    hint: "It is damaged, or something was appended to it. Copy it again, or use another one.",
  });
}
