/**
 * The only reader of inputs. `loadInputs` takes the environment the runner gives a step, reads every input by the table
 * in `inputs/table.ts`, and returns one frozen configuration, a union by command. Whatever does not fit is an
 * InputError, and nothing has been touched by then.
 */
import { ActionError, InputError } from "./errors.ts";
import type {
  Config,
  ImportConfig,
  ListConfig,
  NodeOptions,
  PruneConfig,
  RestoreConfig,
  Retention,
  S3Options,
  SnapshotConfig,
  StorageLocation,
  VerifyConfig,
} from "./config.ts";
import { GivenInputs, type Environment } from "./inputs/given.ts";
import { withS3 } from "./inputs/locations.ts";
import { defaultConcurrency, type CommandName, type InputName } from "./inputs/table.ts";

/** Reads and checks all inputs from `INPUT_…` variables. Throws InputError. */
export function loadInputs(environment: Environment): Config {
  const given = new GivenInputs(environment);
  const command = given.read("command");
  given.refuseUnknown();
  given.refuseUnused(command);
  return deepFreeze(buildConfig(command, given));
}

function buildConfig(command: CommandName, given: GivenInputs): Config {
  const common: Common = {
    concurrency: given.read("concurrency") ?? defaultConcurrency(),
    ...optional("metricsFile", given.read("metrics-file")),
  };
  given.refuseUselessS3();
  const s3 = readS3(given);
  const builders: Readonly<
    Record<CommandName, (given: GivenInputs, common: Common, s3: S3Options) => Config>
  > = {
    snapshot: readSnapshotOrImport,
    restore: readRestore,
    verify: readVerify,
    list: readList,
    prune: readPrune,
  };
  return builders[command](given, common, s3);
}

type Common = Pick<Config, "concurrency" | "metricsFile">;

function readSnapshotOrImport(
  given: GivenInputs,
  common: Common,
  s3: S3Options,
): SnapshotConfig | ImportConfig {
  const shared = {
    ...common,
    storage: writable(requiredStorage(given, s3)),
    check: given.read("check"),
    profile: given.read("profile"),
    pin: given.read("pin"),
    compressionLevel: given.read("compression-level"),
    retention: readRetention(given),
    dryRun: given.read("dry-run"),
  };
  const from = given.read("snapshot-from");
  return from === undefined ? readSnapshot(given, shared) : { ...readImport(given, shared), from, s3 };
}

function readRestore(given: GivenInputs, common: Common, s3: S3Options): RestoreConfig {
  const snapshot = given.read("snapshot");
  const storage = snapshot.kind === "foreign" ? storageOf(given, s3) : requiredStorage(given, s3);
  if (snapshot.kind === "foreign" && given.read("method") !== "archive") {
    throw given.conflict("method", "snapshot", "an archive made elsewhere has no volume snapshot");
  }
  const method = given.read("method");
  if (method === "both") {
    throw given.conflict("method", "command", "a restore takes one of the two, `archive` or `volume`");
  }
  const forArchives = (["cache", "seed-from"] as const).find((name) => given.isSet(name));
  if (method === "volume" && forArchives !== undefined) {
    throw given.conflict(forArchives, "method", "a volume snapshot is not fetched");
  }
  return {
    command: "restore",
    ...common,
    chainstateDir: given.required("chainstate-dir"),
    ...optional("storage", storage),
    s3,
    node: readNode(given),
    snapshot,
    ...readVolumes(given),
    check: given.read("check"),
    allowNewerSchema: given.read("allow-newer-schema"),
    ...optional("seedFrom", given.read("seed-from")),
    keepPrevious: given.read("keep-previous"),
    cache: readCache(given),
    removeAfterJob: given.read("remove-after-job"),
    dryRun: given.read("dry-run"),
  };
}

