# SPDX-License-Identifier: MIT
#
# Images: three kinds of registry, the store, and everything that can be wrong with a pull.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

setup_file()
{
	engine_prepare && mkdir -p "$ENGINE_DIR/certs" && engine_launch --certs-dir "$ENGINE_DIR/certs" &&
		engine_images busybox debian whiteouts &&
		fault_registry_start "$ENGINE_DIR/fault" "$REGISTRY" && engine_picture
}

teardown_file()
{
	registry_stop "$ENGINE_DIR/tls"
	registry_stop "$ENGINE_DIR/token"
	engine_stop
}

teardown()
{
	engine_unchanged
}

setup()
{
	bb=$REGISTRY/busybox
	fault=$(cat "$ENGINE_DIR/fault/addr")
}

@test "a registry with TLS and a password" {
	registry_start "$ENGINE_DIR/tls" tls
	addr=$(registry_addr "$ENGINE_DIR/tls")
	image_push busybox "$addr" busybox:latest --dest-tls-verify=false --dest-creds "$registry_user:$registry_password"
	run ctl run --rm "$addr/busybox" true
	[ "$status" = 125 ]
	[[ "$output" == *ertificate* ]]
	mkdir -p "$ENGINE_DIR/certs/$addr"
	cp "$ENGINE_DIR/tls/ca.crt" "$ENGINE_DIR/certs/$addr/ca.crt"
	run ctl run --rm "$addr/busybox" true
	[ "$status" = 125 ]
	[[ "$output" == *authentication* ]]
	mkdir -p "$ENGINE_DIR/docker"
	printf '{"auths":{"%s":{"auth":"%s"}}}' "$addr" "$(printf %s "$registry_user:$registry_password" | base64)" \
		>"$ENGINE_DIR/docker/config.json"
	DOCKER_CONFIG=$ENGINE_DIR/docker run ctl run --rm "$addr/busybox" echo behind-tls
	[ "$status" = 0 ]
	[ "${lines[-1]}" = behind-tls ]
	! grep -qF "$registry_password" "$ENGINE_LOG" || false
}

@test "a registry behind a token server" {
	registry_start "$ENGINE_DIR/token" token
	addr=$(registry_addr "$ENGINE_DIR/token")
	image_push busybox "$addr" busybox:latest --dest-tls-verify=false --dest-creds "$registry_user:$registry_password"
	mkdir -p "$ENGINE_DIR/docker"
	printf '{"auths":{"%s":{"auth":"%s"}}}' "$addr" "$(printf %s "$registry_user:$registry_password" | base64)" \
		>"$ENGINE_DIR/docker/config.json"
	DOCKER_CONFIG=$ENGINE_DIR/docker run ctl run --rm "$addr/busybox" echo with-token
	[ "$status" = 0 ]
	[ "${lines[-1]}" = with-token ]
	run ctl pull "$addr/nothing-here"
	[ "$status" = 1 ]
}

# One line an entry of the file system that it runs in, less what the engine mounts.
list_tree='import os
for top, dirs, files in os.walk("/"):
    dirs[:] = sorted(d for d in dirs if os.path.join(top, d) not in ("/proc", "/sys", "/dev"))
    for n in sorted(dirs + files):
        p = os.path.join(top, n)
        s = os.lstat(p)
        if p in ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf"): continue
        kind = s.st_mode & 0o170000
        size = s.st_size if kind in (0o100000, 0o120000) else 0
        print(p, oct(s.st_mode), s.st_uid, s.st_gid, size, int(s.st_mtime),
              os.readlink(p) if kind == 0o120000 else "", sorted(os.listxattr(p, follow_symlinks=False)))'

@test "a multi-layer Debian equals what umoci unpacks, entry by entry" {
	ctl pull -q "$REGISTRY/debian:12"
	python3 - "$ENGINE_STATE" <<-'E' >"$ENGINE_DIR/layers"
		import glob, sys
		print("\n".join(sorted(glob.glob(sys.argv[1] + "/images/layers/*.erofs"))))
	E
	while read -r layer; do
		fsck.erofs "$layer"
	done <"$ENGINE_DIR/layers"
	# The whole root filesystem as a container has it, against the reference.
	ctl run --rm "$REGISTRY/debian:12" python3 -c "$list_tree" | sort >"$ENGINE_DIR/ours"
	reference=$(image_rootfs debian)
	chroot "$reference" python3 -c "$list_tree" | sort >"$ENGINE_DIR/theirs"
	diff "$ENGINE_DIR/theirs" "$ENGINE_DIR/ours" | grep -vE '^([0-9,]+[acd][0-9,]+|---)$' | grep -vE '^[<>] /etc ' >"$ENGINE_DIR/diff" || true
	head "$ENGINE_DIR/diff"
	[ ! -s "$ENGINE_DIR/diff" ]
	[ "$(wc -l <"$ENGINE_DIR/ours")" -gt 1000 ]
}

