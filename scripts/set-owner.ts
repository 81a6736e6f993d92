/**
 * Puts a name in the place of OWNER wherever a file of this checkout says whom the repository belongs to: `uses:` lines, links,
 * CODEOWNERS. Once, by whoever publishes it: `npm run node24 -- scripts/set-owner.ts NAME`, then `npm run build`.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
/** Always with the repository's name behind it, or as a mention, so that no error code is meant. */
const places = /OWNER(?=\/chainstate-snapshot)|(?<=@)OWNER\b/g;

export function setOwner(text: string, owner: string): string {
  return text.replace(places, owner);
}

function main(owner: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,38}$/.test(owner))
    throw new Error("Give the name of an account on GitHub.");
  const files = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0");
  for (const file of files.filter((name) => /\.(md|yml|ts)$|CODEOWNERS$/.test(name))) {
    if (file === "scripts/set-owner.ts") continue;
    const text = readFileSync(join(root, file), "utf8");
    const named = setOwner(text, owner);
    if (named === text) continue;
    writeFileSync(join(root, file), named);
    console.log(file);
  }
}

if (import.meta.main) main(process.argv[2] ?? "");
