#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The second boot, after a power cut: policies are kept, files and images are whole. At its end the engine is told to
# end, as by who powers the machine off, in the middle of a pull.

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

@test "after a power cut: containers run again as their policies say, with their files" {
	for c in always always-stopped unless-stopped on-failure; do
		wait_until 30 has_run $c 2 || { echo "$c: $(state $c State.Status State.Error)"; false; }
		is $c State.Status running
	done
}

@test "after a power cut: the published port answers, from the same container" {
	wait_until 30 answers 2
}

@test "after a power cut: what had ended, was stopped or never started is as it was, exit statuses and all" {
	for c in no-stopped unless-stopped-stopped seven eight made; do
		diff "$disk/$c.json" <(ctl inspect "$c")
	done
	[ "$(state no-stopped State.Status State.ExitCode | xargs)" = "exited 137" ]
	[ "$(state eight State.Status State.ExitCode | xargs)" = "exited 8" ]
	is made State.Status created
	[ "$(ctl logs eight)" = word ]
}

@test "after a power cut: one that ran and is not to run again has ended, nobody knows how; it can be started" {
	[ "$(state no State.Status State.ExitCode | xargs)" = "exited 255" ]
	[ -n "$(state no State.Error)" ]
	[ "$(ctl cp no:/runs - | tar -xO)" = run ]
	ctl start no
	wait_until 20 has_run no 2
}

@test "after a power cut: images are there, and the log tells of no damage" {
	[ "$(ctl images -q)" = "$(cat "$disk/images")" ]
	ctl run --rm "$(head -n 1 "$disk/images")" echo whole | grep whole
	no_damage
}

@test "after a power cut: of those that are removed nothing is left" {
	ctl ps -a --format '{{.Names}}' | grep -vxE 'web|always|unless-stopped-stopped' | xargs timeout 600 "$engine_bin/ctl" rm -f
	ctl ps -aq --no-trunc | sort >"$disk/stay"
	[ "$(wc -l <"$disk/stay")" = 3 ]
	wait_until 60 eval 'cmp "$disk/stay" <(ls "$ENGINE_STATE/rootfs" | grep -xE "[0-9a-f]{64}")'
	cmp "$disk/stay" <(ls "$ENGINE_STATE/containers" | grep -xE "[0-9a-f]{64}")
}

@test "after a power cut: a pull is under way when the engine is told to end" {
	"$engine_bin/ctl" pull "$(cat "$ENGINE_DIR/fault/addr")/crawl/whiteouts" >/dev/null 2>&1 3>&- &
	layer=$(layer)
	wait_until 60 eval '[ "$(kept "$layer")" -ge 40000 ]'
	kept "$layer" >"$disk/kept"
}
