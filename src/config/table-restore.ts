/** Inputs of the commands that read snapshots, of retention, and those of every command that are rarely needed. */
import type { ListFilter, SudoMode, VerifyScope } from "../domain/options.ts";
import { everyCommand, input, oneOf, withNode } from "./input-spec.ts";
import { parseSelector, snapshotIdOf } from "./locations.ts";
import {
  absolutePath,
  boolean,
  duration,
  integer,
  lines,
  ownDirectory,
  refuse,
  type Parser,
} from "./parsers.ts";

const cacheChoice: Parser<string> = (text, at) => {
  if (text === "none" || text === "github") return text;
  if (text.startsWith("/")) return ownDirectory(text, at);
  throw refuse(at, text, "Valid values are: [none, github], or an absolute directory on the runner.");
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

const withRetention = ["snapshot", "prune", "import"] as const;

export const restoreInputs = {
  snapshot: input({
    commands: ["restore", "verify"],
    default: "latest",
    parse: parseSelector,
    about: "Which snapshot.",
    choices: {
      latest: "the newest one in the storage",
      id: "the one of this id, such as `mainnet-8112233-20261122T020014Z`",
      "height<=N": "the highest one at or below Stacks height N",
      "hiro:mainnet, hiro:testnet": "the newest public archive of Hiro's",
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
      "`true` keeps the replaced directory beside the new one. It is always kept until the node is confirmed healthy.",
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
    default: "",
    parse: integer(0, 1_000_000),
    about:
      "After the start, wait until the tip has advanced this many blocks. Where it is given, a node that does not get there fails the run (and a restore is taken back).",
    defaultWords:
      "0 with `snapshot`; with `restore` 3, for 5 minutes at most, and a node that does not get there is warned of",
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
  delete: input({
    commands: ["prune"],
    default: "",
    parse: lines(snapshotIdOf),
    about:
      "Ids of snapshots to remove whatever retention says, one a line. One that is pinned has to be named in `unpin` too; one that a restore is reading stays. All are looked at before anything is removed: where one may not be, nothing is.",
  }),
  unpin: input({
    commands: ["prune"],
    default: "",
    parse: lines(snapshotIdOf),
    about: "Ids of snapshots that are no longer pinned, one a line: from now on retention may remove them.",
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
    commands: ["snapshot", "restore", "verify", "prune", "import"],
    default: "auto",
    about: "Whether commands that need root go through `sudo -n`.",
    choices: {
      auto: "yes, unless the runner is root",
      always: "yes",
      never: "no",
    },
  }),
  "dry-run": input({
    commands: ["snapshot", "restore", "prune", "import"],
    default: "false",
    parse: boolean,
    about: "`true` makes every check, prints the plan and changes nothing.",
  }),
};
