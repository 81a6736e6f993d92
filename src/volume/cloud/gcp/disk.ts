/**
 * Google Compute Engine disks: a snapshot of each (its moment is fixed when it leaves the state CREATING), a new disk made
 * of it in the machine's zone, attached under a device name of ours and found by that. Requests follow the published
 * discovery document (compute v1). The token comes from google-auth-library's default chain.
 */
import { randomUUID } from "node:crypto";
import { ActionError } from "../../../domain/errors.ts";
import type { Clock } from "../../../system/clock.ts";
import type { BlockDevices, Disk } from "../../mounts/block-devices.ts";
import {
  attachedElsewhere,
  snapshotGone,
  type CloudDisk,
  type DeviceLookup,
  type DiskDetails,
  type Run,
  type SnapshotState,
  type TakenSnapshot,
} from "../disks.ts";
import { nameOf, RestDisks } from "../rest-disks.ts";
import { arrayIn, errorIn, numberIn, objectIn, RestClient, textIn, type Resource } from "../rest.ts";
import { labelOf, labelsOf, resourceName, runLabel } from "./labels.ts";
import { diskPathOf, findMachine, pathIn, requirePath, type GcpOptions, type Machine } from "./machine.ts";

export class GcpDisks extends RestDisks {
  readonly driver = "gcp-disk";
  readonly #options: GcpOptions;
  readonly #devices: BlockDevices;
  readonly #base: string;
  #machine: Promise<Machine> | undefined;

  constructor(options: GcpOptions, devices: BlockDevices, clock: Clock) {
    const token = options.token ?? defaultToken();
    super(new RestClient({ cloud: "Google", driver: "gcp-disk", clock, token }));
    this.#options = options;
    this.#devices = devices;
    const api = (options.computeUrl ?? "https://compute.googleapis.com").replace(/\/$/, "");
    this.#base = `${api}/compute/v1/`;
  }

