# SPDX-License-Identifier: MIT
#
# ctl doctor: what this host has, and hosts that lack something, simulated in namespaces of ctl's own.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

setup_file()
{
	engine_start
}

teardown_file()
{
	engine_stop
}

# level NAME: how the row stands in the JSON of $output
level()
{
	jq -r --arg name "$1" '.[] | select(.Name == $name) | .Level' <<<"$output"
}

# is LEVEL NAME: and a row that is not ok says what happens instead, and how to mend it
is()
{
	echo "$2: $(level "$2"), to be $1"
	[ "$(level "$2")" = "$1" ]
	[ "$1" = ok ] || jq -e --arg name "$2" '.[] | select(.Name == $name) |
		(.Instead | length > 9) and (.Mend | length > 9)' <<<"$output"
}

# changed CODE SHELL: the report, as JSON, where SHELL has been run in a mount namespace of its own
changed()
{
	run "-$1" unshare -m sh -ec "$2; exec '$engine_bin/ctl' doctor --format json"
}

# fake FILE TEXT: makes FILE read so, for `changed`
fake()
{
	local text

	text=$(mktemp "$BATS_TEST_TMPDIR/fake.XXXXXX")
	printf '%s\n' "$2" >"$text"
	chmod 644 "$text"
	echo "mount --bind $text $1"
}

# what the rest of the host is like is not this test's matter: 1 there may be for other reasons
code_of()
{
	ctl doctor >/dev/null && echo 0 || echo 1
}

@test "the report: aligned lines, JSON of the same rows, an exit code that goes with it" {
	ctl doctor >"$BATS_TEST_TMPDIR/text" || [ $? = 1 ]
	run ctl doctor --format json
	[ "$status" = "$(jq 'if any(.[]; .Level == "missing") then 1 else 0 end' <<<"$output")" ]
	[ "$(jq length <<<"$output")" = "$(wc -l <"$BATS_TEST_TMPDIR/text")" ]
	[ "$(jq -r '.[].Level' <<<"$output" | sort -u | grep -vxc 'ok\|weaker\|missing')" = 0 ]
	[ "$(jq -r '.[].Level' <<<"$output")" = "$(awk '{ print $1 }' "$BATS_TEST_TMPDIR/text")" ]
	is ok engine
	is ok "user namespaces"
	is ok erofs
	is ok "uid range"
	grep -Eq '^ok +user namespaces +at most [0-9]+$' "$BATS_TEST_TMPDIR/text"
	[ -z "$(grep -v '^ok' "$BATS_TEST_TMPDIR/text" | grep -v ': .*; to mend it: ')" ]
	run -1 ctl doctor --format yaml
	[[ "$output" == *"only json is known"* ]]
	[[ "$(ctl --help)" == *"  doctor "* ]]
}

