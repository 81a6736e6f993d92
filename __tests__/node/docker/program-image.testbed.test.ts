/** How programs in an image end, by the real engines: in order, by force, and with whoever asked for them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ProgramImage, ProgramRun } from "../../../src/node/programs/runner.ts";
import { openProgramImage, removeContainers } from "../../../src/node/registry.ts";
import { systemClock } from "../../../src/system/clock.ts";
import { never, privilege } from "../../conformance/node-control.ts";
import { engines, noEngine, type Engine } from "../engines.ts";

for (const [cli, up] of Object.entries(engines)) {
  const how = up === undefined ? ` (not up: testbed/${cli}.sh up)` : "";
  describe.skipIf(up === undefined)(`${cli}${how}`, () => {
    if (up !== undefined) describeEngine(up);
  });
}

function describeEngine(engine: Engine): void {
  const home = mkdtempSync(join(tmpdir(), "program-image-"));
  const owner = home;
  const environment = { ...process.env, ...noEngine, ...engine.env };
  const clock = systemClock;
  const options = { privilege, clock, signal: never };

  const before = { ...process.env };
  beforeAll(() => void Object.assign(process.env, noEngine, engine.env));
  afterEach(() => {
    for (const id of listed()) engine.run("rm", "--force", id);
  });
  afterAll(() => {
    process.env = before;
    rmSync(home, { recursive: true, force: true });
  });

  const open = async (runId: string): Promise<ProgramImage> =>
    await openProgramImage({
      image: "testbed:1",
      user: { uid: 65_534, gid: 65_534 },
      runId,
      owner,
      environment,
      ...options,
      say: () => undefined,
    });

  /** A program that says "up" when it can be stopped; then `whenUp`. */
  function shell(line: string, whenUp: () => void, more: Partial<ProgramRun> = {}): ProgramRun {
    return {
      argv: ["sh", "-c", `${line}; echo up; while :; do sleep 0.1; done`],
      home,
      network: "none",
      signal: never,
      timeoutMs: 120_000,
      onLine: (text) => {
        if (text === "up") whenUp();
      },
      ...more,
    };
  }

  const listed = (): readonly string[] =>
    engine
      .run("ps", "--all", "--format", "{{.ID}}", "--filter", `label=chainstate-snapshot.owner=${owner}`)
      .split("\n")
      .filter((id) => id !== "");

  it.each([
    [
      "ends as it is told to",
      "trap 'echo ending; exit 7' TERM",
      60_000,
      { exitCode: 7, signal: null, stdout: "up\nending\n" },
    ],
    ["does not listen, and is killed", "trap '' TERM", 1_000, { signal: "SIGKILL" }],
  ])("a program that %s", async (_, line, killAfterMs, how) => {
    const stop = new AbortController();
    const image = await open("a");
    const ended = await image.run(
      shell(line, () => stop.abort(), { stop: { signal: stop.signal, killAfterMs } }),
    );
    expect(ended).toMatchObject(how);
    expect(listed()).toEqual([]);
  });

  it("a run that is cancelled, or takes too long, leaves none", async () => {
    const cancel = new AbortController();
    const image = await open("a");
    const cancelled = image.run(
      shell("trap '' TERM", () => cancel.abort(new Error("cancelled")), { signal: cancel.signal }),
    );
    await expect(cancelled).rejects.toThrow("cancelled");
    expect(listed()).toEqual([]);
    const late = await image.run(shell("trap '' TERM", () => undefined, { timeoutMs: 4_000 }));
    expect(late.timedOut).toBe(true);
    expect(listed()).toEqual([]);
  });

  it("removes what is one run's, and is told where that cannot be seen", async () => {
    const [one, other] = [await open("one"), await open("other")];
    const stop = new AbortController();
    const up = Promise.withResolvers<void>();
    const running = other.run(
      shell("trap 'exit 0' TERM", up.resolve, { stop: { signal: stop.signal, killAfterMs: 60_000 } }),
    );
    await Promise.race([up.promise, running]);
    // What a run that was killed after it had asked for one leaves.
    const labels = [
      "--label",
      "chainstate-snapshot.run=one",
      "--label",
      `chainstate-snapshot.owner=${owner}`,
    ];
    engine.run("create", "--network", "none", ...labels, "testbed:1");
    expect(listed()).toHaveLength(2);
    expect(await removeContainers({ ...one.containers, owner: "/elsewhere" }, options)).toBe(0);
    const gone = { ...one.containers, environment: noEngine };
    await expect(removeContainers(gone, options)).rejects.toMatchObject({ code: "SUPERVISOR_UNAVAILABLE" });
    expect(listed()).toHaveLength(2);
    expect(await removeContainers(one.containers, options)).toBe(1);
    expect(await removeContainers(one.containers, options)).toBe(0);
    expect(listed()).toHaveLength(1);
    stop.abort();
    expect(await running).toMatchObject({ exitCode: 0 });
    expect(listed()).toEqual([]);
  });
}
