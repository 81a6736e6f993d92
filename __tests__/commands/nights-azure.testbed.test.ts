import { randomUUID } from "node:crypto";
import { ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, describe } from "vitest";
import type { ObjectStore } from "../../src/store/port.ts";
import { openStore } from "../store/open-store.ts";
import { describeNights } from "../conformance/nights.ts";
import { describePageNights } from "../conformance/page-nights.ts";
import { azurite } from "../store/azurite.ts";

const account = "devstoreaccount1";
const before = { ...process.env };
afterAll(() => {
  process.env = before;
});

describe.skipIf(azurite === undefined)(
  `Azure${azurite === undefined ? ", not up: testbed/azurite.sh up" : ""}`,
  () => {
    const container = `nights-${randomUUID()}`;
    const connection = azurite?.connection ?? "";
    beforeAll(async () => {
      process.env["AZURE_STORAGE_CONNECTION_STRING"] = connection;
      await new ContainerClient(connection, container).create();
    });
    afterAll(async () => void (await new ContainerClient(connection, container).deleteIfExists()));
    const at = (prefix: string) => async (): Promise<ObjectStore> =>
      await openStore({
        scheme: "az",
        url: `az://${account}/${container}/${prefix}`,
        account,
        container,
        prefix,
      });
    describeNights({ name: "Azurite", open: at("nightly") });
    for (const cut of ["cold", "frozen"] as const)
      describePageNights({ name: "Azurite", open: at(`pages-${cut}`), cut });
  },
);
