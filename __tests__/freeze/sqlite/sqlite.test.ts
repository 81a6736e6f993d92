/** What is special about the freezer that uses SQLite's readers: a node that never stops, and everything that can go wrong. */
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { patienceMs } from "../../../simulator/launch.ts";
import { canBeOthers } from "../../other-user.ts";
import { sqliteFreezer } from "../../../src/freeze/sqlite/sqlite.ts";
import type { SqliteFreezerOptions } from "../../../src/freeze/sqlite/sqlite.ts";
import type { FreezeRequest, FrozenView } from "../../../src/freeze/port.ts";
import { ChainWriter, createChainstate } from "../../../simulator/chainstate.ts";
import { databasePaths } from "../../../simulator/schema.ts";
import {
  copyView,
  databasesOf,
  examineCopy,
  examineHeld,
  keepersOf,
  requestFor,
  rules,
  scratch,
  startWriter,
  viewOf,
  whyNodeWouldPanic,
} from "../support.ts";

const quick = { intervalMs: 30, minFreeBytes: 1 };

function freezerWith(options: Partial<SqliteFreezerOptions> = {}): ReturnType<typeof sqliteFreezer> {
  return sqliteFreezer({ viewOf, rules, limits: quick, ...options });
}

async function chainstate(height = 30): Promise<{ base: string; dir: string; request: FreezeRequest }> {
  const base = await scratch();
  const dir = join(base, "mainnet");
  createChainstate(dir, { era: "nakamoto", height });
  return { base, dir, request: requestFor(dir, join(base, "state")) };
}

/** The reason `broken` gives, or a failure when it gives none. */
async function whyBroken(frozen: FrozenView): Promise<{ code?: string; message: string }> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("the view did not break")), patienceMs).unref();
  });
  return Promise.race([frozen.broken, late]).catch((error: unknown) => error as never);
}

/** Sees to it that the view is void in every respect, and returns why. */
async function voided(frozen: FrozenView): Promise<string> {
  const reason = await whyBroken(frozen);
  expect(reason).toMatchObject({ code: "FREEZE_BROKEN" });
  await expect(frozen.assertFrozen()).rejects.toMatchObject({ code: "FREEZE_BROKEN" });
  await frozen.release();
  expect(keepersOf()).toEqual([]);
  return reason.message;
}

test("live: a running node's state at one moment, while it goes on, and the node is the same", async () => {
  const { base, dir, request } = await chainstate();
  const writer = await startWriter(dir, 200);
  try {
    const before = await writer.progress();
    const frozen = await freezerWith().freeze(request, false);
    let held: Record<string, string>;
    try {
      if (frozen.ask === undefined) throw new Error("nothing can be asked");
      held = await examineHeld(frozen.ask);
      expect(await rules.tipsAgree(frozen.ask)).toMatchObject({ agree: true });
      await copyView(frozen.view, join(base, "copy"), 2);
      await frozen.assertFrozen();
      expect(await examineHeld(frozen.ask)).toEqual(held);
    } finally {
      await frozen.release();
    }
    expect(await examineCopy(join(base, "copy"))).toEqual(held);
    expect(whyNodeWouldPanic(join(base, "copy"))).toBeUndefined();
    const after = await writer.progress();
    expect(after.pid).toBe(before.pid);
    expect(after.height).toBeGreaterThan(before.height);
    expect(after.busy).toBeGreaterThan(before.busy);
  } finally {
    await writer.stop();
  }
  expect(readdirSync(request.stateDir)).toEqual([]);
});

test("live: a moment between two of a block's commits is not taken", async () => {
  const { dir, request } = await chainstate();
  const chain = ChainWriter.open(dir);
  try {
    chain.appendBlock({ until: "clarity" });
    await expect(freezerWith({ liveTries: 10 }).freeze(request, false)).rejects.toMatchObject({
      code: "LIVE_CUT_NOT_FOUND",
    });
    expect(keepersOf()).toEqual([]);
  } finally {
    chain.close(true);
  }
});

