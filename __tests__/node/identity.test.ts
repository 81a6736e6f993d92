/* oxlint-disable vitest/no-conditional-expect, vitest/expect-expect, typescript/no-meaningless-void-operator, typescript/consistent-return -- what is expected depends on the generated facts */
/** Who keeps a node: every layout of control groups, and random trees of processes held against a plain restatement. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { placeOf } from "../../src/node/cgroup.ts";
import {
  supervisorOf,
  unknownSupervisorHint,
  type Link,
  type SupervisionFacts,
} from "../../src/node/identity.ts";

const id = "35c605a006b7926091e91ea791dedae50dee1abaa7443a9365c427426585be73";
const other = id.replaceAll("3", "4");

describe("control groups", () => {
  it.each([
    ["a unit, v2", "0::/system.slice/stacks.service", { kind: "service", unit: "stacks.service" }],
    [
      "a delegating unit",
      "0::/system.slice/stacks.service/node",
      { kind: "service", unit: "stacks.service" },
    ],
    [
      "a unit, v1 and v2 at once",
      "5:devices:/\n1:name=systemd:/system.slice/stacks.service\n0::/system.slice/stacks.service",
      { kind: "service", unit: "stacks.service" },
    ],
    [
      "a template's unit below a slice",
      "0::/system.slice/system-stacks.slice/stacks@mainnet.service",
      { kind: "service", unit: "stacks@mainnet.service" },
    ],
    [
      "a user's unit",
      "0::/user.slice/user-1000.slice/user@1000.service/app.slice/stacks.service",
      { kind: "service", unit: "stacks.service", user: 1000 },
    ],
    ["a session", "0::/user.slice/user-1000.slice/session-3.scope", { kind: "none" }],
    [
      "a terminal of a user's manager",
      "0::/user.slice/user-1000.slice/user@1000.service/app.slice/tmux-spawn-1.scope",
      { kind: "none" },
    ],
    ["nothing", "0::/", { kind: "none" }],
    ["Docker, systemd driver", `0::/system.slice/docker-${id}.scope`, { kind: "container", id }],
    ["Docker, cgroupfs driver", `9:name=systemd:/docker/${id}\n0::/`, { kind: "container", id }],
    ["Docker in Docker", `0::/docker/${other}/docker/${id}`, { kind: "container", id }],
    [
      "rootless Docker",
      `0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-${id}.scope`,
      { kind: "container", id },
    ],
    ["Podman, systemd driver", `0::/machine.slice/libpod-${id}.scope/container`, { kind: "container", id }],
    ["Podman, cgroupfs driver", `4:memory:/libpod_parent/libpod-${id}`, { kind: "container", id }],
    [
      "rootless Podman",
      `0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${id}.scope/container`,
      { kind: "container", id, within: undefined },
    ],
    [
      "a quadlet",
      `0::/system.slice/stacks.service/libpod-payload-${id}`,
      { kind: "container", id, within: { unit: "stacks.service", user: undefined } },
    ],
    [
      "Kubernetes with CRI-O",
      `0::/kubepods.slice/kubepods-pod1.slice/crio-${id}.scope`,
      { kind: "container", id },
    ],
    ["Kubernetes with containerd", `0::/kubepods/burstable/pod1/${id}`, { kind: "container", id }],
    ["containerd", `0::/system.slice/nerdctl-${id}.scope`, { kind: "container", id }],
    ["a driver that was mixed up", `0::/system.slice:docker:${id}`, { kind: "container", id }],
    ["Podman's monitor is outside", `0::/machine.slice/libpod-conmon-${id}.scope`, { kind: "none" }],
    [
      "systemd inside a container",
      `0::/system.slice/docker-${id}.scope/system.slice/stacks.service`,
      { kind: "service", unit: "stacks.service" },
    ],
  ])("%s", (_what, cgroup, place) => {
    expect(placeOf(cgroup, "0::/user.slice")).toMatchObject(place);
  });

  it("do not make a supervisor of the container that this runner is in as well", () => {
    const own = `0::/docker/${id}`;
    expect(placeOf(own, own)).toEqual({ kind: "none" });
    expect(placeOf(`0::/docker/${id}/docker/${other}`, own)).toMatchObject({ kind: "container", id: other });
  });

  it("name the group up to the service or container, to see who else is in it", () => {
    expect(placeOf(`0::/machine.slice/libpod-${id}.scope/container`, "")).toMatchObject({
      group: { hierarchy: "0::", path: `/machine.slice/libpod-${id}.scope` },
    });
    expect(placeOf("0::/system.slice/stacks.service/node", "")).toMatchObject({
      group: { hierarchy: "0::", path: "/system.slice/stacks.service" },
    });
  });
});

const link = (pid: number, name: string, isInit = false): Link => ({
  pid,
  startTicks: pid * 10,
  name,
  arguments: [name],
  isInit,
});

describe("the supervisor", () => {
  /** Between the node and init. */
  const parents = fc.array(fc.constantFrom("bash", "sudo", "su", "PM2", "supervisord", "start.sh"), {
    maxLength: 4,
  });
  const service = {
    kind: "service" as const,
    unit: "stacks.service",
    group: { hierarchy: "0::", path: "/s" },
  };
  const facts: fc.Arbitrary<SupervisionFacts> = fc
    .record({
      parents,
      place: fc.constantFrom(
        "service" as const,
        "user service" as const,
        "container" as const,
        "none" as const,
      ),
      isElsewhere: fc.boolean(),
      own: fc.constantFrom(undefined, "stacks.service", "runner.service"),
      /** Which process of the chain is the main one; beyond it: another process, none, or systemd does not know. */
      main: fc.integer({ min: 0, max: 7 }),
    })
    .map(({ parents, place, isElsewhere, own, main }) => {
      const names = ["stacks-node", ...parents];
      const chain = [...names.map((name, at) => link(100 - at, name)), link(1, "systemd", true)];
      const elsewhere = ["none" as const, "unknown" as const, { pid: 77, startTicks: 1 }];
      const user = place === "user service" ? 1000 : undefined;
      return {
        chain,
        place:
          place === "none"
            ? { kind: "none" as const }
            : place === "container"
              ? { kind: "container" as const, id, within: undefined, group: service.group }
              : { ...service, user },
        isElsewhere,
        ownService: own === undefined ? undefined : { unit: own, user },
        main: main < names.length ? (chain[main] ?? "none") : (elsewhere[main % 3] ?? "none"),
      };
    });

  /** In the words of the documentation, one rule after the other. */
  function wantedFor({ place, chain, main, ownService, isElsewhere }: SupervisionFacts): object {
    if (place.kind === "container") return { kind: "container", id };
    const parent = chain.slice(1).find(({ name }) => name !== "sudo" && name !== "su");
    if (place.kind === "none" && isElsewhere) return { kind: "unknown" };
    if (place.kind === "service") {
      if (main === "unknown") return { kind: "unknown", name: "stacks.service" };
      const isOurs = ownService?.unit === "stacks.service";
      const keepsIt = main === "none" || chain.some(({ pid }) => pid === main.pid);
      if (!isOurs && keepsIt) return { kind: "systemd", unit: "stacks.service", user: place.user };
    }
    if (parent?.isInit === true) return { kind: "nobody" };
    return { kind: "unknown", name: parent?.name, pid: parent?.pid };
  }

  it("is who would start the node again, for random trees of processes", () => {
    fc.assert(
      fc.property(facts, (given) => {
        expect(supervisorOf(given)).toMatchObject(wantedFor(given));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ["python3", ["/usr/bin/python3", "/usr/bin/supervisord", "-c", "x.conf"], "supervisord"],
    ["python3", ["python3", "-u", "/opt/keep.py"], "keep.py"],
    ["node", ["PM2 v5.3.0: God Daemon (/root/.pm2)"], "PM2"],
    ["bash", ["/bin/bash", "/opt/loop.sh"], "loop.sh"],
    ["bash", ["bash", "-c", "while true; do stacks-node; done"], "bash"],
    ["runsv", ["runsv", "stacks"], "runsv"],
  ])("run by %s is called by its script: %j", (name, words, called) => {
    const parent = { ...link(50, name), arguments: words };
    const found = supervisorOf({
      chain: [link(100, "stacks-node"), parent, link(1, "init", true)],
      place: { kind: "none" },
      isElsewhere: false,
      ownService: undefined,
      main: "unknown",
    });
    expect(found).toEqual({ kind: "unknown", name: called, pid: 50 });
  });

  it("that is not known comes with what to set", () => {
    expect(unknownSupervisorHint("PM2")).toContain("node-stop-command: pm2 stop NAME");
    expect(unknownSupervisorHint("supervisord")).toContain("supervisorctl start NAME");
    expect(unknownSupervisorHint("loop.sh")).toContain("node-manager: command");
  });
});
