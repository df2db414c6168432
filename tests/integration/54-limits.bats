# SPDX-License-Identifier: MIT
#
# Limits: in force before the first instruction, read back from the kernel, refused when they can't be set.

# How a CPU is shared out says nothing where others share it.
# alone

bats_require_minimum_version 1.5.0

IMAGES="busybox debian"
. "$BATS_TEST_DIRNAME/../lib/containers.sh"

setup()
{
	bb=$REGISTRY/busybox
	deb=$REGISTRY/debian:12
}

@test "200 MiB under 128 MiB is killed, and told as out of memory; 64 MiB is not" {
	hog='import sys; x = bytearray(int(sys.argv[1]) << 20); print(len(x) >> 20)'
	run ctl run --name hog -m 128m --memory-swap 128m "$deb" python3 -c "$hog" 200
	[ "$status" = 137 ]
	[ "$(ctl inspect --format '{{.State.OOMKilled}}' hog)" = true ]
	why='^out of memory: its first process, [0-9]+, was killed at the memory limit of 134217728 bytes; the peak was ([0-9]+) bytes$'
	[[ "$(ctl inspect --format '{{.State.Error}}' hog)" =~ $why ]]
	[ "${BASH_REMATCH[1]}" -gt $((120 << 20)) ]
	[ "${BASH_REMATCH[1]}" -le $((128 << 20)) ]
	[ "${BASH_REMATCH[1]}" = "$(ctl inspect --format '{{.State.MemoryPeak}}' hog)" ]
	run ctl run --name fine -m 128m --memory-swap 128m "$deb" python3 -c "$hog" 64
	[ "$status" = 0 ]
	[ "${lines[-1]}" = 64 ]
	[ "$(ctl inspect --format '{{.State.OOMKilled}}' fine)" = false ]
	[ -z "$(ctl inspect --format '{{.State.Error}}' fine)" ]
	# It is told of the last run, and not of one before.
	ctl run -d --name again -m 32m --memory-swap 32m "$bb" sh -c '[ ! -e /been ] || exit 0; touch /been; tail /dev/zero'
	[ "$(ctl wait again)" = 137 ]
	[ "$(ctl inspect --format '{{.State.OOMKilled}}' again)" = true ]
	ctl start again
	[ "$(ctl wait again)" = 0 ]
	[ "$(ctl inspect --format '{{.State.OOMKilled}}' again)" = false ]
}

@test "somebody's SIGKILL is not blamed on the limit for a child that was killed long before" {
	id=$(ctl run -d -m 32m --memory-swap 32m "$bb" sh -c 'tail /dev/zero; echo "$?"; exec sleep 600')
	wait_until 30 eval '[ "$(ctl logs "$id" 2>/dev/null | tail -n 1)" = 137 ]'
	sleep 11
	ctl kill "$id"
	[ "$(ctl wait "$id")" = 137 ]
	[ "$(ctl events --until 0s --filter "container=$id" | grep -c ' container oom ')" = 1 ]
	[ "$(ctl inspect --format '{{.State.OOMKilled}}' "$id")" = false ]
	[ -z "$(ctl inspect --format '{{.State.Error}}' "$id")" ]
	ctl rm "$id"
}

@test "--cpus reads back exactly" {
	for pair in 1:100000 0.05:5000 0.01:1000; do
		id=$(ctl run -d --cpus "${pair%:*}" "$bb" sleep 600)
		quota=$(cgroup_file "$id" cpu cpu.cfs_quota_us || cgroup_file "$id" cpu cpu.max | cut -d' ' -f1)
		[ "$quota" = "${pair#*:}" ]
		[ "$(ctl inspect "$id" | jq '.[0].HostConfig | [.CpuQuota, .CpuPeriod] | join("/")' -r)" = "$quota/100000" ] ||
			[ "$(ctl inspect "$id" | jq '.[0].HostConfig.NanoCpus')" = $((quota * 10000)) ]
		ctl rm -f "$id"
	done
	run ctl run --rm --cpus 0.005 "$bb" true
	[ "$status" = 125 ]
	run ctl run --rm --cpus 8192 "$bb" true
	[ "$status" = 125 ]
	[[ "$output" == *"--cpus 8192: this host has $(getconf _NPROCESSORS_ONLN), the nearest is $(getconf _NPROCESSORS_ONLN)" ]]
}

