# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# An engine of its own for each bats file. Sourced from setup_file, setup and teardown_file:
#
#	. "$BATS_TEST_DIRNAME/../lib/engine.sh"
#	setup_file()    { engine_start && engine_images busybox && engine_picture; }
#	teardown()      { engine_unchanged; }
#	teardown_file() { engine_stop; }
#	@test "..."     { run ctl run --rm "$REGISTRY/busybox" true; ... }
#
# Exports ENGINE_NAME, ENGINE_DIR, ENGINE_RUN, ENGINE_STATE, ENGINE_PID, ENGINE_LOG,
# BULKHEAD_SOCKET, and REGISTRY once there are images.

engine_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
engine_bin=${BULKHEAD_BIN:-$(cd "$engine_lib/../.." && pwd)/build/bin}

. "$engine_lib/wait.sh"
. "$engine_lib/registry.sh"
. "$engine_lib/images.sh"
. "$engine_lib/leaks.sh"
. "$engine_lib/cgroup.sh"

# No test hangs: a ctl that doesn't come back is ended after CTL_TIMEOUT seconds and exits 124.
ctl()
{
	timeout --foreground -k 5 $((${CTL_TIMEOUT:-60} * ${TEST_PATIENCE:-1})) "$engine_bin/ctl" "$@"
}

# engine_prepare [NAME]: name and directories, nothing started. Short: it prefixes a link's name.
engine_prepare()
{
	ENGINE_NAME=${1:-t$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')}
	ENGINE_DIR=$(mktemp -d "/tmp/bulkhead-$ENGINE_NAME.XXXXXX") || return 1
	chmod 755 "$ENGINE_DIR"
	ENGINE_RUN=$ENGINE_DIR/run
	ENGINE_STATE=$ENGINE_DIR/state
	ENGINE_LOG=$ENGINE_DIR/log
	BULKHEAD_SOCKET=$ENGINE_RUN/ctl.sock
	export ENGINE_NAME ENGINE_DIR ENGINE_RUN ENGINE_STATE ENGINE_LOG BULKHEAD_SOCKET
	LEAKS_SCOPE=$ENGINE_NAME leaks_before "$ENGINE_DIR/before"
}

engine_answers()
{
	CTL_TIMEOUT=20 ctl version
}

# engine_begun: it answers, or never will
engine_begun()
{
	engine_ended "$ENGINE_PID" || engine_answers
}

# engine_crowded: a host has room for the uids of a dozen engines, and tests of others may have theirs.
engine_crowded()
{
	engine_ended "$ENGINE_PID" && tail -n 1 "$ENGINE_LOG" | grep -q 'all blocks of uids are in use by other engines'
}

engine_spawn()
{
	"$engine_bin/supervisor" --name "$ENGINE_NAME" --run-dir "$ENGINE_RUN" \
		--state-dir "$ENGINE_STATE" "$@" </dev/null >>"$ENGINE_LOG" 2>&1 \
		3>&- 4>&- 5>&- 6>&- &
	ENGINE_PID=$!
	export ENGINE_PID
	wait_until 15 engine_begun || true
}

# engine_launch [FLAGS...]: starts it, once prepared; also to start it anew after engine_halt.
engine_launch()
{
	local end

	wait_end end 30
	engine_spawn "$@"
	while engine_crowded && ! wait_over "$end"; do
		sleep 0.5
		engine_spawn "$@"
	done
	if ! engine_answers >/dev/null 2>&1; then
		echo "engine $ENGINE_NAME doesn't answer; its log ends:" >&2
		tail -n 30 "$ENGINE_LOG" >&2
		return 1
	fi
}

engine_start()
{
	engine_prepare && engine_launch "$@"
}

engine_images()
{
	local name

	registry_start "$ENGINE_DIR/registry" plain || return 1
	REGISTRY=$(registry_addr "$ENGINE_DIR/registry")
	export REGISTRY
	for name in "$@"; do
		image_push "$name" "$REGISTRY" || return 1
	done
}

engine_gone()
{
	local pid

	for pid in "$@"; do
		[ ! -d "/proc/$pid" ] || return 1
	done
}

engine_zombie()
{
	grep -qs '^State:.*Z' "/proc/$1/status"
}

engine_ended()
{
	[ ! -d "/proc/$1" ] || engine_zombie "$1"
}

# engine_process KIND: the pid of netd, "supervisor --serve" and the like
engine_process()
{
	ps -o pid=,args= --ppid "$ENGINE_PID" | awk -v kind="$1" '$2 == kind || $2 " " $3 == kind { print $1; exit }'
}

# engine_asked JOB: the ctl of a background job has asked for what it was to ask for, and is not answered yet: neither it nor the
# supervisor has run for a while. (netd hears of every link of the host.)
engine_asked()
{
	local before

	before=$(engine_asleep "$1") && sleep 0.3 && [ "$before" = "$(engine_asleep "$1")" ]
}

# engine_asleep JOB: how often each has run so far; fails while one runs, or there is no ctl
engine_asleep()
{
	local pid

	for pid in $(leaks_descendants "$1") $(ps -o pid=,comm= --ppid "$ENGINE_PID" | awk '$2 == "supervisor" { print $1 }'); do
		sed -n '/^Name\|^State\|^Pid\|ctxt/p' "/proc/$pid/status"
	done 2>/dev/null | awk '/^State/ && $2 !~ /[SZ]/ { bad = 1 } /^Name/ && $2 == "ctl" { ctl = 1 } { print } END { exit bad || !ctl }'
}

# engine_confined: every process of the engine outside containers is through with its start. A keeper is a fork of its shim.
engine_confined()
{
	local pid words

	for pid in $(ps -o pid= --ppid "$ENGINE_PID"); do
		words=$(tr '\0' ' ' <"/proc/$pid/cmdline") || return 1
		[[ $words != "shim:"* && -n $words ]] || continue
		grep -q '^Seccomp:.2$' "/proc/$pid/status" || return 1
	done
}

# engine_settled: and as many shims stand by as there ought to be, so that no other is being started
engine_settled()
{
	local before

	before=$(ps -o pid= --ppid "$ENGINE_PID") && engine_confined && sleep 0.3 && engine_confined &&
		[ "$before" = "$(ps -o pid= --ppid "$ENGINE_PID")" ]
}

# engine_halt: SIGTERM to the launcher, as systemd would; every process of the engine must go.
engine_halt()
{
	local all

	[ -n "${ENGINE_PID:-}" ] || return 0
	all=$(leaks_descendants "$ENGINE_PID")
	kill -TERM "$ENGINE_PID" 2>/dev/null
	if ! wait_until 30 engine_ended "$ENGINE_PID"; then
		echo "engine $ENGINE_NAME didn't end on SIGTERM" >&2
		# shellcheck disable=SC2086
		kill -KILL $all 2>/dev/null
		ENGINE_PID=
		return 1
	fi
	wait "$ENGINE_PID" 2>/dev/null
	all=$(echo "$all" | grep -vx "$ENGINE_PID")
	ENGINE_PID=
	# shellcheck disable=SC2086
	if ! wait_until 10 engine_gone $all; then
		echo "engine $ENGINE_NAME left processes behind:" >&2
		# shellcheck disable=SC2086
		ps -o pid,ppid,user,args -p "$(echo $all | tr ' ' ,)" >&2
		# shellcheck disable=SC2086
		kill -KILL $all 2>/dev/null
		return 1
	fi
}

# engine_clean: containers first, then the engine, then proof that nothing with its name is left.
engine_stop()
{
	local failed=0

	[ -n "${ENGINE_DIR:-}" ] || return 0
	if [ -n "${ENGINE_PID:-}" ] && engine_answers >/dev/null 2>&1; then
		ctl ps -aq 2>/dev/null | xargs -r timeout 60 "$engine_bin/ctl" rm -f >/dev/null 2>&1
	fi
	engine_halt || failed=1
	registry_stop "$ENGINE_DIR/registry"
	registry_stop "$ENGINE_DIR/fault"
	if ! LEAKS_SCOPE=$ENGINE_NAME leaks_diff "$ENGINE_DIR/before" 5 >"$ENGINE_DIR/left"; then
		echo "engine $ENGINE_NAME left behind:" >&2
		cat "$ENGINE_DIR/left" >&2
		failed=1
	fi
	if [ "$failed" = 1 ]; then
		echo "its log ends:" >&2
		tail -n 30 "$ENGINE_LOG" >&2
	fi
	# They would come back to their uids, this engine and those that a test made beside it; without the directory
	# that says nothing to anybody.
	grep -ls "^$ENGINE_DIR/" /run/bulkhead-uids/* | xargs -r rm -f
	rmdir /run/bulkhead-uids 2>/dev/null || true
	rm -rf --one-file-system "$ENGINE_DIR"
	return $failed
}

# imaged_pid [--fetch|--unpack]: the mounter's or its workers', all children of the launcher.
imaged_pid()
{
	local pid words

	for pid in $(cat "/proc/$ENGINE_PID"/task/*/children); do
		words=$(tr '\0' ' ' <"/proc/$pid/cmdline")
		[[ $words != "imaged ${1:---state-dir} "* ]] || echo "$pid"
	done
}

