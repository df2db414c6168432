#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# imaged alone: the mounter with its workers, pulling from registries on loopback. Most tests drive
# `imaged --debug` by text; those about workers and descriptors play the supervisor's part.

bats_require_minimum_version 1.5.0

setup_file()
{
	. "$BATS_TEST_DIRNAME/../lib/registry.sh"
	. "$BATS_TEST_DIRNAME/../lib/images.sh"
	export DIR=$BATS_FILE_TMPDIR
	registry_start "$DIR/registry" plain
	REGISTRY=$(registry_addr "$DIR/registry")
	for name in busybox whiteouts config twoplat zstd; do
		image_push "$name" "$REGISTRY"
	done
	fault_registry_start "$DIR/faults" "$REGISTRY"
	FAULTS=$(registry_addr "$DIR/faults")
	export REGISTRY FAULTS
}

teardown_file()
{
	. "$BATS_TEST_DIRNAME/../lib/registry.sh"
	registry_stop "$DIR/faults"
	registry_stop "$DIR/registry"
}

setup()
{
	. "$BATS_TEST_DIRNAME/../lib/registry.sh"
	BIN=${BULKHEAD_BIN:-$BATS_TEST_DIRNAME/../../build/bin}/imaged
	PEER=$BATS_TEST_DIRNAME/../lib/imaged_peer.py
	STATE=$BATS_TEST_TMPDIR/state
}

teardown()
{
	cat "$BATS_TEST_TMPDIR/log" 2>/dev/null || true
	for _ in $(seq 600); do
		leftovers >"$BATS_TEST_TMPDIR/left" || return 0
		sleep 0.1
	done
	cat "$BATS_TEST_TMPDIR/left"
	return 1
}

# What still runs, is mounted or is bound to a loop device from this test's directory.
leftovers()
{
	{
		pgrep -af "$STATE"
		losetup -n -O NAME,BACK-FILE | grep -F "$BATS_TEST_TMPDIR"
		grep -F "$BATS_TEST_TMPDIR" /proc/self/mountinfo
	} | grep .
}

# imaged LINE...: one debug run; each line is sent when the one before has been answered
imaged()
{
	local line pid

	coproc timeout 300 "$BIN" --debug --state-dir "$STATE" 2>>"$BATS_TEST_TMPDIR/log" 3>&-
	pid=$! # COPROC_PID goes with the process
	for line in "$@"; do
		echo "$line" >&"${COPROC[1]}"
		while read -r -u "${COPROC[0]}"; do
			echo "$REPLY"
			[[ $REPLY = image_progress* ]] || break
		done
	done
	eval "exec ${COPROC[1]}>&-"
	wait "$pid"
}

blobs_asked()
{
	registry_requests "$DIR/registry" 'GET /v2/[^ ]*/blobs/'
}

nothing_stored()
{
	[ -z "$(find "$STATE"/images/{layers,dirs,records,tmp} -type f)" ]
}

field()
{
	sed -nE "s/.* $1=\"?([^ \"]*).*/\\1/p" <<<"$output" | tail -n 1
}

