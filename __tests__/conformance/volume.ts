/**
 * What every volume snapshotter that can be read back has to do, asked of the real thing. Plain cases without a test
 * runner, so that they also run in a virtual machine where a runner would take minutes to load.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Host } from "../../src/volume/host.ts";
import type { PreparedRestore, UndoStep, VolumeRecord, VolumeSnapshotter } from "../../src/volume/port.ts";
import { parseUndoSteps, undoVolumeSteps } from "../../src/volume/undo.ts";

export interface VolumeWorld {
  readonly host: Host;
  readonly make: (host: Host) => VolumeSnapshotter;
  /** Lies on a volume of the driver's kind and is writable. */
  readonly chainstateDir: string;
  readonly stateDir: string;
  /** Everything that a snapshotter could leave: snapshots, clones, volumes, mounts; sorted names. */
  readonly leavings: () => Promise<readonly string[]>;
  /** Removes what a restore into a directory left of it; nothing there is no error. */
  readonly removeTree: (directory: string) => Promise<void>;
  /** Where commands are slow: a fault at each nth of them alone, beginning with another one in each run. */
  readonly faultsEvery?: number;
  /** A record of a snapshot that this tool did not make. */
  readonly external: (record: VolumeRecord) => VolumeRecord;
}

export interface VolumeCase {
  readonly title: string;
  readonly run: () => Promise<void>;
}

const signal = new AbortController().signal;

/** Over all worlds: two of them may be in one volume group. */
let runs = 0;

