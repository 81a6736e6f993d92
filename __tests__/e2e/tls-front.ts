/** One server with TLS for several names, each of which leads to a plain server of this machine: what stands behind a proxy. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as ask, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TlsFront {
  readonly port: number;
  /** For NODE_EXTRA_CA_CERTS. */
  readonly caFile: string;
  /** By name: how many requests came. */
  readonly requests: Map<string, number>;
  close(): Promise<void>;
}

/** `targets`: URLs of servers, by name. */
export async function startTlsFront(targets: Readonly<Record<string, string>>): Promise<TlsFront> {
  const directory = mkdtempSync(join(tmpdir(), "tls-front-"));
  const [key, caFile] = [join(directory, "key"), join(directory, "cert")];
  const names = Object.keys(targets).map((name) => `DNS:${name}`);
  const subject = ["-subj", "/CN=behind.test", "-addext", `subjectAltName=${names.join(",")}`];
  const form = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", ...form, "-keyout", key, "-out", caFile, ...subject], { stdio: "ignore" });
  const requests = new Map<string, number>();
  const pass = (request: IncomingMessage, response: ServerResponse): void => {
    const name = (request.headers.host ?? "").replace(/:\d+$/, "");
    requests.set(name, (requests.get(name) ?? 0) + 1);
    const { hostname, port } = new URL(targets[name] ?? "http://127.0.0.1:1");
    const { method, url: path, headers } = request;
    const onward = ask({ hostname, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  };
  const server = createServer({ key: readFileSync(key), cert: readFileSync(caFile) }, pass);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    caFile,
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true });
    },
  };
}
