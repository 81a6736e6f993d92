/**
 * The real engines of `testbed/docker.sh` and `testbed/podman.sh`. The image is busybox; the simulated node and this Node
 * come in by bind mounts, and the chainstate under another name than it has outside.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Engine } from "../../src/node/docker/engine.ts";
import { chooseNodeControl, startFromRecipe } from "../../src/node/registry.ts";
import { systemClock } from "../../src/system/clock.ts";
import { never, nodeControlConformance, privilege, waitUp } from "../conformance/node-control.ts";
import type { NodeBed, NodeSetup } from "../conformance/node-control.ts";
import { contextOf, makeSurroundings } from "./bed.ts";
import type { Surroundings } from "./bed.ts";
import { engines, mountFlags, nodeInside, noEngine } from "./engines.ts";
import type { Engine as TestEngine } from "./engines.ts";
import { livesOf } from "./systemd/systemd-bed.ts";

type ContainerBed = NodeBed & { readonly surroundings: Surroundings; readonly container: string };
interface ContainerSetup extends NodeSetup {
  readonly flags?: readonly string[];
  /** The container's command, given the node's own; default: the node itself, as PID 1. */
  readonly command?: (node: readonly string[]) => readonly string[];
}
let made = 0;

async function makeBed(engine: TestEngine, setup: ContainerSetup): Promise<ContainerBed> {
  const surroundings = await makeSurroundings(setup, engine.directory);
  const { chainstateDir, executable, options, rpcUrl, workingDir } = surroundings;
  const container = `testbed-node-${process.pid}-${(made += 1)}`;
  writeFileSync(surroundings.logFile, "");
  const node = [
    nodeInside,
    "--disable-warning=ExperimentalWarning",
    executable.program,
    ...surroundings.nodeArguments.map((argument) => argument.replace(chainstateDir, "/data/mainnet")),
  ];
  const mounts = mountFlags(executable, workingDir);
  const command = setup.command?.(node) ?? node;
  const flags = ["--name", container, "--network", "host", ...mounts, ...(setup.flags ?? [])];
  engine.run("create", ...flags, "testbed:1", ...command);
  return {
    surroundings,
    container,
    chainstateDir,
    rpcUrl,
    log: () => engine.logs(container),
    control: (overrides = {}) =>
      chooseNodeControl(
        contextOf(
          options({ manager: "docker", name: container, ...overrides }),
          chainstateDir,
          privilege,
          systemClock,
        ),
        never,
      ),
    bringUp: () => {
      engine.run("start", container);
      return Promise.resolve();
    },
    dispose: () => {
      try {
        engine.run("rm", "--force", container);
      } catch {
        // A test may have removed it.
      }
      surroundings.remove();
      return Promise.resolve();
    },
  };
}

/** What is as on a host that has this engine and no other. */
const before = { ...process.env };
function useOnly(engine: TestEngine | undefined): void {
  Object.assign(process.env, noEngine, engine?.env);
}
afterAll(() => {
  process.env = before;
});

for (const [cli, up] of Object.entries(engines)) {
  const how = up === undefined ? ` (not up: testbed/${cli}.sh up)` : "";
  describe.skipIf(up === undefined)(`${cli}${how}`, () => {
    if (up !== undefined) describeEngine(up);
  });
}

