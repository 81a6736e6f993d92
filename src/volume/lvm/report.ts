/** Logical volumes as `lvs` reports them, in one question for all of them, and the record of a snapshot of one. */
import * as v from "valibot";
import { ActionError } from "../../domain/errors.ts";
import { commandFailed, type Host } from "../host.ts";
import { toolName } from "../names.ts";
import { byteCount, commonFields } from "../records.ts";

const lvmWord = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_+.][A-Za-z0-9_+.-]*$/));

export const lvmSchema = v.looseObject({
  ...commonFields,
  driver: v.literal("lvm"),
  group: lvmWord,
  origin: lvmWord,
  /** Name of the snapshot's logical volume in the group. */
  volume: lvmWord,
  thin: v.boolean(),
  sizeBytes: byteCount,
});
export type LvmRecord = v.InferOutput<typeof lvmSchema>;

export interface LogicalVolume {
  readonly group: string;
  readonly name: string;
  readonly mapperPath: string;
  readonly sizeBytes: number;
  /** Name of the thin pool; "" for a thick volume. */
  readonly pool: string;
  readonly origin: string;
  /** "major:minor"; "-1:-1" while it is not active. */
  readonly device: string;
  readonly groupFreeBytes: number;
  readonly extentBytes: number;
  readonly dataPercent: number;
  readonly metadataPercent: number;
  /** A thick snapshot that is full, or a thin one whose pool failed. */
  readonly isVoid: boolean;
  /** True where thick snapshots depend on it. */
  readonly hasSnapshots: boolean;
  /** From this tool's tag; undefined for volumes that it did not make. */
  readonly runId: string | undefined;
  readonly createdAt: string;
}

const fields =
  "vg_name,lv_name,lv_dm_path,lv_size,pool_lv,origin,lv_kernel_major,lv_kernel_minor,vg_free,vg_extent_size,data_percent,metadata_percent,snap_percent,lv_attr,lv_tags,lv_time,lv_health_status";

const row = v.record(v.string(), v.string());
const reportSchema = v.object({ report: v.array(v.object({ lv: v.array(row) })) });

export const listCommand = [
  "lvs",
  "--all",
  "--reportformat",
  "json",
  "--units",
  "b",
  "--nosuffix",
  "--options",
  fields,
] as const;

/** LVM_UNAVAILABLE where LVM does not answer. */
export async function listVolumes(host: Host): Promise<readonly LogicalVolume[]> {
  await host.privilege.require(listCommand, "to find the chainstate's logical volume");
  const result = await host.ask(listCommand);
  if (result.exitCode !== 0) {
    throw new ActionError("LVM_UNAVAILABLE", "LVM does not say which logical volumes there are.", {
      cause: commandFailed(listCommand, result),
      hint: "Install lvm2, or choose another `volume-driver` or `freeze-with`.",
    });
  }
  const parsed = v.parse(reportSchema, JSON.parse(result.stdout));
  return parsed.report.flatMap(({ lv }) => lv.map(volumeOf));
}

function volumeOf(row: Readonly<Record<string, string>>): LogicalVolume {
  const text = (name: string): string => row[name] ?? "";
  const number = (name: string): number => (text(name) === "" ? 0 : Number(text(name)));
  const attributes = text("lv_attr");
  return {
    group: text("vg_name"),
    // Hidden volumes stand in brackets.
    name: text("lv_name").replace(/^\[|\]$/g, ""),
    mapperPath: text("lv_dm_path"),
    sizeBytes: number("lv_size"),
    pool: text("pool_lv").replace(/^\[|\]$/g, ""),
    origin: text("origin").replace(/^\[|\]$/g, ""),
    device: `${text("lv_kernel_major")}:${text("lv_kernel_minor")}`,
    groupFreeBytes: number("vg_free"),
    extentBytes: number("vg_extent_size"),
    dataPercent: number("data_percent"),
    metadataPercent: number("metadata_percent"),
    // lv_attr(7): the first letter "S" and the fifth "I" or "S" are an invalid snapshot, "o" and "O" an origin.
    isVoid:
      attributes[0] === "S" ||
      attributes[4] === "I" ||
      attributes[4] === "S" ||
      number("snap_percent") >= 100 ||
      (text("pool_lv") !== "" && text("lv_health_status") !== ""),
    hasSnapshots: attributes[0] === "o" || attributes[0] === "O",
    runId: text("lv_tags")
      .split(",")
      .find((tag) => tag.startsWith(`${toolName}=`))
      ?.slice(toolName.length + 1),
    createdAt:
      new Date(text("lv_time")).toString() === "Invalid Date"
        ? text("lv_time")
        : new Date(text("lv_time")).toISOString(),
  };
}

export function fullName(volume: { readonly group: string; readonly name: string }): string {
  return `${volume.group}/${volume.name}`;
}

export function activateArgv(volume: string): readonly string[] {
  return ["lvchange", "--yes", "--ignoreactivationskip", "--activate", "y", volume];
}

/** `lvcreate`'s for a new volume of a run. */
export function markArgv(runId: string): readonly string[] {
  return ["--addtag", toolName, "--addtag", runTag(runId)];
}

export function runTag(runId: string): string {
  return `${toolName}=${runId}`;
}

/** Removes a volume; VOLUME_BUSY where it is in use. */
export async function removeVolume(volume: Pick<LogicalVolume, "group" | "name">, host: Host): Promise<void> {
  const argv = ["lvremove", "--yes", fullName(volume)];
  const result = await host.ask(argv, 5 * 60_000);
  if (result.exitCode === 0) return;
  throw new ActionError(
    "VOLUME_BUSY",
    `The logical volume ${volume.group}/${volume.name} cannot be removed.`,
    {
      cause: commandFailed(argv, result),
      hint: `See what has it mounted or open: \`lsblk /dev/${volume.group}/${volume.name}\`.`,
    },
  );
}
