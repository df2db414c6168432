# SPDX-License-Identifier: MIT
#
# The engine's rules about paths that enter a container: working directories, masks, mounts, the image's files and links.
# Whatever happens inside, the host is as it was.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"
. "$BATS_TEST_DIRNAME/../lib/escape.sh"

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
