#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What stays and what grows under load: more containers on the default network than a bridge has
# ports, many made and removed at once, many runs in a row. Prints the figures of each stage; gates
# nothing, but says what a container couldn't reach and ends with 1 then.
#
#	load.sh [crowd churn runs]	all of them if none is named
#	CONTAINERS=1100 MINUTES=10 PARALLEL=100 RUNS=100000
set -u
cd "$(dirname "$0")/../.." || exit 1

. tests/lib/engine.sh

containers=${CONTAINERS:-1100}
minutes=${MINUTES:-10}
parallel=${PARALLEL:-100}
runs=${RUNS:-100000}
makers=${MAKERS:-8} # of the crowd, at a time
ctl=$engine_bin/ctl
least=${LEAST:-build/tests/bench/least}
failed=0

now_us()
{
	echo "${EPOCHREALTIME/./}"
}

# took_ms CMD...: how long it takes, with one digit behind the point; nothing when it fails
took_ms()
{
	local from to

	from=$(now_us)
	"$@" >/dev/null 2>&1 || return 1
	to=$(now_us)
	printf '%d.%d\n' $(((to - from) / 1000)) $(((to - from) / 100 % 10))
}

median()
{
	sort -n | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "-" }'
}

# The medians of a run and of the host's own part in it, which grows and shrinks, too: a clone and an overlay without an
# engine. In turns, for whatever else the machine does.
start_times()
{
	local i dir=$ENGINE_DIR

	: >"$dir/ours" && : >"$dir/leasts"
	for i in $(seq 41); do
		took_ms "$ctl" run --rm "$image" true >>"$dir/ours"
		[ ! -x "$least" ] || took_ms "$least" --rootfs "$dir/least-root" --scratch "$dir/least" -- true >>"$dir/leasts"
	done
	echo "run --rm $(median <"$dir/ours") ms, least work $(median <"$dir/leasts") ms"
}

least_prepare()
{
	cp -a "$(image_rootfs busybox)" "$ENGINE_DIR/least-root" && chown -hR 2000000:2000000 "$ENGINE_DIR/least-root" &&
		mkdir "$ENGINE_DIR/least"
}

name_of()
{
	local words
	words=$(tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null)

	case $words in
	*--serve*--standby*) echo supervisor ;;
	*supervisor*) echo launcher ;;
	*netd*) echo netd ;;
	*cgroupd*) echo cgroupd ;;
	*imaged*) echo imaged ;;
	esac
}

# Each daemon's memory (PSS, kB) and descriptors, imaged's workers with it.
daemons()
{
	local pid name kb

	for pid in $(leaks_descendants "$ENGINE_PID"); do
		name=$(name_of "$pid")
		[ -n "$name" ] || continue
		kb=$(awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null)
		echo "$name ${kb:-0} $(find "/proc/$pid/fd" -mindepth 1 2>/dev/null | wc -l)"
	done | awk '{ kb[$1] += $2; fds[$1] += $3 }
		END { for (n in kb) printf "%s %d kB %d fds; ", n, kb[n], fds[n] }'
}

elements()
{
	local family

	for family in inet bridge; do
		nft -j list table "$family" "$ENGINE_NAME" 2>/dev/null
	done | jq -s '[.[].nftables[] | (.set // .map // {}).elem // [] | length] | add'
}

# figures WHAT
figures()
{
	printf '%s\n' "== $1" \
		"   $(daemons)" \
		"   containers $("$ctl" ps -aq | wc -l), links $(ip -o link | grep -c "bulkhead:$ENGINE_NAME:"), cgroups $(find /sys/fs/cgroup -type d -path "*/$ENGINE_NAME*" | wc -l), nft elements $(elements), files $(find "$ENGINE_STATE" "$ENGINE_RUN" -xdev 2>/dev/null | wc -l), log $(wc -c <"$ENGINE_LOG") bytes" \
		"   $(start_times), ps -a $(for i in $(seq 21); do took_ms "$ctl" ps -a; done | median) ms" \
		"   slab $(awk '/^Slab:/ { print $2 }' /proc/meminfo) kB, reclaimable $(awk '/^SReclaimable:/ { print $2 }' /proc/meminfo) kB, memory cgroups $(awk '$1 == "memory" { print $3 }' /proc/cgroups)"
}

complain()
{
	echo "   FAILED: $*"
	failed=1
}

address()
{
	"$ctl" inspect --format '{{.NetworkSettings.IPAddress}}' "$1"
}

gateway()
{
	"$ctl" inspect --format '{{.NetworkSettings.Gateway}}' "$1"
}

