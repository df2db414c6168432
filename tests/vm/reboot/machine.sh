# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# An engine whose state lies on the disk that outlives the machine. Sourced by the tests of each boot.

. "$BATS_TEST_DIRNAME/../../lib/engine.sh"
. "$BATS_TEST_DIRNAME/../../lib/policy.sh"

disk=/mnt/disk
port=18099
# All of its runs have left a line.
again='echo run >>/runs; exec sleep 100000'

# machine_up IMAGE: as after a boot: the disk, the engine, and a new registry with the image.
machine_up()
{
	mkdir -p "$disk" && mount -t ext4 "${VM_DISK:-/dev/vdd}" "$disk" || return 1
	engine_prepare "${VM_NAME:-bulkhead}" || return 1
	ENGINE_STATE=$disk/state
	engine_launch && engine_images "$1"
}

# machine_down: as whoever powers it off; containers go on until the engine ends them.
machine_down()
{
	engine_halt && umount "$disk"
}

# has_run CONTAINER TIMES: and no more often
has_run()
{
	[ "$(ctl exec "$1" cat /runs | wc -l)" = "$2" ]
}

# answers TIMES: the published port, and its container has run so often
answers()
{
	[ "$(curl -sf --max-time 20 "http://127.0.0.1:$port/runs" | wc -l)" = "$1" ]
}

# layer: the digest of the large one of the image that crawls in, without its kind
layer()
{
	skopeo inspect --tls-verify=false "docker://$REGISTRY/whiteouts" | jq -r '.Layers[0]' | cut -d: -f2
}

# kept: how much of it is on the disk
kept()
{
	stat -c %s "$ENGINE_STATE/images/partial/$1" 2>/dev/null || echo 0
}

# no_damage: that the log tells of
no_damage()
{
	! grep -iE 'damaged|cut off|forgotten' "$ENGINE_LOG"
}
