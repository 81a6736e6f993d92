/** Where this host keeps what it knows of a chainstate's last snapshot on a store, beside its journals. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { canonicalPath, ensureStateDirectory } from "../../recovery/state-directory.ts";
import type { ObjectStore } from "../../store/port.ts";
import type { RunContext } from "../context.ts";

/** `ending`: a file's, or empty for a directory. The state directory is there then. */
export async function hostRecordPath(
  { host }: RunContext,
  kind: "segments" | "pages" | "blobs",
  chainstateDir: string,
  store: ObjectStore,
  ending = "",
): Promise<string> {
  const real = await canonicalPath(chainstateDir);
  const name = createHash("sha256").update(`${real}\n${store.url}`).digest("hex").slice(0, 16);
  return join(await ensureStateDirectory(host.stateDir), `${kind}-${name}${ending}`);
}
