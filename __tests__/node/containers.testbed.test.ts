/**
 * The real Docker of `testbed/docker.sh`. The image is busybox; the simulated node and this Node come in by bind mounts,
 * and the chainstate under another name than it has outside.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { chooseNodeControl } from "../../src/node/registry.ts";
import { systemClock } from "../../src/system/clock.ts";
import { never, nodeControlConformance, privilege, waitUp } from "../conformance/node-control.ts";
import type { NodeBed, NodeSetup } from "../conformance/node-control.ts";
import { makeSurroundings } from "./bed.ts";
import type { Surroundings } from "./bed.ts";

const testbed = path.join(process.env["TESTBED_DIR"] ?? "/var/tmp/testbed", "docker");
const socket = path.join(testbed, "docker.sock");
const isUp = existsSync(socket);
const project = path.resolve(import.meta.dirname, "../..");
const simulator = path.join(project, "simulator/node.ts");

type DockerBed = NodeBed & { readonly surroundings: Surroundings; readonly container: string };
interface DockerSetup extends NodeSetup {
  readonly flags?: readonly string[];
  /** The container's command, given the node's own; default: the node itself, as PID 1. */
  readonly command?: (node: readonly string[]) => readonly string[];
}
let made = 0;

async function makeDockerBed(setup: DockerSetup): Promise<DockerBed> {
  const surroundings = await makeSurroundings(setup, testbed);
  const { chainstateDir, executable, options, rpcUrl, workingDir } = surroundings;
  const container = `testbed-node-${process.pid}-${(made += 1)}`;
  writeFileSync(surroundings.logFile, "");
  const node = [
    "/opt/stacks-node",
    "--disable-warning=ExperimentalWarning",
    simulator,
    ...surroundings.nodeArguments.map((argument) => argument.replace(chainstateDir, "/data/mainnet")),
  ];
  const mounts = [
    [executable.binary, "/opt/stacks-node"],
    ["/lib", "/lib"],
    ["/lib64", "/lib64"],
    ["/usr/lib", "/usr/lib"],
    [project, project],
    [workingDir, "/data"],
  ].flatMap(([from, to]) => ["--volume", `${from}:${to}`]);
  const command = setup.command?.(node) ?? node;
  docker(
    "create",
    "--name",
    container,
    "--network",
    "host",
    ...mounts,
    ...(setup.flags ?? []),
    "testbed:1",
    ...command,
  );
  return {
    surroundings,
    container,
    chainstateDir,
    rpcUrl,
    log: () => logs(container),
    control: (overrides = {}) =>
      chooseNodeControl(
        options({ manager: "docker", name: container, ...overrides }),
        chainstateDir,
        privilege,
        systemClock,
        never,
      ),
    bringUp: () => {
      docker("start", container);
      return Promise.resolve();
    },
    dispose: () => {
      try {
        docker("rm", "--force", container);
      } catch {
        // A test may have removed it.
      }
      surroundings.remove();
      return Promise.resolve();
    },
  };
}

