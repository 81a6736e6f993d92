/** Two hosts that publish to one place at the same time. */
import type { StepResult } from "../../simulator/runner.ts";
import type { Setup } from "./support.ts";

export interface Published {
  /** Ids of what was published and of what is listed, sorted. */
  readonly made: readonly string[];
  readonly listed: readonly string[];
  /** When they were published: the newest of all, and what `latest` is. */
  readonly newestAt: string;
  readonly latestAt: string;
  /** Of reading `latest` back. */
  readonly verified: StepResult;
}

/** All hosts at once, two nights. Throws when a run fails. `storage`: the inputs that name it. */
export async function publishAtOnce(
  hosts: readonly [Setup, ...Setup[]],
  storage: Readonly<Record<string, string>>,
): Promise<Published> {
  const made: string[] = [];
  for (let night = 0; night < 2; night += 1) {
    const runs = await Promise.all(
      hosts.map(async (host) => await host.job({ ...host.snapshotInputs, ...storage }).run()),
    );
    for (const { main } of runs) {
      if (main.exitCode !== 0) throw new Error(main.log);
      made.push(main.outputs["snapshot-id"] ?? "");
    }
  }
  const [reader] = hosts;
  const list = await reader.job({ ...storage, command: "list" }).run();
  const listed = JSON.parse(list.main.outputs["snapshots"] ?? "[]") as {
    id: string;
    createdAt: string;
  }[];
  const latest = await reader.job({ ...storage, command: "verify", snapshot: "latest" }).run();
  return {
    made: made.toSorted(),
    listed: listed.map(({ id }) => id).toSorted(),
    newestAt:
      listed
        .map(({ createdAt }) => createdAt)
        .toSorted()
        .at(-1) ?? "",
    latestAt: listed.find(({ id }) => id === latest.main.outputs["snapshot-id"])?.createdAt ?? "none",
    verified: latest.main,
  };
}
