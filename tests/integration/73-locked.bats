# SPDX-License-Identifier: MIT
#
# SYS_ADMIN inside, by every way to get it: what the engine and the host have put on mounts stays on them. Read-only,
# nosuid, nodev and noexec can't be cleared, and no mask or mount can be taken away to see what is below.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

escape=${engine_bin%/bin}/tests/hostile/escape
group=42000
user=42001

# A node of a real block device of the host's, which holds a word: a loop device, or else none
make_disk()
{
	echo "secret-of-$ENGINE_NAME" >"$ENGINE_DIR/disk"
	truncate -s 1M "$ENGINE_DIR/disk"
	LOOP=$(losetup -r -f --show "$ENGINE_DIR/disk" 2>/dev/null) || return 0
	mknod -m 666 "$HOST/disk" b $((0x$(stat -c %t "$LOOP"))) $((0x$(stat -c %T "$LOOP")))
	export LOOP
}

setup_file()
{
	engine_prepare && engine_launch --group $group && engine_images || return 1
	export HOST=$ENGINE_DIR/host
	mkdir -p "$HOST"/{sub,cover} "$ENGINE_DIR/more"
	echo "the host's own" >"$HOST/file"
	echo secret >"$HOST/sub/secret"
	mknod -m 666 "$HOST/null" c 1 3
	cp /bin/busybox "$HOST/suid"
	chmod 4755 "$HOST/suid"
	make_disk
	# The host hides a directory, and has one that nobody may write.
	mount --bind "$HOST/cover" "$HOST/sub"
	mount --bind "$ENGINE_DIR/more" "$ENGINE_DIR/more"
	mount -o remount,bind,ro,nosuid,noexec "$ENGINE_DIR/more"
	ESCAPE=$escape ESCAPE_TARGET=$HOST/file python3 "$engine_lib/oci_layout.py" escape "$ENGINE_DIR/layout"
	skopeo --insecure-policy copy -q --preserve-digests --dest-tls-verify=false \
		"oci:$ENGINE_DIR/layout:latest" "docker://$REGISTRY/escape:latest"
	ctl pull -q "$REGISTRY/escape"
	host_state >"$ENGINE_DIR/host.before"
}

teardown_file()
{
	[ -z "${LOOP:-}" ] || losetup -d "$LOOP"
	umount "$HOST/sub" "$ENGINE_DIR/more"
	engine_stop
}

setup()
{
	img=$REGISTRY/escape
	# As the workload, and as an exec that has more than the container was started with.
	ways=("run --cap-add SYS_ADMIN" "run --cap-add SYS_ADMIN --security-opt seccomp=unconfined" "run --cap-add ALL"
		"run --privileged" "run --privileged --network host" "run --privileged --init -u 0"
		"exec --privileged --cap-drop SYS_ADMIN" "exec --security-opt seccomp=unconfined")
}

teardown()
{
	ctl ps -aq | xargs -r timeout 120 "$engine_bin/ctl" rm -f >/dev/null
	awk -v at="$BATS_TEST_TMPDIR/" 'index($5, at) == 1 { print $5 }' /proc/self/mountinfo | tac | xargs -r umount
	host_state | diff "$ENGINE_DIR/host.before" -
}

host_state()
{
	find "$HOST" "$ENGINE_DIR/more" -printf '%p %i %y %m %U %s %T@ %C@\n' | sort
	sha256sum "$HOST/file" /proc/sys/kernel/core_pattern
	grep -F " $ENGINE_DIR/" /proc/self/mountinfo | cut -d ' ' -f 3-6
}

