/**
 * Chooses who controls the node, and starts a node from its recipe. The latter is all that the restart watchdog needs
 * of this folder, so nothing here may pull in a store or an SDK.
 */
import { defaultNodeName, type NodeManager } from "../domain/options.ts";
import { ActionError } from "../domain/errors.ts";
import { systemClock } from "../system/clock.ts";
import type { Clock } from "../system/clock.ts";
import type { Privilege } from "../system/privilege.ts";
import { CommandNode, startByCommand } from "./command/command.ts";
import { finishStopMs, type NodeContext } from "./context.ts";
import { nameOf, publishedAt, readContainerFacts, serviceOf } from "./docker/container-facts.ts";
import { DockerNode, startContainer } from "./docker/docker.ts";
import { Engine, findContainer, requireContainer } from "./docker/engine.ts";
import { findNode, foundNode, type Finding } from "./find-node.ts";
import { mainOf, readPlace, supervisorOf, unknownSupervisorHint, type Supervisor } from "./identity.ts";
import type { Address } from "./node-config.ts";
import { noNode } from "./none.ts";
import type { NodeControl } from "./port.ts";
import { ProcessNode, startProcess } from "./process/process.ts";
import type { NodeProcess, StartRecipe } from "../domain/start-recipe.ts";
import { ServiceManager } from "./systemd/service-manager.ts";
import { startUnit } from "./systemd/start-unit.ts";
import { SystemdNode } from "./systemd/systemd.ts";
import { requireLoaded, showUnit, unitName, type Unit } from "./systemd/unit.ts";

export { openProgramImage, removeContainers, type ImageRequest } from "./docker/program-image.ts";

/**
 * The node's control. Where a process has the databases open, that process is the node, and who runs it is found out; a
 * manager and a name that were given have to be those. Where none has, by name: a unit, then a container.
 * `recipe`: of a node that was started a moment ago and may have nothing open yet. Throws NODE_NOT_FOUND,
 * NODE_NOT_AS_GIVEN, NODE_SUPERVISOR_UNKNOWN, SUPERVISOR_UNAVAILABLE, NODE_AMBIGUOUS, DIRECTORY_IN_USE, PRIVILEGE_MISSING.
 */
export async function chooseNodeControl(
  context: NodeContext,
  signal: AbortSignal,
  recipe?: StartRecipe,
): Promise<NodeControl> {
  const { manager, name } = context.options;
  if (manager === "none") return noNode(name, context);
  if (manager === "command") return new CommandNode(name, context);
  const finding = await findNode(context, signal);
  if (finding !== undefined) return await controlOf(finding, context, signal);
  return recipe === undefined ? await byName(context) : controlFromRecipe(recipe, context);
}

async function controlOf(finding: Finding, context: NodeContext, signal: AbortSignal): Promise<NodeControl> {
  const { process, name } = finding;
  const supervisor = await readSupervisor(finding, context.privilege);
  const found = foundNode(finding);
  const foundBy = `pid ${process.pid} (${name}) has the databases of ${context.chainstateDir} open`;
  switch (supervisor.kind) {
    case "systemd": {
      const { unit, user } = supervisor;
      requireAsGiven(context, finding, "systemd", [unit]);
      return new SystemdNode({ unit, user, found, foundBy }, context);
    }
    case "container":
      return await containerControl(supervisor, finding, context, signal, foundBy);
    case "nobody":
      requireAsGiven(context, finding, "process", [name]);
      return new ProcessNode(name, context, foundBy);
    case "unknown":
      break;
  }
  const at = supervisor.pid === undefined ? "" : ` (pid ${supervisor.pid})`;
  throw new ActionError(
    "NODE_SUPERVISOR_UNKNOWN",
    `The node (pid ${process.pid}) is run by ${supervisor.name}${at}, which this action does not know: it could start a second node on the directory.`,
    { hint: unknownSupervisorHint(supervisor.name) },
  );
}

