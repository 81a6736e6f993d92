/* oxlint-disable vitest/no-conditional-expect, vitest/expect-expect, typescript/no-meaningless-void-operator, typescript/consistent-return -- what is expected depends on the generated facts */
/** What a stop would do to the node, from facts alone: held against a plain restatement of how systemd and the engines stop. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  containerStopLimitMs,
  planContainerStop,
  planUnitStop,
  type ContainerFacts,
  type StopDecision,
  type UnitFacts,
} from "../../src/node/stop-plan.ts";

const stopTimeoutMs = 1_200_000;

const container: ContainerFacts = {
  name: "stacks",
  engine: "docker",
  autoRemove: false,
  isPaused: false,
  stopSignal: 15,
  stopSignalName: "SIGTERM",
  node: "first",
  firstName: "stacks-node",
  handlesSignal: true,
  orchestrator: undefined,
  service: undefined,
};

const unit: UnitFacts = {
  unit: "stacks.service",
  killMode: "control-group",
  sendsSigkill: true,
  stopLimitMs: stopTimeoutMs,
  killSignal: 15,
  stopCommands: [],
  refusesStop: false,
  refusesStart: false,
  isMain: true,
  handlesSignal: true,
  mayInstallDropIn: true,
  container: undefined,
};

/**
 * What becomes of the node when systemd stops a unit that is set up like this, in the order in which systemd does it. The
 * node takes the whole of `stop-timeout`, and everything else in the unit ends at once.
 */
function stopBySystemd(facts: UnitFacts): "ends by itself" | "killed" | "not asked" | "left over" {
  const { killMode, isMain, killSignal, handlesSignal, sendsSigkill, stopLimitMs, stopCommands } = facts;
  // An unknown command comes first, and nobody knows what it does.
  if (stopCommands.length > 0) return "killed";
  if (killMode === "none") return "not asked";
  const asked = isMain || killMode === "control-group";
  if (asked && (![1, 2, 15].includes(killSignal) || !handlesSignal)) return "killed";
  if (!asked) return killMode === "mixed" && sendsSigkill ? "killed" : "left over";
  if (stopLimitMs >= stopTimeoutMs) return "ends by itself";
  return sendsSigkill ? "killed" : "ends by itself";
}

const unitFacts: fc.Arbitrary<UnitFacts> = fc.record({
  unit: fc.constant("stacks.service"),
  killMode: fc.constantFrom("control-group", "mixed", "process", "none"),
  sendsSigkill: fc.boolean(),
  stopLimitMs: fc.constantFrom(0, 500, 60_000, stopTimeoutMs - 1, stopTimeoutMs, Infinity),
  killSignal: fc.constantFrom(1, 2, 15, 9, 3, 10),
  stopCommands: fc.constantFrom([], ["/bin/kill -TERM $MAINPID"], ["/usr/bin/docker stop stacks"]),
  refusesStop: fc.boolean(),
  refusesStart: fc.boolean(),
  isMain: fc.boolean(),
  handlesSignal: fc.boolean(),
  mayInstallDropIn: fc.boolean(),
  container: fc.constant(undefined),
});

/** The facts as a drop-in makes them. */
function withSettings(facts: UnitFacts, settings: readonly string[]): UnitFacts {
  return settings.reduce<UnitFacts>((now, line) => {
    switch (line) {
      case "ExecStop=":
        return { ...now, stopCommands: [] };
      case "KillMode=control-group":
        return { ...now, killMode: "control-group" };
      case "TimeoutStopSec=infinity":
        return { ...now, stopLimitMs: Infinity };
      case "SendSIGKILL=no":
        return { ...now, sendsSigkill: false };
    }
    throw new Error(`not a setting that this test knows: ${line}`);
  }, facts);
}

/** As an operator changes a line of the unit. */
function withLine(facts: UnitFacts, line: string): UnitFacts {
  const [name, value = ""] = line.split("=");
  if (name === "TimeoutStopSec") return { ...facts, stopLimitMs: Number(value) * 1000 };
  if (name === "KillSignal") return { ...facts, killSignal: 15 };
  if (name === "RefuseManualStop") return { ...facts, refusesStop: false };
  if (name === "RefuseManualStart") return { ...facts, refusesStart: false };
  return withSettings(facts, [line]);
}

