#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# netd alone, on a host and with containers of namespaces: networks, links, addresses and NAT; see tests/lib/netd.sh.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/netd.sh"

@test "netd runs unprivileged: another uid, NET_ADMIN alone, no way to more" {
	set_up
	run cat "/proc/$NETD/status"
	[[ $output =~ Uid:[[:space:]]+([0-9]+)[[:space:]]+([0-9]+)[[:space:]]+([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" != 0 ]
	[ "${BASH_REMATCH[2]}" = "${BASH_REMATCH[1]}" ]
	for set in CapInh CapAmb; do
		grep -qE "$set:[[:space:]]+0+$" <<<"$output"
	done
	for set in CapPrm CapEff CapBnd; do
		grep -qE "$set:[[:space:]]+0000000000001000$" <<<"$output"
	done
	grep -qE 'NoNewPrivs:[[:space:]]+1' <<<"$output"
	run readelf -d "$NETD_BIN"
	[[ $output != *libcurl* && $output != *libarchive* && $output != *libssl* ]]
}

@test "setup: a bridge with both gateways, forwarding on, and the same again the second time" {
	set_up
	first=$REPLY
	[ "$(value bridge)" = tnet0 ]
	[ "$(value subnet4)" = 172.20.0.0/16 ]
	[[ $(value subnet6) == fd*::/64 ]]
	run in_ns "$HOST" ip -o addr show tnet0
	[[ $output == *"inet 172.20.0.1/16 "* ]]
	[[ $output == *"inet6 $(value gateway6)/64 "* ]]
	in_ns "$HOST" ip -d link show tnet0 | grep -q 'alias bulkhead:tnet:network:bridge'
	[ "$(in_ns "$HOST" cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
	[ "$(in_ns "$HOST" cat /proc/sys/net/ipv6/conf/all/forwarding)" = 1 ]
	[ "$(in_ns "$HOST" cat /proc/sys/net/ipv6/conf/tnet0/accept_ra)" = 0 ]
	[ "$(in_ns "$HOST" cat /proc/sys/net/ipv4/conf/tnet0/route_localnet)" = 1 ]
	rules=$(in_ns "$HOST" nft -s list ruleset)
	set_up
	[ "$REPLY" = "$first" ]
	diff <(in_ns "$HOST" nft -s list ruleset) <(echo "$rules")
	[ "$(links)" = "$(printf 'lo\ntnet0\nuplink')" ]
}

@test "setup: a host that listens to router advertisements goes on doing so" {
	in_ns "$HOST" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/lo/accept_ra'
	[ "$(in_ns "$HOST" cat /proc/sys/net/ipv6/conf/uplink/accept_ra)" = 1 ]
	set_up
	[ "$(in_ns "$HOST" cat /proc/sys/net/ipv6/conf/uplink/accept_ra)" = 2 ]
	[ "$(in_ns "$HOST" cat /proc/sys/net/ipv6/conf/lo/accept_ra)" = 0 ]
	say net_teardown
	[ "$(in_ns "$HOST" cat /proc/sys/net/ipv6/conf/uplink/accept_ra)" = 1 ]
	[ "$(in_ns "$HOST" cat /proc/sys/net/ipv6/conf/all/forwarding)" = 0 ]
	[ "$(in_ns "$HOST" cat /proc/sys/net/ipv4/ip_forward)" = 0 ]
}

@test "setup: takes a subnet that is free, and says what is in the way of one that isn't" {
	in_ns "$HOST" ip link add dummy0 type bridge
	in_ns "$HOST" ip addr add 172.21.3.1/24 dev dummy0
	in_ns "$HOST" ip link set dummy0 up
	in_ns "$HOST" ip route add 172.16.0.0/14 dev dummy0
	in_ns "$HOST" ip route add 172.20.7.0/24 dev dummy0 table 99
	in_ns "$HOST" ip route add default via 198.51.100.2
	refused "net_setup network=bridge subnet4=172.20.0.0/16" "subnet 172.20.0.0/16 overlaps route 172.20.7.0/24 dev dummy0"
	refused "net_setup network=bridge subnet4=172.17.0.0/16" "subnet 172.17.0.0/16 overlaps route 172.16.0.0/14 dev dummy0"
	refused "net_setup network=bridge subnet4=172.21.0.0/16" "subnet 172.21.0.0/16 overlaps address 172.21.3.1/24 dev dummy0"
	refused "net_setup network=bridge subnet6=2001:db8:1::/64" "subnet 2001:db8:1::/64 overlaps address 2001:db8:1::1/64 dev uplink"
	run ! links_have tnet0
	set_up
	[ "$(value subnet4)" = 172.22.0.0/16 ]
}

links_have()
{
	links | grep -qx "$1"
}

@test "setup: bad subnets are refused with one sentence" {
	refused "net_setup network=bridge subnet4=nonsense" "subnet 'nonsense' is not of the form 172.20.0.0/16"
	refused "net_setup network=bridge subnet4=10.1.2.0" "subnet '10.1.2.0' is not of the form"
	refused "net_setup network=bridge subnet4=10.1.2.3/16" "10.1.0.0/16 is the subnet"
	refused "net_setup network=bridge subnet4=10.0.0.0/8" "subnet 10.0.0.0/8: a network must be between /16 and /29"
	refused "net_setup network=bridge subnet4=10.0.0.0/30" "a network must be between /16 and /29"
	refused "net_setup network=bridge subnet4=127.1.0.0/16" "subnet 127.1.0.0/16 is not for hosts"
	refused "net_setup network=bridge subnet4=010.1.0.0/16" "is not of the form"
	refused "net_setup network=bridge subnet6=fe80::/64" "subnet fe80::/64 is not for hosts"
	refused "net_setup network=bridge subnet6=fd00::/8" "a network must be between /48 and /112"
	refused "net_setup network=bridge port_ip=here" "'here' is not an address"
	refused "net_setup network=../x" "network '../x' is not a name"
	[[ $REPLY == *"code=22 "* ]]
	[ "$(links)" = "$(printf 'lo\nuplink')" ]
	[ -z "$(in_ns "$HOST" nft list tables)" ]
}

@test "setup: a host without IPv6 gets a network without it" {
	in_ns "$HOST" sh -c 'echo 1 | tee /proc/sys/net/ipv6/conf/all/disable_ipv6 /proc/sys/net/ipv6/conf/default/disable_ipv6'
	set_up
	[[ $REPLY != *6=* ]]
	refused "$web ip6=fd00::2" "the host has no IPv6"
	attach "$web ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp"
	[[ $REPLY != *ip6=* ]]
	serve "$WEB" tcp 0.0.0.0 80 web
	knock "$HOST" tcp 127.0.0.1 8080
	[[ $output == "web "* ]]
	in_ns "$WEB" ping -c 1 -w 20 198.51.100.2
	refused "$peer ports.0.host_ip=:: ports.0.host_port=8081 ports.0.container_port=80 ports.0.proto=tcp" "port [::]:8081/tcp: the network has no IPv6"
	set_up
	attach "$peer"
	in_ns "$PEER" ping -c 1 -w 20 172.20.0.3
}

@test "setup: a link or table of the same name that is somebody else's is left alone" {
	in_ns "$HOST" ip link add tnet0 type bridge
	refused "net_setup network=bridge" "link tnet0 exists and is not this engine's"
	in_ns "$HOST" ip link del tnet0
	in_ns "$HOST" nft add table inet tnet
	refused "net_setup network=bridge" "nft table inet tnet exists and is not this engine's"
	[ "$(in_ns "$HOST" nft list ruleset)" = "$(printf 'table inet tnet {\n}')" ]
	[ "$(links)" = "$(printf 'lo\nuplink')" ]
}

@test "attach: eth0 inside with addresses, routes and MAC; the two reach each other, the gateway and the host" {
	set_up subnet4=10.77.0.0/16 subnet6=fd77::/64
	attach "$web"
	[ "$(value endpoint.ip4)" = 10.77.0.2 ]
	[ "$(value endpoint.ip6)" = fd77::2 ]
	[ "$(value endpoint.mac)" = 02:42:0a:4d:00:02 ]
	attach "$peer"
	[ "$(value endpoint.ip4)" = 10.77.0.3 ]
	run in_ns "$WEB" ip -o addr
	[[ $output == *"lo    inet 127.0.0.1/8"* ]]
	[[ $output == *"eth0    inet 10.77.0.2/16 brd 10.77.255.255"* ]]
	[[ $output == *"eth0    inet6 fd77::2/64"* ]]
	in_ns "$WEB" ip -o link show eth0 | grep -q 'UP,LOWER_UP.*02:42:0a:4d:00:02'
	[ "$(in_ns "$WEB" ip route show default)" = "default via 10.77.0.1 dev eth0 proto static " ]
	in_ns "$WEB" ip -6 route show default | grep -q '^default via fd77::1 dev eth0'
	in_ns "$HOST" ip -d link show type veth | grep -q 'alias bulkhead:tnet:web:10.77.0.2:02420a4d0002:fd77::2'
	for address in 10.77.0.2 fd77::2 10.77.0.1 fd77::1 198.51.100.1 2001:db8:1::1; do
		in_ns "$PEER" ping -c 1 -w 20 "$address"
	done
	in_ns "$HOST" ping -c 1 -w 20 10.77.0.2
	serve "$WEB" tcp :: 80 web
	knock "$PEER" tcp 10.77.0.2 80
	[ "$output" = "web ::ffff:10.77.0.3" ]
	knock "$PEER" tcp fd77::2 80
	[ "$output" = "web fd77::3" ]
}

@test "attach: addresses and MAC as asked for, or one sentence why not" {
	set_up subnet4=10.77.0.0/24 subnet6=fd77::/64
	attach "$web ip4=10.77.0.40 ip6=fd77::abc mac=02:00:00:00:00:07"
	in_ns "$WEB" ip -o addr show eth0 | grep -q 10.77.0.40/24
	in_ns "$WEB" ip -o addr show eth0 | grep -q fd77::abc/64
	in_ns "$WEB" ip -o link show eth0 | grep -q 02:00:00:00:00:07
	refused "$peer ip4=10.77.0.40" "address 10.77.0.40 is already in use"
	refused "$peer ip6=fd77::abc" "address fd77::abc is already in use"
	refused "$peer ip4=10.78.0.2" "address 10.78.0.2 is outside the network's subnet 10.77.0.0/24"
	refused "$peer ip6=fd78::2" "address fd78::2 is outside the network's subnet fd77::/64"
	refused "$peer ip4=10.77.0.1" "address 10.77.0.1 is reserved"
	refused "$peer ip4=10.77.0.255" "address 10.77.0.255 is reserved"
	refused "$peer ip4=x" "'x' is not an IPv4 address"
	refused "$peer mac=01:00:5e:00:00:01" "MAC address 01:00:5e:00:00:01 is not one host's"
	refused "$peer mac=zz" "'zz' is not a MAC address"
	refused "$web" "container web is on network bridge already"
	refused "net_attach container=x network=other netns=@fd:12 rtnl=@fd:13" "network other has not been set up"
	refused "net_attach container=a/b network=bridge netns=@fd:12 rtnl=@fd:13" "container 'a/b' is not a name"
	[ "$(in_ns "$HOST" ip -o link show type veth | grep -c master)" = 1 ]
	attach "$peer"
	[ "$(value endpoint.ip4)" != 10.77.0.40 ]
	[ "$(value endpoint.ip6)" != fd77::abc ]
}

@test "attach: two ids that begin alike get links of their own" {
	set_up
	attach "net_attach container=0123456789aaaaaa network=bridge netns=@fd:10 rtnl=@fd:11"
	attach "net_attach container=0123456789bbbbbb network=bridge netns=@fd:12 rtnl=@fd:13"
	[ "$(in_ns "$HOST" ip -o link show type veth | grep -c 'master tnet0')" = 2 ]
	in_ns "$WEB" ping -c 1 -w 20 172.20.0.3
	say "net_detach container=0123456789bbbbbb"
	sleep 0.5
	in_ns "$WEB" ping -c 1 -w 20 172.20.0.1
}

@test "attach: a socket that isn't the container's own netlink socket is refused" {
	set_up
	refused "net_attach container=web network=bridge netns=@fd:10 rtnl=@/dev/null" "rtnl is not a NETLINK_ROUTE socket"
	refused "net_attach container=web network=bridge netns=@fd:10 rtnl=@fd:13" "not a socket of the network namespace"
	refused "net_attach container=web network=bridge netns=@/dev/null rtnl=@fd:11" "not a socket of the network namespace"
	refused "net_attach container=web network=bridge netns=@fd:10" "no rtnl socket of the container"
	say "net_loopback rtnl=@/dev/null"
	[[ $REPLY == failed* ]]
	[ "$(links)" = "$(printf 'lo\ntnet0\nuplink')" ]
	[ "$(in_ns "$WEB" ip -o link | wc -l)" = 1 ]
}

@test "attach: an eth0 that is inside already leaves nothing half done" {
	set_up
	in_ns "$WEB" ip link add eth0 type bridge
	refused "$web ports.0.container_port=80 ports.0.proto=tcp ports.0.host_port=8080" "already has a link eth0"
	[ "$(links)" = "$(printf 'lo\ntnet0\nuplink')" ]
	run in_ns "$HOST" nft list map inet tnet published4
	[[ $output != *elements* ]]
	in_ns "$WEB" ip link del eth0
	attach "$web ports.0.container_port=80 ports.0.proto=tcp ports.0.host_port=8080"
}

@test "loopback: lo comes up in a container without a network" {
	[[ $(in_ns "$WEB" ip -o link show lo) != *LOWER_UP* ]]
	say "net_loopback rtnl=@fd:11"
	[ "$REPLY" = "done" ]
	in_ns "$WEB" ip -o link show lo | grep -q LOWER_UP
	in_ns "$WEB" ping -c 1 -w 20 127.0.0.1
}

@test "NAT: containers reach outside with the host's address, outside doesn't reach in" {
	set_up subnet4=10.77.0.0/16 subnet6=fd77::/64
	attach "$web"
	serve "$OUTSIDE" tcp :: 80 outside
	serve "$OUTSIDE" udp 198.51.100.2 53 outside
	knock "$WEB" tcp 198.51.100.2 80
	[ "$output" = "outside ::ffff:198.51.100.1" ]
	# Neighbours are found out by multicast, which a loaded machine may answer too late at first.
	for try in 1 2 3; do
		knock "$WEB" tcp 2001:db8:1::2 80
		echo "$try: $output"
		[ "$output" != "outside 2001:db8:1::1" ] || break
	done
	[ "$output" = "outside 2001:db8:1::1" ]
	knock "$WEB" udp 198.51.100.2 53
	[ "$output" = "outside 198.51.100.1" ]
	in_ns "$WEB" ping -c 1 -w 20 198.51.100.2
	# Not even with a route to the containers.
	serve "$WEB" tcp :: 80 web
	in_ns "$OUTSIDE" ip route add 10.77.0.0/16 via 198.51.100.1
	in_ns "$OUTSIDE" ip route add fd77::/64 via 2001:db8:1::1
	knock "$OUTSIDE" tcp 10.77.0.2 80
	[ "$status" = 1 ]
	knock "$OUTSIDE" tcp fd77::2 80
	[ "$status" = 1 ]
}

@test "detach: link, addresses and ports go, again and again is fine, and the rest stays" {
	set_up
	before=$(links; in_ns "$HOST" nft -s list ruleset)
	attach "$web ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp ports.1.host_ip=:: ports.1.host_port=80 ports.1.container_port=80 ports.1.proto=udp"
	serve "$WEB" tcp :: 80 web
	knock "$HOST" tcp 127.0.0.1 8080
	[[ $output == "web "* ]]
	say "net_detach container=web"
	[ "$REPLY" = "done" ]
	knock "$HOST" tcp 127.0.0.1 8080
	[ "$status" = 1 ]
	say "net_detach container=web"
	[ "$REPLY" = "done" ]
	say "net_detach container=never-was"
	[ "$REPLY" = "done" ]
	no_link '^bh'
	[ "$(links; in_ns "$HOST" nft -s list ruleset)" = "$before" ]
	[ "$(in_ns "$WEB" ip -o link | wc -l)" = 1 ]
	# At once again, while the link is on its way out too.
	attach "$web ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp"
	say "net_detach container=web"
	attach "$web ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp"
	sleep 0.5
	knock "$HOST" tcp 127.0.0.1 8080
	[[ $output == "web "* ]]
}

@test "detach: fine when the container's namespace has ended by itself" {
	set_up
	attach "$peer ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp"
	# netd and the test hold the namespace too: their copies go first.
	netd_stop
	kill "$PEER"
	no_link '^bh'
	PEER=$WEB
	netd_start tnet
	set_up
	say "net_detach container=peer"
	[ "$REPLY" = "done" ]
	run in_ns "$HOST" nft list map inet tnet published4
	[[ $output != *elements* ]]
}

@test "an address that was given back is handed out again last" {
	set_up subnet4=10.77.0.0/29
	for expected in 10.77.0.2 10.77.0.3 10.77.0.4 10.77.0.5 10.77.0.6 10.77.0.2; do
		attach "$web"
		[ "$(value endpoint.ip4)" = $expected ]
		say "net_detach container=web"
	done
}

@test "restart: netd finds containers, addresses and ports again" {
	port="ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp"
	set_up subnet6=fd77::/64
	first=$REPLY
	attach "$web $port ports.1.host_ip=:: ports.1.host_port=8080 ports.1.container_port=80 ports.1.proto=udp"
	rules=$(in_ns "$HOST" nft -s list ruleset)
	serve "$WEB" tcp :: 80 web
	netd_stop
	knock "$HOST" tcp 127.0.0.1 8080
	[[ $output == "web "* ]]
	netd_start tnet
	set_up
	[ "$REPLY" = "${first%% sysctls=*}" ] # it has changed none itself
	diff <(in_ns "$HOST" nft -s list ruleset) <(echo "$rules")
	refused "$web" "container web is on network bridge already"
	refused "$peer ip4=172.20.0.2" "address 172.20.0.2 is already in use"
	refused "$peer $port" "port 127.0.0.1:8080/tcp is already in use by container web"
	run timeout 60 nsenter -t "$HOST" -n "$NETNS" serve tcp 127.0.0.1 8080 thief
	[[ $output == *"already in use"* ]]
	refused "net_setup network=bridge subnet4=10.9.0.0/16" "containers are still on 172.20.0.0/16"
	knock "$HOST" tcp 127.0.0.1 8080
	[[ $output == "web "* ]]
	say "net_detach container=web"
	no_link '^bh'
	run in_ns "$HOST" nft -s list ruleset
	[[ $output != *elements*8080* ]]
}

@test "the host's other rules stay byte for byte as they were; teardown leaves nothing" {
	in_ns "$HOST" nft -f - <<-'RULES'
		table inet filter {
			set blocked { type ipv4_addr; flags interval; elements = { 203.0.113.0/24 } }
			chain input { type filter hook input priority filter; policy accept; ip saddr @blocked counter drop; }
			chain forward { type filter hook forward priority filter; policy accept; }
		}
		table ip nat {
			chain post { type nat hook postrouting priority srcnat; policy accept; ip saddr 192.0.2.0/24 masquerade; }
		}
	RULES
	before=$(in_ns "$HOST" nft list ruleset)
	links=$(links)
	sysctls=$(sysctls)
	set_up
	attach "$web ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp"
	others=$(in_ns "$HOST" nft list ruleset | awk '/^table (inet|bridge) tnet /{skip=1} !skip; /^}/{skip=0}')
	[ "$others" = "$before" ]
	say "net_detach container=web"
	say net_teardown
	[ "$REPLY" = "done" ]
	[ "$(in_ns "$HOST" nft list ruleset)" = "$before" ]
	[ "$(links)" = "$links" ]
	diff <(sysctls) <(echo "$sysctls")
	say net_teardown
	[ "$REPLY" = "done" ]
}

@test "two engines that choose at the same moment choose different subnets" {
	first_to=$TO first_from=$FROM first_pid=$NETD
	netd_start tnet-b
	for _ in $(seq 20); do
		kill -STOP "$first_pid" "$NETD"
		echo "net_setup network=bridge" | tee "/proc/self/fd/$first_to" >&"$TO"
		kill -CONT "$first_pid" "$NETD"
		read -r -t 120 -u "$first_from" REPLY
		theirs=$(value subnet4)
		read -r -t 120 -u "$FROM" REPLY
		echo "$theirs $(value subnet4)"
		[[ $theirs == *.*/16 && $REPLY == net_ready* ]]
		[ "$(value subnet4)" != "$theirs" ]
		echo net_teardown | tee "/proc/self/fd/$first_to" >&"$TO"
		read -r -t 120 -u "$first_from" REPLY
		[ "$REPLY" = "done" ]
		read -r -t 120 -u "$FROM" REPLY
		[ "$REPLY" = "done" ]
	done
	[ "$(links)" = "$(printf 'lo\nuplink')" ]
	netd_stop
	TO=$first_to FROM=$first_from NETD=$first_pid
}

@test "two engines side by side: own bridges and tables, and no way from one's containers to the other's" {
	set_up
	attach "$web ports.0.host_ip=0.0.0.0 ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp"
	first_to=$TO first_from=$FROM first_pid=$NETD
	netd_start tnet-b
	set_up
	[ "$(value bridge)" = tnet-b0 ]
	[ "$(value subnet4)" = 172.21.0.0/16 ]
	attach "$peer"
	serve "$WEB" tcp :: 80 web
	knock "$PEER" tcp 172.20.0.2 80
	[ "$status" = 1 ]
	knock "$PEER" tcp 198.51.100.1 8080
	[[ $output == "web "* ]]
	say net_teardown
	[ "$REPLY" = "done" ]
	netd_stop
	TO=$first_to FROM=$first_from NETD=$first_pid
	knock "$HOST" tcp 127.0.0.1 8080
	[[ $output == "web "* ]]
	[ "$(in_ns "$HOST" nft list tables)" = "$(printf 'table inet tnet\ntable bridge tnet')" ]
	[ "$(in_ns "$HOST" cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
}

@test "200 attaches and detaches leave nothing, and take no descriptor" {
	set_up
	fds=$(ls "/proc/$NETD/fd" | wc -l)
	for _ in $(seq 200); do
		attach "$web ports.0.container_port=80 ports.0.proto=tcp" >/dev/null
		say "net_detach container=web" >/dev/null
	done
	no_link '^bh'
	[ "$(ls "/proc/$NETD/fd" | wc -l)" = "$fds" ]
	run in_ns "$HOST" nft list map inet tnet published4
	[[ $output != *elements* ]]
}
