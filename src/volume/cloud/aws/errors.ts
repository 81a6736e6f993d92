/** What EC2's error codes mean to whoever wants a snapshot. The codes are Amazon's contract, the texts are not. */
import type { ErrorCode } from "../../../domain/error-codes.ts";
import { ActionError } from "../../../domain/errors.ts";
import { proxyHint, proxyTrouble } from "../../../system/proxy.ts";

/** The code of an error of the SDK; undefined for anything else. */
export function ec2Code(error: unknown): string | undefined {
  return error instanceof Error && "$metadata" in error ? error.name : undefined;
}

/** `what` completes "Amazon does not …". */
export function explainEc2Error(error: unknown, what: string): ActionError {
  const code = ec2Code(error);
  const known = meanings.get(code ?? "");
  if (known !== undefined) {
    return new ActionError(known.code, `Amazon would not ${what} (${code}): ${known.sentence}`, {
      cause: error,
      hint: known.hint,
    });
  }
  const trouble = proxyTrouble(error);
  if (trouble !== undefined) {
    const details = { cause: error, hint: proxyHint };
    return new ActionError("CLOUD_UNREACHABLE", `Amazon could not ${what}: ${trouble}.`, details);
  }
  if (error instanceof Error && error.name === "CredentialsProviderError") {
    return new ActionError("CLOUD_CREDENTIALS", "There are no AWS credentials.", {
      cause: error,
      hint: "Use aws-actions/configure-aws-credentials before this action, or give the instance a role.",
    });
  }
  return new ActionError(
    isPassing(error) ? "CLOUD_UNREACHABLE" : "CLOUD_FAILED",
    `Amazon could not ${what}${code === undefined ? "" : ` (${code})`}.`,
    {
      cause: error,
      hint: "See the cause; if it may pass, run again.",
    },
  );
}

/** Codes of failures of a moment, of which the SDK has made several. */
const passing =
  /^(InternalError|InternalFailure|ServiceUnavailable|Unavailable|RequestLimitExceeded|Throttling.*|RequestExpired)$/;

/** Also whatever no answer came to. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { httpStatusCode = 0 } = (error as { $metadata?: { httpStatusCode?: number } }).$metadata ?? {};
  const isSilent = "code" in error || error.name === "TimeoutError";
  return isSilent || passing.test(error.name) || httpStatusCode >= 500;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly sentence: string;
  readonly hint: string;
}

const gone: Meaning = {
  code: "SNAPSHOT_VOID",
  sentence: "there is no such thing (any more).",
  hint: "Choose another snapshot.",
};
const pending: Meaning = {
  code: "SNAPSHOTS_PENDING",
  sentence: "too many snapshots are pending already.",
  hint: "Wait until they are complete and delete those in the state `error`; five of one volume may be pending.",
};
const denied: Meaning = {
  code: "CLOUD_DENIED",
  sentence: "these credentials may not.",
  hint: "Give the role the permissions that docs/volumes.md lists for aws-ebs.",
};
const busy: Meaning = {
  code: "VOLUME_BUSY",
  sentence: "the volume is in use.",
  hint: "Wait until it is detached (or detach it) and run again.",
};
const full: Meaning = {
  code: "CLOUD_LIMIT",
  sentence: "a limit of the account is reached.",
  hint: "Delete what is not needed, or ask Amazon to raise the limit.",
};

const meanings: ReadonlyMap<string, Meaning> = new Map(
  Object.entries({
    "InvalidSnapshot.NotFound": gone,
    "InvalidVolume.NotFound": gone,
    ConcurrentSnapshotLimitExceeded: pending,
    PendingSnapshotLimitExceeded: pending,
    SnapshotCreationPerVolumeRateExceeded: {
      code: "SNAPSHOTS_PENDING",
      sentence: "a snapshot of this volume was begun within the last 15 seconds.",
      hint: "Run again in a minute.",
    },
    SnapshotLimitExceeded: full,
    VolumeLimitExceeded: full,
    AttachmentLimitExceeded: full,
    UnauthorizedOperation: denied,
    AuthFailure: denied,
    VolumeInUse: busy,
    IncorrectState: busy,
    "InvalidSnapshot.InUse": {
      code: "VOLUME_BUSY",
      sentence: "an image uses the snapshot.",
      hint: "Deregister the AMI first.",
    },
    "InvalidVolume.ZoneMismatch": {
      code: "VOLUME_ELSEWHERE",
      sentence: "volume and instance are in different zones.",
      hint: "Make the volume in the instance's zone.",
    },
    InvalidParameterValue: {
      code: "CLOUD_REFUSED",
      sentence: "it does not take the request as it is.",
      hint: "See the cause.",
    },
  }),
);
