/**
 * The only reader of inputs. `loadInputs` takes the environment the runner gives a step, reads every input by the table
 * in `config/table.ts`, and returns one frozen configuration, a union by command. Whatever does not fit is an
 * InputError, and nothing has been touched by then.
 */
import { availableParallelism } from "node:os";
import type { NodeOptions, Retention, S3Options, StorageLocation } from "../domain/options.ts";
import type {
  BootOptions,
  Config,
  ConfirmOptions,
  ImportConfig,
  ListConfig,
  PruneConfig,
  ReplayOptions,
  RestoreConfig,
  SnapshotConfig,
  VerifyConfig,
} from "./config.ts";
import { GivenInputs, type Environment } from "./given.ts";
import type { CommandName } from "./input-spec.ts";
import { withS3 } from "./locations.ts";
import { findProblems, joinProblems } from "./rules.ts";

/** Reads and checks all inputs from `INPUT_…` variables. Throws one InputError that names every wrong one. */
export function loadInputs(environment: Environment): Config {
  return configOf(GivenInputs.ofRunner(environment));
}

/** The same of a command line's options, by name. */
export function loadOptions(options: ReadonlyMap<string, string>): Config {
  return configOf(GivenInputs.ofOptions(options));
}

function configOf(given: GivenInputs): Config {
  const wrong = joinProblems(findProblems(given));
  if (wrong !== undefined) throw wrong;
  return deepFreeze(buildConfig(given.read("command"), given));
}

function buildConfig(command: CommandName, given: GivenInputs): Config {
  const common: Common = {
    concurrency: given.read("parallelism") ?? availableParallelism(),
    ...optional("metricsFile", given.read("metrics-file")),
    ...optional("trustedSigners", given.read("trusted-signers")),
  };
  const s3 = readS3(given);
  const builders: Readonly<
    Record<CommandName, (given: GivenInputs, common: Common, s3: S3Options) => Config>
  > = {
    snapshot: readSnapshot,
    restore: readRestore,
    verify: readVerify,
    list: readList,
    prune: readPrune,
    import: readImport,
  };
  return builders[command](given, common, s3);
}

type Common = Pick<Config, "concurrency" | "metricsFile" | "trustedSigners">;

/** What a snapshot of one's own and one of an archive made elsewhere have in common. */
function readMaking(
  given: GivenInputs,
  common: Common,
  s3: S3Options,
): Omit<ImportConfig, "command" | "from" | "s3" | "rateLimits" | "sudo"> {
  return {
    ...common,
    storage: requiredStorage(given, s3),
    check: given.read("check"),
    profile: given.read("profile"),
    pin: given.read("pin"),
    compressionLevel: given.read("compression-level"),
    retention: readRetention(given),
    ...optional("signKey", given.read("sign-key")),
    dryRun: given.read("dry-run"),
  };
}

