# SPDX-License-Identifier: MIT
#
# A workload that tries to get out (tests/hostile/escape.c), and what it could hold for that: descriptors, the joining
# process, capabilities, cgroups, sockets. Whatever happens inside, the host is as it was.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"
. "$BATS_TEST_DIRNAME/../lib/escape.sh"

# all_refused FILE: every attempt was made, and none succeeded
all_refused()
{
	grep -v '^refused' "$1" || true
	absent -E '^(ESCAPED|BROKEN|inside)' "$1"
	[ "$(grep -c '^refused' "$1")" = "$("$escape" --list | wc -l)" ]
	tail -n 1 "$1" | grep -x '[0-9]* attempts, 0 not refused'
}

# attempts FLAGS...: as the workload and as an exec of one, with the same flags of run
attempts()
{
	local id user=()

	ctl run --rm -m 256m "${env[@]}" "$@" "$img" /escape "${how[@]}" >"$ENGINE_DIR/run.out" || true
	cat "$ENGINE_DIR/run.out"
	id=$(ctl run -d -m 256m "${env[@]}" "$@" "$img" sleep 1000)
	[[ "$*" != *"-u 1000"* ]] || user=(-u 1000)
	ctl exec "${env[@]}" "${user[@]}" "$id" /escape "${how[@]}" >"$ENGINE_DIR/exec.out" || true
	ctl rm -f "$id"
	host_is_same
}

@test "a workload that is root inside gets nowhere, nor does an exec" {
	how=()
	attempts
	all_refused "$ENGINE_DIR/run.out"
	all_refused "$ENGINE_DIR/exec.out"
}

@test "a workload of -u 1000 gets nowhere, nor does an exec" {
	how=()
	attempts -u 1000
	all_refused "$ENGINE_DIR/run.out"
	all_refused "$ENGINE_DIR/exec.out"
}

# The kernel's own rules hold it: what a filter alone keeps away is attack surface, and ends inside.
only_inside()
{
	grep -v '^refused' "$1" || true
	absent -E '^(ESCAPED|BROKEN)' "$1"
	tail -n 1 "$1" | grep -x '[0-9]* attempts, 0 not refused'
}

@test "without the syscall filter it gets nowhere either" {
	how=(--unfiltered)
	for user in "" "-u 1000"; do
		# shellcheck disable=SC2086
		attempts --security-opt seccomp=unconfined $user
		only_inside "$ENGINE_DIR/run.out"
		only_inside "$ENGINE_DIR/exec.out"
	done
}

@test "with every capability inside and no mask, the host is still out of reach" {
	how=(--unfiltered --capable)
	attempts --privileged
	only_inside "$ENGINE_DIR/run.out"
	only_inside "$ENGINE_DIR/exec.out"
}

@test "the engine's own pid 1 of --init can't be held, read or left by" {
	for user in 0 1000; do
		id=$(ctl run -d --init -u "$user" "$img" sleep 1000)
		ctl exec -u "$user" "$id" /escape proc_root proc_cwd proc_exe proc_mem ptrace pidfd_getfd proc_fd proc_maps \
			process_vm_readv >"$ENGINE_DIR/init.out"
		cat "$ENGINE_DIR/init.out"
		# ENOENT would mean that there was nothing to take hold of.
		[ "$(grep -cE '^refused (proc_mem|ptrace|pidfd_getfd|proc_fd|proc_maps|process_vm_readv): E(PERM|ACCES)$' \
			"$ENGINE_DIR/init.out")" = 6 ]
		ctl rm -f "$id"
	done
}

@test "nothing is typed into the caller's terminal" {
	for user in 0 1000; do
		id=$(ctl run -d "$img" sleep 1000)
		for words in "run --rm -it -u $user $img" "exec -it -u $user $id"; do
			script -qec "'$engine_bin/ctl' $words /escape TIOCSTI TIOCLINUX" "$ENGINE_DIR/typed" </dev/null >/dev/null
			cat "$ENGINE_DIR/typed"
			tr -d '\r' <"$ENGINE_DIR/typed" | grep -a 'refused TIOCSTI: '
			tr -d '\r' <"$ENGINE_DIR/typed" | grep -a 'refused TIOCLINUX: '
			absent -a ESCAPED "$ENGINE_DIR/typed"
		done
		ctl rm -f "$id"
	done
}

@test "a process that an exec sends in can't be caught on its way" {
	# A debugger's capability counts in the user namespace: of what is not dumpable it is no use.
	for flags in "-u 0" "-u 1000" "--cap-add SYS_PTRACE" --privileged; do
		# shellcheck disable=SC2086
		id=$(ctl run -d $flags "$img" /escape --watch 60)
		wait_until 5 eval "ctl logs $id | grep -q watching"
		for i in $(seq 50); do
			ctl exec "$id" true
		done
		ctl exec "$id" touch /tmp/escape-stop || true # pid 1 may be gone first, and take it along
		[ "$(ctl wait "$id")" = 0 ]
		ctl logs "$id"
		# It did see them come in, and before they were the container's.
		[ "$(ctl logs "$id" | sed -n 's/.*, \([0-9]*\) times at the engine.*/\1/p')" -gt 0 ]
	done
}

