/**
 * The node's version. Released builds say `stacks-node 4.0.2 (<commit>, release build, linux [x86_64])`, some builds
 * `stacks-node No Version Info (master:…)`, and anything else is taken as it comes: the raw line is kept.
 */
import { basename } from "node:path";
import { query } from "../system/exec.ts";
import type { Privilege } from "../system/privilege.ts";
import { executablePath, readLink, readStatus, type ProcessId } from "../system/proc.ts";

export interface NodeVersion {
  /** The line as the node printed it, at most 500 characters. */
  readonly line: string;
  /** "4.0.2"; null where the line names none. */
  readonly version: string | null;
  readonly commit: string | null;
  /** The version in a form that may stand in a file name; never empty. */
  readonly fileNamePart: string;
}

const maxLineChars = 500;

/** Reads what `stacks-node version` wrote to stdout. Undefined when that is no line of text at all. */
export function parseVersion(stdout: string): NodeVersion | undefined {
  const line = stdout
    .split("\n")
    // Control characters could colour, or forge, a log.
    .map((text) => text.replaceAll(/\p{Cc}/gu, "").trim())
    .findLast((text) => text !== "")
    ?.slice(0, maxLineChars);
  if (line === undefined) return undefined;
  const version = /(?:^|\s)v?(\d+(?:\.\d+)+(?:[-+.][0-9A-Za-z.]+)*)/.exec(line)?.[1] ?? null;
  const commit = /[(:\s]([0-9a-f]{7,40})\+?[,)]/.exec(line)?.[1] ?? null;
  const named = version ?? (commit === null ? "unknown" : `git-${commit}`);
  return { line, version, commit, fileNamePart: sanitizeForFileName(named) };
}

/** Letters, digits, dot, dash and underscore; at most 64 of them; never empty, never starting with a dot. */
export function sanitizeForFileName(text: string): string {
  const safe = text
    .replaceAll(/[^A-Za-z0-9._-]+/g, "_")
    .replace(/^[._-]+/, "")
    .slice(0, 64);
  return safe === "" ? "unknown" : safe;
}

/**
 * The command that asks what a process runs for its version: with that process's rights, and with nothing of this job's
 * environment, for whoever can put a program there must not become this runner by it. Undefined where that cannot be done.
 */
export async function versionCommandOf(
  node: ProcessId | undefined,
  privilege: Privilege,
): Promise<readonly string[] | undefined> {
  const link = node === undefined ? undefined : await readLink(node.pid, "exe", privilege);
  const status = node === undefined ? undefined : readStatus(node.pid);
  if (node === undefined || link === undefined || status === undefined) return undefined;
  const { path, replaced } = executablePath(link);
  if (isWrapper(path)) return undefined;
  // Replaced on disk since it was started: what runs is still to be had by its link.
  return versionCommandAs(status, replaced ? `/proc/${node.pid}/exe` : path);
}

/** The same of a program that does not run. Whose it is is not known, so nobody's rights are enough. */
export function versionCommandOfFile(executable: string): readonly string[] | undefined {
  return isWrapper(executable) ? undefined : versionCommandAs({ uid: 65_534, gid: 65_534 }, executable);
}

function versionCommandAs(
  { uid, gid }: { readonly uid: number; readonly gid: number },
  executable: string,
): readonly string[] | undefined {
  const command = ["env", "-i", "PATH=/usr/bin:/bin", executable, "version"];
  const own = process.geteuid?.();
  if (own === uid) return command;
  if (own !== 0) return undefined;
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--no-new-privs", ...command];
}

/** Runs the command that `NodeControl.versionCommand` named. Undefined where it yields nothing: a version is no must. */
export async function askVersion(argv: readonly string[] | undefined): Promise<NodeVersion | undefined> {
  if (argv === undefined) return undefined;
  const asked = await query(argv, { timeoutMs: 10_000 });
  return asked.exitCode === 0 ? parseVersion(asked.stdout) : undefined;
}

const wrappers = new Set(
  "ash bash busybox conmon containerd-shim docker docker-init env nice node podman python3 runuser setpriv sh sudo su tini zsh".split(
    " ",
  ),
);

/** True for programs that run a node rather than being one; to ask them for `version` would name the wrong thing. */
export function isWrapper(executable: string): boolean {
  return wrappers.has(basename(executable));
}
