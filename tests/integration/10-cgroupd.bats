#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# cgroupd alone, driven by text lines: what it says is held against what the kernel shows.

. "$BATS_TEST_DIRNAME/../lib/cgroupd.sh"

@test "a group is made in every hierarchy, with the default of 2048 processes" {
	ask "cgroup_create container=c1"
	expect cgroup_created in_force.pids=2048
	[ "$(kernel c1 pids.max)" = 2048 ]
	[ "$(grep -o procs= <<<"$reply" | wc -l)" = "$(group_dirs c1 | wc -l)" ]
	# An empty one is what a crash left; one that somebody lives in is a container's.
	ask "cgroup_create container=c1"
	expect cgroup_created in_force.pids=2048
	sleep 60 3>&- &
	echo $! >"$(group_dirs c1 | grep -m 1 -E "/pids/|^/sys/fs/cgroup/$name/")/cgroup.procs"
	ask "cgroup_create container=c1"
	expect failed code=17
	kill $!
	wait $! || true
	ask "cgroup_remove container=c1"
	expect cgroup_state
	[ -z "$(group_dirs c1)" ]
}

@test "memory, swap and reservation are in force as asked" {
	ask "cgroup_create container=c1 limits.memory=134217728 limits.memory_swap=134217728 limits.memory_reservation=67108864"
	swap_accounting c1 || skip "this kernel doesn't account swap"
	expect in_force.memory=134217728 in_force.memory_swap=134217728 in_force.memory_reservation=67108864
	[ "$(kernel c1 memory.limit_in_bytes memory.max)" = 134217728 ]
	[ "$(kernel c1 memory.soft_limit_in_bytes memory.low)" = 67108864 ]
	case $(kernel c1 memory.memsw.limit_in_bytes memory.swap.max) in
	134217728|0) ;;
	*) false ;;
	esac
	ask "cgroup_create container=c2 limits.memory=134217728"
	expect in_force.memory_swap=268435456
	ask "cgroup_create container=c3 limits.memory=134217728 limits.memory_swap=-1"
	expect in_force.memory_swap=-1
	for c in c1 c2 c3; do ask "cgroup_remove container=$c"; expect cgroup_state; done
}

@test "cpus 2.5 and 0.05 read back exactly, in a later request, too" {
	local quota

	for quota in 250000 5000; do
		ask "cgroup_create container=c1 limits.cpu_quota=$quota limits.cpu_shares=512"
		expect in_force.cpu_quota=$quota in_force.cpu_period=100000 in_force.cpu_shares=512
		ask "cgroup_read container=c1"
		expect in_force.cpu_quota=$quota in_force.cpu_period=100000 in_force.cpu_shares=512
		[ "$(kernel c1 cpu.cfs_quota_us cpu.max | cut -d' ' -f1)" = $quota ]
		ask "cgroup_remove container=c1"
	done
}

