# SPDX-License-Identifier: MIT
#
# Limits: in force before the first instruction, read back from the kernel, refused when they can't be set.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

setup_file()
{
	engine_start && engine_images busybox debian && engine_picture
}

teardown_file()
{
	engine_stop
}

setup()
{
	bb=$REGISTRY/busybox
	deb=$REGISTRY/debian:12
}

teardown()
{
	engine_unchanged
}

# cgroup_file ID CONTROLLER FILE: prints the kernel's own word, wherever that controller is mounted.
cgroup_file()
{
	local dir

	for dir in "/sys/fs/cgroup/$2/$ENGINE_NAME/$1" "/sys/fs/cgroup/$ENGINE_NAME/$1" \
			"/sys/fs/cgroup/unified/$ENGINE_NAME/$1"; do
		if [ -e "$dir/$3" ]; then
			cat "$dir/$3"
			return
		fi
	done
	return 1
}

@test "200 MiB under 128 MiB is killed, and told as out of memory; 64 MiB is not" {
	hog='import sys; x = bytearray(int(sys.argv[1]) << 20); print(len(x) >> 20)'
	run ctl run --name hog -m 128m --memory-swap 128m "$deb" python3 -c "$hog" 200
	[ "$status" = 137 ]
	[ "$(ctl inspect --format '{{.State.OOMKilled}}' hog)" = true ]
	run ctl run --name fine -m 128m --memory-swap 128m "$deb" python3 -c "$hog" 64
	[ "$status" = 0 ]
	[ "${lines[-1]}" = 64 ]
	[ "$(ctl inspect --format '{{.State.OOMKilled}}' fine)" = false ]
	# It is told of the last run, and not of one before.
	ctl run -d --name again -m 32m --memory-swap 32m "$bb" sh -c '[ ! -e /been ] || exit 0; touch /been; tail /dev/zero'
	[ "$(ctl wait again)" = 137 ]
	[ "$(ctl inspect --format '{{.State.OOMKilled}}' again)" = true ]
	ctl start again
	[ "$(ctl wait again)" = 0 ]
	[ "$(ctl inspect --format '{{.State.OOMKilled}}' again)" = false ]
}

@test "--cpus reads back exactly" {
	for pair in 1:100000 0.05:5000 0.01:1000; do
		id=$(ctl run -d --cpus "${pair%:*}" "$bb" sleep 60)
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
	loop='import time
end = time.time() + 4
while time.time() < end: pass
print(int(time.process_time() * 1000))'
	ctl run -d --name shared --cpus 0.2 "$deb" sleep 60
	ctl exec shared python3 -c "$loop" >"$ENGINE_DIR/one" 3>&- &
	one=$!
	ctl exec shared python3 -c "$loop" >"$ENGINE_DIR/two"
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
	id=$(ctl create -m 64m --memory-swap 64m --pids-limit 7 "$bb" sleep 60)
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
	id=$(ctl run -d --cpuset-cpus 0 --cpu-shares 512 "$bb" sleep 60)
	[ "$(cgroup_file "$id" pids pids.max)" = 2048 ]
	[ "$(cgroup_file "$id" cpuset cpuset.cpus)" = 0 ]
	run ctl exec "$id" nproc
	[ "$output" = 1 ]
	shares=$(cgroup_file "$id" cpu cpu.shares || cgroup_file "$id" cpu cpu.weight)
	[ "$shares" = 512 ] || [ "$shares" = 59 ] # the one of v1, the other of v2
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

@test "no cgroup is left after containers" {
	ctl run --rm "$bb" true
	[ -z "$(find /sys/fs/cgroup -mindepth 3 -path "*/$ENGINE_NAME/*" -type d)" ]
}
