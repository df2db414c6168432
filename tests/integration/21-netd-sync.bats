# SPDX-License-Identifier: MIT
#
# netd alone, restarted, told who is on the network, and with somebody changing the host under it; see tests/lib/netd.sh.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/netd.sh"
. "$BATS_TEST_DIRNAME/../lib/netd-sync.sh"

@test "a list of what is there changes nothing" {
	two
	wanted=$(picture)
	for _ in 1 2 3; do
		sync "$web_is $peer_is"
		[ "$MENDED" = 0 ]
	done
	[ "$(picture)" = "$wanted" ]
	talks
}

@test "after a kill netd takes over what its predecessor made" {
	two
	wanted=$(picture)
	killed talks
	sync "$web_is $peer_is"
	[ "$MENDED" = 0 ]
	[ "$(picture)" = "$wanted" ]
	talks
	say "net_detach container=peer"
	refused "$peer ip4=10.77.0.2" "address 10.77.0.2 is already in use"
	refused "$peer ip6=fd77::2" "address fd77::2 is already in use"
	refused "$peer ${port/0.0.0.0/127.0.0.1}" "port 127.0.0.1:8080/tcp is already in use by container web"
	say "net_detach container=web"
	attach "$peer ip4=10.77.0.2 $port"
}

wreck()
{
	local link

	in_ns "$HOST" nft flush ruleset
	in_ns "$HOST" ip link del tnet0
	for link in $(links | grep '^bh'); do
		in_ns "$HOST" ip link set "$link" down alias ''
	done
	in_ns "$HOST" sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
}

# Without its alias a link off its bridge is nobody's.
wreck_but_aliases()
{
	local link

	in_ns "$HOST" nft flush ruleset
	in_ns "$HOST" ip link del tnet0
	in_ns "$HOST" ip link set "$(links | grep '^bh' | head -n 1)" down
	link=$(links | grep '^bh' | tail -n 1)
	in_ns "$HOST" ip link set "$link" down # else before Linux 6.2 it keeps its name
	in_ns "$HOST" ip link set "$link" name moved
	in_ns "$HOST" sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
}

@test "after a kill with everything torn down meanwhile, a list is enough to have it all again" {
	two
	wanted=$(picture)
	killed wreck_but_aliases
	sync "$web_is $peer_is"
	[ "$MENDED" -gt 3 ]
	looks_like "$wanted" 1
	talks
	sync "$web_is $peer_is"
	[ "$MENDED" = 0 ]
	say "net_detach container=peer"
	refused "$peer ip4=10.77.0.2" "address 10.77.0.2 is already in use"
}

@test "a link without its alias, in no bridge, is nobody's: its container is told to be without" {
	two
	link=$(link_of web)
	killed wreck
	sync "$web_is $peer_is"
	for _ in web peer; do
		read -r -t 120 -u "$FROM" REPLY
		[[ $REPLY == "net_lost container="* ]]
	done
	refused "$web" "link $link: a link of this name exists and is not this engine's"
}

@test "who isn't on the list has nothing left; who is keeps all" {
	two
	link=$(link_of peer)
	say "net_detach container=peer"
	no_link "$link"
	before=$(picture)
	attach "$peer ports.0.host_port=5353 ports.0.container_port=53 ports.0.proto=udp"
	killed :
	sync "$web_is"
	[ "$MENDED" = 1 ]
	no_link "$link"
	looks_like "$before" 2
	attach "$peer ip4=10.77.0.3 ports.0.host_port=5353 ports.0.container_port=53 ports.0.proto=udp"
	talks
	sync ""
	[ "$MENDED" = 2 ]
	no_link '^bh'
	[[ $(rules) != *10.77.0.2* && $(rules) != *8080* && $(rules) != *5353* ]]
	# Nor does a killed attach leave its half: a link that has no alias yet.
	killed in_ns "$HOST" ip link add bh0123456789ab type veth peer name eth0 netns "$WEB"
	in_ns "$HOST" ip link set bh0123456789ab master tnet0
	sync ""
	[ "$MENDED" = 1 ]
	no_link '^bh'
}

