/** What the ZFS driver and its restore share: the record, the mark of ownership, and destroying. */
import * as v from "valibot";
import { ActionError } from "../errors.ts";
import { commandFailed, type Host } from "./host.ts";
import { toolName } from "./names.ts";
import { commonFields } from "./records.ts";

export const datasetName = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9_.:-]*(\/[A-Za-z0-9_.:-]+)*$/));

export const zfsSchema = v.looseObject({
  ...commonFields,
  driver: v.literal("zfs"),
  source: datasetName,
  /** "dataset@name". */
  snapshot: v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9_.:/-]*@[A-Za-z0-9_.:-]+$/)),
});
export type ZfsRecord = v.InferOutput<typeof zfsSchema>;

export const runProperty = `${toolName}:run`;
/** On a dataset that a restore replaced, and so on the snapshots in it: the name it had. */
export const placeProperty = `${toolName}:place`;
/** On such a dataset that is to stay even when no snapshot is in it any more. */
export const keepProperty = `${toolName}:keep`;

/** Whose it is, by the property; undefined where there is no such dataset or snapshot. */
export async function markOf(name: string, host: Host): Promise<string | undefined> {
  const result = await host.ask(["zfs", "list", "-H", "-t", "filesystem,snapshot", "-o", runProperty, name]);
  return result.exitCode === 0 ? result.stdout.trim() : undefined;
}

/**
 * The name of a record's snapshot now; undefined where it is gone. A restore of an older one takes what is older along and
 * leaves what is newer in the dataset that it replaced.
 */
export async function tryFindSnapshot(record: ZfsRecord, host: Host): Promise<string | undefined> {
  const { snapshot, source } = record;
  if ((await markOf(snapshot, host)) !== undefined) return snapshot;
  const [pool = ""] = source.split("/");
  const columns = ["-o", `name,${placeProperty}`];
  const result = await host.ask(["zfs", "list", "-H", "-r", "-t", "snapshot", ...columns, pool]);
  const name = snapshot.slice(snapshot.indexOf("@"));
  return rowsOf(result.stdout).find(([each = "", place]) => each.endsWith(name) && place === source)?.[0];
}

/** The same; SNAPSHOT_VOID where it is gone. */
export async function findSnapshot(record: ZfsRecord, host: Host): Promise<string> {
  const found = await tryFindSnapshot(record, host);
  if (found !== undefined) return found;
  throw new ActionError("SNAPSHOT_VOID", `The snapshot ${record.snapshot} is not there any more.`, {
    hint: "Choose another snapshot; `command: list` shows what there is.",
  });
}

/** VOLUME_BUSY where something holds or clones it. */
export async function destroy(name: string, host: Host): Promise<void> {
  const argv = ["zfs", "destroy", name];
  const result = await host.ask(argv, 10 * 60_000);
  if (result.exitCode === 0) return;
  throw new ActionError("VOLUME_BUSY", `${name} cannot be destroyed.`, {
    cause: commandFailed(argv, result),
    hint: `See what needs it: \`zfs holds ${name}\`, \`zfs get -H clones,mountpoint,mounted ${name}\`.`,
  });
}

export function rowsOf(output: string): readonly (readonly string[])[] {
  return output
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\t"));
}
