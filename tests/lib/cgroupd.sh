# SPDX-License-Identifier: MIT
#
# cgroupd alone, driven by text lines: a daemon a test, with cgroups of a name of its own. Sourced.
# Nothing of a daemon's is left behind, and the roots of the hierarchies stay as they were.

bin=${BULKHEAD_BIN:-$BATS_TEST_DIRNAME/../../build/bin}

setup()
{
	[ "$(id -u)" = 0 ] || skip "needs root"
	grep -q cgroup /proc/self/mountinfo || skip "no cgroup hierarchy is mounted"
	name=tcg$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
	dir=$BATS_TEST_TMPDIR
	pids=()
	roots_before=$(roots)
	daemon_start
}

teardown()
{
	local pid d

	[ -n "${name:-}" ] || return 0
	thaw
	for pid in "${pids[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	daemon_stop
	left=$(find /sys/fs/cgroup -depth -name "$name*" 2>/dev/null)
	for d in $(find /sys/fs/cgroup -depth -path "*/$name*" -type d 2>/dev/null); do
		rmdir "$d" || true
	done
	[ -z "$left" ] || { echo "left behind: $left"; return 1; }
	[ "$roots_before" = "$(roots)" ] || { echo "a root changed: $(roots)"; return 1; }
}

# So that what a failed test has left frozen can be ended.
thaw()
{
	local f

	for f in $(find /sys/fs/cgroup -path "*/$name/*/freezer.state" -o -path "*/$name/*/cgroup.freeze"); do
		case $f in *.state) echo THAWED ;; *) echo 0 ;; esac >"$f"
	done
}

# Modes and owners of the hierarchies' roots.
roots()
{
	stat -c '%n %a %u' $(awk '/ - cgroup2? / { print $5 }' /proc/self/mountinfo)
}

# daemon_start [COMMAND...]: cgroupd below COMMAND, its input held open on descriptor 7.
daemon_start()
{
	rm -f "$dir/in"
	mkfifo "$dir/in"
	: >"$dir/out"
	exec 7<>"$dir/in"
	"$@" "$bin/cgroupd" --debug --name "$name" --log debug \
		<"$dir/in" >"$dir/out" 2>"$dir/log" 3>&- 7>&- &
	daemon=$!
	asked=0
}

daemon_stop()
{
	[ -n "${daemon:-}" ] || return 0
	exec 7>&-
	kill -TERM "$daemon" 2>/dev/null || true
	wait "$daemon" 2>/dev/null || true
	daemon=
}

# replies_read: into $replies. Without a process: where the machine is emulated one takes 50 ms.
replies_read()
{
	local line

	replies=()
	while IFS= read -r line; do
		[[ $line == cgroup_oom* ]] || replies+=("$line")
	done <"$dir/out"
}

# replies_wait: until each question has its own
replies_wait()
{
	local i

	for ((i = 0; i < 6000; i++)); do
		replies_read
		[ "${#replies[@]}" -lt "$asked" ] || break
		sleep 0.01
	done
}

# ask LINE: prints the reply to it.
ask()
{
	echo "$1" >&7
	asked=$((asked + 1))
	replies_wait
	reply=${replies[asked - 1]:-}
	echo "$1 -> $reply"
}

# expect WORDS...: each is in the last reply, as a whole word.
expect()
{
	local word

	for word in "$@"; do
		[[ " $reply " == *" $word "* ]] || { echo "not in the reply: $word"; return 1; }
	done
}

# group_dirs ID: where the kernel has it.
group_dirs()
{
	find /sys/fs/cgroup -path "*/$name/$1" -type d
}

# kernel ID FILE...: the content of the first of the files that there is.
kernel()
{
	local id=$1 file path

	shift
	for file in "$@"; do
		path=$(find /sys/fs/cgroup -path "*/$name/$id/$file")
		[ -n "$path" ] && cat "$path" && return
	done
	return 1
}

# inside ID COMMAND...: replaces this shell by the command in the group.
inside()
{
	local id=$1 d

	shift
	for d in $(group_dirs "$id"); do
		echo 0 >"$d/cgroup.procs" || exit 99
	done
	exec 3>&- 7>&-
	exec "$@"
}

swap_accounting()
{
	kernel "$1" memory.memsw.limit_in_bytes memory.swap.max >/dev/null
}
