#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The shim alone: terminals, standard input, clients that are slow, late or gone, and the log.

bats_require_minimum_version 1.5.0

# Not those of another file that may run beside this one.
SHIM_UID=1877999703 SHIM_BASE=1879441408
. "$BATS_TEST_DIRNAME/../lib/shim.sh"
. "$BATS_TEST_DIRNAME/../lib/shim-tests.sh"

@test "a terminal: controlling, sized, resized, owned by the user" {
	mkfifo -m 666 "$SHIM_DIR/in" "$SHIM_DIR/out"
	cat "$SHIM_DIR/out" >"$SHIM_DIR/got" & reader=$!
	exec {typed}<>"$SHIM_DIR/in"
	shim_open
	say "shim_start $(spec argv=/bin/sh cwd=/ user=web tty=true stdin_open=true env=PS1=) layers=@fd:10 writable=@fd:11 log=@fd:12 in=@<$SHIM_DIR/in out=@>$SHIM_DIR/out rows=33 cols=44"
	hear '^shim_started'
	echo 'tty; stty size; stat -c %u $(tty) /dev/console; echo set' >&"$typed"
	until grep -q '^set' "$SHIM_DIR/got"; do sleep 0.05; done
	say shim_resize rows=50 cols=60
	hear '^done'
	printf 'stty size\nexit 7\n' >&"$typed"
	hear '^shim_exited exit_code=7 '
	exec {typed}>&-
	wait $reader
	cat "$SHIM_DIR/got"
	for want in /dev/pts/0 '33 44' 1000 '50 60'; do
		tr -d '\r' <"$SHIM_DIR/got" | grep -xF -- "$want"
	done
}

@test "ctrl-c at the terminal interrupts what runs there" {
	mkfifo -m 666 "$SHIM_DIR/in" "$SHIM_DIR/out"
	cat "$SHIM_DIR/out" >"$SHIM_DIR/got" & reader=$!
	exec {typed}<>"$SHIM_DIR/in"
	shim_open
	say "shim_start $(spec argv=/bin/sh cwd=/ tty=true stdin_open=true init=true) layers=@fd:10 writable=@fd:11 in=@<$SHIM_DIR/in out=@>$SHIM_DIR/out"
	hear '^shim_started'
	echo 'echo ready; sleep 1000; echo $?' >&"$typed"
	until tr -d '\r' <"$SHIM_DIR/got" | grep -qx ready; do sleep 0.05; done
	sleep 0.3
	printf '\003' >&"$typed"
	sleep 0.3
	printf 'exit 9\n' >&"$typed"
	hear '^shim_exited exit_code=9 '
	exec {typed}>&-
	wait $reader
}

@test "1.5 MB through stdin and back, and the end of input" {
	head -c 1500000 /dev/urandom | base64 -w 100 >"$SHIM_DIR/data"
	mkfifo -m 666 "$SHIM_DIR/in" "$SHIM_DIR/out"
	cat "$SHIM_DIR/out" >"$SHIM_DIR/got" & reader=$!
	cat "$SHIM_DIR/data" >"$SHIM_DIR/in" &
	shim_open
	say "shim_start $(spec argv=/bin/cat cwd=/ stdin_open=true) layers=@fd:10 writable=@fd:11 log=@fd:12 in=@<$SHIM_DIR/in out=@>$SHIM_DIR/out"
	hear '^shim_exited exit_code=0'
	wait $reader
	cmp "$SHIM_DIR/data" "$SHIM_DIR/got"
	output | cmp - "$SHIM_DIR/data"
}

@test "a slow client loses nothing, not even after the workload's end" {
	mkfifo -m 666 "$SHIM_DIR/out"
	exec {slow}<>"$SHIM_DIR/out"
	shim_open
	say "shim_start $(spec argv=/bin/sh argv=-c 'argv="seq 1 30000"' cwd=/) layers=@fd:10 writable=@fd:11 log=@fd:12 out=@>$SHIM_DIR/out"
	hear '^shim_started'
	sleep 0.5
	[ "$(output | wc -l)" -lt 30000 ] # it waits for the client
	timeout 60 head -n 30000 <&"$slow" >"$SHIM_DIR/got"
	hear '^shim_exited exit_code=0'
	seq 1 30000 | cmp - "$SHIM_DIR/got"
	output | cmp - "$SHIM_DIR/got"
	exec {slow}<&-
}

