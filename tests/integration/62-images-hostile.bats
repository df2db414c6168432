# SPDX-License-Identifier: MIT
#
# Hostile images through the whole path: a real registry, `ctl pull`, `ctl run`. imaged, its workers
# and the launcher that starts them are held to 64 MB of memory all the while.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

hostile=$BATS_TEST_DIRNAME/../hostile
cage_bytes=$((64 << 20))

setup_file()
{
	engine_prepare && engine_launch && engine_images busybox && cage_make
}

teardown_file()
{
	cage_break
	engine_stop
}

setup()
{
	bb=$REGISTRY/busybox
	store_before=$BATS_TEST_TMPDIR/store
	host_before=$BATS_TEST_TMPDIR/host
	ctl images -q | sort -u | xargs -r "$engine_bin/ctl" rmi -f >/dev/null
	store >"$store_before"
	host >"$host_before"
}

# After each: no process was killed for memory, nothing is left, and the next pull works.
teardown()
{
	ctl ps -aq | xargs -r timeout 120 "$engine_bin/ctl" rm -f >/dev/null
	ctl images -q | sort -u | xargs -r "$engine_bin/ctl" rmi -f >/dev/null
	store | diff "$store_before" -
	host | diff "$host_before" -
	[ "$(cage_kills)" = 0 ]
	ctl pull -q "$bb"
	[ "$(ctl run --rm "$bb" echo next)" = next ]
}

# ---- 64 MB ----

