/**
 * A block blob being built. Blocks are named after the upload and their number, so a second upload of the same key cannot
 * mix with it; they are invisible until the list of them is committed. Blocks that are never committed go away by
 * themselves after a week, and at once when the blob is written otherwise.
 */
import { createHash, randomUUID } from "node:crypto";
import type { BlockBlobClient } from "@azure/storage-blob";
import { throwIfAborted } from "../../domain/errors.ts";
import { timeLimit } from "../../system/deadline.ts";
import { headBlob, readAzureFailure, type AzureContainer } from "./container.ts";
import { ObjectChangedError, StoreError, uploadClosed } from "../errors.ts";
import type { ObjectInfo, OpenUploadOptions, PartPlace, SendPart, Upload, UploadToken } from "../port.ts";
import { bytesIn, withJoined } from "../upload/joined.ts";
import { assertPartsJoin, type WrittenPart } from "../upload/upload-parts.ts";

const abortWithinMs = 30_000;
/** While it copies or joins, the service is silent for longer than an idle connection may be. */
const serviceAtWork = 4;
/** The service knows no uploads, only blocks of a blob that are not committed: the key says all. */
export const uncommitted = "uncommitted";

function blockId(upload: string, number: number): string {
  return Buffer.from(`${upload}-${String(number).padStart(6, "0")}`).toString("base64");
}

/** Blocks have names that the upload knows by itself. */
export function azureSender(container: AzureContainer): SendPart {
  return async ({ key, upload, number }, pieces, signal, release) => {
    const send = async (bytes: Uint8Array): Promise<string> =>
      await container.call(key, `write part ${number}`, signal, async (stop, progressed) => {
        await container.blob(key).stageBlock(blockId(upload, number), bytes, bytes.length, {
          abortSignal: stop,
          onProgress: progressed,
          // The service compares it with what arrives.
          transactionalContentMD5: createHash("md5").update(bytes).digest(),
        });
        return "";
      });
    return await withJoined(pieces, release, send);
  };
}

export class AzureUpload implements Upload {
  readonly token: UploadToken;
  readonly copies: Upload["copies"];
  readonly #container: AzureContainer;
  readonly #blob: BlockBlobClient;
  readonly #options: OpenUploadOptions;
  readonly #id = randomUUID();
  readonly #ending = new AbortController();
  readonly #stop: AbortSignal;
  readonly #parts: WrittenPart[] = [];
  readonly #underWay = new Set<Promise<unknown>>();
  #open = true;

  constructor(container: AzureContainer, key: string, options: OpenUploadOptions) {
    this.token = { key, id: uncommitted };
    // The service could check the source's etag; its client has no way to ask for it.
    this.copies = options.copyFrom === undefined ? "none" : "unbound";
    this.#container = container;
    this.#blob = container.blob(key);
    this.#options = options;
    this.#stop = AbortSignal.any([options.signal, this.#ending.signal]);
  }

  async writePart(place: PartPlace, pieces: readonly Uint8Array[], release?: () => void): Promise<void> {
    const part = { key: this.token.key, upload: this.#id, number: place.number };
    const send = this.#options.sendPart ?? azureSender(this.#container);
    await this.#tracked(send(part, pieces, this.#stop, release));
    this.#parts.push({ ...place, size: bytesIn(pieces) });
  }

  copyPart(place: PartPlace, range: { readonly offset: number; readonly length: number }): Promise<void> {
    const { copyFrom } = this.#options;
    const { key } = this.token;
    const work = async (stop: AbortSignal): Promise<void> => {
      if (copyFrom === undefined) throw new StoreError("STORE_UNSUPPORTED", `${key}: nothing to copy from.`);
      const { url, authorization } = await this.#container.sourceOf(copyFrom.key);
      await this.#blob.stageBlockFromURL(blockId(this.#id, place.number), url, range.offset, range.length, {
        abortSignal: stop,
        ...(authorization === undefined ? {} : { sourceAuthorization: authorization }),
      });
      this.#parts.push({ ...place, size: range.length });
    };
    return this.#tracked(
      this.#container.call(key, `copy part ${place.number}`, this.#stop, work, serviceAtWork),
    );
  }

  async complete(): Promise<ObjectInfo> {
    const { key } = this.token;
    const { copyFrom, contentType, signal } = this.#options;
    const container = this.#container;
    const stop = this.#stop;
    throwIfAborted(stop);
    const size = assertPartsJoin(this.#parts, container.urlOf(key));
    // Every write gives a blob a new etag, so the same one after the copies means that all came from that version.
    if (copyFrom !== undefined && (await headBlob(container, copyFrom.key, stop))?.etag !== copyFrom.etag) {
      throw new ObjectChangedError(container.urlOf(copyFrom.key));
    }
    const blocks = this.#parts
      .toSorted((a, b) => a.number - b.number)
      .map((part) => blockId(this.#id, part.number));
    const commit = async (stop: AbortSignal): Promise<void> => {
      await this.#blob.commitBlockList(blocks, {
        abortSignal: stop,
        ...(contentType === undefined ? {} : { blobHTTPHeaders: { blobContentType: contentType } }),
      });
    };
    await container.call(key, "complete the upload", stop, commit, serviceAtWork);
    this.#open = false;
    const info = await headBlob(container, key, signal);
    if (info?.size === size) return info;
    throw new StoreError(
      "STORE_MISMATCH",
      `${container.urlOf(key)} has ${info?.size ?? 0} bytes, ${size} were written.`,
      { hint: "Do not use this object; run again, and report it to whoever runs the store if it stays." },
    );
  }

  async abort(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    const { key } = this.token;
    this.#ending.abort(uploadClosed(this.#container.urlOf(key)));
    // No `Limiter`: how many parts go at once is the writer's bound; here they are only waited for.
    await Promise.allSettled(this.#underWay);
    const limit = timeLimit(abortWithinMs, "STORE_STALLED", `Taking back the upload of ${key}`);
    await discardBlocks(this.#container, key, limit);
  }

  async #tracked(work: Promise<unknown>): Promise<void> {
    this.#underWay.add(work);
    try {
      await work;
    } finally {
      this.#underWay.delete(work);
    }
  }
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
