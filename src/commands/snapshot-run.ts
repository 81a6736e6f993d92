/** What the parts of a snapshot's run share: the run itself, what preflight found, what was taken. */
import type { ChainFacts, CheckResult, VolumeRecord } from "../catalog/manifest.ts";
import type { SnapshotConfig } from "../config.ts";
import type { FreezeRequest } from "../freeze/port.ts";
import type { ChosenFreezer } from "../freeze/registry.ts";
import type { Journal } from "../recovery/journal.ts";
import type { ObjectStore } from "../store/port.ts";
import type { ExpectedArchive, StoredArchive } from "./archive-view.ts";
import type { BaseSnapshot } from "./base-snapshot.ts";
import type { ManagedNode } from "./managed-node.ts";
import type { CleanStop } from "./outage.ts";
import type { Rooms } from "./rooms.ts";
import type { VolumePlan } from "./take-volumes.ts";
import type { Trust } from "./trusted-segments.ts";

export interface SnapshotRun {
  readonly config: SnapshotConfig;
  readonly rooms: Rooms;
  readonly journal: Journal;
  readonly store: ObjectStore;
}

export interface Plan {
  readonly node: ManagedNode;
  readonly request: FreezeRequest;
  /** At least one of the two. */
  readonly archive: ArchivePlan | undefined;
  readonly volume: VolumePlan | undefined;
}

export interface ArchivePlan {
  /** Undefined: it is made from the volume's snapshot. */
  readonly chosen: ChosenFreezer | undefined;
  readonly expected: ExpectedArchive;
  readonly base: BaseSnapshot | undefined;
}

/** What was taken, before it is published. */
export interface Taken {
  readonly id: string;
  readonly at: Date;
  readonly facts: ChainFacts;
  readonly checks: readonly CheckResult[];
  readonly cleanStop: CleanStop | undefined;
  readonly archive: StoredArchive | undefined;
  readonly trust: Trust | undefined;
  readonly volumes: readonly VolumeRecord[];
}

/** How the moment is held, as the manifest says it. */
export function cutOf(
  config: Pick<SnapshotConfig, "cut">,
  { archive, volume }: Pick<Plan, "archive" | "volume">,
): { readonly method: "frozen" | "live" | "cold"; readonly freezer: string } {
  const held = archive?.chosen?.freezer.name;
  const freezer = held ?? volume?.snapshotter.driver ?? "cold";
  if (config.cut === "live") return { method: "live", freezer };
  const staysDown =
    held === "cold" || (held === undefined && (config.cut === "cold" || volume?.isSlow === true));
  return { method: staysDown ? "cold" : "frozen", freezer };
}
