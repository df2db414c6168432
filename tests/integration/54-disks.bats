# SPDX-License-Identifier: MIT
#
# What a container may do with a disk: rates and weights, read back from the kernel.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/containers.sh"

teardown()
{
	[ -z "${loop:-}" ] || losetup -d "$loop"
	engine_unchanged
}

# whole_disk: prints NAME MAJOR:MINOR of a disk that the kernel can limit.
whole_disk()
{
	local d

	for d in /sys/block/*; do
		case ${d##*/} in zram*|ram*|loop*) continue ;; esac
		echo "${d##*/} $(cat "$d/dev")"
		return
	done
	return 1
}

# loop_disk: makes $loop, a disk of the test's own, $node, a name for it, and $number; after the test it is gone
loop_disk()
{
	truncate -s 16M "$BATS_TEST_TMPDIR/image"
	loop=$(losetup --find --show "$BATS_TEST_TMPDIR/image") || return
	queue=/sys/block/${loop#/dev/}/queue/scheduler
	number=$(cat "/sys/block/${loop#/dev/}/dev")
	node=$BATS_TEST_TMPDIR/disk
	mknod "$node" b "${number%:*}" "${number#*:}"
}

# weights ID: what BFQ has of it, its own and those of single disks
weights()
{
	if on_v1; then
		cgroup_file "$1" blkio blkio.bfq.weight_device
	else
		cgroup_file "$1" io io.bfq.weight
	fi
}

@test "rates of a disk are the kernel's, are told with its path, and end with update" {
	read -r disk number <<<"$(whole_disk)" || skip "this machine has no disk"
	node=$BATS_TEST_TMPDIR/disk
	mknod "$node" b "${number%:*}" "${number#*:}"
	id=$(ctl run -d --device-read-bps "$node:1m" --device-write-iops "$node:100" "$bb" sleep 600)
	if on_v1; then
		[ "$(cgroup_file "$id" blkio blkio.throttle.read_bps_device)" = "$number 1048576" ]
		[ "$(cgroup_file "$id" blkio blkio.throttle.write_iops_device)" = "$number 100" ]
	else
		[ "$(cgroup_file "$id" blkio io.max)" = "$number rbps=1048576 wbps=max riops=max wiops=100" ]
	fi
	[ "$(host_config "$id" BlkioDeviceReadBps)" = "[{\"Path\":\"$node\",\"Rate\":1048576}]" ]
	[ "$(host_config "$id" 'BlkioDeviceWriteIOps[0].Rate')" = 100 ]
	[ "$(host_config "$id" BlkioDeviceWriteBps)" = "[]" ]
	ctl update --device-read-bps "$node:-1" --device-write-bps "$node:5m" "$id"
	[ "$(host_config "$id" BlkioDeviceReadBps)" = "[]" ]
	[ "$(host_config "$id" 'BlkioDeviceWriteBps[0].Rate')" = $((5 << 20)) ]
	[ "$(host_config "$id" 'BlkioDeviceWriteIOps[0].Rate')" = 100 ]
	part=$(ls -d "/sys/block/$disk/$disk"*/ 2>/dev/null | head -n 1)
	if [ -n "$part" ]; then
		mknod "$node.part" b "$(cut -d: -f1 "$part/dev")" "$(cut -d: -f2 "$part/dev")"
		run ctl update --device-read-bps "$node.part:1m" "$id"
		[ "$status" = 1 ]
		[[ "$output" == *"is a partition: the kernel limits whole disks, the nearest is /dev/$disk" ]]
	fi
	ctl rm -f "$id"
}

@test "a rate that was lifted asks no later start for its disk" {
	node=$BATS_TEST_TMPDIR/gone
	mknod "$node" b 4095 77
	run ctl run --rm --device-read-bps "$node:1m" "$bb" true
	[ "$status" = 125 ]
	[[ "$output" == *"4095:77"* ]]
	ctl run --rm --device-read-bps "$node:0" "$bb" true
	ctl create --name lifted --device-read-bps "$node:1m" --device-write-iops "$node:5" "$bb" true
	ctl update --device-read-bps "$node:-1" lifted
	run ctl start -a lifted
	[ "$status" = 125 ]
	ctl update --device-write-iops "$node:0" lifted
	ctl start -a lifted
	ctl rm lifted
}

@test "weights of a disk are BFQ's, are told with its path, and end with update" {
	loop_disk || skip "no loop device can be had here"
	echo bfq >"$queue" || skip "this kernel has no BFQ"
	id=$(ctl run -d --blkio-weight 200 --blkio-weight-device "$node:300" --device-read-bps "$node:1m" "$bb" sleep 600)
	[ "$(weights "$id")" = "default 200"$'\n'"$number 300" ]
	on_v1 || [ "$(cgroup_file "$id" io io.weight)" = "default 1920" ]
	[ "$(host_config "$id" BlkioWeight)" = 200 ]
	[ "$(host_config "$id" BlkioWeightDevice)" = "[{\"Path\":\"$node\",\"Weight\":300}]" ]
	ctl update --blkio-weight-device "$node:1000" "$id"
	[ "$(weights "$id")" = "default 200"$'\n'"$number 1000" ]
	ctl restart -t 0 "$id"
	[ "$(weights "$id")" = "default 200"$'\n'"$number 1000" ]
	ctl update --blkio-weight-device "$node:0" "$id"
	[ "$(weights "$id")" = "default 200" ]
	[ "$(host_config "$id" BlkioWeightDevice)" = "[]" ]
	[ "$(host_config "$id" 'BlkioDeviceReadBps[0].Rate')" = $((1 << 20)) ]
	# An update that fails half-way gives the disk back the weight that it had.
	ctl update --blkio-weight-device "$node:20" "$id"
	mknod "$node.gone" b 4095 77
	run ctl update --blkio-weight-device "$node:30" --device-read-bps "$node.gone:1m" "$id"
	[ "$status" = 1 ]
	[ "$(weights "$id")" = "default 200"$'\n'"$number 20" ]
	ctl rm -f "$id"
}

@test "a weight that a disk can't have is refused, and the nearest that it can is named" {
	loop_disk || skip "no loop device can be had here"
	echo none >"$queue"
	run ctl run --rm --blkio-weight-device "$node:300" "$bb" true
	[ "$status" = 125 ]
	[[ "$output" == *"$number 300 is of a disk whose scheduler has no weights, as bfq has" ||
		"$output" == *"this kernel weighs no I/O of single disks"* ]]
	while read -r words text; do
		run ctl run --rm --blkio-weight-device "$words" "$bb" true
		[ "$status" = 125 ]
		[ "${#lines[@]}" = 1 ]
		[[ "$output" == *"--blkio-weight-device"*"$text"* ]] || { echo "$words: $output"; false; }
	done <<-END
		$node:9 the nearest it can is 10
		$node:1001 the nearest it can is 1000
		$node:x "x" is no weight: 10 to 1000
		$node:-1 "-1" is no weight: 10 to 1000
		$node "$node" is no weight: /dev/DISK:N
		/dev/null:300 /dev/null is no disk
		/dev/nothing:300 /dev/nothing
	END
}
