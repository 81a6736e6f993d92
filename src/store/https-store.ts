/**
 * A published prefix on a web server, for reading. Any static host will do: one that ignores ranges costs the bytes before
 * the range that was asked for, and one without etags is bound by size and date. Redirects (to short-lived signed
 * addresses, say) are followed anew with every request.
 */
import { Readable } from "node:stream";
import { hasCode, throwIfAborted } from "../errors.ts";
import { collect } from "./chunks.ts";
import { isPortError, ObjectNotFoundError, StoreError } from "./errors.ts";
import { assertKey } from "./keys.ts";
import { defaultLimits, type RequestLimits } from "./limits.ts";
import { objectInfo, wholeSize } from "./object-info.ts";
import type { GetOptions, ObjectInfo, ObjectStore } from "./port.ts";
import { withProgressLimit } from "./progress-limit.ts";
import { streamObject, type RangedAnswer } from "./ranged-read.ts";
import { systemClock } from "../system/clock.ts";

/** A server that ignores ranges may be made to send so much for nothing, and no more. */
const skippedAtMostBytes = 64 * 1024 * 1024;

/** `baseUrl` may have a query: it goes with every request and into no message. */
export function openHttpsStore(
  baseUrl: string,
  limits: RequestLimits = defaultLimits,
  options: { readonly keysAreEncoded?: boolean } = {},
): ObjectStore {
  const [place = ""] = baseUrl.split("?", 1);
  const base = place.replace(/\/+$/u, "");
  /** A signature that is good for all below the prefix, or for the one object that is read. */
  const query = baseUrl.slice(place.length);
  const urlOf = (key: string): string => {
    assertKey(key);
    const encode = options.keysAreEncoded === true ? (part: string) => part : encodeURIComponent;
    return `${base}/${key.split("/").map(encode).join("/")}`;
  };
  const request = async (
    key: string,
    range: GetOptions["range"],
    signal: AbortSignal,
  ): Promise<RangedAnswer> => {
    const url = urlOf(key);
    const answer = await send({ url, query }, range, limits, signal);
    const body = answer.body === null ? Readable.from([]) : Readable.fromWeb(answer.body);
    // Its end, good or bad, is the reader's to see; before there is a reader it must not end the process.
    body.on("error", () => undefined);
    const size = wholeSize(header(answer, "content-range"), lengthOf(answer));
    const found = infoOf(key, size, answer);
    if (range === undefined || answer.status === 206) return { info: found, body };
    const info: ObjectInfo = { ...found, ranged: false };
    if (range.offset + range.length > size) return { info, body };
    if (range.offset <= skippedAtMostBytes) return { info, body: Readable.from(skip(body, range)) };
    body.destroy();
    throw new StoreError("STORE_UNSUPPORTED", `${url}: the server cannot give a part of a file.`, {
      hint: "Use a host that supports range requests, or download the archive and restore it from file://.",
    });
  };

  const stream: ObjectStore["stream"] = (key, options) =>
    streamObject(
      { url: urlOf(key), limits, request: (range, signal) => request(key, range, signal) },
      options,
    );

  return {
    url: base,
    capabilities: { conditionalWrites: false, copyRange: false, readOnly: true },
    partLimits: { minPartSizeBytes: 1, maxPartSizeBytes: 1, maxParts: 1 },
    async head(key, signal) {
      try {
        // Not HEAD: some hosts and most signed addresses allow nothing but GET.
        const { info, body } = await request(key, { offset: 0, length: 1 }, signal);
        body.destroy();
        return info;
      } catch (error) {
        if (hasCode(error, "OBJECT_NOT_FOUND")) return undefined;
        // An empty file has no first byte.
        if (!hasCode(error, "STORE_MISMATCH")) throw error;
        const { info, body } = await request(key, undefined, signal);
        body.destroy();
        return info;
      }
    },
    stream,
    async get(key, options) {
      const { chunks, info } = await stream(key, options);
      return { bytes: await collect(chunks), info };
    },
    put: (key) => refuseWrite(urlOf(key)),
    delete: (key) => refuseWrite(urlOf(key)),
    openUpload: (key) => refuseWrite(urlOf(key)),
    abortUpload: (token) => refuseWrite(urlOf(token.key)),
    probeWritable: () => refuseWrite(base),
    list: () => refuseList(base),
    listUploads: () => refuseList(base),
    urlOf,
    close: async () => undefined,
  };
}

async function send(
  { url, query }: { readonly url: string; readonly query: string },
  range: GetOptions["range"],
  limits: RequestLimits,
  signal: AbortSignal,
): Promise<Response> {
  const headers = {
    // A compressed answer would have other bytes, and no range would fit.
    "accept-encoding": "identity",
    ...(range === undefined ? {} : { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
  };
  for (let attempt = 1; ; attempt += 1) {
    let failure: unknown;
    try {
      const limit = { idleTimeoutMs: limits.idleTimeoutMs, signal, url };
      const answer = await withProgressLimit(limit, (stop) => fetch(url + query, { headers, signal: stop }));
      if (answer.ok) return answer;
      await answer.body?.cancel();
      failure = refusalOf(url, answer.status);
      // 408, 429 and 5xx pass, and so does a signed address that expired on the way; the rest is what the server means.
      const passes = [408, 429].includes(answer.status) || answer.status >= 500;
      if (!passes && !(answer.redirected && answer.status === 403)) throw failure;
    } catch (error) {
      throwIfAborted(signal);
      if (isPortError(error) && !hasCode(error, "STORE_STALLED")) throw error;
      failure = isPortError(error) ? error : unreachable(url, error);
    }
    if (attempt >= limits.attempts) throw failure;
    await systemClock.sleep(Math.min(250 * 2 ** (attempt - 1), 5_000), signal);
  }
}

function refusalOf(url: string, status: number): Error {
  if (status === 404 || status === 410) return new ObjectNotFoundError(url);
  if (status === 401 || status === 403) {
    return new StoreError("STORE_DENIED", `${url} may not be read (HTTP ${status}).`, {
      hint: "Publish the prefix for reading, or use the store's own address (s3://, az://, gs://) with credentials.",
    });
  }
  if (status === 416) {
    return new StoreError("STORE_MISMATCH", `${url} ends before the range that was asked for.`, {
      hint: "The object is damaged or is not what its index says; verify the snapshot.",
    });
  }
  return new StoreError("STORE_FAILED", `${url}: the server answers ${status}.`, {
    hint: "Try again later, or ask whoever runs the server.",
  });
}

function unreachable(url: string, cause: unknown): StoreError {
  return new StoreError("STORE_UNREACHABLE", `${url} cannot be reached.`, {
    hint: "Check the address, DNS, the proxy and the firewall between this host and the server.",
    cause,
  });
}

function infoOf(key: string, size: number, answer: Response): ObjectInfo {
  const etag = header(answer, "etag");
  const modified = Date.parse(header(answer, "last-modified") ?? "");
  // A weak etag promises no equal bytes.
  const strong = etag?.startsWith("W/") === true ? undefined : etag;
  return objectInfo(key, size, strong, Number.isNaN(modified) ? undefined : new Date(modified));
}

function header(answer: Response, name: string): string | undefined {
  return answer.headers.get(name) ?? undefined;
}

function lengthOf(answer: Response): number | undefined {
  const length = header(answer, "content-length");
  return length === undefined ? undefined : Number(length);
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