# frozen ID WORD: the container's processes stand still, those too that join its cgroup; or go on
frozen()
{
	local v1=/sys/fs/cgroup/freezer/$ENGINE_NAME/$1 v2=/sys/fs/cgroup/$ENGINE_NAME/$1

	if [ -d "$v1" ]; then
		echo "$([ "$2" = 1 ] && echo FROZEN || echo THAWED)" >"$v1/freezer.state"
	else
		echo "$2" >"$v2/cgroup.freeze"
	fi
}

# entering ID: the pid of the engine's process that an exec has sent in
entering()
{
	local pid

	for pid in $(cat "/sys/fs/cgroup/freezer/$ENGINE_NAME/$1/cgroup.procs" "/sys/fs/cgroup/$ENGINE_NAME/$1/cgroup.procs" 2>/dev/null); do
		[[ $(readlink "/proc/$pid/exe") != /memfd:shim* ]] || echo "$pid"
	done | grep .
}

@test "a process that an exec sends in holds nothing of the host's while it is inside" {
	for flags in "" "-u 1000" -i -t; do
		id=$(ctl run -d "$img" sleep 1000)
		mnt=$(readlink "/proc/$(ctl inspect --format '{{.State.Pid}}' "$id")/ns/mnt")
		frozen "$id" 1
		# shellcheck disable=SC2086
		script -qec "'$engine_bin/ctl' exec $flags $id true" /dev/null </dev/null >/dev/null 3>&- & joining=$!
		wait_until 10 entering "$id"
		pid=$(entering "$id")
		fds=$(find "/proc/$pid/fd" -type l -printf '%l\n')
		owner=$(stat -c %u "/proc/$pid/fd")
		inside=$(readlink "/proc/$pid/ns/mnt")
		root=$(readlink "/proc/$pid/root") cwd=$(readlink "/proc/$pid/cwd")
		frozen "$id" 0
		wait $joining
		sort <<<"$fds" | uniq -c
		[ "$inside" = "$mnt" ]
		[ "$root $cwd" = "/ /" ]
		[ "$owner" = 0 ] # not dumpable; proc(5)
		# One socket to the shim; the container's own namespaces, cgroup and terminals; its filter; streams.
		[ "$(grep -c '^socket:' <<<"$fds")" = 1 ]
		absent -vE "^(socket|pipe|(user|mnt|pid|net|ipc|uts|cgroup|time)):\[|^/dev/(null|pts)\$|^/memfd:kept-filter|^/sys/fs/cgroup/.*$ENGINE_NAME/$id/" <<<"$fds"
		[ "$(grep -c '^pipe:' <<<"$fds")" -le 6 ]
		ctl rm -f "$id"
	done
}

@test "the program that enters can't be run, read or written from inside" {
	before=$(sha256sum <"$engine_bin/shim")
	id=$(ctl run -d "$img" sleep 1000)
	run ctl run --rm "$img" /escape-script --help
	[ "$status" = 126 ]
	run ctl exec "$id" /escape-script --help
	[ "$status" = 126 ]
	shim=$(awk '/^PPid:/ { print $2 }' "/proc/$(ctl inspect --format '{{.State.Pid}}' "$id")/status")
	python3 - "$shim" <<-'END'
		import fcntl, os, sys
		fd = os.open(f"/proc/{sys.argv[1]}/exe", os.O_RDONLY)
		seals = fcntl.fcntl(fd, 1034)  # F_GET_SEALS
		assert seals & 0xf == 0xf, seals
		assert os.fstat(fd).st_mode & 0o7777 == 0o500 and os.fstat(fd).st_uid == 0
		try:
		    os.open(f"/proc/{sys.argv[1]}/exe", os.O_WRONLY)
		    raise SystemExit("opened for writing")
		except OSError:
		    pass
	END
	[ "$(sha256sum <"/proc/$shim/exe")" = "$before" ]
	[ "$(sha256sum <"$engine_bin/shim")" = "$before" ]
}

