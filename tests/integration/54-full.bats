# SPDX-License-Identifier: MIT
#
# Limits that have been reached: who is let in, who has to go, what is told of it; and cgroupd that doesn't answer.

bats_require_minimum_version 1.5.0

IMAGES="busybox"
. "$BATS_TEST_DIRNAME/../lib/containers.sh"

teardown()
{
	ctl ps -aq | xargs -r "$engine_bin/ctl" rm -f >/dev/null
	engine_unchanged
}

answers()
{
	ctl run --rm "$bb" true
}

# blamed CONTAINER: whether its end is, on the limit
blamed()
{
	[ "$(ctl inspect --format '{{.State.OOMKilled}}' "$1")" = true ]
}

@test "execs count: one may look into what is full, no more come in" {
	id=$(ctl run -d --pids-limit 3 "$bb" sleep 600)
	ctl exec -d "$id" sleep 601
	ctl exec -d "$id" sleep 602
	for _ in 1 2 3; do
		run ctl exec "$id" true
		[ "$status" = 1 ]
		[[ $output == "ctl: exec "*": container "*" has all the 3 processes that it may have, an exec's among them; try again when one has ended" ]]
	done
	[ "$(first_file "$id" pids pids.current)" = 3 ]
	# At the same time, too, when none of them is in yet.
	id=$(ctl run -d --pids-limit 10 "$bb" sleep 600)
	for _ in {1..25}; do
		ctl exec -d "$id" sleep 601 2>/dev/null 3>&- &
	done
	wait_until 20 eval '[ -z "$(jobs -rp)" ]'
	now=$(first_file "$id" pids pids.current)
	[ "$now" -gt 5 ]
	[ "$now" -le 10 ]
	# Its own processes fill this one.
	id=$(ctl run -d --pids-limit 3 "$bb" sh -c 'sleep 600 & sleep 601 & wait')
	wait_until 10 eval '[ "$(first_file "$id" pids pids.current)" = 3 ]'
	for _ in 1 2; do
		[ "$(ctl exec "$id" echo in)" = in ]
	done
	[[ $(ctl top "$id") == *"sleep 601"* ]]
}

# looks_into CONTAINER: the pid of a look from outside that goes on
looks_into()
{
	local id

	id=$(ctl inspect --format '{{.Id}}' "$1")
	grep -ls "$id" $(grep -lsx 'Name:.visit' /proc/[0-9]*/status | sed 's/status$/cgroup/') | sed -n 's/[^0-9]//g; 1p'
}

@test "where there is no memory left a look from outside goes first" {
	ctl run -d --name full -m 32m --oom-score-adj 300 "$bb" sleep 600
	mkfifo "$BATS_TEST_TMPDIR/unread"
	sleep 60 <"$BATS_TEST_TMPDIR/unread" 3>&- &
	reader=$!
	ctl export full >"$BATS_TEST_TMPDIR/unread" 3>&- &
	wait_until 20 eval '[ -n "$(looks_into full)" ]'
	[ "$(cat "/proc/$(looks_into full)/oom_score_adj")" = 1000 ]
	[ "$(cat "/proc/$(ctl inspect --format '{{.State.Pid}}' full)/oom_score_adj")" = 300 ]
	[ "$(ctl exec full cat /proc/self/oom_score_adj)" = 300 ]
	kill $reader
	wait || true
}

@test "SIGKILL of ours is not blamed on the limit, not right after a child was killed at it either" {
	for how in "kill" "stop -t 0"; do
		id=$(ctl run -d -m 32m --memory-swap 32m "$bb" sleep 600)
		run ctl exec "$id" tail /dev/zero
		[ "$status" = 137 ]
		# shellcheck disable=SC2086
		ctl $how "$id"
		[ "$(ctl wait "$id")" = 137 ]
		! blamed "$id" || false
		[ -z "$(ctl inspect --format '{{.State.Error}}' "$id")" ]
	done
	# Whom it can't be known of is not named.
	run ctl run --name told -m 32m --memory-swap 32m "$bb" sh -c 'tail /dev/zero; exit $?'
	[ "$status" = 137 ]
	blamed told
	[[ $(ctl inspect --format '{{.State.Error}}' told) == "out of memory: a process of it was killed at the memory limit of 33554432 bytes; "* ]]
	run ctl run --init --name init -m 32m --memory-swap 32m "$bb" tail /dev/zero
	[ "$status" = 137 ]
	blamed init
	[[ $(ctl inspect --format '{{.State.Error}}' init) == "out of memory: a process of it was killed "* ]]
}

@test "a new supervisor blames the limit for what is killed at it from then on, and for nothing else" {
	old=$(ctl run -d -m 32m --memory-swap 32m "$bb" sleep 600)
	run ctl exec "$old" tail /dev/zero
	hog=$(ctl run -d -m 32m --memory-swap 32m "$bb" sh -c 'while [ ! -e /go ]; do sleep 0.1; done; exec tail /dev/zero')
	kill -KILL "$(engine_process "supervisor --serve")"
	wait_until 20 answers
	# Somebody else's, which the engine is not told of.
	kill -KILL "$(ctl inspect --format '{{.State.Pid}}' "$old")"
	[ "$(ctl wait "$old")" = 137 ]
	! blamed "$old" || false
	ctl exec "$hog" touch /go
	[ "$(ctl wait "$hog")" = 137 ]
	blamed "$hog"
}

