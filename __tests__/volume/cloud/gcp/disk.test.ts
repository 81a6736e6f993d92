import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BlockDevices, Disk } from "../../../../src/volume/mounts/block-devices.ts";
import type { CloudDisks } from "../../../../src/volume/cloud/disks.ts";
import { GcpDisks } from "../../../../src/volume/cloud/gcp/disk.ts";
import { PublishedApi, type Called, type Reply } from "../../published/check.ts";
import { googleOperations } from "../../published/google.ts";

const zone = "projects/p-1/zones/europe-west1-b";
const dataDisk = `${zone}/disks/data`;
const signal = new AbortController().signal;
const clock = { now: () => Date.now(), sleep: async () => await Promise.resolve() };
const disk: Disk = { name: "sdb", path: "/dev/sdb", serial: null, partition: null, direct: true };
const devices: BlockDevices = {
  disksBelow: async () => await Promise.resolve([disk]),
  findBySerial: async () => await Promise.resolve(undefined),
  findByLink: async (links) =>
    await Promise.resolve(links.includes("/dev/disk/by-id/google-chain") ? "/dev/sdb" : undefined),
  numberOf: async () => await Promise.resolve(undefined),
};
const selfLink = (path: string): string => `https://www.googleapis.com/compute/v1/${path}`;

interface Attached {
  source: string;
  deviceName: string;
}

function googleState() {
  const resources = new Map<string, Record<string, unknown>>();
  const attached: Attached[] = [{ source: selfLink(dataDisk), deviceName: "chain" }];
  const state = {
    resources,
    attached,
    statuses: ["CREATING", "UPLOADING", "READY"],
    granted: ["compute.disks.createSnapshot"],
    operationError: undefined as unknown,
    override: undefined as ((call: Called) => Reply | undefined) | undefined,
  };
  resources.set(dataDisk, {
    name: "data",
    type: selfLink(`${zone}/diskTypes/pd-ssd`),
    sizeGb: "2048",
    labels: {},
  });
  const done: Reply = { status: 200, body: { name: "operation-1", status: "RUNNING" } };
  const once = new Map<string, Reply>();
  // Google does a request id once, and answers the same again.
  const answer = (call: Called): Reply => {
    const requestId = call.query.get("requestId");
    const before = requestId === null ? undefined : once.get(requestId);
    if (before !== undefined) return before;
    const reply = perform(call);
    if (requestId !== null) once.set(requestId, reply);
    return reply;
  };
  const perform = (call: Called): Reply => {
    const own = state.override?.(call);
    if (own !== undefined) return own;
    const { project, zone: z, disk: d, resource, snapshot } = call.parameters;
    const diskPath = `projects/${project}/zones/${z}/disks/${d ?? resource ?? String(call.body["name"])}`;
    const snapshotPath = `projects/${project}/global/snapshots/${snapshot ?? String(call.body["name"])}`;
    const getting = (path: string): Reply =>
      resources.has(path)
        ? { status: 200, body: resources.get(path) }
        : {
            status: 404,
            body: { error: { code: 404, message: "not found", errors: [{ reason: "notFound" }] } },
          };
    const listing = (prefix: string): Reply => ({
      status: 200,
      body: { items: [...resources].filter(([key]) => key.startsWith(prefix)).map(([, value]) => value) },
    });
    switch (call.operation) {
      case "disks.createSnapshot":
        resources.set(snapshotPath, {
          ...call.body,
          status: state.statuses[0],
          sourceDisk: selfLink(diskPath),
          creationTimestamp: "2026-11-22T02:00:14.000-08:00",
        });
        return done;
      case "snapshots.get": {
        const reply = getting(snapshotPath);
        const found = resources.get(snapshotPath);
        const next = state.statuses[state.statuses.indexOf(String(found?.["status"])) + 1];
        const now = structuredClone(reply);
        if (found !== undefined && next !== undefined) found["status"] = next;
        return now;
      }
      case "snapshots.delete":
        return resources.delete(snapshotPath) ? done : { status: 404 };
      case "disks.insert":
        resources.set(diskPath, { ...call.body });
        return done;
      case "disks.get":
        return getting(diskPath);
      case "disks.delete":
        return resources.delete(diskPath) ? done : { status: 404 };
      case "disks.setLabels":
        Object.assign(resources.get(diskPath) ?? {}, { labels: call.body["labels"] });
        return done;
      case "disks.testIamPermissions":
        return { status: 200, body: { permissions: state.granted } };
      case "snapshots.list":
        return listing("projects/p-1/global/snapshots/");
      case "disks.list":
        return listing(`${zone}/disks/`);
      case "instances.get":
        return { status: 200, body: { disks: attached } };
      case "instances.attachDisk":
        attached.push({
          source: selfLink(String(call.body["source"])),
          deviceName: String(call.body["deviceName"]),
        });
        return done;
      case "instances.detachDisk":
        attached.splice(
          attached.findIndex((each) => each.deviceName === call.query.get("deviceName")),
          1,
        );
        return done;
      default:
        return {
          status: 200,
          body: {
            name: "operation-1",
            status: "DONE",
            ...(state.operationError === undefined ? {} : { error: state.operationError }),
          },
        };
    }
  };
  return { state, answer };
}

