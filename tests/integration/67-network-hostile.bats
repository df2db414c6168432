#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A container that lies on the wire, and somebody who flushes the firewall. The container has every capability in its own
# namespaces, NET_RAW and NET_ADMIN too, which is more than --cap-add NET_RAW gives.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/netd.sh"

SPOOF=$BATS_TEST_DIRNAME/../lib/spoof.py

# Two containers; what each of them and the host got is written to files.
two()
{
	set_up subnet4=172.20.0.0/16 subnet6=fd77::/64
	attach "$web ports.0.host_ip=0.0.0.0 ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp"
	attach "$peer"
	gateway_mac=$(in_ns "$HOST" ip -o link show tnet0 | sed -E 's/.*link.ether ([^ ]*).*/\1/')
	witness peer "$PEER" watch eth0
	witness host "$HOST" watch tnet0
	witness sink "$HOST" sink 9999
}

# witness FILE NETNS WORDS...: starts one, gone at teardown
witness()
{
	local file=$BATS_TEST_TMPDIR/seen-$1 pid=$2

	shift 2
	start "$file" nsenter -t "$pid" -n -- "$SPOOF" "$@"
	PIDS+=("$LAST")
}

# spoof [only=…]: from WEB, as itself or as PEER or the gateway
spoof()
{
	in_ns "$WEB" "$SPOOF" send eth0 mac=02:42:ac:14:00:02 ip=172.20.0.2 ip6=fd77::2 \
		victim_mac=02:42:ac:14:00:03 victim=172.20.0.3 victim6=fd77::3 \
		gateway_mac="$gateway_mac" gateway=172.20.0.1 gateway6=fd77::1 "$@" >"$BATS_TEST_TMPDIR/sent"
	# The last word: once it is there, so is all before it.
	for _ in $(seq 30); do
		in_ns "$WEB" ping -c 1 -W 1 172.20.0.3 >/dev/null && break
	done
	wait_until 5 witnessed "$HOST" "$PEER" "$WEB"
	sleep 0.2
}

seen()
{
	cat "$BATS_TEST_TMPDIR"/seen-* | grep -v watching | sort -u
}

# Who is believed to be where. The gateway's link-local address comes and goes as it asks for neighbours.
# link_local MAC: the address that a link gives itself
link_local()
{
	local m

	IFS=: read -ra m <<<"$1"
	printf 'fe80::%x:%x:%x:%x\n' $(((0x${m[0]} ^ 2) << 8 | 0x${m[1]})) $((0x${m[2]}ff)) $((0xfe${m[3]})) $((0x${m[4]}${m[5]}))
}

