/** File systems in a file, mounted for the length of a test; needs root. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const isRoot = process.geteuid?.() === 0;

export type LoopFileSystem = "xfs" | "btrfs" | "ext4";

const format: Record<LoopFileSystem, readonly string[]> = {
  xfs: ["mkfs.xfs", "-q", "-m", "reflink=1"],
  btrfs: ["mkfs.btrfs", "-q"],
  ext4: ["mkfs.ext4", "-q"],
};

export function hasFormatter(type: LoopFileSystem): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${format[type][0]}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export interface LoopMount {
  readonly path: string;
  unmount(): void;
}

/** A new file system of `size` (as `truncate` takes it), sparse. */
export function mountLoop(type: LoopFileSystem, size: string, parent = tmpdir()): LoopMount {
  const base = mkdtempSync(join(parent, `loop-${type}-`));
  const image = join(base, "image");
  const path = join(base, "mnt");
  mkdirSync(path);
  const [command = "", ...args] = format[type];
  execFileSync("truncate", ["-s", size, image]);
  execFileSync(command, [...args, image], { stdio: "pipe" });
  execFileSync("mount", ["-o", "loop", image, path]);
  return {
    path,
    unmount() {
      execFileSync("umount", [path]);
      rmSync(base, { recursive: true });
    },
  };
}
