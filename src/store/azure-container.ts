/** One container and prefix behind one client: limits, retries and errors that every Azure request of this room shares. */
import {
  AnonymousCredential,
  BlobSASPermissions,
  ContainerClient,
  generateBlobSASQueryParameters,
  RestError,
  StorageSharedKeyCredential,
  type BlockBlobClient,
  type HttpAuthorization,
} from "@azure/storage-blob";
import { hasCode, throwIfAborted } from "../errors.ts";
import type { AzureAccess } from "./azure-access.ts";
import { isPortError, ObjectNotFoundError, StoreError, type StoreErrorCode } from "./errors.ts";
import { assertKey, trimPrefix } from "./keys.ts";
import type { RequestLimits } from "./limits.ts";
import { withProgressLimit } from "./progress-limit.ts";

export interface AzureContainer {
  readonly client: ContainerClient;
  readonly url: string;
  readonly start: string;
  readonly limits: RequestLimits;
  blob(key: string): BlockBlobClient;
  /** A blob no caller can name and no listing shows. */
  scratch(): BlockBlobClient;
  relative(name: string): string | undefined;
  urlOf(key: string): string;
  /** How the service itself may read `key` as the source of a copy. */
  sourceOf(key: string): Promise<{ readonly url: string; readonly authorization?: HttpAuthorization }>;
  call<T>(
    key: string,
    doing: string,
    signal: AbortSignal,
    request: (stop: AbortSignal, progressed: () => void) => Promise<T>,
    /** How many times the usual limit the service may be silent. */
    patience?: number,
  ): Promise<T>;
}

const sourceReadableForMs = 24 * 60 * 60_000;

export function openAzureContainer(
  location: { readonly account: string; readonly container: string; readonly prefix: string },
  access: AzureAccess,
  limits: RequestLimits,
): AzureContainer {
  const prefix = trimPrefix(location.prefix);
  const start = prefix === "" ? "" : `${prefix}/`;
  const url = `az://${location.account}/${location.container}${prefix === "" ? "" : `/${prefix}`}`;
  const urlOf = (key: string): string => (key === "" ? url : `${url}/${key}`);
  const sharedKey =
    access.kind === "key" ? new StorageSharedKeyCredential(access.account, access.key) : undefined;
  const credential =
    sharedKey ?? (access.kind === "token" ? { getToken: access.getToken } : new AnonymousCredential());
  const signature = access.kind === "sas" ? `?${access.signature}` : "";
  const client = new ContainerClient(`${access.endpoint}/${location.container}${signature}`, credential, {
    retryOptions: {
      maxTries: limits.attempts,
      retryDelayInMs: 250,
      maxRetryDelayInMs: 5_000,
      tryTimeoutInMs: limits.requestTimeoutMs,
    },
  });
  const blob = (key: string): BlockBlobClient => {
    assertKey(key);
    return client.getBlockBlobClient(start + key);
  };
  return {
    client,
    url,
    start,
    limits,
    blob,
    scratch: () => client.getBlockBlobClient(`${start}.probe-${crypto.randomUUID()}`),
    relative: (name) => (name.startsWith(start) ? name.slice(start.length) : undefined),
    urlOf,
    async sourceOf(key) {
      const source = blob(key).url;
      if (access.kind === "token") {
        const { token } = await access.getToken();
        return { url: source, authorization: { scheme: "Bearer", value: token } };
      }
      if (sharedKey === undefined) return { url: source };
      const query = generateBlobSASQueryParameters(
        {
          containerName: location.container,
          blobName: start + key,
          permissions: BlobSASPermissions.parse("r"),
          expiresOn: new Date(Date.now() + sourceReadableForMs),
        },
        sharedKey,
      );
      return { url: `${source}?${query.toString()}` };
    },
    async call(key, doing, signal, request, patience = 1) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          const limit = { idleTimeoutMs: limits.idleTimeoutMs * patience, signal, url: urlOf(key) };
          return await withProgressLimit(limit, request);
        } catch (error) {
          throwIfAborted(signal);
          if (hasCode(error, "STORE_STALLED") && attempt < limits.attempts) continue;
          throw explainAzureError(error, urlOf(key), doing);
        }
      }
    },
  };
}

/** The service's code (`BlobNotFound`), else the client's (`ENOTFOUND`), and the HTTP status. */
export function readAzureFailure(error: unknown): { readonly code: string; readonly status: number } {
  if (!(error instanceof RestError)) return { code: "", status: 0 };
  return { code: error.code ?? "", status: error.statusCode ?? 0 };
}

interface Meaning {
  readonly code: StoreErrorCode;
  readonly sentence: string;
  readonly hint: string;
}

const credentials: Meaning = {
  code: "STORE_CREDENTIALS",
  sentence: "does not accept the credentials",
  hint: "Check the AZURE_STORAGE_* variables or the identity the job signs in with; a signature may have expired.",
};
const denied: Meaning = {
  code: "STORE_DENIED",
  sentence: "does not allow this with these credentials",
  hint: "Give the identity the role “Storage Blob Data Contributor” on the container.",
};
const noContainer: Meaning = {
  code: "STORE_NOT_FOUND",
  sentence: "cannot be used: the container does not exist",
  hint: "Create the container, or correct the account and container in `storage`.",
};
const unreachable: Meaning = {
  code: "STORE_UNREACHABLE",
  sentence: "cannot be reached",
  hint: "Check the account's name, DNS, the proxy and the firewall between this host and the store.",
};

const tooShort: Meaning = {
  code: "STORE_MISMATCH",
  sentence: "ends before the range that was asked for",
  hint: "The object is damaged or is not what its index says; verify the snapshot.",
};

const byCode: Readonly<Record<string, Meaning>> = {
  AuthenticationFailed: credentials,
  InvalidAuthenticationInfo: credentials,
  NoAuthenticationInformation: credentials,
  AuthorizationFailure: denied,
  AuthorizationPermissionMismatch: denied,
  InsufficientAccountPermissions: denied,
  ContainerNotFound: noContainer,
  InvalidResourceName: noContainer,
  ENOTFOUND: unreachable,
  EAI_AGAIN: unreachable,
  ECONNREFUSED: unreachable,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  REQUEST_SEND_ERROR: unreachable,
  InvalidRange: tooShort,
};

function explainAzureError(error: unknown, url: string, doing: string): unknown {
  if (isPortError(error)) return error;
  const { code, status } = readAzureFailure(error);
  // The original carries the request with its signature; only its words go along.
  const cause = new Error(String(error instanceof Error ? error.message : error).slice(0, 500));
  cause.name = code || "Error";
  if (code === "BlobNotFound") return new ObjectNotFoundError(url, cause);
  const meaning = byCode[code] ?? (status === 401 ? credentials : status === 403 ? denied : undefined);
  if (meaning === undefined) {
    return new StoreError(
      "STORE_FAILED",
      `${url}: the store failed to ${doing} (${code || "no code"}, HTTP ${status}).`,
      {
        hint: "Run again; if it stays, look for the code in the store's documentation.",
        cause,
      },
    );
  }
  return new StoreError(meaning.code, `${url} ${meaning.sentence} (${doing}).`, {
    hint: meaning.hint,
    cause,
  });
}
