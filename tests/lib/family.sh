# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The processes of the engine, by what they are. Sourced behind engine.sh.

supervisor_pid()
{
	ps -o pid=,args= --ppid "$ENGINE_PID" | awk '/ --serve / { print $1 }'
}

# helper_pid netd|imaged|cgroupd
helper_pid()
{
	ps -o pid=,args= --ppid "$ENGINE_PID" | awk -v p="$1" '$2 == p { print $1; exit }'
}

# workload_of CONTAINER: its pid 1
workload_of()
{
	ctl inspect --format '{{.State.Pid}}' "$1"
}

# shim_of CONTAINER: the process that has its shim's words and lives in no user namespace of its own
shim_of()
{
	local base pid

	base=$(awk '{ print $2 }' "/proc/$(workload_of "$1")/uid_map")
	for pid in $(pgrep -f -- "^shim --uid [0-9]+ --uid-base $base "); do
		[ "$(readlink "/proc/$pid/ns/user")" != "$(readlink /proc/self/ns/user)" ] || echo "$pid"
	done
}

# keeper_of SHIM
keeper_of()
{
	ps -o pid=,args= --ppid "$1" | awk '$2 == "shim:" { print $1 }'
}
