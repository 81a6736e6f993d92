/**
 * The time for which a run keeps a node down: from the stop that was taken, through the check that it has stopped, to the
 * start and the RPC's first answer. Whatever happens in between, `end` brings the node back; and should this process not live to
 * call it, the journal and the restart watchdog, both set up before the stop is asked for, do.
 */
import type { NodeOptions } from "../../domain/options.ts";
import { ActionError, describeError, hasCode, throwIfAborted } from "../../domain/errors.ts";
import type { ExpectedChain } from "../../domain/verdict.ts";
import type { Evidence, NodeState, StopReport } from "../../node/port.ts";
import { isAlive } from "../../system/proc.ts";
import type { Armed } from "../../recovery/watchdog.ts";
import type { JournalNode } from "../../recovery/content.ts";
import type { Journal } from "../../recovery/journal.ts";
import {
  noteNode,
  noteNotAsked,
  noteStarted,
  noteStartRequested,
  noteStopRequested,
  noteStopTaken,
  noteStopUncertain,
} from "../../recovery/node-account.ts";
import { expectConfirmation, noteAgainst } from "../../recovery/settle.ts";
import { recoverFully } from "../../recovery/recover.ts";
import type { NodeStanding } from "../../report/port.ts";
import { reportPlace, standingAfter } from "../run/clean-up.ts";
import type { InspectedNode } from "./inspect.ts";
import { armWatchdog } from "./arm-watchdog.ts";
import { DownSpans } from "./down-spans.ts";
import { NodeLooks } from "./looks.ts";
import { stopToReplace, type Replacing } from "./stop-to-replace.ts";
import type { RunContext } from "../context.ts";
import { timeLimit } from "../../system/deadline.ts";

export type CleanStop = StopReport & { readonly evidence: readonly Evidence[] };

const wasDown: StopReport = { result: "was not running", exitCode: null, signal: null, seconds: 0 };
/** How long a node may take to start when nobody waits for its RPC any more. */
const bareStartMs = 5 * 60_000;
/** How long a node that was given its time to stop is waited for once more; after that the watchdog waits for it. */
const lateStopMs = 20 * 60_000;

/** One that an earlier run told to stop has had its time; still it is asked once more. */
const askedAgainMs = 10_000;

export class NodeDowntime {
  readonly #ctx: RunContext;
  readonly #node: InspectedNode;
  readonly #options: NodeOptions;
  readonly #journal: Journal;
  readonly #chainstateDir: string;
  readonly #looks: NodeLooks;
  #armed: Pick<Armed, "disarm"> | undefined;
  #replacing: Replacing | undefined;
  #asked = false;
  readonly #down: DownSpans;
  #swapping = false;
  #isUnconfirmed = false;
  /** It was down when its downtime was to begin, and is started all the same: nobody owes it that if the run fails. */
  #startsAnew = false;
  /** The start that goes on beside other work, and how it failed. */
  #beside: Promise<void> | undefined;
  #besideFailure: unknown;
  #standing: NodeStanding = "not-touched";

  constructor(
    ctx: RunContext,
    node: InspectedNode,
    options: NodeOptions,
    journal: Journal,
    chainstateDir: string,
  ) {
    this.#ctx = ctx;
    this.#node = node;
    this.#options = options;
    this.#journal = journal;
    this.#chainstateDir = chainstateDir;
    this.#down = new DownSpans(ctx.clock, (from, to) => ctx.report.downtime(from, to));
    this.#looks = new NodeLooks(ctx, node, options, chainstateDir);
  }

  /** Seconds from each stop that was taken to the first answer (until now while there is none); 0 without a stop. */
  get downtimeSeconds(): number {
    return this.#down.seconds;
  }

