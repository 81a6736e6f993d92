import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, describe } from "vitest";
import { openStore } from "../../src/store/registry.ts";
import { describeNights } from "../conformance/nights.ts";
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
    describeNights({
      name: cephNames.sid,
      open: async () => await openStore(s3Location(ceph ?? "", bucket, "nightly")),
    });
  },
);

function azuriteEndpoint(): string | undefined {
  try {
    const root = process.env["TESTBED_DIR"] ?? "/var/tmp/testbed";
    return readFileSync(join(root, "azurite", "endpoint"), "utf8").trim();
  } catch {
    return undefined;
  }
}

const azurite = azuriteEndpoint();
/** Published in Azurite's documentation. */
const key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const account = "devstoreaccount1";

describe.skipIf(azurite === undefined)(
  `Azure${azurite === undefined ? ", not up: testbed/azurite.sh up" : ""}`,
  () => {
    const container = `nights-${randomUUID()}`;
    const connection = `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};BlobEndpoint=${azurite ?? ""};`;
    const client = new ContainerClient(connection, container);
    beforeAll(async () => {
      process.env["AZURE_STORAGE_CONNECTION_STRING"] = connection;
      await client.create();
    });
    afterAll(async () => void (await client.deleteIfExists()));
    describeNights({
      name: "Azurite",
      open: async () =>
        await openStore({
          scheme: "az",
          url: `az://${account}/${container}/nightly`,
          account,
          container,
          prefix: "nightly",
        }),
    });
  },
);
