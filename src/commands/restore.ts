/**
 * `command: restore`. Everything is fetched, verified and unpacked beside the target while the node runs; only a
 * chainstate that has passed its checks takes the place of the old one, by renames that can be taken back; and the old
 * one is dropped only when the node has proved healthy on the new.
 */
import { lstat, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ChainFacts } from "../catalog/manifest.ts";
import { checkFits, type Target } from "../chainstate/guards.ts";
import { assertConsistent, inspectChainstate, readFacts } from "../chainstate/inspect.ts";
import type { CheckDepth, RestoreConfig } from "../config.ts";
import { ActionError, hasCode } from "../errors.ts";
import { fileOperations, type FileOperations } from "../recovery/file-operations.ts";
import type { Journal } from "../recovery/journal.ts";
import { finishSwap, ownPrefix, planSwap, prove, swapIn, type SwapPlan } from "../recovery/swap.ts";
import { formatBytes, spaceAt } from "../system/space.ts";
import { reportInspection } from "./inspection-report.ts";
import { openForeignSource } from "./foreign-source.ts";
import { withCache } from "./cached-source.ts";
import { withJournal } from "./journaled.ts";
import { meetNode, type ManagedNode } from "./managed-node.ts";
import { Outage } from "./outage.ts";
import { openOwnSource } from "./own-source.ts";
import { rememberRestored } from "./remove-restored.ts";
import type { RestoreSource } from "./restore-source.ts";
import type { Rooms } from "./rooms.ts";

export async function restore(config: RestoreConfig, rooms: Rooms): Promise<void> {
  const { chainstateDir, node } = config;
  await withJournal(rooms, { chainstateDir, command: "restore", sudo: node.sudo }, async (journal) => {
    const scratch = await mkdtemp(join(rooms.host.tempDir, "restore-"));
    const source = await openSource(config, rooms);
    try {
      const files = fileOperations(rooms.privilege(node.sudo), rooms.signal);
      await new Restore(config, rooms, journal, files, source).run(scratch);
    } finally {
      await source.close();
      await rm(scratch, { recursive: true, force: true });
    }
  });
}

async function openSource(config: RestoreConfig, rooms: Rooms): Promise<RestoreSource> {
  return await withCache(await openUncached(config, rooms), config, rooms);
}

async function openUncached({ storage, snapshot, s3 }: RestoreConfig, rooms: Rooms): Promise<RestoreSource> {
  if (snapshot.kind === "foreign") return await openForeignSource(rooms, snapshot.url, s3);
  if (storage === undefined) throw new RangeError("a snapshot is on a store");
  return await openOwnSource(rooms, storage, snapshot);
}

interface Prepared {
  readonly node: ManagedNode;
  readonly swap: SwapPlan;
  /** What the chainstate has to fit. */
  readonly fits: Target;
  /** The target holds something that is being replaced. */
  readonly replaces: boolean;
}

class Restore {
  readonly #config: RestoreConfig;
  readonly #rooms: Rooms;
  readonly #journal: Journal;
  readonly #files: FileOperations;
  readonly #source: RestoreSource;

  constructor(
    config: RestoreConfig,
    rooms: Rooms,
    journal: Journal,
    files: FileOperations,
    source: RestoreSource,
  ) {
    this.#config = config;
    this.#rooms = rooms;
    this.#journal = journal;
    this.#files = files;
    this.#source = source;
  }

  async run(scratch: string): Promise<void> {
    const { report } = this.#rooms;
    const prepared = await report.phase("preflight", "Look at everything before anything is touched", () =>
      this.#preflight(),
    );
    if (this.#config.dryRun) {
      const { name, chain } = this.#source;
      const fits = chain === undefined ? "can be unpacked beside" : "fits";
      report.headline(`Dry run: ${name} ${fits} ${this.#config.chainstateDir}; nothing was touched.`);
      return;
    }
    await this.#unpack(prepared, scratch);
    const chain = await this.#check(prepared);
    await this.#putInPlace(prepared, chain);
    this.#reportResult(chain);
  }