@test "what it says of this kernel is what the kernel says" {
	run ctl doctor --format json
	is "$([ -e /proc/sys/kernel/yama/ptrace_scope ] && [ "$(cat /proc/sys/kernel/yama/ptrace_scope)" != 0 ] &&
		echo ok || echo weaker)" ptrace
	is "$(getent group bulkhead >/dev/null && echo ok || echo weaker)" group
	is "$(grep -q '^[|@]' /proc/sys/kernel/core_pattern && echo weaker || echo ok)" "core dumps"
	[[ "$(jq -r '.[] | select(.Name == "kernel") | .Found' <<<"$output")" == *"$(uname -r)"* ]]
	for c in memory pids; do
		[[ "$(jq -r --arg n "cgroup $c" '.[] | select(.Name == $n) | .Found' <<<"$output")" == v[12]\ on\ /* ]]
	done
}

# found NAME: what the row says is here
found()
{
	jq -r --arg name "$1" '.[] | select(.Name == $name) | .Found' <<<"$output"
}

@test "what only the engine's processes can find out" {
	run ctl doctor --format json
	is ok anti-spoofing
	nft list table bridge "$ENGINE_NAME" >/dev/null
	[[ "$(found "cgroup memory")" == *", in use" ]]
	[[ "$(found "cgroup pids")" == *", in use" ]]
	[[ "$(found "image files as mounts")" == *"state directory"* ]]
	[ -n "$(level "swap accounting")" ]
	[ "$(jq -r '.[].Name' <<<"$output" | sort | uniq -d)" = "" ]
	[ "$(ls -A "$ENGINE_STATE/images/tmp")" = "" ]
	# asked twice: what was tried once is remembered
	is "$(level "image files as mounts")" "image files as mounts"
	[ "$(ctl doctor --format json)" = "$output" ]
}

@test "images on a file system whose files can't be mounted, and a helper that is gone" {
	mkdir "$ENGINE_DIR/memory"
	mount -t tmpfs none "$ENGINE_DIR/memory"
	"$engine_bin/imaged" --debug --state-dir "$ENGINE_DIR/memory" <<<facts >"$BATS_TEST_TMPDIR/out" 2>/dev/null
	umount "$ENGINE_DIR/memory"
	grep 'facts.0.level=weaker facts.0.found="*this kernel, or the state' "$BATS_TEST_TMPDIR/out"
	netd=$(ps -o pid=,args= --ppid "$ENGINE_PID" | awk '$2 == "netd" { print $1 }')
	kill -STOP "$netd"
	run ctl doctor --format json
	kill -CONT "$netd"
	[ "$status" = 1 ]
	is missing netd
	[ -z "$(level anti-spoofing)" ]
	is ok engine
	[ -n "$(level "swap accounting")" ]
}

@test "no engine, or none for this user: missing, and 1" {
	run -1 ctl --socket "$ENGINE_DIR/none.sock" doctor --format json
	is missing engine
	[ -z "$(level "uid range")" ]
	[[ "$output" == *"start it with: supervisor"* ]]
	run -1 setpriv --reuid 65534 --regid 65534 --clear-groups "$engine_bin/ctl" doctor --format json
	is missing engine
	is ok "user namespaces"
	[[ "$output" == *"only root"* ]]
}

@test "without user namespaces" {
	run -1 unshare -Ur sh -ec "echo 0 >/proc/sys/user/max_user_namespaces
		exec '$engine_bin/ctl' doctor --format json"
	is missing "user namespaces"
}

@test "without file systems, cgroups, filters" {
	changed 1 "mount --bind /dev/null /proc/filesystems; mount -t tmpfs none /lib/modules 2>/dev/null || true"
	is missing erofs
	is missing overlay
	BULKHEAD_SOCKET=$ENGINE_DIR/none.sock changed 1 "umount -l /sys/fs/cgroup"
	is missing cgroups
	is weaker "cgroup memory"
	changed 1 "$(fake /proc/sys/kernel/seccomp/actions_avail "kill_thread trap trace allow")"
	is missing seccomp
}

@test "an old kernel" {
	run -1 setarch --uname-2.6 "$engine_bin/ctl" --socket "$ENGINE_DIR/none.sock" doctor --format json
	is missing kernel
	is weaker "image files as mounts"
}

@test "protections that are weaker leave the code alone" {
	code=$(code_of)
	changed "$code" "$(fake /proc/sys/kernel/core_pattern "|/usr/lib/systemd/systemd-coredump %P")"
	is weaker "core dumps"
	changed "$code" "$(fake /proc/sys/kernel/core_pattern "core.%p")"
	is ok "core dumps"
	changed "$code" "$(fake /proc/sys/net/ipv6/conf/default/disable_ipv6 1)"
	is weaker IPv6
	run "-$code" strace -qqo /dev/null -e inject=landlock_create_ruleset:error=EOPNOTSUPP \
		"$engine_bin/ctl" doctor --format json
	is weaker Landlock
}

@test "namespaces that are missing, limits that are low, users that are there" {
	code=$(code_of)
	run -1 strace -qqo /dev/null -e inject=access,faccessat,faccessat2:error=ENOENT \
		"$engine_bin/ctl" doctor --format json
	is missing "other namespaces"
	changed "$code" "$(fake "/proc/$ENGINE_PID/limits" "Limit Soft Hard Units
Max open files            1024                 4096                 files     ")"
	is weaker "open files"
	[[ "$(found "open files")" == *" 4096 "* ]]
	changed "$code" "$(fake "/proc/$ENGINE_PID/limits" "Limit Soft Hard Units
Max open files            1024                 65536                files     ")"
	is ok "open files"
	changed "$code" "$(fake /etc/passwd "$(cat /etc/passwd; printf '%s:x:99%d:99::/:/bin/false\n' bulkhead 1 bulkhead-net 2)")"
	is weaker users
	[ "$(found users)" = "no bulkhead-img" ]
}

@test "ids that /etc/subuid gives to somebody" {
	base=$(ctl info --format '{{.UidRange}}' | cut -d- -f1)
	code=$(code_of)
	[ -e /etc/subuid ] || skip "no /etc/subuid to bind another one over"
	changed "$code" "$(fake /etc/subuid "alice:$((base - 65536)):65536")"
	is ok "uid range"
	changed "$code" "$(fake /etc/subuid "alice:$((base - 65536)):65537")"
	is weaker "uid range"
	[[ "$output" == *"gives alice some of"* ]]
}