  async identify(disks: readonly Disk[], signal: AbortSignal): Promise<readonly CloudDisk[]> {
    const { zone, project } = await this.#here(signal);
    const attached = await this.#attachedDisks(signal);
    const found: CloudDisk[] = [];
    for (const disk of disks) {
      const id = await diskPathOf(disk, attached, this.#devices);
      const resource = await this.get(id, signal);
      if (resource === undefined)
        throw new ActionError(
          "DISK_UNKNOWN",
          `${disk.path} is a disk that cannot be snapshotted (a local SSD).`,
          { hint: "Keep the chainstate on a persistent disk or Hyperdisk." },
        );
      found.push({
        id,
        details: {
          zone,
          project: nameOf(project),
          type: nameOf(textIn(resource, "type") ?? ""),
          sizeGb: numberIn(resource, "sizeGb") ?? null,
          iops: numberIn(resource, "provisionedIops") ?? null,
          throughput: numberIn(resource, "provisionedThroughput") ?? null,
        },
      });
    }
    return found;
  }

  async requireSnapshots(disks: readonly CloudDisk[], _runId: string, signal: AbortSignal): Promise<void> {
    for (const { id } of disks) {
      const permissions = ["compute.disks.createSnapshot"];
      const answer = await this.rest.request({
        method: "POST",
        url: `${this.#base}${id}/testIamPermissions`,
        body: { permissions },
        what: "say what this identity may",
        repeatable: true,
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
  }

  async snapshotState(snapshotId: string, signal: AbortSignal): Promise<SnapshotState> {
    this.requireId(snapshotId);
    const found = await this.get(snapshotId, signal);
    if (found === undefined) throw snapshotGone(nameOf(snapshotId));
    const status = textIn(found, "status") ?? "";
    const isOver = status === "FAILED" || status === "DELETING";
    return {
      state: status === "READY" ? "completed" : isOver ? "error" : "pending",
      // Google tells no percentage; the bytes stored so far show that it moves.
      detail: `${status} ${textIn(found, "storageBytes") ?? ""}`.trim(),
    };
  }

  async createDisk(
    snapshotId: string,
    details: DiskDetails,
    { runId, index }: { readonly runId: string; readonly index: number },
    signal: AbortSignal,
  ): Promise<string> {
    this.requireId(snapshotId);
    const { zonePath } = await this.#here(signal);
    const name = resourceName(runId, `new${index}`);
    const { type, iops, throughput } = details;
    const body = {
      name,
      sourceSnapshot: snapshotId,
      labels: labelsOf({ runId }),
      ...(typeof type === "string" && /^[\w-]+$/.test(type) ? { type: `${zonePath}/diskTypes/${type}` } : {}),
      ...(typeof iops === "number" ? { provisionedIops: String(iops) } : {}),
      ...(typeof throughput === "number" ? { provisionedThroughput: String(throughput) } : {}),
    };
    await this.#operate("POST", `${zonePath}/disks`, body, `make a disk of ${nameOf(snapshotId)}`, signal);
    return `${zonePath}/disks/${name}`;
  }

  async attach(diskId: string, signal: AbortSignal): Promise<DeviceLookup> {
    const { path } = await this.#here(signal);
    const deviceName = nameOf(diskId);
    const body = { source: diskId, deviceName, mode: "READ_WRITE", autoDelete: false };
    await this.#operate("POST", `${path}/attachDisk`, body, `attach ${deviceName}`, signal);
    return lookupOf(deviceName);
  }

  async attachment(diskId: string, signal: AbortSignal): Promise<DeviceLookup | undefined> {
    this.requireId(diskId);
    const deviceName = await this.#deviceNameOf(diskId, signal);
    if (deviceName !== undefined) return lookupOf(deviceName);
    const users = (await this.get(diskId, signal))?.["users"];
    if (Array.isArray(users) && users.length > 0) throw attachedElsewhere(nameOf(diskId), String(users[0]));
    return undefined;
  }

  async detach(diskId: string, signal: AbortSignal): Promise<void> {
    this.requireId(diskId);
    const { path } = await this.#here(signal);
    const deviceName = await this.#deviceNameOf(diskId, signal);
    if (deviceName === undefined) return;
    const query = new URLSearchParams({ deviceName });
    await this.#operate(
      "POST",
      `${path}/detachDisk?${query.toString()}`,
      undefined,
      `detach ${nameOf(diskId)}`,
      signal,
    );
  }

  async adopt(diskId: string, signal: AbortSignal): Promise<void> {
    const found = await this.get(diskId, signal);
    const labels = { ...objectIn(found, "labels") };
    delete labels[runLabel];
    const body = { labels, labelFingerprint: textIn(found, "labelFingerprint") };
    const what = `take the run's label off ${nameOf(diskId)}`;
    await this.#operate("POST", `${diskId}/setLabels`, body, what, signal);
  }

  async findOfRun(
    runId: string,
    signal: AbortSignal,
  ): Promise<{ readonly snapshots: readonly string[]; readonly disks: readonly string[] }> {
    const { project, zonePath } = await this.#here(signal);
    const ofRun = async (path: string): Promise<readonly string[]> =>
      (await this.#listAll(path, `labels.${runLabel}=${labelOf(runId)}`, signal)).flatMap((found) => {
        const name = textIn(found, "name");
        // Other ids may have the same label.
        const isTheirs = name?.startsWith(resourceName(runId, "")) === true;
        return isTheirs && objectIn(found, "labels")[runLabel] === labelOf(runId) ? [`${path}/${name}`] : [];
      });
    return {
      snapshots: await ofRun(`${project}/global/snapshots`),
      disks: await ofRun(`${zonePath}/disks`),
    };
  }

  protected async get(path: string, signal: AbortSignal): Promise<Resource | undefined> {
    return await this.rest.request({
      method: "GET",
      url: this.#base + path,
      what: `look at ${nameOf(path)}`,
      signal,
    });
  }

  protected requireId(path: string): void {
    requirePath(path);
  }

  protected runIn(resource: Resource): string | undefined {
    return textIn(objectIn(resource, "labels"), runLabel);
  }

  protected async snapshotIdFor({ runId }: Run, index: number, signal: AbortSignal): Promise<string> {
    const { project } = await this.#here(signal);
    return `${project}/global/snapshots/${resourceName(runId, String(index))}`;
  }

  protected async createSnapshot(plan: TakenSnapshot, run: Run, signal: AbortSignal): Promise<void> {
    const { diskId, snapshotId } = plan;
    const what = `take a snapshot of ${nameOf(diskId)}`;
    await this.#start(
      "POST",
      `${diskId}/createSnapshot`,
      {
        name: nameOf(snapshotId),
        description: `Stacks Node Snapshot, run ${run.runId}`,
        labels: labelsOf(run),
      },
      what,
      signal,
    );
    // Uploading goes on for long after the moment is fixed, and the operation ends only then.
    await this.rest.wait(
      `To ${what}`,
      async () => {
        const status = textIn(await this.get(snapshotId, signal), "status");
        if (status === "FAILED")
          throw new ActionError("SNAPSHOT_FAILED", `Google could not ${what}.`, {
            hint: "See the operation in the console.",
          });
        return status === "UPLOADING" || status === "READY" ? true : undefined;
      },
      signal,
    );
  }

  protected async deleteMarked(path: string, signal: AbortSignal): Promise<void> {
    await this.#operate("DELETE", path, undefined, `delete ${nameOf(path)}`, signal);
  }

  async #here(signal: AbortSignal): Promise<Machine> {
    this.#machine ??= findMachine(this.#options, signal);
    return await this.#machine.catch((error: unknown) => {
      this.#machine = undefined;
      throw error;
    });
  }

  async #attachedDisks(signal: AbortSignal): Promise<readonly Resource[]> {
    const { path } = await this.#here(signal);
    const instance = await this.get(path, signal);
    if (instance !== undefined) return arrayIn(instance, "disks");
    throw new ActionError("CLOUD_FAILED", `Google does not know this machine (${path}).`, {
      hint: "See whether the identity is one of this project.",
    });
  }

  /** The name it is attached under here. */
  async #deviceNameOf(diskId: string, signal: AbortSignal): Promise<string | undefined> {
    const attached = (await this.#attachedDisks(signal)).find(
      (disk) => pathIn(textIn(disk, "source")) === diskId,
    );
    return attached === undefined ? undefined : (textIn(attached, "deviceName") ?? "");
  }

  /** The operation that was started; undefined where there is nothing to do it to. Google does a request id once. */
  async #start(
    method: "POST" | "DELETE",
    path: string,
    body: unknown,
    what: string,
    signal: AbortSignal,
  ): Promise<Resource | undefined> {
    const url = new URL(this.#base + path);
    url.searchParams.set("requestId", randomUUID());
    const started = await this.rest.request({
      method,
      url: url.href,
      what,
      repeatable: true,
      signal,
      ...(body === undefined ? {} : { body }),
    });
    if (started !== undefined || method === "DELETE") return started;
    throw new ActionError("SNAPSHOT_VOID", `Google does not find what is needed to ${what}.`, {
      hint: "Choose another snapshot.",
    });
  }

  /** Starts something and waits for its operation. */
  async #operate(
    method: "POST" | "DELETE",
    path: string,
    body: unknown,
    what: string,
    signal: AbortSignal,
  ): Promise<void> {
    const started = await this.#start(method, path, body, what, signal);
    if (started === undefined) return;
    const scope = /^projects\/[^/]+\/(global|zones\/[^/]+)/.exec(path)?.[0] ?? "";
    const operation = `${scope}/operations/${textIn(started, "name") ?? ""}`;
    await this.rest.wait(
      `To ${what}`,
      async () => {
        const isDone = textIn(started, "status") === "DONE";
        const now = isDone ? started : ((await this.get(operation, signal)) ?? {});
        if (textIn(now, "status") !== "DONE") return undefined;
        const { code, message } = errorIn(now);
        if (code === undefined) return true;
        throw new ActionError(
          /QUOTA|LIMIT/.test(code) ? "CLOUD_LIMIT" : "CLOUD_FAILED",
          `Google could not ${what} (${code}): ${message ?? ""}`,
          { hint: "See the operation in the console." },
        );
      },
      signal,
    );
  }

  async #listAll(path: string, filter: string, signal: AbortSignal): Promise<readonly Resource[]> {
    const found: Resource[] = [];
    for (let token: string | undefined = ""; token !== undefined;) {
      const query = new URLSearchParams({ filter, ...(token === "" ? {} : { pageToken: token }) });
      const url = `${this.#base}${path}?${query.toString()}`;
      const what = `list ${nameOf(path)}`;
      const page: Resource | undefined = await this.rest.request({ method: "GET", url, what, signal });
      found.push(...arrayIn(page, "items"));
      token = textIn(page, "nextPageToken");
    }
    return found;
  }
}

function lookupOf(deviceName: string): DeviceLookup {
  return { by: "link", links: [`/dev/disk/by-id/google-${deviceName}`] };
}

function defaultToken(): () => Promise<string> {
  let auth: Promise<{ getAccessToken(): Promise<string | null | undefined> }> | undefined;
  return async () => {
    auth ??= import("google-auth-library").then(
      ({ GoogleAuth }) =>
        new GoogleAuth({
          scopes: ["https://www.googleapis.com/auth/compute"],
          // Node's own, which goes through proxies like everything else here.
          clientOptions: { transporterOptions: { fetchImplementation: fetch } },
        }),
    );
    const token = await (await auth).getAccessToken();
    if (token === null || token === undefined) throw new Error("no access token");
    return token;
  };
}