@test "a second run asks the registry nothing, and works when it is stopped" {
	ctl run --rm "$bb" true
	registry_requests_reset "$ENGINE_DIR/registry"
	ctl run --rm "$bb" true
	[ "$(registry_requests "$ENGINE_DIR/registry")" = 0 ]
	kill -STOP "$(cat "$ENGINE_DIR/registry/registry.pid")"
	run ctl run --rm "$bb" echo offline
	kill -CONT "$(cat "$ENGINE_DIR/registry/registry.pid")"
	[ "${lines[-1]}" = offline ]
}

@test "two pulls at once download once" {
	ctl rmi -f "$REGISTRY/whiteouts" 2>/dev/null || true
	registry_requests_reset "$ENGINE_DIR/registry"
	"$engine_bin/ctl" pull -q "$REGISTRY/whiteouts" 3>&- &
	one=$!
	ctl pull -q "$REGISTRY/whiteouts"
	wait $one
	blobs=$(registry_requests "$ENGINE_DIR/registry" 'GET /v2/whiteouts/blobs')
	layers=$(skopeo inspect --tls-verify=false "docker://$REGISTRY/whiteouts" | jq '.Layers | length')
	echo "$blobs requests for $layers layers"
	[ "$blobs" -le $((layers + 2)) ]
}

@test "--pull: missing, always, never" {
	run ctl run --rm --pull never "$REGISTRY/config" true
	[ "$status" = 125 ]
	ctl pull -q "$bb"
	registry_requests_reset "$ENGINE_DIR/registry"
	ctl run --rm --pull always "$bb" true
	[ "$(registry_requests "$ENGINE_DIR/registry")" -ge 1 ]
	ctl run --rm --pull never "$bb" true
}

@test "rmi: refused while in use, then gone with its layers" {
	image=$REGISTRY/whiteouts
	id=$(ctl run -d "$image" sleep 600)
	run ctl rmi "$image"
	[ "$status" = 1 ]
	[[ "$output" == *"in use"* ]]
	ctl rm -f "$id"
	layers=$(ls "$ENGINE_STATE/images/layers" | wc -l)
	ctl rmi "$image"
	[ "$(ls "$ENGINE_STATE/images/layers" | wc -l)" -lt "$layers" ]
	run ctl inspect "$image"
	[ "$status" = 1 ]
	run ctl rmi "$image"
	[ "$status" = 1 ]
}

# What the next pull may go on with (76-pull-resume) left out.
store_files()
{
	(cd "$ENGINE_STATE/images" && find . -type f ! -path './partial/*' | sort)
}

