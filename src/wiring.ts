/** Puts the rooms together for one step: the only place where providers and the process's environment meet commands. */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { openDirectoryView } from "./archive/directory-view.ts";
import { chainstateRules } from "./chainstate/freeze-rules.ts";
import { isBlobs } from "./chainstate/layout.ts";
import type { Rooms, VolumeAccess, VolumeRoom } from "./commands/rooms.ts";
import { CancelledError } from "./errors.ts";
import type { ViewOf } from "./freeze/port.ts";
import { chooseFreezer, freezersInOrder } from "./freeze/registry.ts";
import { chooseNodeControl } from "./node/registry.ts";
import { nodeReviver } from "./node/reviver.ts";
import { defaultStateDirectory } from "./recovery/state-directory.ts";
import type { RunReport } from "./report/open-report.ts";
import { loadState, saveState } from "./report/state.ts";
import { openStore } from "./store/registry.ts";
import { uploadStream } from "./store/upload-file.ts";
import {
  chooseVolumeSnapshotter,
  isLocalDriver,
  volumeFreezers,
  volumeSnapshotter,
  volumeViewer,
  type VolumeDeps,
} from "./volume/registry.ts";
import { volumeReviver } from "./volume/reviver.ts";
import { systemClock } from "./system/clock.ts";
import { privilegeFor, type Privilege } from "./system/privilege.ts";

export const toolVersion = "0.1.0";

/** SIGINT and SIGTERM abort the signal; the process goes on to bring the node back, and repeated signals change nothing. */
export function cancellation(): { readonly signal: AbortSignal; readonly finish: () => void } {
  const controller = new AbortController();
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const onSignal = (name: NodeJS.Signals): void =>
    controller.abort(new CancelledError(`The run was cancelled (${name}).`));
  for (const name of names) process.on(name, onSignal);
  return {
    signal: controller.signal,
    finish: () => {
      for (const name of names) process.off(name, onSignal);
    },
  };
}

export async function furnish(report: RunReport, signal: AbortSignal): Promise<Rooms> {
  const environment = process.env;
  const isRoot = process.geteuid?.() === 0;
  const runId = loadState(environment).runId ?? newRunId();
  await saveState(environment, { runId });
  const tempDir = join(environment["RUNNER_TEMP"] ?? tmpdir(), `chainstate-snapshot-${runId}`);
  await mkdir(tempDir, { recursive: true, mode: 0o700 });
  const viewOf: ViewOf = async (directory, selection) =>
    await openDirectoryView({ directory, selection, followLink: isBlobs });
  const freezers = (privilege: Privilege): ReturnType<typeof freezersInOrder> =>
    freezersInOrder(
      { rules: chainstateRules, viewOf, privilege, onWarning: (message) => report.warning(message) },
      volumeFreezers({ privilege, clock: systemClock, environment, viewOf }),
    );
  return {
    host: {
      runId,
      hostName: hostname(),
      tempDir,
      stateDir: defaultStateDirectory(environment, isRoot),
      tool: { name: "chainstate-snapshot", version: toolVersion },
    },
    report,
    clock: systemClock,
    signal,
    environment,
    rememberJournal: async (journalPath) => await saveState(environment, { journalPath }),
    rememberRemoval: async (removeDirectory) => await saveState(environment, { removeDirectory }),
    privilege: privilegeFor,
    nodes: nodeReviver,
    viewOf,
    openStore: async (location) => await openStore(location),
    chooseNodeControl: async (options, chainstateDir, privilege) =>
      await chooseNodeControl(options, chainstateDir, privilege, systemClock, signal),
    chooseFreezer: async (config, request, privilege) =>
      await chooseFreezer(config, request, freezers(privilege)),
    freezers,
    volumes: volumeRoom(environment, viewOf),
  };
}

function volumeRoom(environment: VolumeDeps["environment"], viewOf: ViewOf): VolumeRoom {
  const deps = ({ privilege, store }: VolumeAccess, compressionLevel?: number): VolumeDeps => ({
    privilege,
    clock: systemClock,
    environment,
    ...(compressionLevel === undefined ? {} : { compressionLevel }),
    ...(store === undefined
      ? {}
      : {
          dumps: {
            store,
            send: async (key, chunks, options) => (await uploadStream(store, key, chunks, options)).info.size,
          },
        }),
  });
  return {
    ...volumeReviver,
    isLocal: isLocalDriver,
    choose: async ({ volumeDriver, volumes, compressionLevel }, request, access) =>
      await chooseVolumeSnapshotter(volumeDriver, volumes, request, deps(access, compressionLevel)),
    snapshotter: (driver, named, access) => volumeSnapshotter(driver, named, deps(access)),
    viewer: (snapshotter) => volumeViewer(snapshotter, { viewOf, clock: systemClock }),
  };
}

function newRunId(): string {
  return `${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "")}-${randomBytes(3).toString("hex")}`;
}
