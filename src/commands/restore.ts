/**
 * `command: restore`. An archive is unpacked, or a volume made of its snapshot, beside the target while the node runs;
 * only a chainstate that has passed its checks takes the place of the old one, in steps that can be taken back; and the
 * old one is dropped only when the node has proved healthy on the new.
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
import { planSwap, type SwapPlan } from "../recovery/swap.ts";
import { reportInspection } from "./inspection-report.ts";
import { withJournal } from "./journaled.ts";
import { meetNode, type ManagedNode } from "./managed-node.ts";
import { Outage } from "./outage.ts";
import { rememberRestored } from "./remove-restored.ts";
import { openArchiveOrigin } from "./restore-archive.ts";
import type { Origin, Staged } from "./restore-origin.ts";
import { openVolumeOrigin } from "./restore-volume.ts";
import type { Rooms } from "./rooms.ts";

export async function restore(config: RestoreConfig, rooms: Rooms): Promise<void> {
  const { chainstateDir, node } = config;
  const journaled = { chainstateDir, command: "restore", sudo: node.sudo, node };
  await withJournal(rooms, journaled, async (journal) => {
    const scratch = await mkdtemp(join(rooms.host.tempDir, "restore-"));
    const open = config.method === "volume" ? openVolumeOrigin : openArchiveOrigin;
    const origin = await open(config, rooms);
    try {
      const files = fileOperations(rooms.privilege(node.sudo), rooms.signal);
      await new Restore(config, rooms, journal, files, origin).run(scratch);
    } finally {
      await origin.close();
      await rm(scratch, { recursive: true, force: true });
    }
  });
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
  readonly #origin: Origin;

  constructor(config: RestoreConfig, rooms: Rooms, journal: Journal, files: FileOperations, origin: Origin) {
    this.#config = config;
    this.#rooms = rooms;
    this.#journal = journal;
    this.#files = files;
    this.#origin = origin;
  }

  async run(scratch: string): Promise<void> {
    const { report } = this.#rooms;
    const prepared = await report.phase("preflight", "Look at everything before anything is touched", () =>
      this.#preflight(),
    );
    if (this.#config.dryRun) {
      const { name, chain } = this.#origin;
      const fits = chain === undefined ? "can be unpacked beside" : "fits";
      report.headline(`Dry run: ${name} ${fits} ${this.#config.chainstateDir}; nothing was touched.`);
      return;
    }
    const staged = await this.#origin.stage({
      swap: prepared.swap,
      replaces: prepared.replaces,
      scratch,
      files: this.#files,
      journal: this.#journal,
    });
    const chain = await this.#check(prepared, staged);
    await this.#putInPlace(prepared, staged, chain);
    this.#reportResult(chain);
  }

  async #preflight(): Promise<Prepared> {
    const { signal } = this.#rooms;
    const { chainstateDir, node: options, allowNewerSchema, dryRun } = this.#config;
    this.#origin.introduce();
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
    if (this.#origin.chain !== undefined) checkFits(this.#origin.chain, fits);
    // An ephemeral runner has nothing yet; what is made here is an empty directory at most.
    if (!dryRun) await mkdir(dirname(chainstateDir), { recursive: true });
    const swap = await planSwap(chainstateDir, this.#origin.id);
    await this.#origin.preflight(swap);
    return { node, swap, fits, replaces };
  }

  /** Returns what the unpacked chainstate is. Whatever does not pass is removed. */
  async #check({ swap, fits }: Prepared, staged: Staged): Promise<ChainFacts> {
    const { report, signal } = this.#rooms;
    const { check: wanted } = this.#config;
    const { chain, network, proved } = this.#origin;
    if (wanted === "none" && chain !== undefined) return chain;
    const depth = isProved(wanted, proved) ? "tips" : wanted;
    if (depth !== wanted)
      report.info(`check: ${wanted} was made of the cached copy that this is a clone of; not made again.`);
    return await report.phase("check", "Check the restored chainstate", async () => {
      try {
        const inspection = await inspectChainstate({
          dir: staged.directory,
          elsewhere: staged.elsewhere,
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
        if (!signal.aborted) await staged.discard();
        throw error;
      }
    });
  }

  async #putInPlace({ node, swap }: Prepared, staged: Staged, chain: ChainFacts): Promise<void> {
    const { report } = this.#rooms;
    const { keepPrevious, node: options } = this.#config;
    const outage = new Outage(this.#rooms, node, options, this.#journal, swap.target);
    await outage.guard(async () => {
      await outage.begin();
      await report.phase("swap", `Put it in the place of ${swap.target}`, async () => {
        outage.beginSwap();
        await staged.swap();
      });
      const expected = {
        minStacksHeight: chain.stacksHeight,
        ...(chain.burnHeight === null ? {} : { minBurnHeight: chain.burnHeight }),
      };
      await outage.end(expected);
      await outage.sync(expected);
      await staged.prove();
      await outage.endSwap();
    });
    if (this.#config.removeAfterJob) {
      await rememberRestored(this.#config, node.control.identity.manager !== "none", this.#rooms);
    }
    const title = keepPrevious ? "Keep the old chainstate" : "Drop the old chainstate";
    const kept = await report.phase("clean-up", title, () => staged.finish(keepPrevious));
    for (const what of kept) report.fact("Previous chainstate", what);
  }

  #reportResult(chain: ChainFacts): void {
    const { report } = this.#rooms;
    const { name } = this.#origin;
    const { chainstateDir } = this.#config;
    report.output("restored-dir", chainstateDir);
    report.output("stacks-height", String(chain.stacksHeight));
    if (chain.burnHeight !== null) report.output("burn-height", String(chain.burnHeight));
    report.fact("Snapshot", name);
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
