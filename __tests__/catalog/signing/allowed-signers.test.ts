import { describe, expect, test } from "vitest";
import { readAllowedSigners, trusts } from "../../../src/catalog/signing/allowed-signers.ts";
import { readPrivateKey } from "../../../src/catalog/signing/ssh-keys.ts";
import { readSignature, signBytes } from "../../../src/catalog/signing/sshsig.ts";
import { makeKey } from "./keys.ts";

const key = makeKey();
const another = makeKey();
const [, type = "", base64 = ""] = key.line.split(" ");
const now = Date.UTC(2026, 10, 29, 12);
const parsed = readPrivateKey(key.text);
const signature = readSignature(typeof parsed === "string" ? "" : signBytes(Buffer.from("x"), parsed));

function verdict(lines: string): unknown {
  if (typeof signature === "string") throw new Error(signature);
  return trusts(readAllowedSigners(lines, "lines"), signature, now);
}

describe("a key is trusted", () => {
  test.each([
    key.line,
    `# a comment\n\n${another.line}\n${key.line} its comment\n`,
    `"a b,c" ${type} ${base64}`,
    `a,b namespaces="file,chainstate-*" ${type} ${base64}`,
    `a valid-after="20261129",valid-before="202611291201Z" ${type} ${base64}`,
    `a NAMESPACES="chainstate-snapshot",Valid-After="20261129115959Z" ${type} ${base64}`,
    `a valid-before="20200101" ${type} ${base64}\na ${type} ${base64}`,
  ])("by %j", (lines) => {
    expect(verdict(lines)).toMatchObject({ fingerprint: key.fingerprint });
  });

  test("under the name that its line gives it", () => {
    expect(verdict(`"a b,c" ${type} ${base64}`)).toMatchObject({ principals: "a b,c" });
  });
});

describe("a key is not trusted", () => {
  test.each([
    another.line,
    `a valid-before="20261129120000Z" ${type} ${base64}`,
    `a valid-after="20261130Z" ${type} ${base64}`,
    `${another.line}\na namespaces="git" ${type} ${base64}`,
    `${another.line}\na namespaces="*,!chainstate-snapshot" ${type} ${base64}`,
  ])("by %j", (lines) => {
    expect(verdict(lines)).toEqual(expect.any(String));
  });
});

describe("lines that would be read as less than they say are refused", () => {
  test.each([
    ["", "names no key"],
    [`a namespaces="git" ${type} ${base64}`, "names no key"],
    [`a cert-authority ${type} ${base64}`, "cert-authority is not supported"],
    [`a cert-authority,namespaces="chainstate-snapshot" ${type} ${base64}`, "cert-authority"],
    [`a no-touch-required ${type} ${base64}`, "not supported"],
    [`a namespaces=git ${type} ${base64}`, "options cannot be read"],
    [`a valid-before="tomorrow" ${type} ${base64}`, "no time"],
    [`a valid-before="20269999" ${type} ${base64}`, "no time"],
    [`*,!b ${type} ${base64}`, "excluded"],
    [`a "namespaces="git ${type} ${base64}`, "cannot be"],
    [`a namespaces="git ${type} ${base64}`, "quote"],
    [`a ssh-rsa ${base64}`, "damaged"],
    [`a ${type} ${base64.slice(0, 40)}`, "damaged"],
    [`a sk-ssh-ed25519@openssh.com ${base64}`, "not supported"],
    [`a ssh-ed25519-cert-v01@openssh.com ${base64}`, "not supported"],
    [`${type} ${base64}`, "no key"],
    ["a", "principals"],
    [`${key.line}\n<html>`, "Line 2"],
  ])("%j", (lines, says) => {
    expect(() => readAllowedSigners(lines, "`trusted-signers`")).toThrow(says);
  });
});
