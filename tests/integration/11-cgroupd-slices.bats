#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Groups that lie in slices, by cgroupd alone.

. "$BATS_TEST_DIRNAME/../lib/cgroup.sh"
. "$BATS_TEST_DIRNAME/../lib/cgroupd.sh"

# slices: those that the kernel has, from the engine's own on, each once
slices()
{
	find /sys/fs/cgroup -path "*/$name/*.slice" -type d | sed "s|.*/$name/||" | sort -u | xargs
}

# slice_make PATH [MODE]: as somebody else does, in every hierarchy
slice_make()
{
	local base

	for base in $(find /sys/fs/cgroup -name "$name" -type d); do
		mkdir "$base/$1"
		[ -z "${2:-}" ] || chmod "$2" "$base/$1"
	done
}

slice_remove()
{
	find /sys/fs/cgroup -path "*/$name/$1" -type d -exec rmdir {} +
}

# limit_set PATH FILE VALUE: where there is such a file
limit_set()
{
	local file

	file=$(find /sys/fs/cgroup -path "*/$name/$1/$2")
	[ -n "$file" ] && echo "$3" >"$file"
}

# oom_told ID: cgroupd has said that the kernel killed in it
oom_told()
{
	local i

	for ((i = 0; i < 600; i++)); do
		! grep -q "^cgroup_oom container=$1\$" "$dir/out" || return 0
		sleep 0.1
	done
	return 1
}

@test "a group is made in its slices in every hierarchy, and they go with their last" {
	ask "cgroup_create container=c0"
	hierarchies=$(group_dirs c0 | wc -l)
	ask "cgroup_create container=web.slice/web-front.slice/c1 limits.memory=33554432 limits.pids=7 limits.cpu_quota=20000"
	expect cgroup_created in_force.pids=7 in_force.memory=33554432 in_force.cpu_quota=20000
	ask "cgroup_create container=web.slice/c2"
	expect cgroup_created
	[ "$(group_dirs web.slice/web-front.slice/c1 | wc -l)" = "$hierarchies" ]
	[ "$(kernel web.slice/web-front.slice/c1 memory.limit_in_bytes memory.max)" = 33554432 ]
	[ "$(kernel web.slice/web-front.slice/c1 pids.max)" = 7 ]
	ask "cgroup_read container=web.slice/web-front.slice/c1"
	expect cgroup_state in_force.memory=33554432
	ask "cgroup_usage container=web.slice/c2"
	expect cgroup_usage_is
	ask "cgroup_list"
	expect cgroup_listed containers=c0 containers=web.slice/c2 containers=web.slice/web-front.slice/c1
	ask "cgroup_list after=web.slice/c2"
	expect containers=web.slice/web-front.slice/c1
	[[ $reply != *containers=c0* ]] && [[ $reply != *slice/c2* ]]
	# What a container makes in its own group is no group of ours.
	for d in $(group_dirs web.slice/c2); do
		mkdir -p "$d/in.slice/c9"
	done
	ask "cgroup_list"
	[[ $reply != *c9* ]]
	for d in $(group_dirs web.slice/c2); do
		rmdir "$d/in.slice/c9" "$d/in.slice"
	done
	ask "cgroup_remove container=web.slice/web-front.slice/c1"
	expect cgroup_state
	[ "$(slices)" = web.slice ]
	ask "cgroup_remove container=web.slice/c2"
	[ -z "$(slices)" ]
	ask "cgroup_remove container=c0"
	expect cgroup_state
}

@test "a slice of somebody's keeps its limits, which hold for all in it together" {
	ask "cgroup_create container=c0"
	slice_make web.slice
	limit_set web.slice memory.max 33554432 || limit_set web.slice memory.limit_in_bytes 33554432
	limit_set web.slice memory.swap.max 0 || limit_set web.slice memory.memsw.limit_in_bytes 33554432 || true
	ask "cgroup_create container=web.slice/c1"
	expect cgroup_created
	[[ $reply != *in_force.memory=* ]]
	( inside web.slice/c1 tail /dev/zero ) || true
	oom_told web.slice/c1
	ask "cgroup_remove container=web.slice/c1"
	expect cgroup_state
	[[ $reply =~ oom_kills=[1-9] ]]
	[ "$(slices)" = web.slice ]
	[ "$(kernel web.slice memory.max memory.limit_in_bytes)" = 33554432 ]
	ask "cgroup_remove container=c0"
	slice_remove web.slice
}

@test "in a slice with fewer processors, a group has those and can't ask for others" {
	[ "$(nproc)" -gt 1 ] || skip "this machine has one processor"
	ask "cgroup_create container=c0"
	slice_make few.slice
	limit_set few.slice cpuset.cpus 0
	ask "cgroup_create container=few.slice/c2 limits.cpuset_cpus=1"
	expect failed code=22
	[[ $reply == *"cpuset cpus 1: this slice has 0"* ]]
	[ -z "$(group_dirs few.slice/c2)" ]
	ask "cgroup_create container=few.slice/c2"
	expect cgroup_created
	[[ $reply != *in_force.cpuset_cpus* ]]
	( inside few.slice/c2 grep -q '^Cpus_allowed_list:[[:space:]]0$' /proc/self/status )
	ask "cgroup_create container=few.slice/c3 limits.cpuset_cpus=0"
	expect cgroup_created
	for c in few.slice/c2 few.slice/c3 c0; do ask "cgroup_remove container=$c"; expect cgroup_state; done
	slice_remove few.slice
}