async function containerControl(
  { id, within, group }: Extract<Supervisor, { kind: "container" }>,
  finding: Finding,
  context: NodeContext,
  signal: AbortSignal,
  foundBy: string,
): Promise<NodeControl> {
  const { privilege, environment, clock } = context;
  const lookup = await findContainer(id, privilege, environment);
  if (!lookup.found) {
    throw new ActionError(
      lookup.reachable ? "NODE_SUPERVISOR_UNKNOWN" : "SUPERVISOR_UNAVAILABLE",
      `The node (pid ${finding.process.pid}) runs in the container ${id.slice(0, 12)} (${group.path}), which neither docker nor podman knows for this runner. ${lookup.reasons.join("; ")}`.trim(),
      {
        hint: "Let the runner use the engine that runs it (group docker, sudo, the user of a rootless Podman), or set `node-manager: command`.",
      },
    );
  }
  const { engine, container } = lookup;
  const name = nameOf(container);
  const service = within ?? unitOf(serviceOf(container));
  const found = foundNode(finding);
  if (service === undefined) {
    requireAsGiven(context, finding, "docker", [name, container.Id, container.Id.slice(0, 12)]);
    return new DockerNode({ name, engine, found, foundBy }, context);
  }
  requireAsGiven(context, finding, "systemd", [service.unit]);
  const facts = await readContainerFacts(engine, container, finding.process, clock, signal);
  return new SystemdNode({ ...service, found, container: facts, foundBy }, context);
}

/** Where this host publishes a port of the container that the node is in. Empty: in none, or in one that no engine here knows. */
export async function publishedAddresses(
  node: NodeProcess,
  port: number,
  { privilege, environment }: Pick<NodeContext, "privilege" | "environment">,
): Promise<readonly Address[]> {
  const place = readPlace(node)?.place;
  if (place?.kind !== "container") return [];
  const lookup = await findContainer(place.id, privilege, environment);
  return lookup.found ? publishedAt(lookup.container, port) : [];
}

function unitOf(
  found: ReturnType<typeof serviceOf>,
): { readonly unit: string; readonly user: number | undefined } | undefined {
  return found === undefined ? undefined : { unit: found.service, user: found.user };
}

async function readSupervisor({ at }: Finding, privilege: Privilege): Promise<Supervisor> {
  const { place } = at;
  if (place.kind !== "service") return supervisorOf({ ...at, main: "unknown" });
  const unit = await findUnit(place.unit, place.user, privilege);
  return supervisorOf({ ...at, main: unit === undefined ? "unknown" : mainOf(unit) });
}

/** Throws unless the node's manager and one of its names are what was given, and unless it is a node as far as is known. */
function requireAsGiven(
  { options, chainstateDir }: NodeContext,
  { process, name }: Finding,
  manager: NodeManager,
  names: readonly string[],
): void {
  const [first = ""] = names;
  const toSet = `Set \`node-manager: ${manager}\` and \`node-name: ${first}\`, or correct \`chainstate-dir\`.`;
  const who = `The process that has the databases of ${chainstateDir} open is ${name} (pid ${process.pid}), run by ${manager === "process" ? "nobody" : `${manager} ${first}`}`;
  const isNamed = names.includes(manager === "systemd" ? unitName(options.name) : options.name);
  if (options.manager !== "auto" && options.manager !== manager)
    throw new ActionError("NODE_NOT_AS_GIVEN", `${who}, and not by \`node-manager: ${options.manager}\`.`, {
      hint: toSet,
    });
  if (options.name !== defaultNodeName && !isNamed)
    throw new ActionError("NODE_NOT_AS_GIVEN", `${who}, and not \`node-name: ${options.name}\`.`, {
      hint: toSet,
    });
  if (isNamed || name === defaultNodeName) return;
  throw new ActionError(
    "NODE_NOT_AS_GIVEN",
    `${who}. By its name it is no node, so it is not taken for one.`,
    { hint: `If it is the node: ${toSet} If not, end it first.` },
  );
}

/** Nobody has the databases open: the node is down, or starting, or works somewhere else. */
async function byName(context: NodeContext): Promise<NodeControl> {
  const { options, privilege, environment, chainstateDir } = context;
  const { manager, name } = options;
  const foundBy = "found by its name; no process has the databases open";
  if (manager === "process") return new ProcessNode(name, context, foundBy);
  if (manager === "docker") {
    const { engine } = await requireContainer(name, privilege, environment);
    return new DockerNode({ name, engine, foundBy }, context);
  }
  const unit = unitName(name);
  if (manager === "systemd") {
    const own = await ownUnit(unit, privilege);
    if (own !== undefined) return new SystemdNode({ unit, user: own, foundBy }, context);
    requireLoaded(await showUnit(new ServiceManager(undefined, privilege), unit));
    return new SystemdNode({ unit, foundBy }, context);
  }
  if ((await findUnit(unit, undefined, privilege)) !== undefined)
    return await firstThatRuns(new SystemdNode({ unit, foundBy }, context), context, foundBy);
  const user = await ownUnit(unit, privilege);
  if (user !== undefined) return new SystemdNode({ unit, user, foundBy }, context);
  const lookup = await findContainer(name, privilege, environment);
  if (lookup.found) return new DockerNode({ name, engine: lookup.engine, foundBy }, context);
  throw new ActionError(
    "NODE_NOT_FOUND",
    `No process has the databases of ${chainstateDir} open, and there is no systemd unit and no container named ${name}.`,
    {
      hint: "Set `node-name` to the node's unit or container, `node-manager` to what runs it, correct `chainstate-dir`, or set `node-manager: none` if there is no node on this host.",
    },
  );
}