function readVerify(given: GivenInputs, common: Common, s3: S3Options): VerifyConfig {
  const snapshot = given.read("snapshot");
  const chainstateDir = given.read("chainstate-dir");
  const other = (["storage", "snapshot"] as const).find((name) => given.isSet(name));
  if (chainstateDir !== undefined && other !== undefined) {
    throw given.conflict("chainstate-dir", other, "one is a directory to check, the other a snapshot");
  }
  const scope = given.read("verify-scope");
  const check = given.read("check");
  if (scope === "databases") refuseNothingLess(given, chainstateDir, snapshot, check);
  const needsStorage = chainstateDir === undefined && snapshot.kind !== "foreign";
  const storage = needsStorage ? requiredStorage(given, s3) : storageOf(given, s3);
  return {
    command: "verify",
    ...common,
    ...optional("chainstateDir", chainstateDir),
    ...optional("storage", storage),
    s3,
    snapshot,
    scope,
    check,
  };
}

/** `verify-scope: databases` where there is no less to fetch, or nothing at all. */
function refuseNothingLess(
  given: GivenInputs,
  chainstateDir: string | undefined,
  snapshot: VerifyConfig["snapshot"],
  check: VerifyConfig["check"],
): void {
  if (chainstateDir !== undefined)
    throw given.conflict("verify-scope", "chainstate-dir", "nothing is fetched of a directory");
  if (snapshot.kind === "foreign")
    throw given.conflict("verify-scope", "snapshot", "an archive made elsewhere can only be read through");
  if (check === "none") throw given.conflict("verify-scope", "check", "nothing would be looked at");
}

function readList(given: GivenInputs, common: Common, s3: S3Options): ListConfig {
  return {
    command: "list",
    ...common,
    storage: requiredStorage(given, s3),
    filters: given.read("filter") ?? [],
  };
}

function readPrune(given: GivenInputs, common: Common, s3: S3Options): PruneConfig {
  return {
    command: "prune",
    ...common,
    storage: writable(requiredStorage(given, s3)),
    retention: readRetention(given),
    dryRun: given.read("dry-run"),
  };
}

type SharedBySnapshots = Omit<ImportConfig, "command" | "from" | "s3" | "rateLimits">;

function readSnapshot(given: GivenInputs, shared: SharedBySnapshots): SnapshotConfig {
  const cut = given.read("cut");
  if (
    given.isSet("freeze-with") &&
    (cut === "cold" || (cut === "live" && given.read("freeze-with") !== "sqlite"))
  ) {
    throw given.conflict(
      "freeze-with",
      "cut",
      cut === "cold" ? "a cold snapshot freezes nothing" : "a live snapshot is always held by sqlite",
    );
  }
  refuseForVolumes(given);
  const readBytesPerSecond = given.read("rate-limit-read");
  const sendBytesPerSecond = given.read("rate-limit-send");
  return {
    command: "snapshot",
    ...shared,
    chainstateDir: given.required("chainstate-dir"),
    node: readNode(given),
    cut,
    freezeWith: given.read("freeze-with"),
    ...readVolumes(given),
    exclude: given.read("exclude") ?? [],
    trustTimestamps: given.read("trust-timestamps"),
    rateLimits: {
      ...optional("readBytesPerSecond", readBytesPerSecond),
      ...optional("sendBytesPerSecond", sendBytesPerSecond),
    },
  };
}

/** What has no meaning, or another one than it says, where a volume is snapshotted whole. */
function refuseForVolumes(given: GivenInputs): void {
  const method = given.read("method");
  if (method === "archive") return;
  if (given.read("cut") === "live") {
    throw given.conflict("cut", "method", "a volume snapshot of a running node may hold half of a block");
  }
  if (given.read("profile") === "share") {
    throw given.conflict("profile", "method", "a volume snapshot holds what is private too");
  }
  const forArchives = (
    ["freeze-with", "exclude", "trust-timestamps", "rate-limit-read", "rate-limit-send"] as const
  ).find((name) => given.isSet(name));
  if (method === "volume" && forArchives !== undefined) {
    throw given.conflict(forArchives, "method", "no archive is made");
  }
}

/** Everything about a node or a directory of one's own has no meaning for an archive made elsewhere. */
const notForImports = [
  "chainstate-dir",
  "node-manager",
  "node-name",
  "node-start-command",
  "node-stop-command",
  "rpc-url",
  "stop-timeout",
  "start-timeout",
  "sync-blocks",
  "sync-timeout",
  "method",
  "cut",
  "freeze-with",
  "volume-driver",
  "volume",
  "exclude",
  "trust-timestamps",
  "rate-limit-read",
  "sudo",
] as const satisfies readonly InputName[];

