/** `read-back` below 100%: what is new in an archive is read back, and of what the store copied a part, another one each hour. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ChainWriter, createChainstate } from "../../../simulator/chainstate.ts";
import { readManifest } from "../../../src/catalog/manifest-text.ts";
import { sampledOf } from "../../../src/commands/snapshot/verify-share.ts";
import type { Upload } from "../../../src/store/port.ts";
import { withMembers } from "../../../src/system/with-members.ts";
import { openStore } from "../../store/open-store.ts";
import { FakeHost, snapshotConfig, type Ended } from "../fake-host.ts";

const host = new FakeHost();
const directory = join(host.root, "store");
let faults: (upload: Upload) => Partial<Upload> = () => ({});
const hour = 3600_000;

beforeAll(() => {
  host.otherStore = async () => {
    const store = await openStore({ scheme: "file", url: `file://${directory}`, directory });
    return withMembers(store, {
      async openUpload(key, options) {
        const upload = await store.openUpload(key, options);
        return key.endsWith(".tar.zst") ? withMembers(upload, faults(upload)) : upload;
      },
    });
  };
  mkdirSync(directory);
  createChainstate(host.chainstateDir, {
    era: "nakamoto",
    height: 20,
    blocksInWal: 0,
    extraBytes: 900_000,
  });
});
beforeEach(() => {
  faults = () => ({});
});
afterAll(() => host.remove());

async function night(readBack: number): Promise<Ended> {
  host.clock.advance(hour);
  return await host.run(snapshotConfig(host, { cut: "cold", rebaseAbove: 0.2, readBack }));
}

function said({ report }: Ended): RegExpExecArray | null {
  const fact = report.record.facts.find(({ label }) => label === "Read back");
  return /: (\d+) frames that are new and (\d+) of (\d+) others/u.exec(fact?.value ?? "");
}

function published(): number {
  const snapshots = join(directory, "snapshots");
  const ids = existsSync(snapshots) ? readdirSync(snapshots) : [];
  return ids.filter((id) => existsSync(join(snapshots, id, "manifest.json"))).length;
}

function grow(): void {
  const writer = ChainWriter.open(host.chainstateDir, { extraBytes: 900_000 });
  writer.appendBlock();
  writer.close(false);
}

test("of the first all is new; later what the store copied is left to the sample, and no database is opened", async () => {
  const first = await night(0);
  expect(first.error).toBeUndefined();
  expect(Number(said(first)?.[1])).toBeGreaterThan(5);
  expect(said(first)?.slice(2)).toEqual(["0", "0"]);
  grow();
  const second = await night(0);
  expect(second.error).toBeUndefined();
  expect(Number(said(second)?.[1])).toBeGreaterThan(0);
  expect(said(second)?.[2]).toBe("0");
  expect(Number(said(second)?.[3])).toBeGreaterThan(1);
  const id = second.report.record.outputs.get("snapshot-id") ?? "";
  const bytes = readFileSync(join(directory, "snapshots", id, "manifest.json"));
  expect(readManifest(bytes, id, id)).toMatchObject({ verified: "checksum" });
  expect(second.log).not.toContain("Read the databases back");
  // Each of the others has its turn in as many hours as there are parts.
  let looked = 0;
  for (let count = 0; count < sampledOf(0.2); count += 1) looked += Number(said(await night(0.2))?.[2]);
  const all = said(await night(0.2))?.[3];
  expect(looked).toBeGreaterThanOrEqual(Number(all));
});

test("a part that was written wrongly is not published", async () => {
  grow();
  const before = published();
  faults = (upload) => ({
    async writePart(place, pieces, release) {
      const wrong = pieces.map((piece) => Uint8Array.from(piece));
      wrong[0]?.set([(wrong[0][20] ?? 0) ^ 1], 20);
      await upload.writePart(place, wrong, release);
    },
  });
  expect((await night(0)).error).toMatchObject({ code: "FRAME_CORRUPT" });
  expect(published()).toBe(before);
});

test("a part that was copied wrongly is found as soon as its turn comes", async () => {
  const before = published();
  faults = (upload) => ({
    copyPart: async (place, { offset, length }) =>
      await upload.copyPart(place, { offset: offset === 0 ? 1 : offset - 1, length }),
  });
  let error: unknown;
  for (let count = 0; count < sampledOf(0.2) && error === undefined; count += 1)
    ({ error } = await night(0.2));
  expect(error).toMatchObject({ code: "FRAME_CORRUPT" });
  expect(published()).toBeLessThan(before + sampledOf(0.2));
});

test.each([
  [1, 1],
  [0.5, 1],
  [0.2, 5],
  [0.1, 5],
  [0.03, 31],
  [0.01, 97],
  [0, Infinity],
])("with %d it is one of %d, which no rhythm of hours, days or weeks divides", (share, of) => {
  expect(sampledOf(share)).toBe(of);
});
