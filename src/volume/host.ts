/**
 * What the drivers ask of the host, in one place: short privileged commands, mounts, and block devices. A port, so that
 * a driver for disks that this machine does not have can be driven with the devices that it has.
 */
import type { Clock } from "../system/clock.ts";
import { CommandError, query, run, type ExecResult } from "../system/exec.ts";
import { readMounts, type Mount } from "../system/mounts.ts";
import type { Privilege } from "../system/privilege.ts";
import { sysfsDevices, type BlockDevices } from "./mounts/block-devices.ts";

export interface Host {
  readonly privilege: Privilege;
  readonly clock: Clock;
  readonly devices: BlockDevices;
  readonly readMounts: () => Promise<readonly Mount[]>;
  /** Runs a short privileged command; resolves whatever its exit code. Not cancelled: clean-up goes through here too. */
  ask(argv: readonly string[], timeoutMs?: number): Promise<ExecResult>;
  /** `ask`, and COMMAND_FAILED unless it exits with 0. Returns stdout. */
  do(argv: readonly string[], timeoutMs?: number): Promise<string>;
  /** A long privileged command that ends with the signal. */
  work(argv: readonly string[], options: { timeoutMs: number; signal: AbortSignal }): Promise<void>;
}

const shortMs = 60_000;

export function hostOf(privilege: Privilege, clock: Clock, devices: BlockDevices = sysfsDevices): Host {
  const ask: Host["ask"] = async (argv, timeoutMs = shortMs) =>
    await query(privilege.elevate(argv), { timeoutMs });
  return {
    privilege,
    clock,
    devices,
    readMounts,
    ask,
    async do(argv, timeoutMs = shortMs) {
      const result = await ask(argv, timeoutMs);
      if (result.exitCode === 0) return result.stdout;
      throw commandFailed(argv, result);
    },
    async work(argv, { timeoutMs, signal }) {
      const result = await run(privilege.elevate(argv), { timeoutMs, signal });
      if (result.exitCode !== 0 || result.timedOut) throw commandFailed(argv, result);
    },
  };
}

/** The error for a command that did not do what it had to, with the last it said. */
export function commandFailed(argv: readonly string[], result: ExecResult): CommandError {
  const said = (result.stderr.trim() || result.stdout.trim()).slice(-500);
  const how = result.timedOut
    ? "took too long"
    : `failed (${result.signal ?? `exit code ${result.exitCode}`})`;
  return new CommandError(`\`${argv.join(" ")}\` ${how}${said === "" ? "." : `: ${said}`}`, {
    result,
    ...(result.exitCode === 127 ? { hint: `Install ${argv[0]} or put it on PATH.` } : {}),
  });
}
