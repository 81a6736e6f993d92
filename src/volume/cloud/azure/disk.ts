/**
 * Azure managed disks: an incremental snapshot of each, a new disk made of it in the machine's zone, attached at a free
 * LUN and found by that. Requests follow the published description (azure-rest-api-specs, Microsoft.Compute: DiskRP 2023-10-02,
 * ComputeRP 2024-07-01). The token comes from the run's one identity.
 */
import { ActionError, hasCode } from "../../../domain/errors.ts";
import { azureManagement, azureTokens, type AzureEnvironment } from "../../../system/azure-identity.ts";
import type { Clock } from "../../../system/clock.ts";
import { retry } from "../../../system/retry.ts";
import type { BlockDevices, Disk } from "../../mounts/block-devices.ts";
import { nameFor, toolName } from "../../names.ts";
import {
  attachedElsewhere,
  mayPass,
  snapshotGone,
  type CloudDisk,
  type DeviceLookup,
  type DiskDetails,
  type Run,
  type SnapshotState,
  type TakenSnapshot,
} from "../disks.ts";
import { askMetadataJson, notInCloud } from "../metadata-service.ts";
import { nameOf, RestDisks } from "../rest-disks.ts";
import { arrayIn, numberIn, objectIn, RestClient, textIn, type Resource } from "../rest.ts";

export interface AzureOptions {
  /** Where the APIs are; Azure's public cloud by default. */
  readonly managementUrl?: string;
  readonly metadataUrl?: string;
  readonly token?: () => Promise<string>;
  /** Of this run: says which identity it has. */
  readonly environment: AzureEnvironment;
}

const diskApi = "2023-10-02";
const machineApi = "2024-07-01";
const runTag = `${toolName}-run`;

interface Machine {
  /** Its resource id. */
  readonly id: string;
  /** Resource id of its group, where snapshots and disks are made. */
  readonly group: string;
  readonly location: string;
  readonly zone: string;
  readonly disks: readonly { readonly id: string; readonly lun: number | null }[];
}

export class AzureDisks extends RestDisks {
  readonly driver = "azure-disk";
  readonly #options: AzureOptions;
  readonly #devices: BlockDevices;
  readonly #clock: Clock;
  readonly #base: string;

  constructor(options: AzureOptions, devices: BlockDevices, clock: Clock) {
    const tokens = azureTokens(options.environment, azureManagement);
    const token = options.token ?? (async () => (await tokens()).token);
    super(new RestClient({ cloud: "Azure", driver: "azure-disk", clock, token }));
    this.#options = options;
    this.#devices = devices;
    this.#clock = clock;
    this.#base = (options.managementUrl ?? "https://management.azure.com").replace(/\/$/, "");
  }

