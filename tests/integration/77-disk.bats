# SPDX-License-Identifier: MIT
#
# The disk under the state directory: the power fails, it is full, it can't be written to, and files of it are lost or
# changed. Each test has an engine and a disk of its own.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"
. "$BATS_TEST_DIRNAME/../lib/disk.sh"

setup()
{
	engine_prepare
}

teardown()
{
	local failed=0

	[ -z "${LOAD:-}" ] || kill "$LOAD" 2>/dev/null || true
	if [ -n "${ENGINE_PID:-}" ] && engine_answers >/dev/null 2>&1; then
		ctl ps -aq 2>/dev/null | xargs -r timeout 120 "$engine_bin/ctl" rm -f >/dev/null 2>&1
	fi
	engine_halt || failed=1
	if mountpoint -q "$DISK_AT"; then
		disk_umount || failed=1
	fi
	engine_stop || failed=1
	return $failed
}

# load: pulls, creates, runs and removes without end; notes whom it was told of as made, and whom it is to remove
load()
{
	local n=0 id

	set +e
	: >"$ENGINE_DIR/made"
	: >"$ENGINE_DIR/unmade"
	while :; do
		n=$((n + 1))
		ctl pull -q "$bb"
		ctl pull -q "$REGISTRY/whiteouts"
		id=$(ctl create "$bb" sleep 100) && echo "$id" >>"$ENGINE_DIR/made"
		id=$(ctl run -d "$bb" sh -c 'dd if=/dev/zero of=/x bs=1k count=40; echo out; sleep 100') &&
			echo "$id" >>"$ENGINE_DIR/made"
		ctl run --rm "$bb" sh -c 'echo hello >/x'
		ctl run -d --rm "$bb" sh -c 'echo hello >/x; sleep 100'
		if [ $((n % 3)) = 0 ]; then
			head -n 1 "$ENGINE_DIR/made" >>"$ENGINE_DIR/unmade"
			ctl rm -f "$(head -n 1 "$ENGINE_DIR/made")"
			ctl rmi -f "$REGISTRY/whiteouts"
		fi
	done >"$ENGINE_DIR/loaded" 2>&1 3>&-
}

# Of what the machine came back with: what was promised is there, what is shown works, nothing else is left.
survived()
{
	local id gone

	! grep -E "left alone|is damaged" "$ENGINE_LOG" || return 1
	# Not those that are being removed, by an engine that found them half made.
	ctl ps -aq --no-trunc --filter status=created --filter status=exited >"$ENGINE_DIR/there"
	for id in $(sort -u "$ENGINE_DIR/made" | grep -vxFf "$ENGINE_DIR/unmade"); do
		grep -qx "$id" "$ENGINE_DIR/there" || { echo "lost: $id"; return 1; }
	done
	for id in $(ctl images -q | sort -u); do
		ctl run --rm --pull never "$id" true || return 1
	done
	ctl run --rm "$bb" true || return 1
	for id in $(tail -n 2 "$ENGINE_DIR/there"); do
		ctl start "$id" || return 1
	done
	xargs -r timeout 120 "$engine_bin/ctl" rm -f <"$ENGINE_DIR/there" || return 1
	ctl images -q | sort -u | xargs -r "$engine_bin/ctl" rmi -f || return 1
	# What came of pulls that were cut off stays for the next one.
	wait_until 45 eval "[ -z \"\$(find '$ENGINE_STATE'/images '$ENGINE_STATE'/containers '$ENGINE_STATE'/rootfs -mindepth 2 -not -path '*/partial/*' | head -n 1)\" ]" && return
	find "$ENGINE_STATE" -type f
	return 1
}

# cuts KIND ROUNDS
cuts()
{
	local n pause

	disk_make "$1" 400M
	engine_launch && engine_images busybox whiteouts
	bb=$REGISTRY/busybox
	for n in $(seq "$2"); do
		load &
		LOAD=$!
		pause=$((RANDOM % 3)).$((RANDOM % 10))
		sleep "$pause"
		echo "round $n: cut after $pause s, $(sort -u "$ENGINE_DIR/made" | wc -l) made"
		: >"$ENGINE_LOG"
		"$engine_lib/cut.py" "$DISK_AT"
		sleep 0.2 # what is answered now is told as an error
		kill "$LOAD"
		wait "$LOAD" || true
		LOAD=
		engine_die
		disk_umount
		disk_mount
		: >"$ENGINE_LOG"
		engine_launch
		survived
	done
}

