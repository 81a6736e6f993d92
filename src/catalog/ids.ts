/** Names of snapshots and where their parts stand below the storage prefix. */

/** "20261122T020014Z" */
export function utcStamp(at: Date): string {
  return at.toISOString().replaceAll(/[-:]|\.\d+/g, "");
}

/** `<network>-<stacks height>-<UTC>`; `network` is the base name of the mode directory. */
export function snapshotId(network: string, stacksHeight: number, at: Date): string {
  return `${safeName(network)}-${stacksHeight}-${utcStamp(at)}`;
}

/** `<directory>-<node version>-<UTC>.tar.zst`, the last component of an archive's key. */
export function archiveName(directoryName: string, nodeVersion: string, at: Date): string {
  return `${safeName(directoryName)}-${safeName(nodeVersion)}-${utcStamp(at)}.tar.zst`;
}

export const snapshotsPrefix = "snapshots/";
export const latestKey = "latest.json";
export const catalogKey = "catalog.json";

export function snapshotFolder(id: string): string {
  return `${snapshotsPrefix}${id}`;
}

export function manifestKey(id: string): string {
  return `${snapshotFolder(id)}/manifest.json`;
}

/** The SSH signature of the manifest's bytes. */
export function signatureKey(id: string): string {
  return signatureOf(manifestKey(id));
}

/** Where the SSH signature of the bytes at `key` stands. */
export function signatureOf(key: string): string {
  return `${key}.sig`;
}

/** The snapshot of which what stands at this key speaks, where that is believed only with its signature; undefined for any other key. */
export function idOfSigned(key: string): string | undefined {
  const id = key.split("/")[1] ?? "";
  return [manifestKey, unpinnedKey, tombstoneKey].some((keyOf) => key === keyOf(id)) ? id : undefined;
}

/** Holds an id for the run that is filling its folder. */
export function claimKey(id: string): string {
  return `${snapshotFolder(id)}/claim.json`;
}

/** Says that a snapshot is being removed, so that nobody begins to read it. Goes last. */
export function tombstoneKey(id: string): string {
  return `${snapshotFolder(id)}/deleted.json`;
}

/** Says that a snapshot is not pinned any more: its manifest, which may be signed, never changes. */
export function unpinnedKey(id: string): string {
  return `${snapshotFolder(id)}/unpinned.json`;
}

/** Below it each running restore announces itself, so that its snapshot stays. */
export function readersPrefix(id: string): string {
  return `${snapshotFolder(id)}/readers/`;
}

/** A name that is safe in a key, a file name and a shell, whatever a directory was called. */
function safeName(text: string): string {
  const safe = text
    .replaceAll(/[^A-Za-z0-9._-]+/g, "_")
    .replace(/^[._-]+/, "")
    .slice(0, 64);
  return safe === "" ? "unknown" : safe;
}
