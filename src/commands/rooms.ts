/**
 * What a command is given to work with. Commands say in which order things happen; everything that touches the machine,
 * the node or a store comes in through here, made once by `wiring.ts` (or by a test).
 */
import type { NodeOptions, SnapshotConfig, StorageLocation } from "../config.ts";
import type { FreezeRequest, Freezer } from "../freeze/port.ts";
import type { NodeControl } from "../node/port.ts";
import type { Reporter } from "../report/port.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Clock } from "../system/clock.ts";
import type { Host } from "../system/host.ts";
import type { Privilege, SudoMode } from "../system/privilege.ts";

export interface Rooms {
  readonly host: Host;
  readonly report: Reporter;
  readonly clock: Clock;
  /** Aborted when the job is cancelled. What brings the node back does not listen to it. */
  readonly signal: AbortSignal;
  readonly privilege: (mode: SudoMode) => Privilege;
  readonly openStore: (location: StorageLocation) => Promise<ObjectStore>;
  readonly chooseNodeControl: (options: NodeOptions, chainstateDir: string, privilege: Privilege) => Promise<NodeControl>;
  readonly chooseFreezer: (
    config: Pick<SnapshotConfig, "cut" | "freezeWith">,
    request: FreezeRequest,
  ) => Promise<{ readonly freezer: Freezer; readonly reason: string }>;
}
