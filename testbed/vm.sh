#!/usr/bin/env bash
# A virtual machine in software emulation, with Debian's own kernel: for LVM and ZFS, which need kernel modules that the
# machine at hand may lack. Its root is this machine's root over virtiofs, so Node, the project and every installed tool
# are there as they are; /tmp and /run are its own. Two empty disks, /dev/vda and /dev/vdb.
#   vm.sh build             kernel, initrd, tools and the ZFS module below $TESTBED_DIR/vm; about 7 minutes, once
#   vm.sh run SCRIPT [ARG]  boots (6 to 12 s), runs SCRIPT as root, powers off; exits with the script's status.
#                           VM_LIMIT=seconds (600), VM_DISK=size of each disk (2G)
# SCRIPT finds the kernel's modules in $VM: `modprobe -d "$VM" dm-snapshot zfs`. There is no udev. JavaScript is about twenty
# times slower than outside: prove there that something works, not how fast. What the host changes below / while it runs may
# not be seen inside.
source "$(dirname "$0")/common.sh"
D=$T/vm
KERNEL=$D/kernel
RELEASE=$(cat "$D/version" 2>/dev/null || true)

# What the machine itself needs each time; what is below $D may be older than its root.
build() {
  local list=/etc/apt/sources.list.d/testbed-contrib.list codename
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # Debian keeps ZFS in its section contrib.
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $codename contrib" >"$list"
  apt_install qemu-system-x86 qemu-system-common seabios cpio busybox-static lvm2 kmod xfsprogs zfsutils-linux
  mkdir -p "$D"
  (flock -w 900 9 && apt-get update -qq) 9>"$T/.apt-lock"
  RELEASE=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2 }' | sed 's/linux-image-//')
  echo "$RELEASE" >"$D/version"
  [ -f "$KERNEL/.ready-$RELEASE" ] || fetch_kernel
  [ -f "$D/zfs-$RELEASE" ] || build_zfs
}

fetch_kernel() {
  rm -rf "$KERNEL"
  mkdir -p "$KERNEL"
  (cd "$D" && apt-get download -qq "linux-image-$RELEASE" && dpkg -x linux-image-"$RELEASE"_*.deb "$KERNEL" && rm linux-image-"$RELEASE"_*.deb)
  depmod -b "$KERNEL" "$RELEASE"
  touch "$KERNEL/.ready-$RELEASE"
}

# What is needed to reach the root over virtiofs, and no more.
make_initrd() {
  local root=$D/initrd modules=$KERNEL/lib/modules/$RELEASE/kernel module
  rm -rf "$root"
  mkdir -p "$root"/{bin,mod,dev,proc,sys,newroot}
  cp /bin/busybox "$root/bin/"
  for module in drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_legacy_dev \
    drivers/virtio/virtio_pci_modern_dev drivers/virtio/virtio_pci drivers/block/virtio_blk fs/fuse/fuse fs/fuse/virtiofs; do
    cp "$modules/$module.ko" "$root/mod/"
  done
  cat >"$root/init" <<'INIT'
#!/bin/busybox sh
B=/bin/busybox
$B mount -t devtmpfs d /dev
$B mount -t proc p /proc
$B mount -t sysfs s /sys
for m in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk fuse virtiofs; do
  $B insmod /mod/$m.ko
done
$B mount -t virtiofs hostroot /newroot
for d in proc sys dev; do $B mount -o move /$d /newroot/$d; done
exec $B switch_root /newroot $VMINIT
INIT
  chmod +x "$root/init"
  (cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$D/initrd.gz"
}

make_init() {
  cat >"$D/wrap" <<'INIT'
#!/bin/bash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root VM="$VMKERNEL"
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
ip link set lo up
status=0
bash "$VMSCRIPT" $VMARG || status=$?
echo "VM_EXIT=$status"
sync
echo o >/proc/sysrq-trigger
sleep 9
INIT
  chmod +x "$D/wrap"
}

# As source for DKMS; built here for the VM's kernel only.
build_zfs() {
  local source=$D/zfs-src
  apt_install "linux-headers-$RELEASE" gcc make autoconf automake libtool zlib1g-dev libelf-dev
  rm -rf "$source"
  mkdir "$source"
  (
    cd "$source"
    apt-get download -qq zfs-dkms
    dpkg -x zfs-dkms_*.deb .
    cd usr/src/zfs-*
    {
      nice -n 10 ./configure --disable-dependency-tracking --prefix=/usr --with-config=kernel \
        --with-linux="/usr/src/linux-headers-${RELEASE%-cloud-amd64}-common" --with-linux-obj="/lib/modules/$RELEASE/build"
      nice -n 10 make -j"$(nproc)"
    } >"$D/zfs.log" 2>&1
    strip -g module/*/*.ko
    mkdir -p "$KERNEL/lib/modules/$RELEASE/extra"
    cp module/*/*.ko "$KERNEL/lib/modules/$RELEASE/extra/"
  )
  depmod -b "$KERNEL" "$RELEASE"
  rm -rf "$source"
  touch "$D/zfs-$RELEASE"
}

run() {
  local script disk daemon status
  script=$(readlink -f "$1")
  [ -f "$D/zfs-$RELEASE" ] || build
  exec 8>"$D/.lock"
  flock -w 900 8
  make_initrd
  make_init
  rm -f "$D/vfs.sock"
  for disk in a b; do
    rm -f "$D/vd$disk.img"
    truncate -s "${VM_DISK:-2G}" "$D/vd$disk.img"
  done
  /usr/lib/qemu/virtiofsd --socket-path="$D/vfs.sock" -o source=/ -o sandbox=chroot -o cache=always --thread-pool-size=2 >"$D/vfs.log" 2>&1 8>&- &
  daemon=$!
  trap 'kill '"$daemon"' 2>/dev/null || true; rm -f "$D"/vd?.img' EXIT
  wait_for 100 test -S "$D/vfs.sock"
  # The emulator does `rep movsb` and `rep stosb` byte by byte, and with them every page that the kernel clears or copies: without
  # those three features (REP_GOOD, ERMS, FSRM, by their numbers), page-table isolation and a fifth level of page tables, a process
  # starts in a quarter of the time.
  timeout "${VM_LIMIT:-600}" nice -n 10 qemu-system-x86_64 -accel tcg,thread=multi -cpu max,-erms,-fsrm -M q35 -m 2048 -smp 2 -nographic -no-reboot -nic none \
    -object memory-backend-memfd,id=mem,size=2048M,share=on -numa node,memdev=mem \
    -chardev "socket,id=c0,path=$D/vfs.sock" -device vhost-user-fs-pci,chardev=c0,tag=hostroot \
    -kernel "$KERNEL/boot/vmlinuz-$RELEASE" -initrd "$D/initrd.gz" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off nopti no5lvl clearcpuid=112,297,580 VMINIT=$D/wrap VMSCRIPT=$script VMARG=${2:-} VMKERNEL=$KERNEL" \
    -drive "file=$D/vda.img,if=virtio,format=raw,cache=unsafe" -drive "file=$D/vdb.img,if=virtio,format=raw,cache=unsafe" \
    </dev/null 8>&- | tee "$D/console" || true
  status=$(sed -n 's/.*VM_EXIT=\([0-9]*\).*/\1/p' "$D/console" | tail -1)
  return "${status:-99}"
}

case ${1:-build} in
  build) build ;;
  run) run "$2" "${3:-}" ;;
  *) echo "usage: vm.sh build | run SCRIPT [ARG]" >&2 && exit 2 ;;
esac
