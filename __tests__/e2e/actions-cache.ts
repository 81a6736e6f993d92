/** The Actions cache service as `@actions/cache` speaks to it (version 2: JSON calls and a blob), with one entry. */
import { createServer, type IncomingMessage } from "node:http";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";

export interface ActionsCache {
  /** For the environment of a job. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the one archive is, once something was saved. */
  readonly blob: string;
  /** Key of what was saved. */
  key(): string | undefined;
  close(): Promise<void>;
}

export async function startActionsCache(blob: string): Promise<ActionsCache> {
  let entry: { key: string; version: string } | undefined;
  const answer = async (request: IncomingMessage): Promise<{ status: number; body: Buffer | object }> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const path = request.url?.split("?")[0] ?? "";
    const signed = `http://${request.headers.host}/container/blob?sig=x`;
    if (request.method === "PUT") {
      writeFileSync(blob, body);
      return { status: 201, body: Buffer.alloc(0) };
    }
    if (request.method === "GET") return { status: 200, body: readFileSync(blob) };
    const asked = JSON.parse(body.toString()) as { key: string; version: string };
    switch (path.split("/").at(-1) ?? "") {
      case "CreateCacheEntry":
        entry = { key: asked.key, version: asked.version };
        return { status: 200, body: { ok: true, signed_upload_url: signed } };
      case "FinalizeCacheEntryUpload":
        return { status: 200, body: { ok: true, entry_id: "1" } };
      case "GetCacheEntryDownloadURL": {
        const ok = existsSync(blob) && asked.key === entry?.key && asked.version === entry.version;
        return {
          status: 200,
          body: ok ? { ok, signed_download_url: signed, matched_key: asked.key } : { ok },
        };
      }
      default:
        return { status: 404, body: {} };
    }
  };
  const server = createServer((request, response) => {
    void answer(request).then(({ status, body }) => {
      const isBlob = Buffer.isBuffer(body);
      response.writeHead(status, {
        "content-type": isBlob ? "application/octet-stream" : "application/json",
      });
      response.end(isBlob ? body : JSON.stringify(body));
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    env: {
      ACTIONS_CACHE_SERVICE_V2: "true",
      ACTIONS_RESULTS_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      ACTIONS_RUNTIME_TOKEN: "token",
    },
    blob,
    key: () => entry?.key,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
