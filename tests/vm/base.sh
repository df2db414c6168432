#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The machine that the tests boot, made once from Debian's packages: base.sh prints the directory that
# holds vmlinuz, modules for the first minutes, and root.ext4, a Debian 12 with what the tests need
# and nothing of this tree. With VM_KIND=fresh: one as somebody has it who has cloned this tree and
# done nothing else. Made anew when the list of packages or this file changes.
set -euo pipefail
cd "$(dirname "$0")/../.."

cache=${VM_CACHE:-$PWD/build/vm}
kind=${VM_KIND:-base}
# For fuzzers and for the fixture images, which are made outside.
without='clang|libclang-rt-14-dev|mmdebstrap'

die()
{
	echo "vm: $*" >&2
	exit 1
}

base_packages()
{
	case $kind in
	base) tests/deps.sh --print guest build check | grep -vxE "$without" ;;
	fresh) tests/deps.sh --print guest && printf '%s\n' ca-certificates git iproute2 make ;;
	esac
}

# hook_kernel ROOT: unpacked, not installed: it needs no boot loader and no initrd of its own.
hook_kernel()
{
	local deb modules

	chroot "$1" sh -c 'cd /root && apt-get -q -o APT::Sandbox::User=root download $(apt-cache depends \
		linux-image-cloud-amd64 | sed -n "s/.*Depends: \(linux-image-[0-9]\)/\1/p")'
	for deb in "$1"/root/linux-image-*.deb; do
		# /lib is a link there, which has to stay one.
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$1"
		rm "$deb"
	done
	for modules in "$1"/lib/modules/*; do
		chroot "$1" depmod "${modules##*/}"
	done
}

# hook_files ROOT: a name, a console without a login, and no work of its own for systemd.
hook_files()
{
	echo bulkhead-vm >"$1/etc/hostname"
	printf '127.0.0.1 localhost bulkhead-vm\n::1 localhost\n' >"$1/etc/hosts"
	echo '/dev/vda / ext4 rw 0 1' >"$1/etc/fstab"
	: >"$1/etc/machine-id"
	passwd -R "$1" -d root >/dev/null
	for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
			e2scrub_reap.service fstrim.timer getty@tty1.service systemd-timesyncd.service \
			docker-registry.service podman.service podman.socket podman-restart.service \
			podman-auto-update.timer podman-auto-update.service nftables.service; do
		ln -sf /dev/null "$1/etc/systemd/system/$unit"
	done
}

# base_modules ROOT DIR: of virtio alone: with them the first file system can be mounted.
base_modules()
{
	local dep name

	mkdir "$2/modules"
	dep=$(echo "$1"/lib/modules/*/modules.dep)
	for name in virtio_blk virtio_pci virtio_console; do
		sed -n "s|\(.*/$name\.ko\): *|\1 |p" "$dep" | tr ' ' '\n' | tac
	done | awk 'NF && !seen[$0]++' | while read -r name; do
		cp "${dep%/*}/$name" "$2/modules/"
		echo "${name##*/}" >>"$2/modules/order"
	done
}

base_make()
{
	local made=$1 sources include variant=apt

	[ "$kind" = base ] || variant=important

	. tests/lib/images.sh
	mapfile -t sources < <(image_debian_sources)
	include=$(base_packages | grep -vx linux-image-cloud-amd64 | paste -sd,)
	mmdebstrap --mode=root --variant=$variant --format=directory --include="$include" --skip=check/empty \
		--aptopt='Acquire::Retries "3"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook="$PWD/tests/vm/base.sh hook_kernel \"\$1\"" \
		--customize-hook="$PWD/tests/vm/base.sh hook_files \"\$1\"" \
		bookworm "$made/root" "${sources[@]}"
	mv "$made"/root/boot/vmlinuz-* "$made/vmlinuz"
	rm -rf "$made"/root/boot/*
	base_modules "$made/root" "$made"
	mke2fs -q -t ext4 -L root -d "$made/root" "$made/root.ext4" 8G
	rm -rf --one-file-system "$made/root"
}

base_ensure()
{
	local dir made

	dir=$cache/$kind-$({ base_packages; cat tests/vm/base.sh; } | sha256sum | cut -c 1-12)
	mkdir -p "$cache"
	(
		flock 9
		[ ! -d "$dir" ] || exit 0
		[ "$(id -u)" = 0 ] || die "only root can make the machine"
		find "$cache" -mindepth 1 -maxdepth 1 -type d -name "$kind-*" -exec rm -rf {} +
		made=$(mktemp -d "$cache/.making.XXXXXX")
		chmod 755 "$made"
		trap 'rm -rf --one-file-system "$made"' EXIT
		echo "vm: making $dir" >&2
		# A process of its own: what is called in a condition goes on behind an error.
		tests/vm/base.sh base_make "$made" >"$cache/$kind.log" 2>&1 ||
			{ tail -n 30 "$cache/$kind.log" >&2; die "can't make the machine"; }
		mv "$made" "$dir"
	) 9>"$cache/lock"
	echo "$dir"
}

case ${1:-} in
hook_*|base_make) "$@" ;;
*) base_ensure ;;
esac
