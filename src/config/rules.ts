/**
 * What has to hold between inputs, beyond what can be said of each alone: what a command cannot do without, and which two
 * exclude each other. All that does not hold is found at once.
 */
import { isAbsolute } from "node:path";
import { InputError } from "../domain/errors.ts";
import type { GivenInputs } from "./given.ts";
import type { CommandName } from "./input-spec.ts";
import { inputNames, type InputName } from "./table.ts";

type Rule = (given: GivenInputs) => Iterable<InputError>;

/** Every wrong input, each said once. Empty: the configuration can be built. */
export function findProblems(given: GivenInputs): readonly InputError[] {
  const found = new Map<string, InputError>();
  const add = (look: () => Iterable<InputError>): void => {
    try {
      for (const error of look()) found.set(error.message, error);
    } catch (error) {
      // A rule that reads an input whose text is no value of it cannot say more than that.
      if (!(error instanceof InputError)) throw error;
      found.set(error.message, error);
    }
  };
  add(() => given.unknown());
  for (const name of inputNames) add(() => read(given, name));
  const command = tryRead(given);
  if (command !== undefined) {
    add(() => given.unused(command));
    add(() => given.uselessS3());
    for (const rule of rules[command]) add(() => rule(given));
  }
  return [...found.values()];
}

/** One error that says them all. */
export function joinProblems(problems: readonly InputError[]): InputError | undefined {
  const [first] = problems;
  if (first === undefined || problems.length === 1) return first;
  const lines = problems.map(({ message, hint }) => `- ${message}${hint === undefined ? "" : ` ${hint}`}`);
  return new InputError(
    first.input,
    `${problems.length} inputs are wrong:\n${lines.join("\n")}`,
    "Correct all of them. Nothing was touched.",
  );
}

function read(given: GivenInputs, name: InputName): readonly InputError[] {
  given.read(name);
  return [];
}

function tryRead(given: GivenInputs): CommandName | undefined {
  try {
    return given.read("command");
  } catch {
    return undefined;
  }
}

function needs(name: InputName, unless: (given: GivenInputs) => boolean = () => false): Rule {
  return (given) => {
    if (!unless(given)) given.required(name);
    return [];
  };
}

const isExternal = (given: GivenInputs): boolean => given.read("snapshot").kind === "external";

const writable: Rule = function* (given) {
  const location = given.read("storage");
  if (location?.scheme !== "https") return;
  yield new InputError(
    "storage",
    `The value '${location.url}' is not valid for 'storage' here: an https:// prefix can only be read.`,
    "Give the storage itself, such as s3://bucket/prefix.",
  );
};

const freezing: Rule = function* (given) {
  const downtime = given.read("downtime");
  if (!given.isSet("freeze-with")) return;
  if (downtime === "full") yield given.conflict("freeze-with", "downtime", "nothing is frozen then");
  if (downtime === "none" && given.read("freeze-with") !== "sqlite")
    yield given.conflict("freeze-with", "downtime", "a running node is always frozen by sqlite");
};

/** Clones tell which pages changed, and that is of use only where pages are what is sent. */
const clones: Rule = function* (given) {
  if (!given.read("keep-clone")) return;
  if (given.read("rebase-above") === 0)
    yield given.conflict(
      "keep-clone",
      "rebase-above",
      "it spares reading pages, and databases are archived as they are",
    );
  const downtime = given.read("downtime");
  if (downtime === "full" || downtime === "none")
    yield given.conflict("keep-clone", "downtime", "nothing is frozen by a clone then");
  const by = given.read("freeze-with");
  if (by !== "auto" && by !== "reflink" && by !== "btrfs")
    yield given.conflict("keep-clone", "freeze-with", "what that freezes by is no clone");
};

/** A part of an archive cannot be opened. */
const readBack: Rule = function* (given) {
  if (given.read("read-back") === 1) return;
  const check = given.read("check");
  if (check === "none") yield given.conflict("read-back", "check", "nothing is read back then");
  else if (check !== "tips")
    yield given.conflict("read-back", "check", "that needs all databases, which `100%` reads back");
  if (given.isSet("replay-blocks"))
    yield given.conflict("read-back", "replay-blocks", "that needs all databases, which `100%` reads back");
};