page()
{
	# shellcheck disable=SC2016
	"$ctl" exec "$1" sh -c 'printf "GET / HTTP/1.0\r\n\r\n" | nc -w 3 $0 $1' "$2" "$3" | grep -q HTTP/
}

# Each of them to the others, and by the gateway to each one's published port; the host to them.
reach()
{
	local from to

	for from in "$@"; do
		for to in "$@"; do
			page "c$from" "$(address "c$to")" 80 ||
				complain "container $from doesn't reach container $to"
			page "c$from" "$(gateway "c$from")" $((20000 + to)) ||
				complain "container $from doesn't reach the published port of container $to"
		done
		ping -c 1 -W 3 "$(address "c$from")" >/dev/null || complain "the host doesn't reach container $from"
	done
}

# make N: one of the crowd
make()
{
	if [ -n "${asked[$1]:-}" ]; then
		"$ctl" run -d --name "c$1" -p "0.0.0.0:$((20000 + $1)):80" "$image" httpd -f -p 80 -h /
	else
		"$ctl" run -d --name "c$1" "$image" sleep 1000000
	fi
}

# one worker's share of the crowd, its starts' times to a file
maker()
{
	local i

	for i in $(seq "$1" "$makers" "$containers"); do
		took_ms make "$i" >>"$ENGINE_DIR/made.$1" || echo "container $i: not made" >>"$ENGINE_DIR/unmade"
	done
}

crowd()
{
	local -A asked=([1]=1 [512]=1 [513]=1 [1023]=1 [1024]=1 [$containers]=1)
	local all from i pids=()

	read -ra all <<<"$(printf '%s\n' "${!asked[@]}" | awk -v n="$containers" '$1 <= n' | sort -n | tr '\n' ' ')"
	from=$(now_us)
	for i in $(seq "$makers"); do
		maker "$i" &
		pids+=($!)
	done
	wait "${pids[@]}"
	[ ! -s "$ENGINE_DIR/unmade" ] || complain "$(wc -l <"$ENGINE_DIR/unmade") containers weren't made: $(head -n 1 "$ENGINE_DIR/unmade")"
	echo "   $containers made, $makers at a time: $((($(now_us) - from) / 1000)) ms; a start's median at first $(head -qn 12 "$ENGINE_DIR"/made.* | median) ms, at last $(tail -qn 12 "$ENGINE_DIR"/made.* | median) ms"
	figures "with $containers containers"
	reach "${all[@]}"
	from=$(now_us)
	seq "$containers" | sed 's/^/c/' | xargs -n 20 -P 4 timeout 120 "$ctl" rm -f >/dev/null || complain "removing them"
	echo "   removed in $((($(now_us) - from) / 1000)) ms"
}

churner()
{
	while [ "$SECONDS" -lt "$1" ]; do
		"$ctl" run --rm "$image" true >/dev/null 2>>"$ENGINE_DIR/churn.err" && echo >>"$ENGINE_DIR/churned.$2"
	done
}

# As many at once as PARALLEL, each made, run to its end and removed, again and again.
churn()
{
	local i pids=() part

	for part in 1 2 3; do
		SECONDS=0
		pids=()
		for i in $(seq "$parallel"); do
			churner $((minutes * 20)) "$i" &
			pids+=($!)
		done
		wait "${pids[@]}"
		sleep 5
		figures "after $((part * minutes * 20)) s of churn, $(cat "$ENGINE_DIR"/churned.* | wc -l) containers, $parallel at once"
	done
	[ ! -s "$ENGINE_DIR/churn.err" ] || complain "$(wc -l <"$ENGINE_DIR/churn.err") runs failed: $(sort "$ENGINE_DIR/churn.err" | uniq -c | sort -rn | head -n 3)"
}

in_a_row()
{
	local i

	for i in $(seq "$runs"); do
		"$ctl" run --rm "$image" true || { complain "run $i"; break; }
		[ $((i % ((runs + 2) / 3))) != 0 ] || figures "after $i runs in a row"
	done
}

stages=("$@")
[ $# != 0 ] || stages=(crowd churn runs)
engine_start && engine_images busybox || exit 1
trap engine_stop EXIT
image=$REGISTRY/busybox
"$ctl" pull -q "$image" >/dev/null
least_prepare || exit 1
for i in $(seq 20); do "$ctl" run --rm "$image" true; done
sleep 3
figures "at first"
for stage in "${stages[@]}"; do
	case $stage in
	crowd) crowd ;;
	churn) churn ;;
	runs) in_a_row ;;
	*) echo "load.sh: no stage '$stage'" >&2; exit 2 ;;
	esac
	sleep 5
	figures "after $stage"
done
exit $failed