@test "two loops, one by exec, share --cpus 0.2" {
	# From when both are there: to start may take longer than that.
	loop='import os, sys, time
open("/" + sys.argv[1], "w")
while not (os.path.exists("/one") and os.path.exists("/two")): time.sleep(0.02)
wall, cpu = time.monotonic(), time.process_time()
while time.monotonic() < wall + 4: pass
print(int((time.process_time() - cpu) * 1000))'
	ctl run -d --name shared --cpus 0.2 "$deb" sleep 600
	ctl exec shared python3 -c "$loop" one >"$ENGINE_DIR/one" 3>&- &
	one=$!
	ctl exec shared python3 -c "$loop" two >"$ENGINE_DIR/two"
	wait $one
	sum=$(($(cat "$ENGINE_DIR/one") + $(cat "$ENGINE_DIR/two")))
	echo "cpu ms: $(cat "$ENGINE_DIR/one") and $(cat "$ENGINE_DIR/two")"
	# 0.2 of 4 s is 800 ms, half of it for each; half as much again would be another limit.
	[ "$sum" -gt 300 ]
	[ "$sum" -lt 1200 ]
	[ "$(cat "$ENGINE_DIR/one")" -gt $((sum / 4)) ]
	[ "$(cat "$ENGINE_DIR/two")" -gt $((sum / 4)) ]
}

