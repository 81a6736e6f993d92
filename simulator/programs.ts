/**
 * The programs of a node by the command lines of the real ones: `stacks-node start --config FILE`, which works where that file
 * says and listens there, and `stacks-inspect`.
 */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

export interface Programs {
  readonly node: string;
  readonly inspector: string;
}

const flags = "--disable-warning=ExperimentalWarning";

/**
 * Makes both in `dir`, for everybody. `nodeArguments`: of `node.ts`, such as its misbehaviours. `binary`: the Node that runs
 * the node's, by whose name process lists show it.
 */
export function makePrograms(
  dir: string,
  nodeArguments: readonly string[] = [],
  binary = process.execPath,
): Programs {
  mkdirSync(dir, { recursive: true });
  const [node, inspector] = [join(dir, "stacks-node"), join(dir, "stacks-inspect")];
  const program = (name: string, by = process.execPath): string =>
    `'${by}' ${flags} '${resolve(import.meta.dirname, name)}'`;
  const value = (key: string): string => `$(sed -n 's/^${key} = "\\(.*\\)"$/\\1/p' "$3")`;
  writeFileSync(
    node,
    [
      "#!/bin/sh",
      'if [ "$1" = version ]; then',
      `  exec ${program("node.ts", binary)} version`,
      "fi",
      '[ "$1" = start ] && [ "$2" = --config ] || exit 1',
      `rpc=${value("rpc_bind")}`,
      `exec ${program("node.ts", binary)} --dir "${value("working_dir")}/${value("mode")}" --rpc-port "\${rpc##*:}" --blocks-per-second 0 ${nodeArguments.map((each) => `'${each}'`).join(" ")}`,
      "",
    ].join("\n"),
  );
  writeFileSync(inspector, `#!/bin/sh\nexec ${program("inspector.ts")} "$@"\n`);
  for (const file of [node, inspector]) chmodSync(file, 0o755);
  return { node, inspector };
}

/** A configuration as an operator has it, with all that a node on a copy must not get. */
export const operatorsConfig = `
[node]
name = "miner"
working_dir = "/var/stacks"
rpc_bind = "0.0.0.0:20443"
p2p_bind = "0.0.0.0:20444"
data_url = "http://203.0.113.7:20443"
prometheus_bind = "0.0.0.0:9153"
seed = "5eed5eed5eed5eed"
local_peer_seed = "9ee79ee79ee79ee7"
bootstrap_node = "02da7a@seed.example.org:20444"
miner = true
stacker = true

[miner]
mining_key = "deadbeef00"
activated_vrf_key_path = "/var/stacks/vrf"

[connection_options]
auth_token = "letmein"
walk_seed_probability = 1.0
num_neighbors = 32

[burnchain]
chain = "bitcoin"
mode = "mainnet"
peer_host = "127.0.0.1"
peer_port = 8333
username = "rpcuser"
password = "rpcpassword"
wallet_name = "main"
process_exit_at_block_height = 900000

[[events_observer]]
endpoint = "127.0.0.1:3700"
events_keys = ["*"]

[[burnchain.epochs]]
epoch_name = "1.0"
start_height = 0

[[ustx_balance]]
address = "ST24VB7FBXCBV6P0SRDSPSW0Y2J9XHDXNHW9Q8S7H"
amount = 80000000000000000
`;
