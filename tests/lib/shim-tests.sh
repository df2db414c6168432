# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What tests of the shim alone share, setup and teardown too: a file has a tree of busybox, a test directories of its own.
# Sourced behind shim.sh.

. "$shim_lib/cgroup.sh"

setup_file()
{
	export SHIM_TREE=$BATS_FILE_TMPDIR/tree
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
	shim_tree "$SHIM_TREE"
}

setup()
{
	SHIM_DIR=$(mktemp -d /tmp/tsh.XXXXXX)
	SHIM_LOG=$SHIM_DIR/stderr
	CGROUP=$(cgroup_at pids)/tsh-$$
	chmod 755 "$SHIM_DIR"
	shim_dirs "$SHIM_DIR" "$SHIM_TREE"
}

teardown()
{
	shim_close
	cat "$SHIM_LOG" 2>/dev/null || true
	[ ! -d "$CGROUP" ] || wait_until 20 rmdir "$CGROUP"
	rm -rf --one-file-system "$SHIM_DIR"
}

# run_in FIELDS...: a container to its end; what it wrote is in $output. Fields as of a spec.
run_in()
{
	[ -n "${SHIM_IN:-}" ] || shim_open
	start "$@"
	hear '^shim_started' && hear '^shim_exited'
	exited=$HEARD
	output=$(output)
	echo "$output"
}

sh_in()
{
	local script=${1//$'\n'/ }

	shift
	run_in argv=/bin/sh argv=-c "argv=\"$script\"" cwd=/ "$@"
}

# A container that stays, for execs
stay()
{
	[ -n "${SHIM_IN:-}" ] || shim_open
	start argv=/bin/sleep argv=1000 cwd=/ "$@"
	hear '^shim_started'
}

# exec_in NUMBER SCRIPT [FIELDS]: its output is in $output, its end in $exited
exec_in()
{
	local reader fifo=$SHIM_DIR/exec$1

	mkfifo -m 666 "$fifo"
	cat "$fifo" >"$fifo.out" &
	reader=$!
	say "shim_exec exec=$1 spec=@{exec_spec argv=/bin/sh argv=-c argv=\"$2\" env=PATH=/bin ${3:-}}" \
		"out=@>$fifo err=@>$fifo ${4:-}"
	hear '^(shim_execed|failed)'
	[[ $HEARD != failed* ]] || { kill $reader; return 1; }
	hear "^shim_exec_exited exec=$1 "
	exited=$HEARD
	wait $reader
	output=$(cat "$fifo.out")
	echo "$output"
}
