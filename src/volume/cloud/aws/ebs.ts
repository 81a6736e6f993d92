/**
 * Amazon EBS: one CreateSnapshots for every volume under the chainstate, so that they are of one moment; new volumes in
 * this instance's zone, found by the serial number of their NVMe device, which is the volume's id. Credentials come from the SDK's default
 * chain. What this tool makes is tagged with the run; nothing without that tag is ever removed.
 */
import type * as Sdk from "@aws-sdk/client-ec2";
import type { EC2Client, Snapshot, Volume } from "@aws-sdk/client-ec2";
import { ActionError, hasCode } from "../../../domain/errors.ts";
import type { Clock } from "../../../system/clock.ts";
import { poll } from "../../../system/poll.ts";
import { proxyEnvironment } from "../../../system/proxy.ts";
import type { Disk } from "../../mounts/block-devices.ts";
import { notOurs } from "../../names.ts";
import { bestEffort } from "../../../system/best-effort.ts";
import {
  attachedElsewhere,
  mayPass,
  snapshotGone,
  type CloudDisk,
  type CloudDisks,
  type DeviceLookup,
  type DiskDetails,
  type Run,
  type SnapshotState,
  type TakenSnapshot,
} from "../disks.ts";
import { ec2Code, explainEc2Error } from "./errors.ts";
import { findInstance, type Environment, type Instance } from "./instance.ts";
import {
  attachmentOf,
  detailsOf,
  elsewhere,
  lookupOf,
  mostPending,
  tooManyPending,
  whenGone,
} from "./volumes.ts";
import { describing, freeDeviceName, performanceOf, runIn, runTag, tagsOf, volumeIdOf } from "./names.ts";

/** In seconds, as the SDK's waiters count. They take a failed look for none. */
const waiting = { maxWaitTime: 600, minDelay: 2, maxDelay: 10 };
/** Amazon says NotFound of what it has just made, for seconds and rarely longer. */
const unknownYetMs = 60_000;

type Ec2 = typeof Sdk;

export class AwsEbsDisks implements CloudDisks {
  readonly driver = "aws-ebs";
  readonly #environment: Environment;
  readonly #clock: Clock;
  /** Volumes and snapshots that this process made and has not deleted. */
  readonly #made = new Set<string>();
  #instance: Promise<Instance> | undefined;
  #client: Promise<EC2Client> | undefined;

  constructor(environment: Environment, clock: Clock) {
    this.#environment = environment;
    this.#clock = clock;
  }

