/** What the node's programs lack, space for their copy or a configuration, is said before anything is stopped, sent or fetched. */
import { chmodSync, existsSync } from "node:fs";
import type * as promises from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { createChainstate } from "../../simulator/chainstate.ts";
import { databasePaths, type NetworkIdentity } from "../../simulator/schema.ts";
import { canShare } from "../../src/cache/clone.ts";
import type { VerifyConfig } from "../../src/config/config.ts";
import { FakeHost, location, snapshotConfig } from "./fake-host.ts";

const gib = 1024 ** 3;
const space = vi.hoisted((): { freeBytes: number | undefined } => ({ freeBytes: undefined }));
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof promises>();
  const statfs = async (path: string): Promise<unknown> =>
    space.freeBytes === undefined
      ? await real.statfs(path)
      : { bavail: space.freeBytes, bsize: 1, blocks: 2 ** 40, files: 0, ffree: 0 };
  return { ...real, statfs, default: { ...real, statfs } };
});

const replay = { blocks: 10, inspector: "/bin/true" };

function hostWithChain(network: NetworkIdentity = { mainnet: true, chainId: 1 }): FakeHost {
  const host = new FakeHost();
  onTestFinished(() => host.remove());
  // Root's programs are run by somebody else.
  chmodSync(host.root, 0o755);
  createChainstate(host.chainstateDir, { era: "nakamoto", height: 20, network });
  return host;
}

function verifyConfig(of: Partial<VerifyConfig>): VerifyConfig {
  return {
    command: "verify",
    concurrency: 1,
    s3: { storageClass: "STANDARD" },
    scope: "archive",
    check: "tips",
    sudo: "never",
    snapshot: { kind: "latest" },
    replay,
    ...of,
  };
}

beforeEach(() => {
  space.freeBytes = undefined;
});

test.each([true, false])("of a snapshot, before the node is stopped (dry run: %s)", async (dryRun) => {
  const host = hostWithChain();
  // What is left free for everybody else is there, and not a byte more.
  space.freeBytes = gib;
  const { error } = await host.run(snapshotConfig(host, { replay, dryRun }));
  expect(error).toMatchObject({
    code: "SPACE_MISSING",
    message: expect.stringMatching(/^1\.\d\d GiB are needed to replay the last blocks/) as string,
  });
  expect(host.node.stops).toBe(0);
  expect([...host.store.objects.keys()].filter((key) => key.startsWith("snapshots/"))).toEqual([]);
});

test("of a snapshot, the databases and their tries are counted, and not the block files", async () => {
  const host = hostWithChain();
  space.freeBytes = gib + 64 * 1024 ** 2;
  const { error } = await host.run(snapshotConfig(host, { replay }));
  // It comes to the replay, which says nothing of blocks.
  expect(error).toMatchObject({ code: "REPLAY_FAILED" });
  expect(host.node.stops).toBe(1);
});

test("of an archive that is verified, before it is read back", async () => {
  const host = hostWithChain();
  expect((await host.run(snapshotConfig(host))).error).toBeUndefined();
  // Enough for the index.
  space.freeBytes = gib + 512 * 1024;
  const { error, report } = await host.run(verifyConfig({ storage: location }));
  expect(error).toMatchObject({
    code: "SPACE_MISSING",
    message: expect.stringContaining("try the node's programs") as string,
  });
  expect(report.record.phases.map(({ name }) => name)).not.toContain("verify");
});

test("of a directory, before it is checked, unless blocks can be shared", async () => {
  const host = hostWithChain();
  space.freeBytes = gib;
  const file = join(host.chainstateDir, databasePaths.burnchain);
  expect(existsSync(file)).toBe(true);
  const isShared = await canShare(file, host.root);
  const { error, report } = await host.run(verifyConfig({ chainstateDir: host.chainstateDir }));
  expect(error).toMatchObject({ code: isShared ? "REPLAY_FAILED" : "SPACE_MISSING" });
  expect(report.record.phases.map(({ name }) => name).includes("check")).toBe(isShared);
});

const unnamed = { mainnet: false, chainId: 0x80000123 };

test("a network that the inspector does not know by name is said before the node is stopped", async () => {
  const host = hostWithChain(unnamed);
  const { error } = await host.run(snapshotConfig(host, { replay }));
  expect(error).toMatchObject({ code: "PROGRAM_UNUSABLE" });
  expect(host.node.stops).toBe(0);
});

test("and before an archive of it is read back", async () => {
  const host = hostWithChain(unnamed);
  expect((await host.run(snapshotConfig(host))).error).toBeUndefined();
  const { error, report } = await host.run(verifyConfig({ storage: location }));
  expect(error).toMatchObject({ code: "PROGRAM_UNUSABLE" });
  expect(report.record.phases.map(({ name }) => name)).not.toContain("verify");
});
