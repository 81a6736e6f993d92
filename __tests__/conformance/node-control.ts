/**
 * What every provider of NodeControl has to do, against a real supervisor and a simulated node. A bed brings both; the
 * suite only uses the port, the proof and the recipe.
 */
import type { NodeOptions } from "../../src/domain/options.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { patienceMs } from "../../simulator/launch.ts";
import { CancelledError } from "../../src/domain/errors.ts";
import { waitHealthy } from "../../src/node/health.ts";
import type { NodeControl } from "../../src/node/port.ts";
import type { StartRecipe } from "../../src/domain/start-recipe.ts";
import { startFromRecipe } from "../../src/node/registry.ts";
import { verifyStillStopped } from "../../src/node/shutdown-proof.ts";
import { verifyStopped } from "../node/verify-stopped.ts";
import { systemClock } from "../../src/system/clock.ts";
import { privilegeFor } from "../../src/system/privilege.ts";
import { isAlive } from "../../src/system/proc.ts";

export interface NodeSetup {
  readonly stopDelayMs: number;
  readonly crashOnStop?: boolean;
}

export interface NodeBed {
  readonly chainstateDir: string;
  readonly rpcUrl: string;
  /** A control made anew, as a run makes it. */
  control(options?: Partial<NodeOptions>): Promise<NodeControl>;
  /** Brings the node up in the supervisor's own way, without the control. */
  bringUp(): Promise<void>;
  /** All that the node has written to stderr. */
  log(): string;
  /** Ends everything that the bed started. */
  dispose(): Promise<void>;
}

export interface NodeBedTraits {
  /** The supervisor tells how the node ended. */
  readonly seesExitCode: boolean;
}

export const never = new AbortController().signal;
export const privilege = privilegeFor("auto");

export function proofOf(bed: NodeBed, control: NodeControl) {
  const { chainstateDir, rpcUrl } = bed;
  return { control, chainstateDir, rpcUrl, privilege, clock: systemClock, signal: never };
}

export async function waitUp(bed: NodeBed, control: Pick<NodeControl, "inspect">) {
  return waitHealthy({
    rpcUrl: bed.rpcUrl,
    startTimeoutMs: patienceMs,
    expected: {},
    syncBlocks: 0,
    syncTimeoutMs: 1,
    control,
    clock: systemClock,
    signal: never,
  });
}

