import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findAzureAccess, type AzureAccess } from "../../src/store/azure-access.ts";

interface TokenServer {
  readonly url: string;
  readonly asked: string[];
  expiresInSeconds: number;
  status: number;
  close(): Promise<void>;
}

/** Answers as Microsoft's token endpoints do, by their published form. */
async function serveTokens(): Promise<TokenServer> {
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

async function tokenOf(access: AzureAccess): Promise<string | undefined> {
  return access.kind === "token" ? (await access.getToken()).token : undefined;
}

describe("access to an Azure account", () => {
  let server: TokenServer;
  let directory = "";
  const searchPath = process.env["PATH"];
  beforeEach(async () => {
    server = await serveTokens();
    directory = await mkdtemp(path.join(tmpdir(), "azure-access-"));
    // An `az` of this test's own: nobody is signed in.
    await signIn("exit 1");
    process.env["PATH"] = `${directory}:${searchPath}`;
  });
  afterEach(async () => {
    process.env["PATH"] = searchPath;
    await server.close();
    await rm(directory, { recursive: true, force: true });
  });
  const signIn = async (script: string): Promise<void> => {
    await writeFile(path.join(directory, "az"), `#!/bin/sh\n${script}\n`);
    await chmod(path.join(directory, "az"), 0o755);
  };

  test("takes a connection string before all else", async () => {
    const access = await findAzureAccess("ignored", {
      AZURE_STORAGE_CONNECTION_STRING:
        "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5==;EndpointSuffix=core.chinacloudapi.cn",
      AZURE_STORAGE_KEY: "other",
    });
    expect(access).toEqual({
      kind: "key",
      account: "acc",
      key: "a2V5==",
      endpoint: "https://ignored.blob.core.chinacloudapi.cn",
    });
  });

  test("takes a key or a signature", async () => {
    const endpoint = "https://acc.blob.core.windows.net";
    expect(await findAzureAccess("acc", { AZURE_STORAGE_KEY: "k" })).toEqual({
      kind: "key",
      account: "acc",
      key: "k",
      endpoint,
    });
    expect(await findAzureAccess("acc", { AZURE_STORAGE_SAS_TOKEN: "?sv=1&sig=2" })).toEqual({
      kind: "sas",
      signature: "sv=1&sig=2",
      endpoint,
    });
  });

  test("exchanges a federated token, read anew each time, and keeps what it got until it expires", async () => {
    const file = path.join(directory, "token");
    await writeFile(file, "first\n");
    const access = await findAzureAccess("acc", {
      AZURE_CLIENT_ID: "client",
      AZURE_TENANT_ID: "tenant",
      AZURE_FEDERATED_TOKEN_FILE: file,
      AZURE_AUTHORITY_HOST: server.url,
    });
    expect(await Promise.all([tokenOf(access), tokenOf(access)])).toEqual(["token-1", "token-1"]);
    expect(server.asked.length).toBe(1);
    expect(server.asked[0]).toMatch(/^POST \/tenant\/oauth2\/v2\.0\/token .*client_assertion=first/);
    server.expiresInSeconds = 60;
    const short = await findAzureAccess("acc", {
      AZURE_CLIENT_ID: "client",
      AZURE_TENANT_ID: "tenant",
      AZURE_FEDERATED_TOKEN_FILE: file,
      AZURE_AUTHORITY_HOST: server.url,
    });
    await tokenOf(short);
    await writeFile(file, "second\n");
    await tokenOf(short);
    expect(server.asked.at(-1)).toContain("client_assertion=second");
  });

  test("takes a client secret, the signed-in command, and the machine's identity, in this order", async () => {
    const secret = await findAzureAccess("acc", {
      AZURE_CLIENT_ID: "client",
      AZURE_TENANT_ID: "tenant",
      AZURE_CLIENT_SECRET: "s",
      AZURE_AUTHORITY_HOST: server.url,
    });
    expect(await tokenOf(secret)).toBe("token-1");
    expect(server.asked[0]).toContain("client_secret=s");
    const metadata = { AZURE_POD_IDENTITY_AUTHORITY_HOST: server.url };
    await signIn(`echo '{"accessToken": "from-command", "expires_on": 4102444800}'`);
    expect(await tokenOf(await findAzureAccess("acc", metadata))).toBe("from-command");
    await signIn("exit 1");
    expect(await tokenOf(await findAzureAccess("acc", metadata))).toBe("token-2");
    expect(server.asked[1]).toMatch(/^GET \/metadata\/identity\/oauth2\/token\?.*resource=https.*true$/);
  });

  test("says what to do where there is nothing", async () => {
    const metadata = { AZURE_POD_IDENTITY_AUTHORITY_HOST: server.url };
    server.status = 400;
    await expect(tokenOf(await findAzureAccess("acc", metadata))).rejects.toMatchObject({
      code: "STORE_CREDENTIALS",
    });
    await server.close();
    await expect(tokenOf(await findAzureAccess("acc", metadata))).rejects.toMatchObject({
      code: "STORE_CREDENTIALS",
      hint: expect.stringContaining("azure/login") as unknown,
    });
  });
});
