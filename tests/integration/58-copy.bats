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
	mkdir "$dir/w"
	cd "$dir/w"
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

# ---- top ----

@test "top lists the container's processes as it sees them" {
	ctl run -d --name c "$debian" bash -c 'sleep 1000 & exec -a busy sh -c "while :; do :; done"'
	ctl exec -d -u 1234 c sleep 2000
	ctl exec -d -u nobody c bash -c 'exec -a "$(printf "a\tb\nc \\033[31m \\xff")" sleep 3000'
	# Each is what it is to be by now.
	wait_until 10 eval "ctl top c >\"\$dir/top\" && grep -q '^nobody .* a b c .* 3000\$' \"\$dir/top\" && [ \$(wc -l <\"\$dir/top\") = 5 ] &&
		grep -q ' busy -c while' \"\$dir/top\" && grep -q '^1234 .* sleep 2000\$' \"\$dir/top\" && grep -q ' sleep 1000\$' \"\$dir/top\""
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
	# What its start has taken is little, but not of its first moments.
	wait_until 20 eval "ctl top c | grep -E '^root +1 +0 +0 +[0-9:]+ +pts/0 +00:00:00 +sleep 1000$'"
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
	untouched
	grep -o 'openat2([^,]*, "[^"]*"' "$dir/trace" | sed -E 's/.*"(.*)"/\1/; s/[0-9]+/N/' | sort -u >"$dir/names"
	[ "$(cat "$dir/names")" = "$(printf '%s\n' N/cmdline N/stat N/status etc/passwd proc)" ]
}

# ---- a visit under way ----

# visits NAME: pids of the visits that are in a container
visits()
{
	local first

	first=$(ctl inspect --format '{{.State.Pid}}' "$1")
	for pid in $(cat "/proc/$(awk '/^PPid:/ { print $2 }' "/proc/$first/status")"/task/*/children); do
		[ "$(cat "/proc/$pid/comm")" != visit ] || echo "$pid"
	done
}

# stuck NAME: an export that nobody reads, whose visit has filled its pipe; sets `visit` and `stuck`
stuck()
{
	mkfifo "$dir/fifo"
	exec {reader}<>"$dir/fifo"
	"$engine_bin/ctl" export "$1" >"$dir/fifo" 2>"$dir/said" 3>&- {reader}<&- &
	stuck=$!
	wait_until 10 eval "[ -n \"\$(visits $1)\" ]"
	visit=$(visits "$1")
	wait_until 10 grep -q ^1 "/proc/$visit/syscall"
}

@test "a visit is root with one capability, not dumpable, in the container's namespaces and limits, and holds four descriptors" {
	ctl run -d --name c -m 64m "$debian" sleep 1000
	stuck c
	first=$(ctl inspect --format '{{.State.Pid}}' c)
	grep -q "^Uid:.$(awk '/^Uid:/ { print $2 }' "/proc/$first/status")\b" "/proc/$visit/status"
	for set in CapPrm CapEff CapBnd; do
		[ "$(awk "/^$set:/ { print \$2 }" "/proc/$visit/status")" = 0000000000000004 ]
	done
	for set in CapInh CapAmb; do
		[ "$(awk "/^$set:/ { print \$2 }" "/proc/$visit/status")" = 0000000000000000 ]
	done
	grep -q '^NoNewPrivs:.1$' "/proc/$visit/status"
	grep -q '^Seccomp:.2$' "/proc/$visit/status"
	[ "$(stat -c %u "/proc/$visit/environ")" = 0 ]
	for ns in user mnt pid net ipc uts cgroup time; do
		[ "$(readlink "/proc/$visit/ns/$ns")" = "$(readlink "/proc/$first/ns/$ns")" ]
	done
	[ "$(cat "/proc/$visit/cgroup")" = "$(cat "/proc/$first/cgroup")" ]
	find "/proc/$visit/fd" -type l -printf '%f %l\n' | sed -E 's/[0-9]+\]//' | sort >"$dir/fds"
	cat "$dir/fds"
	[ "$(head -n 4 "$dir/fds" | sed 's/pipe:.*/pipe/')" = "$(printf '%s\n' "0 /dev/null" "1 pipe" "2 pipe" "3 /")" ]
	# And the directory it is at, and the file in there.
	[ "$(wc -l <"$dir/fds")" -le 6 ]
	for fd in $(awk '$1 > 3 { print $1 }' "$dir/fds"); do
		[ "$(stat -Lc %d "/proc/$visit/fd/$fd")" != "$(stat -c %d /)" ]
	done
	kill $stuck
}

@test "a container that may trace what is its own can't look into a visit, which it sees; nor join it" {
	ctl run -d --name c --cap-add SYS_PTRACE "$debian" sleep 1000
	stuck c
	run ctl exec --privileged c python3 -c '
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
pid = [p for p in os.listdir("/proc") if p.isdigit() and open(f"/proc/{p}/comm").read() == "visit\n"][0]
def tried(what, fn):
    try:
        print("BAD" if fn() not in (None, -1) else "refused", what)
    except OSError as e:
        print("refused", what)
print("seen", open(f"/proc/{pid}/cmdline").read().strip("\0"))
tried("attach", lambda: libc.ptrace(16, int(pid), 0, 0))
tried("seize", lambda: libc.ptrace(0x4206, int(pid), 0, 0))
for name in ("environ", "mem", "maps", "auxv", "syscall"):
    tried(name, lambda: open(f"/proc/{pid}/{name}", "rb").read(1) or None)
for name in ("exe", "root", "cwd", "ns/mnt"):
    tried(name, lambda: os.readlink(f"/proc/{pid}/{name}"))
tried("fd", lambda: os.listdir(f"/proc/{pid}/fd"))
tried("exe", lambda: os.open(f"/proc/{pid}/exe", os.O_WRONLY))
tried("readv", lambda: libc.process_vm_readv(int(pid), 0, 0, 0, 0, 0) if os.path.exists("/nothing") else None)
pidfd = libc.syscall(434, int(pid), 0)
tried("getfd", lambda: libc.syscall(438, pidfd, 1, 0))
'
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = "seen visit" ]
	[ "$(grep -c refused <<<"$output")" = 15 ]
	[[ "$output" != *BAD* ]]
	kill $stuck
}

@test "a visit that the container kills is an error, and leaves nothing on the host" {
	ctl run -d --name c "$debian" sleep 1000
	(ctl export -o whole.tar c 2>said && echo 0 >code || echo 1 >code) 3>&- &
	wait_until 10 eval "[ -n \"\$(visits c)\" ] || [ -s code ]"
	ctl exec c bash -c 'for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" != visit ] || kill -KILL ${p#/proc/}; done'
	wait
	if [ "$(cat code)" != 0 ]; then
		[ "$(cat code)" = 1 ]
		[ "$(wc -l <said)" = 1 ]
		[ ! -e whole.tar ]
	fi
	stuck c
	kill -KILL "$visit"
	cat <&"$reader" >/dev/null 3>&- &
	drain=$!
	wait $stuck || code=$?
	kill $drain
	[ "$code" = 1 ]
	[[ "$(cat "$dir/said")" == "ctl: export c: killed"* ]]
}

@test "a visit whose ctl dies ends; one whose container ends, too" {
	ctl run -d --name c "$debian" sleep 1000
	stuck c
	kill -KILL $stuck
	exec {reader}<&-
	wait_until 10 engine_gone "$visit"
	rm "$dir/fifo"
	stuck c
	ctl stop -t 0 c
	wait_until 10 engine_gone "$visit"
	cat <&"$reader" >/dev/null 3>&- &
	drain=$!
	wait $stuck || code=$?
	kill $drain
	[ "$code" = 1 ]
	[[ "$(cat "$dir/said")" == "ctl: export c: "* ]]
}

# ---- export ----

# unpacked TAR DIR
unpacked()
{
	mkdir "$2"
	tar -C "$2" --xattrs --xattrs-include='*' --numeric-owner -xpf "$1"
}