@test "one that is being attached is neither added nor taken away" {
	two
	sync "$web_is members.1.container=peer members.1.network=bridge members.2.container=other members.2.network=bridge"
	[ "$MENDED" = 0 ]
	talks
	[[ $(log) != *other* ]]
}

by_hand()
{
	in_ns "$HOST" nft add element inet tnet published4 '{ 127.0.0.1 . tcp . 9999 comment "web" : 10.77.0.2 . 22 }'
	in_ns "$HOST" nft delete element inet tnet published4_any '{ tcp . 8080 }'
	in_ns "$HOST" nft add element bridge tnet owners4 '{ "bh0000000000" . 02:42:0a:4d:00:02 . 10.77.0.3 }'
	in_ns "$HOST" nft insert rule inet tnet passing accept
}

@test "what was put into or taken out of the tables while netd was away is put right" {
	two
	wanted=$(picture)
	killed by_hand
	sync "$web_is $peer_is"
	[ "$MENDED" = 2 ]
	looks_like "$wanted" 1
	talks
	log | grep -q 'container web: port 127.0.0.1:9999/tcp is not its own, withdrawn'
}

@test "a port that another program took meanwhile stays the container's, and that is said once" {
	two
	killed serve "$HOST" tcp 127.0.0.1 8080 thief
	sync "$web_is $peer_is"
	sync "$web_is $peer_is"
	knock "$HOST" tcp 127.0.0.1 8080
	[[ $output == "web "* ]]
	[ "$(log | grep -c 'port 0.0.0.0:8080/tcp: another program has taken it')" = 1 ]
}

@test "a list that is wrong is one sentence and changes nothing" {
	two
	wanted=$(picture)
	refused "net_sync members=@/dev/null" "reading net_members"
	refused "net_sync members=@{net_members members.0.container=../x members.0.network=bridge}" "container '../x' is not a name"
	refused "net_sync members=@{net_members members.0.container=x members.0.network=other}" "network other has not been set up"
	refused "net_sync members=@{net_members members.0.container=x members.0.network=bridge members.0.endpoint.ip4=10.77.0.9}" "needs an IPv4 and a MAC address"
	good="members.0.container=x members.0.network=bridge members.0.endpoint.mac=02:42:0a:4d:00:09 members.0.endpoint.ip4"
	refused "net_sync members=@{net_members $good=10.77.0.09}" "'10.77.0.09' is not an IPv4 address"
	refused "net_sync members=@{net_members $good=10.77.0.9 members.0.endpoint.ports.0.container_port=80 members.0.endpoint.ports.0.host_ip=1.2.3.4 members.0.endpoint.ports.0.proto=tcp}" "from 1 to 65535"
	[ "$(picture)" = "$wanted" ]
	# Of two with one address the second is refused alone.
	refused "net_sync members=@{net_members $good=10.77.0.2 ${web_is//members.0/members.1} ${peer_is//members.1/members.2}}" "container x: network bridge: address 10.77.0.2 is already in use"
	[ "$(picture)" = "$wanted" ]
}

