/**
 * Amazon EBS: one CreateSnapshots for every volume under the chainstate, so that they are of one moment; new volumes in
 * this instance's zone, found by the serial number of their NVMe device, which is the volume's id. Credentials come from the SDK's default
 * chain. What this tool makes is tagged with the run; nothing without that tag is ever removed.
 */
import type * as Sdk from "@aws-sdk/client-ec2";
import type { EC2Client, Snapshot, Tag } from "@aws-sdk/client-ec2";
import { ActionError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import { explainEc2Error, ec2Code } from "./aws-errors.ts";
import type { Disk } from "./block-devices.ts";
import type { CloudDisk, CloudDisks, DiskDetails, TakenSnapshot } from "./cloud-disks.ts";
import { cloudSnapshotter, type CloudSnapshotterOptions } from "./cloud-snapshotter.ts";
import type { Host } from "./host.ts";
import { askMetadata, askMetadataJson, notInCloud } from "./metadata-service.ts";
import { notOurs, toolName } from "./names.ts";
import type { SnapshotFacts, VolumeSnapshotter } from "./port.ts";

export interface AwsOptions extends CloudSnapshotterOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const runTag = `${toolName}:run`;
/** Amazon takes five pending snapshots of one volume. */
const mostPending = 5;
const waitMs = 10 * 60_000;

export function awsEbsSnapshotter(
  host: Host,
  options: AwsOptions,
  named: readonly string[] = [],
): VolumeSnapshotter {
  return cloudSnapshotter(host, awsEbsDisks(options.environment, host.clock), named, options);
}

interface Instance {
  readonly id: string;
  readonly region: string;
  readonly zone: string;
}

export function awsEbsDisks(environment: AwsOptions["environment"], clock: Clock): CloudDisks {
  const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
    let made: Promise<T> | undefined;
    return async () => await (made ??= make());
  };
  const sdk = once(async () => await import("@aws-sdk/client-ec2"));
  let known: Promise<Instance> | undefined;
  const instance = async (signal: AbortSignal): Promise<Instance> => {
    known ??= findInstance(environment, signal);
    return await known.catch((error: unknown) => {
      known = undefined;
      throw error;
    });
  };
  let made: Promise<EC2Client> | undefined;
  const client = async (signal: AbortSignal): Promise<EC2Client> =>
    await (made ??= (async () => {
      const { EC2Client } = await sdk();
      const { region } = await instance(signal);
      return new EC2Client({
        region,
        maxAttempts: 5,
        requestHandler: { connectionTimeout: 5_000, requestTimeout: 60_000, socketTimeout: 60_000 },
      });
    })());
  const asked = async <T>(
    what: string,
    work: (client: EC2Client, sdk: typeof Sdk) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> => {
    try {
      return await work(await client(signal), await sdk());
    } catch (error) {
      if (error instanceof ActionError || signal.aborted) throw error;
      throw explainEc2Error(error, what);
    }
  };
  const volumeOf = async (id: string, signal: AbortSignal) =>
    await asked(
      `look at ${id}`,
      async (ec2, { DescribeVolumesCommand }) => {
        const { Volumes } = await ec2.send(new DescribeVolumesCommand({ VolumeIds: [id] }), {
          abortSignal: signal,
        });
        return Volumes?.[0];
      },
      signal,
    );
  const until = async (what: string, look: () => Promise<boolean>, signal: AbortSignal): Promise<void> => {
    const deadline = clock.now() + waitMs;
    while (!(await look())) {
      if (clock.now() > deadline)
        throw new ActionError("CLOUD_TIMEOUT", `${what} took longer than ${waitMs / 60_000} minutes.`, {
          hint: "See the volume in the EC2 console; run again when it has settled.",
        });
      await clock.sleep(2_000, signal);
    }
  };

  return {
    driver: "aws-ebs",

    async identify(disks, signal) {
      const here = await instance(signal);
      const ids = disks.map((disk) => volumeIdOf(disk));
      const volumes = await asked(
        "look at the chainstate's volumes",
        async (ec2, { DescribeVolumesCommand }) => {
          const { Volumes } = await ec2.send(new DescribeVolumesCommand({ VolumeIds: [...new Set(ids)] }), {
            abortSignal: signal,
          });
          return Volumes ?? [];
        },
        signal,
      );
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
        return {
          id,
          details: {
            region: here.region,
            zone: volume.AvailabilityZone ?? here.zone,
            sizeGiB: volume.Size ?? null,
            volumeType: volume.VolumeType ?? null,
            iops: volume.Iops ?? null,
            throughput: volume.Throughput ?? null,
            encrypted: volume.Encrypted ?? null,
          },
        };
      });
    },

    async requireSnapshots(disks, runId, signal) {
      const here = await instance(signal);
      await asked(
        "see how many snapshots are pending",
        async (ec2, { DescribeSnapshotsCommand }) => {
          const ids = disks.map(({ id }) => id);
          const { Snapshots } = await ec2.send(
            new DescribeSnapshotsCommand({
              OwnerIds: ["self"],
              Filters: [
                { Name: "volume-id", Values: ids },
                { Name: "status", Values: ["pending"] },
              ],
            }),
            { abortSignal: signal },
          );
          for (const id of ids) {
            const pending = (Snapshots ?? []).filter(
              (snapshot) => snapshot.VolumeId === id && snapshot.State === "pending",
            );
            if (pending.length >= mostPending) throw tooManyPending(id, pending);
          }
        },
        signal,
      );
      await asked(
        "take snapshots",
        async (ec2, { CreateSnapshotsCommand }) => {
          const command = new CreateSnapshotsCommand({
            ...(await specificationOf(disks, here, signal)),
            ...describing({ runId }),
            DryRun: true,
          });
          await ec2.send(command, { abortSignal: signal }).catch((error: unknown) => {
            if (ec2Code(error) !== "DryRunOperation") throw error;
          });
        },
        signal,
      );
    },

    async takeSnapshots(disks, run, signal) {
      const here = await instance(signal);
      const specification = await specificationOf(disks, here, signal);
      return await asked(
        "take snapshots",
        async (ec2, { CreateSnapshotsCommand, DeleteSnapshotCommand }) => {
          const { Snapshots } = await ec2.send(
            new CreateSnapshotsCommand({ ...specification, ...describing(run) }),
            { abortSignal: signal },
          );
          const taken = (Snapshots ?? []).flatMap(({ VolumeId, SnapshotId }): TakenSnapshot[] =>
            VolumeId === undefined || SnapshotId === undefined
              ? []
              : [{ diskId: VolumeId, snapshotId: SnapshotId }],
          );
          const isWanted = ({ diskId }: TakenSnapshot): boolean => disks.some(({ id }) => id === diskId);
          // A volume attached since the list of those to exclude was made; `cleanUp` finds what stays here.
          for (const { snapshotId } of taken.filter((each) => !isWanted(each))) {
            const command = new DeleteSnapshotCommand({ SnapshotId: snapshotId });
            await ec2.send(command, { abortSignal: signal }).catch(() => undefined);
          }
          return taken.filter(isWanted);
        },
        signal,
      );
    },

    async snapshotState(snapshotId, signal) {
      return await asked(
        `look at ${snapshotId}`,
        async (ec2, { DescribeSnapshotsCommand }) => {
          const { Snapshots } = await ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [snapshotId] }), {
            abortSignal: signal,
          });
          const [snapshot] = Snapshots ?? [];
          const percent = Number.parseInt(snapshot?.Progress ?? "", 10);
          return {
            state:
              snapshot?.State === "completed" || snapshot?.State === "error" ? snapshot.State : "pending",
            detail: [snapshot?.State, snapshot?.StateMessage].filter(Boolean).join(": "),
            ...(Number.isNaN(percent) ? {} : { progressPercent: percent }),
          };
        },
        signal,
      );
    },

    async createDisk(snapshotId, details, { runId }, signal) {
      const here = await instance(signal);
      if (details["region"] !== here.region) throw elsewhere(snapshotId, details, here);
      const id = await asked(
        `make a volume of ${snapshotId}`,
        async (ec2, { CreateVolumeCommand }) => {
          const { VolumeId } = await ec2.send(
            new CreateVolumeCommand({
              SnapshotId: snapshotId,
              AvailabilityZone: here.zone,
              ...performanceOf(details),
              TagSpecifications: [{ ResourceType: "volume", Tags: tagsOf({ runId }) }],
            }),
            { abortSignal: signal },
          );
          return VolumeId ?? "";
        },
        signal,
      );
      await until(`Making ${id}`, async () => (await volumeOf(id, signal))?.State === "available", signal);
      return id;
    },

    async attach(diskId, signal) {
      const here = await instance(signal);
      await asked(
        `attach ${diskId}`,
        async (ec2, { AttachVolumeCommand, DescribeInstancesCommand }) => {
          const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [here.id] }), {
            abortSignal: signal,
          });
          const taken = new Set(
            Reservations?.[0]?.Instances?.[0]?.BlockDeviceMappings?.map((mapping) => mapping.DeviceName),
          );
          await ec2.send(
            new AttachVolumeCommand({ VolumeId: diskId, InstanceId: here.id, Device: freeDeviceName(taken) }),
            { abortSignal: signal },
          );
        },
        signal,
      );
      await until(
        `Attaching ${diskId}`,
        async () => (await volumeOf(diskId, signal))?.Attachments?.[0]?.State === "attached",
        signal,
      );
      return { by: "serial", serial: diskId.replace("-", "") };
    },

    async detach(diskId, signal) {
      const volume = await volumeOf(diskId, signal).catch(whenGone);
      const InstanceId = volume?.Attachments?.find(({ State }) => State !== "detached")?.InstanceId;
      if (InstanceId === undefined) return;
      await asked(
        `detach ${diskId}`,
        async (ec2, { DetachVolumeCommand }) =>
          await ec2.send(new DetachVolumeCommand({ VolumeId: diskId, InstanceId }), { abortSignal: signal }),
        signal,
      );
      await until(
        `Detaching ${diskId}`,
        async () => (await volumeOf(diskId, signal))?.State === "available",
        signal,
      );
    },

    async deleteDisk(diskId, signal) {
      const volume = await volumeOf(diskId, signal).catch(whenGone);
      if (volume === undefined) return;
      if (runIn(volume.Tags) === undefined) throw notOurs(`The volume ${diskId}`);
      await asked(
        `delete ${diskId}`,
        async (ec2, { DeleteVolumeCommand }) =>
          await ec2.send(new DeleteVolumeCommand({ VolumeId: diskId }), { abortSignal: signal }),
        signal,
      );
    },

    async deleteSnapshot(snapshotId, signal) {
      await asked(
        `delete ${snapshotId}`,
        async (ec2, { DescribeSnapshotsCommand, DeleteSnapshotCommand }) => {
          const { Snapshots } = await ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [snapshotId] }), {
            abortSignal: signal,
          });
          const [snapshot] = Snapshots ?? [];
          if (snapshot === undefined) return;
          if (runIn(snapshot.Tags) === undefined) throw notOurs(`The snapshot ${snapshotId}`);
          await ec2.send(new DeleteSnapshotCommand({ SnapshotId: snapshotId }), { abortSignal: signal });
        },
        signal,
      ).catch(whenGone);
    },

    async adopt(diskId, signal) {
      await asked(
        `take the run's tag off ${diskId}`,
        async (ec2, { DeleteTagsCommand }) => {
          await ec2.send(new DeleteTagsCommand({ Resources: [diskId], Tags: [{ Key: runTag }] }), {
            abortSignal: signal,
          });
        },
        signal,
      );
    },

    async listSnapshots(disks, signal) {
      return await asked(
        "list snapshots",
        async (ec2, { paginateDescribeSnapshots }) => {
          const found = [];
          const Filters = [{ Name: "volume-id", Values: disks.map(({ id }) => id) }];
          for await (const { Snapshots } of paginateDescribeSnapshots(
            { client: ec2 },
            { OwnerIds: ["self"], Filters },
            { abortSignal: signal },
          )) {
            for (const snapshot of Snapshots ?? []) {
              const runId = runIn(snapshot.Tags);
              if (runId === undefined || snapshot.SnapshotId === undefined) continue;
              found.push({
                snapshotId: snapshot.SnapshotId,
                diskId: snapshot.VolumeId ?? "",
                createdAt: (snapshot.StartTime ?? new Date(0)).toISOString(),
                state: snapshot.State ?? "unknown",
                runId,
              });
            }
          }
          return found;
        },
        signal,
      );
    },

    async findOfRun(runId, signal) {
      return await asked(
        "find what a dead run left",
        async (ec2, { DescribeSnapshotsCommand, DescribeVolumesCommand }) => {
          const Filters = [{ Name: `tag:${runTag}`, Values: [runId] }];
          const { Snapshots } = await ec2.send(
            new DescribeSnapshotsCommand({ OwnerIds: ["self"], Filters }),
            { abortSignal: signal },
          );
          const { Volumes } = await ec2.send(new DescribeVolumesCommand({ Filters }), {
            abortSignal: signal,
          });
          return {
            snapshots: (Snapshots ?? []).flatMap(({ SnapshotId }) =>
              SnapshotId === undefined ? [] : [SnapshotId],
            ),
            disks: (Volumes ?? []).flatMap(({ VolumeId }) => (VolumeId === undefined ? [] : [VolumeId])),
          };
        },
        signal,
      );
    },
  };

  /** CreateSnapshots takes an instance's volumes; those that do not belong to the chainstate are excluded by name. */
  async function specificationOf(disks: readonly CloudDisk[], here: Instance, signal: AbortSignal) {
    return await asked(
      "look at this instance",
      async (ec2, { DescribeInstancesCommand }) => {
        const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [here.id] }), {
          abortSignal: signal,
        });
        const machine = Reservations?.[0]?.Instances?.[0];
        const wanted = new Set(disks.map(({ id }) => id));
        const attached = (machine?.BlockDeviceMappings ?? []).flatMap(({ DeviceName, Ebs }) =>
          Ebs?.VolumeId === undefined ? [] : [{ name: DeviceName, id: Ebs.VolumeId }],
        );
        const boot = attached.find(({ name }) => name === machine?.RootDeviceName);
        const others = attached.filter(({ id }) => !wanted.has(id) && id !== boot?.id).map(({ id }) => id);
        return {
          InstanceSpecification: {
            InstanceId: here.id,
            ExcludeBootVolume: boot !== undefined && !wanted.has(boot.id),
            ...(others.length === 0 ? {} : { ExcludeDataVolumeIds: others }),
          },
        };
      },
      signal,
    );
  }
}