test("live: refuses a database in rollback-journal mode, and says which", async () => {
  const { dir, request } = await chainstate();
  const database = new DatabaseSync(join(dir, "extra.sqlite"));
  database.exec("CREATE TABLE t (x)");
  database.close();
  await expect(freezerWith().freeze(request, false)).rejects.toMatchObject({
    code: "FREEZE_UNSUPPORTED",
    message: expect.stringContaining("extra.sqlite") as string,
  });
  const frozen = await freezerWith().freeze(request, true);
  await frozen.release();
});

test("an unconfirmed trie in `.blobs` is refused", async () => {
  const { dir, request } = await chainstate();
  const database = new DatabaseSync(join(dir, databasePaths.clarity));
  database.exec(
    "INSERT INTO marf_data (block_hash, data, unconfirmed, external_offset, external_length) VALUES ('u', '', 1, 0, 10)",
  );
  database.close();
  await expect(freezerWith().freeze(request, true)).rejects.toMatchObject({ code: "FREEZE_UNSETTLED" });
  expect(keepersOf()).toEqual([]);
});

test("a WAL that the selection leaves out while its database needs it is an error, not a loss", async () => {
  const { request } = await chainstate();
  const selection = {
    ...request.selection,
    leavesOut: (path: string) => (path.endsWith("-wal") ? ("exclude" as const) : undefined),
  };
  await expect(freezerWith().freeze({ ...request, selection }, true)).rejects.toMatchObject({
    code: "FREEZE_FAILED",
    message: expect.stringContaining("-wal holds data") as string,
  });
});

test("a reader that stands on the database file alone has no WAL in its view, and none of a later one", async () => {
  const { base, dir, request } = await chainstate();
  // Everything is in the database files, the WALs are there and full of what is checkpointed already.
  const chain = ChainWriter.open(dir);
  try {
    for (const path of Object.keys(databasePaths)) {
      if (chain.has(path as never)) chain.database(path as never).exec("PRAGMA wal_checkpoint(PASSIVE)");
    }
    expect(statSync(join(dir, `${databasePaths.clarity}-wal`)).size).toBeGreaterThan(0);
    const frozen = await freezerWith().freeze(request, false);
    try {
      if (frozen.ask === undefined) throw new Error("nothing can be asked");
      const held = await examineHeld(frozen.ask);
      for (let at = 0; at < 5; at += 1) chain.appendBlock();
      const paths = await copyView(frozen.view, join(base, "copy"));
      expect(paths.filter((path) => path.endsWith("-wal"))).toEqual([]);
      await frozen.assertFrozen();
      expect(await examineCopy(join(base, "copy"))).toEqual(held);
    } finally {
      await frozen.release();
    }
  } finally {
    chain.close(true);
  }
});

test("the keeper killed: void, and the process that writes does not notice", async () => {
  const { dir, request } = await chainstate();
  const frozen = await freezerWith().freeze(request, true);
  const [keeper] = keepersOf();
  if (keeper === undefined) throw new Error("no keeper");
  const writer = await startWriter(dir, 50);
  try {
    process.kill(keeper, "SIGKILL");
    expect(await voided(frozen)).toMatch(/keeper process was ended by SIGKILL/);
    const { height } = await writer.progress();
    await expect.poll(async () => (await writer.progress()).height).toBeGreaterThan(height);
  } finally {
    await writer.stop();
  }
});

test("the keeper's locks lost by a descriptor that it closed: void", async () => {
  const { dir, request } = await chainstate();
  const frozen = await freezerWith({
    keeperScript: join(import.meta.dirname, "leaky-keeper.ts"),
    limits: { ...quick, intervalMs: 60_000 },
  }).freeze(request, true);
  const [keeper] = keepersOf();
  if (keeper === undefined) throw new Error("no keeper");
  const note = join("/tmp", `leaky-keeper-${process.pid}`);
  onTestFinished(() => rmSync(note, { force: true }));
  await frozen.assertFrozen();
  writeFileSync(note, join(dir, `${databasePaths.index}-shm`));
  process.kill(keeper, "SIGUSR2");
  await expect
    .poll(() =>
      frozen.assertFrozen().then(
        () => "held",
        (error: unknown) => Reflect.get(error as object, "message") as string,
      ),
    )
    .toMatch(/holds no read lock on .*index\.sqlite/);
  expect(await voided(frozen)).toMatch(/holds no read lock/);
});

