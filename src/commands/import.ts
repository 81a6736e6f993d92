/**
 * `command: import`: an archive made elsewhere becomes a snapshot of one's own. It is unpacked into
 * the run's scratch space, checked like a stopped node's chainstate, and archived anew, so that it can be verified frame
 * by frame, taken over by the next snapshot and restored like any other. No node is touched.
 */
import { basename, join } from "node:path";
import { importedBy, type ChainFacts, type Confirmation, type Manifest } from "../domain/manifest.ts";
import { claimSnapshotId } from "../catalog/publish.ts";
import { assertConsistent, inspectChainstate, type Inspection } from "../chainstate/inspect.ts";
import { selectEntries } from "../chainstate/layout.ts";
import { findModeDirectory } from "../chainstate/mode-directory.ts";
import type { ImportConfig } from "../config/config.ts";
import type { ManifestSigner } from "../catalog/signing/signer.ts";
import type { FrozenView } from "../freeze/port.ts";
import type { Journal } from "../recovery/journal.ts";
import type { ObjectStore } from "../store/port.ts";
import { formatBytes, requireSpace, spaceAt } from "../system/space.ts";
import { describeEstimate, estimateSeconds } from "./estimate.ts";
import { reportPlanned, type PlanRow } from "./report-plan.ts";
import { surveyTree } from "../freeze/survey.ts";
import { archiveView, type StoredArchive } from "./snapshot/archive.ts";
import { tryFindBase } from "./snapshot/base.ts";
import { canonicalPath } from "../recovery/state-directory.ts";
import { openExternalArchive, unpackExternalArchive, type ExternalArchive } from "./external-archive.ts";
import { reportInspection } from "./report-inspection.ts";
import { openConfirming, type Confirming } from "./confirm.ts";
import { withJournal } from "./run/journal.ts";
import { tryApplyRetention } from "./prune.ts";
import type { RunContext } from "./context.ts";
import { openManifestSigner } from "./manifest-trust.ts";
import { publishSnapshot } from "./publish-snapshot.ts";
import { withStore } from "./with-store.ts";

export async function importArchive(config: ImportConfig, ctx: RunContext): Promise<void> {
  // Canonical, as what a journal names for removal.
  const directory = join(await canonicalPath(ctx.host.tempDir), "import");
  const run = { chainstateDir: directory, command: "snapshot", sudo: "never" } as const;
  await withJournal(ctx, run, async (journal) => {
    await journal.update((now) => ({ ...now, staging: [...now.staging, directory] }));
    await withStore(ctx, config, async (store) => {
      const archive = await openExternalArchive(ctx, config.from, config.s3, "from", config.expectDigest);
      try {
        await new Import(config, ctx, journal, store, archive).run(directory);
      } finally {
        await archive.close();
      }
    });
  });
}

class Import {
  readonly #config: ImportConfig;
  readonly #ctx: RunContext;
  readonly #journal: Journal;
  readonly #store: ObjectStore;
  readonly #archive: ExternalArchive;

  constructor(
    config: ImportConfig,
    ctx: RunContext,
    journal: Journal,
    store: ObjectStore,
    archive: ExternalArchive,
  ) {
    this.#config = config;
    this.#ctx = ctx;
    this.#journal = journal;
    this.#store = store;
    this.#archive = archive;
  }

