import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findAzureAccess, type AzureAccess } from "../../../src/store/azure/access.ts";
import { serveTokens, type TokenServer } from "../../system/azure-token-server.ts";

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
    const access = findAzureAccess("ignored", {
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
    expect(findAzureAccess("acc", { AZURE_STORAGE_KEY: "k" })).toEqual({
      kind: "key",
      account: "acc",
      key: "k",
      endpoint,
    });
    expect(findAzureAccess("acc", { AZURE_STORAGE_SAS_TOKEN: "?sv=1&sig=2" })).toEqual({
      kind: "sas",
      signature: "sv=1&sig=2",
      endpoint,
    });
  });

  test("says what to do where there is nothing", async () => {
    const metadata = { AZURE_POD_IDENTITY_AUTHORITY_HOST: server.url };
    server.status = 400;
    await expect(tokenOf(findAzureAccess("acc", metadata))).rejects.toMatchObject({
      code: "STORE_CREDENTIALS",
    });
    await server.close();
    await expect(tokenOf(findAzureAccess("acc", metadata))).rejects.toMatchObject({
      code: "STORE_CREDENTIALS",
      hint: expect.stringContaining("azure/login") as unknown,
    });
  });
});
