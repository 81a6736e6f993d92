import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe } from "vitest";
import { openStore } from "../open-store.ts";
import { storeConformance } from "../../conformance/store.ts";
import {
  cephEndpoint,
  cephNames,
  cephSuites,
  emptyBucket,
  makeBucket,
  s3Location,
  useCephCredentials,
} from "../ceph.ts";

const expected = {
  sid: { copies: "unbound", conditionalWrites: true },
  trixie: { copies: "unbound", conditionalWrites: false },
  bookworm: { copies: "unbound", conditionalWrites: false },
} as const;

for (const suite of cephSuites) {
  const endpoint = cephEndpoint(suite);
  const how = endpoint === undefined ? `, not up: testbed/ceph.sh up ${suite}` : "";
  describe.skipIf(endpoint === undefined)(`${cephNames[suite]}${how}`, () => {
    const bucket = `conformance-${randomUUID()}`;
    const before = { ...process.env };
    beforeAll(async () => {
      useCephCredentials();
      await makeBucket(endpoint ?? "", bucket);
    });
    afterAll(async () => {
      await emptyBucket(endpoint ?? "", bucket);
      process.env = before;
    });
    for (const threads of [0, 2]) {
      storeConformance(`s3://, ${threads} threads`, {
        open: () => openStore(s3Location(endpoint ?? "", bucket, `some/prefix-${threads}`), { threads }),
        ...expected[suite],
      });
    }
  });
}
