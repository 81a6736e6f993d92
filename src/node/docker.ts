/**
 * A node in a container, by Docker's or Podman's command line. `stop` is asked with a time limit that never comes, so
 * that neither the engine nor its client ever falls back to SIGKILL; the limit is ours, and past it the container is
 * left alone.
 */
import * as v from "valibot";
import { query, run } from "../system/exec.ts";
import type { ExecResult } from "../system/exec.ts";
import type { Clock } from "../system/clock.ts";
import type { Privilege } from "../system/privilege.ts";
import { executablePath, readLink, readStat } from "../system/proc.ts";
import type { ProcessId } from "../system/proc.ts";
import { finishStopMs, gracefulSignals, poll, requireSignalHandler } from "./context.ts";
import type { NodeContext } from "./context.ts";
import {
  NodeCameBackError,
  NodeNotFoundError,
  NodeStartError,
  NodeStillRunningError,
  StopRefusedError,
  StopTimeoutError,
  SupervisorUnavailableError,
  UncleanStopError,
  UnsafeStopError,
} from "./errors.ts";
import { requireSingleHolder } from "./holders.ts";
import type { NodeControl, NodeState, StopReport } from "./port.ts";
import { isWrapper } from "./version.ts";

const containerSchema = v.object({
  Id: v.string(),
  State: v.object({
    Status: v.string(),
    Running: v.boolean(),
    Paused: v.optional(v.boolean(), false),
    Restarting: v.optional(v.boolean(), false),
    OOMKilled: v.optional(v.boolean(), false),
    Pid: v.number(),
    ExitCode: v.number(),
    Error: v.optional(v.string(), ""),
    StartedAt: v.string(),
  }),
  Config: v.object({
    /** Docker gives a name or number in a string, Podman a number. */
    StopSignal: v.optional(v.nullable(v.union([v.string(), v.number()]))),
  }),
  HostConfig: v.object({
    AutoRemove: v.optional(v.boolean(), false),
    RestartPolicy: v.optional(v.object({ Name: v.optional(v.string(), "") })),
  }),
});

export type Container = v.InferOutput<typeof containerSchema>;

/** How the engine is called: which command line, and whether behind sudo. */
export interface Engine {
  readonly cli: string;
  readonly argv: (...args: string[]) => readonly string[];
  readonly elevated: boolean;
  /** Set for every call, beside what this process has. */
  readonly env: Readonly<Record<string, string>>;
}

export function engineFor(
  cli: string,
  elevated: boolean,
  privilege: Privilege,
  env: Readonly<Record<string, string>> = {},
): Engine {
  return {
    cli,
    elevated,
    env,
    argv: (...args) => (elevated ? privilege.elevate([cli, ...args]) : [cli, ...args]),
  };
}

export type ContainerLookup =
  | { readonly found: true; readonly engine: Engine; readonly container: Container }
  /** `reasons`: what each engine said. `reachable`: at least one of them answered. */
  | { readonly found: false; readonly reachable: boolean; readonly reasons: readonly string[] };

/** Looks for a container of that name with docker, then podman, each as this user and then behind sudo. */
export async function findContainer(name: string, privilege: Privilege): Promise<ContainerLookup> {
  const reasons: string[] = [];
  let reachable = false;
  for (const cli of ["docker", "podman"]) {
    for (const elevated of privilege.elevate(["x"]).length > 1 ? [false, true] : [false]) {
      const engine = engineFor(cli, elevated, privilege);
      const list = engine.argv("container", "ls", "--quiet");
      if (elevated && !(await privilege.may([cli, "container", "ls", "--quiet"]))) continue;
      const listed = await query(list);
      if (listed.exitCode !== 0) {
        if (listed.exitCode !== 127) reasons.push(`${list.join(" ")}: ${said(listed)}`);
        continue;
      }
      reachable = true;
      const asked = await query(engine.argv("container", "inspect", name));
      if (asked.exitCode === 0) return { found: true, engine, container: parseContainer(asked.stdout) };
    }
  }
  return { found: false, reachable, reasons };
}

/** Reads the output of `docker container inspect`. */
export function parseContainer(text: string): Container {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), v.tuple([containerSchema])), text);
  if (parsed.success) return parsed.output[0];
  throw new SupervisorUnavailableError(
    `The engine describes the container in a way that is not understood: ${v.summarize(parsed.issues)}`,
    { hint: "Report it with the engine's version; until then `node-manager: command` works." },
  );
}

