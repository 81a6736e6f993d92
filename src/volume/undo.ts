/**
 * Taking back what a freeze or a swap of volumes has begun, from plain data: the steps stand in the journal before the
 * first change, and whoever finds them (the run's own `finally`, the post step, the restart watchdog, the next run)
 * does them. Each step looks at what is there and does only what is missing, so it can be done from any point of the swap, twice,
 * and after a crash in the middle of itself. Imports nothing of any cloud: the restart watchdog carries this.
 */
import * as v from "valibot";
import { ActionError, describeError } from "../domain/errors.ts";
import type { Host } from "./host.ts";
import { ensureMounted, mountDataset, thawFileSystem, unmountPoint } from "./mounts/mounting.ts";
import { absolutePath, fileSystem } from "./records.ts";

const word = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_][A-Za-z0-9_.:/+@%-]*$/));
const mountFields = {
  mountPoint: absolutePath,
  fsType: fileSystem,
  options: v.array(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.][A-Za-z0-9_.:=/@+%-]*$/))),
};

export const undoStepSchema = v.variant("do", [
  /** Lets writes to a frozen file system through again. */
  v.strictObject({ do: v.literal("thaw"), mountPoint: absolutePath }),
  /** Makes `device` the one that is mounted at `mountPoint`. The cloud's ids of what is exchanged are for its commit. */
  v.strictObject({
    do: v.literal("mount"),
    device: absolutePath,
    ...mountFields,
    newDisk: v.optional(v.string()),
    oldDisks: v.optional(v.array(v.string()), []),
  }),
  /** The logical volume that was renamed to `kept` gets its name `place` back; what has it now becomes `aside`. */
  v.strictObject({
    do: v.literal("lv-back"),
    group: word,
    kept: word,
    place: word,
    aside: word,
    ...mountFields,
  }),
  /** The same for a dataset, with the `canmount` it had. */
  v.strictObject({
    do: v.literal("dataset-back"),
    kept: word,
    place: word,
    aside: word,
    canmount: v.picklist(["on", "off", "noauto"]),
    mountPoint: absolutePath,
  }),
]);

export type UndoStep = v.InferOutput<typeof undoStepSchema>;

/** The steps of a journal, checked; JOURNAL_UNREADABLE where they are not what this version knows. */
export function parseUndoSteps(value: unknown): readonly UndoStep[] {
  const parsed = v.safeParse(v.array(undoStepSchema), value);
  if (parsed.success) return parsed.output;
  throw new ActionError("JOURNAL_UNREADABLE", "The journal's steps to put a volume back are damaged.", {
    hint: "See which volume is mounted at the chainstate directory, put the right one there, then remove the journal.",
  });
}

/** Those of one kind, of a journal: a driver's restore writes no others. */
export function stepsOf<D extends UndoStep["do"]>(kind: D, steps: readonly unknown[]): readonly StepOf<D>[] {
  return parseUndoSteps(steps).filter((step): step is StepOf<D> => step.do === kind);
}

/**
 * Does all of them, in order; one that fails does not keep the others from being done. The node must be down for
 * everything but "thaw". Returns what was done, in words. UNDO_FAILED with every failure.
 */
export async function undoVolumeSteps(steps: readonly UndoStep[], host: Host): Promise<readonly string[]> {
  const done: string[] = [];
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      done.push(await undoStep(step, host));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 0) return done;
  throw new ActionError(
    "UNDO_FAILED",
    `The volume could not be put back: ${failures.map(describeError).join("; ")}.`,
    {
      cause: failures[0],
      hint: "The old volume is kept: mount it at the chainstate directory by hand and start the node.",
    },
  );
}

async function undoStep(step: UndoStep, host: Host): Promise<string> {
  let done: string;
  switch (step.do) {
    case "thaw":
      await thawFileSystem(step.mountPoint, host);
      done = `thawed ${step.mountPoint}`;
      break;
    case "mount":
      await ensureMounted(step, host);
      done = `mounted ${step.device} at ${step.mountPoint}`;
      break;
    case "lv-back":
      await putLogicalVolumeBack(step, host);
      done = `put the logical volume ${step.group}/${step.place} back`;
      break;
    case "dataset-back":
      await putDatasetBack(step, host);
      done = `put the dataset ${step.place} back`;
      break;
  }
  return done;
}

type StepOf<D extends UndoStep["do"]> = Extract<UndoStep, { do: D }>;

async function putLogicalVolumeBack(step: StepOf<"lv-back">, host: Host): Promise<void> {
  const exists = async (name: string): Promise<boolean> =>
    (await host.ask(["lvs", "--noheadings", "-o", "lv_name", `${step.group}/${name}`])).exitCode === 0;
  if (await exists(step.kept)) {
    await unmountPoint(step.mountPoint, host);
    if (await exists(step.place)) await host.do(["lvrename", step.group, step.place, step.aside]);
    await host.do(["lvrename", step.group, step.kept, step.place]);
  }
  await host.do(["lvchange", "--yes", "--setactivationskip", "n", `${step.group}/${step.place}`]);
  await host.do(["lvchange", "--yes", "--activate", "y", `${step.group}/${step.place}`]);
  await ensureMounted({ ...step, device: `/dev/${step.group}/${step.place}` }, host);
}

async function putDatasetBack(step: StepOf<"dataset-back">, host: Host): Promise<void> {
  const exists = async (name: string): Promise<boolean> =>
    (await host.ask(["zfs", "list", "-H", "-o", "name", name])).exitCode === 0;
  if (await exists(step.kept)) {
    await unmountPoint(step.mountPoint, host);
    if (await exists(step.place)) {
      await host.do(["zfs", "set", "canmount=noauto", step.place]);
      await host.do(["zfs", "rename", step.place, step.aside]);
    }
    await host.do(["zfs", "rename", step.kept, step.place]);
  }
  await host.do(["zfs", "set", `canmount=${step.canmount}`, step.place]);
  await mountDataset(step.place, step.mountPoint, host);
}
