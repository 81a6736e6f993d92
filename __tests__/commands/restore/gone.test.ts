/**
 * What a restore works with goes away in the middle and stays away: the store, or the space on the disk. Or it is killed, and
 * whoever comes then has a clock that was set. What is said is true while it is so, and all is right when it is over.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RestoreConfig } from "../../../src/config/config.ts";
import { describeError } from "../../../src/domain/errors.ts";
import { restoreConfig } from "../fake-host.ts";
import { goneFrom, injectedIn, killsOf, ofTheDisk, ofTheStore } from "../faults.ts";
import { whatIsUntrue } from "../independent-look.ts";
import {
  callsOf,
  digests,
  judge,
  judgeAfterPost,
  makeHost,
  publishModel,
  removeHosts,
  saysUntrue,
} from "./restore-cases.ts";

beforeAll(publishModel);
afterAll(removeHosts);

const kinds = [
  ["an archive", {}],
  ["a volume's snapshot", { method: "volume" }],
] as const satisfies readonly (readonly [string, Partial<RestoreConfig>])[];

describe.each(kinds)("a restore of %s", (_name, given: Partial<RestoreConfig>) => {
  test("is right when the store is gone from a call on", { timeout: 600_000 }, async () => {
    const wrong: string[] = [];
    for (const from of goneFrom(await callsOf(given), ofTheStore)) {
      const host = makeHost();
      host.faults.gone = { from, names: ofTheStore };
      const ended = await host.run(restoreConfig(host, given));
      const found = [...judge(host, ended)];
      const done = ended.error === undefined;
      found.push(...judgeAfterPost(host, await host.post(ofTheStore), { done }));
      wrong.push(...found.map((what) => `gone from ${from}: ${what}`));
      host.remove();
    }
    expect(wrong).toEqual([]);
  });

  // Then not even the old one may be put back at once: renames are among what fails.
  test(
    "says the truth while the disk is gone from a call on, and is right when it is back",
    { timeout: 600_000 },
    async () => {
      const wrong: string[] = [];
      for (const from of goneFrom(await callsOf(given), ofTheDisk)) {
        const host = makeHost();
        host.faults.gone = { from, names: ofTheDisk };
        const ended = await host.run(restoreConfig(host, given));
        const found = [...whatIsUntrue(host, ended), ...saysUntrue(host, ended)];
        if (ended.error !== undefined && injectedIn(ended.error) === undefined)
          found.push(`another error: ${describeError(ended.error)}`);
        const during = await host.post(ofTheDisk);
        found.push(...whatIsUntrue(host, during), ...saysUntrue(host, during));
        found.push(...judgeAfterPost(host, await host.post(), { done: ended.error === undefined }));
        wrong.push(...found.map((what) => `gone from ${from}: ${what}`));
        host.remove();
      }
      expect(wrong).toEqual([]);
    },
  );
});

describe("a restore that is killed before the clock is set", () => {
  test.each([-86_400_000, 4 * 365 * 86_400_000])(
    "by %i ms is finished all the same",
    { timeout: 600_000 },
    async (ms) => {
      const wrong: string[] = [];
      const kills = killsOf(await callsOf({})).filter((_, index) => index % 3 === 0);
      for (const fault of kills) {
        const host = makeHost();
        host.faults.fault = fault;
        await host.run(restoreConfig(host));
        host.clock.advance(ms);
        const post = await host.post();
        const found = [...judgeAfterPost(host, post, { killed: true })];
        if (Number(post.report.record.outputs.get("downtime-seconds") ?? 0) < 0)
          found.push("negative downtime");
        found.push(...judge(host, await host.run(restoreConfig(host))));
        if (host.digest() !== digests.new) found.push("the next run has not restored it");
        wrong.push(...found.map((what) => `killed at ${fault.name}: ${what}`));
        host.remove();
      }
      expect(wrong).toEqual([]);
    },
  );
});
