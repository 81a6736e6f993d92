/**
 * Who the runner is decides what it can see: root, the node's user, another user with the sudoers line of the README and
 * without, and with `hidepid=2`. A node that runs is never taken for none, and what could not be looked at is no proof.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createChainstate } from "../../simulator/chainstate.ts";
import { freePort, makeNodeExecutable, waitForInfo } from "../../simulator/launch.ts";
import { canBeOthers } from "../other-user.ts";
import { endProcess, quote, startOrphan } from "./bed.ts";

const owner = 12_345;
const other = 65_534;
const program = path.join(import.meta.dirname, "as-runner.ts");
const sudoers = "/etc/sudoers.d/chainstate-snapshot-runner-test";
const hasSudo = existsSync("/usr/sbin/visudo");

interface Said {
  readonly preflight: string;
  readonly running: string;
  readonly stopped: string;
}

interface Runner {
  readonly uid: number;
  readonly sudo: "auto" | "never";
  readonly hidepid?: boolean;
}

describe.skipIf(!canBeOthers)(
  "a runner as (needs root and a readable checkout)",
  { timeout: 120_000 },
  () => {
    let root: string;
    let dir: string;
    let node: number | undefined;

    const ask = (manager: string, { uid, sudo, hidepid = false }: Runner): Said => {
      const words = [process.execPath, "--disable-warning=ExperimentalWarning", program, manager, sudo, dir];
      const become = uid === 0 ? [] : ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
      const line = [...become, ...words].map(quote).join(" ");
      const hide = hidepid ? "mount -t proc -o hidepid=2 proc /proc && " : "";
      const ended = spawnSync("unshare", ["-m", "/bin/sh", "-c", `${hide}exec ${line}`], {
        encoding: "utf8",
        cwd: "/",
        env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: root },
      });
      if (ended.status !== 0) throw new Error(ended.stderr);
      return JSON.parse(ended.stdout.trim().split("\n").at(-1) ?? "") as Said;
    };

    beforeAll(async () => {
      root = mkdtempSync(path.join(tmpdir(), "runner-as-"));
      chmodSync(root, 0o755);
      dir = path.join(root, "mainnet");
      mkdirSync(dir);
      createChainstate(dir, { era: "nakamoto", height: 40, seed: "runner" });
      const executable = makeNodeExecutable(path.join(root, "install"));
      execFileSync("chown", ["-R", `${owner}:${owner}`, dir]);
      if (hasSudo) {
        const readme = readFileSync(path.join(import.meta.dirname, "../../docs/permissions.md"), "utf8");
        const line = /^stacks ALL=\(root\) NOPASSWD: \/usr\/bin\/find .*$/m.exec(readme)?.[0] ?? "";
        writeFileSync(sudoers, line.replace("stacks", "nobody").concat("\n"), { mode: 0o440 });
        execFileSync("/usr/sbin/visudo", ["-c", "-f", sudoers]);
      }
      const port = await freePort();
      const words = [executable.launcher, "--dir", dir, "--rpc-port", String(port)].map(quote).join(" ");
      node = startOrphan(`setpriv --reuid=${owner} --regid=${owner} --clear-groups ${words} 2>/dev/null`);
      await waitForInfo(port);
    });
    afterAll(async () => {
      if (node !== undefined) await endProcess(node);
      rmSync(sudoers, { force: true });
      rmSync(root, { recursive: true });
    });

    const runners: readonly (readonly [string, Runner])[] = [
      ["root", { uid: 0, sudo: "auto" }],
      ["root with hidepid=2", { uid: 0, sudo: "auto", hidepid: true }],
      ["the node's user", { uid: owner, sudo: "never" }],
      ["the node's user with hidepid=2", { uid: owner, sudo: "never", hidepid: true }],
      ["another user with the README's line", { uid: other, sudo: "auto" }],
      ["another user with the README's line and hidepid=2", { uid: other, sudo: "auto", hidepid: true }],
      ["another user without", { uid: other, sudo: "never" }],
      ["another user without and hidepid=2", { uid: other, sudo: "never", hidepid: true }],
    ];
    const canAsk = runners.filter(([, { uid, sudo }]) => hasSudo || uid !== other || sudo === "never");

    it.each(canAsk)("%s: a node that runs is never taken for none", (_who, runner) => {
      for (const manager of ["none", "command", "process"]) {
        const said = ask(manager, runner);
        expect(["DIRECTORY_IN_USE", "PRIVILEGE_MISSING"], `${manager}, stopped`).toContain(said.stopped);
        const isRight =
          manager === "none"
            ? said.preflight !== "fine"
            : /running|PRIVILEGE_MISSING|DIRECTORY_IN_USE|NODE_/.test(said.running);
        expect(isRight, `${manager}: ${JSON.stringify(said)}`).toBe(true);
      }
    });

    it("is told what a node is, where it can be seen: it is right as root and as the node's user", () => {
      for (const uid of [0, owner]) {
        expect(ask("process", { uid, sudo: uid === 0 ? "auto" : "never" })).toMatchObject({
          preflight: "fine",
        });
        expect(ask("command", { uid, sudo: "never" })).toMatchObject({ preflight: "fine" });
      }
    });

    // The first thread's name, which everybody may read, is not the executable's: this node's is "MainThread".
    it.runIf(hasSudo)("is told what a node is as another user who may do everything with sudo", () => {
      const least = readFileSync(sudoers, "utf8");
      writeFileSync(sudoers, "nobody ALL=(ALL) NOPASSWD: ALL\n");
      try {
        expect(ask("process", { uid: other, sudo: "auto" })).toMatchObject({ preflight: "fine" });
      } finally {
        writeFileSync(sudoers, least);
      }
    });

    it("when none runs: known to root, the owner and by sudo; to another user it is not", async () => {
      await endProcess(node!);
      node = undefined;
      for (const [who, runner] of canAsk) {
        const isBlind = runner.uid === other && runner.sudo === "never";
        const said = ask("none", runner);
        expect(said, who).toMatchObject(
          isBlind
            ? { preflight: "PRIVILEGE_MISSING", stopped: "PRIVILEGE_MISSING" }
            : { preflight: "fine", stopped: "fine" },
        );
      }
    });
  },
);
