/** Volume snapshots through `dist`, on a real btrfs: taken, archived from, restored, pruned, and killed in between. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Job } from "../../simulator/runner.ts";
import { loopFileSystem } from "../volume/testbed.ts";
import { setUp, treeOf, untilNodeRuns, visibleSnapshots, type Setup, type SetupOptions } from "./support.ts";

const place = await loopFileSystem("btrfs");
const isScratch = (path: string): boolean => /(?:-shm|\.reorg|\.tmp)$|(?:^|\/)\._/.test(path);

const open: Setup[] = [];
afterEach(async () => {
  for (const setup of open.splice(0)) {
    deleteSubvolumes(setup.directory);
    await setup.remove();
  }
});

async function fresh(options: SetupOptions = {}): Promise<Setup> {
  const setup = await setUp({
    ...options,
    parent: place ?? "",
    makeDirectory: (path) => execFileSync("btrfs", ["-q", "subvolume", "create", path]),
  });
  open.push(setup);
  return setup;
}

function deleteSubvolumes(directory: string): void {
  for (const snapshot of snapshotsBeside(directory))
    execFileSync("btrfs", ["-q", "subvolume", "delete", snapshot]);
}

function snapshotsBeside(directory: string): string[] {
  const folder = join(directory, "node", ".chainstate-snapshot-volumes");
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
}

/** What this action makes beside a chainstate, but for the folder of snapshots; and journals. */
function leavings({ chainstate, directory }: Setup): string[] {
  const beside = readdirSync(dirname(chainstate)).filter(
    (name) => name.startsWith(".") && name !== ".chainstate-snapshot-volumes",
  );
  const state = existsSync(join(directory, "state")) ? readdirSync(join(directory, "state")) : [];
  return [...beside, ...state.filter((name) => name.endsWith(".json"))];
}

const inputsOf = (setup: Setup, more: Readonly<Record<string, string>> = {}) => ({
  ...setup.snapshotInputs,
  method: "volume",
  "volume-driver": "btrfs",
  ...more,
});

interface ManifestLike {
  readonly kind: string;
  readonly verified: string;
  readonly cut: { readonly method: string; readonly freezer: string };
  readonly volumes: readonly { readonly snapshot: string }[];
  readonly archive?: unknown;
  readonly chain: { readonly stacksHeight: number };
}

async function take(
  setup: Setup,
  more: Readonly<Record<string, string>> = {},
): Promise<{
  readonly outputs: Readonly<Record<string, string>>;
  readonly manifest: ManifestLike;
  readonly log: string;
}> {
  const { main, post } = await setup.job(inputsOf(setup, more)).run();
  expect(main.exitCode, main.log).toBe(0);
  expect(post.exitCode, post.log).toBe(0);
  const manifest = JSON.parse(readFileSync(main.outputs["manifest-path"] ?? "", "utf8")) as ManifestLike;
  return { outputs: main.outputs, manifest, log: main.log };
}

