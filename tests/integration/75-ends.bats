# SPDX-License-Identifier: MIT
#
# Ends that do not come: what ignores signals, waits in the kernel, is frozen, or has a stuck helper.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/containers.sh"
. "$BATS_TEST_DIRNAME/../lib/policy.sh"

# What a test that failed has stopped or frozen goes on, or nothing could be taken down.
teardown()
{
	local pid state

	for pid in $(leaks_descendants "$ENGINE_PID"); do
		kill -CONT "$pid" 2>/dev/null || true
	done
	[ -z "${hung:-}" ] || kill "$hung" 2>/dev/null || true
	for state in "/sys/fs/cgroup/freezer/$ENGINE_NAME"{,/*}/freezer.state; do
		[ ! -e "$state" ] || echo THAWED >"$state"
	done
	engine_unchanged
}

deaf='trap "" HUP INT QUIT TERM USR1 USR2 PIPE ALRM; echo ready; while :; do sleep 0.05; done'

now_ms()
{
	awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime
}

# took FROM TO COMMAND...: it succeeds, within so many ms
took()
{
	local from=$1 to=$2 start ms

	shift 2
	start=$(now_ms)
	"$@" || return 1
	ms=$(($(now_ms) - start))
	echo "$* took $ms ms"
	[ $ms -ge "$from" ] && [ $ms -le "$to" ]
}

@test "a first process that ignores everything ends when its time is over, however that was said" {
	ctl run -d --name deaf "$bb" sh -c "$deaf"
	wait_until 5 eval '[ "$(ctl logs deaf)" = ready ]'
	ctl kill -s TERM deaf
	ctl kill -s INT deaf
	sleep 0.3
	is deaf State.Status running
	took 1000 9500 ctl stop -t 1 deaf
	[ "$(ctl wait deaf)" = 137 ]
	ctl start deaf
	took 0 9500 ctl stop -t 0 deaf
	ctl run -d --name early --stop-timeout 1 "$bb" sh -c "$deaf"
	took 1000 9500 ctl stop early
	ctl run -d --name waits "$bb" sh -c "$deaf"
	"$engine_bin/ctl" stop -t -1 waits 3>&- &
	sleep 1
	is waits State.Status running
	took 0 9500 ctl stop -t 0 waits # the later word holds, for both
	wait $!
	ctl run -d --name removed --init "$bb" sh -c "$deaf"
	took 0 9500 ctl rm -f removed
	ctl run -d --name again "$bb" sh -c "$deaf"
	took 1000 10000 ctl restart -t 1 again
	is again State.Status running
}

# hang DIR: mounts what nobody answers for, there
hang()
{
	[ -c /dev/fuse ] || skip "this host has no /dev/fuse"
	mkdir "$1"
	python3 "$BATS_TEST_DIRNAME/../lib/fuse_hang.py" "$1" >"$1.log" 2>&1 3>&- &
	hung=$!
	wait_until 5 grep -q " $1 " /proc/self/mountinfo || { cat "$1.log"; return 1; }
}

unhang()
{
	kill "$hung"
	wait "$hung" || true
	rmdir "$1"
}

# stuck_in CONTAINER DIR: a process of the container's that waits for it in the kernel
stuck_in()
{
	local id

	id=$(state "$1" Id)
	(
		for d in $(find /sys/fs/cgroup -path "*/$ENGINE_NAME/$id" -type d); do
			echo "$BASHPID" >"$d/cgroup.procs"
		done
		exec nsenter -t "$(state "$1" State.Pid)" -p stat "$2/x"
	) >/dev/null 2>&1 3>&- &
	wait_until 5 grep -q taken "$2.log"
}

# Whatever is stuck, others are served: ps in milliseconds, runs and removals as ever.
serves_others()
{
	local start i n=20

	start=$(now_ms)
	for i in $(seq $n); do
		CTL_TIMEOUT=8 ctl ps -a >/dev/null || return 1
	done
	echo "# ps: $((($(now_ms) - start) / n)) ms each, with starting ctl" >&3
	ctl run --rm "$bb" true
}

