# SPDX-License-Identifier: MIT
#
# Containers that share no page cache: what an attacker learns and changes with and without --isolated-layers, what a
# private copy holds, and where it goes. The state directory is a file system of its own, so that its use is told exactly.

# What is in the page cache is what nobody else drives out of it.
# alone

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

victim_file=/usr/bin/dpkg
attack=$(cd "$BATS_TEST_DIRNAME/../hostile" && pwd)/page_cache.py

setup_file()
{
	engine_prepare && truncate -s 2G "$ENGINE_DIR/disk" && mkfs.ext4 -q "$ENGINE_DIR/disk" &&
		mkdir -m 711 "$ENGINE_STATE" && mount -o loop "$ENGINE_DIR/disk" "$ENGINE_STATE" &&
		engine_launch && engine_images busybox debian whiteouts && ctl pull -q "$REGISTRY/debian:12" &&
		ctl pull -q "$REGISTRY/whiteouts" && engine_picture
}

# A test has started it anew: then it has another pid than setup_file knows.
engine_again()
{
	ENGINE_PID=$(cat "$ENGINE_DIR/pid" 2>/dev/null || echo "$ENGINE_PID")
}

teardown_file()
{
	engine_again
	engine_halt || true
	ENGINE_PID=
	umount "$ENGINE_STATE"
	engine_stop
}

setup()
{
	engine_again
	bb=$REGISTRY/busybox
	debian=$REGISTRY/debian:12
}

teardown()
{
	[ -z "${tracer:-}" ] || kill "$tracer" 2>/dev/null || true
	rm -f "$ENGINE_STATE/ballast"
	other_end
	engine_unchanged
}

# sleeper NAME [FLAG...]: a container of the Debian image, in which the attacker's program is /attack
sleeper()
{
	local name=$1

	shift
	ctl run -d --name "$name" "$@" -v "$attack:/attack:ro" "$debian" sleep 600 >/dev/null
}

pid_of()
{
	ctl inspect --format '{{.State.Pid}}' "$1"
}

# sees ONE OTHER: how many pages of what OTHER reads ONE then finds in the cache
sees()
{
	ctl exec "$1" python3 /attack drop "$victim_file"
	[ "$(ctl exec "$1" python3 /attack cached "$victim_file")" = 0 ]
	ctl exec "$2" cat "$victim_file" >/dev/null
	ctl exec "$1" python3 /attack cached "$victim_file"
}

@test "of a shared layer an attacker sees what another container reads; of a private copy he does not" {
	sleeper shared1
	sleeper shared2
	[ "$(sees shared1 shared2)" -gt 10 ]
	sleeper own1 --isolated-layers
	sleeper own2 --isolated-layers
	[ "$(sees shared1 own1)" = 0 ]
	[ "$(sees own1 shared1)" = 0 ]
	[ "$(sees own2 own1)" = 0 ]
	# The probe itself works there as well.
	[ "$(sees own1 own1)" -gt 10 ]
}

@test "containers with private copies have no page frame in common with others" {
	for name in shared1 shared2 own1 own2; do
		flag=
		[[ $name != own* ]] || flag=--isolated-layers
		sleeper $name $flag
		python3 "$attack" frames "$(pid_of $name)" /usr/bin/sleep >"$BATS_TEST_TMPDIR/$name"
		[ -s "$BATS_TEST_TMPDIR/$name" ]
	done
	cd "$BATS_TEST_TMPDIR"
	[ "$(comm -12 shared1 shared2 | wc -l)" -gt 0 ]
	[ "$(comm -12 shared1 own1 | wc -l)" = 0 ]
	[ "$(comm -12 own2 own1 | wc -l)" = 0 ]
}

# reads NAME: what the container finds in the file now, past its own cache
reads()
{
	ctl exec "$1" python3 /attack drop "$victim_file"
	ctl exec "$1" sha256sum "$victim_file"
}

