/**
 * What a journal says. It is read by another process than the one that wrote it, often by another version of this
 * program: the shape is checked on reading, and `version` rises whenever an older reader would act wrongly on it.
 */
import * as v from "valibot";
import { ActionError } from "../errors.ts";
import type { StartRecipe } from "../node/recipe.ts";

export const journalVersion = 2;

const text = v.pipe(v.string(), v.minLength(1));
const absolutePath = v.pipe(v.string(), v.startsWith("/"));
const utcTime = v.pipe(v.string(), v.isoTimestamp());
const processSchema = v.object({ pid: v.number(), startTicks: v.number() });

const managers = [
  "systemd",
  "docker",
  "process",
  "command",
  "none",
] as const satisfies readonly StartRecipe["manager"][];

/** The node room owns the recipe's fields; here only that it is one. */
const recipeSchema = v.custom<StartRecipe>(
  (value) => v.is(v.looseObject({ manager: v.picklist(managers) }), value),
  "not a start recipe",
);

const nodeSchema = v.object({
  /** A node that was down before stays down. */
  wasRunning: v.boolean(),
  /** True from just before the stop is asked for until the node has been started again. */
  mustStart: v.boolean(),
  recipe: recipeSchema,
  /** The process that is being stopped; while it lives the node is not started beside it. */
  process: v.nullable(processSchema),
  /** How long the run gives it to stop, from `stopRequestedAt`: a node that still runs after that was never stopped. */
  stopTimeoutMs: v.number(),
  stopRequestedAt: v.nullable(utcTime),
  /** Set just before a start is asked for. */
  startRequestedAt: v.nullable(utcTime),
});

const swapSchema = v.object({
  target: absolutePath,
  staging: absolutePath,
  aside: absolutePath,
  /** "directory": the directory itself is renamed. "contents": it is a mount point, so what is in it is. */
  layout: v.picklist(["directory", "contents"]),
  hadTarget: v.boolean(),
  /** See `swap.ts`. "proved": the restored node was healthy, and the swap is never taken back. */
  step: v.picklist(["out", "in", "swapped", "proved"]),
});

/** The volume room owns the steps; here only that each is one. */
const undoSteps = v.array(v.looseObject({ do: text }));

const volumeSwapSchema = v.object({
  /** The chainstate directory on it, for people. */
  target: absolutePath,
  driver: text,
  /**
   * "begun": the volumes are being exchanged. "swapped": the new one is in place, and has not been proved healthy.
   * "proved": it has; the exchange is never taken back.
   */
  step: v.picklist(["begun", "swapped", "proved"]),
  /** The old volume stays when the new one is proved. */
  keepPrevious: v.optional(v.boolean(), true),
  /** What puts the old volume back from any point; see `volume/undo.ts`. */
  undo: undoSteps,
});

const switchSchema = v.variant("kind", [
  v.object({ kind: v.literal("systemd"), unit: text }),
  v.object({ kind: v.literal("detached"), process: processSchema }),
]);

export const journalSchema = v.object({
  /** 1 had nothing of volumes, which is what the defaults say. */
  version: v.picklist([1, journalVersion]),
  runId: text,
  command: text,
  /** The input `sudo` of the run: whoever recovers for it uses the same rights. */
  sudo: v.picklist(["auto", "always", "never"]),
  chainstateDir: absolutePath,
  openedAt: utcTime,
  /** Who holds the journal, for people; whether that process lives is decided by the lock. */
  owner: v.object({
    role: v.picklist(["main", "post", "watchdog", "replay"]),
    pid: v.number(),
    startTicks: v.number(),
    bootId: text,
  }),
  /** The step under way, in the words of `PhaseName`. */
  phase: v.string(),
  node: v.nullable(nodeSchema),
  swap: v.nullable(swapSchema),
  /** To be done at once whatever the node does: file systems to thaw. */
  undo: v.optional(undoSteps, []),
  volumeSwap: v.optional(v.nullable(volumeSwapSchema), null),
  switch: v.nullable(switchSchema),
  /** Uploads to take back; `location` is the storage as URL and options, without credentials. */
  uploads: v.array(v.object({ location: v.unknown(), key: text, id: text })),
  /** Views to release: freezer and the run that made them. */
  frozen: v.array(v.object({ freezer: text, runId: text })),
  /**
   * Drivers that may have left snapshots, clones, mounts or disks, and the run that made them. What the manifest of
   * `snapshotId` names has been published and stays.
   */
  volumes: v.optional(
    v.array(
      v.object({
        driver: text,
        runId: text,
        /** The input `volume`. */
        named: v.array(v.string()),
        location: v.unknown(),
        snapshotId: v.nullable(v.string()),
      }),
    ),
    [],
  ),
  /** Directories of this run that are to be removed. */
  staging: v.array(absolutePath),
  /** What a recovery did, for the report of whoever comes next. */
  recovered: v.array(v.object({ at: utcTime, by: text, did: v.string() })),
});

export type JournalContent = v.InferOutput<typeof journalSchema>;
export type JournalNode = v.InferOutput<typeof nodeSchema>;
export type SwapRecord = v.InferOutput<typeof swapSchema>;
export type VolumeSwapRecord = v.InferOutput<typeof volumeSwapSchema>;
export type JournalUndoStep = v.InferOutput<typeof undoSteps>[number];
export type JournalVolumes = JournalContent["volumes"][number];
export type SwitchRecord = v.InferOutput<typeof switchSchema>;
export type JournalRole = JournalContent["owner"]["role"];

/** JOURNAL_NEWER or JOURNAL_UNREADABLE where it cannot be acted upon. */
export function parseJournal(bytes: string, path: string): JournalContent {
  let value: unknown;
  try {
    value = JSON.parse(bytes);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  const version = v.safeParse(v.looseObject({ version: v.number() }), value);
  if (version.success && version.output.version > journalVersion) {
    throw new ActionError(
      "JOURNAL_NEWER",
      `The journal ${path} was written by a newer version of this action (format ${version.output.version}).`,
      { hint: "Run the version that wrote it once more; it finishes what was left behind." },
    );
  }
  const parsed = v.safeParse(journalSchema, value);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw unreadable(path, new Error(`${v.getDotPath(issue) ?? "(root)"}: ${issue.message}`));
  }
  return parsed.output;
}

function unreadable(path: string, cause: unknown): ActionError {
  return new ActionError("JOURNAL_UNREADABLE", `The journal ${path} is damaged.`, {
    cause,
    hint: "See whether the node runs and its chainstate directory is in place, start it if it was running, then remove that file.",
  });
}
