/**
 * `command: snapshot`. Everything that can be known before the node is touched is looked at first; the node is down only
 * from the stop until the moment is held still (or, `cold`, until the archive stands in the store); nothing is published
 * that was not checked, and `latest` moves last.
 */
import { basename } from "node:path";
import type { ChainFacts, CheckResult, Manifest } from "../catalog/manifest.ts";
import { publish } from "../catalog/publish.ts";
import { assertConsistent, compareWithRpc, inspectChainstate, inspectFrozen } from "../chainstate/inspect.ts";
import type { Inspection } from "../chainstate/inspect.ts";
import { selectEntries } from "../chainstate/layout.ts";
import { assertNoSecrets } from "../chainstate/secrets.ts";
import type { SnapshotConfig } from "../config.ts";
import type { FreezeRequest, FrozenView } from "../freeze/port.ts";
import type { ChosenFreezer } from "../freeze/registry.ts";
import type { Journal } from "../recovery/journal.ts";
import { largestPlannedBytes } from "../store/part-sizes.ts";
import { openFrameSource } from "../store/frame-source.ts";
import type { ObjectStore } from "../store/port.ts";
import { formatBytes } from "../system/space.ts";
import {
  archiveView,
  measure,
  type ArchiveSubject,
  type ExpectedArchive,
  type StoredArchive,
} from "./archive-view.ts";
import { tryFindBase, type BaseSnapshot } from "./base-snapshot.ts";
import { withJournal } from "./journaled.ts";
import { meetNode, type ManagedNode } from "./managed-node.ts";
import { Outage, type CleanStop } from "./outage.ts";
import { reportInspection } from "./inspection-report.ts";
import { proveArchive } from "./prove-archive.ts";
import { applyRetention } from "./prune.ts";
import { reportPublished } from "./report-published.ts";
import type { Rooms } from "./rooms.ts";
import { openTrust, type Trust } from "./trusted-segments.ts";
import { writePage } from "./write-page.ts";

export async function snapshot(config: SnapshotConfig, rooms: Rooms): Promise<void> {
  const { chainstateDir, node } = config;
  await withJournal(rooms, { chainstateDir, command: "snapshot", sudo: node.sudo }, async (journal) => {
    const store = await rooms.openStore(config.storage);
    try {
      const run: SnapshotRun = { config, rooms, journal, store };
      const plan = await rooms.report.phase(
        "preflight",
        "Look at everything before the node is touched",
        () => preflight(run),
      );
      if (config.dryRun) return reportPlan(run, plan);
      try {
        await reportPublished(rooms, store, await take(run, plan));
      } finally {
        await plan.base?.withdraw();
      }
    } finally {
      await store.close();
    }
  });
}

interface SnapshotRun {
  readonly config: SnapshotConfig;
  readonly rooms: Rooms;
  readonly journal: Journal;
  readonly store: ObjectStore;
}

interface Plan {
  readonly node: ManagedNode;
  readonly request: FreezeRequest;
  readonly chosen: ChosenFreezer;
  readonly expected: ExpectedArchive;
  readonly base: BaseSnapshot | undefined;
}

/** What was taken, before it is published. */
interface Taken {
  readonly at: Date;
  readonly facts: ChainFacts;
  readonly checks: readonly CheckResult[];
  readonly cleanStop: CleanStop | undefined;
  readonly archive: StoredArchive;
  readonly trust: Trust | undefined;
}

async function preflight({ config, rooms, store }: SnapshotRun): Promise<Plan> {
  const { report, signal, host } = rooms;
  await store.probeWritable(signal);
  report.info(`Storage: ${store.url} can be written.`);
  const node = await meetNode(rooms, config.node, config.chainstateDir);
  const privilege = rooms.privilege(config.node.sudo);
  const request: FreezeRequest = {
    chainstateDir: config.chainstateDir,
    selection: selectEntries(config.profile, config.exclude),
    runId: host.runId,
    stateDir: host.stateDir,
    signal,
  };
  const chosen = await rooms.chooseFreezer(config, request, privilege);
  report.info(`Held still by ${chosen.freezer.name}: ${chosen.reason}.`);
  if (chosen.notice !== undefined) report.notice(chosen.notice);
  const expected = await measure(rooms, request);
  report.info(`To archive: ${expected.entries} entries, ${formatBytes(expected.contentBytes)}.`);
  const largest = largestPlannedBytes(store.partLimits);
  if (expected.contentBytes > largest) {
    report.warning(
      `Uncompressed this is more than the ${formatBytes(largest)} that ${store.partLimits.maxParts} parts of ${store.url} can hold; ` +
        "if it does not compress well enough the upload fails and nothing is published.",
    );
  }
  const base = config.dryRun ? undefined : await tryFindBase(rooms, store, basename(config.chainstateDir));
  return { node, request, chosen, expected, base };
}