# has ID PIDS QUOTA: of processes and processor time, in the kernel and by inspect
has()
{
	[ "$(first_file "$1" pids pids.max) $(first_file "$1" cpu cpu.cfs_quota_us cpu.max | cut -d ' ' -f 1)" = "$2 $3" ] &&
		[ "$(ctl inspect --format '{{.HostConfig.PidsLimit}} {{.HostConfig.CpuQuota}}' "$1")" = "$2 $3" ]
}

@test "--cpus is one word: neither its period nor its quota changes alone" {
	id=$(ctl run -d --name half --pids-limit 65 --cpus 0.5 "$bb" sleep 600)
	for flag in "--cpu-period 10000" "--cpu-quota 200000"; do
		# shellcheck disable=SC2086
		run ctl update $flag --pids-limit 66 half
		[ "$status" = 1 ]
		[[ $output == *"its processors are limited by --cpus, which is quota and period: "* ]]
		has "$id" 65 50000
	done
	ctl update --cpus 0 half
	ctl update --cpu-quota 20000 half
	ctl update --cpu-period 50000 half
	has "$id" 65 20000
}

# unheard ID FLAG...: an update that has been asked of cgroupd, which stands still until it is continued; sets cgroupd and update
unheard()
{
	cgroupd=$(engine_process cgroupd)
	kill -STOP "$cgroupd"
	ctl update "${@:2}" "$1" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	update=$!
	sleep $((${TEST_PATIENCE:-1} > 1 ? 4 : 1)) # it has ten seconds
}

@test "an update that cgroupd doesn't answer is taken back, also when it obeys late, or dies of it" {
	id=$(ctl run -d --pids-limit 65 --cpus 0.5 "$bb" sleep 600)
	cgroupd=$(engine_process cgroupd)
	kill -STOP "$cgroupd"
	run ctl update --pids-limit 99 --cpus 0.9 "$id"
	[ "$status" = 1 ]
	[ "$output" = "ctl: update: no answer from cgroupd in time" ]
	run ctl update --pids-limit 70 "$id"
	[ "$status" = 1 ]
	[[ $output == *"is being updated" ]]
	kill -CONT "$cgroupd"
	wait_until 20 ctl update --pids-limit 64 "$id"
	has "$id" 64 50000
	unheard "$id" --pids-limit 99 --cpus 0.9
	kill -KILL "$cgroupd"
	! wait "$update" || false
	[ "$(cat "$BATS_TEST_TMPDIR/said")" = "ctl: update: the cgroupd process is gone" ]
	wait_until 20 ctl update --pids-limit 63 "$id"
	has "$id" 63 50000
}

@test "an update that cgroupd obeyed is taken back when the supervisor died before it knew, a cpuset too" {
	id=$(ctl run -d --pids-limit 65 --cpus 0.5 "$bb" sleep 600)
	cpus() { first_file "$1" cpuset cpuset.cpus.effective cpuset.cpus; }
	cpuset=$(cpus "$id")
	supervisor=$(engine_process "supervisor --serve")
	unheard "$id" --pids-limit 99 --cpuset-cpus 0
	kill -STOP "$supervisor"
	kill -CONT "$cgroupd"
	wait_until 10 eval '[ "$(first_file "$id" pids pids.max)/$(first_file "$id" cpuset cpuset.cpus)" = 99/0 ]'
	kill -KILL "$supervisor"
	! wait "$update" || false
	grep -q '^ctl: update: ' "$BATS_TEST_TMPDIR/said"
	wait_until 20 has "$id" 65 50000
	[ "$(cpus "$id")" = "$cpuset" ]
	# The record is rid of it.
	ctl update --pids-limit 64 "$id"
	kill -KILL "$(engine_process "supervisor --serve")"
	wait_until 20 ctl ps
	has "$id" 64 50000
}

