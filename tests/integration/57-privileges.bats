# SPDX-License-Identifier: MIT
#
# README's privilege table against the live processes, libraries against what each program may link, two engines on one
# host, and nothing left behind.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/containers.sh"

setup_file()
{
	engine_start && engine_images busybox whiteouts && fault_registry_start "$ENGINE_DIR/fault" "$REGISTRY" && engine_picture
}

# processes: "PID WORDS" of every process of this engine outside containers
processes()
{
	local pid

	for pid in $(leaks_descendants "$ENGINE_PID"); do
		printf '%s %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null || true)"
	done
}

status_of()
{
	awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status" 2>/dev/null || true
}

# worker_runs FLAG: it is there, and through with its start
worker_runs()
{
	local pid

	pid=$(processes | awk -v flag="$1" 'index($0, flag) { print $1; exit }') && [ "$(status_of "$pid" Seccomp)" = 2 ]
}

@test "every process has the privileges of the table, and no more" {
	id=$(ctl run -d "$bb" sleep 600)
	workload=$(ctl inspect --format '{{.State.Pid}}' "$id")
	# A layer that trickles keeps both workers.
	"$engine_bin/ctl" pull -q "$(cat "$ENGINE_DIR/fault/addr")/slow/whiteouts:latest" >/dev/null 2>&1 3>&- &
	puller=$!
	wait_until 10 worker_runs --fetch
	wait_until 10 worker_runs --unpack
	# The shim that takes the other's place in the row, and an unpacker that is got ready, are through with their starts too.
	wait_until 20 engine_settled
	seen=
	while read -r pid words; do
		uid=$(status_of "$pid" Uid)
		eff=$(status_of "$pid" CapEff)
		prm=$(status_of "$pid" CapPrm)
		bnd=$(status_of "$pid" CapBnd)
		nnp=$(status_of "$pid" NoNewPrivs)
		[ -n "$uid" ] || continue
		echo "$pid uid=$uid eff=$eff bnd=$bnd nnp=$nnp $words"
		case "$words" in
		*"supervisor --serve"*) kind=supervisor want=0000000000000000 root=no ;;
		*"supervisor --name"*) continue ;; # the launcher
		netd*) kind=netd want=0000000000001000 root=no ;;
		*"--fetch"*) kind=fetch want=0000000000000000 root=no ;;
		*"--unpack"*) kind=unpack want=0000000000000000 root=no ;;
		imaged*) kind=imaged want=0000000000200000 root=yes ;;
		cgroupd*) kind=cgroupd want=0000000000000000 root=yes ;;
		shim:*) kind=keeper want=0000000000000000 root=no ;;
		shim*) kind=shim want=0000000000000000 root=no ;;
		*) continue ;; # standby children and workloads live in user namespaces of their own
		esac
		[ "$(readlink "/proc/$pid/ns/user")" = "$(readlink /proc/self/ns/user)" ] || continue
		seen="$seen $kind"
		[ "$eff" = "$want" ]
		[ "$prm" = "$want" ]
		[ $((0x$bnd & ~0x$want)) = 0 ]
		[ "$nnp" = 1 ]
		[ $kind = keeper ] || [ "$(status_of "$pid" Seccomp)" = 2 ]
		[ "$(status_of "$pid" CapInh)" = 0000000000000000 ]
		[ "$(status_of "$pid" CapAmb)" = 0000000000000000 ]
		[ "$(awk '/^Groups:/ { print NF }' "/proc/$pid/status")" = 1 ]
		if [ $root = yes ]; then [ "$uid" = 0 ]; else [ "$uid" != 0 ]; fi
	done < <(processes | sort -k1,1nr)
	for kind in supervisor netd imaged cgroupd shim keeper fetch unpack; do
		[[ " $seen " == *" $kind "* ]]
	done
	# The workload: nothing on the host; its capabilities count in its user namespace alone.
	[ "$(status_of "$workload" Uid)" -gt 65535 ]
	[ "$(readlink "/proc/$workload/ns/user")" != "$(readlink /proc/self/ns/user)" ]
	# No two shims share a uid.
	shims=$(processes | awk '$2 == "shim" { print $1 }' | while read -r pid; do
		if [ "$(readlink "/proc/$pid/ns/user")" = "$(readlink /proc/self/ns/user)" ]; then
			status_of "$pid" Uid
		fi
	done)
	[ "$(wc -l <<<"$shims")" -ge 2 ]
	[ -z "$(sort <<<"$shims" | uniq -d)" ]
	kill $puller 2>/dev/null || true # through by now where all is slow
	wait $puller || true
}

