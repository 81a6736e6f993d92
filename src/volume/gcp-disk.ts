/**
 * Google Compute Engine disks: a snapshot of each (its moment is fixed when it leaves the state CREATING), a new disk made
 * of it in the machine's zone, attached under a device name of ours and found by that. Requests follow the published
 * discovery document (compute v1). The token comes from google-auth-library's default chain.
 */
import { ActionError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import type { BlockDevices, Disk } from "./block-devices.ts";
import type { CloudDisk, CloudDisks, TakenSnapshot } from "./cloud-disks.ts";
import {
  arrayIn,
  errorIn,
  numberIn,
  objectIn,
  restClient,
  textIn,
  waitUntil,
  type RestClient,
} from "./cloud-rest.ts";
import { cloudSnapshotter, type CloudSnapshotterOptions } from "./cloud-snapshotter.ts";
import type { Host } from "./host.ts";
import { askMetadata, askMetadataJson, notInCloud } from "./metadata-service.ts";
import { nameFor, notOurs, toolName } from "./names.ts";
import type { SnapshotFacts, VolumeSnapshotter } from "./port.ts";

export interface GcpOptions extends CloudSnapshotterOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly computeUrl?: string;
  readonly token?: () => Promise<string>;
}

const runLabel = `${toolName}-run`;

export function gcpDiskSnapshotter(
  host: Host,
  options: GcpOptions,
  named: readonly string[] = [],
): VolumeSnapshotter {
  return cloudSnapshotter(host, gcpDisks(options, host.devices, host.clock), named, options);
}

interface Machine {
  readonly project: string;
  readonly zone: string;
  readonly name: string;
}

type Resource = Record<string, unknown>;

