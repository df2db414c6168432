# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# What netd's tests of killing, changing and mending have in common. Sourced after netd.sh.

port="ports.0.host_ip=0.0.0.0 ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp"

# two [WORDS]: both containers on the network; WEB publishes, and answers. $web_is and $peer_is are their entries.
two()
{
	set_up subnet4=10.77.0.0/16 subnet6=fd77::/64
	attach "$web $port $*"
	web_is=$(entry 0 web)
	attach "$peer"
	peer_is=$(entry 1 peer)
	serve "$WEB" tcp :: 80 web
}

# entry N CONTAINER: of a list, from the answer to its attach
entry()
{
	echo "members.$1.container=$2 members.$1.network=bridge $(sed -E "s/^net_attached //; s/\bendpoint\./members.$1.endpoint./g" <<<"$REPLY")"
}

# sync ENTRIES...: how many things netd had to mend
sync()
{
	say "net_sync members=@{net_members $*}"
	[[ $REPLY == net_synced* ]]
	MENDED=$(value mended)
}

# all of the engine on the host; links without their numbers
picture()
{
	in_ns "$HOST" ip -j -d addr show | python3 -c 'import json, sys
for l in sorted(json.load(sys.stdin), key=lambda l: l["ifname"]):
    port = l.get("linkinfo", {}).get("info_slave_data", {})
    print(l["ifname"], "UP" in l["flags"], "NOARP" in l["flags"], l.get("master"), l.get("ifalias"), {k: port.get(k) for k in ("hairpin", "learning", "flood", "locked")})
    for a in l["addr_info"]:
        if a["scope"] != "link":
            print(l["ifname"], a["local"], a["prefixlen"])'
	# Whether a link carries anything is told later than the link.
	in_ns "$HOST" ip route | sed 's/ linkdown//'
	in_ns "$HOST" bridge fdb show | grep -E 'static' | sort
	in_ns "$HOST" sh -c 'cd /proc/sys/net; grep . ipv4/ip_forward ipv6/conf/all/forwarding ipv[46]/conf/tnet0/forwarding ipv4/conf/tnet0/route_localnet ipv6/conf/tnet0/accept_*'
	rules
}

link_of()
{
	in_ns "$HOST" ip -o link show | sed -nE "s/^[0-9]+: ([^:@]*).*alias bulkhead:tnet:$1:.*/\\1/p"
}

has_picture()
{
	[ "$(picture 2>/dev/null)" = "$1" ]
}

# looks_like WANTED SECONDS: soon
looks_like()
{
	wait_until "$2" has_picture "$1" || diff <(picture) <(echo "$1")
}

talks()
{
	local address

	knock "$HOST" tcp 127.0.0.1 8080
	[[ $output == "web "* ]]
	knock "$OUTSIDE" tcp 198.51.100.1 8080
	[ "$output" = "web ::ffff:198.51.100.2" ]
	for address in 10.77.0.2 fd77::2 10.77.0.1 fd77::1 198.51.100.2; do
		in_ns "$PEER" ping -c 1 -w 20 "$address" >/dev/null
	done
}

# netd ends as by kill -9; what happens meanwhile; another one
killed()
{
	kill -KILL "$NETD"
	exec {TO}>&- {FROM}<&-
	wait "$NETD" || true
	"$@"
	netd_start tnet
	set_up subnet4=10.77.0.0/16 subnet6=fd77::/64
}

log()
{
	cat "$BATS_TEST_TMPDIR/netd-tnet.log"
}

logged()
{
	log | grep -q "$1"
}

wait_for()
{
	wait_until 5 logged "$1" || { log; false; }
}
