/** Finds the node of a directory: the outermost process that has its databases open, and what /proc says of that. */
import { basename } from "node:path";
import { ActionError } from "../domain/errors.ts";
import { executablePath, readLink } from "../system/proc.ts";
import type { ProcessId } from "../system/proc.ts";
import type { FoundNode, NodeContext } from "./context.ts";
import { requireSingleHolder } from "./holders.ts";
import { executableName, readPlace, type NodePlace } from "./identity.ts";

export interface Finding {
  readonly process: ProcessId;
  readonly name: string;
  readonly at: NodePlace;
}

/**
 * Undefined: nobody works in the directory, and that could be seen. Throws NODE_AMBIGUOUS, DIRECTORY_IN_USE,
 * PRIVILEGE_MISSING.
 */
export async function findNode(
  { chainstateDir, privilege, clock }: Pick<NodeContext, "chainstateDir" | "privilege" | "clock">,
  signal: AbortSignal,
): Promise<Finding | undefined> {
  const holder = await requireSingleHolder(chainstateDir, privilege, clock, signal);
  if (holder === undefined) return undefined;
  const { pid, startTicks } = holder;
  const at = readPlace(holder);
  // Its executable, as far as that may be seen: what everybody may see is the first thread's name, and a program can set that.
  const executable = await readLink(pid, "exe", privilege);
  const name = executable === undefined ? executableName(pid) : basename(executablePath(executable).path);
  if (at !== undefined) return { process: { pid, startTicks }, name, at };
  throw new ActionError("DIRECTORY_IN_USE", `Process ${pid} has ended while it was looked at.`, {
    hint: "Run this again when the node runs steadily, or is down.",
  });
}

/** The node as it is now, for what acts on it: a process that was found earlier may have been replaced since. */
export async function findAgain(
  context: Pick<NodeContext, "chainstateDir" | "privilege" | "clock">,
  before: FoundNode | undefined,
  signal: AbortSignal,
): Promise<FoundNode | undefined> {
  try {
    const finding = await findNode(context, signal);
    return finding === undefined ? before : foundNode(finding);
  } catch (error) {
    // A reader that came since keeps nobody from stopping a node that is known.
    if (before === undefined || !(error instanceof ActionError)) throw error;
    return before;
  }
}

/** The node as providers need it. */
export function foundNode({ process, at }: Finding): FoundNode {
  return { process, group: at.place.kind === "none" ? undefined : at.place.group };
}