describe.skipIf(place === undefined)(
  "a btrfs volume snapshot through the action",
  { timeout: 200_000 },
  () => {
    it("of a directory with a subvolume in it is refused before the stop, and an archive of both is whole", async () => {
      const setup = await fresh({
        fill: (chainstate) => {
          const inner = join(chainstate, "chainstate/blocks");
          renameSync(inner, `${inner}.away`);
          execFileSync("btrfs", ["-q", "subvolume", "create", inner]);
          execFileSync("cp", ["-a", `${inner}.away/.`, inner]);
          rmSync(`${inner}.away`, { recursive: true });
        },
      });
      const before = setup.pids();
      for (const dryRun of ["true", "false"]) {
        const { main } = await setup.job(inputsOf(setup, { "dry-run": dryRun })).run();
        expect(main.exitCode, main.log).toBe(1);
        expect(main.log).toMatch(
          /CHAINSTATE_DIR_SPANS.*chainstate\/blocks is another file system or subvolume/,
        );
      }
      expect(setup.pids()).toEqual(before);
      expect(setup.nodeLog()).not.toContain("Graceful termination");
      const taken = await setup.job({ ...setup.snapshotInputs, downtime: "full" }).run();
      expect(taken.main.exitCode, taken.main.log).toBe(0);
      const target = join(setup.directory, "restored", "mainnet");
      const restored = await setup
        .job({
          command: "restore",
          storage: `file://${setup.store}`,
          "chainstate-dir": target,
          "node-manager": "none",
        })
        .run();
      expect(restored.main.exitCode, restored.main.log).toBe(0);
      expect(existsSync(join(target, "chainstate/blocks/nakamoto.sqlite"))).toBe(true);
    });

    it("is published, looked into, listed, verified, restored onto the running node, and pruned", async () => {
      const setup = await fresh();
      const { outputs, manifest } = await take(setup);
      expect(manifest).toMatchObject({
        kind: "volume",
        verified: "database",
        cut: { method: "frozen", freezer: "btrfs" },
      });
      expect(manifest.archive).toBeUndefined();
      expect(JSON.parse(outputs["volume-snapshots"] ?? "")).toEqual(manifest.volumes);
      const snapshot = manifest.volumes[0]?.snapshot ?? "";
      expect(snapshotsBeside(setup.directory)).toEqual([snapshot]);
      expect(leavings(setup)).toEqual([]);
      const storage = `file://${setup.store}`;
      const verified = await setup.job({ command: "verify", storage }).run();
      expect(verified.main.exitCode, verified.main.log).toBe(0);
      const listed = await setup.job({ command: "list", storage }).run();
      expect(listed.main.log).toContain("btrfs");
      const page = readFileSync(join(setup.store, "index.html"), "utf8");
      expect(page).toContain("Restore from the volume snapshot");

      const before = setup.pids();
      writeFileSync(join(setup.chainstate, "written-after"), "x");
      const restored = await setup
        .job(inputsOf(setup, { command: "restore", "allow-lower-height": "true" }))
        .run();
      expect(restored.main.exitCode, restored.main.log).toBe(0);
      expect(setup.pids()).toHaveLength(1);
      expect(setup.pids()).not.toEqual(before);
      expect(existsSync(join(setup.chainstate, "written-after"))).toBe(false);
      expect(await setup.height()).toBeGreaterThanOrEqual(manifest.chain.stacksHeight);
      expect(leavings(setup)).toEqual([]);

      // What was restored can be snapshotted again, and retention removes the first with its subvolume.
      const second = await take(setup, { "keep-last": "1" });
      expect(visibleSnapshots(setup.store)).toEqual([second.outputs["snapshot-id"]]);
      expect(snapshotsBeside(setup.directory)).toEqual([second.manifest.volumes[0]?.snapshot]);
    });

    it("serves an archive of the same stop, and each of the two restores to it", async () => {
      const setup = await fresh();
      const { outputs, manifest } = await take(setup, { method: "both" });
      expect(manifest).toMatchObject({ kind: "both", cut: { method: "frozen", freezer: "btrfs" } });
      const kept = treeOf(manifest.volumes[0]?.snapshot ?? "", isScratch);
      const target = join(setup.directory, "from-archive", "mainnet");
      const unpacked = await setup
        .job({
          command: "restore",
          "chainstate-dir": target,
          storage: `file://${setup.store}`,
          "node-manager": "none",
        })
        .run();
      expect(unpacked.main.exitCode, unpacked.main.log).toBe(0);
      expect(treeOf(target, isScratch)).toEqual(kept);
      expect(outputs["archive-url"]).toContain(".tar.zst");
      const cloned = join(setup.directory, "from-volume", "mainnet");
      const restored = await setup
        .job({
          command: "restore",
          "chainstate-dir": cloned,
          storage: `file://${setup.store}`,
          "node-manager": "none",
          method: "volume",
        })
        .run();
      expect(restored.main.exitCode, restored.main.log).toBe(0);
      expect(treeOf(cloned, isScratch)).toEqual(kept);
    });

    it("changes nothing with dry-run, and says how it would be taken", async () => {
      const setup = await fresh();
      const before = setup.pids();
      const { main } = await setup.job(inputsOf(setup, { "dry-run": "true" })).run();
      expect(main.exitCode, main.log).toBe(0);
      expect(main.summary).toContain("Volume snapshot by");
      expect(setup.pids()).toEqual(before);
      expect(snapshotsBeside(setup.directory)).toEqual([]);
    });

    it("puts the old chainstate back when the node does not come up healthy on the restored one", async () => {
      const setup = await fresh();
      const { manifest } = await take(setup);
      writeFileSync(join(setup.chainstate, "written-after"), "x");
      // Everything but the node's answer is as it should be: nobody can be at that height.
      const { main } = await setup
        .job(
          inputsOf(setup, {
            command: "restore",
            "allow-lower-height": "true",
            "sync-blocks": "1000000",
            "sync-timeout": "3s",
          }),
        )
        .run();
      expect(main.exitCode, main.log).toBe(1);
      expect(existsSync(join(setup.chainstate, "written-after"))).toBe(true);
      expect(setup.pids()).toHaveLength(1);
      expect(leavings(setup)).toEqual([]);
      expect(snapshotsBeside(setup.directory)).toEqual([manifest.volumes[0]?.snapshot]);
    });
  },
);