  async identify(disks: readonly Disk[], signal: AbortSignal): Promise<readonly CloudDisk[]> {
    const here = await this.#here(signal);
    const ids = disks.map((disk) => volumeIdOf(disk));
    const what = "look at the chainstate's volumes";
    const volumes = await this.#ask(what, signal, async (ec2, { DescribeVolumesCommand }) => {
      const command = new DescribeVolumesCommand({ VolumeIds: [...new Set(ids)] });
      return (await ec2.send(command, { abortSignal: signal })).Volumes ?? [];
    });
    return ids.map((id): CloudDisk => {
      const volume = volumes.find((each) => each.VolumeId === id);
      if (volume?.Attachments?.some((attachment) => attachment.InstanceId === here.id) !== true) {
        throw new ActionError(
          "VOLUME_ELSEWHERE",
          `${id} is in ${volume?.AvailabilityZone ?? "no zone"} and not attached to this instance (${here.id} in ${here.zone}).`,
          {
            hint: "Run on the instance that has the volume, with the metadata service of that very instance.",
          },
        );
      }
      return { id, details: detailsOf(volume, here) };
    });
  }

  async requireSnapshots(disks: readonly CloudDisk[], runId: string, signal: AbortSignal): Promise<void> {
    const ids = disks.map(({ id }) => id);
    const Filters = [
      { Name: "volume-id", Values: ids },
      { Name: "status", Values: ["pending"] },
    ];
    const what = "see how many snapshots are pending";
    const pending = await this.#ask(what, signal, async (ec2, { DescribeSnapshotsCommand }) => {
      const command = new DescribeSnapshotsCommand({ OwnerIds: ["self"], Filters });
      const { Snapshots } = await ec2.send(command, { abortSignal: signal });
      return (Snapshots ?? []).filter(({ State }) => State === "pending");
    });
    for (const id of ids) {
      const ofVolume = pending.filter(({ VolumeId }) => VolumeId === id);
      if (ofVolume.length >= mostPending) throw tooManyPending(id, ofVolume);
    }
    const specification = await this.#specificationOf(disks, signal);
    await this.#ask("take snapshots", signal, async (ec2, { CreateSnapshotsCommand }) => {
      const command = new CreateSnapshotsCommand({
        ...specification,
        ...describing({ runId }),
        DryRun: true,
      });
      await ec2.send(command, { abortSignal: signal }).catch((error: unknown) => {
        if (ec2Code(error) !== "DryRunOperation") throw error;
      });
    });
  }

  async takeSnapshots(
    disks: readonly CloudDisk[],
    run: Run,
    signal: AbortSignal,
  ): Promise<readonly TakenSnapshot[]> {
    const specification = await this.#specificationOf(disks, signal);
    const answer = await this.#ask("take snapshots", signal, async (ec2, { CreateSnapshotsCommand }) => {
      const command = new CreateSnapshotsCommand({ ...specification, ...describing(run) });
      return await ec2.send(command, { abortSignal: signal });
    });
    const taken = (answer.Snapshots ?? []).flatMap(({ VolumeId, SnapshotId }): TakenSnapshot[] =>
      VolumeId === undefined || SnapshotId === undefined
        ? []
        : [{ diskId: VolumeId, snapshotId: SnapshotId }],
    );
    for (const { snapshotId } of taken) this.#made.add(snapshotId);
    const wanted = taken.filter(({ diskId }) => disks.some(({ id }) => id === diskId));
    const extra = taken.filter((each) => !wanted.includes(each)).map(({ snapshotId }) => snapshotId);
    // An answer that was lost had made a set already: Amazon has no token for this call.
    if ((answer.$metadata.attempts ?? 1) > 1) extra.push(...(await this.#strayOf(run.runId, taken, signal)));
    // A volume may also have been attached since the list of those to exclude was made. What stays, `cleanUp` finds.
    const quiet = { warning: (): void => undefined };
    for (const snapshot of extra)
      await bestEffort(quiet, "remove it", async () => await this.deleteSnapshot(snapshot, signal));
    return wanted;
  }

  async snapshotState(snapshotId: string, signal: AbortSignal): Promise<SnapshotState> {
    const snapshot = await this.#snapshot(snapshotId, signal);
    if (snapshot === undefined) throw snapshotGone(snapshotId);
    const { State, StateMessage, Progress } = snapshot;
    const percent = Number.parseInt(Progress ?? "", 10);
    return {
      state: State === "completed" || State === "error" ? State : "pending",
      detail: [State, StateMessage].filter(Boolean).join(": "),
      ...(Number.isNaN(percent) ? {} : { progressPercent: percent }),
    };
  }

  async createDisk(
    snapshotId: string,
    details: DiskDetails,
    { runId }: { readonly runId: string; readonly index: number },
    signal: AbortSignal,
  ): Promise<string> {
    const here = await this.#here(signal);
    if (details["region"] !== here.region) throw elsewhere(snapshotId, details, here);
    const what = `make a volume of ${snapshotId}`;
    const id = await this.#ask(what, signal, async (ec2, { CreateVolumeCommand }) => {
      const command = new CreateVolumeCommand({
        SnapshotId: snapshotId,
        AvailabilityZone: here.zone,
        ...performanceOf(details),
        TagSpecifications: [{ ResourceType: "volume", Tags: tagsOf({ runId }) }],
      });
      return (await ec2.send(command, { abortSignal: signal })).VolumeId;
    });
    if (id === undefined)
      throw new ActionError("CLOUD_FAILED", `Amazon did not say what it made to ${what}.`);
    this.#made.add(id);
    await this.#waitUntil("waitUntilVolumeAvailable", id, signal);
    return id;
  }

  async attach(diskId: string, signal: AbortSignal): Promise<DeviceLookup> {
    const here = await this.#here(signal);
    const machine = await this.#machine(signal);
    const taken = new Set(machine?.BlockDeviceMappings?.map((mapping) => mapping.DeviceName));
    const request = { VolumeId: diskId, InstanceId: here.id, Device: freeDeviceName(taken) };
    await this.#change(
      async () =>
        await this.#ask(
          `attach ${diskId}`,
          signal,
          async (ec2, { AttachVolumeCommand }) =>
            await ec2.send(new AttachVolumeCommand(request), { abortSignal: signal }),
        ),
      async () => attachmentOf(await this.#volume(diskId, signal)) === here.id,
    );
    await this.#waitUntil("waitUntilVolumeInUse", diskId, signal);
    return lookupOf(diskId);
  }

  async attachment(diskId: string, signal: AbortSignal): Promise<DeviceLookup | undefined> {
    const machine = attachmentOf(await this.#volume(diskId, signal));
    if (machine === undefined) return undefined;
    if (machine !== (await this.#here(signal)).id) throw attachedElsewhere(diskId, machine);
    return lookupOf(diskId);
  }

  async detach(diskId: string, signal: AbortSignal): Promise<void> {
    const InstanceId = attachmentOf(await this.#volume(diskId, signal));
    if (InstanceId === undefined) return;
    await this.#change(
      async () =>
        await this.#ask(
          `detach ${diskId}`,
          signal,
          async (ec2, { DetachVolumeCommand }) =>
            await ec2.send(new DetachVolumeCommand({ VolumeId: diskId, InstanceId }), {
              abortSignal: signal,
            }),
        ),
      async () => attachmentOf(await this.#volume(diskId, signal)) === undefined,
    );
    await this.#waitUntil("waitUntilVolumeAvailable", diskId, signal);
  }

  async deleteDisk(diskId: string, signal: AbortSignal): Promise<void> {
    const volume = await this.#volume(diskId, signal);
    if (volume === undefined) return;
    if (runIn(volume.Tags) === undefined) throw notOurs(`The volume ${diskId}`);
    await this.#ask(`delete ${diskId}`, signal, async (ec2, { DeleteVolumeCommand }) => {
      await ec2.send(new DeleteVolumeCommand({ VolumeId: diskId }), { abortSignal: signal });
    }).catch(whenGone);
    this.#made.delete(diskId);
  }

  async deleteSnapshot(snapshotId: string, signal: AbortSignal): Promise<void> {
    const snapshot = await this.#snapshot(snapshotId, signal);
    if (snapshot === undefined) return;
    if (runIn(snapshot.Tags) === undefined) throw notOurs(`The snapshot ${snapshotId}`);
    await this.#ask(`delete ${snapshotId}`, signal, async (ec2, { DeleteSnapshotCommand }) => {
      await ec2.send(new DeleteSnapshotCommand({ SnapshotId: snapshotId }), { abortSignal: signal });
    }).catch(whenGone);
    this.#made.delete(snapshotId);
  }

  async adopt(diskId: string, signal: AbortSignal): Promise<void> {
    await this.#ask(`take the run's tag off ${diskId}`, signal, async (ec2, { DeleteTagsCommand }) => {
      const command = new DeleteTagsCommand({ Resources: [diskId], Tags: [{ Key: runTag }] });
      await ec2.send(command, { abortSignal: signal });
    });
  }

  async findOfRun(
    runId: string,
    signal: AbortSignal,
  ): Promise<{ readonly snapshots: readonly string[]; readonly disks: readonly string[] }> {
    const Filters = [{ Name: `tag:${runTag}`, Values: [runId] }];
    return await this.#ask("find what a run left", signal, async (client, sdk) => {
      const [snapshots, disks]: [string[], string[]] = [[], []];
      const own = { OwnerIds: ["self"], Filters };
      for await (const { Snapshots } of sdk.paginateDescribeSnapshots({ client }, own, {
        abortSignal: signal,
      }))
        for (const { SnapshotId } of Snapshots ?? [])
          if (SnapshotId !== undefined) snapshots.push(SnapshotId);
      for await (const { Volumes } of sdk.paginateDescribeVolumes(
        { client },
        { Filters },
        { abortSignal: signal },
      ))
        for (const { VolumeId } of Volumes ?? []) if (VolumeId !== undefined) disks.push(VolumeId);
      return { snapshots, disks };
    });
  }

  async #strayOf(
    runId: string,
    taken: readonly TakenSnapshot[],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const { snapshots } = await this.findOfRun(runId, signal);
    return snapshots.filter((id) => !taken.some(({ snapshotId }) => snapshotId === id));
  }

  async #here(signal: AbortSignal): Promise<Instance> {
    this.#instance ??= findInstance(this.#environment, signal);
    return await this.#instance.catch((error: unknown) => {
      this.#instance = undefined;
      throw error;
    });
  }

  async #connect({ EC2Client }: Ec2, signal: AbortSignal): Promise<EC2Client> {
    const { region } = await this.#here(signal);
    const limits = { connectionTimeout: 5_000, requestTimeout: 60_000, socketTimeout: 60_000 };
    const requestHandler = { ...limits, httpsAgent: { proxyEnv: proxyEnvironment() } };
    this.#client ??= Promise.resolve(new EC2Client({ region, maxAttempts: 5, requestHandler }));
    return await this.#client;
  }

  /** The SDK makes a request again that failed in passing. */
  async #ask<T>(
    what: string,
    signal: AbortSignal,
    work: (client: EC2Client, sdk: Ec2) => Promise<T>,
  ): Promise<T> {
    try {
      const sdk = await import("@aws-sdk/client-ec2");
      return await work(await this.#connect(sdk, signal), sdk);
    } catch (error) {
      if (error instanceof ActionError || signal.aborted) throw error;
      throw explainEc2Error(error, what);
    }
  }

  /** A change that was made again because its answer was lost is refused the second time: what is there decides. */
  async #change(change: () => Promise<unknown>, isDone: () => Promise<boolean>): Promise<void> {
    try {
      await change();
    } catch (error) {
      if (!hasCode(error, "VOLUME_BUSY") || !(await isDone())) throw error;
    }
  }

  async #waitUntil(
    waiter: "waitUntilVolumeAvailable" | "waitUntilVolumeInUse",
    id: string,
    signal: AbortSignal,
  ): Promise<void> {
    const state = waiter === "waitUntilVolumeInUse" ? "in use" : "available";
    await this.#ask(`make ${id} ${state}`, signal, async (client, sdk) => {
      try {
        await sdk[waiter]({ client, ...waiting, abortSignal: signal }, { VolumeIds: [id] });
      } catch (cause) {
        if (!(cause instanceof Error) || cause.name !== "TimeoutError") throw cause;
        throw new ActionError("CLOUD_TIMEOUT", `${id} was not ${state} within 10 minutes.`, {
          cause,
          hint: "See the volume in the EC2 console, and run again when it is done.",
        });
      }
    });
  }

  /** Undefined where there is none (any more). */
  async #volume(id: string, signal: AbortSignal): Promise<Volume | undefined> {
    return await this.#seen(id, signal, async () => {
      const volumes = await this.#ask(`look at ${id}`, signal, async (ec2, { DescribeVolumesCommand }) => {
        return (await ec2.send(new DescribeVolumesCommand({ VolumeIds: [id] }), { abortSignal: signal }))
          .Volumes;
      });
      return volumes?.[0];
    });
  }

  async #snapshot(id: string, signal: AbortSignal): Promise<Snapshot | undefined> {
    return await this.#seen(id, signal, async () => {
      const command = { SnapshotIds: [id] };
      const snapshots = await this.#ask(
        `look at ${id}`,
        signal,
        async (ec2, { DescribeSnapshotsCommand }) =>
          (await ec2.send(new DescribeSnapshotsCommand(command), { abortSignal: signal })).Snapshots,
      );
      return snapshots?.[0];
    });
  }

  /** What this process has made is not believed to be gone before Amazon has said so for a minute. */
  async #seen<T>(
    id: string,
    signal: AbortSignal,
    look: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const limitMs = this.#made.has(id) ? unknownYetMs : 0;
    const options = { everyMs: [500, 5_000], limitMs, passes: limitMs > 0 ? mayPass : () => false } as const;
    return await poll({ ...options, signal, clock: this.#clock }, async () => await look().catch(whenGone));
  }

  async #machine(signal: AbortSignal): Promise<Sdk.Instance | undefined> {
    const { id } = await this.#here(signal);
    return await this.#ask("look at this instance", signal, async (ec2, { DescribeInstancesCommand }) => {
      const command = new DescribeInstancesCommand({ InstanceIds: [id] });
      return (await ec2.send(command, { abortSignal: signal })).Reservations?.[0]?.Instances?.[0];
    });
  }

  /** CreateSnapshots takes an instance's volumes; those that do not belong to the chainstate are excluded by name. */
  async #specificationOf(disks: readonly CloudDisk[], signal: AbortSignal) {
    const { id } = await this.#here(signal);
    const machine = await this.#machine(signal);
    const wanted = new Set(disks.map((disk) => disk.id));
    const attached = (machine?.BlockDeviceMappings ?? []).flatMap(({ DeviceName, Ebs }) =>
      Ebs?.VolumeId === undefined ? [] : [{ name: DeviceName, id: Ebs.VolumeId }],
    );
    const boot = attached.find(({ name }) => name === machine?.RootDeviceName);
    const others = attached.filter((each) => !wanted.has(each.id) && each.id !== boot?.id);
    return {
      InstanceSpecification: {
        InstanceId: id,
        ExcludeBootVolume: boot !== undefined && !wanted.has(boot.id),
        ...(others.length === 0 ? {} : { ExcludeDataVolumeIds: others.map((each) => each.id) }),
      },
    };
  }
}
