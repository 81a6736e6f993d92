/** Archives in plain local files: the simplest honest sink and source, for the archive room's tests and bench. */
import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FrameSink, FrameSource } from "../../src/archive/transport.ts";

export interface LocalSink extends FrameSink {
  close(): Promise<void>;
}

/** Writes frames to `file`; reusable ones are copied from `base` as ranges, or compressed again where there is none. */
export async function openLocalSink(file: string, base?: string): Promise<LocalSink> {
  const handle = await open(file, "w");
  const from = base === undefined ? undefined : await open(base, "r");
  let offset = 0;
  const write = async (bytes: Uint8Array): Promise<void> => {
    for (let done = 0; done < bytes.length;) {
      done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
    }
  };
  return {
    async append(frame, placed) {
      let reused = false;
      let bytes: Uint8Array;
      if (frame.kind === "bytes") {
        bytes = frame.bytes;
      } else if (from === undefined) {
        bytes = await frame.materialize();
      } else {
        bytes = new Uint8Array(frame.compressedSize);
        await from.read(bytes, 0, bytes.length, frame.baseOffset);
        reused = true;
      }
      await write(bytes);
      placed({ offset, compressedSize: bytes.length, reused });
      offset += bytes.length;
    },
    async finish(tail) {
      const bytes = tail();
      await write(bytes);
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
    async read(offset, length, signal) {
      signal.throwIfAborted();
      const bytes = new Uint8Array(length);
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
