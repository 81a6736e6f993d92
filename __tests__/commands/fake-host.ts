/**
 * A host for the orders of things in `commands/`: a real chainstate in a real directory with a real journal, and a fake
 * node, freezer, volume driver, watchdog, store and clock. Faults are put into any of them by call; see `faults.ts`.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { createChainstate } from "../../simulator/chainstate.ts";
import { openDirectoryView } from "../../src/archive/write/directory-view.ts";
import { databaseOfBlobs } from "../../src/chainstate/layout.ts";
import { finishRun } from "../../src/commands/run/finish.ts";
import { runCommand } from "../../src/commands/run/run-command.ts";
import type { RunContext } from "../../src/commands/context.ts";
import type {
  Config,
  ImportConfig,
  RestoreConfig,
  SnapshotConfig,
  PruneConfig,
  VerifyConfig,
} from "../../src/config/config.ts";
import { ActionError, throwIfAborted } from "../../src/domain/errors.ts";
import type { NodeOptions, StorageLocation, SudoMode } from "../../src/domain/options.ts";
import { coldFreezer } from "../../src/freeze/cold.ts";
import type { Freezer, ViewOf } from "../../src/freeze/port.ts";
import type { NodeNeeds } from "../../src/node/neighbours.ts";
import { uncleanStop } from "../../src/node/errors.ts";
import { judge } from "../../src/node/judge.ts";
import type { NodeControl } from "../../src/node/port.ts";
import { parseJournal, type JournalContent } from "../../src/recovery/content.ts";
import { fileOperations } from "../../src/recovery/file-operations.ts";
import { watch, type WatchEnd } from "../../src/recovery/watch.ts";
import type { Watchdog } from "../../src/recovery/watchdog.ts";
import { openReport, type RunReport } from "../../src/report/run-report.ts";
import type { RunState } from "../../src/report/state.ts";
import type { ObjectStore, Upload } from "../../src/store/port.ts";
import type { Clock } from "../../src/system/clock.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import type { PreparedRestore, VolumeRecord, VolumeSnapshotter } from "../../src/volume/port.ts";
import { memoryStore, type MemoryStore } from "../catalog/memory-store.ts";
import { memoryDirectory } from "../tools.ts";
import { Faults } from "./faults.ts";

export const location: StorageLocation = { scheme: "file", url: "file:///store", directory: "/store" };

export const nodeOptions: NodeOptions = {
  manager: "command",
  name: "stacks-node",
  stopTimeoutMs: 60_000,
  startTimeoutMs: 60_000,
  startNode: "as-before",
  syncBlocks: 0,
  syncRequired: false,
  syncTimeoutMs: 60_000,
  sudo: "never",
};

export interface Ended {
  readonly error: unknown;
  readonly report: RunReport;
  /** What was printed, the outcome included. */
  readonly log: string;
}

export class FakeHost {
  readonly root: string;
  readonly chainstateDir: string;
  readonly stateDir: string;
  /** Instead of one that copies. */
  freezer: ((viewOf: ViewOf) => Freezer) | undefined;
  /** While a freezer is chosen, which tries on the disk whether it can. */
  duringProbe: (() => void) | undefined;
  readonly node = new FakeNode();
  /** Runs of which a container goes on. */
  readonly containers = new Set<string>();
  readonly volumes: FakeVolumes;
  readonly clock = fakeClock();
  readonly store: MemoryStore = memoryStore({ now: () => this.clock.now() });
  hostName = "host-a";
  /** What is opened instead of `store`. */
  otherStore: (() => Promise<ObjectStore>) | undefined;
  watchdogs = 0;
  /** With which `sudo` rights were asked for, since the last run began. */
  sudoModes: SudoMode[] = [];
  faults = new Faults();
  cancel = new AbortController();
  state: RunState = {};
  readonly metricsFile: string;
  #runs = 0;
  #config: Config | undefined;

