# SPDX-License-Identifier: MIT
#
# A network of more than one bridge: netd alone, with as few containers on each as it takes; and once with more than the
# kernel has ports for. See tests/lib/netd.sh.

bats_require_minimum_version 1.5.0

NETD_ROOM=1
. "$BATS_TEST_DIRNAME/../lib/netd.sh"
. "$BATS_TEST_DIRNAME/../lib/netd-sync.sh"

SPOOF=$BATS_TEST_DIRNAME/../lib/spoof.py

# part bridge|down|up: the name of that link of the first annex
part()
{
	in_ns "$HOST" ip -o link show | sed -nE "s/^[0-9]+: ([^:@]*).*alias bulkhead:tnet:network:bridge:1:$1\$/\1/p"
}

master_of()
{
	in_ns "$HOST" ip -o link show "$1" | sed -nE 's/.* master ([^ ]*).*/\1/p'
}

# no_annex: soon there is none
no_annex()
{
	no_link '^\(br-\|bj\)'
}

# netd starts anew with two more: LEFT and RIGHT on the network's bridge, WEB and PEER on an annex
four()
{
	netd_stop
	LEFT=$(hold hold)
	RIGHT=$(hold hold)
	PIDS+=("$LEFT" "$RIGHT")
	NETD_ROOM=2 NETD_LENT="$LEFT $RIGHT" netd_start tnet
	set_up subnet4=10.77.0.0/16 subnet6=fd77::/64
	attach "net_attach container=left network=bridge netns=@fd:14 rtnl=@fd:15"
	attach "net_attach container=right network=bridge netns=@fd:16 rtnl=@fd:17"
	attach "$web $port"
	attach "$peer"
	[ "$(master_of "$(link_of left)")" = tnet0 ]
	[ "$(master_of "$(link_of web)")" = "$(part bridge)" ]
	[ "$(master_of "$(link_of peer)")" = "$(part bridge)" ]
	serve "$WEB" tcp :: 80 web
}

@test "who finds no room on the bridge is on another of the same network, and sees no difference" {
	four
	for pid in "$LEFT" "$WEB" "$PEER"; do
		for address in 10.77.0.1 fd77::1 10.77.0.2 fd77::2 10.77.0.3 10.77.0.4 10.77.0.5 fd77::5 198.51.100.2; do
			in_ns "$pid" ping -c 1 -w 20 "$address" >/dev/null
		done
	done
	in_ns "$HOST" ping -c 1 -w 20 10.77.0.4
	in_ns "$HOST" ping -c 1 -w 20 fd77::5
	knock "$LEFT" tcp 10.77.0.4 80
	[ "$output" = "web ::ffff:10.77.0.2" ]
	knock "$HOST" tcp 127.0.0.1 8080
	[[ $output == "web "* ]]
	knock "$OUTSIDE" tcp 198.51.100.1 8080
	[ "$output" = "web ::ffff:198.51.100.2" ]
	for pid in "$LEFT" "$PEER" "$WEB"; do
		for address in 198.51.100.1 10.77.0.1; do
			knock "$pid" tcp $address 8080
			[[ $output == "web "* ]]
		done
	done
	# Who leaves takes its address along, from both bridges.
	link=$(link_of peer)
	say "net_detach container=peer"
	no_link "^$link\$"
	[ -n "$(in_ns "$HOST" bridge fdb show dev "$(part down)" | grep 02:42:0a:4d:00:04)" ]
	[ -z "$(in_ns "$HOST" bridge fdb show | grep 02:42:0a:4d:00:05)" ]
}