const snapshotMoments: readonly RegExp[] = [
  /Snapshot the volume by btrfs/,
  /Start stacks-node/,
  /Wait until the btrfs snapshot/,
  /Read the databases in the btrfs snapshot/,
  /Publish/,
];
const restoreMoments: readonly RegExp[] = [
  /Make it stand beside/,
  /Check the restored chainstate/,
  /Stop stacks-node/,
  /Swap into/,
  /Start stacks-node/,
  /(Remove|Keep) the old chainstate/,
];

describe.skipIf(place === undefined)("killed without a post step", { timeout: 300_000 }, () => {
  it.each(snapshotMoments.map((moment) => [String(moment), moment] as const))(
    "in a snapshot at %s: the node runs, and the next run leaves only what is published",
    async (_, moment) => {
      const setup = await fresh({ nodeArguments: ["--stop-delay-ms", "300"] });
      await kill(setup.job(inputsOf(setup)), moment);
      await untilNodeRuns(setup);
      const next = await take(setup);
      expect(next.log).toContain("Finishing what it left");
      const named = visibleSnapshots(setup.store).map((id) => snapshotOf(setup, id));
      expect(snapshotsBeside(setup.directory).toSorted()).toEqual(named.toSorted());
      expect(leavings(setup)).toEqual([]);
    },
  );

  it.each(restoreMoments.map((moment) => [String(moment), moment] as const))(
    "in a restore at %s: the node runs on the old or the new, and the next run leaves one",
    async (_, moment) => {
      const setup = await fresh({ nodeArguments: ["--stop-delay-ms", "300"] });
      const { manifest } = await take(setup);
      await kill(setup.job(inputsOf(setup, { command: "restore", "allow-lower-height": "true" })), moment);
      await untilNodeRuns(setup);
      expect(await setup.height()).toBeGreaterThanOrEqual(manifest.chain.stacksHeight);
      const next = await setup
        .job(inputsOf(setup, { command: "restore", "allow-lower-height": "true" }))
        .run();
      expect(next.main.exitCode, next.main.log).toBe(0);
      expect(leavings(setup).filter((name) => !name.endsWith("-old"))).toEqual([]);
      expect(snapshotsBeside(setup.directory)).toEqual([manifest.volumes[0]?.snapshot]);
      expect(setup.pids()).toHaveLength(1);
    },
  );
});

async function kill(job: Job, moment: RegExp): Promise<void> {
  const main = job.startMain();
  await main.waitForLog(moment);
  main.child.kill("SIGKILL");
  await main.ended;
}

function snapshotOf(setup: Setup, id: string): string {
  const text = readFileSync(join(setup.store, "snapshots", id, "manifest.json"), "utf8");
  return (JSON.parse(text) as ManifestLike).volumes[0]?.snapshot ?? "";
}
