#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The Debian package on a clean machine, installed.sh TREE: makes two versions of it of this tree and boots the machine
# under systemd, where installed/steps.sh is run. One line a step, as tests/run.sh has them.
set -eu
cd "$(dirname "$0")/../.."

tree=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# deb VERSION: prints where it is
deb()
{
	make -s deb DEB="$work" DEB_VERSION="$1" >"$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }
	echo "$work/bulkhead_$1_$(dpkg --print-architecture).deb"
}

first=$(deb 1.0)
second=$(deb 1.1)
printf 'export TEST_PATIENCE=%q\nexec bash tests/vm/installed/steps.sh /run/vm/%q /run/vm/%q\n' \
	"${TEST_PATIENCE:-10}" "${first##*/}" "${second##*/}" >"$work/run"
tests/vm/boot.sh --init systemd --tree "$tree" --limit "${VM_LIMIT:-1500}" "$work/run" "$first" "$second"