test("a WAL cut short, restarted or removed behind it: void", async () => {
  for (const harm of ["truncate", "remove", "restart"] as const) {
    const { dir, request } = await chainstate();
    const frozen = await freezerWith().freeze(request, true);
    const wal = join(dir, `${databasePaths.sortition}-wal`);
    if (harm === "truncate") truncateSync(wal, 5000);
    if (harm === "remove") rmSync(wal);
    if (harm === "restart") writeFileSync(wal, Buffer.alloc(statSync(wal).size));
    expect(await voided(frozen)).toMatch(/The WAL of burnchain\/sortition\/marf\.sqlite|is not the commit/);
  }
});

test("a database or its blobs cut short or replaced behind it: void", async () => {
  for (const path of [databasePaths.index, `${databasePaths.index}.blobs`]) {
    const { dir, request } = await chainstate();
    const frozen = await freezerWith().freeze(request, true);
    truncateSync(join(dir, path), 100);
    expect(await voided(frozen)).toMatch(/was cut short/);
  }
});

test("WALs that grow are warned of, then given up, before the disk is full or too long has passed", async () => {
  const warnings: string[] = [];
  const { dir, request } = await chainstate();
  const grown = await freezerWith({
    limits: { ...quick, warnGrowthBytes: 1, maxGrowthBytes: 3_000_000 },
    onWarning: (message) => warnings.push(message),
  }).freeze(request, true);
  const writer = await startWriter(dir, 200);
  try {
    expect(await voided(grown)).toMatch(/given up: the WALs have grown/);
    expect(warnings.length).toBeGreaterThan(0);
    expect(warnings.length).toBeLessThan(30);
  } finally {
    await writer.stop();
  }
  const full = await freezerWith({ limits: { ...quick, minFreeBytes: 2 ** 60 } }).freeze(request, true);
  expect(await voided(full)).toMatch(/given up: only .* are free/);
  const late = await freezerWith({ limits: { ...quick, maxHoldMs: 50 } }).freeze(request, true);
  expect(await voided(late)).toMatch(/given up: it has been frozen/);
});

test("nothing is checkpointed or deleted by a keeper that ends while the node is down", async () => {
  const { dir, request } = await chainstate();
  const look = (): object =>
    Object.values(databasePaths).map((path) => [
      statSync(join(dir, path)).size,
      statSync(join(dir, `${path}-wal`)).size,
    ]);
  const before = look();
  const frozen = await freezerWith().freeze(request, true);
  await frozen.release();
  expect(look()).toEqual(before);
});

test("a freeze that fails in the middle of its list leaves no keeper", async () => {
  const { request } = await chainstate();
  const failing: SqliteFreezerOptions["viewOf"] = async (directory, selection) => {
    const view = await viewOf(directory, selection);
    return {
      rootEntry: view.rootEntry,
      async *entries(signal) {
        for await (const entry of view.entries(signal)) {
          yield entry;
          throw new Error("the disk is gone");
        }
      },
    };
  };
  await expect(freezerWith({ viewOf: failing }).freeze(request, true)).rejects.toThrow("the disk is gone");
  expect(keepersOf()).toEqual([]);
  expect(readdirSync(request.stateDir)).toEqual([]);
});

test("any value can be asked for; a database that is not held is an answer that fails, not a call that does", async () => {
  const { dir, request } = await chainstate();
  rmSync(join(dir, "miner.sqlite"));
  const frozen = await freezerWith().freeze(request, true);
  try {
    const large = await frozen.ask?.(
      databasePaths.index,
      "SELECT 9223372036854775807 AS a, 7 AS b, x'0aff' AS c, NULL AS d",
    );
    expect(large).toEqual([{ a: "9223372036854775807", b: 7, c: "0aff", d: null }]);
    const answer = frozen.ask?.("miner.sqlite", "SELECT 1");
    await expect(answer).rejects.toMatchObject({ code: "FREEZE_FAILED" });
    await expect(frozen.ask?.(databasePaths.index, "SELECT nonsense")).rejects.toMatchObject({
      code: "FREEZE_FAILED",
    });
    await frozen.assertFrozen();
  } finally {
    await frozen.release();
  }
});

const fixture = join(import.meta.dirname, "../../../../shared/fixtures/sbtc-regtest-chainstate.tar.xz");