@test "what a failed update let in by then is not killed for it: its limit stays, and others can be set" {
	id=$(ctl run -d --tmpfs /m:size=200m -m 48m --memory-swap 48m "$bb" sh -c 'trap "dd if=/dev/zero of=/m/x bs=1M count=80" USR1
		while :; do sleep 0.1; done')
	supervisor=$(engine_process "supervisor --serve")
	pid_of=$(ctl inspect --format '{{.State.Pid}}' "$id")
	unheard "$id" -m 160m --memory-swap 160m
	kill -STOP "$supervisor"
	kill -CONT "$cgroupd"
	wait_until 10 eval '[ "$(first_file "$id" memory memory.limit_in_bytes memory.max)" = $((160 << 20)) ]'
	kill -USR1 "$pid_of" # no engine to ask
	wait_until 30 eval '[ "$(first_file "$id" memory memory.usage_in_bytes memory.current)" -gt $((80 << 20)) ]'
	kill -KILL "$supervisor"
	! wait "$update" || false
	wait_until 20 grep -q "a failed update can't be taken back, its limits stay" "$ENGINE_LOG"
	wait_until 20 eval 'ctl update --restart no "$id"'
	[ "$(ctl inspect --format '{{.HostConfig.Memory}}' "$id")" = $((160 << 20)) ]
	ctl update --pids-limit 22 "$id"
	[ "$(ctl inspect --format '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.State.Status}}' "$id")" = "$((160 << 20)) 22 running" ]
	# Nor for one that succeeds.
	run ctl update -m 48m --memory-swap 48m "$id"
	[ "$status" = 1 ]
	[ "$output" = "ctl: update: memory limit: the container holds more than $((48 << 20)) by now" ]
	[ "$(ctl inspect --format '{{.HostConfig.Memory}} {{.State.OOMKilled}} {{.State.Status}}' "$id")" = "$((160 << 20)) false running" ]
	ctl exec "$id" rm /m/x
	ctl update -m 48m --memory-swap 48m "$id"
	[ "$(first_file "$id" memory memory.limit_in_bytes memory.max)" = $((48 << 20)) ]
}

@test "an update that can't be put on record is none, whatever cgroupd has done by then" {
	id=$(ctl create -m 64m --pids-limit 9 "$bb" sleep 600)
	dir=$ENGINE_STATE/containers/$id
	[ -d "$dir" ]
	chmod 500 "$dir"
	for flags in "-m 32m --pids-limit 5" "--restart always"; do
		run ctl update $flags "$id"
		[ "$status" = 1 ]
		[[ "$output" == "ctl: update: state of "*": permission denied" ]]
	done
	chmod 700 "$dir"
	is() { [ "$(ctl inspect --format '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}' "$id")" = "$1" ]; }
	is "$((64 << 20)) 9 no"
	ctl start "$id"
	unheard "$id" --pids-limit 6
	chmod 500 "$dir"
	kill -CONT "$cgroupd"
	! wait "$update" || false
	chmod 700 "$dir"
	[[ "$(cat "$BATS_TEST_TMPDIR/said")" == "ctl: update: state of "*": permission denied" ]]
	wait_until 20 is "$((64 << 20)) 9 no"
	[ "$(first_file "$id" pids pids.max)" = 9 ]
	out=$(ctl events --since 0 --until 0s --filter container="$id" --format '{{.Action}}')
	[[ "$out" == *start* && "$out" != *update* ]]
	ctl update --pids-limit 6 --restart always "$id"
	is "$((64 << 20)) 6 always"
}

@test "an update that a stop overtook is what inspect shows, and with much environment it fits the record" {
	long=$(head -c 50000 /dev/zero | tr '\0' x)
	for i in $(seq 32); do printf 'V%s=%s\n' "$i" "$long" >>"$BATS_TEST_TMPDIR/env$((i % 2))"; done
	id=$(ctl run -d -m 64m --env-file "$BATS_TEST_TMPDIR/env0" --env-file "$BATS_TEST_TMPDIR/env1" "$bb" sleep 600)
	pid=$(ctl inspect --format '{{.State.Pid}}' "$id")
	unheard "$id" -m 80m
	ctl stop -t 0 "$id" 3>&- &
	stop=$!
	wait_until 20 eval '[ ! -d "/proc/$pid" ]'
	kill -CONT "$cgroupd"
	# A machine so slow that it had no answer in time took nothing.
	wait "$update" && memory=80 || memory=64
	wait "$stop"
	[ "$memory" = 80 ] || grep -q "no answer" "$BATS_TEST_TMPDIR/said"
	[ "$(ctl inspect --format '{{.HostConfig.Memory}} {{.State.Status}}' "$id")" = "$((memory << 20)) exited" ]
}

@test "an update that a restart overtook is told so, and the record says what the new run has" {
	id=$(ctl run -d --restart always -m 64m "$bb" sleep 600)
	pid=$(ctl inspect --format '{{.State.Pid}}' "$id")
	unheard "$id" -m 80m
	kill -KILL "$pid"
	sleep 6.5 # its end waits five seconds for cgroupd, the update ten
	kill -CONT "$cgroupd"
	wait "$update" && status=0 || status=$?
	wait_until 20 eval '[ "$(ctl inspect --format "{{.State.Status}}" "$id")" = running ]'
	has=$(first_file "$id" memory memory.limit_in_bytes memory.max)
	[ "$(ctl inspect --format '{{.HostConfig.Memory}}' "$id")" = "$has" ]
	case $status in
	0) [ "$has" = $((80 << 20)) ] ;;
	*) [ "$has" = $((64 << 20)) ] && grep -qE 'was started meanwhile|no answer' "$BATS_TEST_TMPDIR/said" ;;
	esac
	ctl restart -t 0 "$id"
	[ "$(first_file "$id" memory memory.limit_in_bytes memory.max)" = "$has" ]
}
