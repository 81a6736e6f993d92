/**
 * Reads `index.json.zst` and believes nothing: every number is bounded, every path plain and in order below directories
 * that exist, and the entries tile the frames. A file that passes here cannot make the reader write outside its target.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { isPlainName } from "./entry-paths.ts";
import { FrameTable } from "./frame-table.ts";
import type { Frame } from "./frame-table.ts";
import type { IndexEntry, IndexRoot } from "./index-format.ts";
import { refuse } from "./index-lines.ts";
import { scanIndex } from "./index-text.ts";
import { TileCheck } from "./index-tiles.ts";
import { maxFrameSizeBytes } from "./segments.ts";
import { tarBlockSize } from "./tar-header.ts";
import { show, TreeCheck } from "./tree-check.ts";

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
  /** The entries again, streamed from the file in archive order, in batches. */
  entries(signal: AbortSignal): AsyncGenerator<readonly IndexEntry[]>;
}

/** Reads and checks the whole index once. Throws INDEX_INVALID or INDEX_VERSION_UNKNOWN. */
export async function openIndex(file: string, options: IndexReadOptions): Promise<ArchiveIndex> {
  const { expect, signal } = options;
  if (expect !== undefined) await checkDigest(file, expect, signal);
  const checking = new IndexChecking();
  const scan = scanIndex(file, checking, signal);
  let scanned = false;
  while (!scanned) scanned = (await scan.next()).done === true;
  const index = { ...checking.end(), entries: (again: AbortSignal) => readEntries(file, again) };
  if (index.linkTargets.size > 0) await checkHardLinks(index, signal);
  return index;
}

async function* readEntries(file: string, signal: AbortSignal): AsyncGenerator<readonly IndexEntry[]> {
  let batch: IndexEntry[] = [];
  const ignore = (): void => undefined;
  const receiver = {
    head: ignore,
    root: ignore,
    frame: ignore,
    entry: (entry: IndexEntry) => batch.push(entry),
  };
  const scan = scanIndex(file, receiver, signal);
  try {
    while ((await scan.next()).done !== true) {
      yield batch;
      batch = [];
    }
  } finally {
    await scan.return(undefined);
  }
}

/** A hard link must name a file that comes before it. */
async function checkHardLinks(index: ArchiveIndex, signal: AbortSignal): Promise<void> {
  const missing = new Set(index.linkTargets);
  for await (const batch of index.entries(signal)) {
    for (const entry of batch) {
      if (entry.type === "file") missing.delete(entry.path);
      else if (entry.type === "hardlink" && missing.has(entry.linkTarget ?? "")) {
        throw refuse(`${show(entry.path)} is a hard link to what is no file before it`);
      }
    }
  }
}

/** Takes the index line by line and adds up what is true of the whole. */
class IndexChecking {
  readonly #frames = new FrameTable();
  readonly #digest = createHash("sha256");
  readonly #linkTargets = new Set<string>();
  readonly #tree = new TreeCheck();
  readonly #tiles = new TileCheck(this.#frames);
  #root: IndexRoot | undefined;
  #segmentSize = 0;
  #tarSize = 0;
  #files = 0;
  #contentSize = 0;

  head(head: { readonly segmentSize: number }): void {
    this.#segmentSize = head.segmentSize;
  }

  root(root: IndexRoot): void {
    if (!isPlainName(root.name)) throw refuse("its root has no plain name");
    this.#root = root;
  }

  frame(frame: Frame): void {
    const name = `frame ${this.#frames.count}`;
    if (frame.offset !== this.#frames.compressedEnd) throw refuse(`${name} is not where the last one ends`);
    if (frame.size === 0 || frame.size > maxFrameSizeBytes || frame.size % tarBlockSize !== 0) {
      throw refuse(`${name} has an impossible size`);
    }
    if (frame.compressedSize > 2 * maxFrameSizeBytes) throw refuse(`${name} is too large`);
    this.#frames.add(frame);
    this.#tarSize += frame.size;
    this.#digest.update(Buffer.from(frame.sha256, "hex"));
  }

  entry(entry: IndexEntry): void {
    if (this.#files === 0) this.#tileRoot();
    const problem = this.#tree.problemOf(entry);
    if (problem !== undefined) throw refuse(`${show(entry.path)} ${problem.text}`);
    this.#tiles.entry(entry);
    if (entry.type === "hardlink") this.#linkTargets.add(entry.linkTarget ?? "");
    this.#files += 1;
    this.#contentSize += entry.size;
  }

  end(): Omit<ArchiveIndex, "entries"> {
    if (this.#files === 0) this.#tileRoot();
    this.#tiles.end();
    return {
      root: this.#known(),
      segmentSize: this.#segmentSize,
      frames: this.#frames,
      files: this.#files,
      contentSize: this.#contentSize,
      tarSize: this.#tarSize,
      treeSha256: this.#digest.digest("hex"),
      linkTargets: this.#linkTargets,
    };
  }

  /** The root's header comes first in the tar, but its line comes before the frames are known. */
  #tileRoot(): void {
    const root = this.#known();
    this.#tiles.header(root.header, root.name);
  }

  #known(): IndexRoot {
    if (this.#root === undefined) throw refuse("it has no root");
    return this.#root;
  }
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
