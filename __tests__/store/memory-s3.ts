/**
 * A store in memory that speaks as much of S3 as an archive's way there and back needs; a copied part is a reference to the bytes it
 * is of. As a process of its own, so that its work is nobody's CPU time but its own: `node memory-s3.ts [KEY CERTIFICATE]` prints its
 * address.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { bytesIn } from "../../src/store/upload/joined.ts";

export interface MemoryS3 {
  readonly url: string;
  readonly objects: Map<string, readonly Buffer[]>;
  /** "GET /bucket/key", in order. */
  readonly requests: string[];
  /** The access key that requests must be signed with; undefined: any. */
  accessKey: string | undefined;
  /** The highest number that a part may have. */
  mostParts: number;
  /** Answers of bodies, and to parts, stand still. */
  stalls: boolean;
  /** An upload is completed, and the answer is that the store is too busy. */
  deniesCompletion: boolean;
  close(): Promise<void>;
}

/** Plain http without a key and a certificate. */
export async function serveMemoryS3(tls?: {
  readonly key: Buffer;
  readonly cert: Buffer;
}): Promise<MemoryS3> {
  const objects = new Map<string, readonly Buffer[]>();
  const etags = new Map<string, string>();
  const uploads = new Map<string, Map<number, readonly Buffer[]>>();
  let writes = 0;
  const etagOf = (path: string): string =>
    etags.get(path) ?? `"${path.length}-${bytesIn(objects.get(path) ?? [])}"`;
  const store = (path: string, pieces: readonly Buffer[]): string => {
    objects.set(path, pieces);
    const etag = `"${(writes += 1)}"`;
    etags.set(path, etag);
    return etag;
  };
  const listen = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  };
  const http = tls === undefined ? createPlainServer(listen) : createServer(tls, listen);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  const server: MemoryS3 = {
    url: tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
    objects,
    requests: [],
    accessKey: undefined,
    mostParts: 10_000,
    stalls: false,
    deniesCompletion: false,
    close: async () =>
      await new Promise((resolve) => {
        http.closeAllConnections();
        http.close(() => resolve());
      }),
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "https://store");
    const upload = searchParams.get("uploadId");
    server.requests.push(`${request.method} ${pathname}`);
    const key = /Credential=([^/]+)/u.exec(request.headers.authorization ?? "")?.[1];
    if (server.accessKey !== undefined && key !== server.accessKey) {
      return refuse(response, 400, "ExpiredToken");
    }
    if (request.method === "GET" && searchParams.has("list-type"))
      return list(response, pathname, searchParams.get("prefix") ?? "");
    if (request.method === "GET" && searchParams.has("uploads"))
      return void response.end("<ListMultipartUploadsResult></ListMultipartUploadsResult>");
    if (request.method === "GET" || request.method === "HEAD") return read(request, response, pathname);
    const body = await bodyOf(request);
    if (request.method === "PUT") {
      if (server.stalls) return;
      if (upload === null) return put(request, response, pathname, body);
      const number = Number(searchParams.get("partNumber"));
      if (number > server.mostParts) return refuse(response, 400, "InvalidArgument");
      const source = request.headers["x-amz-copy-source"];
      if (source === undefined) uploads.get(upload)?.set(number, [body]);
      else
        return copy(request, response, `/${decodeURIComponent(String(source))}`, (pieces) => {
          uploads.get(upload)?.set(number, pieces);
        });
      response.writeHead(200, { etag: `"${body.length}"` }).end();
    } else if (request.method === "POST" && upload === null) {
      const id = randomUUID();
      uploads.set(id, new Map());
      response.end(
        `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      );
    } else if (request.method === "POST") {
      const found = uploads.get(upload ?? "");
      if (found === undefined) return refuse(response, 404, "NoSuchUpload");
      const parts = [...found].toSorted(([a], [b]) => a - b);
      uploads.delete(upload ?? "");
      const etag = store(
        pathname,
        parts.flatMap(([, part]) => part),
      );
      if (server.deniesCompletion) return refuse(response, 503, "SlowDown");
      response.end(`<CompleteMultipartUploadResult><ETag>${etag}</ETag></CompleteMultipartUploadResult>`);
    } else {
      if (upload === null) objects.delete(pathname);
      uploads.delete(upload ?? "");
      response.writeHead(204).end();
    }
  }

  function put(request: IncomingMessage, response: ServerResponse, path: string, body: Buffer): void {
    const isThere = objects.has(path);
    const { "if-none-match": absent, "if-match": wanted } = request.headers;
    if ((absent !== undefined && isThere) || (wanted !== undefined && (!isThere || wanted !== etagOf(path))))
      return refuse(response, 412, "PreconditionFailed");
    response.writeHead(200, { etag: store(path, [body]) }).end();
  }

  function copy(
    { headers }: IncomingMessage,
    response: ServerResponse,
    source: string,
    keep: (pieces: readonly Buffer[]) => void,
  ): void {
    const pieces = objects.get(source);
    if (pieces === undefined) return refuse(response, 404, "NoSuchKey");
    if (headers["x-amz-copy-source-if-match"] !== etagOf(source))
      return refuse(response, 412, "PreconditionFailed");
    const [, from, last] = /bytes=(\d+)-(\d+)/u.exec(String(headers["x-amz-copy-source-range"])) ?? [];
    keep([...slices(pieces, Number(from), Number(last) + 1)]);
    response.end(`<CopyPartResult><ETag>"copied"</ETag></CopyPartResult>`);
  }

  function list(response: ServerResponse, bucket: string, prefix: string): void {
    const start = `${bucket.replace(/\/$/u, "")}/`;
    const found = [...objects].filter(([path]) => path.startsWith(start + prefix));
    const contents = found.map(
      ([path, pieces]) =>
        `<Contents><Key>${path.slice(start.length)}</Key><Size>${bytesIn(pieces)}</Size><ETag>${etagOf(path)}</ETag></Contents>`,
    );
    response.end(`<ListBucketResult>${contents.join("")}</ListBucketResult>`);
  }

  function read(request: IncomingMessage, response: ServerResponse, path: string): void {
    const pieces = objects.get(path);
    if (pieces === undefined) {
      return refuse(response, 404, "NoSuchKey");
    }
    const size = bytesIn(pieces);
    const range = /bytes=(\d+)-(\d+)/u.exec(request.headers.range ?? "");
    const from = Number(range?.[1] ?? 0);
    const end = Math.min(size, Number(range?.[2] ?? size - 1) + 1);
    response.writeHead(range === null ? 200 : 206, {
      etag: etagOf(path),
      "last-modified": new Date().toUTCString(),
      "content-length": end - from,
      ...(range === null ? {} : { "content-range": `bytes ${from}-${end - 1}/${size}` }),
    });
    if (request.method === "GET")
      for (const slice of slices(pieces, from, end)) {
        response.write(server.stalls ? slice.subarray(0, 1) : slice);
        if (server.stalls) return;
      }
    response.end();
  }

  return server;
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(`<Error><Code>${code}</Code><Message>no</Message></Error>`);
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function* slices(pieces: readonly Buffer[], from: number, end: number): Generator<Buffer> {
  let at = 0;
  for (const piece of pieces) {
    const slice = piece.subarray(Math.max(0, from - at), Math.max(0, end - at));
    if (slice.length > 0) yield slice;
    at += piece.length;
  }
}

if (import.meta.main) {
  const [key, certificate] = process.argv.slice(2).map((file) => readFileSync(file));
  const tls = key === undefined || certificate === undefined ? undefined : { key, cert: certificate };
  console.log((await serveMemoryS3(tls)).url);
}