  // Thousands of runs would wait for a disk to sync, and none of them looks at it.
  constructor(place = memoryDirectory()) {
    this.root = mkdtempSync(join(place, "fake-host-"));
    this.chainstateDir = join(this.root, "node", "mainnet");
    this.stateDir = join(this.root, "state");
    this.volumes = new FakeVolumes(join(this.root, "volumes"));
    this.metricsFile = join(this.root, "metrics.prom");
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Another host on the store and the volumes of `model`, with a copy of a chainstate. */
  static like(model: FakeHost, chainstateDir = model.chainstateDir): FakeHost {
    const host = new FakeHost();
    cpSync(chainstateDir, host.chainstateDir, { recursive: true });
    for (const [key, object] of model.store.objects) host.store.objects.set(key, object);
    if (existsSync(model.volumes.directory))
      cpSync(model.volumes.directory, host.volumes.directory, { recursive: true });
    return host;
  }

  /** Runs a command as `main` does. */
  async run(config: Config): Promise<Ended> {
    this.#runs += 1;
    this.clock.advance(3600_000);
    this.state = { runId: `run-${this.#runs}` };
    this.cancel = new AbortController();
    this.sudoModes = [];
    this.#config = { ...config, metricsFile: this.metricsFile };
    const ended = await this.#step("main", async (ctx, report) => {
      report.begin({ ...config, metricsFile: this.metricsFile });
      await runCommand(config, ctx);
    });
    if (!this.faults.isDead)
      this.state = { ...this.state, outcome: ended.error === undefined ? "succeeded" : "failed" };
    return ended;
  }

  /** The post step of the last run, in which nothing fails any more but what is `gone` for good. */
  async post(gone?: RegExp): Promise<Ended> {
    this.faults = new Faults();
    if (gone !== undefined) this.faults.gone = { from: 1, names: gone };
    this.cancel = new AbortController();
    const { outcome, journalPath } = this.state;
    return await this.#step("post", async (ctx, report) => {
      if (outcome === undefined && journalPath !== undefined && this.#config !== undefined)
        report.begin(this.#config);
      await finishRun(this.state, ctx);
    });
  }

  /** The restart watchdog, where no post step comes: `rounds` looks at most at a node that is not confirmed. It does not report. */
  async watch(rounds = 20): Promise<{ readonly end: WatchEnd | undefined; readonly log: string }> {
    this.faults = new Faults();
    const lines: string[] = [];
    const ended = new AbortController();
    const { clock } = this;
    let looks = 0;
    const end = await watch({
      nodes: this.node.starter(),
      volumes: { undo: async () => await this.volumes.undo() },
      clock: {
        ...clock,
        sleep: async (ms, signal) => {
          // Looks of the judge are shorter.
          if (ms >= 10_000 && (looks += 1) > rounds) ended.abort(new Error("enough"));
          await clock.sleep(ms, signal);
        },
      },
      signal: ended.signal,
      privilege: () => privilegeFor("never"),
      journalPath: this.state.journalPath ?? "",
      runId: this.state.runId ?? "",
      once: false,
      log: (line) => void lines.push(line),
    }).catch((error: unknown) => {
      if (!ended.signal.aborted) throw error;
      return undefined;
    });
    // It ends by itself, and its timer with it.
    if (end !== undefined) this.watchdogs = 0;
    return { end, log: lines.join("\n") };
  }

  async #step(
    step: "main" | "post",
    work: (ctx: RunContext, report: RunReport) => Promise<void>,
  ): Promise<Ended> {
    let log = "";
    const write = (text: string): void => void (log += text);
    const report = await openReport({ step, environment: {}, toolVersion: "0", write });
    let error: unknown;
    const exitCode = process.exitCode;
    const { faults } = this;
    let left: readonly (readonly [string, Buffer])[] = [];
    let logged = Infinity;
    let figures: string | undefined;
    faults.onKilled = () => {
      left = this.#journalFiles();
      logged = log.length;
      figures = this.#figures();
    };
    try {
      await work(this.#context(report), report);
      await report.conclude();
    } catch (thrown) {
      error = thrown;
      await report.conclude(thrown);
    }
    process.exitCode = exitCode;
    // What it wrote after its death was never written.
    if (faults.isDead) {
      for (const [path, bytes] of left) writeFileSync(path, bytes, { mode: 0o600 });
      if (figures === undefined) rmSync(this.metricsFile, { force: true });
      else writeFileSync(this.metricsFile, figures);
    }
    return { error, report, log: log.slice(0, logged) };
  }

  #figures(): string | undefined {
    return existsSync(this.metricsFile) ? readFileSync(this.metricsFile, "utf8") : undefined;
  }

  #journalFiles(): readonly (readonly [string, Buffer])[] {
    return readdirSync(this.stateDir)
      .filter((name) => /\.(?:json|reserve)$/.test(name))
      .map((name) => [join(this.stateDir, name), readFileSync(join(this.stateDir, name))] as const);
  }

  /** The journal of the chainstate directory as it stands on the disk; undefined where there is none. */
  journal(): JournalContent | undefined {
    if (!existsSync(this.stateDir)) return undefined;
    const [name] = readdirSync(this.stateDir).filter((each) => /^[0-9a-f]{16}\.json$/.test(each));
    if (name === undefined) return undefined;
    return parseJournal(readFileSync(join(this.stateDir, name), "utf8"), name);
  }

  /** What stands beside the chainstate directory, made by a restore. */
  besides(): readonly string[] {
    return readdirSync(join(this.root, "node")).filter((name) => name.startsWith(".chainstate-snapshot-"));
  }

  /** Clones of the freezer that were not given back. */
  clones(): readonly string[] {
    return existsSync(this.stateDir)
      ? readdirSync(this.stateDir).filter((name) => name.startsWith("clone-"))
      : [];
  }

  /** What runs have left in the state directory, but for what the next one goes on with and what a watchdog has to tell. */
  leftInState(): readonly string[] {
    return readdirSync(this.stateDir).filter((name) => !name.endsWith(".lock"));
  }

  async openUploads(): Promise<number> {
    let count = 0;
    for await (const _ of this.store.listUploads("", new AbortController().signal)) count += 1;
    return count;
  }

  /** Ids of the snapshots that have a manifest. */
  published(): readonly string[] {
    return [...this.store.objects.keys()].flatMap(
      (key) => /^snapshots\/([^/]+)\/manifest\.json$/.exec(key)?.[1] ?? [],
    );
  }

  /** What runs have left in their temporary directories. */
  leftInTemp(): readonly string[] {
    const directories = readdirSync(this.root).filter((name) => name.startsWith("temp-"));
    return directories.flatMap((name) => readdirSync(join(this.root, name)));
  }

  /** Tells chainstates apart. */
  digest(directory = this.chainstateDir): string | undefined {
    const file = join(directory, "chainstate", "vm", "index.sqlite");
    return existsSync(file) ? createHash("sha256").update(readFileSync(file)).digest("hex") : undefined;
  }

  #context(report: RunReport): RunContext {
    const { faults, clock } = this;
    const tempDir = join(this.root, `temp-${this.#runs}`);
    mkdirSync(tempDir, { recursive: true });
    const viewOf: ViewOf = async (directory, selection) =>
      await openDirectoryView({ directory, selection, followLink: databaseOfBlobs });
    const control = faults.wrap("node", this.node.control(), [
      "inspect",
      "preflight",
      "recipe",
      "stop",
      "verifyDown",
      "start",
      "versionCommand",
    ]);
    const freezer = faults.wrap("freezer", (this.freezer ?? cloneFreezer)(viewOf), ["freeze", "cleanUp"]);
    const wrappedFreezer: Freezer = {
      ...freezer,
      name: freezer.name,
      ...(this.duringProbe === undefined ? {} : { triesOnDisk: true }),
      freeze: async (request, nodeDown) =>
        faults.wrap("frozen", await freezer.freeze(request, nodeDown), ["assertFrozen", "release"]),
      cleanUp: async (runId, request) => await freezer.cleanUp(runId, request),
    };
    const volume = faults.wrap("volume", this.volumes.snapshotter(), [
      "freeze",
      "describe",
      "restore",
      "open",
      "delete",
      "cleanUp",
      "commit",
    ]);
    const snapshotter: VolumeSnapshotter = {
      ...volume,
      restore: async (records, request) => {
        const prepared = await volume.restore(records, request);
        return prepared.kind === "directory"
          ? prepared
          : faults.wrap("exchange", prepared, ["swap", "discard"]);
      },
      open: async (records, request) =>
        faults.wrap("opened", await volume.open(records, request), ["assertFrozen", "close"]),
    };
    return {
      host: {
        runId: this.state.runId ?? "",
        hostName: this.hostName,
        tempDir,
        stateDir: this.stateDir,
        tool: { name: "chainstate-snapshot", version: "0" },
      },
      report,
      clock,
      signal: this.cancel.signal,
      environment: {},
      rememberJournal: async (journalPath) => {
        this.state = { ...this.state, journalPath };
        await Promise.resolve();
      },
      rememberRemoval: async (removeDirectory) => {
        this.state = { ...this.state, removeDirectory };
        await Promise.resolve();
      },
      privilege: (mode) => {
        this.sudoModes.push(mode);
        return privilegeFor(mode);
      },
      nodes: faults.wrap("starter", this.node.starter(), ["start", "isInUse", "judge", "stop"]),
      watchdog: faults.wrap("watchdog", this.#watchdog(), ["arm", "disarm"]),
      files: (privilege, signal) =>
        faults.wrap("files", fileOperations(privilege, signal), [
          "makeDirectory",
          "move",
          "removeEmptyDirectory",
          "copyOwner",
          "copyOwnerToTree",
          "removeTree",
          "sync",
          "syncFileSystem",
        ]),
      viewOf,
      forceStop: async () => await Promise.resolve(this.node.kill()),
      readNodeNeeds: async () => {
        await Promise.resolve();
        return this.node.needs;
      },
      openStore: async () => {
        if (this.otherStore !== undefined) return await this.otherStore();
        const opened = faults.wrap("store", this.store.again(), [
          "head",
          "get",
          "stream",
          "put",
          "list",
          "delete",
          "openUpload",
          "abortUpload",
          "probeWritable",
          "close",
        ]);
        return {
          ...this.store,
          ...pick(opened),
          openUpload: async (key, options): Promise<Upload> =>
            faults.wrap("upload", await opened.openUpload(key, options), ["writePart", "complete", "abort"]),
        };
      },
      chooseNodeControl: async () => await Promise.resolve(control),
      chooseFreezer: async ({ cut }) => {
        this.duringProbe?.();
        return await Promise.resolve({
          freezer: cut === "cold" ? coldFreezer({ viewOf }) : wrappedFreezer,
          reason: "it is there",
        });
      },
      freezers: () => [wrappedFreezer],
      volumes: {
        undo: async () => await this.volumes.undo(),
        isLocal: () => true,
        choose: async () =>
          await Promise.resolve({
            snapshotter,
            reason: "it is there",
            probe: { usable: true, reason: "", sources: ["tank/mainnet"] },
          }),
        snapshotter: () => snapshotter,
        viewer: () => undefined,
      },
      images: {
        open: () => Promise.reject(new RangeError("there is no image here")),
        ...faults.wrap(
          "images",
          {
            remove: async ({ runId }: { readonly runId: string }) =>
              await Promise.resolve(this.containers.delete(runId) ? 1 : 0),
          },
          ["remove"],
        ),
      },
    };
  }

  #watchdog(): Watchdog {
    return {
      arm: async (journal) => {
        this.watchdogs += 1;
        const record = { kind: "systemd", unit: "fake" } as const;
        await journal.update({ switch: record });
        const disarm = async (): Promise<void> => {
          this.watchdogs = 0;
          await Promise.resolve();
        };
        return { record, detail: "a fake", disarm };
      },
      disarm: async () => {
        this.watchdogs = 0;
        await Promise.resolve();
      },
    };
  }
}