@test "the host answers on the network's bridge alone" {
	four
	mac=$(in_ns "$HOST" ip -o link show "$(part bridge)" | sed -E 's/.*link.ether ([^ ]*).*/\1/')
	serve "$HOST" tcp :: 7777 host
	in_ns "$WEB" ip neigh replace 10.77.0.1 lladdr "$mac" dev eth0
	in_ns "$WEB" ip neigh replace fd77::1 lladdr "$mac" dev eth0
	knock "$WEB" tcp 10.77.0.1 7777
	[ "$status" = 1 ]
	knock "$WEB" tcp fd77::1 7777
	[ "$status" = 1 ]
	knock "$WEB" tcp 198.51.100.1 7777
	[ "$status" = 1 ]
	serve "$OUTSIDE" tcp :: 7777 outside
	knock "$WEB" tcp 198.51.100.2 7777
	[ "$status" = 1 ]
	in_ns "$WEB" ip neigh flush dev eth0
	in_ns "$WEB" ip neigh del 10.77.0.1 dev eth0 || true
	knock "$WEB" tcp 198.51.100.2 7777
	[[ $output == outside* ]]
	# Nor does it answer there who has its address.
	[ "$(in_ns "$WEB" ip neigh show 10.77.0.1)" != "" ]
	[[ $(in_ns "$WEB" ip neigh show 10.77.0.1) != *"$mac"* ]]
}

@test "a broadcast comes to each of the network once" {
	four
	files=()
	for pid in "$LEFT" "$RIGHT" "$WEB" "$PEER"; do
		files+=("$BATS_TEST_TMPDIR/got-$pid")
		start "${files[-1]}" nsenter -t "$pid" -n -- "$NETNS" hear 9
		PIDS+=("$LAST")
	done
	# A link that has just come up drops what it is given until the kernel's own work queue has been there: what isn't
	# sent again is sent over links that have carried something.
	for pid in "$LEFT" "$RIGHT" "$WEB" "$PEER"; do
		in_ns "$pid" ping -c 1 -w 20 10.77.0.1 >/dev/null
	done
	for pid in "$PEER" "$LEFT"; do
		in_ns "$pid" "$NETNS" shout 10.77.255.255 9 "from-$pid"
	done
	for pid in "$LEFT" "$RIGHT" "$WEB" "$PEER"; do
		for from in "$PEER" "$LEFT"; do
			wait_until 5 grep -qx "from-$from" "$BATS_TEST_TMPDIR/got-$pid"
		done
	done
	sleep 0.3
	tail -n +2 "${files[@]}"
	for pid in "$LEFT" "$RIGHT" "$WEB" "$PEER"; do
		for from in "$PEER" "$LEFT"; do # the sender's own kernel gives it a copy
			[ "$(grep -cx "from-$from" "$BATS_TEST_TMPDIR/got-$pid")" = 1 ]
		done
	done
}

# spoof: what PEER sent as itself, LEFT or the gateway and the witnesses saw
spoof()
{
	in_ns "$PEER" "$SPOOF" send eth0 mac=02:42:0a:4d:00:05 ip=10.77.0.5 ip6=fd77::5 \
		victim_mac=02:42:0a:4d:00:02 victim=10.77.0.2 victim6=fd77::2 \
		gateway_mac="$(in_ns "$HOST" ip -o link show tnet0 | sed -E 's/.*link.ether ([^ ]*).*/\1/')" \
		gateway=10.77.0.1 gateway6=fd77::1 >"$BATS_TEST_TMPDIR/sent"
	in_ns "$PEER" ping -c 1 -w 20 10.77.0.2 >/dev/null
	wait_until 5 witnessed "$HOST" "$LEFT" "$WEB"
	sleep 0.3
	cat "$BATS_TEST_TMPDIR"/seen-* | grep -v watching | sort -u
}

