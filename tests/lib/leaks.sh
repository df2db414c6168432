# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What an engine could leave behind, as lines of text to compare. Sourced.
#
#	leaks_before FILE		takes the picture
#	leaks_diff FILE [SECONDS]	prints what is extra (+) or missing (-) now; waits that long (wait.sh),
#					10 if not said, for it to become the same; 1 if it doesn't
#
# LEAKS_SCOPE=NAME   only what carries this name: for machines where others work at the same time
# LEAKS_ENGINE=PID   also lists this launcher and its descendants, and counts the open fds of those that
#                    are no workloads; imaged's workers, which end some time after a pull, are left out
# LEAKS_DIRS="D..."  also lists the files below these directories, but for layers and records of images,
#                    which every pull adds

leaks_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
leaks_programs='supervisor|netd|imaged|cgroupd|shim|ctl'

. "$leaks_lib/wait.sh"

leaks_descendants()
{
	local child

	echo "$1"
	for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
		leaks_descendants "$child"
	done
}

leaks_before()
{
	LEAKS_SCOPE=${LEAKS_SCOPE:-} LEAKS_ENGINE=${LEAKS_ENGINE:-} LEAKS_DIRS=${LEAKS_DIRS:-} \
		"$leaks_lib/leaks.py" >"$1"
}

leaks_diff()
{
	local before=$1 end now

	wait_end end "${2:-10}"
	now=$(mktemp)
	while leaks_before "$now"; ! cmp -s "$before" "$now"; do
		if wait_over "$end"; then
			diff -U0 "$before" "$now" | sed -n '/^[-+][^-+]/p'
			rm -f "$now"
			return 1
		fi
		sleep 0.3
	done
	rm -f "$now"
}
