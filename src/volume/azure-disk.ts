/**
 * Azure managed disks: an incremental snapshot of each, a new disk made of it in the machine's zone, attached at a free
 * LUN and found by that. Requests follow the published description (azure-rest-api-specs, Microsoft.Compute: DiskRP 2023-10-02,
 * ComputeRP 2024-07-01). The token comes from @azure/identity's default chain, so azure/login or a managed identity do.
 */
import { ActionError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import type { BlockDevices, Disk } from "./block-devices.ts";
import type { CloudDisk, CloudDisks, TakenSnapshot } from "./cloud-disks.ts";
import { arrayIn, numberIn, objectIn, restClient, textIn, waitUntil, type RestClient } from "./cloud-rest.ts";
import { cloudSnapshotter, type CloudSnapshotterOptions } from "./cloud-snapshotter.ts";
import type { Host } from "./host.ts";
import { askMetadataJson, notInCloud } from "./metadata-service.ts";
import { nameFor, notOurs, toolName } from "./names.ts";
import type { SnapshotFacts, VolumeSnapshotter } from "./port.ts";

export interface AzureOptions extends CloudSnapshotterOptions {
  /** Where the APIs are; Azure's public cloud by default. */
  readonly managementUrl?: string;
  readonly metadataUrl?: string;
  readonly token?: () => Promise<string>;
}

const diskApi = "2023-10-02";
const machineApi = "2024-07-01";
const runTag = `${toolName}-run`;

export function azureDiskSnapshotter(
  host: Host,
  options: AzureOptions,
  named: readonly string[] = [],
): VolumeSnapshotter {
  return cloudSnapshotter(host, azureDisks(options, host.devices, host.clock), named, options);
}

interface Machine {
  /** Its resource id. */
  readonly id: string;
  /** Resource id of its group, where snapshots and disks are made. */
  readonly group: string;
  readonly location: string;
  readonly zone: string;
  readonly disks: readonly { readonly id: string; readonly lun: number | null }[];
}

type Resource = Record<string, unknown>;

export function azureDisks(options: AzureOptions, devices: BlockDevices, clock: Clock): CloudDisks {
  const base = (options.managementUrl ?? "https://management.azure.com").replace(/\/$/, "");
  const rest: RestClient = restClient({
    cloud: "Azure",
    driver: "azure-disk",
    clock,
    token: options.token ?? defaultToken(),
  });
  const at = (id: string, version = diskApi): string => `${base}${id}?api-version=${version}`;
  const get = async (id: string, signal: AbortSignal): Promise<Resource | undefined> =>
    await rest({ method: "GET", url: at(id), what: `look at ${nameOf(id)}`, signal });
  const machine = async (signal: AbortSignal): Promise<Machine> => await findMachine(options, signal);

  /** Every item of a list, page by page. */
  const listAll = async (id: string, signal: AbortSignal): Promise<readonly Resource[]> => {
    const found: Resource[] = [];
    for (let url: string | undefined = at(id); url !== undefined;) {
      const page: Resource | undefined = await rest({
        method: "GET",
        url,
        what: `list ${nameOf(id)}`,
        signal,
      });
      found.push(...arrayIn(page, "value"));
      const next = textIn(page, "nextLink");
      // A link to another host would get our token.
      url = next !== undefined && next.startsWith(`${base}/`) ? next : undefined;
    }
    return found;
  };

  /** PUT, and the wait until the resource is provisioned: for a snapshot that is when its moment is fixed. */
  const create = async (id: string, body: Resource, what: string, signal: AbortSignal): Promise<void> => {
    await rest({ method: "PUT", url: at(id), body, what, signal });
    await waitUntil(
      `To ${what}`,
      async () => {
        const state = textIn(objectIn(await get(id, signal), "properties"), "provisioningState");
        if (state === "Failed" || state === "Canceled")
          throw new ActionError("SNAPSHOT_FAILED", `Azure could not ${what} (${state}).`, {
            hint: "See the resource's activity log in the portal.",
          });
        return state === "Succeeded" ? true : undefined;
      },
      clock,
      signal,
    );
  };

  const remove = async (id: string, kind: string, signal: AbortSignal): Promise<void> => {
    requireId(id);
    const found = await get(id, signal);
    if (found === undefined) return;
    if (runIn(found) === undefined) throw notOurs(`The ${kind} ${nameOf(id)}`);
    await rest({ method: "DELETE", url: at(id), what: `delete ${nameOf(id)}`, signal });
    await waitUntil(
      `Deleting ${nameOf(id)}`,
      async () => ((await get(id, signal)) === undefined ? true : undefined),
      clock,
      signal,
    );
  };

  return {
    driver: "azure-disk",

    async identify(disks, signal) {
      const here = await machine(signal);
      const found: CloudDisk[] = [];
      for (const disk of disks) {
        const id = await diskIdOf(disk, here, devices);
        const resource = await get(id, signal);
        found.push({
          id,
          details: {
            location: here.location,
            zone: here.zone,
            sku: textIn(objectIn(resource, "sku"), "name") ?? null,
            sizeGiB: numberIn(objectIn(resource, "properties"), "diskSizeGB") ?? null,
          },
        });
      }
      return found;
    },

    async requireSnapshots(_disks, _runId, signal) {
      const here = await machine(signal);
      const url = `${base}${here.group}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01`;
      const answer = await rest({ method: "GET", url, what: "say what this identity may", signal });
      const action = "Microsoft.Compute/snapshots/write";
      const allows = arrayIn(answer, "value").some(
        (each) => matchesAny(each["actions"], action) && !matchesAny(each["notActions"], action),
      );
      if (allows) return;
      throw new ActionError("CLOUD_DENIED", `This identity may not do ${action} in ${nameOf(here.group)}.`, {
        hint: "Give it the permissions that docs/volumes.md lists for azure-disk.",
      });
    },

    async takeSnapshots(disks, run, signal) {
      const here = await machine(signal);
      const taken: TakenSnapshot[] = [];
      const taking = disks.map(async ({ id }, index) => {
        const snapshotId = `${here.group}/providers/Microsoft.Compute/snapshots/${resourceName(run.runId, String(index))}`;
        taken.push({ diskId: id, snapshotId });
        await create(
          snapshotId,
          {
            location: here.location,
            tags: tagsOf(run),
            properties: { creationData: { createOption: "Copy", sourceResourceId: id }, incremental: true },
          },
          `take a snapshot of ${nameOf(id)}`,
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
      requireId(snapshotId);
      const found = await get(snapshotId, signal);
      if (found === undefined) throw gone(snapshotId);
      const properties = objectIn(found, "properties");
      const state = textIn(properties, "provisioningState") ?? "Updating";
      const percent = numberIn(properties, "completionPercent");
      const isDone = state === "Succeeded" && (percent === undefined || percent >= 100);
      const isFailed =
        state === "Failed" || state === "Canceled" || properties["copyCompletionError"] !== undefined;
      return {
        state: isFailed ? "error" : isDone ? "completed" : "pending",
        detail: state,
        ...(percent === undefined ? {} : { progressPercent: percent }),
      };
    },

    async createDisk(snapshotId, details, { runId, index }, signal) {
      requireId(snapshotId);
      const here = await machine(signal);
      if (details["location"] !== here.location) {
        throw new ActionError(
          "SNAPSHOT_ELSEWHERE",
          `${nameOf(snapshotId)} is in ${String(details["location"])}, this machine in ${here.location}.`,
          { hint: "Copy the snapshot to this region first (createOption CopyStart)." },
        );
      }
      const id = `${here.group}/providers/Microsoft.Compute/disks/${resourceName(runId, `new${index}`)}`;
      const sku = details["sku"];
      await create(
        id,
        {
          location: here.location,
          tags: tagsOf({ runId }),
          ...(here.zone === "" ? {} : { zones: [here.zone] }),
          ...(typeof sku === "string" ? { sku: { name: sku } } : {}),
          properties: { creationData: { createOption: "Copy", sourceResourceId: snapshotId } },
        },
        `make a disk of ${nameOf(snapshotId)}`,
        signal,
      );
      return id;
    },

    async attach(diskId, signal) {
      const here = await machine(signal);
      const taken = new Set(here.disks.map(({ lun }) => lun));
      const lun = Array.from({ length: 64 }, (_, each) => each).find((each) => !taken.has(each)) ?? 0;
      await rest({
        method: "POST",
        url: at(`${here.id}/attachDetachDataDisks`, machineApi),
        body: { dataDisksToAttach: [{ diskId, lun, caching: "None", deleteOption: "Detach" }] },
        what: `attach ${nameOf(diskId)}`,
        signal,
      });
      await waitForState(diskId, "Attached", signal);
      return { by: "link", links: lunLinks(lun) };
    },

    async detach(diskId, signal) {
      requireId(diskId);
      const found = await get(diskId, signal);
      if (found === undefined || textIn(found, "managedBy") === undefined) return;
      const here = await machine(signal);
      await rest({
        method: "POST",
        url: at(`${here.id}/attachDetachDataDisks`, machineApi),
        body: { dataDisksToDetach: [{ diskId }] },
        what: `detach ${nameOf(diskId)}`,
        signal,
      });
      await waitForState(diskId, "Unattached", signal);
    },

    deleteDisk: async (diskId, signal) => await remove(diskId, "disk", signal),
    deleteSnapshot: async (snapshotId, signal) => await remove(snapshotId, "snapshot", signal),

    async adopt(diskId, signal) {
      const tags = { ...objectIn(await get(diskId, signal), "tags") };
      delete tags[runTag];
      await rest({
        method: "PATCH",
        url: at(diskId),
        body: { tags },
        what: `take the run's tag off ${nameOf(diskId)}`,
        signal,
      });
    },

    async listSnapshots(disks, signal) {
      const here = await machine(signal);
      const wanted = new Set(disks.map(({ id }) => id.toLowerCase()));
      return (await listAll(`${here.group}/providers/Microsoft.Compute/snapshots`, signal)).flatMap(
        (found) => {
          const properties = objectIn(found, "properties");
          const source = textIn(objectIn(properties, "creationData"), "sourceResourceId") ?? "";
          const [id, runId] = [textIn(found, "id"), runIn(found)];
          if (id === undefined || runId === undefined || !wanted.has(source.toLowerCase())) return [];
          return [
            {
              snapshotId: id,
              diskId: source,
              createdAt: textIn(properties, "timeCreated") ?? "",
              state: textIn(properties, "provisioningState") ?? "",
              runId,
            },
          ];
        },
      );
    },

    async findOfRun(runId, signal) {
      const here = await machine(signal);
      const ofRun = async (kind: string): Promise<readonly string[]> =>
        (await listAll(`${here.group}/providers/Microsoft.Compute/${kind}`, signal)).flatMap((found) =>
          runIn(found) === runId ? [textIn(found, "id") ?? ""] : [],
        );
      return { snapshots: await ofRun("snapshots"), disks: await ofRun("disks") };
    },
  };

  async function waitForState(diskId: string, state: string, signal: AbortSignal): Promise<void> {
    await waitUntil(
      `Until ${nameOf(diskId)} is ${state}`,
      async () => {
        const found = objectIn(await get(diskId, signal), "properties");
        return textIn(found, "diskState") === state ? true : undefined;
      },
      clock,
      signal,
    );
  }
}

function defaultToken(): () => Promise<string> {
  let credential: Promise<{ getToken(scope: string): Promise<{ token: string }> }> | undefined;
  return async () => {
    credential ??= import("@azure/identity").then(
      ({ DefaultAzureCredential }) => new DefaultAzureCredential(),
    );
    return (await (await credential).getToken("https://management.azure.com/.default")).token;
  };
}

async function findMachine(options: AzureOptions, signal: AbortSignal): Promise<Machine> {
  const base = (options.metadataUrl ?? "http://169.254.169.254").replace(/\/$/, "");
  const answer = await askMetadataJson(
    { url: `${base}/metadata/instance?api-version=2021-02-01`, headers: { Metadata: "true" } },
    signal,
  );
  const compute = objectIn(answer as Resource | undefined, "compute");
  const id = textIn(compute, "resourceId");
  const location = textIn(compute, "location");
  if (id === undefined || location === undefined || !id.includes("/providers/"))
    throw notInCloud("azure-disk", "Azure");
  requireId(id);
  const storage = objectIn(compute, "storageProfile");
  const idIn = (disk: Resource): string => textIn(objectIn(disk, "managedDisk"), "id") ?? "";
  return {
    id,
    group: id.slice(0, id.indexOf("/providers/")),
    location,
    zone: textIn(compute, "zone") ?? "",
    disks: [
      { id: idIn(objectIn(storage, "osDisk")), lun: null },
      ...arrayIn(storage, "dataDisks").map((disk) => ({
        id: idIn(disk),
        lun: numberIn(disk, "lun") ?? null,
      })),
    ],
  };
}

/** udev's links, by the waagent's rules and by azure-vm-utils'. */
function lunLinks(lun: number): readonly string[] {
  return [`/dev/disk/azure/data/by-lun/${lun}`, `/dev/disk/azure/scsi1/lun${lun}`];
}

async function diskIdOf(disk: Disk, here: Machine, devices: BlockDevices): Promise<string> {
  for (const { id, lun } of here.disks) {
    const links = lun === null ? ["/dev/disk/azure/os", "/dev/disk/azure/root"] : lunLinks(lun);
    if (id !== "" && (await devices.findByLink(links, null)) === disk.path) return id;
  }
  throw new ActionError(
    "DISK_UNKNOWN",
    `${disk.path} is no managed disk of this machine that /dev/disk/azure names.`,
    {
      hint: "Install azure-vm-utils (or the Azure Linux agent), whose udev rules make those links. A local (temporary) disk cannot be snapshotted.",
    },
  );
}

/** What comes from a record must be an id of Azure's and nothing else. */
function requireId(id: string): void {
  if (
    /^\/subscriptions\/[\w-]+\/resourceGroups\/[\w().-]+\/providers\/Microsoft\.Compute\/\w+\/[\w.-]+$/i.test(
      id,
    )
  )
    return;
  throw new ActionError("VOLUME_RECORD_INVALID", `"${id}" is no id of a disk or snapshot of Azure.`);
}

function resourceName(runId: string, suffix: string): string {
  return `${nameFor(runId).replaceAll(".", "-")}-${suffix}`.slice(-80);
}

function tagsOf({
  runId,
  facts,
}: {
  readonly runId: string;
  readonly facts?: SnapshotFacts;
}): Record<string, string> {
  return {
    Name: "Stacks Snapshot",
    type: "chainstate",
    [runTag]: runId,
    ...(facts === undefined
      ? {}
      : {
          [`${toolName}-id`]: facts.snapshotId,
          [`${toolName}-network`]: facts.network,
          [`${toolName}-stacks-height`]: String(facts.stacksHeight),
          ...(facts.burnHeight === null ? {} : { [`${toolName}-burn-height`]: String(facts.burnHeight) }),
        }),
  };
}

function runIn(resource: Resource): string | undefined {
  return textIn(objectIn(resource, "tags"), runTag);
}

function nameOf(id: string): string {
  return id.slice(id.lastIndexOf("/") + 1);
}

function gone(id: string): ActionError {
  return new ActionError("SNAPSHOT_VOID", `The snapshot ${nameOf(id)} is not there any more.`, {
    hint: "Choose another snapshot.",
  });
}

/** Azure's permissions are actions with `*` for any part. */
function matchesAny(patterns: unknown, action: string): boolean {
  if (!Array.isArray(patterns)) return false;
  return patterns.some((pattern) => {
    if (typeof pattern !== "string") return false;
    const parts = pattern.toLowerCase().split("*");
    let at = 0;
    const wanted = action.toLowerCase();
    for (const [index, part] of parts.entries()) {
      const found = wanted.indexOf(part, at);
      if (found < 0 || (index === 0 && found !== 0)) return false;
      at = found + part.length;
    }
    return parts.at(-1) === "" || at === wanted.length;
  });
}
