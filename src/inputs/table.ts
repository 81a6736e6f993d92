/**
 * The one table of inputs: which commands use each, its default, how its text is read, and what is said about it.
 * `action.yml` and the README are generated from it (`scripts/generate-readme.ts`), `inputs.ts` reads by it, and a test
 * holds the three together.
 */
import { availableParallelism } from "node:os";
import type { FreezerName } from "../freeze/port.ts";
import type { NodeManager } from "../node/port.ts";
import type { SudoMode } from "../system/privilege.ts";
import type { CheckDepth, ListFilter, VerifyScope, VolumeDriver } from "../config.ts";
import type { Profile } from "../chainstate/layout.ts";
import { archiveUrl, parseLocation, parseSelector } from "./locations.ts";
import {
  absolutePath,
  boolean,
  choice,
  duration,
  httpUrl,
  integer,
  lines,
  name,
  ownDirectory,
  rate,
  refuse,
  relativeGlob,
  shellLine,
  volumeName,
  type Parser,
} from "./parsers.ts";

export const commandNames = ["snapshot", "restore", "verify", "list", "prune"] as const;
export type CommandName = (typeof commandNames)[number];

export interface InputSpec<T = unknown, D extends string = string> {
  readonly commands: readonly CommandName[];
  /** As in action.yml; "" stands for "not given". */
  readonly default: D;
  readonly parse: Parser<T>;
  /** What the reader of the README is told: what it is, its unit, an example where the default is none. */
  readonly about: string;
  /** The allowed values (or kinds of value) and what each means, where the input is a choice. */
  readonly choices?: Readonly<Record<string, string>>;
  /** Said instead of an empty default. */
  readonly defaultWords?: string;
}

/** What reading an input yields: undefined only where there is no default. */
export type ValueOf<S> = S extends InputSpec<infer T, infer D> ? (D extends "" ? T | undefined : T) : never;

function input<T, const D extends string>(spec: InputSpec<T, D>): InputSpec<T, D> {
  return spec;
}

/** A choice, its parser made from the keys of its prose. */
function oneOf<const T extends string, const D extends T>(
  spec: Omit<InputSpec<T, D>, "parse" | "choices"> & { readonly choices: Readonly<Record<T, string>> },
): InputSpec<T, D> {
  return { ...spec, parse: choice(Object.keys(spec.choices) as T[]) };
}

const rpcUrl: Parser<string> = (text, at) => (text === "none" ? text : httpUrl(text, at));

const cacheChoice: Parser<string> = (text, at) => {
  if (text === "none" || text === "github") return text;
  if (text.startsWith("/")) return ownDirectory(text, at);
  throw refuse(at, text, "Valid values are: [none, github], or an absolute directory on the runner.");
};

const encryption: Parser<string> = (text, at) => {
  if (/^(AES256|aws:kms|aws:kms:[A-Za-z0-9:/_-]+)$/.test(text)) return text;
  throw refuse(at, text, "Valid values are: [AES256, aws:kms, aws:kms:<key id or ARN>].");
};

const listFilter: Parser<ListFilter> = (text, at) => {
  const [, field, operator, value = ""] =
    /^(network|height|node-version|profile)\s*(<=|>=|=)\s*(\S+)$/.exec(text) ?? [];
  const isHeight = field === "height";
  if (field === undefined || isHeight !== /^\d{1,15}$/.test(value) || (!isHeight && operator !== "=")) {
    throw refuse(
      at,
      text,
      "A filter is network=NAME, height<=N, height>=N, height=N, node-version=VERSION or profile=NAME.",
    );
  }
  return { field, operator, value } as ListFilter;
};

const everyCommand = commandNames;
const withNode = ["snapshot", "restore"] as const;
const withArchive = ["snapshot", "restore", "verify"] as const;
const withRetention = ["snapshot", "prune"] as const;