@test "what others made is not touched, by name, by place or by a list" {
	two
	in_ns "$HOST" ip link add foreign0 type bridge
	in_ns "$HOST" ip addr add 203.0.113.1/24 dev foreign0
	in_ns "$HOST" ip link set foreign0 up alias bulkhead:other:network:bridge
	in_ns "$HOST" ip link add bhaaaaaaaaaa type veth peer name theirs
	in_ns "$HOST" ip link set bhaaaaaaaaaa master foreign0 alias bulkhead:other:web:10.77.0.2:02420a4d0002:fd77::2
	in_ns "$HOST" ip link add bhbbbbbbbbbb type veth peer name theirs2
	in_ns "$HOST" ip link set bhbbbbbbbbbb master tnet0 alias mine
	in_ns "$HOST" ip link add bhcccccccccc type bridge
	in_ns "$HOST" ip link set bhcccccccccc alias bulkhead:tnet:gone:10.77.0.9:02420a4d0009:fd77::9
	in_ns "$HOST" ip addr add 192.0.2.7/24 dev tnet0
	in_ns "$HOST" nft 'add table inet tnet-b; add chain inet tnet-b c { type filter hook forward priority 0; }; add rule inet tnet-b c counter'
	in_ns "$HOST" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/foreign0/accept_local'
	wait_for 'bridge tnet0: address 192.0.2.7/24 is not the engine.s, left alone'
	wanted=$(picture; in_ns "$HOST" nft -s list table inet tnet-b; sysctls)
	killed :
	sync "$web_is $peer_is"
	[ "$MENDED" = 0 ]
	in_ns "$HOST" ip link set tnet0 down
	wait_for 'put right'
	sync "$web_is $peer_is"
	diff <(picture; in_ns "$HOST" nft -s list table inet tnet-b; sysctls) <(echo "$wanted")
	talks
	[ "$(log | grep -c 'bridge tnet0: address 192.0.2.7/24 is not the engine.s, left alone')" = 2 ] # each netd once
	# Not even where its own address is gone and the other would do.
	killed in_ns "$HOST" ip addr del 10.77.0.1/16 dev tnet0
	talks
	in_ns "$HOST" ip -o addr show dev tnet0 | grep -q 192.0.2.7/24
}

@test "whatever is done to bridge, links and forwarding is undone at once, or a second after the last time" {
	two
	wanted=$(picture)
	link=$(links | grep '^bh' | head -n 1)
	while read -r fault; do
		in_ns "$HOST" sh -c "${fault//LINK/$link}"
		started=${EPOCHREALTIME/./}
		looks_like "$wanted" 5 || { echo "after $fault"; false; }
		echo "$(((${EPOCHREALTIME/./} - started) / 1000)) ms: $fault"
	done <<-'FAULTS'
		ip link del tnet0
		ip link set tnet0 down
		ip addr del 10.77.0.1/16 dev tnet0
		ip -6 addr flush dev tnet0 scope global
		ip link set LINK nomaster
		ip link set LINK down
		until ip link set LINK down && ip link set LINK name other0 2>/dev/null; do sleep 0.1; done
		ip link add other1 type bridge; ip link set LINK master other1; ip link del other1
		echo 0 >/proc/sys/net/ipv4/ip_forward
		echo 0 >/proc/sys/net/ipv6/conf/all/forwarding
		echo 0 >/proc/sys/net/ipv4/conf/tnet0/forwarding
		nft delete table inet tnet
		nft add element inet tnet published4 '{ 127.0.0.1 . tcp . 9999 : 10.77.0.3 . 22 }'
		ip link del tnet0; ip link set LINK down; nft flush ruleset; echo 0 >/proc/sys/net/ipv4/ip_forward
	FAULTS
	talks
}

@test "what the kernel doesn't tell of is put right by the next list" {
	two
	wanted=$(picture)
	link=$(links | grep '^bh' | head -n 1)
	while read -r fault; do
		in_ns "$HOST" sh -c "${fault//LINK/$link}"
		[ "$(picture)" != "$wanted" ]
		sync "$web_is $peer_is"
		looks_like "$wanted" 1 || { echo "after $fault"; false; }
	done <<-'FAULTS'
		echo 0 >/proc/sys/net/ipv4/conf/tnet0/route_localnet
		ip link set LINK alias nonsense
		bridge link set dev LINK learning on flood on
		bridge fdb del 02:42:0a:4d:00:02 dev LINK master || bridge fdb del 02:42:0a:4d:00:03 dev LINK master
	FAULTS
	talks
}

@test "a link that is gone: told after a second, and made again with the same addresses by an attach" {
	two
	wanted=$(picture)
	in_ns "$HOST" ip link del "$(link_of web)"
	read -r -t $((20 * WAIT_SCALE)) -u "$FROM" REPLY
	[ "$REPLY" = "net_lost container=web" ]
	attach "$web ip4=10.77.0.9"
	[ "$(value endpoint.ip4)" = 10.77.0.2 ]
	[ "$(value endpoint.ports.0.host_port)" = 8080 ]
	looks_like "$wanted" 1
	talks
	refused "$web" "container web is on network bridge already"
	sync "$web_is $peer_is"
	[ "$MENDED" = 0 ]
}