# inside "run|exec FLAGS" SCRIPT MORE-FLAGS...: SCRIPT with SYS_ADMIN; its output is in $output
inside()
{
	local how=$1 script=$2 id

	shift 2
	# shellcheck disable=SC2086
	if [ "${how%% *}" = run ]; then
		run ctl run --rm -q ${how#run} "$@" "$img" sh -c "exec 2>&1; $script; true"
	else
		id=$(ctl run -d -q ${how#exec} "$@" "$img" sleep 1000)
		run ctl exec --privileged "$id" sh -c "exec 2>&1; $script; true"
		ctl rm -f "$id" >/dev/null
	fi
	echo "--- $how $*: $status"
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"CapEff:	"*[2367abef]?????$'\n'* || "$output" == *"CapEff:	000001ffffffffff"* ]]
}

# Masks and what is read-only, wherever they are; /c is read-only, /w is not, /n has a flag of each kind, /h the host's.
all='grep CapEff /proc/self/status
	/escape --unlock /c /w /w/sub /n /h / $(awk "\$6 ~ /^ro/ { print \$5 }" /proc/self/mountinfo) /proc /dev /dev/null /etc/hosts /t'
mounts=()

given()
{
	mounts=(-v "$HOST:/c:ro" -v "$HOST:/w" -v "$HOST:/n:ro,nosuid,noexec" -v "$ENGINE_DIR/more:/h" --tmpfs /t)
}

@test "no flag of a mount can be cleared and no mount be taken away, by no way to SYS_ADMIN" {
	given
	for how in "${ways[@]}"; do
		inside "$how" "$all" "${mounts[@]}" --read-only
		[ "${lines[-1]}" = "0 successes" ]
		for what in "ro of /" "ro of /c" "nodev of /c" "nodev of /w" "ro of /n" "nosuid of /n" "noexec of /n" "ro of /h" \
			"nosuid of /h" "noexec of /h" "ro of /sys/fs/cgroup" "noexec of /t" "nosuid of /proc" "noexec of /dev"; do
			grep -xF "tried $what" <<<"$output"
		done
		[[ "$how" == *privileged* ]] || grep -xF "tried ro of /proc/sys" <<<"$output"
		[[ "$how" == *privileged* ]] || grep -xF "tried ro of /proc/keys" <<<"$output"
	done
}

@test "it is the lock that holds them: without SYS_ADMIN from the start the default filter does" {
	given
	id=$(ctl run -d -q "${mounts[@]}" "$img" sleep 1000)
	run ctl exec --privileged "$id" sh -c "exec 2>&1; $all"
	echo "$output"
	[ "${lines[-1]}" = "0 successes" ]
	run ctl exec --privileged "$id" mount -t tmpfs t /t
	[ "$status" != 0 ]
	# A user namespace below the container's: the kernel locks by itself there.
	run ctl run --rm -q --security-opt seccomp=unconfined "${mounts[@]}" "$img" unshare -Urm sh -c "exec 2>&1; $all"
	echo "$output"
	[ "${lines[-1]}" = "0 successes" ]
}

@test "a device of the host's in a bind mount stays dead, a read-only one is not written, and what is covered stays so" {
	given
	[ -n "${LOOP:-}" ] || echo "# no loop device to be had: /dev/null alone stands for a device" >&3
	[ -z "${LOOP:-}" ] || grep -aq "secret-of-$ENGINE_NAME" "$HOST/disk"
	for how in "${ways[@]}"; do
		inside "$how" 'grep CapEff /proc/self/status
			for m in /c /w /n; do for o in rw dev suid exec rw,dev,suid,exec; do mount -o remount,bind,$o $m; done; done
			for m in /c /w /n; do for d in disk null; do head -c 40 $m/$d && echo "OPENED $m/$d"; done; done
			for m in /c /n /h; do echo x >$m/file && echo "WROTE $m"; touch $m/new && echo "WROTE $m"; done
			umount /w/sub; umount -l /w/sub; ls -A /w/sub /c/sub
			mkdir -p /tmp/o /tmp/u /tmp/k; mount -t overlay -o lowerdir=/w,upperdir=/tmp/u,workdir=/tmp/k o /tmp/o && cat /tmp/o/disk
			/n/suid true && echo "EXECUTED /n/suid"' "${mounts[@]}"
		[[ "$output" != *secret* && "$output" != *OPENED* && "$output" != *WROTE* && "$output" != *EXECUTED* ]]
	done
}

@test "a user's stick that the host mounts nodev and nosuid, and a directory that it mounts read-only for him" {
	stick=$BATS_TEST_TMPDIR/stick
	chmod 711 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_RUN_TMPDIR"
	install -d -o $user -g $user "$stick" "$BATS_TEST_TMPDIR/seen"
	mknod -m 666 "$stick/null" c 1 3
	[ -z "${LOOP:-}" ] || cp -a "$HOST/disk" "$stick/disk"
	echo theirs >"$stick/file"
	chown $user:$user "$stick"/*
	mount --bind "$stick" "$stick"
	mount -o remount,bind,nodev,nosuid "$stick"
	mount --bind "$stick" "$BATS_TEST_TMPDIR/seen"
	mount -o remount,bind,ro "$BATS_TEST_TMPDIR/seen"
	cp "$engine_bin/ctl" "$ENGINE_DIR"
	run setpriv --reuid $user --regid $user --groups $group timeout 60 "$ENGINE_DIR/ctl" run --rm -q --privileged -v "$stick:/s" \
		-v "$BATS_TEST_TMPDIR/seen:/r" "$img" sh -c 'exec 2>&1; /escape --unlock /s /r
		for o in dev suid rw,dev,suid; do mount -o remount,bind,$o /s; mount -o remount,bind,$o /r; done
		for d in null disk; do head -c 40 /s/$d && echo "OPENED $d"; done; echo x >/r/file && echo WROTE; echo x >/s/file && echo own; echo done'
	echo "$output"
	for what in "nodev of /s" "nosuid of /s" "ro of /r"; do
		grep -xF "tried $what" <<<"$output"
	done
	[[ "$output" == *"0 successes"*own*done && "$output" != *secret* && "$output" != *OPENED* && "$output" != *WROTE* ]]
}

@test "a directory as root: its flags are locked like those of a bind mount" {
	mkdir -p "$ENGINE_DIR/root/bin"
	cp "$escape" "$ENGINE_DIR/root/escape"
	cp /bin/busybox "$ENGINE_DIR/root/bin/sh"
	mknod -m 666 "$ENGINE_DIR/root/null" c 1 3
	run ctl run --rm -q --privileged --read-only --rootfs "$ENGINE_DIR/root" /bin/sh -c \
		'/escape --unlock / /proc; echo x >/null && echo OPENED; echo x >/new && echo WROTE; :'
	echo "$output"
	[[ "$output" == *"0 successes"* && "$output" == *"tried ro of /"* && "$output" == *"tried nodev of /"* ]]
	[[ "$output" != *OPENED* && "$output" != *WROTE* ]]
	rm -r "$ENGINE_DIR/root"
}

@test "what SYS_ADMIN is good for goes on working" {
	for how in "run --cap-add SYS_ADMIN" "run --privileged" "exec --privileged --cap-drop SYS_ADMIN"; do
		inside "$how" 'set -e; grep CapEff /proc/self/status; mkdir -p /m /o/l /o/u /o/w
			mount -t tmpfs -o size=1m t /m; touch /m/x; mount -o remount,bind,ro /m; if touch /m/y; then exit 1; fi; mount -o remount,bind,rw /m; touch /m/y
			mkdir /b; mount -o bind /m /b; ls /b; mount -o remount,bind,ro /b; if touch /b/z; then exit 1; fi; mount -o remount,bind,rw /b; touch /b/z
			umount /b; umount /m; mount -t tmpfs t /o; mkdir /o/l /o/u /o/w /o/m; echo low >/o/l/f
			mount -t overlay -o lowerdir=/o/l,upperdir=/o/u,workdir=/o/w o /o/m; echo up >>/o/m/f; cat /o/u/f
			mount -o rbind /proc /m; ls /m/self/fd; umount -l /m; mount -t tmpfs over /w; ls -A /w; umount /w; ls /w/file
			hostname other; hostname; unshare -m sh -c "mount -t tmpfs t /m && echo own"; echo all good' -v "$HOST:/w"
		[ "${lines[-1]}" = "all good" ]
	done
	# A /proc that shows all may be mounted where all is shown, and there alone.
	inside "run --privileged" 'grep CapEff /proc/self/status; mount -t proc p /tmp && ls /tmp/self/comm; mount -t sysfs s /mnt || mkdir /mnt && mount -t sysfs s /mnt; ls /mnt'
	[[ "$output" == *"/tmp/self/comm"*kernel* ]]
	inside "run --cap-add SYS_ADMIN" 'grep CapEff /proc/self/status; mount -t proc p /tmp; ls /tmp; mkdir /s; mount -t sysfs s /s; ls -A /s; echo end'
	[[ "$output" != *self* && "$output" != *kernel* ]]
}

@test "a terminal, an exec and a stop are as without it" {
	id=$(ctl run -d -t --privileged "$img" sleep 1000)
	ctl exec "$id" sh -c 'tty </dev/console; ls /dev/pts; [ -c /dev/console ]'
	run script -qec "'$engine_bin/ctl' exec -t $id sh -c 'tty; stty size'" /dev/null </dev/null
	[[ "$output" == /dev/pts/1* ]]
	[ "$(ctl exec "$id" readlink /proc/1/fd/0)" = /dev/pts/0 ]
	[ "$(ctl run --rm --privileged "$img" readlink /proc/self/fd/0)" = /dev/null ]
	ctl exec "$id" sh -c 'grep -c . /proc/self/mountinfo; grep -c shared: /proc/self/mountinfo || true; cat /proc/self/mountinfo' >"$BATS_TEST_TMPDIR/mounts"
	[ "$(sed -n 2p "$BATS_TEST_TMPDIR/mounts")" = 0 ]
	cat "$BATS_TEST_TMPDIR/mounts"
	# Each mount once: nothing of the tree that was cloned is left below.
	[ "$(awk 'NR > 2 { print $5 }' "$BATS_TEST_TMPDIR/mounts" | sort | uniq -d)" = "" ]
	ctl stop -t 0 "$id"
	ctl start "$id"
	ctl exec "$id" true
	ctl rm -f "$id"
}

@test "mounts of the host's that come later arrive, and are locked too" {
	mkdir "$BATS_TEST_TMPDIR/src" "$BATS_TEST_TMPDIR/src/late"
	mount --bind "$BATS_TEST_TMPDIR/src" "$BATS_TEST_TMPDIR/src"
	mount --make-shared "$BATS_TEST_TMPDIR/src"
	id=$(ctl run -d -q --privileged -v "$BATS_TEST_TMPDIR/src:/s:rslave" "$img" sleep 1000)
	mount --bind "$ENGINE_DIR/more" "$BATS_TEST_TMPDIR/src/late"
	mount -o remount,bind,ro,nodev "$BATS_TEST_TMPDIR/src/late" # of this one alone: the other came first
	umount "$BATS_TEST_TMPDIR/src/late"
	run ctl exec "$id" grep -c ' /s/late ' /proc/self/mountinfo
	[ "$output" = 0 ]
	mount --bind "$ENGINE_DIR/more" "$BATS_TEST_TMPDIR/src/late"
	run ctl exec "$id" sh -c 'grep " /s/late " /proc/self/mountinfo; /escape --unlock /s/late'
	echo "$output"
	[[ "${lines[0]}" == *" ro,nosuid,noexec"* ]]
	[ "$(grep -c '^tried' <<<"$output")" = 3 ]
	! grep CLEARED <<<"$output" || false
}

@test "a limit that leaves no room for the lock is told" {
	run ctl run --rm --pids-limit 1 --privileged "$img" true
	[ "$status" = 125 ]
	[ "$output" = "ctl: run: workload: locking the mounts: it takes one more process than the limit allows" ]
	ctl run --rm --pids-limit 2 --privileged "$img" true
	ctl run --rm --pids-limit 1 "$img" true
}
