/**
 * Snapshots of a btrfs subvolume: read-only, made at once, in the directory `.chainstate-snapshot-volumes` beside the
 * subvolume (or in it where it is a mount point of its own). They are plain directories, so nothing is mounted to read
 * them. A restore is a writable snapshot of the snapshot; where the target is no subvolume, a copy that shares its bytes.
 */
import { lstat, readdir, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import * as v from "valibot";
import { ActionError, hasCode } from "../../domain/errors.ts";
import { mountAt } from "../../system/mounts.ts";
import type { Host } from "../host.ts";
import { groupParts, locateChainstate, type ChainstatePart } from "../mounts/locate.ts";
import { nameFor, notOurs, runIdOf } from "../names.ts";
import { OpenedSnapshot } from "../opened.ts";
import { CollectedErrors, orTakeBack, probing } from "../outcome.ts";
import type {
  CleanUpRequest,
  OpenSnapshot,
  PreparedRestore,
  RestoreRequest,
  SnapshotRequest,
  VolumeProbe,
  VolumeRecord,
  VolumeSnapshotter,
} from "../port.ts";
import { absolutePath, commonFields, mainPart, parseRecords } from "../records.ts";
import {
  longMs,
  prepareDirectory,
  removeTree,
  requireOwnKind,
  WorkDirectory,
  type DirectoryMaker,
} from "../work-directory.ts";

/** Archives and swaps leave names with this beginning alone, see `recovery/swap.ts`. */
export const snapshotsFolder = ".chainstate-snapshot-volumes";

/** The inode number of every subvolume's root. */
const subvolumeInode = 256n;

const schema = v.looseObject({ ...commonFields, driver: v.literal("btrfs"), snapshot: absolutePath });

interface Subvolume {
  readonly root: string;
  readonly parts: readonly ChainstatePart[];
  /** Where its snapshots are. */
  readonly folder: string;
}

export class BtrfsSnapshotter implements VolumeSnapshotter {
  readonly driver = "btrfs";
  readonly isInstant = true;
  readonly #host: Host;
  readonly #named: readonly string[];

  /** `named`: subvolumes from the input `volume`; with them a chainstate in a plain directory of one is taken as meant. */
  constructor(host: Host, named: readonly string[] = []) {
    this.#host = host;
    this.#named = named;
  }

  async probe(request: SnapshotRequest): Promise<VolumeProbe> {
    return await probing(async () => {
      const { privilege } = this.#host;
      const subvolumes = await this.#find(request.chainstateDir);
      for (const [index, { root, folder }] of subvolumes.entries()) {
        const target = join(folder, numbered(request.runId, index));
        await privilege.require(makeFolder(folder), "to keep snapshots beside the chainstate");
        await privilege.require(snapshotArgv(root, target), "to snapshot the chainstate");
        await privilege.require(["btrfs", "subvolume", "delete", target], "to remove the snapshot again");
        await privilege.require(readOnlyArgv(target), "to see that the snapshot is there");
      }
      await this.#host.do(["btrfs", "--version"]);
      const sources = subvolumes.map(({ root }) => root);
      return { usable: true, reason: `${sources.join(" and ")} can be snapshotted at once`, sources };
    });
  }

  async freeze(request: SnapshotRequest): Promise<readonly VolumeRecord[]> {
    const made: VolumeRecord[] = [];
    return await orTakeBack(
      async () => {
        for (const [index, subvolume] of (await this.#find(request.chainstateDir)).entries())
          made.push(await takeSnapshot(subvolume, numbered(request.runId, index), request, this.#host));
        return made;
      },
      async () => {
        for (const record of made) await this.#host.do(["btrfs", "subvolume", "delete", record.snapshot]);
      },
    );
  }

  async describe(records: readonly VolumeRecord[]): Promise<readonly VolumeRecord[]> {
    return await Promise.resolve(records);
  }

  async open(records: readonly VolumeRecord[]): Promise<OpenSnapshot> {
    const parsed = parseRecords("btrfs", records, schema);
    const assertFrozen = async (): Promise<void> => {
      for (const record of parsed) await requireSnapshot(record.snapshot, this.#host);
    };
    return await OpenedSnapshot.open(assertFrozen, async (opened) => {
      await assertFrozen();
      for (const record of parsed) await opened.add(record.snapshot, record.parts);
    });
  }

  async restore(records: readonly VolumeRecord[], request: RestoreRequest): Promise<PreparedRestore> {
    const host = this.#host;
    const parsed = parseRecords("btrfs", records, schema);
    const main = mainPart(parsed);
    await requireOwnKind("btrfs", request, host);
    for (const record of parsed) await requireSnapshot(record.snapshot, host);
    const maker: DirectoryMaker = {
      make: async (work) => {
        // Of their own, because the owner of a snapshot can make it writable and exchange what is in it.
        const roots = new Map(parsed.map((record, index) => [record, join(work.path, `part${index}`)]));
        for (const [{ snapshot }, root] of roots)
          await host.do(["btrfs", "subvolume", "snapshot", snapshot, root]);
        const tree = await mainTree(main.within, roots.get(main.record) ?? "", work, request, host);
        for (const [record, root] of roots)
          for (const part of record.parts.filter(({ at }) => at !== ""))
            await placePart(part, { root, tree }, work, request, host);
        return tree;
      },
      remove: async (directory) => await this.#removeWithSubvolumes(directory),
    };
    return await prepareDirectory(maker, request, host);
  }

  async delete(record: VolumeRecord): Promise<void> {
    const [parsed] = parseRecords("btrfs", [record], schema);
    if (parsed !== undefined) await deleteSnapshot(parsed.snapshot, this.#host);
  }

  async cleanUp(runId: string, { chainstateDir, keep }: CleanUpRequest): Promise<void> {
    const errors = new CollectedErrors("Snapshots of a dead run could not be removed");
    for (const { path } of WorkDirectory.ofRun(chainstateDir, runId, this.#host))
      await errors.attempt(async () => await this.#removeWithSubvolumes(path));
    for (const folder of await foldersOf(chainstateDir, this.#host)) {
      for (const name of await namesIn(folder)) {
        const snapshot = join(folder, name);
        if (runOf(name) !== runId || keep?.(snapshot) === true) continue;
        await errors.attempt(async () => await deleteSnapshot(snapshot, this.#host));
      }
    }
    errors.finish();
  }

  async #find(chainstateDir: string): Promise<readonly Subvolume[]> {
    const parts = await locateChainstate(chainstateDir, this.#host);
    const roots = new Map<ChainstatePart, string>();
    for (const part of parts) roots.set(part, await subvolumeOf(part));
    const groups = groupParts(parts, (part) => roots.get(part) ?? "");
    const subvolumes: Subvolume[] = [];
    for (const [root, group] of groups) {
      const main = group.find((part) => part.at === "");
      if (main !== undefined && main.path !== root && !this.#named.includes(root))
        throw plainDirectory(main.path, root);
      subvolumes.push({ root, parts: group, folder: await snapshotsFolderOf(root, this.#host) });
    }
    const unknown = this.#named.find((name) => !groups.has(name));
    if (unknown !== undefined) {
      throw new ActionError("VOLUME_MISMATCH", `The chainstate is not on the subvolume ${unknown}.`, {
        hint: `It is on ${[...groups.keys()].join(", ")}.`,
      });
    }
    return subvolumes;
  }

  async #removeWithSubvolumes(directory: string): Promise<void> {
    const found = await lstat(directory, { bigint: true }).catch(absent);
    if (found === undefined) return;
    const roots = ["-maxdepth", "1", "-depth", "-inum", String(subvolumeInode), "-type", "d", "-print0"];
    const subvolumes = await this.#host.do(["find", "-P", directory, ...roots]);
    for (const subvolume of subvolumes.split("\0").filter(Boolean))
      await this.#host.do(["btrfs", "subvolume", "delete", subvolume]);
    await removeTree(directory, this.#host);
  }
}

function makeFolder(folder: string): readonly string[] {
  return ["mkdir", "--parents", "--mode=0755", folder];
}

function snapshotArgv(root: string, target: string): readonly string[] {
  return ["btrfs", "subvolume", "snapshot", "-r", root, target];
}

function readOnlyArgv(snapshot: string): readonly string[] {
  return ["btrfs", "property", "get", "-ts", snapshot, "ro"];
}

/** A subvolume where the target is one, so that the next snapshot finds one; else a plain directory, which shares its bytes. */
async function mainTree(
  within: string,
  root: string,
  work: WorkDirectory,
  { chainstateDir, staging, signal }: RestoreRequest,
  host: Host,
): Promise<string> {
  const target = await lstat(chainstateDir, { bigint: true }).catch(absent);
  // The place that `staging` is in stands beside the target, or in it where that is a mount point.
  const isBeside =
    // Not by `join`, which takes the two dots off a link to a descriptor before it is followed.
    (await realpath(`${dirname(staging)}/..`)) ===
    dirname(await realpath(chainstateDir).catch(() => chainstateDir));
  if (within === "" && isBeside && (target === undefined || target.ino === subvolumeInode)) return root;
  const tree = join(work.path, "tree");
  await copySharing(await work.resolve(root, within), tree, "always", signal, host);
  return tree;
}

/** A link that led to another volume becomes what it led to, as in an archive. */
async function placePart(
  { at, within }: { readonly at: string; readonly within: string },
  { root, tree }: { readonly root: string; readonly tree: string },
  work: WorkDirectory,
  { signal }: RestoreRequest,
  host: Host,
): Promise<void> {
  const parent = await work.resolve(tree, dirname(at) === "." ? "" : dirname(at));
  const place = join(parent, basename(at));
  const from = await work.resolve(root, within);
  await host.do(["rm", "--force", "--recursive", "--one-file-system", "--", place]);
  await copySharing(from, place, "auto", signal, host);
}

async function subvolumeOf(part: ChainstatePart): Promise<string> {
  if (part.mount.fsType !== "btrfs") {
    throw new ActionError("VOLUME_WRONG_TYPE", `${part.path} is on ${part.mount.fsType}, not on btrfs.`, {
      hint: "Choose another `volume-driver` or `freeze-with`.",
    });
  }
  for (let path = part.path; ; path = dirname(path)) {
    const found = await lstat(path, { bigint: true });
    if (found.isDirectory() && found.ino === subvolumeInode) return path;
    if (path === part.mount.mountPoint || path === "/") {
      // A directory of a subvolume that is bind-mounted: its subvolume is not in sight from here.
      throw new ActionError(
        "VOLUME_NOT_VISIBLE",
        `The subvolume that holds ${part.path} is not mounted here.`,
        {
          hint: "Mount the subvolume itself on this host (not only a directory of it).",
        },
      );
    }
  }
}

function plainDirectory(path: string, root: string): ActionError {
  const fresh = `${path}.subvolume`;
  return new ActionError(
    "VOLUME_PLAIN_DIRECTORY",
    `${path} is a plain directory in the btrfs subvolume ${root}, not a subvolume of its own.`,
    {
      hint:
        `With the node stopped: \`btrfs subvolume create ${fresh} && cp -a --reflink=always ${path}/. ${fresh}/ && ` +
        `mv ${path} ${path}.old && mv ${fresh} ${path}\`, or set \`volume: ${root}\` to snapshot all of ${root}.`,
    },
  );
}

async function snapshotsFolderOf(root: string, host: Host): Promise<string> {
  const mounts = await host.readMounts();
  const [own, above] = [mountAt(root, mounts), mountAt(dirname(root), mounts)];
  const isMountPoint = root === "/" || own?.mountPoint === root || own?.device !== above?.device;
  return join(isMountPoint ? root : dirname(root), snapshotsFolder);
}

/** Where snapshots of the chainstate can be, also while it is no subvolume, or not there at all. */
async function foldersOf(chainstateDir: string, host: Host): Promise<ReadonlySet<string>> {
  const parts = await locateChainstate(chainstateDir, host).catch(async (error: unknown) => {
    if (!hasCode(error, "CHAINSTATE_DIR_MISSING")) throw error;
    return await locateChainstate(dirname(chainstateDir), host);
  });
  const folders = new Set<string>([join(dirname(chainstateDir), snapshotsFolder)]);
  for (const part of parts) folders.add(await snapshotsFolderOf(await subvolumeOf(part), host));
  return folders;
}

async function takeSnapshot(
  subvolume: Subvolume,
  name: string,
  request: SnapshotRequest,
  host: Host,
): Promise<VolumeRecord> {
  const { root, parts, folder } = subvolume;
  const snapshot = join(folder, name);
  await host.do(makeFolder(folder));
  await host.do(snapshotArgv(root, snapshot));
  const mount = parts[0]?.mount;
  return {
    driver: "btrfs",
    source: root,
    snapshot,
    createdAt: new Date(host.clock.now()).toISOString(),
    runId: request.runId,
    parts: parts.map(({ at, path }) => ({ at, within: path === root ? "" : path.slice(root.length + 1) })),
    mountPoint: mount?.mountPoint ?? "/",
    fsType: "btrfs",
  };
}

/** Two subvolumes of one run may share a folder. */
function numbered(runId: string, index: number): string {
  return index === 0 ? nameFor(runId) : `${nameFor(runId)}~${index}`;
}

function runOf(name: string): string | undefined {
  return runIdOf(name.replace(/~\d+$/, ""));
}

/** Its name is one of ours, and no link leads to it. */
async function requireOurPath(snapshot: string): Promise<void> {
  const isOurs = basename(dirname(snapshot)) === snapshotsFolder && runOf(basename(snapshot)) !== undefined;
  const real = isOurs ? await realpath(snapshot).catch(absent) : undefined;
  if (!isOurs || (real !== undefined && real !== snapshot)) throw notOurs(`The subvolume ${snapshot}`);
}

async function requireSnapshot(snapshot: string, host: Host): Promise<void> {
  await requireOurPath(snapshot);
  const result = await host.ask(readOnlyArgv(snapshot));
  if (result.exitCode === 0 && result.stdout.trim() === "ro=true") return;
  throw new ActionError("SNAPSHOT_VOID", `${snapshot} is not there any more or was made writable.`, {
    hint: "Choose another snapshot; `command: list` shows what there is.",
  });
}

async function copySharing(
  from: string,
  to: string,
  reflink: "always" | "auto",
  signal: AbortSignal,
  host: Host,
): Promise<void> {
  const argv = ["cp", "--archive", `--reflink=${reflink}`, "--no-target-directory", "--", from, to];
  await host.work(argv, { timeoutMs: longMs, signal });
}

async function deleteSnapshot(snapshot: string, host: Host): Promise<void> {
  await requireOurPath(snapshot);
  if ((await lstat(snapshot).catch(absent)) === undefined) return;
  await host.do(["btrfs", "subvolume", "delete", snapshot], 5 * 60_000);
  await host.ask(["rmdir", "--ignore-fail-on-non-empty", dirname(snapshot)]);
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder).catch(absent)) ?? [];
}

function absent(error: unknown): undefined {
  if (hasCode(error, "ENOENT")) return undefined;
  throw error;
}
