/**
 * Mounting, unmounting, freezing of file systems. Mounts are compared by device number, because a logical volume that is
 * renamed keeps its old name in the mount table.
 */
import { readFile } from "node:fs/promises";
import { ActionError, hasCode } from "../../domain/errors.ts";
import { query } from "../../system/exec.ts";
import type { Mount } from "../../system/mounts.ts";
import { retry } from "../../system/retry.ts";
import type { Host } from "../host.ts";

export interface MountPlan {
  readonly device: string;
  readonly mountPoint: string;
  readonly fsType: string;
  readonly options: readonly string[];
}

/** The mount that is visible at exactly this place. */
export async function mountAtPoint(mountPoint: string, host: Host): Promise<Mount | undefined> {
  return (await host.readMounts()).findLast((mount) => mount.mountPoint === mountPoint);
}

/** Mounts it; MOUNT_FAILED with what `mount` said. */
export async function mountVolume(plan: MountPlan, host: Host): Promise<void> {
  const result = await host.ask(mountArgv(plan), 5 * 60_000);
  if (result.exitCode === 0) return;
  throw new ActionError(
    "MOUNT_FAILED",
    `${plan.device} cannot be mounted at ${plan.mountPoint}: ${result.stderr.trim()}`,
    {
      hint: "See the kernel's log (`dmesg`) for what it found on the volume.",
    },
  );
}

export function mountArgv(plan: MountPlan): readonly string[] {
  const options = plan.options.length === 0 ? [] : ["-o", plan.options.join(",")];
  return ["mount", "-t", plan.fsType, ...options, plan.device, plan.mountPoint];
}

/** Unmounts whatever is at this place; nothing there is no error. VOLUME_BUSY where it is in use. */
export async function unmountPoint(mountPoint: string, host: Host): Promise<void> {
  const policy = {
    // Something may have looked in for a moment (a desktop, a monitor): asked again, but not for long.
    attempts: 5,
    firstPauseMs: 500,
    longestPauseMs: 500,
    passes: (error: unknown) => hasCode(error, "VOLUME_BUSY"),
    clock: host.clock,
    // Like every `ask`: clean-up goes through here too.
    signal: new AbortController().signal,
  };
  await retry(policy, async () => {
    while ((await mountAtPoint(mountPoint, host)) !== undefined) {
      const result = await host.ask(["umount", mountPoint], 5 * 60_000);
      if (result.exitCode === 0) continue;
      throw new ActionError("VOLUME_BUSY", `${mountPoint} cannot be unmounted: ${result.stderr.trim()}`, {
        hint: `Something besides the node uses it: \`fuser -vm ${mountPoint}\` shows what. Stop that and run again.`,
      });
    }
  });
}

/** Makes this device the one that is mounted there, whatever is there now. */
export async function ensureMounted(plan: MountPlan, host: Host): Promise<void> {
  const [there, wanted] = await Promise.all([
    mountAtPoint(plan.mountPoint, host),
    host.devices.numberOf(plan.device),
  ]);
  if (there !== undefined && there.device === wanted) return;
  await unmountPoint(plan.mountPoint, host);
  await mountVolume(plan, host);
}

/** Mounts a dataset where it belongs, unless it is: by ZFS, or by `mount` where its mount point is "legacy". */
export async function mountDataset(dataset: string, mountPoint: string, host: Host): Promise<void> {
  const there = await mountAtPoint(mountPoint, host);
  if (there?.fsType === "zfs" && there.source === dataset) return;
  const property = (await host.do(["zfs", "get", "-H", "-o", "value", "mountpoint", dataset])).trim();
  if (property === "legacy")
    await mountVolume({ device: dataset, mountPoint, fsType: "zfs", options: [] }, host);
  else await host.do(["zfs", "mount", dataset], 5 * 60_000);
}

