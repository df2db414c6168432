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
