/** Whole files and streams as objects, whatever their size. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { openPartSink, type PartSinkResult } from "./part-sink.ts";
import type { ObjectInfo, ObjectStore } from "./port.ts";

export interface UploadStreamOptions {
  readonly signal: AbortSignal;
  /** Better too large than too small. */
  readonly expectedSizeBytes: number;
  readonly contentType?: string;
  readonly onProgress?: (sentBytes: number) => void;
}

/** Sends a stream as one object; it appears when all of it is there, and nothing stays behind when it fails. */
export async function uploadStream(
  store: ObjectStore,
  key: string,
  chunks: AsyncIterable<Uint8Array>,
  options: UploadStreamOptions,
): Promise<{ readonly info: ObjectInfo; readonly sent: PartSinkResult }> {
  const { signal, contentType } = options;
  const upload = await store.openUpload(key, {
    signal,
    ...(contentType === undefined ? {} : { contentType }),
  });
  try {
    const sink = openPartSink({
      upload,
      limits: store.partLimits,
      expectedSizeBytes: options.expectedSizeBytes,
      signal,
      onProgress: ({ sentBytes }) => options.onProgress?.(sentBytes),
    });
    for await (const bytes of chunks) await sink.append({ kind: "bytes", bytes }, () => undefined);
    await sink.finish(() => new Uint8Array());
    return { info: await upload.complete(), sent: sink.result() };
  } finally {
    await upload.abort();
  }
}

const chunkBytes = 4 * 1024 * 1024;

/** Sends a local file as one object. */
export async function uploadFile(
  store: ObjectStore,
  key: string,
  file: string,
  options: Omit<UploadStreamOptions, "expectedSizeBytes">,
): Promise<ObjectInfo> {
  const { size } = await stat(file);
  const chunks = createReadStream(file, { highWaterMark: chunkBytes, signal: options.signal });
  const { info } = await uploadStream(store, key, chunks, { ...options, expectedSizeBytes: size });
  return info;
}
