/**
 * Who may sign: lines of an `allowed_signers` file (ALLOWED SIGNERS in ssh-keygen(1)), each `principals [options] type key`.
 * A key is trusted by standing there; its principal is a name for people. A line with something that is not honoured here
 * is refused, never read as if it said less.
 */
import { ActionError } from "../../domain/errors.ts";
import { readPublicKey, type PublicKey } from "./ssh-keys.ts";
import { signatureNamespace, type Signature } from "./sshsig.ts";

interface AllowedSigner {
  readonly principals: string;
  readonly key: PublicKey;
  /** Milliseconds since 1970. */
  readonly validAfter: number;
  readonly validBefore: number;
}

/** Who has signed: what the line that trusts the key calls them, and the key. */
export interface SignedBy {
  readonly principals: string;
  readonly fingerprint: string;
}

export type AllowedSigners = readonly AllowedSigner[];

/** `where` names the lines in messages. Lines for other namespaces are left out. SIGNERS_UNREADABLE. */
export function readAllowedSigners(text: string, where: string): AllowedSigners {
  const found: AllowedSigner[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    const signer = readLine(line.trim());
    if (typeof signer === "string") {
      throw unreadable(`Line ${index + 1} of ${where} cannot be used: ${signer}.`);
    }
    if (signer !== undefined) found.push(signer);
  }
  if (found.length > 0) return found;
  throw unreadable(`${where} names no key that may sign in the namespace ${signatureNamespace}.`);
}

/** Who has signed, where they may now; in words why not, where they may not. */
export function trusts(
  signers: AllowedSigners,
  { signer: { blob, fingerprint }, namespace }: Signature,
  now: number,
): SignedBy | string {
  if (namespace !== signatureNamespace)
    return `it was made for another purpose (${JSON.stringify(namespace)})`;
  const lines = signers.filter(({ key }) => key.blob.equals(blob));
  if (lines.length === 0) return `its key, ${fingerprint}, is none of those in \`trusted-signers\``;
  const valid = lines.find(({ validAfter, validBefore }) => validAfter <= now && now < validBefore);
  if (valid !== undefined) return { principals: valid.principals, fingerprint };
  return `its key, ${fingerprint}, is outside the time in which \`trusted-signers\` lets it sign`;
}

/** Undefined: for another namespace. A text: why it cannot be used. */
function readLine(line: string): AllowedSigner | string | undefined {
  if ((line.match(/"/g) ?? []).length % 2 === 1) return "a quote is not closed";
  const [principals, second, ...rest] = wordsOf(line);
  if (principals === undefined || second === undefined) return "it is no `principals [options] type key`";
  if (principals.includes("!")) return "a principal that is excluded (`!`) is not supported";
  const hasOptions = !isKeyType(second);
  const [type, base64] = hasOptions ? rest : [second, ...rest];
  if (type === undefined || base64 === undefined || !isKeyType(type)) {
    return "no key stands where one is expected";
  }
  const options = hasOptions ? readOptions(second) : noOptions;
  if (typeof options === "string") return options;
  const blob = Buffer.from(base64, "base64");
  const key = readPublicKey(blob);
  if (key?.type !== type) return `its key is damaged, or of a kind that is not supported here (${type})`;
  const { namespaces, validAfter, validBefore } = options;
  const isForUs = namespaces === undefined || namespaces.some((each) => fits(each, signatureNamespace));
  const isExcluded = namespaces?.some(
    (each) => each.startsWith("!") && fits(each.slice(1), signatureNamespace),
  );
  return isForUs && isExcluded !== true ? { principals, key, validAfter, validBefore } : undefined;
}

function isKeyType(word: string): boolean {
  return /^(?:ssh|ecdsa|sk|webauthn)-[a-z0-9@.-]+$/.test(word);
}

/** At white space that does not stand between quotes; the quotes round a whole word go. */
function wordsOf(line: string): readonly string[] {
  return (line.match(/(?:"[^"]*"|[^\s"])+/g) ?? []).map((word) => word.replace(/^"([^"]*)"$/, "$1"));
}

interface Options {
  readonly namespaces: readonly string[] | undefined;
  readonly validAfter: number;
  readonly validBefore: number;
}

const noOptions: Options = { namespaces: undefined, validAfter: -Infinity, validBefore: Infinity };

function readOptions(text: string): Options | string {
  const form = /([^,="\s]+)(?:="([^"]*)")?(?:,|$)/y;
  let options = noOptions;
  while (form.lastIndex < text.length) {
    const [, name, value = ""] = form.exec(text) ?? [];
    if (name === undefined) return "its options cannot be read";
    const option = name.toLowerCase();
    if (option === "namespaces" && value !== "") options = { ...options, namespaces: value.split(",") };
    else if (option === "valid-after" || option === "valid-before") {
      const at = instantOf(value);
      if (at === undefined) return `${name}="${value}" is no time as ssh-keygen(1) writes it`;
      options = { ...options, [option === "valid-after" ? "validAfter" : "validBefore"]: at };
    } else return `the option ${name.slice(0, 40)} is not supported`;
  }
  return options;
}

/** `YYYYMMDD[HHMM[SS]][Z]`; without the Z in the time zone of this host, as OpenSSH has it. */
function instantOf(text: string): number | undefined {
  const [, date, hours = "00", minutes = "00", seconds = "00", zone = ""] =
    /^(\d{8})(?:(\d{2})(\d{2})(\d{2})?)?(Z?)$/.exec(text) ?? [];
  if (date === undefined) return undefined;
  const day = date.replace(/(....)(..)(..)/, "$1-$2-$3");
  const at = Date.parse(`${day}T${hours}:${minutes}:${seconds}${zone}`);
  return Number.isNaN(at) ? undefined : at;
}

/** A pattern of OpenSSH's, with `*` and `?`. */
function fits(pattern: string, name: string): boolean {
  const escaped = pattern.trim().replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`).test(name);
}

function unreadable(message: string): ActionError {
  return new ActionError("SIGNERS_UNREADABLE", message, {
    hint: "Give lines such as `publisher@example.org ssh-ed25519 AAAA…`, or the absolute path of a file of them.",
  });
}