  async run(directory: string): Promise<void> {
    const { report, signal, host } = this.#ctx;
    const { retention, dryRun, sudo, signKey } = this.#config;
    const { signer, confirming } = await report.phase("preflight", "Preflight checks", async () => {
      const asked = await openConfirming(this.#ctx, this.#config);
      const opened = await openManifestSigner(this.#ctx, signKey);
      await this.#store.probeWritable(signal, this.#config);
      report.info(`Storage: ${this.#store.url} can be written.`);
      await requireSpace(host.tempDir, this.#archive.source.size, "unpack the archive");
      return { signer: opened, confirming: asked };
    });
    if (dryRun) {
      return await this.#reportPlan();
    }
    const published = await this.#publish(directory, confirming, signer);
    await tryApplyRetention(this.#ctx, this.#store, retention, { sudo, published, signer });
  }

  async #reportPlan(): Promise<void> {
    const { report, host } = this.#ctx;
    const { name, source, sha256 } = this.#archive;
    const { freeBytes } = await spaceAt(host.tempDir);
    const rows: PlanRow[] = [
      ["Archive", source.url],
      ["Its SHA-256", sha256 ?? "is not published"],
      ["To fetch", formatBytes(source.size)],
      ["Space", `more than that is needed to unpack it, ${formatBytes(freeBytes)} free in ${host.tempDir}`],
      ["Time", `${describeEstimate(source.size)}, and as long again to publish it`],
      ["Published to", this.#store.url],
    ];
    reportPlanned(this.#ctx, rows, {
      command: "import",
      from: source.url,
      sha256: sha256 ?? null,
      storage: this.#store.url,
      fetchBytes: source.size,
      freeBytes,
      estimatedSeconds: 2 * estimateSeconds(source.size),
    });
    report.headline(`Dry run: ${name} can be fetched; nothing was written.`);
  }

  async #publish(
    directory: string,
    confirming: Confirming,
    signer: ManifestSigner | undefined,
  ): Promise<string> {
    const { clock } = this.#ctx;
    const root = await this.#unpack(directory);
    const modeDirectory = join(directory, root);
    const { inspection, confirmation } = await this.#check(modeDirectory, root, confirming);
    const at = new Date(clock.now());
    const stored = await this.#send(modeDirectory, inspection.facts, at);
    const manifest = this.#manifestOf(stored, inspection, at);
    const confirmed = confirmation === undefined ? manifest : { ...manifest, confirmation };
    await publishSnapshot(this.#ctx, this.#store, confirmed, signer);
    return stored.id;
  }

  async #unpack(target: string): Promise<string> {
    return await this.#ctx.report.phase(
      "download",
      `Fetch and unpack ${this.#archive.name}`,
      async (phase) => {
        const { root } = await unpackExternalArchive(this.#ctx, this.#archive, phase, {
          target,
          owner: "mine",
          locateRoot: findModeDirectory,
          durable: false,
        });
        return root;
      },
    );
  }

  async #check(
    dir: string,
    root: string,
    confirming: Confirming,
  ): Promise<{ readonly inspection: Inspection; readonly confirmation: Confirmation | undefined }> {
    const { report, signal } = this.#ctx;
    const { check: depth } = this.#config;
    return await report.phase("check", "Check chainstate consistency", async () => {
      const found = await inspectChainstate({ dir, depth, signers: confirming.signers, signal });
      const network = root === "" ? networkOf(found.facts, this.#archive.name) : basename(root);
      const inspection = { ...found, facts: { ...found.facts, network } };
      reportInspection(report, inspection);
      assertConsistent(inspection);
      return { inspection, confirmation: await confirming.confirm(inspection, "fail") };
    });
  }

  async #send(modeDirectory: string, facts: ChainFacts, at: Date): Promise<StoredArchive> {
    const { signal } = this.#ctx;
    const selection = selectEntries(this.#config.profile);
    const expected = await surveyTree(this.#ctx.viewOf, { chainstateDir: modeDirectory, selection, signal });
    const base = await tryFindBase(this.#ctx, this.#store, facts.network);
    const frozen: FrozenView = {
      view: await this.#ctx.viewOf(modeDirectory, selection),
      // Nobody else knows of the directory, so it changes as little as a stopped node's.
      method: "cold",
      at,
      directory: modeDirectory,
      broken: Promise.withResolvers<never>().promise,
      assertFrozen: async () => undefined,
      release: async () => undefined,
    };
    const request = {
      config: this.#config,
      ctx: this.#ctx,
      journal: this.#journal,
      store: this.#store,
    };
    try {
      const subject = {
        frozen,
        rootName: facts.network,
        nodeVersion: undefined,
        expected,
        base,
        claimed: await claimSnapshotId(this.#store, facts, at, this.#ctx.host.runId, signal),
        signal,
      };
      return await archiveView(request, subject);
    } finally {
      await base?.withdraw();
    }
  }

  #manifestOf(stored: StoredArchive, { facts, checks }: Inspection, at: Date): Manifest {
    const { host, clock } = this.#ctx;
    const { check, profile, pin } = this.#config;
    return {
      version: 1,
      id: stored.id,
      createdAt: new Date(clock.now()).toISOString(),
      kind: "archive",
      tool: host.tool,
      host: host.hostName,
      node: { manager: "unknown", name: this.#archive.name, versionLine: null, version: null, commit: null },
      chain: facts,
      cleanStop: null,
      checks: [...checks],
      verified: check === "none" ? "checksum" : "database",
      cut: { method: "cold", freezer: importedBy, at: at.toISOString(), downtimeSeconds: 0 },
      archive: stored.record,
      volumes: [],
      profile,
      excluded: [],
      ...(pin ? { pinned: true } : {}),
    };
  }
}

/** Where the archive holds what is in the mode directory and not its name: mainnet is known, others by the file's name. */
function networkOf({ mainnet }: ChainFacts, archiveName: string): string {
  return mainnet === true ? "mainnet" : (/^[a-z0-9]+/i.exec(archiveName)?.[0] ?? "unknown");
}
