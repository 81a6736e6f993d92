/**
 * Who this run is to Azure, for its blobs and its disks alike: a federated token, a client certificate or secret from the
 * environment, else the signed-in `az` (as `azure/login` leaves it), else the machine's managed identity. Which of them it is does not
 * depend on what a token is wanted for, so one run never acts as two identities. Plain requests: Microsoft's package for
 * this would double what the action weighs, and brings a program along that opens browsers.
 */
import { createHash, createSign, randomUUID, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ActionError } from "../domain/errors.ts";
import { query } from "./exec.ts";
import { timeLimit } from "./deadline.ts";
import { proxyTrouble } from "./proxy.ts";

export interface AccessToken {
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly expiresOnTimestamp: number;
}

export type AzureEnvironment = Readonly<Record<string, string | undefined>>;

export const azureStorage = "https://storage.azure.com/";
export const azureManagement = "https://management.azure.com/";

type TokenSource = (resource: string) => Promise<AccessToken>;
type Read = (name: string) => string | undefined;

/** Tokens for one resource (its URL, with a slash at the end), each kept until shortly before it expires. CLOUD_CREDENTIALS. */
export function azureTokens(environment: AzureEnvironment, resource: string): () => Promise<AccessToken> {
  const read: Read = (name) => environment[name] || undefined;
  let source: Promise<TokenSource> | undefined;
  return keepToken(async () => {
    source ??= findSource(read);
    try {
      return await (
        await source
      )(resource);
    } catch (error) {
      source = undefined;
      throw error;
    }
  });
}

async function findSource(read: Read): Promise<TokenSource> {
  const fromEnvironment = sourceInEnvironment(read);
  if (fromEnvironment !== undefined) return fromEnvironment;
  if (await isSignedIn()) return tokenOfCommand;
  return tokenOfMachine(read);
}

function sourceInEnvironment(read: Read): TokenSource | undefined {
  const [client, tenant] = [read("AZURE_CLIENT_ID"), read("AZURE_TENANT_ID")];
  const tokenFile = read("AZURE_FEDERATED_TOKEN_FILE");
  const certificateFile = read("AZURE_CLIENT_CERTIFICATE_PATH");
  const secret = read("AZURE_CLIENT_SECRET");
  if (client === undefined || tenant === undefined) return undefined;
  const host = (read("AZURE_AUTHORITY_HOST") ?? "https://login.microsoftonline.com").replace(/\/$/u, "");
  const url = `${host}/${tenant}/oauth2/v2.0/token`;
  const exchange = (proofOf: () => Promise<Record<string, string>>): TokenSource => {
    return async (resource) =>
      await requestToken(url, {
        method: "POST",
        body: new URLSearchParams({
          grant_type: "client_credentials",
          client_id: client,
          scope: `${resource}.default`,
          ...(await proofOf()),
        }),
      });
  };
  const assertion = (text: string): Record<string, string> => ({
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: text,
  });
  // Read anew each time: whoever writes it replaces it before it expires.
  if (tokenFile !== undefined)
    return exchange(async () => assertion((await readFile(tokenFile, "utf8")).trim()));
  if (secret !== undefined) return exchange(async () => ({ client_secret: secret }));
  if (certificateFile === undefined) return undefined;
  return exchange(async () => assertion(signAssertion(await readFile(certificateFile, "utf8"), client, url)));
}

/** https://learn.microsoft.com/entra/identity-platform/certificate-credentials; the file holds certificate and key as PEM. */
function signAssertion(pem: string, client: string, audience: string): string {
  const thumbprint = createHash("sha256").update(new X509Certificate(pem).raw).digest("base64url");
  const now = Math.floor(Date.now() / 1000);
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = part({ alg: "RS256", typ: "JWT", "x5t#S256": thumbprint });
  const body = part({
    aud: audience,
    iss: client,
    sub: client,
    jti: randomUUID(),
    nbf: now - 60,
    exp: now + 600,
  });
  const signature = createSign("sha256").update(`${head}.${body}`).sign(pem, "base64url");
  return `${head}.${body}.${signature}`;
}

const commandTimeoutMs = 30_000;

/** False where `az` is not installed or nobody is signed in. Asks nothing over the network. */
async function isSignedIn(): Promise<boolean> {
  const found = await query(["az", "account", "show", "--output", "none"], { timeoutMs: commandTimeoutMs });
  if (found.timedOut) return missing("`az account show` does not end");
  return found.exitCode === 0;
}

async function tokenOfCommand(resource: string): Promise<AccessToken> {
  const argv = ["az", "account", "get-access-token", "--resource", resource, "--output", "json"];
  const { exitCode, stdout } = await query(argv, { timeoutMs: commandTimeoutMs });
  if (exitCode !== 0) return missing(`\`az\` is signed in and gives no token for ${resource}`);
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

function tokenOfMachine(read: Read): TokenSource {
  const metadata = read("AZURE_POD_IDENTITY_AUTHORITY_HOST") ?? "http://169.254.169.254";
  const client = read("AZURE_CLIENT_ID");
  return async (resource) => {
    const query = new URLSearchParams({
      "api-version": "2018-02-01",
      resource,
      ...(client === undefined ? {} : { client_id: client }),
    });
    const url = `${metadata}/metadata/identity/oauth2/token?${query.toString()}`;
    return await requestToken(url, { headers: { Metadata: "true" } });
  };
}

const tokenTimeoutMs = 10_000;

async function requestToken(url: string, init: RequestInit): Promise<AccessToken> {
  let answer: Response;
  try {
    answer = await fetch(url, {
      ...init,
      signal: timeLimit(tokenTimeoutMs, "CLOUD_CREDENTIALS", "The identity service's answer"),
    });
  } catch (cause) {
    return missing(proxyTrouble(cause) ?? "no identity service answers", cause);
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
  throw new ActionError("CLOUD_CREDENTIALS", `No credentials for Azure: ${why}.`, {
    hint: "Sign in with azure/login before this step, or give the machine a managed identity.",
    ...(cause === undefined ? {} : { cause }),
  });
}

const renewBeforeMs = 2 * 60_000;

/** One token for all requests until shortly before it expires; those who ask at once wait for the same one. */
function keepToken(source: () => Promise<AccessToken>): () => Promise<AccessToken> {
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
    return await kept;
  };
}
