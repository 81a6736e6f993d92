/**
 * The globs of the input `exclude`, compiled to regular expressions once, because they meet half a million paths.
 * `*` and `?` stay within a name, `**` crosses directories, `[a-z]`, `[!a-z]` and `{a,b}` as in a shell. Names that
 * begin with a dot are names like others. A pattern is anchored at the mode directory and also takes what is below it.
 */
import { InputError } from "../errors.ts";

/** Throws InputError, naming the input, for a pattern that is malformed or points out of the mode directory. */
export function compileGlob(glob: string, input = "exclude"): RegExp {
  const trimmed = glob.replace(/^\.\//, "").replace(/\/+$/, "");
  if (
    trimmed === "" ||
    trimmed.startsWith("/") ||
    trimmed.split("/").some((part) => part === ".." || part === ".")
  ) {
    throw new InputError(
      input,
      `The value '${glob}' of '${input}' is no glob below chainstate-dir.`,
      "Write it relative to chainstate-dir, such as `chainstate/estimates/**` or `**/*.bak`.",
    );
  }
  try {
    return new RegExp(`^${translate(trimmed)}$`, "su");
  } catch (cause) {
    throw malformed(glob, input, cause);
  }
}

function malformed(glob: string, input: string, cause?: unknown): InputError {
  const error = new InputError(
    input,
    `The value '${glob}' of '${input}' is no valid glob.`,
    "Close every [ and {, and quote a literal one as [[] or [{].",
  );
  if (cause !== undefined) error.cause = cause;
  return error;
}

function translate(glob: string): string {
  let out = "";
  let braces = 0;
  for (let at = 0; at < glob.length; at += 1) {
    const char = glob.charAt(at);
    if (char === "*") {
      const stars = /^\*+/.exec(glob.slice(at))?.[0].length ?? 1;
      const wholeName = (at === 0 || glob[at - 1] === "/") && (glob[at + stars] ?? "/") === "/";
      at += stars - 1;
      if (stars < 2 || !wholeName) {
        out += "[^/]*";
      } else if (glob[at + 1] === "/") {
        // "**/" is any number of directories, none included.
        out += "(?:[^/]+/)*";
        at += 1;
      } else {
        out += ".*";
      }
    } else if (char === "?") {
      out += "[^/]";
    } else if (char === "[") {
      const end = glob.indexOf("]", at + 2);
      if (end === -1) throw malformed(glob, "exclude");
      const set = glob.slice(at + 1, end);
      const negated = set.startsWith("!") || set.startsWith("^");
      const members = (negated ? set.slice(1) : set).replace(/[\\[\]^&~]/g, String.raw`\$&`);
      out += negated ? `(?![/${members}])[^/]` : `(?!/)[${members}]`;
      at = end;
    } else if (char === "{") {
      braces += 1;
      out += "(?:";
    } else if (char === "}" && braces > 0) {
      braces -= 1;
      out += ")";
    } else if (char === "," && braces > 0) {
      out += "|";
    } else {
      out += char.replace(/[$()*+./?[\\\]^{|}]/, String.raw`\$&`);
    }
  }
  if (braces > 0) throw malformed(glob, "exclude");
  return out;
}
