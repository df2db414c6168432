#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# netd alone, and the ports it publishes: to whom they are open, and to whom not; see tests/lib/netd.sh.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/netd.sh"

@test "ports: on loopback by default: for the host, not for containers or outside" {
	set_up
	attach "$web ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp"
	attach "$peer"
	serve "$WEB" tcp :: 80 web
	knock "$HOST" tcp 127.0.0.1 8080
	[[ $output == "web ::ffff:172.20.0.1" ]]
	knock "$HOST" tcp 198.51.100.1 8080
	[ "$status" = 1 ]
	knock "$PEER" tcp 172.20.0.1 8080
	[ "$status" = 1 ]
	knock "$OUTSIDE" tcp 198.51.100.1 8080
	[ "$status" = 1 ]
	# A neighbour that sends packets for 127.0.0.1 over the wire, and a container that does.
	in_ns "$OUTSIDE" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/uplink/route_localnet'
	in_ns "$OUTSIDE" ip route add 127.0.0.1/32 via 198.51.100.1 src 198.51.100.2 table 7
	in_ns "$OUTSIDE" ip rule add pref 1 to 127.0.0.1 table 7
	in_ns "$OUTSIDE" ip rule add pref 5 table local
	in_ns "$OUTSIDE" ip rule del pref 0
	knock "$OUTSIDE" tcp 127.0.0.1 8080
	[ "$status" = 1 ]
}

@test "ports: what containers send to 127.0.0.0/8 of the host is dropped" {
	set_up
	attach "$web"
	serve "$HOST" tcp 127.0.0.1 7777 host-secret
	in_ns "$WEB" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet'
	in_ns "$WEB" ip route add 127.0.0.1/32 via 172.20.0.1 src 172.20.0.2 table 7
	in_ns "$WEB" ip rule add pref 1 to 127.0.0.1 table 7
	in_ns "$WEB" ip rule add pref 5 table local
	in_ns "$WEB" ip rule del pref 0
	knock "$WEB" tcp 127.0.0.1 7777
	[ "$status" = 1 ]
	# The same without the guard gets through: the test sees what the rule prevents.
	kill -STOP "$NETD"
	in_ns "$HOST" nft flush chain inet tnet guard
	knock "$WEB" tcp 127.0.0.1 7777
	kill -CONT "$NETD"
	[ "$output" = "host-secret 172.20.0.2" ]
}

@test "ports: on every address: loopback, the host's, from other containers, from itself, from outside" {
	set_up subnet4=10.77.0.0/16 subnet6=fd77::/64
	attach "$web ports.0.host_ip=0.0.0.0 ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp ports.1.host_ip=:: ports.1.host_port=8080 ports.1.container_port=80 ports.1.proto=tcp"
	attach "$peer"
	serve "$WEB" tcp :: 80 web
	for address in 127.0.0.1 127.9.9.9 198.51.100.1 10.77.0.1 2001:db8:1::1 fd77::1; do
		knock "$HOST" tcp $address 8080
		[[ $output == "web "* ]]
	done
	for address in 198.51.100.1 10.77.0.1 2001:db8:1::1 fd77::1; do
		knock "$PEER" tcp $address 8080
		[[ $output == "web "* ]]
		knock "$WEB" tcp $address 8080
		[[ $output == "web "* ]]
	done
	# At once, too: the bridge's own address isn't being probed.
	[[ $(in_ns "$HOST" ip -6 -o addr show dev tnet0) != *tentative* ]]
	# The client's address isn't hidden from the container.
	knock "$OUTSIDE" tcp 198.51.100.1 8080
	[ "$output" = "web ::ffff:198.51.100.2" ]
	knock "$OUTSIDE" tcp 2001:db8:1::1 8080
	[ "$output" = "web 2001:db8:1::2" ]
	# ::1 can't be served; it is refused at once, so that clients of "localhost" go on to 127.0.0.1.
	knock "$HOST" tcp ::1 8080
	[[ $output == *refused* ]]
}

@test "ports: on one address of the host" {
	set_up
	attach "$web ports.0.host_ip=198.51.100.1 ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp ports.1.host_ip=2001:db8:1::1 ports.1.host_port=8080 ports.1.container_port=80 ports.1.proto=tcp"
	serve "$WEB" tcp :: 80 web
	knock "$OUTSIDE" tcp 198.51.100.1 8080
	[ "$output" = "web ::ffff:198.51.100.2" ]
	knock "$OUTSIDE" tcp 2001:db8:1::1 8080
	[ "$output" = "web 2001:db8:1::2" ]
	knock "$HOST" tcp 127.0.0.1 8080
	[ "$status" = 1 ]
}

@test "ports: udp, from loopback, the host's address, a container and outside" {
	set_up
	attach "$web ports.0.host_ip=0.0.0.0 ports.0.host_port=5300 ports.0.container_port=53 ports.0.proto=udp"
	attach "$peer"
	serve "$WEB" udp 0.0.0.0 53 web
	knock "$HOST" udp 127.0.0.1 5300
	[ "$output" = "web 172.20.0.1" ]
	knock "$HOST" udp 198.51.100.1 5300
	[[ $output == "web "* ]]
	knock "$PEER" udp 198.51.100.1 5300
	[[ $output == "web "* ]]
	knock "$OUTSIDE" udp 198.51.100.1 5300
	[ "$output" = "web 198.51.100.2" ]
	knock "$HOST" tcp 127.0.0.1 5300
	[ "$status" = 1 ]
}

