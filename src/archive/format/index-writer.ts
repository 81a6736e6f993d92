/**
 * Writes `index.json.zst` while the archive is written. Entries come long before the last frame has found its place, and
 * there may be millions, so they wait in a spool file beside the index.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createZstdCompress } from "node:zlib";
import { indexVersion } from "./index-format.ts";
import type { ViewEntry } from "../view.ts";
import type { FrameRange, IndexEntry, IndexRoot, Piece } from "./index-format.ts";
import type { FrameTable } from "./frame-table.ts";

const spoolBufferChars = 256 * 1024;
/** Each write waits for the last, or zstd's output depends on whether the end was known when the last bytes came. */
const oneByOne = { writableHighWaterMark: 1 };

export interface IndexWriter {
  /** Entries in archive order. */
  add(entry: IndexEntry): Promise<void>;
  /** Writes the index whole. Size and SHA-256 (hex) are those of the compressed file. */
  finish(
    root: IndexRoot,
    frames: FrameTable,
    segmentSize: number,
    signal: AbortSignal,
  ): Promise<{ readonly size: number; readonly sha256: string }>;
  /** Removes the spool; to be called in any case. */
  close(): Promise<void>;
}

export async function createIndexWriter(file: string): Promise<IndexWriter> {
  const spool = `${file}.entries`;
  const handle: FileHandle = await open(spool, "w", 0o600);
  let pending = "";
  let first = true;
  const drain = async (): Promise<void> => {
    const text = pending;
    pending = "";
    await handle.write(text);
  };
  return {
    async add(entry) {
      pending += `${first ? "" : ",\n"}${entryLine(entry)}`;
      first = false;
      if (pending.length >= spoolBufferChars) await drain();
    },
    async finish(root, frames, segmentSize, signal) {
      if (!first) pending += "\n";
      await drain();
      const hash = createHash("sha256");
      let size = 0;
      const measure = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          hash.update(chunk);
          size += chunk.length;
          done(null, chunk);
        },
      });
      await pipeline(
        indexText(root, frames, segmentSize, spool),
        createZstdCompress({
          ...oneByOne,
          params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
        }),
        measure,
        createWriteStream(file, { mode: 0o600, flush: true }),
        { signal },
      );
      return { size, sha256: hash.digest("hex") };
    },
    async close() {
      await handle.close();
      await rm(spool, { force: true });
    },
  };
}

async function* indexText(
  root: IndexRoot,
  frames: FrameTable,
  segmentSize: number,
  spool: string,
): AsyncGenerator<string | Buffer> {
  yield `{"version":${indexVersion},"segmentSize":${segmentSize},\n`;
  yield `"root":${JSON.stringify({ ...root, mtimeNs: String(root.mtimeNs) })},\n"frames":[\n`;
  for (let frame = 0; frame < frames.count; frame += 1) {
    yield `${JSON.stringify(frames.at(frame))}${frame + 1 < frames.count ? "," : ""}\n`;
  }
  yield `],\n"files":[\n`;
  yield* createReadStream(spool, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>;
  yield `]}\n`;
}

/** mtimeNs is a string: it is beyond what a JSON number holds exactly. Lone surrogates of odd names come out as \udcxx. */
function entryLine(entry: IndexEntry): string {
  const { path, type, size, mode, uid, gid, mtimeNs, header, pieces, linkTarget } = entry;
  return JSON.stringify({
    path,
    type,
    size,
    mode,
    uid,
    gid,
    mtimeNs: String(mtimeNs),
    header,
    pieces,
    ...(linkTarget === undefined ? {} : { linkTarget }),
  });
}

/** An entry whose pieces are all known. */
export function indexEntryOf(planned: { entry: ViewEntry; header: FrameRange; pieces: Piece[] }): IndexEntry {
  const { path, type, size, mode, uid, gid, mtimeNs, linkTarget } = planned.entry;
  const link = linkTarget === undefined ? {} : { linkTarget };
  return {
    path,
    type,
    size,
    mode,
    uid,
    gid,
    mtimeNs,
    ...link,
    header: planned.header,
    pieces: planned.pieces,
  };
}