/** `findContainer`, and an error where there is none. */
export async function requireContainer(
  name: string,
  privilege: Privilege,
): Promise<Extract<ContainerLookup, { found: true }>> {
  const lookup = await findContainer(name, privilege);
  if (lookup.found) return lookup;
  if (!lookup.reachable) {
    throw new SupervisorUnavailableError(
      `Neither docker nor podman answers this runner. ${lookup.reasons.join("; ")}`.trim(),
      {
        hint: "Start the engine, let the runner's user use it (group docker, or sudo), or set `node-manager`.",
      },
    );
  }
  throw new NodeNotFoundError(`There is no container named ${name}.`, {
    hint: "Set `node-name` to the node's container (`docker ps -a` shows them) or `node-manager` to what runs the node.",
  });
}

export function dockerNode(name: string, engine: Engine, context: NodeContext): NodeControl {
  const { privilege, clock } = context;
  const what = `container ${name}`;
  let startedBefore: string | undefined;

  const look = (): Promise<Container> => inspectContainer(engine, name);

  return {
    identity: { manager: "docker", name, foundBy: `${engine.cli} knows a container ${name}` },

    async inspect(): Promise<NodeState> {
      const container = await look();
      const main = await mainProcess(container);
      return {
        running: isUp(container),
        detail: container.State.Status,
        ...(main === undefined ? {} : { process: main }),
      };
    },

    async preflight(_stopTimeoutMs, signal) {
      const container = await look();
      await requireSingleHolder(context.chainstateDir, privilege, clock, signal);
      if (!isUp(container)) return [];
      requireStoppable(container, what);
      if (engine.elevated) {
        await privilege.require([engine.cli, ...stopArgs(engine, name)], `to stop ${what}`);
        await privilege.require([engine.cli, "start", name], `to start ${what} again`);
      }
      return [];
    },

    async recipe() {
      return {
        manager: "docker",
        cli: engine.cli,
        container: name,
        sudo: engine.elevated,
        environment: engineEnvironment(process.env),
        startedAt: (await look()).State.StartedAt,
      };
    },

    async stop(timeoutMs, signal): Promise<StopReport> {
      const before = await look();
      if (!isUp(before)) return { result: "was not running", exitCode: null, signal: null, seconds: 0 };
      requireStoppable(before, what);
      const main = await mainProcess(before);
      if (main !== undefined) await requireSignalHandler(main, stopSignal(before), what, clock, signal);
      startedBefore = before.State.StartedAt;
      const startedAt = clock.now();
      const asked = await run(engine.argv(...stopArgs(engine, name)), { signal, timeoutMs });
      const after = await look();
      if (asked.timedOut && isUp(after)) throw new StopTimeoutError(what, timeoutMs);
      if (isUp(after)) {
        if (after.State.StartedAt !== before.State.StartedAt)
          throw new NodeCameBackError(`${what} was started again while it was being stopped.`);
        throw new StopRefusedError(`${engine.cli} did not stop ${what}: ${said(asked)}`);
      }
      return reportStop(after, what, (clock.now() - startedAt) / 1000);
    },

    async provesDown() {
      const container = await look();
      if (isUp(container)) {
        if (startedBefore !== undefined && container.State.StartedAt !== startedBefore)
          throw new NodeCameBackError(`${what} was stopped and is ${container.State.Status} again.`);
        throw new NodeStillRunningError(`${what} is still ${container.State.Status}.`);
      }
      return [
        {
          id: "supervisor",
          detail: `${what} is ${container.State.Status}, exit code ${container.State.ExitCode}`,
        },
      ];
    },

    async start(signal) {
      await startContainer(engine, name, startedBefore, clock, signal, finishStopMs);
    },

    async versionCommand() {
      const container = await look();
      const main = await mainProcess(container);
      const link = main === undefined ? undefined : await readLink(main.pid, "exe", privilege);
      if (link === undefined || isWrapper(executablePath(link).path)) return undefined;
      return engine.argv("exec", name, executablePath(link).path, "version");
    },
  };
}

/** `docker stop` with a limit that never comes. Podman counts the limit in its client, Docker in the engine. */
function stopArgs(engine: Engine, name: string): string[] {
  const aYear = String(365 * 24 * 3600);
  return ["stop", "--time", engine.cli === "podman" ? aYear : "-1", name];
}

async function inspectContainer(engine: Engine, name: string): Promise<Container> {
  const asked = await query(engine.argv("container", "inspect", name), { env: engine.env });
  if (asked.exitCode === 0) return parseContainer(asked.stdout);
  // Telling a missing container from a missing engine by text would be matching messages: ask another question.
  const listed = await query(engine.argv("container", "ls", "--quiet"), { env: engine.env });
  if (listed.exitCode !== 0)
    throw new SupervisorUnavailableError(`${engine.cli} does not answer: ${said(listed)}`);
  throw new NodeNotFoundError(`There is no container named ${name} (any more).`);
}

