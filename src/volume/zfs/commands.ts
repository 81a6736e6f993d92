/** What the ZFS driver and its restore share: the record, the mark of ownership, and destroying. */
import * as v from "valibot";
import { ActionError } from "../../domain/errors.ts";
import { commandFailed, type Host } from "../host.ts";
import { notOurs, runIdOf, toolName } from "../names.ts";
import { commonFields } from "../records.ts";

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

/**
 * The name of a record's snapshot now; undefined where it is gone. A restore of an older one takes what is older along and
 * leaves what is newer in the dataset that it replaced. NOT_OURS where the snapshot does not carry the mark of the run that its name says.
 */
export async function tryFindSnapshot(record: ZfsRecord, host: Host): Promise<string | undefined> {
  const { snapshot, source } = record;
  const name = snapshot.slice(snapshot.indexOf("@"));
  const runId = runIdOf(name.slice(1));
  if (runId === undefined) throw notOurs(`The snapshot ${snapshot}`);
  const itself = await host.ask([
    "zfs",
    "list",
    "-H",
    "-t",
    "snapshot",
    "-o",
    `name,${runProperty}`,
    snapshot,
  ]);
  const rows = itself.exitCode === 0 ? rowsOf(itself.stdout) : await movedSnapshots(source, name, host);
  const [found] = rows;
  if (found !== undefined && found[1] !== runId) throw notOurs(`The snapshot ${found[0]}`);
  return found?.[0];
}

/** Name and mark of those of this name in what restores have replaced under this dataset's name. */
async function movedSnapshots(
  source: string,
  name: string,
  host: Host,
): Promise<readonly (readonly string[])[]> {
  const [pool = ""] = source.split("/");
  const columns = `name,${runProperty},${placeProperty}`;
  const rows = await host.do(["zfs", "list", "-H", "-r", "-t", "snapshot", "-o", columns, pool]);
  return rowsOf(rows).filter(([each = "", , place]) => each.endsWith(name) && place === source);
}

/** `tryFindSnapshot`, and SNAPSHOT_VOID where it is gone. */
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
