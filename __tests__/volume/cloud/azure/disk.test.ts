import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AzureDisks } from "../../../../src/volume/cloud/azure/disk.ts";
import type { BlockDevices, Disk } from "../../../../src/volume/mounts/block-devices.ts";
import type { CloudDisks } from "../../../../src/volume/cloud/disks.ts";
import { azureOperations } from "../../published/azure.ts";
import { PublishedApi, type Called, type Reply } from "../../published/check.ts";

const group = "/subscriptions/s-1/resourceGroups/nodes";
const machineId = `${group}/providers/Microsoft.Compute/virtualMachines/node`;
const dataDisk = `${group}/providers/Microsoft.Compute/disks/data`;
const signal = new AbortController().signal;
const clock = { now: () => Date.now(), sleep: async () => await Promise.resolve() };
const disk: Disk = { name: "sdc", path: "/dev/sdc", serial: null, partition: 1, direct: true };
const devices: BlockDevices = {
  disksBelow: async () => await Promise.resolve([disk]),
  findBySerial: async () => await Promise.resolve(undefined),
  findByLink: async (links) =>
    await Promise.resolve(links.includes("/dev/disk/azure/scsi1/lun3") ? "/dev/sdc" : undefined),
  numberOf: async () => await Promise.resolve(undefined),
};

/** As much of Azure as remembers what was put. */
function azureState() {
  const resources = new Map<string, Record<string, unknown>>();
  const state = {
    resources,
    provisioning: ["Updating", "Succeeded"],
    actions: ["Microsoft.Compute/*"],
    override: undefined as ((call: Called) => Reply | undefined) | undefined,
  };
  resources.set(dataDisk, {
    id: dataDisk,
    location: "westeurope",
    sku: { name: "Premium_LRS" },
    managedBy: machineId,
    properties: { diskSizeGB: 2048, diskState: "Attached", provisioningState: "Succeeded" },
  });
  const idOf = (call: Called): string =>
    `${group}/providers/Microsoft.Compute/${call.operation.startsWith("Disks") ? "disks" : "snapshots"}/${call.parameters["name"]}`;
  const answer = (call: Called): Reply => {
    const own = state.override?.(call);
    if (own !== undefined) return own;
    const id = idOf(call);
    const kind = call.operation.split("_")[1];
    if (kind === "CreateOrUpdate") {
      const properties = {
        ...(call.body["properties"] as object),
        provisioningState: state.provisioning[0],
        diskState: "Unattached",
        timeCreated: "2026-11-22T02:00:14Z",
      };
      resources.set(id, { ...call.body, id, properties });
      return { status: 202, body: resources.get(id) };
    }
    if (kind === "Get") {
      const found = resources.get(id) as { properties: Record<string, unknown> } | undefined;
      if (found === undefined)
        return { status: 404, body: { error: { code: "ResourceNotFound", message: "no" } } };
      const now = structuredClone(found);
      if (found.properties["provisioningState"] === "Updating")
        found.properties["provisioningState"] = state.provisioning[1];
      return { status: 200, body: now };
    }
    if (kind === "Delete") return { status: resources.delete(id) ? 202 : 204 };
    if (kind === "Update") {
      Object.assign(resources.get(id) ?? {}, call.body);
      return { status: 200, body: resources.get(id) };
    }
    if (kind === "ListByResourceGroup") {
      const prefix = id.slice(0, id.lastIndexOf("/") + 1);
      const all = [...resources].filter(([key]) => key.startsWith(prefix)).map(([, value]) => value);
      // Two pages, so that the link is followed.
      if (call.operation.startsWith("Snapshots") && !call.query.has("$skiptoken")) {
        return {
          status: 200,
          body: {
            value: all.slice(0, 1),
            nextLink: `${api.url}${group}/providers/Microsoft.Compute/snapshots?api-version=2023-10-02&$skiptoken=2`,
          },
        };
      }
      return { status: 200, body: { value: call.operation.startsWith("Snapshots") ? all.slice(1) : all } };
    }
    if (kind === "AttachDetachDataDisks") {
      for (const { diskId } of (call.body["dataDisksToAttach"] ?? []) as { diskId: string }[]) {
        Object.assign(resources.get(diskId) ?? {}, { managedBy: machineId });
        Object.assign((resources.get(diskId) as { properties: object }).properties, {
          diskState: "Attached",
        });
      }
      for (const { diskId } of (call.body["dataDisksToDetach"] ?? []) as { diskId: string }[]) {
        delete resources.get(diskId)?.["managedBy"];
        Object.assign((resources.get(diskId) as { properties: object }).properties, {
          diskState: "Unattached",
        });
      }
      return { status: 202 };
    }
    return { status: 200, body: { value: [{ actions: state.actions, notActions: [] }] } };
  };
  let api = {} as PublishedApi;
  return { state, answer, bind: (opened: PublishedApi) => void (api = opened) };
}

