/**
 * The globs of the input `exclude`, compiled once, because they meet half a million paths. `*` and `?` stay within a
 * name, `**` crosses directories, `[a-z]`, `[!a-z]` and `{a,b}` as in a shell; a leading `!` and extended globs mean nothing
 * special. Names that begin with a dot are names like others. A pattern is anchored at the mode directory.
 */
import picomatch, { type PicomatchOptions } from "picomatch";
import { InputError } from "../domain/errors.ts";

const options: PicomatchOptions = {
  dot: true,
  nonegate: true,
  noextglob: true,
  posix: true,
  strictBrackets: true,
  strictSlashes: true,
  // A name may hold a newline.
  flags: "s",
  // Else a pattern that makes no expression would match nothing, without a word.
  debug: true,
};

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
    // Parentheses and bars would go into the expression as they are.
    return picomatch.makeRe(trimmed.replace(/(?<!\\)[()|]/g, String.raw`\$&`), options);
  } catch (cause) {
    const error = new InputError(
      input,
      `The value '${glob}' of '${input}' is no valid glob.`,
      "Close every [ and {, and quote a literal one as [[] or [{].",
    );
    error.cause = cause;
    throw error;
  }
}
