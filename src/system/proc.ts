/**
 * Processes as /proc shows them: identity that survives pid reuse, what a process would need to be started again, and
 * who has which files open. What this user may not read is read through `sudo -n` where that is allowed, and counted
 * where it is not. A process that ends while it is looked at is simply not there.
 *
 * The files are read synchronously: /proc answers from memory, and ten times as fast as a thread pool would.
 */
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import path from "node:path";
import type { Privilege } from "./privilege.ts";
import { hasCode } from "../domain/errors.ts";
import { CommandError, query } from "./exec.ts";

/** One process for ever: pids are used again, a pid with its start time is not. */
export interface ProcessId {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks (1/100 s) since boot. */
  readonly startTicks: number;
}

export interface ProcessStat extends ProcessId {
  readonly parentPid: number;
  /** R, S, D, Z …; a zombie (Z) has ended and holds nothing. */
  readonly state: string;
  /** A wait status; only meaningful for a zombie, and 0 where this user may not see it. */
  readonly waitStatus: number;
}

const clockTicksPerSecond = 100;

export function readStat(pid: number): ProcessStat | undefined {
  const text = readProcFile(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The second field is the name in parentheses and may hold anything, spaces and parentheses included.
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .trimEnd()
    .split(" ");
  return {
    pid,
    state: fields[0] ?? "?",
    parentPid: Number(fields[1]),
    startTicks: Number(fields[19]),
    waitStatus: Number(fields[49] ?? 0),
  };
}

/** Every process on the host that can be seen from here. */
export function listStats(): ProcessStat[] {
  return listPids()
    .map(readStat)
    .filter((stat) => stat !== undefined);
}

/** Of every process that /proc names; for who needs nothing more of each. */
export function listPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** True while that very process exists and has not ended. */
export function isAlive(id: ProcessId): boolean {
  const stat = readStat(id.pid);
  return stat !== undefined && stat.startTicks === id.startTicks && stat.state !== "Z" && stat.state !== "X";
}

/** Pids of `root` and everything below it. */
export function withDescendants(stats: readonly ProcessStat[], root: number): Set<number> {
  const found = new Set([root]);
  for (let grew = true; grew;) {
    grew = false;
    for (const { pid, parentPid } of stats) {
      if (found.has(parentPid) && !found.has(pid)) {
        found.add(pid);
        grew = true;
      }
    }
  }
  return found;
}

/**
 * The process that another process (a supervisor in a container of its own, say) knows as `pid` and that was started
 * at `startedAtUs` on the monotonic clock: `pid` itself where that fits, else the one whose innermost pid it is.
 */
export function findByInnerPid(pid: number, startedAtUs: number): ProcessId | undefined {
  const fits = (stat: ProcessStat): boolean =>
    Math.abs((stat.startTicks / clockTicksPerSecond) * 1e6 - startedAtUs) < 2e6;
  const direct = readStat(pid);
  if (direct !== undefined && fits(direct)) return { pid, startTicks: direct.startTicks };
  for (const stat of listStats()) {
    if (!fits(stat)) continue;
    const inner = readStatus(stat.pid)?.innerPids;
    if (inner !== undefined && inner.length > 1 && inner.at(-1) === pid)
      return { pid: stat.pid, startTicks: stat.startTicks };
  }
  return undefined;
}

export interface ProcessStatus {
  /** Effective ids. */
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly umask: number;
  /** The pid in each pid namespace, outermost first. */
  readonly innerPids: readonly number[];
  /** Bit n-1 is signal n. */
  readonly caughtSignals: bigint;
  readonly blockedSignals: bigint;
  readonly ignoredSignals: bigint;
}

/** By owner and mode; lists of access rights, and a file system that is read-only, are not looked at. */
export function mayWrite(
  file: { readonly uid: number; readonly gid: number; readonly mode: number },
  user: Pick<ProcessStatus, "uid" | "gid" | "groups">,
): boolean {
  if (user.uid === 0 || user.uid === file.uid || (file.mode & 0o002) !== 0) return true;
  return (file.mode & 0o020) !== 0 && [user.gid, ...user.groups].includes(file.gid);
}

export function readStatus(pid: number): ProcessStatus | undefined {
  const text = readProcFile(`/proc/${pid}/status`);
  if (text === undefined) return undefined;
  const field = (name: string): string[] =>
    new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(text)?.[1]?.trim().split(/\s+/).filter(Boolean) ?? [];
  const mask = (name: string): bigint => BigInt(`0x${field(name)[0] ?? "0"}`);
  return {
    uid: Number(field("Uid")[1]),
    gid: Number(field("Gid")[1]),
    groups: field("Groups").map(Number),
    umask: Number.parseInt(field("Umask")[0] ?? "22", 8),
    innerPids: field("NSpid").map(Number),
    caughtSignals: mask("SigCgt"),
    blockedSignals: mask("SigBlk"),
    ignoredSignals: mask("SigIgn"),
  };
}

/** Soft and hard limit of open files, as `ulimit` takes them. */
export function readOpenFilesLimit(
  pid: number,
): { readonly soft: string; readonly hard: string } | undefined {
  const line = /^Max open files\s+(\S+)\s+(\S+)/m.exec(readProcFile(`/proc/${pid}/limits`) ?? "");
  return line === null ? undefined : { soft: line[1] ?? "1024", hard: line[2] ?? "1024" };
}

export function readOomScoreAdjust(pid: number): number {
  return Number(readProcFile(`/proc/${pid}/oom_score_adj`) ?? 0);
}

/** What the process calls itself, at most 15 characters. Readable for everybody. */
export function readName(pid: number): string | undefined {
  return readProcFile(`/proc/${pid}/comm`)?.trimEnd();
}

/** The arguments, argv[0] first. Readable for everybody. */
export function readArguments(pid: number): string[] {
  return splitNul(readProcFile(`/proc/${pid}/cmdline`) ?? "");
}

export async function readEnvironment(pid: number, privilege: Privilege): Promise<Record<string, string>> {
  const text = await readPrivileged(`/proc/${pid}/environ`, privilege);
  return Object.fromEntries(
    splitNul(text)
      .filter((entry) => entry.includes("="))
      .map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]),
  );
}

