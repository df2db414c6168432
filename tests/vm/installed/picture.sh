# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What is on the machine, one thing a line, to be compared. Sourced.
#
#	picture FILE		all of it
#	picture_left BEFORE	what there is beside BEFORE, or not any more; 1 when there is something

# Of dpkg, systemd and the journal: what they say of the package is looked at, not in which files.
picture_files()
{
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /src -o -path /run -o -path /var/log \
		-o -path /var/cache/man -o -path /var/lib/dpkg/triggers \) -prune -o \
		! -name '*-old' ! -name '*-' -printf '%p %y %m %U:%G %l\n'
	find /run -xdev \( -path /run/vm -o -path /run/udev -o -path /run/log -o -path /run/systemd -o \
		-path /run/credentials \) -prune -o -printf '%p %y %m %U:%G %l\n'
	find /run/systemd/system /run/systemd/transient /dev/shm /dev/mqueue 2>/dev/null
	find /etc -xdev -type f ! -name '*-' -exec sha256sum {} +
}

picture_units()
{
	systemctl list-unit-files --no-legend | sed 's/^/unit file /'
	systemctl list-units --all --plain --no-legend --state=failed,not-found '*.service' '*.socket' | sed 's/^/failed /'
	systemctl list-units --all --plain --no-legend '*bulkhead*' | sed 's/^/unit /'
}

picture_network()
{
	ip -o link show | sed -E 's/^[0-9]+: //; s/ (mtu|state|qlen) .*//; s/^/link /'
	ip -o addr show | sed -E 's/^[0-9]+: //; s/^/address /'
	ip -4 route show table all | sed 's/^/route /'
	ip -6 route show table all | sed -E 's/ pref .*//; s/^/route /'
	ip rule | sed 's/^/rule /'
	nft list ruleset | sed 's/^/nft /'
	sysctl -a --pattern '^net\.(ipv4|ipv6|core)\.' | sed 's/^/sysctl /'
}

picture_processes()
{
	readlink /proc/[0-9]*/exe | grep -vE '/(bash|find|sed|sort|grep|readlink|sleep)$' | sed 's/^/program /'
	# Of users that containers live in, as well.
	grep -lE '^Uid:\s+[1-9][0-9]{6,}' /proc/[0-9]*/status | sed 's/^/of a container: /'
}

picture_kernel()
{
	find /sys/fs/cgroup -type d | sed 's/^/cgroup /'
	cut -d ' ' -f 5 /proc/1/mountinfo | sed 's/^/mount /'
	grep -h bulkhead /proc/[0-9]*/mounts | sed 's/^/mount of somebody /'
	losetup -nlO NAME,BACK-FILE | sed 's/^/loop /'
}

picture()
{
	{
		picture_files
		picture_units
		picture_network
		picture_processes
		picture_kernel
		dpkg-query -W -f 'package ${Package} ${Version} ${Status}\n'
		getent passwd | sed 's/^/user /'
		getent group | sed 's/^/group /'
	} 2>/dev/null | LC_ALL=C sort -u >"$1"
}

# Settings that there are for a module's sake are its own.
picture_left()
{
	picture "$1.now"
	! diff <(cat "$1") <(awk 'NR == FNR { key[$1 " " $2]; next }
		$1 != "sysctl" || ($1 " " $2) in key' "$1" "$1.now") | grep '^[<>]'
}
