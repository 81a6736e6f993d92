/** Whether a path can be relied on: what it leads through is renamed by nobody but root and this user. */
import { realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { decodePath, fsPath } from "./path-bytes.ts";

const sticky = 0o1000;
const writableByOthers = 0o022;

/** For an existing directory. In one that is sticky, as /tmp is, what is this user's own is renamed by no other. */
export async function isOwnWay(directory: string): Promise<boolean> {
  const real = decodePath(await realpath(fsPath(directory), { encoding: "buffer" }));
  for (let at = real; ; at = dirname(at)) {
    const { uid, mode } = await stat(fsPath(at));
    if (uid !== 0 && uid !== process.geteuid?.()) return false;
    if ((mode & writableByOthers) !== 0 && (mode & sticky) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
