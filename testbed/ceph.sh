#!/usr/bin/env bash
# A real Ceph cluster with its S3 gateway, out of Debian's packages: one monitor, one OSD in memory, one radosgw.
#   ceph.sh up [SUITE]     prints `export` lines for the AWS tools; SUITE is sid (Ceph 20, the default), trixie (18) or
#                          bookworm (16). Each has its own ports, so they run one after the other or side by side.
#   ceph.sh down [SUITE]
# Keys: AKTEST/SKTEST owns the buckets, AKOTHER/SKOTHER may do nothing to them. Path style; make your own bucket. The
# OSD keeps every object in memory, about three bytes a byte. Tests find it by the file $TESTBED_DIR/ceph-SUITE/endpoint.
source "$(dirname "$0")/common.sh"
SUITE=${2:-sid}
case $SUITE in
  sid) SLOT=0 ;;
  trixie) SLOT=1 ;;
  bookworm) SLOT=2 ;;
  *) echo "unknown suite: $SUITE" >&2 && exit 2 ;;
esac
PORT=$((8480 + SLOT))
ROOT=$T/root-ceph-$SUITE
D=$T/ceph-$SUITE

stop_all() {
  local daemon
  rm -f "$D/endpoint"
  for daemon in rgw osd mon; do stop_pid "$D/run/$daemon.started"; done
  unbind "$ROOT$D"
  unbind "$ROOT/proc"
  unbind "$ROOT/dev"
}

say_how() {
  echo "export AWS_ENDPOINT_URL_S3=http://127.0.0.1:$PORT AWS_ACCESS_KEY_ID=AKTEST AWS_SECRET_ACCESS_KEY=SKTEST AWS_REGION=us-east-1"
}

case ${1:-up} in
  down) stop_all && exit 0 ;;
  up) ;;
  *) echo "usage: ceph.sh up|down [sid|trixie|bookworm]" >&2 && exit 2 ;;
esac
if [ -f "$D/endpoint" ] && pid_in "$D/run/rgw.started" >/dev/null; then
  say_how
  exit 0
fi

foreign_root "$ROOT" "$SUITE" radosgw ceph-mon ceph-osd ceph-common ceph-base busybox-static >&2
stop_all
rm -rf "$D"
mkdir -p "$D"/{mon,osd,rgw,run,log} "$ROOT$D"
bind /proc "$ROOT/proc"
bind /dev "$ROOT/dev"
bind "$D" "$ROOT$D"
trap 'code=$?; [ $code = 0 ] || { tail -20 "$D/log/up" >&2; stop_all; }; exit $code' EXIT
exec 3>&1 >"$D/log/up" 2>&1

export CEPH_CONF=$D/ceph.conf
cat >"$CEPH_CONF" <<CONF
[global]
keyring = $D/keyring
fsid = $(cat /proc/sys/kernel/random/uuid)
mon_initial_members = a
mon_host = [v2:127.0.0.1:$((13300 + SLOT)),v1:127.0.0.1:$((16789 + SLOT))]
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
run_dir = $D/run
admin_socket = $D/run/\$cluster-\$name.asok
pid_file = $D/run/\$name.pid
log_file = $D/log/\$name.log
ms_bind_ipv6 = false
public_network = 127.0.0.0/8
cluster_network = 127.0.0.0/8
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 2000
osd_objectstore = memstore
memstore_device_bytes = 8589934592
mon_data = $D/mon
osd_data = $D/osd
osd_class_load_list = *
osd_class_default_list = *
mon_warn_on_insecure_global_id_reclaim_allowed = false
auth_allow_insecure_global_id_reclaim = true
mon_pg_warn_min_per_osd = 0
mon_data_avail_crit = 1
mon_data_avail_warn = 2
setuser_match_path =
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:$PORT
rgw_data = $D/rgw
rgw_dns_name = localhost
rgw_enable_usage_log = false
rgw_relaxed_s3_bucket_names = true
CONF

inside() { chroot "$ROOT" "$@"; }
# start NAME COMMAND…: in the background, its pid noted; the caller's stdout is not inherited.
start() {
  chroot "$ROOT" "${@:2}" </dev/null 3>&- &
  note_pid "$D/run/$1.started" $!
}

key() { inside ceph-authtool "$D/keyring" --gen-key "$@"; }
inside ceph-authtool "$D/keyring" --create-keyring --gen-key -n mon. --cap mon 'allow *'
key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' --cap mgr 'allow profile osd'
key -n client.rgw --cap mon 'allow rw' --cap osd 'allow rwx'
FSID=$(awk '/^fsid/ { print $3 }' "$CEPH_CONF")
inside monmaptool --create --clobber --fsid "$FSID" \
  --addv a "[v2:127.0.0.1:$((13300 + SLOT)),v1:127.0.0.1:$((16789 + SLOT))]" "$D/monmap"
inside ceph-mon --mkfs -i a --monmap "$D/monmap" --keyring "$D/keyring"
start mon ceph-mon -i a -f
inside ceph -s --connect-timeout 60
inside ceph config set mon auth_allow_insecure_global_id_reclaim true || true

inside ceph osd create
inside ceph-osd -i 0 --mkfs --osd-uuid "$(cat /proc/sys/kernel/random/uuid)"
inside ceph osd crush add osd.0 1 root=default host=testbed || true
start osd ceph-osd -i 0 -f
osd_is_up() { inside ceph osd stat | grep -q '1 up'; }
wait_for 600 osd_is_up

start rgw radosgw -n client.rgw -f
wait_for 1200 curl -sS -o /dev/null "http://127.0.0.1:$PORT/"
add_user() {
  inside radosgw-admin -n client.rgw user create --uid="$1" --display-name="$1" --access-key="$2" --secret-key="$3"
}
add_user test AKTEST SKTEST
add_user other AKOTHER SKOTHER
echo "http://127.0.0.1:$PORT" >"$D/endpoint"
say_how >&3
