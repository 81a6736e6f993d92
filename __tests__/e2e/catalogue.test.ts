/** What a prefix's readers and keepers see through the bundle: list, retention, the catalogue, the page, the alarm. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { StepResult } from "../../simulator/runner.ts";
import { setUp, treeOf, visibleSnapshots, type Setup } from "./support.ts";

const isScratch = (path: string): boolean => /(?:-shm|\.reorg|\.tmp)$|(?:^|\/)\._/.test(path);

let setup: Setup;
let storage: { readonly storage: string };
/** Oldest first. */
let ids: { goes: string; read: string; pinned: string; verified: string; newest: string };

beforeAll(async () => {
  setup = await setUp({ running: false });
  storage = { storage: `file://${setup.store}` };
  const take = async (change: Readonly<Record<string, string>> = {}): Promise<string> => {
    const inputs = { "chainstate-dir": setup.chainstate, "node-manager": "none", downtime: "full" };
    const { outputs } = await passes({ ...storage, ...inputs, ...change });
    return outputs["snapshot-id"] ?? "";
  };
  ids = {
    goes: await take(),
    read: await take(),
    pinned: await take({ pin: "true" }),
    verified: await take(),
    newest: await take({ check: "none" }),
  };
});
afterAll(async () => await setup.remove());

async function passes(inputs: Readonly<Record<string, string>>): Promise<StepResult> {
  const { main } = await setup.job(inputs).run();
  expect(main.exitCode, main.log).toBe(0);
  return main;
}

const catalogFile = (): string => join(setup.store, "catalog.json");

describe("list", () => {
  it("gives JSON that a matrix takes, filtered", async () => {
    const all = await passes({ ...storage, command: "list" });
    const snapshots = JSON.parse(all.outputs["snapshots"] ?? "") as {
      id: string;
      stacksHeight: number;
      createdAt: string;
      host: string;
    }[];
    expect(snapshots.map(({ id }) => id)).toEqual(Object.values(ids).toReversed());
    expect(all.outputs["snapshot-id"]).toBeUndefined();
    for (const id of Object.values(ids)) {
      expect(all.log).toContain(id);
      expect(all.summary).toContain(id);
    }
    const height = snapshots[0]?.stacksHeight ?? 0;
    const row = all.log.split("\n").find((line) => line.startsWith(ids.pinned)) ?? "";
    const { createdAt = "", host = "" } = snapshots.find(({ id }) => id === ids.pinned) ?? {};
    const day = createdAt.slice(0, 10);
    expect(row).toMatch(new RegExp(` ${day} \\d\\d:\\d\\d +mainnet +.* backup +${host} .* pinned`));
    expect(all.log.match(/ pinned/g)).toHaveLength(1);
    // What is so of all of them is said once.
    expect(all.summary).toMatch(/^\| snapshot \| .* pin \|/m);
    expect(all.summary).toMatch(
      new RegExp(`^All of them: .*network mainnet, .*profile backup, host ${host}`, "m"),
    );
    for (const [filter, count] of [
      [`network=mainnet\nheight>=${height}`, 5],
      [`height<=${height - 1}`, 0],
      ["network=testnet", 0],
      ["profile=backup", 5],
    ] as const) {
      const { outputs } = await passes({ ...storage, command: "list", filter });
      expect(JSON.parse(outputs["snapshots"] ?? "")).toHaveLength(count);
    }
  });
});

describe("the page", () => {
  it("has commands that download, verify and unpack the snapshot as they stand", () => {
    const page = readFileSync(join(setup.store, "index.html"), "utf8");
    const entry = page.split("<li data-words").find((text) => text.includes(ids.verified)) ?? "";
    const texts = [...entry.matchAll(/<pre[^>]*>([\s\S]*?)<\/pre>/g)].map(([, text = ""]) => text);
    const commands = texts.map((text) => text.replaceAll("&#39;", "'").replaceAll("&amp;", "&"));
    const byHand = commands.filter((text) => !text.startsWith("- uses"));
    expect(byHand).toHaveLength(3);
    const directory = join(setup.directory, "by-hand");
    mkdirSync(directory);
    execFileSync("sh", ["-euc", byHand.join("\n")], { cwd: directory, stdio: "ignore" });
    expect(treeOf(join(directory, "mainnet"), isScratch)).toEqual(treeOf(setup.chainstate, isScratch));

    const [step] = parse(commands.find((text) => text.startsWith("- uses")) ?? "") as {
      with: Record<string, string>;
    }[];
    expect(step?.with).toEqual({
      command: "restore",
      ...storage,
      snapshot: ids.verified,
      "chainstate-dir": "/var/stacks/mainnet",
    });
  });
});

describe("the stale-snapshot alarm of the examples", () => {
  const workflow = readFileSync(new URL("../../examples/stale-snapshot-alarm.yml", import.meta.url), "utf8");
  const { jobs } = parse(workflow) as { jobs: { alarm: { steps: { with?: Record<string, string> }[] } } };
  const inputs = jobs.alarm.steps.at(-1)?.with ?? {};
  const alarm = async (change: Readonly<Record<string, string>>): Promise<StepResult> =>
    (await setup.job({ ...inputs, ...storage, ...change }).run()).main;

  it("is quiet for a fresh snapshot, and fails for an old one and for none", async () => {
    const quiet = await alarm({});
    expect(quiet.exitCode, quiet.log).toBe(0);
    expect(quiet.outputs["newest-id"]).toBe(ids.newest);
    const old = await alarm({ "max-age": "1ms" });
    expect(old.exitCode).toBe(1);
    expect(old.log).toMatch(/SNAPSHOT_TOO_OLD.*`max-age` is 1 ms/s);
    expect(old.outputs["newest-id"]).toBe(ids.newest);
    const none = await alarm({ filter: "network=xenon" });
    expect(none.exitCode).toBe(1);
    expect(none.outputs["newest-id"]).toBeUndefined();
  });
});

