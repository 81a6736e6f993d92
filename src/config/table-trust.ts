/** Inputs that say whose snapshots are used, and how old they may be. */
import type { SignKey, TrustedSigners } from "../domain/options.ts";
import { InputError } from "../domain/errors.ts";
import { everyCommand, input, making } from "./input-spec.ts";
import { absolutePath, age, boolean, refuse, type Parser } from "./parsers.ts";

const keyForms =
  "It is `agent`, the absolute path of a key file, or the text of an Ed25519 private key without a passphrase.";

/** What stands here may be a private key, so that no message quotes it. */
const signKey: Parser<SignKey> = (text, at) => {
  if (text === "agent") return { kind: "agent" };
  if (text.startsWith("/") && !text.includes("\n")) return { kind: "file", path: absolutePath(text, at) };
  // In one line, with `\n` for each newline, where a secret cannot hold more.
  if (text.startsWith("-----BEGIN ")) return { kind: "text", text: text.replaceAll(String.raw`\n`, "\n") };
  throw new InputError(at, `The value of '${at}' is not valid.`, keyForms);
};

const signers: Parser<TrustedSigners> = (text, at) =>
  text.startsWith("/") && !text.includes("\n")
    ? { kind: "file", path: absolutePath(text, at) }
    : { kind: "lines", lines: text };

const digest: Parser<string> = (text, at) => {
  const [, hex] = /^(?:sha256:)?([0-9a-f]{64})$/i.exec(text) ?? [];
  if (hex === undefined) throw refuse(at, text, "A SHA-256 is needed, 64 hexadecimal digits.");
  return hex.toLowerCase();
};

export const trustInputs = {
  "sign-key": input({
    commands: [...making, "prune"],
    default: "",
    parse: signKey,
    isSecret: true,
    about:
      "SSH key to sign the snapshot's manifest with, and what says later that it is being removed or no longer pinned: the absolute path of a private key (or of a `.pub` file whose key an ssh-agent holds), `agent` for the only key that an ssh-agent holds, or an Ed25519 private key itself, from a secret.",
    defaultWords: "not signed",
  }),
  "trusted-signers": input({
    commands: everyCommand,
    default: "",
    parse: signers,
    about:
      "Whose snapshots are used: lines as in an `allowed_signers` file of OpenSSH (`publisher@example.org ssh-ed25519 AAAA…`), or the absolute path of such a file. Then nothing is used of a snapshot whose manifest none of these keys has signed.",
    defaultWords: "everybody's who can write to the storage",
  }),
  "expect-digest": input({
    commands: ["restore", "verify", "import"],
    default: "",
    parse: digest,
    about:
      "SHA-256 that the snapshot's `manifest.json` must have (output `manifest-digest` of the run that made it), or the archive that `snapshot` or `from` names by a URL.",
  }),
  "max-age": input({
    commands: ["restore", "list"],
    default: "",
    parse: age,
    about:
      "How old the snapshot may be, from its cut to now, such as `26h` or `30d`. `restore`: the one that is chosen; `list`: the newest of those listed. An older one fails the run.",
    defaultWords: "any age",
  }),
  "allow-lower-height": input({
    commands: ["restore"],
    default: "false",
    parse: boolean,
    about:
      "`true` lets `snapshot: latest`, or an archive by its URL, replace a chainstate of a greater height. A snapshot that is named by its id, by `height<=N` or with `expect-digest` may be lower without it.",
  }),
};