# until_says FILE WORD: soon the file holds the word
until_says()
{
	wait_until 5 grep -q "$2" "$1" || { cat "$1"; false; }
}

@test "ports: a udp flow goes on to the container that has the port now, also when nobody had it meanwhile" {
	port="ports.0.host_port=5300 ports.0.container_port=53 ports.0.proto=udp"
	answers=$BATS_TEST_TMPDIR/answers
	set_up
	serve "$WEB" udp 0.0.0.0 53 web
	serve "$PEER" udp 0.0.0.0 53 peer
	start "$answers" nsenter -t "$OUTSIDE" -n -- "$NETNS" keep-asking 198.51.100.1 5300
	PIDS+=("$LAST")
	until_says "$answers" asking
	sleep 0.5
	attach "$web $port ports.0.host_ip=0.0.0.0"
	until_says "$answers" web
	say "net_detach container=web"
	attach "$peer $port ports.0.host_ip=0.0.0.0"
	until_says "$answers" peer
	say "net_detach container=peer"
	sleep 0.5
	: >"$answers"
	attach "$web $port ports.0.host_ip=198.51.100.1"
	until_says "$answers" web
}

@test "ports: port_ip is the default address; no host port means any that is free" {
	set_up port_ip=0.0.0.0
	attach "$web ports.0.container_port=80 ports.0.proto=tcp ports.1.host_ip=127.0.0.1 ports.1.container_port=80 ports.1.proto=tcp"
	[ "$(value endpoint.ports.0.host_ip)" = 0.0.0.0 ]
	[ "$(value endpoint.ports.1.host_ip)" = 127.0.0.1 ]
	a=$(value endpoint.ports.0.host_port)
	b=$(value endpoint.ports.1.host_port)
	[ "$a" -ge 1024 ] && [ "$b" -ge 1024 ] && [ "$a" != "$b" ]
	serve "$WEB" tcp :: 80 web
	knock "$OUTSIDE" tcp 198.51.100.1 "$a"
	[[ $output == "web "* ]]
	knock "$HOST" tcp 127.0.0.1 "$b"
	[[ $output == "web "* ]]
}

@test "ports: one that is taken, by a container or by another program, is refused" {
	port="ports.0.host_port=8080 ports.0.container_port=80 ports.0.proto=tcp"
	set_up
	attach "$web $port"
	refused "$peer $port" "port 127.0.0.1:8080/tcp is already in use by container web"
	[[ $REPLY == *"code=98 "* ]]
	refused "$peer $port ports.0.host_ip=0.0.0.0" "port 0.0.0.0:8080/tcp is already in use by container web"
	refused "$peer $port ports.1.host_port=9090 ports.1.container_port=80 ports.1.proto=tcp ports.2.host_port=9090 ports.2.container_port=80 ports.2.proto=tcp" "8080/tcp is already in use"
	serve "$HOST" tcp 127.0.0.1 8081 other
	serve "$HOST" tcp 0.0.0.0 443 other
	serve "$HOST" tcp :: 444 other
	serve "$HOST" udp 127.0.0.1 5300 other
	refused "$peer ports.0.host_port=8081 ports.0.container_port=80 ports.0.proto=tcp" "port 127.0.0.1:8081/tcp is already in use by another program"
	refused "$peer ports.0.host_port=443 ports.0.container_port=80 ports.0.proto=tcp" "port 127.0.0.1:443/tcp is already in use by another program"
	refused "$peer ports.0.host_port=444 ports.0.container_port=80 ports.0.proto=tcp" "port 127.0.0.1:444/tcp is already in use by another program"
	refused "$peer ports.0.host_port=5300 ports.0.container_port=80 ports.0.proto=udp" "port 127.0.0.1:5300/udp is already in use by another program"
	attach "$peer ports.0.host_port=80 ports.0.container_port=80 ports.0.proto=tcp ports.1.host_port=8080 ports.1.container_port=80 ports.1.proto=udp"
	serve "$PEER" tcp :: 80 peer
	knock "$HOST" tcp 127.0.0.1 80
	[[ $output == "peer "* ]]
	# Published, it is taken for others.
	run timeout 60 nsenter -t "$HOST" -n -- "$NETNS" serve tcp 127.0.0.1 8080 other
	[[ $output == *"Address already in use"* ]]
}

@test "ports: bad requests are refused with one sentence" {
	set_up
	refused "$web ports.0.host_ip=::1 ports.0.host_port=80 ports.0.container_port=80 ports.0.proto=tcp" "ports can't be published on ::1"
	refused "$web ports.0.host_ip=8.8.8.8 ports.0.host_port=53 ports.0.container_port=80 ports.0.proto=tcp" "8.8.8.8 is not an address of the host"
	refused "$web ports.0.host_ip=web ports.0.host_port=53 ports.0.container_port=80 ports.0.proto=tcp" "'web' is not an address"
	refused "$web ports.0.host_port=53 ports.0.container_port=80 ports.0.proto=sctp" "sctp"
	refused "$web ports.0.host_port=53 ports.0.container_port=0 ports.0.proto=tcp" "from 1 to 65535"
	[ "$(links)" = "$(printf 'lo\ntnet0\nuplink')" ]
}