async function findInstance(environment: AwsOptions["environment"], signal: AbortSignal): Promise<Instance> {
  const base = (environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "http://169.254.169.254").replace(
    /\/$/,
    "",
  );
  const token = await askMetadata(
    {
      url: `${base}/latest/api/token`,
      method: "PUT",
      headers: { "X-aws-ec2-metadata-token-ttl-seconds": "300" },
    },
    signal,
  );
  if (token === undefined) throw notInCloud("aws-ebs", "Amazon EC2");
  const document = await askMetadataJson(
    {
      url: `${base}/latest/dynamic/instance-identity/document`,
      headers: { "X-aws-ec2-metadata-token": token },
    },
    signal,
  );
  const { instanceId, region, availabilityZone } = (document ?? {}) as Record<string, unknown>;
  if (typeof instanceId !== "string" || typeof region !== "string" || typeof availabilityZone !== "string")
    throw notInCloud("aws-ebs", "Amazon EC2");
  return { id: instanceId, region, zone: availabilityZone };
}

/** NVMe disks of EBS say their volume's id, without the dash, as their serial number. */
function volumeIdOf(disk: Disk): string {
  const match = /^vol-?([0-9a-f]{8,17})$/.exec(disk.serial ?? "");
  if (match !== null) return `vol-${match[1]}`;
  throw new ActionError("DISK_UNKNOWN", `${disk.path} does not say which EBS volume it is.`, {
    hint: "It may be an instance store, which cannot be snapshotted, or an instance type older than Nitro, which is not supported.",
  });
}

