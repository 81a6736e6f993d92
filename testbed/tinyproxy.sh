#!/usr/bin/env bash
# A forward proxy as firms run them: tinyproxy, which alone knows the names s3 and *.behind.test (this machine).
#   tinyproxy.sh up       prints an `export` line
#   tinyproxy.sh down
# Tests find it by the file $TESTBED_DIR/tinyproxy/endpoint; what it was asked stands in the file `log` beside that.
source "$(dirname "$0")/common.sh"
W=$T/tinyproxy
PORT=8499

case ${1:-up} in
  down) rm -f "$W/endpoint" && stop_pid "$W/started" && exit 0 ;;
  up) ;;
  *) echo "usage: tinyproxy.sh up|down" >&2 && exit 2 ;;
esac
if ! { [ -f "$W/endpoint" ] && pid_in "$W/started" >/dev/null; }; then
  rm -f "$W/endpoint"
  apt_install tinyproxy-bin >&2
  mkdir -p "$W"
  { cat /etc/hosts && echo "127.0.0.1 s3 devstoreaccount1.behind.test web.behind.test"; } >"$W/hosts"
  # Without a ConnectPort every port may be connected to.
  printf '%s\n' "Port $PORT" "Listen 127.0.0.1" "Allow 127.0.0.1" "Timeout 600" "MaxClients 500" "LogLevel Connect" \
    "LogFile \"$W/log\"" >"$W/conf"
  # shellcheck disable=SC2016
  unshare --mount sh -c 'mount --bind "$1/hosts" /etc/hosts && exec tinyproxy -d -c "$1/conf"' sh "$W" </dev/null >/dev/null 2>&1 &
  note_pid "$W/started" $!
  wait_for 100 bash -c "echo >/dev/tcp/127.0.0.1/$PORT"
  echo "http://127.0.0.1:$PORT" >"$W/endpoint"
fi
echo "export https_proxy=$(cat "$W/endpoint")"
