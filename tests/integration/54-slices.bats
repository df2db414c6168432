#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# --cgroup-parent: containers whose cgroups lie in a slice, alone and together.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/containers.sh"
. "$BATS_TEST_DIRNAME/../lib/family.sh"

teardown()
{
	ctl ps -aq | xargs -r timeout 60 "$engine_bin/ctl" rm -f >/dev/null 2>&1
	slice_remove own.slice/some
	slice_remove own.slice
	engine_unchanged
}

# slices: those of the engine that the kernel has, each once
slices()
{
	find /sys/fs/cgroup -path "*/$ENGINE_NAME/*.slice" -type d | sed "s|.*/$ENGINE_NAME/||" | sort -u | xargs
}

# slice_make NAME, slice_remove NAME: as somebody else does, in every hierarchy
slice_make()
{
	find /sys/fs/cgroup -name "$ENGINE_NAME" -type d -exec mkdir "{}/$1" \;
}

slice_remove()
{
	find /sys/fs/cgroup -path "*/$ENGINE_NAME/$1" -type d -exec rmdir {} +
}

# slice_limit NAME CONTROLLER FILE VALUE [FILE VALUE]: in the first of the files that there is
slice_limit()
{
	local dir
	local slice=$1 controller=$2

	shift 2
	while [ $# -gt 0 ]; do
		for dir in "/sys/fs/cgroup/$controller/$ENGINE_NAME" "/sys/fs/cgroup/$ENGINE_NAME"; do
			if [ -e "$dir/$slice/$1" ]; then
				echo "$2" >"$dir/$slice/$1"
				return
			fi
		done
		shift 2
	done
	return 1
}

@test "a container lies in its slice with its limits, through all that is done with it" {
	id=$(ctl run -d --name front --cgroup-parent web-front.slice -m 64m --pids-limit 9 "$bb" sleep 600)
	in=web.slice/web-front.slice/$id
	[ "$(host_config front CgroupParent)" = '"web-front.slice"' ]
	[ "$(first_file "$in" memory memory.limit_in_bytes memory.max)" = $((64 << 20)) ]
	[ "$(cgroup_file "$in" pids pids.max)" = 9 ]
	[ "$(host_config front Memory)" = $((64 << 20)) ]
	[ "$(slices)" = "web.slice web.slice/web-front.slice" ]
	# Told is what the kernel has, not what was asked for.
	echo 8 >"$(find /sys/fs/cgroup -path "*/$ENGINE_NAME/$in/pids.max")"
	[ "$(host_config front PidsLimit)" = 8 ]
	# All its processes are in it, those of exec too; none is elsewhere.
	ctl exec -d front sleep 601
	[ "$(cgroup_file "$in" pids cgroup.procs | wc -l)" = 2 ]
	cgroup_file "$in" pids cgroup.procs | grep -qx "$(workload_of front)"
	[ "$(ctl exec front cat /proc/1/cgroup | grep -c slice)" = 0 ]
	ctl pause front
	[ "$(ctl inspect --format '{{.State.Status}}' front)" = paused ]
	ctl unpause front
	ctl update -m 48m front
	[ "$(first_file "$in" memory memory.limit_in_bytes memory.max)" = $((48 << 20)) ]
	[ "$(ctl stats --no-stream --format json front | jq '.Usage.memory > 0')" = true ]
	[ "$(ctl top front | wc -l)" -ge 3 ]
	ctl restart -t 0 front
	[ "$(first_file "$in" memory memory.limit_in_bytes memory.max)" = $((48 << 20)) ]
	# One that asks for nothing lies beside.
	other=$(ctl run -d "$bb" sleep 600)
	[ -n "$(cgroup_file "$other" pids pids.max)" ]
	ctl stop -t 0 front
	[ -z "$(slices)" ]
	# Who looks at its files meanwhile has a group there, too.
	ctl cp front:/etc/passwd - >/dev/null
	[ -z "$(slices)" ]
	ctl start front
	[ "$(cgroup_file "$in" pids pids.max)" = 9 ]
	ctl rm -f front
	[ -z "$(slices)" ]
}

@test "the limits of somebody's slice hold for its containers together, and outlive them" {
	slice_make own.slice
	slice_limit own.slice memory memory.limit_in_bytes $((48 << 20)) memory.max $((48 << 20))
	slice_limit own.slice memory memory.memsw.limit_in_bytes $((48 << 20)) memory.swap.max 0 || true
	slice_limit own.slice pids pids.max 6
	run ctl run --name hog --cgroup-parent own.slice "$bb" tail /dev/zero
	[ "$status" = 137 ]
	[ "$(ctl inspect --format '{{.State.OOMKilled}}' hog)" = true ]
	why='^out of memory: its first process, [0-9]+, was killed in own.slice; the peak was [0-9]+ bytes$'
	[[ "$(ctl inspect --format '{{.State.Error}}' hog)" =~ $why ]]
	[[ "$(ctl events --since 0 --until 0s --filter container=hog --filter event=oom --format '{{.Action}}')" == oom* ]]
	# Also of one whose own limit is far away, and by its whole name.
	long=own-$(printf 'a%.0s' {1..54}).slice
	run ctl run --name far --cgroup-parent "$long" -m 96m "$bb" tail /dev/zero
	[ "$status" = 137 ]
	[[ "$(ctl inspect --format '{{.State.Error}}' far)" == *" was killed in $long; the peak was "* ]]
	run ctl run --name near --cgroup-parent own.slice -m 16m "$bb" tail /dev/zero
	[ "$status" = 137 ]
	[[ "$(ctl inspect --format '{{.State.Error}}' near)" == *" was killed at the memory limit of 16777216 bytes; "* ]]
	# stats shows the limit that is in force.
	ctl run -d --name wide --cgroup-parent own.slice -m 96m "$bb" sleep 600
	ctl run -d --name tight --cgroup-parent own.slice -m 16m "$bb" sleep 600
	[[ "$(ctl stats --no-stream --format '{{.Name}} {{.MemUsage}}' wide tight | sort)" =~ ^tight\ .*\ /\ 16MiB.wide\ .*\ /\ 48MiB$ ]]
	[ "$(ctl inspect --format '{{.HostConfig.Memory}}' wide)" = $((96 << 20)) ]
	ctl rm -f wide tight
	# Five processes of one and one of the other are six.
	ctl run -d --name five --cgroup-parent own.slice "$bb" sh -c 'for i in 1 2 3 4; do sleep 600 & done; wait'
	wait_until 10 sh -c "[ \$(cat $(find /sys/fs/cgroup -path "*/$ENGINE_NAME/own.slice/pids.current")) = 5 ]"
	ctl run -d --name one --cgroup-parent own.slice "$bb" sleep 600
	run ctl exec one sh -c 'sleep 5 & wait'
	[ "$status" != 0 ]
	[[ $output == *"can't fork"* ]]
	ctl exec one true
	ctl rm -f one five hog far near
	[ "$(slices)" = own.slice ]
}

@test "whoever dies, a container in a slice is found again, and its slice goes with it" {
	id=$(ctl run -d --name front --cgroup-parent web-front.slice --restart always -m 64m "$bb" sleep 600)
	in=web.slice/web-front.slice/$id
	for who in cgroupd supervisor; do
		if [ "$who" = supervisor ]; then
			# What stands still is asked of cgroupd by the next one.
			ctl pause front
			old=$(supervisor_pid)
			kill -KILL "$old"
			wait_until 20 sh -c "! kill -0 $old 2>/dev/null"
			wait_until 60 eval '[ "$(ctl inspect --format "{{.State.Status}}" front)" = paused ]'
			ctl unpause front
		else
			kill -KILL "$(helper_pid cgroupd)"
		fi
		wait_until 60 ctl stats --no-stream front
		ctl exec front true
		[ "$(first_file "$in" memory memory.limit_in_bytes memory.max)" = $((64 << 20)) ]
		ctl update --pids-limit 11 front
		[ "$(cgroup_file "$in" pids pids.max)" = 11 ]
		ctl update --pids-limit 12 front
	done
	# A group that is nobody's is removed, and its slices with it; one that we did not name is somebody's.
	slice_make own.slice && slice_make own.slice/some
	for base in $(find /sys/fs/cgroup -name "$ENGINE_NAME" -type d); do
		mkdir -p -m 1755 "$base/stray.slice" && mkdir "$base/stray.slice/$(printf 'd%.0s' {1..64})"
	done
	kill -KILL "$(helper_pid cgroupd)"
	gone()
	{
		[ "$(slices)" = "own.slice web.slice web.slice/web-front.slice" ]
	}
	wait_until 60 gone
	run -1 grep -q "$id is nobody's" "$ENGINE_LOG"
	[ -n "$(find /sys/fs/cgroup -path "*/$ENGINE_NAME/own.slice/some" -type d)" ]
	slice_remove own.slice/some
	slice_remove own.slice
	# This cgroupd has seen it, and would hold what it watched it with.
	kill -KILL "$(helper_pid cgroupd)"
	wait_until 60 ctl stats --no-stream front
	ctl rm -f front
	[ -z "$(slices)" ]
}

@test "what is no slice is refused by one sentence, and nothing is made" {
	for name in web /web web.slice/x ../web.slice .slice -web.slice web-.slice web--front.slice "we b.slice" a.b.slice \
			web.service "$(printf 'a-%.0s' {1..28})a.slice" web.slice.; do
		run -125 ctl create --name bad --cgroup-parent "$name" "$bb" true
		[ "${#lines[@]}" = 1 ]
		[[ $output == *"is no slice: letters, digits and _, with single dashes between, then .slice" ||
			$output == *"is nested too deep: its path is longer than 190" ]]
	done
	run -125 ctl create --cgroup-parent "$(printf 'a%.0s' {1..64}).slice" "$bb" true
	[ -z "$(slices)" ]
	[ -z "$(ctl ps -aq)" ]
	ctl run --rm --cgroup-parent "" "$bb" true
	ctl run --rm --cgroup-parent a-b-c-d-e-f.slice "$bb" true
	# What a failed start has made of it is gone.
	run -127 ctl run --rm --cgroup-parent web.slice "$bb" no-such-command
	[ -z "$(slices)" ]
}

@test "an engine that ends leaves somebody's slice, and complains of nothing" {
	rootfs=$BATS_TEST_TMPDIR/root # a copy: what is mounted over is made there
	cp -a "$(image_rootfs busybox)" "$rootfs"
	(
		engine_prepare && engine_launch
		slice_make own.slice
		ctl run --rm --cgroup-parent own.slice --rootfs "$rootfs" true
		ctl run -d --name in --cgroup-parent own-in.slice --rootfs "$rootfs" sleep 600
		[ "$(slices)" = "own.slice own.slice/own-in.slice" ]
		engine_halt
		[ "$(slices)" = own.slice ]
		run grep -E 'warning|error' "$ENGINE_LOG"
		[ -z "$output" ]
		grep -q "is still in use by somebody's slice: it stays" "$ENGINE_LOG"
		slice_remove own.slice
		find /sys/fs/cgroup -name "$ENGINE_NAME" -type d -exec rmdir {} +
		engine_stop
	)
}
