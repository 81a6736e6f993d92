/** Every call that a verification makes fails once: it never says that something is well that it did not read. */
import { cpSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createChainstate } from "../../../simulator/chainstate.ts";
import type { SnapshotConfig, VerifyConfig } from "../../../src/config/config.ts";
import { FakeHost, snapshotConfig, verifyConfig, type Ended } from "../fake-host.ts";
import { cleansUp, faultsOf, injectedIn, killsOf } from "../faults.ts";

const models = { archive: new FakeHost(), volume: new FakeHost() };
const hosts: FakeHost[] = Object.values(models);
const well = /is whole|is consistent/;

beforeAll(async () => {
  for (const method of ["archive", "volume"] as const satisfies SnapshotConfig["method"][]) {
    const model = models[method];
    createChainstate(model.chainstateDir, { era: "nakamoto", height: 8 });
    const { error } = await model.run(snapshotConfig(model, { method }));
    if (error !== undefined) throw error;
  }
});
afterAll(() => {
  for (const host of hosts) host.remove();
});

describe.each([
  ["a whole archive", "archive", {}],
  ["an archive's databases", "archive", { scope: "databases" }],
  ["a volume's snapshot", "volume", {}],
] as const)("a verification of %s", (_name, method, given: Partial<VerifyConfig>) => {
  const model = models[method];

  /** A host on the store that has a snapshot; without its node's chainstate, which is not needed. */
  const makeHost = (): FakeHost => {
    const host = new FakeHost();
    hosts.push(host);
    for (const [key, object] of model.store.objects) host.store.objects.set(key, object);
    if (method === "volume") cpSync(model.volumes.directory, host.volumes.directory, { recursive: true });
    return host;
  };

  const run = async (host: FakeHost): Promise<Ended> => await host.run(verifyConfig(given));

  /** What has to be so however it ended; `fetched`: bytes that the run without a fault has read. */
  const judge = (host: FakeHost, { error, report, log }: Ended, fetched?: string): readonly string[] => {
    const wrong: string[] = [];
    const say = (isWrong: boolean, what: string): void => void (isWrong && wrong.push(what));
    const fault = injectedIn(error);
    const { fault: injected, calls } = host.faults;
    const failed = injected === undefined ? undefined : calls[injected.call - 1];
    say(error !== undefined && fault === undefined, `another error: ${String(error)}`);
    say(fault !== undefined && cleansUp.test(fault.call), `clean-up failed the run: ${fault?.message}`);
    say(error !== undefined && well.test(log), "failed, and said that the snapshot is well");
    say(error === undefined && !well.test(log), "ended well, and did not say so");
    say(
      error === undefined && failed !== undefined && !cleansUp.test(failed),
      "ended well without an answer",
    );
    const bytes = report.record.outputs.get("fetched-bytes");
    say(error === undefined && fetched !== bytes, `read ${bytes} bytes`);
    const scratch = host.leftInTemp();
    say(scratch.length > 0, `left in the temporary directory: ${scratch.join()}`);
    say(host.volumes.opened > 0 && host.journal() === undefined, "a volume that is open, and no journal");
    say(host.node.stops > 0, "the node was stopped");
    return wrong;
  };

  const judgeAfterPost = (host: FakeHost, { error }: Ended): readonly string[] => {
    const wrong: string[] = [];
    const say = (isWrong: boolean, what: string): void => void (isWrong && wrong.push(what));
    say(error !== undefined, `post failed: ${String(error)}`);
    say(host.journal() !== undefined, "the journal is left");
    say(host.volumes.opened > 0, "a volume is open");
    say(
      JSON.stringify([...host.store.objects.keys()]) !== JSON.stringify([...model.store.objects.keys()]),
      "the store has other objects",
    );
    return wrong;
  };

  const clean = async (): Promise<{ calls: readonly string[]; fetched: string | undefined }> => {
    const host = makeHost();
    const ended = await run(host);
    expect(ended.error).toBeUndefined();
    const fetched = ended.report.record.outputs.get("fetched-bytes");
    expect(judge(host, ended, fetched)).toEqual([]);
    expect(host.journal()).toBeUndefined();
    const { calls } = host.faults;
    return { calls, fetched };
  };

  test("is right whichever call fails", async () => {
    const wrong: string[] = [];
    const { calls, fetched } = await clean();
    for (const fault of faultsOf(calls)) {
      const host = makeHost();
      host.faults.fault = fault;
      const ended = await run(host);
      const found = [...judge(host, ended, fetched), ...judgeAfterPost(host, await host.post())];
      wrong.push(...found.map((what) => `${fault.call} ${fault.when} ${fault.name}: ${what}`));
      host.remove();
    }
    expect(wrong).toEqual([]);
  });

  test("leaves nothing wherever it is killed, once the post step has run", async () => {
    const wrong: string[] = [];
    const { calls } = await clean();
    for (const fault of killsOf(calls)) {
      const host = makeHost();
      host.faults.fault = fault;
      await run(host);
      const found = judgeAfterPost(host, await host.post());
      wrong.push(...found.map((what) => `${fault.call} killed ${fault.name}: ${what}`));
      host.remove();
    }
    expect(wrong).toEqual([]);
  });
});
