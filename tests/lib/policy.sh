# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What tests of restarts, pauses, health and ends of containers share. Sourced behind engine.sh; $bb is the
# image.

. "$engine_lib/family.sh"

# state CONTAINER FIELD...: fields of its inspect, a line each
state()
{
	local c=$1 field

	shift
	for field in "$@"; do
		ctl inspect --format "{{.$field}}" "$c"
	done
}

is()
{
	[ "$(state "$1" "$2")" = "$3" ]
}

# A workload that counts its runs in a file of its own and ends with a code: runs CODE [SECONDS]
runs()
{
	echo "echo run >>/runs; echo run \$(wc -l </runs); sleep ${2:-0}; exit $1"
}

# A container that counts in its log, ten a second
counter()
{
	# shellcheck disable=SC2016
	ctl run -d "$@" "$bb" sh -c 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done'
}

# What had been written before is not always in the log at once.
stands_still()
{
	local n

	for _ in 1 2 3; do
		n=$(ctl logs "$1" | wc -l)
		sleep 0.5
		[ "$(ctl logs "$1" | wc -l)" != "$n" ] || return 0
	done
	return 1
}

moves()
{
	local n

	n=$(ctl logs "$1" | wc -l)
	wait_until 3 eval "[ \$(ctl logs $1 | wc -l) -gt $((n + 1)) ]"
}

# own_engine FUNCTION: runs it with an engine and a pulled image, takes that down, and fails as it does
own_engine()
{
	run bash -c '
		. "$0/../lib/engine.sh"
		. "$0/../lib/policy.sh"
		eval "$3"
		set -eE
		trap "echo failed: line \$LINENO: \$BASH_COMMAND" ERR
		engine_start
		trap "engine_stop || echo left something" EXIT
		ctl pull -q "$1" >/dev/null
		bb=$1
		"$2"' "$BATS_TEST_DIRNAME" "$bb" "$1" "$(declare -f)"
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" != *"left something"* ]]
}
