import { expect, test } from "vitest";
import { describeColdDowntime } from "../../src/commands/expected-downtime.ts";

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
