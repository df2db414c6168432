# SPDX-License-Identifier: MIT
#
# A shim dies, and so does its keeper before it has a keeper of its own: the container is joined again, or it has ended
# and that is told; either way nothing of it is left.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/containers.sh"
. "$BATS_TEST_DIRNAME/../lib/family.sh"

teardown()
{
	kill -CONT "$ENGINE_PID" ${supervisor:+"$supervisor"} 2>/dev/null || true
	engine_unchanged
}

link_gone()
{
	[ -z "$(ip -o link show type veth | grep -o "bh${1:0:10}")" ]
}

# orphan [COMMAND...]: a container in $id, of which $pid is the workload, $shim and $keeper what is to die, and the
# keeper is stopped, so that it can't take the place
orphan()
{
	[ $# -gt 0 ] || set -- sleep 300
	id=$(ctl run -d -p 127.0.0.1::80 "$bb" "$@")
	pid=$(workload_of "$id")
	shim=$(shim_of "$id")
	keeper=$(keeper_of "$shim")
	kill -STOP "$keeper"
}

# ended CODE: how the container has ended is told, and nothing of it is left
ended()
{
	[ "$(ctl wait "$id")" = "$1" ]
	[ "$(ctl inspect --format '{{.State.Running}}' "$id")" = false ]
	wait_until 60 engine_ended "$pid"
	wait_until 60 cgroup_gone "$id"
	wait_until 60 link_gone "$id"
	ctl rm "$id"
	[ ! -d "$ENGINE_STATE/rootfs/$id" ]
}

@test "the shim and then its keeper, before it has taken the place: the end is told, nothing is left" {
	orphan
	kill -KILL "$shim"
	wait_until 60 engine_gone "$shim"
	kill -KILL "$keeper"
	ended 255
}

@test "the keeper first, then the shim: the same" {
	orphan
	kill -KILL "$keeper"
	wait_until 60 engine_ended "$keeper"
	kill -KILL "$shim"
	ended 255
}

@test "a keeper that never comes is not waited for" {
	orphan
	kill -KILL "$shim"
	ended 255
}

@test "ended by itself between the two: the exit status is its own" {
	for order in before after; do
		orphan sh -c 'trap "exit 9" TERM; while :; do sleep 0.05; done'
		[ $order = after ] || kill -STOP "$shim"
		[ $order = before ] || kill -KILL "$shim"
		kill -TERM "$pid"
		wait_until 60 engine_ended "$pid"
		[ $order = after ] || kill -KILL "$shim"
		kill -KILL "$keeper"
		ended 9
	done
}

@test "shim, keeper and supervisor at once: nothing runs on unheard" {
	orphan
	kill -STOP "$shim" "$keeper"
	kill -KILL "$(supervisor_pid)" "$shim" "$keeper"
	wait_until 60 engine_answers
	ended 255
}

@test "the supervisor is away while nobody takes the place: nothing runs on unheard" {
	orphan
	kill -KILL "$(supervisor_pid)" "$shim"
	wait_until 60 engine_answers
	ended 255
}

@test "the supervisor is away while the keeper takes the place: the container goes on" {
	orphan
	kill -STOP "$ENGINE_PID"
	kill -KILL "$(supervisor_pid)" "$shim"
	kill -CONT "$ENGINE_PID" "$keeper"
	wait_until 60 engine_answers
	wait_until 60 ctl exec "$id" true
	[ "$(workload_of "$id")" = "$pid" ]
	ctl stop -t 0 "$id"
	ended 137
}

@test "the last words of a shim are still unread when its keeper has taken the place: the container goes on" {
	id=$(ctl run -d "$bb" sleep 300)
	pid=$(workload_of "$id")
	for i in $(seq 80); do
		ctl exec -d "$id" sleep 299
	done
	supervisor=$(supervisor_pid)
	shim=$(shim_of "$id")
	kill -STOP "$supervisor"
	pkill -KILL -P "$shim" -f '^sleep 299$'
	wait_until 60 eval "! pgrep -P $shim -f '^sleep 299$'"
	keeper=$(keeper_of "$shim")
	kill -KILL "$shim"
	wait_until 60 eval "[ -n \"\$(ps -o args= --ppid $keeper | grep '^shim: keeper')\" ]"
	# Two turns of the launcher: what is told late is told in another order, and tests nothing.
	sleep 0.2
	kill -CONT "$supervisor"
	wait_until 60 ctl exec "$id" true
	# Longer than anybody waits for an heir.
	sleep 7
	ctl exec "$id" true
	[ "$(workload_of "$id")" = "$pid" ]
	ctl stop -t 0 "$id"
	ended 137
}

@test "a keeper killed: its container is removed all the same, by hand or at its end" {
	for how in rm stop; do
		id=$(ctl run -d $([ $how = rm ] || echo --rm) "$bb" sleep 300)
		keeper=$(keeper_of "$(shim_of "$id")")
		kill -KILL "$keeper"
		wait_until 60 engine_gone "$keeper" # then its shim knows
		run ! ctl exec "$id" true
		[[ "$output" == *keeper* ]]
		[ $how = rm ] && ctl rm -f "$id" || ctl stop -t 0 "$id"
		[ $how = rm ] || wait_until 60 eval "! ctl inspect $id"
		[ ! -d "$ENGINE_STATE/rootfs/$id" ]
		[ ! -d "$ENGINE_STATE/containers/$id" ]
	done
}

@test "a standby whose keeper has died is nobody's shim" {
	wait_until 60 engine_idle
	for shim in $(pgrep -P "$ENGINE_PID" -f '^shim --uid'); do
		keeper=$(keeper_of "$shim")
		kill -KILL $keeper
		wait_until 60 engine_gone "$shim"
	done
	for i in 1 2 3 4; do
		id=$(ctl run -d "$bb" sleep 300)
		ctl exec "$id" true
	done
}

# new_supervisor OLD: prints the next one, stopped as early as it can be seen
new_supervisor()
{
	timeout 60 python3 -IS - "$ENGINE_PID" "$1" <<-'END'
		import os, signal, sys
		launcher, old = sys.argv[1:]
		while True:
		    for pid in open(f"/proc/{launcher}/task/{launcher}/children").read().split():
		        try:
		            if pid != old and b"\0--serve\0" in open(f"/proc/{pid}/cmdline", "rb").read():
		                os.kill(int(pid), signal.SIGSTOP)
		                print(pid)
		                sys.exit()
		        except OSError:
		            continue
	END
}

@test "a helper that dies while it is handed to a new supervisor: the next one is not lost" {
	for round in 1 2 3 4; do
		old=$(supervisor_pid)
		netd=$(ps -o pid=,args= --ppid "$ENGINE_PID" | awk '$2 == "netd" { print $1 }')
		new_supervisor "$old" >"$ENGINE_DIR/new" &
		kill -KILL "$old"
		wait $!
		supervisor=$(<"$ENGINE_DIR/new")
		kill -KILL "$netd"
		wait_until 60 engine_gone "$netd"
		kill -CONT "$supervisor"
		wait_until 60 engine_answers
		wait_until 60 ctl run --rm "$bb" true
		# Whoever had asked for it twice lost it with the answer to the second.
		sleep 1
		ctl run --rm "$bb" true
	done
}

# Orphans of the engine fall to a process that never reaps.
slow_init()
{
	python3 -IS - "$ENGINE_DIR" "$engine_bin/supervisor" --name "$ENGINE_NAME" --run-dir "$ENGINE_RUN" \
		--state-dir "$ENGINE_STATE" <<-'END' &
		import ctypes, subprocess, sys, time
		ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
		log = open(sys.argv[1] + "/log", "ab")
		p = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
		open(sys.argv[1] + "/launcher", "w").write(f"{p.pid}\n")
		time.sleep(600)
	END
	init=$!
	wait_until 60 grep -q . "$ENGINE_DIR/launcher" || return 1
	ENGINE_PID=$(<"$ENGINE_DIR/launcher")
	wait_until 60 engine_answers || ! tail -n 5 "$ENGINE_LOG"
}

# With an engine of its own, in a subshell: the file's is looked at afterwards.
strangers()
(
	set -e
	engine_prepare
	ENGINE_PID=
	# The dead that it has are reaped by this machine's init then.
	trap 'rc=$?; kill -KILL $init; engine_stop || rc=1; exit $rc' EXIT
	slow_init
	ctl pull -q "$bb"
	for round in joined lost; do
		id=$(ctl run -d "$bb" sleep 300)
		kill -KILL "$ENGINE_PID"
		wait_until 60 engine_ended "$ENGINE_PID"
		engine_launch
		pid=$(workload_of "$id")
		shim=$(shim_of "$id")
		keeper=$(keeper_of "$shim")
		if [ $round = lost ]; then
			kill -STOP "$keeper"
			kill -KILL "$shim"
			ended 255
			break
		fi
		# A dead one that nobody has reaped is not taken for the one that lives.
		kill -KILL "$shim"
		engine_zombie "$shim" || wait_until 60 engine_zombie "$shim"
		wait_until 60 ctl exec "$id" true
		kill -KILL "$(supervisor_pid)"
		wait_until 60 engine_answers
		wait_until 60 ctl exec "$id" true
		keeper=$(keeper_of "$keeper")
		kill -STOP "$keeper" # who sees the first die has an heir of its own at once
		kill -KILL "$(shim_of "$id" | grep -vx "$shim")" "$keeper"
		ended 255
	done
)

@test "shims that are not the launcher's children: the same, also where nobody reaps" {
	# Not by run, where set -e has no force.
	strangers
}

# With an engine of its own, which is told to end while its supervisor is dead, or dies of it.
end_without_supervisor()
(
	set -e
	engine_prepare
	ENGINE_PID=
	trap 'rc=$?; engine_stop || rc=1; exit $rc' EXIT
	engine_launch
	ctl pull -q "$bb"
	for when in before meanwhile; do
		id=$(ctl run -d -p 127.0.0.1::80 "$bb" sh -c 'trap "sleep 5; exit 7" TERM; while :; do sleep 0.05; done')
		pid=$(workload_of "$id")
		supervisor=$(supervisor_pid)
		if [ $when = before ]; then
			kill -STOP "$ENGINE_PID"
			kill -KILL "$supervisor"
			wait_until 60 engine_zombie "$supervisor"
			kill -TERM "$ENGINE_PID"
			kill -CONT "$ENGINE_PID"
		else
			kill -TERM "$ENGINE_PID"
			wait_until 60 pgrep -P "$pid" -xf "sleep 5"
			kill -KILL "$supervisor"
		fi
		wait_until 60 engine_ended "$ENGINE_PID"
		code=0
		wait "$ENGINE_PID" || code=$?
		ENGINE_PID=
		[ $code = 0 ]
		engine_ended "$pid"
		cgroup_gone "$id"
		link_gone "$id"
		LEAKS_SCOPE=$ENGINE_NAME leaks_diff "$ENGINE_DIR/before" 20
		engine_launch
		[ "$(ctl inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$id")" = 'exited 7' ]
		ctl rm "$id"
	done
)

@test "told to end while its supervisor is dead, or before it has ended: all is stopped, nothing is left" {
	# Not by run, where set -e has no force.
	end_without_supervisor
}
