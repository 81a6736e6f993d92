/**
 * Simulated nodes as units of the real systemd of `testbed/systemd.sh`, its system's manager or a user's. Units are put into
 * directories that it shares with this machine.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { chooseNodeControl } from "../../../src/node/registry.ts";
import { dropInPath } from "../../../src/node/systemd/unit.ts";
import { systemClock } from "../../../src/system/clock.ts";
import { findByExecutable } from "../../../src/system/proc.ts";
import { never, privilege } from "../../conformance/node-control.ts";
import type { NodeBed, NodeSetup } from "../../conformance/node-control.ts";
import { contextOf, endProcess, makeSurroundings } from "../bed.ts";
import type { Surroundings } from "../bed.ts";

const testbed = path.join(process.env["TESTBED_DIR"] ?? "/var/tmp/testbed", "systemd");
const leaderFile = path.join(testbed, "leader");
export const isUp = existsSync(leaderFile);

export type SystemdBed = NodeBed & { readonly surroundings: Surroundings; readonly unit: string };

export interface SystemdSetup extends NodeSetup {
  /** Further lines of `[Service]`. */
  readonly service?: string;
  /** Lines of `[Unit]`. */
  readonly head?: string;
  /** ExecStart, given the node's own command line; default: the node itself. */
  readonly start?: (node: string, directory: string) => string;
  /** Run by the manager of this user; see `startUserManager`. */
  readonly user?: number;
}

let made = 0;
const wants = "/run/systemd/system/basic.target.wants";

/** What this machine's `systemctl` needs to find it. */
export function systemdEnvironment(): Record<string, string> {
  const leader = readFileSync(leaderFile, "utf8").trim();
  return {
    SYSTEMCTL_FORCE_BUS: "1",
    DBUS_SYSTEM_BUS_ADDRESS: `unix:path=/proc/${leader}/root/run/dbus/system_bus_socket`,
  };
}

export function systemctl(...args: string[]): string {
  return execFileSync("systemctl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

export function property(unit: string, name: string): string {
  return systemctl("show", "--value", `--property=${name}`, unit).trim();
}

export function asUser(user: number, ...args: string[]): string {
  const become = [`--reuid=${user}`, `--regid=${user}`, "--clear-groups", "env"];
  const where = [
    `XDG_RUNTIME_DIR=/run/user/${user}`,
    `DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/${user}/bus`,
  ];
  return execFileSync("setpriv", [...become, ...where, "systemctl", "--user", ...args], { encoding: "utf8" });
}

/** A user's manager, as logind would start one; its runtime directory is seen under one path on both sides. */
export function startUserManager(user: number): void {
  const leader = readFileSync(leaderFile, "utf8").trim();
  const shared = path.join(testbed, "share", `user-${user}`);
  const runtime = `/run/user/${user}`;
  const line = `mkdir -p ${shared} ${runtime} && chown ${user}:${user} ${shared} && chmod 700 ${shared} && { mountpoint -q ${runtime} || mount --bind ${shared} ${runtime}; }`;
  execFileSync("/bin/sh", ["-c", line]);
  execFileSync("nsenter", ["-t", leader, "-m", "/bin/sh", "-c", line]);
  writeFileSync(
    `/run/systemd/system/user@${user}.service`,
    `[Service]
User=${user}
Type=notify
ExecStart=/lib/systemd/systemd --user
Environment=XDG_RUNTIME_DIR=${runtime} HOME=${runtime}
Slice=user-${user}.slice
Delegate=pids memory
KillMode=mixed
`,
  );
  systemctl("daemon-reload");
  systemctl("start", `user@${user}.service`);
}

export function stopUserManager(user: number): void {
  const leader = readFileSync(leaderFile, "utf8").trim();
  systemctl("stop", `user@${user}.service`);
  rmSync(`/run/systemd/system/user@${user}.service`);
  systemctl("daemon-reload");
  execFileSync("nsenter", ["-t", leader, "-m", "umount", `/run/user/${user}`]);
  execFileSync("umount", [`/run/user/${user}`]);
  rmSync(path.join(testbed, "share", `user-${user}`), { recursive: true, force: true });
}

export async function makeSystemdBed(setup: SystemdSetup): Promise<SystemdBed> {
  const share = path.join(testbed, "share");
  mkdirSync(share, { recursive: true });
  const surroundings = await makeSurroundings(setup, share);
  const { chainstateDir, directory, executable, logFile, nodeArguments, options, rpcUrl, log, workingDir } =
    surroundings;
  const { user } = setup;
  const unit = `testbed-node-${process.pid}-${(made += 1)}.service`;
  const units = user === undefined ? "/run/systemd/system" : `/run/user/${user}/systemd/user`;
  const ask = user === undefined ? systemctl : (...args: string[]) => asUser(user, ...args);
  const unitFile = path.join(units, unit);
  const node = [executable.launcher, ...nodeArguments].join(" ");
  mkdirSync(units, { recursive: true });
  writeFileSync(
    unitFile,
    `[Unit]
${setup.head ?? ""}
[Service]
ExecStart=${setup.start?.(node, directory) ?? node}
StandardError=append:${logFile}
StandardOutput=null
${setup.service ?? "KillSignal=SIGINT\nTimeoutStopSec=600\nSendSIGKILL=no"}
`,
  );
  if (user === undefined) {
    // Wanted by a target, as an enabled unit is: systemd forgets at once how a unit ended that nothing refers to.
    mkdirSync(wants, { recursive: true });
    symlinkSync(unitFile, path.join(wants, unit));
  } else {
    execFileSync("chown", ["-R", `${user}:${user}`, directory, workingDir]);
    execFileSync("chown", ["-R", `${user}:${user}`, units]);
  }
  ask("daemon-reload");
  return {
    surroundings,
    unit,
    chainstateDir,
    rpcUrl,
    log,
    control: (overrides = {}) =>
      chooseNodeControl(
        contextOf(
          options({ manager: "systemd", name: unit, ...overrides }),
          chainstateDir,
          privilege,
          systemClock,
        ),
        never,
      ),
    bringUp: () => {
      ask("start", unit);
      return Promise.resolve();
    },
    async dispose() {
      rmSync(path.dirname(dropInPath(unit, user)), { recursive: true, force: true });
      // One that refuses to be stopped, too.
      writeFileSync(unitFile, readFileSync(unitFile, "utf8").replace("RefuseManualStop=yes", ""));
      ask("daemon-reload");
      ask("stop", unit);
      if (user === undefined) rmSync(path.join(wants, unit));
      rmSync(unitFile);
      ask("daemon-reload");
      const { found } = await findByExecutable("stacks-node", privilege);
      for (const { pid, executable: file } of found) if (file.startsWith(directory)) await endProcess(pid);
      surroundings.remove();
    },
  };
}

/** The node's log tells of each start and each end; a second node beside a first would start twice in a row. */
export function livesOf(log: string): readonly string[] {
  return [...log.matchAll(/(stacks-node \S+ starting|Exiting stacks-node)/g)].map(([, what = ""]) =>
    what.startsWith("Exiting") ? "end" : "start",
  );
}
