# Sourced by the scripts beside it, never run. Everything they make lives below $T, nothing listens beyond 127.0.0.1,
# and whatever is started is stopped by the pid that was written down for it. Needs root and Debian.
set -euo pipefail
T=${TESTBED_DIR:-/var/tmp/testbed}
mkdir -p "$T"

# Installs the Debian packages that are missing. One script at a time: apt has one lock.
apt_install() {
  local package missing=()
  for package in "$@"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return 0
  (
    flock -w 900 9
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  ) 9>"$T/.apt-lock"
}

# wait_for TENTHS COMMAND…: until the command succeeds, looked at ten times a second.
wait_for() {
  local tries=$1
  shift
  for _ in $(seq "$tries"); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  echo "gave up waiting for: $*" >&2
  return 1
}

# A pid may be another process's by now, after a boot most of all: it is written down with when that one started, and in which boot.
started_of() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  echo "${20} $(cat /proc/sys/kernel/random/boot_id)"
}

# note_pid FILE PID
note_pid() {
  echo "$2 $(started_of "$2")" >"$1"
}

# pid_in FILE: prints the pid that was noted, while that very process runs; else fails.
pid_in() {
  local pid started
  [ -f "$1" ] || return 1
  read -r pid started <"$1"
  [ -n "$started" ] && [ "$(started_of "$pid")" = "$started" ] && echo "$pid"
}

# stop_pid FILE: ends the process that was noted in FILE (asked first, killed after ten seconds) and removes FILE.
stop_pid() {
  local pid
  if pid=$(pid_in "$1"); then
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
      pid_in "$1" >/dev/null || break
      sleep 0.1
    done
    ! pid=$(pid_in "$1") || kill -9 "$pid" 2>/dev/null || true
  fi
  rm -f "$1"
}

# The mirror this machine's own apt gets this very release from.
debian_mirror() {
  local codename file
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -f "$file" ] && grep -qE "^Suites:.*\b$codename\b" "$file" && awk '/^URIs:/ { print $2; exit }' "$file" && return 0
  done
  awk '/^deb / { for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) { print $i; exit } }' /etc/apt/sources.list
}

# foreign_root DIRECTORY SUITE PACKAGE…: a small root of another Debian release, to run a server this one lacks.
foreign_root() {
  local root=$1 suite=$2 link
  shift 2
  [ -f "$root/.ready" ] && return 0
  apt_install mmdebstrap
  rm -rf "$root"
  mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
    --include="$(IFS=,; echo "$*")" "$suite" "$root" "$(debian_mirror)"
  for link in lib lib64 bin sbin; do
    [ -e "$root/$link" ] || ln -s "usr/$link" "$root/$link"
  done
  cp /etc/passwd /etc/group "$root/etc/"
  mkdir -p "$root/etc/ssl/certs" "$root/proc" "$root/dev" "$root/tmp"
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" 2>/dev/null || true
  touch "$root/.ready"
}

# bind SOURCE TARGET / unbind TARGET: bind mounts that may be asked for twice.
bind() {
  mountpoint -q "$2" && return 0
  mkdir -p "$2"
  mount --bind "$1" "$2"
}

unbind() {
  ! mountpoint -q "$1" || umount "$1"
}

# busybox_image DIRECTORY: the tar of a root with busybox and nothing else, which is made in DIRECTORY.
busybox_image() {
  local applet root=$1
  rm -rf "$root"
  mkdir -p "$root"/{bin,tmp,etc,proc,data}
  cp /bin/busybox "$root/bin/"
  for applet in $(/bin/busybox --list | grep -vx busybox); do ln -sf busybox "$root/bin/$applet"; done
  tar -C "$root" -c .
}