@test "a container on an annex lies to nobody, there or on the network's bridge" {
	four
	for pid in "$LEFT" "$WEB"; do
		start "$BATS_TEST_TMPDIR/seen-$pid" nsenter -t "$pid" -n -- "$SPOOF" watch eth0
		PIDS+=("$LAST")
	done
	for link in tnet0 "$(part bridge)"; do
		start "$BATS_TEST_TMPDIR/seen-$link" nsenter -t "$HOST" -n -- "$SPOOF" watch "$link"
		PIDS+=("$LAST")
	done
	in_ns "$PEER" ping -c 1 -w 20 10.77.0.2 >/dev/null
	seen=$(spoof)
	echo "$seen"
	[ "$(grep -c honest <<<"$seen")" = "$(grep -c honest "$BATS_TEST_TMPDIR/sent")" ]
	[ -z "$(grep -v honest <<<"$seen")" ]
	# Without the firewall's rules the ports still let nobody send from another's MAC address.
	kill -STOP "$NETD"
	in_ns "$HOST" nft flush ruleset
	seen=$(spoof)
	kill -CONT "$NETD"
	[[ $seen != *foreign-mac* && $(grep -vc honest <<<"$seen") -gt 3 ]]
}

@test "an annex is made when it is needed, again at once, and removed when nobody is on it" {
	two
	[ -n "$(part bridge)" ] && [ -n "$(part down)" ] && [ -n "$(part up)" ]
	say "net_detach container=peer"
	attach "$peer"
	bridge=$(part bridge)
	sleep 2.5
	[ "$(part bridge)" = "$bridge" ]
	talks
	say "net_detach container=peer"
	no_annex
	[[ $(rules) != *br-* && $(rules) != *bj* ]]
	wait_until 5 eval '[ "$(in_ns "$HOST" bridge fdb show br tnet0 | grep -c static)" = 1 ]' ||
		{ in_ns "$HOST" bridge fdb show br tnet0; false; }
	attach "$peer ip4=10.77.0.3"
	say "net_detach container=web"
	attach "$web ip4=10.77.0.2 $port"
	talks
	no_annex || [ "$(master_of "$(link_of peer)")" = "$(part bridge)" ]
	say net_teardown
	[ "$REPLY" = "done" ]
	[ "$(links)" = "$(printf 'lo\nuplink')" ]
}

@test "after a kill netd takes over annexes, and mends what was done to them meanwhile" {
	two
	wanted=$(picture)
	killed talks
	sync "$web_is $peer_is"
	[ "$MENDED" = 0 ]
	[ "$(picture)" = "$wanted" ]
	killed in_ns "$HOST" ip link del tnet0
	sync "$web_is $peer_is"
	looks_like "$wanted" 1
	talks
	killed in_ns "$HOST" ip link del "$(part bridge)"
	sync "$web_is $peer_is"
	looks_like "$wanted" 1
	killed in_ns "$HOST" ip link del "$(part up)"
	sync "$web_is $peer_is"
	looks_like "$wanted" 1
	killed in_ns "$HOST" ip link set "$(link_of peer)" nomaster
	sync "$web_is $peer_is"
	looks_like "$wanted" 1
	talks
	link=$(link_of peer)
	sync "$web_is"
	no_link "^$link\$"
	no_annex
	# One that a run had no time to finish
	killed in_ns "$HOST" ip link add br-000000000000 type bridge
	in_ns "$HOST" ip link set br-000000000000 alias bulkhead:tnet:network:bridge:7:bridge
	killed :
	sync "$web_is"
	sleep 2.5
	[ "$(links | grep -c '^bj')" = 0 ]
}