export function volumeCases(world: VolumeWorld): readonly VolumeCase[] {
  const { chainstateDir, stateDir, host } = world;
  const snapshotter = world.make(host);
  const file = join(chainstateDir, "chainstate/vm/marf.sqlite");
  const nextRun = (): string => `conformance-${(runs += 1)}`;
  const requestFor = (runId: string) => ({ chainstateDir, stateDir, runId, signal, driverIsNamed: false });
  const places = new Set<string>();
  const leavings = async (): Promise<readonly string[]> => {
    // Those that hold something stay, and are seen.
    for (const place of places) await rmdir(place).catch(() => undefined);
    return await world.leavings();
  };
  const stagingFor = (runId: string): string => {
    const place = join(
      dirname(chainstateDir),
      `.chainstate-snapshot-${basename(chainstateDir)}~${runId}-new`,
    );
    places.add(place);
    mkdirSync(place, { recursive: true, mode: 0o700 });
    return join(place, "tree");
  };
  const every = world.faultsEvery ?? 1;
  const firstFault = (): number => 1 + Math.floor(Math.random() * every);
  const write = async (text: string): Promise<void> => {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { flush: true });
  };
  const now = async (): Promise<string> => await readFile(file, "utf8");
  const remove = async (records: readonly VolumeRecord[]): Promise<void> => {
    for (const record of records) await snapshotter.delete(record, signal);
  };
  const withSnapshot = async (
    text: string,
    use: (records: readonly VolumeRecord[], runId: string) => Promise<void>,
  ): Promise<void> => {
    const runId = nextRun();
    const before = await leavings();
    await write(text);
    const frozen = await snapshotter.freeze(requestFor(runId));
    try {
      const complete = await snapshotter.describe(frozen, { timeoutMs: 60_000, signal });
      // What a restore gets has been through the manifest.
      await use(JSON.parse(JSON.stringify(complete)) as VolumeRecord[], runId);
    } finally {
      await remove(frozen);
    }
    assert.deepEqual(await leavings(), before);
  };

  return [
    {
      title: "the probe finds the volume and touches nothing",
      run: async () => {
        await write("probed");
        const before = await leavings();
        const probe = await snapshotter.probe(requestFor(nextRun()));
        assert.equal(probe.usable, true, probe.reason);
        assert.ok(probe.sources.length > 0);
        assert.deepEqual(await leavings(), before);
      },
    },
    {
      title: "a probe of a directory on another kind of volume says why not",
      run: async () => {
        const probe = await snapshotter.probe({ ...requestFor(nextRun()), chainstateDir: "/proc/self" });
        assert.equal(probe.usable, false);
        assert.notEqual(probe.reason, "");
      },
    },
    {
      title: "an opened snapshot is the moment of the freeze while the node writes on",
      run: async () => {
        await withSnapshot("the moment", async (records, runId) => {
          await write("written after the moment");
          await writeFile(join(chainstateDir, "new-file"), "new");
          const open = await snapshotter.open(records, requestFor(runId));
          try {
            const [main] = open.parts;
            assert.equal(main?.at, "");
            assert.equal(await readFile(join(main.path, "chainstate/vm/marf.sqlite"), "utf8"), "the moment");
            assert.ok(!(await readdir(main.path)).includes("new-file"));
            await assert.rejects(writeFile(join(main.path, "x"), "x"));
            await open.assertFrozen();
          } finally {
            await open.close();
            await open.close();
          }
          assert.equal(await now(), "written after the moment");
        });
        await rm(join(chainstateDir, "new-file"), { force: true });
      },
    },
    {
      title: "the records say what the manifest needs",
      run: async () => {
        await withSnapshot("recorded", async (records) => {
          await Promise.resolve();
          assert.ok(records.length > 0);
          for (const record of records) {
            assert.equal(record.driver, snapshotter.driver);
            assert.ok(!Number.isNaN(Date.parse(record.createdAt)));
          }
        });
      },
    },
    {
      title: "a snapshot that is not ours is refused, and one that is gone is no error",
      run: async () => {
        await withSnapshot("mine", async (records) => {
          const [record] = records;
          assert.ok(record !== undefined);
          await assert.rejects(snapshotter.delete(world.external(record), signal), { code: "NOT_OURS" });
          await remove(records);
          await remove(records);
          await assert.rejects(snapshotter.open(records, requestFor("x")), { code: "SNAPSHOT_VOID" });
        });
      },
    },
    {
      title: "the next run cleans up after a dead one, and after nobody else",
      run: async () => {
        await withSnapshot("of a run that lives", async () => {
          const dead = nextRun();
          const before = await leavings();
          const records = await snapshotter.freeze(requestFor(dead));
          await snapshotter.open(records, requestFor(dead));
          const prepared = await snapshotter.restore(records, {
            ...requestFor(dead),
            staging: stagingFor(dead),
          });
          await host.do(["rm", "-rf", "--one-file-system", stagingFor(dead)]).catch(() => "");
          const published = new Set(records.map((record) => record.snapshot));
          await snapshotter.cleanUp(dead, {
            chainstateDir,
            stateDir,
            signal,
            keep: (name) => published.has(name),
          });
          assert.equal((await leavings()).length, before.length + records.length);
          await snapshotter.cleanUp(dead, { chainstateDir, stateDir, signal });
          await snapshotter.cleanUp(dead, { chainstateDir, stateDir, signal });
          assert.deepEqual(await leavings(), before);
          await prepared.discard();
        });
      },
    },
    {
      title: "a restore beside the node, discarded, leaves nothing",
      run: async () => {
        await withSnapshot("beside", async (records, runId) => {
          await write("live");
          const before = await leavings();
          const prepared = await snapshotter.restore(records, {
            ...requestFor(runId),
            staging: stagingFor(runId),
          });
          assert.equal(
            await readFile(join(prepared.directory, "chainstate/vm/marf.sqlite"), "utf8"),
            "beside",
          );
          assert.equal(await now(), "live");
          await prepared.discard();
          assert.deepEqual(await leavings(), before);
        });
      },
    },
    {
      title: "a restore that is swapped in holds the old state, and can be taken back",
      run: async () => {
        await withSnapshot("restored", async (records, runId) => {
          await write("live before the swap");
          const before = await leavings();
          const prepared = await snapshotter.restore(records, {
            ...requestFor(runId),
            staging: stagingFor(runId),
          });
          const swapped = await swapIn(prepared, world);
          assert.equal(await now(), "restored");
          await write("the restored node writes");
          await swapped.takeBack(host);
          assert.equal(await now(), "live before the swap");
          await prepared.discard();
          assert.deepEqual(await leavings(), before);
        });
      },
    },
    {
      title: "a swap that fails at any command can be taken back",
      run: async () => {
        await withSnapshot("restored", async (records, runId) => {
          await write("live");
          const faulty = failingHost(host);
          const prepared = await world
            .make(faulty.host)
            .restore(records, { ...requestFor(runId), staging: stagingFor(runId) });
          if (prepared.kind === "directory") return await prepared.discard();
          const undo = parseUndoSteps(JSON.parse(JSON.stringify(prepared.undo)));
          // What is taken back can be swapped again, so one preparation serves for every point of failure.
          for (let failAt = firstFault(); ; failAt += every) {
            faulty.failAfter(failAt);
            const failure = await prepared.swap().then(
              () => undefined,
              (error: unknown) => error,
            );
            faulty.failAfter(Infinity);
            await undoVolumeSteps(undo, host);
            assert.equal(await now(), "live", `failed at command ${failAt}`);
            await write("live");
            if (failure === undefined) break;
          }
          await undoVolumeSteps(undo, host);
          assert.equal(await now(), "live", "taken back twice");
          await prepared.discard();
        });
      },
    },
    {
      title: "killed before any command, a run leaves nothing that the next run does not put right",
      run: async () => {
        await withSnapshot("restored", async (records, runId) => {
          await write("live");
          const before = await leavings();
          for (let dieBefore = firstFault(), lived = false; !lived; dieBefore += every) {
            const request = requestFor(`${runId}-${dieBefore}`);
            const staging = stagingFor(request.runId);
            let undo: readonly UndoStep[] = [];
            const mortal = mortalHost(host, dieBefore);
            const snapshotter = world.make(mortal.host);
            const life = async (): Promise<true> => {
              const journal = async (steps: readonly UndoStep[]): Promise<void> => {
                undo = await Promise.resolve(steps);
              };
              const frozen = await snapshotter.freeze({ ...request, journal });
              const view = await snapshotter.open(frozen, request);
              await view.close();
              for (const record of frozen) await snapshotter.delete(record, signal);
              const prepared = await snapshotter.restore(records, { ...request, staging });
              if (prepared.kind === "volume") {
                undo = prepared.undo;
                await prepared.swap();
              }
              return true;
            };
            lived = await Promise.race([life(), mortal.death]);
            await undoVolumeSteps(parseUndoSteps(JSON.parse(JSON.stringify(undo))), host);
            await world.removeTree(staging);
            await world.make(host).cleanUp(request.runId, { chainstateDir, stateDir, signal });
            assert.deepEqual(await leavings(), before, `killed before command ${dieBefore}`);
            assert.equal(await now(), "live", `killed before command ${dieBefore}`);
            await write("live");
          }
        });
      },
    },
    {
      title:
        "a committed restore, though the commit failed at every command before, runs on the snapshot's state and can be snapshotted again",
      run: async () => {
        await withSnapshot("committed", async (records, runId) => {
          await write("live");
          const prepared = await snapshotter.restore(records, {
            ...requestFor(runId),
            staging: stagingFor(runId),
          });
          const swapped = await swapIn(prepared, world);
          await swapped.commit(runId);
          assert.equal(await now(), "committed");
          await write("after the restore");
          const probe = await snapshotter.probe(requestFor(nextRun()));
          assert.equal(probe.usable, true, probe.reason);
        });
        assert.equal(await now(), "after the restore");
      },
    },
  ];
}