@test "pull stores verified layers that only root can read" {
	run -0 imaged "image_pull ref=$REGISTRY/whiteouts"
	[[ ${lines[-1]} = image_pulled* ]]
	[[ ${lines[-1]} = *" image.refs=$REGISTRY/whiteouts:latest "* ]]
	[[ ${lines[-1]} = *" fetched=true"* ]]
	[ "$(grep -c state=done <<<"$output")" = 3 ]
	[ "$(find "$STATE/images/layers" -name '*.erofs' | wc -l)" = 3 ]
	[ "$(find "$STATE/images/dirs" -name '*.erofs' | wc -l)" = 1 ]
	[[ ${lines[-1]} = *" image.dirs=true"* ]]
	[ -z "$(find "$STATE/images" "$STATE/rootfs" ! -user 0)" ]
	[ -z "$(find "$STATE/images" "$STATE/rootfs" -type d ! -perm 700)" ]
	[ -z "$(find "$STATE/images" -type f ! -perm 600)" ]
	for f in "$STATE"/images/layers/* "$STATE"/images/dirs/*; do
		fsck.erofs "$f"
	done
	run -0 imaged "image_remove ref=$REGISTRY/whiteouts"
	nothing_stored
}

@test "every kind of image: zstd, index of platforms, config" {
	run -0 imaged "image_pull ref=$REGISTRY/zstd" "image_pull ref=$REGISTRY/twoplat" \
		"image_pull ref=$REGISTRY/config"
	[ "$(grep -c '^image_pulled' <<<"$output")" = 3 ]
	[[ ${lines[-1]} = *image.config.entrypoint=* ]]
}

@test "what is here is not fetched again" {
	run -0 imaged "image_pull ref=$REGISTRY/busybox"
	layer=$(field image.layers.0.digest)
	[ "$(registry_requests "$DIR/registry" "blobs/$layer")" -gt 0 ]
	registry_requests_reset "$DIR/registry"
	run -0 imaged "image_pull ref=$REGISTRY/busybox"
	[[ ${lines[0]} = *state=exists* ]]
	[[ ${lines[-1]} != *fetched=true* ]]
	[ "$(registry_requests "$DIR/registry")" -gt 0 ]
	[ "$(registry_requests "$DIR/registry" "blobs/$layer")" = 0 ]
	registry_requests_reset "$DIR/registry"
	run -0 imaged "image_pull ref=$REGISTRY/busybox policy=missing" \
		"image_pull ref=$REGISTRY/busybox policy=never"
	[[ ${lines[0]} = image_pulled* && ${lines[1]} = image_pulled* ]]
	[ "$(registry_requests "$DIR/registry")" = 0 ]
}

@test "what is here works with the registry gone" {
	. "$BATS_TEST_DIRNAME/../lib/images.sh"
	registry_start "$BATS_TEST_TMPDIR/registry" plain
	there=$(registry_addr "$BATS_TEST_TMPDIR/registry")
	image_push busybox "$there"
	imaged "image_pull ref=$there/busybox"
	registry_stop "$BATS_TEST_TMPDIR/registry"
	run -0 imaged "image_pull ref=$there/busybox policy=missing" "image_pull ref=$there/busybox" \
		"image_pull ref=$there/config policy=never"
	[[ ${lines[0]} = image_pulled* ]]
	[ "${lines[1]}" = "failed code=111 text=\"registry $there: connection refused\"" ]
	[ "${lines[2]}" = "failed code=2 text=\"image \\\"$there/config\\\" is not here, and pulling is off\"" ]
}

@test "a layer that two images share is fetched once, two pulls of one image are one" {
	registry_requests_reset "$DIR/registry"
	# All three are asked for before the first is answered.
	run -0 --separate-stderr timeout 300 "$BIN" --debug --state-dir "$STATE" < <(
		printf 'image_pull ref=%s\n' "$REGISTRY/busybox" "$REGISTRY/config" "$REGISTRY/busybox")
	[ "$(grep -c '^image_pulled' <<<"$output")" = 3 ]
	# Two configs, and two layers of which busybox's is in both.
	[ "$(blobs_asked)" = 4 ]
	[ "$(find "$STATE/images/layers" -name '*.erofs' | wc -l)" = 2 ]
}

@test "images are found by reference, name, id and prefix, also after a restart" {
	run -0 imaged "image_pull ref=$REGISTRY/busybox"
	id=$(field image.id)
	[[ $id =~ ^sha256:[0-9a-f]{64}$ ]]
	run -0 imaged "image_inspect ref=$REGISTRY/busybox" "image_inspect ref=$REGISTRY/busybox:latest" \
		"image_inspect ref=$id" "image_inspect ref=${id:7:12}" "image_inspect ref=sha256:${id:7:5}" \
		"image_list"
	[ "$(grep -c "id=$id" <<<"$output")" = 6 ]
	run -0 imaged "image_inspect ref=$REGISTRY/busybox:2" "image_inspect ref=0123456789" \
		"image_inspect ref=UPPER"
	[ "${lines[0]}" = "failed code=2 text=\"no such image: $REGISTRY/busybox:2\"" ]
	[ "${lines[1]}" = 'failed code=2 text="no such image: 0123456789"' ]
	[[ ${lines[2]} = failed* ]]
}

@test "removing: in use is refused, what others need stays" {
	run -0 imaged "image_pull ref=$REGISTRY/busybox" "image_pull ref=$REGISTRY/config"
	id=$(field image.id)
	run -0 imaged "image_remove ref=$REGISTRY/config in_use=$id" "image_remove ref=$REGISTRY/config" \
		"image_remove ref=$REGISTRY/config"
	[ "${lines[0]}" = "failed code=16 text=\"image $REGISTRY/config is in use by a container; remove it first\"" ]
	[[ ${lines[1]} = "image_removed untagged=$REGISTRY/config:latest deleted=$id deleted=sha256:"* ]]
	[[ ${lines[2]} = failed* ]]
	[ "$(find "$STATE/images/layers" -type f | wc -l)" = 1 ]
	run -0 imaged "image_remove ref=$REGISTRY/busybox"
	nothing_stored
}

@test "each thing that goes wrong is one sentence and leaves nothing" {
	run -0 imaged "image_pull ref=$REGISTRY/nope" "image_pull ref=$REGISTRY/busybox:nope" \
		"image_pull ref=127.0.0.1:1/busybox" "image_pull ref=../../etc" \
		"image_pull ref=$FAULTS/wrong-digest/busybox" "image_pull ref=$FAULTS/truncated-blob/busybox" \
		"image_pull ref=$FAULTS/not-gzip/busybox" "image_pull ref=$FAULTS/bad-digest/busybox" \
		"image_pull ref=$FAULTS/not-found/whiteouts" "image_pull ref=$FAULTS/many-layers/busybox"
	[ "$(grep -c '^failed ' <<<"$output")" = 10 ]
	nothing_stored
	[[ $output = *"image \\\"nope:latest\\\" not found on $REGISTRY"* ]]
	[[ $output = *"text=\"layer sha256:"* ]]
	! grep -q '^image_pulled' <<<"$output" || false
}

@test "a good image comes right after a bad one, by the same workers" {
	run -0 imaged "image_pull ref=$FAULTS/not-gzip/whiteouts" "image_pull ref=$FAULTS/good/whiteouts"
	[[ ${lines[-1]} = image_pulled* ]]
}

@test "a full disk is one sentence and leaves nothing" {
	truncate -s 3M "$BATS_TEST_TMPDIR/disk"
	mkfs.ext4 -q -O ^has_journal -m 0 "$BATS_TEST_TMPDIR/disk"
	mkdir "$STATE"
	# shellcheck disable=SC2016
	run -0 unshare -m --propagation private bash -c '
		mount -o loop "$1/disk" "$2" && mkdir "$2/ballast" &&
		dd if=/dev/zero of="$2/ballast/x" bs=1k count=1500 status=none &&
		{ echo "image_pull ref=$4/busybox"; sleep 2; } | timeout 300 "$3" --debug --state-dir "$2" &&
		find "$2/images" -type f' - "$BATS_TEST_TMPDIR" "$STATE" "$BIN" "$REGISTRY"
	[[ $output = *'failed code=28 text="layer sha256:'*': '*'no space left on device"'* ]]
	[[ ${lines[-1]} = failed* ]]
}

@test "killed in the middle of a pull, the next start leaves nothing of it" {
	coproc "$BIN" --debug --state-dir "$STATE" 2>>"$BATS_TEST_TMPDIR/log" 3>&-
	echo "image_pull ref=$FAULTS/slow/busybox" >&"${COPROC[1]}"
	while read -r -t 120 -u "${COPROC[0]}"; do
		[[ $REPLY != *bytes=* ]] || break
	done
	[ -n "$(find "$STATE/images/tmp" -type f)" ]
	kill -KILL "$COPROC_PID"
	wait "$COPROC_PID" || true
	echo half >"$STATE/images/layers/$(printf '9%.0s' {1..64}).erofs"
	run -0 imaged "image_list"
	[ "${lines[-1]}" = image_listed ]
	nothing_stored
}

# userns_made: $pid lives in a user namespace of its own by now, which is mapped
userns_made()
{
	wait_until 10 grep -qx sleep "/proc/$pid/comm"
}

@test "root filesystem and bind source, by hand" {
	run -0 imaged "image_pull ref=$REGISTRY/busybox"
	id=$(field image.id)
	unshare -U --map-root-user sleep 600 3>&- &
	pid=$!
	userns_made
	run -0 imaged "rootfs_open container=c1 image_id=$id userns=@/proc/$pid/ns/user" \
		"rootfs_writable container=c1" "rootfs_remove container=c1" "rootfs_writable container=c1" \
		"rootfs_open container=../c1 image_id=$id userns=@/proc/$pid/ns/user" \
		"mount_map source=@/etc userns=@/proc/$pid/ns/user owner=0 readonly=true" \
		"mount_map source=@/proc userns=@/proc/$pid/ns/user owner=0" \
		"mount_map source=@/dev/full userns=@/proc/$pid/ns/user owner=1000 device=true" \
		"mount_map source=@/etc/passwd userns=@/proc/$pid/ns/user owner=1000 device=true" \
		"mount_map source=@/dev userns=@/proc/$pid/ns/user owner=1000 device=true" \
		"mount_map source=@/dev userns=@/proc/$pid/ns/user owner=0 device=true" \
		"mount_map source=@/dev/full userns=@/proc/$pid/ns/user owner=1000 device=true node.kind=c node.major=1 node.minor=7 node.access=rw" \
		"mount_map source=@/dev/full userns=@/proc/$pid/ns/user owner=1000 device=true node.kind=c node.major=1 node.minor=8 node.access=rw" \
		"mount_map source=@/dev/full userns=@/proc/$pid/ns/user owner=1000 device=true node.kind=b node.major=1 node.minor=7 node.access=rw" \
		"mount_map source=@/dev userns=@/proc/$pid/ns/user owner=1000 nodes=true"
	kill "$pid"
	wait "$pid" || true
	[[ ${lines[0]} = "rootfs_opened layers=@fd:"*" writable=@fd:"* ]]
	[[ ${lines[1]} = rootfs_writable_opened* ]]
	[ "${lines[2]}" = "done" ]
	[ "${lines[3]}" = 'failed code=2 text="container c1 has no writable directory"' ]
	[[ ${lines[4]} = 'failed code=22 text="container id:'* ]]
	[[ ${lines[5]} = mount_mapped* ]]
	[[ ${lines[6]} = *"proc file system can't be mapped to a container's ids"* ]]
	[[ ${lines[7]} = "mount_mapped tree=@fd:"* && ${lines[7]} != *again* ]]
	[[ ${lines[8]} = *"this is no device"* ]]
	[[ ${lines[9]} = *"this is no device"* ]]
	[[ ${lines[10]} = failed*"cloning the mount of the device"* ]] # what others have mounted is no box
	[[ ${lines[11]} = "mount_mapped tree=@fd:"* ]] # who gives a device may not call it another
	[[ ${lines[12]} = *"this is another device by now"* ]]
	[[ ${lines[13]} = *"this is another device by now"* ]]
	[[ ${lines[14]} = *"its file system can't be mapped to a container's ids"* ]]
	[ -z "$(ls "$STATE/rootfs")" ]
}

@test "isolated layers, by hand: as many mounts, and copies without a name" {
	run -0 imaged "image_pull ref=$REGISTRY/whiteouts"
	id=$(field image.id)
	unshare -U --map-root-user sleep 600 3>&- &
	pid=$!
	userns_made
	run -0 imaged "rootfs_open container=c1 image_id=$id userns=@/proc/$pid/ns/user" \
		"rootfs_open container=c2 image_id=$id userns=@/proc/$pid/ns/user isolated=true" \
		"rootfs_open container=c3 image_id=$id userns=@/etc/passwd isolated=true"
	kill "$pid"
	wait "$pid" || true
	[ "$(grep -o 'layers=@' <<<"${lines[0]}" | wc -l)" = 4 ]
	[ "$(grep -o 'layers=@' <<<"${lines[1]}" | wc -l)" = 4 ]
	[ "${lines[2]}" = 'failed code=22 text="userns: not a user namespace"' ]
	[ -z "$(ls "$STATE/images/tmp")" ]
	[ "$(ls "$STATE/rootfs" | tr '\n' ' ')" = "c1 c2 " ]
}

@test "workers come when wanted, one a pull or a layer, end with it, and hold what the privilege table says" {
	run -0 --separate-stderr "$PEER" "$BIN" "$STATE" workers "$REGISTRY/whiteouts"
	[ "${lines[0]}" = wanted=fetch ]
	grep -q '^wanted=unpack' <<<"$output"
	none=0000000000000000 admin=0000000000200000
	grep -q "^mounter uid=0 eff=$admin prm=$admin bnd=$admin inh=$none nnp=1 netns=host mntns=own mounts=few$" \
		<<<"$output"
	grep -qE "^fetch uid=[1-9][0-9]* eff=$none prm=$none bnd=$none inh=$none nnp=1 netns=host" <<<"$output"
	grep -qE "^unpack uid=[1-9][0-9]* eff=$none prm=$none bnd=$none inh=$none nnp=1 netns=own" <<<"$output"
	grep -q '^ended=fetch:0$' <<<"$output"
	grep -q '^ended=unpack:0$' <<<"$output"
	! grep '^ended=' <<<"$output" | grep -v ':0$' || false
	# Three layers and the directories that they leave out; one more may have been got ready.
	[ "$(grep -c '^ended=fetch' <<<"$output")" = 1 ]
	unpackers=$(grep -c '^ended=unpack' <<<"$output")
	[ "$unpackers" -ge 4 ]
	[ "$unpackers" -le 5 ]
	grep -q '^told$' <<<"$output"
	grep -q '^image_pulled started_again=1$' <<<"$output"
	[ "${lines[-1]}" = imaged=0 ]
}

@test "layers leave as read-only mounts of the container's ids, lowest first" {
	run -0 --separate-stderr "$PEER" "$BIN" "$STATE" rootfs "$REGISTRY/whiteouts"
	# Three layers, and above them the directories that upper ones leave out.
	grep -q '^rootfs_opened layers=4$' <<<"$output"
	grep -qE '^layer=0 names=bin,.* owners=\[0\] flags=1$' <<<"$output"
	grep -q '^layer=2 names=w owners=\[0\] flags=1$' <<<"$output"
	grep -q '^layer=3 names=w owners=\[0\] flags=1$' <<<"$output"
	grep -q '^writable=777$' <<<"$output"
	grep -q '^mount_mapped owner=0$' <<<"$output"
	[ "${lines[-1]}" = imaged=0 ]
}

@test "an unpack worker that dies fails its pull alone" {
	run -0 "$PEER" "$BIN" "$STATE" kill "$FAULTS/slow/busybox" "$REGISTRY/busybox"
	grep -qE '^failed layer sha256:[0-9a-f]{12}: the unpack worker has ended unexpectedly$' <<<"$output"
	[[ $output = *image_pulled* ]]
	[ "${lines[-1]}" = imaged=0 ]
}

@test "when no worker can be started the pull says so" {
	run -0 "$PEER" "$BIN" "$STATE" no-workers "$REGISTRY/busybox"
	grep -q '^failed no fetch worker could be started$' <<<"$output"
}
