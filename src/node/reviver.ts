/** The node room as recovery sees it: start from a recipe, and look whether anybody works in a directory. */
import type { Privilege } from "../system/privilege.ts";
import { scanHolders } from "./holders.ts";
import type { StartRecipe } from "./recipe.ts";
import { startFromRecipe } from "./registry.ts";

/** Recovery itself waits for a stop that takes longer, and knows until when; see `recovery/recover.ts`. */
const finishStopMs = 5_000;

export const nodeReviver = {
  start: async (recipe: StartRecipe, privilege: Privilege, signal: AbortSignal) =>
    await startFromRecipe(recipe, privilege, signal, { finishStopMs }),
  isInUse: async (directory: string, privilege: Privilege, signal: AbortSignal): Promise<boolean> =>
    (await scanHolders(directory, privilege, signal)).holders.length > 0,
};
