/** What the operating system says about a directory, as the store's own errors. By errno alone. */
import { StoreError, isPortError, type Meaning } from "../errors.ts";

const readOnly: Meaning = {
  code: "STORE_READ_ONLY",
  sentence: "is on a file system that is mounted read-only",
  hint: "Remount it writable or choose another directory.",
};
const full: Meaning = {
  code: "STORE_FULL",
  sentence: "cannot be written: its file system has no space left",
  hint: "Free some space, or remove old snapshots (`command: prune`).",
};
const denied: Meaning = {
  code: "STORE_DENIED",
  sentence: "may not be used by this user",
  hint: "Give the runner's user read and write access to the directory and everything below it.",
};
const missing: Meaning = {
  code: "STORE_NOT_FOUND",
  sentence: "does not exist or is no directory",
  hint: "Create it, or mount what should be there; only the last component is made by itself.",
};

const meanings: ReadonlyMap<string, Meaning> = new Map(
  Object.entries({
    ENOSPC: full,
    EDQUOT: { ...full, sentence: "cannot be written: a quota has been reached" },
    EFBIG: {
      code: "STORE_FULL",
      sentence: "does not take files this large",
      hint: "Use a file system (and a limit, `ulimit -f`) without that bound.",
    },
    EROFS: readOnly,
    EACCES: denied,
    EPERM: denied,
    ENOENT: missing,
    ENOTDIR: missing,
  }),
);

/** `place` is the path a person knows. What is already an error of the program passes through. */
export function explainFileError(error: unknown, place: string): unknown {
  if (isPortError(error) || !(error instanceof Error) || !("code" in error)) return error;
  const code = String(error.code);
  const meaning = meanings.get(code);
  if (meaning === undefined) {
    return new StoreError("STORE_FAILED", `${place} cannot be used: ${error.message}.`, { cause: error });
  }
  return new StoreError(meaning.code, `${place} ${meaning.sentence}.`, { hint: meaning.hint, cause: error });
}

export async function explained<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explainFileError(error, place);
  }
}
