/** The volume layer as recovery sees it: steps of a journal, taken back on this host. Carried by the restart watchdog. */
import { systemClock } from "../system/clock.ts";
import type { Privilege } from "../system/privilege.ts";
import { hostOf } from "./host.ts";
import { parseUndoSteps, undoVolumeSteps } from "./undo.ts";

export const volumeRecovery = {
  undo: async (steps: readonly unknown[], privilege: Privilege): Promise<readonly string[]> =>
    await undoVolumeSteps(parseUndoSteps(steps), hostOf(privilege, systemClock)),
};
