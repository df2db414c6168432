#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A rogue peer on every channel: the parent of each daemon, a client of the supervisor, the supervisor's helpers and
# shims, the supervisor process itself, the workers of imaged (tests/hostile/rogue.py). All run at once, since most of their
# time is waiting; each test then judges one of them.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

rogue=$BATS_TEST_DIRNAME/../hostile/rogue.py
rogues=

# played NAME MODE ARG...: its lines, its pid and its exit code go to files.
played()
{
	local name=$1 rc=0

	shift
	timeout -k 5 400 /usr/bin/python3 "$rogue" "$@" >"$ROGUE/$name.out" 2>&1 &
	echo $! >"$ROGUE/$name.pid"
	wait $! || rc=$?
	echo $rc >"$ROGUE/$name.rc"
}

# begin NAME MODE ARG...: in the background
begin()
{
	played "$@" </dev/null 3>&- 4>&- 5>&- 6>&- &
	rogues="$rogues $!"
}

# one_by_one: the daemons with one rogue parent each
one_by_one()
{
	(
		cd "$ROGUE" || exit 1
		for kind in "$@"; do
			case $kind in
			netd|cgroupd) set -- "$engine_bin/$kind" --name "$ROGUE_NAME" ;;
			fetch|unpack) set -- "$engine_bin/imaged" --$kind --name "$ROGUE_NAME" ;;
			imaged) set -- "$engine_bin/imaged" --state-dir "$ROGUE/state" --name "$ROGUE_NAME" ;;
			shim) set -- "$engine_bin/shim" --uid 1877999719 --uid-base 1879310336 ;;
			esac
			played $kind daemon $kind "$@"
		done
	) </dev/null 3>&- 4>&- 5>&- 6>&- &
	rogues="$rogues $!"
}

# stubs DIR NAME: programs that hand their channel to the rogue that listens on NAME
stubs()
{
	mkdir -p "$1/bin"
	chmod 755 "$1" "$1/bin"
	gcc -O1 -static -DSTUB_SOCKET="\"$2\"" -o "$1/stub" "$BATS_TEST_DIRNAME/../hostile/stub.c"
	for p in netd imaged cgroupd shim supervisor; do
		cp "$1/stub" "$1/bin/$p"
	done
}

setup_file()
{
	engine_start || return 1
	ROGUE=$ENGINE_DIR/rogue
	ROGUE_NAME=${ENGINE_NAME}x
	export ROGUE ROGUE_NAME
	mkdir -m 711 "$ROGUE" "$ROGUE/state"
	LEAKS_SCOPE=$ROGUE_NAME leaks_before "$ENGINE_DIR/rogue.before"
	mkdir -m 711 "$ROGUE/w" "$ROGUE/hang"
	begin hang hanging-workers "$engine_bin/imaged" "$ROGUE/hang"
	begin workers workers "$engine_bin/imaged" "$ROGUE/w"
	one_by_one cgroupd netd shim
	one_by_one imaged unpack fetch
	stubs "$ROGUE/h" "$ROGUE_NAME-h"
	cp "$engine_bin/supervisor" "$ROGUE/h/bin/supervisor"
	begin helpers helpers "$ROGUE_NAME-h" "$ROGUE/h" "$ROGUE/h/run/ctl.sock" "$ROGUE/h/bin/supervisor" \
		--name "${ROGUE_NAME}h" --run-dir "$ROGUE/h/run" --state-dir "$ROGUE/h/state" --standby 1
	stubs "$ROGUE/s" "$ROGUE_NAME-s"
	cp "$engine_bin/supervisor" "$ROGUE/s/bin/launch"
	begin supervisor supervisor "$ROGUE_NAME-s" "$ROGUE/s" "$ROGUE/s/bin/launch" \
		--name "${ROGUE_NAME}s" --run-dir "$ROGUE/s/run" --state-dir "$ROGUE/s/state"
}

