# SPDX-License-Identifier: MIT
#
# A workload that tries to get out (tests/hostile/escape.c), and the engine's rules about what enters a container: paths,
# mounts, descriptors, the joining process, capabilities, cgroups. Whatever happens inside, the host is as it was.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

escape=${engine_bin%/bin}/tests/hostile/escape

# The engine is started as carelessly as can be: 50 descriptors too many, and a key in its session.
careless_start()
{
	local real=$engine_bin

	mkdir "$ENGINE_DIR/bin"
	ln -s "$real/ctl" "$ENGINE_DIR/bin/ctl"
	cat >"$ENGINE_DIR/bin/supervisor" <<-END
		#!/bin/bash
		for i in {30..80}; do eval "exec \$i</etc/shadow"; done
		exec $escape --with-key $ENGINE_NAME-key $real/supervisor "\$@"
	END
	chmod 755 "$ENGINE_DIR/bin/supervisor"
	engine_bin=$ENGINE_DIR/bin
	engine_launch
	engine_bin=$real
}

# Services that only the host's own processes may reach; whoever connects leaves a line.
listen()
{
	python3 - "$ENGINE_DIR" "$ENGINE_NAME" </dev/null >"$ENGINE_DIR/listener" 2>&1 3>&- 4>&- <<-'END' &
		import os, select, socket, sys
		top, name = sys.argv[1:]
		tcp = socket.socket()
		tcp.bind(("127.0.0.1", 0))
		unix = socket.socket(socket.AF_UNIX)
		unix.bind("\0" + name + "-abstract")
		for s in (tcp, unix):
		    s.listen(8)
		with open(top + "/port.new", "w") as f:
		    f.write(str(tcp.getsockname()[1]))
		os.rename(top + "/port.new", top + "/port")
		while True:
		    for s in select.select([tcp, unix], [], [])[0]:
		        s.accept()[0].close()
		        with open(top + "/connected", "a") as f:
		            f.write("tcp\n" if s is tcp else "unix\n")
	END
	LISTENER=$!
	wait_until 10 test -s "$ENGINE_DIR/port"
	PORT=$(cat "$ENGINE_DIR/port")
	export LISTENER PORT
}

setup_file()
{
	engine_prepare
	export TARGET=$ENGINE_DIR/host/file
	mkdir "$ENGINE_DIR/host"
	echo "the host's own" >"$TARGET"
	careless_start
	engine_images busybox
	ESCAPE=$escape ESCAPE_TARGET=$TARGET python3 "$engine_lib/oci_layout.py" escape "$ENGINE_DIR/layout"
	skopeo --insecure-policy copy -q --preserve-digests --dest-tls-verify=false \
		"oci:$ENGINE_DIR/layout:latest" "docker://$REGISTRY/escape:latest"
	ctl pull -q "$REGISTRY/escape"
	ctl pull -q "$REGISTRY/busybox"
	listen
	host_state >"$ENGINE_DIR/host.before"
}

teardown_file()
{
	[ -z "${LISTENER:-}" ] || kill "$LISTENER"
	engine_stop
}

setup()
{
	bb=$REGISTRY/busybox
	img=$REGISTRY/escape
	env=(-e "ESCAPE_PORT=$PORT" -e "ESCAPE_ABSTRACT=$ENGINE_NAME-abstract" -e "ESCAPE_KEY=$ENGINE_NAME-key")
}

teardown()
{
	ctl ps -aq | xargs -r timeout 120 "$engine_bin/ctl" rm -f >/dev/null
}

# absent GREP-FLAGS...: no such line. A "!" before a command would be lost on bats, which goes by set -e.
absent()
{
	! grep "$@"
}