describe("a unit's stop", () => {
  /** Which decision there should be. */
  function wantedFor(facts: UnitFacts): StopDecision["kind"] {
    const { refusesStop, refusesStart, killSignal, handlesSignal, stopLimitMs, mayInstallDropIn } = facts;
    if (refusesStop || refusesStart || ![1, 2, 15].includes(killSignal) || !handlesSignal) return "refused";
    const ends = stopBySystemd(facts) === "ends by itself";
    // A node that takes longer than `stop-timeout` is waited for: systemd must not kill it then.
    const killsLate = facts.sendsSigkill && stopLimitMs !== Infinity;
    if (ends && stopLimitMs >= stopTimeoutMs && !killsLate) return "safe";
    if (mayInstallDropIn) return "drop-in";
    // Nobody is killed, but systemd stops waiting: the stop itself waits for the node.
    return ends ? "safe" : "refused";
  }

  it("is planned as systemd would do it, for every combination of its settings", () => {
    fc.assert(
      fc.property(unitFacts, (facts) => {
        const plan = planUnitStop(facts, stopTimeoutMs);
        expect(plan.kind).toBe(wantedFor(facts));
        const settings = plan.kind === "drop-in" ? plan.settings : [];
        const fate = plan.kind === "refused" ? "not touched" : stopBySystemd(withSettings(facts, settings));
        expect(["not touched", "ends by itself"]).toContain(fate);
      }),
      { numRuns: 5_000 },
    );
  });

  it("is refused with the lines that make it possible, one kind of reason at a time", () => {
    fc.assert(
      fc.property(unitFacts, (given) => {
        let facts: UnitFacts = { ...given, handlesSignal: true };
        for (let steps = 0; steps < 4; steps += 1) {
          const plan = planUnitStop(facts, stopTimeoutMs);
          if (plan.kind === "refused") facts = plan.change.reduce(withLine, facts);
        }
        expect(planUnitStop(facts, stopTimeoutMs).kind).not.toBe("refused");
      }),
      { numRuns: 2_000 },
    );
  });

  const scripts = [true, false];
  const modes = ["control-group", "mixed", "process", "none"];
  const stops: readonly (readonly string[])[] = [[], ["/bin/kill -TERM $MAINPID"]];
  const limits = [60_000, stopTimeoutMs, Infinity];
  const matrix = scripts.flatMap((isMain) =>
    modes.flatMap((killMode) =>
      stops.flatMap((stopCommands) =>
        limits.map((stopLimitMs) => ({ isMain, killMode, stopCommands, stopLimitMs })),
      ),
    ),
  );
  it.each(matrix)("%j leaves nobody killed", (given) => {
    const facts = { ...unit, ...given };
    const plan = planUnitStop(facts, stopTimeoutMs);
    expect(plan.kind).not.toBe("refused");
    const settings = plan.kind === "drop-in" ? plan.settings : [];
    expect(stopBySystemd(withSettings(facts, settings))).toBe("ends by itself");
    const powerless = planUnitStop({ ...facts, mayInstallDropIn: false }, stopTimeoutMs);
    expect(powerless.kind).toBe(stopBySystemd(facts) === "ends by itself" ? "safe" : "refused");
  });
});

describe("a container's stop", () => {
  it("asks the node or is refused, for every combination", () => {
    const facts: fc.Arbitrary<ContainerFacts> = fc.record({
      name: fc.constant("stacks"),
      engine: fc.constantFrom("docker" as const, "podman" as const),
      autoRemove: fc.boolean(),
      isPaused: fc.boolean(),
      stopSignal: fc.constantFrom(0, 1, 2, 9, 15),
      stopSignalName: fc.constant("SIGTERM"),
      node: fc.constantFrom(
        "first" as const,
        "child-of-init" as const,
        "below-first" as const,
        "beside" as const,
      ),
      firstName: fc.constantFrom("sh", "tini", "stacks-node"),
      handlesSignal: fc.boolean(),
      orchestrator: fc.constantFrom(undefined, "the Swarm service stacks"),
      service: fc.constantFrom(undefined, "stacks.service"),
    });
    fc.assert(
      fc.property(facts, (given) => {
        // The engine signals the first process; an init passes that on to its child, and all else dies with the first.
        const isReached = given.node === "first" || given.node === "child-of-init";
        const isAsked = isReached && given.handlesSignal && [1, 2, 15].includes(given.stopSignal);
        const staysDown = given.orchestrator === undefined && given.service === undefined;
        expect(planContainerStop(given).kind).toBe(
          isAsked && staysDown && !given.isPaused ? "safe" : "refused",
        );
      }),
      { numRuns: 2_000 },
    );
  });

  it("that a unit does needs a command which waits as long", () => {
    const plan = (stopCommands: readonly string[], stopLimitMs = 10_000) =>
      planUnitStop(
        {
          ...unit,
          stopCommands,
          stopLimitMs: Infinity,
          isMain: false,
          container: { ...container, stopLimitMs },
        },
        stopTimeoutMs,
      );
    expect(plan(["/usr/bin/docker stop stacks"])).toMatchObject({
      kind: "refused",
      change: expect.arrayContaining(["ExecStop=/usr/bin/docker stop --time 1200 stacks"]),
    });
    expect(plan(["/usr/bin/docker stop -t 1200 stacks"]).kind).toBe("safe");
    expect(plan(["/usr/bin/docker stop stacks"], stopTimeoutMs).kind).toBe("safe");
    expect(plan(["/usr/bin/podman rm -v -f -i --cidfile=/run/stacks.cid"]).kind).toBe("refused");
    expect(plan(["/opt/own-stop"]).kind).toBe("refused");
    expect(plan([]).kind).toBe("safe");
  });

  it.each([
    ["/usr/bin/docker stop -t 90 stacks", 90_000],
    ["docker stop --time=90 stacks", 90_000],
    ["/usr/bin/docker container stop --timeout 90 stacks", 90_000],
    ["/usr/bin/docker stop --time -1 stacks", Infinity],
    ["/usr/bin/podman stop stacks", 7_000],
    ["/usr/bin/podman rm -f stacks", 7_000],
    ["/bin/sh -c 'curl http://127.0.0.1/stop'", undefined],
    ["/usr/bin/docker kill stacks", undefined],
  ])("%s kills after %s ms", (line, limitMs) => expect(containerStopLimitMs(line, 7_000)).toBe(limitMs));
});