/** Methods of a proxied store, so that they can be spread. */
function pick(opened: MemoryStore): Omit<MemoryStore, "openUpload"> {
  const names = Object.keys(opened) as (keyof MemoryStore)[];
  return Object.fromEntries(names.map((name) => [name, opened[name]])) as unknown as MemoryStore;
}

/** A node under a supervisor that does what it is told. */
export class FakeNode {
  /** What its configuration says, and who of its neighbours is silent. */
  needs: NodeNeeds = {
    read: { kind: "not-read", reason: "a fake has none" },
    isSeen: true,
    rpc: undefined,
    look: () => Promise.resolve({ silent: [], notAsked: undefined }),
  };

  running = true;
  /** Does not come up however often it is started. */
  broken = false;
  /** It ends again and again, and its supervisor starts it each time. */
  loops: "no" | "until-stopped" | "always" = "no";
  /** How it ends when told to stop. */
  endsUnclean = false;
  stops = 0;
  kills = 0;
  starts = 0;
  /** How often recovery has started it. */
  recovered = 0;
  /** By its supervisor. */
  restarts = 0;
  /** The stop is asked for and taken, and ends with this. */
  stopFails: (() => Error) | undefined;
  /** It runs, and works on another directory. */
  isElsewhere = false;
  /** Told to stop, and not ended: recovery finds it so. */
  isStopping = false;
  /** Before each start; throws where it fails. */
  onStart: (() => void) | undefined;
  /** "4.0.2"; null where it cannot be asked. */
  version: string | null = null;

