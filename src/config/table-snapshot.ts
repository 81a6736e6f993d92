/** Inputs that say how a snapshot is made. */
import type { CheckDepth, FreezerName, Profile, VolumeDriver } from "../domain/options.ts";
import { everyCommand, input, making, oneOf, withArchive, withNode } from "./input-spec.ts";
import { archiveUrl } from "./locations.ts";
import { boolean, integer, lines, rate, relativeGlob, share, volumeName } from "./parsers.ts";

export const snapshotInputs = {
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
  downtime: oneOf<"auto" | "short" | "none" | "full", "auto">({
    commands: ["snapshot"],
    default: "auto",
    about: "How long the node is down.",
    choices: {
      auto: "`short`, or `full` where nothing can freeze the chainstate; `none` for a miner, and where `quiet-timeout` passes",
      short:
        "seconds: stop the node, freeze the chainstate (see `freeze-with`), start it, then archive the frozen state",
      none: "never stop the node: read transactions at a moment that is verified to be consistent. The archive is verified again afterwards; meant for those who have read how it works",
      full: "until the upload is done",
    },
  }),
  "freeze-with": oneOf<"auto" | Exclude<FreezerName, "cold">, "auto">({
    commands: ["snapshot"],
    default: "auto",
    about: "What freezes the chainstate for `downtime: short`.",
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
    commands: making,
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
    commands: [...withArchive, "import"],
    default: "tips",
    about: "How thoroughly the chainstate is checked.",
    choices: {
      tips: "the databases agree with each other on one tip (milliseconds)",
      quick:
        "also SQLite's `quick_check` of every database (reads them whole), and the chain proves the last 100 blocks",
      proof:
        "the chain proves what was added since the last proof: tries, values, contracts, blocks, up to the header",
      full: "also `integrity_check`, and the chain proves everything (slowest)",
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
  "rebase-above": input({
    commands: ["snapshot"],
    default: "0",
    parse: share,
    about:
      "How large the WAL of a database in the archive may become, as a share of it such as `20%`, before it is archived anew: until then only pages that changed since the last snapshot are sent. `0`: databases are archived as they are.",
  }),
  "keep-clone": input({
    commands: ["snapshot"],
    default: "false",
    parse: boolean,
    about:
      "With `rebase-above`, frozen by `reflink` or `btrfs`. `true`: a clone of the databases stays until the next snapshot, and pages that the node did not rewrite since are not read. It costs the space of what is rewritten meanwhile, at most a week.",
  }),
  "reread-blobs": input({
    commands: ["snapshot"],
    default: "100%",
    parse: share,
    about:
      "How much of what the last snapshot has of `.blobs`, which are only ever appended to, is read again and compared, such as `3%`. `100%`: all of it.",
  }),
  "read-back": input({
    commands: ["snapshot"],
    default: "100%",
    parse: share,
    about:
      "What is read back of an archive before it is published. `100%`: all databases, which are opened and checked again. Less, such as `3%`: what is new in it, and that share of what the store copied from the last snapshot, another part each time; digests are compared, with `check: tips`.",
  }),
  pin: input({
    commands: making,
    default: "false",
    parse: boolean,
    about: "`true`: retention never removes this snapshot, until `unpin` of a `prune` names it.",
  }),
  from: input({
    commands: ["import"],
    default: "",
    parse: archiveUrl,
    about:
      "URL of the archive to import: a `.tar.zst`, `.tar.gz` or `.tar` made elsewhere; or `hiro:mainnet`, `hiro:testnet`, the public ones.",
  }),
  "compression-level": input({
    commands: making,
    default: "3",
    parse: integer(1, 19),
    about: "zstd's level, 1 (fast) to 19 (small).",
  }),
  parallelism: input({
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
    commands: making,
    default: "",
    parse: rate,
    about: "Most bytes a second to send to the storage, such as `50MiB`.",
    defaultWords: "no limit",
  }),
};