# What a way out would change. Mounts: the engine's never show on the host.
host_state()
{
	{
		(cd /proc/sys && head -c 4096 kernel/{core_pattern,hostname,domainname,printk,panic,modprobe,poweroff_cmd} \
			kernel/{core_uses_pid,ctrl-alt-del} vm/{panic_on_oom,overcommit_memory})
		cat /sys/kernel/uevent_helper
		awk '{ print $1, $2, $3, $5 }' /proc/swaps # not how much of it is used
		find /sys/fs/cgroup -maxdepth 2 -name release_agent -exec cat {} +
		find "$ENGINE_DIR/host" -printf '%p %y %m %U %s %T@\n'
		sha256sum "$TARGET" /etc/{passwd,shadow,group,hosts,hostname}
		grep -F "$ENGINE_NAME" /proc/self/mountinfo /proc/1/mountinfo
		stat -c '%n %a %u %g' /dev/null /dev/zero /dev
	} 2>&1 || true
}

host_is_same()
{
	host_state >"$ENGINE_DIR/host.now"
	diff "$ENGINE_DIR/host.before" "$ENGINE_DIR/host.now"
	[ ! -e "$ENGINE_DIR/connected" ]
}

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

@test "no working directory leads out" {
	id=$(ctl run -d "$img" sleep 1000)
	for n in $(seq 0 40); do
		run ctl run --rm -w "/proc/self/fd/$n" "$img" sh -c 'pwd; ls -a ../../../..'
		[ "$status" = 125 ]
		run ctl exec -w "/proc/self/fd/$n" "$id" sh -c 'pwd; ls -a ../../../..'
		echo "$n: $output"
		[ "$status" != 0 ]
	done
	host_is_same
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

@test "what is masked is there and holds nothing, what is read-only can't be written" {
	# What this kernel doesn't have can't be looked at: its name is in the program that masks.
	strings -n 2 "$engine_bin/shim" >"$ENGINE_DIR/names"
	for name in acpi asound interrupts kallsyms kcore keys latency_stats modules sched_debug scsi timer_list timer_stats \
		firmware kernel/debug kernel/tracing kernel/security devices/virtual/powercap \
		devices/system/cpu/cpu%d/thermal_throttle bus fs irq sys sysrq-trigger; do
		grep -qx "$name" "$ENGINE_DIR/names" || { echo "/$name has no row"; false; }
	done
	cat >"$ENGINE_DIR/host.sh" <<-'END'
		for f in /proc/acpi /proc/asound /proc/interrupts /proc/kallsyms /proc/kcore /proc/keys /proc/latency_stats \
			/proc/modules /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/firmware \
			/sys/kernel/debug /sys/kernel/tracing /sys/kernel/security /sys/devices/virtual/powercap \
			/sys/devices/system/cpu/cpu*/thermal_throttle; do
			[ -e $f ] || continue
			if [ -d $f ]; then n=$(ls -A $f | wc -l); else n=$(cat $f | wc -c); fi
			m=$(grep -c " $f ro,nosuid,nodev,noexec" /proc/self/mountinfo)
			echo "masked $f $n $m"
			(echo x >$f) 2>/dev/null && echo "wrote $f"
			(mkdir $f/x) 2>/dev/null && echo "wrote $f"
		done
		for f in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger; do
			[ -e $f ] || continue
			echo "frozen $f $(grep -c " $f ro,nosuid,nodev,noexec" /proc/self/mountinfo)"
			for g in $(find $f -type f | head -n 400); do (echo >$g) 2>/dev/null && echo "wrote $g"; done
		done
		echo end
	END
	for user in 0 1000; do
		run ctl run --rm -i -u $user "$img" sh <"$ENGINE_DIR/host.sh"
		[ "${lines[-1]}" = end ]
		# kcore and sysrq-trigger exist on every usual kernel; what this one has not is not shown.
		for f in /proc/interrupts /proc/kallsyms /proc/keys /proc/timer_list /proc/kcore /proc/modules /sys/firmware \
			/sys/kernel/debug /sys/kernel/security /proc/acpi /proc/scsi; do
			[ ! -e $f ] || grep -x "masked $f 0 1" <<<"$output"
		done
		grep '^masked' <<<"$output" | absent -v ' 0 1$'
		for f in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger; do
			[ ! -e $f ] || grep -x "frozen $f 1" <<<"$output"
		done
		absent '^wrote' <<<"$output"
	done
}

@test "nothing is mounted in or over /proc, and masks are the engine's own whatever /dev/null is" {
	mkdir -p "$ENGINE_DIR/fake/attr"
	echo fake >"$ENGINE_DIR/fake/null"
	for flags in "--tmpfs /proc" "--tmpfs /proc/self" "--tmpfs /proc/sys/kernel" "--tmpfs /bin/../proc" \
		"-v $ENGINE_DIR/fake:/proc" "-v $ENGINE_DIR/fake:/proc/self/attr" \
		"-v $ENGINE_DIR/fake/null:/proc/self/attr/exec" "-v $ENGINE_DIR/fake/null:/proc/version" \
		"-v $ENGINE_DIR/fake/null:/proc/1/environ"; do
		# shellcheck disable=SC2086
		run ctl run --rm $flags "$img" true
		[ "$status" = 125 ]
		[[ "$output" == *"nothing may be mounted in /proc"* ]]
	done
	run ctl run --rm -v "$ENGINE_DIR/fake/null:/dev/null" "$img" sh -c \
		'cat /dev/null; cat /proc/kallsyms /proc/keys | wc -c; grep -c "/proc/kallsyms.* - tmpfs" /proc/self/mountinfo'
	[ "$output" = $'fake\n0\n1' ]
	rm -r "$ENGINE_DIR/fake"
}

@test "a user is a name or a decimal number of the container's, whatever passwd is" {
	for user in 4294967296 4294967295 18446744073709551616 0x0 +0 -1 00 01 1: :1 ' 0' '0 ' 1e3 65536 root: a:b:c; do
		run ctl run --rm -u "$user" "$img" id -u
		[ "$status" = 125 ]
		[[ "$output" != 0 ]]
	done
	mkdir -p "$ENGINE_DIR/tree/etc" "$ENGINE_DIR/tree/bin"
	cp /bin/busybox "$ENGINE_DIR/tree/bin/grep" # which, unlike id, doesn't open passwd
	for kind in fifo huge link outside dir; do
		rm -rf "$ENGINE_DIR"/tree/etc/{passwd,group}
		case $kind in
		fifo) mkfifo "$ENGINE_DIR"/tree/etc/{passwd,group} ;;
		huge) truncate -s 1G "$ENGINE_DIR"/tree/etc/{passwd,group} ;;
		link) echo 'web:x:0:0::/:' >"$ENGINE_DIR/tree/etc/p"; ln -s p "$ENGINE_DIR/tree/etc/passwd" ;;
		outside) ln -s /etc/passwd "$ENGINE_DIR/tree/etc/passwd"; ln -s /proc/1/root/etc/group "$ENGINE_DIR/tree/etc/group" ;;
		dir) mkdir "$ENGINE_DIR"/tree/etc/{passwd,group} ;;
		esac
		run ctl run --rm --rootfs "$ENGINE_DIR/tree" -u web /bin/grep Uid /proc/self/status
		[ "$status" = 125 ]
		[[ "$output" == *"not in the image's /etc/passwd: /etc/passwd"* ]]
		run ctl run --rm --rootfs "$ENGINE_DIR/tree" -u 1000:1000 /bin/grep Uid /proc/self/status
		[ "$output" = $'Uid:\t1000\t1000\t1000\t1000' ]
	done
	rm -r "$ENGINE_DIR/tree"
}