export function nodeControlConformance(
  provider: string,
  traits: NodeBedTraits,
  makeBed: (setup: NodeSetup) => Promise<NodeBed>,
): void {
  // Each of them starts and stops real nodes; on a machine that is busy otherwise that takes its time.
  describe(`NodeControl: ${provider}`, { timeout: 120_000 }, () => {
    let bed: NodeBed | undefined;
    const setUp = async (setup: Partial<NodeSetup> = {}): Promise<{ bed: NodeBed; control: NodeControl }> => {
      bed = await makeBed({ stopDelayMs: 700, ...setup });
      await bed.bringUp();
      const control = await bed.control();
      await waitUp(bed, control);
      return { bed, control };
    };
    beforeEach(() => {
      bed = undefined;
    });
    afterEach(async () => {
      await bed?.dispose();
    });

    it("stops gracefully, proves it, and starts again where it was", async () => {
      const { bed, control } = await setUp();
      expect(await control.preflight(60_000, never)).toBeInstanceOf(Array);
      const before = await control.inspect(never);
      expect(before.running).toBe(true);
      expect(before.process?.startTicks).toBeGreaterThan(0);
      const { tip } = await waitUp(bed, control);

      const report = await control.stop(60_000, never);
      expect(report.seconds).toBeGreaterThan(0.6);
      // Where nobody tells, it may still be seen before init has collected it.
      expect(traits.seesExitCode ? [0] : [0, null]).toContain(report.exitCode);
      expect(bed.log()).toMatch(/Graceful termination request received[\s\S]*Exiting stacks-node/);
      const evidence = await verifyStopped({ ...proofOf(bed, control), before });
      const ids = evidence.map(({ id }) => id);
      expect(ids).toEqual(
        expect.arrayContaining([
          "process-gone",
          "rpc-closed",
          "no-open-files",
          "no-hot-journal",
          "files-stable",
        ]),
      );
      await verifyStillStopped(proofOf(bed, control));
      expect((await control.inspect(never)).running).toBe(false);

      await control.start(never);
      const after = await waitUp(bed, control);
      expect(after.tip.stacksHeight).toBeGreaterThanOrEqual(tip.stacksHeight);
      expect((await control.inspect(never)).running).toBe(true);
      await expect(verifyStillStopped(proofOf(bed, control))).rejects.toMatchObject({
        code: expect.stringMatching(/NODE_CAME_BACK|NODE_STILL_RUNNING/),
      });
    });

    it("kills nothing when the time is up, and starts the node again once it has ended by itself", async () => {
      const { bed, control } = await setUp({ stopDelayMs: 4_000 });
      const before = await control.inspect(never);
      await expect(control.stop(1_000, never)).rejects.toMatchObject({ code: "NODE_STOP_TIMEOUT" });
      expect(isAlive(before.process!)).toBe(true);
      await control.start(never);
      // It ended in its own time, by its own hand, and runs again.
      expect(bed.log()).toMatch(/Graceful termination request received[\s\S]*Exiting stacks-node/);
      await waitUp(bed, control);
      expect(isAlive(before.process!)).toBe(false);
    });

    it("lets go at once when the run is cancelled, and kills nothing", async () => {
      const { bed, control } = await setUp({ stopDelayMs: 3_000 });
      const cancel = new AbortController();
      const stopped = control.stop(60_000, cancel.signal);
      stopped.catch(() => undefined);
      while (!bed.log().includes("Graceful termination request received")) await systemClock.sleep(20);
      const cancelled = Date.now();
      cancel.abort(new CancelledError());
      await expect(stopped).rejects.toMatchObject({ code: "CANCELLED" });
      expect(Date.now() - cancelled).toBeLessThan(1_500);
      await control.start(never);
      expect(bed.log()).toContain("Exiting stacks-node");
      await waitUp(bed, control);
    });

    it("is brought back from its recipe alone, once", async () => {
      const { bed, control } = await setUp();
      const recipe = JSON.parse(JSON.stringify(await control.recipe(never))) as StartRecipe;
      expect(await startFromRecipe(recipe, privilege, never, { finishStopMs: 0 })).toBe("already-running");
      await control.stop(60_000, never);
      expect(await startFromRecipe(recipe, privilege, never)).toBe("started");
      const fresh = await bed.control();
      await waitUp(bed, fresh);
      expect(await startFromRecipe(recipe, privilege, never, { finishStopMs: 0 })).toBe("already-running");
      expect((await fresh.inspect(never)).running).toBe(true);
    });

    it("notices that the node came back by itself", async () => {
      const { bed, control } = await setUp();
      await control.stop(60_000, never);
      await verifyStillStopped(proofOf(bed, control));
      await bed.bringUp();
      await waitUp(bed, await bed.control());
      await expect(verifyStillStopped(proofOf(bed, control))).rejects.toMatchObject({
        code: "NODE_CAME_BACK",
      });
    });

    it("leaves a node down that was down", async () => {
      const { bed, control } = await setUp();
      await control.stop(60_000, never);
      const fresh = await bed.control();
      const state = await fresh.inspect(never);
      expect(state.running).toBe(false);
      expect(await fresh.preflight(60_000, never)).toEqual([]);
      expect(await fresh.stop(60_000, never)).toMatchObject({ result: "was not running", seconds: 0 });
      await verifyStopped({ ...proofOf(bed, fresh), before: state });
    });

    it.runIf(traits.seesExitCode)("refuses a stop that was a crash", async () => {
      const { control } = await setUp({ crashOnStop: true });
      await expect(control.stop(60_000, never)).rejects.toMatchObject({ code: "NODE_STOP_UNCLEAN" });
      await control.start(never);
      expect((await control.inspect(never)).running).toBe(true);
    });
  });
}