  async identify(disks: readonly Disk[], signal: AbortSignal): Promise<readonly CloudDisk[]> {
    const here = await findMachine(this.#options, signal);
    const found: CloudDisk[] = [];
    for (const disk of disks) {
      const id = await diskIdOf(disk, here, this.#devices);
      const resource = await this.get(id, signal);
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
  }

  async requireSnapshots(_disks: readonly CloudDisk[], _runId: string, signal: AbortSignal): Promise<void> {
    const { group } = await findMachine(this.#options, signal);
    const url = `${this.#base}${group}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01`;
    const answer = await this.rest.request({
      method: "GET",
      url,
      what: "say what this identity may",
      signal,
    });
    const action = "Microsoft.Compute/snapshots/write";
    const allows = arrayIn(answer, "value").some(
      (each) => matchesAny(each["actions"], action) && !matchesAny(each["notActions"], action),
    );
    if (allows) return;
    throw new ActionError("CLOUD_DENIED", `This identity may not do ${action} in ${nameOf(group)}.`, {
      hint: "Give it the permissions that docs/volumes.md lists for azure-disk.",
    });
  }

  async snapshotState(snapshotId: string, signal: AbortSignal): Promise<SnapshotState> {
    this.requireId(snapshotId);
    const found = await this.get(snapshotId, signal);
    if (found === undefined) throw snapshotGone(nameOf(snapshotId));
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
  }

  async createDisk(
    snapshotId: string,
    details: DiskDetails,
    { runId, index }: { readonly runId: string; readonly index: number },
    signal: AbortSignal,
  ): Promise<string> {
    this.requireId(snapshotId);
    const here = await findMachine(this.#options, signal);
    if (details["location"] !== here.location) {
      throw new ActionError(
        "SNAPSHOT_ELSEWHERE",
        `${nameOf(snapshotId)} is in ${String(details["location"])}, this machine in ${here.location}.`,
        { hint: "Copy the snapshot to this region first (createOption CopyStart)." },
      );
    }
    const id = `${here.group}/providers/Microsoft.Compute/disks/${resourceName(runId, `new${index}`)}`;
    const sku = details["sku"];
    const body = {
      location: here.location,
      tags: tagsOf({ runId }),
      ...(here.zone === "" ? {} : { zones: [here.zone] }),
      ...(typeof sku === "string" ? { sku: { name: sku } } : {}),
      properties: { creationData: { createOption: "Copy", sourceResourceId: snapshotId } },
    };
    await this.#create(id, body, `make a disk of ${nameOf(snapshotId)}`, signal);
    return id;
  }

  async attach(diskId: string, signal: AbortSignal): Promise<DeviceLookup> {
    const { disks } = await findMachine(this.#options, signal);
    const taken = new Set(disks.map(({ lun }) => lun));
    const lun = Array.from({ length: 64 }, (_, each) => each).find((each) => !taken.has(each)) ?? 0;
    const disk = { diskId, lun, caching: "None", deleteOption: "Detach" };
    await this.#changeAttachment({ dataDisksToAttach: [disk] }, diskId, "Attached", signal);
    return { by: "link", links: lunLinks(lun) };
  }

  async attachment(diskId: string, signal: AbortSignal): Promise<DeviceLookup | undefined> {
    this.requireId(diskId);
    const machine = textIn(await this.get(diskId, signal), "managedBy");
    if (machine === undefined) return undefined;
    const here = await findMachine(this.#options, signal);
    if (!isSame(machine, here.id)) throw attachedElsewhere(nameOf(diskId), nameOf(machine));
    const lun = here.disks.find(({ id }) => isSame(id, diskId))?.lun;
    if (typeof lun === "number") return { by: "link", links: lunLinks(lun) };
    throw new ActionError(
      "DISK_UNKNOWN",
      `${nameOf(diskId)} is attached to this machine, which does not say where.`,
      {
        hint: "Its metadata service follows after a while: run again in a few minutes.",
      },
    );
  }

  async detach(diskId: string, signal: AbortSignal): Promise<void> {
    this.requireId(diskId);
    const found = await this.get(diskId, signal);
    if (found === undefined || textIn(found, "managedBy") === undefined) return;
    await this.#changeAttachment({ dataDisksToDetach: [{ diskId }] }, diskId, "Unattached", signal);
  }

  async adopt(diskId: string, signal: AbortSignal): Promise<void> {
    const tags = { ...objectIn(await this.get(diskId, signal), "tags") };
    delete tags[runTag];
    const what = `take the run's tag off ${nameOf(diskId)}`;
    await this.rest.request({ method: "PATCH", url: this.#at(diskId), body: { tags }, what, signal });
  }

  async findOfRun(
    runId: string,
    signal: AbortSignal,
  ): Promise<{ readonly snapshots: readonly string[]; readonly disks: readonly string[] }> {
    const { group } = await findMachine(this.#options, signal);
    const ofRun = async (kind: string): Promise<readonly string[]> =>
      (await this.#listAll(`${group}/providers/Microsoft.Compute/${kind}`, signal)).flatMap((found) =>
        this.runIn(found) === runId ? [textIn(found, "id") ?? ""] : [],
      );
    return { snapshots: await ofRun("snapshots"), disks: await ofRun("disks") };
  }

  protected async get(id: string, signal: AbortSignal): Promise<Resource | undefined> {
    return await this.rest.request({
      method: "GET",
      url: this.#at(id),
      what: `look at ${nameOf(id)}`,
      signal,
    });
  }

  protected requireId(id: string): void {
    requireId(id);
  }

  protected runIn(resource: Resource): string | undefined {
    return textIn(objectIn(resource, "tags"), runTag);
  }

  protected async snapshotIdFor({ runId }: Run, index: number, signal: AbortSignal): Promise<string> {
    const { group } = await findMachine(this.#options, signal);
    return `${group}/providers/Microsoft.Compute/snapshots/${resourceName(runId, String(index))}`;
  }

  protected async createSnapshot(plan: TakenSnapshot, run: Run, signal: AbortSignal): Promise<void> {
    const { diskId, snapshotId } = plan;
    const { location } = await findMachine(this.#options, signal);
    const creationData = { createOption: "Copy", sourceResourceId: diskId };
    const body = { location, tags: tagsOf(run), properties: { creationData, incremental: true } };
    await this.#create(snapshotId, body, `take a snapshot of ${nameOf(diskId)}`, signal);
  }

  protected async deleteMarked(id: string, signal: AbortSignal): Promise<void> {
    await this.rest.request({ method: "DELETE", url: this.#at(id), what: `delete ${nameOf(id)}`, signal });
    await this.rest.wait(
      `Deleting ${nameOf(id)}`,
      async () => ((await this.get(id, signal)) === undefined ? true : undefined),
      signal,
    );
  }

  /** PUT, and the wait until the resource is provisioned: for a snapshot that is when its moment is fixed. */
  async #create(id: string, body: Resource, what: string, signal: AbortSignal): Promise<void> {
    await this.rest.request({ method: "PUT", url: this.#at(id), body, what, signal });
    await this.rest.wait(
      `To ${what}`,
      async () => {
        const state = textIn(objectIn(await this.get(id, signal), "properties"), "provisioningState");
        if (state === "Failed" || state === "Canceled")
          throw new ActionError("SNAPSHOT_FAILED", `Azure could not ${what} (${state}).`, {
            hint: "See the resource's activity log in the portal.",
          });
        return state === "Succeeded" ? true : undefined;
      },
      signal,
    );
  }

  /** A request without an answer may have done its work: the disk's state tells, and decides whether to ask again. */
  async #changeAttachment(body: Resource, diskId: string, state: string, signal: AbortSignal): Promise<void> {
    const { id } = await findMachine(this.#options, signal);
    const url = this.#at(`${id}/attachDetachDataDisks`, machineApi);
    const what = `make ${nameOf(diskId)} ${state.toLowerCase()}`;
    const isDone = async (): Promise<boolean> =>
      textIn(objectIn(await this.get(diskId, signal), "properties"), "diskState") === state;
    const policy = { attempts: 3, firstPauseMs: 5_000, longestPauseMs: 20_000, passes: mayPass };
    await retry({ ...policy, signal, clock: this.#clock }, async (attempt) => {
      if (attempt > 1 && (await isDone())) return;
      try {
        await this.rest.request({ method: "POST", url, body, what, signal });
      } catch (error) {
        // The first request is under way.
        if (attempt === 1 || !hasCode(error, "VOLUME_BUSY")) throw error;
      }
    });
    await this.rest.wait(`To ${what}`, async () => ((await isDone()) ? true : undefined), signal);
  }

  /** Every item of a list, page by page. */
  async #listAll(id: string, signal: AbortSignal): Promise<readonly Resource[]> {
    const found: Resource[] = [];
    for (let url: string | undefined = this.#at(id); url !== undefined;) {
      const what = `list ${nameOf(id)}`;
      const page: Resource | undefined = await this.rest.request({ method: "GET", url, what, signal });
      found.push(...arrayIn(page, "value"));
      const next = textIn(page, "nextLink");
      // A link to another host would get our token.
      url = next !== undefined && next.startsWith(`${this.#base}/`) ? next : undefined;
    }
    return found;
  }

  #at(id: string, version = diskApi): string {
    return `${this.#base}${id}?api-version=${version}`;
  }
}

/** Azure's ids come back in whatever case. */
function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
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

function tagsOf({ runId, facts }: Run): Record<string, string> {
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