function describeEngine(engine: TestEngine): void {
  beforeAll(() => useOnly(engine));
  nodeControlConformance(engine.cli, { seesExitCode: true }, (setup) => makeBed(engine, setup));

  describe(`what is special about ${engine.cli}`, () => {
    let bed: ContainerBed;
    afterEach(() => bed.dispose());
    const upWith = async (setup: Partial<ContainerSetup>, up = true) => {
      bed = await makeBed(engine, { stopDelayMs: 500, ...setup });
      await bed.bringUp();
      const control = await bed.control();
      if (up) await waitUp(bed, control);
      return control;
    };
    it("waits longer than the engine's ten seconds, and than the container's own limit", async () => {
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
      await control.verifyDown(never);
      await control.start(never);
      await waitUp(bed, control);
      const { HostConfig } = JSON.parse(engine.run("inspect", bed.container).slice(1, -2)) as {
        HostConfig: { RestartPolicy: { Name: string } };
      };
      expect(HostConfig.RestartPolicy.Name).toBe(policy);
    });

    const script = (node: readonly string[]) => node.join(" ");
    const entryPoints: readonly (readonly [string, Partial<ContainerSetup>])[] = [
      ["a shell that swallows the signal", { command: (node) => ["/bin/sh", "-c", `${script(node)}; true`] }],
      [
        "a shell with trap and wait, which ends with 0 and takes the node along",
        { command: (node) => ["/bin/sh", "-c", `trap 'exit 0' TERM; ${script(node)} & wait`] },
      ],
      [
        "--init before a script that does not exec",
        { flags: ["--init"], command: (node) => ["/bin/sh", "-c", `${script(node)}; true`] },
      ],
      [
        "--init before a script with trap and wait",
        {
          flags: ["--init"],
          command: (node) => ["/bin/sh", "-c", `trap 'exit 0' TERM; ${script(node)} & wait`],
        },
      ],
    ];
    it.each(entryPoints)("does not stop a node behind %s", async (_what, setup) => {
      await upWith(setup);
      const control = await bed.control({ manager: "auto", name: "stacks-node" });
      const before = await control.inspect(never);
      for (const attempt of [() => control.preflight(60_000, never), () => control.stop(60_000, never)]) {
        await expect(attempt()).rejects.toMatchObject({
          code: "NODE_STOP_UNSAFE",
          hint: expect.stringContaining("exec stacks-node"),
        });
      }
      expect(await control.inspect(never)).toEqual(before);
      expect(bed.log()).not.toContain("Graceful termination");
    });

    it("does not stop a node that was started beside the container's own process", async () => {
      await upWith({ command: () => ["/bin/sh", "-c", "sleep 1000"] }, false);
      const { chainstateDir, nodeArguments } = bed.surroundings;
      const inside = nodeArguments.map((argument) => argument.replace(chainstateDir, "/data/mainnet"));
      const program = [nodeInside, bed.surroundings.executable.program, ...inside];
      engine.run("exec", "--detach", bed.container, ...program);
      await waitUp(bed, { inspect: () => Promise.resolve({ running: true, detail: "" }) });
      const control = await bed.control({ manager: "auto", name: "stacks-node" });
      await expect(control.preflight(60_000, never)).rejects.toMatchObject({
        code: "NODE_STOP_UNSAFE",
        message: expect.stringContaining("was not started by the container"),
      });
    });

    it("starts none beside a node that still stops", async () => {
      const control = await upWith({ stopDelayMs: 5_000 });
      const recipe = await control.recipe(never);
      await expect(control.stop(500, never)).rejects.toMatchObject({ code: "NODE_STOP_TIMEOUT" });
      expect(await startFromRecipe(recipe, privilege, never, { finishStopMs: 60_000 })).toBe("started");
      await waitUp(bed, control);
      expect(livesOf(bed.log())).toEqual(["start", "end", "start"]);
    });

    it("is Podman by whatever name it is called", async () => {
      await upWith({});
      const shim = path.join(bed.surroundings.directory, "shim");
      mkdirSync(shim, { recursive: true });
      const real = execFileSync("which", [engine.cli], { encoding: "utf8" }).trim();
      writeFileSync(path.join(shim, "docker"), `#!/bin/sh\nexec ${real} "$@"\n`, { mode: 0o755 });
      const env = { ...engine.env, PATH: `${shim}:${process.env["PATH"]}` };
      const called = new Engine("docker", false, privilege, env);
      expect(await called.kind()).toBe(engine.cli);
      expect((await called.stopArguments("x"))[2]).toBe(engine.cli === "podman" ? "31536000" : "-1");
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
      await expect(bed.control({ name: "no-such" })).rejects.toMatchObject({
        code: "NODE_NOT_AS_GIVEN",
        hint: expect.stringContaining(bed.container),
      });
      expect((await bed.control({ manager: "auto" })).identity.manager).toBe("docker");
      useOnly(undefined);
      try {
        await expect(bed.control()).rejects.toMatchObject({ code: "SUPERVISOR_UNAVAILABLE" });
      } finally {
        useOnly(engine);
      }
    });

    it("says why a container does not start", async () => {
      const control = await upWith({});
      await control.stop(60_000, never);
      engine.run("rename", bed.container, `${bed.container}-away`);
      await expect(control.start(never)).rejects.toMatchObject({ code: "NODE_NOT_FOUND" });
      engine.run("rename", `${bed.container}-away`, bed.container);
    });

    it("tells a process manager that the node is a container's", async () => {
      await upWith({});
      await expect(bed.control({ manager: "process", name: "stacks-node" })).rejects.toMatchObject({
        code: "NODE_NOT_AS_GIVEN",
        hint: expect.stringContaining(`node-manager: docker\` and \`node-name: ${bed.container}`),
      });
    });
  });
}