/** Where one of a process's links (`exe`, `cwd`, `fd/1`) points; undefined where it is not there. */
export async function readLink(
  pid: number,
  name: "exe" | "cwd" | "fd/1" | "fd/2" | "ns/net",
  privilege: Privilege,
): Promise<string | undefined> {
  const link = `/proc/${pid}/${name}`;
  try {
    return readlinkSync(link);
  } catch (error) {
    if (!isDenied(error)) return undefined;
  }
  const asked = await query(privilege.elevate(["readlink", link]));
  return asked.exitCode === 0 ? asked.stdout.replace(/\n$/, "") : undefined;
}

const deletedSuffix = " (deleted)";

/** The path of an executable link without the kernel's mark for a file that was replaced since. */
export function executablePath(link: string): { readonly path: string; readonly replaced: boolean } {
  const replaced = link.endsWith(deletedSuffix);
  return { path: replaced ? link.slice(0, -deletedSuffix.length) : link, replaced };
}

/** Asks for the executable of every process, in a form a sudoers line can allow word for word. */
export const executablesCommand = [
  ..."find /proc -maxdepth 2 -path /proc/[0-9]*/exe -printf".split(" "),
  "%p %l\\n",
] as const;

export interface ExecutableScan {
  readonly found: readonly { readonly pid: number; readonly executable: string }[];
  /** How many processes could not be looked at. */
  readonly unseen: number;
}

/** Processes whose executable's base name is exactly `name`. */
export async function findByExecutable(name: string, privilege: Privilege): Promise<ExecutableScan> {
  const links = new Map<number, string>();
  let unseen = 0;
  for (const pid of listPids()) {
    try {
      links.set(pid, readlinkSync(`/proc/${pid}/exe`));
    } catch (error) {
      if (isDenied(error)) unseen += 1;
    }
  }
  if (unseen > 0 && isElevating(privilege) && (await privilege.may(executablesCommand))) {
    const asked = await query(privilege.elevate(executablesCommand));
    if (asked.exitCode === 0 || asked.exitCode === 1) unseen = 0;
    for (const [, pid, link] of asked.stdout.matchAll(/^\/proc\/(\d+)\/exe (.+)$/gm))
      links.set(Number(pid), link ?? "");
  }
  const found = [...links]
    .map(([pid, link]) => ({ pid, executable: executablePath(link).path }))
    .filter(({ executable }) => path.basename(executable) === name);
  return { found, unseen };
}

/**
 * Asks for device and inode of everything any process has open or mapped. Through the links themselves (-L), so files
 * are recognised whatever they are called in the process's own mount namespace. No word of it depends on the caller,
 * so a sudoers line can allow it word for word.
 */
export const openFilesCommand = [
  ..."find -L /proc -maxdepth 3 -path /proc/[0-9]*/fd/* -printf".split(" "),
  "%p %D %i\\n",
  ..."-o -path /proc/[0-9]*/map_files/* -printf".split(" "),
  "%p %D %i\\n",
  ..."-o -path /proc/[0-9]*/fd -o -path /proc/[0-9]*/map_files -o -path /proc/[0-9]*/* -prune".split(" "),
  ..."-o -path /proc/[0-9]* -o -path /proc/?* -prune".split(" "),
] as const;

/** More of them as words would be longer than a command may be. */
const mostNamed = 10_000;

/**
 * The same of the processes that are there now: less than half of the work, which is downtime, for `find` looks at each of the fifty
 * entries of a process before it leaves one out.
 */
function openFilesNow(): readonly string[] {
  const pids = listPids();
  if (pids.length > mostNamed) return openFilesCommand;
  const places = pids.flatMap((pid) => [`/proc/${pid}/fd`, `/proc/${pid}/map_files`]);
  return ["find", "-L", ...places, ..."-mindepth 1 -maxdepth 1 -printf".split(" "), "%p %D %i\\n"];
}

