# SPDX-License-Identifier: MIT
#
# Every process confined: what the kernel says of the live ones, and what becomes of one that steps out of line. What each
# profile allows is tried call by call in tests/unit/test_*_sandbox.c.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

setup_file()
{
	engine_start --log debug && engine_images busybox whiteouts && fault_registry_start "$ENGINE_DIR/fault" "$REGISTRY"
}

teardown_file()
{
	engine_stop
}

setup()
{
	bb=$REGISTRY/busybox
}

teardown()
{
	ctl ps -aq | xargs -r timeout 120 "$engine_bin/ctl" rm -f >/dev/null
	[ -z "${puller:-}" ] || let_workers_go
}

# pid_of KIND: supervisor, netd, imaged, cgroupd, fetch, unpack or shim (the one of $id) of this engine
pid_of()
{
	if [ "$1" = shim ]; then
		awk '/^PPid:/ { print $2 }' "/proc/$(ctl inspect --format '{{.State.Pid}}' "$id")/status"
		return
	fi
	ps -o pid=,args= --ppid "$ENGINE_PID" | awk -v kind="$1" '
		$2 == "supervisor" && $3 == "--serve" { is = "supervisor" }
		$2 == "netd" || $2 == "cgroupd" { is = $2 }
		$2 == "imaged" { is = $3 == "--fetch" ? "fetch" : $3 == "--unpack" ? "unpack" : $2 }
		is == kind { print $1; found = 1; exit }
		{ is = "" }
		END { exit !found }'
}

# A pull of a layer that trickles, and both of its workers.
wake_workers()
{
	[ -z "${puller:-}" ] || let_workers_go
	"$engine_bin/ctl" pull -q "$(cat "$ENGINE_DIR/fault/addr")/slow/whiteouts:latest" >/dev/null 2>&1 3>&- &
	puller=$!
	wait_until 10 confined fetch && wait_until 10 confined unpack
}

# confined KIND: it is through with its start
confined()
{
	local pid

	pid=$(pid_of "$1") && [ "$(field "/proc/$pid/status" Seccomp)" = 2 ]
}

let_workers_go()
{
	kill "$(pid_of fetch)" 2>/dev/null || true
	wait "$puller" || true
	puller=
	wait_until 10 no_workers
}

no_workers()
{
	! pid_of fetch && ! pid_of unpack
}

field()
{
	awk -v key="$2:" '$1 == key { print $2 }' "$1"
}

@test "every thread of every daemon is behind a filter, with no way to new privileges" {
	wake_workers
	id=$(ctl run -d "$bb" sleep 300)
	for kind in supervisor netd imaged cgroupd fetch unpack shim; do
		pid=$(pid_of $kind)
		for status in /proc/"$pid"/task/*/status; do
			echo "$kind $status"
			[ "$(field "$status" Seccomp)" = 2 ]
			[ "$(field "$status" NoNewPrivs)" = 1 ]
		done
	done
}

@test "each has proved its filter and its Landlock when it started" {
	wake_workers
	for kind in supervisor netd imaged cgroupd imaged-fetch imaged-unpack; do
		grep -q "^$kind: debug: system calls are filtered, proved" "$ENGINE_LOG"
		grep -q "^$kind: debug: Landlock version [0-9]* bounds files .*proved" "$ENGINE_LOG" ||
			grep -q "^$kind: warning: this kernel has no Landlock" "$ENGINE_LOG"
	done
}

@test "each shim too, before and after its start, in a container that may gain privileges as well" {
	ctl run --rm "$bb" true
	grep -q "^shim: debug: system calls are filtered, proved" "$ENGINE_LOG"
	grep -q "^shim: debug: Landlock bounds files" "$ENGINE_LOG"
	id=$(ctl run -d --security-opt no-new-privileges=false "$bb" sleep 300)
	[ "$(field "/proc/$(pid_of shim)/status" Seccomp)" = 2 ]
	[ "$(field "/proc/$(pid_of shim)/status" NoNewPrivs)" = 1 ]
	wait_until 20 engine_settled # the one that takes its place in the row too
	n=0
	for pid in $(ps -o pid= --ppid "$ENGINE_PID"); do
		[[ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" == "shim "* ]] || continue
		n=$((n + 1))
		[ "$(field "/proc/$pid/status" Seccomp)" = 2 ]
	done
	[ "$n" -ge 2 ]
}

@test "the mounter sees the store, containers' directories, layers and /dev, and nothing else" {
	[ "$(ls "/proc/$(pid_of imaged)/root" | sort | tr '\n' ' ')" = "box dev images layers rootfs " ]
	[ -z "$(ls "/proc/$(pid_of imaged)/root/box")" ]
}

@test "the unpack worker's network has nothing in it" {
	wake_workers
	pid=$(pid_of unpack)
	[ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ]
	[ "$(awk 'NR > 2 { print $1 }' "/proc/$pid/net/dev")" = lo: ]
	[ "$(awk 'NR > 1' "/proc/$pid/net/route")" = "" ]
}

ended()
{
	[ ! -d "/proc/$1" ] || engine_zombie "$1"
}

@test "a violation ends the process with one line that names the call, and the engine goes on" {
	id=$(ctl run -d "$bb" sleep 300)
	while read -r kind program name number; do
		wait_until 20 wake_workers
		wait_until 10 pid_of "$kind"
		pid=$(pid_of "$kind")
		before=$(wc -l <"$ENGINE_LOG")
		python3 "$BATS_TEST_DIRNAME/../lib/inject.py" "$pid" "$number"
		wait_until 5 ended "$pid"
		tail -n "+$((before + 1))" "$ENGINE_LOG" >"$ENGINE_DIR/since"
		cat "$ENGINE_DIR/since"
		line="$program: error: system call $name ($number) is not allowed: ending"
		[ "$(grep -cxF "$line" "$ENGINE_DIR/since")" = 1 ]
		[ "$(grep -c 'is not allowed' "$ENGINE_DIR/since")" = 1 ]
	done <<-END
		unpack imaged-unpack openat 257
		unpack imaged-unpack connect 42
		unpack imaged-unpack execve 59
		unpack imaged-unpack fork 57
		fetch imaged-fetch execve 59
		imaged imaged ptrace 101
		netd netd execve 59
		cgroupd cgroupd socket 41
		supervisor supervisor connect 42
	END
	wait_until 15 ctl version
	[ "$(ctl inspect --format '{{.State.Running}}' "$id")" = true ]
	wait_until 15 ctl run --rm "$bb" true
}

@test "so it ends a shim, and its container with it" {
	for call in "setns 308" "openat 257" "clone 56" "socket 41"; do
		id=$(ctl run -d "$bb" sleep 300)
		uid=$(stat -c %u "/proc/$(pid_of shim)")
		python3 "$BATS_TEST_DIRNAME/../lib/inject.py" "$(pid_of shim)" "${call#* }"
		[ "$(ctl wait "$id")" = 255 ]
		line="shim: error: system call ${call% *} (${call#* }) is not allowed: ending"
		grep -qxF "$line" "$ENGINE_LOG"
		[ "$(ctl inspect --format '{{.State.Status}}' "$id")" = exited ]
		wait_until 3 eval "! pgrep -u $uid" # nor has its keeper taken its place
	done
	wait_until 15 ctl run --rm "$bb" true
}
