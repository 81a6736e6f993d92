/**
 * What an S3 store or the way to it answers, as the store's own errors: by the code the store gives, the HTTP status and
 * the system's errno, never by text. Nothing of the request goes along, so no key or signature can reach a log.
 */
import { throwIfAborted } from "../../domain/errors.ts";
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
import { proxyTrouble } from "../../system/proxy.ts";

export interface S3Failure {
  /** The store's code (`NoSuchBucket`), or the SDK's or system's name for it. */
  readonly name: string;
  readonly status: number | undefined;
  readonly errno: string | undefined;
  readonly attempts: number;
}

export function readFailure(error: unknown): S3Failure {
  const { name, $metadata, code, Code } = error as {
    name?: unknown;
    code?: unknown;
    Code?: unknown;
    $metadata?: { httpStatusCode?: number; attempts?: number };
  };
  return {
    name: typeof Code === "string" ? Code : String(name),
    status: $metadata?.httpStatusCode,
    errno: typeof code === "string" ? code : undefined,
    attempts: $metadata?.attempts ?? 1,
  };
}

/** The store says that another version, or none, is there than the request was bound to. */
export function isPreconditionFailure(failure: S3Failure): boolean {
  return failure.status === 412 || failure.status === 409;
}

/** The bytes were damaged on the way to the store; sent again, they arrive. The SDK takes these for final. */
export function wasDamagedOnTheWay(failure: S3Failure): boolean {
  return failure.name === "XAmzContentSHA256Mismatch" || failure.name === "BadDigest";
}

/** What a bucket with Object Lock says to a body without a checksum, or what a store says that gives no better name. */
export function isChecksumMissing(failure: S3Failure): boolean {
  return failure.status === 400 && ["InvalidRequest", "MissingContentMD5"].includes(failure.name);
}

const credentials: Meaning = {
  code: "STORE_CREDENTIALS",
  sentence: "does not accept the credentials",
  hint: "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role the job assumes; a session may have expired.",
};
const noCredentials: Meaning = {
  code: "STORE_CREDENTIALS",
  sentence: "cannot be asked: no credentials were found",
  hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or assume a role (aws-actions/configure-aws-credentials) before this step.",
};
const denied: Meaning = {
  code: "STORE_DENIED",
  sentence: "does not allow this with these credentials",
  hint: "Give the identity the rights of docs/permissions.md, for the bucket and for bucket/prefix/*.",
};
const noBucket: Meaning = {
  code: "STORE_NOT_FOUND",
  sentence: "cannot be used: the bucket does not exist",
  hint: "Create the bucket, or correct its name in `storage` (and `s3-endpoint`).",
};
const region: Meaning = {
  code: "STORE_REGION",
  sentence: "is in another region",
  hint: "Set `s3-region` to the bucket's region.",
};
const clock: Meaning = {
  code: "STORE_CLOCK",
  sentence: "refuses the request because this host's clock is wrong",
  hint: "Set the clock (NTP); a difference of 15 minutes is the most a store allows.",
};
const full: Meaning = {
  code: "STORE_FULL",
  sentence: "has no space left or has reached its quota",
  hint: "Raise the quota, or remove old snapshots (`command: prune`).",
};
const unreachable: Meaning = {
  code: "STORE_UNREACHABLE",
  sentence: "cannot be reached",
  hint: "Check `s3-endpoint`, DNS, the proxy and the firewall between this host and the store.",
};
const stalled: Meaning = {
  code: "STORE_STALLED",
  sentence: "stopped answering",
  hint: "Check the store's health and the network to it, then run again.",
};
const unsupported: Meaning = {
  code: "STORE_UNSUPPORTED",
  sentence: "does not know this request",
  hint: "See docs/stores.md for what a store has to be able to do.",
};

const byName: ReadonlyMap<string, Meaning> = new Map(
  Object.entries({
    InvalidAccessKeyId: credentials,
    SignatureDoesNotMatch: credentials,
    InvalidToken: credentials,
    ExpiredToken: credentials,
    ExpiredTokenException: credentials,
    InvalidSecurity: credentials,
    CredentialsProviderError: noCredentials,
    TokenProviderError: noCredentials,
    AccessDenied: denied,
    AllAccessDisabled: denied,
    AccountProblem: denied,
    NoSuchBucket: noBucket,
    InvalidBucketName: noBucket,
    PermanentRedirect: region,
    AuthorizationHeaderMalformed: region,
    IllegalLocationConstraintException: region,
    RequestTimeTooSkewed: clock,
    RequestExpired: clock,
    QuotaExceeded: full,
    EntityTooLarge: full,
    TooManyParts: full,
    NotImplemented: unsupported,
    TimeoutError: stalled,
    SlowDown: busy,
  }),
);

const byErrno: ReadonlyMap<string, Meaning> = new Map(
  Object.entries({
    ENOTFOUND: unreachable,
    EAI_AGAIN: unreachable,
    ECONNREFUSED: unreachable,
    EHOSTUNREACH: unreachable,
    ENETUNREACH: unreachable,
    ECONNRESET: stalled,
    EPIPE: stalled,
    ETIMEDOUT: stalled,
    DEPTH_ZERO_SELF_SIGNED_CERT: unreachable,
    SELF_SIGNED_CERT_IN_CHAIN: unreachable,
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: unreachable,
    ERR_TLS_CERT_ALTNAME_INVALID: unreachable,
    CERT_HAS_EXPIRED: unreachable,
    EPROTO: unreachable,
  }),
);

const byStatus: Readonly<Record<number, Meaning>> = {
  301: region,
  401: credentials,
  403: denied,
  413: full,
  416: tooShort,
  501: unsupported,
  507: full,
};

/** The error to throw instead of `error`. `url` names what was asked for, `doing` the operation, for the message. */
export function explainS3Error(error: unknown, url: string, doing: string, signal: AbortSignal): unknown {
  throwIfAborted(signal);
  if (isPortError(error)) return error;
  const failure = readFailure(error);
  const cause = causeOf(error, failure);
  const trouble = proxyTrouble(error);
  if (trouble !== undefined) return stoppedByProxy(url, trouble, cause);
  if (failure.name === "NoSuchKey") return new ObjectNotFoundError(url, cause);
  const meaning =
    byErrno.get(failure.errno ?? "") ??
    byName.get(failure.name) ??
    (failure.status === undefined ? undefined : byStatus[failure.status]) ??
    (busyStatuses.has(failure.status ?? 0) ? busy : undefined);
  if (meaning === undefined) {
    const said = failure.status === undefined ? failure.name : `${failure.name}, HTTP ${failure.status}`;
    return new StoreError("STORE_FAILED", `${url}: the store failed to ${doing} (${said}).`, {
      hint: "Run again; if it stays, look for the code in the store's documentation.",
      cause,
    });
  }
  return new StoreError(meaning.code, `${url} ${meaning.sentence} (${doing}).`, {
    hint: meaning.hint,
    cause,
  });
}

/** A plain error with the store's words, but for anything in it that looks like an access key. */
function causeOf(error: unknown, failure: S3Failure): Error {
  const said = error instanceof Error ? error.message : String(error);
  const cause = new Error(said.replaceAll(/\b[A-Z0-9]{20}\b/gu, "***").slice(0, 500));
  cause.name = failure.errno ?? failure.name;
  return cause;
}
