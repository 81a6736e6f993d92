/**
 * Programs of the node that are in an image: each is run in a container of its own, with a copy of a chainstate and nothing
 * else of this host. A container outlives whoever asked for it, so each bears the run's labels, by which `removeContainers`
 * finds what a dead run left.
 */
import { ActionError, describeError, throwIfAborted } from "../../domain/errors.ts";
import type { Clock } from "../../system/clock.ts";
import { timeLimit } from "../../system/deadline.ts";
import { run, type ExecResult } from "../../system/exec.ts";
import { poll } from "../../system/poll.ts";
import type { Privilege } from "../../system/privilege.ts";
import type { Environment } from "../context.ts";
import type { ProgramUser } from "../programs/as-user.ts";
import type { ContainersOfRun, ProgramImage, ProgramRun } from "../programs/runner.ts";
import { answeringEngines, Engine, said } from "./engine.ts";

export interface ImageRequest {
  readonly image: string;
  readonly user: ProgramUser;
  readonly runId: string;
  /** Whose runs these are: of two that share an engine neither removes what is the other's. */
  readonly owner: string;
  readonly privilege: Privilege;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

const pullLimitMs = 3600_000;
const askLimitMs = 60_000;
/** The client passes SIGTERM on; the container is seen to whether the client has ended or not. */
const clientEndMs = 3_000;
const removeLimitMs = 60_000;

/** The image, which is there afterwards, and the engine that has it. PROGRAM_UNUSABLE. */
export async function openProgramImage(request: ImageRequest): Promise<ProgramImage> {
  const { image, privilege, environment, signal, say } = request;
  const reasons: string[] = [];
  const engines: Engine[] = [];
  for await (const engine of answeringEngines(privilege, environment, reasons)) {
    engines.push(engine);
    const id = await idOf(engine, image);
    if (id !== undefined) return await imageOf(request, engine, id);
  }
  if (engines.length === 0)
    throw unusable(
      `${image} ('node-image') cannot be run: neither docker nor podman answers this runner. ${reasons.join("; ")}`.trim(),
      "Start the engine, and let the runner's user use it (group docker, or sudo).",
    );
  for (const engine of engines) {
    say(`Pulling ${image} by ${engine.cli}.`);
    const pulled = await run(engine.argv("pull", "--quiet", image), {
      signal,
      timeoutMs: pullLimitMs,
      env: engine.env,
    });
    const id = pulled.exitCode === 0 ? await idOf(engine, image) : undefined;
    if (id !== undefined) return await imageOf(request, engine, id);
    reasons.push(`${engine.cli}: ${said(pulled)}`);
  }
  throw unusable(
    `${image} ('node-image') is not on this host, and cannot be pulled. ${reasons.join("; ")}`,
    "Correct `node-image`, or let the runner's user pull it (`docker login`).",
  );
}

/** With a tag that is moved meanwhile the programs that were tried are the ones that are run. */
async function idOf(engine: Engine, image: string): Promise<string | undefined> {
  const asked = await engine.ask("image", "inspect", "--format", "{{.Id}}", image);
  return asked.exitCode === 0 ? asked.stdout.trim() : undefined;
}

async function imageOf(request: ImageRequest, engine: Engine, id: string): Promise<ProgramImage> {
  const { image, privilege } = request;
  const kind = await engine.kind();
  const isRootless = await engine.isRootless();
  if (isRootless && kind === "docker")
    throw unusable(
      `${image} ('node-image') cannot be run: this Docker is a rootless one, whose networks are not this host's.`,
      "Use Podman, or a Docker that root runs.",
    );
  await engine.require(["run", "--rm", id], `to run the programs of ${image}`);
  const users = kind === "docker" ? "host" : isRootless ? "keep-id" : undefined;
  return new EngineImage({ request, engine, id, users }, privilege);
}

interface Found {
  readonly request: ImageRequest;
  readonly engine: Engine;
  readonly id: string;
  /** Value of `--userns` with which a user of this host is the same in the container. */
  readonly users: string | undefined;
}

class EngineImage implements ProgramImage {
  readonly what: string;
  readonly containers: ContainersOfRun;
  readonly #found: Found;
  readonly #privilege: Privilege;
  #made = 0;