@test "the power fails at any moment: on ext4" {
	cuts ext4 "${DISK_CUTS:-6}"
}

@test "the power fails at any moment: on XFS, which keeps fewer promises of itself" {
	cuts xfs "${DISK_CUTS:-6}"
}

imaged_pid()
{
	ps -o pid=,args= --ppid "$ENGINE_PID" | awk '$2 == "imaged" && $3 == "--state-dir" { print $1 }'
}

# imaged_again: killed, and the next one has looked at what there is
imaged_again()
{
	local pid

	pid=$(imaged_pid)
	kill -KILL "$pid"
	wait_until 10 eval "[ -n \"\$(imaged_pid)\" ] && [ \"\$(imaged_pid)\" != $pid ] && ctl images"
}

# spoil FILE HOW: removed, cut off, or one bit of one byte another
spoil()
{
	case $2 in
	gone) rm "$1" ;;
	half) truncate -s $(($(stat -c %s "$1") / 2)) "$1" ;;
	empty) : >"$1" ;;
	*)
		python3 - "$1" "$2" <<-'E'
			import os, sys
			at = int(sys.argv[2])
			fd = os.open(sys.argv[1], os.O_RDWR)
			at = min(at, os.fstat(fd).st_size - 1) if at >= 0 else os.fstat(fd).st_size + at
			os.pwrite(fd, bytes([os.pread(fd, 1, at)[0] ^ 16]), at)
		E
		;;
	esac
}

store_files()
{
	(cd "$ENGINE_STATE/images" && find layers dirs records -type f | sort)
}

# mended: with a file of the victim spoiled, all goes on, and what is asked for is whole again
mended()
{
	local victim=$REGISTRY/whiteouts

	run -0 ctl images
	[[ $output == *"/busybox "* ]] || return 1
	run -0 ctl run --rm --pull never "$REGISTRY/busybox" echo other
	[ "${lines[-1]}" = other ] || return 1
	run -0 ctl rmi -f "$victim"
	run -0 ctl pull -q "$victim"
	run -0 ctl run --rm --pull never "$victim" true
	[ "$(store_files | cmp - "$ENGINE_DIR/store")" = "" ] || return 1
}

@test "any file of the store removed, cut off or changed: told, and everything else works" {
	engine_launch && engine_images busybox whiteouts
	ctl pull -q "$REGISTRY/busybox"
	store_files >"$ENGINE_DIR/others"
	ctl pull -q "$REGISTRY/whiteouts"
	wait_until 10 eval "[ -z \"\$(ls $ENGINE_STATE/images/unsettled)\" ] && ! store_files | grep -q old"
	store_files >"$ENGINE_DIR/store"
	n=0
	for again in "" imaged_again; do
		for file in $(store_files | grep -vxFf "$ENGINE_DIR/others"); do
			for how in gone half empty 1030 ${again:-0 1100 3000 -1}; do
				[ "$how" != imaged_again ] || continue
				echo "$file $how $again"
				: >"$ENGINE_LOG"
				spoil "$ENGINE_STATE/images/$file" "$how"
				$again
				# The kernel, which alone reads what is in a layer, may find fault with it.
				ctl run --rm "$REGISTRY/whiteouts" true 2>"$ENGINE_DIR/said" || [ "$(wc -l <"$ENGINE_DIR/said")" = 1 ]
				mended
				n=$((n + 1))
			done
		done
	done
	echo "$n ways"
	[ "$n" -ge 60 ]
}