@test "0, 1 and 2 are all that is open inside, whatever was open in the engine" {
	ls -l "/proc/$ENGINE_PID/fd" | grep -c '/etc/shadow'
	[ "$(ls -l "/proc/$ENGINE_PID/fd" | grep -c /etc/shadow)" -ge 50 ]
	id=$(ctl run -d --init "$img" sleep 1000)
	for words in "run --rm" "run --rm -u 1000" "run --rm --init"; do
		# shellcheck disable=SC2086
		run ctl $words "$img" /bin/ls /proc/self/fd
		[ "$output" = $'0\n1\n2\n3' ] # the last is the directory that ls reads
	done
	run ctl exec "$id" /bin/ls /proc/self/fd
	[ "$output" = $'0\n1\n2\n3' ]
	pid=$(ctl inspect --format '{{.State.Pid}}' "$id")
	[ -z "$(ls "/proc/$pid/fd")" ] # the init that is ours
	for pid in $(leaks_descendants "$ENGINE_PID" | grep -vx "$ENGINE_PID"); do
		# A fork of the launcher has what that has until it executes what it is to be.
		wait_until 10 eval "! ls -l /proc/$pid/fd 2>/dev/null | grep /etc/shadow"
	done
}

# caps_are HEX: what /proc/self/status says in $output, with nothing inheritable or ambient
caps_are()
{
	for set in Prm Eff; do
		grep -x "Cap$set:	$1" <<<"$output"
	done
	for set in Inh Amb; do
		grep -x "Cap$set:	0000000000000000" <<<"$output"
	done
	grep -x 'NoNewPrivs:	1' <<<"$output"
}

@test "inheritable and ambient capabilities are empty for run, exec and init, root and not" {
	none=0000000000000000 eleven=00000000800405fb
	for init in "" --init; do
		for user in 0 1000; do
			want=$eleven
			[ $user = 0 ] || want=$none
			run ctl run --rm $init -u $user "$img" cat /proc/self/status
			caps_are $want
			grep -x "CapBnd:	$eleven" <<<"$output"
			id=$(ctl run -d $init -u $user "$img" sleep 1000)
			run ctl exec "$id" cat /proc/self/status
			caps_are $want
			run ctl exec "$id" cat /proc/1/status
			caps_are $want
			for other in 0 1000; do
				want=$eleven
				[ $other = 0 ] || want=$none
				run ctl exec -u $other "$id" cat /proc/self/status
				caps_are $want
			done
			ctl rm -f "$id"
		done
	done
}

@test "the cgroup namespace is private, and no hierarchy is writable, for root with every capability too" {
	for flags in "" --privileged; do
		# shellcheck disable=SC2086
		run ctl run --rm $flags "$img" sh -c 'exec 2>/dev/null; readlink /proc/self/ns/cgroup; cat /proc/self/cgroup; echo mounts:;
			cat /proc/self/mountinfo; echo writes:; find /sys/fs/cgroup -type d -exec mkdir {}/escape \; ;
			for f in $(find /sys/fs/cgroup -type f); do (echo 0 >$f) && echo wrote $f; done; echo end'
		[ "${lines[0]}" != "$(readlink /proc/self/ns/cgroup)" ]
		[[ "$output" != *"$ENGINE_NAME"* ]]
		sed -n '2,/^mounts:/p' <<<"$output" | grep -E '^[0-9]+:' | absent -v ':/$'
		sed -n '/^mounts:/,/^writes:/p' <<<"$output" | grep -E ' - cgroup2? '
		sed -n '/^mounts:/,/^writes:/p' <<<"$output" | grep -E ' - cgroup2? ' | absent -v ' ro,nosuid,nodev,noexec'
		sed -n '/^writes:/,$p' <<<"$output" | absent '^wrote'
		[ "${lines[-1]}" = end ]
		[ -z "$(find /sys/fs/cgroup -path "*/$ENGINE_NAME/*/escape" -type d)" ]
	done
}

# The inodes of the engine's own sockets, one a line
engine_sockets()
{
	local pid

	for pid in $(leaks_descendants "$ENGINE_PID"); do
		ls -l "/proc/$pid/fd" 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\]$/\1/p'
	done | sort -u
}

@test "no socket of the engine's is abstract; --network host reaches those of others alone" {
	id=$(ctl run -d "$img" sleep 1000)
	awk '$NF ~ /^@/ { print $7 }' /proc/net/unix | sort >"$ENGINE_DIR/abstract"
	engine_sockets >"$ENGINE_DIR/sockets"
	[ "$(wc -l <"$ENGINE_DIR/sockets")" -gt 10 ]
	[ -z "$(comm -12 "$ENGINE_DIR/abstract" "$ENGINE_DIR/sockets")" ]
	# Inside it connects to each: that of the listener proves that the way is open.
	run ctl run --rm --network host "${env[@]}" "$img" /escape abstract
	[[ "$output" == *"connected to @$ENGINE_NAME-abstract"* ]]
	wait_until 5 grep -q unix "$ENGINE_DIR/connected"
	rm "$ENGINE_DIR/connected"
	run ctl run --rm --network host "$img" sh -c 'cat /proc/net/unix'
	[ -z "$(awk '$NF ~ /^@/ { print $7 }' <<<"$output" | sort | comm -12 - "$ENGINE_DIR/sockets")" ]
}