@test "hostile and broken pulls: one sentence, the right code, nothing left" {
	ctl images -q | sort -u | xargs -r "$engine_bin/ctl" rmi -f
	store_files >"$ENGINE_DIR/store"
	for kind in wrong-digest wrong-config wrong-manifest truncated-blob short-blob not-gzip not-json not-found \
			redirect-loop redirect-file big-manifest self-index deep-index wrong-type type-mismatch both-kinds \
			many-layers huge-size bad-digest; do
		CTL_TIMEOUT=100 run --separate-stderr ctl pull -q "$fault/$kind/busybox:latest"
		echo "$kind: $status: $stderr"
		[ "$status" = 1 ]
		[ "$(wc -l <<<"$stderr")" = 1 ]
		store_files | diff "$ENGINE_DIR/store" -
		[ "$(ls "$ENGINE_STATE/images/partial" | wc -l)" = $([ $kind != truncated-blob ]; echo $?) ]
		rm -f "$ENGINE_STATE"/images/partial/*
	done
	for kind in good error-500-once busy redirect; do
		run ctl pull -q "$fault/$kind/busybox:latest"
		echo "$kind: $status: $output"
		[ "$status" = 0 ]
		ctl rmi "$fault/$kind/busybox:latest"
	done
}

@test "unknown image, unknown tag, registry down, hostile names" {
	for ref in "$REGISTRY/no-such" "$bb:no-such-tag" 127.0.0.1:1/x; do
		run --separate-stderr ctl run --rm "$ref" true
		echo "$ref: $stderr"
		[ "$status" = 125 ]
		[ "$(wc -l <<<"$stderr")" = 1 ]
		[[ "$stderr" == ctl:\ run:* ]]
	done
	for ref in "" "UPPER" "a//b" "../etc" "x:y:z" "a@sha256:zz" "$(printf 'a%.0s' {1..300})" "-x/y" "x/.." $'a\nb' "a b" "x:" "x@"; do
		run ctl run --rm -- "$ref" true
		echo "[$ref] $status: $output"
		[ "$status" = 125 ]
	done
	[ -z "$(ctl ps -aq)" ]
}

@test "a full disk is one sentence, and nothing half-made is left" {
	truncate -s 24M "$ENGINE_DIR/disk"
	mkfs.ext4 -q "$ENGINE_DIR/disk"
	mkdir "$ENGINE_DIR/small"
	mount -o loop "$ENGINE_DIR/disk" "$ENGINE_DIR/small"
	main=$BULKHEAD_SOCKET
	"$engine_bin/supervisor" --name "${ENGINE_NAME}s" --run-dir "$ENGINE_DIR/run2" --state-dir "$ENGINE_DIR/small/state" \
		</dev/null >>"$ENGINE_LOG" 2>&1 3>&- &
	pid=$!
	export BULKHEAD_SOCKET=$ENGINE_DIR/run2/ctl.sock
	wait_until 15 ctl version
	run --separate-stderr ctl pull -q "$REGISTRY/debian:12"
	echo "$stderr"
	[ "$status" = 1 ]
	[[ "$stderr" == *"no space left on device"* ]]
	[ -z "$(find "$ENGINE_DIR/small/state/images" -type f -name '*.erofs')" ]
	run ctl run --rm "$bb" echo still-works
	[ "${lines[-1]}" = still-works ]
	export BULKHEAD_SOCKET=$main
	kill $pid
	wait_until 20 engine_ended $pid
	wait_until 20 umount "$ENGINE_DIR/small"
}

# pulling: a pull whose layer has begun to trickle; its ctl is $puller
pulling()
{
	ctl images -q | sort -u | xargs -r "$engine_bin/ctl" rmi -f >/dev/null
	store_files >"$ENGINE_DIR/store"
	: >"$ENGINE_DIR/fault/requests"
	"$engine_bin/ctl" pull -q "$fault/slow/busybox:latest" >"$ENGINE_DIR/pulled" 2>&1 3>&- &
	puller=$!
	wait_until 20 grep -q '/blobs/.*"status": 200' "$ENGINE_DIR/fault/requests"
	wait_until 20 eval '! store_is_as_before && [ -n "$(imaged_pid --unpack)" ]'
	sleep 1
}

store_is_as_before()
{
	store_files | cmp -s - "$ENGINE_DIR/store"
}

@test "a pull cut short by the death of a worker or of imaged leaves nothing; the next one works" {
	for whose in --fetch --state-dir; do
		pulling
		! store_is_as_before || false
		kill -KILL "$(imaged_pid $whose)"
		code=0
		wait $puller || code=$?
		[ $code = 1 ]
		[ "$(wc -l <"$ENGINE_DIR/pulled")" = 1 ]
		wait_until 20 store_is_as_before
	done
	rm -f "$ENGINE_STATE"/images/partial/*
	run -0 ctl pull -q "$fault/good/busybox:latest"
	run -0 ctl run --rm "$fault/good/busybox:latest" true
	ctl rmi "$fault/good/busybox:latest"
}

@test "a worker that does not end by itself is ended, with its pull or with imaged" {
	for whose in --fetch --state-dir; do
		pulling
		stuck=$(imaged_pid --unpack)
		[ -n "$stuck" ]
		# shellcheck disable=SC2086
		kill -STOP $stuck
		kill -KILL "$(imaged_pid $whose)"
		! wait $puller || false
		# shellcheck disable=SC2086
		wait_until 12 engine_gone $stuck
		wait_until 20 store_is_as_before
	done
	rm -f "$ENGINE_STATE"/images/partial/*
	run -0 ctl pull -q "$fault/good/busybox:latest"
	ctl rmi "$fault/good/busybox:latest"
}