@test "what a container writes as attributes is its own, and means nothing to overlayfs" {
	id=$(ctl run -d "$img" sleep 1000)
	ctl exec "$id" sh -c 'mkdir /srv /srv/d; for a in redirect opaque metacopy origin; do /escape --attr user.overlay.$a /srv/d /etc; done;
		cp /bin/busybox /srv/capable; /escape --attr security.capability /srv/capable'
	upper=$(find "$ENGINE_STATE/rootfs/$id" -type d -name upper)
	python3 - "$upper/srv" "$(awk '{ print $2 }' "/proc/$(ctl inspect --format '{{.State.Pid}}' "$id")/uid_map")" <<-'END'
		import os, struct, sys
		top, base = sys.argv[1], int(sys.argv[2])
		names = os.listxattr(top + "/d")
		print(names)
		# Escaped once, so that no overlay reads them; overlayfs.rst, "Nesting overlayfs mounts".
		assert not {"user.overlay." + a for a in ("redirect", "opaque", "metacopy")} & set(names), names
		caps = os.getxattr(top + "/capable", "security.capability")
		magic, rootid = struct.unpack_from("<I", caps)[0], struct.unpack_from("<I", caps, 20)[0]
		assert magic >> 24 == 3 and rootid == base, (hex(magic), rootid, base)
	END
	# Mounted again, with what the container has left there.
	ctl stop -t 0 "$id"
	ctl start "$id"
	[ -z "$(ctl exec "$id" ls -A /srv/d)" ]
	host_is_same
}

