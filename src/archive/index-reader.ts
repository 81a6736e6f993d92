/**
 * Reads `index.json.zst` line by line and believes nothing: every number is bounded, every path plain and in order below
 * directories that exist, and headers, pieces and padding must tile every frame exactly, so that no two entries share a
 * byte and no byte is unaccounted for. A file that passes here cannot make the reader write outside its target.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createZstdDecompress } from "node:zlib";
import { ActionError, throwIfAborted } from "../errors.ts";
import { isPlainName } from "./entry-paths.ts";
import { FrameTable } from "./frame-table.ts";
import { parseEntry, parseFrame, parseHead, parseRoot, refuse } from "./index-lines.ts";
import type { FrameRange, IndexEntry, IndexRoot } from "./index-format.ts";
import { maxFrameSizeBytes } from "./segments.ts";
import { endOfArchiveSize, paddingAfter, tarBlockSize } from "./tar-header.ts";
import { show, TreeCheck } from "./tree-check.ts";

/** A line is one entry; the pieces of a file of 10 TB fit. Without a limit a hostile index could fill the memory. */
const maxLineBytes = 64 * 1024 * 1024;

export interface IndexReadOptions {
  readonly signal: AbortSignal;
  /** What the manifest says of the compressed index file; INDEX_INVALID if it is another. */
  readonly expect?: { readonly size: number; readonly sha256: string };
}

export interface ArchiveIndex {
  readonly root: IndexRoot;
  readonly segmentSize: number;
  readonly frames: FrameTable;
  /** Entries, the root not counted. */
  readonly files: number;
  /** Bytes of all files together. */
  readonly contentSize: number;
  /** Bytes of the uncompressed tar. */
  readonly tarSize: number;
  /** SHA-256 over the frames' digests, hex. */
  readonly treeSha256: string;
  /** Paths that hard links name as what they are the same file as. */
  readonly linkTargets: ReadonlySet<string>;
  /** The entries again, streamed from the file, in archive order. */
  entries(signal: AbortSignal): AsyncGenerator<IndexEntry>;
}

/** Reads and checks the whole index once. Throws INDEX_INVALID. */
export async function openIndex(file: string, options: IndexReadOptions): Promise<ArchiveIndex> {
  if (options.expect !== undefined) await checkDigest(file, options.expect, options.signal);
  const frames = new FrameTable();
  const digest = createHash("sha256");
  const linkTargets = new Set<string>();
  const tree = new TreeCheck();
  let root: IndexRoot | undefined;
  let segmentSize = 0;
  let tiles: TileCheck | undefined;
  let tarSize = 0;
  let files = 0;
  let contentSize = 0;
  for await (const item of readItems(file, options.signal)) {
    if (item.kind === "head") {
      segmentSize = item.segmentSize;
    } else if (item.kind === "root") {
      root = item.root;
      if (!isPlainName(root.name)) throw refuse("its root has no plain name");
    } else if (item.kind === "frame") {
      const { frame } = item;
      if (frame.offset !== frames.compressedEnd)
        throw refuse(`frame ${frames.count} is not where the last one ends`);
      if (frame.size > maxFrameSizeBytes || frame.size % tarBlockSize !== 0 || frame.size === 0) {
        throw refuse(`frame ${frames.count} has an impossible size`);
      }
      if (frame.compressedSize > maxFrameSizeBytes * 2) throw refuse(`frame ${frames.count} is too large`);
      frames.add(frame);
      tarSize += frame.size;
      digest.update(Buffer.from(frame.sha256, "hex"));
    } else {
      if (tiles === undefined && root !== undefined) {
        tiles = new TileCheck(frames);
        tiles.header(root.header, root.name);
      }
      const problem = tree.problemOf(item.entry);
      if (problem !== undefined) throw refuse(`${show(item.entry.path)} ${problem.text}`);
      tiles?.entry(item.entry);
      if (item.entry.type === "hardlink") linkTargets.add(item.entry.linkTarget ?? "");
      files += 1;
      contentSize += item.entry.size;
    }
  }
  if (root === undefined || frames.count === 0) throw refuse("it has no root or no frames");
  if (tiles === undefined) {
    tiles = new TileCheck(frames);
    tiles.header(root.header, root.name);
  }
  tiles.end();
  const index = {
    root,
    segmentSize,
    frames,
    files,
    contentSize,
    tarSize,
    treeSha256: digest.digest("hex"),
    linkTargets,
    entries: (signal: AbortSignal) => readEntries(file, signal),
  };
  if (linkTargets.size > 0) await checkHardLinks(index, options.signal);
  return index;
}

async function* readEntries(file: string, signal: AbortSignal): AsyncGenerator<IndexEntry> {
  for await (const item of readItems(file, signal)) if (item.kind === "entry") yield item.entry;
}

/** A hard link must name a file that comes before it. */
async function checkHardLinks(index: ArchiveIndex, signal: AbortSignal): Promise<void> {
  const missing = new Set(index.linkTargets);
  for await (const entry of index.entries(signal)) {
    if (entry.type === "file") missing.delete(entry.path);
    else if (entry.type === "hardlink" && missing.has(entry.linkTarget ?? "")) {
      throw refuse(`${show(entry.path)} is a hard link to what is no file before it`);
    }
  }
}

/** Every byte of every frame belongs to exactly one header, piece or padding. */
class TileCheck {
  readonly #frames: FrameTable;
  #frame = 0;
  #at = 0;

