/**
 * What a journal says. It is read by another process than the one that wrote it, often by another version of this
 * program: the shape is checked on reading, and `version` rises whenever an older reader would act wrongly on it.
 */
import * as v from "valibot";
import { ActionError } from "../domain/errors.ts";
import type { NodeOptions } from "../domain/options.ts";
import type { StartRecipe } from "../domain/start-recipe.ts";
import type { ExpectedChain } from "../domain/verdict.ts";

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

/** The node layer owns the recipe's fields; here only that it is one. */
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
  /** How long the run gives it to stop. */
  stopTimeoutMs: v.number(),
  /** Set when the request to stop is the very next thing done: it may have been made, or not. */
  stopRequestedAt: v.nullable(utcTime),
  /** Set when the request has been made: while `process` lives it is stopping. */
  stopTakenAt: v.optional(v.nullable(utcTime), null),
  /** Set just before a start is asked for. */
  startRequestedAt: v.nullable(utcTime),
});

/** An entry of a chainstate, told from any other that may stand there later; `path` is below the chainstate, "" itself. */
const markSchema = v.object({ path: v.string(), inode: text, bornNs: text });

const swapSchema = v.object({
  target: absolutePath,
  /** The private directory that `staging` is in; see `place.ts`. */
  place: absolutePath,
  staging: absolutePath,
  aside: absolutePath,
  /** "directory": the directory itself is renamed. "contents": it is a mount point, so what is in it is. */
  layout: v.picklist(["directory", "contents"]),
  hadTarget: v.boolean(),
  /** By what the new and the old one are known, wherever they stand; empty where there was none. */
  restored: v.array(markSchema),
  previous: v.array(markSchema),
  /** The old directory stays when the restore is committed. */
  keepPrevious: v.optional(v.boolean(), false),
  /** What is taken out again stays at `staging`: the next restore goes on with what of it is still what was fetched. */
  keepStaging: v.optional(v.boolean(), false),
  /** See `swap.ts`. "committed": the restored node was healthy, and the swap is never taken back. */
  step: v.picklist(["out", "in", "swapped", "committed"]),
});

/** The volume layer owns the steps; here only that each is one. */
const undoSteps = v.array(v.looseObject({ do: text }));

const volumeSwapSchema = v.object({
  /** The chainstate directory on it, for people. */
  target: absolutePath,
  driver: text,
  /**
   * "begun": the volumes are being exchanged. "swapped": the new one is in place, and has not been confirmed healthy.
   * "committed": it has; the exchange is never taken back.
   */
  step: v.picklist(["begun", "swapped", "committed"]),
  /** The old volume stays when the restore is committed. */
  keepPrevious: v.optional(v.boolean(), true),
  /** What puts the old volume back from any point; see `volume/undo.ts`. */
  undo: undoSteps,
});

/** Of the kernel. Its id alone does not tell: a container whose systemd is its own has another one. */
const bootSchema = v.object({ id: text, at: utcTime });

/** Of a restored chainstate that is in place: by what whoever looks next confirms it, or finds evidence against it. */
const confirmSchema = v.object({
  /** The node layer owns both; here only that each is one. */
  options: v.custom<NodeOptions>(
    (value) => v.is(v.looseObject({ manager: text }), value),
    "not node options",
  ),
  expected: v.custom<ExpectedChain>((value) => v.is(v.looseObject({}), value), "not an expected chain"),
  /** In which its node was started: at a boot processes end without being to blame. */
  boot: bootSchema,
  /** Since when it has answered lower than expected. */
  lowSince: v.nullable(utcTime),
  /** The evidence, once there is any: from then on it is only ever put back. */
  against: v.nullable(text),
});

const switchSchema = v.variant("kind", [
  v.object({ kind: v.literal("systemd"), unit: text }),
  v.object({ kind: v.literal("detached"), process: processSchema }),
]);

export const journalSchema = v.object({
  version: v.literal(journalVersion),
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
    boot: bootSchema,
  }),
  /** The step under way, in the words of `PhaseName`. */
  phase: v.string(),
  node: v.nullable(nodeSchema),
  swap: v.nullable(swapSchema),
  /** To be done at once whatever the node does: file systems to thaw. */
  undo: v.optional(undoSteps, []),
  volumeSwap: v.optional(v.nullable(volumeSwapSchema), null),
  confirm: v.optional(v.nullable(confirmSchema), null),
  /** What stands at the target after an exchange that is not under way any more: see `placeOf`. */
  inPlace: v.optional(v.nullable(v.picklist(["old", "nothing", "new"])), null),
  switch: v.nullable(switchSchema),
  /** Uploads to take back; `location` is the storage as URL and options, without credentials. */
  uploads: v.array(v.object({ location: v.unknown(), key: text, id: text })),
  /** Keys of which uploads may have been opened whose ids nobody knows: this run's alone, by its claimed id. */
  opening: v.optional(v.array(v.object({ location: v.unknown(), key: text })), []),
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
  /** Engines on which programs of a node may run in containers, and the labels of those; see `node/docker/program-image.ts`. */
  containers: v.optional(
    v.array(
      v.object({
        cli: text,
        elevated: v.boolean(),
        environment: v.record(v.string(), v.string()),
        runId: text,
        owner: text,
      }),
    ),
    [],
  ),
  /** Directories of this run that are to be removed. */
  staging: v.array(absolutePath),
  /** Places of restores, to be removed where nothing is in them: what is in one is for the next restore. */
  places: v.optional(v.array(absolutePath), []),
  /** What a recovery did, for the report of whoever comes next. */
  recovered: v.array(v.object({ at: utcTime, by: text, did: v.string() })),
});

export type JournalContent = v.InferOutput<typeof journalSchema>;
export type JournalNode = v.InferOutput<typeof nodeSchema>;
export type SwapRecord = v.InferOutput<typeof swapSchema>;
export type SwapMark = v.InferOutput<typeof markSchema>;
export type ConfirmRecord = v.InferOutput<typeof confirmSchema>;
export type VolumeSwapRecord = v.InferOutput<typeof volumeSwapSchema>;
export type JournalUndoStep = v.InferOutput<typeof undoSteps>[number];
export type JournalVolumes = JournalContent["volumes"][number];
export type SwitchRecord = v.InferOutput<typeof switchSchema>;
export type JournalRole = JournalContent["owner"]["role"];

/**
 * Which chainstate is in place after an exchange was begun. "nothing": it was taken back, and there was none before.
 * "unknown": it is half done. Undefined: none was begun.
 */
export function placeOf({
  swap,
  volumeSwap,
  inPlace,
}: Pick<JournalContent, "swap" | "volumeSwap" | "inPlace">):
  "old" | "nothing" | "new" | "unknown" | undefined {
  const open = swap ?? volumeSwap;
  if (open === null) return inPlace ?? undefined;
  return open.step === "swapped" || open.step === "committed" ? "new" : "unknown";
}

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