@test "export is the image's tree, and what the container made of it; nothing that is mounted there" {
	mkdir vol
	echo outside >vol/file
	ctl run -d --name c -v "$dir/w/vol:/vol" --tmpfs /scratch "$debian" bash -c '
		echo in >/scratch/file; rm /etc/motd; echo new >/srv/new; chown 5:6 /srv/new; touch -d @1000000000.5 /srv/new /srv; exec sleep 1000'
	wait_until 10 eval '[ "$(ctl exec c stat -c %Y /srv)" = 1000000000 ]'
	ctl export c >one.tar
	ctl export -o two.tar c
	cmp one.tar two.tar
	unpacked one.tar tree
	run "$BATS_TEST_DIRNAME/treecmp" "$(image_rootfs debian)" tree
	grep -vE "mtime: expected" <<<"$output" >differences
	cat differences
	[ "$(sed "s/'.*//" differences | wc -l)" = "$(sort -u differences | wc -l)" ]
	[ "$(sed -E "s/^'([^']*)': (.*)$/\1 \2/" differences)" = "$(printf '%s\n' "etc/hosts extra" "etc/motd missing" "scratch extra" "srv/new extra" "vol extra")" ]
	[ -z "$(find tree/vol tree/scratch tree/proc tree/sys -mindepth 1)" ]
	[ "$(stat -c '%u:%g %Y' tree/srv/new)" = "5:6 1000000000" ]
	# As docker has it: names without ./ in front.
	tar tf one.tar | grep -qx etc/passwd
	# busybox's tree is its image's too.
	ctl run -d --name b "$bb" sleep 1000
	ctl export b >b.tar
	unpacked b.tar btree
	run "$BATS_TEST_DIRNAME/treecmp" --ignore-dir-mtime --ignore-root "$(image_rootfs busybox)" btree
	echo "$output"
	run ! grep -v extra <<<"$output"
}

@test "export: a file appears when it is whole; a terminal is refused; what can't be written is told" {
	ctl run -d --name c "$bb" sleep 1000
	run "$BATS_TEST_DIRNAME/../lib/terminal.py" wait:redirect -- "$engine_bin/ctl" export c
	[[ "$output" == *"an archive is nothing for a terminal"*exit=1* ]]
	refused "is a directory" ctl export -o . c
	refused "no such file or directory" ctl export -o no/such c
	refused "no such container" ctl export -o new nobody
	refused "no space left on device" bash -c "'$engine_bin/ctl' export c >/dev/full"
	refused "broken pipe: who was to read it has closed it" bash -c "set -o pipefail; '$engine_bin/ctl' export c | true"
	echo old >file
	run bash -c "ulimit -f 8; '$engine_bin/ctl' export -o file c"
	[ "$status" = 1 ]
	[ "$(cat file)" = old ]
	ctl export -o file c
	tar tf file >/dev/null
	[ "$(ls)" = file ]
}

@test "export springs no trap, executes nothing, opens nothing outside of the root" {
	trapped c
	watched c ctl export -o whole.tar c
	tar tf whole.tar | grep -qx usr/lib/x86_64-linux-gnu/gconv/TRAP.so
	[ "$(sprung c)" = "" ]
	kept_to "$reading pread64 readlinkat flistxattr fgetxattr"
	# Everything by openat2, beneath a descriptor, over no link.
	grep openat2 "$dir/trace" | grep -v unfinished | grep -cv 'RESOLVE_NO_MAGICLINKS|RESOLVE_NO_SYMLINKS|RESOLVE_BENEATH' | grep -qx 0
}

@test "export of a container whose mounts are locked says why it can't" {
	ctl run -d --name c --cap-add SYS_ADMIN "$bb" sleep 1000
	run ctl export -o "$dir/x.tar" c
	[ "$status" = 1 ]
	[[ "$output" == *"its mounts are locked"* ]]
	[ ! -e "$dir/x.tar" ]
	[[ "$(ctl top c)" == *"sleep 1000"* ]]
}

# ---- cp: docker's table ----

# What SRC is, where it goes, and what is there afterwards (names, ':' and the contents of files), or = and words of the
# error. The same holds both ways: the tree that is copied from has f, d (with g and s/h), lf -> f, ld -> d; the one that is
# copied to has F, D (with f, a file) and E (with d, a directory that holds old), LF -> F, LD -> D, LN -> N.
table='
f       N          N:f
f       N/         =does not exist
f       M/N        =does not exist
f       F          F:f
f       D          D/f:f
f       D/         D/f:f
f       D/.        D/f:f
f       LF         F:f LF->F
f       LD         D/f:f LD->D
f       LN         N:f LN->N
f       F/         =ot a directory
f/      N          =ot a directory
f/.     N          =ot a directory
none    N          =no such file
d       N          N/g:g N/s/h:h
d       N/         N/g:g N/s/h:h
d       M/N        =does not exist
d       F          =a directory can.t be copied to a file
d       D          D/d/g:g D/d/s/h:h D/f:old
d/      D          D/d/g:g D/d/s/h:h D/f:old
d/.     D          D/f:old D/g:g D/s/h:h
d/.     N          N/g:g N/s/h:h
d/.     F          =a directory can.t be copied to a file
d       E          E/d/g:g E/d/old:old E/d/s/h:h
d       LD         D/d/g:g D/d/s/h:h D/f:old LD->D
d/f     N          =no such file
d/g     E/d        E/d/g:g E/d/old:old
lf      N          N->f
lf      D          D/f:old D/lf->f
-L&lf   N          N:f
-L&lf   D          D/f:old D/lf:f
ld      N          N->d
ld/     N          N/g:g N/s/h:h
ld/     D          D/f:old D/ld/g:g D/ld/s/h:h
-L&ld   D          D/f:old D/ld/g:g D/ld/s/h:h
ld/.    D          D/f:old D/g:g D/s/h:h
d/../f  N          N:f
d/s/..  N          N/g:g N/s/h:h
f       E/d/old/x  =ot a directory
x:y     N          N:colon
'
make_from='mkdir from; cd from; printf f >f; mkdir -p d/s; printf g >d/g; printf h >d/s/h; ln -s f lf; ln -s d ld; printf colon >x:y'
make_to='rm -rf to; mkdir to; cd to; printf F >F; mkdir -p D E/d; printf old >D/f; printf old >E/d/old; ln -s F LF; ln -s D LD; ln -s N LN'
# What it looks like now, of what a copy may have changed.
look='cd to; find . ! -type d | sed s,^./,, | sort | while read -r n; do
	if [ -L "$n" ]; then echo "$n->$(readlink "$n")"; else echo "$n:$(cat "$n")"; fi; done'

# expected WANTED: of a line of the table, with what is there anyway
expected()
{
	local w names=" $1 "

	for w in $1; do echo "$w"; done
	for w in F:F D/f:old E/d/old:old "LF->F" "LD->D" "LN->N"; do
		# What the copy wrote to or replaced has another line.
		[[ "$names" == *" ${w%%[:-]*}"[:-]* ]] || echo "$w"
	done
}

