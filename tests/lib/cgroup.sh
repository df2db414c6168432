# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Where cgroups are: in v1 each controller has a tree of its own, in v2 all are in one. Sourced.

# cgroup_at CONTROLLER: the top of the tree that has it.
cgroup_at()
{
	if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
		echo /sys/fs/cgroup
	else
		echo "/sys/fs/cgroup/$1"
	fi
}

# cgroup_enable CONTROLLER: for those below the top, which v2 doesn't do by itself.
cgroup_enable()
{
	local top

	top=$(cgroup_at "$1")
	[ ! -e "$top/cgroup.subtree_control" ] || echo "+$1" >"$top/cgroup.subtree_control"
}

# cgroup_gone CONTAINER, by its whole id
cgroup_gone()
{
	[ -z "$(find /sys/fs/cgroup -path "*/$ENGINE_NAME/$1" -type d)" ]
}

# cgroup_file ID CONTROLLER FILE: prints the kernel's own word, wherever that controller is mounted.
cgroup_file()
{
	local dir

	for dir in "/sys/fs/cgroup/$2/$ENGINE_NAME/$1" "/sys/fs/cgroup/$ENGINE_NAME/$1" \
			"/sys/fs/cgroup/unified/$ENGINE_NAME/$1"; do
		if [ -e "$dir/$3" ]; then
			cat "$dir/$3"
			return
		fi
	done
	return 1
}

# first_file ID CONTROLLER FILE...: the content of the first of them that there is.
first_file()
{
	local id=$1 controller=$2 file

	shift 2
	for file; do
		if cgroup_file "$id" "$controller" "$file"; then
			return
		fi
	done
	return 1
}

on_v1()
{
	grep -q ' - cgroup .*\bmemory\b' /proc/self/mountinfo
}

# host_config ID FIELD
host_config()
{
	ctl inspect "$1" | jq -c ".[0].HostConfig.$2"
}
