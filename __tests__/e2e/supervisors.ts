/**
 * What keeps the node of an end-to-end test: a plain process, shell commands, and the real systemd, Docker and Podman of the testbed.
 * The node logs to a file, so that what it says of its own end is read the same way whoever started it.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { NodeExecutable } from "../../simulator/launch.ts";
import { quote, startOrphan } from "../node/bed.ts";
import { engines, mountFlags, nodeInside, noEngine } from "../node/engines.ts";
import { asUser, systemdEnvironment } from "../node/systemd/systemd-bed.ts";

/** The node that is to be kept. */
export interface Charge {
  /** The chainstate and the log are below it. */
  readonly directory: string;
  readonly executable: NodeExecutable;
  /** After the launcher, as it runs outside any container. */
  readonly nodeArguments: readonly string[];
  readonly logFile: string;
}

export interface Supervisor {
  readonly inputs: Readonly<Record<string, string>>;
  /** For the action's job. */
  readonly env: Readonly<Record<string, string>>;
  start(): void;
  dispose(): void;
}

export interface SupervisorKind {
  readonly name: string;
  /** Where a setup must live for this supervisor to see it under the same path. */
  readonly parent: string;
  supervise(charge: Charge): Supervisor;
}

const testbed = process.env["TESTBED_DIR"] ?? "/var/tmp/testbed";
let made = 0;

const uniqueName = (): string => `testbed-e2e-${process.pid}-${(made += 1)}`;

export const byProcess: SupervisorKind = {
  name: "process",
  parent: tmpdir(),
  supervise: ({ executable, nodeArguments, logFile }) => ({
    inputs: { "node-manager": "process" },
    env: {},
    start: () => {
      const node = [executable.launcher, ...nodeArguments].map(quote).join(" ");
      startOrphan(`${node} 2>>${quote(logFile)}`);
    },
    dispose: () => undefined,
  }),
};

/** A loop in a shell, as of a terminal or of any program that keeps others running, which nobody has told us of. */
export const byLoop: SupervisorKind = {
  name: "loop",
  parent: tmpdir(),
  supervise: ({ directory, executable, nodeArguments, logFile }) => {
    const ended = path.join(directory, "ended");
    const node = [executable.launcher, ...nodeArguments].map(quote).join(" ");
    return {
      inputs: {},
      env: {},
      start: () => {
        const loop = `while [ ! -e ${quote(ended)} ]; do ${node} 2>>${quote(logFile)}; sleep 0.1; done`;
        startOrphan(`sh -c ${quote(loop)}`);
      },
      dispose: () => writeFileSync(ended, ""),
    };
  },
};

export const byCommand: SupervisorKind = {
  name: "command",
  parent: tmpdir(),
  supervise: ({ directory, executable, nodeArguments, logFile }) => {
    const pidFile = path.join(directory, "pid");
    const node = [executable.launcher, ...nodeArguments].map(quote).join(" ");
    const startLine = `${node} >/dev/null 2>>${quote(logFile)} & echo $! >${quote(pidFile)}`;
    return {
      inputs: {
        "node-manager": "command",
        "node-start-command": startLine,
        "node-stop-command": `kill -TERM "$(cat ${quote(pidFile)})"`,
      },
      env: {},
      start: () => void startOrphan(`sh -c ${quote(startLine)}`),
      dispose: () => undefined,
    };
  },
};

const leaderFile = path.join(testbed, "systemd/leader");
const wants = "/run/systemd/system/basic.target.wants";

export interface UnitSetup {
  /** Lines of `[Unit]`, given the unit's own name. */
  readonly head?: (unit: string) => string;
  /** ExecStart, given the node's command line; default: the node itself. */
  readonly start?: (node: string) => string;
  /** Not named in the inputs: the action has to find it. */
  readonly unnamed?: boolean;
  /** Called with the unit's name when it is there and has not been started. */
  readonly whenMade?: (unit: string) => void;
}

