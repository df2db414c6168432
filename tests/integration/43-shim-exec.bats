#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The shim alone: what an exec joins, how it ends, and its output where that is kept.

bats_require_minimum_version 1.5.0

# Not those of another file that may run beside this one.
SHIM_UID=1877999704 SHIM_BASE=1879506944
. "$BATS_TEST_DIRNAME/../lib/shim.sh"
. "$BATS_TEST_DIRNAME/../lib/shim-tests.sh"

@test "exec joins every namespace, the cgroup and the user's rules" {
	row=:pids:
	[ "$(cgroup_at pids)" != /sys/fs/cgroup ] || row=^0::
	mkdir "$CGROUP"
	SHIM_MOUNTS+=(--write "13=$CGROUP/cgroup.procs")
	shim_open
	say "shim_start $(spec argv=/bin/sleep argv=1000 cwd=/tmp caps=1 env=A=b) layers=@fd:10 writable=@fd:11 procs=@fd:13"
	hear '^shim_started'
	exec_in 1 'for n in cgroup ipc mnt net pid time user uts; do [ \$(readlink /proc/1/ns/\$n) = \$(readlink /proc/self/ns/\$n) ] || echo differs \$n; done; pwd; grep CapEff /proc/self/status; grep '$row' /proc/self/cgroup; ls /proc/self/fd; exit 11'
	[[ $exited == *exit_code=11* ]]
	[ "$(head -n 3 <<<"$output" | cut -d: -f1)" = $'/tmp\nCapEff\n'"$(grep -e "$row" <<<"$output" | cut -d: -f1)" ]
	grep -P '^CapEff:\t0{15}1$' <<<"$output"
	grep -e "$row/\$" <<<"$output"
	[ "$(tail -n 4 <<<"$output")" = $'0\n1\n2\n3' ]
	exec_in 2 'id -u; echo \$HOME; pwd' 'user=web cwd=/etc'
	[ "$output" = $'1000\n/home/web\n/etc' ]
}

@test "an exec that fails says why and leaves nothing" {
	stay
	for c in "argv=nope|4223" "argv=/etc|4222" "argv=sh user=nobody0|2" "argv=sh cwd=/nope|2"; do
		say "shim_exec exec=5 spec=@{exec_spec env=PATH=/bin ${c%|*}}"
		hear "^failed code=${c#*|} "
	done
	for i in {1..100}; do
		exec_in 6 'ps -o pid | wc -l'
		[ "$output" -gt 5 ] || break
	done
	[ "$output" -le 5 ]
	# the number is free again, and can't be used twice at once
	say "shim_exec exec=5 spec=@{exec_spec argv=sleep argv=100 env=PATH=/bin}"
	hear '^shim_execed'
	say "shim_exec exec=5 spec=@{exec_spec argv=sleep argv=100 env=PATH=/bin}"
	hear '^failed code=17 '
}

@test "40 execs at once all come back with their own code" {
	stay
	for i in {1..40}; do
		say "shim_exec exec=$i spec=@{exec_spec argv=/bin/sh argv=-c argv=\"exit $i\"}"
	done
	: >"$SHIM_DIR/seen"
	while [ "$(wc -l <"$SHIM_DIR/seen")" -lt 40 ]; do
		hear '^shim_exec_exited'
		echo "$HEARD" >>"$SHIM_DIR/seen"
	done
	for i in {1..40}; do
		grep -x "shim_exec_exited exec=$i exit_code=$i" "$SHIM_DIR/seen"
	done
}

@test "exec with a terminal, and one with 1.5 MB through stdin" {
	stay
	exec_in 1 'tty; stty size; echo x >/dev/tty' 'tty=true rows=12 cols=34'
	tr -d '\r' <<<"$output" | grep -x '/dev/pts/0'
	tr -d '\r' <<<"$output" | grep -x '12 34'
	head -c 1500000 /dev/urandom >"$SHIM_DIR/data"
	mkfifo -m 666 "$SHIM_DIR/in"
	cat "$SHIM_DIR/data" >"$SHIM_DIR/in" &
	exec_in 2 md5sum stdin_open=true "in=@<$SHIM_DIR/in"
	[ "${output%% *}" = "$(md5sum <"$SHIM_DIR/data" | cut -d' ' -f1)" ]
}