export const inputTable = {
  command: oneOf<CommandName, "snapshot">({
    commands: everyCommand,
    default: "snapshot",
    about: "What to do.",
    choices: {
      snapshot:
        "stop the node, prove it is down, hold its chainstate still, bring it back, archive and publish",
      restore: "fetch and check a snapshot beside the old chainstate, then swap them while the node is down",
      verify: "read a snapshot back whole and check it, or check a directory in place",
      list: "print what the storage holds",
      prune: "remove what the retention inputs do not keep",
    },
  }),
  "chainstate-dir": input({
    commands: withArchive,
    default: "",
    parse: ownDirectory,
    about:
      "The node's mode directory, an absolute path such as `/var/stacks/mainnet`: the one that holds `chainstate/` and `burnchain/`. With `verify`: a directory to check in place, instead of a snapshot.",
  }),
  storage: input({
    commands: everyCommand,
    default: "",
    parse: parseLocation,
    about: "URL of the place that keeps the snapshots. Not needed where `snapshot` is a URL.",
    choices: {
      file: "`file:///dir`, a directory on this host or on a mounted file server",
      s3: "`s3://bucket/prefix`, Amazon S3 and what is compatible with it",
      az: "`az://account/container/prefix`, Azure Blob Storage",
      gs: "`gs://bucket/prefix`, Google Cloud Storage",
      https: "`https://host/prefix`, for reading only",
    },
  }),
  "s3-endpoint": input({
    commands: everyCommand,
    default: "",
    parse: httpUrl,
    about: "URL of an S3-compatible store, such as `https://minio.example.org:9000`.",
    defaultWords: "AWS, or what `AWS_ENDPOINT_URL_S3` says",
  }),
  "s3-region": input({
    commands: everyCommand,
    default: "",
    parse: name,
    about: "Region of the bucket, such as `eu-central-1`.",
    defaultWords: "what the AWS SDK finds, such as `AWS_REGION`",
  }),
  "s3-force-path-style": input({
    commands: everyCommand,
    default: "false",
    parse: boolean,
    about:
      "`true` puts the bucket into the path instead of the host name, as MinIO and Ceph usually want it.",
  }),
  "s3-storage-class": input({
    commands: everyCommand,
    default: "STANDARD",
    parse: name,
    about: "Storage class of what is written, such as `STANDARD_IA`.",
  }),
  "s3-sse": input({
    commands: everyCommand,
    default: "",
    parse: encryption,
    about: "Encryption by the store: `AES256`, `aws:kms` or `aws:kms:<key id or ARN>`.",
    defaultWords: "what the bucket says",
  }),
  "s3-max-parts": input({
    commands: everyCommand,
    default: "10000",
    parse: integer(1, 10_000),
    about: "How many parts the store allows in one upload. AWS allows 10,000, some stores 1,000.",
  }),
  "node-manager": oneOf<NodeManager | "auto", "auto">({
    commands: withNode,
    default: "auto",
    about: "Who runs the node.",
    choices: {
      auto: "a systemd unit, else a container, else a process named `node-name`; the log says what was found",
      systemd: "the unit `node-name`",
      docker: "the container `node-name`, by Docker's or Podman's command line",
      process: "the process whose executable is named `node-name` and that has `chainstate-dir` open",
      command: "`node-stop-command` and `node-start-command`",
      none: "nothing to stop or start; that nobody has the directory open is proved all the same",
    },
  }),
  "node-name": input({
    commands: withNode,
    default: "stacks-node",
    parse: name,
    about: "Name of the unit, of the container, or of the executable.",
  }),
  "node-start-command": input({
    commands: withNode,
    default: "",
    parse: shellLine,
    about:
      "Shell line that starts the node, for `node-manager: command`. Optional for `process`: without it the process is started again as it was (executable, arguments, environment, directory, user).",
  }),
  "node-stop-command": input({
    commands: withNode,
    default: "",
    parse: shellLine,
    about: "Shell line that asks the node to stop, for `node-manager: command`.",
  }),
  "rpc-url": input({
    commands: withNode,
    default: "http://127.0.0.1:20443",
    parse: rpcUrl,
    about: "URL of the node's RPC. `none`: the node has no RPC that can be reached from here.",
  }),
  "stop-timeout": input({
    commands: withNode,
    default: "20m",
    parse: duration,
    about:
      "How long the node may take to stop. A graceful stop can take just under 20 minutes. Past it the run fails, without SIGKILL and without a snapshot, and the node is left running or brought back.",
  }),
  "start-timeout": input({
    commands: withNode,
    default: "10m",
    parse: duration,
    about: "How long the RPC may take to answer after a start.",
  }),
  method: oneOf<"archive" | "volume" | "both", "archive">({
    commands: withNode,
    default: "archive",
    about: "What a snapshot is made of; on restore, what to take where it has both.",
    choices: {
      archive: "one `.tar.zst` file that plain tools can unpack",
      volume:
        "a snapshot of the volume by the file system, the volume manager or the cloud (`volume-driver`)",
      both: "one stop, both of them",
    },
  }),
  cut: oneOf<"auto" | "frozen" | "live" | "cold", "auto">({
    commands: ["snapshot"],
    default: "auto",
    about: "How the chainstate is held still while it is archived.",
    choices: {
      auto: "`frozen`, or `cold` where nothing can freeze it",
      frozen:
        "stop the node, freeze (see `freeze-with`), start it, then archive the frozen state: seconds of downtime",
      live: "never stop the node: read transactions at a moment that is proved consistent. Verified afterwards; meant for those who have read how it works",
      cold: "the node stays down until the upload is done",
    },
  }),
  "freeze-with": oneOf<"auto" | Exclude<FreezerName, "cold">, "auto">({
    commands: ["snapshot"],
    default: "auto",
    about: "What holds the chainstate still for `cut: frozen`.",
    choices: {
      auto: "copy-on-write where the file system has it, else `sqlite`",
      zfs: "a ZFS snapshot",
      btrfs: "a btrfs subvolume snapshot",
      lvm: "an LVM snapshot, thick or thin",
      reflink: "a copy that shares its blocks with the original (XFS, btrfs)",
      sqlite: "SQLite's own read transactions: any local file system, no privilege",
    },
  }),
  "volume-driver": oneOf<VolumeDriver | "auto", "auto">({
    commands: withNode,
    default: "auto",
    about: "What makes or restores the volume snapshot for `method: volume` and `both`.",
    choices: {
      auto: "found from where `chainstate-dir` is mounted",
      zfs: "OpenZFS dataset",
      btrfs: "btrfs subvolume",
      lvm: "LVM logical volume",
      xfs: "`xfsdump` to the storage",
      "aws-ebs": "Amazon EBS",
      "azure-disk": "Azure managed disk",
      "gcp-disk": "Google Cloud persistent disk",
    },
  }),
  volume: input({
    commands: withNode,
    default: "",
    parse: lines(volumeName),
    about: "Dataset, subvolume, logical volume, volume id or disk id; several, one a line.",
    defaultWords: "found from `chainstate-dir`",
  }),
  profile: oneOf<Profile, "backup">({
    commands: ["snapshot"],
    default: "backup",
    about: "Who will restore it.",
    choices: {
      backup: "this host: everything but scratch files",
      share:
        "others: also without what is private to a node or made anew at each start (peers, mempool, estimates, miner)",
    },
  }),
  exclude: input({
    commands: ["snapshot"],
    default: "",
    parse: lines(relativeGlob),
    about: "Globs below `chainstate-dir` to leave out, one a line, such as `chainstate/estimates/**`.",
  }),
  check: oneOf<CheckDepth, "tips">({
    commands: withArchive,
    default: "tips",
    about: "How thoroughly the chainstate is checked.",
    choices: {
      tips: "the databases agree with each other on one tip (milliseconds)",
      quick: "also SQLite's `quick_check` of every database (reads them whole)",
      full: "also `integrity_check`, and every record of the `.blobs` files (slowest)",
      none: "not at all",
    },
  }),
  "allow-newer-schema": input({
    commands: ["restore"],
    default: "false",
    parse: boolean,
    about:
      "`true` restores a chainstate although its databases are of a newer version than the node on this host is known to open.",
  }),
  "trust-timestamps": input({
    commands: ["snapshot"],
    default: "false",
    parse: boolean,
    about:
      "`true`: a file whose inode, size, mtime and ctime are what the last run on this host recorded is not read again.",
  }),
  pin: input({
    commands: ["snapshot"],
    default: "false",
    parse: boolean,
    about: "`true`: retention never removes this snapshot.",
  }),
  "snapshot-from": input({
    commands: ["snapshot"],
    default: "",
    parse: archiveUrl,
    about:
      "Publish this archive, made elsewhere (the URL of a `.tar.zst`, `.tar.gz` or `.tar`), as a snapshot of one's own. No node is touched.",
  }),
  "compression-level": input({
    commands: ["snapshot"],
    default: "3",
    parse: integer(1, 19),
    about: "zstd's level, 1 (fast) to 19 (small).",
  }),
  concurrency: input({
    commands: everyCommand,
    default: "",
    parse: integer(1, 256),
    about: "How many pieces are worked on at once.",
    defaultWords: "the number of processors",
  }),
  "rate-limit-read": input({
    commands: ["snapshot"],
    default: "",
    parse: rate,
    about:
      "Most bytes a second to read from the chainstate, such as `200MiB`, so that a producing node is not slowed.",
    defaultWords: "no limit",
  }),
  "rate-limit-send": input({
    commands: ["snapshot"],
    default: "",
    parse: rate,
    about: "Most bytes a second to send to the storage, such as `50MiB`.",
    defaultWords: "no limit",
  }),
  snapshot: input({
    commands: ["restore", "verify"],
    default: "latest",
    parse: parseSelector,
    about: "Which snapshot.",
    choices: {
      latest: "the newest one in the storage",
      id: "the one of this id, such as `mainnet-8112233-20261122T020014Z`",
      "height<=N": "the highest one at or below Stacks height N",
      url: "an archive made elsewhere, by its URL (`https://`, `s3://`, `file://` …): `.tar.zst`, `.tar.gz` or `.tar`",
    },
  }),
  "verify-scope": oneOf<VerifyScope, "archive">({
    commands: ["verify"],
    default: "archive",
    about: "How much of a snapshot is fetched.",
    choices: {
      archive: "all of it: every digest is checked, then the databases",
      databases:
        "only what the checks read, a small part where block files or `.blobs` are large; tells that the chainstate is consistent, not that the rest of the archive is whole",
    },
  }),
  "seed-from": input({
    commands: ["restore"],
    default: "",
    parse: lines(ownDirectory),
    about: "Local chainstates to take equal pieces from instead of fetching them, one a line.",
    defaultWords: "the directory being replaced",
  }),
  "keep-previous": input({
    commands: ["restore"],
    default: "false",
    parse: boolean,
    about:
      "`true` keeps the replaced directory beside the new one. It is always kept until the node has proved healthy.",
  }),
  cache: input({
    commands: ["restore"],
    default: "none",
    parse: cacheChoice,
    about:
      "Where restored snapshots are kept for the next job: `none`, `github` (the Actions cache), or an absolute directory on the runner that holds pristine copies to clone from.",
  }),
  "remove-after-job": input({
    commands: ["restore"],
    default: "false",
    parse: boolean,
    about: "`true` removes the restored `chainstate-dir` at the end of the job. For test jobs.",
  }),
  "sync-blocks": input({
    commands: withNode,
    default: "0",
    parse: integer(0, 1_000_000),
    about: "After the start, wait until the tip has advanced this many blocks.",
  }),
  "sync-timeout": input({
    commands: withNode,
    default: "30m",
    parse: duration,
    about: "How long that may take.",
  }),
  "keep-last": input({
    commands: withRetention,
    default: "",
    parse: integer(1, 100_000),
    about: "Keep this many of the newest snapshots. Without any of the `keep-` inputs everything is kept.",
  }),
  "keep-daily": input({
    commands: withRetention,
    default: "",
    parse: integer(1, 100_000),
    about: "Keep the newest snapshot of each of this many days (UTC) that have one.",
  }),
  "keep-weekly": input({
    commands: withRetention,
    default: "",
    parse: integer(1, 100_000),
    about: "Keep the newest snapshot of each of this many weeks (ISO weeks, UTC) that have one.",
  }),
  "keep-monthly": input({
    commands: withRetention,
    default: "",
    parse: integer(1, 100_000),
    about: "Keep the newest snapshot of each of this many months (UTC) that have one.",
  }),
  filter: input({
    commands: ["list"],
    default: "",
    parse: lines(listFilter),
    about:
      "Which snapshots to list, one condition a line, all of which must hold: `network=NAME`, `height<=N`, `height>=N`, `node-version=VERSION`, `profile=NAME`.",
    defaultWords: "all",
  }),
  "metrics-file": input({
    commands: everyCommand,
    default: "",
    parse: absolutePath,
    about:
      "Absolute path of a Prometheus text file to write, such as `/var/lib/node_exporter/textfile/chainstate.prom`.",
  }),
  sudo: oneOf<SudoMode, "auto">({
    commands: withNode,
    default: "auto",
    about: "Whether commands that need root go through `sudo -n`.",
    choices: {
      auto: "yes, unless the runner is root",
      always: "yes",
      never: "no",
    },
  }),
  "dry-run": input({
    commands: ["snapshot", "restore", "prune"],
    default: "false",
    parse: boolean,
    about: "`true` makes every check, prints the plan and changes nothing.",
  }),
};

export type InputName = keyof typeof inputTable;
export const inputNames = Object.keys(inputTable) as InputName[];

/** Processors this process may use; the default of `concurrency`. */
export function defaultConcurrency(): number {
  return availableParallelism();
}