# table_line FROM-PREFIX TO-PREFIX: one line, in $src $dst $want; LOOK and RESET are commands
table_line()
{
	local flags=() got=0

	if [[ "$src" == *"&"* ]]; then
		flags=("${src%&*}")
		src=${src#*&}
	fi
	$RESET
	run ctl cp "${flags[@]}" "$1$src" "$2$dst"
	if [[ "$want" == =* ]]; then
		[ "$status" = 1 ] && [ "${#lines[@]}" = 1 ] && grep -q "${want#=}" <<<"$output" || got=1
		want=
	else
		[ "$status" = 0 ] && [ "$output" = "" ] || got=1
	fi
	expected "$want" | sort >"$dir/want"
	$LOOK >"$dir/got"
	if [ $got = 1 ] || ! diff "$dir/want" "$dir/got"; then
		echo "cp ${flags[*]} $1$src $2$dst: $status $output"
		return 1
	fi
}

every_line()
{
	local failed=0 src dst want

	while read -r src dst want; do
		[ -z "$src" ] || table_line "$@" || failed=1
	done <<<"$table"
	return $failed
}

reset_here() { (eval "$make_to"); }
look_here() { (eval "$look"); }
reset_there() { ctl exec c sh -c "cd /w; $make_to"; }
look_there() { ctl exec c sh -c "cd /w; $look"; }

@test "cp out of a container: docker's table, line by line" {
	ctl run -d --name c "$bb" sleep 1000
	ctl exec c sh -c "mkdir /w; cd /w; $make_from"
	RESET=reset_here LOOK=look_here
	every_line c:/w/from/ "$PWD/to/"
	every_line c:w/from/ to/
}

@test "cp into a container: docker's table, line by line" {
	ctl run -d --name c "$bb" sleep 1000
	ctl exec c mkdir /w
	(eval "$make_from")
	RESET=reset_there LOOK=look_there
	every_line ./from/ c:/w/to/
	every_line "$PWD/from/" c:w/to/
}

@test "cp: what is where in a word" {
	ctl run -d --name c "$bb" sleep 1000
	printf x >host:b
	ctl cp ./host:b c:/x
	ctl cp "$PWD/host:b" c:/y
	ctl cp c:/x ./c:d
	[ "$(cat c:d)" = x ]
	refused "no such container: host" ctl cp host:b .
	refused "between containers" ctl cp c:/x c:/z
	refused "must be in a container" ctl cp x y
	refused "must be in a container" ctl cp - -
	refused "an empty path" ctl cp "" c:/x
	refused "is not CONTAINER:PATH" ctl cp c: x
	refused "is not CONTAINER:PATH" ctl cp :/x x
	refused "needs CONTAINER:SRC" ctl cp c:/x
	refused "unknown flag" ctl cp --nothing c:/x x
	# The id, and a beginning of it, name it too. The place it starts from is /, whatever WORKDIR says.
	id=$(ctl run -d -w /tmp "$bb" sleep 1000)
	ctl cp host:b "${id:0:12}:q" 2>/dev/null && false
	ctl cp ./host:b "${id:0:12}:q"
	ctl exec "$id" cat /q
	ctl cp "$id:/q" - | tar t | grep -qx q
	# . is what it holds, .. the directory above by its name.
	mkdir sub
	cd sub
	ctl cp . c:/tmp
	ctl cp .. c:/tmp
	[ "$(ctl exec c ls /tmp)" = w ]
	ctl cp c:/tmp/w/host:b .
	ctl cp c:/tmp/w ..
	[ "$(cat ../w/host:b)" = x ]
}

# ---- what a file has ----

@test "cp keeps modes, times, links, holes, attributes; owners with -a alone" {
	ctl run -d --name c "$debian" sleep 1000
	ctl exec c bash -c 'mkdir -p /t/d /t/locked; cd /t; echo x >f; ln f d/hard; ln -s /etc/passwd abs; ln -s ../nowhere rel; mkfifo -m 640 fifo
		truncate -s 5G sparse; printf end | dd of=sparse bs=1 seek=5000000000 conv=notrunc status=none; echo in >locked/in
		python3 -c "
import os, socket
socket.socket(socket.AF_UNIX).bind(\"sock\")
os.setxattr(\"f\", \"user.a\", b\"\\x00\\xff=\\n\")
os.setxattr(\"d\", \"user.dir\", b\"v\")
os.mkdir(b\"\\xff\\n\")
os.utime(\"f\", ns=(0, -1250000000))
"
		chmod 4711 f; chmod 1777 d; chmod 2755 /t; chown 5:6 f; chown -h 7:8 abs; chown 65534:65535 d; chmod 500 locked
		touch -d @1000000000.123456789 d locked .'
	ctl cp c:/t .
	[ "$(stat -c '%u:%g' t t/f t/d t/abs | sort -u)" = "$(id -u):$(id -g)" ]
	# No set-user-id bit comes out of a container.
	[ "$(stat -c '%a %A' t/f t/d t t/locked t/fifo | tr '\n' ' ')" = "711 -rwx--x--x 1777 drwxrwxrwt 755 drwxr-xr-x 500 dr-x------ 640 prw-r----- " ]
	[ "$(stat -c %y t t/d t/locked | sort -u | cut -d. -f2 | cut -c1-9)" = 123456789 ]
	[ "$(stat -c %Y t/f)" = -2 ]
	[ "$(stat -c %i t/f)" = "$(stat -c %i t/d/hard)" ]
	[ "$(readlink t/abs) $(readlink t/rel)" = "/etc/passwd ../nowhere" ]
	[ "$(stat -c %s t/sparse)" = $((5 << 30)) ]
	[ "$(du -s t/sparse | cut -f1)" -lt 1024 ]
	[ "$(tail -c +5000000001 t/sparse | head -c 3)" = end ]
	[ ! -e t/sock ]
	[ -d t/$'\xff\n' ]
	python3 -c 'import os; assert os.getxattr("t/f", "user.a") == b"\0\xff=\n"; assert os.getxattr("t/d", "user.dir") == b"v"'
	# And back: the set-user-id bit is not there any more, all else is as it was.
	chmod 4711 t/f
	ctl cp -a c:/t keep
	[ "$(stat -c '%u:%g' keep/f keep/d keep | tr '\n' ' ')" = "5:6 65534:65535 0:0 " ]
	ctl cp t c:/back
	ctl exec c bash -c 'cd /back; stat -c "%n %a %u:%g %s %Y" f d . locked fifo abs; test f -ef d/hard; du -s sparse; cat locked/in
		python3 -c "import os; print(os.getxattr(\"f\", \"user.a\"), os.lstat(\"f\").st_mtime_ns)"; find . -uid +0' >there
	cat there
	grep -qx "f 4711 0:0 2 -2" there
	grep -qx "d 1777 0:0 4096 1000000000" there
	grep -qx "locked 500 0:0 4096 1000000000" there
	grep -qx "fifo 640 0:0 0 [0-9]*" there
	grep -qE '^[0-9]{1,3}	sparse$' there
	grep -qx in there
	grep -qF "b'\\x00\\xff=\\n' -1250000000" there
	run -1 grep '^\./' there
	# -a into it: numbers as they are outside, if they exist inside.
	chown 1000:1001 keep/f
	ctl cp -a keep c:/kept
	[ "$(ctl exec c stat -c '%u:%g' /kept/f /kept/d | tr '\n' ' ')" = "1000:1001 65534:65535 " ]
	chown 70000 keep/f
	refused "its owner 70000:1001 doesn't exist there" ctl cp -a keep c:/kept2
	[ "$(ctl exec c ls / | grep -c kept2)" = 0 ]
	rm -rf t keep
}

@test "cp -a: what is given away may have two names, and any mode" {
	ctl run -d --name c "$debian" bash -c 'mkdir -p /t/a/b; cd /t; echo x >a/f; ln a/f g; ln g a/b/h; echo y >none; mkdir shut
		echo z >shut/in; chmod 0 none; chmod 640 a/f; chmod 500 shut; chown -R 5:6 /t; chown 7:8 shut; touch /done; exec sleep 1000'
	wait_until 10 ctl exec c test -e /done
	ctl cp -a c:/t .
	[ "$(stat -c '%n %u:%g %a %h' t t/a t/a/b t/a/f t/g t/none t/shut t/shut/in | tr '\n' ' ')" = "t 5:6 755 4 t/a 5:6 755 3 t/a/b 5:6 755 2 \
t/a/f 5:6 640 3 t/g 5:6 640 3 t/none 5:6 0 1 t/shut 7:8 500 2 t/shut/in 5:6 644 1 " ]
	[ "$(stat -c %i t/g t/a/f t/a/b/h | sort -u | wc -l)" = 1 ]
	rm -rf t
}

@test "cp: file capabilities go in, not out" {
	ctl run -d --name c "$debian" sleep 1000
	cp /bin/true prog
	setcap cap_net_raw+ep prog
	ctl cp prog c:/prog
	[ -n "$(ctl exec c python3 -c 'import os; print(os.getxattr("/prog", "security.capability").hex())')" ]
	ctl cp c:/prog out
	[ -z "$(getcap out)" ]
}

@test "cp: devices and sockets" {
	ctl run -d --name c "$debian" sleep 1000
	refused "null: a device can't be copied" ctl cp c:/dev/null .
	refused "null: a device can't be copied" ctl cp /dev/null c:/tmp/null
	refused "neither a directory nor a regular file" ctl cp /etc/passwd c:/dev/null
	mkfifo fifo
	refused "neither a directory nor a regular file" ctl cp c:/etc/passwd fifo
	run ctl cp c:/dev d
	[ "$status" = 0 ]
	[[ "$output" == "ctl: cp: warning: "*" devices left out" ]]
	[ -L d/stdout ]
	[ ! -e d/null ]
	mknod null c 1 3
	mknod passwd c 1 3
	tar c null fifo | ctl cp - c:/tmp 2>said
	grep -q "warning: 1 devices left out: a container can't have them made" said
	ctl exec c bash -c 'test -p /tmp/fifo && ! test -e /tmp/null'
	ctl exec c python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/tmp/sock")'
	refused "a socket can't be copied" ctl cp c:/tmp/sock .
	refused "what the kernel makes up as it is read" ctl cp c:/proc/self/status .
	# What is there is replaced, whatever it is; a mount isn't.
	ctl cp c:/etc/passwd .
	[ -f passwd ]
	refused "something is mounted on it" ctl cp passwd c:/etc/hosts
	# /proc and the like are no files.
	ctl cp c:/ whole
	[ -z "$(find whole/proc whole/sys -mindepth 1)" ]
	[ -s whole/etc/hosts ]
	rm -rf whole
}

# ---- - ----

@test "cp - out: a tar archive, as docker names things" {
	ctl run -d --name c "$bb" sleep 1000
	ctl exec c sh -c "mkdir /w; cd /w; $make_from"
	[ "$(ctl cp c:/w/from/f - | tar t)" = f ]
	[ "$(ctl cp c:/w/from/d - | tar t | sort | tr '\n' ' ')" = "d/ d/g d/s/ d/s/h " ]
	[ "$(ctl cp c:/w/from/d/. - | tar t | sort | tr '\n' ' ')" = "./ ./g ./s/ ./s/h " ]
	[ "$(ctl cp c:/w/from/lf - | tar tv | sed 's/.*lf/lf/')" = "lf -> f" ]
	[ "$(ctl cp -L c:/w/from/lf - | tar t)" = lf ]
	run "$BATS_TEST_DIRNAME/../lib/terminal.py" wait:redirect -- "$engine_bin/ctl" cp c:/w -
	[[ "$output" == *"an archive is nothing for a terminal"*exit=1* ]]
	refused "no such file" ctl cp c:/w/none -
}

@test "cp - in: any tar archive, compressed or not" {
	ctl run -d --name c "$debian" sleep 1000
	mkdir -p t/"$(printf 'n%.0s' {1..120})" t/é
	echo x >t/f
	ln t/f t/hard
	ln -s f t/link
	echo long >t/"$(printf 'n%.0s' {1..120})"/"$(printf 'm%.0s' {1..120})"
	truncate -s 10M t/sparse
	echo mid | dd of=t/sparse bs=1 seek=5M conv=notrunc status=none
	chown 1000:1000 t/f
	n=0
	for how in "--format=gnu" "--format=pax" "--format=v7" "--format=ustar" "--format=gnu -S" "--format=pax -S" \
			"--format=oldgnu -S" -z -j -J --zstd; do
		n=$((n + 1))
		ctl exec c mkdir "/to$n"
		# shellcheck disable=SC2086
		tar $how -c t 2>/dev/null | ctl cp - "c:/to$n"
		ctl exec c bash -c "cd /to$n/t && stat -c '%u %a' f && test f -ef hard && readlink link && md5sum sparse && cat n*/m* ; ls" >"got$n" || true
		# Older formats have no room for such names.
		case $how in
		*v7*|*ustar*) grep -q sparse "got$n" ;;
		*) diff got1 "got$n" ;;
		esac
	done
	grep -qx "0 644" got1
	grep -qx "$(md5sum <t/sparse | cut -c1-32)  sparse" got1
	grep -qx é got1
	tar c t | ctl cp -a - c:/opt
	[ "$(ctl exec c stat -c %u:%g /opt/t/f)" = 1000:1000 ]
	# What is there already stays, directories that it leaves out are made.
	tar c t/é | ctl cp - c:/opt
	[ "$(ctl exec c cat /opt/t/f)" = x ]
	printf '' | refused "no tar archive" ctl cp - c:/opt
	head -c 100000 /dev/urandom | refused "no tar archive" ctl cp - c:/opt
	tar c t | head -c 20000 | refused "" ctl cp - c:/opt
	tar c t | refused "/none: no such file" ctl cp - c:/none
	tar c t | refused "/etc/passwd: not a directory" ctl cp - c:/etc/passwd
}

@test "cp - in: names that lead out are refused, and nothing outside of the directory is touched" {
	ctl run -d --name c "$debian" bash -c 'mkdir -p /a/dest /a/outside; echo secret >/a/outside/file; exec sleep 1000'
	wait_until 10 ctl exec c test -e /a/outside/file
	for case in dotdot absolute link abslink hard hardlink abshard; do
		python3 - "$hostile" $case >stream <<-'END'
			import sys
			sys.path.insert(0, sys.argv[1])
			import lying_engine
			sys.stdout.buffer.write(lying_engine.build(sys.argv[2], "/a/outside"))
		END
		refused "" ctl cp - c:/a/dest <stream
		echo "$case: $output"
		[ "$(ctl exec c sh -c 'cat /a/outside/*; ls /a /a/outside; stat -c %h /a/outside/file')" = \
			"$(printf '%s\n' secret /a: dest outside '' /a/outside: file 1)" ]
	done
}

# ---- what must not be touched ----

# as_engine CASE [CODE] CMD...: runs ctl against an engine whose containers send that
as_engine()
{
	local case=$1 code=0 sock=$dir/lying.sock

	shift
	if [[ "$1" =~ ^[0-9]+$ ]]; then
		code=$1
		shift
	fi
	rm -f "$sock"
	OUTSIDE=$dir/w/outside python3 "$hostile/lying_engine.py" "$sock" "$case" "$code" 3>&- &
	lying=$!
	wait_until 10 test -S "$sock"
	BULKHEAD_SOCKET=$sock "$@"
}

@test "cp out of a container that sends what it likes: refused in a sentence, and nothing outside is touched" {
	mkdir outside dest
	echo secret >outside/file
	ln -s ../outside dest/mine
	cp -a outside before
	as_engine good ctl cp c:/t dest/t
	[ "$(cat dest/t/file)" = good ]
	rm -rf dest/t
	for case in dotdot absolute link abslink toplink hard hardlink abshard elsewhere existing garbage nothing; do
		for to in dest/new dest; do
			run as_engine $case ctl cp c:/t "$to"
			echo "$case to $to: $output"
			[ "$status" = 1 ] || [ $case = existing ]
			[ "$status" != 1 ] || [ "${#lines[@]}" = 1 ]
			"$BATS_TEST_DIRNAME/treecmp" before outside
			[ -L dest/mine ]
			# What was new is gone with the failure.
			[ "$status" = 0 ] || [ "$(ls -A dest)" = mine ]
			rm -rf dest/new dest/t
		done
		run as_engine $case ctl cp c:/t/. dest
		[ "$status" = 1 ]
		[ -L dest/mine ]
		"$BATS_TEST_DIRNAME/treecmp" before outside
		find dest -mindepth 1 ! -name mine -delete
	done
	as_engine setuid ctl cp c:/t dest/t
	[ "$(stat -c %a dest/t/file)" = 755 ]
	run as_engine device ctl cp c:/t dest/t2
	[[ "$output" == *"1 devices left out" ]]
	[ "$(ls dest/t2)" = file ]
	# A stream that is whole, of a visit that failed.
	run as_engine good 137 ctl cp c:/t dest/t3
	[ "$status" = 1 ]
	[ ! -e dest/t3 ]
}

# unpacker CTL: pid of the process that reads what comes out of the container
unpacker()
{
	for pid in $(pgrep -P "$(pgrep -P "$1" | tr '\n' , | sed 's/,$//')" 2>/dev/null); do
		! grep -qx ctl-unpack "/proc/$pid/comm" || echo "$pid"
	done
}

# stop_visit SHIM: stops the one that is in its container once it has sent a megabyte, which somebody has read then; sets
# visit. Without a fork, each of which is time in which the visit may end.
stop_visit()
{
	local pid pids comm word count end

	wait_end end 10
	while ! wait_over "$end"; do
		read -r -d '' pids <"/proc/$1/task/$1/children" || true
		for pid in $pids; do
			read -r comm <"/proc/$pid/comm" && [ "$comm" = visit ] || continue
			while read -r word count; do
				[ "$word" = wchar: ] && [ "$count" -gt 1000000 ] || continue
				kill -STOP "$pid"
				visit=$pid
				return
			done <"/proc/$pid/io"
		done 2>/dev/null
	done
	return 1
}

# held NAME CMD...: a copy out of the container whose visit stands still; sets copy, below and visit
held()
{
	local shim

	shim=$(awk '/^PPid:/ { print $2 }' "/proc/$(ctl inspect --format '{{.State.Pid}}' "$1")/status")
	shift
	"$@" 3>&- &
	copy=$!
	stop_visit "$shim"
	wait_until 10 eval "[ -n \"\$(unpacker $copy)\" ] && grep -q '^Seccomp:.2' /proc/\$(unpacker $copy)/status"
	below=$(unpacker "$copy")
}

@test "what reads a container's bytes has no capability, and reaches its own directory alone" {
	ctl run -d --name c "$debian" sleep 1000
	ctl exec c dd if=/dev/zero of=/big bs=1M count=300 status=none
	held c "$engine_bin/ctl" cp c:/big big
	for set in CapPrm CapEff CapBnd CapInh CapAmb; do
		[ "$(awk "/^$set:/ { print \$2 }" "/proc/$below/status")" = 0000000000000000 ]
	done
	grep -q '^NoNewPrivs:.1$' "/proc/$below/status"
	grep -q '^Seccomp:.2$' "/proc/$below/status"
	[ ! -e big ]
	kill -CONT "$visit"
	wait $copy
	[ "$(stat -c %s big)" = $((300 << 20)) ]
	rm big
	held c "$engine_bin/ctl" cp -a c:/big big
	[ "$(awk '/^CapPrm:/ { print $2 }' "/proc/$below/status")" = 0000000000000000 ]
	# Who gives files away holds CHOWN, no byte, and one socket.
	giver=$(pgrep -P "$(pgrep -P $copy)" ctl-give)
	wait_until 10 grep -q '^Seccomp:.2' "/proc/$giver/status"
	[ "$(awk '/^Cap(Prm|Eff|Bnd):/ { print $2 }' "/proc/$giver/status" | sort -u)" = 0000000000000001 ]
	[ "$(find "/proc/$giver/fd" -lname 'pipe:*' | grep -cv '/[012]$')" = 0 ]
	[ "$(find "/proc/$giver/fd" -lname 'socket:*' | grep -cv '/[012]$')" = 1 ]
	kill -CONT "$visit"
	wait $copy
	[ "$(ls)" = big ]
	# Its calls: files by openat2 below the directory; no exec, no socket, no name of chmod, chown or time.
	strace -f -qq -o "$dir/strace" "$engine_bin/ctl" cp c:/etc out
	awk '/seccomp\(SECCOMP_SET_MODE_FILTER/ { in_it[$1] = 1 } in_it[$1]' "$dir/strace" >"$dir/trace"
	grep -q openat2 "$dir/trace"
	run -1 grep -E '^[0-9]+ +(openat|open|execve|socket|connect|chmod|fchmodat|fchownat|chown|lchown|setxattr|mount)\(' "$dir/trace"
	run ! grep -E 'utimensat\([0-9]+, "' "$dir/trace"
}

@test "interrupted, killed, or out of room: what was there is as it was" {
	ctl run -d --name c "$debian" sleep 1000
	ctl exec c bash -c 'dd if=/dev/zero of=/big bs=1M count=300 status=none; mkdir /d; cp /big /d'
	for signal in INT TERM KILL; do
		echo old >big
		held c env --default-signal=INT "$engine_bin/ctl" cp c:/big big
		kill -$signal $copy
		kill -CONT "$visit"
		wait $copy || true
		wait_until 10 eval "[ \"\$(ls -A)\" = big ]"
		[ "$(cat big)" = old ]
		wait_until 10 eval "[ -z \"\$(visits c)\" ]"
	done
	# The visit killed, as by an out-of-memory killer.
	held c "$engine_bin/ctl" cp c:/d d 2>"$dir/said"
	kill -KILL "$visit"
	wait $copy && false
	grep -q "killed: the container has ended, or its memory limit" "$dir/said"
	[ "$(ls -A)" = big ]
	# The process that unpacks killed.
	held c "$engine_bin/ctl" cp c:/d d 2>"$dir/said"
	kill -KILL "$below"
	kill -CONT "$visit"
	wait $copy && false
	grep -q "the process that unpacks died" "$dir/said"
	[ "$(ls -A)" = big ]
	mkdir small
	mount -t tmpfs -o size=2m tmpfs small
	echo old >small/big
	run ctl cp c:/big small/big
	echo "$output"
	kept=$(cat small/big)
	left=$(ls -A small)
	run ctl cp c:/d small
	left="$left $(ls -A small)"
	umount small
	[ "$status" = 1 ]
	[[ "$output" == *"no space left on device"* ]]
	[ "$kept" = old ]
	[ "$left" = "big big" ]
	# The other way.
	ctl run -d --name s --tmpfs /small:size=2m "$bb" sleep 1000
	ctl exec s sh -c 'echo old >/small/big'
	truncate -s 300M big
	tr '\0' x <big >full
	refused "no space left on device" ctl cp full s:/small/big
	mkdir dir
	mv full dir
	refused "no space left on device" ctl cp dir s:/small
	[ "$(ctl exec s sh -c 'ls -A /small; cat /small/big')" = "$(printf 'big\nold')" ]
	# A source that can't be read to its end.
	mkdir dir2
	echo x >dir2/a
	mkdir -m 0 dir2/closed
	refused "ermission denied" setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --groups 0 "$engine_bin/ctl" cp dir2 c:/x || true
	[ "$(ctl exec c sh -c 'ls / | grep -c "^x$"')" = 0 ]
}

@test "root copies to others' directories what is new; what is there it fills without its capabilities" {
	ctl run -d --name c "$bb" sh -c 'mkdir /d; echo x >/d/f; sleep 1000'
	wait_until 10 ctl exec c test -e /d/f
	install -d -o 1000 -g 1000 -m 755 theirs theirs/d open
	ctl cp c:/d/f theirs
	ctl cp c:/d theirs/new
	[ "$(cat theirs/f theirs/new/f)" = "$(printf 'x\nx')" ]
	for to in theirs theirs/d; do
		run ctl cp c:/d/. $to
		[ "$status" = 1 ]
		[[ "$output" == "ctl: cp c: $to belongs to user 1000, and what comes out of a container is written without root's capabilities: "* ]]
	done
	refused "belongs to user 1000" ctl cp c:/d theirs
	[ -z "$(ls theirs/d)" ]
	chmod 777 open
	ctl cp c:/d/. open
	[ "$(cat open/f)" = x ]
}

@test "links in a container resolve in the container" {
	ctl run -d --name c "$debian" bash -c 'mkdir -p /l/real; cd /l; echo inside >/l/real/marker
		mkdir -p "/inside/$0"; echo inside >"/inside/$0/marker"; ln -s "/inside/$0" abs; ln -s "../../../../../../inside/$0" up; ln -s /proc/1/root magic
		ln -s /proc/self/root/l/real self; ln -s loop loop; exec sleep 1000' "$dir/w"
	wait_until 10 ctl exec c test -L /l/loop
	echo outside >marker
	for path in abs up; do
		ctl cp "c:/l/$path/marker" got
		[ "$(cat got)" = inside ]
		echo new >new
		ctl cp new "c:/l/$path"
		[ "$(ctl exec c cat "/inside/$dir/w/new")" = new ]
		rm got
	done
	for path in magic self; do
		refused "" ctl cp "c:/l/$path/marker" got
		refused "" ctl cp marker "c:/l/$path/x"
		refused "" ctl cp marker "c:/l/$path"
	done
	refused "oo many levels of symbolic links" ctl cp c:/l/loop/x got
	refused "oo many levels of symbolic links" ctl cp marker c:/l/loop
	[ "$(cat marker)" = outside ]
	[ "$(ls)" = "$(printf 'marker\nnew')" ]
}

@test "a process that exchanges directories and links during cp is no way out, nor to what its user can't reach" {
	ctl run -d --name c "$debian" bash -c 'mkdir -p /home/u/t/x /root/private; echo theirs >/home/u/t/x/f; echo private >/root/private/f
		chmod 700 /root /root/private; ln -s /root/private /home/u/t/y; chown -hR 1000 /home/u; exec sleep 1000'
	wait_until 10 ctl exec c test -e /home/u/t/y
	ctl exec -d -u 1000 c python3 -c '
import ctypes, os
libc = ctypes.CDLL(None)
while not os.path.exists("/tmp/stop"):
    for _ in range(100):
        libc.renameat2(-100, b"/home/u/t/x", -100, b"/home/u/t/y", 2)  # RENAME_EXCHANGE
'
	wait_until 20 ctl exec c test -L /home/u/t/x
	mkdir -p t/x
	echo written >t/x/g
	for i in $(seq 60); do
		rm -rf out
		ctl cp c:/home/u/t out || true
		[ ! -e out ] || run -1 grep -rq private out
		ctl cp t c:/home/u >/dev/null 2>&1 || true
		ctl cp t/. c:/home/u/t >/dev/null 2>&1 || true
	done
	ctl exec c touch /tmp/stop
	[ "$(ctl exec c ls /root/private)" = f ]
	[ "$(ctl exec c cat /root/private/f)" = private ]
	# Some of it got through, or this has shown nothing.
	ctl exec c sh -c 'test -e /home/u/t/x/g || test -e /home/u/t/y/g'
}

@test "cp springs no trap, and executes nothing inside" {
	trapped c
	mkdir t
	echo x >t/f
	watched c ctl cp c:/usr/lib/x86_64-linux-gnu/gconv out
	[ -e out/TRAP.so ]
	kept_to "$reading pread64 readlinkat flistxattr fgetxattr"
	[ "$(sprung c)" = "" ]
}

@test "cp into it springs no trap either" {
	trapped c
	mkdir t
	echo x >t/f
	ln -s f t/l
	watched c ctl cp t c:/new
	[ "$(sprung c)" = "" ]
	kept_to "$reading readlinkat mkdirat symlinkat linkat mknodat renameat renameat2 unlinkat faccessat faccessat2 ftruncate fsetxattr
		fchown fchownat fchmod utimensat getrandom"
	untouched
	[ "$(ctl exec c /usr/bin/cat /new/l)" = x ]
}

@test "100,000 files out of a container and back" {
	ctl run -d --name c "$debian" bash -c 'mkdir /many; cd /many; python3 -c "
import os
for i in range(100):
    os.mkdir(str(i))
    for k in range(1000):
        open(f\"{i}/{k}\", \"w\").write(str(k))
"; touch /ready; exec sleep 1000'
	wait_until 60 ctl exec c test -e /ready
	CTL_TIMEOUT=200 ctl cp c:/many .
	[ "$(find many -type f | wc -l)" = 100000 ]
	[ "$(cat many/42/777)" = 777 ]
	CTL_TIMEOUT=200 ctl cp many c:/back
	[ "$(CTL_TIMEOUT=200 ctl exec c sh -c 'find /back -type f | wc -l; diff -r /many /back && echo same')" = "$(printf '100000\nsame')" ]
	rm -rf many
	CTL_TIMEOUT=300 ctl rm -f c
}

# ---- containers that don't run ----

# cgroups NAME: those of it that there are
cgroups()
{
	find /sys/fs/cgroup -path "*/$ENGINE_NAME/$(ctl inspect --format '{{.Id}}' "$1")*" -type d
}

@test "cp and export of a container that was never started, and of one that has ended; its record stays as it is" {
	(eval "$make_from")
	ctl create --name new "$debian" bash -c 'cat /srv/in; cat /w/from/d/g; exit 3' >/dev/null
	ctl run --name ended "$debian" bash -c 'echo made >/made; exit 3' || true
	echo put >in
	mkdir w
	mv from w
	for c in new ended; do
		# But for the range of ids that its files now belong to.
		ctl inspect $c | grep -v UidBase >before
		ctl cp in $c:/srv
		ctl cp w $c:/
		ctl cp $c:/srv/in got
		[ "$(cat got)" = put ]
		[ "$(ctl cp $c:/w/from/d - | tar t | sort | tr '\n' ' ')" = "d/ d/g d/s/ d/s/h " ]
		ctl export -o $c.tar $c
		tar tf $c.tar | grep -qx w/from/d/s/h
		refused "container $c is not running" ctl top $c
		run -1 ctl exec $c true
		ctl inspect $c | grep -v UidBase | diff before -
		[ "$(cgroups $c)" = "" ]
	done
	tar tf ended.tar | grep -qx made
	[ "$(ctl inspect --format '{{.State.Status}} {{.State.Pid}}' new)" = "created 0" ]
	[ "$(ctl inspect --format '{{.State.Status}} {{.State.ExitCode}}' ended)" = "exited 3" ]
	# A visit makes nothing of its own: a fresh container's tree is its image's, to the last entry.
	for image in debian:12 busybox; do
		ctl create --name fresh "$REGISTRY/$image" true
		[ -z "$(ctl cp fresh:/dev - | tar t | grep mqueue)" ]
		ctl export -o fresh.tar fresh
		rm -rf tree
		unpacked fresh.tar tree
		"$BATS_TEST_DIRNAME/treecmp" --ignore-root "$(image_rootfs "${image%:*}")" tree
		ctl rm fresh
	done
	# What was put in is there when it starts.
	run ctl start -a new
	[ "$status" = 3 ]
	[ "$output" = "$(printf 'put\ng')" ]
	rm -rf tree
}

@test "cp into a container that doesn't run: docker's table, line by line" {
	ctl create --name c "$bb" true
	(eval "$make_from")
	# Looking is by cp too: no process may run in there.
	reset_stopped()
	{
		rm -rf to
		(eval "$make_to")
		ctl rm c >/dev/null
		ctl create --name c "$bb" true >/dev/null
		tar c to | ctl cp - c:/
	}
	look_stopped()
	{
		rm -rf to
		ctl cp c:/to to
		(eval "$look")
	}
	RESET=reset_stopped LOOK=look_stopped
	# A line of each kind: each takes four containers' time.
	table=$(grep -E '^(f|d|d/\.|-L&lf|lf) +(N|F|D|E|LD|M/N) ' <<<"$table")
	every_line ./from/ c:/to/
}

@test "binds of a container that doesn't run are in its tree; tmpfs is not" {
	mkdir bound
	echo out >bound/file
	ctl create --name c -v "$PWD/bound:/b" --tmpfs /t --read-only "$bb" true
	ctl cp c:/b/file got
	[ "$(cat got)" = out ]
	echo new >new
	ctl cp new c:/b
	[ "$(cat bound/new)" = new ]
	refused "cp c: /etc: making a directory beside it to copy into: read-only file system" ctl cp new c:/etc
	[ -z "$(ctl export c | tar t | grep ^b/f)" ]
	# After a restart of the supervisor their descriptors are gone: nothing goes where they would hide it.
	ctl create --name d -v "$PWD/bound:/b" -v "$PWD/new:/etc/new" -v "$PWD/new:/not/yet" "$bb" true
	ctl cp d:/etc/new got
	kill -KILL "$(pgrep -P "$ENGINE_PID" -f -- --serve)"
	wait_until 10 engine_answers
	refused "/b/file: no such file" ctl cp d:/b/file got2
	refused "read-only file system" ctl cp new d:/b
	refused "read-only file system" ctl cp new d:/b/new
	rm got
	ctl cp d:/etc/new got
	[ ! -s got ]
	ctl cp d:/etc/passwd got2
	ctl cp new d:/etc/passwd
	ctl cp d:/etc/passwd - | tar xO | cmp - new
	[ "$(cat bound/file bound/new)" = "$(printf 'out\nnew')" ]
}

@test "a stopped container starts again with what was copied in; owners and modes are as they should be, in its own range" {
	ctl run -d --name c "$debian" bash -c 'echo run >>/runs; exec sleep 1000'
	ctl exec c bash -c 'mkdir /srv/own; echo x >/srv/own/f; chown -R 7:8 /srv/own; chmod 4640 /srv/own/f; ln -s f /srv/own/l'
	ctl stop -t 0 c
	echo put >put
	chown 1234:567 put
	chmod 604 put
	ctl cp put c:/srv/plain
	ctl cp -a put c:/srv/kept
	ctl cp put c:/srv/own/f
	[ "$(ctl cp c:/srv/own - | tar tv --numeric-owner | awk '$6 == "own/f" { print $1, $2 }')" = "-rw----r-- 0/0" ]
	ctl cp c:/srv/own got
	[ "$(stat -c %u:%g:%a got/f)" = 0:0:604 ]
	ctl cp -a c:/srv/own kept
	[ "$(stat -c %u:%g kept kept/l | tr '\n' ' ')" = "7:8 0:0 " ]
	upper=$ENGINE_STATE/rootfs/$(ctl inspect --format '{{.Id}}' c)/upper
	base=$(stat -c %u "$upper/runs")
	[ "$base" -gt 65536 ]
	[ "$(stat -c %u:%g "$upper/srv/plain")" = $base:$base ]
	[ "$(stat -c %u:%g "$upper/srv/kept")" = $((base + 1234)):$((base + 567)) ]
	[ -z "$(find "$upper" ! -uid -$((base + 65536)) -o -uid -$base)" ]
	ctl start c
	[ "$(ctl exec c stat -c '%u:%g:%a' /srv/plain /srv/kept | tr '\n' ' ')" = "0:0:604 1234:567:604 " ]
	[ "$(ctl exec c cat /srv/own/f /srv/own/l)" = "$(printf 'put\nput')" ]
	wait_until 10 eval "[ \$(ctl exec c cat /runs | wc -l) = 2 ]"
}

# stopped_stuck NAME: an export of a container that doesn't run, which nobody reads; sets stuck and visit
stopped_stuck()
{
	mkfifo "$dir/fifo"
	exec {reader}<>"$dir/fifo"
	"$engine_bin/ctl" export "$1" >"$dir/fifo" 2>"$dir/said" 3>&- {reader}<&- &
	stuck=$!
	wait_until 10 eval "[ -n \"\$(stopped_visit)\" ]"
	visit=$(stopped_visit)
	wait_until 10 grep -q ^1 "/proc/$visit/syscall"
}

stopped_visit()
{
	for pid in $(leaks_descendants "$ENGINE_PID"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != visit ] || echo "$pid"
	done
}

stopped_over()
{
	kill $stuck 2>/dev/null || true
	wait $stuck || true
	exec {reader}<&-
	rm "$dir/fifo"
}

@test "while a container's files are being copied nobody else gets them; rm -f ends that" {
	ctl create --name c -m 64m "$debian" true
	stopped_stuck c
	[ -n "$(cgroups c)" ]
	grep -q "$(ctl inspect --format '{{.Id}}' c)" "/proc/$visit/cgroup"
	grep -q '^Seccomp:.2$' "/proc/$visit/status"
	[ "$(awk '/^CapEff:/ { print $2 }' "/proc/$visit/status")" = 0000000000000004 ]
	[ "$(find "/proc/$visit/fd" -type l -printf '%l\n' | grep -vcE '^/($|[a-z])|^pipe:')" = 0 ]
	# They wait, side by side, and are refused.
	for words in "export -o two" "cp c:/etc/passwd ." start rm; do
		# shellcheck disable=SC2086
		ctl $words $([[ $words == cp* ]] || echo c) >"$dir/${words%% *}" 2>&1 3>&- {reader}<&- && touch "$dir/done" &
	done
	began=$(uptime_s)
	wait_until 30 eval "[ \$(cat '$dir/'{export,cp,start,rm} | wc -l) = 4 ]"
	[ $(($(uptime_s) - began)) -ge 8 ]
	[ ! -e "$dir/done" ]
	grep -q "its files are being copied; try again" "$dir/export"
	grep -q "its files are being copied; try again" "$dir/cp"
	grep -q "its files are being copied; try again" "$dir/start"
	grep -q "its files are being copied; wait for that, or use rm -f" "$dir/rm"
	[ ! -e passwd ]
	[ "$(ctl inspect --format '{{.State.Status}}' c)" = created ]
	[ "$(ctl ps -aq | wc -l)" = 1 ]
	timeout 60 "$engine_bin/ctl" rm -f c
	wait_until 10 engine_gone "$visit"
	cat <&"$reader" >/dev/null 3>&- &
	drain=$!
	wait $stuck && false
	kill $drain
	stopped_over
	[ "$(ctl ps -aq)" = "" ]
	[[ "$(cat "$dir/said")" == "ctl: export c: "* ]]
	ctl create --name c "$debian" true
	stopped_stuck c
	stopped_over
	# It can be had again at once.
	wait_until 10 ctl start -a c
}

# drained: somebody reads what the stuck export has written
drained()
{
	cat <&"$reader" >/dev/null 3>&- &
	drain=$!
	wait $stuck
	kill $drain
	stopped_over
}

@test "who comes while a container's files are being copied is served in turn; who goes away is not; rm comes last" {
	ctl create --name c "$debian" bash -c 'cat /srv/put; exec sleep 1000'
	echo put >put
	stopped_stuck c
	ctl cp put c:/srv 3>&- {reader}<&- &
	into=$!
	wait_until 5 engine_asked $into
	timeout 1 "$engine_bin/ctl" rm c 3>&- {reader}<&- && false
	ctl start c 3>&- {reader}<&- &
	start=$!
	wait_until 5 engine_asked $start
	ctl cp c:/srv/put out 3>&- {reader}<&- &
	out=$!
	wait_until 5 engine_asked $out
	[ ! -e out ]
	[ "$(ctl inspect --format '{{.State.Status}}' c)" = created ]
	began=$(uptime_s)
	drained
	wait $into
	wait $start
	wait $out
	# Before their time was over.
	[ $(($(uptime_s) - began)) -lt 8 ]
	cmp put out
	[ "$(ctl inspect --format '{{.State.Status}}' c)" = running ]
	wait_until 5 eval "[ \"\$(ctl logs c)\" = put ]"
	ctl stop -t 0 c
	stopped_stuck c
	ctl rm c 3>&- {reader}<&- &
	rm=$!
	wait_until 5 engine_asked $rm
	ctl start c 3>&- {reader}<&- >late 2>&1 &
	late=$!
	wait_until 5 engine_asked $late
	[ "$(ctl ps -aq | wc -l)" = 1 ]
	drained
	wait $rm
	wait $late && false
	grep -qE "no such container: c|being stopped or removed" late
}

@test "32 may wait for a container, no more; all are served" {
	ctl create --name c "$bb" true
	stopped_stuck c
	for i in $(seq 32); do
		ctl cp c:/etc/passwd - >"$dir/out.$i" 3>&- {reader}<&- &
		waiting[i]=$!
	done
	sleep 2
	began=$(uptime_s)
	refused "its files are being copied; try again" ctl cp c:/etc/passwd -
	[ $(($(uptime_s) - began)) -le 7 ] # not as long as those that wait
	drained
	for i in $(seq 32); do
		wait ${waiting[i]}
		[ "$(tar t <"$dir/out.$i")" = passwd ]
	done
}

@test "the shim, the supervisor or ctl killed in the middle: nothing is left, and the container is as it was" {
	ctl create --name c "$debian" true
	for who in visit shim supervisor ctl; do
		stopped_stuck c
		base=$(awk '{ print $2 }' "/proc/$visit/uid_map")
		case $who in
		visit) kill -KILL "$visit" ;;
		shim) kill -KILL "$(awk '/^PPid:/ { print $2 }' "/proc/$visit/status")" ;;
		supervisor) kill -KILL "$(pgrep -P "$ENGINE_PID" -f -- --serve)" ;;
		ctl) kill -KILL $stuck ;;
		esac
		# Whoever reads, or doesn't, what it wrote.
		[ $who = ctl ] || wait_until 10 engine_gone "$visit"
		stopped_over
		wait_until 10 engine_gone "$visit"
		wait_until 10 engine_answers
		wait_until 10 eval "[ \"\$(cgroups c)\" = '' ]"
		[ "$(ctl inspect --format '{{.State.Status}} {{.State.ExitCode}}' c)" = "created 0" ]
		# Its files stay of the range that they have got.
		[ "$(ctl inspect --format '{{.UidBase}}' c)" = "$base" ]
		ctl cp c:/etc/passwd got
		ctl rm c
		ctl create --name c "$debian" true
	done
}

@test "cgroupd killed in the middle: its successor leaves the limits of a visit alone" {
	ctl create --name c "$debian" true
	id=$(ctl inspect --format '{{.Id}}' c)
	stopped_stuck c
	kill -KILL "$(pgrep -P "$ENGINE_PID" -x cgroupd)"
	wait_until 10 pgrep -P "$ENGINE_PID" -x cgroupd
	# Whoever asks it is answered after its list of who is nobody's.
	wait_until 10 ctl run --rm "$bb" true
	[ -n "$(cgroups c)" ]
	run -1 grep -q "${id:0:12} is nobody's" "$ENGINE_LOG"
	[ -d "/proc/$visit" ]
	stopped_over
	wait_until 10 eval "[ \"\$(cgroups c)\" = '' ]"
	ctl start -a c
}

# The whole engine, in a subshell with one of its own: the file's is looked at afterwards.
engine_dies()
(
	set -e
	engine_start
	trap 'engine_stop || exit 1' EXIT
	ctl pull -q "$debian"
	ctl create --name c "$debian" cat /srv/put
	echo put >put
	ctl cp put c:/srv
	stopped_stuck c
	shim=$(awk '/^PPid:/ { print $2 }' "/proc/$visit/status")
	pids="$ENGINE_PID $(pgrep -P "$ENGINE_PID" | grep -vx "$shim")"
	# shellcheck disable=SC2086
	kill -KILL $pids
	# shellcheck disable=SC2086
	wait_until 10 engine_gone $visit $shim $pids
	stopped_over
	engine_launch
	[ "$(ctl inspect --format '{{.State.Status}}' c)" = created ]
	wait_until 10 eval "[ \"\$(cgroups c)\" = '' ]"
	ctl cp c:/srv/put got
	cmp put got
	[ "$(ctl start -a c)" = put ]
)

@test "the whole engine killed in the middle: the visit ends, nothing is left, what was copied before is there" {
	# Not by run, where set -e has no force.
	engine_dies
}

@test "cp and export of a container that waits to be restarted; it is not started before they are done" {
	ctl run -d --restart always --name c "$debian" bash -c 'echo run >>/runs; cat /srv/put; exit 5'
	wait_until 20 eval "[ \$(ctl inspect --format '{{.RestartCount}}' c) -ge 5 ]"
	wait_until 20 eval "[ \$(ctl inspect --format '{{.State.Status}}' c) = restarting ]"
	stopped_stuck c
	count=$(ctl inspect --format '{{.RestartCount}}' c)
	[ "$(ctl ps --format '{{.Names}}')" = c ]
	# The pause ends meanwhile.
	sleep 4
	[ "$(ctl inspect --format '{{.State.Status}} {{.RestartCount}}' c)" = "restarting $count" ]
	[ -d "/proc/$visit" ]
	stopped_over
	wait_until 20 eval "[ \$(ctl inspect --format '{{.RestartCount}}' c) -gt $count ]"
	wait_until 20 eval "[ \$(ctl inspect --format '{{.State.Status}}' c) = restarting ]"
	echo put >put
	ctl cp put c:/srv
	ctl cp c:/runs got
	[ "$(wc -l <got)" -gt 5 ]
	wait_until 30 eval "ctl logs c 2>/dev/null | grep -qx put"
	# One that is stopped meanwhile is not started then.
	wait_until 40 eval "[ \$(ctl inspect --format '{{.State.Status}}' c) = restarting ]"
	stopped_stuck c
	ctl stop c
	[ "$(ctl inspect --format '{{.State.Status}}' c)" = exited ]
	stopped_over
	ctl cp c:/runs runs1
	sleep 1
	ctl cp c:/runs runs2
	cmp runs1 runs2
}

@test "cp of containers with layers of their own, of --rm, and of a directory as their root" {
	echo put >put
	ctl create --isolated-layers --name isolated "$debian" cat /srv/put
	ctl create --rm --name once "$debian" cat /srv/put
	mkdir -p root/bin root/srv
	cp /bin/busybox root/bin
	ctl create --name dir --rootfs "$PWD/root" /bin/busybox cat /srv/put
	for c in isolated once dir; do
		ctl cp put $c:/srv
		ctl cp $c:/srv/put got
		cmp put got
		[ "$(ctl start -a $c)" = put ]
	done
	run -1 ctl inspect once
	cmp put root/srv/put
	# The root is a directory's, whose descriptor an earlier supervisor had.
	kill -KILL "$(pgrep -P "$ENGINE_PID" -f -- --serve)"
	wait_until 10 engine_answers
	refused "has its files from before the engine was restarted" ctl cp dir:/srv/put got
	refused "has its files from before the engine was restarted" ctl export -o all.tar dir
}

@test "a stopped container's links lead nowhere else, its programs and libraries are not run" {
	echo secret >"$dir/secret"
	trapped c
	ctl exec c /usr/bin/ln -s "$dir/secret" /srv/absolute
	ctl exec c /usr/bin/ln -s "../../../../../../../../$dir/secret" /srv/relative
	ctl exec c /usr/bin/ln -s /proc/1/root/etc/passwd /srv/magic
	ctl exec c /usr/bin/ln -s "$dir" /srv/up
	ctl stop -t 0 c
	for link in absolute relative magic; do
		refused "no such file" ctl cp -L c:/srv/$link got
		refused "no such file" ctl cp c:/srv/$link/. got
	done
	refused "no such file" ctl cp c:/srv/up/secret got
	echo put >put
	run ctl cp put c:/srv/up/put
	[ "$status" != 0 ]
	[ ! -e "$dir/put" ]
	ctl cp put c:/srv
	ctl cp c:/etc/ etc
	ctl export -o all.tar c
	refused "no such file" ctl cp c:/sprung got
}

@test "a client that isn't ctl gets no other visits, no streams but pipes, and leaves a stopped container as it was" {
	ctl create --name c "$bb" true
	ctl cp c:/etc/passwd .
	ctl inspect c >before
	mkdir d
	echo kept >d/file
	"$hostile/visits.py" "$BULKHEAD_SOCKET" c "$PWD/d" >said
	diff said - <<-'END'
		no such visit: "shell" is no visit, or not with 0 arguments
		top: container c is not running
		a word too many: "export" is no visit, or not with 1 arguments
		a word too few: "copy-out" is no visit, or not with 1 arguments
		a program: container c is not running
		a file to read: visit: a visit's stream is no pipe
		a file to write: visit: a visit's stream is no pipe
		a file for sentences: visit: a visit's stream is no pipe
		a directory: visit: a visit's stream is no pipe
		a named pipe: visit: a visit's stream is no pipe
		a socket: visit: a visit's stream is no pipe
		a device: visit: a visit's stream is no pipe
		the wrong end of a pipe: ended with 1
		no streams: ended with 0
		no input: ended with 1
		privileges: ended with 0
		an empty path: ended with 0
		a path of links: ended with 1
		a relative path: ended with 1
		a long path: ended with 1
		a long name: ended with 1
		a name with a slash: ended with 1
	END
	[ "$(cat d/file)" = kept ]
	ctl inspect c | diff before -
	[ "$(cgroups c)" = "" ]
	[ "$(ctl cp c:/tmp - | tar t)" = tmp/ ]
	ctl start -a c
}

@test "a visit that can't begin undoes what it did, and says why" {
	mkdir bound
	ctl create --name c -v "$PWD/bound:/etc/passwd" "$bb" true
	refused "/etc/passwd" ctl cp c:/etc/group .
	refused "/etc/passwd" ctl export -o x c
	[ "$(cgroups c)" = "" ]
	[ "$(ls)" = bound ]
	[ "$(ctl inspect --format '{{.State.Status}}' c)" = created ]
	ctl rm c
}

many_visits()
{
	local i

	for i in $(seq 40); do
		ctl cp c:/etc/passwd . || return 1
		ctl cp passwd c:/tmp/$i || return 1
	done
}

@test "visits by the dozen leave nothing behind" {
	ctl create --name c "$bb" true
	many_visits
	ctl run -d --name d "$bb" sleep 1000
	for i in $(seq 100); do
		ctl cp passwd d:/tmp/$i && ctl top d >/dev/null
	done
	# engine_unchanged, as after every test.
}
