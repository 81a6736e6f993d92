/**
 * Databases in a directory that root holds, while the node's user, who owns the directory above it, exchanges it for another one of
 * root's again and again. SQLite opens by name; whatever it opened, nothing of the other one is answered or changed.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, test } from "vitest";
import { openReader, type DatabaseReader } from "../../src/chainstate/read-only-database.ts";
import { hasCode } from "../../src/domain/errors.ts";
import { holdDirectory, type HeldDirectory } from "../../src/system/held-directory.ts";
import { canBeOthers } from "../other-user.ts";
import { digestTree } from "./scratch.ts";

const { signal } = new AbortController();
const neighbour = 65_534;
const count = 300;
const names = Array.from({ length: count }, (_, at) => `d${at}.sqlite`);
const longEnoughMs = 30_000;

/** Databases that say whose they are; in WAL mode, in their WALs alone. */
function fill(directory: string, whose: string, mode: "wal" | "delete"): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const model = join(directory, "model");
  const database = new DatabaseSync(model);
  database.exec(`PRAGMA journal_mode = ${mode}; CREATE TABLE t (whose TEXT)`);
  if (mode === "wal") database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.exec(`INSERT INTO t VALUES ('${whose}')`);
  // While it is open, as a node leaves them that was killed.
  for (const ending of mode === "wal" ? ["", "-wal"] : [""])
    for (const name of names) copyFileSync(model + ending, join(directory, name + ending));
  database.close();
  rmSync(model);
}

/** Of the neighbour: `place` is now one directory, now the other. */
const exchanges = `
const { renameSync } = require("node:fs");
for (;;) {
  renameSync("place", "taken"); renameSync("vault", "place");
  renameSync("place", "vault"); renameSync("taken", "place");
}`;

interface Met<T> {
  readonly done: readonly T[];
  /** How often it was an exchange that was answered. */
  readonly met: number;
}

class Scene {
  readonly home = mkdtempSync(join(tmpdir(), "held-files-"));
  /** Where the databases are that are to be read, and what the neighbour puts in their place. */
  readonly place: HeldDirectory;
  readonly vault: HeldDirectory;
  readonly #exchanging: ChildProcess;

  constructor(mode: "wal" | "delete") {
    for (const [name, whose] of [
      ["place", "ours"],
      ["vault", "not ours"],
    ] as const) {
      mkdirSync(join(this.home, name), { mode: 0o700 });
      fill(join(this.home, name, "tree"), whose, mode);
    }
    chownSync(this.home, neighbour, neighbour);
    this.place = holdDirectory(join(this.home, "place"));
    this.vault = holdDirectory(join(this.home, "vault"));
    const as = { cwd: this.home, uid: neighbour, gid: neighbour };
    this.#exchanging = spawn(process.execPath, ["-e", exchanges], { ...as, stdio: "ignore" });
  }

  async end(): Promise<void> {
    const ended = new Promise((done) => this.#exchanging.once("close", done));
    this.#exchanging.kill("SIGKILL");
    await ended;
    for (const held of [this.place, this.vault]) held.close();
    rmSync(this.home, { recursive: true, force: true });
  }

  /** Until an exchange was met five times, with another process for each round. */
  async meet<T>(work: (reader: DatabaseReader, name: string) => Promise<T>): Promise<Met<T>> {
    const done: T[] = [];
    let met = 0;
    const until = Date.now() + longEnoughMs;
    while (met < 5 && Date.now() < until) {
      const reader = await openReader({ dir: join(this.place.at, "tree"), signal });
      for (const name of names) {
        try {
          done.push(await work(reader, name));
        } catch (error) {
          if (hasCode(error, "PATH_EXCHANGED")) met += 1;
          // For a moment there is nothing of that name.
          else if (!hasCode(error, "DATABASE_UNREADABLE")) throw error;
        }
      }
      await reader.end();
    }
    return { done, met };
  }
}

describe.runIf(canBeOthers)("while another user exchanges the directory", () => {
  let scene: Scene;
  afterEach(async () => await scene.end());

  test.each(["wal", "delete"] as const)("its own databases alone are read (%s)", async (mode) => {
    scene = new Scene(mode);
    const before = digestTree(scene.vault.at);
    const { done, met } = await scene.meet(
      async (reader, name) => (await reader.ask(name, "SELECT whose FROM t"))[0]?.["whose"],
    );
    expect([...new Set(done)]).toEqual(["ours"]);
    expect(digestTree(scene.vault.at)).toEqual(before);
    expect(met).toBeGreaterThan(0);
  });

  test("its own WALs alone are folded", async () => {
    scene = new Scene("wal");
    const before = digestTree(scene.vault.at);
    const { done, met } = await scene.meet(async (reader, name) => {
      if (!existsSync(join(scene.place.at, "tree", `${name}-wal`))) return undefined;
      await reader.fold(name, longEnoughMs);
      return name;
    });
    expect(digestTree(scene.vault.at)).toEqual(before);
    const folded = done.filter((name) => name !== undefined);
    expect(Math.min(met, folded.length)).toBeGreaterThan(0);
    for (const name of folded) {
      const path = join(scene.place.at, "tree", name);
      expect(existsSync(`${path}-wal`)).toBe(false);
      expect(readFileSync(path).includes("ours")).toBe(true);
    }
  });
});