@test "a workload that waits in the kernel: rm -f and stop come back and say so, and work later" {
	hang "$ENGINE_DIR/hang"
	ctl run -d --name stuck --restart always "$bb" sleep 300
	ctl run -d --name other "$bb" sleep 300
	stuck_in stuck "$ENGINE_DIR/hang"
	CTL_TIMEOUT=58 took 5000 55000 run -1 --separate-stderr ctl rm -f stuck
	echo "$stderr"
	[[ "$stderr" == "ctl: rm: container stuck: its processes can't be killed: "[1-9]*" of them wait in the kernel, "*"; try again later" ]]
	[ "${#stderr_lines[@]}" = 1 ]
	serves_others
	is stuck State.Status running
	"$engine_bin/ctl" stop -t 0 stuck >"$ENGINE_DIR/said" 2>&1 3>&- &
	stopper=$!
	serves_others
	CTL_TIMEOUT=8 ctl exec other true
	! wait $stopper || false
	[[ "$(cat "$ENGINE_DIR/said")" == *"can't be killed"*"try again later" ]]
	unhang "$ENGINE_DIR/hang"
	wait_until 10 is stuck State.Status exited # by somebody's will: its policy rests
	[ "$(state stuck State.ExitCode)" = 137 ]
	ctl rm -f stuck
	run -1 ctl inspect stuck
}

@test "a stop that would wait longer does not make rm -f wait, nor lets what is to be killed go on" {
	hang "$ENGINE_DIR/hang"
	ctl run -d --name stuck "$bb" sleep 300
	stuck_in stuck "$ENGINE_DIR/hang"
	CTL_TIMEOUT=90 ctl rm -f stuck >"$ENGINE_DIR/said" 2>&1 &
	remover=$!
	sleep 2 # nothing shows that it has been heard
	CTL_TIMEOUT=58 took 4000 55000 run -1 ctl stop -t 60 stuck
	[[ "$output" == *"can't be killed"*"try again later" ]]
	! wait $remover || false
	[[ "$(cat "$ENGINE_DIR/said")" == *"can't be killed"*"try again later" ]]
	unhang "$ENGINE_DIR/hang"
	wait_until 10 is stuck State.Status exited
	ctl rm stuck
}

@test "a process that can't stand still: pause says so, and the container goes on" {
	hang "$ENGINE_DIR/hang"
	counter --name busy
	stuck_in busy "$ENGINE_DIR/hang"
	# a signal makes it wait for good, as a freezer's does
	CTL_TIMEOUT=58 run -1 --separate-stderr ctl pause busy
	echo "$stderr"
	[[ "$stderr" == "ctl: pause: container busy can't be paused: a process of it waits in the kernel"* ]]
	is busy State.Status running
	moves busy
	unhang "$ENGINE_DIR/hang"
	ctl pause busy
	ctl rm -f busy
}

@test "cgroupd stopped: a paused container can't be killed, which is told; another is removed; later both are" {
	cgroupd=$(helper_pid cgroupd)
	id=$(ctl run -d --name paused "$bb" sleep 300)
	ctl run -d --name other "$bb" sleep 300
	ctl pause paused
	kill -STOP "$cgroupd"
	CTL_TIMEOUT=58 took 0 55000 run --separate-stderr ctl rm -f paused
	echo "$stderr"
	# In v2 SIGKILL ends what is frozen, too.
	if [ -e "/sys/fs/cgroup/freezer/$ENGINE_NAME" ]; then
		[ "$status" = 1 ]
		[[ "$stderr" == *"container paused: its processes can't be killed: it is paused, and to let it go on failed: no answer from cgroupd in time; try again later" ]]
	else
		[ "$status" = 0 ]
	fi
	start=$(now_ms)
	for i in $(seq 20); do
		CTL_TIMEOUT=8 ctl ps -a >/dev/null
	done
	echo "# ps: $((($(now_ms) - start) / 20)) ms each, with starting ctl" >&3
	took 0 8000 ctl inspect other >/dev/null
	is other State.Status running
	CTL_TIMEOUT=58 took 0 55000 ctl rm -f other
	kill -CONT "$cgroupd"
	ctl rm -f paused
	run -1 ctl inspect paused
	wait_until 40 eval "[ -z \"\$(find /sys/fs/cgroup -path '*/$ENGINE_NAME/*' -type d)\" ]"
}

@test "what somebody froze from above does not die, which is told" {
	above=/sys/fs/cgroup/freezer/$ENGINE_NAME/freezer.state
	[ -e "$above" ] || skip "no freezer of cgroup v1 here: in v2 SIGKILL ends what is frozen"
	ctl run -d --name frozen "$bb" sleep 300
	echo FROZEN >"$above"
	CTL_TIMEOUT=58 took 0 55000 run -1 --separate-stderr ctl rm -f frozen
	echo "$stderr"
	[[ "$stderr" == *"container frozen: its processes can't be killed: they are frozen, and do not thaw; try again later" ]]
	echo THAWED >"$above"
	wait_until 5 is frozen State.Status exited
	ctl rm frozen
}

