/**
 * A CONNECT proxy as firms run them, and a server with TLS behind it that can be reached through it alone: every name leads
 * there. Certificates are made by openssl and trusted by this process until the end.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import { connect, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";

export interface ConnectProxy {
  /** With a user and a password, which it asks for. */
  readonly url: string;
  readonly host: string;
  readonly password: string;
  /** What it was asked to connect to. */
  readonly asked: string[];
  /** What the server behind it was asked. */
  readonly requests: string[];
  /** An answer that it gives instead of a tunnel. */
  refuses: number | undefined;
  /** The server's answer. */
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  readonly caFile: string;
  close(): Promise<void>;
}

export async function startConnectProxy(names: readonly string[]): Promise<ConnectProxy> {
  const directory = mkdtempSync(join(tmpdir(), "connect-proxy-"));
  const [key, cert] = [join(directory, "key"), join(directory, "cert")];
  const alternatives = names.map((name) => `DNS:${name}`).join(",");
  const subject = ["-subj", "/CN=behind-the-proxy", "-addext", `subjectAltName=${alternatives}`];
  const form = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", ...form, "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" });
  setDefaultCACertificates([...getCACertificates("default"), readFileSync(cert, "utf8")]);

  const sockets = new Set<Socket>();
  const requests: string[] = [];
  const behind = createHttps({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    requests.push(`${request.method} https://${request.headers.host}${request.url}`);
    proxy.answer(request, response);
  });
  const front = createHttp((request, response) => {
    proxy.asked.push(`${request.method} ${request.url}`);
    response.writeHead(400).end();
  });
  const password = "geheim-9371";
  const authorization = `Basic ${Buffer.from(`user:${password}`).toString("base64")}`;
  front.on("connect", (request, client: Socket) => {
    proxy.asked.push(`CONNECT ${request.url}`);
    client.on("error", () => undefined);
    const status = request.headers["proxy-authorization"] === authorization ? proxy.refuses : 407;
    if (status !== undefined) {
      client.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const upstream = connect((behind.address() as AddressInfo).port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      client.pipe(upstream).pipe(client);
    });
    sockets.add(upstream);
    upstream.on("error", () => client.destroy());
    client.on("close", () => upstream.destroy());
  });
  front.on("connection", (socket) => sockets.add(socket));
  for (const server of [behind, front]) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  }
  const host = `127.0.0.1:${(front.address() as AddressInfo).port}`;
  const proxy: ConnectProxy = {
    url: `http://user:${password}@${host}`,
    host,
    password,
    asked: [],
    requests,
    refuses: undefined,
    answer: (_, response) => response.writeHead(404).end(),
    caFile: cert,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await Promise.all([behind, front].map((each) => new Promise((resolve) => each.close(resolve))));
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return proxy;
}
