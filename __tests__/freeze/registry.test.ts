import type { FreezerName } from "../../src/domain/options.ts";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { chooseFreezer, freezersInOrder } from "../../src/freeze/registry.ts";
import type { Freezer } from "../../src/freeze/port.ts";
import { requestFor, rules, scratch, viewOf } from "./support.ts";

function freezer(name: FreezerName, usable: boolean): Freezer {
  return {
    name,
    probe: async () => ({ usable, reason: `${name} ${usable ? "works" : "does not work"}` }),
    freeze: () => Promise.reject(new Error("only chosen")),
    cleanUp: async () => undefined,
  };
}

const request = requestFor("/nowhere", "/nowhere");
const cold = freezer("cold", true);

test("auto takes the first that works and says why the ones before do not", async () => {
  const freezers = [freezer("zfs", false), freezer("reflink", true), freezer("sqlite", true), cold];
  const chosen = await chooseFreezer({ cut: "auto", freezeWith: "auto" }, request, freezers);
  expect(chosen.freezer.name).toBe("reflink");
  expect(chosen.reason).toBe("reflink works; not zfs: zfs does not work");
  expect(chosen.notice).toBeUndefined();
});

test("where nothing can freeze, auto is cold with a notice, and frozen is refused before the node is touched", async () => {
  const freezers = [freezer("reflink", false), freezer("sqlite", false), cold];
  const chosen = await chooseFreezer({ cut: "auto", freezeWith: "auto" }, request, freezers);
  expect(chosen.freezer.name).toBe("cold");
  expect(chosen.notice).toMatch(/stays down until the archive is uploaded/);
  await expect(chooseFreezer({ cut: "frozen", freezeWith: "auto" }, request, freezers)).rejects.toMatchObject(
    {
      code: "FREEZE_UNSUPPORTED",
      message: expect.stringContaining("not sqlite: sqlite does not work") as string,
    },
  );
});

test("what is asked for by name is taken or refused, never replaced", async () => {
  const freezers = [freezer("reflink", false), freezer("sqlite", true), cold];
  const sqlite = await chooseFreezer({ cut: "frozen", freezeWith: "sqlite" }, request, freezers);
  expect(sqlite.freezer.name).toBe("sqlite");
  for (const freezeWith of ["reflink", "lvm"] as const) {
    await expect(chooseFreezer({ cut: "auto", freezeWith }, request, freezers)).rejects.toMatchObject({
      code: "FREEZE_UNSUPPORTED",
    });
  }
});

test("live is SQLite's readers or nothing; cold needs no freezer", async () => {
  const freezers = [freezer("reflink", true), freezer("sqlite", true), cold];
  const live = await chooseFreezer({ cut: "live", freezeWith: "auto" }, request, freezers);
  expect(live.freezer.name).toBe("sqlite");
  await expect(
    chooseFreezer({ cut: "live", freezeWith: "reflink" }, request, freezers),
  ).rejects.toMatchObject({
    code: "FREEZE_UNSUPPORTED",
  });
  const chosen = await chooseFreezer({ cut: "cold", freezeWith: "auto" }, request, freezers);
  expect(chosen.freezer.name).toBe("cold");
});

test("the real ones: something is found on this machine, by a trial that leaves nothing", async () => {
  const base = await scratch();
  const dir = join(base, "mainnet");
  mkdirSync(dir);
  const freezers = freezersInOrder({ viewOf, rules, limits: { minFreeBytes: 1 } }, [freezer("lvm", false)]);
  expect(freezers.map((each) => each.name)).toEqual(["lvm", "reflink", "sqlite", "cold"]);
  const chosen = await chooseFreezer(
    { cut: "auto", freezeWith: "auto" },
    requestFor(dir, join(base, "state")),
    freezers,
  );
  expect(["reflink", "sqlite"]).toContain(chosen.freezer.name);
  expect(chosen.reason).toContain("not lvm");
});
