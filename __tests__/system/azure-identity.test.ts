import { execFile } from "node:child_process";
import { createVerify, X509Certificate } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { azureManagement, azureStorage, azureTokens } from "../../src/system/azure-identity.ts";
import { serveTokens, type TokenServer } from "./azure-token-server.ts";

describe("the identity of a run on Azure", () => {
  let server: TokenServer;
  let directory = "";
  const searchPath = process.env["PATH"];
  beforeEach(async () => {
    server = await serveTokens();
    directory = await mkdtemp(path.join(tmpdir(), "azure-identity-"));
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
  const application = (more: Record<string, string>): Record<string, string> => ({
    AZURE_CLIENT_ID: "client",
    AZURE_TENANT_ID: "tenant",
    AZURE_AUTHORITY_HOST: server.url,
    ...more,
  });

  test("exchanges a federated token, read anew each time, and keeps what it got until it expires", async () => {
    const file = path.join(directory, "token");
    await writeFile(file, "first\n");
    const environment = application({ AZURE_FEDERATED_TOKEN_FILE: file });
    const tokens = azureTokens(environment, azureStorage);
    const both = await Promise.all([tokens(), tokens()]);
    expect(both.map(({ token }) => token)).toEqual(["token-1", "token-1"]);
    expect(server.asked.length).toBe(1);
    expect(server.asked[0]).toMatch(/^POST \/tenant\/oauth2\/v2\.0\/token .*client_assertion=first/);
    server.expiresInSeconds = 60;
    const short = azureTokens(environment, azureStorage);
    await short();
    await writeFile(file, "second\n");
    await short();
    expect(server.asked.at(-1)).toContain("client_assertion=second");
  });

  test("is a client secret, the signed-in command, and the machine's identity, in this order", async () => {
    const secret = azureTokens(application({ AZURE_CLIENT_SECRET: "s" }), azureStorage);
    expect((await secret()).token).toBe("token-1");
    expect(server.asked[0]).toContain("client_secret=s");
    const metadata = { AZURE_POD_IDENTITY_AUTHORITY_HOST: server.url };
    await signIn(`echo '{"accessToken": "from-command", "expires_on": 4102444800}'`);
    expect((await azureTokens(metadata, azureStorage)()).token).toBe("from-command");
    await signIn("exit 1");
    expect((await azureTokens(metadata, azureStorage)()).token).toBe("token-2");
    expect(server.asked[1]).toMatch(/^GET \/metadata\/identity\/oauth2\/token\?.*resource=https.*true$/);
  });

  test("is the same for every resource: a command that gives no token for one is not passed over", async () => {
    await signIn(`case "$*" in *show*|*storage*) echo '{"accessToken": "blobs"}';; *) exit 1;; esac`);
    const environment = { AZURE_POD_IDENTITY_AUTHORITY_HOST: server.url };
    expect((await azureTokens(environment, azureStorage)()).token).toBe("blobs");
    await expect(azureTokens(environment, azureManagement)()).rejects.toMatchObject({
      code: "CLOUD_CREDENTIALS",
    });
    expect(server.asked).toEqual([]);
  });

  test("asks for the resource it is wanted for", async () => {
    const environment = application({ AZURE_CLIENT_SECRET: "s" });
    await azureTokens(environment, azureStorage)();
    await azureTokens(environment, azureManagement)();
    expect(server.asked.map((one) => /scope=([^&]*)/.exec(one)?.[1])).toEqual(
      [azureStorage, azureManagement].map((resource) => encodeURIComponent(`${resource}.default`)),
    );
  });

  test("signs with a client certificate", async () => {
    const [key, certificate] = [path.join(directory, "key.pem"), path.join(directory, "cert.pem")];
    const make = `req -x509 -newkey rsa:2048 -nodes -subj /CN=test -keyout ${key} -out ${certificate}`;
    await promisify(execFile)("openssl", make.split(" "));
    const both = path.join(directory, "both.pem");
    await writeFile(both, `${await readFile(key, "utf8")}${await readFile(certificate, "utf8")}`);
    await azureTokens(application({ AZURE_CLIENT_CERTIFICATE_PATH: both }), azureStorage)();
    const assertion = /client_assertion=([^&]+)/.exec(server.asked[0] ?? "")?.[1] ?? "";
    const [head = "", body = "", signature = ""] = assertion.split(".");
    const { publicKey } = new X509Certificate(await readFile(certificate));
    const verifier = createVerify("sha256").update(`${head}.${body}`);
    expect(verifier.verify(publicKey, signature, "base64url")).toBe(true);
    expect(JSON.parse(Buffer.from(body, "base64url").toString())).toMatchObject({
      iss: "client",
      aud: `${server.url}/tenant/oauth2/v2.0/token`,
    });
  });
});
