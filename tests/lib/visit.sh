# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# What tests of top, export and cp share: their code enters the container, whatever that has laid out for it. Sourced behind
# engine.sh, also for setup and teardown: a file has an engine, a test a directory that it begins in.

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
	mkdir "$dir/w"
	cd "$dir/w" || return
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

# visits NAME: pids of the visits that are in a container
visits()
{
	local first

	first=$(ctl inspect --format '{{.State.Pid}}' "$1")
	for pid in $(cat "/proc/$(awk '/^PPid:/ { print $2 }' "/proc/$first/status")"/task/*/children); do
		[ "$(cat "/proc/$pid/comm")" != visit ] || echo "$pid"
	done
}

# unpacked TAR DIR
unpacked()
{
	mkdir "$2"
	tar -C "$2" --xattrs --xattrs-include='*' --numeric-owner -xpf "$1"
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

# watched NAME CMD...: runs CMD while the system calls of the container's keeper, and of all that it makes, are written to
# $dir/trace: from the one that takes the visit's capabilities away.
watched()
{
	local keeper tracer rc=0

	keeper=$(awk '/^PPid:/ { print $2 }' "/proc/$(ctl inspect --format '{{.State.Pid}}' "$1")/status")
	keeper=$(ps -o pid=,args= --ppid "$keeper" | awk '$2 == "shim:" { print $1 }')
	shift
	strace -f -qq -o "$dir/strace" -p "$keeper" 3>&- 4>&- 5>&- 6>&- &
	tracer=$!
	wait_until 10 grep -q "^TracerPid:.$tracer" "/proc/$keeper/status"
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
	! tr -s ' \t\n' '\n' <<<"$1" | sort -u | comm -13 - "$dir/calls" | grep .
}

# untouched: nothing of what a C library looks for was
untouched()
{
	! grep -E 'gconv|locale|libnss|nsswitch|ld.so|\.so' "$dir/trace"
}

reading="read write close openat2 newfstatat fstat fstatfs getdents64 lseek getpid brk mmap mremap munmap madvise exit_group"
