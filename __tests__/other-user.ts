/**
 * Whether tests can run this checkout's programs as somebody else: as root, from a checkout that others can reach. One below
 * /root, or in a directory of `mktemp -d`, they cannot.
 */
import { spawnSync } from "node:child_process";

const nobody = 65_534;
const reads = `require("node:fs").readFileSync(${JSON.stringify(import.meta.filename)})`;

export const canBeOthers: boolean =
  process.geteuid?.() === 0 &&
  spawnSync(process.execPath, ["-e", reads], { uid: nobody, gid: nobody }).status === 0;
