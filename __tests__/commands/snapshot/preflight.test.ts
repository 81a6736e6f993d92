import { expect, test } from "vitest";
import { createChainstate } from "../../../simulator/chainstate.ts";
import { FakeHost, snapshotConfig } from "../fake-host.ts";
import { describeColdDowntime } from "../../../src/commands/estimate.ts";

const gib = 1024 ** 3;
const mib = 1024 ** 2;

test.each([
  [100 * mib, {}, "about a minute of downtime: 100 MiB at 100 MiB a second"],
  [60 * gib, {}, "about 10 minutes of downtime: 60.0 GiB at 100 MiB a second"],
  [1024 * gib, {}, "about 3 hours of downtime: 1.00 TiB at 100 MiB a second"],
  [60 * gib, { readBytesPerSecond: 50 * mib }, "about 20 minutes"],
  [60 * gib, { readBytesPerSecond: 50 * mib, sendBytesPerSecond: 20 * mib }, "about 51 minutes"],
  [60 * gib, { readBytesPerSecond: gib }, "about 10 minutes"],
])("%d bytes with the limits %j: %s", (bytes, limits, said) => {
  expect(describeColdDowntime(bytes, limits)).toContain(said);
});

test("what a probe may leave is in the journal while it tries, and no longer", async () => {
  const host = new FakeHost();
  try {
    createChainstate(host.chainstateDir, { era: "nakamoto", height: 8 });
    let during: unknown;
    host.duringProbe = () => (during = host.journal()?.frozen.map(({ freezer }) => freezer));
    let after: unknown;
    const control = host.node.control.bind(host.node);
    host.node.control = () => {
      const given = control();
      return {
        ...given,
        stop: async (...request) => {
          after = host.journal()?.frozen;
          return await given.stop(...request);
        },
      };
    };
    const { error } = await host.run(snapshotConfig(host));
    expect(error).toBeUndefined();
    expect({ during, after }).toEqual({ during: ["reflink"], after: [] });
  } finally {
    host.remove();
  }
});
