/** Whole files and streams as objects, whatever their size. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { bestEffort } from "../../system/best-effort.ts";
import { PartSender } from "./part-sender.ts";
import { planPartSizes, tooManyParts } from "./part-sizes.ts";
import type { ObjectInfo, ObjectStore, Upload } from "../port.ts";

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
): Promise<ObjectInfo> {
  const { signal, contentType } = options;
  const upload = await store.openUpload(key, {
    signal,
    ...(contentType === undefined ? {} : { contentType }),
  });
  try {
    await sendParts(store, upload, chunks, options);
    return await upload.complete();
  } catch (error) {
    // The first error counts; what stays is hidden, and `prune` removes it.
    await bestEffort({ warning: () => undefined }, `take back ${key}`, async () => await upload.abort());
    throw error;
  }
}

async function sendParts(
  { partLimits }: ObjectStore,
  upload: Upload,
  chunks: AsyncIterable<Uint8Array>,
  { signal, expectedSizeBytes, onProgress }: UploadStreamOptions,
): Promise<void> {
  const sizes = planPartSizes(partLimits, expectedSizeBytes);
  const sender = new PartSender({ upload, signal, onProgress: ({ sentBytes }) => onProgress?.(sentBytes) });
  let [number, offset, waiting] = [1, 0, 0];
  const send = async (size: number): Promise<void> => {
    if (number > partLimits.maxParts) throw tooManyParts(partLimits.maxParts, offset + size);
    await sender.write({ number, offset }, size);
    [number, offset, waiting] = [number + 1, offset + size, waiting - size];
  };
  for await (const bytes of chunks) {
    sender.add(bytes);
    waiting += bytes.length;
    while (waiting >= sizes.writeTarget(number)) await send(sizes.writeTarget(number));
  }
  // An empty object still needs one part.
  if (waiting > 0 || number === 1) await send(waiting);
  await sender.drain();
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
  return await uploadStream(store, key, chunks, { ...options, expectedSizeBytes: size });
}