export function gcpDisks(options: GcpOptions, devices: BlockDevices, clock: Clock): CloudDisks {
  const base = (options.computeUrl ?? "https://compute.googleapis.com").replace(/\/$/, "") + "/compute/v1/";
  const rest: RestClient = restClient({
    cloud: "Google",
    driver: "gcp-disk",
    clock,
    token: options.token ?? defaultToken(),
  });
  let known: Promise<Machine> | undefined;
  const machine = async (signal: AbortSignal): Promise<Machine> => {
    known ??= findMachine(options, signal);
    return await known.catch((error: unknown) => {
      known = undefined;
      throw error;
    });
  };
  const get = async (path: string, signal: AbortSignal): Promise<Resource | undefined> =>
    await rest({ method: "GET", url: base + path, what: `look at ${nameOf(path)}`, signal });

  /** Starts something and waits for its operation. */
  const operate = async (
    method: "POST" | "DELETE",
    path: string,
    body: unknown,
    what: string,
    signal: AbortSignal,
  ): Promise<void> => {
    const started = await rest({
      method,
      url: base + path,
      what,
      signal,
      ...(body === undefined ? {} : { body }),
    });
    if (started === undefined) {
      if (method === "DELETE") return;
      throw new ActionError("SNAPSHOT_VOID", `Google does not find what is needed to ${what}.`, {
        hint: "Choose another snapshot.",
      });
    }
    const scope = path.includes("/zones/")
      ? path.slice(0, path.indexOf("/", path.indexOf("/zones/") + 7))
      : `${path.slice(0, path.indexOf("/global/"))}/global`;
    const operation = textIn(started, "name") ?? "";
    await waitUntil(
      `To ${what}`,
      async () => {
        const now =
          textIn(started, "status") === "DONE"
            ? started
            : await get(`${scope}/operations/${operation}`, signal);
        if (textIn(now, "status") !== "DONE") return undefined;
        const { code, message } = errorIn(now ?? {});
        if (code === undefined) return true;
        throw new ActionError(
          /QUOTA|LIMIT/.test(code) ? "CLOUD_LIMIT" : "CLOUD_FAILED",
          `Google could not ${what} (${code}): ${message ?? ""}`,
          { hint: "See the operation in the console." },
        );
      },
      clock,
      signal,
    );
  };

  const listAll = async (path: string, filter: string, signal: AbortSignal): Promise<readonly Resource[]> => {
    const found: Resource[] = [];
    for (let token: string | undefined = ""; token !== undefined;) {
      const query = new URLSearchParams({ filter, ...(token === "" ? {} : { pageToken: token }) });
      const page: Resource | undefined = await rest({
        method: "GET",
        url: `${base}${path}?${query.toString()}`,
        what: `list ${nameOf(path)}`,
        signal,
      });
      found.push(...arrayIn(page, "items"));
      token = textIn(page, "nextPageToken");
    }
    return found;
  };

  const remove = async (path: string, kind: string, signal: AbortSignal): Promise<void> => {
    requirePath(path);
    const found = await get(path, signal);
    if (found === undefined) return;
    if (runIn(found) === undefined) throw notOurs(`The ${kind} ${nameOf(path)}`);
    await operate("DELETE", path, undefined, `delete ${nameOf(path)}`, signal);
  };

  return {
    driver: "gcp-disk",

    async identify(disks, signal) {
      const here = await machine(signal);
      const instance = await get(
        `projects/${here.project}/zones/${here.zone}/instances/${here.name}`,
        signal,
      );
      const found: CloudDisk[] = [];
      for (const disk of disks) {
        const id = await diskPathOf(disk, arrayIn(instance, "disks"), devices);
        const resource = await get(id, signal);
        if (resource === undefined)
          throw new ActionError(
            "DISK_UNKNOWN",
            `${disk.path} is a disk that cannot be snapshotted (a local SSD).`,
            { hint: "Keep the chainstate on a persistent disk or Hyperdisk." },
          );
        found.push({
          id,
          details: {
            zone: here.zone,
            project: here.project,
            type: nameOf(textIn(resource, "type") ?? ""),
            sizeGb: numberIn(resource, "sizeGb") ?? null,
            iops: numberIn(resource, "provisionedIops") ?? null,
            throughput: numberIn(resource, "provisionedThroughput") ?? null,
          },
        });
      }
      return found;
    },

    async requireSnapshots(disks, _runId, signal) {
      for (const { id } of disks) {
        const permissions = ["compute.disks.createSnapshot"];
        const answer = await rest({
          method: "POST",
          url: `${base}${id}/testIamPermissions`,
          body: { permissions },
          what: "say what this identity may",
          signal,
        });
        const granted = answer?.["permissions"];
        if (Array.isArray(granted) && permissions.every((each) => granted.includes(each))) continue;
        throw new ActionError(
          "CLOUD_DENIED",
          `This identity may not do ${permissions.join(", ")} on ${nameOf(id)}.`,
          { hint: "Give it the permissions that docs/volumes.md lists for gcp-disk." },
        );
      }
    },

    async takeSnapshots(disks, run, signal) {
      const here = await machine(signal);
      const taken: TakenSnapshot[] = [];
      const taking = disks.map(async ({ id }, index) => {
        const name = resourceName(run.runId, String(index));
        const snapshotId = `projects/${here.project}/global/snapshots/${name}`;
        taken.push({ diskId: id, snapshotId });
        const body = { name, description: `Stacks Node Snapshot, run ${run.runId}`, labels: labelsOf(run) };
        const what = `take a snapshot of ${nameOf(id)}`;
        await rest({ method: "POST", url: `${base}${id}/createSnapshot`, body, what, signal });
        // Uploading goes on for long after the moment is fixed, and the operation ends only then.
        await waitUntil(
          `To ${what}`,
          async () => {
            const status = textIn(await get(snapshotId, signal), "status");
            if (status === "FAILED")
              throw new ActionError("SNAPSHOT_FAILED", `Google could not ${what}.`, {
                hint: "See the operation in the console.",
              });
            return status === "UPLOADING" || status === "READY" ? true : undefined;
          },
          clock,
          signal,
        );
      });
      const results = await Promise.allSettled(taking);
      const failed = results.find((result) => result.status === "rejected");
      if (failed === undefined) return taken;
      const calm = new AbortController().signal;
      for (const { snapshotId } of taken) await remove(snapshotId, "snapshot", calm).catch(() => undefined);
      throw failed.reason;
    },

    async snapshotState(snapshotId, signal) {
      requirePath(snapshotId);
      const found = await get(snapshotId, signal);
      if (found === undefined)
        throw new ActionError("SNAPSHOT_VOID", `The snapshot ${nameOf(snapshotId)} is not there any more.`, {
          hint: "Choose another snapshot.",
        });
      const status = textIn(found, "status") ?? "";
      return {
        state:
          status === "READY"
            ? "completed"
            : status === "FAILED" || status === "DELETING"
              ? "error"
              : "pending",
        // Google tells no percentage; the bytes stored so far show that it moves.
        detail: `${status} ${textIn(found, "storageBytes") ?? ""}`.trim(),
      };
    },

    async createDisk(snapshotId, details, { runId, index }, signal) {
      requirePath(snapshotId);
      const here = await machine(signal);
      const name = resourceName(runId, `new${index}`);
      const zonePath = `projects/${here.project}/zones/${here.zone}`;
      const type = details["type"];
      const body = {
        name,
        sourceSnapshot: snapshotId,
        labels: labelsOf({ runId }),
        ...(typeof type === "string" && /^[\w-]+$/.test(type)
          ? { type: `${zonePath}/diskTypes/${type}` }
          : {}),
        ...(typeof details["iops"] === "number" ? { provisionedIops: String(details["iops"]) } : {}),
        ...(typeof details["throughput"] === "number"
          ? { provisionedThroughput: String(details["throughput"]) }
          : {}),
      };
      await operate("POST", `${zonePath}/disks`, body, `make a disk of ${nameOf(snapshotId)}`, signal);
      return `${zonePath}/disks/${name}`;
    },

    async attach(diskId, signal) {
      const here = await machine(signal);
      const deviceName = nameOf(diskId);
      const body = { source: diskId, deviceName, mode: "READ_WRITE", autoDelete: false };
      await operate(
        "POST",
        `projects/${here.project}/zones/${here.zone}/instances/${here.name}/attachDisk`,
        body,
        `attach ${deviceName}`,
        signal,
      );
      return { by: "link", links: [`/dev/disk/by-id/google-${deviceName}`] };
    },

    async detach(diskId, signal) {
      requirePath(diskId);
      const here = await machine(signal);
      const path = `projects/${here.project}/zones/${here.zone}/instances/${here.name}`;
      const attached = arrayIn(await get(path, signal), "disks").find(
        (disk) => pathIn(textIn(disk, "source")) === diskId,
      );
      if (attached === undefined) return;
      const query = new URLSearchParams({ deviceName: textIn(attached, "deviceName") ?? "" });
      await operate(
        "POST",
        `${path}/detachDisk?${query.toString()}`,
        undefined,
        `detach ${nameOf(diskId)}`,
        signal,
      );
    },

    deleteDisk: async (diskId, signal) => await remove(diskId, "disk", signal),
    deleteSnapshot: async (snapshotId, signal) => await remove(snapshotId, "snapshot", signal),

    async adopt(diskId, signal) {
      const found = await get(diskId, signal);
      const labels = { ...objectIn(found, "labels") };
      delete labels[runLabel];
      const body = { labels, labelFingerprint: textIn(found, "labelFingerprint") };
      await operate(
        "POST",
        `${diskId}/setLabels`,
        body,
        `take the run's label off ${nameOf(diskId)}`,
        signal,
      );
    },

    async listSnapshots(disks, signal) {
      const here = await machine(signal);
      const wanted = new Set(disks.map(({ id }) => id));
      return (
        await listAll(`projects/${here.project}/global/snapshots`, `labels.${runLabel}:*`, signal)
      ).flatMap((found) => {
        const source = pathIn(textIn(found, "sourceDisk"));
        const runId = runIn(found);
        if (runId === undefined || !wanted.has(source)) return [];
        return [
          {
            snapshotId: `projects/${here.project}/global/snapshots/${textIn(found, "name") ?? ""}`,
            diskId: source,
            createdAt: textIn(found, "creationTimestamp") ?? "",
            state: textIn(found, "status") ?? "",
            runId,
          },
        ];
      });
    },

    async findOfRun(runId, signal) {
      const here = await machine(signal);
      const ofRun = async (path: string): Promise<readonly string[]> =>
        (await listAll(path, `labels.${runLabel}=${labelOf(runId)}`, signal)).flatMap((found) => {
          const name = textIn(found, "name");
          return name === undefined || objectIn(found, "labels")[runLabel] !== labelOf(runId)
            ? []
            : [`${path}/${name}`];
        });
      return {
        snapshots: await ofRun(`projects/${here.project}/global/snapshots`),
        disks: await ofRun(`projects/${here.project}/zones/${here.zone}/disks`),
      };
    },
  };
}