  kill(): string {
    this.kills += 1;
    this.running = false;
    this.isStopping = false;
    return "SIGKILL to pid 1";
  }

  control(): NodeControl {
    return {
      identity: { manager: "command", name: "stacks-node", foundBy: "fake" },
      inspect: async () => {
        const isLooping = this.running && this.loops !== "no";
        const { running, restarts } = this;
        const state = { running, restarts, detail: isLooping ? "auto-restart" : "fake" };
        return await Promise.resolve(isLooping ? { ...state, restarting: true } : state);
      },
      preflight: async () => await Promise.resolve([]),
      recipe: async () =>
        await Promise.resolve({ manager: "command", name: "stacks-node", startCommand: "true" } as const),
      stop: async (_timeoutMs, _signal, hooks) => {
        if (!this.running) return { result: "was not running", exitCode: null, signal: null, seconds: 0 };
        await hooks?.asking();
        if (this.stopFails !== undefined) {
          await hooks?.taken();
          throw this.stopFails();
        }
        this.running = false;
        if (this.loops === "until-stopped") this.loops = "no";
        this.stops += 1;
        await hooks?.taken();
        if (this.endsUnclean) throw uncleanStop("stacks-node", "exit code 101");
        return await Promise.resolve({ result: "success", exitCode: 0, signal: null, seconds: 1 });
      },
      verifyDown: async () => {
        if (this.running) throw new Error("it runs");
        return await Promise.resolve([{ id: "supervisor", detail: "fake" }]);
      },
      start: async () => {
        if (this.broken) throw new ActionError("NODE_START_FAILED", "It does not start.");
        this.onStart?.();
        this.starts += 1;
        this.running = true;
        return await Promise.resolve([]);
      },
      versionCommand: async () =>
        await Promise.resolve(
          this.version === null ? undefined : ["echo", `stacks-node ${this.version} (x)`],
        ),
    };
  }

