import { readFileSync } from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { chooseNodeControl } from "../../../src/node/registry.ts";
import { systemClock } from "../../../src/system/clock.ts";
import { findByExecutable } from "../../../src/system/proc.ts";
import { never, nodeControlConformance, privilege, waitUp } from "../../conformance/node-control.ts";
import type { NodeBed, NodeSetup } from "../../conformance/node-control.ts";
import { contextOf, endProcess, makeSurroundings, quote, startOrphan } from "../bed.ts";
import type { Surroundings } from "../bed.ts";

type CommandBed = NodeBed & { readonly surroundings: Surroundings; readonly startLine: string };

async function makeCommandBed(setup: NodeSetup): Promise<CommandBed> {
  const surroundings = await makeSurroundings(setup);
  const { chainstateDir, directory, executable, logFile, rpcUrl, nodeArguments, options } = surroundings;
  const pidFile = path.join(directory, "pid");
  const node = [executable.launcher, ...nodeArguments].map(quote).join(" ");
  const startLine = `${node} >>${quote(logFile)} 2>&1 & echo $! >${quote(pidFile)}; env >${quote(`${directory}/env`)}`;
  return {
    surroundings,
    startLine,
    chainstateDir,
    rpcUrl,
    control: (overrides = {}) =>
      chooseNodeControl(
        contextOf(
          options({
            manager: "command",
            startCommand: startLine,
            stopCommand: `kill -TERM "$(cat ${quote(pidFile)})"`,
            ...overrides,
          }),
          chainstateDir,
          privilege,
          systemClock,
        ),
        never,
      ),
    bringUp: () => {
      startOrphan(`sh -c ${quote(startLine)}`);
      return Promise.resolve();
    },
    log: surroundings.log,
    async dispose() {
      const { found } = await findByExecutable("stacks-node", privilege);
      for (const { pid, executable: path } of found) if (path.startsWith(directory)) await endProcess(pid);
      surroundings.remove();
    },
  };
}

nodeControlConformance("command", { seesExitCode: false }, makeCommandBed);

describe("command", () => {
  let bed: CommandBed;
  afterEach(() => bed.dispose());

  it("keeps the job's secrets from the lines", async () => {
    process.env["INPUT_SECRET"] = "hush";
    process.env["AWS_SECRET_ACCESS_KEY"] = "hush";
    process.env["RUNNER_TRACKING_ID"] = "github_1";
    try {
      bed = await makeCommandBed({ stopDelayMs: 100 });
      const control = await bed.control();
      await control.start(never);
      await waitUp(bed, control);
      const seen = readFileSync(path.join(bed.surroundings.directory, "env"), "utf8");
      expect(seen).toMatch(/^PATH=/m);
      expect(seen).not.toMatch(/hush|RUNNER_TRACKING_ID/);
    } finally {
      delete process.env["INPUT_SECRET"];
      delete process.env["AWS_SECRET_ACCESS_KEY"];
      delete process.env["RUNNER_TRACKING_ID"];
    }
  });

  it("says what a line that fails said, and that the node was not let go", async () => {
    bed = await makeCommandBed({ stopDelayMs: 100 });
    await bed.bringUp();
    await waitUp(bed, await bed.control());
    const failing = await bed.control({ stopCommand: "echo no such node >&2; exit 3" });
    await expect(failing.stop(5_000, never)).rejects.toMatchObject({
      code: "NODE_STOP_REFUSED",
      message: expect.stringMatching(/exit code 3: no such node/),
    });
    const idle = await bed.control({ stopCommand: "true" });
    await expect(idle.stop(1_000, never)).rejects.toMatchObject({ code: "NODE_STOP_TIMEOUT" });
    const start = await bed.control({ startCommand: "exit 4" });
    await (await bed.control()).stop(20_000, never);
    await expect(start.start(never)).rejects.toMatchObject({ code: "NODE_START_FAILED" });
  });

  it("leaves a start line running that is the node itself", async () => {
    bed = await makeCommandBed({ stopDelayMs: 100 });
    const { executable, nodeArguments, logFile } = bed.surroundings;
    const line = [executable.launcher, ...nodeArguments].map(quote).join(" ");
    const control = await bed.control({ startCommand: `exec ${line} 2>>${quote(logFile)}` });
    await control.start(never);
    await waitUp(bed, control);
    const { pid } = (await control.inspect(never)).process!;
    process.kill(pid, "SIGINT");
    // SIGINT is not ignored, as it would be by a background job of a plain shell.
    await systemClock.sleep(1_000);
    expect(bed.log()).toContain("Exiting stacks-node");
  });

  it("asks for both lines", async () => {
    bed = await makeCommandBed({ stopDelayMs: 100 });
    await expect(
      chooseNodeControl(
        contextOf(
          bed.surroundings.options({ manager: "command" }),
          bed.chainstateDir,
          privilege,
          systemClock,
        ),
        never,
      ),
    ).rejects.toMatchObject({ code: "INPUT_INVALID", input: "node-start-command" });
  });
});
