/** What tests of this folder share: scratch directories, the real fixture where it is, digests of trees. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Real chainstates, which stand beside the checkout on some machines, and the folder that each unpacks to. */
const fixtures = {
  "sbtc-regtest-chainstate": "stacks-node",
  "regtest-4.0.2-after-reorg": "reorg",
} as const;

const archiveOf = (name: keyof typeof fixtures): string =>
  join(import.meta.dirname, `../../../shared/fixtures/${name}.tar.xz`);

export const hasFixture = Object.keys(fixtures).every((name) =>
  existsSync(archiveOf(name as keyof typeof fixtures)),
);

export class Scratch {
  readonly root = mkdtempSync(join(tmpdir(), "chainstate-"));
  #count = 0;

  path(name = "mainnet"): string {
    this.#count += 1;
    return join(this.root, String(this.#count), name);
  }

  /** A copy that shares no file with the original, the observers' database one level up left out. */
  copy(from: string, name = "mainnet"): string {
    const to = this.path(name);
    execFileSync("mkdir", ["-p", to]);
    execFileSync("cp", ["-a", "--reflink=auto", `${from}/.`, to]);
    return to;
  }

  unpackFixture(name: keyof typeof fixtures = "sbtc-regtest-chainstate"): string {
    const parent = this.path("");
    execFileSync("mkdir", ["-p", parent]);
    execFileSync("tar", ["-xJf", archiveOf(name), "-C", parent]);
    return join(parent, fixtures[name]);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Path → SHA-256 of every file below `dir`, `-shm` files included. */
export function digestTree(dir: string): Record<string, string> {
  const digests: Record<string, string> = {};
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    digests[path.slice(dir.length + 1)] = createHash("sha256").update(readFileSync(path)).digest("hex");
  }
  return digests;
}