describe("a catalogue that is not what the manifests say", () => {
  it("is made again: by a list for itself, by a prune for good, the page with it", async () => {
    const all = Object.values(ids).toReversed();
    const listed = async (): Promise<string[]> => {
      const { outputs } = await passes({ ...storage, command: "list" });
      return (JSON.parse(outputs["snapshots"] ?? "") as { id: string }[]).map(({ id }) => id);
    };
    rmSync(catalogFile());
    expect(await listed()).toEqual(all);
    writeFileSync(catalogFile(), "{ half a");
    expect(await listed()).toEqual(all);

    const prune = { ...storage, command: "prune" };
    await passes(prune);
    expect(visibleSnapshots(setup.store)).toEqual(all);
    const catalog = JSON.parse(readFileSync(catalogFile(), "utf8")) as { snapshots: { id: string }[] };
    catalog.snapshots = catalog.snapshots.filter(({ id }) => id !== ids.pinned);
    writeFileSync(catalogFile(), JSON.stringify(catalog));
    rmSync(join(setup.store, "index.html"));
    await passes(prune);
    expect(visibleSnapshots(setup.store)).toEqual(all);
    expect(readFileSync(join(setup.store, "index.html"), "utf8")).toContain(ids.pinned);
  });
});

describe("retention", () => {
  it("says why each stays, keeps what is pinned, verified and read, and what stays restores", async () => {
    const readers = join(setup.store, "snapshots", ids.read, "readers");
    mkdirSync(readers);
    writeFileSync(
      join(readers, "another-host.json"),
      JSON.stringify({ until: new Date(Date.now() + 3_600_000).toISOString() }),
    );
    const rules = { ...storage, command: "prune", "keep-last": "1" };
    const before = treeOf(setup.store);
    const dry = await passes({ ...rules, "dry-run": "true" });
    expect(treeOf(setup.store)).toEqual(before);
    for (const [id, why] of [
      [ids.newest, "stays +last 1, newest"],
      [ids.verified, "stays +newest verified"],
      [ids.pinned, "stays +pinned"],
      [ids.read, "stays +a restore reads it"],
      [ids.goes, "goes +beyond keep-last 1"],
    ] as const) {
      expect(dry.log).toMatch(new RegExp(`${id} +${why}`));
    }
    expect(dry.outputs["pruned"]).toBeUndefined();

    const done = await passes(rules);
    expect(JSON.parse(done.outputs["pruned"] ?? "")).toEqual([ids.goes]);
    const kept = [ids.newest, ids.verified, ids.pinned, ids.read];
    expect(visibleSnapshots(setup.store)).toEqual(kept);
    for (const id of kept) await passes({ ...storage, command: "verify", snapshot: id });

    rmSync(join(readers, "another-host.json"));
    const after = await passes(rules);
    expect(JSON.parse(after.outputs["pruned"] ?? "")).toEqual([ids.read]);
  });
});

describe("one snapshot, by its id", () => {
  const prune = { command: "prune" } as const;
  const fails = async (inputs: Readonly<Record<string, string>>): Promise<string> => {
    const { main } = await setup.job({ ...storage, ...prune, ...inputs }).run();
    expect(main.exitCode, main.log).toBe(1);
    return main.log;
  };

  it("is not deleted while it is pinned, and goes when it is unpinned; `latest` moves on from the newest", async () => {
    expect(visibleSnapshots(setup.store)).toEqual([ids.newest, ids.verified, ids.pinned]);
    expect(await fails({ delete: ids.pinned })).toMatch(/SNAPSHOT_PINNED.*is pinned/s);
    const wrong = await fails({ delete: `${ids.newest}Z` });
    expect(wrong).toContain(`Did you mean ${ids.newest}?`);
    expect(wrong).toContain(`There are: ${ids.newest}, ${ids.verified}, ${ids.pinned}.`);

    const both = { ...storage, ...prune, unpin: ids.pinned, delete: `${ids.newest}\n${ids.pinned}` };
    const before = treeOf(setup.store);
    const dry = await passes({ ...both, "dry-run": "true" });
    expect(treeOf(setup.store)).toEqual(before);
    expect(JSON.parse(dry.outputs["plan"] ?? "")).toMatchObject({ removes: [ids.newest, ids.pinned] });
    expect(dry.log).toMatch(new RegExp(`${ids.pinned} +goes +named by`));

    const done = await passes(both);
    expect(JSON.parse(done.outputs["pruned"] ?? "")).toEqual([ids.newest, ids.pinned]);
    expect(visibleSnapshots(setup.store)).toEqual([ids.verified]);
    expect(readFileSync(join(setup.store, "index.html"), "utf8")).not.toContain(ids.newest);
    const { outputs } = await passes({ ...storage, command: "verify", snapshot: "latest" });
    expect(outputs["snapshot-id"]).toBe(ids.verified);
  });
});