function describing(run: { readonly runId: string; readonly facts?: SnapshotFacts }) {
  const day = new Date().toISOString().slice(0, 10).replaceAll("-", "");
  return {
    Description: `Stacks Node Snapshot - ${day}`,
    TagSpecifications: [{ ResourceType: "snapshot" as const, Tags: tagsOf(run) }],
  };
}

function tagsOf({ runId, facts }: { readonly runId: string; readonly facts?: SnapshotFacts }): Tag[] {
  const tags: Record<string, string> = { Name: "Stacks Snapshot", type: "chainstate", [runTag]: runId };
  if (facts !== undefined) {
    tags[`${toolName}:id`] = facts.snapshotId;
    tags[`${toolName}:network`] = facts.network;
    tags[`${toolName}:stacks-height`] = String(facts.stacksHeight);
    if (facts.burnHeight !== null) tags[`${toolName}:burn-height`] = String(facts.burnHeight);
  }
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

function runIn(tags: readonly Tag[] | undefined): string | undefined {
  return tags?.find((tag) => tag.Key === runTag)?.Value;
}

function performanceOf(details: DiskDetails) {
  const type = details["volumeType"];
  const isOneOf = (...types: readonly string[]): boolean => typeof type === "string" && types.includes(type);
  return {
    ...(typeof type === "string" ? { VolumeType: type as "gp3" } : {}),
    // The other types derive these from their size and refuse to be told.
    ...(isOneOf("gp3", "io1", "io2") && typeof details["iops"] === "number" ? { Iops: details["iops"] } : {}),
    ...(isOneOf("gp3") && typeof details["throughput"] === "number"
      ? { Throughput: details["throughput"] }
      : {}),
  };
}

/** Names for data volumes are /dev/sdf to /dev/sdp; what the kernel calls the disk is another matter. */
function freeDeviceName(taken: ReadonlySet<string | undefined>): string {
  for (const letter of "fghijklmnop") {
    if (!taken.has(`/dev/sd${letter}`) && !taken.has(`/dev/xvd${letter}`)) return `/dev/sd${letter}`;
  }
  throw new ActionError("CLOUD_REFUSED", "Every device name for data volumes of this instance is taken.", {
    hint: "Detach a volume that is not needed.",
  });
}

function whenGone(error: unknown): undefined {
  if (error instanceof ActionError && error.code === "SNAPSHOT_VOID") return undefined;
  throw error;
}

function tooManyPending(volume: string, pending: readonly Snapshot[]): ActionError {
  return new ActionError(
    "SNAPSHOTS_PENDING",
    `${pending.length} snapshots of ${volume} are pending already, and Amazon takes ${mostPending} at most.`,
    {
      hint: `Wait for ${pending.map((snapshot) => snapshot.SnapshotId).join(", ")}, or delete those that are not needed.`,
    },
  );
}

function elsewhere(snapshotId: string, details: DiskDetails, here: Instance): ActionError {
  return new ActionError(
    "SNAPSHOT_ELSEWHERE",
    `${snapshotId} is in ${String(details["region"])}, this instance in ${here.region}.`,
    {
      hint: `Copy it first: \`aws ec2 copy-snapshot --source-region ${String(details["region"])} --source-snapshot-id ${snapshotId} --region ${here.region}\`.`,
    },
  );
}