@test "a shim sees nothing of the host's files" {
	ctl run -d "$bb" sleep 600 >/dev/null
	wait_until 20 engine_settled # the next one that stands by has left the host's files too
	n=0
	while read -r pid words; do
		[[ "$words" == shim* ]] || continue
		n=$((n + 1))
		[ ! -e "/proc/$pid/root/etc" ]
		[ ! -e "/proc/$pid/root/usr" ]
	done < <(processes)
	[ "$n" -ge 1 ]
}

@test "each program links what it needs and no more" {
	needs()
	{
		readelf -d "$engine_bin/$1" | sed -n 's/.*NEEDED.*\[\(.*\)\.so.*/\1/p' | sort | tr '\n' ' '
	}
	for p in supervisor netd cgroupd ctl shim; do
		[[ "$(needs $p)" != *libcurl* ]]
		[[ "$(needs $p)" != *libarchive* ]]
	done
	for p in supervisor imaged cgroupd ctl shim; do
		[[ "$(needs $p)" != *libnftables* ]]
		[[ "$(needs $p)" != *libnl-* ]]
	done
	for p in supervisor cgroupd shim; do
		[[ "$(needs $p)" != *libjansson* ]]
	done
	[ -z "$(needs shim)" ]
}

@test "two engines side by side by --name" {
	"$engine_bin/supervisor" --name "${ENGINE_NAME}b" --run-dir "$ENGINE_DIR/run2" --state-dir "$ENGINE_DIR/state2" \
		</dev/null >>"$ENGINE_LOG" 2>&1 3>&- &
	pid=$!
	main=$BULKHEAD_SOCKET
	other=$ENGINE_DIR/run2/ctl.sock
	BULKHEAD_SOCKET=$other wait_until 15 ctl version
	one=$(ctl run -d --name same "$bb" sleep 600)
	two=$(BULKHEAD_SOCKET=$other ctl run -d --name same "$bb" sleep 600)
	[ "$one" != "$two" ]
	[ "$(ctl ps -q --no-trunc)" = "$one" ]
	[ "$(BULKHEAD_SOCKET=$other ctl ps -q --no-trunc)" = "$two" ]
	a=$(status_of "$(ctl inspect --format '{{.State.Pid}}' same)" Uid)
	b=$(status_of "$(BULKHEAD_SOCKET=$other ctl inspect --format '{{.State.Pid}}' same)" Uid)
	[ "$a" != "$b" ]
	run "$engine_bin/supervisor" --name "$ENGINE_NAME" --run-dir "$ENGINE_RUN" --state-dir "$ENGINE_STATE"
	[ "$status" = 1 ]
	[[ "$output" == *"runs in"* ]]
	kill $pid
	wait_until 20 engine_ended $pid
	[ "$(ctl inspect --format '{{.State.Running}}' same)" = true ]
	[ -z "$(ip -o link | grep "${ENGINE_NAME}b")" ]
	[ -z "$(nft list tables | grep -w "${ENGINE_NAME}b")" ]
}

@test "a bad subnet is one sentence, and the engine does not start" {
	run timeout 120 "$engine_bin/supervisor" --name "${ENGINE_NAME}c" --run-dir "$ENGINE_DIR/run3" \
		--state-dir "$ENGINE_DIR/state3" --subnet 999.1.2.3/16 --log warning
	[ "$status" != 0 ]
	[ "$status" != 124 ]
	[[ "$output" == *"999.1.2.3/16"* ]]
	[ ! -e "$ENGINE_DIR/run3" ]
	[ -z "$(ip -o link | grep "${ENGINE_NAME}c")" ]
	ip link add "${ENGINE_NAME}d" type veth peer name "${ENGINE_NAME}e"
	ip addr add 10.213.78.1/24 dev "${ENGINE_NAME}d"
	ip link set "${ENGINE_NAME}d" up
	run timeout 120 "$engine_bin/supervisor" --name "${ENGINE_NAME}c" --run-dir "$ENGINE_DIR/run3" \
		--state-dir "$ENGINE_DIR/state3" --subnet 10.213.78.0/25 --log warning
	ip link del "${ENGINE_NAME}d"
	[ "$status" != 0 ]
	[ "$status" != 124 ]
	[[ "$output" == *10.213.78.* ]]
}

