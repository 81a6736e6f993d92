/** The file with the SHA-256 of an archive that stands beside it: as `sha256sum -c` reads it, and as others write it. */
import { ActionError } from "../domain/errors.ts";

export function checksumFile(sha256: string, name: string): string {
  return `${sha256}  ${name}\n`;
}

const archiveEnding = /\.(?:tar(?:\.(?:zst|gz))?|tgz|tzst)$/i;
/** Not part of a longer number. */
const digest = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/gi;

/**
 * The digest for the archive `name`, whoever wrote the file: `HASH  name`, `HASH  -`, `SHA256 (name) = HASH`, `sha256:HASH`, also as
 * UTF-16. One digest in it is the digest; of several, the one on the line that names the archive. Undefined for a web page,
 * which some servers send with status 200 where there is nothing. CHECKSUM_UNREADABLE for everything else. `where` names it
 * in messages.
 *
 * With `ofKind`, for a file that is named without the archive's ending: the only digest may be of another kind of archive, and then it is
 * undefined.
 */
export function readChecksum(
  bytes: Uint8Array,
  name: string,
  where: string,
  { ofKind = false } = {},
): string | undefined {
  const text = decode(bytes);
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.match(digest) !== null);
  const all = new Set(lines.flatMap((line) => line.match(digest) ?? []).map((one) => one.toLowerCase()));
  const naming = lines.filter((line) => namesIn(line).some((word) => word.split("/").at(-1) === name));
  const named = new Set(naming.flatMap((line) => line.match(digest) ?? []).map((one) => one.toLowerCase()));
  const [found, second] = named.size > 0 ? named : all;
  if (found === undefined && /^\s*</.test(text)) return undefined;
  if (found === undefined || second !== undefined) {
    throw new ActionError(
      "CHECKSUM_UNREADABLE",
      `${where} ${found === undefined ? "holds no SHA-256" : `holds several digests and none for ${name}`}.`,
      {
        hint: "Repair it or remove it: one SHA-256 in it, or a line for each file as `sha256sum` writes it.",
      },
    );
  }
  const otherKind = ofKind && named.size === 0 && lines.some((line) => isOfOtherKind(namesIn(line), name));
  return otherKind ? undefined : found;
}

/** The words of a line that can be file names: what is left of it without the digest and the marks around names. */
function namesIn(line: string): readonly string[] {
  const rest = line.replaceAll(digest, " ");
  const inParentheses = /\(([^)]+)\)/.exec(rest)?.[1];
  return [rest.trim().replace(/^\*/, ""), ...(inParentheses === undefined ? [] : [inParentheses])];
}

function isOfOtherKind(words: readonly string[], name: string): boolean {
  const kindOf = (file: string): string | undefined => archiveEnding.exec(file)?.[0].toLowerCase();
  const kinds = words.map(kindOf).filter((kind) => kind !== undefined);
  return kinds.length > 0 && !kinds.includes(kindOf(name) ?? "");
}

/** Names that the file for an archive has: with all of its name, and without its ending as some publish it. */
export function checksumKeys(key: string): readonly { readonly key: string; readonly ofKind: boolean }[] {
  const short = key.replace(archiveEnding, "");
  return [
    { key: `${key}.sha256`, ofKind: false },
    ...(short === key ? [] : [{ key: `${short}.sha256`, ofKind: true }]),
  ];
}

/** PowerShell's `>` writes UTF-16. */
function decode(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const encoding =
    (first === 0xff && second === 0xfe) || (second === 0 && first !== 0)
      ? "utf-16le"
      : (first === 0xfe && second === 0xff) || (first === 0 && second !== 0)
        ? "utf-16be"
        : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}