@test "what is written over a shared page reaches those who share it alone" {
	sleeper shared1
	sleeper shared2
	sleeper own1 --isolated-layers
	whole=$(reads own1)
	[ "$(reads shared1)" = "$whole" ]
	read -r layer at bytes < <(python3 "$attack" poke "$victim_file" "$(pid_of own1)" "$ENGINE_STATE"/images/layers/*)
	one=$(reads shared1) two=$(reads shared2) own=$(reads own1)
	python3 "$attack" mend "$layer" "$at" "$bytes"
	[ "$one" != "$whole" ]
	[ "$two" = "$one" ]
	[ "$own" = "$whole" ]
	[ "$(reads shared1)" = "$whole" ]
}

pages_of_store()
{
	fincore -nbo PAGES "$ENGINE_STATE"/images/layers/* "$ENGINE_STATE"/images/dirs/* | awk '{ n += $1 } END { print n }'
}

@test "the store's own files are not read by a container with private copies" {
	sleeper shared1
	sleeper own1 --isolated-layers
	for layer in "$ENGINE_STATE"/images/layers/*; do
		python3 "$attack" drop "$layer"
	done
	before=$(pages_of_store)
	ctl exec own1 sh -c 'cat /usr/bin/* /usr/lib/*/* >/dev/null 2>&1' || true
	[ "$(pages_of_store)" = "$before" ]
	ctl exec shared1 python3 /attack drop /usr/bin/perl
	ctl exec shared1 cat /usr/bin/perl >/dev/null
	[ "$(pages_of_store)" -gt "$before" ]
}

# tree NAME: all that the container's root filesystem holds, one line an entry, but for what the engine mounts
tree()
{
	python3 - "/proc/$(pid_of "$1")/root" "$(ctl inspect --format '{{.UidBase}}' "$1")" <<-'END'
		import hashlib, os, stat, sys
		root, base = sys.argv[1], int(sys.argv[2])
		for top, dirs, files in os.walk(root):
		    dirs[:] = sorted(d for d in dirs if not (top == root and d in ("proc", "sys", "dev")))
		    for name in sorted(dirs + files):
		        path = os.path.join(top, name)
		        shown, s = path[len(root):], os.lstat(path)
		        if shown in ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/attack"):
		            continue
		        what = ""
		        if stat.S_ISREG(s.st_mode):
		            what = hashlib.sha256(open(path, "rb").read()).hexdigest()
		        elif stat.S_ISLNK(s.st_mode):
		            what = os.readlink(path)
		        attributes = {n: os.getxattr(path, n, follow_symlinks=False)
		                      for n in os.listxattr(path, follow_symlinks=False) if n.startswith("user.")}
		        # The engine makes files there.
		        mtime = 0 if shown == "/etc" else s.st_mtime_ns
		        print(shown, oct(s.st_mode), s.st_uid - base, s.st_gid - base, s.st_nlink, s.st_rdev, mtime, what,
		              attributes)
	END
}

@test "a private copy is the same tree: many layers, whiteouts, attributes, owners, links" {
	for image in "$REGISTRY/whiteouts" "$debian"; do
		ctl run -d --name shared "$image" sleep 600 >/dev/null
		ctl run -d --name own --isolated-layers "$image" sleep 600 >/dev/null
		tree shared >"$BATS_TEST_TMPDIR/shared"
		tree own >"$BATS_TEST_TMPDIR/own"
		diff "$BATS_TEST_TMPDIR/shared" "$BATS_TEST_TMPDIR/own"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/own")" -gt 30 ]
		[[ $image != */whiteouts ]] || grep -q "^/w/attr .*from layer one" "$BATS_TEST_TMPDIR/own"
		ctl rm -f shared own >/dev/null
	done
}

# Of the state directory's file system, KiB. What has been removed is told when the journal knows.
used()
{
	sync -f "$ENGINE_STATE"
	df -k --output=used "$ENGINE_STATE" | tail -n 1
}

