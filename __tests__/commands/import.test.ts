/** Every call that an import makes fails once, before it took effect and after, and the run is killed at each change. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createChainstate } from "../../simulator/chainstate.ts";
import { loadManifest } from "../../src/catalog/read.ts";
import { FakeHost, importConfig, snapshotConfig, type Ended } from "./fake-host.ts";
import { cleansUp, faultsOf, injectedIn, killsOf } from "./faults.ts";

const model = new FakeHost();
const hosts: FakeHost[] = [model];
/** Keys of the archive made elsewhere, and of its checksum. */
const given = ["mainnet.tar.zst", "mainnet.tar.zst.sha256"] as const;
const from = `file:///store/${given[0]}`;

beforeAll(async () => {
  createChainstate(model.chainstateDir, { era: "nakamoto", height: 8 });
  const made = await model.run(snapshotConfig(model));
  if (made.error !== undefined) throw made.error;
  const { archive } = await loadManifest(model.store, model.published()[0]!, new AbortController().signal);
  const bytes = model.store.objects.get(archive!.key)!.bytes;
  model.store.objects.clear();
  const { signal } = new AbortController();
  await model.store.put(given[0], bytes, { signal });
  await model.store.put(given[1], Buffer.from(`${archive!.sha256}  ${given[0]}\n`), { signal });
});
afterAll(() => {
  for (const host of hosts) host.remove();
});

/** A host without a chainstate, on a store with nothing but the archive made elsewhere. */
function makeHost(): FakeHost {
  const host = new FakeHost();
  hosts.push(host);
  for (const [key, object] of model.store.objects) host.store.objects.set(key, object);
  return host;
}

async function judge(host: FakeHost, { error, report }: Ended): Promise<readonly string[]> {
  const wrong: string[] = [];
  const { record } = report;
  const say = (isWrong: boolean, what: string): void => void (isWrong && wrong.push(what));
  const published = host.published();
  const fault = injectedIn(error);
  say(error !== undefined && fault === undefined, `another error: ${String(error)}`);
  say(fault !== undefined && cleansUp.test(fault.call), `clean-up failed the run: ${fault?.message}`);
  say(error === undefined && published.length !== 1, `${published.length} snapshots were published`);
  say(record.outputs.get("snapshot-id") !== published[0], "the outputs tell of another snapshot");
  say(host.node.stops > 0, "the node was stopped");
  // The index stays for the verification, the manifest for the output that names it.
  const scratch = host.leftInTemp().filter((name) => !/\.(?:index\.json\.zst|manifest\.json)$/.test(name));
  say(
    scratch.length > 0 && host.journal() === undefined,
    `left in the temporary directory: ${scratch.join()}`,
  );
  say((await host.openUploads()) > 0 && host.journal() === undefined, "an upload that no journal knows");
  return wrong;
}

/** What has to be so after the post step. A snapshot that is published can be read back whole. */
async function judgeAfterPost(host: FakeHost, { error }: Ended): Promise<readonly string[]> {
  const wrong: string[] = [];
  const say = (isWrong: boolean, what: string): void => void (isWrong && wrong.push(what));
  say(error !== undefined, `post failed: ${String(error)}`);
  say(host.journal() !== undefined, "the journal is left");
  say((await host.openUploads()) > 0, "an upload is left");
  say(host.leftInTemp().includes("import"), "the unpacked archive is left");
  for (const key of given) say(!host.store.objects.has(key), `${key} is gone`);
  for (const id of host.published()) {
    const { archive } = await loadManifest(host.store, id, new AbortController().signal);
    for (const { key, sha256 } of [archive!, archive!.index]) {
      const bytes = host.store.objects.get(key)?.bytes ?? Buffer.alloc(0);
      say(createHash("sha256").update(bytes).digest("hex") !== sha256, `${key} is not what was published`);
    }
  }
  return wrong;
}

async function callsOf(): Promise<readonly string[]> {
  const host = makeHost();
  const ended = await host.run(importConfig(from));
  expect(ended.error).toBeUndefined();
  expect(await judge(host, ended)).toEqual([]);
  const { calls } = host.faults;
  expect(await judgeAfterPost(host, await host.post())).toEqual([]);
  return calls;
}

describe("an import", () => {
  test("as a dry run says what it would fetch, and publishes nothing", async () => {
    const host = makeHost();
    const { error, report, log } = await host.run(importConfig(from, { dryRun: true }));
    expect(error).toBeUndefined();
    expect(JSON.parse(report.record.outputs.get("plan") ?? "{}")).toMatchObject({
      command: "import",
      storage: host.store.url,
      fetchBytes: host.store.objects.get(given[0])?.bytes.length,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      freeBytes: expect.any(Number) as number,
    });
    expect(log).toMatch(/^Published to +memory:/m);
    expect(host.published()).toEqual([]);
  });

  test("is right whichever call fails", async () => {
    const wrong: string[] = [];
    for (const fault of faultsOf(await callsOf())) {
      const host = makeHost();
      host.faults.fault = fault;
      const ended = await host.run(importConfig(from));
      const found = [...(await judge(host, ended)), ...(await judgeAfterPost(host, await host.post()))];
      wrong.push(...found.map((what) => `${fault.call} ${fault.when} ${fault.name}: ${what}`));
      host.remove();
    }
    expect(wrong).toEqual([]);
  });

  test("is right wherever it is killed, once the post step has run", async () => {
    const wrong: string[] = [];
    for (const fault of killsOf(await callsOf())) {
      const host = makeHost();
      host.faults.fault = fault;
      await host.run(importConfig(from));
      const found = await judgeAfterPost(host, await host.post());
      wrong.push(...found.map((what) => `${fault.call} killed ${fault.name}: ${what}`));
      host.remove();
    }
    expect(wrong).toEqual([]);
  });
});
