/**
 * Signs manifests. An Ed25519 key without a passphrase is read once and used in this process; everything else, and keys that
 * an agent holds, by `ssh-keygen`. Opening one makes a signature and looks whether it can be checked, so that what would fail
 * at the end of a run fails before a node is stopped. No key is ever part of a message.
 */
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ActionError, describeError, throwIfAborted } from "../../domain/errors.ts";
import type { SignKey } from "../../domain/options.ts";
import { query, run } from "../../system/exec.ts";
import { readPrivateKey, readPublicKey, type PrivateKey } from "./ssh-keys.ts";
import { readSignature, signatureNamespace, signBytes } from "./sshsig.ts";

export interface ManifestSigner {
  /** Of its key: "SHA256:…". */
  readonly fingerprint: string;
  /** The signature as it stands in the store. SIGNING_FAILED. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

export interface SignerOptions {
  /** A directory of this run that lives as long as the signer. */
  readonly scratch: string;
  readonly signal: AbortSignal;
}

/** SIGN_KEY_UNUSABLE, before anything is done with what it is to sign. */
export async function openSigner(key: SignKey, options: SignerOptions): Promise<ManifestSigner> {
  if (key.kind === "text") return inProcess(usable(readPrivateKey(key.text), "the text of `sign-key`"));
  if (key.kind === "agent") return await byAgent(options);
  return await byFile(key.path, options);
}

async function byFile(path: string, options: SignerOptions): Promise<ManifestSigner> {
  const text = await readKeyFile(path);
  if (publicKeyIn(text) !== undefined) return await bySshKeygen(path, options);
  const isOpen = ((await stat(path)).mode & 0o077) !== 0;
  const found = readPrivateKey(text);
  if (found !== "no key" && isOpen) {
    throw unusable(`${path} can be read by others than its owner`, `Run \`chmod 600 ${path}\`.`);
  }
  return found === "another kind" ? await bySshKeygen(path, options) : inProcess(usable(found, path));
}

/** More than any key has. */
const keyFileBytes = 64 * 1024;

async function readKeyFile(path: string): Promise<string> {
  try {
    const found = await stat(path);
    if (found.isFile() && found.size <= keyFileBytes) return await readFile(path, "utf8");
  } catch (cause) {
    throw unusable(`${path} cannot be read`, undefined, cause);
  }
  throw unusable(`${path} is no key file`);
}

function publicKeyIn(text: string): ReturnType<typeof readPublicKey> {
  const [, base64] = /^(?:ssh|ecdsa)-[a-z0-9@.-]+ ([A-Za-z0-9+/=]+)(?:\s|$)/.exec(text) ?? [];
  return base64 === undefined ? undefined : readPublicKey(Buffer.from(base64, "base64"));
}

function usable(found: ReturnType<typeof readPrivateKey>, where: string): PrivateKey {
  if (typeof found !== "string") return found;
  if (found === "encrypted") {
    throw unusable(
      `${where} has a passphrase, and nobody is here to type it`,
      "Put the key into an ssh-agent and set `sign-key: agent`, or use a key without a passphrase.",
    );
  }
  throw unusable(`${where} is ${found === "no key" ? "no private key" : "no Ed25519 key of OpenSSH's form"}`);
}

function inProcess(key: PrivateKey): ManifestSigner {
  return {
    fingerprint: key.public.fingerprint,
    sign: async (bytes) => await Promise.resolve(Buffer.from(signBytes(bytes, key))),
  };
}

async function byAgent(options: SignerOptions): Promise<ManifestSigner> {
  const listed = await query(["ssh-add", "-L"]);
  if (listed.exitCode !== 0) {
    throw unusable(
      `the ssh-agent shows no key (${(listed.stderr || listed.stdout).trim().slice(0, 200)})`,
      "Start it in a step before, with `SSH_AUTH_SOCK` in the environment, and add the key.",
    );
  }
  const keys = listed.stdout.split("\n").filter((line) => publicKeyIn(line) !== undefined);
  const [only, another] = keys;
  if (only === undefined || another !== undefined) {
    throw unusable(
      `the ssh-agent holds ${keys.length} keys that could be meant`,
      "Set `sign-key` to the path of the public key (`.pub`) that is meant.",
    );
  }
  const path = join(options.scratch, "sign-key.pub");
  await writeFile(path, `${only}\n`, { mode: 0o600 });
  return await bySshKeygen(path, options);
}

const signMs = 60_000;

async function bySshKeygen(path: string, { signal }: SignerOptions): Promise<ManifestSigner> {
  const sign = async (
    bytes: Uint8Array,
  ): Promise<{ readonly text: string; readonly fingerprint: string }> => {
    const input = Buffer.from(bytes).toString("utf8");
    const ended = await run(["ssh-keygen", "-Y", "sign", "-f", path, "-n", signatureNamespace], {
      signal,
      timeoutMs: signMs,
      input,
      env: { SSH_ASKPASS_REQUIRE: "never" },
    });
    const text = ended.stdout;
    const signature = readSignature(text);
    const said = ended.exitCode === 0 ? signature : ended.stderr.trim().slice(-300);
    if (typeof said === "string") throw new Error(`ssh-keygen cannot sign with ${path}: ${said}`);
    if (!said.fits(bytes)) throw new Error(`What ssh-keygen signed with ${path} cannot be checked`);
    return { text, fingerprint: said.signer.fingerprint };
  };
  const { fingerprint } = await sign(Buffer.from("trial")).catch((cause: unknown) => {
    throwIfAborted(signal);
    throw unusable(`ssh-keygen does not sign with it`, undefined, cause);
  });
  return {
    fingerprint,
    async sign(bytes) {
      try {
        const signed = await sign(bytes);
        if (signed.fingerprint === fingerprint) return Buffer.from(signed.text);
        throw new Error(`It was signed with ${signed.fingerprint} instead of ${fingerprint}`);
      } catch (cause) {
        throwIfAborted(signal);
        throw new ActionError("SIGNING_FAILED", `The manifest cannot be signed: ${describeError(cause)}.`, {
          cause,
        });
      }
    },
  };
}

function unusable(why: string, hint?: string, cause?: unknown): ActionError {
  const details = { ...(hint === undefined ? {} : { hint }), ...(cause === undefined ? {} : { cause }) };
  const because = cause === undefined ? "" : ` (${describeError(cause)})`;
  return new ActionError(
    "SIGN_KEY_UNUSABLE",
    `The key to sign with cannot be used: ${why}${because}.`,
    details,
  );
}
