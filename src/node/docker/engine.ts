/** Docker's and Podman's command lines: how each is called, what it says of a container, and whose words it understands. */
import * as v from "valibot";
import { ActionError } from "../../domain/errors.ts";
import { query } from "../../system/exec.ts";
import type { ExecResult } from "../../system/exec.ts";
import type { Privilege } from "../../system/privilege.ts";
import type { Environment } from "../context.ts";

const containerSchema = v.object({
  Id: v.string(),
  Name: v.optional(v.string(), ""),
  /** By its restart policy, since it was started by hand. */
  RestartCount: v.optional(v.number(), 0),
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
    /** Seconds. */
    StopTimeout: v.optional(v.nullable(v.number())),
    Labels: v.optional(v.nullable(v.record(v.string(), v.string()))),
  }),
  HostConfig: v.object({
    AutoRemove: v.optional(v.boolean(), false),
    RestartPolicy: v.optional(v.object({ Name: v.optional(v.string(), "") })),
  }),
  /** Of ports such as "20443/tcp"; one that is not published has null. Told in another way it is not known, and nothing fails. */
  NetworkSettings: v.fallback(
    v.object({
      Ports: v.nullish(
        v.record(v.string(), v.nullable(v.array(v.object({ HostIp: v.string(), HostPort: v.string() })))),
      ),
    }),
    {},
  ),
});

export type Container = v.InferOutput<typeof containerSchema>;

/** Reads the output of `docker container inspect`. */
export function parseContainer(text: string): Container {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), v.tuple([containerSchema])), text);
  if (parsed.success) return parsed.output[0];
  throw new ActionError(
    "SUPERVISOR_UNAVAILABLE",
    `The engine describes the container in a way that is not understood: ${v.summarize(parsed.issues)}`,
    { hint: "Report it with the engine's version; until then `node-manager: command` works." },
  );
}

const aYear = String(365 * 24 * 3600);

export class Engine {
  readonly cli: string;
  readonly elevated: boolean;
  /** Set for every call, beside what this process has. */
  readonly env: Readonly<Record<string, string>>;
  readonly #privilege: Privilege;
  #kind: "docker" | "podman" | undefined;

  constructor(
    cli: string,
    elevated: boolean,
    privilege: Privilege,
    env: Readonly<Record<string, string>> = {},
  ) {
    this.cli = cli;
    this.elevated = elevated;
    this.env = env;
    this.#privilege = privilege;
  }

  argv(...args: string[]): readonly string[] {
    return this.elevated ? this.#privilege.elevate([this.cli, ...args]) : [this.cli, ...args];
  }

  /** Throws PRIVILEGE_MISSING unless it may be called so. */
  async require(args: readonly string[], purpose: string): Promise<void> {
    if (this.elevated) await this.#privilege.require([this.cli, ...args], purpose);
  }

  async ask(...args: string[]): Promise<ExecResult> {
    return await query(this.argv(...args), { env: this.env });
  }

