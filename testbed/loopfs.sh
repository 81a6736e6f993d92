#!/usr/bin/env bash
# File systems in files, mounted by loop device: what this kernel can do itself.
#   loopfs.sh up            btrfs and XFS below $TESTBED_DIR/loopfs, each 1 GiB and sparse; prints `export` lines
#   loopfs.sh down
source "$(dirname "$0")/common.sh"
D=$T/loopfs

make() { # make TYPE MKFS…
  local image=$D/$1.img
  mountpoint -q "$D/$1" && return 0
  mkdir -p "$D/$1"
  rm -f "$image"
  truncate -s 1G "$image"
  "${@:2}" "$image" >/dev/null 2>&1
  mount -o loop "$image" "$D/$1"
}

case ${1:-up} in
  up)
    apt_install btrfs-progs xfsprogs xfsdump >&2
    make btrfs mkfs.btrfs -q
    make xfs mkfs.xfs -q -m reflink=1
    echo "export TESTBED_BTRFS=$D/btrfs TESTBED_XFS=$D/xfs"
    ;;
  down)
    for type in btrfs xfs; do
      unbind "$D/$type"
      rm -f "$D/$type.img"
    done
    ;;
  *) echo "usage: loopfs.sh up|down" >&2 && exit 2 ;;
esac