/** Swaps as a command would: volumes by themselves, directories by rename. */
async function swapIn(
  prepared: PreparedRestore,
  { chainstateDir: target, make, host, faultsEvery = 1 }: VolumeWorld,
): Promise<{ takeBack(host: Host): Promise<void>; commit(runId: string): Promise<void> }> {
  if (prepared.kind === "volume") {
    const undo = parseUndoSteps(JSON.parse(JSON.stringify(prepared.undo)));
    await prepared.swap();
    return {
      takeBack: async (host) => void (await undoVolumeSteps(undo, host)),
      async commit(runId) {
        const faulty = failingHost(host);
        const snapshotter = make(faulty.host);
        assert.ok(snapshotter.commit !== undefined);
        const request = { runId, keepPrevious: false, signal };
        for (
          let [failAt, failure]: [number, unknown] = [1, "none yet"];
          failure !== undefined;
          failAt += faultsEvery
        ) {
          faulty.failAfter(failAt);
          failure = await snapshotter.commit(undo, request).then(
            () => undefined,
            (error: unknown) => error ?? "unknown",
          );
        }
      },
    };
  }
  const aside = `${target}.old`;
  await rename(target, aside);
  await rename(prepared.directory, target);
  return {
    async takeBack(): Promise<void> {
      await rename(target, prepared.directory);
      await rename(aside, target);
    },
    commit: async () => void (await host.do(["rm", "-rf", "--one-file-system", aside])),
  };
}

/** A host whose privileged commands fail from the n-th on, as if the process had been killed there. */
function failingHost(host: Host): { readonly host: Host; failAfter(count: number): void } {
  let left = Infinity;
  const check = (argv: readonly string[]): void => {
    left -= 1;
    if (left < 0) throw new Error(`killed before ${argv.join(" ")}`);
  };
  return {
    failAfter: (count) => {
      left = count - 1;
    },
    host: {
      ...host,
      async ask(argv, timeoutMs) {
        check(argv);
        return await host.ask(argv, timeoutMs);
      },
      async do(argv, timeoutMs) {
        check(argv);
        return await host.do(argv, timeoutMs);
      },
      async work(argv, options) {
        check(argv);
        await host.work(argv, options);
      },
    },
  };
}

/** What only looks: to die before it is to die after the change before it. */
const questions = /^(lvs|zfs (list|get)|btrfs (--version|property get)|mountpoint) /;

/**
 * A host on which a run dies before its n-th command that changes something: that and every later one is never answered, so that,
 * as after SIGKILL, not even what stands in `finally` is done.
 */
function mortalHost(host: Host, dieBefore: number): { readonly host: Host; readonly death: Promise<false> } {
  const death = Promise.withResolvers<false>();
  let left = dieBefore;
  const survive = async (argv: readonly string[]): Promise<void> => {
    if (left > 0 && !questions.test(`${argv.join(" ")} `)) left -= 1;
    if (left > 0) return;
    death.resolve(false);
    await new Promise<never>(() => undefined);
  };
  return {
    death: death.promise,
    host: {
      ...host,
      async ask(argv, timeoutMs) {
        await survive(argv);
        return await host.ask(argv, timeoutMs);
      },
      async do(argv, timeoutMs) {
        await survive(argv);
        return await host.do(argv, timeoutMs);
      },
      async work(argv, options) {
        await survive(argv);
        await host.work(argv, options);
      },
    },
  };
}
