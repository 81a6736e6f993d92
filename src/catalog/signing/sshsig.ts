/**
 * SSH signatures of files, as `ssh-keygen -Y sign` makes them and `-Y verify` takes them (PROTOCOL.sshsig of OpenSSH): what
 * is signed is a digest of the file together with a namespace, so that a signature made for one purpose serves no other.
 */
import { createHash, sign, verify } from "node:crypto";
import { readPublicKey, type PrivateKey, type PublicKey } from "./ssh-keys.ts";
import { armored, sshString, SshReader, unarmored } from "./ssh-wire.ts";

/** Of manifests of snapshots; given to `ssh-keygen` with `-n`. */
export const signatureNamespace = "chainstate-snapshot";

const magic = "SSHSIG";
const label = "SSH SIGNATURE";
const hashes: ReadonlySet<string> = new Set(["sha256", "sha512"]);

export interface Signature {
  readonly signer: PublicKey;
  readonly namespace: string;
  /** Whether it is this key's over these bytes. */
  fits(bytes: Uint8Array): boolean;
}

/** In the armor that `ssh-keygen` writes. */
export function signBytes(bytes: Uint8Array, key: PrivateKey): string {
  const hash = "sha512";
  const namespace = signatureNamespace;
  const signed = toBeSigned({ namespace, reserved: Buffer.alloc(0), hash }, bytes);
  const blob = Buffer.concat([sshString(key.public.type), sshString(sign(null, signed, key.key))]);
  const version = Buffer.from([0, 0, 0, 1]);
  const fields = [key.public.blob, namespace, "", hash, blob].map((field) => sshString(field));
  return armored(Buffer.concat([Buffer.from(magic), version, ...fields]), label);
}

/** Why a text is no signature that can be checked here, in words, where it is none. */
export function readSignature(text: string): Signature | string {
  const bytes = unarmored(text, label);
  if (bytes === undefined) return "it is no SSH signature";
  try {
    return parse(new SshReader(bytes));
  } catch {
    return "it is damaged";
  }
}

function parse(reader: SshReader): Signature | string {
  if (reader.raw(magic.length).toString("latin1") !== magic) return "it is no SSH signature";
  if (reader.uint32() !== 1) return "it has a version that is not known";
  const key = reader.string();
  const signer = readPublicKey(key);
  const [namespace, reserved, hash] = [reader.string().toString("utf8"), reader.string(), reader.text()];
  const inner = new SshReader(reader.string());
  if (!reader.isAtEnd) return "something stands behind it";
  if (signer === undefined) return `it is of a kind of key that is not read here (${typeOf(key)})`;
  if (!hashes.has(hash)) return "its digest is of a kind that is not known";
  const [algorithm, value] = [inner.text(), inner.string()];
  if (!inner.isAtEnd) return "something stands behind it";
  return {
    signer,
    namespace,
    fits(signed) {
      try {
        return verifies(signer, algorithm, value, toBeSigned({ namespace, reserved, hash }, signed));
      } catch {
        return false;
      }
    },
  };
}

function typeOf(key: Buffer): string {
  return /^[\x20-\x7e]{1,64}/.exec(new SshReader(key).text())?.[0] ?? "unknown";
}

interface Context {
  readonly namespace: string;
  readonly reserved: Buffer;
  readonly hash: string;
}

function toBeSigned({ namespace, reserved, hash }: Context, bytes: Uint8Array): Buffer {
  const digest = createHash(hash).update(bytes).digest();
  const fields = [namespace, reserved, hash, digest].map((field) => sshString(field));
  return Buffer.concat([Buffer.from(magic), ...fields]);
}

/** The digest, and how many bytes a number of its curve has. SHA-1, "ssh-rsa" as an algorithm, is not among them. */
const algorithms: ReadonlyMap<string, readonly [digest: string, numberBytes: number]> = new Map([
  ["rsa-sha2-256", ["sha256", 0]],
  ["rsa-sha2-512", ["sha512", 0]],
  ["ecdsa-sha2-nistp256", ["sha256", 32]],
  ["ecdsa-sha2-nistp384", ["sha384", 48]],
  ["ecdsa-sha2-nistp521", ["sha512", 66]],
]);

function verifies({ type, key }: PublicKey, algorithm: string, value: Buffer, signed: Buffer): boolean {
  if (type === "ssh-ed25519") return algorithm === type && verify(null, signed, key, value);
  const [digest, numberBytes = 0] = algorithms.get(algorithm) ?? [];
  if (digest === undefined) return false;
  if (type === "ssh-rsa") return numberBytes === 0 && verify(digest, signed, key, value);
  if (algorithm !== type) return false;
  const pair = new SshReader(value);
  const joined = Buffer.concat([pair.string(), pair.string()].map((part) => padded(part, numberBytes)));
  return pair.isAtEnd && verify(digest, signed, { key, dsaEncoding: "ieee-p1363" }, joined);
}

/** An mpint as a number of so many bytes. */
function padded(mpint: Buffer, length: number): Buffer {
  const digits = mpint[0] === 0 ? mpint.subarray(1) : mpint;
  if (digits.length > length) throw new RangeError("a number is too large");
  return Buffer.concat([Buffer.alloc(length - digits.length), digits]);
}
