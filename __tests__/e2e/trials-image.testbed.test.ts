/** The node's own programs in an image, by the real engines: as a step runs them, on copies, beside the operator's node. */
import { chmodSync, cpSync, mkdtempSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { operatorsConfig } from "../../simulator/programs.ts";
import type { Job, RunningStep } from "../../simulator/runner.ts";
import { engines, noEngine, type Engine } from "../node/engines.ts";
import { serveImage } from "../node/image-registry.ts";
import { makeProgramImage } from "../node/program-image.ts";
import { byContainer } from "./supervisors.ts";
import { setUp, type Setup } from "./support.ts";

for (const [cli, up] of Object.entries(engines)) {
  const how = up === undefined ? ` (not up: testbed/${cli}.sh up)` : "";
  describe.skipIf(up === undefined)(`${cli}${how}`, () => {
    if (up !== undefined) describeEngine(up);
  });
}

/** In the log of a run that has come to it. */
const stops = /::group::Stop /;

function describeEngine(engine: Engine): void {
  const image = `programs-of-a-node:${process.pid}`;
  const named = `testbed-operator-${process.pid}`;
  let setup: Setup;
  let config: string;

  beforeAll(async () => {
    makeProgramImage(engine, image);
    // The operator's node is in a container of the same engine, and found by what it has open.
    const kind = byContainer(engine.cli, [], undefined, { named });
    if (kind === undefined) throw new Error(`${engine.cli} has gone`);
    setup = await setUp({ kind });
    chmodSync(setup.directory, 0o755);
    config = join(setup.directory, "Config.toml");
    writeFileSync(config, operatorsConfig);
    const { main } = await setup.job(setup.snapshotInputs).run();
    if (main.exitCode !== 0) throw new Error(main.log);
  });
  afterEach(() => {
    for (const id of containers()) engine.run("rm", "--force", id);
  });
  afterAll(async () => {
    await setup?.remove();
    engine.run("rmi", "--force", image);
  });

  const verify = (): Record<string, string> => ({
    command: "verify",
    storage: `file://${setup.store}`,
    "node-image": image,
    "node-config": config,
  });
  const boot = (program?: string): Record<string, string> => ({
    ...verify(),
    boot: "true",
    ...(program === undefined ? {} : { "node-program": program }),
  });

  /** Of this test's runs, those that have ended as well. */
  const containers = (): readonly string[] =>
    engine
      .run(
        "ps",
        "--all",
        "--quiet",
        "--no-trunc",
        "--filter",
        `label=chainstate-snapshot.owner=${stateDir()}`,
      )
      .split("\n")
      .filter((id) => id !== "");
  const inspect = (id: string): Inspected =>
    (JSON.parse(engine.run("container", "inspect", id)) as [Inspected])[0];
  const stateDir = (): string => join(setup.directory, "state");

  /** A job in whose scratch others can work. */
  function jobOf(inputs: Readonly<Record<string, string>>, env?: Readonly<Record<string, string>>): Job {
    const job = setup.job(inputs, env);
    for (const directory of [job.directory, join(job.directory, "temp")]) chmodSync(directory, 0o755);
    return job;
  }

  async function startBooting(): Promise<{ readonly job: Job; readonly main: RunningStep }> {
    const job = jobOf(boot("/opt/slow/stacks-node"));
    const main = job.startMain();
    // The one that was asked for its version has gone before.
    await main.waitForLog(/Start \/opt\/slow\/stacks-node/);
    await expect.poll(() => containers().map((id) => inspect(id).State.Running)).toEqual([true]);
    return { job, main };
  }

  it("runs both on a copy, and says of which image", async () => {
    const job = jobOf({ ...boot(), "replay-blocks": "10" });
    const { main, post } = await job.run();
    expect(main.exitCode, main.log).toBe(0);
    expect(main.log).toContain("stacks-node 4.0.2");
    expect(main.log).toContain("Finished validating 10 blocks in 0s");
    expect(main.log).toContain("Exiting stacks-node");
    expect(main.log).not.toContain("::warning");
    expect(main.summary).toMatch(new RegExp(`Node image.*${image}, id .*[0-9a-f]{64}, run by ${engine.cli}`));
    expect(main.summary).toMatch(/Replayed.*the last 10 blocks/);
    expect(main.summary).toMatch(/Booted.*at height \d+ after .*stopped cleanly/);
    expect(post.exitCode, post.log).toBe(0);
    expect(containers()).toEqual([]);
    expect(readdirSync(join(job.directory, "temp"), { recursive: true })).not.toContain("trial");
  });

  it("replays a snapshot before it is published", async () => {
    const inputs = { ...setup.snapshotInputs, "node-image": image, "node-config": config };
    const { main } = await jobOf({ ...inputs, "replay-blocks": "10" }).run();
    expect(main.exitCode, main.log).toBe(0);
    expect(main.summary).toMatch(/Replayed.*the last 10 blocks by stacks-inspect/);
    expect(containers()).toEqual([]);
  });

  it.each([
    ["crashing", "panicked when it was told to stop"],
    ["panicking", "panicked: "],
    ["silent", "was not at height"],
  ])("a %s node on it is a refusal", async (name, words) => {
    const inputs = { ...boot(`/opt/${name}/stacks-node`), "start-timeout": "15s" };
    const { main, post } = await jobOf(inputs).run();
    expect(main.exitCode, main.log).toBe(1);
    expect(main.log).toContain("BOOT_FAILED");
    expect(main.log).toContain(words);
    expect(post.exitCode, post.log).toBe(0);
    expect(containers()).toEqual([]);
  });

  it.each([
    ["a program that the image lacks", { "node-inspector": "no-such-program" }, "no-such-program"],
    ["an image that nobody has", { "node-image": "127.0.0.1:9/no/such:1" }, "cannot be pulled"],
  ])("%s is said before the node is stopped", async (_, wrong, words) => {
    const before = setup.pids();
    const inputs = { ...setup.snapshotInputs, "node-image": image, "node-config": config };
    const { main } = await jobOf({ ...inputs, "replay-blocks": "10", ...wrong }).run();
    expect(main.exitCode, main.log).toBe(1);
    expect(main.log).toContain("PROGRAM_UNUSABLE");
    expect(main.log).toContain(words);
    expect(main.log).not.toMatch(stops);
    expect(setup.pids()).toEqual(before);
    expect(containers()).toEqual([]);
  });

  // Podman takes an image over plain http only where its configuration allows that.
  it.skipIf(engine.cli === "podman")(
    "an image that is missing is pulled, before the node is stopped",
    async () => {
      const root = mkdtempSync(join(setup.directory, "pulled-"));
      cpSync(join(engine.directory, "image"), root, { recursive: true, verbatimSymlinks: true });
      writeFileSync(join(root, "bin", "stacks-inspect"), "#!/bin/sh\necho of a pulled image\n", {
        mode: 0o755,
      });
      chmodSync(root, 0o755);
      const registry = await serveImage(root);
      try {
        const inputs = { ...setup.snapshotInputs, "dry-run": "true", "node-image": registry.image };
        const { main } = await jobOf({ ...inputs, "replay-blocks": "10", "node-config": config }).run();
        expect(main.exitCode, main.log).toBe(0);
        expect(main.log).toContain(`Pulling ${registry.image}`);
        expect(main.log).toContain(`id ${registry.id}, run by ${engine.cli}: of a pulled image`);
        const { length } = registry.asked;
        // Once it is there nobody asks for it.
        const again = await jobOf({ ...inputs, "replay-blocks": "10", "node-config": config }).run();
        expect(again.main.exitCode, again.main.log).toBe(0);
        expect(again.main.log).not.toContain("Pulling");
        expect(registry.asked).toHaveLength(length);
        engine.run("rmi", registry.image);
      } finally {
        await registry.close();
      }
    },
  );

  it("an engine that is down is said before anything is fetched", async () => {
    const { main } = await jobOf(boot(), noEngine).run();
    expect(main.exitCode, main.log).toBe(1);
    expect(main.log).toContain("PROGRAM_UNUSABLE");
    expect(main.log).toContain("neither docker nor podman answers this runner");
    expect(main.log).not.toContain("Read ");
  });

  it("has the rights of its user on the copy, and no others", async () => {
    const { job, main } = await startBooting();
    const [id = ""] = containers();
    const { Config, HostConfig, Mounts, State } = inspect(id);
    expect(Config.User).toBe("65534:65534");
    expect(Config.Env.filter((each) => /INPUT_|GITHUB_|RUNNER_/.test(each))).toEqual([]);
    expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, NetworkMode: "host", Privileged: false });
    expect(HostConfig.LogConfig.Type).toBe("none");
    expect(HostConfig.RestartPolicy.Name).toMatch(/^(?:no)?$/);
    const home = join(job.directory, "temp", "[^/]+", "trial", "[^/]+", "node");
    expect(Mounts.filter(({ RW }) => RW).map(({ Source }) => Source)).toEqual([
      expect.stringMatching(new RegExp(`^${home}$`)),
    ]);
    expect(Mounts.filter(({ RW }) => !RW).map(({ Destination }) => Destination)).toEqual([
      expect.stringMatching(/node\.toml$/),
    ]);
    expect(readlinkSync(`/proc/${State.Pid}/exe`)).toMatch(/\/stacks-node$/);
    const status = engine.run("exec", id, "cat", "/proc/1/status");
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
    main.child.kill("SIGINT");
    const { exitCode } = await main.ended;
    expect(exitCode).toBe(1);
    await job.post();
    expect(containers()).toEqual([]);
  });

  it("goes on when the run is killed; is ended by the next run, and by none while its own lives", async () => {
    const { main } = await startBooting();
    const running = containers();
    const before = setup.pids();
    // It works on a chainstate and is called as the node is: it is neither taken for it nor touched.
    const beside = await jobOf({ ...setup.snapshotInputs, downtime: "full" }).run();
    expect(beside.main.exitCode, beside.main.log).toBe(0);
    expect(beside.main.log).toMatch(stops);
    expect(beside.main.log).toContain(`container ${named}`);
    for (const id of running) expect(beside.main.log).not.toContain(inspect(id).Name.replace(/^\//, ""));
    expect(setup.pids()).not.toEqual(before);
    expect(setup.pids()).toHaveLength(1);
    expect(containers()).toEqual(running);
    main.child.kill("SIGKILL");
    await main.ended;
    expect(containers()).toEqual(running);
    const next = await jobOf({ command: "list", storage: `file://${setup.store}` }).run();
    expect(next.main.exitCode, next.main.log).toBe(0);
    expect(next.main.log).toMatch(/A container that run \S+ had left is ended and removed/);
    expect(containers()).toEqual([]);
  });

  it("is ended by the post step of its run", async () => {
    const { job, main } = await startBooting();
    main.child.kill("SIGKILL");
    await main.ended;
    expect(containers()).toHaveLength(1);
    const post = await job.post();
    expect(post.exitCode, post.log).toBe(0);
    expect(post.log).toContain("cleaned up");
    expect(containers()).toEqual([]);
  });
}

interface Inspected {
  readonly Name: string;
  readonly State: { readonly Pid: number; readonly Running: boolean };
  readonly Config: { readonly User: string; readonly Env: readonly string[] };
  readonly HostConfig: {
    readonly LogConfig: { readonly Type: string };
    readonly RestartPolicy: { readonly Name: string };
  };
  readonly Mounts: readonly { readonly Source: string; readonly Destination: string; readonly RW: boolean }[];
}
