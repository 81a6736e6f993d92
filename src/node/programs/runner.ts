/** How a program of the node is run on a copy of a chainstate: on this host (`as-user.ts`), or in its image. */
import type { ExecResult, RunOptions } from "../../system/exec.ts";

export interface ProgramRun extends Pick<RunOptions, "signal" | "timeoutMs" | "onLine" | "stop"> {
  /** The program first. */
  readonly argv: readonly string[];
  /** What it works on, and its HOME: there it may write, and nowhere else. */
  readonly home: string;
  /** A file outside of `home` that it reads. */
  readonly configFile?: string | undefined;
  /** "host": it listens on addresses of this host, and reaches others. */
  readonly network: "none" | "host";
}

export interface ProgramRunner {
  /**
   * PROGRAM_UNUSABLE where the input `input` names no program that its user can run. `question`: an argument at which it says
   * its version and ends. `home`: an empty directory, for the time of the question.
   */
  require(input: string, program: string, question: string, home: string): Promise<void>;
  /** Resolves with how it ended, as `run` of `system/exec.ts` does; nothing of it goes on afterwards. */
  run(request: ProgramRun): Promise<ExecResult>;
}

/** By what a run's containers are found again: the engine, and their labels. */
export interface ContainersOfRun {
  readonly cli: string;
  readonly elevated: boolean;
  readonly environment: Readonly<Record<string, string>>;
  readonly runId: string;
  readonly owner: string;
}

export interface ProgramImage extends ProgramRunner {
  /** With its id, and by whom it is run; for people. */
  readonly what: string;
  /** To be noted before anything is run on a copy: they outlive a run that is killed. */
  readonly containers: ContainersOfRun;
}
