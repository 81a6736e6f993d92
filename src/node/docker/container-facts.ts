/** What decides whether a container can be stopped without killing the node in it, read from the engine and from /proc. */
import type { Clock } from "../../system/clock.ts";
import {
  listPids,
  readArguments,
  readCgroup,
  readName,
  readStat,
  type ProcessId,
} from "../../system/proc.ts";
import { placeOf } from "../cgroup.ts";
import { handlesSignal, isInitProgram } from "../context.ts";
import { executableName } from "../identity.ts";
import type { Address } from "../node-config.ts";
import { gracefulSignals, type ContainerFacts } from "../stop-plan.ts";
import type { Container, Engine } from "./engine.ts";

export async function readContainerFacts(
  engine: Engine,
  container: Container,
  node: ProcessId | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<ContainerFacts & { readonly stopLimitMs: number }> {
  const { Config, HostConfig, State } = container;
  const stopSignal = stopSignalOf(container);
  const { service } = serviceOf(container) ?? {};
  return {
    name: nameOf(container),
    engine: await engine.kind(),
    autoRemove: HostConfig.AutoRemove,
    isPaused: State.Paused,
    stopSignal,
    stopSignalName: String(Config.StopSignal ?? "SIGTERM"),
    node: node === undefined ? "first" : whereInside(node.pid, State.Pid),
    firstName: executableName(State.Pid) || (readName(State.Pid) ?? `pid ${State.Pid}`),
    handlesSignal:
      node === undefined ||
      gracefulSignals[stopSignal] === undefined ||
      (await handlesSignal(node, stopSignal, clock, signal)),
    orchestrator: orchestratorOf(container),
    service,
    stopLimitMs: (Config.StopTimeout ?? 10) * 1000,
  };
}

export function nameOf({ Name, Id }: Container): string {
  return Name.replace(/^\//, "") || Id.slice(0, 12);
}

/** Where this host passes connections on to a port of the container's own network: on all addresses, or on one. */
export function publishedAt({ NetworkSettings }: Container, port: number): readonly Address[] {
  return (NetworkSettings.Ports?.[`${port}/tcp`] ?? []).map(({ HostIp, HostPort }) => ({
    host: HostIp === "" ? "0.0.0.0" : HostIp,
    port: Number(HostPort),
  }));
}

function whereInside(pid: number, first: number): ContainerFacts["node"] {
  if (pid === first) return "first";
  let at = pid;
  for (let stat = readStat(at); stat !== undefined && stat.parentPid > 1; stat = readStat(at)) {
    if (stat.parentPid === first)
      return at === pid && isInitProgram(readName(first) ?? "") ? "child-of-init" : "below-first";
    at = stat.parentPid;
  }
  return "beside";
}

function stopSignalOf(container: Container): number {
  const given = container.Config.StopSignal ?? "SIGTERM";
  if (typeof given === "number") return given;
  if (/^\d+$/.test(given)) return Number(given);
  const name = given.toUpperCase().replace(/^(?!SIG)/, "SIG");
  const known = Object.entries(gracefulSignals).find(([, signal]) => signal === name);
  return known === undefined ? 0 : Number(known[0]);
}

function orchestratorOf({ Config: { Labels } }: Container): string | undefined {
  if (Labels?.["com.docker.swarm.service.name"] !== undefined)
    return `the Swarm service ${Labels["com.docker.swarm.service.name"]}`;
  if (Labels?.["io.kubernetes.pod.name"] !== undefined)
    return `the Kubernetes pod ${Labels["io.kubernetes.pod.name"]}`;
  return undefined;
}

/**
 * The unit that runs the container: the one Podman names in a label, or the one whose process is a client of the engine
 * that runs or follows this very container. It would start it again, or take its end for a failure.
 */
export function serviceOf(
  container: Container,
): { readonly service: string; readonly user: number | undefined } | undefined {
  const label = container.Config.Labels?.["PODMAN_SYSTEMD_UNIT"];
  const own = readCgroup(process.pid) ?? "";
  const clients = new Set(["docker", "podman", "conmon"]);
  for (const pid of listPids()) {
    if (!clients.has(readName(pid) ?? "")) continue;
    const words = readArguments(pid);
    const isOfIt =
      words.includes(container.Id) ||
      (/\b(?:run|start|attach)\b/.test(words.slice(0, 4).join(" ")) && words.includes(nameOf(container)));
    const place = isOfIt ? placeOf(readCgroup(pid) ?? "", own) : undefined;
    if (place?.kind !== "service" || /^(?:docker|podman|containerd)\.service$/.test(place.unit)) continue;
    // A monitor keeps the cgroup of whoever ran `podman start`; only a unit that the container knows is its supervisor.
    if (readName(pid) === "conmon" && label !== place.unit) continue;
    return { service: place.unit, user: place.user };
  }
  return label === undefined ||
    label === "" ||
    label === "podman.service" ||
    label === "podman-restart.service"
    ? undefined
    : { service: label, user: undefined };
}
