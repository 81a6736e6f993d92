/**
 * Azure Blob Storage. Parts are blocks, which may be of any size, so exactly what changed is sent; reused ranges are
 * copied by *Put Block From URL*. Conditions are part of the service and always enforced.
 */
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { throwIfAborted } from "../../domain/errors.ts";
import type { AzureAccess } from "./access.ts";
import { AzureContainer, headBlob, readAzureFailure } from "./container.ts";
import { azureSender, AzureUpload, discardBlocks, uncommitted } from "./upload.ts";
import { getByStream } from "../chunks.ts";
import { PreconditionFailedError } from "../errors.ts";
import { isOwnKey } from "../keys.ts";
import { defaultLimits, type RequestLimits } from "../limits.ts";
import { objectInfo, quoted, requireSize, wholeSize } from "../object-info.ts";
import type {
  GetOptions,
  ObjectInfo,
  ObjectStore,
  OpenUploadOptions,
  PutOptions,
  SendPart,
  Upload,
  UploadToken,
} from "../port.ts";
import { streamObject, type RangedAnswer } from "../ranged-read.ts";

const MiB = 1024 * 1024;

export interface AzureStoreOptions {
  readonly account: string;
  readonly container: string;
  readonly prefix: string;
  readonly access: AzureAccess;
  readonly limits?: RequestLimits;
}

export function openAzureStore(options: AzureStoreOptions): ObjectStore {
  return new AzureStore(new AzureContainer(options, options.access, options.limits ?? defaultLimits));
}

class AzureStore implements ObjectStore {
  readonly url: string;
  readonly capabilities = { conditionalWrites: true, copyRange: true, readOnly: false };
  readonly partLimits = { minPartSizeBytes: 1, maxPartSizeBytes: 4_000 * MiB, maxParts: 50_000 };
  readonly sendPart: SendPart;
  readonly #container: AzureContainer;

  constructor(container: AzureContainer) {
    this.sendPart = azureSender(container);
    this.#container = container;
    this.url = container.url;
  }

  head(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    return headBlob(this.#container, key, signal);
  }

  stream(
    key: string,
    options: GetOptions,
  ): Promise<{ readonly chunks: AsyncIterable<Uint8Array>; readonly info: ObjectInfo }> {
    const container = this.#container;
    return streamObject(
      {
        url: container.urlOf(key),
        limits: container.limits,
        request: (range, signal) => request(container, key, range, signal),
      },
      options,
    );
  }

  get(key: string, options: GetOptions): Promise<{ readonly bytes: Uint8Array; readonly info: ObjectInfo }> {
    return getByStream(this, key, options);
  }

  put(
    key: string,
    bytes: Uint8Array,
    { ifAbsent, ifMatch, contentType, signal }: PutOptions,
  ): Promise<ObjectInfo> {
    const container = this.#container;
    return container.call(key, "write", signal, async (stop, progressed) => {
      try {
        const { etag } = await container.blob(key).upload(bytes, bytes.length, {
          abortSignal: stop,
          onProgress: progressed,
          blobHTTPHeaders: {
            blobContentMD5: createHash("md5").update(bytes).digest(),
            ...(contentType === undefined ? {} : { blobContentType: contentType }),
          },
          conditions: {
            ...(ifAbsent === true ? { ifNoneMatch: "*" } : {}),
            ...(ifMatch === undefined ? {} : { ifMatch: quoted(ifMatch) }),
          },
        });
        return objectInfo(key, bytes.length, etag, undefined);
      } catch (error) {
        const { code, status } = readAzureFailure(error);
        const lost =
          status === 412 ||
          code === "BlobAlreadyExists" ||
          (ifMatch !== undefined && code === "BlobNotFound");
        if (lost) throw new PreconditionFailedError(container.urlOf(key));
        throw error;
      }
    });
  }

  list(prefix: string, signal: AbortSignal): AsyncIterable<ObjectInfo> {
    return this.#names(prefix, false, signal);
  }

  delete(key: string, signal: AbortSignal): Promise<void> {
    return this.#container.call(key, "delete", signal, async (stop) => {
      try {
        await this.#container.blob(key).delete({ abortSignal: stop });
      } catch (error) {
        if (readAzureFailure(error).code !== "BlobNotFound") throw error;
      }
    });
  }

  async openUpload(key: string, options: OpenUploadOptions): Promise<Upload> {
    // Asks nothing of the service, and has to fail like the other stores when the run is over.
    throwIfAborted(options.signal);
    return new AzureUpload(this.#container, key, options);
  }

  abortUpload(token: UploadToken, signal: AbortSignal): Promise<void> {
    return discardBlocks(this.#container, token.key, signal);
  }

  async *listUploads(
    prefix: string,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly token: UploadToken; readonly startedAt: Date | undefined }> {
    const committed = new Set<string>();
    for await (const { key } of this.#names(prefix, false, signal)) committed.add(key);
    for await (const { key, modifiedAt } of this.#names(prefix, true, signal)) {
      if (!committed.has(key)) yield { token: { key, id: uncommitted }, startedAt: modifiedAt };
    }
  }

  async probeWritable(signal: AbortSignal): Promise<void> {
    const probe = this.#container.scratch();
    await this.#container.call("", "write", signal, async (stop) => {
      await probe.upload("probe\n", 6, { abortSignal: stop });
      await probe.delete({ abortSignal: stop });
    });
    for await (const _ of this.#names("probe", false, signal)) break;
  }

  urlOf(key: string): string {
    return this.#container.urlOf(key);
  }

  async close(): Promise<void> {
    // The client keeps nothing but pooled sockets, which end by themselves.
  }

  async *#names(
    prefix: string,
    includeUncommitedBlobs: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<ObjectInfo, void, undefined> {
    const container = this.#container;
    let token: string | undefined;
    do {
      const at = token;
      const page = await container.call("", "list", signal, async (stop) => {
        const pages = container.client
          .listBlobsFlat({ prefix: container.start + prefix, includeUncommitedBlobs, abortSignal: stop })
          .byPage({ maxPageSize: 1_000, ...(at === undefined ? {} : { continuationToken: at }) });
        return (await pages.next()).value;
      });
      for (const { name, properties } of page?.segment.blobItems ?? []) {
        const key = container.relative(name);
        if (key === undefined || !isOwnKey(key)) continue;
        yield objectInfo(key, properties.contentLength ?? 0, properties.etag, properties.lastModified);
      }
      token = page?.continuationToken === "" ? undefined : page?.continuationToken;
    } while (token !== undefined);
  }
}

async function request(
  container: AzureContainer,
  key: string,
  range: GetOptions["range"],
  signal: AbortSignal,
): Promise<RangedAnswer> {
  const answer = await container.call(key, "read", signal, (stop) =>
    container
      .blob(key)
      .download(range?.offset ?? 0, range?.length, { abortSignal: stop, maxRetryRequests: 0 }),
  );
  const size = wholeSize(answer.contentRange, answer.contentLength);
  return {
    info: objectInfo(key, requireSize(container.urlOf(key), size), answer.etag, answer.lastModified),
    body: answer.readableStreamBody as Readable,
  };
}
