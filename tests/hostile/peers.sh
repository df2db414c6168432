#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What umoci and podman make of OCI layouts: peers.sh SCRATCH LAYOUT... prints a line a layout, its
# name and the two verdicts. For the eye: nothing is judged here. They get 20 seconds and files of
# 64 MB each.
set -u
scratch=$1
shift

# podman takes a host that has the unified hierarchy beside others for one that has nothing else.
if [ "${PEERS_ALONE:-}" != 1 ]; then
	exec env PEERS_ALONE=1 unshare -m "$0" "$scratch" "$@"
fi
umount /sys/fs/cgroup/unified 2>/dev/null

# verdict CMD...
verdict()
{
	( ulimit -f 65536; timeout -k 5 20 "$@" ) </dev/null >/dev/null 2>&1
	case $? in
	0) echo accepted ;;
	124|137) echo "no end" ;;
	153) echo "too large" ;;
	*) echo refused ;;
	esac
}

podman=(podman --root "$scratch/podman" --runroot "$scratch/run" --storage-driver vfs)
mkdir -p "$scratch"
for layout in "$@"; do
	printf '%s\t%s\t%s\n' "${layout##*/}" \
		"$(verdict umoci unpack --image "$layout:latest" "$scratch/umoci-${layout##*/}")" \
		"$(verdict "${podman[@]}" load -q -i "$layout")"
	rm -rf "$scratch/umoci-${layout##*/}"
done
"${podman[@]}" system reset -f >/dev/null 2>&1
rm -rf "$scratch"
