/**
 * SSH keys as Node's crypto takes them: public ones of the kinds that can be checked in this process, and the one kind of
 * private key that can be used in it, Ed25519 without a passphrase. All others sign by `ssh-keygen`.
 */
import { createHash, createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { SshReader, unarmored } from "./ssh-wire.ts";

export interface PublicKey {
  /** "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256" … */
  readonly type: string;
  /** As it stands, in base64, in a `.pub` file. */
  readonly blob: Buffer;
  /** "SHA256:…", as `ssh-keygen -l` shows it. */
  readonly fingerprint: string;
  readonly key: KeyObject;
}

const curves: ReadonlyMap<string, readonly [curve: string, crv: string]> = new Map([
  ["ecdsa-sha2-nistp256", ["nistp256", "P-256"]],
  ["ecdsa-sha2-nistp384", ["nistp384", "P-384"]],
  ["ecdsa-sha2-nistp521", ["nistp521", "P-521"]],
]);

/** Shorter ones can be factored; `ssh-keygen` makes none. */
const shortestRsaBits = 2048;

/** Undefined for a kind that cannot be checked here, or what is no key. */
export function readPublicKey(blob: Buffer): PublicKey | undefined {
  try {
    const reader = new SshReader(blob);
    const type = reader.text();
    const jwk = jwkOf(type, reader);
    if (jwk === undefined || !reader.isAtEnd) return undefined;
    const key = createPublicKey({ key: jwk, format: "jwk" });
    const bits = key.asymmetricKeyDetails?.modulusLength ?? shortestRsaBits;
    return bits < shortestRsaBits ? undefined : { type, blob, fingerprint: fingerprintOf(blob), key };
  } catch {
    return undefined;
  }
}

function jwkOf(type: string, reader: SshReader): JsonWebKey | undefined {
  if (type === "ssh-ed25519") return { kty: "OKP", crv: "Ed25519", x: base64url(reader.string()) };
  if (type === "ssh-rsa") {
    const [e, n] = [reader.string(), reader.string()];
    return { kty: "RSA", e: base64url(unsigned(e)), n: base64url(unsigned(n)) };
  }
  const [curve, crv] = curves.get(type) ?? [];
  if (curve === undefined || crv === undefined || reader.text() !== curve) return undefined;
  const point = reader.string();
  const half = (point.length - 1) / 2;
  // Uncompressed.
  if (point[0] !== 4 || !Number.isInteger(half)) return undefined;
  return {
    kty: "EC",
    crv,
    x: base64url(point.subarray(1, 1 + half)),
    y: base64url(point.subarray(1 + half)),
  };
}

export function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

export interface PrivateKey {
  readonly public: PublicKey;
  readonly key: KeyObject;
}

/** Why a private key cannot be used in this process, in words. */
export type Unusable = "no key" | "encrypted" | "another kind";

export const privateKeyLabel = "OPENSSH PRIVATE KEY";

/** A private key in the form that `ssh-keygen` writes. */
export function readPrivateKey(text: string): PrivateKey | Unusable {
  const bytes = unarmored(text, privateKeyLabel);
  if (bytes === undefined) return /-----BEGIN (?:[A-Z0-9]+ )+KEY-----/.test(text) ? "another kind" : "no key";
  try {
    return openPrivateKey(new SshReader(bytes));
  } catch {
    return "no key";
  }
}

/** RFC 8410: what stands before the 32 bytes of an Ed25519 key in PKCS #8. */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

function openPrivateKey(reader: SshReader): PrivateKey | Unusable {
  if (reader.raw(15).toString("latin1") !== "openssh-key-v1\0") return "no key";
  const [cipher, kdf] = [reader.text(), reader.text()];
  reader.string();
  if (cipher !== "none" || kdf !== "none") return "encrypted";
  if (reader.uint32() !== 1) return "another kind";
  const found = readPublicKey(reader.string());
  if (found?.type !== "ssh-ed25519") return "another kind";
  const inner = new SshReader(reader.string());
  if (inner.uint32() !== inner.uint32() || inner.text() !== "ssh-ed25519") return "no key";
  inner.string();
  const der = Buffer.concat([pkcs8Prefix, inner.string().subarray(0, 32)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  // A file whose two halves do not belong together signs what nobody can check.
  return createPublicKey(key).equals(found.key) ? { public: found, key } : "no key";
}

function base64url(bytes: Buffer): string {
  return bytes.toString("base64url");
}

/** An mpint of a positive number, without the zero that keeps it positive. */
function unsigned(mpint: Buffer): Buffer {
  return mpint[0] === 0 ? mpint.subarray(1) : mpint;
}
