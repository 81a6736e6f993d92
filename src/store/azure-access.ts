/**
 * How this run may use an Azure storage account, from what the environment has, most specific first: a connection string,
 * an account key, a shared access signature (the names the `az` command uses), then an identity: a federated token or
 * client secret, the signed-in `az` (as `azure/login` leaves it), the machine's managed identity. The identities are plain
 * requests here, since Microsoft's own package for them would double what this action weighs.
 */
import { readFile } from "node:fs/promises";
import { StoreError } from "./errors.ts";
import { query } from "../system/exec.ts";

export interface AccessToken {
  readonly token: string;
  readonly expiresOnTimestamp: number;
}

export type AzureAccess =
  | { readonly kind: "key"; readonly endpoint: string; readonly account: string; readonly key: string }
  | { readonly kind: "sas"; readonly endpoint: string; readonly signature: string }
  | { readonly kind: "token"; readonly endpoint: string; readonly getToken: () => Promise<AccessToken> };

export type Environment = Readonly<Record<string, string | undefined>>;

const storageScope = "https://storage.azure.com/";

export async function findAzureAccess(account: string, environment: Environment): Promise<AzureAccess> {
  const read = (name: string): string | undefined => environment[name] || undefined;
  const settings = parseConnectionString(read("AZURE_STORAGE_CONNECTION_STRING") ?? "");
  const suffix = settings["EndpointSuffix"] ?? "core.windows.net";
  const endpoint = (settings["BlobEndpoint"] ?? `https://${account}.blob.${suffix}`).replace(/\/$/u, "");
  const key = settings["AccountKey"] ?? read("AZURE_STORAGE_KEY");
  if (key !== undefined) return { kind: "key", endpoint, account: settings["AccountName"] ?? account, key };
  const signature = settings["SharedAccessSignature"] ?? read("AZURE_STORAGE_SAS_TOKEN");
  if (signature !== undefined) return { kind: "sas", endpoint, signature: signature.replace(/^\?/u, "") };
  return { kind: "token", endpoint, getToken: keepToken(await findTokenSource(read)) };
}

function parseConnectionString(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(";").map((pair) => /^\s*([^=]+)=(.*)$/u.exec(pair)?.slice(1) ?? []);
  return Object.fromEntries(pairs.filter((pair) => pair.length === 2));
}

type TokenSource = () => Promise<AccessToken>;

async function findTokenSource(read: (name: string) => string | undefined): Promise<TokenSource> {
  const [client, tenant] = [read("AZURE_CLIENT_ID"), read("AZURE_TENANT_ID")];
  const tokenFile = read("AZURE_FEDERATED_TOKEN_FILE");
  const secret = read("AZURE_CLIENT_SECRET");
  if (client !== undefined && tenant !== undefined && (tokenFile ?? secret) !== undefined) {
    const authority = (read("AZURE_AUTHORITY_HOST") ?? "https://login.microsoftonline.com").replace(
      /\/$/u,
      "",
    );
    return async () =>
      requestToken(`${authority}/${tenant}/oauth2/v2.0/token`, {
        method: "POST",
        body: new URLSearchParams({
          grant_type: "client_credentials",
          client_id: client,
          scope: `${storageScope}.default`,
          ...(tokenFile === undefined
            ? { client_secret: secret ?? "" }
            : {
                client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                // Read anew each time: whoever writes it replaces it before it expires.
                client_assertion: (await readFile(tokenFile, "utf8")).trim(),
              }),
        }),
      });
  }
  const fromCommand = await tokenOfCommand();
  if (fromCommand !== undefined) {
    return async () => (await tokenOfCommand()) ?? missing("`az` has no valid session any more");
  }
  const metadata = read("AZURE_POD_IDENTITY_AUTHORITY_HOST") ?? "http://169.254.169.254";
  const identity = client === undefined ? "" : `&client_id=${client}`;
  const url = `${metadata}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=${encodeURIComponent(storageScope)}${identity}`;
  return () => requestToken(url, { headers: { Metadata: "true" } });
}

/** Undefined where `az` is not installed or nobody is signed in. */
async function tokenOfCommand(): Promise<AccessToken | undefined> {
  const argv = ["az", "account", "get-access-token", "--resource", storageScope, "--output", "json"];
  const { exitCode, stdout } = await query(argv, { timeoutMs: 30_000 });
  if (exitCode !== 0) return undefined;
  const { accessToken, expires_on: seconds } = JSON.parse(stdout) as {
    accessToken: string;
    expires_on?: number;
  };
  const assumedMs = 5 * 60_000;
  return {
    token: accessToken,
    expiresOnTimestamp: seconds === undefined ? Date.now() + assumedMs : seconds * 1000,
  };
}

const tokenTimeoutMs = 10_000;

async function requestToken(url: string, init: RequestInit): Promise<AccessToken> {
  let answer: Response;
  try {
    answer = await fetch(url, { ...init, signal: AbortSignal.timeout(tokenTimeoutMs) });
  } catch (cause) {
    return missing("no identity service answers", cause);
  }
  if (!answer.ok) {
    await answer.body?.cancel();
    return missing(`the identity service answers ${answer.status}`);
  }
  const { access_token: token, expires_in: seconds } = (await answer.json()) as {
    access_token: string;
    expires_in: number | string;
  };
  return { token, expiresOnTimestamp: Date.now() + Number(seconds) * 1000 };
}

function missing(why: string, cause?: unknown): never {
  throw new StoreError("STORE_CREDENTIALS", `No credentials for Azure storage: ${why}.`, {
    hint: "Sign in with azure/login before this step, or set AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN.",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** One token for all requests until shortly before it expires. */
function keepToken(source: TokenSource): TokenSource {
  const renewBeforeMs = 2 * 60_000;
  let kept: Promise<AccessToken> | undefined;
  let validUntil = 0;
  return async () => {
    if (kept === undefined || Date.now() > validUntil - renewBeforeMs) {
      validUntil = Infinity;
      kept = source();
      try {
        validUntil = (await kept).expiresOnTimestamp;
      } catch (error) {
        kept = undefined;
        throw error;
      }
    }
    return kept;
  };
}