@test "of an image that lost a file: one sentence says which, the next run brings it back, others are left alone" {
	engine_launch && engine_images busybox whiteouts
	ctl pull -q "$REGISTRY/busybox"
	ctl pull -q "$REGISTRY/whiteouts"
	id=$(ctl create "$REGISTRY/whiteouts" true)
	ctl start "$id"
	rm "$ENGINE_STATE"/images/dirs/*
	run -0 ctl images
	[[ $output != *whiteouts* && $output == *busybox* ]]
	[ "$(grep -c "image $REGISTRY/whiteouts:latest: its directories: its image is gone: it is forgotten, pull it again" "$ENGINE_LOG")" = 1 ]
	run -1 ctl start "$id"
	[[ $output == *"image sha256:"*" is not here any more; pull it again" ]]
	run -0 ctl run --rm "$REGISTRY/whiteouts" true
	run -0 ctl start "$id"
	# A record that is not ours, a directory, files of others: nothing of it is touched.
	mkdir "$ENGINE_STATE/rootfs/backup" "$ENGINE_STATE/containers/backup"
	echo mine | tee "$ENGINE_STATE/images/layers/mine.erofs" "$ENGINE_STATE/images/records/mine" \
		"$ENGINE_STATE/images/dirs/mine" "$ENGINE_STATE/rootfs/backup/x" >"$ENGINE_STATE/containers/backup/x"
	imaged_again
	engine_halt
	engine_launch
	[ "$(cat "$ENGINE_STATE"/images/{layers/mine.erofs,records/mine,dirs/mine} "$ENGINE_STATE"/{rootfs,containers}/backup/x | sort | uniq -c | tr -d ' ')" = 5mine ]
}

@test "a layer that somebody unmounts is mounted again, a stray directory of a container goes, a damaged record stays" {
	engine_launch && engine_images busybox
	bb=$REGISTRY/busybox
	ctl run --rm "$bb" true
	kept=$(ctl create "$bb" true)
	ctl start "$kept"
	python3 - "$(imaged_pid)" <<-'E'
		import ctypes, os, sys
		libc = ctypes.CDLL(None, use_errno=True)
		ns = os.open(f"/proc/{sys.argv[1]}/ns/mnt", os.O_RDONLY)
		if libc.setns(ns, 0x20000) < 0: sys.exit(os.strerror(ctypes.get_errno()))
		for name in os.listdir("/layers"):
		    if libc.umount2(b"/layers/" + name.encode(), 2) < 0: sys.exit("umount")
	E
	run -0 ctl run --rm "$bb" echo mounted
	[ "${lines[-1]}" = mounted ]
	grep -q "its mount is gone; mounting it again" "$ENGINE_LOG"
	# Of a container that there is not; one like it whose record is damaged; one whose owner is foreign.
	base=$(cat "$ENGINE_STATE/uid-base")
	stray=$(printf '%064d' 7) foreign=$(printf '%064d' 8)
	mkdir -p "$ENGINE_STATE/rootfs/$stray/upper/a" "$ENGINE_STATE/rootfs/$foreign/upper/a"
	chmod 777 "$ENGINE_STATE/rootfs/$stray" "$ENGINE_STATE/rootfs/$foreign"
	chown -R $((base + 65536 * 2)) "$ENGINE_STATE/rootfs/$stray"/*
	engine_halt
	spoil "$ENGINE_STATE/containers/$kept/state" 100
	engine_launch
	wait_until 10 eval "[ ! -e $ENGINE_STATE/rootfs/$stray ]"
	[ -d "$ENGINE_STATE/rootfs/$foreign/upper/a" ]
	[ -d "$ENGINE_STATE/rootfs/$kept/upper" ]
	[ "$(grep -c "container ${kept:0:12} is left alone: its record: " "$ENGINE_LOG")" = 1 ]
	run -0 ctl run --rm "$bb" true
}

# counter: a container that writes to its log, ten lines a second
counter()
{
	# shellcheck disable=SC2016
	ctl run -d --name counter "$bb" sh -c 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done'
}

status_of()
{
	ctl inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$1"
}

# refused SENTENCE CMD...: it fails, and says so in one line
refused()
{
	run --separate-stderr ctl "${@:2}"
	echo "$* -> $status: $stderr"
	[ "$status" = 1 ] || [ "$status" = 125 ] || return 1
	[ "$(wc -l <<<"$stderr")" = 1 ] && [[ $stderr == *"$1"* ]]
}

state_files()
{
	(cd "$ENGINE_STATE" && find images containers rootfs -mindepth 2 -maxdepth 2 | sort)
}

@test "a full disk: one sentence, what runs goes on, nothing half is left, and when there is room all works again" {
	disk_make ext4 32M -m 0
	engine_launch && engine_images busybox whiteouts debian
	bb=$REGISTRY/busybox
	ctl pull -q "$bb"
	counter
	ctl create --name made "$bb" true
	sleep 1
	# Nothing of the engine's is still to be given back, nor what the kernel sets aside for what it has not written yet.
	wait_until 20 eval "[ -z \"\$(ls $ENGINE_STATE/images/unsettled)\" ]"
	for _ in 1 2 3; do
		sync -f "$DISK_AT"
		dd if=/dev/zero bs=64k 2>/dev/null >>"$DISK_AT/ballast" || true
		dd if=/dev/zero bs=512 2>/dev/null >>"$DISK_AT/ballast2" || true
	done
	state_files >"$ENGINE_DIR/files"
	full="no space left on device"
	refused "$full" pull -q "$REGISTRY/whiteouts"
	refused "$full" pull -q "$REGISTRY/debian:12"
	refused "$full" create "$bb" true
	refused "$full" run --rm "$bb" true
	refused "$full" run -d "$bb" sleep 100
	state_files | diff "$ENGINE_DIR/files" -
	run -0 ctl images
	run -0 ctl exec counter echo reached
	[ "$(status_of counter)" = "running 0" ]
	ctl stop -t 0 counter
	[ "$(ctl wait counter)" = 137 ]
	[ "$(status_of counter)" = "exited 137" ]
	ctl logs counter | head -n 5 | cmp - <(seq 0 4)
	rm "$DISK_AT/ballast" "$DISK_AT/ballast2"
	wait_until 45 grep -q "state of .*: written at last" "$ENGINE_LOG"
	run -0 ctl pull -q "$REGISTRY/whiteouts"
	run -0 ctl run --rm "$REGISTRY/whiteouts" true
	run -0 ctl start made
	engine_halt
	engine_launch
	[ "$(status_of counter)" = "exited 137" ]
	lines=$(ctl logs counter | wc -l)
	ctl start counter
	wait_until 10 eval "ctl logs counter | tail -n +$((lines + 1)) | grep -qx 3"
	ctl rm -f counter made
	run -0 ctl rmi -f "$bb" "$REGISTRY/whiteouts"
	[ -z "$(state_files)" ]
}

# What the kernel does to a file system that it finds damaged; or a disk that answers nothing any more.
faulty_disk()
{
	disk_make ext4 64M
	[ "$1" != ro ] || mount -o remount,errors=remount-ro "$DISK_AT"
	engine_launch && engine_images busybox whiteouts
	bb=$REGISTRY/busybox
	ctl pull -q "$bb"
	counter
	ctl create --name made "$bb" true
	sync -f "$DISK_AT"
	if [ "$1" = ro ]; then
		echo 1 >"/sys/fs/ext4/$(basename "$(findmnt -no SOURCE "$DISK_AT")")/trigger_fs_error"
	else
		"$engine_lib/cut.py" "$DISK_AT"
	fi
	refused "$2" pull -q "$REGISTRY/whiteouts"
	refused "$2" create "$bb" true
	refused "$2" run --rm "$bb" true
	run -0 ctl ps -a
	[[ $output == *counter* && $output == *made* ]]
	run -0 ctl images
	[[ $output == *busybox* ]]
	[ "$(status_of counter)" = "running 0" ]
	run -0 ctl version
	ctl kill counter
	[ "$(ctl wait counter)" = 137 ]
	[ "$(status_of counter)" = "exited 137" ]
	ctl rm counter || true
	engine_halt
	disk_umount
	e2fsck -p "$DISK" || [ $? = 1 ]
	disk_mount
	engine_launch
	run -0 ctl ps -a
	[[ $output == *made* ]]
	run -0 ctl start made
	run -0 ctl pull -q "$REGISTRY/whiteouts"
	run -0 ctl run --rm "$bb" true
	! grep "left alone\|forgotten" "$ENGINE_LOG" || false
}

@test "a disk that the kernel makes read-only: one sentence, the engine stays, and nothing is lost" {
	faulty_disk ro "read-only file system"
}

@test "a disk that fails: one sentence, the engine stays, and nothing is lost" {
	faulty_disk dead "input/output error"
}
