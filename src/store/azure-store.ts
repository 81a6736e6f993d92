/**
 * Azure Blob Storage. Parts are blocks, which may be of any size, so exactly what changed is sent; reused ranges are
 * copied by *Put Block From URL*. Conditions are part of the service and always enforced.
 */
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { throwIfAborted } from "../errors.ts";
import type { AzureAccess } from "./azure-access.ts";
import { openAzureContainer, readAzureFailure } from "./azure-container.ts";
import { discardBlocks, openAzureUpload, uncommitted } from "./azure-upload.ts";
import { collect } from "./chunks.ts";
import { PreconditionFailedError } from "./errors.ts";
import { isOwnKey } from "./keys.ts";
import { defaultLimits, type RequestLimits } from "./limits.ts";
import { objectInfo, quoted, wholeSize } from "./object-info.ts";
import type { GetOptions, ObjectInfo, ObjectStore } from "./port.ts";
import { streamObject, type RangedAnswer } from "./ranged-read.ts";

const MiB = 1024 * 1024;

export interface AzureStoreOptions {
  readonly account: string;
  readonly container: string;
  readonly prefix: string;
  readonly access: AzureAccess;
  readonly limits?: RequestLimits;
}

export function openAzureStore(options: AzureStoreOptions): ObjectStore {
  const limits = options.limits ?? defaultLimits;
  const container = openAzureContainer(options, options.access, limits);

  const head = (key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> =>
    container.call(key, "look at", signal, async (stop) => {
      try {
        const found = await container.blob(key).getProperties({ abortSignal: stop });
        return objectInfo(key, found.contentLength ?? 0, found.etag, found.lastModified);
      } catch (error) {
        const { code, status } = readAzureFailure(error);
        if (status === 404 && code !== "ContainerNotFound") return undefined;
        throw error;
      }
    });

  const request = async (
    key: string,
    range: GetOptions["range"],
    signal: AbortSignal,
  ): Promise<RangedAnswer> => {
    const answer = await container.call(key, "read", signal, (stop) =>
      container
        .blob(key)
        .download(range?.offset ?? 0, range?.length, { abortSignal: stop, maxRetryRequests: 0 }),
    );
    const size = wholeSize(answer.contentRange, answer.contentLength);
    return {
      info: objectInfo(key, size, answer.etag, answer.lastModified),
      body: answer.readableStreamBody as Readable,
    };
  };

  const stream: ObjectStore["stream"] = (key, options) =>
    streamObject(
      { url: container.urlOf(key), limits, request: (range, signal) => request(key, range, signal) },
      options,
    );

  const put: ObjectStore["put"] = async (key, bytes, { ifAbsent, ifMatch, contentType, signal }) =>
    container.call(key, "write", signal, async (stop, progressed) => {
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

  async function* names(
    prefix: string,
    includeUncommitedBlobs: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<ObjectInfo, void, undefined> {
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

  return {
    url: container.url,
    capabilities: { conditionalWrites: true, copyRange: true, readOnly: false },
    partLimits: { minPartSizeBytes: 1, maxPartSizeBytes: 4_000 * MiB, maxParts: 50_000 },
    head,
    stream,
    async get(key, options) {
      const { chunks, info } = await stream(key, options);
      return { bytes: await collect(chunks), info };
    },
    put,
    list: (prefix, signal) => names(prefix, false, signal),
    delete: (key, signal) =>
      container.call(key, "delete", signal, async (stop) => {
        try {
          await container.blob(key).delete({ abortSignal: stop });
        } catch (error) {
          if (readAzureFailure(error).code !== "BlobNotFound") throw error;
        }
      }),
    async openUpload(key, options) {
      // Asks nothing of the service, and has to fail like the other stores when the run is over.
      throwIfAborted(options.signal);
      return openAzureUpload(container, key, options, head);
    },
    abortUpload: (token, signal) => discardBlocks(container, token.key, signal),
    async *listUploads(prefix, signal) {
      const committed = new Set<string>();
      for await (const { key } of names(prefix, false, signal)) committed.add(key);
      for await (const { key, modifiedAt } of names(prefix, true, signal)) {
        if (!committed.has(key)) yield { token: { key, id: uncommitted }, startedAt: modifiedAt };
      }
    },
    async probeWritable(signal) {
      const probe = container.scratch();
      await container.call("", "write", signal, async (stop) => {
        await probe.upload("probe\n", 6, { abortSignal: stop });
        await probe.delete({ abortSignal: stop });
      });
      for await (const _ of names("probe", false, signal)) break;
    },
    urlOf: (key) => container.urlOf(key),
    async close() {
      // The client keeps nothing but pooled sockets, which end by themselves.
    },
  };
}
