/**
 * Nodes that are kept in ways in which a stop can end badly: start scripts, limits shorter than the node needs, a loop,
 * programs that go down with it, a directory that is not the node's. Through the action: it refuses before the stop, in the
 * dry run too, and the node has noticed nothing; or the node ends by its own hand, once, and is back as it was. What else
 * there is of scripts, kill modes and entry points is asked of the ports alone (`__tests__/node`).
 */
import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { livesOf, property, systemctl, systemdEnvironment } from "../node/systemd/systemd-bed.ts";
import { byContainer, byLoop, byProcess, bySystemd, type SupervisorKind } from "./supervisors.ts";
import { setUp, until, visibleSnapshots, type Setup } from "./support.ts";

const open: Setup[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(async (setup) => await setup.remove()));
});

async function fresh(kind: SupervisorKind, stopDelayMs = 3_000): Promise<Setup> {
  const setup = await setUp({ kind, nodeArguments: ["--stop-delay-ms", String(stopDelayMs)] });
  open.push(setup);
  return setup;
}

/** Ends with 0 at once when it is asked to stop, and leaves the node behind. */
const trap = (node: string): string => `/bin/sh -c "trap 'exit 0' TERM INT; ${node} & wait"`;
const trapInside = (node: string): string => `trap 'exit 0' TERM; ${node} & wait`;
/** Dies of the signal, or swallows it. */
const plain = (node: string): string => `/bin/sh -c "${node}; true"`;
const plainInside = (node: string): string => `${node}; true`;

const short = "TimeoutStopSec=1\nSendSIGKILL=yes";
const long = "TimeoutStopSec=600\nSendSIGKILL=yes";

type Case = readonly [what: string, kind: SupervisorKind | undefined];

const kept: readonly Case[] = [
  ["systemd, script with trap, mixed, long limit", bySystemd(`KillMode=mixed\n${long}`, { start: trap })],
  ["systemd, script with trap, mixed, short limit", bySystemd(`KillMode=mixed\n${short}`, { start: trap })],
  [
    "systemd, script, found by its databases, Restart=always",
    bySystemd(`Restart=always\nRestartSec=100ms\n${short}`, { start: plain, unnamed: true }),
  ],
  ["systemd, ExecStop that kills", bySystemd(`ExecStop=/bin/sh -c "kill -9 $MAINPID"\n${long}`)],
  ["docker --init", byContainer("docker", ["--init", "--stop-timeout", "1"])],
  ["podman --init", byContainer("podman", ["--init", "--stop-timeout", "1"])],
];

describe.each(kept.filter(([, kind]) => kind !== undefined))("%s", (_what, kind) => {
  it("the node ends by its own hand and is back", { timeout: 120_000 }, async () => {
    const setup = await fresh(kind!);
    const dry = await setup.job({ ...setup.snapshotInputs, "dry-run": "true" }).run();
    expect(dry.main.exitCode, dry.main.log).toBe(0);
    expect(livesOf(setup.nodeLog())).toEqual(["start"]);
    const { main, post } = await setup.job(setup.snapshotInputs).run();
    expect(main.exitCode, main.log).toBe(0);
    expect(livesOf(setup.nodeLog())).toEqual(["start", "end", "start"]);
    expect(setup.nodeLog().match(/Exiting stacks-node/g)).toHaveLength(1);
    expect(setup.pids()).toHaveLength(1);
    expect(main.outputs["node-running"]).toBe("true");
    expect(main.summary).toContain("The node is running");
    expect(`${main.log}${post.log}`).not.toMatch(/::error/);
    expect(visibleSnapshots(setup.store)).toEqual([main.outputs["snapshot-id"]]);
    expect(journals(setup)).toEqual([]);
  });
});

const refused: readonly (readonly [...Case, code: string, hint: RegExp])[] = [
  ["a loop in a shell", byLoop, "NODE_SUPERVISOR_UNKNOWN", /node-manager: command/],
  ...(["docker", "podman"] as const).flatMap(
    (cli) =>
      [
        [
          `${cli}, a shell with trap and wait`,
          byContainer(cli, [], trapInside),
          "NODE_STOP_UNSAFE",
          /exec stacks-node/,
        ],
        [
          `${cli}, a shell without a handler`,
          byContainer(cli, [], plainInside),
          "NODE_STOP_UNSAFE",
          /exec stacks-node/,
        ],
        [
          `${cli} --init before a script that does not exec`,
          byContainer(cli, ["--init"], plainInside),
          "NODE_STOP_UNSAFE",
          /exec stacks-node/,
        ],
      ] as const,
  ),
];

describe.each(refused.filter(([, kind]) => kind !== undefined))("%s", (_what, kind, code, hint) => {
  it("is refused before the stop, in the dry run too", { timeout: 120_000 }, async () => {
    const setup = await fresh(kind!);
    await expect(expectRefused(setup, setup.snapshotInputs, code, hint)).resolves.toBeUndefined();
  });
});

