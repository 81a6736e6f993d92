/**
 * Chooses who controls the node, and starts a node from its recipe. The latter is all that the dead man's switch needs
 * of this room, so nothing here may pull in a store or an SDK.
 */
import type { NodeOptions } from "../config.ts";
import { systemClock } from "../system/clock.ts";
import type { Clock } from "../system/clock.ts";
import type { Privilege } from "../system/privilege.ts";
import { commandNode, startByCommand } from "./command.ts";
import { finishStopMs } from "./context.ts";
import type { NodeContext } from "./context.ts";
import { dockerNode, engineFor, findContainer, requireContainer, startContainer } from "./docker.ts";
import { NodeNotFoundError } from "./errors.ts";
import { noNode } from "./none.ts";
import type { NodeControl } from "./port.ts";
import { findNodeProcess, processNode, startProcess } from "./process.ts";
import type { StartRecipe } from "./recipe.ts";
import { findUnit, startUnit, systemdNode } from "./systemd.ts";
import { requireLoaded, showUnit, unitName } from "./systemd-unit.ts";

/**
 * The node's control. `auto` takes a unit of that name, then a container, then a process that works in the directory;
 * the first that runs, or else the first that exists. Throws NodeNotFoundError, SupervisorUnavailableError,
 * AmbiguousNodeError.
 */
export async function chooseNodeControl(
  options: NodeOptions,
  chainstateDir: string,
  privilege: Privilege,
  clock: Clock,
  signal: AbortSignal,
): Promise<NodeControl> {
  const context: NodeContext = { options, chainstateDir, privilege, clock };
  const { name } = options;
  switch (options.manager) {
    case "auto":
      return findNode(context, signal);
    case "systemd":
      requireLoaded(await showUnit(unitName(name)));
      return systemdNode(name, context);
    case "docker":
      return dockerNode(name, (await requireContainer(name, privilege)).engine, context);
    case "process":
      return processNode(name, context);
    case "command":
      return commandNode(name, context);
    case "none":
      break;
  }
  return noNode(name);
}

async function findNode(context: NodeContext, signal: AbortSignal): Promise<NodeControl> {
  const { options, chainstateDir, privilege } = context;
  const { name } = options;
  const existing: NodeControl[] = [];
  if ((await findUnit(name)) !== undefined) existing.push(systemdNode(name, context));
  const lookup = await findContainer(name, privilege);
  if (lookup.found) existing.push(dockerNode(name, lookup.engine, context));
  for (const control of existing) if ((await control.inspect(signal)).running) return control;
  if ((await findNodeProcess(name, chainstateDir, privilege, signal)) !== undefined)
    return processNode(name, context);
  const [first] = existing;
  if (first !== undefined) return first;
  throw new NodeNotFoundError(
    `There is no systemd unit and no container named ${name}, and no process whose executable has that name works in ${chainstateDir}.`,
    {
      hint: "Set `node-name` to the node's unit, container or executable, `node-manager` to what runs it, or `node-manager: none` if there is no node on this host.",
    },
  );
}

export interface StartFromRecipeOptions {
  readonly clock?: Clock;
  /**
   * How long a node that still runs may be a node that was asked to stop and has not finished. 0 where it is known that
   * nobody asked it. Default 20 minutes.
   */
  readonly finishStopMs?: number;
}

/**
 * Brings a node back as its recipe says, from whatever process this is. A node that runs is left alone, one that is
 * still stopping is waited for and then started; never is a second one started. Throws NodeStartError and what the
 * provider raises.
 */
export async function startFromRecipe(
  recipe: StartRecipe,
  privilege: Privilege,
  signal: AbortSignal,
  options: StartFromRecipeOptions = {},
): Promise<"started" | "already-running" | "nothing-to-start"> {
  const clock = options.clock ?? systemClock;
  const finishMs = options.finishStopMs ?? finishStopMs;
  switch (recipe.manager) {
    case "systemd":
      return startUnit(recipe.unit, recipe.dropIn, privilege, clock, signal, finishMs);
    case "docker": {
      const engine = engineFor(recipe.cli, recipe.sudo, privilege, recipe.environment ?? {});
      return startContainer(engine, recipe.container, recipe.startedAt, clock, signal, finishMs);
    }
    case "process":
      return startProcess(recipe, privilege, clock, signal, finishMs);
    case "command":
      return startByCommand(recipe, privilege, clock, signal, finishMs);
    case "none":
      break;
  }
  return "nothing-to-start";
}
