import { spawnSync } from "node:child_process";

/** Whether this machine has a program. Tests that need one it lacks are skipped by name. */
export function has(tool: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${tool}`]).status === 0;
}
