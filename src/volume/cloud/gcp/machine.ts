/** This machine, as Google's metadata service tells, and which of its disks a device is. */
import { ActionError } from "../../../domain/errors.ts";
import type { BlockDevices, Disk } from "../../mounts/block-devices.ts";
import { askMetadata, askMetadataJson, notInCloud } from "../metadata-service.ts";
import { nameOf } from "../rest-disks.ts";
import { textIn, type Resource } from "../rest.ts";

export interface GcpOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly computeUrl?: string;
  readonly token?: () => Promise<string>;
}

export interface Machine {
  /** "projects/<project>" */
  readonly project: string;
  readonly zone: string;
  /** "projects/<project>/zones/<zone>" */
  readonly zonePath: string;
  /** Of the instance. */
  readonly path: string;
}

export async function findMachine(options: GcpOptions, signal: AbortSignal): Promise<Machine> {
  const base = `http://${options.environment["GCE_METADATA_HOST"] ?? "metadata.google.internal"}/computeMetadata/v1`;
  const headers = { "Metadata-Flavor": "Google" };
  const project = await askMetadata({ url: `${base}/project/project-id`, headers }, signal);
  const instance = (await askMetadataJson({ url: `${base}/instance/?recursive=true`, headers }, signal)) as
    Resource | undefined;
  const [zone, name] = [nameOf(textIn(instance, "zone") ?? ""), textIn(instance, "name")];
  if (project === undefined || zone === "" || name === undefined)
    throw notInCloud("gcp-disk", "Google Compute Engine");
  const zonePath = `projects/${project}/zones/${zone}`;
  return { project: `projects/${project}`, zone, zonePath, path: `${zonePath}/instances/${name}` };
}

/** Google's udev rules link each disk by the device name it was attached under. */
export async function diskPathOf(
  disk: Disk,
  attached: readonly Resource[],
  devices: BlockDevices,
): Promise<string> {
  for (const each of attached) {
    const link = `/dev/disk/by-id/google-${textIn(each, "deviceName") ?? ""}`;
    if ((await devices.findByLink([link], null)) === disk.path)
      return requirePath(pathIn(textIn(each, "source")));
  }
  throw new ActionError(
    "DISK_UNKNOWN",
    `${disk.path} is no disk of this machine that /dev/disk/by-id names.`,
    {
      hint: "Install google-compute-engine's guest configuration, whose udev rules make those links.",
    },
  );
}

/** "https://…/compute/v1/projects/p/zones/z/disks/d" → "projects/p/zones/z/disks/d". */
export function pathIn(url: string | undefined): string {
  const at = url?.indexOf("projects/") ?? -1;
  return at < 0 || url === undefined ? "" : url.slice(at);
}

/** What comes from a record must be a path of a disk or snapshot and nothing else. */
export function requirePath(path: string): string {
  if (
    /^projects\/[\w.:-]+\/(global\/snapshots|zones\/[\w-]+\/disks|regions\/[\w-]+\/disks)\/[\w-]+$/.test(path)
  )
    return path;
  throw new ActionError("VOLUME_RECORD_INVALID", `"${path}" is no disk or snapshot of Google's.`);
}
