/** Every call that a snapshot makes fails once, before it took effect and after: what is said is true, and nothing is lost. */
import { execFileSync } from "node:child_process";

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SnapshotConfig } from "../../../src/config/config.ts";
import { describeError } from "../../../src/domain/errors.ts";
import { snapshotConfig } from "../fake-host.ts";
import { faultsOf, goneFrom, injectedIn, killsOf, ofTheDisk, ofTheStore } from "../faults.ts";
import { callsOf, judge, judgeAfterPost, makeHost, makeModel, removeHosts } from "./snapshot-cases.ts";

beforeAll(makeModel);
afterAll(removeHosts);

describe.each([
  ["an archive", {}, /./],
  // What the two have in common is the same as above.
  ["an archive and a volume", { method: "both" }, /^(?:volume|opened)\./],
] as const)("a snapshot of %s", (_name, given: Partial<SnapshotConfig>, which) => {
  test("is right wherever it is killed, once the post step has run", { timeout: 600_000 }, async () => {
    const wrong: string[] = [];
    for (const fault of killsOf(await callsOf(given)).filter(({ name }) => which.test(name))) {
      const host = makeHost();
      host.faults.fault = fault;
      await host.run(snapshotConfig(host, given));
      const post = await host.post();
      const found = [...(await judgeAfterPost(host, post, true))];
      wrong.push(...found.map((what) => `${fault.call} killed ${fault.name}: ${what}`));
      host.remove();
    }
    expect(wrong).toEqual([]);
  });

  test("is right whichever call fails", { timeout: 600_000 }, async () => {
    const faults = faultsOf(await callsOf(given)).filter(({ name }) => which.test(name));
    const wrong: string[] = [];
    for (const fault of faults) {
      const host = makeHost();
      host.faults.fault = fault;
      const ended = await host.run(snapshotConfig(host, given));
      const found = [...judge(host, ended), ...(await judgeAfterPost(host, await host.post()))];
      wrong.push(...found.map((what) => `${fault.call} ${fault.when} ${fault.name}: ${what}`));
      host.remove();
    }
    expect(wrong).toEqual([]);
  });
});

describe.each([
  ["the store", ofTheStore],
  ["the disk", ofTheDisk],
])("a snapshot whose %s is gone from a call on", (_name, names) => {
  test("is right, and what it owes is done when that is back", { timeout: 600_000 }, async () => {
    const wrong: string[] = [];
    for (const from of goneFrom(await callsOf({}), names)) {
      const host = makeHost();
      host.faults.gone = { from, names };
      const found = [...judge(host, await host.run(snapshotConfig(host)))];
      const post = await host.post(names);
      if (!host.node.running) found.push("the node is down after the post step");
      if (post.error !== undefined && injectedIn(post.error) === undefined)
        found.push(`post failed of another error: ${describeError(post.error)}`);
      found.push(...(await judgeAfterPost(host, await host.post())));
      wrong.push(...found.map((what) => `gone from ${from}: ${what}`));
      host.remove();
    }
    expect(wrong).toEqual([]);
  });
});

describe("a run that is killed before the clock is set", () => {
  test.each([-86_400_000, 4 * 365 * 86_400_000])(
    "by %i ms is finished all the same",
    { timeout: 600_000 },
    async (ms) => {
      const wrong: string[] = [];
      const kills = killsOf(await callsOf({}));
      for (const fault of kills.filter((_, index) => index % 4 === 0)) {
        const host = makeHost();
        host.faults.fault = fault;
        await host.run(snapshotConfig(host));
        host.clock.advance(ms);
        const post = await host.post();
        const found = [...(await judgeAfterPost(host, post))];
        if (Number(post.report.record.outputs.get("downtime-seconds") ?? 0) < 0)
          found.push("negative downtime");
        const next = await host.run(snapshotConfig(host));
        found.push(...judge(host, next));
        wrong.push(...found.map((what) => `killed at ${fault.name}: ${what}`));
        host.remove();
      }
      expect(wrong).toEqual([]);
    },
  );
});

test("a cold snapshot during which another process opened the chainstate is not published", async () => {
  const host = makeHost();
  let opened: number | undefined;
  host.faults.onCall = (name) => {
    // The index is the last that is sent while the node is down.
    if (name.startsWith("store.openUpload index")) opened ??= openElsewhere(host.chainstateDir);
  };
  try {
    const { error } = await host.run(snapshotConfig(host, { cut: "cold" }));
    expect(error).toMatchObject({ code: "NODE_CAME_BACK" });
    expect(host.published()).toEqual([]);
    expect(host.node.running).toBe(true);
  } finally {
    if (opened !== undefined) process.kill(opened, "SIGKILL");
  }
});

/** A process that is no child of ours and has a file of the chainstate open; its pid. */
function openElsewhere(chainstateDir: string): number {
  const file = join(chainstateDir, "chainstate", "vm", "index.sqlite");
  const script = 'exec 3< "$1"; sleep 60 > /dev/null 2>&1 & echo $!';
  return Number(execFileSync("sh", ["-c", script, "sh", file], { encoding: "utf8" }));
}