  /** Who understands what is asked: `docker` may be Podman (podman-docker), or speak to Podman's socket. */
  async kind(): Promise<"docker" | "podman"> {
    if (this.#kind !== undefined) return this.#kind;
    const own = await this.ask("--version");
    const server = await this.ask("version", "--format", "{{json .}}");
    this.#kind = /podman/i.test(own.stdout) || /podman/i.test(server.stdout) ? "podman" : "docker";
    return this.#kind;
  }

  /** Its containers' users are others on this host. What does not say so is taken for root's own. */
  async isRootless(): Promise<boolean> {
    if ((await this.kind()) === "podman")
      return (await this.ask("info", "--format", "{{.Host.Security.Rootless}}")).stdout.trim() === "true";
    return /\brootless\b/.test((await this.ask("info", "--format", "{{json .SecurityOptions}}")).stdout);
  }

  /**
   * `stop` with a limit that never comes. Docker's engine keeps the limit, and of those with one some versions kill when the
   * client goes away; Podman counts in its client and takes no negative number.
   */
  async stopArguments(container: string): Promise<readonly string[]> {
    return ["stop", "-t", (await this.kind()) === "podman" ? aYear : "-1", container];
  }

  /** SUPERVISOR_UNAVAILABLE, NODE_NOT_FOUND. */
  async inspect(container: string): Promise<Container> {
    const asked = await this.ask("container", "inspect", container);
    if (asked.exitCode === 0) return parseContainer(asked.stdout);
    // Telling a missing container from a missing engine by text would be matching messages: ask another question.
    const listed = await this.ask("container", "ls", "--quiet");
    if (listed.exitCode !== 0)
      throw new ActionError("SUPERVISOR_UNAVAILABLE", `${this.cli} does not answer: ${said(listed)}`);
    throw new ActionError("NODE_NOT_FOUND", `There is no container named ${container} (any more).`);
  }
}

export type ContainerLookup =
  | { readonly found: true; readonly engine: Engine; readonly container: Container }
  /** `reasons`: what each engine said. `reachable`: at least one of them answered. */
  | { readonly found: false; readonly reachable: boolean; readonly reasons: readonly string[] };

/** Looks for a container of that name or id with docker, then podman, each as this user and then behind sudo. */
export async function findContainer(
  name: string,
  privilege: Privilege,
  environment: Environment,
): Promise<ContainerLookup> {
  const reasons: string[] = [];
  let reachable = false;
  for await (const engine of answeringEngines(privilege, environment, reasons)) {
    reachable = true;
    const asked = await engine.ask("container", "inspect", name);
    if (asked.exitCode === 0) return { found: true, engine, container: parseContainer(asked.stdout) };
  }
  return { found: false, reachable, reasons };
}

/** Docker, then Podman, each as this user and then behind sudo: those that answer. `reasons`: what the others said. */
export async function* answeringEngines(
  privilege: Privilege,
  environment: Environment,
  reasons: string[],
): AsyncGenerator<Engine> {
  const env = engineEnvironment(environment);
  for (const cli of ["docker", "podman"]) {
    for (const elevated of privilege.elevate(["x"]).length > 1 ? [false, true] : [false]) {
      const engine = new Engine(cli, elevated, privilege, env);
      if (elevated && !(await privilege.may([cli, "container", "ls", "--quiet"]))) continue;
      const listed = await engine.ask("container", "ls", "--quiet");
      if (listed.exitCode === 0) yield engine;
      else if (listed.exitCode !== 127) reasons.push(`${listed.argv.join(" ")}: ${said(listed)}`);
    }
  }
}

/** `findContainer`, and an error where there is none. */
export async function requireContainer(
  name: string,
  privilege: Privilege,
  environment: Environment,
): Promise<Extract<ContainerLookup, { found: true }>> {
  const lookup = await findContainer(name, privilege, environment);
  if (lookup.found) return lookup;
  if (!lookup.reachable) {
    throw new ActionError(
      "SUPERVISOR_UNAVAILABLE",
      `Neither docker nor podman answers this runner. ${lookup.reasons.join("; ")}`.trim(),
      {
        hint: "Start the engine, let the runner's user use it (group docker, or sudo), or set `node-manager`.",
      },
    );
  }
  throw new ActionError("NODE_NOT_FOUND", `There is no container named ${name}.`, {
    hint: "Set `node-name` to the node's container (`docker ps -a` shows them) or `node-manager` to what runs the node.",
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
export function engineEnvironment(env: Environment): Record<string, string> {
  return Object.fromEntries(
    engineVariables.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])),
  );
}

export function said(result: ExecResult): string {
  return (result.stderr.trim() || result.stdout.trim() || `exit code ${result.exitCode}`).slice(-500);
}

/** Podman calls a container that was asked to stop and has not ended "stopping", and not running. */
export function isUp({ State: { Running, Restarting, Status } }: Container): boolean {
  return Running || Restarting || Status === "stopping";
}