@test "a link that is gone since its container has ended is nothing to tell of" {
	two
	in_ns "$HOST" ip link del "$(links | grep '^bh' | head -n 1)"
	in_ns "$HOST" ip link del "$(links | grep '^bh' | head -n 1)"
	say "net_detach container=web"
	say "net_detach container=peer"
	sleep 1.5
	sync ""
	[ "$MENDED" = 0 ]
	[[ $(log) != *"is gone"* ]]
}

@test "somebody who changes things all the time makes netd work once a second" {
	two
	link=$(links | grep '^bh' | head -n 1)
	begun=$(uptime_s)
	for _ in $(seq 40); do
		in_ns "$HOST" ip link set "$link" down
		sleep 0.05
	done
	wait_for 'put right'
	[ "$(log | grep -c 'put right')" -le $(($(uptime_s) - begun + 3)) ]
}

@test "a bridge whose name somebody else has taken: said once, no container gets half a network, and made again when it is free" {
	two
	wanted=$(picture)
	link=$(link_of peer)
	say "net_detach container=peer"
	no_link "$link"
	kill -STOP "$NETD"
	in_ns "$HOST" ip link del tnet0
	in_ns "$HOST" ip link add tnet0 type veth peer name other2
	kill -CONT "$NETD"
	refused "$peer" "link tnet0 exists and is not this engine's"
	refused "net_sync members=@{net_members $web_is}" "link tnet0 exists and is not this engine's"
	[ "$(links | grep -c '^bh')" = 1 ]
	[ "$(log | grep -c 'warning: link tnet0 exists')" = 2 ] # by the look, and by the attach
	[ "$(in_ns "$HOST" cat /proc/sys/net/ipv4/conf/tnet0/route_localnet)" = 0 ]
	in_ns "$HOST" ip link del tnet0
	wait_for 'bridge tnet0: it was gone, made again'
	attach "$peer ip4=10.77.0.3"
	looks_like "$wanted" 2
	talks
}

@test "teardown takes along what netd doesn't know of" {
	links=$(links)
	two
	kill -STOP "$NETD"
	in_ns "$HOST" ip link add stray type veth peer name stray1
	in_ns "$HOST" ip link set stray alias bulkhead:tnet:stray:10.77.0.9:02420a4d0009:fd77::9
	kill -CONT "$NETD"
	say net_teardown
	[ "$REPLY" = "done" ]
	[ "$(links)" = "$links" ]
	[ -z "$(in_ns "$HOST" nft list tables)" ]
}

@test "sysctls are put back at the end as they were before the first of several netds" {
	sysctls=$(sysctls)
	set_up
	changed=$(sed -E 's/.*gateway6=[^ ]*//' <<<"$REPLY")
	[[ $changed == *"sysctls=ipv4/ip_forward=0"* ]]
	for _ in 1 2; do
		kill -KILL "$NETD"
		exec {TO}>&- {FROM}<&-
		wait "$NETD" || true
		netd_start tnet
		# shellcheck disable=SC2086
		set_up $changed
		[[ $REPLY == *"$changed" ]]
	done
	say net_teardown
	[ "$REPLY" = "done" ]
	diff <(sysctls) <(echo "$sysctls")
	for bad in ipv4/tcp_syncookies=0 ipv4/ip_forward ipv4/ip_forward=x ipv6/conf/../accept_ra=1 ipv6/conf/a/b/accept_ra=1 \
		ipv6/conf//accept_ra=1 ipv6/conf/accept_ra=1 ../kernel/panic=1; do
		refused "net_setup network=bridge sysctls=$bad" "sysctl $bad: not one that netd changes"
	done
	diff <(sysctls) <(echo "$sysctls")
}
