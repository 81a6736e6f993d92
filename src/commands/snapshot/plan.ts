/** What the parts of a snapshot's run share: the run itself, what preflight found, what was taken. */
import type { ChainFacts, CheckResult, VolumeRecord } from "../../domain/manifest.ts";
import type { SnapshotConfig } from "../../config/config.ts";
import type { ManifestSigner } from "../../catalog/signing/signer.ts";
import type { FreezeRequest } from "../../freeze/port.ts";
import type { ChosenFreezer } from "../../freeze/registry.ts";
import type { Journal } from "../../recovery/journal.ts";
import type { ObjectStore } from "../../store/port.ts";
import type { ExpectedArchive, StoredArchive } from "./archive.ts";
import type { BaseSnapshot } from "./base.ts";
import type { InspectedNode } from "../node/inspect.ts";
import type { CleanStop } from "../node/downtime.ts";
import type { Confirming } from "../confirm.ts";
import type { Trials } from "../verify/trials.ts";
import type { RunContext } from "../context.ts";
import type { VolumeSnapshotter } from "../../volume/port.ts";
import type { Blobs } from "./blobs.ts";
import type { KeptClone } from "./kept-clone.ts";
import type { Pages } from "./pages.ts";
import type { Trust } from "./trusted-segments.ts";

export interface SnapshotRun {
  readonly config: SnapshotConfig;
  readonly ctx: RunContext;
  readonly journal: Journal;
  readonly store: ObjectStore;
  readonly signer?: ManifestSigner | undefined;
  readonly confirming: Confirming;
  /** Undefined: none of the node's programs is tried. */
  readonly trials?: Trials | undefined;
}

export interface Plan {
  readonly node: InspectedNode;
  readonly request: FreezeRequest;
  /** At least one of the two. */
  readonly archive: ArchivePlan | undefined;
  readonly volume: VolumePlan | undefined;
  /** Why exit code 0 of the node is no evidence of a clean stop, in words. */
  readonly exitCodeDoubt?: string | undefined;
}

export interface VolumePlan {
  readonly snapshotter: VolumeSnapshotter;
  readonly reason: string;
  /** It reads the whole file system, so the node stays down until that is on the store. */
  readonly isSlow: boolean;
  /** Records of the snapshot that this one is based on. */
  readonly previous: readonly VolumeRecord[];
  /** Retention may remove that one from now on. */
  withdraw(): Promise<void>;
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
  readonly pages: Pages | undefined;
  readonly blobs: Blobs | undefined;
  readonly kept: KeptClone | undefined;
  readonly volumes: readonly VolumeRecord[];
}

/** How the chainstate is frozen, as the manifest says it. */
export function cutOf(
  config: Pick<SnapshotConfig, "cut">,
  { archive, volume }: Pick<Plan, "archive" | "volume">,
): { readonly method: "frozen" | "live" | "cold"; readonly freezer: string } {
  const frozenBy = archive?.chosen?.freezer.name;
  const freezer = frozenBy ?? volume?.snapshotter.driver ?? "cold";
  if (config.cut === "live") return { method: "live", freezer };
  const staysDown =
    frozenBy === "cold" || (frozenBy === undefined && (config.cut === "cold" || volume?.isSlow === true));
  return { method: staysDown ? "cold" : "frozen", freezer };
}