/** What has no meaning, or another one than it says, where a volume is snapshotted whole. */
const wholeVolumes: Rule = function* (given) {
  const method = given.read("method");
  if (method === "archive") return;
  if (given.read("downtime") === "none")
    yield given.conflict(
      "downtime",
      "method",
      "a volume snapshot of a running node may hold half of a block",
    );
  if (given.read("profile") === "share")
    yield given.conflict("profile", "method", "a volume snapshot holds what is private too");
  if (method === "both") return;
  const forArchives = [
    "freeze-with",
    "exclude",
    "trust-timestamps",
    "rebase-above",
    "keep-clone",
    "reread-blobs",
    "read-back",
    "rate-limit-read",
    "rate-limit-send",
  ] as const;
  for (const name of forArchives)
    if (given.isSet(name)) yield given.conflict(name, "method", "no archive is made");
};

const volumes: Rule = function* (given) {
  if (given.read("method") !== "archive") return;
  for (const name of ["volume-driver", "volume"] as const)
    if (given.isSet(name)) yield given.conflict(name, "method", "no volume snapshot is made or restored");
};

const restoredMethod: Rule = function* (given) {
  const method = given.read("method");
  if (isExternal(given) && method !== "archive")
    yield given.conflict("method", "snapshot", "an archive made elsewhere has no volume snapshot");
  else if (method === "both")
    yield given.conflict("method", "command", "a restore takes one of the two, `archive` or `volume`");
  if (method !== "volume") return;
  for (const name of ["cache", "seed-from"] as const)
    if (given.isSet(name)) yield given.conflict(name, "method", "a volume snapshot is not fetched");
};

const verifiedPlace: Rule = function* (given) {
  if (given.read("chainstate-dir") === undefined) return;
  for (const other of ["storage", "snapshot", "trusted-signers", "expect-digest"] as const)
    if (given.isSet(other))
      yield given.conflict(
        "chainstate-dir",
        other,
        "one is for a directory to check, the other for a snapshot",
      );
};

/** What is to be confirmed has to be looked at. */
const confirming: Rule = function* (given) {
  const check = given.read("check");
  if (check === "none" && given.isSet("confirm-with"))
    yield given.conflict("confirm-with", "check", "nothing is looked at then");
  if ((check === "none" || check === "tips") && given.isSet("trusted-signer-set"))
    yield given.conflict(
      "trusted-signer-set",
      "check",
      "no signature is looked at then; use `quick`, `proof` or `full`",
    );
};

/** The node's own programs, and what they are for. */
const programs: Rule = function* (given) {
  const isBoot = given.read("boot");
  const isReplay = given.read("replay-blocks") !== undefined;
  const hasImage = given.isSet("node-image");
  if (isBoot) given.required("node-config");
  for (const [name, isUsed] of [
    ["node-program", isBoot],
    ["node-inspector", isReplay],
  ] as const) {
    if (!isUsed || hasImage) continue;
    if (!isAbsolute(given.required(name)))
      throw new InputError(
        name,
        `'${name}' names a program of an image, and 'node-image' is missing.`,
        "Give the absolute path of a program on this host, or the image.",
      );
  }
  if (hasImage && !isBoot && !isReplay)
    yield new InputError(
      "node-image",
      "'node-image' is given, and neither 'boot' nor 'replay-blocks' is.",
      "Leave it out.",
    );
  if (!isBoot && given.isSet("node-program"))
    yield given.conflict("node-program", "boot", "nothing is started then");
  if (!isReplay && given.isSet("node-inspector"))
    yield new InputError(
      "node-inspector",
      "'node-inspector' is given and 'replay-blocks' is not: nothing would be replayed.",
      "Say how many blocks, such as `replay-blocks: 100`.",
    );
  if (!isBoot && !isReplay && given.isSet("node-config"))
    yield new InputError(
      "node-config",
      "'node-config' is given, and neither 'boot' nor 'replay-blocks' is.",
      "Leave it out.",
    );
  if (isBoot && given.read("verify-scope") === "databases")
    yield given.conflict("verify-scope", "boot", "a node needs all of the chainstate");
  for (const name of ["boot", "replay-blocks"] as const)
    if (given.isSet(name) && given.read("check") === "none")
      yield given.conflict(name, "check", "nothing is looked at then");
};

