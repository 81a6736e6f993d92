import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readPrivateKey, readPublicKey } from "../../../src/catalog/signing/ssh-keys.ts";
import { armored, unarmored } from "../../../src/catalog/signing/ssh-wire.ts";
import { readSignature, signBytes, type Signature } from "../../../src/catalog/signing/sshsig.ts";
import { has, memoryDirectory } from "../../tools.ts";
import { makeKey, type TestKey } from "./keys.ts";

const label = "SSH SIGNATURE";
const directory = mkdtempSync(join(memoryDirectory(), "sshsig-"));
afterAll(() => rmSync(directory, { recursive: true }));

function signed(bytes: Uint8Array, { text }: TestKey): string {
  const key = readPrivateKey(text);
  if (typeof key === "string") throw new Error(key);
  return signBytes(bytes, key);
}

function read(text: string): Signature {
  const found = readSignature(text);
  if (typeof found === "string") throw new Error(found);
  return found;
}

describe("a signature made here", () => {
  const bytes = Buffer.from('{"version":1}\n');
  const key = makeKey();
  const text = signed(bytes, key);

  test("is that of its key over its bytes, and over no others", () => {
    const signature = read(text);
    expect(signature.signer.fingerprint).toBe(key.fingerprint);
    expect(signature.namespace).toBe("chainstate-snapshot");
    expect(signature.fits(bytes)).toBe(true);
    expect(signature.fits(Buffer.from('{"version":2}\n'))).toBe(false);
    expect(signature.fits(Buffer.alloc(0))).toBe(false);
  });

  test("with any bit of it changed, cut off or lengthened, is another key's, for another purpose, or none", () => {
    const whole = unarmored(text, label) ?? Buffer.alloc(0);
    const isTaken = (damaged: Buffer): boolean => {
      const found = readSignature(armored(damaged, label));
      if (typeof found === "string" || !found.fits(bytes)) return false;
      return found.signer.fingerprint === key.fingerprint && found.namespace === "chainstate-snapshot";
    };
    expect(isTaken(whole)).toBe(true);
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const damaged = Buffer.from(whole);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(isTaken(damaged), `bit ${bit}`).toBe(false);
    }
    for (let length = 0; length < whole.length; length += 1) {
      expect(isTaken(whole.subarray(0, length)), `${length} bytes`).toBe(false);
    }
    expect(isTaken(Buffer.concat([whole, Buffer.alloc(1)]))).toBe(false);
  });

  test.each(["", "x", "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----", `${text}${text}`])(
    "is not %j",
    (other) => {
      expect(readSignature(other)).toEqual(expect.any(String));
    },
  );
});

describe("a private key", () => {
  test("with a passphrase, of another kind, damaged or none is told apart", () => {
    expect(readPrivateKey(makeKey("x", { cipher: "aes256-ctr" }).text)).toBe("encrypted");
    expect(readPrivateKey("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n")).toBe(
      "another kind",
    );
    expect(readPrivateKey("AAAA")).toBe("no key");
    const one = unarmored(makeKey().text, "OPENSSH PRIVATE KEY") ?? Buffer.alloc(0);
    const another = unarmored(makeKey().text, "OPENSSH PRIVATE KEY") ?? Buffer.alloc(0);
    // The public half of one, the private half of the other.
    const mixed = Buffer.concat([one.subarray(0, 98), another.subarray(98)]);
    expect(readPrivateKey(armored(mixed, "OPENSSH PRIVATE KEY"))).toBe("no key");
  });
});

describe.runIf(has("ssh-keygen"))("ssh-keygen", () => {
  const bytes = Buffer.from("of any length\n");
  const file = join(directory, "manifest.json");
  writeFileSync(file, bytes);

  test("takes what is signed here, by the line of docs/signatures.md", () => {
    const key = makeKey();
    writeFileSync(`${file}.sig`, signed(bytes, key));
    writeFileSync(join(directory, "allowed_signers"), `${key.line}\n`);
    const docs = readFileSync(new URL("../../../docs/signatures.md", import.meta.url), "utf8");
    const line = /^ssh-keygen -Y verify .*$/m.exec(docs)?.[0] ?? "exit 9";
    expect(execFileSync("sh", ["-c", line], { cwd: directory, encoding: "utf8" })).toContain("Good");
    writeFileSync(file, "another\n");
    expect(spawnSync("sh", ["-c", line], { cwd: directory }).status).not.toBe(0);
    writeFileSync(file, bytes);
  });

  test.each([
    ["ed25519", []],
    ["ecdsa", ["-b", "256"]],
    ["ecdsa", ["-b", "384"]],
    ["ecdsa", ["-b", "521"]],
    ["rsa", ["-b", "2048"]],
  ] as const)("makes signatures with a key of %s %j that can be checked here", (type, more) => {
    const key = join(directory, `${type}${more.join("")}`);
    execFileSync("ssh-keygen", ["-q", "-t", type, ...more, "-N", "", "-f", key]);
    const sign = ["-q", "-Y", "sign", "-n", "chainstate-snapshot", "-f", key];
    const text = execFileSync("ssh-keygen", sign, { input: bytes, encoding: "utf8", stdio: "pipe" });
    const signature = read(text);
    const [, base64 = ""] = readFileSync(`${key}.pub`, "utf8").split(" ");
    expect(signature.signer.fingerprint).toBe(readPublicKey(Buffer.from(base64, "base64"))?.fingerprint);
    expect(signature.fits(bytes)).toBe(true);
    expect(signature.fits(Buffer.from("another"))).toBe(false);
    const own = readPrivateKey(readFileSync(key, "utf8"));
    expect(typeof own === "string" ? own : "usable").toBe(type === "ed25519" ? "usable" : "another kind");
  });
});