describe("gcp-disk, against the published discovery document", () => {
  let google: ReturnType<typeof googleState>;
  let api: PublishedApi;
  let metadata: Server;
  let disks: CloudDisks;

  beforeEach(async () => {
    google = googleState();
    api = await PublishedApi.open(googleOperations, "/compute/v1/", google.answer);
    metadata = createServer((request, response) => {
      if (request.headers["metadata-flavor"] !== "Google") return response.writeHead(403).end();
      if (request.url === "/computeMetadata/v1/project/project-id") return response.end("p-1");
      return response.end(JSON.stringify({ name: "node", zone: "projects/123/zones/europe-west1-b" }));
    });
    await new Promise<void>((resolve) => metadata.listen(0, "127.0.0.1", resolve));
    const environment = { GCE_METADATA_HOST: `127.0.0.1:${(metadata.address() as AddressInfo).port}` };
    disks = new GcpDisks(
      { environment, computeUrl: api.url, token: async () => await Promise.resolve("the-token") },
      devices,
      clock,
    );
  });
  afterEach(() => {
    metadata.close();
    api.close();
  });

  it("takes a snapshot, and makes, attaches, detaches and removes a disk of it", async () => {
    const found = await disks.identify([disk], signal);
    expect(found).toMatchObject([
      { id: dataDisk, details: { zone: "europe-west1-b", type: "pd-ssd", sizeGb: 2048 } },
    ]);
    await disks.requireSnapshots(found, "R.1", signal);
    const facts = { snapshotId: "mainnet-57-X", network: "mainnet", stacksHeight: 57, burnHeight: null };
    const [taken] = await disks.takeSnapshots(found, { runId: "R.1", facts }, signal);
    const snapshotId = taken?.snapshotId ?? "";
    expect(snapshotId).toBe("projects/p-1/global/snapshots/chainstate-snapshot-r-1-0");
    expect(await disks.snapshotState(snapshotId, signal)).toMatchObject({ state: "completed" });

    const made = await disks.createDisk(
      snapshotId,
      found[0]?.details ?? {},
      { runId: "R.1", index: 0 },
      signal,
    );
    expect(api.calls.find((call) => call.operation === "disks.insert")?.body).toMatchObject({
      sourceSnapshot: snapshotId,
      type: `${zone}/diskTypes/pd-ssd`,
    });
    expect(await disks.attach(made, signal)).toEqual({
      by: "link",
      links: ["/dev/disk/by-id/google-chainstate-snapshot-r-1-new0"],
    });
    expect(await disks.findOfRun("R.1", signal)).toEqual({ snapshots: [snapshotId], disks: [made] });
    await disks.detach(made, signal);
    await disks.detach(made, signal);
    expect(google.state.attached).toHaveLength(1);
    await disks.deleteDisk(made, signal);
    await disks.deleteDisk(made, signal);
    await disks.deleteSnapshot(snapshotId, signal);
    expect(await disks.findOfRun("R.1", signal)).toEqual({ snapshots: [], disks: [] });
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
        expect(google.state.attached.some(({ source }) => source.endsWith(made))).toBe(true);
        await disks.detach(made, signal);
        expect(google.state.attached.some(({ source }) => source.endsWith(made))).toBe(false);
        await disks.deleteDisk(made, signal);
        await disks.deleteSnapshot(snapshot, signal);
        broke = api.requests >= at;
        expect(await disks.findOfRun(runId, signal)).toEqual({ snapshots: [], disks: [] });
        expect(at).toBeLessThan(60);
      }
    },
  );

  it("the moment is fixed when the snapshot is no longer being created, and it is complete when it is ready", async () => {
    google.state.statuses = ["CREATING", "UPLOADING"];
    const found = await disks.identify([disk], signal);
    const [taken] = await disks.takeSnapshots(found, { runId: "r" }, signal);
    expect(await disks.snapshotState(taken?.snapshotId ?? "", signal)).toMatchObject({
      state: "pending",
      detail: "UPLOADING",
    });
    google.state.statuses = ["CREATING", "FAILED"];
    await expect(disks.takeSnapshots(found, { runId: "s" }, signal)).rejects.toMatchObject({
      code: "SNAPSHOT_FAILED",
    });
    expect((await disks.findOfRun("s", signal)).snapshots).toEqual([]);
  });

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
    await expect(disks.deleteSnapshot("projects/p-1/zones/z/instances/node", signal)).rejects.toMatchObject({
      code: "VOLUME_RECORD_INVALID",
    });
  });

  it("what an operation or a refusal says becomes its own error", async () => {
    const found = await disks.identify([disk], signal);
    const snapshot = "projects/p-1/global/snapshots/x";
    google.state.operationError = { errors: [{ code: "QUOTA_EXCEEDED", message: "SSD_TOTAL_GB" }] };
    await expect(disks.createDisk(snapshot, {}, { runId: "r", index: 0 }, signal)).rejects.toMatchObject({
      code: "CLOUD_LIMIT",
    });
    google.state.operationError = undefined;
    google.state.granted = [];
    await expect(disks.requireSnapshots(found, "r", signal)).rejects.toMatchObject({ code: "CLOUD_DENIED" });
    for (const [status, code] of [
      [403, "CLOUD_DENIED"],
      [409, "VOLUME_BUSY"],
      [404, "SNAPSHOT_VOID"],
    ] as const) {
      google.state.override = (call) =>
        call.operation === "disks.insert"
          ? { status, body: { error: { code: status, message: "so it is" } } }
          : undefined;
      await expect(disks.createDisk(snapshot, {}, { runId: "r", index: 0 }, signal)).rejects.toMatchObject({
        code,
      });
    }
  });

  it("a machine that is not Google's and a disk that is none of its", async () => {
    const nowhere = new GcpDisks(
      {
        environment: { GCE_METADATA_HOST: "127.0.0.1:9" },
        computeUrl: api.url,
        token: async () => await Promise.resolve("the-token"),
      },
      devices,
      clock,
    );
    await expect(nowhere.identify([disk], signal)).rejects.toMatchObject({ code: "NOT_IN_CLOUD" });
    await expect(disks.identify([{ ...disk, path: "/dev/nvme0n1" }], signal)).rejects.toMatchObject({
      code: "DISK_UNKNOWN",
    });
  });
});
