#!/bin/bash
# SPDX-License-Identifier: MIT
#
# README's two commands on a machine with nothing installed before but git and make, from a clone of what is committed
# here: fresh.sh. The machine reaches the outside through this one, which its packages come by. One line a command
# or test, as tests/run.sh has them; VM_FRESH names one of the commands, or both.
set -eu
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git clone -q --no-local . "$work/tree"
mke2fs -q -t ext4 -d "$work/tree" "$work/disk" 16G >/dev/null
cat >"$work/run" <<END
export TEST_PATIENCE=${TEST_PATIENCE:-10} BATS_LIMIT=${VM_LIMIT:-14400} UNIT_LIMIT=1200
modprobe virtio_net
udevadm settle # it gets its name late
dev=\$(ip -o link | sed -nE 's/^[0-9]+: (e[a-z0-9]+):.*/\1/p' | head -n 1)
ip link set "\$dev" up && ip addr add 10.0.2.15/24 dev "\$dev" && ip route add default via 10.0.2.2
echo nameserver 10.0.2.3 >/etc/resolv.conf
git config --global --add safe.directory /src
failed=0
for what in ${VM_FRESH:-demo check}; do
	before=\$(git status --porcelain)
	if make "\$what" >/run/\$what.log 2>&1; then
		echo "ok      make \$what, on a machine with nothing installed"
	else
		failed=1
		tail -n 60 "/run/\$what.log" | sed 's/^/# /'
		echo "FAIL    make \$what, on a machine with nothing installed"
	fi
	grep -E '^(ok|FAIL|skip|again) ' "/run/\$what.log" || true
	tail -n 1 "/run/\$what.log" | sed 's/^/# /'
	[ "\$before" = "\$(git status --porcelain)" ] || { failed=1; echo "FAIL    make \$what changes the tree"; }
done
exit \$failed
END
VM_BASE=$(VM_KIND=fresh tests/vm/base.sh)
export VM_BASE VM_FLAGS="-netdev user,id=n -device virtio-net-pci,netdev=n"
tests/vm/boot.sh --init systemd --tree "$work/disk" --limit "${VM_LIMIT:-14400}" "$work/run"
