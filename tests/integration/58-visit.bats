# SPDX-License-Identifier: MIT
#
# Visits: top and export, whose code enters the container, what a visit is while it is there, and how it ends.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"
. "$BATS_TEST_DIRNAME/../lib/visit.sh"

# ---- traps ----

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
	refused "no such container: nobody" ctl top nobody
	ctl stop -t 0 c
	refused "container c is not running" ctl top c
}

@test "top takes what ps takes, as far as it goes" {
	ctl run -d --name c "$debian" sh -c 'sleep 1000 & wait'
	ctl exec -dt -u 1234 c nice -n 5 sleep 2000
	wait_until 10 eval "ctl top c | grep -q '^1234 .* sleep 2000\$'"
	[ "$(ctl top c -ef)" = "$(ctl top c)" ]
	[ "$(ctl top c -e | head -n 1 | tr -s ' ')" = "PID TTY TIME CMD" ]
	run ctl top c aux
	echo "$output"
	[ "$(tr -s ' ' <<<"${lines[0]}")" = "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND" ]
	[[ "${lines[1]}" =~ ^root\ +1\ +[0-9.]+\ +0\.[0-9]\ +[1-9][0-9]+\ +[1-9][0-9]+\ +\?\ +[SR]s\ +[0-9:]+\ +0:00\ +sh\ -c ]]
	grep -qE '^1234 .* pts/[0-9]+ +[SR]Ns?\+? .* sleep 2000$' <<<"$output"
	run ctl top c -o pid,ppid -o 'comm=WHAT IS'
	[ "$(tr -s ' ' <<<"${lines[0]}")" = "PID PPID WHAT IS" ] && [ ${#lines[@]} = 4 ]
	[[ "$(tr -s ' ' <<<"$output")" == *$'\n'"1 0 sh"$'\n'* ]]
	[ "$(ctl top c -o pid= -o uid= | grep -c .)" = 3 ]
	[ "$(ctl top c -eo user,pgid,sid,tpgid,%cpu,c,vsz,rss,s,ni,nlwp,etime,etimes,args --no-headers | awk '{ print (NF > 13) }' | sort -u)" = 1 ]
	# Of the process itself, by its own kernel
	[ "$(ctl top c -o nice,nlwp,pgid,args --no-headers | awk '/sleep 2000/ { print $1, $2 }')" = "5 1" ]
	refused 'is no column; there are user uid pid' ctl top c -o pid,nonsense
	refused '"-l" is not known here' ctl top c -l
	refused '"--sort=pid" is not known here' ctl top c --sort=pid
	refused "-o needs a list" ctl top c -o
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
