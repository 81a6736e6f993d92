/** A cloud and a machine in memory, and a twin of the cloud that fails once. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ActionError } from "../../../src/domain/errors.ts";
import type { Mount } from "../../../src/system/mounts.ts";
import {
  snapshotGone,
  type CloudDisk,
  type CloudDisks,
  type DeviceLookup,
  type Run,
  type SnapshotState,
  type TakenSnapshot,
} from "../../../src/volume/cloud/disks.ts";
import type { Host } from "../../../src/volume/host.ts";
import type { Disk } from "../../../src/volume/mounts/block-devices.ts";
import { notOurs } from "../../../src/volume/names.ts";
import { fakeClock } from "../../system/fake-clock.ts";

interface Thing {
  run: string | undefined;
  attached?: boolean;
}

export class MemoryCloud implements CloudDisks {
  readonly driver = "gcp-disk";
  readonly disks = new Map<string, Thing>();
  readonly snapshots = new Map<string, Thing>();
  #made = 0;

  async identify(disks: readonly Disk[]): Promise<readonly CloudDisk[]> {
    return await Promise.resolve(disks.map(({ name }) => ({ id: name, details: {} })));
  }
  async requireSnapshots(): Promise<void> {
    await Promise.resolve();
  }
  async takeSnapshots(disks: readonly CloudDisk[], run: Run): Promise<readonly TakenSnapshot[]> {
    const taken = disks.map(({ id }) => ({ diskId: id, snapshotId: `snap-${(this.#made += 1)}` }));
    for (const { snapshotId } of taken) this.snapshots.set(snapshotId, { run: run.runId });
    return await Promise.resolve(taken);
  }
  async snapshotState(id: string): Promise<SnapshotState> {
    if (!this.snapshots.has(id)) throw snapshotGone(id);
    return await Promise.resolve({ state: "completed", detail: "there" });
  }
  async createDisk(snapshotId: string, _details: object, { runId }: { runId: string }): Promise<string> {
    if (!this.snapshots.has(snapshotId)) throw snapshotGone(snapshotId);
    const id = `disk${(this.#made += 1)}`;
    this.disks.set(id, { run: runId, attached: false });
    return await Promise.resolve(id);
  }
  async attach(id: string): Promise<DeviceLookup> {
    Object.assign(this.disks.get(id) ?? {}, { attached: true });
    return await Promise.resolve({ by: "serial", serial: id });
  }
  async attachment(id: string): Promise<DeviceLookup | undefined> {
    const isHere = this.disks.get(id)?.attached === true;
    return await Promise.resolve(isHere ? { by: "serial", serial: id } : undefined);
  }
  async detach(id: string): Promise<void> {
    await Promise.resolve(Object.assign(this.disks.get(id) ?? {}, { attached: false }));
  }
  async deleteDisk(id: string): Promise<void> {
    await remove(this.disks, id);
  }
  async deleteSnapshot(id: string): Promise<void> {
    await remove(this.snapshots, id);
  }
  async adopt(id: string): Promise<void> {
    await Promise.resolve(Object.assign(this.disks.get(id) ?? {}, { run: undefined }));
  }
  async findOfRun(runId: string) {
    const ofRun = (all: ReadonlyMap<string, Thing>): string[] =>
      [...all].flatMap(([id, { run }]) => (run === runId ? [id] : []));
    return await Promise.resolve({ snapshots: ofRun(this.snapshots), disks: ofRun(this.disks) });
  }
}

async function remove(all: Map<string, Thing>, id: string): Promise<void> {
  const found = all.get(id);
  if (found !== undefined && found.run === undefined) throw notOurs(id);
  if (found?.attached === true) throw new ActionError("VOLUME_BUSY", `${id} is attached.`);
  await Promise.resolve(all.delete(id));
}

export type Moment = "before" | "after";

/** Fails once, at call `at` (from 1): before it did anything, or after it did it, so that only the answer is lost. */
export function failingOnce(
  cloud: CloudDisks,
  at: number,
  moment: Moment,
): { readonly cloud: CloudDisks; hasFailed(): boolean } {
  let calls = 0;
  const failure = (method: string): ActionError =>
    new ActionError("CLOUD_UNREACHABLE", `no answer to call ${at} (${method})`);
  const twin = new Proxy(cloud, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== "function") return method;
      return async (...given: unknown[]): Promise<unknown> => {
        const fails = (calls += 1) === at;
        if (fails && moment === "before") throw failure(String(name));
        const result: unknown = await Reflect.apply(method, target, given);
        if (fails) throw failure(String(name));
        return result;
      };
    },
  });
  return { cloud: twin, hasFailed: () => calls >= at };
}

/** Its disks are those that the cloud says are attached, each at `/dev/<id>`; what is mounted holds a directory `mainnet`. */
export class MemoryMachine {
  readonly mounts: Mount[] = [];
  readonly host: Host;
  readonly #cloud: MemoryCloud;

  constructor(cloud: MemoryCloud) {
    this.#cloud = cloud;
    const done = { exitCode: 0, signal: null, stdout: "", stderr: "", timedOut: false };
    this.host = {
      clock: fakeClock(),
      privilege: {
        isRoot: true,
        elevate: (argv) => argv,
        may: async () => await Promise.resolve(true),
        require: async () => await Promise.resolve(),
      },
      devices: {
        disksBelow: async (path) => await Promise.resolve(this.#isThere(path) ? [diskAt(path)] : []),
        findBySerial: async (serial) =>
          await Promise.resolve(this.#isThere(`/dev/${serial}`) ? `/dev/${serial}` : undefined),
        findByLink: async () => await Promise.resolve(undefined),
        numberOf: async (path) => await Promise.resolve(`8:${path}`),
      },
      readMounts: async () => await Promise.resolve([...this.mounts]),
      ask: async (argv) => {
        if (argv[0] === "mount") this.mount(argv.at(-2) ?? "", argv.at(-1) ?? "");
        if (argv[0] === "umount") this.#unmount(argv[1] ?? "");
        return await Promise.resolve({ argv, ...done });
      },
      do: async (argv) => (await this.host.ask(argv)).stdout,
      work: async (argv) => void (await this.host.ask(argv)),
    };
  }

  mount(source: string, mountPoint: string): void {
    mkdirSync(join(mountPoint, "mainnet"), { recursive: true });
    const id = this.mounts.length + 1;
    const where = { id, parentId: 0, device: `8:${source}`, root: "/", mountPoint };
    this.mounts.push({ ...where, options: ["rw"], fsType: "ext4", source });
  }

  mountedAt(mountPoint: string): string | undefined {
    return this.mounts.findLast((mount) => mount.mountPoint === mountPoint)?.source;
  }

  #unmount(mountPoint: string): void {
    const index = this.mounts.findLastIndex((mount) => mount.mountPoint === mountPoint);
    if (index >= 0) this.mounts.splice(index, 1);
    rmSync(join(mountPoint, "mainnet"), { recursive: true, force: true });
  }

  #isThere(path: string): boolean {
    return this.#cloud.disks.get(path.slice("/dev/".length))?.attached === true;
  }
}

function diskAt(path: string): Disk {
  return { name: path.slice("/dev/".length), path, serial: null, partition: null, direct: true };
}