@test "whatever is done to an annex and its way to the network is undone at once, or a second after the last time" {
	two
	wanted=$(picture)
	bridge=$(part bridge) down=$(part down) up=$(part up)
	while read -r fault; do
		fault=${fault//BRIDGE/$bridge}
		fault=${fault//DOWN/$down}
		in_ns "$HOST" sh -c "${fault//UP/$up}"
		started=${EPOCHREALTIME/./}
		looks_like "$wanted" 5 || { echo "after $fault"; false; }
		echo "$(((${EPOCHREALTIME/./} - started) / 1000)) ms: $fault"
	done <<-'FAULTS'
		ip link del BRIDGE
		ip link set BRIDGE down
		ip link del DOWN
		ip link set DOWN down
		ip link set UP down
		ip link set DOWN nomaster
		ip link set UP nomaster
		ip link set UP master tnet0
		ip link del tnet0
		ip link del tnet0; ip link del BRIDGE; ip link del UP; nft flush ruleset
	FAULTS
	talks
}

@test "what the kernel doesn't tell of an annex is put right by the next list" {
	two
	wanted=$(picture)
	bridge=$(part bridge) down=$(part down) up=$(part up)
	while read -r fault; do
		fault=${fault//BRIDGE/$bridge}
		fault=${fault//DOWN/$down}
		in_ns "$HOST" sh -c "${fault//UP/$up}"
		[ "$(picture)" != "$wanted" ]
		sync "$web_is $peer_is"
		looks_like "$wanted" 1 || { echo "after $fault"; false; }
	done <<-'FAULTS'
		ip link set BRIDGE alias nonsense
		ip link set BRIDGE arp on
		ip link set DOWN alias nonsense
		bridge link set dev DOWN learning on flood on
		bridge link set dev DOWN locked off
		bridge link set dev DOWN hairpin off
		bridge link set dev UP learning on
		bridge link set dev UP flood off
		bridge fdb del 02:42:0a:4d:00:03 dev DOWN master
	FAULTS
	talks
}

@test "an annex whose name somebody else has: one sentence, nothing half done, and theirs is left alone" {
	set_up subnet4=10.77.0.0/16 subnet6=fd77::/64
	attach "$web $port"
	attach "$peer"
	serve "$WEB" tcp :: 80 web
	bridge=$(part bridge)
	say "net_detach container=peer"
	no_annex
	before=$(picture)
	in_ns "$HOST" ip link add "$bridge" type bridge
	in_ns "$HOST" ip link set "$bridge" alias mine
	refused "$peer" "link $bridge exists and is not this engine's: rename or delete it"
	sleep 2.5
	in_ns "$HOST" ip link show "$bridge" | grep -q 'alias mine'
	in_ns "$HOST" ip link del "$bridge"
	[ "$(picture)" = "$before" ]
	attach "$peer ip4=10.77.0.3"
	talks
}

@test "1,100 containers on one network, more than a bridge has ports, and all gone at once" {
	netd_stop
	n=1100
	NETD_ROOM='' NETD_CROWD=$n netd_start tnet
	set_up subnet4=10.77.0.0/16 subnet6=fd77::/64
	for k in $(seq 0 $((n - 1))); do
		echo "net_attach container=$(printf %012x "$k") network=bridge netns=@fd:$((100 + 2 * k)) rtnl=@fd:$((101 + 2 * k))$([ "$k" != 1050 ] || echo " $port")" >&"$TO"
		read -r -t 120 -u "$FROM" REPLY
		[[ $REPLY == net_attached* ]] || { echo "$k: $REPLY"; false; }
	done
	[ "$(links | grep -c '^br-')" = 2 ]
	for k in 0 511 512 1022 1023 1024 1099; do
		for to in 0 512 1022 1023 1024 1099; do
			nsenter --net="/proc/$NETD/fd/$((100 + 2 * k))" ping -c 1 -i 0.2 -w 20 "10.77.$(((to + 2) / 256)).$(((to + 2) % 256))" >/dev/null ||
				{ echo "$k doesn't reach $to"; false; }
		done
		nsenter --net="/proc/$NETD/fd/$((100 + 2 * k))" ping -c 1 -w 20 10.77.0.1 >/dev/null
	done
	start "$BATS_TEST_TMPDIR/serving" nsenter --net="/proc/$NETD/fd/$((100 + 2 * 1050))" "$NETNS" serve tcp 0.0.0.0 80 web
	PIDS+=("$LAST")
	knock "$HOST" tcp 127.0.0.1 8080
	[[ $output == "web "* ]]
	# One by one it took the kernel 23 s and more: longer than an answer is waited for.
	started=${EPOCHREALTIME/./}
	say net_teardown
	[ "$REPLY" = "done" ]
	echo "$(((${EPOCHREALTIME/./} - started) / 1000)) ms: teardown"
	[ "$(links)" = "$(printf 'lo\nuplink')" ]
}
