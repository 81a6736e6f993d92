import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { canBeOthers } from "../../other-user.ts";
import { chooseNodeControl } from "../../../src/node/registry.ts";
import { findNodeProcess } from "../../../src/node/process/process.ts";
import { systemClock } from "../../../src/system/clock.ts";
import {
  findByExecutable,
  readArguments,
  readEnvironment,
  readLink,
  readOomScoreAdjust,
  readStatus,
} from "../../../src/system/proc.ts";
import { never, nodeControlConformance, privilege, waitUp } from "../../conformance/node-control.ts";
import type { NodeBed, NodeSetup } from "../../conformance/node-control.ts";
import { contextOf, endProcess, holdOpen, makeSurroundings, quote, startOrphan } from "../bed.ts";
import type { Surroundings } from "../bed.ts";

interface ProcessBed extends NodeBed {
  readonly surroundings: Surroundings;
  /** Starts one more node with other arguments; returns its pid. */
  startAnother(args: readonly string[], environment?: string): number;
}

async function makeProcessBed(setup: NodeSetup): Promise<ProcessBed> {
  const surroundings = await makeSurroundings(setup);
  const { chainstateDir, directory, executable, logFile, rpcUrl, nodeArguments, options } = surroundings;
  const startAnother = (args: readonly string[], environment = "A=1"): number =>
    startOrphan(
      `env ${environment} ${[executable.launcher, ...args].map(quote).join(" ")} </dev/null >>${quote(logFile)} 2>&1`,
    );
  return {
    surroundings,
    chainstateDir,
    rpcUrl,
    startAnother,
    control: (overrides = {}) =>
      chooseNodeControl(
        contextOf(options({ manager: "process", ...overrides }), chainstateDir, privilege, systemClock),
        never,
      ),
    bringUp: () => {
      startAnother(nodeArguments);
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

nodeControlConformance("process", { seesExitCode: false }, makeProcessBed);

describe("process", () => {
  let bed: ProcessBed;
  afterEach(() => bed.dispose());

  it("starts the node again as it was", async () => {
    bed = await makeProcessBed({ stopDelayMs: 100 });
    const { surroundings } = bed;
    const odd = 'it\'s "odd"\n $HOME `x`';
    const line = [surroundings.executable.launcher, ...surroundings.nodeArguments].map(quote).join(" ");
    startOrphan(
      `sh -c ${quote(
        `cd ${surroundings.directory}; umask 027; ulimit -Sn 777; echo 321 >/proc/self/oom_score_adj; exec env -i PATH=/usr/bin:/bin ODD=${quote(odd)} 'BASH_FUNC_f%%=() { :; }' ${line} </dev/null >>out 2>>${quote(surroundings.logFile)}`,
      )}`,
    );
    const control = await bed.control();
    await waitUp(bed, control);
    const first = (await control.inspect(never)).process!;
    const describeNode = async (pid: number) => ({
      executable: await readLink(pid, "exe", privilege),
      argv: readArguments(pid),
      environment: await readEnvironment(pid, privilege),
      cwd: await readLink(pid, "cwd", privilege),
      stdout: await readLink(pid, "fd/1", privilege),
      stderr: await readLink(pid, "fd/2", privilege),
      umask: readStatus(pid)?.umask,
      groups: readStatus(pid)?.groups,
      ignored: readStatus(pid)?.ignoredSignals,
      oom: readOomScoreAdjust(pid),
      limit: readFileSync(`/proc/${pid}/limits`, "utf8").match(/Max open files.*/)?.[0],
    });
    const before = await describeNode(first.pid);
    expect(before).toMatchObject({ umask: 0o027, oom: 321, cwd: surroundings.directory });
    expect(before.environment["ODD"]).toBe(odd);

    await control.stop(20_000, never);
    await control.start(never);
    await waitUp(bed, control);
    const second = (await control.inspect(never)).process!;
    expect(second).not.toEqual(first);
    const after = await describeNode(second.pid);
    // Node itself raises its soft limit of open files to the hard one; a real node leaves it.
    expect({ ...after, limit: "" }).toEqual({ ...before, limit: "" });
  });

  it("takes a node for running from its start on, however long it takes to open its first file", async () => {
    bed = await makeProcessBed({ stopDelayMs: 100 });
    const { directory, executable, nodeArguments, logFile } = bed.surroundings;
    const ready = path.join(directory, "ready");
    const program = path.join(directory, "hesitant.mjs");
    writeFileSync(
      program,
      `import { existsSync } from "node:fs";
       while (!existsSync(${JSON.stringify(ready)})) await new Promise((done) => setTimeout(done, 50));
       await import(${JSON.stringify(executable.program)});`,
    );
    writeFileSync(ready, "");
    startOrphan(
      `${[executable.binary, program, ...nodeArguments].map(quote).join(" ")} </dev/null >>${quote(logFile)} 2>&1`,
    );
    const control = await bed.control();
    await waitUp(bed, control);
    rmSync(ready);
    await control.stop(20_000, never);
    expect((await control.inspect(never)).running).toBe(false);
    await control.start(never);
    const started = await control.inspect(never);
    expect(started).toMatchObject({
      running: true,
      detail: expect.stringMatching(/has no files of .* open yet/),
    });
    writeFileSync(ready, "");
    await waitUp(bed, control);
    expect((await control.inspect(never)).process).toEqual(started.process);
  });

  it.runIf(canBeOthers)("does not write for its user where that user may not", async () => {
    bed = await makeProcessBed({ stopDelayMs: 100 });
    const { surroundings } = bed;
    const { directory, workingDir, chainstateDir, executable, nodeArguments } = surroundings;
    const logs = path.join(directory, "logs");
    const out = path.join(logs, "out");
    const secret = path.join(directory, "of-root");
    writeFileSync(secret, "as it was", { mode: 0o644 });
    const line = [executable.launcher, ...nodeArguments].map(quote).join(" ");
    startOrphan(
      `sh -c ${quote(
        `chmod 755 ${directory}; mkdir -p ${chainstateDir} ${logs}; chown -R 12345:12346 ${workingDir} ${logs}; exec setpriv --reuid 12345 --regid 12346 --clear-groups sh -c ${quote(`exec ${line} </dev/null >>${out} 2>>${out}`)}`,
      )}`,
    );
    const control = await bed.control();
    await waitUp(bed, control);
    expect(await control.preflight(60_000, never)).toEqual([]);
    await control.stop(60_000, never);
    // The log is the user's: it can put a link to anything in its place.
    rmSync(out, { force: true });
    symlinkSync(secret, out);
    await control.start(never);
    await waitUp(bed, control);
    expect(readFileSync(secret, "utf8")).toBe("as it was");
    const again = (await control.inspect(never)).process!;
    expect(readStatus(again.pid)).toMatchObject({ uid: 12_345, gid: 12_346, groups: [] });
  });

  it.runIf(canBeOthers)("is not taken for the node where it may only read", async () => {
    bed = await makeProcessBed({ stopDelayMs: 100 });
    const { directory, workingDir, chainstateDir, executable } = bed.surroundings;
    await bed.bringUp();
    await waitUp(bed, await bed.control());
    const control = await bed.control();
    await control.stop(60_000, never);
    const database = path.join(chainstateDir, "chainstate/vm/index.sqlite");
    // A program of that name, of a stranger who may read the directory: asked for its version, it would say who asked.
    const pretender = path.join(directory, "lib", "stacks-node");
    const said = path.join(workingDir, "said");
    const program = `const fs = require("fs"); if (process.argv.includes("version")) fs.writeFileSync(${JSON.stringify(said)}, String(process.geteuid())); fs.openSync(${JSON.stringify(database)}, "r"); setInterval(() => {}, 1000);`;
    startOrphan(
      `sh -c ${quote(`chmod 755 ${directory} ${workingDir}; chmod -R go-w,a+rX ${chainstateDir}; exec setpriv --reuid 12345 --regid 12346 --clear-groups ${executable.binary ?? pretender} -e ${quote(program)}`)}`,
    );
    await expect
      .poll(
        async () =>
          await control.inspect(never).then(
            () => "no node",
            (error: unknown) => error,
          ),
      )
      .toMatchObject({ code: "DIRECTORY_IN_USE", message: expect.stringContaining("may not write there") });
    await expect(control.versionCommand(never)).rejects.toMatchObject({ code: "DIRECTORY_IN_USE" });
    await expect(bed.control({ manager: "auto" })).rejects.toMatchObject({ code: "DIRECTORY_IN_USE" });
  });

  it.runIf(canBeOthers)("runs as the user and groups it ran as", async () => {
    bed = await makeProcessBed({ stopDelayMs: 100 });
    const { surroundings } = bed;
    const line = [surroundings.executable.launcher, ...surroundings.nodeArguments].map(quote).join(" ");
    startOrphan(
      `sh -c ${quote(
        `chmod 777 ${surroundings.directory} ${surroundings.workingDir}; mkdir -p ${surroundings.chainstateDir}; chown 12345:12346 ${surroundings.chainstateDir}; exec setpriv --reuid 12345 --regid 12346 --groups 12347,12348 ${line} </dev/null >>out 2>>${quote(surroundings.logFile)}`,
      )}`.replace("sh -c", `env --chdir=${surroundings.directory} sh -c`),
    );
    const control = await bed.control();
    await waitUp(bed, control);
    await control.stop(20_000, never);
    await control.start(never);
    await waitUp(bed, control);
    const { pid } = (await control.inspect(never)).process!;
    expect(readStatus(pid)).toMatchObject({ uid: 12345, gid: 12346, groups: [12347, 12348] });
  });

  it("takes neither another executable's process nor a node that works elsewhere", async () => {
    bed = await makeProcessBed({ stopDelayMs: 100 });
    const elsewhere = await makeSurroundings({ stopDelayMs: 100 });
    // The name stands on the command line, and the very directory is its argument, but the executable is `sleep`.
    const sleeper = startOrphan(`sh -c ${quote(`exec sleep 60 # stacks-node ${bed.chainstateDir}`)}`);
    const other = bed.startAnother(elsewhere.nodeArguments);
    try {
      await expect
        .poll(() => findNodeProcess("stacks-node", elsewhere.chainstateDir, privilege, never), {
          interval: 200,
        })
        .toBeDefined();
      expect(await findNodeProcess("stacks-node", bed.chainstateDir, privilege, never)).toBeUndefined();
      expect(await findNodeProcess("sleep", bed.chainstateDir, privilege, never)).toBeUndefined();
      expect(await findNodeProcess("stacks", elsewhere.chainstateDir, privilege, never)).toBeUndefined();
    } finally {
      await endProcess(sleeper);
      await endProcess(other);
      elsewhere.remove();
    }
  });

  it("refuses two nodes on one directory before anything is touched", async () => {
    bed = await makeProcessBed({ stopDelayMs: 100 });
    await bed.bringUp();
    const control = await bed.control();
    await waitUp(bed, control);
    const aside = path.join(bed.surroundings.workingDir, "other-name");
    symlinkSync(bed.chainstateDir, aside);
    bed.startAnother(["--dir", aside, "--no-rpc", "--blocks-per-second", "0"]);
    await expect
      .poll(() => control.inspect(never).catch((error: unknown) => error), { interval: 200 })
      .toMatchObject({ code: "NODE_AMBIGUOUS" });
    await expect(control.preflight(1_000, never)).rejects.toMatchObject({ code: "NODE_AMBIGUOUS" });
  });

  it("names a stranger who has the chainstate open, and not who is gone in a moment", async () => {
    bed = await makeProcessBed({ stopDelayMs: 100 });
    await bed.bringUp();
    const control = await bed.control();
    await waitUp(bed, control);
    const file = path.join(bed.chainstateDir, "chainstate/vm/index.sqlite");
    const brief = await holdOpen(file, 1);
    await control.preflight(1_000, never);
    const stranger = await holdOpen(file);
    try {
      await expect(control.preflight(1_000, never)).rejects.toMatchObject({
        code: "DIRECTORY_IN_USE",
        message: expect.stringMatching(new RegExp(`sleep, pid ${stranger} \\(chainstate/vm/index.sqlite\\)`)),
      });
    } finally {
      await endProcess(brief);
      await endProcess(stranger);
    }
  });

  it("does not signal a process that would die of it on the spot", async () => {
    bed = await makeProcessBed({ stopDelayMs: 100 });
    await bed.bringUp();
    const control = await bed.control();
    await waitUp(bed, control);
    await control.stop(20_000, never);
    const file = path.join(bed.chainstateDir, "chainstate/vm/index.sqlite");
    const sleeper = await holdOpen(file);
    try {
      const wrong = await bed.control({ name: "sleep" });
      let now = 0;
      const hurried = { now: () => now, sleep: async (ms: number) => void (now += ms * 10) };
      const impatient = await chooseNodeControl(
        contextOf(
          bed.surroundings.options({ manager: "process", name: "sleep" }),
          bed.chainstateDir,
          privilege,
          hurried,
        ),
        never,
      );
      expect((await wrong.inspect(never)).process?.pid).toBe(sleeper);
      await expect(impatient.stop(1_000, never)).rejects.toMatchObject({ code: "NODE_STOP_UNSAFE" });
      expect((await wrong.inspect(never)).running).toBe(true);
    } finally {
      await endProcess(sleeper);
    }
  });

  it.each([
    ["a loop", (node: string) => `while :; do ${node}; sleep 0.2; done`, /run by (?:da|ba)?sh \(pid \d+\)/],
    ["a script that waits", (node: string) => `${node} & wait`, /run by (?:da|ba)?sh \(pid \d+\)/],
  ])("is not taken out of the hands of %s, which would start a second one", async (_what, keep, by) => {
    bed = await makeProcessBed({ stopDelayMs: 100 });
    const { executable, nodeArguments, logFile } = bed.surroundings;
    const node = `${[executable.launcher, ...nodeArguments].map(quote).join(" ")} 2>>${quote(logFile)}`;
    const keeper = startOrphan(`sh -c ${quote(keep(node))} </dev/null`);
    try {
      await waitUp(bed, { inspect: () => Promise.resolve({ running: true, detail: "" }) });
      for (const manager of ["auto", "process"] as const) {
        await expect(bed.control({ manager })).rejects.toMatchObject({
          code: "NODE_SUPERVISOR_UNKNOWN",
          message: expect.stringMatching(by),
          hint: expect.stringContaining("node-manager: command"),
        });
      }
      expect(bed.log()).not.toContain("Graceful termination");
    } finally {
      process.kill(keeper, "SIGKILL");
    }
  });

  it("is not taken for the node where its name is another's", async () => {
    bed = await makeProcessBed({ stopDelayMs: 100 });
    await bed.bringUp();
    const control = await bed.control();
    await waitUp(bed, control);
    await control.stop(20_000, never);
    const file = path.join(bed.chainstateDir, "chainstate/vm/index.sqlite");
    const backup = await holdOpen(file);
    try {
      await expect
        .poll(() => bed.control({ manager: "auto" }).catch((error: unknown) => error))
        .toMatchObject({
          code: "NODE_NOT_AS_GIVEN",
          message: expect.stringContaining(`sleep (pid ${backup})`),
        });
    } finally {
      await endProcess(backup);
    }
  });

  it("is what `auto` finds where there is neither unit nor container", async () => {
    bed = await makeProcessBed({ stopDelayMs: 100 });
    await expect(bed.control({ manager: "auto" })).rejects.toMatchObject({ code: "NODE_NOT_FOUND" });
    await bed.bringUp();
    await waitUp(bed, await bed.control());
    const control = await bed.control({ manager: "auto" });
    expect(control.identity).toMatchObject({ manager: "process", name: "stacks-node" });
  });
});
