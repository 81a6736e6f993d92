#!/usr/bin/env bash
# A real systemd, as PID 1 of a container over an overlay of this machine's root; the machine's own systemctl and
# systemd-run talk to it over D-Bus once the printed variables are set.
#   systemd.sh up      prints `export` lines
#   systemd.sh down
# Seen under the same path on both sides: $TESTBED_DIR/systemd/share (what nodes read and write) and
# /run/systemd/system (put units there and reload). Everything else the container writes is thrown away. Loopback is
# shared, processes of the container are seen from outside. Tests find it by the file $TESTBED_DIR/systemd/leader.
source "$(dirname "$0")/common.sh"
W=$T/systemd
UNITS=/run/systemd/system

say_how() {
  echo "export SYSTEMCTL_FORCE_BUS=1 DBUS_SYSTEM_BUS_ADDRESS=unix:path=/proc/$(cat "$W/leader")/root/run/dbus/system_bus_socket"
}

case ${1:-} in
  up)
    if pid_in "$W/leader.started" >/dev/null && [ -S "/proc/$(cat "$W/leader")/root/run/dbus/system_bus_socket" ]; then
      say_how
      exit 0
    fi
    apt_install systemd-container dbus >&2
    mkdir -p "$W"/{tmp,root,share} "$UNITS"
    mountpoint -q "$W/tmp" || mount -t tmpfs testbed "$W/tmp"
    mkdir -p "$W"/tmp/{upper,work}
    mountpoint -q "$W/root" ||
      mount -t overlay testbed -o "lowerdir=/,upperdir=$W/tmp/upper,workdir=$W/tmp/work" "$W/root"
    rm -f "$W"/root/etc/systemd/system/*.wants/*
    systemd-nspawn --quiet --boot --directory="$W/root" --machine=testbed --keep-unit --register=no --settings=no \
      --bind="$W/share" --bind="$UNITS" -- systemd.unit=basic.target systemd.show_status=0 </dev/null >"$W/log" 2>&1 &
    nspawn=$!
    note_pid "$W/nspawn.pid" $nspawn
    leader=
    bus_is_up() {
      leader=$(ps -o pid= --ppid $nspawn | tr -d ' ')
      [ -n "$leader" ] && [ -S "/proc/$leader/root/run/dbus/system_bus_socket" ]
    }
    wait_for 200 bus_is_up
    note_pid "$W/leader.started" "$leader"
    echo "$leader" >"$W/leader"
    say_how
    ;;
  down)
    # SIGRTMIN+4 asks systemd to power off.
    if leader=$(pid_in "$W/leader.started"); then
      kill -RTMIN+4 "$leader" 2>/dev/null || true
      for _ in $(seq 150); do
        pid_in "$W/nspawn.pid" >/dev/null || break
        sleep 0.1
      done
    fi
    stop_pid "$W/nspawn.pid"
    rm -f "$W/leader" "$W/leader.started"
    rm -rf "$UNITS"/testbed-* "$UNITS"/basic.target.wants
    rmdir "$UNITS" 2>/dev/null || true
    unbind "$W/root"
    unbind "$W/tmp"
    ;;
  *)
    echo "usage: systemd.sh up | down" >&2
    exit 2
    ;;
esac