# But for those that say of a link's own address that it is the link's: they come when they like.
neighbours()
{
	for pid in "$HOST" "$PEER"; do
		in_ns "$pid" ip neigh show | grep -o '^.* lladdr [0-9a-f:]*' | grep -v "^fe80.* $gateway_mac" | sort |
			while read -r address line; do
				[ "$address" = "$(link_local "${line##* }")" ] || echo "$address $line"
			done
	done
}

routes()
{
	for pid in "$HOST" "$PEER"; do
		in_ns "$pid" ip route
		in_ns "$pid" ip -6 route | sed -E 's/ expires.*//'
		in_ns "$pid" ip -o addr | sed -E 's/^[0-9]+: //; s/ (valid_lft|preferred_lft).*//'
	done
}

# No link is still asking whether its address is somebody else's.
settled()
{
	local pid tries=600

	for pid in "$HOST" "$PEER" "$WEB"; do
		while in_ns "$pid" ip -6 addr show tentative | grep -q inet6 && [ $((tries -= 1)) -gt 0 ]; do
			sleep 0.1
		done
	done
	sleep 1
}

talk()
{
	local address

	for address in 172.20.0.3 fd77::3 172.20.0.1 fd77::1; do
		in_ns "$WEB" ping -c 1 -w 20 "$address" >/dev/null
	done
	for address in 172.20.0.2 fd77::2 172.20.0.1 fd77::1 198.51.100.1; do
		in_ns "$PEER" ping -c 1 -w 20 "$address" >/dev/null
	done
}

@test "spoofed ARP, neighbour, router, DHCP, redirect, IP and MAC frames reach nobody and change nothing" {
	two
	talk
	settled
	before=$(neighbours)
	routes=$(routes)
	[[ $before == *"172.20.0.1 dev eth0 lladdr $gateway_mac"* ]]
	spoof
	[ "$(wc -l <"$BATS_TEST_TMPDIR/sent")" -gt 40 ]
	run seen
	diff <(echo "$output") <(grep ^honest "$BATS_TEST_TMPDIR/sent" | sort)
	diff <(neighbours) <(echo "$before")
	diff <(routes) <(echo "$routes")
	[[ $(in_ns "$HOST" bridge fdb show) != *de:ad:be:ef* ]]
	talk
}

@test "without the rules those frames do arrive: the witnesses see what the rules prevent" {
	two
	talk
	kill -STOP "$NETD"
	in_ns "$HOST" nft delete table bridge tnet
	in_ns "$HOST" nft delete table inet tnet
	spoof
	kill -CONT "$NETD"
	run seen
	# The bridge itself still holds on to MAC addresses, and the kernel to its martians.
	for name in arp-reply-as-gateway arp-gratuitous-as-gateway arp-request-as-victim ip4-as-victim ip4-as-gateway \
		icmp-redirect dhcp-discover dhcp-offer igmp-query ra ra-behind-extension ra-to-victim na-for-gateway \
		na-for-victim-behind-extension ns-as-gateway dad-of-victim redirect6 ip6-as-victim dhcp6-reply mld-query \
		dad rs mld-report rarp vlan-tag; do
		grep -qx "$name" <<<"$output" || { echo "$name did not arrive"; false; }
	done
	[[ $output != *mac-of-nobody* ]]
}

@test "a frame that bypasses the bridge reaches neither the host's sockets nor its routes" {
	two
	spoof only=lldp-ip4,lldp-ip4-as-victim,lldp-ra
	[ "$(wc -l <"$BATS_TEST_TMPDIR/sent")" = 3 ]
	[ -z "$(seen)" ]
	[[ $(in_ns "$HOST" ip -6 route) != *2001:db8:bad* ]]
	# Not even while the rules are away.
	kill -STOP "$NETD"
	in_ns "$HOST" nft delete table inet tnet
	in_ns "$HOST" sh -c 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done'
	spoof only=lldp-ra
	[[ $(in_ns "$HOST" ip -6 route) != *2001:db8:bad* ]]
	# Without rules and sysctl they do: the test sees what these prevent.
	in_ns "$HOST" sh -c 'for f in /proc/sys/net/ipv6/conf/bh*/accept_ra; do echo 2 >$f; done'
	spoof only=lldp-ip4,lldp-ra
	kill -CONT "$NETD"
	[ "$(seen)" = lldp-ip4 ]
	[[ $(in_ns "$HOST" ip -6 route) == *"2001:db8:bad::/64 dev bh"* ]]
}

others='table inet others {
	chain input {
		type filter hook input priority 0; policy accept;
		ip saddr 203.0.113.1 counter drop
	}
}'

@test "nft flush ruleset: the engine's tables are back at once, byte for byte; ports and NAT work again" {
	two
	serve "$WEB" tcp :: 80 web
	wanted=$(rules)
	[[ $wanted == *'"bh'*02:42:ac:14:00:02*172.20.0.2* ]]
	in_ns "$HOST" nft flush ruleset
	back "$wanted"
	knock "$HOST" tcp 127.0.0.1 8080
	[[ $output == "web "* ]]
	knock "$OUTSIDE" tcp 198.51.100.1 8080
	[ "$output" = "web ::ffff:198.51.100.2" ]
	serve "$OUTSIDE" tcp 0.0.0.0 80 outside
	knock "$WEB" tcp 198.51.100.2 80
	[ "$output" = "outside 198.51.100.1" ]
	spoof only=arp-reply-as-gateway,honest-arp
	[ "$(seen)" = honest-arp ]
	# As a firewall's script does it: flush and load in one transaction. Its tables stay as they are.
	printf 'flush ruleset\n%s\n' "$others" | in_ns "$HOST" nft -f -
	foreign=$(in_ns "$HOST" nft -a list table inet others)
	back "$wanted"
	[ "$(in_ns "$HOST" nft -a list table inet others)" = "$foreign" ]
	grep -q 'nft tables tnet: changed by process [0-9]* (nft), put back' "$BATS_TEST_TMPDIR/netd-tnet.log"
}

@test "whatever else is done to the engine's tables is undone; what others do to theirs is not looked at" {
	two
	wanted=$(rules)
	for change in "delete table inet tnet" "delete table bridge tnet" "flush chain bridge tnet from_arp" \
		"flush set bridge tnet owners4" "insert rule inet tnet passing accept" \
		"delete element inet tnet published4_any { tcp . 8080 }"; do
		kill -STOP "$NETD"
		in_ns "$HOST" nft "$change"
		[ "$(rules 2>/dev/null)" != "$wanted" ]
		kill -CONT "$NETD"
		back "$wanted" || { echo "after $change"; false; }
	done
	log=$(wc -l <"$BATS_TEST_TMPDIR/netd-tnet.log")
	in_ns "$HOST" nft -f - <<<"$others"
	in_ns "$HOST" nft delete table inet others
	sleep 0.2
	[ "$(wc -l <"$BATS_TEST_TMPDIR/netd-tnet.log")" = "$log" ]
}

@test "a flush in the middle of an attach or detach does no harm; many flushes make netd work once a second" {
	two
	serve "$WEB" tcp :: 80 web
	serve "$PEER" tcp :: 80 peer
	say "net_detach container=peer"
	wanted=$(rules)
	for _ in 1 2 3; do
		kill -STOP "$NETD"
		in_ns "$HOST" nft flush ruleset
		echo "$peer ports.0.host_port=8081 ports.0.container_port=80 ports.0.proto=tcp" >&"$TO"
		kill -CONT "$NETD"
		read -r -t 120 -u "$FROM" REPLY
		[[ $REPLY == net_attached* ]]
		knock "$HOST" tcp 127.0.0.1 8081
		[[ $output == "peer "* ]]
		kill -STOP "$NETD"
		in_ns "$HOST" nft flush ruleset
		echo "net_detach container=peer" >&"$TO"
		kill -CONT "$NETD"
		read -r -t 120 -u "$FROM" REPLY
		[ "$REPLY" = "done" ]
		back "$wanted"
	done
	before=$(grep -c 'put back' "$BATS_TEST_TMPDIR/netd-tnet.log")
	begun=$(uptime_s)
	for _ in $(seq 40); do
		in_ns "$HOST" nft flush ruleset
		sleep 0.05
	done
	back "$wanted"
	[ $(($(grep -c 'put back' "$BATS_TEST_TMPDIR/netd-tnet.log") - before)) -le $(($(uptime_s) - begun + 3)) ]
}

@test "after a restart of netd a container may send what it could before, no more; detached, nothing" {
	two
	netd_stop
	in_ns "$HOST" nft flush ruleset
	netd_start tnet
	set_up
	talk
	spoof only=honest-arp,honest-ip4,honest-ip6,honest-na,arp-reply-as-gateway,ip4-as-victim,na-for-victim,ra
	[[ $(seen) != *-as-* && $(seen) != *na-for* && $(seen) != *ra* ]]
	[[ $(seen) == *honest-na* ]]
	say "net_detach container=web"
	say "net_detach container=peer"
	run rules
	[[ $output != *elements*'"bh'* ]]
}

@test "a MAC address that another has, or the gateway, is refused" {
	two
	say "net_detach container=peer"
	refused "$peer mac=02:42:ac:14:00:02" "address 02:42:ac:14:00:02 is already in use"
	refused "$peer mac=$gateway_mac" "address $gateway_mac is already in use"
	attach "$peer mac=02:42:ac:14:00:77"
	in_ns "$PEER" ping -c 1 -w 20 172.20.0.1
	in_ns "$WEB" ping -c 1 -w 20 "$(value endpoint.ip4)"
}
