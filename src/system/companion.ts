/**
 * A child process that works beside this one and is spoken to in lines: what is written to it arrives on its stdin,
 * each line of its stdout comes back. The pipe is also its lifeline: when this process ends, however it ends, the
 * child reads the end of its stdin and has to go. Its own session, so that a ^C on a terminal is not meant for it.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ChildSupervisor } from "./child-end.ts";
import { CommandError } from "./command-error.ts";
import { namedEnvironment } from "./environment.ts";

export interface Companion {
  readonly pid: number;
  /** Writes one line. Does nothing when the child is gone: `ended` tells. */
  send(line: string): void;
  /** Resolves with how it ended, in words, when it has ended; never rejects. */
  readonly ended: Promise<string>;
  /** Closes its stdin, the lifeline. */
  hangUp(): void;
}

export interface CompanionOptions {
  readonly onLine: (line: string) => void;
  readonly directory: string;
}

const keptErrorChars = 4096;

/** Starts it; CommandError when it cannot be started. */
export async function startCompanion(argv: readonly string[], options: CompanionOptions): Promise<Companion> {
  const [command, ...args] = argv;
  if (command === undefined) throw new CommandError("No command given.");
  const child = spawn(command, args, {
    detached: true,
    cwd: options.directory,
    // No secrets; the tracking id stays, so that a runner that cleans up after its job ends the child too.
    env: namedEnvironment(["PATH", "HOME", "RUNNER_TRACKING_ID"]),
    stdio: ["pipe", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-keptErrorChars);
  });
  // Writing to a child that has just died is no error of its own: `ended` says that it died.
  child.stdin.on("error", () => undefined);
  createInterface({ input: child.stdout, crlfDelay: Infinity }).on("line", options.onLine);
  const supervisor = new ChildSupervisor(child, { command, pipesAfterExitMs: 1_000 });
  const ended = supervisor.ended.then(
    ({ exitCode, signal }) => {
      const how = signal === null ? `ended with exit code ${exitCode}` : `was ended by ${signal}`;
      return said.trim() === "" ? how : `${how}: ${said.trim()}`;
    },
    () => "could not be started",
  );
  await supervisor.started;
  if (child.pid === undefined) throw new CommandError(`Cannot start ${command}.`);
  return {
    pid: child.pid,
    send: (line) => {
      child.stdin.write(`${line}\n`);
    },
    ended,
    hangUp: () => {
      child.stdin.destroy();
    },
  };
}
