/**
 * Runs the action the way a runner does: `main`, then `post`, in Node 24 with inputs in the environment, command files
 * for outputs, state and summary, and nothing of this checkout's `node_modules` in reach. For tests, benchmarks and the
 * demo.
 */
import { spawn, type ChildProcess } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { randomUUID } from "node:crypto";
import { patienceMs } from "./launch.ts";

const checkout = resolve(import.meta.dirname, "..");

export interface StepResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly log: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly summary: string;
}

export interface RunningStep {
  readonly pid: number;
  readonly child: ChildProcess;
  /** What it has printed so far. */
  log(): string;
  /** Resolves when the log matches; rejects when the step ends or the time is over before. */
  waitForLog(pattern: RegExp, timeoutMs?: number): Promise<void>;
  readonly ended: Promise<StepResult>;
}

export interface JobOptions {
  /** A folder with `main` and `post`. Default: ACTION_ENTRIES of this process, else the committed `dist`. */
  readonly entries?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each piece of output as it comes. */
  readonly onOutput?: (text: string) => void;
  readonly uid?: number;
  readonly gid?: number;
}

/** One job with one step of this action. `main` and `post` share its state file, RUNNER_TEMP and tracking id. */
export class Job {
  readonly directory: string;
  readonly trackingId = `github_${randomUUID()}`;
  readonly #options: JobOptions;
  readonly #inputs: Readonly<Record<string, string>>;
  #state: Record<string, string> = {};

  constructor(inputs: Readonly<Record<string, string>>, options: JobOptions = {}) {
    this.#inputs = inputs;
    this.#options = options;
    this.directory = mkdtempSync(join(tmpdir(), "job-"));
    mkdirSync(join(this.directory, "temp"));
    mkdirSync(join(this.directory, "workspace"));
  }

  /** Starts `main` without waiting for it. */
  startMain(): RunningStep {
    return this.#start("main");
  }

  main(): Promise<StepResult> {
    return this.#start("main").ended;
  }

  /** The post step, with the state that `main` had saved by the time it ended (or died). */
  post(): Promise<StepResult> {
    return this.#start("post").ended;
  }

  /** `main`, then `post` whatever became of it, as a runner does. */
  async run(): Promise<{ readonly main: StepResult; readonly post: StepResult }> {
    const main = await this.main();
    return { main, post: await this.post() };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #start(step: "main" | "post"): RunningStep {
    const file = (name: string): string => {
      const path = join(this.directory, `${step}-${name}`);
      writeFileSync(path, "");
      return path;
    };
    const files = {
      output: file("output"),
      state: file("state"),
      summary: file("summary"),
      env: file("env"),
      path: file("path"),
    };
    const inputs = Object.entries({ ...defaultInputs(), ...this.#inputs });
    const env: Record<string, string> = {
      PATH: process.env["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: process.env["HOME"] ?? "/root",
      CI: "true",
      GITHUB_ACTIONS: "true",
      GITHUB_RUN_ID: "4242",
      GITHUB_RUN_ATTEMPT: "1",
      GITHUB_JOB: "snapshot",
      GITHUB_REPOSITORY: "example/operations",
      GITHUB_SERVER_URL: "https://github.com",
      GITHUB_ACTION_PATH: checkout,
      GITHUB_WORKSPACE: join(this.directory, "workspace"),
      RUNNER_TEMP: join(this.directory, "temp"),
      RUNNER_TRACKING_ID: this.trackingId,
      RUNNER_OS: "Linux",
      GITHUB_OUTPUT: files.output,
      GITHUB_STATE: files.state,
      GITHUB_STEP_SUMMARY: files.summary,
      GITHUB_ENV: files.env,
      GITHUB_PATH: files.path,
      ...Object.fromEntries(
        inputs.map(([name, value]) => [`INPUT_${name.replaceAll(" ", "_").toUpperCase()}`, value]),
      ),
      ...Object.fromEntries(Object.entries(this.#state).map(([name, value]) => [`STATE_${name}`, value])),
      ...this.#options.env,
    };
    const entries = this.#options.entries ?? process.env["ACTION_ENTRIES"] ?? join(checkout, "dist");
    const entry = [`${step}.js`, `${step}.ts`]
      .map((name) => join(entries, name))
      .find((path) => existsSync(path));
    if (entry === undefined) throw new Error(`${entries} has no ${step}.js`);
    const child = spawn(process.execPath, [entry], {
      cwd: join(this.directory, "workspace"),
      env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      ...(this.#options.uid === undefined ? {} : { uid: this.#options.uid }),
      ...(this.#options.gid === undefined ? {} : { gid: this.#options.gid }),
    });
    let log = "";
    const watchers = new Set<() => void>();
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        log += text;
        this.#options.onOutput?.(text);
        for (const watcher of watchers) watcher();
      });
    }
    const logFile = join(this.directory, `${step}.log`);
    const ended = new Promise<StepResult>((resolvePromise, reject) => {
      child.once("error", reject);
      child.once("close", (exitCode, signal) => {
        appendFileSync(logFile, log);
        Object.assign(this.#state, parseCommandFile(readFileSync(files.state, "utf8")));
        resolvePromise({
          exitCode,
          signal,
          log,
          outputs: parseCommandFile(readFileSync(files.output, "utf8")),
          summary: readFileSync(files.summary, "utf8"),
        });
      });
    });
    if (child.pid === undefined) throw new Error("the step could not be started");
    return {
      pid: child.pid,
      child,
      log: () => log,
      ended,
      waitForLog: (pattern, timeoutMs = patienceMs) =>
        new Promise((resolvePromise, reject) => {
          const finish = (error?: Error): void => {
            clearTimeout(timer);
            watchers.delete(look);
            if (error === undefined) resolvePromise();
            else reject(error);
          };
          const look = (): void => {
            if (pattern.test(log)) finish();
          };
          const timer = setTimeout(
            () => finish(new Error(`no ${pattern} in the log within ${timeoutMs} ms:\n${log}`)),
            timeoutMs,
          );
          watchers.add(look);
          look();
          void ended.then(() => {
            look();
            finish(new Error(`the step ended without ${pattern}:\n${log}`));
          });
        }),
    };
  }
}

/** The defaults of `action.yml`, which a runner fills in for every input that a workflow does not set. */
export function defaultInputs(): Record<string, string> {
  const text = readFileSync(join(checkout, "action.yml"), "utf8");
  const inputs: Record<string, string> = {};
  const section = text.slice(text.indexOf("\ninputs:"), text.indexOf("\noutputs:"));
  for (const block of section.split(/\n(?= {2}[\w-]+:)/).slice(1)) {
    const name = /^ {2}([\w-]+):/.exec(block)?.[1];
    const value = /\n {4}default: *(?:"([^"]*)"|'([^']*)'|(.*))/.exec(block);
    if (name !== undefined) inputs[name] = value?.[1] ?? value?.[2] ?? value?.[3] ?? "";
  }
  return inputs;
}

/** The `name<<delimiter … delimiter` and `name=value` forms of a runner's command files. */
function parseCommandFile(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    const heredoc = /^([^=<]+)<<(.+)$/.exec(line);
    if (heredoc?.[1] !== undefined) {
      const end = lines.indexOf(heredoc[2] ?? "", at + 1);
      values[heredoc[1]] = lines.slice(at + 1, end).join("\n");
      at = end;
    } else if (line.includes("=")) {
      values[line.slice(0, line.indexOf("="))] = line.slice(line.indexOf("=") + 1);
    }
  }
  return values;
}
