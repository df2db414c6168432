#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The third boot, after the machine was powered off: containers run again, and the pull goes on where it was.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/machine.sh"

setup_file()
{
	machine_up whiteouts && fault_registry_start "$ENGINE_DIR/fault" "$REGISTRY"
}

teardown_file()
{
	machine_down
}

@test "after a power-off: containers run again, the port answers, the stopped one stays" {
	wait_until 30 has_run always 3
	wait_until 30 answers 3
	diff "$disk/unless-stopped-stopped.json" <(ctl inspect unless-stopped-stopped)
	[ "$(ctl ps -aq --no-trunc | sort)" = "$(cat "$disk/stay")" ]
}

@test "after a power-off in the middle of a pull: the next fetches what is missing, and the image runs" {
	addr=$(cat "$ENGINE_DIR/fault/addr")
	layer=$(layer)
	kept=$(kept "$layer")
	[ "$kept" -ge "$(cat "$disk/kept")" ]
	ctl pull -q "$addr/good-range/whiteouts"
	jq -r "select(.path | contains(\"$layer\")) | .range" "$ENGINE_DIR/fault/requests" | grep -x "bytes=$kept-"
	ctl run --rm "$addr/good-range/whiteouts" true
	[ -z "$(ls "$ENGINE_STATE/images/partial")" ]
	no_damage
}