export interface OpenFilesScan {
  /** Pid → keys (`fileKey`) of the wanted files that it has open. */
  readonly holders: ReadonlyMap<number, ReadonlySet<string>>;
  readonly seen: number;
  /** Processes of other users that could not be looked at, kernel threads left out. */
  readonly unseen: number;
  /** /proc does not even show the processes of other users (`hidepid`), so there may be more than `unseen`. */
  readonly hidden: boolean;
  /** The files were listed by root; what else is read of a process is read as this user all the same. */
  readonly asRoot: boolean;
  /** What a process has mapped without having it open is shown to root only, even of processes of the same user. */
  readonly seesMapped: boolean;
}

export function fileKey(device: bigint | number | string, inode: bigint | number | string): string {
  return `${device}:${inode}`;
}

/** Which processes have any of these files (keys of `fileKey`) open or, as far as that can be seen, mapped. */
export async function findHolders(wanted: ReadonlySet<string>, privilege: Privilege): Promise<OpenFilesScan> {
  const asRoot = (await privilege.may(openFilesCommand)) && isElevating(privilege);
  const argv = asRoot ? privilege.elevate(openFilesCommand) : openFilesNow();
  const asked = await query(argv, { timeoutMs: 60_000 });
  // find exits with 1 for every process that ended while it looked; only "not run at all" is an error.
  if (asked.exitCode === null || asked.exitCode > 1) {
    throw new CommandError("Cannot look at the files that processes have open.", {
      result: asked,
      hint: "GNU find (package findutils) is needed.",
    });
  }
  const holders = new Map<number, Set<string>>();
  const seen = new Set<number>();
  for (const [, pidText, device = "", inode = ""] of asked.stdout.matchAll(
    /^\/proc\/(\d+)\/\S+ (\d+) (\d+)$/gm,
  )) {
    const pid = Number(pidText);
    seen.add(pid);
    const key = fileKey(device, inode);
    if (wanted.has(key)) holders.set(pid, (holders.get(pid) ?? new Set()).add(key));
  }
  const denied = new Set(
    [...asked.stderr.matchAll(/\/proc\/(\d+)(?:\/fd)?'?: Permission denied/g)].map(([, pid]) => Number(pid)),
  );
  const seesMapped = privilege.isRoot || asRoot;
  const unseen = [...denied].filter((pid) => !seen.has(pid) && !isKernelThread(pid)).length;
  const hidden = readStat(1) === undefined;
  return { holders, seen: seen.size, unseen, hidden, asRoot: privilege.isRoot || asRoot, seesMapped };
}

/** Kernel threads have no files; their parent is kthreadd, which is always 2. */
function isKernelThread(pid: number): boolean {
  return pid === 2 || readStat(pid)?.parentPid === 2;
}

/** One line of /proc/locks: who has a lock (POSIX or `flock`) on which file. Shown to everybody, whosever process it is. */
export interface FileLock {
  /** 0 or below where it is no process of this namespace, or an open file's own. */
  readonly pid: number;
  readonly major: number;
  readonly minor: number;
  readonly inode: string;
}

export function readFileLocks(): readonly FileLock[] {
  const text = readProcFile("/proc/locks") ?? "";
  return [...text.matchAll(/^\d+: (?!->)\S+ +\S+ +\S+ (-?\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /gm)].map(
    ([, pid, major = "", minor = "", inode = ""]) => ({
      pid: Number(pid),
      major: Number.parseInt(major, 16),
      minor: Number.parseInt(minor, 16),
      inode,
    }),
  );
}

/** /proc/<pid>/cgroup as it stands; undefined where the process is gone or hidden. */
export function readCgroup(pid: number): string | undefined {
  return readProcFile(`/proc/${pid}/cgroup`);
}

/** A short name of a process for messages: the base name of its executable where it can be seen, else its own name. */
export function describeProcess(pid: number): string {
  try {
    return `${path.basename(executablePath(readlinkSync(`/proc/${pid}/exe`)).path)}, pid ${pid}`;
  } catch {
    const name = readName(pid);
    return name === undefined ? `pid ${pid}` : `${name}, pid ${pid}`;
  }
}

/** True when commands are run behind sudo. */
export function isElevating(privilege: Privilege): boolean {
  return privilege.elevate(["true"]).length > 1;
}

async function readPrivileged(file: string, privilege: Privilege): Promise<string> {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (!isDenied(error)) throw error;
  }
  const asked = await query(privilege.elevate(["cat", file]));
  if (asked.exitCode !== 0) throw new CommandError(`Cannot read ${file}.`, { result: asked });
  return asked.stdout;
}

function readProcFile(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (isGone(error) || isDenied(error)) return undefined;
    throw error;
  }
}

function splitNul(text: string): string[] {
  return text.split("\0").slice(0, text.endsWith("\0") ? -1 : undefined);
}

function isDenied(error: unknown): boolean {
  return hasCode(error, "EACCES") || hasCode(error, "EPERM");
}

function isGone(error: unknown): boolean {
  return hasCode(error, "ENOENT") || hasCode(error, "ESRCH");
}