@test "the next cgroupd finds what lies in slices, and drops those that a start has left empty" {
	ask "cgroup_create container=web.slice/web-front.slice/c1"
	ask "cgroup_create container=c0"
	slice_make kept.slice
	slice_make cut.slice 1755
	slice_make cut.slice/cut-deep.slice 1755
	slice_make kept.slice/kept-cut.slice 1755
	kill -KILL "$daemon"
	wait "$daemon" 2>/dev/null || true
	daemon_stop
	daemon_start
	ask "cgroup_list"
	expect containers=c0 containers=web.slice/web-front.slice/c1
	[ "$(slices)" = "kept.slice web.slice web.slice/web-front.slice" ]
	limit_set web.slice/web-front.slice/c1 memory.max 16777216 ||
		limit_set web.slice/web-front.slice/c1 memory.limit_in_bytes 16777216
	limit_set web.slice/web-front.slice/c1 memory.swap.max 0 ||
		limit_set web.slice/web-front.slice/c1 memory.memsw.limit_in_bytes 16777216 || true
	( inside web.slice/web-front.slice/c1 tail /dev/zero ) || true
	oom_told web.slice/web-front.slice/c1
	ask "cgroup_remove container=web.slice/web-front.slice/c1"
	expect cgroup_state
	[ "$(slices)" = kept.slice ]
	ask "cgroup_remove container=c0"
	# It goes down and leaves what somebody else has made there.
	daemon_stop
	[ "$(slices)" = kept.slice ]
	find /sys/fs/cgroup -depth -path "*/$name*" -type d -exec rmdir {} +
}

@test "a slice that held something else when its last group went goes once it is empty" {
	for by in list stop; do
		ask "cgroup_create container=web.slice/web-front.slice/c1"
		expect cgroup_created
		for d in $(group_dirs web.slice); do
			mkdir "$d/some.scope"
		done
		ask "cgroup_remove container=web.slice/web-front.slice/c1"
		expect cgroup_state
		[ "$(slices)" = web.slice ]
		ask "cgroup_list"
		[ "$(slices)" = web.slice ]
		for d in $(group_dirs web.slice); do
			rmdir "$d/some.scope"
		done
		[ "$by" = stop ] || ask "cgroup_list"
		[ "$by" = stop ] || [ -z "$(slices)" ]
	done
	daemon_stop
	[ -z "$(find /sys/fs/cgroup -name "$name")" ]
}

@test "a failure in a slice leaves neither group nor slice" {
	ask "cgroup_create container=web.slice/c1 limits.cpuset_cpus=8191"
	expect failed
	[ -z "$(slices)" ]
	ask "cgroup_create container=web.slice/c1"
	expect cgroup_created
	ask "cgroup_create container=web.slice/c2 limits.cpuset_cpus=8191"
	expect failed
	[ "$(slices)" = web.slice ]
	ask "cgroup_remove container=web.slice/c1"
	[ -z "$(slices)" ]
}

@test "a slice that is older than cgroupd, and has no processors yet, is as usable as another" {
	daemon_stop
	[ -z "$(find /sys/fs/cgroup -name "$name")" ]
	for c in cpuset memory; do
		mkdir -p "$(cgroup_at "$c")/$name/old.slice/old-er.slice"
	done
	daemon_start
	ask "cgroup_create container=old.slice/old-er.slice/c1"
	expect cgroup_created
	( inside old.slice/old-er.slice/c1 true )
	ask "cgroup_remove container=old.slice/old-er.slice/c1"
	expect cgroup_state
	[ "$(slices)" = "old.slice old.slice/old-er.slice" ]
	slice_remove old.slice/old-er.slice
	slice_remove old.slice
}

@test "nothing is made in a slice that stands still" {
	ask "cgroup_create container=c0"
	slice_make own.slice
	limit_set own.slice freezer.state FROZEN || limit_set own.slice cgroup.freeze 1
	ask "cgroup_create container=own.slice/own-in.slice/c1"
	expect failed code=16
	[[ $reply == *"a cgroup above it is frozen"* ]]
	[ "$(slices)" = own.slice ]
	limit_set own.slice freezer.state THAWED || limit_set own.slice cgroup.freeze 0
	ask "cgroup_create container=own.slice/own-in.slice/c1"
	expect cgroup_created
	for c in own.slice/own-in.slice/c1 c0; do ask "cgroup_remove container=$c"; expect cgroup_state; done
	slice_remove own.slice
}

@test "what is no name of a slice is refused, and nothing is made" {
	long=$(printf 'a%.0s' {1..58}).slice
	for id in ../c1 web.slice/../c1 web/c1 .slice/c1 web.slice/ /c1 web.slice//c1 web.slice/c.1 web.slice ./c1 \
			web.slice/./c1 -a.slice/c1 web.slic/c1 "web.slice/-c1" "$long/$long/$long/$long/c1"; do
		for m in cgroup_create cgroup_read cgroup_remove cgroup_usage cgroup_freeze; do
			ask "$m container=$id"
			[[ $reply == failed* ]]
		done
	done
	[ -z "$(find /sys/fs/cgroup -path "*/$name/*" -type d)" ]
	ask "cgroup_create container=$long/$long/$long/c1"
	expect cgroup_created
	ask "cgroup_remove container=$long/$long/$long/c1"
	expect cgroup_state
}