  constructor(found: Found, privilege: Privilege) {
    const { request, engine, id } = found;
    const { runId, owner, image } = request;
    this.#found = found;
    this.#privilege = privilege;
    this.what = `${image}, id ${id}, run by ${engine.cli}`;
    this.containers = {
      cli: engine.cli,
      elevated: engine.elevated,
      environment: { ...engine.env },
      runId,
      owner,
    };
  }

  async require(input: string, program: string, question: string, home: string): Promise<void> {
    const { request } = this.#found;
    const { user, signal, say } = request;
    let why: string;
    try {
      const asked = await this.run({
        argv: [program, question],
        home,
        network: "none",
        signal,
        timeoutMs: askLimitMs,
      });
      if (asked.exitCode === 0 && !asked.timedOut) {
        const line = asked.stdout.trim().split("\n").at(-1) ?? "";
        return say(`${program} of ${this.what}: ${line.slice(0, 200)}`);
      }
      why = asked.timedOut ? `no answer within ${askLimitMs / 1000} s` : said(asked);
    } catch (error) {
      throwIfAborted(signal);
      why = describeError(error);
    }
    throw unusable(
      `${program} ('${input}') of ${this.what} cannot be run by user ${user.uid}: ${why}`,
      "Give a path or name of the program in the image. Root runs none of the node's programs, and the engine has to be on this host.",
    );
  }

  async run({ stop, signal, timeoutMs, onLine, ...program }: ProgramRun): Promise<ExecResult> {
    const { engine, request } = this.#found;
    const name = `chainstate-snapshot-${request.runId.replaceAll(/[^\w.-]/g, "_")}-${(this.#made += 1)}`;
    const client = new AbortController();
    let stopping: Promise<void> | undefined;
    const onStop = (): void => {
      stopping = this.#stop(name, stop?.killAfterMs ?? 0, signal, client);
    };
    stop?.signal.addEventListener("abort", onStop, { once: true });
    try {
      const argv = containerArguments(this.#found, { name, ...program });
      // Where the container is asked for by a client of ours, that one ends with us.
      const ended = await run(["setpriv", "--pdeathsig=KILL", ...engine.argv(...argv)], {
        signal,
        timeoutMs,
        env: engine.env,
        killAfterMs: clientEndMs,
        stop: { signal: client.signal, killAfterMs: clientEndMs },
        ...(onLine === undefined ? {} : { onLine }),
      });
      return ended.exitCode === 137 ? { ...ended, signal: "SIGKILL" } : ended;
    } finally {
      stop?.signal.removeEventListener("abort", onStop);
      await stopping;
      await this.#tryRemove();
    }
  }

  /** In order: SIGTERM, and SIGKILL where it has not ended in time. The client waits for its end. */
  async #stop(
    name: string,
    killAfterMs: number,
    signal: AbortSignal,
    client: AbortController,
  ): Promise<void> {
    const { engine } = this.#found;
    const argv = engine.argv("stop", "-t", String(Math.ceil(killAfterMs / 1000)), name);
    const timeoutMs = killAfterMs + askLimitMs;
    const asked = await run(argv, { signal, timeoutMs, env: engine.env }).catch(() => undefined);
    // It is not known to end by itself: nobody waits for it then, and it is removed.
    if (asked?.exitCode !== 0) client.abort();
  }

