import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../src/domain/errors.ts";
import { compileGlob } from "../../src/chainstate/globs.ts";
import {
  databases,
  databaseStem,
  isBlobs,
  isNeededForChecks,
  isWriteOnce,
  selectEntries,
} from "../../src/chainstate/layout.ts";

const block = `chainstate/blocks/0132/db48/0132db4842b222484a6186a0aef71f47991a81b3ef0357ceb6b1798c4a68837d`;

describe("profiles", () => {
  const backup = selectEntries("backup");
  const share = selectEntries("share");

  it.each([
    ["chainstate/vm/index.sqlite", undefined, undefined],
    ["chainstate/vm/index.sqlite-wal", undefined, undefined],
    ["chainstate/vm/index.sqlite.blobs", undefined, undefined],
    ["headers.sqlite-wal", undefined, undefined],
    ["atlas.sqlite", undefined, undefined],
    ["stacker_db.sqlite-wal", undefined, undefined],
    [block, undefined, undefined],
    ["peer.sqlite", undefined, "profile"],
    ["peer.sqlite-wal", undefined, "profile"],
    ["miner.sqlite-shm", undefined, "profile"],
    ["event_observers.sqlite-journal", undefined, "profile"],
    ["chainstate/mempool.sqlite-wal", undefined, "profile"],
    ["chainstate/tx_tracking.sqlite", undefined, "profile"],
    ["chainstate/estimates", undefined, "profile"],
    ["chainstate/estimates/cost_estimator_pessimistic.sqlite", undefined, "profile"],
    ["chainstate/peer.sqlite", undefined, undefined],
    ["headers.sqlite.reorg", "scratch", "scratch"],
    ["headers.sqlite.reorg-wal", "scratch", "scratch"],
    ["._headers.sqlite-wal", "scratch", "scratch"],
    ["chainstate/vm/._index.sqlite-wal", "scratch", "scratch"],
    ["chainstate/vm/x.tmp", "scratch", "scratch"],
    ["lost+found", "scratch", "scratch"],
    ["Config.toml", "profile", "profile"],
    ["burnchain/miner-conf.TOML", "profile", "profile"],
    ["Config", "profile", "profile"],
    ["signerdb.sqlite", "profile", "profile"],
    ["stacks-signer.sqlite-wal", "profile", "profile"],
    ["signer.db-wal", "profile", "profile"],
  ] as const)("%s: backup %s, share %s", (path, inBackup, inShare) => {
    expect(backup.leavesOut(path, path.endsWith("estimates"))).toBe(inBackup);
    expect(share.leavesOut(path, path.endsWith("estimates"))).toBe(inShare);
  });

  it("knows what is written once and what is appended to", () => {
    expect(isWriteOnce(block)).toBe(true);
    expect(backup.isWriteOnce(`${block}.tmp`)).toBe(false);
    expect(isWriteOnce("chainstate/blocks/nakamoto.sqlite")).toBe(false);
    expect(isBlobs("chainstate/vm/index.sqlite.blobs")).toBe(true);
    expect(isBlobs("chainstate/vm/index.sqlite")).toBe(false);
  });

  it("knows what a check has to see", () => {
    expect(isNeededForChecks("chainstate/vm/index.sqlite-wal", "tips")).toBe(true);
    expect(isNeededForChecks("chainstate/vm/index.sqlite.blobs", "tips")).toBe(false);
    expect(isNeededForChecks("chainstate/vm/index.sqlite.blobs", "full")).toBe(true);
    expect(isNeededForChecks("atlas.sqlite", "tips")).toBe(false);
    expect(isNeededForChecks("atlas.sqlite", "quick")).toBe(true);
    expect(isNeededForChecks(block, "full")).toBe(false);
    expect(isNeededForChecks("chainstate/vm/index.sqlite-shm", "full")).toBe(false);
  });
});