function readRestore(given: GivenInputs, common: Common, s3: S3Options): RestoreConfig {
  const snapshot = given.read("snapshot");
  const storage = snapshot.kind === "external" ? storageOf(given, s3) : requiredStorage(given, s3);
  return {
    command: "restore",
    ...common,
    ...readConfirming(given),
    chainstateDir: given.required("chainstate-dir"),
    ...optional("storage", storage),
    s3,
    node: readNode(given, "restore"),
    quietTimeoutMs: given.read("quiet-timeout"),
    forceStop: given.read("force-stop"),
    snapshot,
    ...readVolumes(given),
    check: given.read("check"),
    allowNewerSchema: given.read("allow-newer-schema"),
    allowLowerHeight: given.read("allow-lower-height"),
    ...optional("expectDigest", given.read("expect-digest")),
    ...optional("maxAgeMs", given.read("max-age")),
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
  const needsStorage = chainstateDir === undefined && snapshot.kind !== "external";
  const storage = needsStorage ? requiredStorage(given, s3) : storageOf(given, s3);
  return {
    command: "verify",
    ...common,
    ...readConfirming(given),
    ...optional("chainstateDir", chainstateDir),
    ...optional("storage", storage),
    s3,
    snapshot,
    scope: given.read("verify-scope"),
    check: given.read("check"),
    ...optional("expectDigest", given.read("expect-digest")),
    ...optional("replay", readReplay(given)),
    ...optional("boot", readBoot(given)),
    ...optional("nodeImage", given.read("node-image")),
    sudo: given.read("sudo"),
  };
}

function readReplay(given: GivenInputs): ReplayOptions | undefined {
  const blocks = given.read("replay-blocks");
  if (blocks === undefined) return undefined;
  return {
    blocks,
    inspector: programOf(given, "node-inspector", "stacks-inspect"),
    ...optional("nodeConfig", given.read("node-config")),
  };
}

/** In an image it is known by its name. */
function programOf(given: GivenInputs, name: "node-program" | "node-inspector", inImage: string): string {
  return given.isSet("node-image") ? (given.read(name) ?? inImage) : given.required(name);
}

function readBoot(given: GivenInputs): BootOptions | undefined {
  if (!given.read("boot")) return undefined;
  return {
    program: programOf(given, "node-program", "stacks-node"),
    nodeConfig: given.required("node-config"),
    startTimeoutMs: given.read("start-timeout"),
  };
}

function readList(given: GivenInputs, common: Common, s3: S3Options): ListConfig {
  return {
    command: "list",
    ...common,
    storage: requiredStorage(given, s3),
    filters: given.read("filter") ?? [],
    ...optional("maxAgeMs", given.read("max-age")),
  };
}

function readPrune(given: GivenInputs, common: Common, s3: S3Options): PruneConfig {
  return {
    command: "prune",
    ...common,
    storage: requiredStorage(given, s3),
    retention: readRetention(given),
    delete: given.read("delete") ?? [],
    unpin: given.read("unpin") ?? [],
    ...optional("signKey", given.read("sign-key")),
    sudo: given.read("sudo"),
    dryRun: given.read("dry-run"),
  };
}

/** What the chainstate is held by, for each length of downtime. */
const cutOf = { auto: "auto", short: "frozen", none: "live", full: "cold" } as const;

function readSnapshot(given: GivenInputs, common: Common, s3: S3Options): SnapshotConfig {
  const readBytesPerSecond = given.read("rate-limit-read");
  const sendBytesPerSecond = given.read("rate-limit-send");
  return {
    command: "snapshot",
    ...readMaking(given, common, s3),
    ...readConfirming(given),
    chainstateDir: given.required("chainstate-dir"),
    node: readNode(given, "snapshot"),
    quietTimeoutMs: given.read("quiet-timeout"),
    cut: cutOf[given.read("downtime")],
    freezeWith: given.read("freeze-with"),
    ...readVolumes(given),
    exclude: given.read("exclude") ?? [],
    trustTimestamps: given.read("trust-timestamps"),
    rebaseAbove: given.read("rebase-above"),
    ...optional("replay", readReplay(given)),
    ...optional("nodeImage", given.read("node-image")),
    keepClone: given.read("keep-clone"),
    rereadBlobs: given.read("reread-blobs"),
    readBack: given.read("read-back"),
    rateLimits: {
      ...optional("readBytesPerSecond", readBytesPerSecond),
      ...optional("sendBytesPerSecond", sendBytesPerSecond),
    },
  };
}

function readImport(given: GivenInputs, common: Common, s3: S3Options): ImportConfig {
  return {
    command: "import",
    ...readMaking(given, common, s3),
    ...readConfirming(given),
    from: given.required("from"),
    s3,
    rateLimits: { ...optional("sendBytesPerSecond", given.read("rate-limit-send")) },
    ...optional("expectDigest", given.read("expect-digest")),
    sudo: given.read("sudo"),
  };
}

/** What a restore waits for unless told otherwise: a few blocks, as evidence that the node can work on the chainstate. */
const fewBlocks = 3;
const fewBlocksMs = 5 * 60_000;

function readNode(given: GivenInputs, command: "snapshot" | "restore"): NodeOptions {
  const manager = given.read("node-manager");
  const rpcUrl = given.read("rpc-url");
  const syncBlocks = given.read("sync-blocks");
  const asksNobody = rpcUrl === "none" || manager === "none";
  const startNode = given.read("start-node");
  const syncTimeoutMs = given.read("sync-timeout");
  const isRestore = command === "restore";
  return {
    manager,
    name: given.read("node-name"),
    ...optional("startCommand", given.read("node-start-command")),
    ...optional("stopCommand", given.read("node-stop-command")),
    ...optional("rpcUrl", rpcUrl === "none" ? undefined : rpcUrl),
    stopTimeoutMs: given.read("stop-timeout"),
    startTimeoutMs: given.read("start-timeout"),
    startNode: startNode ?? (isRestore && manager !== "none" ? "always" : "as-before"),
    syncBlocks: syncBlocks ?? (isRestore && !asksNobody ? fewBlocks : 0),
    syncRequired: syncBlocks !== undefined,
    syncTimeoutMs:
      isRestore && syncBlocks === undefined ? Math.min(syncTimeoutMs, fewBlocksMs) : syncTimeoutMs,
    sudo: given.read("sudo"),
  };
}

function readVolumes(given: GivenInputs): Pick<SnapshotConfig, "method" | "volumeDriver" | "volumes"> {
  const method = given.read("method");
  return { method, volumeDriver: given.read("volume-driver"), volumes: given.read("volume") ?? [] };
}

function readCache(given: GivenInputs): RestoreConfig["cache"] {
  const cache = given.read("cache");
  return cache === "none" || cache === "github" ? { kind: cache } : { kind: "directory", path: cache };
}

function readConfirming(given: GivenInputs): ConfirmOptions {
  return {
    ...optional("confirmWith", given.read("confirm-with")),
    ...optional("trustedSignerSets", given.read("trusted-signer-set")),
  };
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
    storageClass: given.read("s3-storage-class"),
    ...optional("sse", given.read("s3-sse")),
  };
}

function storageOf(given: GivenInputs, s3: S3Options): StorageLocation | undefined {
  const location = given.read("storage");
  return location === undefined ? undefined : withS3(location, s3);
}

function requiredStorage(given: GivenInputs, s3: S3Options): StorageLocation {
  return withS3(given.required("storage"), s3);
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
