/**
 * How to bring a node back, as plain JSON: written to the journal before the stop, so that the post step, the dead
 * man's switch or the next run can do it when the run that stopped the node is gone.
 */

export interface NodeProcess {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat, clock ticks since boot: with the pid it names one process for ever. */
  readonly startTicks: number;
}

/** What has to be gone before a start may be asked for: two nodes on one directory destroy it. */
export interface ToBeGone {
  readonly process?: NodeProcess;
  /** The control group of its service or container, by hierarchy and path as in /proc/<pid>/cgroup. */
  readonly group?: { readonly hierarchy: string; readonly path: string };
  /** Nobody may have a file of it open. */
  readonly chainstateDir?: string;
}

export type StartRecipe =
  | {
      readonly manager: "systemd";
      readonly unit: string;
      readonly sudo: boolean;
      /** Of the user manager that runs the unit; absent: the system's. */
      readonly user?: number;
      readonly dropIn?: string;
      /** Units that go down with it (Requires=, BindsTo=, PartOf=) and were active: started after it. */
      readonly dependents?: readonly string[];
      readonly gone?: ToBeGone;
    }
  | {
      readonly manager: "docker";
      readonly cli: string;
      readonly container: string;
      readonly sudo: boolean;
      /** What the command line needs to find the same engine: DOCKER_HOST, XDG_RUNTIME_DIR … */
      readonly environment?: Readonly<Record<string, string>>;
      /** When it had been started, in the engine's words: a later start means that somebody brought it back. */
      readonly startedAt?: string;
      readonly gone?: ToBeGone;
    }
  | {
      readonly manager: "process";
      readonly name: string;
      readonly executable: string;
      readonly argv: readonly string[];
      /** The process's environment; the journal that holds it is readable by its owner only. */
      readonly environment: Readonly<Record<string, string>>;
      readonly directory: string;
      readonly uid: number;
      readonly gid: number;
      readonly groups: readonly number[];
      /** Where stdout and stderr went, when they were files; /dev/null otherwise. */
      readonly stdout: string;
      readonly stderr: string;
      readonly umask?: number;
      /** Soft and hard limit of open files, as `ulimit -n` takes them. */
      readonly openFiles?: { readonly soft: string; readonly hard: string };
      readonly oomScoreAdjust?: number;
      /** The process that was running, to wait for should it still be stopping. */
      readonly process?: { readonly pid: number; readonly startTicks: number };
      /** Given by `node-start-command`: then this line is run by a shell instead. */
      readonly startCommand?: string;
      /** Nobody may have a file of it open when it is started. */
      readonly chainstateDir?: string;
      readonly sudo: boolean;
    }
  | {
      readonly manager: "command";
      readonly name: string;
      readonly startCommand: string;
      /** Who has files open in it is running. */
      readonly chainstateDir?: string;
      readonly environment?: Readonly<Record<string, string>>;
      readonly directory?: string;
    }
  | { readonly manager: "none" };