  starter(): RunContext["nodes"] {
    return {
      start: async () => {
        if (this.broken) throw new ActionError("NODE_START_FAILED", "It does not start.");
        if (this.isStopping) return await Promise.resolve("stopping");
        const was = this.running;
        if (!was) this.recovered += 1;
        this.running = true;
        return await Promise.resolve(was ? "already-running" : "started");
      },
      isInUse: async () => await Promise.resolve(this.running && this.loops === "no"),
      judge: async (request) =>
        await judge({
          ...request,
          control: this.control(),
          isInUse: async () => await Promise.resolve(this.running && !this.isElsewhere),
          rpcUrl: request.options.rpcUrl,
          lowForMs: request.options.startTimeoutMs,
        }),
      stop: async (request) => {
        if (!this.running) return;
        await request.found(undefined, await this.control().recipe(request.signal));
        await this.control().stop(1, request.signal, request);
      },
    };
  }
}

/** Freezes by copying, under the name of what does so without the bytes. */
function cloneFreezer(viewOf: ViewOf): Freezer {
  const cloneOf = (stateDir: string, runId: string): string => join(stateDir, `clone-${runId}`);
  return {
    name: "reflink",
    probe: async () => await Promise.resolve({ usable: true, reason: "it is there" }),
    async freeze({ chainstateDir, selection, stateDir, runId }) {
      const directory = cloneOf(stateDir, runId);
      cpSync(chainstateDir, directory, { recursive: true });
      return {
        view: await viewOf(directory, selection),
        method: "reflink",
        at: new Date(),
        directory,
        broken: Promise.withResolvers<never>().promise,
        assertFrozen: async () => await Promise.resolve(),
        release: async () => {
          rmSync(directory, { recursive: true, force: true });
          await Promise.resolve();
        },
      };
    },
    async cleanUp(runId, { stateDir }) {
      rmSync(cloneOf(stateDir, runId), { recursive: true, force: true });
      await Promise.resolve();
    },
  };
}

