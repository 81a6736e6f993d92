/** Answers as Microsoft's token endpoints do, by their published form. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export interface TokenServer {
  readonly url: string;
  readonly asked: string[];
  expiresInSeconds: number;
  status: number;
  close(): Promise<void>;
}

export async function serveTokens(): Promise<TokenServer> {
  const bodyOf = async (request: IncomingMessage): Promise<string> =>
    Buffer.concat(await request.toArray()).toString();
  const http = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      server.asked.push(
        `${request.method} ${request.url} ${body}${String(request.headers["metadata"] ?? "")}`,
      );
      response.writeHead(server.status, { "content-type": "application/json" });
      response.end(
        JSON.stringify({ access_token: `token-${server.asked.length}`, expires_in: server.expiresInSeconds }),
      );
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const server: TokenServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    asked: [],
    expiresInSeconds: 3600,
    status: 200,
    close: () =>
      new Promise((resolve) => {
        http.closeAllConnections();
        http.close(() => resolve());
      }),
  };
  return server;
}