@test "a client that went away doesn't hold the workload up" {
	mkfifo -m 666 "$SHIM_DIR/out"
	head -n 3 <"$SHIM_DIR/out" >/dev/null &
	shim_open
	say "shim_start $(spec argv=/bin/sh argv=-c 'argv="seq 1 50000"' cwd=/) layers=@fd:10 writable=@fd:11 log=@fd:12 out=@>$SHIM_DIR/out"
	hear '^shim_exited exit_code=0'
	seq 1 50000 | cmp - <(output)
}

@test "clients can be attached later, and files as streams are refused" {
	stay stdin_open=true
	touch "$SHIM_DIR/plain"; chmod 666 "$SHIM_DIR/plain"
	say "shim_attach out=@>$SHIM_DIR/plain"
	hear '^failed .*pipes or sockets'
	shim_close
	rm -rf "$SHIM_DIR/w" "$SHIM_DIR/log"; shim_dirs "$SHIM_DIR" "$SHIM_TREE"
	mkfifo -m 666 "$SHIM_DIR/in" "$SHIM_DIR/out"
	cat "$SHIM_DIR/out" >"$SHIM_DIR/got" & reader=$!
	shim_open
	start argv=/bin/cat cwd=/ stdin_open=true
	hear '^shim_started'
	echo first >"$SHIM_DIR/in" &
	say "shim_attach in=@<$SHIM_DIR/in"
	hear '^done'
	until output | grep -qx first; do sleep 0.05; done
	# an attached client's end of input isn't the workload's
	echo second >"$SHIM_DIR/in" &
	say "shim_attach in=@<$SHIM_DIR/in out=@>$SHIM_DIR/out"
	hear '^done'
	until grep -qx second "$SHIM_DIR/got"; do sleep 0.05; done
	say shim_signal signal=9
	hear '^shim_exited exit_code=137'
	wait $reader
	! grep -q first "$SHIM_DIR/got" || false
}

@test "the log is bounded, and in CRI's form" {
	sh_in 'i=0; while [ \$i -lt 26 ]; do head -c 1000000 /dev/zero | tr \"\\\\0\" x; i=\$((i+1)); done; echo; echo err >&2; printf part'
	[ "$(ls "$SHIM_DIR/log" | sort | tr '\n' ' ')" = "log log.1 log.2 " ]
	for f in log log.1 log.2; do
		[ "$(stat -c %s "$SHIM_DIR/log/$f")" -le 10485760 ]
	done
	! grep -hvE '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z (stdout|stderr) [FP] ' "$SHIM_DIR"/log/log* || false
	grep -E ' stderr F err$' "$SHIM_DIR/log/log"
	grep -E ' stdout P part$' "$SHIM_DIR/log/log"
}

@test "a full log doesn't stop the workload" {
	mount -t tmpfs -o size=64k,mode=777 tsh-log "$SHIM_DIR/log"
	shim_open
	start argv=/bin/sh argv=-c 'argv="seq 1 100000"' cwd=/
	hear '^shim_exited exit_code=0' || { umount -l "$SHIM_DIR/log"; false; }
	umount -l "$SHIM_DIR/log"
	grep 'output is being lost' "$SHIM_LOG"
}

@test "a pipe that anyone may open is handed over as it is" {
	mkfifo "$SHIM_DIR/end"
	exec 20> >(cat >"$SHIM_DIR/got"; echo >"$SHIM_DIR/end")
	chmod 666 /proc/$$/fd/20
	stay
	exec 20>&-
	say "shim_exec exec=1 spec=@{exec_spec argv=/bin/sh argv=-c argv=\"echo one; echo two >/dev/stdout; readlink /proc/self/fd/1\" env=PATH=/bin} out=@fd:20"
	hear '^shim_exec_exited exec=1 exit_code=0'
	shim_close
	read -r -t 60 <"$SHIM_DIR/end"
	[ "$(head -n 2 "$SHIM_DIR/got")" = $'one\ntwo' ]
}
