#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Boots the machine with a tree in it and runs a script there, as root, in /src:
#
#	boot.sh [--init plain|v1|systemd] [--tree FILE] [--disk FILE] [--limit SECONDS] [--end off|cut]
#		SCRIPT [FILE...]
#
# SCRIPT and the FILEs lie in /run/vm. What the script prints is printed, and its exit status is
# ours; 125 when the machine ended or was ended before. FILE of --tree comes from tree.sh; without
# it, it is made from this tree. Both system and tree are as new at each boot; what is on --disk,
# /dev/vdd, stays; --end cut takes the power away once SCRIPT has ended. VM_BASE names a directory
# that base.sh has made, to be used as it is.
set -euo pipefail
vm=$(cd "$(dirname "$0")" && pwd)

cache=${VM_CACHE:-$vm/../../build/vm}
init=plain
tree=
disk=
limit=600
end=off
work=

die()
{
	echo "vm: $*" >&2
	exit 125
}

finish()
{
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
	[ -z "$work" ] || rm -rf "$work"
}

# initramfs DIR: from busybox, the modules of DIR and guest/, into $work.
initramfs()
{
	local root=$work/initramfs

	mkdir -p "$root"/{bin,dev,guest,modules,proc,root,sys}
	cp /bin/busybox "$root/bin/"
	cp "$1"/modules/* "$root/modules/"
	cp "$vm/guest/initramfs" "$root/init"
	cp "$vm"/guest/{plain,job,job.service} "$root/guest/"
	(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initrd"
}

# qemu_run SECONDS FLAGS...: in place of this shell, which passes signals on; the console goes to $work/console.
qemu_run()
{
	local seconds=$1

	shift
	exec timeout -k 5 "$seconds" nice -n "${VM_NICE:-15}" qemu-system-x86_64 -nodefaults -no-user-config \
		-display none -no-reboot -kernel "$base/vmlinuz" -initrd "$work/initrd" \
		-serial "file:$work/console" "$@" </dev/null
}

# What is emulated is slower the more it can: wide registers go through functions of QEMU's, and with `erms` the kernel
# copies pages a byte at a time.
emulated=qemu64,+rdrand
# QEMU 7.2 translates a program again for each address that it is loaded at: with random ones all of bash, libc and the
# linker at every exec. And a second processor costs more than it does, since both stop for much that one of them does.
emulated_line=norandmaps
emulated_cpus=1

kernel_line="console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off systemd.mask=serial-getty@ttyS0.service"

# A nested KVM may be there and hang: whether a guest gets as far as its first process is tried, once
# for each boot of this machine.
accel()
{
	local known=$cache/accel boot_id

	mkdir -p "$cache"
	boot_id=$(cat /proc/sys/kernel/random/boot_id)
	if [ "$(sed -n 1p "$known" 2>/dev/null)" != "$boot_id" ]; then
		local found="tcg,thread=multi"

		if [ -w /dev/kvm ] && (qemu_run 15 -accel kvm -cpu host -m 256 \
				-append "$kernel_line vm.probe") 2>/dev/null &&
				grep -q 'vm: hello' "$work/console"; then
			found=kvm
		fi
		printf '%s\n%s\n' "$boot_id" "$found" >"$known"
	fi
	sed -n 2p "$known"
}

parse()
{
	while [ $# -gt 0 ]; do
		case $1 in
		--init) init=$2 ;;
		--tree) tree=$2 ;;
		--disk) disk=$2 ;;
		--limit) limit=$2 ;;
		--end) end=$2 ;;
		-*) die "unknown flag $1" ;;
		*) break ;;
		esac
		shift 2
	done
	[ $# -gt 0 ] || die "usage: boot.sh [flags] SCRIPT [FILE...]"
	case $init in plain|v1|systemd) ;; *) die "there is no init \"$init\"" ;; esac
	case $end in off|cut) ;; *) die "there is no end \"$end\"" ;; esac
	files=("$@")
}

boot()
{
	local accel how cpu=$emulated cpus=$emulated_cpus more=$emulated_line line rc=125
	local drives=(-drive "if=virtio,format=raw,snapshot=on,cache=unsafe,file=$base/root.ext4"
		-drive "if=virtio,format=raw,readonly=on,file=$work/job"
		-drive "if=virtio,format=raw,snapshot=on,cache=unsafe,file=$tree")

	[ -z "$disk" ] || drives+=(-drive "if=virtio,format=raw,cache=writeback,file=$disk")
	accel=$(accel)
	[ "$accel" != kvm ] || { cpu=host && cpus=2 && more=; }
	mkfifo "$work/results"
	qemu_run "$limit" ${VM_FLAGS:-} -accel "$accel" -cpu "$cpu" -smp "${VM_CPUS:-$cpus}" -m "${VM_MEMORY:-2048}" \
		"${drives[@]}" -device virtio-rng-pci -device virtio-serial-pci \
		-chardev "file,id=results,path=$work/results" \
		-device virtserialport,chardev=results,name=results \
		-append "$kernel_line $more vm.init=$init" &
	qemu=$!
	while IFS= read -r line; do
		case $line in
		'vm: exit '*)
			rc=${line#vm: exit }
			[ "$end" = off ] || kill "$qemu"
			;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$work/results"
	wait "$qemu" && how=$? || how=$?
	qemu=
	if [ "$rc" = 125 ]; then
		echo "vm: the machine ended too early, qemu's exit status $how; its console ends:"
		tail -n "${VM_CONSOLE:-40}" "$work/console"
	elif [ -n "${VM_CONSOLE:-}" ]; then
		cat "$work/console"
	fi
	return "$rc"
}

qemu=
parse "$@"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
base=${VM_BASE:-$(VM_CACHE=$cache "$vm/base.sh")}
work=$(mktemp -d)
initramfs "$base"
mkdir "$work/files"
cp "${files[@]}" "$work/files/"
[ "$(basename "${files[0]}")" = run ] || mv "$work/files/$(basename "${files[0]}")" "$work/files/run"
tar -C "$work/files" --owner=0 --group=0 -cf "$work/job" .
if [ -z "$tree" ]; then
	tree=$work/tree
	"$vm/tree.sh" "$tree"
fi
boot
