/**
 * Which freezer a run uses, and why, in words for the log. Freezers come as a list in order of preference, so that those
 * of other file systems join by being put in front.
 */
import type { FreezerName } from "../domain/options.ts";
import { ActionError } from "../domain/errors.ts";
import { coldFreezer } from "./cold.ts";
import type { FreezeRequest, Freezer } from "./port.ts";
import { reflinkFreezer } from "./reflink.ts";
import { sqliteFreezer } from "./sqlite/sqlite.ts";
import type { SqliteFreezerOptions } from "./sqlite/sqlite.ts";

/** What was asked for; see the inputs `cut` and `freeze-with`. */
export interface FreezeChoice {
  readonly cut: "auto" | "frozen" | "live" | "cold";
  readonly freezeWith: "auto" | Exclude<FreezerName, "cold">;
}

export interface ChosenFreezer {
  readonly freezer: Freezer;
  readonly reason: string;
  /** Something the person who runs this should know: nothing can freeze here, so the node stays down. */
  readonly notice?: string;
}

/** This folder's freezers in order of preference; `first` are those of volumes, which are preferred where they work. */
export function freezersInOrder(
  options: SqliteFreezerOptions,
  first: readonly Freezer[] = [],
): readonly Freezer[] {
  return [...first, reflinkFreezer(options), sqliteFreezer(options), coldFreezer(options)];
}

/** Throws FREEZE_UNSUPPORTED when what was asked for by name does not work here. Asked before the node is stopped. */
export async function chooseFreezer(
  config: FreezeChoice,
  request: FreezeRequest,
  freezers: readonly Freezer[],
): Promise<ChosenFreezer> {
  const byName = (name: string): Freezer => {
    const freezer = freezers.find((each) => each.name === name);
    if (freezer !== undefined) return freezer;
    throw new ActionError("FREEZE_UNSUPPORTED", `There is no freezer named "${name}" here.`);
  };
  if (config.cut === "cold") return { freezer: byName("cold"), reason: "asked for by `downtime: full`" };
  if (config.cut === "live" && config.freezeWith !== "auto" && config.freezeWith !== "sqlite") {
    throw new ActionError(
      "FREEZE_UNSUPPORTED",
      `\`downtime: none\` does not work with \`freeze-with: ${config.freezeWith}\`.`,
      {
        hint: "Set `freeze-with: sqlite` or leave it out.",
      },
    );
  }
  if (config.freezeWith !== "auto" || config.cut === "live") {
    const freezer = byName(config.cut === "live" ? "sqlite" : config.freezeWith);
    const { usable, reason, hint } = await freezer.probe(request);
    if (usable) return { freezer, reason: `asked for, and ${reason}` };
    throw new ActionError(
      "FREEZE_UNSUPPORTED",
      `\`${freezer.name}\` cannot freeze this chainstate: ${reason}.`,
      {
        hint:
          hint ?? "Leave `freeze-with` and `downtime` at `auto`, or take the snapshot with `downtime: full`.",
      },
    );
  }
  const refused: string[] = [];
  for (const freezer of freezers) {
    if (freezer.name === "cold") continue;
    const { usable, reason } = await freezer.probe(request);
    if (usable) return { freezer, reason: [reason, ...refused].join("; ") };
    refused.push(`not ${freezer.name}: ${reason.replace(/\.$/, "")}`);
  }
  if (config.cut === "frozen") {
    throw new ActionError(
      "FREEZE_UNSUPPORTED",
      `Nothing can freeze this chainstate: ${refused.join("; ")}.`,
      {
        hint: "Set `downtime: full` to keep the node down until the upload is done.",
      },
    );
  }
  return {
    freezer: byName("cold"),
    reason: refused.join("; "),
    notice: `Nothing can hold this chainstate still (${refused.join("; ")}), so the node stays down until the archive is uploaded.`,
  };
}