test.skipIf(!existsSync(fixture))(
  "a chainstate that a real node wrote, frozen and then moved on, is its cold copy",
  async () => {
    const base = await scratch();
    execFileSync("tar", ["-xf", fixture, "-C", base, "--exclude=._*"]);
    const dir = join(base, "stacks-node");
    cpSync(dir, join(base, "cold"), { recursive: true, filter: (path) => !path.endsWith("-shm") });
    const frozen = await freezerWith().freeze(requestFor(dir, join(base, "state")), true);
    try {
      const chain = ChainWriter.open(dir);
      for (let at = 0; at < 30; at += 1) chain.appendBlock();
      for (const path of databasesOf) {
        const database = new DatabaseSync(join(dir, path));
        database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
        database.close();
      }
      chain.close(true);
      const paths = await copyView(frozen.view, join(base, "copy"));
      await frozen.assertFrozen();
      expect(paths.filter((path) => path.endsWith("-wal")).length).toBeGreaterThan(4);
    } finally {
      await frozen.release();
    }
    const reference = await examineCopy(join(base, "cold"));
    expect(Object.keys(reference)).toHaveLength(databasesOf.length);
    expect(await examineCopy(join(base, "copy"))).toEqual(reference);
    expect(whyNodeWouldPanic(join(base, "copy"))).toBeUndefined();
    expect(await examineCopy(dir)).not.toEqual(reference);
  },
);

/** Freezes in a process of its own and returns what it prints. */
async function freezeElsewhere(
  dir: string,
  stateDir: string,
  uid?: number,
): Promise<{ readonly child: ChildProcess; readonly said: string }> {
  const script = join(import.meta.dirname, "freeze-until-killed.ts");
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script, dir, stateDir], {
    stdio: ["ignore", "pipe", "inherit"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  return { child, said: said.toString() };
}

test.for(["SIGKILL", "SIGTERM", "SIGINT"] as const)(
  "the keeper goes with the process that started it, ended by %s",
  async (signal) => {
    const { dir, base } = await chainstate();
    const { child, said } = await freezeElsewhere(dir, join(base, "state"));
    const keeper = Number(said);
    expect(keeper).toBeGreaterThan(0);
    expect(isGone(keeper)).toBe(false);
    child.kill(signal);
    await expect.poll(() => isGone(keeper), { timeout: 10_000 }).toBe(true);
  },
);

test.runIf(canBeOthers)(
  "a user that is neither root nor the owner makes no files that the node could not open",
  async () => {
    const { dir, base } = await chainstate();
    const nobody = 65_534;
    chmodSync(base, 0o755);
    const stateDir = join(base, "state");
    mkdirSync(stateDir);
    chownSync(stateDir, nobody, nobody);
    // Writable for everybody, but one database has no sidecars, as after a node that closed it in an orderly way.
    for (const path of readdirSync(dir, { recursive: true, encoding: "utf8" }))
      chmodSync(join(dir, path), 0o777);
    chmodSync(dir, 0o777);
    const closed = join(dir, "atlas.sqlite");
    const last = new DatabaseSync(closed);
    last.prepare("SELECT COUNT(*) FROM sqlite_schema").get();
    last.close();
    expect(existsSync(`${closed}-wal`)).toBe(false);
    const { child, said } = await freezeElsewhere(dir, stateDir, nobody);
    child.kill("SIGKILL");
    expect(said).toBe("PRIVILEGE_MISSING");
    expect(existsSync(`${closed}-wal`)).toBe(false);
    expect(existsSync(`${closed}-shm`)).toBe(false);

    // Root may make them, for it makes them the owner's; and so may somebody who finds them there.
    chownSync(closed, 12_345, 12_345);
    const own = await freezeElsewhere(dir, join(base, "state-of-root"));
    own.child.kill("SIGKILL");
    expect(Number(own.said)).toBeGreaterThan(0);
    expect([statSync(`${closed}-wal`).uid, statSync(`${closed}-shm`).uid]).toEqual([12_345, 12_345]);
    for (const path of [`${closed}-wal`, `${closed}-shm`]) chmodSync(path, 0o666);
    const other = await freezeElsewhere(dir, join(stateDir, "again"), nobody);
    other.child.kill("SIGKILL");
    expect(Number(other.said)).toBeGreaterThan(0);
  },
);

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}
