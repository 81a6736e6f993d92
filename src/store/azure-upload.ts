/**
 * A block blob being built. Blocks are named after the upload and their number, so a second upload of the same key cannot
 * mix with it; they are invisible until the list of them is committed. Blocks that are never committed go away by
 * themselves after a week, and at once when the blob is written otherwise.
 */
import { createHash, randomUUID } from "node:crypto";
import { throwIfAborted } from "../errors.ts";
import { readAzureFailure, type AzureContainer } from "./azure-container.ts";
import { ObjectChangedError, StoreError, uploadClosed } from "./errors.ts";
import type { ObjectInfo, OpenUploadOptions, Upload } from "./port.ts";
import { assertPartsJoin, type WrittenPart } from "./upload-parts.ts";

const abortWithinMs = 30_000;
/** While it copies or joins, the service is silent for longer than an idle connection may be. */
const serviceAtWork = 4;
/** The service knows no uploads, only blocks of a blob that are not committed: the key says all. */
export const uncommitted = "uncommitted";

export function openAzureUpload(
  container: AzureContainer,
  key: string,
  options: OpenUploadOptions,
  head: (key: string, signal: AbortSignal) => Promise<ObjectInfo | undefined>,
): Upload {
  const { copyFrom, signal } = options;
  const blob = container.blob(key);
  const id = randomUUID();
  const ending = new AbortController();
  const stop = AbortSignal.any([signal, ending.signal]);
  const parts: WrittenPart[] = [];
  const underWay = new Set<Promise<void>>();
  let open = true;

  const blockId = (number: number): string =>
    Buffer.from(`${id}-${String(number).padStart(6, "0")}`).toString("base64");
  const tracked = async (work: Promise<void>): Promise<void> => {
    underWay.add(work);
    try {
      await work;
    } finally {
      underWay.delete(work);
    }
  };

  return {
    token: { key, id: uncommitted },
    // The service could check the source's etag; its client has no way to ask for it.
    copies: copyFrom === undefined ? "none" : "unbound",
    writePart: (place, bytes) =>
      tracked(
        container.call(key, `write part ${place.number}`, stop, async (stop, progressed) => {
          await blob.stageBlock(blockId(place.number), bytes, bytes.length, {
            abortSignal: stop,
            onProgress: progressed,
            // The service compares it with what arrives.
            transactionalContentMD5: createHash("md5").update(bytes).digest(),
          });
          parts.push({ ...place, size: bytes.length });
        }),
      ),
    copyPart: (place, range) =>
      tracked(
        container.call(
          key,
          `copy part ${place.number}`,
          stop,
          async (stop) => {
            if (copyFrom === undefined)
              throw new StoreError("STORE_UNSUPPORTED", `${key}: nothing to copy from.`);
            const source = await container.sourceOf(copyFrom.key);
            await blob.stageBlockFromURL(blockId(place.number), source.url, range.offset, range.length, {
              abortSignal: stop,
              ...(source.authorization === undefined ? {} : { sourceAuthorization: source.authorization }),
            });
            parts.push({ ...place, size: range.length });
          },
          serviceAtWork,
        ),
      ),
    async complete() {
      throwIfAborted(stop);
      const size = assertPartsJoin(parts, container.urlOf(key));
      // Every write gives a blob a new etag, so the same one after the copies means that all came from that version.
      if (copyFrom !== undefined && (await head(copyFrom.key, stop))?.etag !== copyFrom.etag) {
        throw new ObjectChangedError(container.urlOf(copyFrom.key));
      }
      const blocks = parts.toSorted((a, b) => a.number - b.number).map((part) => blockId(part.number));
      await container.call(
        key,
        "complete the upload",
        stop,
        async (stop) => {
          await blob.commitBlockList(blocks, {
            abortSignal: stop,
            ...(options.contentType === undefined
              ? {}
              : { blobHTTPHeaders: { blobContentType: options.contentType } }),
          });
        },
        serviceAtWork,
      );
      open = false;
      const info = await head(key, signal);
      if (info?.size === size) return info;
      throw new StoreError(
        "STORE_MISMATCH",
        `${container.urlOf(key)} has ${info?.size ?? 0} bytes, ${size} were written.`,
        { hint: "Do not use this object; run again, and report it to whoever runs the store if it stays." },
      );
    },
    async abort() {
      if (!open) return;
      open = false;
      ending.abort(uploadClosed(container.urlOf(key)));
      await Promise.allSettled(underWay);
      await discardBlocks(container, key, AbortSignal.timeout(abortWithinMs));
    },
  };
}

/**
 * Blocks cannot be deleted, but committing a list without them drops them: an empty blob is made, if there is none, and
 * removed. Where there is one meanwhile, it is not ours to touch.
 */
export async function discardBlocks(
  container: AzureContainer,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  const blob = container.blob(key);
  await container.call(key, "take back an upload", signal, async (stop) => {
    try {
      const { etag } = await blob.commitBlockList([], {
        abortSignal: stop,
        conditions: { ifNoneMatch: "*" },
      });
      await blob.delete({
        abortSignal: stop,
        ...(etag === undefined ? {} : { conditions: { ifMatch: etag } }),
      });
    } catch (error) {
      if (![404, 409, 412].includes(readAzureFailure(error).status)) throw error;
      if (readAzureFailure(error).code === "ContainerNotFound") throw error;
    }
  });
}
