# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A disk of its own for an engine's state directory, to be filled up, made read-only, or cut off.
# Sourced behind engine.sh; between engine_prepare and engine_launch:
#
#	disk_make xfs 400M
#
# sets ENGINE_STATE to a directory on it.

# disk_make KIND SIZE [mkfs flags...]
disk_make()
{
	DISK=$ENGINE_DIR/disk
	DISK_AT=$ENGINE_DIR/mnt
	# The journal is written each second: what is in it is soon ahead of what is in the files.
	DISK_FLAGS=loop
	[ "$1" != ext4 ] || DISK_FLAGS=loop,commit=1
	ENGINE_STATE=$DISK_AT/state
	export DISK DISK_AT DISK_FLAGS ENGINE_STATE
	truncate -s "$2" "$DISK" && "mkfs.$1" -q "${@:3}" "$DISK" && mkdir "$DISK_AT" && disk_mount
}

disk_mount()
{
	mount -o "$DISK_FLAGS" "$DISK" "$DISK_AT"
}

# disk_umount: once nobody uses it, which containers that end do for a moment
disk_umount()
{
	wait_until 20 umount "$DISK_AT" && wait_until 20 eval "! losetup -n -O BACK-FILE | grep -qxF '$DISK'"
}

# engine_die: every process of the engine at once, as the power does. Stopped first: whoever is killed alone has an heir.
# Orphans are known by their uids alone.
engine_die()
{
	local all='' more base

	base=$(grep -lxF "$ENGINE_STATE" /run/bulkhead-uids/* 2>/dev/null)
	base=${base:+$((16#${base##*/}))}
	more=$(leaks_descendants "$ENGINE_PID")
	while [ "$more" != "$all" ]; do
		all=$more
		# shellcheck disable=SC2086
		kill -STOP $all 2>/dev/null
		more=$(leaks_descendants "$ENGINE_PID")
	done
	# shellcheck disable=SC2086
	kill -KILL $all 2>/dev/null
	wait "$ENGINE_PID" 2>/dev/null || true
	ENGINE_PID=
	[ -z "$base" ] || all+=" $(ps -eo pid=,uid= | awk -v base="$base" '$2 >= base && $2 < base + 2^27 { print $1 }')"
	# shellcheck disable=SC2086
	kill -KILL $all 2>/dev/null || true # perhaps all are gone by now
	# shellcheck disable=SC2086
	wait_until 10 engine_gone $all
}

# power_cut: and the machine comes back, without the engine
power_cut()
{
	"$engine_lib/cut.py" "$DISK_AT" && engine_die && disk_umount && disk_mount
}
