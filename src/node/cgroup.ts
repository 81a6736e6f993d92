/**
 * Where a process stands in the control groups: the service or container it belongs to, in every layout that systemd,
 * Docker, Podman and Kubernetes make (cgroup v1, v2 and both at once; cgroupfs and systemd drivers). Reading, no deciding.
 */
import { listStats, readCgroup } from "../system/proc.ts";

export type Place =
  | {
      readonly kind: "service";
      readonly unit: string;
      /** Of the user manager that runs it; undefined: the system's. */
      readonly user: number | undefined;
      /** Hierarchy and path up to the service, to look who else is in it. */
      readonly group: Group;
    }
  | {
      readonly kind: "container";
      /** 64 hex digits. */
      readonly id: string;
      /** The service that the container is part of (a quadlet's, say). */
      readonly within: { readonly unit: string; readonly user: number | undefined } | undefined;
      readonly group: Group;
    }
  | { readonly kind: "none" };

export interface Group {
  /** First fields of a line of /proc/<pid>/cgroup: "0::" or "9:name=systemd:". */
  readonly hierarchy: string;
  readonly path: string;
}

/** `docker-<id>.scope`, `libpod-<id>.scope`, `libpod-payload-<id>`, `crio-<id>.scope`, `system.slice:docker:<id>`, `<id>`. */
const containerName = /(?:^|[-:])([0-9a-f]{64})(?:\.scope)?$/;
/** The container's monitor, which is outside of it. */
const monitorName = /^(?:libpod|crio)-conmon-/;
const serviceName = /^[^/]+\.service$/;
const userManager = /^user@(\d+)\.service$/;

/** `own`: of this process. What both are in (the container of the runner, say) keeps neither of them. */
export function placeOf(cgroup: string, own: string): Place {
  const mine = new Set(groupsOf(own).flatMap(({ path }) => containersOf(path)));
  const places = groupsOf(cgroup).map((group) => placeIn(group, mine));
  return (
    places.find(({ kind }) => kind === "container") ??
    places.find(({ kind }) => kind === "service") ?? { kind: "none" }
  );
}

function placeIn({ hierarchy, path }: Group, mine: ReadonlySet<string>): Place {
  const names = path.split("/");
  const upTo = (at: number): Group => ({ hierarchy, path: names.slice(0, at + 1).join("/") });
  const containerAt = names.findLastIndex((name) => {
    const id = containerName.exec(name)?.[1];
    return id !== undefined && !mine.has(id) && !monitorName.test(name);
  });
  const serviceAt = names.findLastIndex((name) => serviceName.test(name) && !userManager.test(name));
  const service = (at: number): { unit: string; user: number | undefined } => {
    const manager = userManager.exec(names.slice(0, at).findLast((name) => userManager.test(name)) ?? "");
    return { unit: names[at] ?? "", user: manager === null ? undefined : Number(manager[1]) };
  };
  if (containerAt > serviceAt) {
    const id = containerName.exec(names[containerAt] ?? "")?.[1] ?? "";
    return {
      kind: "container",
      id,
      within: serviceAt < 0 ? undefined : service(serviceAt),
      group: upTo(containerAt),
    };
  }
  return serviceAt < 0
    ? { kind: "none" }
    : { kind: "service", ...service(serviceAt), group: upTo(serviceAt) };
}

function containersOf(path: string): string[] {
  return path.split("/").flatMap((name) => containerName.exec(name)?.[1] ?? []);
}

function groupsOf(cgroup: string): Group[] {
  return [...cgroup.matchAll(/^(\d+:[^:]*:)(.*)$/gm)].map(([, hierarchy = "", path = ""]) => ({
    hierarchy,
    path,
  }));
}

/** Pids of everybody in a group or below it, as far as /proc shows them. Zombies are in none. */
export function membersOf(group: Group): number[] {
  return listStats()
    .filter(({ state }) => state !== "Z" && state !== "X")
    .map(({ pid }) => pid)
    .filter((pid) =>
      groupsOf(readCgroup(pid) ?? "").some(
        ({ hierarchy, path }) =>
          hierarchy === group.hierarchy && (path === group.path || path.startsWith(`${group.path}/`)),
      ),
    );
}
