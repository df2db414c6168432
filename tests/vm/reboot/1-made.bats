#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The first boot: what is made here has to be there after the power went.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/machine.sh"

setup_file()
{
	machine_up busybox
}

setup()
{
	bb=$REGISTRY/busybox
}

@test "first boot: containers of each policy, with files" {
	for policy in no on-failure always unless-stopped; do
		ctl run -d --name "$policy" --restart "$policy" "$bb" sh -c "$again"
		ctl run -d --name "$policy-stopped" --restart "$policy" "$bb" sh -c "$again"
		wait_until 20 has_run "$policy-stopped" 1
		ctl stop -t 0 "$policy-stopped"
	done
	for policy in no on-failure always unless-stopped; do
		wait_until 20 has_run "$policy" 1
		is "$policy" State.Status running
		is "$policy-stopped" State.Status exited
	done
}

@test "first boot: one that ended by itself, one never started, one with a published port" {
	ctl run -d --name seven --restart on-failure:0 "$bb" sh -c 'echo word; exit 0'
	ctl run -d --name eight "$bb" sh -c 'echo word; exit 8'
	for c in seven eight; do
		ctl wait "$c"
	done
	ctl create --name made --restart always "$bb" true
	ctl run -d --name web --restart unless-stopped -p "$port:80" "$bb" \
		sh -c 'mkdir -p /w; echo run >>/w/runs; exec httpd -f -p 80 -h /w'
	wait_until 20 answers 1
}

@test "first boot: the disk has it all" {
	ctl images -q >"$disk/images"
	for c in no-stopped unless-stopped-stopped seven eight made; do
		ctl inspect "$c" >"$disk/$c.json"
	done
	# What the engine answered it has put on the disk; ends of containers a little later, and what workloads wrote
	# is theirs to sync.
	sync
}
