# SPDX-License-Identifier: MIT
#
# Visits: top, export and cp, whose code enters the container, and what a hostile container has laid out for it.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

hostile=$BATS_TEST_DIRNAME/../hostile

setup_file()
{
	engine_start && engine_images busybox debian && ctl pull -q "$REGISTRY/debian:12" && engine_picture
}

teardown_file()
{
	engine_stop
}

setup()
{
	bb=$REGISTRY/busybox
	debian=$REGISTRY/debian:12
	dir=$BATS_TEST_TMPDIR
}

teardown()
{
	engine_unchanged
}

# refused WORDS CMD...: fails, not by a timeout, with one line that has these words
refused()
{
	local words=$1

	shift
	run "$@"
	[ "$status" != 0 ] && [ "$status" -lt 124 ] && [ "${#lines[@]}" = 1 ] && [[ "$output" == *"$words"* ]] && return
	echo "$* gave $status: $output"
	return 1
}

# ---- traps ----

# trapped NAME: runs a container whose programs and C library's plug-ins leave a mark
trapped()
{
	mkdir "$dir/trap"
	gcc -shared -fPIC -o "$dir/trap/trap.so" "$hostile/trap.c"
	printf '#!/bin/sh\necho $0 >>/sprung\n' >"$dir/trap/program"
	printf 'passwd: trap\ngroup: trap\nshadow: trap\nhosts: trap\n' >"$dir/trap/nsswitch.conf"
	printf 'module TRAP// INTERNAL TRAP 1\nmodule INTERNAL TRAP// TRAP 1\n' >"$dir/trap/gconv-modules"
	printf 'module UTF-8// INTERNAL TRAP 1\nmodule INTERNAL UTF-8// TRAP 1\n' >>"$dir/trap/gconv-modules"
	ctl run -d --name "$1" -v "$dir/trap:/trap" "$debian" sh -c '
		cd /usr/lib/x86_64-linux-gnu
		for lib in trap files compat dns db; do cp /trap/trap.so libnss_$lib.so.2; done
		cp /trap/nsswitch.conf /etc
		rm -f gconv/gconv-modules.cache
		cp /trap/gconv-modules gconv
		cp /trap/trap.so gconv/TRAP.so
		rm -rf /usr/lib/locale/C.utf8 && mkdir -p /usr/lib/locale/C.utf8/LC_CTYPE
		cp /trap/program /trap/set
		chmod 755 /trap/set
		for p in ps tar xz gzip cat ls sh; do cp /trap/set /usr/local/bin/$p; done
		cp /trap/set /usr/bin/ps
		cp /trap/set /usr/bin/xz
		cp /trap/set /usr/bin/tar
		touch /ready
		exec sleep 1000'
	wait_until 20 ctl exec "$1" /usr/bin/test -e /ready
}

# sprung NAME: what the traps have caught
sprung()
{
	ctl exec "$1" /usr/bin/cat /sprung 2>/dev/null || true
}

@test "the traps spring when somebody steps on them" {
	trapped c
	[ "$(sprung c)" = "" ]
	ctl exec c /usr/bin/getent passwd nobody-here || true
	[ "$(sprung c)" = "a library" ]
	ctl exec c /usr/bin/rm /sprung
	ctl exec c /usr/bin/iconv -f TRAP -t ASCII /etc/hostname || true
	[ "$(sprung c)" = "a library" ]
	ctl exec c ps
	[ "$(sprung c | tail -n 1)" = /usr/local/bin/ps ]
}