function reportPlan({ config, rooms, store }: SnapshotRun, { node, chosen }: Plan): void {
  const { report } = rooms;
  const downtime =
    config.cut === "live"
      ? "it is not stopped"
      : chosen.freezer.name === "cold"
        ? "until the upload is done"
        : "until the moment is held";
  report.fact(
    "Node",
    `${node.control.identity.manager} ${node.control.identity.name}, ${node.before.detail}`,
  );
  report.fact("Held still by", `${chosen.freezer.name} (${chosen.reason})`);
  report.fact("Downtime", node.before.running ? downtime : "none: the node is not running");
  report.fact("Archive to", store.url);
  report.headline("Dry run: a snapshot can be taken; nothing was touched.");
}

async function take(run: SnapshotRun, plan: Plan): Promise<Manifest> {
  const { config, rooms, journal } = run;
  const outage = new Outage(rooms, plan.node, config.node, journal, config.chainstateDir);
  const taken = await outage.guard(async () => {
    const result = config.cut === "live" ? await takeLive(run, plan) : await takeStopped(run, plan, outage);
    await outage.end({ minStacksHeight: result.facts.stacksHeight });
    return result;
  });
  const deep = await prove(run, taken);
  const manifest = manifestOf(run, plan, { ...taken, checks: deep ?? taken.checks }, outage.downtimeSeconds);
  await rooms.report.phase("publish", "Publish", async () => {
    await publish(run.store, manifest, rooms.signal);
    await taken.trust?.tryRemember(manifest.id, taken.archive.record);
    await writePage(run.store, rooms.signal);
  });
  await outage.sync({ minStacksHeight: taken.facts.stacksHeight });
  if (Object.keys(config.retention).length > 0)
    await applyRetention(rooms, run.store, config.retention, false);
  return manifest;
}

async function takeStopped(run: SnapshotRun, plan: Plan, outage: Outage): Promise<Taken> {
  const { rooms } = run;
  const { freezer } = plan.chosen;
  const isCold = freezer.name === "cold";
  const cleanStop = await outage.begin();
  const inspection = await check(run, plan);
  if (run.config.profile === "share") await scanForSecrets(run, plan, rooms.signal);
  const at = new Date(rooms.clock.now());
  return await whileFrozen(run, plan, true, async (frozen, signal) => {
    if (!isCold) await outage.end({ minStacksHeight: inspection.facts.stacksHeight });
    const { facts, checks } = inspection;
    const archived = await archive(run, plan, { frozen, facts, at, signal });
    if (isCold) await outage.proveStillDown();
    return { at, facts, checks, cleanStop, ...archived };
  });
}

/**
 * Reads the databases back from the finished archive, when the node is back, and looks at them again as deep as was asked.
 * Returns what was found; undefined where it was not to be made, or there is no room for it.
 */
async function prove(
  { config, rooms, store }: SnapshotRun,
  taken: Taken,
): Promise<readonly CheckResult[] | undefined> {
  const { check: depth } = config;
  if (depth === "none") return undefined;
  const { record, indexFile } = taken.archive;
  const proof = await rooms.report.phase("verify", "Read the databases back from the archive", async () =>
    proveArchive({
      source: await openFrameSource(store, record.key, rooms.signal),
      indexFile,
      indexDigest: record.index,
      concurrency: config.concurrency,
      scratchParent: rooms.host.tempDir,
      depth,
      cut: { facts: taken.facts, checks: taken.checks },
      signal: rooms.signal,
    }),
  );
  if (proof.made) return proof.inspection.checks;
  const lost = depth === "tips" ? "" : `, so \`check: ${depth}\` could not be made`;
  rooms.report.notice(`The databases were not read back from the archive${lost}: ${proof.reason}.`);
  return undefined;
}

/** The node runs on: the moment is one at which its databases agree, found and held by the freezer. */
async function takeLive(run: SnapshotRun, plan: Plan): Promise<Taken> {
  return await whileFrozen(run, plan, false, async (frozen, signal) => {
    const inspection = await run.rooms.report.phase(
      "check",
      "Check the chainstate inside the frozen moment",
      async () => {
        if (frozen.ask === undefined) throw new RangeError(`${frozen.method} cannot be asked`);
        if (run.config.profile === "share") await scanForSecrets(run, plan, signal);
        return judged(run, plan, await inspectFrozen(frozen.ask, run.config.chainstateDir));
      },
    );
    const { facts, checks } = inspection;
    const { at } = frozen;
    const archived = await archive(run, plan, { frozen, facts, at, signal });
    return { at, facts, checks, cleanStop: undefined, ...archived };
  });
}