/** A volume snapshot is no copy that a program may write to. */
const replayedArchive: Rule = function* (given) {
  if (given.isSet("replay-blocks") && given.read("method") === "volume")
    yield given.conflict("replay-blocks", "method", "no archive is made to replay");
};

/** What only a manifest can say. */
const saidByManifests: Rule = function* (given) {
  if (!isExternal(given)) return;
  if (given.isSet("trusted-signers"))
    yield given.conflict(
      "trusted-signers",
      "snapshot",
      "an archive made elsewhere has no signature; `expect-digest` pins it",
    );
  if (given.isSet("max-age"))
    yield given.conflict("max-age", "snapshot", "an archive made elsewhere does not say when it was made");
};

/** What nobody signs is believed by nobody then, the next prune included; what is removed by this one needs no belief. */
const signedMarks: Rule = function* (given) {
  if (!given.isSet("trusted-signers") || given.isSet("sign-key")) return;
  const deleted = new Set(given.read("delete"));
  if ((given.read("unpin") ?? []).every((id) => deleted.has(id))) return;
  yield new InputError(
    "unpin",
    "'unpin' with 'trusted-signers' needs 'sign-key': what is not signed takes no pin away.",
    "Set 'sign-key' to a key that 'trusted-signers' has, or name the snapshot in 'delete' too.",
  );
};

/** `verify-scope: databases` where there is no less to fetch, or nothing at all. */
const verifiedScope: Rule = function* (given) {
  if (given.read("verify-scope") !== "databases") return;
  if (given.read("chainstate-dir") !== undefined)
    yield given.conflict("verify-scope", "chainstate-dir", "nothing is fetched of a directory");
  if (isExternal(given))
    yield given.conflict("verify-scope", "snapshot", "an archive made elsewhere can only be read through");
  if (given.read("check") === "none")
    yield given.conflict("verify-scope", "check", "nothing would be looked at");
};

const nodeCommands: Rule = function* (given) {
  const manager = given.read("node-manager");
  for (const name of ["node-start-command", "node-stop-command"] as const) {
    if (manager === "command" || !given.isSet(name)) continue;
    if (manager === "process" && name === "node-start-command") continue;
    yield given.conflict(name, "node-manager", "it is for 'node-manager: command'");
  }
};

const byCommand = (given: GivenInputs): boolean => given.read("node-manager") !== "command";

/** What asks the node something, or starts it, where there is nobody to ask. */
const absentNode: Rule = function* (given) {
  const manager = given.read("node-manager");
  const asked = manager === "none" ? "node-manager" : "rpc-url";
  if ((given.read("sync-blocks") ?? 0) > 0 && (manager === "none" || given.read("rpc-url") === "none"))
    yield given.conflict("sync-blocks", asked, "no RPC is asked then");
  if (given.read("start-node") === "always" && manager === "none")
    yield given.conflict("start-node", "node-manager", "there is nothing to start then");
};

const node = [
  needs("node-start-command", byCommand),
  needs("node-stop-command", byCommand),
  nodeCommands,
  absentNode,
];

const rules: Readonly<Record<CommandName, readonly Rule[]>> = {
  snapshot: [
    needs("chainstate-dir"),
    needs("storage"),
    writable,
    ...node,
    freezing,
    clones,
    readBack,
    wholeVolumes,
    volumes,
    confirming,
    programs,
    replayedArchive,
  ],
  restore: [
    needs("chainstate-dir"),
    needs("storage", isExternal),
    ...node,
    restoredMethod,
    volumes,
    saidByManifests,
    confirming,
  ],
  verify: [
    needs("storage", (given) => given.read("chainstate-dir") !== undefined || isExternal(given)),
    verifiedPlace,
    verifiedScope,
    saidByManifests,
    confirming,
    programs,
  ],
  list: [needs("storage")],
  prune: [needs("storage"), writable, signedMarks],
  import: [needs("storage"), needs("from"), writable, confirming],
};