# A few records and directories more or less.
used_again()
{
	[ $(($(used) - before)) -lt 3000 ]
}

no_copies()
{
	[ -z "$(ls "$ENGINE_STATE/images/tmp")" ] && used_again
}

@test "default runs share; a private copy takes the image's size, from start to end, and goes with the container" {
	before=$(used)
	for i in 1 2 3; do
		sleeper shared$i
	done
	used_again
	layers=$(du -k --apparent-size -c "$ENGINE_STATE"/images/layers/* | awk 'END { print $1 }')
	[ "$layers" -gt 100000 ]
	sleeper own --isolated-layers
	[ $(($(used) - before)) -gt $((layers / 2)) ]
	# It has no name and nobody else can open it.
	[ -z "$(ls "$ENGINE_STATE/images/tmp")" ]
	ctl stop -t 0 own
	wait_until 20 no_copies
	ctl start own
	[ $(($(used) - before)) -gt $((layers / 2)) ]
	ctl exec own test -e "$victim_file"
	ctl rm -f own
	wait_until 20 no_copies
	ctl run --rm --isolated-layers "$debian" true
	wait_until 20 no_copies
}

@test "a start that fails leaves no copy" {
	before=$(used)
	run -127 ctl run --name own --isolated-layers "$debian" no-such-command
	wait_until 20 no_copies
	ctl rm own
	ctl run -d --name first -p 18733:80 "$bb" sleep 600
	run -125 --separate-stderr ctl run -d --name own --isolated-layers -p 18733:80 "$debian" sleep 600
	[ "${#stderr_lines[@]}" = 1 ]
	[[ $stderr == *"18733"* ]]
	wait_until 20 no_copies
}

@test "a full disk is one sentence and leaves nothing" {
	before=$(used)
	fallocate -l "$(($(df -k --output=avail "$ENGINE_STATE" | tail -n 1) - 60000))K" "$ENGINE_STATE/ballast"
	full=$(used)
	run -125 --separate-stderr ctl run -d --name own --isolated-layers "$debian" sleep 600
	echo "$stderr"
	[ "${#stderr_lines[@]}" = 1 ]
	[[ $stderr == "ctl: run own: rootfs: layer sha256:"*": making a private copy: no space left on device" ]]
	[ $(($(used) - full)) -lt 3000 ]
	ctl run --rm "$debian" true
	rm "$ENGINE_STATE/ballast"
	wait_until 20 no_copies
	ctl start own
	[ "$(ctl inspect --format '{{.State.Running}}' own)" = true ]
}

imaged_pid()
{
	pgrep -P "$ENGINE_PID" -f '^imaged --state-dir'
}

traced()
{
	! grep -L 'TracerPid:.*[1-9]' /proc/"$(imaged_pid)"/task/*/status | grep .
}

copying()
{
	[ -s "$(ls "$ENGINE_STATE"/images/tmp/copy-* 2>/dev/null | head -n 1)" ]
}

# slow_copy: a run whose copy takes ages: each 8 MiB come with three seconds' sleep. Its ctl is $runner.
slow_copy()
{
	strace -f -qq -o /dev/null -e trace=copy_file_range -e inject=copy_file_range:delay_exit=3000000 \
		-p "$(imaged_pid)" 3>&- &
	tracer=$!
	wait_until 10 traced
	"$engine_bin/ctl" run -d --name slow --isolated-layers "$debian" sleep 600 >"$BATS_TEST_TMPDIR/slow" 2>&1 3>&- &
	runner=$!
	wait_until 10 copying
}

# its_end PATTERN: of the slow run, in one sentence
its_end()
{
	code=0
	wait "$runner" || code=$?
	cat "$BATS_TEST_TMPDIR/slow"
	[ $code = 125 ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/slow")" = 1 ]
	# shellcheck disable=SC2053
	[[ $(cat "$BATS_TEST_TMPDIR/slow") == $1 ]]
}

@test "nobody waits for another's copy, and one that is not wanted any more ends" {
	before=$(used)
	slow_copy
	CTL_TIMEOUT=25 ctl run --rm "$bb" true
	CTL_TIMEOUT=25 ctl images -q >/dev/null
	CTL_TIMEOUT=25 ctl exec "$(ctl run -d "$bb" sleep 600)" true
	copying
	CTL_TIMEOUT=25 ctl stop slow
	its_end "ctl: run slow: rootfs: layer sha256:*: called off while it was copied"
	wait_until 10 used_again
	[ "$(ctl inspect --format '{{.State.Status}}' slow)" = created ]
	kill "$tracer"
	wait "$tracer" || true
	ctl start slow
	[ "$(ctl inspect --format '{{.State.Running}}' slow)" = true ]
}

@test "what else is wrong with the start is told without waiting for the copy" {
	ctl run -d --name first -p 18734:80 "$bb" sleep 600
	strace -f -qq -o /dev/null -e trace=copy_file_range -e inject=copy_file_range:delay_exit=3000000 \
		-p "$(imaged_pid)" 3>&- &
	tracer=$!
	wait_until 10 traced
	CTL_TIMEOUT=25 run -125 ctl run -d --isolated-layers -p 18734:80 "$debian" sleep 600
	[[ $output == *18734* ]]
}

@test "imaged is killed while it copies: one sentence, nothing left, and the next start works" {
	before=$(used)
	slow_copy
	kill -KILL "$(imaged_pid)"
	its_end "ctl: run slow: rootfs: *"
	wait "$tracer" || true
	wait_until 20 imaged_pid
	wait_until 20 no_copies
	wait_until 20 ctl run --rm --isolated-layers "$debian" true
	ctl start slow
	[ "$(ctl inspect --format '{{.State.Running}}' slow)" = true ]
}

@test "the supervisor is killed while imaged copies: the copy is called off, and nothing is left" {
	before=$(used)
	slow_copy
	id=$(ctl inspect --format '{{.Id}}' slow)
	kill -KILL "$(pgrep -P "$ENGINE_PID" -f '^supervisor --serve')"
	wait "$runner" || true
	wait_until 20 engine_answers
	wait_until 10 no_copies
	wait_until 10 test ! -e "$ENGINE_STATE/rootfs/$id"
	kill "$tracer"
	wait "$tracer" || true
	ctl start slow
	ctl rm -f slow
	[ ! -e "$ENGINE_STATE/rootfs/$id" ]
}

@test "a container with private copies outlives supervisor and imaged, and its copy goes with it" {
	before=$(used)
	sleeper own --isolated-layers
	! used_again || false
	kill -KILL "$(imaged_pid)"
	kill -KILL "$(pgrep -P "$ENGINE_PID" -f '^supervisor --serve')"
	wait_until 20 engine_answers
	wait_until 20 imaged_pid
	wait_until 20 ctl exec own python3 -c 'print("alive")'
	ctl rm -f own
	wait_until 20 no_copies
}

# other_engine: one more, whose state is in the file system that is mounted on $ENGINE_DIR/other; until other_end ctl
# talks to that.
other_engine()
{
	"$engine_bin/supervisor" --name "${ENGINE_NAME}o" --run-dir "$ENGINE_DIR/run2" --state-dir "$ENGINE_DIR/other" \
		</dev/null >>"$ENGINE_LOG" 2>&1 3>&- &
	other=$!
	main=$BULKHEAD_SOCKET
	export BULKHEAD_SOCKET=$ENGINE_DIR/run2/ctl.sock
	wait_until 15 ctl version
	ctl pull -q "$bb"
}

other_end()
{
	[ -n "${other:-}" ] || return 0
	ctl ps -aq | xargs -r "$engine_bin/ctl" rm -f >/dev/null
	export BULKHEAD_SOCKET=$main
	kill $other
	wait_until 20 engine_ended $other
	wait_until 10 umount "$ENGINE_DIR/other"
	other=
}

# Two that share and two that don't, and what page frames their programs have.
two_and_two()
{
	local name flag

	for name in shared1 shared2 own1 own2; do
		flag=
		[[ $name != own* ]] || flag=--isolated-layers
		ctl run -d --name $name $flag "$bb" sleep 600
		python3 "$attack" frames "$(pid_of $name)" /bin/sleep >"$BATS_TEST_TMPDIR/$name"
	done
	cd "$BATS_TEST_TMPDIR"
	[ "$(comm -12 shared1 shared2 | wc -l)" -gt 0 ]
	[ "$(comm -12 shared1 own1 | wc -l)" = 0 ]
	[ "$(comm -12 own2 own1 | wc -l)" = 0 ]
}

# imaged names files as it sees them: by the file system they are told from those of others.
deleted_loops()
{
	losetup -nO BACK-MAJ:MIN,BACK-FILE |
		grep -cE "^ *$(mountpoint -d "$ENGINE_DIR/other") .*/images/tmp/copy-.*deleted"
}

no_deleted_loops()
{
	[ "$(deleted_loops)" = 0 ]
}

# The kernel mounts no image from a file of a tmpfs, as old ones do from none.
@test "through loop devices, too: devices and frames are its own, and given back" {
	mkdir -p "$ENGINE_DIR/other"
	mount -t tmpfs -o mode=711 tmpfs "$ENGINE_DIR/other"
	other_engine
	two_and_two
	[ "$(deleted_loops)" = 2 ]
	ctl rm -f own1 own2
	wait_until 10 no_deleted_loops
}

@test "where blocks can be shared a private copy takes none, and shares no page either" {
	grep -qw xfs /proc/filesystems || modprobe xfs || skip "this kernel has no XFS"
	truncate -s 512M "$BATS_TEST_TMPDIR/xfs"
	mkfs.xfs -q -m reflink=1 "$BATS_TEST_TMPDIR/xfs"
	mkdir -p "$ENGINE_DIR/other"
	mount -o loop "$BATS_TEST_TMPDIR/xfs" "$ENGINE_DIR/other"
	other_engine
	ctl run --rm "$bb" true
	before=$(df -k --output=used "$ENGINE_DIR/other" | tail -n 1)
	two_and_two
	[ "$(stat -c %s "$ENGINE_DIR"/other/images/layers/*)" -gt 1500000 ]
	[ $(($(df -k --output=used "$ENGINE_DIR/other" | tail -n 1) - before)) -lt 1000 ]
}

@test "inspect tells, --help lists, a root directory has no layers" {
	ctl create --name own --isolated-layers "$bb"
	ctl create --name shared "$bb"
	[ "$(ctl inspect --format '{{.HostConfig.IsolatedLayers}}' own)" = true ]
	[ "$(ctl inspect --format '{{.HostConfig.IsolatedLayers}}' shared)" = false ]
	ctl run --help | grep -qE '^ +--isolated-layers  +[a-z]'
	run -125 ctl run --rm --isolated-layers --rootfs / true
	[ "$output" = "ctl: run: --isolated-layers is for images: what --rootfs names has no layers" ]
}

@test "the engine ends while it copies and leaves nothing" {
	slow_copy
	begun=$(uptime_s)
	kill -TERM "$ENGINE_PID"
	wait "$runner" || true
	wait_until 25 engine_ended "$ENGINE_PID"
	[ $(($(uptime_s) - begun)) -lt 30 ]
	[ -z "$(ls "$ENGINE_STATE/images/tmp")" ]
	wait "$tracer" || true
	engine_launch
	echo "$ENGINE_PID" >"$ENGINE_DIR/pid"
	[ "$(ctl inspect --format '{{.State.Status}}' slow)" = created ]
	ctl rm slow
	# It has other addresses now.
	engine_picture
}
