/**
 * What a stop will do to the process that is the node, decided from facts alone before anything is touched: it ends as it
 * wants to, or it does with a drop-in that is taken away again, or it would be killed or not be asked at all: then the
 * stop is refused with the lines to change. Providers read the facts; nothing here looks at the machine.
 */
import { ActionError } from "../domain/errors.ts";

export type StopDecision =
  /** `notes`: what somebody should know all the same. */
  | { readonly kind: "safe"; readonly notes: readonly string[] }
  /** `settings`: lines of the drop-in, below `[Service]`. */
  | { readonly kind: "drop-in"; readonly settings: readonly string[]; readonly notes: readonly string[] }
  | { readonly kind: "refused"; readonly why: string; readonly change: readonly string[] };

/** The signals a stacks-node takes as a request for a graceful stop. */
export const gracefulSignals: Readonly<Record<number, "SIGHUP" | "SIGINT" | "SIGTERM">> = {
  1: "SIGHUP",
  2: "SIGINT",
  15: "SIGTERM",
};

function signalName(signal: number): string {
  return gracefulSignals[signal] ?? `signal ${signal}`;
}

export interface UnitFacts {
  readonly unit: string;
  /** "control-group", "mixed", "process", "none". */
  readonly killMode: string;
  readonly sendsSigkill: boolean;
  /** TimeoutStopSec; Infinity where there is none. */
  readonly stopLimitMs: number;
  readonly killSignal: number;
  /** Each ExecStop as a line. */
  readonly stopCommands: readonly string[];
  readonly refusesStop: boolean;
  readonly refusesStart: boolean;
  /** The node is the unit's main process. */
  readonly isMain: boolean;
  /** The node, where it is another process than the main one and not in a container, is in the unit's cgroup. */
  readonly handlesSignal: boolean;
  readonly mayInstallDropIn: boolean;
  /** The node is in this container, which the unit runs. */
  readonly container: (ContainerFacts & { readonly stopLimitMs: number }) | undefined;
}

export function planUnitStop(facts: UnitFacts, stopTimeoutMs: number): StopDecision {
  const { unit, container } = facts;
  const seconds = Math.ceil(stopTimeoutMs / 1000);
  if (facts.refusesStop || facts.refusesStart) {
    const line = facts.refusesStop ? "RefuseManualStop" : "RefuseManualStart";
    return refuse(`${unit} has ${line}=yes, so nobody can ${facts.refusesStop ? "stop" : "start"} it.`, [
      `${line}=no`,
    ]);
  }
  if (gracefulSignals[facts.killSignal] === undefined) {
    return refuse(
      `${unit} is stopped with signal ${facts.killSignal}, which is no request for a graceful stop.`,
      ["KillSignal=SIGTERM"],
    );
  }
  if (container !== undefined) {
    const inside = planContainerStop({ ...container, service: undefined });
    if (inside.kind === "refused") return inside;
    const short = facts.stopCommands.find(
      (line) => (containerStopLimitMs(line, container.stopLimitMs) ?? 0) < stopTimeoutMs,
    );
    if (short !== undefined) {
      return refuse(
        `${unit} stops the node's container with \`${short}\`, which kills the node when it takes longer than that allows (\`stop-timeout\` is ${seconds} s).`,
        [
          `ExecStop=/usr/bin/${container.engine} stop --time ${seconds} ${container.name}`,
          `(in a quadlet: [Container] PodmanArgs=--stop-timeout=${seconds}, [Service] TimeoutStopSec=${seconds + 60})`,
        ],
      );
    }
  } else if (!facts.handlesSignal) {
    return refuse(
      `The node of ${unit} does not handle ${signalName(facts.killSignal)}, so it cannot be stopped gracefully.`,
      ["ExecStart=/path/of/stacks-node start --config /path/of/config.toml"],
    );
  }
  return planSettings(facts, stopTimeoutMs);
}

/** What has to be changed for the time of the stop. */
function planSettings(facts: UnitFacts, stopTimeoutMs: number): StopDecision {
  const { unit, isMain, killMode, stopCommands, container } = facts;
  const notes: string[] = [];
  const needed: string[] = [];
  const permanent: string[] = [];
  const seconds = Math.ceil(stopTimeoutMs / 1000);
  // An unknown command may kill; the signal that systemd sends afterwards is what the node understands.
  if (stopCommands.length > 0 && container === undefined) {
    needed.push("ExecStop=");
    permanent.push("ExecStop=");
    notes.push(
      `${unit} has an ExecStop of its own; for the time of the stop it is not run, the node gets the signal`,
    );
  }
  const reachesNode =
    killMode === "control-group" || (isMain && killMode !== "none") || container !== undefined;
  if (!reachesNode) {
    needed.push("KillMode=control-group");
    permanent.push("KillMode=control-group");
    notes.push(
      isMain
        ? `${unit} has KillMode=none: nobody would ask the node to stop`
        : `the node is not the main process of ${unit}, and with KillMode=${killMode} it would be ${killMode === "mixed" ? "killed" : "left over"} when that ends`,
    );
  }
  const isShort = facts.stopLimitMs < stopTimeoutMs;
  // A node may end after `stop-timeout`, too: this action waits for it then, and so has systemd to.
  const killsLate = !isShort && facts.sendsSigkill && facts.stopLimitMs !== Infinity;
  if (isShort || killsLate) {
    const limit = `systemd gives ${unit} ${facts.stopLimitMs / 1000} s to stop`;
    if (facts.sendsSigkill) {
      if (isShort) permanent.push(`TimeoutStopSec=${seconds}`);
      notes.push(`${limit} and then kills it`);
    } else {
      notes.push(`${limit} and does not kill it, but a stop that takes longer fails the snapshot`);
    }
  }
  if (needed.length === 0 && !isShort && !killsLate) return { kind: "safe", notes };
  if (facts.mayInstallDropIn) {
    const settings = [...needed, "TimeoutStopSec=infinity", "SendSIGKILL=no"];
    return { kind: "drop-in", settings, notes };
  }
  if (permanent.length === 0) return { kind: "safe", notes };
  return refuse(
    `${unit} cannot be stopped safely as it is set up, and this runner may not change that for the time of the stop: ${notes.join("; ")}.`,
    permanent,
  );
}