describe("exclude", () => {
  it.each(["**/*-wal", "*-wal", "chainstate/vm/*.blobs", "**/*.sqlite?*", "peer.sqlite-wal", "**/*-journal"])(
    "refuses %s, which tears a database apart",
    (glob) => {
      expect(() => selectEntries("backup", [glob])).toThrow(InputError);
      expect(() => selectEntries("backup", [glob])).toThrow(/would take .* away from/);
    },
  );

  it.each([
    "chainstate",
    "**",
    "*",
    "**/marf.sqlite",
    "burnchain/",
    "chainstate/{vm,blocks}",
    "**/*.sqlite*",
    "chainstate/blocks/**",
  ])("refuses %s, which takes what a chainstate is made of", (glob) => {
    expect(() => selectEntries("backup", [glob])).toThrow(/there is no chainstate/);
  });

  it.each(["/etc", "../x", "a/../../b", "", "[a", "{a", "./"])("refuses the glob '%s'", (glob) => {
    expect(() => selectEntries("backup", [glob])).toThrow(InputError);
  });

  it("is widened to the whole stem", () => {
    const selection = selectEntries("backup", ["peer.sqlite", "chainstate/estimates/**"]);
    for (const path of [
      "peer.sqlite",
      "peer.sqlite-wal",
      "peer.sqlite-shm",
      "chainstate/estimates/a.sqlite-wal",
    ])
      expect(selection.leavesOut(path, false)).toBe("exclude");
    expect(selection.leavesOut("miner.sqlite", false)).toBeUndefined();
  });

  it("may leave out a -shm, which is rebuilt", () => {
    const selection = selectEntries("backup", ["**/*-shm"]);
    expect(selection.leavesOut("chainstate/vm/index.sqlite-shm", false)).toBe("exclude");
    expect(selection.leavesOut("chainstate/vm/index.sqlite-wal", false)).toBeUndefined();
  });

  it("refuses to tear a database that it did not know before", () => {
    const selection = selectEntries("backup", ["mine/*-wal"]);
    expect(() => selection.leavesOut("mine/own.sqlite-wal", false)).toThrow(/away from mine\/own.sqlite/);
  });

  /** Of a database and what belongs to it, what is taken; nothing where the glob is refused. */
  function takenOf(glob: string, path: string): boolean[] {
    try {
      const selection = selectEntries("backup", [glob]);
      return ["", "-wal", "-journal", ".blobs"].map(
        (end) => selection.leavesOut(path + end, false) === undefined,
      );
    } catch (error) {
      if (error instanceof InputError) return [];
      throw error;
    }
  }

  it("never takes a WAL without its database, nor a database without its WAL", () => {
    const piece = fc.constantFrom(
      "*",
      "**",
      "?",
      "-wal",
      ".sqlite",
      "marf",
      "peer",
      "/",
      "chainstate",
      "[a-p]",
      "{index,peer}",
      "x",
    );
    const paths = [
      ...Object.values(databases),
      "peer.sqlite",
      "miner.sqlite",
      "chainstate/estimates/x.sqlite",
    ];
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(...paths),
        (pieces, path) => {
          const taken = takenOf(pieces.join(""), path);
          expect(new Set(taken).size).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe("globs", () => {
  it.each([
    ["a/*.log", "a/x.log", true],
    ["a/*.log", "a/b/x.log", false],
    ["a/**/x", "a/x", true],
    ["a/**/x", "a/b/c/x", true],
    ["a/**", "a/b/c", true],
    ["**/x", "x", true],
    ["**/x", "ax", false],
    ["a**b", "a/b", false],
    ["a?c", "abc", true],
    ["a?c", "a/c", false],
    ["[a-c]x", "bx", true],
    ["[!a-c]x", "bx", false],
    ["[!a]x", "/x", false],
    ["x.{a,b}", "x.b", true],
    ["x.{a,b}", "x.c", false],
    ["a.b", "axb", false],
    ["*", ".hidden", true],
    ["(a|b)+$^", "(a|b)+$^", true],
    ["[]]", "]", true],
    ["x[&]y", "x&y", true],
    ["x[&~]y", "x~y", true],
    ["[&&]", "&", true],
    ["!x", "!x", true],
    ["!x", "y", false],
    ["@(a|b)", "a", false],
    ["größe-*", "größe-1", true],
    ["*", "a\nb", true],
    ["a\\*", "a*", true],
    ["a\\*", "ab", false],
    ["a/*", "a/", false],
  ])("%s on %s: %s", (glob, path, expected) => {
    expect(compileGlob(glob).test(path)).toBe(expected);
  });
});

it("finds the stem of every sidecar", () => {
  expect(databaseStem("a/x.sqlite-wal")).toBe("a/x.sqlite");
  expect(databaseStem("a/x.sqlite.blobs")).toBe("a/x.sqlite");
  expect(databaseStem("a/notes-wal")).toBe("a/notes-wal");
});