@test "the supervisor killed: containers run on, and the next one knows them" {
	id=$(ctl run -d "$bb" sh -c 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done')
	kill -KILL "$(processes | awk '/supervisor --serve/ { print $1 }')"
	wait_until 10 ctl version
	[ "$(ctl inspect --format '{{.State.Running}}' "$id")" = true ]
	run ctl exec "$id" echo reached
	[ "$output" = reached ]
	ctl stop -t 0 "$id"
	[ "$(ctl wait "$id")" = 137 ]
}

@test "an end that a dying supervisor did not record is told to the next one" {
	mkdir "$ENGINE_DIR/flags"
	id=$(ctl run -d -v "$ENGINE_DIR/flags:/flags" "$bb" sh -c 'while [ ! -e /flags/go ]; do sleep 0.05; done; exit 7')
	workload=$(ctl inspect --format '{{.State.Pid}}' "$id")
	supervisor=$(processes | awk '/supervisor --serve/ { print $1 }')
	kill -STOP "$supervisor"
	touch "$ENGINE_DIR/flags/go"
	wait_until 10 engine_gone "$workload"
	kill -KILL "$supervisor"
	wait_until 10 ctl version
	[ "$(ctl wait "$id")" = 7 ]
	[ "$(ctl inspect --format '{{.State.ExitCode}}' "$id")" = 7 ]
}

@test "in a chroot the engine refuses to start, and says why" {
	mkdir -p "$ENGINE_DIR/jail"
	run -1 unshare -m --propagation private bash -c 'mount --rbind / "$1" && exec chroot "$1" "${@:2}"' - \
		"$ENGINE_DIR/jail" "$engine_bin/supervisor" --name "${ENGINE_NAME}j" --run-dir "$ENGINE_DIR/run4" \
		--state-dir "$ENGINE_DIR/state4"
	[ "${#lines[@]}" = 1 ]
	[[ "$output" == "supervisor: "*chroot*pivot_root* ]]
	[ ! -e "$ENGINE_DIR/run4" ]
}

# Everything, as when the host crashes: what ran is known as ended.
crash()
{
	local kept gone all

	kept=$(ctl run -d "$bb" sh -c 'echo x >>/times; sleep 600') || return 1
	gone=$(ctl run -d --rm "$bb" sleep 600) || return 1
	wait_until 5 ctl exec "$kept" test -s /times || return 1
	all=$(leaks_descendants "$ENGINE_PID")
	# Who is to be the next one must not get to it.
	# shellcheck disable=SC2086
	kill -STOP $all
	# shellcheck disable=SC2086
	kill -KILL $all
	# shellcheck disable=SC2086
	wait_until 10 engine_gone $all || return 1
	engine_launch || return 1
	[ "$(ctl wait "$kept")" = 255 ] || return 1
	wait_until 10 eval "! ctl inspect $gone" || return 1
	wait_until 60 eval "[ -z \"\$(find /sys/fs/cgroup -path '*/$ENGINE_NAME/*' -type d)\" ]" || return 1
	wait_until 20 [ ! -d "$ENGINE_STATE/rootfs/$gone" ] || return 1
	ctl start "$kept" || return 1
	wait_until 5 eval "[ \$(ctl exec $kept wc -l /times | cut -d' ' -f1) = 2 ]" || return 1
	ctl rm -f "$kept"
}

# With an engine of its own, in a subshell: the file's is looked at afterwards.
crashes()
(
	engine_start
	ctl pull -q "$bb"
	failed=0
	crash || failed=1
	engine_stop
	[ $failed = 0 ]
)

@test "after a crash what ran is known as ended, can be started again, and --rm is gone" {
	crashes
}

@test "a helper killed is started again" {
	for helper in netd imaged cgroupd; do
		kill -KILL "$(processes | awk -v h="$helper" '$2 == h && !/--fetch|--unpack/ { print $1; exit }')"
		sleep 0.5
		wait_until 10 ctl run --rm "$bb" true
	done
}

many_runs()
{
	local i

	for i in $(seq 200); do
		ctl run --rm "$bb" true || return 1
	done
}

@test "after 200 runs links, mounts, cgroups, nft, processes, fds and files are what they were" {
	# engine_unchanged, as after every test.
	many_runs
}
