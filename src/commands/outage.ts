/**
 * The time a node is down on our account: from the request to stop, through the proof that it is down, to the start and
 * the RPC's first answer. Whatever happens in between, `end` brings the node back; and should this process not live to
 * call it, the journal and the dead man's switch, both set up before the stop is asked for, do.
 */
import type { NodeOptions } from "../config.ts";
import { ActionError, describeError, throwIfAborted } from "../errors.ts";
import { waitHealthy, type ExpectedChain } from "../node/health.ts";
import type { Evidence, StopReport } from "../node/port.ts";
import { proveDown } from "../node/shutdown-proof.ts";
import { arm, type Armed } from "../recovery/dead-mans-switch.ts";
import type { Journal } from "../recovery/journal.ts";
import { noteNode, noteStarted, noteStartRequested, noteStopRequested } from "../recovery/node-account.ts";
import { recoverFully } from "../recovery/recover.ts";
import type { NodeStanding } from "../report/port.ts";
import type { ManagedNode } from "./managed-node.ts";
import type { Rooms } from "./rooms.ts";

export interface CleanStop extends StopReport {
  readonly evidence: readonly Evidence[];
}

/** How long a node may take to start when nobody waits for its RPC any more. */
const bareStartMs = 5 * 60_000;

export class Outage {
  readonly #rooms: Rooms;
  readonly #node: ManagedNode;
  readonly #options: NodeOptions;
  readonly #journal: Journal;
  readonly #chainstateDir: string;
  #armed: Armed | undefined;
  #requestedAt: Date | undefined;
  #backAt: Date | undefined;
  #swapping = false;
  #standing: NodeStanding = "not-touched";

  constructor(
    rooms: Rooms,
    node: ManagedNode,
    options: NodeOptions,
    journal: Journal,
    chainstateDir: string,
  ) {
    this.#rooms = rooms;
    this.#node = node;
    this.#options = options;
    this.#journal = journal;
    this.#chainstateDir = chainstateDir;
  }

