/**
 * Which process is the node, and who keeps it running. The node is the outermost process that has the databases of the
 * directory open; its supervisor is who would start it again. Everything is read first, and decided by `supervisorOf`,
 * which reads nothing.
 */
import { readlinkSync } from "node:fs";
import path from "node:path";
import type { NodeProcess } from "../domain/start-recipe.ts";
import {
  executablePath,
  findByInnerPid,
  readArguments,
  readCgroup,
  readName,
  readStat,
  readStatus,
  type ProcessId,
} from "../system/proc.ts";
import { placeOf, type Group, type Place } from "./cgroup.ts";

/** One process on the way from the node up to init. */
export interface Link extends ProcessId {
  /** Base name of its executable, or what it calls itself where that cannot be seen. */
  readonly name: string;
  readonly arguments: readonly string[];
  /** Process 1 of a namespace, or a user's service manager: adopts what has lost its parent, and starts none of it again. */
  readonly isInit: boolean;
}

export interface SupervisionFacts {
  /** The node first, then each living parent, init last where it can be seen. */
  readonly chain: readonly Link[];
  readonly place: Place;
  /** The node is in a pid namespace that this process is not in. */
  readonly isElsewhere: boolean;
  /** The service that this very process is part of, and its user manager's user. */
  readonly ownService: { readonly unit: string; readonly user: number | undefined } | undefined;
  /** What systemd says of the service of `place`: its main process as seen from here; "unknown": it does not know it. */
  readonly main: ProcessId | "none" | "unknown";
}

export type Supervisor =
  | {
      readonly kind: "systemd";
      readonly unit: string;
      readonly user: number | undefined;
      readonly group: Group;
    }
  | {
      readonly kind: "container";
      readonly id: string;
      readonly within: { readonly unit: string; readonly user: number | undefined } | undefined;
      readonly group: Group;
    }
  /** Its parent is init: nobody would start it again. */
  | { readonly kind: "nobody" }
  | { readonly kind: "unknown"; readonly name: string; readonly pid: number | undefined };

/** Programs that wait for what they run and do nothing else. */
const passive = new Set(["sudo", "su", "runuser"]);

export function supervisorOf(facts: SupervisionFacts): Supervisor {
  const { chain, place, isElsewhere, main, ownService } = facts;
  if (place.kind === "container") {
    const { id, within, group } = place;
    return { kind: "container", id, within, group };
  }
  const parent = chain.slice(1).find((link) => !passive.has(link.name));
  if (place.kind === "service" && main !== "unknown") {
    const { unit, user, group } = place;
    const isOwn = ownService?.unit === unit && ownService.user === user;
    const isBelowMain = main !== "none" && chain.some((link) => isSame(link, main));
    // A service of ours cannot be stopped by us, and one that goes on without the node does not keep it.
    if (!isOwn && (main === "none" || isBelowMain)) return { kind: "systemd", unit, user, group };
  } else if (place.kind === "service" || isElsewhere) {
    const name = place.kind === "service" ? place.unit : (parent?.name ?? "another pid namespace");
    return { kind: "unknown", name, pid: undefined };
  }
  if (parent === undefined || parent.isInit) return { kind: "nobody" };
  return { kind: "unknown", name: nameOf(parent), pid: parent.pid };
}

function isSame(one: ProcessId, other: ProcessId): boolean {
  return one.pid === other.pid && one.startTicks === other.startTicks;
}

const interpreters = /^(?:python[\d.]*|node|ruby|perl|bash|dash|sh|zsh|busybox)$/;

/** An interpreter is known by its script: `supervisord`, and not `python3`. */
function nameOf({ name, arguments: words }: Link): string {
  if (!interpreters.test(name)) return name;
  if (words[0] !== undefined && words[0].includes(" ")) return words[0].split(" ")[0] ?? name;
  const script = words.slice(1).find((word) => word === "-c" || !word.startsWith("-"));
  return script === undefined || script === "-c" ? name : path.basename(script);
}

/** The node's chain of parents. Undefined when the process is gone. */
export function readChain(node: ProcessId): readonly Link[] | undefined {
  const chain: Link[] = [];
  for (let pid = node.pid; pid > 0;) {
    const stat = readStat(pid);
    if (stat === undefined) break;
    if (pid === node.pid && stat.startTicks !== node.startTicks) return undefined;
    chain.push(linkOf(stat));
    if (chain.at(-1)?.isInit === true) break;
    pid = stat.parentPid;
  }
  return chain.length === 0 ? undefined : chain;
}

function linkOf({ pid, startTicks }: ProcessId): Link {
  const words = readArguments(pid);
  const name = executableName(pid);
  const inner = readStatus(pid)?.innerPids.at(-1);
  const isUserManager = name === "systemd" && words.includes("--user");
  return { pid, startTicks, name, arguments: words, isInit: pid === 1 || inner === 1 || isUserManager };
}

export function executableName(pid: number): string {
  try {
    return path.basename(executablePath(readlinkSync(`/proc/${pid}/exe`)).path);
  } catch {
    return readName(pid) ?? "";
  }
}

export interface NodePlace {
  readonly chain: readonly Link[];
  readonly place: Place;
  readonly isElsewhere: boolean;
  readonly ownService: SupervisionFacts["ownService"];
}

/** All that /proc says of a node. Undefined when the process is gone. */
export function readPlace(node: NodeProcess): NodePlace | undefined {
  const chain = readChain(node);
  const cgroup = readCgroup(node.pid);
  if (chain === undefined || cgroup === undefined) return undefined;
  const own = readCgroup(process.pid) ?? "";
  const ownPlace = placeOf(own, own);
  const depth = (pid: number): number => readStatus(pid)?.innerPids.length ?? 1;
  return {
    chain,
    place: placeOf(cgroup, own),
    isElsewhere: depth(node.pid) > depth(process.pid),
    ownService: ownPlace.kind === "service" ? ownPlace : undefined,
  };
}

/** The main process of a unit as it is called here; "none" where it has none. */
export function mainOf(unit: {
  readonly mainPid: number;
  readonly mainStartedAtUs: number;
}): ProcessId | "none" {
  if (unit.mainPid <= 0) return "none";
  return findByInnerPid(unit.mainPid, unit.mainStartedAtUs) ?? { pid: unit.mainPid, startTicks: -1 };
}

const supervisorCommands: readonly (readonly [RegExp, stop: string, start: string])[] = [
  [/^PM2/i, "pm2 stop NAME", "pm2 start NAME"],
  [/supervisord/, "supervisorctl stop NAME", "supervisorctl start NAME"],
  [/^runsv/, "sv -w 1200 stop NAME", "sv start NAME"],
  [/^s6-/, "s6-svc -wD -d DIRECTORY", "s6-svc -u DIRECTORY"],
];

/** What to set where a supervisor runs the node that this program does not know. */
export function unknownSupervisorHint(name: string): string {
  const [, stop, start] = supervisorCommands.find(([pattern]) => pattern.test(name)) ?? [];
  if (stop !== undefined && start !== undefined)
    return `Set \`node-manager: command\`, \`node-stop-command: ${stop}\` and \`node-start-command: ${start}\`, and let it wait at least \`stop-timeout\` before it kills.`;
  return "Set `node-manager: command` with the `node-stop-command` and `node-start-command` that make it stop and start the node; or have systemd, Docker or Podman run the node.";
}