# watched NAME CMD...: runs CMD while the system calls of the container's shim, and of all that it makes, are written to
# $dir/trace: from the one that takes the visit's capabilities away.
watched()
{
	local shim tracer rc=0

	shim=$(awk '/^PPid:/ { print $2 }' "/proc/$(ctl inspect --format '{{.State.Pid}}' "$1")/status")
	shift
	strace -f -qq -o "$dir/strace" -p "$shim" 3>&- 4>&- 5>&- 6>&- &
	tracer=$!
	wait_until 10 grep -q "^TracerPid:.$tracer" "/proc/$shim/status"
	"$@" || rc=$?
	kill -INT $tracer
	wait $tracer || true
	# A visit is who takes the filter.
	awk '/seccomp\(SECCOMP_SET_MODE_FILTER/ { in_it[$1] = 1; next } in_it[$1]' "$dir/strace" >"$dir/trace"
	return $rc
}

# kept_to NAMES: the visit made these system calls and no other, nor did anybody execute anything
kept_to()
{
	grep -q openat2 "$dir/trace" || return 1
	! grep -E '^[0-9]+ +(execve|execveat)\(' "$dir/strace" || return 1
	grep -oE '^[0-9]+ +[a-z0-9_]+\(' "$dir/trace" | tr -dc 'a-z0-9_\n ' | awk '{ print $2 }' | sort -u >"$dir/calls"
	tr ' ' '\n' <<<"$1" | sort -u | comm -13 - "$dir/calls" | grep . && return 1
	! grep -E 'gconv|locale|libnss|nsswitch|ld.so|\.so' "$dir/trace"
}

reading="read write close openat2 newfstatat fstat fstatfs getdents64 lseek getpid brk mmap mremap munmap madvise exit_group"

# ---- top ----

@test "top lists the container's processes as it sees them" {
	ctl run -d --name c "$debian" bash -c 'sleep 1000 & exec -a busy sh -c "while :; do :; done"'
	ctl exec -d -u 1234 c sleep 2000
	ctl exec -d -u nobody c bash -c 'exec -a "$(printf "a\tb\nc \\033[31m \\xff")" sleep 3000'
	wait_until 10 eval "[ \$(ctl top c | wc -l) = 5 ]"
	run ctl top c
	echo "$output"
	[ "$(tr -s ' ' <<<"${lines[0]}")" = "UID PID PPID C STIME TTY TIME CMD" ]
	[[ "$(grep busy <<<"$output")" =~ ^root\ +1\ +0\ +[0-9]+\ +[0-9:]+\ +\?\ +[0-9:]+\ +busy\ -c\ while ]]
	[[ "$(grep "sleep 1000" <<<"$output")" =~ ^root\ +[0-9]+\ +1\  ]]
	grep -qE '^1234 .* sleep 2000$' <<<"$output"
	grep -qE '^nobody .* a b c \\x1b\[31m \\xff 3000$' <<<"$output"
	# It has run for a second of processor time.
	wait_until 20 eval "ctl top c | grep -E '00:00:0[1-9] +busy'"
	[ "$(ctl top c | awk '/busy/ { print $4 }')" -gt 0 ]
}

@test "top: a terminal has its name, what runs it is of no ps" {
	ctl run -d -t --name c "$bb" sleep 1000
	[[ "$(ctl top c)" =~ root\ +1\ +0\ +0\ +[0-9:]+\ +pts/0\ +00:00:00\ +sleep\ 1000 ]]
	[ "$(ctl top c | wc -l)" = 2 ]
	refused "unknown flag -e" ctl top c -ef
	refused "unexpected argument \"aux\"" ctl top c aux
	refused "no such container: nobody" ctl top nobody
	ctl stop -t 0 c
	refused "container c is not running" ctl top c
}

@test "top springs no trap, executes nothing and opens nothing but /proc and /etc/passwd" {
	trapped c
	watched c ctl top c >"$dir/out"
	grep -q "sleep 1000" "$dir/out"
	[ "$(sprung c)" = "" ]
	kept_to "$reading"
	grep -o 'openat2([^,]*, "[^"]*"' "$dir/trace" | sed -E 's/.*"(.*)"/\1/; s/[0-9]+/N/' | sort -u >"$dir/names"
	[ "$(cat "$dir/names")" = "$(printf '%s\n' N/cmdline N/stat N/status etc/passwd proc)" ]
}