  /** What is left is in the journal, and seen to by whoever closes that. */
  async #tryRemove(): Promise<void> {
    const { clock } = this.#found.request;
    const signal = timeLimit(removeLimitMs, "CLEAN_UP_TIMEOUT", "Removing the container");
    await removeContainers(this.containers, { privilege: this.#privilege, clock, signal }).catch(
      () => undefined,
    );
  }
}

const runLabel = "chainstate-snapshot.run";
const ownerLabel = "chainstate-snapshot.owner";

/** Docker's client, and Podman, hand on what they know of proxies, with the passwords in it. */
const proxies = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/** After the engine's name. Whatever the image says, nothing but `home` can be written, and nothing is kept. */
export function containerArguments(
  {
    id,
    users,
    request,
  }: Pick<Found, "id" | "users"> & { readonly request: Pick<ImageRequest, "user" | "runId" | "owner"> },
  {
    name,
    argv,
    home,
    configFile,
    network,
  }: Pick<ProgramRun, "argv" | "home" | "configFile" | "network"> & { readonly name: string },
): string[] {
  const { user, runId, owner } = request;
  const [program = "", ...words] = argv;
  const environment = {
    LC_ALL: "C",
    HOME: home,
    // Where SQLite puts what does not fit into memory.
    TMPDIR: home,
    RUST_BACKTRACE: "0",
    ...Object.fromEntries(
      proxies.flatMap((each) => [
        [each, ""],
        [each.toLowerCase(), ""],
      ]),
    ),
  };
  return [
    "run",
    "--rm",
    "--pull=never",
    `--name=${name}`,
    `--label=${runLabel}=${runId}`,
    `--label=${ownerLabel}=${owner}`,
    `--user=${user.uid}:${user.gid}`,
    ...(users === undefined ? [] : [`--userns=${users}`]),
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    // SELinux would keep it from the copy, whose labels stay those of a chainstate.
    "--security-opt=label=disable",
    `--network=${network}`,
    "--restart=no",
    "--log-driver=none",
    "--no-healthcheck",
    "--stop-signal=SIGTERM",
    // Podman lets a container that is removed by force take as long.
    "--stop-timeout=1",
    `--mount=${mount(home)}`,
    `--workdir=${home}`,
    ...(configFile === undefined ? [] : [`--mount=${mount(configFile)},readonly`]),
    ...Object.entries(environment).map(([key, value]) => `--env=${key}=${value}`),
    `--entrypoint=${program}`,
    id,
    ...words,
  ];
}

/** At its own path. A field of a line of CSV is quoted, for there may be commas in it. */
function mount(path: string): string {
  const quoted = path.replaceAll('"', '""');
  return `type=bind,"source=${quoted}","target=${quoted}"`;
}

/**
 * Ends and removes every container of the run, and returns how many there were. SUPERVISOR_UNAVAILABLE where that is not
 * known; then call it again.
 */
export async function removeContainers(
  { cli, elevated, environment, runId, owner }: ContainersOfRun,
  {
    privilege,
    clock,
    signal,
  }: { readonly privilege: Privilege; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<number> {
  const engine = new Engine(cli, elevated, privilege, environment);
  const seen = new Set<string>();
  const labels = [`label=${runLabel}=${runId}`, `label=${ownerLabel}=${owner}`];
  const filters = labels.flatMap((label) => ["--filter", label]);
  let left = "";
  const gone = await poll({ everyMs: 500, limitMs: removeLimitMs, clock, signal }, async () => {
    const listed = await engine.ask("container", "ls", "--all", "--quiet", "--no-trunc", ...filters);
    if (listed.exitCode !== 0) throw unavailable(`${cli} does not answer: ${said(listed)}`);
    const ids = listed.stdout.split("\n").filter((id) => id !== "");
    if (ids.length === 0) return true;
    for (const id of ids) seen.add(id);
    // One that ends by itself at this moment is removed by the engine: it is looked once more.
    const removed = await engine.ask("container", "rm", "--force", "--volumes", ...ids);
    left = said(removed);
    return undefined;
  });
  if (gone === undefined) throw unavailable(`${cli} does not remove a container of run ${runId}: ${left}`);
  return seen.size;
}

function unusable(message: string, hint: string): ActionError {
  return new ActionError("PROGRAM_UNUSABLE", message, { hint });
}

function unavailable(message: string): ActionError {
  return new ActionError("SUPERVISOR_UNAVAILABLE", message);
}
