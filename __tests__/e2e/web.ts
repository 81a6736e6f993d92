/** A directory on the web, whose archives stand still or become other ones after so many of their bytes were sent. */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pause } from "./support.ts";

export async function serveDirectory(root: string) {
  let lastByteAt = Date.now();
  let turn = Promise.resolve();
  const web = {
    url: "",
    stallAfterBytes: Infinity,
    changeAfterBytes: Infinity,
    archiveBytesSent: 0,
    stalled: 0,
    idleMs: () => Date.now() - lastByteAt,
    close: async (): Promise<void> => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  const server = createServer((request, response) => {
    const path = join(root, decodeURIComponent(new URL(request.url ?? "", "http://web").pathname));
    if (!existsSync(path) || !statSync(path).isFile()) {
      response.writeHead(404).end();
      return;
    }
    const { size } = statSync(path);
    const isArchive = path.endsWith(".tar.zst");
    const changed = isArchive && web.archiveBytesSent >= web.changeAfterBytes;
    const etag = `"${createHash("sha256")
      .update(`${path} ${String(changed)}`)
      .digest("hex")}"`;
    const [, from = "0", to = String(size - 1)] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? [];
    const range = { start: Number(from), end: Math.min(Number(to), size - 1) };
    response.writeHead(request.headers.range === undefined ? 200 : 206, {
      etag,
      "content-length": range.end - range.start + 1,
      "accept-ranges": "bytes",
      ...(request.headers.range === undefined
        ? {}
        : { "content-range": `bytes ${range.start}-${range.end}/${size}` }),
    });
    if (request.method === "HEAD") response.end();
    else {
      const answer = async (): Promise<void> =>
        await send(response, path, range, isArchive).catch(() => void response.destroy());
      // One after the other: the one that stands still is then the only one that is half sent.
      if (isArchive && web.stallAfterBytes < Infinity) turn = turn.then(answer);
      else void answer();
    }
  });
  const send = async (
    response: ServerResponse,
    path: string,
    range: { start: number; end: number },
    isArchive: boolean,
  ): Promise<void> => {
    for await (const chunk of createReadStream(path, range) as AsyncIterable<Buffer>) {
      if (isArchive) {
        if (web.archiveBytesSent >= web.stallAfterBytes) {
          web.stalled += 1;
          // Nobody has a turn after it.
          return await new Promise<never>(() => undefined);
        }
        web.archiveBytesSent += chunk.length;
      }
      lastByteAt = Date.now();
      if (!response.write(chunk)) await new Promise((done) => response.once("drain", done));
      await pause(1);
    }
    response.end();
  };
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  web.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return web;
}
