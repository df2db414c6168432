#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The third boot, after a reboot that asked nobody: the pull goes on where it was.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/machine.sh"

setup_file()
{
	machine_up
}

teardown_file()
{
	engine_halt
}

@test "after a reboot in the middle of a pull: the next fetches what is missing, and the image runs" {
	addr=$(cat "$ENGINE_DIR/fault/addr")
	kept=$(kept)
	[ "$kept" -ge "$(cat "$disk/kept")" ]
	ctl pull -q "$addr/good-range/whiteouts"
	jq -r "select(.path | contains(\"$(layer)\")) | .range" "$ENGINE_DIR/fault/requests" | grep -x "bytes=$kept-"
	ctl run --rm "$addr/good-range/whiteouts" true
	[ -z "$(ls "$ENGINE_STATE/images/partial")" ]
}

@test "after a reboot in the middle of a pull: what was removed before is still gone, images are as they were" {
	[ -z "$(ctl ps -aq)" ]
	for image in $(cat "$disk/images"); do
		ctl run --rm "$image" true
	done
	! grep -iE 'damaged|forgotten' "$ENGINE_LOG" || false
}
