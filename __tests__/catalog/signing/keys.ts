/** Ed25519 keys as `ssh-keygen` writes them, made here, so that tests need no OpenSSH. */
import { generateKeyPairSync } from "node:crypto";
import { armored, sshString } from "../../../src/catalog/signing/ssh-wire.ts";
import { fingerprintOf, privateKeyLabel } from "../../../src/catalog/signing/ssh-keys.ts";

export interface TestKey {
  /** The text of a private key file. */
  readonly text: string;
  /** A line of `allowed_signers`. */
  readonly line: string;
  readonly fingerprint: string;
}

export function makeKey(principal = "publisher@example.org", { cipher = "none" } = {}): TestKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const x = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const d = Buffer.from(privateKey.export({ format: "jwk" }).d ?? "", "base64url");
  const type = sshString("ssh-ed25519");
  const blob = Buffer.concat([type, sshString(x)]);
  const check = Buffer.from([1, 2, 3, 4, 1, 2, 3, 4]);
  const padding = Buffer.from([1, 2, 3]);
  const inner = Buffer.concat([
    check,
    type,
    sshString(x),
    sshString(Buffer.concat([d, x])),
    sshString("me"),
    padding,
  ]);
  const head = [cipher, cipher === "none" ? "none" : "bcrypt", ""].map(sshString);
  const count = Buffer.from([0, 0, 0, 1]);
  const whole = [Buffer.from("openssh-key-v1\0"), ...head, count, sshString(blob), sshString(inner)];
  return {
    text: armored(Buffer.concat(whole), privateKeyLabel),
    line: `${principal} ssh-ed25519 ${blob.toString("base64")}`,
    fingerprint: fingerprintOf(blob),
  };
}