function readImport(given: GivenInputs, shared: SharedBySnapshots): Omit<ImportConfig, "from" | "s3"> {
  const other = notForImports.find((name) => given.isSet(name));
  if (other !== undefined) {
    throw given.conflict("snapshot-from", other, "an import touches no node and no directory");
  }
  return {
    command: "import",
    ...shared,
    rateLimits: { ...optional("sendBytesPerSecond", given.read("rate-limit-send")) },
  };
}

function readNode(given: GivenInputs): NodeOptions {
  const manager = given.read("node-manager");
  const rpcUrl = given.read("rpc-url");
  const commands = ["node-start-command", "node-stop-command"] as const;
  for (const name of commands) {
    if (manager === "command") given.required(name);
    else if (given.isSet(name) && !(manager === "process" && name === "node-start-command")) {
      throw given.conflict(name, "node-manager", "it is for 'node-manager: command'");
    }
  }
  const syncBlocks = given.read("sync-blocks");
  if (syncBlocks > 0 && (rpcUrl === "none" || manager === "none")) {
    throw given.conflict(
      "sync-blocks",
      manager === "none" ? "node-manager" : "rpc-url",
      "no RPC is asked then",
    );
  }
  return {
    manager,
    name: given.read("node-name"),
    ...optional("startCommand", given.read("node-start-command")),
    ...optional("stopCommand", given.read("node-stop-command")),
    ...optional("rpcUrl", rpcUrl === "none" ? undefined : rpcUrl),
    stopTimeoutMs: given.read("stop-timeout"),
    startTimeoutMs: given.read("start-timeout"),
    syncBlocks,
    syncTimeoutMs: given.read("sync-timeout"),
    sudo: given.read("sudo"),
  };
}

function readVolumes(given: GivenInputs): Pick<SnapshotConfig, "method" | "volumeDriver" | "volumes"> {
  const method = given.read("method");
  const [volumeDriver, volumes] = [given.read("volume-driver"), given.read("volume") ?? []];
  const forVolumes = (["volume-driver", "volume"] as const).find((name) => given.isSet(name));
  if (method === "archive" && forVolumes !== undefined) {
    throw given.conflict(forVolumes, "method", "no volume snapshot is made or restored");
  }
  return { method, volumeDriver, volumes };
}

function readCache(given: GivenInputs): RestoreConfig["cache"] {
  const cache = given.read("cache");
  return cache === "none" || cache === "github" ? { kind: cache } : { kind: "directory", path: cache };
}

function readRetention(given: GivenInputs): Retention {
  return {
    ...optional("keepLast", given.read("keep-last")),
    ...optional("keepDaily", given.read("keep-daily")),
    ...optional("keepWeekly", given.read("keep-weekly")),
    ...optional("keepMonthly", given.read("keep-monthly")),
  };
}

function readS3(given: GivenInputs): S3Options {
  return {
    ...optional("endpoint", given.read("s3-endpoint")),
    ...optional("region", given.read("s3-region")),
    forcePathStyle: given.read("s3-force-path-style"),
    storageClass: given.read("s3-storage-class"),
    ...optional("sse", given.read("s3-sse")),
    maxParts: given.read("s3-max-parts"),
  };
}

function storageOf(given: GivenInputs, s3: S3Options): StorageLocation | undefined {
  const location = given.read("storage");
  return location === undefined ? undefined : withS3(location, s3);
}

function requiredStorage(given: GivenInputs, s3: S3Options): StorageLocation {
  return withS3(given.required("storage"), s3);
}

function writable(location: StorageLocation): StorageLocation {
  if (location.scheme !== "https") return location;
  throw new InputError(
    "storage",
    `The value '${location.url}' is not valid for 'storage' here: an https:// prefix can only be read.`,
    "Give the storage itself, such as s3://bucket/prefix.",
  );
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}

/** True for errors that came from an input, so that `main` can say that nothing was touched. */
export function isInputError(error: unknown): error is InputError {
  return error instanceof ActionError && error.code === "INPUT_INVALID";
}
