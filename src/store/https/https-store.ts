/**
 * A published prefix on a web server, for reading. Any static host will do: one that ignores ranges costs the bytes before
 * the range that was asked for, one without etags is bound by size and date, and one that does not say how long a file is, is read to the
 * file's end.
 */
import { Readable } from "node:stream";
import { hasCode, throwIfAborted } from "../../domain/errors.ts";
import { deadline } from "../../system/deadline.ts";
import { getByStream } from "../chunks.ts";
import { StoreError } from "../errors.ts";
import { assertKey } from "../keys.ts";
import { LeastRate } from "../least-rate.ts";
import { defaultLimits, type RequestLimits } from "../limits.ts";
import { objectInfo, wholeSize } from "../object-info.ts";
import type { GetOptions, ObjectInfo, ObjectStore, UploadToken } from "../port.ts";
import { streamObject, type RangedAnswer } from "../ranged-read.ts";
import { askWeb, isEncoded, type WebAnswer } from "./web-request.ts";

const MiB = 1024 * 1024;
/** A server that ignores ranges may be made to send so much for nothing, and no more. */
const skippedAtMostBytes = 64 * MiB;
/** What has no length is held in memory to count it. */
const countedAtMostBytes = 64 * MiB;
/** Behind one name there may be several servers that give one file an etag each: so often the one that began is looked for. */
const mostMirrors = 8;

/** `baseUrl` may have a query: it goes with every request and into no message. */
export function openHttpsStore(
  baseUrl: string,
  limits: RequestLimits = defaultLimits,
  options: { readonly keysAreEncoded?: boolean } = {},
): ObjectStore {
  return new HttpsStore(baseUrl, limits, options.keysAreEncoded === true);
}

class HttpsStore implements ObjectStore {
  readonly url: string;
  readonly capabilities = { conditionalWrites: false, copyRange: false, readOnly: true };
  readonly partLimits = { minPartSizeBytes: 1, maxPartSizeBytes: 1, maxParts: 1 };
  /** A signature that is good for all below the prefix, or for the one object that is read. */
  readonly #query: string;
  readonly #limits: RequestLimits;
  readonly #keysAreEncoded: boolean;

  constructor(baseUrl: string, limits: RequestLimits, keysAreEncoded: boolean) {
    const [place = ""] = baseUrl.split("?", 1);
    this.url = place.replace(/\/+$/u, "");
    this.#query = baseUrl.slice(place.length);
    this.#limits = limits;
    this.#keysAreEncoded = keysAreEncoded;
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    try {
      // Not HEAD: some hosts and most signed addresses allow nothing but GET.
      return await this.#look(key, { offset: 0, length: 1 }, signal);
    } catch (error) {
      if (hasCode(error, "OBJECT_NOT_FOUND")) return undefined;
      // An empty file has no first byte.
      if (!hasCode(error, "STORE_MISMATCH")) throw error;
      return await this.#look(key, undefined, signal);
    }
  }

  async stream(
    key: string,
    options: GetOptions,
  ): Promise<{ readonly chunks: AsyncIterable<Uint8Array>; readonly info: ObjectInfo }> {
    const object = {
      url: this.urlOf(key),
      limits: this.#limits,
      request: async (range: GetOptions["range"], signal: AbortSignal) =>
        await this.#request(key, range, signal),
      mirrors: mostMirrors,
    };
    return await streamObject(object, options);
  }

  async get(
    key: string,
    options: GetOptions,
  ): Promise<{ readonly bytes: Uint8Array; readonly info: ObjectInfo }> {
    return await getByStream(this, key, options);
  }

  async put(key: string): Promise<never> {
    return await refuseWrite(this.urlOf(key));
  }

  async delete(key: string): Promise<never> {
    return await refuseWrite(this.urlOf(key));
  }

  async openUpload(key: string): Promise<never> {
    return await refuseWrite(this.urlOf(key));
  }

  async abortUpload({ key }: UploadToken): Promise<never> {
    return await refuseWrite(this.urlOf(key));
  }

  async probeWritable(): Promise<never> {
    return await refuseWrite(this.url);
  }

  list(): AsyncIterable<never> {
    return refuseList(this.url);
  }

  listUploads(): AsyncIterable<never> {
    return refuseList(this.url);
  }

  urlOf(key: string): string {
    assertKey(key);
    const encode = this.#keysAreEncoded ? (part: string) => part : encodeURIComponent;
    return `${this.url}/${key.split("/").map(encode).join("/")}`;
  }

  async close(): Promise<void> {
    // Connections are kept by Node's own agents, which hold no process.
  }

