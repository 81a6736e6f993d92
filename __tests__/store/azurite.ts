/** The Azurite that `testbed/azurite.sh up` has brought up; undefined when it is not. */
import { readFileSync } from "node:fs";
import path from "node:path";

export interface Azurite {
  readonly endpoint: string;
  /** Of its one account, published in Azurite's documentation. */
  readonly key: string;
  readonly connection: string;
}

const key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

export function azuriteConnection(endpoint: string, accountKey = key): string {
  return `DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=${accountKey};BlobEndpoint=${endpoint};`;
}

function find(): Azurite | undefined {
  try {
    const root = process.env["TESTBED_DIR"] ?? "/var/tmp/testbed";
    const endpoint = readFileSync(path.join(root, "azurite", "endpoint"), "utf8").trim();
    return { endpoint, key, connection: azuriteConnection(endpoint) };
  } catch {
    return undefined;
  }
}

export const azurite = find();
