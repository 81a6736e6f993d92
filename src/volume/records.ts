/**
 * The volume records of a manifest as the drivers read them back. A manifest comes from a store that others may write
 * to, and what it says ends in the arguments of privileged commands, so every field is checked for its shape first.
 */
import type { VolumeDriver } from "../domain/options.ts";
import * as v from "valibot";
import type { VolumeRecord } from "../domain/manifest.ts";
import { ActionError } from "../domain/errors.ts";
import type { Mount } from "../system/mounts.ts";

const hasNoDots = (path: string): boolean => !path.split("/").some((name) => name === ".." || name === ".");

/** A path below something: relative, without "..". "" is the thing itself. */
export const pathBelow = v.pipe(
  v.string(),
  v.check((path) => !path.includes("\0") && hasNoDots(path), "not a path below"),
  v.check((path) => path === "" || path.split("/").every((name) => name !== ""), "not a path below"),
);

export const absolutePath = v.pipe(
  v.string(),
  v.startsWith("/"),
  v.check((path) => !path.includes("\0") && hasNoDots(path), "not an absolute path"),
);

/**
 * What may be mounted for a record or an undo step. A list, because \`mount -t\` runs a program that the type names (\`fuse./path/to/program\`).
 */
export const fileSystems = ["btrfs", "ext2", "ext3", "ext4", "f2fs", "xfs", "zfs"] as const;
export const fileSystem = v.picklist(fileSystems);

/** VOLUME_WRONG_TYPE for a live mount whose snapshot could not be mounted again. */
export function requireFileSystem({ fsType, mountPoint }: Mount): void {
  if (fileSystems.some((each) => each === fsType)) return;
  throw new ActionError(
    "VOLUME_WRONG_TYPE",
    `${mountPoint} is a file system of type ${fsType}, which this action does not mount.`,
    { hint: `It mounts ${fileSystems.join(", ")}. Use \`method: archive\`.` },
  );
}

/** `1e999` of JSON is none. */
export const byteCount = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Fields that every driver's record has. */
export const commonFields = {
  driver: v.string(),
  source: v.string(),
  snapshot: v.string(),
  createdAt: v.string(),
  runId: v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/)),
  /** Which parts of the chainstate this volume holds, and where on it. */
  parts: v.array(v.object({ at: pathBelow, within: pathBelow })),
  mountPoint: absolutePath,
  fsType: fileSystem,
};

/** The records as `schema` has them. VOLUME_RECORD_INVALID where they are of another driver or damaged. */
export function parseRecords<S extends v.GenericSchema>(
  driver: VolumeDriver,
  records: readonly VolumeRecord[],
  schema: S,
): readonly v.InferOutput<S>[] {
  if (records.length === 0) {
    throw new ActionError("VOLUME_RECORD_INVALID", "The snapshot names no volume.");
  }
  return records.map((record) => {
    const parsed = v.safeParse(schema, record);
    if (record.driver === driver && parsed.success) return parsed.output;
    const issue = parsed.success ? undefined : parsed.issues[0];
    const what =
      issue === undefined
        ? `its driver is "${record.driver}"`
        : `${v.getDotPath(issue) ?? "it"}: ${issue.message}`;
    throw new ActionError(
      "VOLUME_RECORD_INVALID",
      `The record of a volume snapshot cannot be used by ${driver} (${what}).`,
      {
        hint: "The manifest is damaged or was written by a newer version of this action.",
      },
    );
  });
}

/** The record that holds the chainstate directory itself, its part, and the other parts. */
export function mainPart<
  R extends { readonly parts: readonly { readonly at: string; readonly within: string }[] },
>(records: readonly R[]): { readonly record: R; readonly within: string } {
  for (const record of records) {
    const part = record.parts.find(({ at }) => at === "");
    if (part !== undefined) return { record, within: part.within };
  }
  throw new ActionError("VOLUME_RECORD_INVALID", "No volume of the snapshot holds the chainstate directory.");
}
