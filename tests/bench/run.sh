#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What starting a container costs: ours beside docker, podman, crun, runc and the least work that
# does it, in one run on one machine, as medians. Every engine keeps its state on the same fresh
# loop ext4 file system and serves its default network. The peers' daemons and networks live in a
# network namespace of their own, so the host's firewall stays as it is. What can't run here is
# left out with its reason.
#
#	run.sh [ours least crun runc podman docker]	all of them if none is named
#	RUNS=30 PULLS=3 STARTS=60 PARALLEL=8
# shellcheck disable=SC2046
set -u
cd "$(dirname "$0")/../.." || exit 1

. tests/lib/engine.sh

runs=${RUNS:-30}
pulls=${PULLS:-3}
starts=${STARTS:-60}
parallel=${PARALLEL:-8}
containers=10
name=bhbench
least=${LEAST:-build/tests/bench/least}
work=
peer_in=()
peer_holder=
peer_registry=
declare -A value
declare -a reasons

say()
{
	printf '%s\n' "$*" >&2
}

# absent PEER REASON: every figure of this peer stays empty.
absent()
{
	reasons+=("$1 left out: $2")
	say "  $1 left out: $2"
}

set_value()
{
	value[$1,$2]=$3
	say "$(printf '  %-8s %-8s %s' "$1" "$2" "$3")"
}

# Fills `within` with what a command of PEER is to be started by.
enter()
{
	case $1 in
	ours|least) within=() ;;
	*) within=("${peer_in[@]}") ;;
	esac
}

# measure PEER WHAT RUNS PREPARE CMD...: the median of CMD in milliseconds.
measure()
{
	local peer=$1 what=$2 n=$3 prepare=$4 warmup=3 out=$work/hyperfine within

	shift 4
	enter "$peer"
	[ -z "$prepare" ] || warmup=0
	rm -f "$out.json"
	if "${within[@]}" hyperfine -N --warmup $warmup --runs "$n" ${prepare:+--prepare "$prepare"} \
			--export-json "$out.json" "$*" >"$out.log" 2>&1; then
		set_value "$peer" "$what" "$(jq -r '.results[0].median * 1000 |
			if . < 100 then (. * 10 | round / 10) else round end' "$out.json")"
	else
		absent "$peer $what" "$(grep -v '^ *$' "$out.log" | tail -n 1)"
	fi
}

# measure_starts PEER ROUNDS CMD...: starts a second, PARALLEL at a time; the median of the rounds.
measure_starts()
{
	local peer=$1 rounds=$2 round from to rates=() within

	shift 2
	enter "$peer"
	for round in $(seq "$rounds"); do
		from=$(date +%s%N)
		if ! seq "$starts" | "${within[@]}" xargs -P "$parallel" -I{} "$@" >"$work/starts.log" 2>&1; then
			absent "$peer starts" "round $round: $(tail -n 1 "$work/starts.log")"
			return
		fi
		to=$(date +%s%N)
		rates+=("$(jq -n "$starts * 1e9 / ($to - $from) * 10 | round / 10")")
	done
	set_value "$peer" starts "$(printf '%s\n' "${rates[@]}" | sort -n | sed -n "$(((rounds + 1) / 2))p")"
}

pss()
{
	local pid sum=0 kb

	for pid in "$@"; do
		kb=$(awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null)
		sum=$((sum + ${kb:-0}))
	done
	echo "$sum"
}