/** What of it this process has open: a volume in use cannot be unmounted. */
function descriptorsBelow(directory: string): readonly string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(`${directory}/`) ? [path] : [];
    } catch {
      return []; // The one that listed them.
    }
  });
}

/** Snapshots of a volume that are directories. */
export class FakeVolumes {
  readonly directory: string;
  /** Snapshots that stand, with the run that made them. */
  readonly snapshots = new Map<string, string>();
  /** How many of them are open. */
  opened = 0;
  /** The chainstate directory that restores put a volume in the place of. Undefined: they make a directory. */
  exchanges: string | undefined;

  constructor(directory: string) {
    this.directory = directory;
  }

  snapshotter(): VolumeSnapshotter {
    return {
      driver: "zfs",
      isInstant: true,
      probe: async () => await Promise.resolve({ usable: true, reason: "", sources: ["tank/mainnet"] }),
      freeze: async ({ chainstateDir, runId, facts }) => {
        const snapshot = `tank/mainnet@${facts?.snapshotId ?? runId}`;
        cpSync(chainstateDir, this.#pathOf(snapshot), { recursive: true });
        this.snapshots.set(snapshot, runId);
        const createdAt = new Date().toISOString();
        const record: VolumeRecord = {
          driver: "zfs",
          snapshot,
          source: "tank/mainnet",
          createdAt,
          state: "available",
          mountPoint: dirname(chainstateDir),
          parts: [{ at: "", within: basename(chainstateDir) }],
        };
        return await Promise.resolve([record]);
      },
      describe: async (records) => await Promise.resolve(records),
      open: async ([record]) => {
        const parts = [{ at: "", path: this.#pathOf(record?.snapshot ?? "") }];
        this.opened += 1;
        const assertFrozen = async (): Promise<void> => await Promise.resolve();
        const close = async (): Promise<void> => {
          this.opened -= 1;
          await Promise.resolve();
        };
        return await Promise.resolve({ parts, assertFrozen, close });
      },
      restore: async ([record], { staging }) => {
        if (this.exchanges !== undefined) {
          cpSync(this.#pathOf(record?.snapshot ?? ""), this.#fresh, { recursive: true });
          return await Promise.resolve(this.#exchange(this.exchanges));
        }
        cpSync(this.#pathOf(record?.snapshot ?? ""), staging, { recursive: true });
        const discard = async (): Promise<void> => {
          rmSync(staging, { recursive: true, force: true });
          await Promise.resolve();
        };
        return await Promise.resolve({ kind: "directory", directory: staging, discard } as const);
      },
      delete: async ({ snapshot }) => {
        this.#remove(snapshot);
        await Promise.resolve();
      },
      cleanUp: async (runId, { keep }) => {
        for (const [snapshot, madeBy] of this.snapshots) {
          if (madeBy === runId && keep?.(snapshot) !== true) this.#remove(snapshot);
        }
        this.opened = 0;
        rmSync(this.#fresh, { recursive: true, force: true });
        await Promise.resolve();
      },
      commit: async (_, { keepPrevious }) => {
        if (!keepPrevious) rmSync(this.kept, { recursive: true, force: true });
        return await Promise.resolve(keepPrevious ? [`The old one is kept at ${this.kept}.`] : []);
      },
    };
  }

  /** The old volume of an exchange. */
  get kept(): string {
    return join(this.directory, "kept");
  }

  get #fresh(): string {
    return join(this.directory, "fresh");
  }

  #exchange(target: string): PreparedRestore {
    const mount = { mountPoint: dirname(target), fsType: "zfs" as const, options: [] };
    return {
      kind: "volume",
      directory: this.#fresh,
      elsewhere: undefined,
      undo: [{ do: "mount", device: this.kept, oldDisks: [], ...mount }],
      swap: async () => {
        const held = descriptorsBelow(dirname(target));
        if (held.length > 0) throw new ActionError("VOLUME_BUSY", `The run holds ${held.join()} open.`);
        renameSync(target, this.kept);
        renameSync(this.#fresh, target);
        await Promise.resolve();
      },
      discard: async () => {
        rmSync(this.#fresh, { recursive: true, force: true });
        await Promise.resolve();
      },
    };
  }

  /** Of an exchange that had begun, from whatever point of it. */
  async undo(): Promise<readonly string[]> {
    const { exchanges: target } = this;
    if (target === undefined || !existsSync(this.kept)) return [];
    if (existsSync(target)) renameSync(target, this.#fresh);
    renameSync(this.kept, target);
    return await Promise.resolve(["put the old volume back"]);
  }

  #remove(snapshot: string): void {
    this.snapshots.delete(snapshot);
    rmSync(this.#pathOf(snapshot), { recursive: true, force: true });
  }

  #pathOf(snapshot: string): string {
    return join(this.directory, snapshot.replaceAll(/[/@]/g, "_"));
  }
}

function fakeClock(): Clock & { advance(ms: number): void } {
  let ahead = 0;
  const now = (): number => Date.now() + ahead;
  return {
    now,
    async sleep(ms, signal) {
      if (signal !== undefined) throwIfAborted(signal);
      ahead += ms;
      await setImmediate();
    },
    advance(ms) {
      ahead += ms;
    },
  };
}

const common = { concurrency: 1 } as const;

export function snapshotConfig(host: FakeHost, given: Partial<SnapshotConfig> = {}): SnapshotConfig {
  return {
    ...common,
    command: "snapshot",
    chainstateDir: host.chainstateDir,
    storage: location,
    node: nodeOptions,
    method: "archive",
    cut: "auto",
    quietTimeoutMs: 60_000,
    freezeWith: "auto",
    volumeDriver: "auto",
    volumes: [],
    profile: "backup",
    exclude: [],
    check: "tips",
    trustTimestamps: false,
    rebaseAbove: 0,
    keepClone: false,
    rereadBlobs: 1,
    readBack: 1,
    pin: false,
    compressionLevel: 1,
    rateLimits: {},
    retention: { keepLast: 5 },
    dryRun: false,
    ...given,
  };
}

/** For restores: publishes a snapshot at height 25, and makes a chainstate at height 20 at `old`. */
export async function publishNewer(
  host: FakeHost,
  old: string,
  given: Partial<SnapshotConfig> = {},
): Promise<void> {
  createChainstate(host.chainstateDir, { era: "nakamoto", height: 25 });
  createChainstate(old, { era: "nakamoto", height: 20 });
  const { error } = await host.run(snapshotConfig(host, given));
  if (error !== undefined) throw error;
}

export function restoreConfig(host: FakeHost, given: Partial<RestoreConfig> = {}): RestoreConfig {
  return {
    ...common,
    command: "restore",
    chainstateDir: host.chainstateDir,
    storage: location,
    s3: { storageClass: "STANDARD" },
    node: { ...nodeOptions, startNode: "always" },
    quietTimeoutMs: 60_000,
    forceStop: false,
    snapshot: { kind: "latest" },
    method: "archive",
    volumeDriver: "auto",
    volumes: [],
    check: "tips",
    allowNewerSchema: false,
    allowLowerHeight: false,
    keepPrevious: false,
    cache: { kind: "none" },
    removeAfterJob: false,
    dryRun: false,
    ...given,
  };
}

export function importConfig(from: string, given: Partial<ImportConfig> = {}): ImportConfig {
  return {
    ...common,
    command: "import",
    from,
    s3: { storageClass: "STANDARD" },
    storage: location,
    check: "tips",
    profile: "backup",
    pin: false,
    compressionLevel: 1,
    rateLimits: {},
    retention: {},
    sudo: "never",
    dryRun: false,
    ...given,
  };
}

export function verifyConfig(given: Partial<VerifyConfig> = {}): VerifyConfig {
  return {
    ...common,
    command: "verify",
    storage: location,
    s3: { storageClass: "STANDARD" },
    snapshot: { kind: "latest" },
    scope: "archive",
    check: "tips",
    sudo: "never",
    ...given,
  };
}

export function pruneConfig(given: Partial<PruneConfig> = {}): PruneConfig {
  return {
    ...common,
    command: "prune",
    storage: location,
    retention: { keepLast: 1 },
    delete: [],
    unpin: [],
    sudo: "never",
    dryRun: false,
    ...given,
  };
}