  async #preflight(): Promise<Prepared> {
    const { signal } = this.#rooms;
    const { chainstateDir, node: options, allowNewerSchema, dryRun } = this.#config;
    this.#source.introduce();
    const node = await meetNode(this.#rooms, options, chainstateDir);
    const replaces = !(await isAbsentOrEmpty(chainstateDir));
    if (replaces && node.control.identity.manager === "none") {
      throw new ActionError("TARGET_NOT_EMPTY", `${chainstateDir} is not empty.`, {
        hint: "With `node-manager: none` only an absent or empty directory is filled. Remove it, or name the node's manager.",
      });
    }
    const fits: Target = {
      replaced: replaces ? await readFacts(chainstateDir, signal) : undefined,
      nodeVersion: node.version?.version ?? undefined,
      node: node.info,
      allowNewerSchema,
    };
    if (this.#source.chain !== undefined) checkFits(this.#source.chain, fits);
    // An ephemeral runner has nothing yet; what is made here is an empty directory at most.
    if (!dryRun) await mkdir(dirname(chainstateDir), { recursive: true });
    const swap = await planSwap(chainstateDir, this.#source.id);
    await this.#requireSpace(dirname(swap.staging));
    return { node, swap, fits, replaces };
  }

  async #requireSpace(directory: string): Promise<void> {
    const needed = this.#source.neededBytes;
    const { freeBytes } = await spaceAt(directory);
    if (freeBytes >= needed * 1.01) return;
    throw new ActionError(
      "SPACE_MISSING",
      `${directory} has ${formatBytes(freeBytes)} free; the chainstate needs ${formatBytes(needed)} beside the old one.`,
      { hint: "Free some space. The old chainstate is only dropped when the node runs on the new one." },
    );
  }

  /** Into a directory named by the snapshot, so that a restore that was interrupted goes on where it stopped. */
  async #unpack({ swap, replaces }: Prepared, scratch: string): Promise<void> {
    const { report } = this.#rooms;
    const { seedFrom, concurrency, node } = this.#config;
    await this.#removeOtherStaging(swap);
    await report.phase("download", `Fetch and unpack beside ${swap.target}`, async (phase) => {
      await this.#source.unpack({
        staging: swap.staging,
        owner: this.#rooms.privilege(node.sudo).isRoot && !replaces ? "archived" : "mine",
        replaces,
        // Read while the node writes to it: a piece that is not what it should be is fetched instead.
        seeds: seedFrom ?? (replaces ? [swap.target] : []),
        scratch,
        concurrency,
        files: this.#files,
        journal: this.#journal,
        phase,
      });
      if (replaces) await this.#files.copyOwnerToTree(swap.target, swap.staging);
    });
  }

  /** What an interrupted restore of another snapshot left beside this target is of no use any more. */
  async #removeOtherStaging(swap: SwapPlan): Promise<void> {
    const container = dirname(swap.staging);
    const ours = `${ownPrefix}${swap.layout === "contents" ? "" : `${basename(swap.target)}-`}`;
    for (const name of await this.#files.names(container)) {
      const path = join(container, name);
      if (!name.startsWith(ours) || !name.endsWith("-new") || path === swap.staging) continue;
      this.#rooms.report.info(`Removing ${path}, left by an interrupted restore of another snapshot.`);
      await this.#files.removeTree(path);
    }
  }

  /** Returns what the unpacked chainstate is. Whatever does not pass is removed. */
  async #check({ swap, fits }: Prepared): Promise<ChainFacts> {
    const { report, signal } = this.#rooms;
    const { check: wanted } = this.#config;
    const { chain, network, proved } = this.#source;
    if (wanted === "none" && chain !== undefined) return chain;
    const depth = isProved(wanted, proved) ? "tips" : wanted;
    if (depth !== wanted)
      report.info(`check: ${wanted} was made of the cached copy that this is a clone of; not made again.`);
    return await report.phase("check", "Check the restored chainstate", async () => {
      try {
        const inspection = await inspectChainstate({
          dir: swap.staging,
          depth,
          network: chain?.network ?? network ?? basename(swap.target),
          signal,
        });
        reportInspection(report, inspection);
        assertConsistent(inspection);
        const { facts } = inspection;
        if (chain === undefined) checkFits(facts, fits);
        else if (facts.stacksTip !== chain.stacksTip || facts.stacksHeight !== chain.stacksHeight) {
          throw new ActionError(
            "TIP_DIFFERS",
            `What was unpacked stands at height ${facts.stacksHeight}, the manifest says ${chain.stacksHeight}.`,
            { hint: "The snapshot does not hold what it says. Choose another one." },
          );
        }
        return chain ?? facts;
      } catch (error) {
        if (!signal.aborted) await this.#files.removeTree(swap.staging);
        throw error;
      }
    });
  }

  async #putInPlace({ node, swap }: Prepared, chain: ChainFacts): Promise<void> {
    const { report } = this.#rooms;
    const { keepPrevious, node: options } = this.#config;
    const record = async (next: Parameters<typeof finishSwap>[0] | null): Promise<void> =>
      await this.#journal.update({ swap: next });
    const outage = new Outage(this.#rooms, node, options, this.#journal, swap.target);
    await outage.guard(async () => {
      await outage.begin();
      const swapped = await report.phase("swap", `Put it in the place of ${swap.target}`, async () => {
        outage.beginSwap();
        return await swapIn(swap, record, this.#files);
      });
      const expected = {
        minStacksHeight: chain.stacksHeight,
        ...(chain.burnHeight === null ? {} : { minBurnHeight: chain.burnHeight }),
      };
      await outage.end(expected);
      await outage.sync(expected);
      await prove(swapped, record);
      await outage.endSwap();
    });
    if (this.#config.removeAfterJob) {
      await rememberRestored(this.#config, node.control.identity.manager !== "none", this.#rooms);
    }
    const proved = this.#journal.content.swap;
    if (proved === null) return;
    await report.phase(
      "clean-up",
      keepPrevious ? "Keep the old chainstate" : "Drop the old chainstate",
      async () => {
        await finishSwap(proved, keepPrevious, record, this.#files);
      },
    );
    if (keepPrevious && proved.hadTarget) report.fact("Previous chainstate", proved.aside);
  }

  #reportResult(chain: ChainFacts): void {
    const { report } = this.#rooms;
    const { name } = this.#source;
    const { chainstateDir } = this.#config;
    report.output("restored-dir", chainstateDir);
    report.output("stacks-height", String(chain.stacksHeight));
    if (chain.burnHeight !== null) report.output("burn-height", String(chain.burnHeight));
    report.fact("Snapshot", name);
    report.fact("Stacks height", String(chain.stacksHeight));
    report.headline(`${name} is restored to ${chainstateDir}.`);
  }
}

/** A clone of what was read whole once, and cannot have changed since, need not be read whole again. */
function isProved(wanted: CheckDepth, proved: CheckDepth | undefined): boolean {
  if (proved === undefined || wanted === "none") return false;
  return proved === "full" || proved === wanted;
}

async function isAbsentOrEmpty(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory() && (await readdir(path)).length === 0;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return true;
    throw error;
  }
}