describe("azure-disk, against the published description", () => {
  let azure: ReturnType<typeof azureState>;
  let api: PublishedApi;
  let metadata: Server;
  let disks: CloudDisks;

  beforeEach(async () => {
    azure = azureState();
    api = await PublishedApi.open(azureOperations, "", azure.answer);
    azure.bind(api);
    metadata = createServer((request, response) => {
      if (request.headers["metadata"] !== "true") return response.writeHead(400).end();
      const storageProfile = {
        osDisk: { managedDisk: { id: `${group}/providers/Microsoft.Compute/disks/os` } },
        dataDisks: [{ lun: "3", managedDisk: { id: dataDisk } }],
      };
      return response.end(
        JSON.stringify({
          compute: { resourceId: machineId, location: "westeurope", zone: "2", storageProfile },
        }),
      );
    });
    await new Promise<void>((resolve) => metadata.listen(0, "127.0.0.1", resolve));
    const metadataUrl = `http://127.0.0.1:${(metadata.address() as AddressInfo).port}`;
    disks = new AzureDisks(
      {
        managementUrl: api.url,
        metadataUrl,
        environment: {},
        token: async () => await Promise.resolve("the-token"),
      },
      devices,
      clock,
    );
  });
  afterEach(() => {
    metadata.close();
    api.close();
  });

  it("takes an incremental snapshot, and makes, attaches, detaches and removes a disk of it", async () => {
    const found = await disks.identify([disk], signal);
    expect(found).toEqual([
      { id: dataDisk, details: { location: "westeurope", zone: "2", sku: "Premium_LRS", sizeGiB: 2048 } },
    ]);
    await disks.requireSnapshots(found, "run.1", signal);
    const facts = { snapshotId: "mainnet-57-x", network: "mainnet", stacksHeight: 57, burnHeight: 240 };
    const [taken] = await disks.takeSnapshots(found, { runId: "run.1", facts }, signal);
    const snapshotId = taken?.snapshotId ?? "";
    expect(snapshotId).toBe(`${group}/providers/Microsoft.Compute/snapshots/chainstate-snapshot-run-1-0`);
    expect(api.calls.find((call) => call.operation === "Snapshots_CreateOrUpdate")?.body).toMatchObject({
      location: "westeurope",
      tags: {
        Name: "Stacks Snapshot",
        type: "chainstate",
        "chainstate-snapshot-run": "run.1",
        "chainstate-snapshot-stacks-height": "57",
      },
      properties: { incremental: true, creationData: { createOption: "Copy", sourceResourceId: dataDisk } },
    });
    expect(await disks.snapshotState(snapshotId, signal)).toMatchObject({ state: "completed" });

    const details = found[0]?.details ?? {};
    const made = await disks.createDisk(snapshotId, details, { runId: "run.1", index: 0 }, signal);
    expect(api.calls.find((call) => call.operation === "Disks_CreateOrUpdate")?.body).toMatchObject({
      zones: ["2"],
      sku: { name: "Premium_LRS" },
    });
    // LUN 0 is the first free one; 3 is taken.
    expect(await disks.attach(made, signal)).toEqual({
      by: "link",
      links: ["/dev/disk/azure/data/by-lun/0", "/dev/disk/azure/scsi1/lun0"],
    });
    expect(await disks.findOfRun("run.1", signal)).toEqual({ snapshots: [snapshotId], disks: [made] });
    await disks.detach(made, signal);
    await disks.detach(made, signal);
    await disks.deleteDisk(made, signal);
    await disks.deleteDisk(made, signal);
    await disks.deleteSnapshot(snapshotId, signal);
    expect(await disks.findOfRun("run.1", signal)).toEqual({ snapshots: [], disks: [] });
  });

  it.each(["before", "after"] as const)(
    "one connection that breaks %s a request is done spoils nothing, whichever it is",
    async (moment) => {
      for (let at = 1, broke = true; broke; at += 1) {
        api.requests = 0;
        api.breaks = undefined;
        const found = await disks.identify([disk], signal);
        api.requests = 0;
        api.breaks = { at, moment };
        const runId = `n${at}`;
        const [taken] = await disks.takeSnapshots(found, { runId }, signal);
        const snapshot = taken?.snapshotId ?? "";
        expect((await disks.snapshotState(snapshot, signal)).state).not.toBe("error");
        const made = await disks.createDisk(snapshot, found[0]?.details ?? {}, { runId, index: 0 }, signal);
        await disks.attach(made, signal);
        expect("managedBy" in (azure.state.resources.get(made) ?? {})).toBe(true);
        await disks.detach(made, signal);
        expect("managedBy" in (azure.state.resources.get(made) ?? {})).toBe(false);
        await disks.deleteDisk(made, signal);
        await disks.deleteSnapshot(snapshot, signal);
        broke = api.requests >= at;
        expect(await disks.findOfRun(runId, signal)).toEqual({ snapshots: [], disks: [] });
        expect(at).toBeLessThan(60);
      }
    },
  );

  it("adopts a disk, and removes nothing that is not marked", async () => {
    const found = await disks.identify([disk], signal);
    const [taken] = await disks.takeSnapshots(found, { runId: "r" }, signal);
    const made = await disks.createDisk(
      taken?.snapshotId ?? "",
      found[0]?.details ?? {},
      { runId: "r", index: 0 },
      signal,
    );
    await disks.adopt(made, signal);
    await expect(disks.deleteDisk(made, signal)).rejects.toMatchObject({ code: "NOT_OURS" });
    await expect(disks.deleteDisk(dataDisk, signal)).rejects.toMatchObject({ code: "NOT_OURS" });
    await expect(disks.deleteSnapshot("/subscriptions/s-1/../../evil", signal)).rejects.toMatchObject({
      code: "VOLUME_RECORD_INVALID",
    });
  });

  it("a snapshot that fails, or is copied in the background, is told as such; one of several that fails takes the others back", async () => {
    const found = await disks.identify([disk], signal);
    azure.state.provisioning = ["Updating", "Failed"];
    await expect(disks.takeSnapshots(found, { runId: "f" }, signal)).rejects.toMatchObject({
      code: "SNAPSHOT_FAILED",
    });
    expect(await disks.findOfRun("f", signal)).toEqual({ snapshots: [], disks: [] });
    azure.state.provisioning = ["Updating", "Succeeded"];
    const [taken] = await disks.takeSnapshots(found, { runId: "g" }, signal);
    const resource = azure.state.resources.get(taken?.snapshotId ?? "") as {
      properties: Record<string, unknown>;
    };
    resource.properties["completionPercent"] = 40;
    expect(await disks.snapshotState(taken?.snapshotId ?? "", signal)).toEqual({
      state: "pending",
      detail: "Succeeded",
      progressPercent: 40,
    });
    resource.properties["copyCompletionError"] = { errorCode: "CopySourceNotFound" };
    expect(await disks.snapshotState(taken?.snapshotId ?? "", signal)).toMatchObject({ state: "error" });
    await expect(
      disks.snapshotState(`${group}/providers/Microsoft.Compute/snapshots/gone`, signal),
    ).rejects.toMatchObject({ code: "SNAPSHOT_VOID" });
  });

  it("another region, missing permissions and refusals are each their own error", async () => {
    const found = await disks.identify([disk], signal);
    await expect(
      disks.createDisk(
        `${group}/providers/Microsoft.Compute/snapshots/x`,
        { location: "eastus" },
        { runId: "r", index: 0 },
        signal,
      ),
    ).rejects.toMatchObject({ code: "SNAPSHOT_ELSEWHERE" });
    azure.state.actions = ["Microsoft.Compute/*/read", "Microsoft.Compute/disks/*"];
    await expect(disks.requireSnapshots(found, "r", signal)).rejects.toMatchObject({ code: "CLOUD_DENIED" });
    for (const [status, code] of [
      [403, "CLOUD_DENIED"],
      [409, "VOLUME_BUSY"],
      [429, "CLOUD_LIMIT"],
      [500, "CLOUD_UNREACHABLE"],
    ] as const) {
      azure.state.override = (call) =>
        call.operation === "Snapshots_CreateOrUpdate"
          ? { status, body: { error: { code: "Because", message: "so it is" } } }
          : undefined;
      await expect(disks.takeSnapshots(found, { runId: "r" }, signal)).rejects.toMatchObject({
        code,
        message: expect.stringContaining("so it is"),
      });
    }
  });

  it("a machine that is not Azure's, a disk that is not managed, and no credentials", async () => {
    const nowhere = new AzureDisks(
      {
        managementUrl: api.url,
        metadataUrl: "http://127.0.0.1:9",
        environment: {},
        token: async () => await Promise.resolve("the-token"),
      },
      devices,
      clock,
    );
    await expect(nowhere.identify([disk], signal)).rejects.toMatchObject({ code: "NOT_IN_CLOUD" });
    await expect(disks.identify([{ ...disk, path: "/dev/sdb" }], signal)).rejects.toMatchObject({
      code: "DISK_UNKNOWN",
    });
    const metadataUrl = `http://127.0.0.1:${(metadata.address() as AddressInfo).port}`;
    const anonymous = new AzureDisks(
      {
        managementUrl: api.url,
        metadataUrl,
        environment: {},
        token: async () => await Promise.reject(new Error("none")),
      },
      devices,
      clock,
    );
    await expect(anonymous.identify([disk], signal)).rejects.toMatchObject({ code: "CLOUD_CREDENTIALS" });
  });
});
