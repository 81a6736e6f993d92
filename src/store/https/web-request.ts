/**
 * One request to a web server, with the bytes of its answer as they came: Node's `fetch` unpacks what a server calls encoded,
 * and many call every `.tar.gz` that. Redirects (to short-lived signed addresses, say) are followed here.
 */
import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import { PassThrough, Readable, type Transform } from "node:stream";
import { hasCode, throwIfAborted } from "../../domain/errors.ts";
import { deadline } from "../../system/deadline.ts";
import { mayLeadToProxy, proxyTrouble } from "../../system/proxy.ts";
import { retry, retryAfterMs } from "../../system/retry.ts";
import {
  busy,
  busyStatuses,
  isPortError,
  ObjectNotFoundError,
  stoppedByProxy,
  StoreBusyError,
  StoreError,
} from "../errors.ts";
import type { RequestLimits } from "../limits.ts";
import { patiently } from "../patience.ts";
import { checkRedirect, lookupAfter } from "./redirects.ts";

export interface WebAnswer {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  readonly body: Readable;
  /** The host that redirects have led to, where there were any. */
  readonly sentTo: string | undefined;
}

export interface WebRequest {
  /** For messages; `query` may hold a signature and is in none. */
  readonly url: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly limits: RequestLimits;
  readonly signal: AbortSignal;
}

const mostRedirects = 5;

/** The first answer that is no failure, after as many attempts as the limits allow. Only `status` 2xx is returned. */
export async function askWeb(asked: WebRequest): Promise<WebAnswer> {
  const { limits, signal } = asked;
  return await patiently(limits, signal, async () => await askRepeatedly(asked));
}

async function askRepeatedly(asked: WebRequest): Promise<WebAnswer> {
  const { limits, signal, url } = asked;
  return await retry(
    {
      attempts: limits.attempts,
      firstPauseMs: 250,
      longestPauseMs: 5_000,
      signal,
      passes: (error) => hasCode(error, "STORE_STALLED") || (error instanceof StoreError && error.mayPass),
    },
    async () => {
      try {
        return await follow(asked);
      } catch (error) {
        throwIfAborted(signal);
        if (isPortError(error)) throw error;
        const trouble = proxyTrouble(error);
        if (trouble !== undefined) throw stoppedByProxy(url, trouble, error);
        throw passing("STORE_UNREACHABLE", `${url} cannot be reached.`, {
          hint: "Check the address, DNS, the proxy and the firewall between this host and the server.",
          cause: error,
        });
      }
    },
  );
}

async function follow(asked: WebRequest): Promise<WebAnswer> {
  let at = new URL(asked.url + asked.query);
  let firstAddress: string | undefined;
  for (let redirects = 0; redirects <= mostRedirects; redirects += 1) {
    const lookup = redirects === 0 ? undefined : lookupAfter(firstAddress, asked.url);
    const answer = await askOnce(asked, at, lookup);
    // Of a server behind a proxy no address is known: it may send nobody on to a private one.
    if (redirects === 0 && !mayLeadToProxy(answer.socket.remotePort))
      firstAddress = answer.socket.remoteAddress;
    const status = answer.statusCode ?? 0;
    const location = status >= 300 && status < 400 ? answer.headers.location : undefined;
    if (location !== undefined && status !== 304) {
      discard(answer);
      const next = URL.canParse(location, at.href) ? new URL(location, at) : undefined;
      if (next === undefined) {
        throw new StoreError("STORE_FAILED", `${asked.url} redirects to an address that is none.`);
      }
      checkRedirect(at, next, firstAddress, asked.url);
      at = next;
      continue;
    }
    const isRedirected = redirects > 0;
    if (status >= 200 && status < 300) {
      const header = (name: string): string | undefined => {
        const value = answer.headers[name];
        return typeof value === "string" ? value : value?.[0];
      };
      return {
        status,
        header,
        body: decoded(answer, at.pathname),
        sentTo: isRedirected ? at.host : undefined,
      };
    }
    discard(answer);
    throw refusalOf(asked.url, status, isRedirected, answer.headers["retry-after"]);
  }
  throw new StoreError("STORE_FAILED", `${asked.url} redirects more than ${mostRedirects} times.`);
}