  async #look(key: string, range: GetOptions["range"], signal: AbortSignal): Promise<ObjectInfo> {
    const { info, body } = await this.#request(key, range, signal);
    body.destroy();
    return info;
  }

  async #request(key: string, range: GetOptions["range"], signal: AbortSignal): Promise<RangedAnswer> {
    const url = this.urlOf(key);
    let answer = await this.#ask(url, range, signal);
    let isPart = range !== undefined && answer.status === 206;
    let told = isEncoded(answer, url) ? undefined : sizeIn(answer, isPart);
    if (isPart && told === undefined) {
      // A part of one knows not what: only the whole can be counted.
      answer.body.destroy();
      answer = await this.#ask(url, undefined, signal);
      isPart = false;
      told = isEncoded(answer, url) ? undefined : sizeIn(answer, isPart);
    }
    const { size, body } =
      told === undefined ? await this.#count(url, answer, signal) : { size: told, body: answer.body };
    const found = infoOf(key, size, answer);
    if (range === undefined || isPart) return { info: found, body };
    const info: ObjectInfo = { ...found, ranged: false };
    if (range.offset + range.length > size) return { info, body };
    if (range.offset <= skippedAtMostBytes) return { info, body: Readable.from(skip(body, range)) };
    body.destroy();
    throw new StoreError("STORE_UNSUPPORTED", `${url}: the server cannot give a part of a file.`, {
      hint: "Use a host that supports range requests, or download the archive and restore it from file://.",
    });
  }

  async #ask(url: string, range: GetOptions["range"], signal: AbortSignal): Promise<WebAnswer> {
    throwIfAborted(signal);
    return await askWeb({
      url,
      query: this.#query,
      headers: {
        // A compressed answer would have other bytes, and no range would fit.
        "accept-encoding": "identity",
        ...(range === undefined ? {} : { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
      },
      limits: this.#limits,
      signal,
    });
  }

  /** The size of a file that the server does not tell the length of. */
  async #count(
    url: string,
    { body }: WebAnswer,
    signal: AbortSignal,
  ): Promise<{ readonly size: number; readonly body: Readable }> {
    const chunks: Buffer[] = [];
    const rate = new LeastRate(url, this.#limits.slowAfterMs);
    let size = 0;
    const limit = {
      ms: this.#limits.idleTimeoutMs,
      code: "STORE_STALLED",
      what: `The body of ${url}`,
      signal,
    } as const;
    try {
      await deadline(limit, async (_, progressed) => {
        let askedAt = performance.now();
        for await (const chunk of body as AsyncIterable<Buffer>) {
          progressed();
          rate.count(chunk.length, performance.now() - askedAt);
          askedAt = performance.now();
          size += chunk.length;
          if (size > countedAtMostBytes) throw lengthUnknown(url);
          chunks.push(chunk);
        }
      });
    } catch (error) {
      body.destroy();
      if (error instanceof StoreError) throw error;
      throwIfAborted(signal);
      throw new StoreError("STORE_STALLED", `${url} stopped coming after ${size} bytes.`, { cause: error });
    }
    return { size, body: Readable.from(chunks) };
  }
}

function infoOf(key: string, size: number, answer: WebAnswer): ObjectInfo {
  const etag = answer.header("etag");
  const modified = Date.parse(answer.header("last-modified") ?? "");
  const modifiedAt = Number.isNaN(modified) ? undefined : new Date(modified);
  // A weak etag promises no equal bytes.
  const found = objectInfo(key, size, etag?.startsWith("W/") === true ? undefined : etag, modifiedAt);
  return answer.sentTo === undefined ? found : { ...found, sentTo: answer.sentTo };
}

function sizeIn({ header }: WebAnswer, isPart: boolean): number | undefined {
  const length = header("content-length");
  const told = length === undefined ? undefined : Number(length);
  // The length of a part says nothing of the whole.
  return isPart ? wholeSize(header("content-range") ?? "", undefined) : told;
}

function lengthUnknown(url: string): StoreError {
  return new StoreError(
    "STORE_UNSUPPORTED",
    `${url}: the server does not say how long the file is, and it has more than ${countedAtMostBytes / MiB} MiB.`,
    { hint: "Use a host that sends Content-Length, or download the file and restore it from file://." },
  );
}

/** The bytes of a range out of a body that has everything. */
async function* skip(
  body: Readable,
  range: { readonly offset: number; readonly length: number },
): AsyncGenerator<Buffer, void, undefined> {
  let at = 0;
  const end = range.offset + range.length;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    const wanted = chunk.subarray(Math.max(0, range.offset - at), Math.max(0, end - at));
    at += chunk.length;
    if (wanted.length > 0) yield wanted;
    if (at >= end) return;
  }
}

async function refuseWrite(url: string): Promise<never> {
  throw new StoreError("STORE_READ_ONLY", `${url} can only be read.`, {
    hint: "Publish through the store's own address (s3://, az://, gs://, file://).",
  });
}

// eslint-disable-next-line require-yield
async function* refuseList(url: string): AsyncGenerator<never, void, undefined> {
  throw new StoreError("STORE_UNSUPPORTED", `${url}: a web server cannot be asked what it has.`, {
    hint: "The catalogue lists the snapshots; clean up through the store's own address.",
  });
}
