/** Two hosts that publish to one place at the same time. */
import type { StepResult } from "../../simulator/runner.ts";
import type { Setup } from "./support.ts";

export interface Published {
  /** Ids of what was published and of what is listed, sorted. */
  readonly made: readonly string[];
  readonly listed: readonly string[];
  /** Of the second night. Which of those two is the newer one, nobody can say to the second. */
  readonly newest: readonly string[];
  readonly latest: string;
  /** Of reading `latest` back. */
  readonly verified: StepResult;
}

/** All hosts at once, two nights. Throws when a run fails. `storage`: the inputs that name it. */
export async function publishAtOnce(
  hosts: readonly [Setup, ...Setup[]],
  storage: Readonly<Record<string, string>>,
): Promise<Published> {
  const made: string[] = [];
  let newest: readonly string[] = [];
  for (let night = 0; night < 2; night += 1) {
    const runs = await Promise.all(
      hosts.map(async (host) => await host.job({ ...host.snapshotInputs, ...storage }).run()),
    );
    for (const { main } of runs) {
      if (main.exitCode !== 0) throw new Error(main.log);
    }
    newest = runs.map(({ main }) => main.outputs["snapshot-id"] ?? "");
    made.push(...newest);
  }
  const [reader] = hosts;
  const list = await reader.job({ ...storage, command: "list" }).run();
  const listed = JSON.parse(list.main.outputs["snapshots"] ?? "[]") as { id: string }[];
  const latest = await reader.job({ ...storage, command: "verify", snapshot: "latest" }).run();
  return {
    made: made.toSorted(),
    listed: listed.map(({ id }) => id).toSorted(),
    newest,
    latest: latest.main.outputs["snapshot-id"] ?? "",
    verified: latest.main,
  };
}