async function askOnce(
  { url, headers, limits, signal }: WebRequest,
  at: URL,
  lookup: ReturnType<typeof lookupAfter> | undefined,
): Promise<IncomingMessage> {
  const limit = {
    ms: limits.idleTimeoutMs,
    code: "STORE_STALLED",
    what: `The answer of ${url}`,
    hint: "Check the server's health and the network to it, then run again.",
    signal,
  } as const;
  return await deadline(limit, async (stop) => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = (at.protocol === "http:" ? requestHttp : requestHttps)(at.href, {
      headers,
      signal: stop,
      ...(lookup === undefined ? {} : { lookup }),
    });
    request.once("response", (answer) => {
      // Its end, good or bad, is the reader's to see; before there is a reader it must not end the process.
      answer.on("error", () => undefined);
      resolve(answer);
    });
    // A server may change the protocol, unasked; that is no answer either.
    request.once("upgrade", (_, socket) => {
      socket.destroy();
      reject(new Error("the server changes the protocol"));
    });
    request.once("close", () => reject(new Error("the connection ended without an answer")));
    request.once("error", reject);
    request.end();
    return await promise;
  });
}

function discard(answer: Readable): void {
  answer.destroy();
}

interface Encoding {
  /** A file whose name ends so is sent as it is, whatever its encoding is said to be. */
  readonly names: RegExp;
  readonly starts: readonly number[];
  readonly decoder: () => Transform;
}

const gzip: Encoding = { names: /\.(?:t?gz)$/iu, starts: [0x1f, 0x8b], decoder: createGunzip };
const encodings: ReadonlyMap<string, Encoding> = new Map(
  Object.entries({
    gzip,
    "x-gzip": gzip,
    zstd: { names: /\.t?zst$/iu, starts: [0x28, 0xb5, 0x2f, 0xfd], decoder: createZstdDecompress },
    deflate: { names: /$^/u, starts: [0x78], decoder: createInflate },
    br: { names: /\.br$/iu, starts: [], decoder: createBrotliDecompress },
  }),
);

/** What of the answer is not the file itself. */
export function isEncoded(answer: Pick<WebAnswer, "header">, pathname: string): boolean {
  const encoding = encodingOf(answer.header("content-encoding"));
  return encoding !== undefined && !encoding.names.test(pathname);
}

function encodingOf(name: string | undefined): Encoding | undefined {
  return encodings.get(name?.trim().toLowerCase() ?? "");
}

/**
 * The file's own bytes. An encoding that stands in the file's name is the file's own, and one that its bytes do not have is only
 * said: servers set the header by any part of a name (`mainnet.tar.gz.sha256`).
 */
function decoded(answer: IncomingMessage, pathname: string): Readable {
  const encoding = encodingOf(answer.headers["content-encoding"]);
  if (encoding === undefined || encoding.names.test(pathname)) return answer;
  const body = Readable.from(unpackIfPacked(answer, encoding));
  body.on("error", () => undefined);
  return body;
}

async function* unpackIfPacked(
  answer: AsyncIterable<Buffer>,
  { starts, decoder }: Encoding,
): AsyncGenerator<Buffer, void, undefined> {
  const chunks = answer[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < starts.length) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  const whole = Readable.from(
    (async function* () {
      if (head.length > 0) yield head;
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
    })(),
  );
  const isPacked = head.length >= starts.length && starts.every((byte, at) => head[at] === byte);
  const unpacked = isPacked ? decoder() : new PassThrough();
  whole.once("error", (error) => unpacked.destroy(error));
  yield* whole.pipe(unpacked) as AsyncIterable<Buffer>;
}

function refusalOf(
  url: string,
  status: number,
  isRedirected: boolean,
  retryAfter: string | undefined,
): Error {
  if (status === 404 || status === 410) return new ObjectNotFoundError(url);
  if (status === 401 || status === 403) {
    // A signed address may have expired on the way to it.
    return new StoreError(
      "STORE_DENIED",
      `${url} may not be read (HTTP ${status}).`,
      {
        hint: "Publish the prefix for reading, or use the store's own address (s3://, az://, gs://) with credentials.",
      },
      isRedirected && status === 403,
    );
  }
  if (status === 416) {
    return new StoreError("STORE_MISMATCH", `${url} ends before the range that was asked for.`, {
      hint: "The object is damaged or is not what its index says; verify the snapshot.",
    });
  }
  if (busyStatuses.has(status)) {
    const message = `${url} ${busy.sentence} (HTTP ${status}).`;
    return new StoreBusyError(message, { hint: busy.hint }, retryAfterMs(retryAfter, Date.now()));
  }
  const message = `${url}: the server answers ${status}.`;
  const details = { hint: "Try again later, or ask whoever runs the server." };
  // 408 and 5xx pass; the rest is what the server means.
  const mayPass = status === 408 || status >= 500;
  return new StoreError("STORE_FAILED", message, details, mayPass);
}

function passing(...[code, message, details]: ConstructorParameters<typeof StoreError>): StoreError {
  return new StoreError(code, message, details, true);
}
