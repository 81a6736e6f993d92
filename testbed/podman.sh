#!/usr/bin/env bash
# Podman with a place of its own for containers, and an image `testbed:1` (busybox and nothing else). No networks: give
# containers `--network host`.
#   podman.sh up      prints `export` lines
#   podman.sh down
# There is no engine that runs: tests find it by the file $TESTBED_DIR/podman/containers.conf, and name that to every call.
source "$(dirname "$0")/common.sh"
W=$T/podman
export CONTAINERS_CONF=$W/containers.conf CONTAINERS_STORAGE_CONF=$W/storage.conf

case ${1:-} in
  up)
    apt_install podman runc catatonit busybox-static >&2
    mkdir -p "$W"
    # A container gets the limits of whoever starts it, who may have none to give away; runc, because crun refuses cgroups
    # of both versions at once.
    cat >"$W/containers.conf.new" <<END
[containers]
default_ulimits = []
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "$W/tmp"
END
    cat >"$W/storage.conf" <<END
[storage]
driver = "vfs"
graphroot = "$W/root"
runroot = "$W/run"
END
    mv "$W/containers.conf.new" "$W/containers.conf"
    podman image exists testbed:1 || busybox_image "$W/image" | podman import --change 'CMD ["/bin/sh"]' - testbed:1 >&2
    if ! podman run --rm --network host testbed:1 true >&2; then
      rm "$W/containers.conf"
      exit 1
    fi
    echo "export CONTAINERS_CONF=$CONTAINERS_CONF CONTAINERS_STORAGE_CONF=$CONTAINERS_STORAGE_CONF"
    ;;
  down)
    [ -f "$W/containers.conf" ] || exit 0
    podman rm --all --force >/dev/null 2>&1 || true
    rm -f "$W/containers.conf"
    ;;
  *)
    echo "usage: podman.sh up | down" >&2
    exit 2
    ;;
esac
