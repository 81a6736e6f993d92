/** One container and prefix behind one client: limits, retries and errors that every Azure request of this folder shares. */
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
import { hasCode, throwIfAborted } from "../../domain/errors.ts";
import type { AzureAccess } from "./access.ts";
import {
  busy,
  busyStatuses,
  isPortError,
  ObjectNotFoundError,
  stoppedByProxy,
  StoreError,
  tooShort,
  type Meaning,
} from "../errors.ts";
import { assertKey, trimPrefix } from "../keys.ts";
import type { RequestLimits } from "../limits.ts";
import { objectInfo, requireSize } from "../object-info.ts";
import type { ObjectInfo } from "../port.ts";
import { deadline } from "../../system/deadline.ts";
import { proxyAnswered, proxyTrouble } from "../../system/proxy.ts";
import { retry } from "../../system/retry.ts";
import { patiently } from "../patience.ts";

const sourceReadableForMs = 24 * 60 * 60_000;

export class AzureContainer {
  readonly client: ContainerClient;
  readonly url: string;
  readonly start: string;
  readonly limits: RequestLimits;
  readonly #name: string;
  readonly #access: AzureAccess;
  readonly #sharedKey: StorageSharedKeyCredential | undefined;

  constructor(
    location: { readonly account: string; readonly container: string; readonly prefix: string },
    access: AzureAccess,
    limits: RequestLimits,
  ) {
    const prefix = trimPrefix(location.prefix);
    this.start = prefix === "" ? "" : `${prefix}/`;
    this.url = `az://${location.account}/${location.container}${prefix === "" ? "" : `/${prefix}`}`;
    this.limits = limits;
    this.#name = location.container;
    this.#access = access;
    this.#sharedKey =
      access.kind === "key" ? new StorageSharedKeyCredential(access.account, access.key) : undefined;
    const credential =
      this.#sharedKey ??
      (access.kind === "token" ? { getToken: access.getToken } : new AnonymousCredential());
    const signature = access.kind === "sas" ? `?${access.signature}` : "";
    this.client = new ContainerClient(`${access.endpoint}/${location.container}${signature}`, credential, {
      retryOptions: {
        maxTries: limits.attempts,
        retryDelayInMs: 250,
        maxRetryDelayInMs: 5_000,
        tryTimeoutInMs: limits.requestTimeoutMs,
      },
    });
  }

  blob(key: string): BlockBlobClient {
    assertKey(key);
    return this.client.getBlockBlobClient(this.start + key);
  }

  /** A blob no caller can name and no listing shows. */
  scratch(): BlockBlobClient {
    return this.client.getBlockBlobClient(`${this.start}.probe-${crypto.randomUUID()}`);
  }

  relative(name: string): string | undefined {
    return name.startsWith(this.start) ? name.slice(this.start.length) : undefined;
  }

  urlOf(key: string): string {
    return key === "" ? this.url : `${this.url}/${key}`;
  }

  /** How the service itself may read `key` as the source of a copy. */
  async sourceOf(key: string): Promise<{ readonly url: string; readonly authorization?: HttpAuthorization }> {
    const source = this.blob(key).url;
    if (this.#access.kind === "token") {
      const { token } = await this.#access.getToken();
      return { url: source, authorization: { scheme: "Bearer", value: token } };
    }
    if (this.#sharedKey === undefined) return { url: source };
    const query = generateBlobSASQueryParameters(
      {
        containerName: this.#name,
        blobName: this.start + key,
        permissions: BlobSASPermissions.parse("r"),
        expiresOn: new Date(Date.now() + sourceReadableForMs),
      },
      this.#sharedKey,
    );
    return { url: `${source}?${query.toString()}` };
  }

  async call<T>(
    key: string,
    doing: string,
    signal: AbortSignal,
    request: (stop: AbortSignal, progressed: () => void) => Promise<T>,
    /** How many times the usual limit the service may be silent. */
    patience = 1,
  ): Promise<T> {
    const policy = {
      attempts: this.limits.attempts,
      firstPauseMs: 250,
      longestPauseMs: 5_000,
      signal,
      // The client repeats everything else that is known to pass.
      passes: (error: unknown) => hasCode(error, "STORE_STALLED"),
    };
    const limit = {
      ms: this.limits.idleTimeoutMs * patience,
      code: "STORE_STALLED",
      what: this.urlOf(key),
      hint: "Check the store's health and the network to it, then run again.",
      signal,
    } as const;
    return await patiently(this.limits, signal, async () => {
      try {
        return await retry(policy, async () => await deadline(limit, request));
      } catch (error) {
        throwIfAborted(signal);
        throw explainAzureError(error, this.urlOf(key), doing);
      }
    });
  }
}

/** Undefined where there is no such blob. */
export function headBlob(
  container: AzureContainer,
  key: string,
  signal: AbortSignal,
): Promise<ObjectInfo | undefined> {
  return container.call(key, "look at", signal, async (stop) => {
    try {
      const found = await container.blob(key).getProperties({ abortSignal: stop });
      return objectInfo(
        key,
        requireSize(container.urlOf(key), found.contentLength),
        found.etag,
        found.lastModified,
      );
    } catch (error) {
      const { code, status } = readAzureFailure(error);
      if (status === 404 && code !== "ContainerNotFound") return undefined;
      throw error;
    }
  });
}

/** The service's code (`BlobNotFound`), else the client's (`ENOTFOUND`), and the HTTP status. */
export function readAzureFailure(error: unknown): { readonly code: string; readonly status: number } {
  if (!(error instanceof RestError)) return { code: "", status: 0 };
  return { code: error.code ?? "", status: error.statusCode ?? 0 };
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

const byCode: ReadonlyMap<string, Meaning> = new Map(
  Object.entries({
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
  }),
);

const byStatus: ReadonlyMap<number, Meaning> = new Map([
  [401, credentials],
  [403, denied],
]);

/** The client takes a proxy's refusal for the service's answer; every answer of the service has this header. */
function isFromElsewhere(error: unknown): boolean {
  return error instanceof RestError && error.response?.headers.has("x-ms-request-id") === false;
}

function explainAzureError(error: unknown, url: string, doing: string): unknown {
  if (isPortError(error)) return error;
  const { code, status } = readAzureFailure(error);
  // The original carries the request with its signature; only its words go along.
  const cause = new Error(String(error instanceof Error ? error.message : error).slice(0, 500));
  cause.name = code || "Error";
  const trouble = proxyTrouble(error) ?? (isFromElsewhere(error) ? proxyAnswered(status) : undefined);
  if (trouble !== undefined) return stoppedByProxy(url, trouble, cause);
  if (code === "BlobNotFound") return new ObjectNotFoundError(url, cause);
  const meaning = byCode.get(code) ?? byStatus.get(status) ?? (busyStatuses.has(status) ? busy : undefined);
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
