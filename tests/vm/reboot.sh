#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Three boots of the machine with one disk, reboot.sh TREE: the power goes at the end of the first, the second ends as a
# machine does that is powered off. Prints what tests/vm/reboot/ finds as tests/run.sh does.
set -u
cd "$(dirname "$0")/../.." || exit 1

tree=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# one_boot FILE off|cut
one_boot()
{
	printf 'export TEST_PATIENCE=%q BATS_LIMIT=%q\nexec tests/run.sh tests/vm/reboot/%s.bats\n' \
		"${TEST_PATIENCE:-10}" "${VM_LIMIT:-1500}" "$1" >"$work/run"
	tests/vm/boot.sh --init "${VM_INIT:-systemd}" --tree "$tree" --disk "$work/disk" --end "$2" \
		--limit "${VM_LIMIT:-1500}" "$work/run"
}

mke2fs -q -t ext4 "$work/disk" 1G >/dev/null || exit 1
one_boot 1-made cut && one_boot 2-back off && one_boot 3-pull off
