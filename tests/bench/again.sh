#!/bin/bash
# SPDX-License-Identifier: MIT
#
# How long after the death of each process of an engine ps, exec, logs, run and stop have worked again: median and longest
# of ROUNDS (11), beside what the same commands take when nobody has died. Gates nothing.
set -u
cd "$(dirname "$0")/../.." || exit 1

. tests/lib/engine.sh
. tests/lib/family.sh

rounds=${ROUNDS:-11}
ctl=$engine_bin/ctl

now_us()
{
	echo "${EPOCHREALTIME/./}"
}

# tried CMD...: again and again until it succeeds
tried()
{
	local from

	from=$(now_us)
	until "$@" >/dev/null 2>&1; do
		[ $(($(now_us) - from)) -lt 60000000 ] || { echo "not within a minute: $*" >&2; return 1; }
	done
}

# victim WHO
victim()
{
	case $1 in
	launcher) echo "$ENGINE_PID" ;;
	supervisor) supervisor_pid ;;
	shim) shim_of stays ;;
	*) helper_pid "$1" ;;
	esac
}

# once WHO: microseconds from its death until all five have worked
once()
{
	local from

	"$ctl" run -d --name goes "$image" sleep 600 >/dev/null || return 1
	from=$(now_us)
	[ "$1" = nobody ] || kill -KILL $(victim "$1") || return 1
	[ "$1" != launcher ] || engine_spawn
	tried "$ctl" ps && tried "$ctl" exec stays true && tried "$ctl" logs -n 1 stays && tried "$ctl" run --rm "$image" true &&
		tried "$ctl" stop -t 0 goes || return 1
	echo $(($(now_us) - from))
	tried "$ctl" rm goes
}

engine_start && engine_images busybox || exit 1
trap engine_stop EXIT
image=$REGISTRY/busybox
"$ctl" pull -q "$image" >/dev/null
"$ctl" run -d --name stays "$image" sh -c 'while :; do date; sleep 0.1; done' >/dev/null || exit 1
echo "ps, exec, logs, run --rm and stop, one after the other, after the death of"
for who in nobody supervisor netd imaged cgroupd shim launcher; do
	for i in $(seq "$rounds"); do
		sleep 1.5 # what has lived for a second is started again at once
		once "$who" || exit 1
	done >"$ENGINE_DIR/times" 2>/dev/null
	sort -n "$ENGINE_DIR/times" | awk -v who="$who" '{ v[NR] = $1 } END { printf "   %-10s %6.1f ms, %6.1f at most\n", who, v[int((NR + 1) / 2)] / 1000, v[NR] / 1000 }'
done
