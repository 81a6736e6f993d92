/**
 * How programs of the node are run on a copy of a chainstate: by somebody who is not root, with an environment of their own,
 * and not a moment longer than this process lives. What they write, where they are given a directory, is that user's.
 */
import { lstatSync } from "node:fs";
import { access, chmod, constants } from "node:fs/promises";
import { dirname } from "node:path";
import { ActionError } from "../../domain/errors.ts";
import { query, run } from "../../system/exec.ts";
import { fsPath } from "../../system/path-bytes.ts";
import type { ProgramRunner } from "./runner.ts";

export interface ProgramUser {
  readonly uid: number;
  readonly gid: number;
}

const nobody: ProgramUser = { uid: 65_534, gid: 65_534 };

/** Ourselves, unless that is root: then whose the chainstate is, or nobody. */
export function programUser(chainstateDir: string | undefined): ProgramUser {
  const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  if (own.uid !== 0) return own;
  if (chainstateDir === undefined) return nobody;
  const { uid, gid } = lstatSync(fsPath(chainstateDir));
  return uid === 0 ? nobody : { uid, gid };
}

/**
 * The command, run so. It is ended by the kernel with whoever started it: what it works on is a copy that goes with it, so
 * nothing is lost.
 */
export function argvAs({ uid, gid }: ProgramUser, home: string, argv: readonly string[]): readonly string[] {
  const isOther = process.geteuid?.() !== uid;
  const become = isOther ? [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"] : [];
  return [
    "env",
    "-i",
    "PATH=/usr/local/bin:/usr/bin:/bin",
    "LC_ALL=C",
    `HOME=${home}`,
    "RUST_BACKTRACE=0",
    "setpriv",
    "--pdeathsig=KILL",
    "--no-new-privs",
    ...become,
    ...argv,
  ];
}

/** Programs of this host. They see its networks, whatever they need. */
export function hostPrograms(user: ProgramUser): ProgramRunner {
  return {
    require: async (input, program) => await requireProgram(user, input, program),
    run: async ({ argv, home, ...options }) => await run(argvAs(user, home, argv), options),
  };
}

async function requireProgram(user: ProgramUser, input: string, program: string): Promise<void> {
  const found = await query(argvAs(user, "/", ["test", "-f", program, "-a", "-x", program]));
  if (found.exitCode === 0) return;
  const who = user.uid === process.geteuid?.() ? "this user" : `user ${user.uid}, who is to run it,`;
  throw new ActionError(
    "PROGRAM_UNUSABLE",
    found.exitCode === 1
      ? `${program} ('${input}') is no program that ${who} can run.`
      : `Whether ${program} ('${input}') can be run could not be found out: ${found.stderr.trim().slice(-300)}`,
    {
      hint: "Give the absolute path of the program, and the right to run it. Root runs none of the node's programs.",
    },
  );
}

/** Lets another user pass through these directories of ours, without seeing what is in them. PROGRAM_UNUSABLE where others are in the way. */
export async function openWay(user: ProgramUser, directory: string, upTo: string): Promise<void> {
  if (user.uid === process.geteuid?.()) return await access(directory, constants.X_OK);
  for (let at = dirname(directory); at.startsWith(upTo) && at !== "/"; at = dirname(at))
    await chmod(at, 0o711);
  const reached = await query(argvAs(user, "/", ["test", "-d", directory, "-a", "-w", directory]));
  if (reached.exitCode === 0) return;
  throw new ActionError(
    "PROGRAM_UNUSABLE",
    `User ${user.uid}, who is to run it, cannot work in ${directory}.`,
    {
      hint: "Root runs none of the node's programs. Point RUNNER_TEMP to a directory that everybody may pass through, or run the runner as a user of its own.",
    },
  );
}