async function archive(
  run: SnapshotRun,
  { node, expected, base }: Plan,
  cut: Pick<ArchiveSubject, "frozen" | "facts" | "at" | "signal">,
): Promise<Pick<Taken, "archive" | "trust">> {
  const { config, rooms, store } = run;
  const trust = await openTrust(rooms, store, config, base, cut.at);
  const subject: ArchiveSubject = {
    ...cut,
    rootName: basename(config.chainstateDir),
    nodeVersion: node.version?.fileNamePart,
    expected,
    base,
    segments: trust?.segments,
  };
  return { archive: await archiveView(run, subject), trust };
}

/** The quick ones: what takes longer is asked of the archive, when the node is back. */
async function check(run: SnapshotRun, plan: Plan): Promise<Inspection> {
  const { config, rooms } = run;
  return await rooms.report.phase("check", "Check that the databases are one chainstate", async () =>
    judged(
      run,
      plan,
      await inspectChainstate({ dir: config.chainstateDir, depth: "tips", signal: rooms.signal }),
    ),
  );
}

/** What is made for others must hold nothing that is private; looked for while nobody writes. */
async function scanForSecrets(
  { config, rooms }: SnapshotRun,
  plan: Plan,
  signal: AbortSignal,
): Promise<void> {
  await rooms.report.phase("check", "Look for what is private", async () => {
    const privilege = rooms.privilege(config.node.sudo);
    await assertNoSecrets({
      dir: config.chainstateDir,
      selection: plan.request.selection,
      elevate: (argv) => privilege.elevate(argv),
      signal,
    });
  });
}

/** Throws unless the chainstate is consistent and is the one the node told of. */
function judged({ config, rooms }: SnapshotRun, plan: Plan, inspection: Inspection): Inspection {
  reportInspection(rooms.report, inspection);
  if (config.check !== "none") assertConsistent(inspection);
  if (plan.node.info !== undefined) {
    const warning = compareWithRpc(inspection.facts, plan.node.info, plan.node.tenure);
    if (warning !== undefined) rooms.report.warning(warning);
  }
  return inspection;
}

/** Freezes, works on the frozen view, and gives it back whatever happens. A view that breaks ends the work at once. */
async function whileFrozen<T>(
  run: SnapshotRun,
  plan: Plan,
  nodeDown: boolean,
  work: (frozen: FrozenView, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { rooms, journal } = run;
  const { freezer } = plan.chosen;
  await journal.update((now) => ({
    ...now,
    frozen: [...now.frozen, { freezer: freezer.name, runId: rooms.host.runId }],
  }));
  const frozen = await rooms.report.phase("freeze", `Hold it still by ${freezer.name}`, () =>
    freezer.freeze(plan.request, nodeDown),
  );
  const broken = new AbortController();
  void frozen.broken.catch((error: unknown) => broken.abort(error));
  try {
    const result = await work(frozen, AbortSignal.any([rooms.signal, broken.signal]));
    await frozen.assertHeld();
    return result;
  } finally {
    await frozen.release();
    await journal.update((now) => ({ ...now, frozen: [] }));
  }
}

function manifestOf(
  { config, rooms }: SnapshotRun,
  { node, chosen }: Plan,
  taken: Taken,
  downtimeSeconds: number,
): Manifest {
  const { archive, cleanStop } = taken;
  const cut = config.cut === "live" ? "live" : chosen.freezer.name === "cold" ? "cold" : "frozen";
  return {
    version: 1,
    id: archive.id,
    createdAt: new Date(rooms.clock.now()).toISOString(),
    kind: "archive",
    tool: rooms.host.tool,
    host: rooms.host.hostName,
    node: {
      manager: node.control.identity.manager,
      name: node.control.identity.name,
      versionLine: node.version?.line ?? null,
      version: node.version?.version ?? null,
      commit: node.version?.commit ?? null,
    },
    chain: taken.facts,
    cleanStop: cleanStop === undefined ? null : { ...cleanStop, evidence: [...cleanStop.evidence] },
    checks: [...taken.checks],
    verified: config.check === "none" ? "checksum" : "database",
    cut: { method: cut, freezer: chosen.freezer.name, at: taken.at.toISOString(), downtimeSeconds },
    archive: archive.record,
    volumes: [],
    profile: config.profile,
    excluded: [...config.exclude],
    ...(config.pin ? { pinned: true } : {}),
  };
}
