/**
 * Verifies a snapshot of a volume: opened read-only where it can be (local ones beside what they are of; those of a cloud
 * as a disk that is made, attached and removed again), and its databases checked. The chainstate's journal knows of it
 * meanwhile, so that whatever ends this run, nothing stays mounted.
 */
import { join } from "node:path";
import type { Manifest } from "../../domain/manifest.ts";
import { assertConsistent, inspectChainstate } from "../../chainstate/inspect.ts";
import type { VerifyConfig } from "../../config/config.ts";
import { ActionError } from "../../domain/errors.ts";
import { blobsElsewhere, mainOf } from "../../volume/parts.ts";
import type { OpenPart } from "../../volume/port.ts";
import type { Confirming } from "../confirm.ts";
import { reportInspection } from "../report-inspection.ts";
import { withJournal } from "../run/journal.ts";
import { requireKnownMaker } from "../manifest-trust.ts";
import type { OpenSnapshot } from "../open-snapshot.ts";
import { driverOf } from "../restore/target-volume.ts";
import type { RunContext } from "../context.ts";
import { closeStore } from "../with-store.ts";
import { bestEffort } from "../../system/best-effort.ts";

/** A disk of a cloud is detached and deleted. */
const closeMs = 10 * 60_000;

export async function verifyVolumes(
  { store, manifest }: OpenSnapshot,
  config: VerifyConfig,
  ctx: RunContext,
  confirming: Confirming,
): Promise<void> {
  const { report, host, signal } = ctx;
  try {
    report.output("snapshot-id", manifest.id);
    report.output("stacks-height", String(manifest.chain.stacksHeight));
    const driver = driverOf(manifest);
    requireHere(manifest, driver, ctx);
    requireKnownMaker(manifest, config, ctx);
    const chainstateDir = placeOf(manifest);
    await withJournal(ctx, { chainstateDir, command: "verify", sudo: config.sudo }, async (journal) => {
      const entry = { driver, runId: host.runId, named: [], location: config.storage, snapshotId: null };
      await journal.update((now) => ({ ...now, volumes: [...now.volumes, entry] }));
      const access = { privilege: ctx.privilege(config.sudo), store };
      const snapshotter = ctx.volumes.snapshotter(driver, [], access);
      const request = { chainstateDir, runId: host.runId, stateDir: host.stateDir, signal };
      const open = await report.phase("verify", `Open the ${driver} snapshot`, () =>
        snapshotter.open(manifest.volumes, request),
      );
      try {
        await check(open.parts, manifest, config, ctx, confirming);
        await open.assertFrozen();
      } finally {
        // Left mounted, it stays in the journal, and whoever cleans up goes by that.
        const isClosed = await bestEffort(
          report,
          `close the ${driver} snapshot`,
          () => open.close(),
          closeMs,
        );
        if (isClosed)
          await journal.update((now) => ({ ...now, volumes: now.volumes.filter((each) => each !== entry) }));
      }
    });
    report.headline(
      `The ${driver} snapshot of ${manifest.id} can be opened and its chainstate is consistent.`,
    );
  } finally {
    await closeStore(ctx, store);
  }
}

async function check(
  parts: readonly OpenPart[],
  { chain, id }: Manifest,
  config: VerifyConfig,
  ctx: RunContext,
  confirming: Confirming,
): Promise<void> {
  const { report, signal } = ctx;
  const depth = config.check === "none" ? "tips" : config.check;
  await report.phase("check", "Check the databases in it", async () => {
    const [dir, elsewhere] = [mainOf(parts), blobsElsewhere(parts)];
    const { network } = chain;
    const { signers } = confirming;
    const inspection = await inspectChainstate({ dir, elsewhere, depth, signal, network, signers });
    reportInspection(report, inspection);
    assertConsistent(inspection);
    const { stacksTip, stacksHeight } = inspection.facts;
    if (stacksTip === chain.stacksTip && stacksHeight === chain.stacksHeight)
      return void (await confirming.confirm(inspection, "fail"));
    throw new ActionError(
      "TIP_DIFFERS",
      `The volume snapshot stands at height ${stacksHeight}, the manifest of ${id} says ${chain.stacksHeight}.`,
      { hint: "It does not hold what it says. Choose another one." },
    );
  });
}

function requireHere({ id, host: madeOn }: Manifest, driver: string, { host, volumes }: RunContext): void {
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
