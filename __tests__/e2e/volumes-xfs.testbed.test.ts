/** XFS dumps through `dist`, on a real XFS: a chain of levels, restored, and kept as long as something is based on it. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { loopFileSystem } from "../volume/testbed.ts";
import { pause, setUp, untilNodeRuns, visibleSnapshots, type Setup } from "./support.ts";

const place = await loopFileSystem("xfs");

const open: Setup[] = [];
afterEach(async () => {
  for (const setup of open.splice(0)) await setup.remove();
});

const inputsOf = (setup: Setup, more: Readonly<Record<string, string>> = {}) => ({
  ...setup.snapshotInputs,
  method: "volume",
  "volume-driver": "xfs",
  ...more,
});

interface ManifestLike {
  readonly cut: { readonly method: string; readonly freezer: string };
  readonly chain: { readonly stacksHeight: number };
  readonly volumes: readonly {
    readonly chain: readonly { readonly level: number }[];
    readonly requires: string[];
  }[];
}

async function take(
  setup: Setup,
  more: Readonly<Record<string, string>> = {},
): Promise<{ readonly id: string; readonly manifest: ManifestLike }> {
  const { main } = await setup.job(inputsOf(setup, more)).run();
  expect(main.exitCode, main.log).toBe(0);
  const manifest = JSON.parse(readFileSync(main.outputs["manifest-path"] ?? "", "utf8")) as ManifestLike;
  return { id: main.outputs["snapshot-id"] ?? "", manifest };
}

describe.skipIf(place === undefined)("an XFS dump through the action", { timeout: 240_000 }, () => {
  it("is based on the last one, keeps it, and is restored with it onto the running node", async () => {
    const setup = await setUp({ parent: place ?? "" });
    open.push(setup);
    const first = await take(setup);
    expect(first.manifest.cut).toMatchObject({ method: "cold", freezer: "xfs" });
    expect(first.manifest.volumes[0]?.chain).toMatchObject([{ level: 0 }]);
    // xfsdump counts in seconds.
    await pause(1_100);
    writeFileSync(join(setup.chainstate, "between"), "between the levels");
    const second = await take(setup, { "keep-last": "1" });
    expect(second.manifest.volumes[0]?.chain).toMatchObject([{ level: 0 }, { level: 1 }]);
    expect(second.manifest.volumes[0]?.requires).toEqual([first.id]);
    expect(visibleSnapshots(setup.store)).toEqual([second.id, first.id]);

    writeFileSync(join(setup.chainstate, "later"), "later");
    const { main } = await setup
      .job(inputsOf(setup, { command: "restore", "allow-lower-height": "true" }))
      .run();
    expect(main.exitCode, main.log).toBe(0);
    expect(readFileSync(join(setup.chainstate, "between"), "utf8")).toBe("between the levels");
    expect(existsSync(join(setup.chainstate, "later"))).toBe(false);
    expect(setup.pids()).toHaveLength(1);
    expect(await setup.height()).toBeGreaterThanOrEqual(second.manifest.chain.stacksHeight);
    expect(readdirSync(dirname(setup.chainstate)).filter((name) => name.startsWith("."))).toEqual([]);

    const verified = await setup.job({ command: "verify", storage: `file://${setup.store}` }).run();
    expect(verified.main.exitCode).toBe(1);
    expect(verified.main.log).toContain("An XFS dump cannot be looked into");
  });

  it("is not taken half: killed in the dump, the node runs and the next run leaves nothing of it", async () => {
    const setup = await setUp({ parent: place ?? "", extraBytes: 300_000 });
    open.push(setup);
    const main = setup.job(inputsOf(setup)).startMain();
    await main.waitForLog(/Snapshot the volume by xfs/);
    main.child.kill("SIGKILL");
    await main.ended;
    await untilNodeRuns(setup);
    const next = await take(setup);
    expect(visibleSnapshots(setup.store)).toEqual([next.id]);
    const dumps = readdirSync(join(setup.store, "snapshots"), { recursive: true }).filter((name) =>
      String(name).endsWith(".xfsdump.zst"),
    );
    expect(dumps).toHaveLength(1);
    expect(setup.pids()).toHaveLength(1);
  });

  it("with `downtime: short` is refused before the node is touched", async () => {
    const setup = await setUp({ parent: place ?? "" });
    open.push(setup);
    const before = setup.pids();
    const { main } = await setup.job(inputsOf(setup, { downtime: "short" })).run();
    expect(main.exitCode).toBe(1);
    expect(main.log).toContain("reads the whole file system while the node is down");
    expect(setup.pids()).toEqual(before);
  });
});
