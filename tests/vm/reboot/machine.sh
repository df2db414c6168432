# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# An engine whose state lies on the disk that outlives the machine. Sourced by the tests of each boot.

. /src/tests/lib/engine.sh

disk=/mnt/disk

# machine_up: as after a boot: the disk, the engine, and new registries, that know nothing of the ones before.
machine_up()
{
	mkdir -p "$disk" && mount -t ext4 /dev/vdd "$disk" || return 1
	engine_prepare bulkhead || return 1
	ENGINE_STATE=$disk/state
	engine_launch && engine_images busybox whiteouts && fault_registry_start "$ENGINE_DIR/fault" "$REGISTRY"
}

# state CONTAINER FIELD
state()
{
	ctl inspect --format "{{.$2}}" "$1"
}

is()
{
	[ "$(state "$1" "$2")" = "$3" ]
}

# layer: the digest of the large one of the image that crawls in, without its kind
layer()
{
	skopeo inspect --tls-verify=false "docker://$REGISTRY/whiteouts" | jq -r '.Layers[0]' | cut -d: -f2
}

# kept: how much of it is on the disk
kept()
{
	stat -c %s "$ENGINE_STATE/images/partial/$(layer)" 2>/dev/null || echo 0
}
