#!/bin/sh
# Runs a program under Node.js 24 or newer: the machine's own where it is one, else the one that npm has brought along. It is asked
# before it is used: what npm brings is made for glibc or macOS, and does not run wherever it can be put. Sources are TypeScript, which
# older ones cannot run.
major() { "$1" --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p'; }
for node in node "$(dirname "$0")"/../node_modules/node-*/bin/node; do
  version=$(major "$node")
  if [ "${version:-0}" -ge 24 ]; then exec "$node" "$@"; fi
  [ "$node" != node ] || own=$version
done
echo "Node.js 24 or newer is needed, and this machine has ${own:-none}. Install it (https://nodejs.org, or \`nvm install 24\`) and run this again." >&2
exit 1
