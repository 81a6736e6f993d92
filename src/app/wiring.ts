/** Makes the context of a step: the only place where providers and the process's environment meet commands. */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { availableParallelism, hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { openDirectoryView } from "../archive/write/directory-view.ts";
import { chainstateRules } from "../chainstate/freeze-rules.ts";
import { databaseOfBlobs } from "../chainstate/layout.ts";
import type { RunContext, VolumeAccess, VolumePorts } from "../commands/context.ts";
import type { ViewOf } from "../freeze/port.ts";
import { chooseFreezer, freezersInOrder } from "../freeze/registry.ts";
import { forceStop } from "../node/force-stop.ts";
import { readNodeNeeds } from "../node/neighbours.ts";
import {
  chooseNodeControl,
  openProgramImage,
  publishedAddresses,
  removeContainers,
  type ImageRequest,
} from "../node/registry.ts";
import { nodeStarter } from "../node/starter.ts";
import { fileOperations } from "../recovery/file-operations.ts";
import { defaultStateDirectory } from "../recovery/state-directory.ts";
import { arm, disarm } from "../recovery/watchdog.ts";
import type { RunReport } from "../report/run-report.ts";
import type { StateStore } from "../report/state.ts";
import { openStore } from "../store/registry.ts";
import { uploadStream } from "../store/upload/upload-file.ts";
import {
  chooseVolumeSnapshotter,
  isLocalDriver,
  volumeFreezers,
  volumeSnapshotter,
  volumeViewer,
  type VolumeDeps,
} from "../volume/registry.ts";
import { volumeRecovery } from "../volume/recovery.ts";
import { systemClock } from "../system/clock.ts";
import { privilegeFor, type Privilege } from "../system/privilege.ts";
import { useProxies } from "../system/proxy.ts";

export const toolVersion = "0.1.0";

/** To move a GB takes a third of the CPU time that it takes to unpack it; and the fastest links are full with so many. */
const transferThreads = Math.min(12, Math.ceil(availableParallelism() / 3));

export interface ContextParts {
  readonly report: RunReport;
  readonly signal: AbortSignal;
  readonly state: StateStore;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export async function createContext(parts: ContextParts): Promise<RunContext> {
  const { report, signal, state, environment } = parts;
  for (const why of useProxies(environment)) report.warning(why);
  const isRoot = process.geteuid?.() === 0;
  const runId = state.load().runId ?? newRunId();
  await state.save({ runId });
  const tempDir = join(environment["RUNNER_TEMP"] ?? tmpdir(), `chainstate-snapshot-${runId}`);
  await mkdir(tempDir, { recursive: true, mode: 0o700 });
  const viewOf: ViewOf = async (directory, selection) =>
    await openDirectoryView({ directory, selection, followLink: databaseOfBlobs });
  const stateDir = defaultStateDirectory(environment, isRoot);
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
      stateDir,
      tool: { name: "chainstate-snapshot", version: toolVersion },
    },
    report,
    clock: systemClock,
    signal,
    environment,
    rememberJournal: async (journalPath) => await state.save({ journalPath }),
    rememberRemoval: async (removeDirectory) => await state.save({ removeDirectory }),
    privilege: privilegeFor,
    nodes: nodeStarter,
    watchdog: { arm, disarm },
    files: fileOperations,
    forceStop,
    readNodeNeeds: async (chainstateDir, privilege) =>
      await readNodeNeeds(
        chainstateDir,
        privilege,
        async (node, port) => await publishedAddresses(node, port, { privilege, environment }),
        signal,
      ),
    viewOf,
    openStore: async (location) => await openStore(location, { environment, threads: transferThreads }),
    chooseNodeControl: async (options, chainstateDir, privilege, recipe) =>
      await chooseNodeControl(
        { options, chainstateDir, privilege, clock: systemClock, environment },
        signal,
        recipe,
      ),
    chooseFreezer: async (config, request, privilege) =>
      await chooseFreezer(config, request, freezers(privilege)),
    freezers,
    volumes: volumePorts(environment, viewOf),
    images: imagePort({ runId, owner: stateDir, environment, signal }, report),
  };
}

function imagePort(
  step: Pick<ImageRequest, "runId" | "owner" | "environment" | "signal">,
  report: RunReport,
): RunContext["images"] {
  const clock = systemClock;
  const say = (line: string): void => report.info(line);
  return {
    open: async (image, user, privilege) =>
      await openProgramImage({ ...step, image, user, privilege, clock, say }),
    remove: async (containers, privilege, signal) =>
      await removeContainers(containers, { privilege, clock, signal }),
  };
}

function volumePorts(environment: VolumeDeps["environment"], viewOf: ViewOf): VolumePorts {
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
            send: async (key, chunks, options) => (await uploadStream(store, key, chunks, options)).size,
          },
        }),
  });
  return {
    ...volumeRecovery,
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