/** Options worth giving to a later `mount`: those of the mount table without what the kernel adds or refuses. */
export function reusableOptions(mount: Mount): readonly string[] {
  const kept =
    /^(ro|rw|noatime|relatime|strictatime|nodiratime|lazytime|nodev|nosuid|noexec|sync|dirsync|discard|inode64|inode32|largeio|swalloc|logbufs=\d+|logbsize=\w+|allocsize=\w+|commit=\d+|data=\w+|errors=[\w-]+|compress(-force)?=[\w:]+)$/;
  return mount.options.filter((option, _, all) => {
    // "rw" of the file system beside "ro" of the mount: the stricter one is what the operator asked for.
    if (option === "rw" && all.includes("ro")) return false;
    return kept.test(option);
  });
}

/** The options /etc/fstab has for a mount point; undefined where it has no entry. */
export function fstabEntry(
  table: string,
  mountPoint: string,
): { readonly spec: string; readonly options: readonly string[] } | undefined {
  for (const line of table.split("\n")) {
    const [spec, point, , options] = line.trim().split(/\s+/);
    if (spec === undefined || spec.startsWith("#") || point === undefined) continue;
    const plain = point.replace(/\\([0-7]{3})/g, (_, digits: string) =>
      String.fromCharCode(parseInt(digits, 8)),
    );
    if (plain !== mountPoint) continue;
    const notForMount = /^(defaults|auto|noauto|nofail|_netdev|user|users|x-.*|comment=.*)$/;
    return {
      spec,
      options: (options ?? "defaults").split(",").filter((option) => !notForMount.test(option)),
    };
  }
  return undefined;
}

/** What the volume at a mount point is mounted with: as /etc/fstab says, else as it is mounted now. */
export function optionsOf(mount: Mount, fstab: string): readonly string[] {
  return fstabEntry(fstab, mount.mountPoint)?.options ?? reusableOptions(mount);
}

/** The same for a restored volume: what is on it was written elsewhere, so no set-uid program and no device of it counts. */
export function optionsForRestored(mount: Mount, fstab: string): readonly string[] {
  const kept = optionsOf(mount, fstab).filter((option) => option !== "suid" && option !== "dev");
  return [...new Set([...kept, "nosuid", "nodev"])];
}

export async function readFstab(path = "/etc/fstab"): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}

/**
 * Flushes a file system and keeps writes away from it. The thaw is the caller's, in a `finally` and in the journal
 * first. FREEZE_FAILED where the file system cannot be frozen.
 */
export async function freezeFileSystem(mountPoint: string, host: Host): Promise<void> {
  const result = await host.ask(["fsfreeze", "--freeze", mountPoint]);
  if (result.exitCode === 0) return;
  throw new ActionError("FREEZE_FAILED", `${mountPoint} cannot be frozen: ${result.stderr.trim()}`, {
    hint: "Allow `fsfreeze` in sudoers, and see that nobody else has frozen the file system.",
  });
}

/** Lets writes through again. A file system that is not frozen stays as it is. */
export async function thawFileSystem(mountPoint: string, host: Host): Promise<void> {
  const result = await host.ask(["fsfreeze", "--unfreeze", mountPoint]);
  if (result.exitCode === 0) return;
  // fsfreeze fails alike when it is not frozen and when it cannot thaw; a write tells the two apart.
  if (await acceptsWrites(mountPoint, host)) return;
  throw new ActionError("THAW_FAILED", `${mountPoint} is still frozen: ${result.stderr.trim()}`, {
    hint: `Run \`sudo fsfreeze --unfreeze ${mountPoint}\` at once: until then nothing can write there, the node included.`,
  });
}

/** A change of a time stamp waits for ever on a frozen file system, so the time limit is the answer. */
async function acceptsWrites(mountPoint: string, host: Host): Promise<boolean> {
  return !(await host.ask(["touch", "--no-create", mountPoint], 5_000)).timedOut;
}

export async function syncFileSystem(path: string): Promise<void> {
  await query(["sync", "--file-system", path], { timeoutMs: 10 * 60_000 });
}
