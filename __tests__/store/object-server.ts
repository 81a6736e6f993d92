/**
 * A web server with a few objects in memory, as a static host or (for reads) an S3 endpoint would serve them, and with
 * the misbehaviour of real ones on demand: bodies that break or stand still, ranges ignored, objects replaced meanwhile.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ServedObject {
  readonly bytes: Buffer;
  /** Default: from the bytes. */
  readonly etag?: string;
}

export interface Misbehaviour {
  /** The answer's body ends (connection destroyed), stands still or drips after so many bytes; for the next `times` bodies. */
  readonly kind: "cut" | "stall" | "drip";
  readonly afterBytes: number;
  times: number;
}

export interface ObjectServer {
  readonly url: string;
  readonly objects: Map<string, ServedObject>;
  /** How many were opened. */
  connections: number;
  /** "GET /key bytes=0-1", in order. */
  readonly requests: string[];
  misbehaviour: Misbehaviour | undefined;
  /** Accept requests and never answer. */
  silent: boolean;
  ignoresRanges: boolean;
  /** Answers in chunks and says no length. */
  omitsLength: boolean;
  /** Says that each answer is encoded so. */
  encoding: string | undefined;
  /** So many servers in turn, each with an etag of its own. */
  mirrors: number;
  /** Answers with this status instead, for a path. */
  readonly statuses: Map<string, number>;
  readonly redirects: Map<string, string>;
  close(): Promise<void>;
}

export async function serveObjects(): Promise<ObjectServer> {
  const http = createServer((request, response) => answer(server, request, response));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const server: ObjectServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    objects: new Map(),
    requests: [],
    connections: 0,
    misbehaviour: undefined,
    silent: false,
    ignoresRanges: false,
    omitsLength: false,
    encoding: undefined,
    mirrors: 1,
    statuses: new Map(),
    redirects: new Map(),
    close: () =>
      new Promise((resolve) => {
        http.closeAllConnections();
        http.close(() => resolve());
      }),
  };
  http.on("connection", () => (server.connections += 1));
  return server;
}

function answer(server: ObjectServer, request: IncomingMessage, response: ServerResponse): void {
  const path = decodeURIComponent(new URL(request.url ?? "/", server.url).pathname);
  const range = request.headers.range;
  server.requests.push(`${request.method} ${path}${range === undefined ? "" : ` ${range}`}`);
  if (server.silent) return;
  const redirect = server.redirects.get(path);
  if (redirect !== undefined) {
    response.writeHead(302, { location: redirect }).end();
    return;
  }
  const object = server.objects.get(path);
  const status = server.statuses.get(path) ?? (object === undefined ? 404 : 200);
  if (object === undefined || status !== 200) {
    response.writeHead(status).end();
    return;
  }
  const { bytes } = object;
  const mirror = server.mirrors === 1 ? "" : `-${server.requests.length % server.mirrors}`;
  const encoding = server.encoding === undefined ? {} : { "content-encoding": server.encoding };
  const headers = {
    ...encoding,
    etag: object.etag ?? `"${createHash("md5").update(bytes).digest("hex")}${mirror}"`,
    "last-modified": new Date(1_700_000_000_000).toUTCString(),
  };
  const [, first, last] = /^bytes=(\d+)-(\d*)$/u.exec(range ?? "") ?? [];
  if (first === undefined || server.ignoresRanges) {
    response.writeHead(200, { ...headers, ...lengthOf(server, bytes.length) });
    send(server, request, response, bytes);
    return;
  }
  const from = Number(first);
  const to = Math.min(bytes.length, last === "" ? bytes.length : Number(last) + 1);
  if (from >= bytes.length) {
    response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
    return;
  }
  response.writeHead(206, {
    ...headers,
    ...lengthOf(server, to - from),
    "content-range": `bytes ${from}-${to - 1}/${bytes.length}`,
  });
  send(server, request, response, bytes.subarray(from, to));
}

function lengthOf(server: ObjectServer, length: number): Record<string, number> {
  return server.omitsLength ? {} : { "content-length": length };
}

function send(server: ObjectServer, request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  const fault = server.misbehaviour;
  if (
    request.method === "HEAD" ||
    fault === undefined ||
    fault.times === 0 ||
    fault.afterBytes >= body.length
  ) {
    response.end(request.method === "HEAD" ? undefined : body);
    return;
  }
  fault.times -= 1;
  response.write(body.subarray(0, fault.afterBytes), () => {
    if (fault.kind === "cut") response.destroy();
    if (fault.kind === "drip") drip(response, body.subarray(fault.afterBytes));
  });
}

/** A byte every ten milliseconds, for as long as somebody listens. */
function drip(response: ServerResponse, rest: Buffer): void {
  let at = 0;
  const timer = setInterval(() => response.write(rest.subarray(at, (at += 1))), 10);
  response.once("close", () => clearInterval(timer));
}
