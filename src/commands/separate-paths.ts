/** Storage, cache and chainstate are in no case one inside the other: one would be archived, replaced or removed with the other. */
import type { StorageLocation } from "../domain/options.ts";
import { ActionError } from "../domain/errors.ts";
import { canonicalPath } from "../recovery/state-directory.ts";

/** PATHS_OVERLAP. Links are followed. */
export async function requireSeparatePaths(
  chainstateDir: string,
  { storage, cache }: { readonly storage: StorageLocation | undefined; readonly cache?: string | undefined },
): Promise<void> {
  const target = await canonicalPath(chainstateDir);
  const others = [
    ["storage", storage?.scheme === "file" ? storage.directory : undefined],
    ["cache", cache],
  ] as const;
  for (const [input, path] of others) {
    if (path === undefined) continue;
    const real = await canonicalPath(path);
    if (!isInside(real, target) && !isInside(target, real)) continue;
    throw new ActionError(
      "PATHS_OVERLAP",
      `\`${input}\` (${real}) and \`chainstate-dir\` (${target}) are one inside the other.`,
      { hint: `Name a directory for \`${input}\` that neither holds the chainstate nor is in it.` },
    );
  }
}

function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}
