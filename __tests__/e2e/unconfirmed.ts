/**
 * A restored node whose RPC stays closed, as while its Bitcoin node is down: the run ends with RESTORE_NOT_CONFIRMED, and
 * the watchdog settles it when nothing of the job is left.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import type { SupervisorKind } from "./supervisors.ts";
import { setUp, until, untilNodeRuns, type Setup } from "./support.ts";

export const endings = ["its RPC opens", "it is killed"] as const;
export type Ending = (typeof endings)[number];

const olds = (setup: Setup): string[] =>
  readdirSync(dirname(setup.chainstate)).filter((name) => name.endsWith("-old"));

function watchdogLog(setup: Setup): string {
  const state = join(setup.directory, "state");
  return readdirSync(state)
    .filter((name) => name.endsWith(".log") || name.endsWith(".json"))
    .map((name) => readFileSync(join(state, name), "utf8"))
    .join("\n");
}

/** Throws unless the watchdog settles it as it should. Returns how many nodes run then. */
export async function settles(kind: SupervisorKind, ending: Ending): Promise<number> {
  const bitcoin = "bitcoin-is-up";
  const setup = await setUp({ kind, height: 60, rpcOpensWith: bitcoin });
  const flag = join(setup.directory, bitcoin);
  try {
    const taken = await setup.job({ ...setup.snapshotInputs, downtime: "full" }).run();
    expect(taken.main.exitCode, taken.main.log).toBe(0);
    const mark = join(setup.chainstate, "the-old-one");
    writeFileSync(mark, "");
    rmSync(flag);
    const inputs = {
      ...setup.snapshotInputs,
      command: "restore",
      "start-timeout": "3s",
      "allow-lower-height": "true",
    };
    const { main, post } = await setup.job(inputs).run();
    expect(main.exitCode, main.log).toBe(1);
    expect(main.log).toContain("RESTORE_NOT_CONFIRMED");
    expect(post.log).toContain("is not confirmed yet");
    expect(olds(setup)).toHaveLength(1);
    expect(existsSync(mark)).toBe(false);
    const [restored = 0] = setup.pids();
    expect(setup.pids()).toEqual([restored]);
    if (ending === "its RPC opens") {
      writeFileSync(flag, "");
      await until("the old one is removed", () => olds(setup).length === 0).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${watchdogLog(setup)}`);
      });
      expect(existsSync(mark)).toBe(false);
      expect(setup.pids()).toEqual([restored]);
      expect(await setup.height()).toBeGreaterThanOrEqual(Number(taken.main.outputs["stacks-height"]));
      return setup.pids().length;
    }
    process.kill(restored, "SIGKILL");
    await until("the old one is back and a node runs on it", () => {
      const [pid] = setup.pids();
      return existsSync(mark) && pid !== undefined && pid !== restored;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${watchdogLog(setup)}`);
    });
    writeFileSync(flag, "");
    await untilNodeRuns(setup);
    expect(olds(setup)).toEqual([]);
    // The next run finds nothing to do but to say what became of it.
    const next = await setup.job({ ...setup.snapshotInputs, downtime: "full" }).run();
    expect(next.main.exitCode, next.main.log).toBe(0);
    expect(next.main.log).toContain("found evidence against the restored chainstate");
    return setup.pids().length;
  } finally {
    await setup.remove();
  }
}
