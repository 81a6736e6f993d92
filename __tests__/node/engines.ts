/** The container engines of the testbed, and containers that run the simulated node in its image of busybox and nothing else. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import type { NodeExecutable } from "../../simulator/launch.ts";

export interface Engine {
  readonly cli: "docker" | "podman";
  /** What it shares with this machine can be anywhere; this is a place of its own. */
  readonly directory: string;
  /** What a process needs in its environment to find it. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs the command line; returns what it prints. */
  run(...args: string[]): string;
  /** What a container has written, to both outputs. */
  logs(container: string): string;
}

/** In the environment of a process that is to find no engine that answers. */
export const noEngine = { DOCKER_HOST: "unix:///nowhere.sock", CONTAINERS_CONF: "/nowhere.conf" } as const;

const testbed = process.env["TESTBED_DIR"] ?? "/var/tmp/testbed";
const project = path.resolve(import.meta.dirname, "../..");

function engineOf(cli: Engine["cli"], sign: string, env: Engine["env"]): Engine | undefined {
  const directory = path.join(testbed, cli);
  if (!existsSync(path.join(directory, sign))) return undefined;
  const options = { encoding: "utf8", env: { ...process.env, ...env } } as const;
  return {
    cli,
    directory,
    env,
    run: (...args) => execFileSync(cli, args, { ...options, stdio: ["ignore", "pipe", "pipe"] }),
    logs: (container) => execFileSync("/bin/sh", ["-c", `${cli} logs ${container} 2>&1`], options),
  };
}

/** By the script of the testbed that brings each up; undefined where it is not. */
export const engines = {
  docker: engineOf("docker", "docker.sock", { DOCKER_HOST: `unix://${testbed}/docker/docker.sock` }),
  podman: engineOf("podman", "containers.conf", {
    CONTAINERS_CONF: `${testbed}/podman/containers.conf`,
    CONTAINERS_STORAGE_CONF: `${testbed}/podman/storage.conf`,
  }),
} as const;

/** Where a node's executable is inside. */
export const nodeInside = "/opt/stacks-node";

/** `--volume` flags: the node's executable, what it is linked to, this checkout, and `data` as /data. */
export function mountFlags({ binary }: NodeExecutable, data: string): string[] {
  return [
    [binary, nodeInside],
    ["/lib", "/lib"],
    ["/lib64", "/lib64"],
    ["/usr/lib", "/usr/lib"],
    [project, project],
    [data, "/data"],
  ].flatMap(([from, to]) => ["--volume", `${from}:${to}`]);
}