/** `service`: further lines of the unit. Undefined where `testbed/systemd.sh` is not up. */
export function bySystemd(service: string, setup: UnitSetup = {}): SupervisorKind | undefined {
  if (!existsSync(leaderFile)) return undefined;
  const env = systemdEnvironment();
  const systemctl = (...args: string[]): void =>
    void execFileSync("systemctl", args, { env: { ...process.env, ...env }, stdio: "ignore" });
  return {
    name: "systemd",
    parent: path.join(testbed, "systemd/share"),
    supervise: ({ executable, nodeArguments, logFile }) => {
      const unit = `${uniqueName()}.service`;
      const unitFile = `/run/systemd/system/${unit}`;
      const node = [executable.launcher, ...nodeArguments].join(" ");
      writeFileSync(
        unitFile,
        `[Unit]\n${setup.head?.(unit) ?? ""}\n[Service]\nExecStart=${setup.start?.(node) ?? node}\n` +
          `StandardOutput=null\nStandardError=append:${logFile}\n${service}\n`,
      );
      // Wanted by a target, as an enabled unit is: systemd forgets at once how a unit ended that nothing refers to.
      mkdirSync(wants, { recursive: true });
      symlinkSync(unitFile, path.join(wants, unit));
      systemctl("daemon-reload");
      setup.whenMade?.(unit);
      return {
        inputs: setup.unnamed === true ? {} : { "node-manager": "systemd", "node-name": unit },
        env,
        start: () => systemctl("start", unit),
        dispose: () => {
          systemctl("stop", unit);
          rmSync(path.join(wants, unit));
          rmSync(unitFile);
          systemctl("daemon-reload");
        },
      };
    },
  };
}

/** A unit of this user's own manager (see `startUserManager`), found by its databases. Undefined where systemd is not up. */
export function byUserManager(
  user: number,
  service: string,
  { start = (node) => node }: Pick<UnitSetup, "start"> = {},
): SupervisorKind | undefined {
  if (!existsSync(leaderFile)) return undefined;
  return {
    name: "systemd",
    parent: path.join(testbed, "systemd/share"),
    supervise: ({ directory, executable, nodeArguments, logFile }) => {
      const unit = `${uniqueName()}.service`;
      const units = `/run/user/${user}/systemd/user`;
      const unitFile = path.join(units, unit);
      const node = [executable.launcher, ...nodeArguments].join(" ");
      mkdirSync(units, { recursive: true });
      writeFileSync(
        unitFile,
        `[Service]\nExecStart=${start(node)}\nStandardOutput=null\nStandardError=append:${logFile}\n${service}\n`,
      );
      execFileSync("chown", ["-R", `${user}:${user}`, directory, units]);
      asUser(user, "daemon-reload");
      return {
        inputs: {},
        env: systemdEnvironment(),
        start: () => void asUser(user, "start", unit),
        dispose: () => {
          asUser(user, "stop", unit);
          rmSync(unitFile);
          asUser(user, "daemon-reload");
        },
      };
    },
  };
}

export interface ContainerSetup {
  /** Its name; default: one of its own. Not named in the inputs then: the action has to find it. */
  readonly named?: string;
  /** The node has a configuration, as a real one, that says where its RPC is. */
  readonly configured?: boolean;
  /** In a network of its own, as compose makes one, which publishes the RPC's port on this host's loopback; default: this host's. */
  readonly published?: boolean;
}

/** `flags`: of `create`. Undefined where the engine is not up. */
export function byContainer(
  cli: keyof typeof engines,
  flags: readonly string[] = [],
  /** What the container runs, given the node's command line; default: a shell that becomes the node. */
  line: (node: string) => string = (node) => `exec ${node}`,
  { named, configured = false, published = false }: ContainerSetup = {},
): SupervisorKind | undefined {
  const engine = engines[cli];
  if (engine === undefined) return undefined;
  return {
    name: "docker",
    parent: engine.directory,
    supervise: ({ directory, executable, nodeArguments }) => {
      const container = named ?? uniqueName();
      const inside = (text: string): string => text.replace(directory, "/data");
      // The engine keeps a container's own output to itself; a shell that becomes the node sends it where tests read it.
      const node = `${nodeInside} --disable-warning=ExperimentalWarning "$@" 2>>/data/node.log`;
      const rpcPort = nodeArguments[nodeArguments.indexOf("--rpc-port") + 1] ?? "";
      if (configured)
        writeFileSync(path.join(directory, "Config.toml"), `[node]\nrpc_bind = "0.0.0.0:${rpcPort}"\n`);
      const config = configured ? ["--config", "/data/Config.toml"] : [];
      const host = published ? ["--rpc-host", "0.0.0.0"] : [];
      const nodeWords = [...nodeArguments.map(inside), ...host, ...config];
      const command = ["sh", "-c", line(node), "sh", executable.program, ...nodeWords];
      const network = published ? `of-${container}` : "host";
      if (published) engine.run("network", "create", network);
      const ports = published ? ["--publish", `127.0.0.1:${rpcPort}:${rpcPort}`] : [];
      const place = ["--network", network, ...ports, ...mountFlags(executable, directory)];
      engine.run("create", "--name", container, ...place, ...flags, "testbed:1", ...command);
      return {
        inputs: named === undefined ? { "node-manager": "docker", "node-name": container } : {},
        env: { ...noEngine, ...engine.env },
        start: () => void engine.run("start", container),
        dispose: () => {
          engine.run("rm", "--force", container);
          if (published) engine.run("network", "rm", network);
        },
      };
    },
  };
}
