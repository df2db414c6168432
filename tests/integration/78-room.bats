# SPDX-License-Identifier: MIT
#
# Room on the disk: what is taken, and what goes when somebody says so, or when it is needed.

bats_require_minimum_version 1.5.0

IMAGES="busybox whiteouts config"
. "$BATS_TEST_DIRNAME/../lib/containers.sh"
. "$BATS_TEST_DIRNAME/../lib/family.sh"
. "$BATS_TEST_DIRNAME/../lib/disk.sh"

teardown()
{
	ctl ps -aq | xargs -r timeout 120 "$engine_bin/ctl" rm -f >/dev/null 2>&1
	ctl images -q | sort -u | xargs -r "$engine_bin/ctl" rmi -f >/dev/null 2>&1
	ctl pull -q "$bb" >/dev/null
	wait_until 30 settled
	engine_unchanged
}

# settled: all of the store is on the disk, and nothing beside it waits for that
settled()
{
	[ -z "$(find "$ENGINE_STATE/images/unsettled" "$ENGINE_STATE/images/records" -name '*-*' -o -name '*.old')" ]
}

# df_bytes TYPE
df_bytes()
{
	ctl system df --format json | jq -r "select(.Type == \"$1\") | .Bytes"
}

# du_bytes DIRECTORY...: in bytes of blocks
du_bytes()
{
	(cd "$ENGINE_STATE" && du -s -B1 "$@") | awk '{ n += $1 } END { print n }'
}

# df_is_du: to the byte; of containers/ and rootfs/ themselves, which are no container's, not
df_is_du()
{
	local own

	[ "$(df_bytes Images)" = "$(du_bytes images)" ] || return 1
	own=$(stat -c '%b %B' "$ENGINE_STATE/containers" "$ENGINE_STATE/rootfs" | awk '{ n += $1 * $2 } END { print n }')
	echo "df $(df_bytes Containers), du $(du_bytes containers rootfs) - $own"
	[ "$(df_bytes Containers)" = $(($(du_bytes containers rootfs) - own)) ]
}

@test "system df is what du says: of images, of containers made, running, ended, with all that files can be" {
	wait_until 10 df_is_du
	ctl pull -q "$REGISTRY/whiteouts"
	ctl pull -q "$REGISTRY/config"
	wait_until 10 df_is_du
	ctl create --name made "$bb" true
	ctl run --name ended "$bb" sh -c 'dd if=/dev/zero of=/x bs=1k count=3000; mkdir -p /a/b/c; ln /x /y; ln -s /x /z
		dd if=/dev/zero of=/sparse bs=1 count=1 seek=100M; rm /etc/passwd; echo x >/a/b/c/d; chown -R 1000 /a; chmod 0 /a
		i=0; d=/deep; while [ $i -lt 150 ]; do d=$d/x; i=$((i+1)); done; mkdir -p $d; echo end >$d/end'
	ctl run -d --name running -u 1000 --tmpfs /t "$bb" sh -c 'dd if=/dev/zero of=/tmp/x bs=1k count=500; echo out; sleep 100'
	ctl run -d --name user "$bb" sh -c 'mkdir /d; cd /d; touch $(seq 300); chown 4711 *; sleep 100'
	wait_until 10 ctl exec user ls /d/300
	wait_until 20 df_is_du
	run -0 ctl system df
	[[ ${lines[0]} =~ ^TYPE\ +TOTAL\ +ACTIVE\ +SIZE\ +RECLAIMABLE$ ]]
	[[ ${lines[1]} =~ ^Images\ +3\ +1\ +[0-9.]+MB\ +[0-9.]+MB\ \([0-9]+%\)$ ]]
	[[ ${lines[2]} =~ ^Containers\ +4\ +2\ +[0-9.]+MB\ +[0-9.]+MB\ \([0-9]+%\)$ ]]
	# Measuring is no use of it: each is what it was.
	[ "$(ctl ps -a --format '{{.Names}} {{.State}}' | sort | tr '\n' ' ')" = "ended exited made created running running user running " ]
	ctl start ended
	[ "$(ctl wait ended)" = 0 ]
	# Also when who started them has died: then the supervisor's descriptors are gone.
	kill -KILL "$(supervisor_pid)"
	wait_until 10 engine_answers
	wait_until 20 df_is_du
}

@test "removed or started while it is measured: as if it were not" {
	for n in 1 2 3; do
		ctl run --name "c$n" "$bb" sh -c 'mkdir /d; cd /d; for i in $(seq 60); do mkdir $i; cd $i; touch $(seq 100); cd ..; done'
	done
	for n in 1 2 3; do
		for _ in 1 2 3 4; do
			"$engine_bin/ctl" system df >"$ENGINE_DIR/df" 3>&- &
		done
		[ "$n" = 1 ] || ctl rm "c$n"
		[ "$n" != 1 ] || wait_until 10 ctl start "c$n"
	done
	for pid in $(jobs -p); do
		[ "$pid" = "$ENGINE_PID" ] || wait "$pid"
	done
	[ "$(ctl ps -a --format '{{.Names}}')" = c1 ]
	wait_until 10 df_is_du
}

