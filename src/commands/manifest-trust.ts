/** What commands ask of a manifest besides its own wholeness: whose it is and how old; and how they sign one of their own. */
import { isAfter, takenAt, type Ordered } from "../catalog/catalog.ts";
import type { SignedBy } from "../catalog/signing/allowed-signers.ts";
import { openSigner, type ManifestSigner } from "../catalog/signing/signer.ts";
import { ActionError } from "../domain/errors.ts";
import type { Manifest } from "../domain/manifest.ts";
import type { SignKey, TrustedSigners } from "../domain/options.ts";
import { formatDuration } from "../report/words.ts";
import type { RunContext } from "./context.ts";

/** Undefined where nothing is to be signed. SIGN_KEY_UNUSABLE, so it belongs before everything that is not taken back. */
export async function openManifestSigner(
  { host, signal, report }: RunContext,
  key: SignKey | undefined,
): Promise<ManifestSigner | undefined> {
  if (key === undefined) return undefined;
  const signer = await openSigner(key, { scratch: host.tempDir, signal });
  report.info(`The manifest will be signed with ${signer.fingerprint}.`);
  return signer;
}

/** SNAPSHOT_TOO_OLD, also for one of which nothing says how old it is. */
export function requireAge(snapshot: Ordered, maxAgeMs: number | undefined, now: number): void {
  if (maxAgeMs === undefined) return;
  const ageMs = now - takenAt(snapshot);
  const { id } = snapshot;
  if (isAfter(snapshot, now)) {
    throw new ActionError(
      "SNAPSHOT_TOO_OLD",
      `Snapshot ${id} is dated after now, so that nothing says how old it is, and \`max-age\` is set.`,
      { hint: "Set the clock of this host, or of the one that took it." },
    );
  }
  if (ageMs <= maxAgeMs) return;
  throw new ActionError(
    "SNAPSHOT_TOO_OLD",
    `Snapshot ${id} is ${formatDuration(ageMs)} old, and \`max-age\` is ${formatDuration(maxAgeMs)}.`,
  );
}

interface Proof {
  readonly trustedSigners?: TrustedSigners | undefined;
  readonly expectDigest?: string | undefined;
}

/**
 * Records of volume snapshots make root mount, clone and attach things. Those of this host are its own affair; of another host's,
 * somebody has to say whose they are. SIGNATURE_REQUIRED.
 */
export function requireKnownMaker(
  { id, host: madeOn }: Manifest,
  { trustedSigners, expectDigest }: Proof,
  { host }: RunContext,
): void {
  if (madeOn === host.hostName || trustedSigners !== undefined || expectDigest !== undefined) return;
  throw new ActionError(
    "SIGNATURE_REQUIRED",
    `The volume snapshot of ${id} was made on ${madeOn}, and nothing proves who wrote its record.`,
  );
}

export function describeSigner({ principals, fingerprint }: SignedBy): string {
  return `${principals}, ${fingerprint}`;
}
