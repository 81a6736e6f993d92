/** What tests of this room share: scratch directories, the real fixture where it is, digests of trees. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const archive = join(import.meta.dirname, "../../../shared/fixtures/sbtc-regtest-chainstate.tar.xz");

/** A real chainstate, which stands beside the checkout on some machines. */
export const hasFixture = existsSync(archive);

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

  unpackFixture(): string {
    const parent = this.path("");
    execFileSync("mkdir", ["-p", parent]);
    execFileSync("tar", ["-xJf", archive, "-C", parent]);
    return join(parent, "stacks-node");
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