  /**
   * Stops the node gracefully and verifies that no process has the chainstate open. How it is now is looked at anew: since
   * the preflight hours may have gone by, and a node that ends and is started may have done either. `replacing`: nothing of
   * what it leaves is used, so how it ends does not matter. `meanwhile`: see `NodeLooks.verifyStopped`.
   */
  async begin<T>(meanwhile: () => Promise<T>, replacing?: Replacing): Promise<[stop: CleanStop, found: T]> {
    const { signal, clock } = this.#ctx;
    this.#replacing = replacing;
    const isReplaced = replacing !== undefined;
    const owed = this.#journal.content.node;
    // An earlier run told it to stop, and its start is still owed.
    if (owed?.mustStart === true) this.#down.begin(new Date(owed.stopTakenAt ?? clock.now()));
    const now = await this.#node.control.inspect(signal);
    const isManaged = this.#node.control.identity.manager !== "none";
    const stop = now.running ? await this.#stopRunning(now) : wasDown;
    if (!now.running) {
      this.#startsAnew =
        this.#down.isEmpty &&
        isManaged &&
        (this.#node.before.running || this.#options.startNode === "always");
      if (this.#startsAnew) await this.#arm(now);
    }
    const { evidence, found } = await this.#looks.verifyStopped(now, isReplaced, async () => {
      if (isManaged) this.#stands(now.running ? "down" : "left-down");
      return await meanwhile();
    });
    return [{ ...stop, evidence }, found];
  }

  async #stopRunning(now: NodeState): Promise<StopReport> {
    const { signal, report } = this.#ctx;
    await this.#arm(now);
    const stop = await report.phase("stop", `Stop ${this.#name}`, () =>
      this.#replacing === undefined ? this.#stop(signal) : this.#stopSomehow(signal),
    );
    // It has ended by itself between the two looks, and was not asked.
    if (this.#down.isEmpty) this.#startsAnew = true;
    report.info(`Stopped in ${stop.seconds.toFixed(1)} s: ${stop.result}.`);
    return stop;
  }