/** A unit that is down does not hide a container of the same name that runs. */
async function firstThatRuns(unit: SystemdNode, context: NodeContext, foundBy: string): Promise<NodeControl> {
  const { name } = context.options;
  if ((await unit.inspect()).running) return unit;
  const lookup = await findContainer(name, context.privilege, context.environment);
  if (!lookup.found) return unit;
  const container = new DockerNode({ name, engine: lookup.engine, foundBy }, context);
  return (await container.inspect()).running ? container : unit;
}

/** The user whose manager has that unit, where it is this very user and the system has none of that name. */
async function ownUnit(unit: string, privilege: Privilege): Promise<number | undefined> {
  const user = process.geteuid?.();
  if (user === undefined || user === 0 || (await findUnit(unit, undefined, privilege)) !== undefined)
    return undefined;
  return (await findUnit(unit, user, privilege)) === undefined ? undefined : user;
}

async function findUnit(
  name: string,
  user: number | undefined,
  privilege: Privilege,
): Promise<Unit | undefined> {
  try {
    const shown = await showUnit(new ServiceManager(user, privilege), name);
    return shown.loadState === "loaded" || shown.activeState === "active" ? shown : undefined;
  } catch (error) {
    if (error instanceof ActionError && error.code === "SUPERVISOR_UNAVAILABLE") return undefined;
    throw error;
  }
}

/** Of a node that may have nothing open yet. `countsLoading`: a process that has nothing open yet counts as running. */
export function controlFromRecipe(
  recipe: StartRecipe,
  context: NodeContext,
  countsLoading = false,
): NodeControl {
  const foundBy = "started a moment ago";
  switch (recipe.manager) {
    case "systemd":
      return new SystemdNode({ unit: recipe.unit, user: recipe.user, foundBy }, context);
    case "docker": {
      const { container: name, cli, sudo, environment } = recipe;
      return new DockerNode(
        { name, engine: new Engine(cli, sudo, context.privilege, environment), foundBy },
        context,
      );
    }
    case "process":
      return new ProcessNode(recipe.name, context, foundBy, countsLoading ? recipe : undefined);
    case "command":
      return new CommandNode(recipe.name, context);
    case "none":
      break;
  }
  return noNode(context.options.name, context);
}

export interface StartFromRecipeOptions {
  readonly clock?: Clock;
  /**
   * How long a node that still runs may be a node that was asked to stop and has not finished. 0 where it is known that
   * nobody asked it. Default 20 minutes.
   */
  readonly finishStopMs?: number;
  /** Told of what could not be started with it. */
  readonly onLost?: (line: string) => void;
}

/**
 * Brings a node back as its recipe says, from whatever process this is. A node that runs is left alone, one that is
 * still stopping is waited for and then started; never is a second one started. "stopping": it had not finished when the
 * time was over. Throws NODE_START_FAILED, DIRECTORY_IN_USE and what the provider raises.
 */
export async function startFromRecipe(
  recipe: StartRecipe,
  privilege: Privilege,
  signal: AbortSignal,
  options: StartFromRecipeOptions = {},
): Promise<"started" | "already-running" | "nothing-to-start" | "stopping"> {
  const clock = options.clock ?? systemClock;
  const finishMs = options.finishStopMs ?? finishStopMs;
  switch (recipe.manager) {
    case "systemd":
      return await startUnit(recipe, {
        privilege,
        clock,
        signal,
        finishMs,
        ...(options.onLost === undefined ? {} : { onLost: options.onLost }),
      });
    case "docker":
      return await startContainer(recipe, privilege, clock, signal, finishMs);
    case "process":
      return await startProcess(recipe, privilege, clock, signal, finishMs);
    case "command":
      return await startByCommand(recipe, privilege, clock, signal, finishMs);
    case "none":
      break;
  }
  return "nothing-to-start";
}
