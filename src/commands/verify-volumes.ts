/**
 * Verifies a snapshot of a volume: opened read-only where it can be (local ones beside what they are of; those of a cloud
 * as a disk that is made, attached and removed again), and its databases checked. The chainstate's journal knows of it
 * meanwhile, so that whatever ends this run, nothing stays mounted.
 */
import { join } from "node:path";
import type { Manifest } from "../catalog/manifest.ts";
import { assertConsistent, inspectChainstate } from "../chainstate/inspect.ts";
import type { VerifyConfig } from "../config.ts";
import { ActionError } from "../errors.ts";
import { blobsElsewhere, mainOf } from "../volume/parts.ts";
import type { OpenPart } from "../volume/port.ts";
import { reportInspection } from "./inspection-report.ts";
import { withJournal } from "./journaled.ts";
import type { OpenSnapshot } from "./open-snapshot.ts";
import { driverOf } from "./restore-volume.ts";
import type { Rooms } from "./rooms.ts";

export async function verifyVolumes(
  { store, manifest }: OpenSnapshot,
  config: VerifyConfig,
  rooms: Rooms,
): Promise<void> {
  const { report, host, signal } = rooms;
  try {
    report.output("snapshot-id", manifest.id);
    report.output("stacks-height", String(manifest.chain.stacksHeight));
    const driver = driverOf(manifest);
    requireHere(manifest, driver, rooms);
    const chainstateDir = placeOf(manifest);
    await withJournal(rooms, { chainstateDir, command: "verify", sudo: "auto" }, async (journal) => {
      const entry = { driver, runId: host.runId, named: [], location: config.storage, snapshotId: null };
      await journal.update((now) => ({ ...now, volumes: [...now.volumes, entry] }));
      const access = { privilege: rooms.privilege("auto"), store };
      const snapshotter = rooms.volumes.snapshotter(driver, [], access);
      const request = { chainstateDir, runId: host.runId, stateDir: host.stateDir, signal };
      const open = await report.phase("verify", `Open the ${driver} snapshot`, () =>
        snapshotter.open(manifest.volumes, request),
      );
      try {
        await check(open.parts, manifest, config, rooms);
        await open.assertHeld();
      } finally {
        await open.close();
      }
      await journal.update({ volumes: [] });
    });
    report.headline(
      `The ${driver} snapshot of ${manifest.id} can be opened and its chainstate is consistent.`,
    );
  } finally {
    await store.close();
  }
}

async function check(
  parts: readonly OpenPart[],
  { chain, id }: Manifest,
  config: VerifyConfig,
  rooms: Rooms,
): Promise<void> {
  const { report, signal } = rooms;
  const depth = config.check === "none" ? "tips" : config.check;
  await report.phase("check", "Check the databases in it", async () => {
    const [dir, elsewhere] = [mainOf(parts), blobsElsewhere(parts)];
    const inspection = await inspectChainstate({ dir, elsewhere, depth, signal, network: chain.network });
    reportInspection(report, inspection);
    assertConsistent(inspection);
    const { stacksTip, stacksHeight } = inspection.facts;
    if (stacksTip === chain.stacksTip && stacksHeight === chain.stacksHeight) return;
    throw new ActionError(
      "TIP_DIFFERS",
      `The volume snapshot stands at height ${stacksHeight}, the manifest of ${id} says ${chain.stacksHeight}.`,
      { hint: "It does not hold what it says. Choose another one." },
    );
  });
}

function requireHere({ id, host: madeOn }: Manifest, driver: string, { host, volumes }: Rooms): void {
  if (!volumes.isLocal(driver) || madeOn === host.hostName) return;
  throw new ActionError("VOLUME_ELSEWHERE", `The ${driver} snapshot of ${id} is on ${madeOn}.`, {
    hint: "Verify it there. The manifest itself is whole.",
  });
}

/** Where the chainstate was when the snapshot was taken. */
function placeOf({ id, volumes }: Manifest): string {
  for (const { driver, mountPoint, parts, source } of volumes) {
    const main = Array.isArray(parts) ? (parts as readonly unknown[]).find(isMain) : undefined;
    if (main === undefined || typeof mountPoint !== "string") continue;
    // A subvolume lies somewhere below its mount point, and says where.
    const root = driver === "btrfs" ? source : mountPoint;
    return join(root, main.within);
  }
  throw new ActionError(
    "VOLUME_RECORD_INVALID",
    `The manifest of ${id} does not say where its chainstate was.`,
  );
}

function isMain(part: unknown): part is { readonly at: ""; readonly within: string } {
  const { at, within } = part as { readonly at?: unknown; readonly within?: unknown };
  return at === "" && typeof within === "string";
}
