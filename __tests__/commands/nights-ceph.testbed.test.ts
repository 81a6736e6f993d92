import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe } from "vitest";
import type { ObjectStore } from "../../src/store/port.ts";
import { openStore } from "../store/open-store.ts";
import { describeNights } from "../conformance/nights.ts";
import { describePageNights } from "../conformance/page-nights.ts";
import { cephEndpoint, cephNames, makeBucket, s3Location, useCephCredentials } from "../store/ceph.ts";

const before = { ...process.env };
afterAll(() => {
  process.env = before;
});

const ceph = cephEndpoint("sid");
describe.skipIf(ceph === undefined)(
  `Ceph${ceph === undefined ? ", not up: testbed/ceph.sh up sid" : ""}`,
  () => {
    const bucket = `nights-${randomUUID()}`;
    beforeAll(async () => {
      useCephCredentials();
      await makeBucket(ceph ?? "", bucket);
    });
    const at = (prefix: string) => async (): Promise<ObjectStore> =>
      await openStore(s3Location(ceph ?? "", bucket, prefix));
    describeNights({ name: cephNames.sid, open: at("nightly") });
    for (const cut of ["cold", "frozen"] as const)
      describePageNights({ name: cephNames.sid, open: at(`pages-${cut}`), cut });
  },
);
