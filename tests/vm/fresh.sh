#!/bin/bash
# SPDX-License-Identifier: MIT
#
# README's two commands, as it has them, on a Debian 12 that has nothing installed but its essential packages, from a
# fresh clone: fresh.sh [demo|check...]. What is committed is tested. Emulated, compiling alone takes a long time.
set -u
cd "$(dirname "$0")/../.." || exit 1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ $# -gt 0 ] || set -- demo check
# The commands themselves come from README: what it promises is what runs.
for command; do
	line=$(grep -m 1 -xE " +apt-get install -y make && make $command" README.md) ||
		{ echo "vm: README has no command for $command" >&2; exit 1; }
	printf '%s || exit\n' "$line"
done >"$work/run"
tests/vm/tree.sh "$work/tree" source &&
tests/vm/boot.sh --init systemd --base fresh --tree "$work/tree" --limit "${VM_LIMIT:-14400}" "$work/run"
