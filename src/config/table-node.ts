/** Inputs that say what to do, on which chainstate, with which storage, and how the node is stopped and started. */
import { defaultRpcUrl, type NodeManager } from "../domain/options.ts";
import { everyCommand, input, oneOf, withArchive, withNode, type CommandName } from "./input-spec.ts";
import { parseLocation } from "./locations.ts";
import {
  boolean,
  choice,
  duration,
  httpUrl,
  name,
  ownDirectory,
  refuse,
  shellLine,
  type Parser,
} from "./parsers.ts";

const encryption: Parser<string> = (text, at) => {
  if (/^(AES256|aws:kms|aws:kms:[A-Za-z0-9:/_-]+)$/.test(text)) return text;
  throw refuse(at, text, "Valid values are: [AES256, aws:kms, aws:kms:<key id or ARN>].");
};

const rpcUrl: Parser<string> = (text, at) => (text === "none" ? text : httpUrl(text, at));

export const nodeInputs = {
  command: oneOf<CommandName, "snapshot">({
    commands: everyCommand,
    default: "snapshot",
    about: "What to do.",
    choices: {
      snapshot: "stop the node, verify it has stopped, freeze its chainstate, start it, archive and publish",
      restore: "fetch and check a snapshot beside the old chainstate, then swap them while the node is down",
      verify: "read a snapshot back whole and check it, or check a directory in place",
      list: "print what the storage holds",
      prune: "remove what the retention inputs do not keep",
      import: "publish an archive made elsewhere (`from`) as a snapshot of one's own; no node is touched",
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
  "node-manager": oneOf<NodeManager | "auto", "auto">({
    commands: withNode,
    default: "auto",
    about: "Who runs the node.",
    choices: {
      auto: "found out from the process that has `chainstate-dir` open: its unit (the system's or a user's), its container, or nobody; where none has, a unit or container named `node-name`",
      systemd: "the unit `node-name`",
      docker: "the container `node-name`, by Docker's or Podman's command line",
      process: "the process whose executable is named `node-name` and that has `chainstate-dir` open",
      command: "`node-stop-command` and `node-start-command`",
      none: "nothing to stop or start; that no process has the directory open is verified all the same",
    },
  }),
  "node-name": input({
    commands: withNode,
    default: "stacks-node",
    parse: name,
    about:
      "Name of the unit, of the container, or of the executable. Not needed where the node runs: a name that is given has to be its own.",
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
    default: defaultRpcUrl,
    parse: rpcUrl,
    about:
      "URL of the node's RPC. Not needed where its process has a `--config` that says another address in `rpc_bind`, nor where its container publishes the port. `none`: the node has no RPC that can be reached from here.",
  }),
  "stop-timeout": input({
    commands: withNode,
    default: "20m",
    parse: duration,
    about:
      "How long the node may take to stop. A graceful stop can take just under 20 minutes. Past it the run fails, without SIGKILL and without a snapshot, and the node is left running or brought back. A restore may be told to go on: `force-stop`.",
  }),
  "force-stop": input({
    commands: ["restore"],
    default: "false",
    parse: boolean,
    about:
      "`true`: a node that has not ended after `stop-timeout` is ended by SIGKILL, to the process that has the directory open which is about to be replaced, and to nothing else. For a node on a damaged chainstate, which takes the request to stop and never ends.",
  }),
  "quiet-timeout": input({
    commands: withNode,
    default: "10m",
    parse: duration,
    about:
      "How long to wait for a moment in which the node can be stopped: no Bitcoin block left to evaluate, no event that an observer has not taken for a minute, its Bitcoin node and observers up. Past it the run fails before the stop, or, with `downtime: auto`, takes the snapshot live. A restore waits only for a node that answers, never for Bitcoin blocks, and never with `force-stop`.",
  }),
  "start-timeout": input({
    commands: withArchive,
    default: "10m",
    parse: duration,
    about:
      "How long the RPC may take to answer after a start. With `boot`: until it is at the height of the chainstate.",
  }),
  "start-node": input({
    commands: withNode,
    default: "",
    parse: choice(["as-before", "always"]),
    about: "Whether a node that is not running is started at the end.",
    choices: {
      "as-before": "no: one that was down stays down",
      always:
        "yes; a restore of a node that is down, or ends again and again, is done when it runs on the new chainstate",
    },
    defaultWords: "`as-before` with `snapshot` and without a managed node, `always` with `restore`",
  }),
};
