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