  constructor(frames: FrameTable) {
    this.#frames = frames;
  }

  header(range: FrameRange, name: string): void {
    if (range.size < tarBlockSize || range.size % tarBlockSize !== 0) {
      throw refuse(`the header of ${show(name)} has an impossible size`);
    }
    this.#take(range, name);
  }

  entry(entry: IndexEntry): void {
    this.header(entry.header, entry.path);
    let fileOffset = 0;
    for (const piece of entry.pieces) {
      if (piece.size === 0 || piece.fileOffset !== fileOffset) {
        throw refuse(`the pieces of ${show(entry.path)} leave a gap or overlap`);
      }
      this.#take(piece, entry.path);
      fileOffset += piece.size;
    }
    if (fileOffset !== entry.size) throw refuse(`the pieces of ${show(entry.path)} are not its size`);
    if (entry.size === 0) return;
    this.#at += paddingAfter(entry.size);
    if (this.#at > this.#frames.sizeOf(this.#frame)) {
      throw refuse(`the padding of ${show(entry.path)} is cut`);
    }
  }

  /** All frames used up but the last, which is the end of the tar. */
  end(): void {
    this.#next();
    const last = this.#frames.count - 1;
    if (this.#frame !== last || this.#at !== 0 || this.#frames.sizeOf(last) !== endOfArchiveSize) {
      throw refuse("its last frame is not the end of the tar");
    }
  }

  #take(range: FrameRange, name: string): void {
    this.#next();
    const isNext = range.frame === this.#frame && range.offset === this.#at;
    const end = range.offset + range.size;
    if (!isNext || this.#frame >= this.#frames.count - 1 || end > this.#frames.sizeOf(this.#frame)) {
      throw refuse(`the bytes of ${show(name)} are not where they must be`);
    }
    this.#at = end;
  }

  #next(): void {
    if (this.#frame < this.#frames.count && this.#at === this.#frames.sizeOf(this.#frame)) {
      this.#frame += 1;
      this.#at = 0;
    }
  }
}

type Item =
  | { readonly kind: "head"; readonly segmentSize: number }
  | { readonly kind: "root"; readonly root: IndexRoot }
  | { readonly kind: "frame"; readonly frame: ReturnType<typeof parseFrame> }
  | { readonly kind: "entry"; readonly entry: IndexEntry };

/** The document's lines in their fixed order: head, root, frames, files, end. */
async function* readItems(file: string, signal: AbortSignal): AsyncGenerator<Item> {
  let expected: "head" | "root" | "frames" | "frame" | "files" | "entry" | "nothing" = "head";
  let more = true;
  for await (const line of readLines(file, signal)) {
    if (expected === "head") {
      yield { kind: "head", ...parseHead(line) };
      expected = "root";
    } else if (expected === "root") {
      yield { kind: "root", root: parseRoot(line) };
      expected = "frames";
    } else if (expected === "frames" && line === `"frames":[`) {
      expected = "frame";
      more = true;
    } else if (expected === "frame" && line === "]," && !more) {
      expected = "files";
    } else if (expected === "files" && line === `"files":[`) {
      expected = "entry";
      more = true;
    } else if (expected === "entry" && line === "]}") {
      expected = "nothing";
    } else if (expected === "entry" && line === "") {
      // No entries at all: the writer leaves the line empty.
    } else if ((expected === "frame" || expected === "entry") && more) {
      more = line.endsWith(",");
      const text = more ? line.slice(0, -1) : line;
      yield expected === "frame"
        ? { kind: "frame", frame: parseFrame(text) }
        : { kind: "entry", entry: parseEntry(text) };
    } else {
      throw refuse("its lines are not in the order of the format");
    }
  }
  if (expected !== "nothing") throw refuse("it ends too early");
}

async function* readLines(file: string, signal: AbortSignal): AsyncGenerator<string> {
  const input = createReadStream(file, { highWaterMark: 256 * 1024 });
  const decoder = createZstdDecompress({ chunkSize: 256 * 1024 });
  input.on("error", (error) => decoder.destroy(error));
  let rest: Buffer[] = [];
  let restBytes = 0;
  try {
    for await (const chunk of input.pipe(decoder) as AsyncIterable<Buffer>) {
      throwIfAborted(signal);
      let from = 0;
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
        const piece = chunk.subarray(from, end);
        yield (rest.length === 0 ? piece : Buffer.concat([...rest, piece])).toString("utf8");
        rest = [];
        restBytes = 0;
        from = end + 1;
      }
      if (from < chunk.length) {
        rest.push(chunk.subarray(from));
        restBytes += chunk.length - from;
        if (restBytes > maxLineBytes) throw refuse("one of its lines is too long");
      }
    }
  } catch (cause) {
    if (cause instanceof ActionError) throw cause;
    throw refuse("it cannot be read", cause);
  } finally {
    input.destroy();
    decoder.destroy();
  }
  if (rest.length > 0) throw refuse("its last line is cut off");
}

async function checkDigest(
  file: string,
  expect: { readonly size: number; readonly sha256: string },
  signal: AbortSignal,
): Promise<void> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of createReadStream(file, { signal }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
  }
  if (size !== expect.size || hash.digest("hex") !== expect.sha256) {
    throw refuse("its size or SHA-256 is not the one in the manifest");
  }
}