# The engine's own processes below PID, workloads left out.
own_processes()
{
	local pid exe

	for pid in $(leaks_descendants "$1"); do
		exe=$(readlink "/proc/$pid/exe" 2>/dev/null)
		exe=${exe% (deleted)}
		[[ ! ${exe##*[/:]} =~ ^($2)$ ]] || echo "$pid"
	done
}

mean_pss()
{
	[ $# = 0 ] || echo $(($(pss "$@") / $#))
}

# start_many CMD...: as many containers as the mean is taken of, {} in CMD being their number.
start_many()
{
	local i

	for i in $(seq "$containers"); do
		"${@//\{\}/$i}" >/dev/null || return 1
	done
	sleep 1
}

disk_make()
{
	truncate -s 16G "$work/disk.img" &&
	mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$work/disk.img" &&
	mkdir "$work/disk" &&
	mount -o loop "$work/disk.img" "$work/disk"
}

# A process holds the namespaces the peers run in: a network of their own, and mounts without what
# would stop Debian 12's runtimes (cgroup v2 beside v1) or be left behind.
peers_make()
{
	[ ${#peer_in[@]} = 0 ] || return 0
	setsid unshare -m -n --propagation private sh -c '
		umount /sys/fs/cgroup/unified 2>/dev/null
		mount -t tmpfs tmpfs /dev/shm
		mkdir -p /var/lib/cni
		mount -t tmpfs tmpfs /var/lib/cni
		ip link set lo up
		echo ready
		exec sleep infinity' </dev/null >"$work/peers.log" 2>&1 &
	peer_holder=$!
	wait_until 10 grep -qx ready "$work/peers.log" || return 1
	peer_in=(nsenter -t "$peer_holder" -m -n)
	# A second registry over the same data, where the peers' 127.0.0.1 is.
	mkdir -p "$work/peer-registry"
	ln -s "$ENGINE_DIR/registry/data" "$work/peer-registry/data"
	registry_config "$work/peer-registry" plain >"$work/peer-registry/config.yml"
	registry_spawn "$work/peer-registry" registry \
		"${peer_in[@]}" docker-registry serve "$work/peer-registry/config.yml"
	peer_registry=$(registry_wait "$(cat "$work/peer-registry/registry.pid")" \
		"$work/peer-registry/registry.log" 'listening on ([0-9.]+:[0-9]+)' 20)
}

bench_ours()
{
	local ctl=$engine_bin/ctl image=$REGISTRY/busybox:latest big=$REGISTRY/debian:12 daemons i

	[ -x "$ctl" ] || { absent ours "build/bin/ctl is not built"; return; }
	ENGINE_STATE=$work/disk/state
	if ! engine_launch 2>"$work/engine.err"; then
		absent ours "$(head -n 1 "$work/engine.err")"
		return
	fi
	ctl pull -q "$image" >/dev/null || { absent ours "can't pull $image"; return; }
	measure ours run "$runs" "" "$ctl" run --rm "$image" true
	measure ours none "$runs" "" "$ctl" run --rm --network none "$image" true
	measure ours detach "$runs" "" "$ctl" run -d --rm "$image" true
	ctl run -d --name exec "$image" sleep 1000000 >/dev/null &&
		measure ours exec "$runs" "" "$ctl" exec exec true
	ctl rm -f exec >/dev/null
	measure_starts ours 5 "$ctl" run --rm "$image" true
	sleep 3
	daemons=$(pss $(own_processes "$ENGINE_PID" "$leaks_programs"))
	set_value ours daemons "$daemons"
	# All that became more: shims, their keepers, what the daemons know of the containers.
	start_many "$ctl" run -d --name "m{}" "$image" sleep 1000000 &&
		set_value ours each "$((($(pss $(own_processes "$ENGINE_PID" "$leaks_programs")) - daemons) / containers))"
	for i in $(seq "$containers"); do
		ctl rm -f "m$i" >/dev/null 2>&1
	done
	ctl pull -q "$big" >/dev/null
	measure ours pull "$pulls" "$ctl rmi $big" "$ctl" pull -q "$big"
}

bench_least()
{
	local root=$work/disk/least-root cmd

	[ -x "$least" ] || { absent least "$least is not built"; return; }
	cp -a "$(image_rootfs busybox)" "$root" || return
	chown -hR 2000000:2000000 "$root"
	mkdir "$work/disk/least"
	ip link add "$name" type bridge && ip addr add 10.217.0.1/16 dev "$name" &&
	ip -6 addr add fd00:bed5::1/64 dev "$name" nodad && ip link set "$name" up || {
		absent least "can't make bridge $name"
		return
	}
	cmd=("$least" --rootfs "$root" --scratch "$work/disk/least")
	measure least run "$runs" "" "${cmd[@]}" --net "$name" -- true
	measure least none "$runs" "" "${cmd[@]}" -- true
	measure_starts least 5 "${cmd[@]}" --net "$name" -- true
}

# bench_runtime RUNTIME: no network, no overlay; what podman and docker call underneath.
bench_runtime()
{
	local bundle=$work/disk/bundle-$1

	mkdir "$bundle"
	cp -a "$(image_rootfs busybox)" "$bundle/rootfs" || return
	(cd "$bundle" && "$1" spec) || { absent "$1" "can't write a spec"; return; }
	jq '.process.terminal = false | .process.args = ["true"] | .root.readonly = false' \
		"$bundle/config.json" >"$bundle/new" && mv "$bundle/new" "$bundle/config.json"
	measure "$1" none "$runs" "" "$1" --root "$work/$1" run --bundle "$bundle" "$name"
}

bench_podman()
{
	local p image=$peer_registry/busybox:latest big=$peer_registry/debian:12 few=10
	local limits=(--ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "--cgroup-parent=/$name")

	p=("${peer_in[@]}" podman --root "$work/disk/podman" --runroot "$work/podman-run" --tmpdir
		"$work/podman-tmp" --storage-driver overlay --cgroup-manager cgroupfs --runtime crun
		--events-backend none)
	if ! "${p[@]}" pull -q --tls-verify=false "$image" >"$work/podman.log" 2>&1; then
		absent podman "$(tail -n 1 "$work/podman.log")"
		return
	fi
	measure podman run $few "" "${p[@]}" run --rm "${limits[@]}" "$image" true
	measure podman none $few "" "${p[@]}" run --rm --network none "${limits[@]}" "$image" true
	measure podman detach $few "" "${p[@]}" run -d --rm "${limits[@]}" "$image" true
	"${p[@]}" run -d --name exec "${limits[@]}" "$image" sleep 1000000 >/dev/null &&
		measure podman exec $few "" "${p[@]}" exec exec true
	set_value podman daemons 0
	set_value podman each \
		"$(mean_pss $(cat "$work"/podman-run/overlay-containers/*/userdata/conmon.pid))"
	"${p[@]}" rm -f -t 0 exec >/dev/null
	measure_starts podman 1 "${p[@]}" run --rm "${limits[@]}" "$image" true
	"${p[@]}" pull -q --tls-verify=false "$big" >/dev/null 2>&1
	measure podman pull "$pulls" "${p[*]} rmi $big" \
		"${p[@]}" pull -q --tls-verify=false "$big"
}

docker_start()
{
	setsid "${peer_in[@]}" sh -c '
		containerd --root "$1/disk/containerd" --state "$1/containerd-run" \
			-a "$1/containerd.sock" >"$1/containerd.log" 2>&1 &
		echo $! >"$1/containerd.pid"
		exec dockerd --data-root "$1/disk/docker" --exec-root "$1/docker-run" \
			-H "unix://$1/docker.sock" -p "$1/dockerd.lock" \
			--containerd "$1/containerd.sock" --storage-driver overlay2 \
			--cgroup-parent "/$2" >"$1/dockerd.log" 2>&1' - "$work" "$name" </dev/null &
	echo $! >"$work/dockerd.pid"
	wait_until 30 /usr/bin/docker -H "unix://$work/docker.sock" version
}

docker_stop()
{
	local f

	for f in "$work/dockerd.pid" "$work/containerd.pid"; do
		[ ! -e "$f" ] || registry_stop_pid "$(cat "$f")"
	done
}

bench_docker()
{
	local d image=$peer_registry/busybox:latest big=$peer_registry/debian:12 few=10

	d=(/usr/bin/docker -H "unix://$work/docker.sock")
	if ! docker_start; then
		absent docker "$(grep -E 'fatal|failed|error' "$work/dockerd.log" | tail -n 1 | cut -c1-200)"
		return
	fi
	"${d[@]}" pull -q "$image" >/dev/null || { absent docker "can't pull"; return; }
	measure docker run $few "" "${d[@]}" run --rm "$image" true
	measure docker none $few "" "${d[@]}" run --rm --network none "$image" true
	measure docker detach $few "" "${d[@]}" run -d --rm "$image" true
	"${d[@]}" run -d --name exec "$image" sleep 1000000 >/dev/null &&
		measure docker exec $few "" "${d[@]}" exec exec true
	"${d[@]}" rm -f exec >/dev/null
	measure_starts docker 1 "${d[@]}" run --rm "$image" true
	sleep 3
	# containerd is dockerd's child here: the shell that made it became dockerd.
	set_value docker daemons \
		"$(pss $(own_processes "$(cat "$work/dockerd.pid")" 'dockerd|containerd'))"
	start_many "${d[@]}" run -d --name "m{}" "$image" sleep 1000000 &&
		set_value docker each "$(mean_pss $(docker_shims))"
	"${d[@]}" ps -aq | xargs -r "${d[@]}" rm -f >/dev/null
	"${d[@]}" pull -q "$big" >/dev/null
	measure docker pull "$pulls" "${d[*]} rmi $big" "${d[@]}" pull -q "$big"
}

# containerd's shims leave its process tree: they are known by its socket in their command line.
docker_shims()
{
	local dir

	for dir in /proc/[0-9]*; do
		cat "$dir/cmdline" 2>/dev/null | tr '\0' ' ' |
			grep -q "^[^ ]*containerd-shim.*$work/containerd.sock" && echo "${dir#/proc/}"
	done
}

bench_peer()
{
	local program=$1

	[ "$1" != docker ] || program=dockerd
	if ! command -v "$program" >/dev/null; then
		absent "$1" "not installed"
	elif ! peers_make; then
		absent "$1" "can't make its namespaces: $(tail -n 1 "$work/peers.log")"
	else
		case $1 in
		crun|runc) bench_runtime "$1" ;;
		*) "bench_$1" ;;
		esac
	fi
}

clean()
{
	trap - EXIT
	docker_stop
	engine_stop || say "the engine left something behind"
	[ ! -d "$work/peer-registry" ] || registry_stop "$work/peer-registry"
	[ -z "$peer_holder" ] || registry_stop_pid "$peer_holder"
	ip link del "$name" 2>/dev/null
	find /sys/fs/cgroup -depth -type d -path "*/$name*" -exec rmdir {} + 2>/dev/null
	if mountpoint -q "$work/disk"; then
		umount "$work/disk" || umount -l "$work/disk"
	fi
	rm -rf --one-file-system "$work"
}

cell()
{
	printf '%s' "${value[$1,$2]:--}"
}

table()
{
	local peer what

	printf '\n%s, %s cores, %s; medians\n\n' "$(uname -sr)" "$(nproc)" \
		"$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)"
	printf '%-28s' ''
	for peer in ours least crun runc podman docker; do
		printf '%10s' $peer
	done
	echo
	while IFS=: read -r what text; do
		printf '%-28s' "$text"
		for peer in ours least crun runc podman docker; do
			printf '%10s' "$(cell $peer "$what")"
		done
		echo
	done <<-ROWS
	run:run --rm true, ms
	none:  without network, ms
	detach:run -d --rm true, ms
	exec:exec true, ms
	starts:$starts starts, $parallel at a time, /s
	pull:pull Debian, 3 layers, ms
	daemons:daemons, PSS kB
	each:a container, PSS kB
	ROWS
	echo
	printf '%s\n' 'crun and runc: no network, no overlay, no image.' "${reasons[@]}"
}

main()
{
	local peer peers=("$@")

	[ "$(id -u)" = 0 ] || { say "bench: run as root"; exit 1; }
	[ ${#peers[@]} -gt 0 ] || peers=(ours least crun runc podman docker)
	work=$(mktemp -d /tmp/bulkhead-bench.XXXXXX)
	chmod 755 "$work"
	trap clean EXIT
	trap 'exit 130' INT TERM
	disk_make && engine_prepare && engine_images busybox debian || exit 1
	for peer in "${peers[@]}"; do
		say "$peer"
		case $peer in
		ours) bench_ours ;;
		least) bench_least ;;
		*) bench_peer "$peer" ;;
		esac
	done
	table
}

main "$@"