@test "prune: asks first, takes what nobody needs, and nothing else" {
	ctl pull -q "$REGISTRY/whiteouts"
	ctl pull -q "$REGISTRY/config"
	ctl run -d --name running "$bb" sleep 100
	ctl create --name made --label keep=yes "$bb" true
	ctl run --name ended "$REGISTRY/config" true || true
	for what in "container prune" "image prune -a" "system prune -a"; do
		# shellcheck disable=SC2086
		run -0 ctl $what <<<n
		[[ $output == "WARNING! This will remove"*"[y/N] " ]]
		# shellcheck disable=SC2086
		run -0 ctl $what </dev/null
	done
	[ "$(ctl ps -aq | wc -l)" = 3 ]
	[ "$(ctl images -q | wc -l)" = 3 ]
	for bad in "label" "until=soon" "color=red" "label="; do
		run -1 --separate-stderr ctl container prune -f --filter "$bad"
		[ "$(wc -l <<<"$stderr")" = 1 ]
	done
	run -0 ctl container prune -f --filter until=1h
	[ "$output" = "Total reclaimed space: 0B" ]
	run -0 ctl container prune -f --filter 'label!=keep'
	[[ $output == "Deleted Containers:"*"Total reclaimed space: "* ]]
	[ "$(ctl ps -a --format '{{.Names}}' | sort | tr '\n' ' ')" = "made running " ]
	run -0 ctl image prune -f
	[ "$output" = "Total reclaimed space: 0B" ]
	before=$(du_bytes images)
	run -0 ctl image prune -a <<<y
	[[ $output == *"untagged: $REGISTRY/whiteouts:latest"*"untagged: $REGISTRY/config:latest"* || $output == *"untagged: $REGISTRY/config:latest"*"untagged: $REGISTRY/whiteouts:latest"* ]]
	[ "$(ctl images --format '{{.Repository}}')" = "$bb" ]
	freed=$((before - $(du_bytes images)))
	[ "${lines[-1]}" = "Total reclaimed space: $(python3 -c "print('%.4g' % ($freed / 1e6))")MB" ]
	run -0 ctl system prune -f
	[[ $output != *busybox* ]]
	[ "$(ctl ps -a --format '{{.Names}}')" = running ]
	ctl rm -f running
	run -0 ctl system prune -af
	[ -z "$(ctl images -q)" ]
}

@test "an image that lost its name is dangling, and goes with image prune" {
	image_push whiteouts "$REGISTRY" moving:1
	ctl pull -q "$REGISTRY/moving:1"
	old=$(ctl images -q --no-trunc "$REGISTRY/moving")
	image_push config "$REGISTRY" moving:1
	ctl pull -q "$REGISTRY/moving:1"
	[ "$(ctl images -q --no-trunc "$REGISTRY/moving")" != "$old" ]
	[[ $(ctl images) == *"<none>"* ]]
	run -0 ctl image prune -f
	[[ $output == "Deleted Images:"*"deleted: $old"* ]]
	[[ $(ctl images) != *"<none>"* ]]
}

@test "a group of commands is listed, what isn't one is told" {
	run -0 ctl system
	[[ $output == *"  df "* && $output == *"  prune "* ]]
	run -1 ctl system foo
	[[ $output == *'unknown command "system"'* ]]
	run -0 ctl system df --help
	[[ ${lines[0]} == "Usage: ctl system df [FLAGS]" ]]
	run -1 ctl system df x
	[[ $output == *"unexpected argument"* ]]
}

@test "bad marks are told at the start, on the command line and in the file" {
	for bad in 85 85%,90% 20g,75% %,% 85%,x 0%,0% 101%,3%; do
		run -2 "$engine_bin/supervisor" --name nobody --image-gc "$bad"
		[[ $output == "supervisor: --image-gc: "* ]]
	done
	printf 'image-gc 10%% 20%%\n' >"$ENGINE_DIR/conf"
	run -1 "$engine_bin/supervisor" --name nobody --config "$ENGINE_DIR/conf"
	[[ $output == *"$ENGINE_DIR/conf:1: image-gc: "* ]]
}

# With an engine of its own: the file's is looked at afterwards.
collected()
(
	set -e
	fault_registry_start "$ENGINE_DIR/fault" "$REGISTRY"
	fault=$(cat "$ENGINE_DIR/fault/addr")
	engine_prepare
	trap 'engine_stop || exit 1' EXIT
	echo 'image-gc 3m 2500k' >"$ENGINE_DIR/conf"
	engine_launch --config "$ENGINE_DIR/conf"
	ctl pull -q "$bb"
	ctl create --name needs "$bb" true
	ctl pull -q "$REGISTRY/whiteouts"
	sleep 5
	# Just pulled: somebody is about to use it.
	[ "$(ctl images -q | wc -l)" = 2 ]
	wait_until 110 eval "[ \"\$(ctl images -q | wc -l)\" = 1 ]"
	[ "$(ctl images --format '{{.Repository}}')" = "$bb" ]
	grep -q "image $REGISTRY/whiteouts:latest goes, for the disk is full and nothing was used longer ago" "$ENGINE_LOG"
	ctl start -a needs
	# Below the mark all stay.
	ctl rm needs
	sleep 35
	[ "$(ctl images -q | wc -l)" = 1 ]
)

@test "above the high mark what nobody needs goes, until the low mark" {
	# Not by run, where set -e has no force.
	collected
}