@test "a shim that is stopped does not keep its container: rm -f and stop end both" {
	for verb in "rm -f" "stop -t 0"; do
		ctl run -d --name held "$bb" sleep 300
		pid=$(state held State.Pid)
		kill -STOP "$(shim_of held)"
		# shellcheck disable=SC2086
		CTL_TIMEOUT=58 took 0 55000 ctl $verb held
		wait_until 5 engine_gone "$pid"
		ctl rm -f held 2>/dev/null
	done
}

# keeper_of CONTAINER
keeper_of()
{
	ps -o pid=,args= --ppid "$(shim_of "$1")" | awk '$2 == "shim:" { print $1 }'
}

@test "a keeper that is stopped cleans nothing up: rm -f says so, and works the next time" {
	ctl run -d --name held "$bb" sh -c 'echo x >/file; sleep 300'
	uids=$(stat -c %u "/proc/$(shim_of held)")
	kill -STOP "$(keeper_of held)"
	CTL_TIMEOUT=60 took 0 45000 run -1 --separate-stderr ctl rm -f held
	echo "$stderr"
	[[ "$stderr" == "ctl: rm: "*"files: no answer from shim in time"* ]]
	[ "${#stderr_lines[@]}" = 1 ]
	wait_until 10 eval "! pgrep -u $uids" # what is stuck is no longer there
	is held State.Status exited
	took 0 15000 ctl rm -f held
	run -1 ctl inspect held
}

@test "a great many directories are removed in slices, while the engine serves others" {
	ctl run --name many "$bb" sh -c 'mkdir /d && cd /d && seq 20000 | xargs mkdir'
	start=$(now_ms)
	ctl rm many 3>&- &
	for i in 1 2 3; do
		CTL_TIMEOUT=8 ctl ps -a >/dev/null
	done
	wait $!
	echo "# 20,000 directories: $(($(now_ms) - start)) ms" >&3
	run -1 ctl inspect many
}

@test "a removal that failed is over: who starts the container again keeps it, and its policy" {
	ctl run -d --name kept --restart always "$bb" sh -c 'touch /file; trap "exit 3" TERM; while :; do sleep 0.05; done'
	wait_until 5 ctl exec kept test -e /file
	file=$ENGINE_STATE/rootfs/$(state kept Id)/upper/file
	chattr +i "$file" || skip "no file of this file system can be kept"
	run -1 ctl rm -f kept
	chattr -i "$file"
	[[ "$output" == "ctl: rm: files: "*"not permitted" ]]
	ctl start kept
	ctl exec kept kill -TERM 1
	wait_until 10 is kept RestartCount 1
	wait_until 10 is kept State.Status running
	ctl stop kept
	is kept State.Status exited
	ctl rm kept
}

@test "of a start or a removal that was cut off half of the writable layer may be there: it starts" {
	ctl create --name half "$bb" sh -c 'echo line >>/file; cat /file'
	ctl start -a half
	for part in work upper; do
		rm -rf "$ENGINE_STATE/rootfs/$(state half Id)/$part"
		run -0 ctl start -a half
		# What was written is in upper.
		[ "${#lines[@]}" = $([ $part = work ] && echo 2 || echo 1) ]
	done
	ctl rm half
}

# An engine told to end does, though something of it can't.
ends_anyway()
{
	local hung

	BATS_TEST_DIRNAME=$0
	hang "$ENGINE_DIR/hang"
	ctl run -d --name stuck "$bb" sleep 300 >/dev/null
	stuck_in stuck "$ENGINE_DIR/hang"
	pid=$ENGINE_PID
	kill -TERM "$pid"
	wait_until 60 engine_ended "$pid" || { echo "it has not ended"; unhang "$ENGINE_DIR/hang"; return 1; }
	wait "$pid" || true
	unhang "$ENGINE_DIR/hang"
	sleep 0.5
	engine_launch
	wait_until 5 is stuck State.Status exited
	ctl rm stuck >/dev/null
}

@test "an engine that is told to end does so though a workload can't be killed, and the next one clears up" {
	own_engine ends_anyway
}