@test "a container full of processes can still be looked into, and killed" {
	cgroup_enable pids
	mkdir "$CGROUP"
	echo 8 >"$CGROUP/pids.max"
	SHIM_MOUNTS+=(--write "13=$CGROUP/cgroup.procs")
	shim_open
	say "shim_start $(spec argv=/bin/sh argv=-c 'argv="for i in 1 2 3 4 5 6 7; do sleep 100 & done; wait"' cwd=/) layers=@fd:10 writable=@fd:11 log=@fd:12 procs=@fd:13"
	hear '^shim_started'
	until [ "$(cat "$CGROUP/pids.current")" -ge 8 ]; do sleep 0.05; done
	say "shim_exec exec=1 spec=@{exec_spec argv=/bin/true}"
	hear '^shim_exec_exited exec=1 exit_code=0'
	say shim_signal signal=9
	hear '^shim_exited exit_code=137'
	until [ "$(cat "$CGROUP/pids.current")" = 0 ]; do sleep 0.05; done
}

@test "the joiner can't be looked into by the container" {
	stay
	mkfifo -m 666 "$SHIM_DIR/f"
	cat "$SHIM_DIR/f" >"$SHIM_DIR/seen" &
	say "shim_exec exec=2 spec=@{exec_spec argv=/bin/sh argv=-c argv=\"while :; do for p in /proc/[0-9]*; do for l in exe root cwd; do readlink \$p/\$l 2>/dev/null; done; done; done\" env=PATH=/bin} out=@>$SHIM_DIR/f"
	hear '^shim_execed'
	for i in {10..60}; do
		say "shim_exec exec=$i spec=@{exec_spec argv=/bin/true}"
		hear "^shim_exec_exited exec=$i "
	done
	say shim_signal signal=9
	hear '^shim_exited'
	sort "$SHIM_DIR/seen" | uniq -c
	[ -s "$SHIM_DIR/seen" ]
	! grep -vE '^(/bin/busybox|/)$' "$SHIM_DIR/seen" || false
}

# kept_exec NUMBER SCRIPT [FIELDS]: its end, with what it wrote, is in $HEARD
kept_exec()
{
	say "shim_exec exec=$1 spec=@{exec_spec argv=/bin/sh argv=-c argv=\"$2\" env=PATH=/bin} ${3:-}"
	hear '^(shim_execed|failed)'
	hear "^shim_exec_exited exec=$1 "
}

@test "an exec's output is told with its end, as much of it as was asked for" {
	stay
	kept_exec 1 'echo out; echo err >&2; exit 3' keep=100
	[[ "$HEARD" == *"exit_code=3 "* && "$HEARD" != *cut* && "$HEARD" != *timed_out* ]]
	[[ "$HEARD" == *'output="out?err?"' ]]
	kept_exec 2 'head -c 100000 /dev/zero | tr \"\\0\" x' keep=4096
	[[ "$HEARD" == *"exit_code=0 "* && "$HEARD" == *"cut=true"* ]]
	[ "$(tr -cd x <<<"${HEARD#*output=}" | wc -c)" = 4096 ]
	kept_exec 3 true keep=10
	[[ "$HEARD" != *output* ]]
	kept_exec 4 'echo unheard'
	[[ "$HEARD" != *output* ]]
}

# sleepers NUMBER [GONE]: which of them the container has is in $HEARD; those that match GONE have a while to end, since
# what is killed on a busy machine is not gone at once
sleepers()
{
	local end

	wait_end end 20
	while kept_exec "$1" 'ps -o args | grep sleep' "keep=1000 timeout_ms=60000"; do
		[[ "$HEARD" == *${2:-nothing}* ]] && ! wait_over "$end" || return 0
	done
}

@test "an exec whose output is kept leaves nothing running that it started; others may" {
	stay
	kept_exec 1 'sleep 294 & sleep 295 >/dev/null 2>&1 & echo done' keep=100
	[[ "$HEARD" == *'exit_code=0 '*'output="done?"' ]]
	kept_exec 2 'sleep 296 >/dev/null 2>&1 &'
	sleepers 3 "sleep 29[45]"
	[[ "$HEARD" == *"sleep 296"* && "$HEARD" != *"sleep 29"[45]* ]]
}

@test "an exec whose time is over is killed with all that it started; others go on" {
	stay
	say "shim_exec exec=1 spec=@{exec_spec argv=/bin/sleep argv=290 env=PATH=/bin}"
	hear '^shim_execed'
	kept_exec 2 'echo begun; sleep 292 & sleep 293; echo never' "keep=100 timeout_ms=3000"
	[[ "$HEARD" == *"exit_code=137 timed_out=true "* ]]
	[[ "$HEARD" == *'output="begun?"' ]]
	sleepers 3 "sleep 29[23]"
	[[ "$HEARD" == *exit_code=0* && "$HEARD" != *timed_out* ]]
	[[ "$HEARD" == *"sleep 1000"*"sleep 290"* && "$HEARD" != *"sleep 29"[23]* ]]
	# not even one that heeds no signal, or has no time at all
	kept_exec 4 'trap \"\" TERM INT HUP; while :; do :; done' "timeout_ms=1"
	[[ "$HEARD" == *"exit_code=137 timed_out=true"* ]]
}
