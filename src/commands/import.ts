/**
 * `command: snapshot` with `snapshot-from`: an archive made elsewhere becomes a snapshot of one's own. It is unpacked into
 * the run's scratch space, checked like a stopped node's chainstate, and archived anew, so that it can be verified frame
 * by frame, taken over by the next snapshot and restored like any other. No node is touched.
 */
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { ChainFacts, Manifest } from "../catalog/manifest.ts";
import { claimSnapshotId, publish } from "../catalog/publish.ts";
import { assertConsistent, inspectChainstate, type Inspection } from "../chainstate/inspect.ts";
import { selectEntries } from "../chainstate/layout.ts";
import { findModeDirectory } from "../chainstate/mode-directory.ts";
import type { ImportConfig } from "../config.ts";
import type { FrozenView } from "../freeze/port.ts";
import type { Journal } from "../recovery/journal.ts";
import type { ObjectStore } from "../store/port.ts";
import { requireSpace } from "../system/space.ts";
import { archiveView, measure, type StoredArchive } from "./archive-view.ts";
import { tryFindBase } from "./base-snapshot.ts";
import { openForeignArchive, unpackForeignArchive, type ForeignArchive } from "./foreign-archive.ts";
import { reportInspection } from "./inspection-report.ts";
import { withJournal } from "./journaled.ts";
import { applyRetention } from "./prune.ts";
import { importedBy, reportPublished } from "./report-published.ts";
import type { Rooms } from "./rooms.ts";
import { writePage } from "./write-page.ts";

export async function importArchive(config: ImportConfig, rooms: Rooms): Promise<void> {
  const directory = join(rooms.host.tempDir, "import");
  const run = { chainstateDir: directory, command: "snapshot", sudo: "never" } as const;
  await withJournal(rooms, run, async (journal) => {
    await journal.update({ staging: [directory] });
    const store = await rooms.openStore(config.storage);
    try {
      const archive = await openForeignArchive(rooms, config.from, config.s3, "snapshot-from");
      try {
        await new Import(config, rooms, journal, store, archive).run(directory);
      } finally {
        await archive.close();
      }
    } finally {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    }
  });
}

class Import {
  readonly #config: ImportConfig;
  readonly #rooms: Rooms;
  readonly #journal: Journal;
  readonly #store: ObjectStore;
  readonly #archive: ForeignArchive;

  constructor(
    config: ImportConfig,
    rooms: Rooms,
    journal: Journal,
    store: ObjectStore,
    archive: ForeignArchive,
  ) {
    this.#config = config;
    this.#rooms = rooms;
    this.#journal = journal;
    this.#store = store;
    this.#archive = archive;
  }

  async run(directory: string): Promise<void> {
    const { report, signal, host } = this.#rooms;
    const { retention, dryRun } = this.#config;
    await report.phase("preflight", "Look at everything before it is fetched", async () => {
      await this.#store.probeWritable(signal);
      report.info(`Storage: ${this.#store.url} can be written.`);
      await requireSpace(host.tempDir, this.#archive.source.size, "unpack the archive");
    });
    if (dryRun) {
      report.headline(`Dry run: ${this.#archive.name} can be fetched; nothing was written.`);
      return;
    }
    const manifest = await this.#publish(directory);
    if (Object.keys(retention).length > 0) await applyRetention(this.#rooms, this.#store, retention, false);
    await reportPublished(this.#rooms, this.#store, manifest);
  }

  async #publish(directory: string): Promise<Manifest> {
    const { report, signal, clock } = this.#rooms;
    const root = await this.#unpack(directory);
    const modeDirectory = join(directory, root);
    const inspection = await this.#check(modeDirectory, root);
    const at = new Date(clock.now());
    const stored = await this.#send(modeDirectory, inspection.facts, at);
    const manifest = this.#manifestOf(stored, inspection, at);
    await report.phase("publish", "Publish", async () => {
      await publish(this.#store, manifest, signal);
      await writePage(this.#store, signal);
    });
    return manifest;
  }

  async #unpack(target: string): Promise<string> {
    return await this.#rooms.report.phase(
      "download",
      `Fetch and unpack ${this.#archive.name}`,
      async (phase) => {
        const { root } = await unpackForeignArchive(this.#rooms, this.#archive, phase, {
          target,
          owner: "mine",
          locateRoot: findModeDirectory,
          durable: false,
        });
        return root;
      },
    );
  }

  async #check(dir: string, root: string): Promise<Inspection> {
    const { report, signal } = this.#rooms;
    const { check: depth } = this.#config;
    return await report.phase("check", "Check that the databases are one chainstate", async () => {
      const found = await inspectChainstate({ dir, depth, signal });
      const network = root === "" ? networkOf(found.facts, this.#archive.name) : basename(root);
      const inspection = { ...found, facts: { ...found.facts, network } };
      reportInspection(report, inspection);
      assertConsistent(inspection);
      return inspection;
    });
  }

  async #send(modeDirectory: string, facts: ChainFacts, at: Date): Promise<StoredArchive> {
    const { signal } = this.#rooms;
    const selection = selectEntries(this.#config.profile);
    const expected = await measure(this.#rooms, { chainstateDir: modeDirectory, selection, signal });
    const base = await tryFindBase(this.#rooms, this.#store, facts.network);
    const frozen: FrozenView = {
      view: await this.#rooms.viewOf(modeDirectory, selection),
      // Nobody else knows of the directory, so it stands as still as a stopped node's.
      method: "cold",
      at,
      directory: modeDirectory,
      broken: Promise.withResolvers<never>().promise,
      assertHeld: async () => undefined,
      release: async () => undefined,
    };
    const request = {
      config: this.#config,
      rooms: this.#rooms,
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
        claimed: await claimSnapshotId(this.#store, facts, at, this.#rooms.host.runId, signal),
        signal,
      };
      return await archiveView(request, subject);
    } finally {
      await base?.withdraw();
    }
  }

  #manifestOf(stored: StoredArchive, { facts, checks }: Inspection, at: Date): Manifest {
    const { host, clock } = this.#rooms;
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
