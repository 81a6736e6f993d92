/**
 * Snapshots of a btrfs subvolume: read-only, made at once, in the directory `.chainstate-snapshot-volumes` beside the
 * subvolume (or in it where it is a mount point of its own). They are plain directories, so nothing is mounted to read
 * them. A restore is a writable snapshot of the snapshot; where the target is no subvolume, a copy that shares its bytes.
 */
import { lstat, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import * as v from "valibot";
import { ActionError, hasCode } from "../errors.ts";
import { mountAt } from "../system/mounts.ts";
import type { Host } from "./host.ts";
import { groupParts, locateChainstate, type ChainstatePart } from "./locate.ts";
import { nameFor, notOurs, runIdOf } from "./names.ts";
import type {
  FixRequest,
  ListedSnapshot,
  OpenPart,
  RestoreRequest,
  VolumeRecord,
  VolumeSnapshotter,
} from "./port.ts";
import { absolutePath, commonFields, mainPart, parseRecords } from "./records.ts";
import { Gathered, probing } from "./outcome.ts";

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

const longMs = 6 * 3600_000;

/** `named`: subvolumes from the input `volume`; with them a chainstate in a plain directory of one is taken as meant. */
export function btrfsSnapshotter(host: Host, named: readonly string[] = []): VolumeSnapshotter {
  const find = async (chainstateDir: string): Promise<readonly Subvolume[]> => {
    const parts = await locateChainstate(chainstateDir, host);
    const roots = new Map<ChainstatePart, string>();
    for (const part of parts) roots.set(part, await subvolumeOf(part));
    const groups = groupParts(parts, (part) => roots.get(part) ?? "");
    const subvolumes: Subvolume[] = [];
    for (const [root, group] of groups) {
      const main = group.find((part) => part.at === "");
      if (main !== undefined && main.path !== root && !named.includes(root))
        throw plainDirectory(main.path, root);
      subvolumes.push({ root, parts: group, folder: await snapshotsFolderOf(root, host) });
    }
    const strange = named.find((name) => !groups.has(name));
    if (strange !== undefined) {
      throw new ActionError("VOLUME_MISMATCH", `The chainstate is not on the subvolume ${strange}.`, {
        hint: `It is on ${[...groups.keys()].join(", ")}.`,
      });
    }
    return subvolumes;
  };

  return {
    driver: "btrfs",
    isInstant: true,

    probe: async (request) =>
      await probing(async () => {
        const subvolumes = await find(request.chainstateDir);
        for (const [index, { root, folder }] of subvolumes.entries()) {
          const target = join(folder, numbered(request.runId, index));
          await host.privilege.require(
            ["mkdir", "--parents", "--mode=0755", folder],
            "to keep snapshots beside the chainstate",
          );
          await host.privilege.require(
            ["btrfs", "subvolume", "snapshot", "-r", root, target],
            "to snapshot the chainstate",
          );
          await host.privilege.require(
            ["btrfs", "subvolume", "delete", target],
            "to remove the snapshot again",
          );
          await host.privilege.require(
            ["btrfs", "property", "get", "-ts", target, "ro"],
            "to see that the snapshot is there",
          );
        }
        await host.do(["btrfs", "--version"]);
        const sources = subvolumes.map(({ root }) => root);
        return { usable: true, reason: `${sources.join(" and ")} can be snapshotted at once`, sources };
      }),

    async freeze(request) {
      const made: VolumeRecord[] = [];
      try {
        for (const [index, subvolume] of (await find(request.chainstateDir)).entries()) {
          made.push(await takeSnapshot(subvolume, numbered(request.runId, index), request, host));
        }
        return made;
      } catch (error) {
        for (const record of made) await host.ask(["btrfs", "subvolume", "delete", record.snapshot]);
        throw error;
      }
    },

    async describe(records) {
      return await Promise.resolve(records);
    },

    async open(records) {
      const parts: OpenPart[] = [];
      for (const record of parseRecords("btrfs", records, schema)) {
        await requireSnapshot(record.snapshot, host);
        for (const { at, within } of record.parts) parts.push({ at, path: join(record.snapshot, within) });
      }
      return {
        parts: parts.toSorted((a, b) => a.at.length - b.at.length),
        async assertHeld() {
          for (const record of records) await requireSnapshot(record.snapshot, host);
        },
        async close() {
          await Promise.resolve();
        },
      };
    },

    async restore(records, request) {
      const parsed = parseRecords("btrfs", records, schema);
      for (const record of parsed) await requireSnapshot(record.snapshot, host);
      const main = mainPart(parsed);
      try {
        await placeDirectory(join(main.record.snapshot, main.within), request, host);
        for (const record of parsed) {
          for (const part of record.parts.filter(({ at }) => at !== "")) {
            // A link that led to another volume becomes what it led to, as in an archive.
            const place = join(request.staging, part.at);
            await host.do(["rm", "--force", "--recursive", "--one-file-system", "--", place]);
            await copySharing(join(record.snapshot, part.within), place, "auto", request, host);
          }
        }
      } catch (error) {
        await discardTree(request.staging, host);
        throw error;
      }
      return {
        kind: "directory",
        directory: request.staging,
        discard: async () => await discardTree(request.staging, host),
      };
    },

    async list(request) {
      const found: ListedSnapshot[] = [];
      for (const { root, folder } of await find(request.chainstateDir)) {
        for (const name of await namesIn(folder)) {
          const runId = runOf(name);
          if (runId === undefined) continue;
          const snapshot = join(folder, name);
          const createdAt = (await stat(snapshot)).birthtime.toISOString();
          found.push({ driver: "btrfs", snapshot, source: root, createdAt, state: "available", runId });
        }
      }
      return found;
    },

    async delete(record) {
      const [parsed] = parseRecords("btrfs", [record], schema);
      if (parsed !== undefined) await deleteSnapshot(parsed.snapshot, host);
    },

    async cleanUp(runId, request) {
      const gathered = new Gathered("Snapshots of a dead run could not be removed");
      for (const folder of await foldersOf(request.chainstateDir, host)) {
        for (const name of await namesIn(folder)) {
          const snapshot = join(folder, name);
          if (runOf(name) !== runId || request.keep?.(snapshot) === true) continue;
          await gathered.attempt(async () => await deleteSnapshot(snapshot, host));
        }
      }
      gathered.finish();
    },
  };
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
  request: FixRequest,
  host: Host,
): Promise<VolumeRecord> {
  const { root, parts, folder } = subvolume;
  const snapshot = join(folder, name);
  await host.do(["mkdir", "--parents", "--mode=0755", folder]);
  await host.do(["btrfs", "subvolume", "snapshot", "-r", root, snapshot]);
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
    mountOptions: [],
  };
}