@test "the limit holds before the first instruction" {
	run ctl run --rm -m 64m --memory-swap 64m --pids-limit 7 "$bb" cat /proc/self/cgroup
	[ "$status" = 0 ]
	[[ "$output" == *:/* ]]
	[[ "$output" != *"$ENGINE_NAME"* ]]
	id=$(ctl create -m 64m --memory-swap 64m --pids-limit 7 "$bb" sleep 600)
	ctl start "$id"
	[ "$(cgroup_file "$id" pids pids.max)" = 7 ]
	limit=$(cgroup_file "$id" memory memory.limit_in_bytes || cgroup_file "$id" memory memory.max)
	[ "$limit" = $((64 << 20)) ]
	for f in memory pids; do
		grep -q "$f.*$ENGINE_NAME/$id\|^0::.*$ENGINE_NAME/$id" \
			"/proc/$(ctl inspect --format '{{.State.Pid}}' "$id")/cgroup"
	done
}

@test "2048 pids unless told otherwise; cpuset; shares" {
	id=$(ctl run -d --cpuset-cpus 0 --cpu-shares 512 "$bb" sleep 600)
	[ "$(cgroup_file "$id" pids pids.max)" = 2048 ]
	[ "$(cgroup_file "$id" cpuset cpuset.cpus)" = 0 ]
	run ctl exec "$id" nproc
	[ "$output" = 1 ]
	shares=$(cgroup_file "$id" cpu cpu.shares || cgroup_file "$id" cpu cpu.weight)
	[ "$shares" = 512 ] || [ "$shares" = 59 ] # the one of v1, the other of v2
}

@test "reservation, swappiness and I/O weight are read back, or refused by a sentence that says why" {
	id=$(ctl run -d -m 64m --memory-reservation 32m "$bb" sleep 600)
	[ "$(first_file "$id" memory memory.soft_limit_in_bytes memory.low)" = $((32 << 20)) ]
	[ "$(host_config "$id" MemoryReservation)" = $((32 << 20)) ]
	[ "$(host_config "$id" MemorySwappiness)" = null ]
	run ctl run -d --name calm --memory-swappiness 0 "$bb" sleep 600
	if on_v1; then
		[ "$status" = 0 ]
		[ "$(cgroup_file "$output" memory memory.swappiness)" = 0 ]
		[ "$(host_config calm MemorySwappiness)" = 0 ]
	else
		[ "$status" = 125 ]
		[[ "$output" == *"cgroup v2 has no swappiness; a memory-swap equal to the memory limit keeps it out of swap" ]]
	fi
	run ctl run -d --name heavy --blkio-weight 500 "$bb" sleep 600
	if [ "$status" = 0 ]; then
		weight=$(first_file "$output" blkio blkio.weight blkio.bfq.weight io.weight io.bfq.weight | head -n 1)
		[ "${weight#default }" = 500 ] || [ "$weight" = "default 4950" ]
		[ "$(host_config heavy BlkioWeight)" = 500 ]
	else
		[[ "$output" == *"this kernel weighs no I/O"* ]]
	fi
	for flags in "--blkio-weight 9" "--memory-swappiness 101" "--device-read-bps /dev/null:1m" \
			"--device-read-bps /dev/nothing:1m" "--device-write-iops /dev/null:-2" "--cpuset-mems 4000"; do
		# shellcheck disable=SC2086
		run ctl run --rm $flags "$bb" true
		echo "$flags: $output"
		[ "$status" = 125 ]
		[ "${#lines[@]}" = 1 ]
	done
	ctl rm -f $(ctl ps -aq)
}

@test "update holds at once, stays over a restart, and what fails changes nothing" {
	id=$(ctl run -d --name up -m 64m --memory-swap 64m --pids-limit 7 --cpus 0.5 "$bb" sleep 600)
	run ctl update -m 128m up
	[ "$status" = 1 ]
	[[ "$output" == *"update it at the same time" ]]
	run ctl update -m 128m --memory-swap 192m --pids-limit 9 --cpus 0.25 -c 512 --cpuset-cpus 0 up
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = up ]
	for again in 1 2; do
		[ "$(first_file "$id" memory memory.limit_in_bytes memory.max)" = $((128 << 20)) ]
		[ "$(first_file "$id" pids pids.max)" = 9 ]
		[ "$(first_file "$id" cpu cpu.cfs_quota_us cpu.max | cut -d ' ' -f 1)" = 25000 ]
		[ "$(first_file "$id" cpuset cpuset.cpus)" = 0 ]
		[ "$(host_config up MemorySwap)" = $((192 << 20)) ]
		[ "$(host_config up PidsLimit)" = 9 ]
		[ "$(host_config up CpuShares)" = 512 ]
		# It is refused in the end, when memory and processes have been set already.
		run ctl update -m 256m --memory-swap -1 --pids-limit 11 --cpuset-cpus 4000 up
		[ "$status" = 1 ]
		[ "${#lines[@]}" = 1 ]
		[ "$again" = 2 ] || ctl restart -t 0 up
	done
	ctl update --pids-limit -1 --cpu-quota -1 up
	[ "$(first_file "$id" pids pids.max)" = max ]
	[ "$(host_config up CpuQuota)" = 0 ]
	# Of what doesn't run, the record alone.
	ctl stop -t 0 up
	ctl update -m 32m --memory-swap 32m --restart on-failure:3 up
	run ctl update --memory-swap 16m --restart no up
	[ "$status" = 1 ]
	[[ "$output" == *"can't be below the memory limit" ]]
	[ "$(host_config up Memory)" = $((32 << 20)) ]
	[ "$(host_config up RestartPolicy)" = '{"Name":"on-failure","MaximumRetryCount":3}' ]
	ctl start up
	[ "$(first_file "$id" memory memory.limit_in_bytes memory.max)" = $((32 << 20)) ]
	run ctl update up
	[ "$status" = 1 ]
	run ctl update -m 32m nobody
	[ "$status" = 1 ]
	ctl rm -f up
}

@test "a limit of 0 is none, as docker has it" {
	id=$(ctl run -d --name zero -m 0 --memory-reservation 0 --memory-swap 0 --cpu-shares 0 --cpus 0 --cpu-quota 0 \
		--cpu-period 0 --pids-limit 0 --blkio-weight 0 --memory-swappiness -1 --cpuset-cpus "" --cpuset-mems "" \
		"$bb" sleep 600)
	limit=$(first_file "$id" memory memory.limit_in_bytes memory.max)
	[ "$limit" = max ] || [ "$limit" -gt $((1 << 60)) ]
	[[ "$(first_file "$id" cpu cpu.cfs_quota_us cpu.max)" =~ ^(-1|max 100000)$ ]]
	[[ "$(first_file "$id" cpu cpu.shares cpu.weight)" =~ ^(1024|100)$ ]]
	[ "$(cgroup_file "$id" pids pids.max)" = max ]
	ctl inspect zero | jq -e '.[0].HostConfig | [.Memory, .MemorySwap, .MemoryReservation, .CpuShares, .CpuQuota, .BlkioWeight] | unique == [0]'
	ctl rm -f zero
	run ctl create -m 0 --memory-swap 64m "$bb" true
	[ "$status" = 125 ]
	[[ "$output" == *"--memory-swap needs --memory" ]]
}

@test "update takes limits away again, at once and for good" {
	id=$(ctl run -d --name free -m 64m --memory-swap 96m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 \
		--pids-limit 7 "$bb" sleep 600)
	ctl update --memory-swap -1 free
	[ "$(host_config free MemorySwap)" = -1 ]
	[[ "$(first_file "$id" memory memory.memsw.limit_in_bytes memory.swap.max)" =~ ^(max|9[0-9]{18})$ ]]
	[ "$(first_file "$id" memory memory.limit_in_bytes memory.max)" = $((64 << 20)) ]
	ctl update --memory-swap 96m free
	# Not without the memory limit that it is the total with.
	run ctl update -m -1 --memory-swap 128m free
	[ "$status" = 1 ]
	[[ "$output" == *"memory-swap needs a memory limit beside it" ]]
	[ "$(host_config free Memory)" = $((64 << 20)) ]
	ctl update -m -1 --cpus 0 --cpu-shares 0 --pids-limit -1 free
	for again in 1 2; do
		[[ "$(first_file "$id" memory memory.limit_in_bytes memory.max)" =~ ^(max|9[0-9]{18})$ ]]
		[[ "$(first_file "$id" memory memory.memsw.limit_in_bytes memory.swap.max)" =~ ^(max|9[0-9]{18})$ ]]
		[ "$(first_file "$id" memory memory.soft_limit_in_bytes memory.low)" = $((32 << 20)) ]
		[[ "$(first_file "$id" cpu cpu.cfs_quota_us cpu.max)" =~ ^(-1|max 100000)$ ]]
		[[ "$(first_file "$id" cpu cpu.shares cpu.weight)" =~ ^(1024|100)$ ]]
		[ "$(cgroup_file "$id" pids pids.max)" = max ]
		ctl inspect free | jq -e '.[0].HostConfig | [.Memory, .MemorySwap, .NanoCpus, .CpuShares, .PidsLimit] == [0, 0, 0, 0, -1]'
		[ "$again" = 2 ] || ctl restart -t 0 free
	done
	ctl update --memory-reservation 0 free
	[[ "$(first_file "$id" memory memory.soft_limit_in_bytes memory.low)" =~ ^(0|9[0-9]{18})$ ]]
	ctl update -m 32m free
	[ "$(first_file "$id" memory memory.limit_in_bytes memory.max)" = $((32 << 20)) ]
	[ "$(host_config free MemorySwap)" = $((64 << 20)) ]
	ctl rm -f free
}

@test "processors and nodes that there are not are refused by create and update, not by start" {
	for flags in "--cpuset-cpus 4000" "--cpuset-mems 900"; do
		# shellcheck disable=SC2086
		run ctl create --name nowhere $flags "$bb" true
		echo "$flags: $output"
		[ "$status" = 125 ]
		[ "${#lines[@]}" = 1 ]
		words=${flags#--}
		[[ "$output" == "ctl: create nowhere: limits: ${words/-/ }: this host has 0"* ]]
	done
	run ctl inspect nowhere
	[ "$status" = 1 ]
	ctl create --name somewhere --cpuset-cpus 0 --cpuset-mems 0 "$bb" true
	run ctl update --cpuset-cpus 4000 somewhere
	[ "$status" = 1 ]
	[ "${#lines[@]}" = 1 ]
	[[ "$output" == *": cpuset cpus 4000: this host has 0"* ]]
	ctl update --cpuset-mems 0 --pids-limit 9 somewhere
	[ "$(host_config somewhere PidsLimit)" = 9 ]
	[ "$(host_config somewhere CpusetCpus)" = '"0"' ]
	ctl start -a somewhere
	ctl rm somewhere
}

@test "a limit that can't be set fails the run and leaves nothing" {
	for flags in "--cpuset-cpus 4000" "-m 1k" "--memory-swap 64m" "-m 64m --memory-swap 32m" "--cpus 0.001" \
			"--cpus 1 --cpu-quota 5000" "--pids-limit x" "--cpu-period 1" "-m 10000001"; do
		# shellcheck disable=SC2086
		run ctl run --rm $flags "$bb" true
		echo "$flags: $output"
		[ "$status" = 125 ]
		[ "${#lines[@]}" = 1 ]
	done
	[ -z "$(ctl ps -aq)" ]
	[ -z "$(find /sys/fs/cgroup -mindepth 3 -path "*/$ENGINE_NAME/*" -type d)" ]
}

@test "forks that the pids limit refuses are counted by inspect, while it runs and afterwards" {
	ctl run -d --name forks --pids-limit 5 "$bb" sh -c 'for i in 1 2 3 4 5 6 7; do sleep 600 & done; sleep 600'
	hits() { [ "$(ctl inspect --format '{{.State.PidsLimitHits}}' forks)" -gt 0 ]; }
	wait_until 60 hits
	ctl stop -t 0 forks
	hits
	ctl start forks
	ctl rm -f forks
	ctl run -d --name few --pids-limit 5 "$bb" sleep 600
	[ "$(ctl inspect --format '{{.State.PidsLimitHits}}' few)" = 0 ]
	ctl rm -f few
}

@test "stats tell processor time, memory, processes, disk and network, in a table and as JSON" {
	ctl run -d --name busy -m 64m "$bb" sh -c 'while :; do :; done'
	ctl run -d --name idle -m 64m "$bb" sh -c 'dd if=/dev/zero of=/dev/shm/x bs=1M count=8; sleep 600'
	filled() { [ "$(ctl exec idle stat -c %s /dev/shm/x)" = $((8 << 20)) ]; }
	wait_until 60 filled
	ctl exec idle nc -w 5 "$(ctl inspect busy | jq -r '.[0].NetworkSettings.IPAddress')" 9 </dev/null || true # refused
	run --separate-stderr ctl stats --no-stream
	echo "$output"
	[ "$status" = 0 ]
	[ "${#lines[@]}" = 3 ]
	[[ "${lines[0]}" =~ ^"CONTAINER ID"\ +NAME\ +"CPU %"\ +"MEM USAGE / LIMIT"\ +"MEM %"\ +"NET I/O"\ +"BLOCK I/O"\ +PIDS$ ]]
	[[ "$output" == *"/ 64MiB"* ]]
	json=$(ctl stats --no-stream --format json busy idle | jq -cs .)
	echo "$json"
	[ "$(jq -r '.[0].Name + " " + .[1].Name' <<<"$json")" = "busy idle" ]
	jq -e '.[0].CPUPerc | rtrimstr("%") | tonumber > 0' <<<"$json"
	jq -e '.[1].CPUPerc | rtrimstr("%") | tonumber < 50' <<<"$json"
	jq -e ".[1].Usage | .memory >= $((8 << 20)) and .memory_limit == $((64 << 20)) and .pids == 1 and .pids_hits == 0
		and .memory_peak >= .memory - .memory_cache and .received_bytes > 50 and .sent_bytes > 50" <<<"$json"
	if on_v1; then
		jq -e '.[1].Usage.pressure == null' <<<"$json"
	else
		jq -e '.[1].Usage.pressure | .cpu >= 0 and .memory >= 0 and .io >= 0' <<<"$json"
	fi
	# The kernel's own word.
	cpu=$(first_file "$(ctl inspect --format '{{.Id}}' busy)" cpuacct cpuacct.usage cpu.stat | head -n 1 | tr -dc 0-9)
	on_v1 || cpu=$((cpu * 1000))
	jq -e ".[0].Usage.cpu_ns <= $cpu and .[0].Usage.cpu_ns > 0" <<<"$json"
	ctl stop -t 0 idle
	[ "$(ctl stats --no-stream --format '{{.Name}}')" = busy ]
	[[ "$(ctl stats --no-stream --format '')" == "CONTAINER ID "* ]]
	[ "$(ctl stats --no-stream -a --format '{{.Name}} {{.PIDs}}' | sort)" = $'busy 1\nidle --' ]
	run ctl stats --no-stream nobody
	[ "$status" = 1 ]
	[[ "$output" == *"no such container: nobody" ]]
	# As a stream it goes on until it is ended.
	timeout 120 "$engine_bin/ctl" stats --format '{{.Name}}' >"$ENGINE_DIR/stream" 3>&- &
	stream=$!
	often() { [ "$(grep -c busy "$ENGINE_DIR/stream")" -ge 3 ]; }
	wait_until 60 often
	kill $stream
	wait $stream || true
	ctl rm -f busy idle
}

@test "stats of a name stay with its container: another whose id begins so is none of it" {
	id=$(ctl create --name other "$bb" true)
	ctl run -d --name "${id:0:5}" "$bb" sleep 600
	timeout 120 "$engine_bin/ctl" stats --format '{{.Name}}' "${id:0:5}" >"$ENGINE_DIR/stream" 2>&1 3>&- &
	stream=$!
	begun() { [ -s "$ENGINE_DIR/stream" ]; }
	wait_until 60 begun
	ctl rm -f "${id:0:5}"
	wait $stream && return 1
	cat "$ENGINE_DIR/stream"
	[ "$(tail -n 1 "$ENGINE_DIR/stream")" = "ctl: stats: no such container: ${id:0:5}" ]
	run ! grep -x other "$ENGINE_DIR/stream"
	ctl rm other
}

# What cgroupd takes of the processor for one reading, by its own clock.
@test "a reading of stats takes cgroupd less than a millisecond" {
	[ "${TEST_PATIENCE:-1}" = 1 ] || skip "an emulated processor's time says nothing"
	ctl run -d --name one "$bb" sleep 600
	pid=$(pgrep -P "$ENGINE_PID" -x cgroupd)
	before=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
	for i in $(seq 20); do
		ctl stats --no-stream --format '{{.Name}}' one one one one one one one one one one >/dev/null &
	done
	wait
	after=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
	echo "400 readings took $((after - before)) ticks of $(getconf CLK_TCK) a second"
	[ $(((after - before) * 1000 / $(getconf CLK_TCK))) -lt 400 ]
	ctl rm -f one
}

@test "no cgroup is left after containers" {
	ctl run --rm "$bb" true
	[ -z "$(find /sys/fs/cgroup -mindepth 3 -path "*/$ENGINE_NAME/*" -type d)" ]
}