# The memory controller's own hierarchy, or the one of all controllers.
cage_place()
{
	if [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
		cage=/sys/fs/cgroup/memory/$ENGINE_NAME-cage cage_limit=memory.limit_in_bytes
		cage_events=memory.oom_control
	else
		cage=/sys/fs/cgroup/$ENGINE_NAME-cage cage_limit=memory.max
		cage_events=memory.events
		grep -q memory "${cage%/*}/cgroup.subtree_control" ||
			echo +memory >"${cage%/*}/cgroup.subtree_control"
	fi
}

cage_make()
{
	local pid

	cage_place && mkdir "$cage" && echo $cage_bytes >"$cage/$cage_limit" || return 1
	for pid in $(leaks_descendants "$ENGINE_PID"); do
		if [ "$pid" = "$ENGINE_PID" ] || grep -qz ^imaged "/proc/$pid/cmdline"; then
			echo "$pid" >"$cage/cgroup.procs" || return 1
		fi
	done
}

cage_kills()
{
	cage_place
	awk '$1 == "oom_kill" { print $2 }' "$cage/$cage_events"
}

# cage_open: 1 while somebody is in there; what is in it may have made another meanwhile
cage_open()
{
	local pid

	while read -r pid; do
		echo "$pid" >"${cage%/*}/cgroup.procs"
	done <"$cage/cgroup.procs" 2>/dev/null
	rmdir "$cage"
}

cage_break()
{
	cage_place
	wait_until 10 cage_open
}

# ---- what must stay as it is ----

# What is in the store, and what is in memory of it: mounts of layers.
store()
{
	find "$ENGINE_STATE/images" "$ENGINE_STATE/rootfs" | sort
}

# The files that hostile images aim at: system files, and names beside every place a layer could be
# unpacked from.
host()
{
	sha256sum /etc/passwd /etc/shadow /etc/group /etc/hosts
	stat -c '%n %f %u %g' / /etc /tmp /proc /sys /dev /run /bin /etc/passwd /etc/shadow "$ENGINE_DIR"
	ls -a / /etc
	find "$ENGINE_DIR" -not -path "$ENGINE_STATE/*" -not -path "$ENGINE_RUN/*" -not -path "$ENGINE_DIR/registry/*" -not -path "$ENGINE_DIR/fault*" \
		-printf '%p %m %U\n' | sort
	ls -d /tmp/*{victim,evil,pwned,breakout,escape,hello}* 2>/dev/null || true
}

# refused WORDS: one sentence, and the exit code of a failed pull.
refused()
{
	echo "status $status: $output"
	[ "$status" = 1 ]
	[ "${#lines[@]}" = 1 ]
	[[ "$output" == "ctl: pull: "* ]]
	[ "$1" = - ] || [[ "$output" == *"$1"* ]]
	[[ "$output" != *"worker has ended"* ]]
}

# fault_registry.py's lies and more.
liar_start()
{
	local dir=$ENGINE_DIR/fault

	[ ! -e "$dir/fault.pid" ] || return 0
	mkdir -p "$dir"
	: >"$dir/requests"
	registry_spawn "$dir" fault "$registry_python" "$hostile/lying_registry.py" --upstream "$REGISTRY" \
		--log "$dir/requests" --user "$registry_user" --password "$registry_password"
	registry_wait "$(cat "$dir/fault.pid")" "$dir/fault.log" 'listening on ([0-9.]+:[0-9]+)' 10 >"$dir/addr"
}

# each LIST REPOSITORY: pulls what the list says, and runs what was accepted.
each()
{
	local tag want words note

	while IFS=$'\t' read -r tag want words note <&9; do
		echo "$tag ($note)"
		run ctl pull -q "$REGISTRY/$2:$tag"
		if [ "$want" = refused ]; then
			refused "$words"
			continue
		fi
		[ "$status" = 0 ]
		[ "$(ctl run --rm "$REGISTRY/$2:$tag" /bin/busybox echo "$tag")" = "$tag" ]
		ctl rmi "$REGISTRY/$2:$tag" >/dev/null
	done 9<"$1"
}

cases_make()
{
	[ -e "$ENGINE_DIR/registry/cases" ] ||
		"$hostile/hostile_images.py" cases "$REGISTRY" "$ENGINE_DIR/registry/layouts" >"$ENGINE_DIR/registry/cases"
}

@test "the cases of other engines: each verdict is the one pinned, and nothing outside changes" {
	cases_make
	[ "$(wc -l <"$ENGINE_DIR/registry/cases")" -ge 85 ]
	# What no engine may accept, this one doesn't.
	[ -z "$(awk -F'\t' '$3 == "must" && $2 != "refused"' "$ENGINE_DIR/registry/cases")" ]
	sed 's/\tmust\t/\t-\t/' "$ENGINE_DIR/registry/cases" >"$ENGINE_DIR/registry/cases.list"
	each "$ENGINE_DIR/registry/cases.list" cases
}

# Printed, not judged: those that are refused here.
@test "the same archives given to umoci and podman" {
	for tool in umoci podman; do
		command -v $tool >/dev/null || skip "$tool is missing"
	done
	cases_make
	awk -F'\t' -v d="$ENGINE_DIR/registry/layouts/" '$2 == "refused" { print d $1 }' "$ENGINE_DIR/registry/cases" |
		xargs "$hostile/peers.sh" "$ENGINE_DIR/registry/peers" >"$ENGINE_DIR/registry/verdicts"
	[ -s "$ENGINE_DIR/registry/verdicts" ]
	printf '# %-62s %-9s %-9s %s\n' case here umoci podman >&3
	awk -F'\t' 'NR == FNR { umoci[$1] = $2; podman[$1] = $3; next }
		$1 in umoci { printf "# %-62s %-9s %-9s %s\n", $1 " " $4, $2, umoci[$1], podman[$1] }' \
		"$ENGINE_DIR/registry/verdicts" "$ENGINE_DIR/registry/cases" >&3
}

@test "bombs: one sentence, or an image that runs, within 64 MB" {
	"$hostile/hostile_images.py" bombs "$REGISTRY" >"$ENGINE_DIR/registry/bombs"
	[ "$(wc -l <"$ENGINE_DIR/registry/bombs")" -ge 30 ]
	CTL_TIMEOUT=170 each "$ENGINE_DIR/registry/bombs" bombs
}

@test "manifests and configs that lie are refused, and eight at a time fit in 64 MB too" {
	liar_start
	fault=$(cat "$ENGINE_DIR/fault/addr")
	while IFS=: read -r kind words; do
		echo "$kind"
		run ctl pull -q "$fault/$kind/busybox:latest"
		refused "$words"
	done <"$BATS_TEST_DIRNAME/../hostile/lies"
	for i in 1 2 3 4 5 6 7 8; do
		"$engine_bin/ctl" pull -q "$fault/config-values/busybox:latest" >"$BATS_TEST_TMPDIR/lie$i" 2>&1 3>&- 9>&- &
		pids[i]=$!
	done
	for i in 1 2 3 4 5 6 7 8; do
		! wait "${pids[i]}" || false
		grep -q 'too many values' "$BATS_TEST_TMPDIR/lie$i"
	done
}

@test "a password goes to its registry alone, wherever that sends one" {
	liar_start
	fault=$(cat "$ENGINE_DIR/fault/addr")
	mkdir -p "$BATS_TEST_TMPDIR/docker"
	printf '{"auths":{"%s":{"auth":"%s"}}}' "$fault" "$(printf %s "$registry_user:$registry_password" | base64)" \
		>"$BATS_TEST_TMPDIR/docker/config.json"
	for kind in auth-redirect auth-redirect-host; do
		: >"$ENGINE_DIR/fault/requests"
		DOCKER_CONFIG=$BATS_TEST_TMPDIR/docker ctl pull -q "$fault/$kind/busybox:latest"
		[ -n "$(jq -c 'select(.server == "registry" and .authorization and .status == 307)' "$ENGINE_DIR/fault/requests")" ]
		[ -n "$(jq -c 'select(.server == "elsewhere")' "$ENGINE_DIR/fault/requests")" ]
		[ -z "$(jq -c 'select(.server == "elsewhere" and .authorization)' "$ENGINE_DIR/fault/requests")" ]
		ctl rmi "$fault/$kind/busybox:latest"
	done
	DOCKER_CONFIG=$BATS_TEST_TMPDIR/docker run ctl pull -q "$fault/auth-redirect-credentials/busybox:latest"
	refused "user name in it"
	! grep -qF "$registry_password" "$ENGINE_LOG" || false
}

@test "users: parsed strictly, looked up in small regular files alone" {
	"$hostile/hostile_images.py" users "$REGISTRY" >"$BATS_TEST_TMPDIR/list"
	while IFS=$'\t' read -r tag want words note <&9; do
		CTL_TIMEOUT=60 run ctl run --pull missing --rm "$REGISTRY/users:$tag" sh -c 'echo $(id -u):$(id -g)'
		echo "$tag ($note): $status $output"
		if [ "$want" = accepted ]; then
			[ "$status" = 0 ]
			[ "${lines[-1]}" = "$words" ]
		else
			[ "$status" = 125 ] || [ "$status" = 126 ]
			[[ "${lines[-1]}" == "ctl: run: "* ]]
		fi
	done 9<"$BATS_TEST_TMPDIR/list"
}

@test "labels, annotations and other words of an image select nothing on the host" {
	"$hostile/hostile_images.py" data "$REGISTRY" >"$BATS_TEST_TMPDIR/list"
	plain=$(ctl run --rm "$bb" sh -c 'cut -d" " -f5- /proc/self/mountinfo; grep -E "Cap|NoNew|Seccomp|Uid" /proc/self/status; ls /dev' |
		sed -E 's/[0-9a-f]{64}|[ug]id=[0-9]+|lowerdir=[^ ]*//g')
	while IFS=$'\t' read -r tag _ _ note <&9; do
		echo "$tag: $note"
		same=$(ctl run --rm "$REGISTRY/data:$tag" sh -c 'cut -d" " -f5- /proc/self/mountinfo; grep -E "Cap|NoNew|Seccomp|Uid" /proc/self/status; ls /dev' |
			sed -E 's/[0-9a-f]{64}|[ug]id=[0-9]+|lowerdir=[^ ]*//g')
		diff <(echo "$plain" | grep -v '^127') <(echo "$same" | grep -v '^127')
	done 9<"$BATS_TEST_TMPDIR/list"
	ctl inspect "$REGISTRY/data:labels" | grep -q org.bulkhead.mount
}

@test "as nobody nothing below the state and run directories can be read, listed or looked at" {
	ctl run -d --name r16 "$bb" sh -c 'echo x >/file; chmod 777 /file; sleep 600'
	find "$ENGINE_STATE" "$ENGINE_RUN" -print0 >"$BATS_TEST_TMPDIR/paths"
	[ "$(tr -dc '\0' <"$BATS_TEST_TMPDIR/paths" | wc -c)" -ge 15 ]
	setpriv --reuid 65534 --regid 65534 --clear-groups "$registry_python" -c 'if True:
		import os, sys
		for path in sys.stdin.buffer.read().split(b"\0")[:-1]:
		    for what, how in (("open", lambda: open(path, "rb").close()), ("list", lambda: os.listdir(path)), ("stat", lambda: os.lstat(path))):
		        try:
		            how()
		            print(what, os.fsdecode(path))
		        except OSError:
		            pass' <"$BATS_TEST_TMPDIR/paths" | sort >"$BATS_TEST_TMPDIR/seen"
	# The way to the socket is for members of the group; what stands beside it has a name at least.
	diff - "$BATS_TEST_TMPDIR/seen" <<-END
		stat $ENGINE_RUN
		stat $ENGINE_RUN/ctl.sock
		stat $ENGINE_RUN/lock
		stat $ENGINE_RUN/network
		stat $ENGINE_RUN/shims
		stat $ENGINE_STATE
	END
}

@test "each file of the store belongs to the engine's users or to its container's range" {
	one=$(ctl run -d "$bb" sh -c 'mkdir /d; touch /d/f; chown 65535:65535 /d/f; mknod /d/p p; ln -s /etc /d/l; sleep 600')
	two=$(ctl run -d -u 1000 --tmpfs /t "$bb" sh -c 'touch /tmp/f; sleep 600')
	ctl run --name three "$bb" sh -c 'chmod 4755 /bin/busybox; touch /x'
	wait_until 5 ctl exec "$one" test -L /d/l
	uids=$(for p in $(leaks_descendants "$ENGINE_PID"); do stat -c %u "/proc/$p"; done | sort -u)
	seen=0
	for id in "$one" "$two" "$(ctl inspect --format '{{.Id}}' three)"; do
		base=$(stat -c %u "$ENGINE_STATE/rootfs/$id/upper")
		[ "$base" -ge 65536 ]
		[ $((base % 65536)) = 0 ]
		while read -r uid gid path; do
			echo "$uid $gid $path"
			[ "$uid" -ge "$base" ]
			[ "$uid" -lt $((base + 65536)) ]
			[ "$gid" -ge "$base" ]
			[ "$gid" -lt $((base + 65536)) ]
			seen=$((seen + 1))
		done < <(find "$ENGINE_STATE/rootfs/$id" -mindepth 1 -printf '%U %G %p\n')
	done
	[ "$seen" -ge 10 ]
	# No two containers share a range. All else is root's or a daemon's, a log its shim's.
	bases=$(stat -c %u "$ENGINE_STATE"/rootfs/*/upper)
	[ -z "$(sort <<<"$bases" | uniq -d)" ]
	while read -r uid path; do
		if [[ "$path" == */log/log ]]; then
			for base in $bases; do
				[ "$uid" -lt "$base" ] || [ "$uid" -ge $((base + 65536)) ]
			done
			[ "$uid" != 0 ]
		else
			echo "$uid $path"
			grep -qx "$uid" <<<"$uids"
		fi
	done < <(find "$ENGINE_STATE" "$ENGINE_RUN" -not -path "$ENGINE_STATE/rootfs/*" -printf '%U %p\n')
	[ -z "$(find "$ENGINE_STATE" -name 'log*' -type f -printf '%U\n' | sort | uniq -d)" ]
	[ -z "$(find "$ENGINE_STATE/images" \( -not -user 0 -o -perm /077 \) -not -type l)" ]
}
