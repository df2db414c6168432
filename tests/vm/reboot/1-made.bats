#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The first boot: what is made here has to be there after the power went.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/machine.sh"

setup_file()
{
	machine_up
}

setup()
{
	bb=$REGISTRY/busybox
}

@test "first boot: containers of each policy, with files" {
	local run='echo run >>/runs; exec sleep 100000'

	for policy in no on-failure always unless-stopped; do
		ctl run -d --name "$policy" --restart "$policy" "$bb" sh -c "$run"
		ctl run -d --name "$policy-stopped" --restart "$policy" "$bb" sh -c "$run"
		wait_until 20 ctl exec "$policy-stopped" test -s /runs
		ctl stop -t 0 "$policy-stopped"
	done
	ctl create --name made --restart always "$bb" true
	for policy in no on-failure always unless-stopped; do
		wait_until 20 ctl exec "$policy" test -s /runs
		is "$policy" State.Status running
		is "$policy-stopped" State.Status exited
	done
	ctl images -q >"$disk/images"
	# What the engine answered it has put on the disk; what workloads wrote is theirs to sync.
	sync
}