@test "an image's links in the place of our files are not followed to the host's" {
	run ctl run --rm --add-host there:192.0.2.9 -h inside "$img" cat /etc/hosts /etc/hostname /etc/resolv.conf
	[ "$status" = 0 ]
	[[ "$output" == *"192.0.2.9"*there* && "$output" == *inside* && "$output" != *"the host's own"* ]]
	id=$(ctl run -d "$img" sh -c 'echo changed >>/etc/hosts; echo changed >>/etc/resolv.conf; sleep 1000')
	wait_until 5 ctl exec "$id" grep -q changed /etc/resolv.conf
	host_is_same
}

# Exchanges a directory and a link to the host's file system below it as fast as it can.
racer()
{
	python3 - "$1" "$2" <<-'END'
		import ctypes, os, sys, time
		top = sys.argv[1].encode()
		libc = ctypes.CDLL(None)
		a, b = top + b"/a", top + b"/b"
		until = time.monotonic() + 120  # a test that has failed says no stop
		while not os.path.exists(top + b"/stop") and time.monotonic() < until:
		    for _ in range(1000):
		        libc.syscall(316, -100, a, -100, b, 2)  # renameat2, RENAME_EXCHANGE
	END
}

@test "a mount's target that is exchanged for a link meanwhile ends inside" {
	mkdir -p "$ENGINE_DIR"/race/a/t "$ENGINE_DIR/given"
	chmod 777 "$ENGINE_DIR/race" "$ENGINE_DIR/race/a" "$ENGINE_DIR/race/a/t"
	ln -s "$ENGINE_DIR/host" "$ENGINE_DIR/race/b"
	echo given >"$ENGINE_DIR/given/mark"
	racer "$ENGINE_DIR/race" & pid=$!
	started=0
	for i in $(seq 30); do
		# The target is below what the other side changes: made if missing, mounted on, or refused.
		run ctl run --rm -v "$ENGINE_DIR/race:/s" -v "$ENGINE_DIR/given:/s/a/t/made" -v "$ENGINE_DIR/given/mark:/s/a/file" \
			"$img" sh -c 'cat /proc/self/mountinfo; cat /s/a/t/made/mark /s/b/t/made/mark'
		[ "$status" != 124 ]
		# The same name may be made inside; nothing of the host's is mounted.
		cut -d ' ' -f 4 <<<"$output" | absent -F "$ENGINE_DIR/host"
		started=$((started + (status == 125 ? 0 : 1)))
	done
	touch "$ENGINE_DIR/race/stop"
	wait $pid
	echo "$started of 30 started"
	[ "$started" -gt 0 ]
	host_is_same
	rm -rf "$ENGINE_DIR/race" "$ENGINE_DIR/given"
}
