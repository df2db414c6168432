# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What an engine could leave behind, as lines of text to compare. Sourced.
#
#	leaks_before FILE		takes the picture
#	leaks_diff FILE [SECONDS]	prints what is extra (+) or missing (-) now; waits that long, 10
#					if not said, for it to become the same; 1 if it doesn't
#
# LEAKS_SCOPE=NAME   only what carries this name: for machines where others work at the same time
# LEAKS_ENGINE=PID   also counts the open fds of this launcher and of its descendants but workloads
# LEAKS_DIRS="D..."  also lists the files below these directories

leaks_programs='supervisor|netd|imaged|cgroupd|shim|ctl'

leaks_links()
{
	ip -j -d link | jq -r '.[] | "link \(.ifname) \(.linkinfo.info_kind // "-") " +
		"master=\(.master // "-") alias=\(.ifalias // "-")"'
	ip -j addr | jq -r '.[] | .ifname as $d | .addr_info[]? | "addr \($d) \(.local)/\(.prefixlen)"'
	ip route show table all |
		sed -E 's/ (expires|proto|metric|pref|error) [^ ]+//g; s/ +$//; s/^/route /'
	ls /run/netns 2>/dev/null | sed 's/^/netns /'
}

# Ids and peer group numbers differ from run to run; what is mounted where doesn't.
leaks_mounts()
{
	local pid

	for pid in 1 self; do
		sed -E 's/^[0-9]+ [0-9]+ [0-9:]+ //; s/(shared|master|propagate_from):[0-9]+/\1/g;
			'"s/^/mount pid=$pid /" "/proc/$pid/mountinfo" 2>/dev/null
	done
}

leaks_cgroups()
{
	find /sys/fs/cgroup -mindepth 1 -type d 2>/dev/null | sed 's/^/cgroup /'
}

leaks_nft()
{
	nft -s list ruleset 2>/dev/null | awk '
		/^table/ { table = $2 " " $3 }
		NF { print "nft " table ": " $0 }'
}

leaks_loops()
{
	losetup -n -O NAME,BACK-FILE 2>/dev/null | sed 's/^/loop /'
}

# Our programs by the name of their executable, and whoever lives in a user namespace of its own.
leaks_processes()
{
	local dir ours

	ours=$(readlink /proc/self/ns/user)
	find /proc/[0-9]*/exe /proc/[0-9]*/ns/user -maxdepth 0 -printf '%p %l\n' 2>/dev/null |
		awk -v ours="$ours" -v programs="/($leaks_programs)( .deleted.)?$" '
			{ split($1, part, "/"); dir = "/proc/" part[3] }
			$1 ~ /exe$/ && $0 ~ programs || $1 ~ /user$/ && $2 != ours { print dir }' |
		sort -u | while read -r dir; do
		printf 'process %s uid=%s %s\n' "$(tr '\0' ' ' 2>/dev/null <"$dir/cmdline")" \
			"$(stat -c %u "$dir" 2>/dev/null)" \
			"$(grep -m1 pids "$dir/cgroup" 2>/dev/null)"
	done 2>/dev/null
}

leaks_descendants()
{
	local child

	echo "$1"
	for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
		leaks_descendants "$child"
	done
}

leaks_fds()
{
	local pid exe ours

	[ -n "${LEAKS_ENGINE:-}" ] || return 0
	ours=$(readlink /proc/self/ns/user)
	for pid in $(leaks_descendants "$LEAKS_ENGINE"); do
		[ "$(readlink "/proc/$pid/ns/user" 2>/dev/null)" = "$ours" ] || continue
		exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || continue
		exe=${exe% (deleted)}
		echo "fds ${exe##*/} uid=$(stat -c %u "/proc/$pid")" \
			"$(find "/proc/$pid/fd" -mindepth 1 2>/dev/null | wc -l)"
	done
}

leaks_files()
{
	# shellcheck disable=SC2086
	[ -z "${LEAKS_DIRS:-}" ] || find $LEAKS_DIRS 2>/dev/null | sed 's/^/file /'
}

leaks_snapshot()
{
	{
		leaks_links
		leaks_mounts
		leaks_cgroups
		leaks_nft
		leaks_loops
		leaks_processes
	} | if [ -n "${LEAKS_SCOPE:-}" ]; then grep -F -- "$LEAKS_SCOPE"; else cat; fi
	leaks_fds
	leaks_files
}

leaks_before()
{
	leaks_snapshot | sort >"$1"
}

leaks_diff()
{
	local before=$1 deadline=$(($(date +%s) + ${2:-10})) now

	now=$(mktemp)
	while leaks_before "$now"; ! cmp -s "$before" "$now"; do
		if [ "$(date +%s)" -ge "$deadline" ]; then
			diff -U0 "$before" "$now" | sed -n '/^[-+][^-+]/p'
			rm -f "$now"
			return 1
		fi
		sleep 0.3
	done
	rm -f "$now"
}
