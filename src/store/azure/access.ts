/**
 * How this run may use an Azure storage account, from what the environment has, most specific first: a connection string,
 * an account key, a shared access signature (the names the `az` command uses), then the identity of the run.
 */
import { StoreError } from "../errors.ts";
import { hasCode } from "../../domain/errors.ts";
import {
  azureStorage,
  azureTokens,
  type AccessToken,
  type AzureEnvironment,
} from "../../system/azure-identity.ts";

export type AzureAccess =
  | { readonly kind: "key"; readonly endpoint: string; readonly account: string; readonly key: string }
  | { readonly kind: "sas"; readonly endpoint: string; readonly signature: string }
  | { readonly kind: "token"; readonly endpoint: string; readonly getToken: () => Promise<AccessToken> };

export function findAzureAccess(account: string, environment: AzureEnvironment): AzureAccess {
  const read = (name: string): string | undefined => environment[name] || undefined;
  const settings = parseConnectionString(read("AZURE_STORAGE_CONNECTION_STRING") ?? "");
  const suffix = settings["EndpointSuffix"] ?? "core.windows.net";
  const endpoint = (settings["BlobEndpoint"] ?? `https://${account}.blob.${suffix}`).replace(/\/$/u, "");
  const key = settings["AccountKey"] ?? read("AZURE_STORAGE_KEY");
  if (key !== undefined) return { kind: "key", endpoint, account: settings["AccountName"] ?? account, key };
  const signature = settings["SharedAccessSignature"] ?? read("AZURE_STORAGE_SAS_TOKEN");
  if (signature !== undefined) return { kind: "sas", endpoint, signature: signature.replace(/^\?/u, "") };
  return { kind: "token", endpoint, getToken: explained(azureTokens(environment, azureStorage)) };
}

function parseConnectionString(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(";").map((pair) => /^\s*([^=]+)=(.*)$/u.exec(pair)?.slice(1) ?? []);
  return Object.fromEntries(pairs.filter((pair) => pair.length === 2));
}

/** A storage account has more ways in than an identity: people are told of them all. */
function explained(tokens: () => Promise<AccessToken>): () => Promise<AccessToken> {
  return async () => {
    try {
      return await tokens();
    } catch (error) {
      if (!hasCode(error, "CLOUD_CREDENTIALS")) throw error;
      throw new StoreError("STORE_CREDENTIALS", error.message, {
        hint: "Sign in with azure/login before this step, or set AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN.",
        cause: error.cause,
      });
    }
  };
}