# The engine is a job of this shell too: only the rogues are waited for.
teardown_file()
{
	local pid

	for pid in $rogues; do
		# shellcheck disable=SC2046
		kill $(leaks_descendants "$pid") 2>/dev/null || true
		wait "$pid" || true
	done
	engine_stop
}

# unfinished NAME: where it is and where it waits, each thread's stack, and what was said so far
unfinished()
{
	local pid all

	echo "$1 has not ended:"
	all=$(leaks_descendants "$(cat "$ROGUE/$1.pid")")
	# shellcheck disable=SC2086
	ps -o pid,ppid,stat,etime,wchan:32,args -p "$(echo $all | tr ' ' ,)" || echo "nor is it there"
	for pid in $all; do
		[[ $(tr '\0' ' ' <"/proc/$pid/cmdline") != /usr/bin/python3* ]] || kill -USR1 "$pid"
	done
	wait_until 5 grep -q 'most recent call first' "$ROGUE/$1.out" || true
	tail -n 60 "$ROGUE/$1.out"
	echo "the engine's log ends:"
	tail -n 30 "$ENGINE_LOG"
	return 1
}

# judged NAME ROWS: it has ended, said at least so many rows, and none of them failed
judged()
{
	wait_until 420 test -s "$ROGUE/$1.rc" || unfinished "$1"
	grep -v '^ok' "$ROGUE/$1.out" || true
	[ "$(cat "$ROGUE/$1.rc")" = 0 ]
	[ "$(grep -c '^ok' "$ROGUE/$1.out")" -ge "$2" ]
	[ "$(grep -vc '^ok' "$ROGUE/$1.out")" = 0 ]
	sed -n 's/^ok *\(.*: .*: .*[0-9].*\)/# \1/p' "$ROGUE/$1.out" | tail -n 12 >&3
}

@test "a rogue client: refused with a line of log, others served, nothing kept or made" {
	begin ctl ctl "$BULKHEAD_SOCKET" "$ENGINE_LOG" "$(pgrep -P "$ENGINE_PID" -f -- --serve)"
	judged ctl 120
}

@test "names of 64 KB on the command line: one sentence each, and the engine lives" {
	long=$(printf '%065536d' 0)
	for flag in --name --hostname --user --workdir --network --ip --mac-address --cpuset-cpus --label --env \
			--add-host --dns --cap-add --sysctl --tmpfs --volume --publish --stop-signal; do
		run ctl create $flag "a$long" nosuch true
		[ "$status" != 0 ]
		[ "$status" != 124 ]
		[ "${#lines[@]}" -le 2 ]
		[ "${#output}" -lt 1024 ]
	done
	for command in inspect rm stop kill start wait logs rmi pull; do
		run ctl $command "a$long"
		[ "$status" != 0 ]
		[ "$status" != 124 ]
		[ "${#output}" -lt 1024 ]
	done
	ctl version
}

@test "a rogue supervisor: cgroupd drops it, and is otherwise what it was" { judged cgroupd 35; }
@test "a rogue supervisor: netd" { judged netd 30; }
@test "a rogue supervisor: shim" { judged shim 60; }
@test "a rogue supervisor: imaged" { judged imaged 40; }
@test "a rogue imaged: unpack" { judged unpack 30; }
@test "a rogue imaged: fetch" { judged fetch 20; }
@test "rogue workers: what a fetch or an unpack worker says is believed of its own image alone, and checked" {
	judged workers 245
}
@test "workers that hang, or say for ever that they don't, are ended with their pull" { judged hang 5; }
@test "rogue helpers and shims: the supervisor drops one, starts another, and serves" { judged helpers 130; }
@test "a rogue supervisor: the launcher ends it and starts another" { judged supervisor 20; }

@test "nothing of all that is left: processes, links, tables, cgroups, mounts" {
	LEAKS_SCOPE=$ROGUE_NAME leaks_diff "$ENGINE_DIR/rogue.before" 20
}
