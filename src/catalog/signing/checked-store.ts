/**
 * A store whose manifests are signed, and the marks beside them: no byte of one is given to any reader before its signature has been
 * checked. As a store, so that whoever reads a manifest, now or in a later version, cannot forget it.
 */
import { ActionError, hasCode } from "../../domain/errors.ts";
import type { GetOptions, ObjectStore } from "../../store/port.ts";
import type { Clock } from "../../system/clock.ts";
import { withMembers } from "../../system/with-members.ts";
import { idOfSigned, manifestKey, signatureOf } from "../ids.ts";
import { trusts, type AllowedSigners, type SignedBy } from "./allowed-signers.ts";
import { readSignature } from "./sshsig.ts";

export interface CheckedStore {
  readonly store: ObjectStore;
  /** Whose signature the manifest had that was read last of this snapshot. */
  signerOf(id: string): SignedBy | undefined;
}

/** Ten times what an RSA key's has. */
const signatureBytes = 16 * 1024;

/** `get` of a manifest: SIGNATURE_MISSING, SIGNATURE_INVALID, SIGNER_UNKNOWN besides its own errors. */
export function checkSignatures(store: ObjectStore, signers: AllowedSigners, clock: Clock): CheckedStore {
  const signedBy = new Map<string, SignedBy>();
  const get: ObjectStore["get"] = async (key, options) => {
    const found = await store.get(key, options);
    const id = idOfSigned(key);
    if (id === undefined) return found;
    const signature = await getSignature(store, key, options);
    const by = check(found.bytes, signature, { where: store.urlOf(key), signers, now: clock.now() });
    if (key === manifestKey(id)) signedBy.set(id, by);
    return found;
  };
  return { store: withMembers(store, { get }), signerOf: (id) => signedBy.get(id) };
}

async function getSignature(store: ObjectStore, signed: string, { signal }: GetOptions): Promise<string> {
  const key = signatureOf(signed);
  try {
    const { bytes } = await store.get(key, { signal, atMostBytes: signatureBytes });
    return Buffer.from(bytes).toString("latin1");
  } catch (error) {
    if (hasCode(error, "OBJECT_TOO_LARGE"))
      throw invalid(store.urlOf(key), "it is too large for a signature");
    if (!hasCode(error, "OBJECT_NOT_FOUND")) throw error;
    throw new ActionError(
      "SIGNATURE_MISSING",
      `${store.urlOf(signed)} is not signed: there is no ${store.urlOf(key)}.`,
      { cause: error },
    );
  }
}

interface Check {
  readonly where: string;
  readonly signers: AllowedSigners;
  readonly now: number;
}

function check(bytes: Uint8Array, text: string, { where, signers, now }: Check): SignedBy {
  const signature = readSignature(text);
  if (typeof signature === "string") throw invalid(where, signature);
  const by = trusts(signers, signature, now);
  if (typeof by === "string") {
    throw new ActionError("SIGNER_UNKNOWN", `The signature of ${where} is not believed: ${by}.`);
  }
  if (!signature.fits(bytes)) throw invalid(where, `it is not that of ${by.fingerprint} over these bytes`);
  return by;
}

function invalid(where: string, why: string): ActionError {
  return new ActionError("SIGNATURE_INVALID", `The signature of ${where} is wrong: ${why}.`);
}