/** Podman calls a container that was asked to stop and has not ended "stopping", and not running. */
function isUp({ State: { Running, Restarting, Status } }: Container): boolean {
  return Running || Restarting || Status === "stopping";
}

/** The container's first process as this host sees it; undefined where the engine runs somewhere else. */
async function mainProcess(container: Container): Promise<ProcessId | undefined> {
  if (!isUp(container) || container.State.Pid <= 0) return undefined;
  const stat = readStat(container.State.Pid);
  return stat === undefined ? undefined : { pid: stat.pid, startTicks: stat.startTicks };
}

function stopSignal(container: Container): number {
  const given = container.Config.StopSignal ?? "SIGTERM";
  if (typeof given === "number") return given;
  if (/^\d+$/.test(given)) return Number(given);
  const name = given.toUpperCase().replace(/^(?!SIG)/, "SIG");
  const known = Object.entries(gracefulSignals).find(([, signal]) => signal === name);
  return known === undefined ? 0 : Number(known[0]);
}

function requireStoppable(container: Container, what: string): void {
  if (container.HostConfig.AutoRemove) {
    throw new UnsafeStopError(`${what} was made with --rm: it would be gone after the stop.`, {
      hint: "Make the container again without --rm.",
    });
  }
  if (container.State.Paused) {
    throw new UnsafeStopError(`${what} is paused and cannot take a signal.`, { hint: "Unpause it." });
  }
  if (gracefulSignals[stopSignal(container)] === undefined) {
    throw new UnsafeStopError(
      `${what} is stopped with ${container.Config.StopSignal}, which is no request for a graceful stop.`,
      { hint: "Make the container with `--stop-signal SIGTERM` (STOPSIGNAL in its image says otherwise)." },
    );
  }
}

function reportStop(container: Container, what: string, seconds: number): StopReport {
  const { ExitCode: exitCode, OOMKilled: outOfMemory, Error: error } = container.State;
  if (outOfMemory) throw new UncleanStopError(what, "the kernel killed it for want of memory");
  if (exitCode !== 0)
    throw new UncleanStopError(
      what,
      `exit code ${exitCode}${exitCode > 128 ? ` (signal ${exitCode - 128})` : ""}${error === "" ? "" : `, ${error}`}`,
    );
  return { result: `${container.State.Status}, exit code 0`, exitCode, signal: null, seconds };
}

const startLimitMs = 2 * 60_000;

/**
 * Starts the container. While it is up and still the one started at `startedBefore`, a stop that was begun is waited for,
 * up to `finishMs`; started at another time, it has been brought back already.
 */
export async function startContainer(
  engine: Engine,
  name: string,
  startedBefore: string | undefined,
  clock: Clock,
  signal: AbortSignal,
  finishMs: number,
): Promise<"started" | "already-running"> {
  const state = await poll(clock, finishMs, signal, async () => {
    const container = await inspectContainer(engine, name);
    if (!isUp(container)) return "down";
    return container.State.StartedAt === startedBefore ? undefined : "up";
  });
  if (state !== "down") return "already-running";
  const asked = await run(engine.argv("start", name), {
    signal,
    timeoutMs: startLimitMs,
    env: engine.env,
  });
  if (asked.exitCode !== 0 || asked.timedOut) throw startFailed(engine, name, said(asked));
  const now = await inspectContainer(engine, name);
  if (!isUp(now)) throw startFailed(engine, name, `it ended at once with exit code ${now.State.ExitCode}`);
  return "started";
}

function startFailed(engine: Engine, name: string, why: string): NodeStartError {
  return new NodeStartError(`${engine.cli} did not start container ${name}: ${why}.`, {
    hint: `\`${engine.cli} logs ${name}\` tells more.`,
  });
}

const engineVariables = [
  "DOCKER_HOST",
  "DOCKER_CONTEXT",
  "DOCKER_CONFIG",
  "DOCKER_TLS_VERIFY",
  "DOCKER_CERT_PATH",
  "CONTAINER_HOST",
  "CONTAINER_CONNECTION",
  "CONTAINERS_CONF",
  "CONTAINERS_STORAGE_CONF",
  "HOME",
  "PATH",
  "XDG_RUNTIME_DIR",
];

/** What the command line needs to find the same engine from another process. */
function engineEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    engineVariables.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])),
  );
}

function said(result: ExecResult): string {
  return (result.stderr.trim() || result.stdout.trim() || `exit code ${result.exitCode}`).slice(-500);
}