@test "what can't be set fails with one sentence and leaves no group" {
	local limit

	for limit in cpuset_cpus=8191 cpuset_cpus=0- cpuset_mems=1023 memory=4096 memory_swap=67108864 \
			cpu_quota=999 cpu_period=10 cpu_shares=1 memory_swap=-2; do
		ask "cgroup_create container=c1 limits.$limit"
		expect failed
		[[ $reply =~ text=\"[^\"]{12,}\" ]]
		[ -z "$(group_dirs c1)" ]
	done
	for limit in "container=../x" "container=a/b" "container=-x" "container=a.b"; do
		ask "cgroup_create $limit"
		expect failed code=22
	done
}

@test "whether there are such limits is told as a creation would, and makes nothing" {
	local limit told

	for limit in cpuset_cpus=8191 cpuset_mems=1023 memory=4096; do
		ask "cgroup_check limits.$limit"
		expect failed code=22
		told=$reply
		ask "cgroup_create container=c1 limits.$limit"
		[ "$reply" = "$told" ]
	done
	ask "cgroup_check limits.cpuset_cpus=0 limits.cpuset_mems=0 limits.memory=33554432"
	expect "done"
	[ -z "$(group_dirs c1)" ]
}

@test "a process beyond the memory limit is killed, reported and counted; one below is not" {
	ask "cgroup_create container=c1 limits.memory=33554432 limits.memory_swap=33554432"
	swap_accounting c1 || skip "this kernel doesn't account swap"
	run inside c1 head -c 8m /dev/zero
	[ "$status" = 0 ]
	[ "$(grep -c cgroup_oom "$dir/out")" = 0 ]
	run inside c1 tail /dev/zero
	[ "$status" = 137 ]
	for _ in $(seq 3000); do
		grep -q '^cgroup_oom container=c1$' "$dir/out" && break
		sleep 0.02
	done
	[ "$(grep -c '^cgroup_oom container=c1$' "$dir/out")" = 1 ]
	ask "cgroup_read container=c1"
	expect oom_kills=1
	[[ $reply =~ memory_peak=([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" -le 33554432 ]
	[ "${BASH_REMATCH[1]}" -ge 30000000 ]
	ask "cgroup_remove container=c1"
	expect oom_kills=1
}

@test "no more processes than the pids limit" {
	ask "cgroup_create container=c1 limits.pids=5"
	expect in_force.pids=5
	run inside c1 bash -c 'for i in 1 2 3 4 5 6 7 8; do sleep 5 & done 2>&1; wait'
	[[ $output == *"Resource temporarily unavailable"* ]]
	ask "cgroup_remove container=c1"
	expect cgroup_state
}

@test "cpu time and cpusets hold for who is inside" {
	ask "cgroup_create container=c1 limits.cpu_quota=20000 limits.cpuset_cpus=0"
	expect in_force.cpuset_cpus=0
	run inside c1 grep Cpus_allowed_list /proc/self/status
	[[ $output =~ Cpus_allowed_list:[[:space:]]0$ ]]
	started=$(monotonic)
	run inside c1 timeout 1 bash -c 'while :; do :; done'
	took=$(($(monotonic) - started))
	ask "cgroup_remove container=c1"
	[[ $reply =~ cpu_ns=([0-9]+) ]]
	# A fifth of the time; without the limit it would be all but what bash takes to start.
	[ "${BASH_REMATCH[1]}" -lt $((took / 2 * 1000000)) ]
	[ "${BASH_REMATCH[1]}" -gt 20000000 ]
}

# runs_in_it PID PROGRAM: what `inside` has made is that by now, and in the group
runs_in_it()
{
	for _ in $(seq 3000); do
		[ "$(readlink "/proc/$1/exe")" = "$(readlink -f "$(type -P "$2")")" ] && return
		sleep 0.02
	done
	return 1
}

# Milliseconds.
monotonic()
{
	awk '{ print int($1 * 1000) }' /proc/uptime
}

ticks()
{
	awk '{ print $14 + $15 }' "/proc/$1/stat"
}

@test "a frozen group stands still until it is thawed, also by a later cgroupd, or by its removal" {
	ask "cgroup_create container=c1"
	inside c1 sh -c 'while :; do :; done' 3>&- &
	pids+=($!)
	runs_in_it $! sh
	ask "cgroup_freeze container=c1 frozen=true"
	expect "done"
	before=$(ticks "${pids[0]}")
	sleep 0.3
	[ "$(ticks "${pids[0]}")" = "$before" ]
	ask "cgroup_read container=c1"
	expect frozen=true
	daemon_stop
	daemon_start
	ask "cgroup_read container=c1"
	expect frozen=true
	ask "cgroup_freeze container=c1"
	expect "done"
	ask "cgroup_read container=c1"
	[[ "$reply" != *frozen* ]]
	for _ in $(seq 3000); do
		[ "$(ticks "${pids[0]}")" = "$before" ] || break
		sleep 0.02
	done
	[ "$(ticks "${pids[0]}")" -gt "$before" ]
	ask "cgroup_freeze container=c2 frozen=true"
	expect failed
	ask "cgroup_freeze container=c1 frozen=true"
	expect "done"
	kill -KILL "${pids[0]}"
	ask "cgroup_remove container=c1"
	expect cgroup_state
	[ -z "$(group_dirs c1)" ]
}

@test "removal waits for the last process, fails after a second, and can be repeated" {
	ask "cgroup_create container=c1"
	(inside c1 sleep 600) &
	pids+=($!)
	runs_in_it $! sleep
	ask "cgroup_remove container=c1"
	expect failed code=16
	[ "$(group_dirs c1 | wc -l)" -gt 0 ]
	# On a busy machine what is killed after a moment may end when the second is over: then once more.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		begun=$(monotonic)
		echo "cgroup_remove container=c1" >&7
		sleep 0.2
		kill -KILL "${pids[-1]}"
		wait "${pids[-1]}" || true
		took=$(($(monotonic) - begun))
		ask "cgroup_read container=nobody"
		asked=$((asked + 1))
		replies_wait
		[ $took -ge 900 ] && printf '%s\n' "${replies[@]: -2}" | grep -q 'code=16' || break
		(inside c1 sleep 600) &
		pids+=($!)
		runs_in_it $! sleep
	done
	printf '%s\n' "${replies[@]: -2}" | grep '^cgroup_state'
	[ -z "$(group_dirs c1)" ]
	ask "cgroup_remove container=c1"
	[ "$reply" = cgroup_state ]
	ask "cgroup_read container=c1"
	expect failed code=2
}

@test "limits of a group in use are set anew, all or none" {
	ask "cgroup_create container=c1 limits.memory=33554432 limits.pids=50 limits.cpu_quota=50000"
	expect cgroup_created
	ask "cgroup_limit container=c1 limits.memory=67108864 limits.pids=60 limits.cpu_quota=60000 limits.cpu_shares=512"
	expect cgroup_state in_force.memory=67108864 in_force.pids=60 in_force.cpu_quota=60000 in_force.cpu_shares=512
	[ "$(kernel c1 memory.limit_in_bytes memory.max)" = 67108864 ]
	[ "$(kernel c1 pids.max)" = 60 ]
	[[ "$(kernel c1 cpu.cfs_quota_us cpu.max)" =~ ^60000( 100000)?$ ]]
	[[ "$(kernel c1 cpu.shares cpu.weight)" =~ ^(512|59)$ ]]
	# The last that is written is of a disk that there is not.
	ask "cgroup_limit container=c1 limits.memory=134217728 limits.pids=70 limits.io.0.major=4095 limits.io.0.minor=77 limits.io.0.read_bps=4096"
	expect failed code=19
	[ "$(kernel c1 memory.limit_in_bytes memory.max)" = 67108864 ]
	[ "$(kernel c1 pids.max)" = 60 ]
	ask "cgroup_limit container=c1 limits.memory=67108865"
	expect failed code=22
	[[ "$reply" == *"memory limit of 67108865 bytes: the kernel can't hold that, the nearest it can is 67108864 bytes"* ]]
	# All is all: what isn't said ends.
	ask "cgroup_limit container=c1 limits.pids=60"
	expect cgroup_state in_force.pids=60
	[[ "$reply" != *in_force.memory* && "$reply" != *in_force.cpu* ]]
	[[ "$(kernel c1 cpu.cfs_quota_us cpu.max)" =~ ^(-1|max 100000)$ ]]
	[[ "$(kernel c1 memory.limit_in_bytes memory.max)" =~ ^(max|9[0-9]{18})$ ]]
	ask "cgroup_limit container=c2 limits.memory=67108864"
	expect failed code=2
	ask "cgroup_limit container=../x limits.memory=67108864"
	expect failed code=22
	ask "cgroup_remove container=c1"
}

@test "what a group uses is told, forks that its limit refused among it" {
	ask "cgroup_create container=c1 limits.memory=33554432 limits.pids=3"
	run inside c1 dd if=/dev/zero of=/dev/null bs=8M count=20
	[ "$status" = 0 ]
	# None of them ends before the last has been tried. A shell that can't fork ends, and they stay.
	run inside c1 sh -c 'for i in 1 2 3 4 5; do sleep 600 >/dev/null 2>&1 & done; wait'
	for _ in $(seq 3000); do
		members=$(for d in $(group_dirs c1); do cat "$d/cgroup.procs"; done | sort -u)
		[ -n "$members" ] || break
		# shellcheck disable=SC2086
		kill -KILL $members 2>/dev/null || true
		sleep 0.02
	done
	ask "cgroup_usage container=c1"
	echo "$reply"
	for word in cpu_ns memory_peak pids_hits taken_at; do
		[[ "$reply" =~ " usage.$word="([0-9]+) ]]
		[ "${BASH_REMATCH[1]}" -gt 0 ]
		[ $word != memory_peak ] || [ "${BASH_REMATCH[1]}" -ge $((8 << 20)) ]
	done
	expect in_force.memory=33554432 in_force.pids=3
	[ "$(kernel c1 pids.events | sed -n 's/^max //p')" -gt 0 ]
	ask "cgroup_usage container=c2"
	expect failed code=2
	ask "cgroup_remove container=c1"
	[[ "$reply" =~ " pids_hits="[1-9] ]]
}

@test "a restarted cgroupd finds the groups, watches and removes them" {
	ask "cgroup_create container=c1 limits.memory=33554432 limits.memory_swap=33554432 limits.pids=50"
	swap_accounting c1 || skip "this kernel doesn't account swap"
	kill -KILL "$daemon"
	wait "$daemon" || true
	daemon_start
	ask "cgroup_read container=c1"
	expect in_force.memory=33554432 in_force.pids=50
	run inside c1 tail /dev/zero
	[ "$status" = 137 ]
	ask "cgroup_remove container=c1"
	expect oom_kills=1
	[ "$(grep -c '^cgroup_oom container=c1$' "$dir/out")" = 1 ]
}

@test "it ends with SIGTERM, keeps groups of containers, and removes what is empty" {
	ask "cgroup_create container=c1"
	ask "cgroup_create container=left"
	sleep 600 3>&- &
	inside=$!
	pids+=($inside)
	echo $inside >"$(group_dirs c1 | grep -m 1 -E "/pids/|^/sys/fs/cgroup/$name/")/cgroup.procs"
	daemon_stop
	[ -n "$(group_dirs c1)" ]
	[ -n "$(group_dirs left)" ]
	daemon_start
	ask "cgroup_teardown"
	expect failed code=16
	[ -n "$(group_dirs c1)" ]
	[ -z "$(group_dirs left)" ]
	kill $inside
	wait $inside || true
	pids=()
	ask "cgroup_teardown"
	expect done
	[ -z "$(find /sys/fs/cgroup -name "$name")" ]
	ask "cgroup_teardown"
	expect done
	ask "cgroup_create container=c2"
	expect cgroup_created
	ask "cgroup_remove container=c2"
	daemon_stop
	[ -z "$(find /sys/fs/cgroup -name "$name")" ]
}

@test "two engines don't see each other's groups" {
	ask "cgroup_create container=c1"
	run bash -c "echo 'cgroup_read container=c1' | '$bin/cgroupd' --debug --name ${name}b"
	[[ $output == *"no cgroup of container c1"* ]]
	ask "cgroup_remove container=c1"
}

@test "it serves as uid 0 without any capability" {
	local f

	ask "cgroup_create container=c1"
	expect cgroup_created
	for f in CapInh CapPrm CapEff CapBnd CapAmb; do
		grep -q "^$f:[[:space:]]0000000000000000$" "/proc/$daemon/status"
	done
	grep -q '^NoNewPrivs:[[:space:]]1$' "/proc/$daemon/status"
	grep -q '^Uid:[[:space:]]0[[:space:]]0[[:space:]]0[[:space:]]0$' "/proc/$daemon/status"
	grep -q '^Groups:[[:space:]]*$' "/proc/$daemon/status"
	ask "cgroup_remove container=c1"
}

@test "while serving it opens nothing but files of its containers' groups" {
	type -P strace >/dev/null || skip "strace is not installed"
	daemon_stop
	daemon_start strace -f -o "$dir/trace" -e trace=%file,%process
	ask "cgroup_create container=c1 limits.memory=33554432 limits.cpu_quota=20000 limits.cpuset_cpus=0"
	expect cgroup_created
	ask "cgroup_read container=c1"
	ask "cgroup_create container=c2 limits.cpuset_cpus=8191"
	ask "cgroup_remove container=c1"
	ask "cgroup_remove container=c2"
	# From the first group on: every path is relative to a held directory; no execve, no fork.
	sed -n '/mkdirat([0-9]*, "c1"/,$p' "$dir/trace" | grep -v -e '^[0-9]* ---' -e '^[0-9]* +++' >"$dir/serving"
	[ "$(wc -l <"$dir/serving")" -gt 20 ]
	run grep -vE '^[0-9]+ +(openat|mkdirat|unlinkat|newfstatat)\([0-9]+, "(c[12]|c[12]/(\.\./)?[a-zA-Z0-9_.]+|cpuset\.(cpus|mems)(\.effective)?)",' "$dir/serving"
	echo "$output"
	[ "$status" = 1 ]
	kill -TERM "$(pgrep -P "$daemon")"
}

@test "it links nothing but what it needs" {
	run bash -c "readelf -d '$bin/cgroupd' | grep NEEDED | grep -vE 'libevent_core|libcap\.|libseccomp|libm\.|libc\.|ld-linux|libasan|libubsan'"
	echo "$output"
	[ -z "$output" ]
}