function docker(...args: string[]): string {
  return execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function logs(container: string): string {
  return execFileSync("/bin/sh", ["-c", `docker logs ${container} 2>&1`], { encoding: "utf8" });
}

beforeAll(() => {
  process.env["DOCKER_HOST"] = `unix://${socket}`;
});

describe.skipIf(!isUp)("docker (testbed/docker.sh)", () => {
  nodeControlConformance("docker", { seesExitCode: true }, makeDockerBed);

  describe("docker", () => {
    let bed: DockerBed;
    afterEach(() => bed.dispose());
    const upWith = async (setup: Partial<DockerSetup>, up = true) => {
      bed = await makeDockerBed({ stopDelayMs: 500, ...setup });
      await bed.bringUp();
      const control = await bed.control();
      if (up) await waitUp(bed, control);
      return control;
    };
    const hurriedControl = () => {
      let now = Date.now();
      const hurried = { now: () => now, sleep: async (ms: number) => void (now += ms * 10) };
      return chooseNodeControl(
        bed.surroundings.options({ manager: "docker", name: bed.container }),
        bed.chainstateDir,
        privilege,
        hurried,
        never,
      );
    };

    it("waits longer than Docker's ten seconds, and than the container's own limit", async () => {
      const control = await upWith({ stopDelayMs: 13_000, flags: ["--stop-timeout", "3"] });
      const report = await control.stop(60_000, never);
      expect(report).toMatchObject({ exitCode: 0 });
      expect(report.seconds).toBeGreaterThan(12.5);
      expect(bed.log()).toContain("Exiting stacks-node");
    });

    it.each(["always", "unless-stopped", "on-failure"])("stays down under --restart %s", async (policy) => {
      const control = await upWith({ flags: ["--restart", policy] });
      await control.stop(60_000, never);
      await systemClock.sleep(1_000);
      await control.provesDown(never);
      await control.start(never);
      await waitUp(bed, control);
      const { HostConfig } = JSON.parse(docker("inspect", bed.container).slice(1, -2)) as {
        HostConfig: { RestartPolicy: { Name: string } };
      };
      expect(HostConfig.RestartPolicy.Name).toBe(policy);
    });

    it("does not stop a shell that swallows the signal", async () => {
      await upWith({ command: (node) => ["/bin/sh", "-c", `${node.join(" ")}; true`] });
      const control = await hurriedControl();
      await expect(control.stop(60_000, never)).rejects.toMatchObject({
        code: "NODE_STOP_UNSAFE",
        hint: expect.stringContaining("--init"),
      });
      expect((await control.inspect(never)).running).toBe(true);
      expect(bed.log()).not.toContain("Graceful termination");
    });

    it("stops a node behind --init", async () => {
      const control = await upWith({ flags: ["--init"] });
      expect(await control.stop(60_000, never)).toMatchObject({ exitCode: 0 });
    });

    it.each([
      ["--rm", ["--rm"]],
      ["a stop signal that kills", ["--stop-signal", "SIGKILL"]],
    ])("refuses a container made with %s", async (_what, flags) => {
      const control = await upWith({ flags });
      await expect(control.preflight(60_000, never)).rejects.toMatchObject({ code: "NODE_STOP_UNSAFE" });
      await expect(control.stop(60_000, never)).rejects.toMatchObject({ code: "NODE_STOP_UNSAFE" });
      expect((await control.inspect(never)).running).toBe(true);
    });

    it("takes other signals by name and by number", async () => {
      const control = await upWith({ flags: ["--stop-signal", "2"] });
      await control.stop(60_000, never);
      expect(bed.log()).toContain("signal SIGINT");
    });

    it("knows a container that does not exist, an engine that does not answer, and finds one by `auto`", async () => {
      const control = await upWith({});
      expect(control.identity.manager).toBe("docker");
      await expect(bed.control({ name: "no-such" })).rejects.toMatchObject({ code: "NODE_NOT_FOUND" });
      expect((await bed.control({ manager: "auto" })).identity.manager).toBe("docker");
      const host = process.env["DOCKER_HOST"];
      process.env["DOCKER_HOST"] = "unix:///nowhere.sock";
      try {
        await expect(bed.control()).rejects.toMatchObject({ code: "SUPERVISOR_UNAVAILABLE" });
        await expect(control.inspect(never)).rejects.toMatchObject({ code: "SUPERVISOR_UNAVAILABLE" });
      } finally {
        process.env["DOCKER_HOST"] = host;
      }
    });

    it("says why a container does not start", async () => {
      const control = await upWith({});
      await control.stop(60_000, never);
      docker("rename", bed.container, `${bed.container}-away`);
      await expect(control.start(never)).rejects.toMatchObject({ code: "NODE_NOT_FOUND" });
      docker("rename", `${bed.container}-away`, bed.container);
    });

    it("tells a process manager that the node is a container's", async () => {
      await upWith({});
      const asProcess = await bed.control({ manager: "process", name: "stacks-node" });
      expect((await asProcess.inspect(never)).running).toBe(true);
      const cgroup = readFileSync(`/proc/${(await asProcess.inspect(never)).process!.pid}/cgroup`, "utf8");
      expect(cgroup).toContain("docker");
      await expect(asProcess.preflight(1_000, never)).rejects.toMatchObject({
        code: "NODE_STOP_UNSAFE",
        hint: expect.stringContaining("node-manager: docker"),
      });
    });
  });
});