# engine_look FILE: links, mounts, cgroups, nft, processes, fds and files while the engine is idle.
engine_look()
{
	LEAKS_SCOPE=$ENGINE_NAME LEAKS_ENGINE=$ENGINE_PID LEAKS_DIRS="$ENGINE_RUN $ENGINE_STATE" \
		leaks_before "$1"
}

# Idle: as many standby shims as there ought to be, each with all its processes, and nothing changes.
engine_idle()
{
	local look=$ENGINE_DIR/look shims want

	engine_look "$look.2" || return 1
	want=$(sed -nE 's/^engine.*--serve.*--standby ([0-9]+).*/\1/p' "$look.2")
	shims=$(grep -c "^engine's process shim" "$look.2")
	[ -n "$want" ] && [ "$shims" -ge "$want" ] && [ $((shims % want)) = 0 ] &&
		cmp -s "$look" "$look.2" && return 0
	mv "$look.2" "$look"
	return 1
}

# engine_picture: at the end of setup_file; what engine_unchanged compares with.
engine_picture()
{
	ctl run --rm "$REGISTRY/busybox" true >/dev/null || return 1
	wait_until 20 engine_idle && mv "$ENGINE_DIR/look" "$ENGINE_DIR/picture"
}

# engine_unchanged: in teardown. Removes the test's containers; whatever else it left fails this test,
# and not those behind it.
engine_unchanged()
{
	ctl ps -aq | xargs -r timeout 60 "$engine_bin/ctl" rm -f >/dev/null 2>&1
	if ! LEAKS_SCOPE=$ENGINE_NAME LEAKS_ENGINE=$ENGINE_PID LEAKS_DIRS="$ENGINE_RUN $ENGINE_STATE" \
			leaks_diff "$ENGINE_DIR/picture"; then
		echo "is what this test left (+) or took (-)"
		engine_look "$ENGINE_DIR/picture"
		return 1
	fi
}
