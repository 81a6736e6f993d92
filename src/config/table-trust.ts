/** Inputs that say whose snapshots are used, and how old they may be. */
import type { SignKey, TrustedSigners, TrustedSignerSets } from "../domain/options.ts";
import { InputError } from "../domain/errors.ts";
import { everyCommand, input, making, withArchive } from "./input-spec.ts";
import {
  absolutePath,
  age,
  boolean,
  httpUrl,
  imageReference,
  integer,
  lines,
  program,
  refuse,
  type Parser,
} from "./parsers.ts";

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

/** Lines, or the absolute path of a file with such lines. */
const linesOrFile: Parser<TrustedSigners & TrustedSignerSets> = (text, at) =>
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
    parse: linesOrFile,
    about:
      "Whose snapshots are used: lines as in an `allowed_signers` file of OpenSSH (`publisher@example.org ssh-ed25519 AAAA…`), or the absolute path of such a file. Then nothing is used of a snapshot whose manifest none of these keys has signed.",
    defaultWords: "everybody's who can write to the storage",
  }),
  "confirm-with": input({
    commands: [...withArchive, "import"],
    default: "",
    parse: lines(httpUrl),
    about:
      "URLs of other nodes' RPCs, one a line, such as `https://node.example.org`: the block at the snapshot's height has to be theirs. One that has another fails the run. Where none says so, a snapshot is published with a warning, and `restore`, `verify` and `import` fail.",
    defaultWords: "nobody is asked",
  }),
  "trusted-signer-set": input({
    commands: [...withArchive, "import"],
    default: "",
    parse: linesOrFile,
    about:
      "Signers of Stacks that are known to be the chain's: a reward cycle and the digest of its set (`118 9f2c…`, see docs/checks.md), several one a line, or the absolute path of such a file. The signers of the last block have to follow from one of them; needs `check: quick`, `proof` or `full`.",
    defaultWords: "the last set that this host has seen confirmed",
  }),
  boot: input({
    commands: ["verify"],
    default: "false",
    parse: boolean,
    about:
      "`true` starts `node-program` on a copy of the chainstate, alone on this host, and waits until its RPC is at the height of the chainstate, then for a clean stop. Needs space for the copy and a Bitcoin node.",
  }),
  "replay-blocks": input({
    commands: ["snapshot", "verify"],
    default: "",
    parse: integer(1, 10_000_000),
    about:
      "How many of the last blocks `node-inspector` executes again on a copy, comparing the state that comes of each. With `snapshot` before it is published. Needs space for the copy.",
    defaultWords: "none",
  }),
  "node-program": input({
    commands: ["verify"],
    default: "",
    parse: program,
    about:
      "Absolute path of the `stacks-node` that `boot` starts. Root does not run it: the owner of the chainstate does, or nobody.",
    defaultWords: "with `node-image`: `stacks-node`",
  }),
  "node-inspector": input({
    commands: ["snapshot", "verify"],
    default: "",
    parse: program,
    about:
      "Absolute path of the `stacks-inspect` for `replay-blocks`, of the node's own release. Root does not run it.",
    defaultWords: "with `node-image`: `stacks-inspect`",
  }),
  "node-image": input({
    commands: ["snapshot", "verify"],
    default: "",
    parse: imageReference,
    about:
      "Image in which `node-program` and `node-inspector` are, as paths or names, such as `ghcr.io/example/stacks-node:4.0.2@sha256:…`. Docker or Podman runs them, with the copy and nothing else of this host. Pulled where the engine does not have it.",
    defaultWords: "none, they are on this host",
  }),
  "node-config": input({
    commands: ["snapshot", "verify"],
    default: "",
    parse: absolutePath,
    about:
      "Absolute path of a configuration of the node, for `boot`, and for `replay-blocks` on networks other than mainnet and the public testnet. Taken over without what is secret, mines, or speaks to others: miner, seeds, observers, peers, addresses.",
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
