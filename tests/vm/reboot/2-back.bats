#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The second boot, after a power cut: policies are kept, files and images are whole. It ends in the middle of a
# pull.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/machine.sh"

setup_file()
{
	machine_up
}

@test "after a power cut: containers run again as their policies say" {
	for c in always always-stopped unless-stopped on-failure; do
		wait_until 30 is $c State.Status running || { echo "$c: $(state $c State.Status) $(state $c State.Error)"; false; }
	done
	for c in no no-stopped on-failure-stopped unless-stopped-stopped; do
		is $c State.Status exited || { echo "$c: $(state $c State.Status)"; false; }
	done
	is made State.Status created
}

@test "after a power cut: their files are there, and of one that was not started, too" {
	for c in always always-stopped unless-stopped on-failure; do
		wait_until 20 eval "[ \"\$(ctl exec $c cat /runs | xargs)\" = 'run run' ]"
	done
	[ "$(ctl cp no:/runs - | tar -xO)" = run ]
	ctl start no
	wait_until 20 eval '[ "$(ctl exec no cat /runs | xargs)" = "run run" ]'
}

@test "after a power cut: images are there, and the log tells of no damage" {
	[ "$(ctl images -q)" = "$(cat "$disk/images")" ]
	ctl run --rm "$(head -n 1 "$disk/images")" echo whole | grep whole
	! grep -iE 'damaged|cut off|forgotten' "$ENGINE_LOG" || false
}

@test "after a power cut: all can be removed, and nothing of it is left" {
	ctl rm -f $(ctl ps -aq)
	wait_until 60 eval '[ -z "$(ls "$ENGINE_STATE/rootfs" "$ENGINE_STATE/containers" | grep -E "^[0-9a-f]{64}\$")" ]'
}

@test "after a power cut: a pull is under way when the machine goes down again" {
	"$engine_bin/ctl" pull "$(cat "$ENGINE_DIR/fault/addr")/crawl/whiteouts" >/dev/null 2>&1 3>&- &
	wait_until 60 eval '[ "$(kept)" -ge 40000 ]'
	sync
	kept >"$disk/kept"
	sync
}