function defaultToken(): () => Promise<string> {
  let auth: Promise<{ getAccessToken(): Promise<string | null | undefined> }> | undefined;
  return async () => {
    auth ??= import("google-auth-library").then(
      ({ GoogleAuth }) => new GoogleAuth({ scopes: ["https://www.googleapis.com/auth/compute"] }),
    );
    const token = await (await auth).getAccessToken();
    if (token === null || token === undefined) throw new Error("no access token");
    return token;
  };
}

async function findMachine(options: GcpOptions, signal: AbortSignal): Promise<Machine> {
  const base = `http://${options.environment["GCE_METADATA_HOST"] ?? "metadata.google.internal"}/computeMetadata/v1`;
  const headers = { "Metadata-Flavor": "Google" };
  const project = await askMetadata({ url: `${base}/project/project-id`, headers }, signal);
  const instance = (await askMetadataJson({ url: `${base}/instance/?recursive=true`, headers }, signal)) as
    Resource | undefined;
  const [zone, name] = [nameOf(textIn(instance, "zone") ?? ""), textIn(instance, "name")];
  if (project === undefined || zone === "" || name === undefined)
    throw notInCloud("gcp-disk", "Google Compute Engine");
  return { project, zone, name };
}

/** Google's udev rules link each disk by the device name it was attached under. */
async function diskPathOf(disk: Disk, attached: readonly Resource[], devices: BlockDevices): Promise<string> {
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
function pathIn(url: string | undefined): string {
  const at = url?.indexOf("projects/") ?? -1;
  return at < 0 || url === undefined ? "" : url.slice(at);
}

/** What comes from a record must be a path of a disk or snapshot and nothing else. */
function requirePath(path: string): string {
  if (
    /^projects\/[\w.:-]+\/(global\/snapshots|zones\/[\w-]+\/disks|regions\/[\w-]+\/disks)\/[\w-]+$/.test(path)
  )
    return path;
  throw new ActionError("VOLUME_RECORD_INVALID", `"${path}" is no disk or snapshot of Google's.`);
}

function labelOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, "-")
    .slice(0, 63);
}

function resourceName(runId: string, suffix: string): string {
  return `${labelOf(nameFor(runId)).replaceAll("_", "-").slice(0, 55)}-${suffix}`;
}

function labelsOf({
  runId,
  facts,
}: {
  readonly runId: string;
  readonly facts?: SnapshotFacts;
}): Record<string, string> {
  return {
    name: "stacks-snapshot",
    type: "chainstate",
    [runLabel]: labelOf(runId),
    ...(facts === undefined
      ? {}
      : {
          [`${toolName}-id`]: labelOf(facts.snapshotId),
          [`${toolName}-network`]: labelOf(facts.network),
          [`${toolName}-stacks-height`]: String(facts.stacksHeight),
          ...(facts.burnHeight === null ? {} : { [`${toolName}-burn-height`]: String(facts.burnHeight) }),
        }),
  };
}

/** The exact id stands in the description, because labels are in lower case; a disk has the label alone. */
function runIn(resource: Resource): string | undefined {
  const label = textIn(objectIn(resource, "labels"), runLabel);
  if (label === undefined) return undefined;
  const written = /, run (\S+)$/.exec(textIn(resource, "description") ?? "")?.[1];
  return written !== undefined && labelOf(written) === label ? written : label;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
