/** Archives in plain local files: the simplest honest sink and source, for the archive layer's tests and bench. */
import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDirectoryView } from "../../src/archive/write/directory-view.ts";
import { unpackArchive, verifyArchive } from "../../src/archive/read/reader.ts";
import type { UnpackedArchive, UnpackOptions, VerifiedArchive } from "../../src/archive/read/reader.ts";
import type { FrameSink, FrameSource } from "../../src/archive/transport.ts";
import type { View } from "../../src/archive/view.ts";
import { writeArchive } from "../../src/archive/write/writer.ts";
import type { WriteArchiveOptions, WrittenArchive } from "../../src/archive/write/writer.ts";
import { writeFully } from "../../src/system/write-fully.ts";

export interface LocalSink extends FrameSink {
  close(): Promise<void>;
}

/** Writes frames to `file`; reusable ones are copied from `base` as ranges, or compressed again where there is none. */
export async function openLocalSink(file: string, base?: string): Promise<LocalSink> {
  const handle = await open(file, "w");
  const from = base === undefined ? undefined : await open(base, "r");
  let offset = 0;
  return {
    async append(frame, placed) {
      let reused = false;
      let bytes: Uint8Array;
      let release: (() => void) | undefined;
      if (frame.kind === "bytes") {
        ({ bytes, release } = frame);
      } else if (from === undefined) {
        ({ bytes, release } = await frame.materialize());
      } else {
        bytes = new Uint8Array(frame.compressedSize);
        await from.read(bytes, 0, bytes.length, frame.baseOffset);
        reused = true;
      }
      const { length } = bytes;
      await writeFully(handle, bytes, offset);
      release?.();
      placed({ offset, compressedSize: length, reused });
      offset += length;
    },
    async finish(tail) {
      const bytes = tail();
      await writeFully(handle, bytes, offset);
      offset += bytes.length;
    },
    async close() {
      await handle.close();
      await from?.close();
    },
  };
}

export interface LocalSource extends FrameSource {
  close(): Promise<void>;
}

export async function openLocalSource(file: string): Promise<LocalSource> {
  const handle = await open(file, "r");
  const { size } = await stat(file);
  return {
    size,
    url: `file://${file}`,
    async read(offset, length, signal, into = new Uint8Array(length)) {
      signal.throwIfAborted();
      const bytes = into;
      const { bytesRead } = await handle.read(bytes, 0, length, offset);
      if (bytesRead !== length) throw new Error("The file is shorter than it was.");
      return bytes;
    },
    close: async () => handle.close(),
  };
}

/** A directory that goes away with the test. */
export async function useScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "archive-test-"));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export const signal = new AbortController().signal;

export interface LocalArchive {
  readonly file: string;
  readonly indexFile: string;
  readonly written: WrittenArchive;
}

/** Archives a directory (or a view) as `mainnet` into `scratch`. */
export async function archiveOf(
  tree: string | View,
  scratch: string,
  options: Partial<WriteArchiveOptions> & { readonly base?: string } = {},
  name = "archive",
): Promise<LocalArchive> {
  const view = typeof tree === "string" ? await openDirectoryView({ directory: tree }) : tree;
  const file = join(scratch, `${name}.tar.zst`);
  const indexFile = join(scratch, `${name}.index.json.zst`);
  const sink = await openLocalSink(file, options.base);
  try {
    const common = { view, rootName: "mainnet", sink, indexFile, level: 3, concurrency: 2, signal };
    return { file, indexFile, written: await writeArchive({ ...common, ...options }) };
  } finally {
    await sink.close();
  }
}

export async function unpack(
  archive: LocalArchive,
  target: string,
  options: Partial<UnpackOptions> = {},
): Promise<UnpackedArchive> {
  const source = await openLocalSource(archive.file);
  try {
    const { indexFile, written } = archive;
    const common = {
      indexFile,
      indexDigest: written.index,
      owner: "archived",
      concurrency: 2,
      signal,
    } as const;
    return await unpackArchive({ source, target, durable: false, ...common, ...options });
  } finally {
    await source.close();
  }
}

export async function verify(archive: LocalArchive, wholeFile = true): Promise<VerifiedArchive> {
  const source = await openLocalSource(archive.file);
  try {
    const { indexFile, written } = archive;
    const digest = wholeFile && written.sha256 !== undefined ? { archiveSha256: written.sha256 } : {};
    const indexDigest = wholeFile ? { indexDigest: written.index } : {};
    return await verifyArchive({ source, indexFile, concurrency: 2, signal, ...digest, ...indexDigest });
  } finally {
    await source.close();
  }
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
