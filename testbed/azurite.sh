#!/usr/bin/env bash
# Azurite, Microsoft's own emulator of Azure Blob Storage, from npm.
#   azurite.sh up       prints an `export` line with the connection string of its one well-known account
#   azurite.sh down
# Blobs are kept in memory. Tests find it by the file $TESTBED_DIR/azurite/endpoint.
source "$(dirname "$0")/common.sh"
W=$T/azurite
PORT=8490
NODE=$(cd "$(dirname "$0")/.." && pwd)/scripts/node24.sh
# Published in Azurite's documentation; it opens nothing else.
KEY=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==

case ${1:-up} in
  down) rm -f "$W/endpoint" && stop_pid "$W/started" && exit 0 ;;
  up) ;;
  *) echo "usage: azurite.sh up|down" >&2 && exit 2 ;;
esac
if ! { [ -f "$W/endpoint" ] && pid_in "$W/started" >/dev/null; }; then
  rm -f "$W/endpoint"
  [ -d "$W/node_modules/azurite" ] || npm install --silent --no-fund --no-audit --prefix "$W" azurite@3.37.0 >&2
  "$NODE" "$W/node_modules/azurite/dist/src/blob/main.js" --blobHost 127.0.0.1 --blobPort $PORT --silent \
    --inMemoryPersistence --extentMemoryLimit 4096 --skipApiVersionCheck --disableTelemetry \
    </dev/null >"$W/log" 2>&1 &
  note_pid "$W/started" $!
  wait_for 300 curl -sS -o /dev/null "http://127.0.0.1:$PORT/"
  echo "http://127.0.0.1:$PORT/devstoreaccount1" >"$W/endpoint"
fi
echo "export AZURE_STORAGE_CONNECTION_STRING='DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=$KEY;BlobEndpoint=$(cat "$W/endpoint");'"