export interface ContainerFacts {
  readonly name: string;
  readonly engine: "docker" | "podman";
  readonly autoRemove: boolean;
  readonly isPaused: boolean;
  /** 0: a name that is no request for a graceful stop. */
  readonly stopSignal: number;
  readonly stopSignalName: string;
  /** Where the node is in the container: its first process, a child of a first process that is an init, or anywhere else. */
  readonly node: "first" | "child-of-init" | "below-first" | "beside";
  /** What the first process is, for messages. */
  readonly firstName: string;
  readonly handlesSignal: boolean;
  /** What would start it again whatever we do: Swarm, Kubernetes. */
  readonly orchestrator: string | undefined;
  /** A systemd unit runs the container, and is not known well enough to be asked instead. */
  readonly service: string | undefined;
}

export function planContainerStop(facts: ContainerFacts): StopDecision {
  const what = `container ${facts.name}`;
  if (facts.orchestrator !== undefined) {
    return refuse(`${what} belongs to ${facts.orchestrator}, which would start it again.`, [
      "node-manager: command, with the lines that make it stop and start the node",
    ]);
  }
  if (facts.service !== undefined) {
    return refuse(`${what} is run by the systemd unit ${facts.service}, which would start it again.`, [
      "node-manager: systemd",
      `node-name: ${facts.service}`,
    ]);
  }
  if (facts.isPaused)
    return refuse(`${what} is paused and cannot take a signal.`, [`${facts.engine} unpause ${facts.name}`]);
  if (gracefulSignals[facts.stopSignal] === undefined) {
    return refuse(
      `${what} is stopped with ${facts.stopSignalName}, which is no request for a graceful stop.`,
      [`${facts.engine} create --stop-signal SIGTERM … (STOPSIGNAL in its image says otherwise)`],
    );
  }
  const exec = [
    'CMD ["stacks-node", "start", "--config", "/path/of/config.toml"] (in its JSON form)',
    "exec stacks-node … (as the last line of a start script)",
  ];
  if (facts.node === "below-first") {
    return refuse(
      `The node in ${what} is a child of ${facts.firstName}: the signal goes to that alone, and when that ends the node is killed with it.`,
      exec,
    );
  }
  if (facts.node === "beside") {
    return refuse(
      `The node in ${what} was not started by the container (\`${facts.engine} exec\`, say): a stop does not ask it.`,
      exec,
    );
  }
  if (!facts.handlesSignal) {
    return refuse(
      `The node in ${what} does not handle ${signalName(facts.stopSignal)}, so it cannot be stopped gracefully.`,
      [...exec, `${facts.engine} create --init …`],
    );
  }
  return { kind: "safe", notes: [] };
}

/** `--rm` is fine where a unit makes the container anew each time, and nowhere else. */
export function refusesAutoRemove(facts: ContainerFacts): StopDecision | undefined {
  if (!facts.autoRemove) return undefined;
  return refuse(`container ${facts.name} was made with --rm: it would be gone after the stop.`, [
    `${facts.engine} create … (without --rm)`,
  ]);
}

/**
 * How long a command of a unit lets a container stop before it kills; undefined where that is not known.
 * `ownLimitMs`: the container's own, which counts where the command says none.
 */
export function containerStopLimitMs(line: string, ownLimitMs: number): number | undefined {
  if (!/(?:^|\/)(?:docker|podman)\s+(?:container\s+)?(?:stop|rm)\b/.test(line)) return undefined;
  const given = /\s(?:-t|--time|--timeout)[= ]?(-?\d+)\b/.exec(line)?.[1];
  if (given === undefined) return ownLimitMs;
  return Number(given) < 0 ? Infinity : Number(given) * 1000;
}

function refuse(why: string, change: readonly string[]): StopDecision {
  return { kind: "refused", why, change };
}

/** Throws NODE_STOP_UNSAFE for a decision that refuses; returns any other. */
export function requirePossible(decision: StopDecision): Exclude<StopDecision, { kind: "refused" }> {
  if (decision.kind !== "refused") return decision;
  throw new ActionError("NODE_STOP_UNSAFE", decision.why, {
    hint: `Nothing was stopped. Change: ${decision.change.map((line) => `\`${line}\``).join(", ")}.`,
  });
}
