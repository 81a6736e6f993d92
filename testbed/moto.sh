#!/usr/bin/env bash
# Amazon's EC2 API as moto serves it, out of a Debian root: snapshots, volumes and attachments with their states.
#   moto.sh up          prints `export` lines for the AWS tools (any key will do); its address stands in
#                       $TESTBED_DIR/moto/endpoint, where the tests look for it
#   moto.sh down
source "$(dirname "$0")/common.sh"
D=$T/moto
ROOT=$T/root-moto
PORT=5999

stop_all() {
  rm -f "$D/endpoint"
  stop_pid "$D/pid"
  unbind "$ROOT/proc"
  unbind "$ROOT/dev"
}

say_how() {
  echo "export AWS_ENDPOINT_URL_EC2=http://127.0.0.1:$PORT AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_REGION=us-east-1"
}

case ${1:-up} in
  down) stop_all && exit 0 ;;
  up) ;;
  *) echo "usage: moto.sh up|down" >&2 && exit 2 ;;
esac
if [ -f "$D/endpoint" ] && pid_in "$D/pid" >/dev/null; then
  say_how
  exit 0
fi

foreign_root "$ROOT" trixie python3-moto python3-flask python3-flask-cors python3-minimal python3-werkzeug busybox-static >&2
mkdir -p "$D"
stop_all
bind /proc "$ROOT/proc"
bind /dev "$ROOT/dev"
chroot "$ROOT" python3 /usr/bin/moto_server -H 127.0.0.1 -p "$PORT" </dev/null >"$D/log" 2>&1 &
note_pid "$D/pid" $!
wait_for 900 curl -sf "http://127.0.0.1:$PORT/moto-api/"
echo "http://127.0.0.1:$PORT" >"$D/endpoint"
say_how
