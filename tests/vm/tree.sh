#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Makes a disk of this checkout, tree.sh FILE: the files that git does not ignore, as they are now, what
# `make all unit hostile` has built, and the fixture images.
set -euo pipefail
cd "$(dirname "$0")/../.."

disk=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree

. tests/lib/images.sh

tree_build()
{
	local name

	mkdir "$tree"
	git ls-files -z --cached --others --exclude-standard | xargs -0 cp -a --parents -t "$tree"
	mkdir -p "$tree/build/tests" "$tree/build/fixtures"
	cp -a build/bin "$tree/build/"
	cp -a build/tests/{unit,hostile} "$tree/build/tests/"
	chown -R 0:0 "$tree"
	for name in ${VM_FIXTURES-busybox config health whiteouts zstd twoplat debian}; do
		cp -a "$(image_layout "$name")" "$tree/build/fixtures/"
	done
	cp -a "$(image_rootfs busybox)" "$tree/build/fixtures/"
}

tree_build
chmod 755 "$tree"
rm -f "$disk"
mke2fs -q -t ext4 -d "$tree" "$disk" 4G >/dev/null
