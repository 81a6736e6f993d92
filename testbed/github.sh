#!/usr/bin/env bash
# What is needed to see Markdown as GitHub shows it: a parser of GitHub's Markdown, its style sheet and Mermaid, from npm.
#   github.sh up
#   github.sh down
# Tests find them below $TESTBED_DIR/github. Nothing is started. The browser is this machine's own.
source "$(dirname "$0")/common.sh"
W=$T/github
case ${1:-up} in
  down) exit 0 ;;
  up) ;;
  *) echo "usage: github.sh up|down" >&2 && exit 2 ;;
esac
[ -e "$W/node_modules/mermaid/dist/mermaid.min.js" ] ||
  npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$W" marked@16.4.2 mermaid@11.17.2 github-markdown-css@5.9.0 >&2