/** The same of the dry run and the run: nothing was asked of the node, and nothing is left of either. */
async function expectRefused(
  setup: Setup,
  inputs: Readonly<Record<string, string>>,
  code: string,
  hint: RegExp,
): Promise<void> {
  const before = setup.pids();
  for (const dryRun of ["true", "false"]) {
    const { main, post } = await setup.job({ ...inputs, "dry-run": dryRun }).run();
    expect(main.exitCode, main.log).toBe(1);
    expect(main.log).toContain(code);
    expect(main.log).toMatch(hint);
    expect(main.log).toMatch(/The node (?:is running|was not touched)/);
    expect(main.log, "no outcome is claimed").not.toContain("✅");
    expect(post.log).not.toContain("✅");
    expect(main.outputs["node-running"] ?? "true").toBe("true");
    expect(main.outputs["downtime-seconds"] ?? "0").toMatch(/^0(?:\.0+)?$/);
  }
  expect(setup.pids()).toEqual(before);
  expect(setup.nodeLog()).not.toContain("Graceful termination");
  expect(visibleSnapshots(setup.store)).toEqual([]);
  expect(journals(setup)).toEqual([]);
}

function journals({ directory }: Setup): readonly string[] {
  const state = join(directory, "state");
  return existsSync(state) ? readdirSync(state).filter((name) => name.endsWith(".json")) : [];
}

const places: readonly Case[] = [
  ["process", byProcess],
  ["docker", byContainer("docker")],
  ["systemd", bySystemd(long)],
];

describe.each(places.filter(([, kind]) => kind !== undefined))(
  "a directory that is not the node's, %s",
  (name, kind) => {
    it(
      "a stale copy is not published, and not replaced in the node's stead",
      { timeout: 180_000 },
      async () => {
        const setup = await fresh(kind!, 0);
        const taken = await setup.job(setup.snapshotInputs).run();
        expect(taken.main.exitCode, taken.main.log).toBe(0);
        const copy = join(setup.directory, "copy", "mainnet");
        cpSync(setup.chainstate, copy, { recursive: true });
        const nodes = setup.pids();
        for (const command of ["snapshot", "restore"]) {
          const inputs = { ...setup.snapshotInputs, command, "chainstate-dir": copy };
          for (const dryRun of ["true", "false"]) {
            const { main } = await setup.job({ ...inputs, "dry-run": dryRun }).run();
            expect(main.exitCode, main.log).toBe(1);
            expect(main.log).toMatch(/NODE_ELSEWHERE|NODE_NOT_AS_GIVEN|NODE_NOT_FOUND/);
            expect(main.log).not.toContain("✅");
          }
        }
        expect(setup.pids(), name).toEqual(nodes);
        expect(visibleSnapshots(setup.store)).toEqual([taken.main.outputs["snapshot-id"]]);
      },
    );

    it("an absent directory gets nothing, and no 650 GB on a wrong disk", { timeout: 180_000 }, async () => {
      const setup = await fresh(kind!, 0);
      const taken = await setup.job(setup.snapshotInputs).run();
      expect(taken.main.exitCode, taken.main.log).toBe(0);
      const nodes = setup.pids();
      const absent = join(setup.directory, "data", "chainstate", "mainnet");
      for (const command of ["snapshot", "restore"]) {
        const inputs = { ...setup.snapshotInputs, command, "chainstate-dir": absent };
        for (const dryRun of ["true", "false"]) {
          const { main } = await setup.job({ ...inputs, "dry-run": dryRun }).run();
          expect(main.exitCode, main.log).toBe(1);
          expect(main.log).not.toContain("UNEXPECTED");
          expect(main.log).not.toContain("✅");
        }
      }
      expect(existsSync(absent)).toBe(false);
      expect(setup.pids()).toEqual(nodes);
    });
  },
);

const isSystemdUp = bySystemd("") !== undefined;

describe.skipIf(!isSystemdUp)("programs that go down with the node (systemd)", () => {
  it("are started again after it, and the summary names them", { timeout: 120_000 }, async () => {
    Object.assign(process.env, systemdEnvironment());
    const made: string[] = [];
    const kind = bySystemd(long, {
      whenMade: (unit) => {
        for (const [name, bond] of [
          ["signer", "BindsTo"],
          ["api", "Requires"],
        ]) {
          const dependent = unit.replace("testbed-e2e", `testbed-${name}`);
          writeFileSync(
            `/run/systemd/system/${dependent}`,
            `[Unit]\n${bond}=${unit}\nAfter=${unit}\n[Service]\nExecStart=/bin/sleep 1000\n`,
          );
          made.push(dependent);
        }
        systemctl("daemon-reload");
      },
    });
    const setup = await fresh(kind!);
    try {
      for (const unit of made) systemctl("start", unit);
      const { main } = await setup.job(setup.snapshotInputs).run();
      expect(main.exitCode, main.log).toBe(0);
      for (const unit of made) {
        await until(`${unit} is active`, () => property(unit, "ActiveState") === "active");
        expect(main.summary).toContain(unit);
      }
    } finally {
      for (const unit of made) {
        systemctl("stop", unit);
        rmSync(`/run/systemd/system/${unit}`);
      }
      systemctl("daemon-reload");
    }
  });
});