/** Two subvolumes of one run may share a folder. */
function numbered(runId: string, index: number): string {
  return index === 0 ? nameFor(runId) : `${nameFor(runId)}~${index}`;
}

function runOf(name: string): string | undefined {
  return runIdOf(name.replace(/~\d+$/, ""));
}

function requireOurPath(snapshot: string): void {
  const isOurs = basename(dirname(snapshot)) === snapshotsFolder && runOf(basename(snapshot)) !== undefined;
  if (!isOurs) throw notOurs(`The subvolume ${snapshot}`);
}

async function requireSnapshot(snapshot: string, host: Host): Promise<void> {
  requireOurPath(snapshot);
  const result = await host.ask(["btrfs", "property", "get", "-ts", snapshot, "ro"]);
  if (result.exitCode === 0 && result.stdout.trim() === "ro=true") return;
  throw new ActionError("SNAPSHOT_VOID", `${snapshot} is not there any more or was made writable.`, {
    hint: "Choose another snapshot; `command: list` shows what there is.",
  });
}

/** A subvolume where the target is one, so that the next snapshot finds one; else a plain directory. */
async function placeDirectory(from: string, request: RestoreRequest, host: Host): Promise<void> {
  const target = await lstat(request.chainstateDir, { bigint: true }).catch(() => undefined);
  const isWhole = runOf(basename(from)) !== undefined;
  const beside = dirname(request.staging) === dirname(request.chainstateDir);
  if (isWhole && beside && (target === undefined || target.ino === subvolumeInode)) {
    await host.do(["btrfs", "subvolume", "snapshot", from, request.staging]);
    return;
  }
  await copySharing(from, request.staging, "always", request, host);
}

async function copySharing(
  from: string,
  to: string,
  reflink: "always" | "auto",
  request: RestoreRequest,
  host: Host,
): Promise<void> {
  await host.work(["cp", "--archive", `--reflink=${reflink}`, "--no-target-directory", "--", from, to], {
    timeoutMs: longMs,
    signal: request.signal,
  });
}

async function discardTree(directory: string, host: Host): Promise<void> {
  const found = await lstat(directory, { bigint: true }).catch(() => undefined);
  if (found === undefined) return;
  if (found.ino === subvolumeInode) await host.do(["btrfs", "subvolume", "delete", directory]);
  else await host.do(["rm", "--recursive", "--force", "--one-file-system", "--", directory], longMs);
}

async function deleteSnapshot(snapshot: string, host: Host): Promise<void> {
  requireOurPath(snapshot);
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
