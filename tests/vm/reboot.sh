#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Three boots of the machine with one disk, reboot.sh TREE: the power goes after the first, `reboot -f` ends the
# second. Prints what tests/vm/reboot/ finds as tests/run.sh does.
set -u
cd "$(dirname "$0")/../.." || exit 1

tree=$1
init=${VM_INIT:-systemd}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The job ends the machine itself, and says so before.
cat >"$work/run" <<'RUN'
export TEST_PATIENCE=10
tests/run.sh "tests/vm/reboot/$(cat /run/vm/file)"
echo "vm: exit $?"
sleep 2
case $(cat /run/vm/end) in
power) echo o >/proc/sysrq-trigger ;;
reboot) reboot -f ;;
esac
sleep 1000
RUN

# one_boot FILE power|reboot
one_boot()
{
	echo "$1" >"$work/file"
	echo "$2" >"$work/end"
	tests/vm/boot.sh --init "$init" --tree "$tree" --disk "$work/disk" --limit "${VM_LIMIT:-600}" \
		"$work/run" "$work/file" "$work/end"
}

mke2fs -q -t ext4 "$work/disk" 1G || exit 1
one_boot 1-made.bats power &&
one_boot 2-back.bats reboot &&
one_boot 3-pull.bats power
