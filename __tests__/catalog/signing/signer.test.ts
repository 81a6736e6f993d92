import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { openSigner } from "../../../src/catalog/signing/signer.ts";
import { readSignature } from "../../../src/catalog/signing/sshsig.ts";
import { describeError } from "../../../src/domain/errors.ts";
import type { SignKey } from "../../../src/domain/options.ts";
import { has, memoryDirectory } from "../../tools.ts";
import { makeKey } from "./keys.ts";

const directory = mkdtempSync(join(memoryDirectory(), "signer-"));
const options = { scratch: directory, signal: new AbortController().signal };
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

const key = makeKey();
const bytes = Buffer.from("{}\n");

function keyFile(name: string, text: string, mode = 0o600): string {
  const path = join(directory, name);
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  return path;
}

async function signs(sign: SignKey): Promise<string> {
  const signer = await openSigner(sign, options);
  const signature = readSignature(Buffer.from(await signer.sign(bytes)).toString());
  if (typeof signature === "string") throw new Error(signature);
  expect(signature.fits(bytes)).toBe(true);
  expect(signature.signer.fingerprint).toBe(signer.fingerprint);
  return signer.fingerprint;
}

async function refusal(sign: SignKey): Promise<string> {
  const error: unknown = await openSigner(sign, options).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "SIGN_KEY_UNUSABLE" });
  return describeError(error);
}

test("a key signs from its file and from its text, also when the file is gone by then", async () => {
  const path = keyFile("key", key.text);
  expect(await signs({ kind: "file", path })).toBe(key.fingerprint);
  expect(await signs({ kind: "text", text: key.text })).toBe(key.fingerprint);
  expect(await signs({ kind: "text", text: key.text.replaceAll("\n", "\r\n") })).toBe(key.fingerprint);
  const signer = await openSigner({ kind: "file", path }, options);
  rmSync(path);
  expect(await signer.sign(bytes)).toBeInstanceOf(Uint8Array);
});

describe("a key that cannot be used is refused when it is opened, and no message holds it", () => {
  const encrypted = makeKey("x", { cipher: "aes256-ctr" }).text;
  const cut = key.text.replace(/\n[^\n]+(\n-----END)/, "$1");
  test.each([
    ["is absent", () => join(directory, "absent"), "cannot be read"],
    ["is a directory", () => directory, "no key file"],
    ["others can read", () => keyFile("open", key.text, 0o644), "read by others"],
    ["has a passphrase", () => keyFile("encrypted", encrypted), "passphrase"],
    ["is cut off", () => keyFile("cut", cut), "no private key"],
    ["is no key", () => keyFile("none", "AAAA"), "no private key"],
    ["is larger than any key", () => keyFile("large", "A".repeat(100_000)), "no key file"],
  ])("one that %s", async (_name, path, says) => {
    const said = await refusal({ kind: "file", path: path() });
    expect(said).toContain(says);
    for (const line of key.text.split("\n").slice(1, -2)) expect(said).not.toContain(line);
  });

  test("a text of another kind", async () => {
    const text = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----\n";
    const said = await refusal({ kind: "text", text });
    expect(said).toContain("no Ed25519 key");
    expect(said).not.toContain("MIIEow");
  });
});

describe.runIf(has("ssh-keygen") && has("ssh-agent"))("through OpenSSH", () => {
  const make = (name: string, type: string, ...more: readonly string[]): string => {
    const path = join(directory, name);
    execFileSync("ssh-keygen", ["-q", "-t", type, "-f", path, "-C", "", ...more]);
    return path;
  };
  const fingerprintOf = (path: string): string =>
    execFileSync("ssh-keygen", ["-l", "-f", `${path}.pub`], { encoding: "utf8" }).split(" ")[1] ?? "";

  test("a key of another kind signs by ssh-keygen, and one with a passphrase is asked of nobody", async () => {
    const path = make("ecdsa", "ecdsa", "-N", "");
    expect(await signs({ kind: "file", path })).toBe(fingerprintOf(path));
    const locked = make("locked", "ecdsa", "-N", "a passphrase");
    expect(await refusal({ kind: "file", path: locked })).toMatch(/passphrase|ssh-keygen does not sign/);
  });

  test("what an agent holds signs by name, and without one where it is the only one", async () => {
    const socket = join(directory, "agent");
    const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      await once(agent.stdout, "data");
      expect(existsSync(socket)).toBe(true);
      vi.stubEnv("SSH_AUTH_SOCK", socket);
      expect(await refusal({ kind: "agent" })).toContain("no key");
      const [one, another] = [make("one", "ed25519", "-N", ""), make("another", "ed25519", "-N", "")];
      // It holds them, and nobody else.
      const add = (path: string): void => {
        execFileSync("ssh-add", ["-q", path], { stdio: "pipe" });
        rmSync(path);
      };
      add(one);
      expect(await signs({ kind: "agent" })).toBe(fingerprintOf(one));
      add(another);
      expect(await refusal({ kind: "agent" })).toContain("2 keys");
      expect(await signs({ kind: "file", path: `${another}.pub` })).toBe(fingerprintOf(another));
      const signer = await openSigner({ kind: "file", path: `${one}.pub` }, options);
      execFileSync("ssh-add", ["-q", "-D"], { stdio: "pipe" });
      await expect(signer.sign(bytes)).rejects.toMatchObject({ code: "SIGNING_FAILED" });
      expect(await refusal({ kind: "file", path: `${one}.pub` })).toContain("does not sign");
    } finally {
      agent.kill();
      await once(agent, "exit");
    }
    expect(readFileSync(join(directory, "sign-key.pub"), "utf8")).toContain("ssh-ed25519");
  });

  test("without an agent", async () => {
    vi.stubEnv("SSH_AUTH_SOCK", join(directory, "no-agent"));
    expect(await refusal({ kind: "agent" })).toContain("shows no key");
  });
});