  /** Seconds from the request to stop to the first answer (until now while there is none); 0 without a stop. */
  get downtimeSeconds(): number {
    if (this.#requestedAt === undefined) return 0;
    const end = this.#backAt?.getTime() ?? this.#rooms.clock.now();
    return Math.round((end - this.#requestedAt.getTime()) / 10) / 100;
  }

  /** Stops the node gracefully (one that is down stays so) and proves that nobody has the chainstate open. */
  async begin(): Promise<CleanStop> {
    const { rooms, node } = { rooms: this.#rooms, node: this.#node };
    if (!node.before.running) {
      const evidence = await this.#prove();
      return { result: "was not running", exitCode: null, signal: null, seconds: 0, evidence };
    }
    await noteNode(this.#journal, {
      wasRunning: true,
      recipe: await node.control.recipe(rooms.signal),
      process: node.before.process,
      stopTimeoutMs: this.#options.stopTimeoutMs,
    });
    this.#armed = await arm(this.#journal, {
      privilege: rooms.privilege(this.#options.sudo),
      clock: rooms.clock,
      env: rooms.environment,
    });
    rooms.report.info(`Dead man's switch: ${this.#armed.detail}`);
    const stop = await rooms.report.phase("stop", `Stop ${this.#name}`, async () => {
      await noteStopRequested(this.#journal, rooms.clock);
      if (rooms.signal.aborted) {
        // Cancelled before anything was asked of the node: nobody has to wait for it to end.
        await noteStarted(this.#journal);
        throwIfAborted(rooms.signal);
      }
      this.#requestedAt = new Date(rooms.clock.now());
      rooms.report.downtime(this.#requestedAt, undefined);
      this.#stands("down");
      return await node.control.stop(this.#options.stopTimeoutMs, rooms.signal);
    });
    rooms.report.info(`Stopped in ${stop.seconds.toFixed(1)} s: ${stop.result}.`);
    return { ...stop, evidence: await this.#prove() };
  }

  /** Says again that nobody has come back to the directory; for a cold archive, before and after it is made. */
  async proveStillDown(): Promise<void> {
    await this.#node.control.provesDown(this.#rooms.signal);
  }

  /** From now until `end` the chainstate is being replaced: a failure puts the old one back before the start. */
  beginSwap(): void {
    this.#swapping = true;
  }

  /**
   * Runs `work`; if it fails, brings the node back before the error goes on. The error that came first is the one that is
   * thrown; where the node could not be brought back either, NODE_LEFT_DOWN with both.
   */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      try {
        await this.#bringBack();
      } catch (second) {
        this.#stands("unknown");
        throw new ActionError(
          "NODE_NOT_BROUGHT_BACK",
          `${describeError(error)} And the node could not be brought back: ${describeError(second)}`,
          {
            cause: error,
            hint: `Start ${this.#name} by hand if it is down. The post step and the dead man's switch go on trying.`,
          },
        );
      }
      throw error;
    }
  }

  /** The way back when all is well: starts the node and waits until it answers as `expected`. */
  async end(expected: ExpectedChain): Promise<void> {
    if (this.#requestedAt === undefined || this.#backAt !== undefined) return;
    const answeredAt = await this.#rooms.report.phase("start", `Start ${this.#name}`, async () => {
      await noteStartRequested(this.#journal, this.#rooms.clock);
      await this.#node.control.start(this.#rooms.signal);
      await noteStarted(this.#journal);
      this.#stands("running");
      return await this.#answers(expected, 0);
    });
    await this.#wentBack(answeredAt);
  }

  /** Waits until the tip of the node, which is back, has advanced by `sync-blocks`; nothing to do where that is 0. */
  async sync(expected: ExpectedChain): Promise<void> {
    const { syncBlocks } = this.#options;
    if (syncBlocks === 0 || this.#standing !== "running") return;
    await this.#rooms.report.phase("sync", `Wait until ${this.#name} has advanced ${syncBlocks} blocks`, () =>
      this.#answers(expected, syncBlocks),
    );
  }

  /** The swap that was begun is proved, and not taken back from now on. */
  async endSwap(): Promise<void> {
    this.#swapping = false;
    await this.#disarm();
  }

  /**
   * The way back when something failed: takes a swap back, starts the node unless it runs, and does not listen to the
   * run's cancellation. Does nothing where nothing is owed.
   */
  async #bringBack(): Promise<void> {
    const owesStart = this.#requestedAt !== undefined && this.#backAt === undefined;
    if (!owesStart && !this.#swapping) return;
    const { report, clock, signal } = this.#rooms;
    await report.phase("start", `Bring ${this.#name} back`, async () => {
      const limit = AbortSignal.timeout(this.#options.stopTimeoutMs + bareStartMs);
      if (this.#swapping && this.#standing === "running") await this.#stopAgain(limit);
      const recovery = await recoverFully(this.#journal, {
        privilege: this.#rooms.privilege(this.#options.sudo),
        clock,
        signal: limit,
        nodes: this.#rooms.nodes,
        volumes: this.#rooms.volumes,
      });
      this.#swapping = false;
      if (recovery.swap === "rolled-back") report.info("The old chainstate is back in its place.");
      if (recovery.node === "started" || recovery.node === "running") this.#stands("running");
      // A cancelled job has seconds left, and nobody waits for what was asked to wait before.
      if (recovery.node !== "started" || signal.aborted) return;
      await this.#answers({}, 0).catch((error: unknown) => {
        report.warning(`The node was started again but does not answer yet: ${describeError(error)}`);
      });
    });
    await this.#wentBack(new Date(clock.now()));
  }

  /** The node runs on a chainstate that did not prove healthy: it has to be down again before that is taken back. */
  async #stopAgain(signal: AbortSignal): Promise<void> {
    await noteStopRequested(this.#journal, this.#rooms.clock);
    this.#stands("down");
    await this.#node.control.stop(this.#options.stopTimeoutMs, signal);
  }

  /** Returns when the RPC answered first; at once where there is none. */
  async #answers(expected: ExpectedChain, syncBlocks: number): Promise<Date> {
    const { clock, signal, report } = this.#rooms;
    if (this.#options.rpcUrl === undefined) return new Date(clock.now());
    const health = await waitHealthy({
      rpcUrl: this.#options.rpcUrl,
      startTimeoutMs: this.#options.startTimeoutMs,
      expected: { ...this.#sameChain(), ...expected },
      syncBlocks,
      syncTimeoutMs: this.#options.syncTimeoutMs,
      control: this.#node.control,
      clock,
      signal,
      onProgress: (line) => report.info(line),
    });
    return health.firstAnswerAt;
  }

  /** Whatever it was before, it has to be the same after. */
  #sameChain(): ExpectedChain {
    const { info } = this.#node;
    return info === undefined ? {} : { networkId: info.network_id, parentNetworkId: info.parent_network_id };
  }

  async #wentBack(at: Date): Promise<void> {
    if (this.#requestedAt !== undefined && this.#backAt === undefined) {
      this.#backAt = at;
      this.#rooms.report.downtime(this.#requestedAt, at);
      this.#rooms.report.output("downtime-seconds", String(this.downtimeSeconds));
    }
    // A swap that is not proved yet may still leave the node down: the switch stays armed for it.
    if (this.#swapping) return;
    await this.#disarm();
  }

  async #disarm(): Promise<void> {
    if (this.#armed === undefined) return;
    await this.#armed.disarm();
    await this.#journal.update({ switch: null });
  }

  async #prove(): Promise<readonly Evidence[]> {
    const { report } = this.#rooms;
    // Where no node is managed, one that answers on this host works on another directory.
    const isManaged = this.#node.control.identity.manager !== "none";
    return await report.phase("prove", "Prove that it is down", async () => {
      const evidence = await proveDown({
        control: this.#node.control,
        before: this.#node.before,
        chainstateDir: this.#chainstateDir,
        rpcUrl: isManaged ? this.#options.rpcUrl : undefined,
        privilege: this.#rooms.privilege(this.#options.sudo),
        clock: this.#rooms.clock,
        signal: this.#rooms.signal,
      });
      for (const { id, detail } of evidence) report.info(`${id}: ${detail}`);
      return evidence;
    });
  }

  get #name(): string {
    return this.#node.control.identity.name;
  }

  #stands(standing: NodeStanding): void {
    this.#standing = standing;
    this.#rooms.report.node(standing);
    this.#rooms.report.output("node-running", String(standing === "running"));
  }
}