  async #arm(now: NodeState): Promise<void> {
    await this.#note(now, this.#ctx.signal);
    this.#armed = await armWatchdog(this.#ctx, this.#journal, this.#options.sudo);
  }

  async #note({ process }: NodeState, signal: AbortSignal): Promise<void> {
    const recipe = await this.#node.control.recipe(signal);
    const { stopTimeoutMs } = this.#options;
    await noteNode(this.#journal, { wasRunning: !this.#startsAnew, recipe, process, stopTimeoutMs });
  }

  /** Books the stop when it is taken: before that nobody owes the node a start, and it is not down. */
  async #stop(signal: AbortSignal): Promise<StopReport> {
    const { clock } = this.#ctx;
    const journal = this.#journal;
    // A second stop is of another process than the journal has.
    if (this.#asked) await this.#note(await this.#node.control.inspect(signal), signal);
    this.#asked = true;
    const { stopTakenAt = null, mustStart: isOwed = false } = journal.content.node ?? {};
    const limitMs = this.#options.stopTimeoutMs;
    const leftMs =
      stopTakenAt === null
        ? limitMs
        : Math.max(Date.parse(stopTakenAt) + limitMs - clock.now(), askedAgainMs);
    let taken = false;
    const asking = async (): Promise<void> => {
      throwIfAborted(signal);
      await noteStopRequested(journal, clock);
    };
    const onTaken = async (): Promise<void> => {
      taken = true;
      if (!this.#startsAnew) this.#down.begin(new Date(clock.now()));
      this.#stands("stopping");
      await noteStopTaken(journal, clock);
    };
    try {
      return await this.#node.control.stop(leftMs, signal, { asking, taken: onTaken });
    } catch (error) {
      if (isOwed) throw error;
      if (!taken) await noteNotAsked(journal);
      else if (hasCode(error, "NODE_STOP_REFUSED")) await noteStopUncertain(journal);
      throw error;
    }
  }

  /** Of one whose chainstate is thrown away: how it ends does not matter. */
  async #stopSomehow(signal: AbortSignal): Promise<StopReport> {
    const request = { node: this.#node, options: this.#options, chainstateDir: this.#chainstateDir, signal };
    const told = (): JournalNode["process"] | undefined => this.#journal.content.node?.process;
    return await stopToReplace(
      this.#ctx,
      { ...request, told, forceStop: this.#replacing?.forceStop === true },
      async () => await this.#stop(signal),
    );
  }

  /** Says again that nobody has come back to the directory; for a cold archive, before and after it is made. */
  readonly verifyStillStopped = async (): Promise<void> => await this.#looks.verifyStillStopped();

  /**
   * From now until `end` the chainstate is being replaced: a failure puts the old one back before the start. Whoever finds
   * the journal confirms it by `expected`.
   */
  async beginSwap(expected: ExpectedChain): Promise<void> {
    this.#swapping = true;
    await expectConfirmation(this.#journal, this.#options, this.#looks.expect(expected));
  }

  /**
   * Runs `work`; if it fails, brings the node back before that error goes on. NODE_NOT_BROUGHT_BACK with both, if not.
   */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      try {
        // One at a time starts the node.
        await this.#beside;
        await this.#bringBack(error);
      } catch (second) {
        reportPlace(this.#ctx, this.#journal);
        // The report says that it is stopping; the watchdog starts it when it has ended.
        if (hasCode(second, "NODE_STILL_STOPPING")) throw error;
        this.#stands(standingAfter(second));
        throw new ActionError(
          "NODE_NOT_BROUGHT_BACK",
          `${describeError(error)} And the node could not be brought back: ${describeError(second)}`,
          {
            cause: error,
            hint: `Start ${this.#name} by hand if it is down. The post step and the restart watchdog go on trying.`,
          },
        );
      }
      reportPlace(this.#ctx, this.#journal);
      throw error;
    }
  }

  /** The way back when all is well: starts the node and waits until it answers as `expected`. */
  async end(expected: ExpectedChain, isBeside = false): Promise<void> {
    if (this.#down.openSince === undefined && !this.#startsAnew) return;
    const start = async (): Promise<Date> => {
      await noteStartRequested(this.#journal, this.#ctx.clock);
      const lost = await this.#node.control.start(this.#ctx.signal);
      await noteStarted(this.#journal);
      for (const line of lost) this.#ctx.report.warning(line);
      this.#stands("running");
      const at = await this.#looks.answers(expected, 0);
      await this.#looks.verifyWorksHere();
      if (this.#swapping) await this.#looks.verifyStaysUp();
      return at;
    };
    const answeredAt = await this.#ctx.report.phase("start", `Start ${this.#name}`, start, isBeside);
    await this.#wentBack(answeredAt);
    this.#reportDependents();
  }

  /**
   * Starts the node as `end` does, beside other work that does not depend on it. A failure is said at once, and thrown by
   * `back`: what was taken of a stopped node is not lost with the node's luck.
   */
  startBeside(expected: ExpectedChain): void {
    this.#beside ??= this.end(expected, true).catch((error: unknown) => {
      this.#besideFailure = error;
      if (!this.#ctx.signal.aborted)
        this.#ctx.report.warning(
          `${this.#name} is not back yet, and the run goes on: ${describeError(error)}`,
        );
    });
  }

  /** Waits for the start that `startBeside` began, and throws what it failed with. */
  async back(): Promise<void> {
    await this.#beside;
    if (this.#besideFailure !== undefined) throw this.#besideFailure;
  }

  /**
   * The node lives on the restored chainstate and has not answered: silence is no evidence against it. The chainstate
   * stays in place, and the old one beside it, until somebody who looks at it later has settled that.
   */
  async keepUnconfirmed(): Promise<void> {
    this.#swapping = false;
    this.#isUnconfirmed = true;
    await this.#wentBack(new Date(this.#ctx.clock.now()));
  }

  /**
   * Waits until the tip of the node, which is back, has advanced by `sync-blocks`; nothing to do where that is 0. Where that
   * was not asked for, one that does not move is warned of.
   */
  async sync(expected: ExpectedChain): Promise<void> {
    const { syncBlocks, syncRequired } = this.#options;
    const { report } = this.#ctx;
    if (syncBlocks === 0) return;
    if (this.#standing !== "running") {
      if (syncRequired && this.#standing === "left-down")
        report.warning("`sync-blocks` is not waited for: the node is down, and `start-node` leaves it so.");
      return;
    }
    await report.phase("sync", `Wait until ${this.#name} has advanced ${syncBlocks} blocks`, async () => {
      try {
        await this.#looks.answers(expected, syncBlocks);
      } catch (error) {
        if (syncRequired || !hasCode(error, "NODE_NOT_MOVING")) throw error;
        report.warning(`${describeError(error)} That was not asked for, so the run goes on.`);
      }
    });
  }

  /** The swap that was begun is committed, and not taken back from now on. */
  async endSwap(): Promise<void> {
    this.#swapping = false;
    await this.#disarm();
  }

  /**
   * The way back when something failed: takes a swap back, starts the node unless it runs, and does not listen to the
   * run's cancellation. Does nothing where nothing is owed.
   */
  async #bringBack(why: unknown): Promise<void> {
    if (this.#down.openSince === undefined && !this.#swapping) return;
    const { report, clock, signal } = this.#ctx;
    await report.phase("start", `Bring ${this.#name} back`, async () => {
      const limit = timeLimit(
        this.#options.stopTimeoutMs + bareStartMs,
        "TIME_LIMIT",
        `Bringing ${this.#name} back`,
      );
      if (this.#swapping) {
        await noteAgainst(this.#journal, describeError(why));
        // A start that was said to have failed may have taken effect.
        const runs = this.#standing === "running" || (await this.#node.control.inspect(limit)).running;
        if (runs) await this.#stopSomehow(limit);
        // Also where it has ended without having been asked.
        if (!this.#startsAnew) this.#down.begin(new Date(clock.now()));
      }
      const recovery = await recoverFully(
        this.#journal,
        {
          privilege: this.#ctx.privilege(this.#options.sudo),
          clock,
          signal: limit,
          nodes: this.#ctx.nodes,
          volumes: this.#ctx.volumes,
          files: this.#ctx.files,
        },
        Math.min(this.#options.stopTimeoutMs, lateStopMs),
      );
      if (recovery.node === "stopping") {
        this.#stands("stopping");
        throw new ActionError(
          "NODE_STILL_STOPPING",
          `${this.#name} was asked to stop and has not ended, so it was not started again.`,
        );
      }
      this.#swapping = false;
      if (recovery.swap === "rolled-back") report.info("The old chainstate is back in its place.");
      if (recovery.node === "started" || recovery.node === "running") this.#stands("running");
      if (recovery.node === "was-down") this.#stands("left-down");
      // A cancelled job has seconds left, and nobody waits for what was asked to wait before.
      if (recovery.node !== "started" || signal.aborted) return;
      await this.#looks.answers({}, 0).catch((error: unknown) => {
        if (hasCode(error, "NODE_GONE_AGAIN")) this.#stands("down");
        report.warning(`The node was started again but does not answer yet: ${describeError(error)}`);
      });
    });
    await this.#wentBack(this.#neverEnded() ? this.#down.openSince : new Date(clock.now()));
    this.#reportDependents();
  }

  /** The very process that was to be stopped still runs: it was never down. */
  #neverEnded(): boolean {
    const { process } = this.#node.before;
    return this.#standing === "running" && process !== undefined && isAlive(process);
  }

  #reportDependents(): void {
    const recipe = this.#journal.content.node?.recipe;
    if (recipe?.manager !== "systemd" || recipe.dependents === undefined || this.#standing !== "running")
      return;
    this.#ctx.report.fact("Went down with the node and were started again", recipe.dependents.join(", "));
  }

  async #wentBack(at: Date | undefined): Promise<void> {
    if (at !== undefined && this.#down.openSince !== undefined) {
      this.#down.end(at);
      this.#ctx.report.output("downtime-seconds", String(this.downtimeSeconds));
      if (this.#standing === "running" && !this.#neverEnded())
        this.#ctx.report.notice(`${this.#name} ${this.#looks.describeReturn(this.downtimeSeconds)}`);
    }
    // A swap that is not committed yet may still leave the node down: the switch stays armed for it.
    if (!this.#swapping && !this.#isUnconfirmed) await this.#disarm();
  }

  async #disarm(): Promise<void> {
    if (this.#armed === undefined) return;
    await this.#armed.disarm();
    await this.#journal.update({ switch: null });
  }

  get #name(): string {
    return this.#node.control.identity.name;
  }

  #stands(standing: NodeStanding): void {
    this.#standing = standing;
    this.#ctx.report.node(standing);
  }
}
