#!/usr/bin/env bash
# A real Docker engine of its own, with an image `testbed:1` (busybox and nothing else) and no networks: give containers
# `--network host`.
#   docker.sh up      prints `export` lines
#   docker.sh down
# Tests find it by the socket $TESTBED_DIR/docker/docker.sock. Bind-mount what a container needs of this machine.
source "$(dirname "$0")/common.sh"
W=$T/docker
export DOCKER_HOST=unix://$W/docker.sock

case ${1:-} in
  up)
    apt_install docker.io busybox-static iptables >&2
    mkdir -p "$W"
    dockerd --data-root "$W/root" --exec-root "$W/exec" --pidfile "$W/dockerd.pid" --host "$DOCKER_HOST" \
      --iptables=false --ip6tables=false --bridge=none </dev/null >"$W/log" 2>&1 &
    note_pid "$W/pid" $!
    wait_for 300 docker version
    docker image inspect testbed:1 >/dev/null 2>&1 || busybox_image "$W/image" | docker import --change 'CMD ["/bin/sh"]' - testbed:1 >/dev/null
    echo "export DOCKER_HOST=$DOCKER_HOST"
    ;;
  down)
    stop_pid "$W/pid"
    rm -f "$W/docker.sock"
    ;;
  *)
    echo "usage: docker.sh up | down" >&2
    exit 2
    ;;
esac
