# SPDX-License-Identifier: MIT
#
# netd killed, and the host's network changed under running containers: nothing of theirs is lost, nothing of theirs is
# left behind, nothing of others is touched.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

setup_file()
{
	engine_start && engine_images busybox debian || return 1
	# The outside, as the host reaches it.
	export OUT=10.213.$((0x${ENGINE_NAME: -2} % 100 + 100))
	ip netns add "$ENGINE_NAME-out" || return 1
	ip link add "${ENGINE_NAME}h" type veth peer name eth0 netns "$ENGINE_NAME-out"
	ip link set "${ENGINE_NAME}h" addrgenmode none
	ip addr add $OUT.1/24 dev "${ENGINE_NAME}h"
	ip link set "${ENGINE_NAME}h" up
	ip netns exec "$ENGINE_NAME-out" ip addr add $OUT.2/24 dev eth0
	ip netns exec "$ENGINE_NAME-out" ip link set eth0 up
	ctl pull -q "$REGISTRY/debian:12" && engine_picture
}

teardown_file()
{
	foreign_remove 2>/dev/null
	ip link del "${ENGINE_NAME}h"
	ip netns del "$ENGINE_NAME-out"
	engine_stop
}

setup()
{
	bb=$REGISTRY/busybox
	TALK=$BATS_TEST_DIRNAME/../lib/talk.py
	HELD=()
}

teardown()
{
	[ ${#HELD[@]} = 0 ] || kill "${HELD[@]}" 2>/dev/null || true
	engine_unchanged
}

# start FILE CMD...: in the background until teardown, its first line of output awaited
start()
{
	local file=$1

	shift
	rm -f "$file" # an earlier test's has its first line already
	"$@" >"$file" 2>&1 3>&- &
	HELD+=($!)
	wait_until 10 test -s "$file"
}

# talker NAME: an echo server in a container, on port 7
talker()
{
	ctl run -d "${@:2}" --name "$1" "$REGISTRY/debian:12" python3 -c "$(cat "$TALK")" echo 0.0.0.0 7
	wait_until 10 ctl exec "$1" python3 -c 'import socket; socket.create_connection(("127.0.0.1", 7))'
}

# goes_on FILE: ten more words on that connection, and it isn't broken; TCP may wait long before it tries again
goes_on()
{
	local n

	n=$(tail -n 1 "$1")
	! grep broken "$1" || return 1
	wait_until 60 eval "[ \$(tail -n 1 '$1') -ge $((n + 10)) ]"
}

address()
{
	ctl inspect --format '{{.NetworkSettings.IPAddress}}' "$1"
}

alive()
{
	[ -n "$(engine_process "$1")" ] && [ "$(engine_process "$1")" != "${2:-}" ]
}

# without_netd CMD...: with netd dead, and the launcher kept from starting another
without_netd()
{
	local status=0

	kill -STOP "$ENGINE_PID"
	kill -KILL "$(engine_process netd)"
	"$@" || status=$?
	kill -CONT "$ENGINE_PID"
	wait_until 20 answers
	return $status
}

answers()
{
	ctl run --rm "$bb" true
}

get()
{
	curl -sS -m 3 "http://$1:$2/"
}

link_of()
{
	ip -o link show | sed -nE "s/^[0-9]+: ([^:@]*).*alias bulkhead:$ENGINE_NAME:$(ctl inspect --format '{{.Id}}' "$1"):.*/\1/p"
}

@test "netd killed: connections go on, new ones work at once, nothing is given out twice, ends give back" {
	talker one -p 0.0.0.0:18190:7 -p 127.0.0.1:18191:80/udp
	ctl run -d --name web -p 18192:80 "$bb" httpd -f -p 80 -h /var/www
	start "$ENGINE_DIR/outside" ip netns exec "$ENGINE_NAME-out" "$TALK" echo $OUT.2 7
	start "$ENGINE_DIR/in" "$TALK" talk 127.0.0.1 18190
	start "$ENGINE_DIR/in2" ip netns exec "$ENGINE_NAME-out" "$TALK" talk $OUT.1 18190
	start "$ENGINE_DIR/out" ctl exec one python3 -c "$(cat "$TALK")" talk $OUT.2 7
	for _ in 1 2 3; do
		kill -KILL "$(engine_process netd)"
		[ "$(get 127.0.0.1 18192)" = "hello from a container" ]
		wait_until 10 alive netd
		[ "$(get 127.0.0.1 18192)" = "hello from a container" ]
		for way in in in2 out; do
			goes_on "$ENGINE_DIR/$way"
		done
	done
	run ctl run --rm -p 18192:80 "$bb" true
	[ "$status" = 125 ]
	[[ $output == *"port 127.0.0.1:18192/tcp is already in use by container $(ctl inspect --format '{{.Id}}' web | cut -c1-12)" ]]
	run ctl run --rm -p 18191:80/udp "$bb" true
	[ "$status" = 125 ]
	run ctl run --rm --ip "$(address web)" "$bb" true
	[ "$status" = 125 ]
	run python3 -c 'import socket; socket.socket().bind(("127.0.0.1", 18192))'
	[[ $output == *"already in use"* ]]
	ctl run -d --name two "$bb" sleep 600
	[ "$(printf '%s\n' "$(address one)" "$(address two)" "$(address web)" | sort -u | wc -l)" = 3 ]
	ip4=$(address web)
	ctl rm -f web
	ctl run -d --name again --ip "$ip4" -p 18192:80 "$bb" httpd -f -p 80 -h /var/www
	wait_until 5 get 127.0.0.1 18192
}

# linked CONTAINER
linked()
{
	[[ $(ip -o link show "$(link_of "$1")") == *" master ${ENGINE_NAME}0 "*"state UP"* ]]
}

@test "killed while containers come and go: each starts or fails with a sentence, and nothing is left of any" {
	(
		while :; do
			kill -KILL "$(engine_process netd)" 2>/dev/null || true # there may be none yet
			sleep 0.3
		done
	) 3>&- &
	HELD+=($!)
	started=0
	for i in $(seq 30); do
		run --separate-stderr ctl run -d -p $((18200 + i)):80 "$bb" sleep 600
		if [ "$status" = 0 ]; then
			started=$((started + 1))
			[ $((i % 3)) != 0 ] || ctl rm -f "$output" >/dev/null
		else
			[ "$status" = 125 ]
			[ "${#stderr_lines[@]}" = 1 ]
			[[ $stderr == "ctl: run: network: "* ]]
		fi
	done
	kill "${HELD[@]}"
	HELD=()
	wait_until 20 answers
	echo "$started of 30 started"
	ids=$(ctl ps -q)
	# shellcheck disable=SC2086
	[ "$(for id in $ids; do address "$id"; done | sort | uniq -d)" = "" ]
	for id in $ids; do
		wait_until 5 linked "$id"
	done
	wait_until 5 eval "[ \"\$(ip -o link show master ${ENGINE_NAME}0 | wc -l)\" = $(wc -w <<<"$ids") ]"
}

@test "without netd: a start is one sentence and leaves nothing, an end is one all the same" {
	ctl run -d --name web -p 18193:80 "$bb" httpd -f -p 80 -h /var/www
	ctl run -d --name kept -p 18194:80 "$bb" sleep 600
	id=$(ctl run -d --rm --name brief -p 18195:80 "$bb" sleep 600)
	run without_netd ctl run --name never "$bb" true
	[ "$status" = 125 ]
	[[ $output =~ ^"ctl: run never: network: "(netd\ is\ not\ running;\ try\ again\ in\ a\ moment|the\ netd\ process\ is\ gone)$ ]]
	[ "$(ctl inspect --format '{{.State.Status}}' never)" = created ]
	ctl start never
	run without_netd ctl rm -f web
	[ "$status" = 0 ]
	without_netd ctl stop -t 0 kept
	without_netd ctl kill brief
	wait_until 10 eval "! ctl inspect $id"
	[ "$(ctl wait kept)" = 137 ]
	wait_until 10 eval '[ -z "$(ip -o link show master "${ENGINE_NAME}0")" ]'
	# Their ports are free, and one that starts again is as good as new.
	ctl run -d --name other -p 18193:80 -p 18195:80 "$bb" httpd -f -p 80 -h /var/www
	wait_until 5 get 127.0.0.1 18193
	ctl start kept
	[[ $(nft list table inet "$ENGINE_NAME") == *" 18194 "*"$(address kept) . 80"* ]]
}

# Bridge, link, table and address that look much like the engine's, and aren't. That somebody else's rules translate, as on
# most hosts, keeps the kernel's knowledge of whose packets are whose while the engine's are deleted: connections are
# tracked as long as any rule needs it, an empty chain doesn't (nft_nat_init, nft_masq_init). A host that has none takes a
# container's packet for its own then, and resets the connection.
foreign()
{
	ip link add "${ENGINE_NAME}f" type bridge
	ip link set "${ENGINE_NAME}f" alias "bulkhead:${ENGINE_NAME}f:network:bridge" addrgenmode none
	ip addr add 198.51.100.1/24 dev "${ENGINE_NAME}f"
	ip link add "${ENGINE_NAME}g" type veth peer name "${ENGINE_NAME}i"
	ip link set "${ENGINE_NAME}g" master "${ENGINE_NAME}f" alias "bulkhead:${ENGINE_NAME}f:web:198.51.100.2:0242c6336402:::"
	nft "add table inet ${ENGINE_NAME}f; add map inet ${ENGINE_NAME}f published4 { type inet_service : ipv4_addr; elements = { 80 : 198.51.100.2 }; }"
	nft "add chain inet ${ENGINE_NAME}f in { type nat hook prerouting priority -100; }; add chain inet ${ENGINE_NAME}f out { type nat hook postrouting priority 100; }"
	nft "add rule inet ${ENGINE_NAME}f in ip saddr 198.51.100.2 redirect; add rule inet ${ENGINE_NAME}f out ip saddr 198.51.100.2 masquerade"
}

foreign_remove()
{
	nft delete table inet "${ENGINE_NAME}f"
	ip link del "${ENGINE_NAME}f"
	ip link del "${ENGINE_NAME}g"
}

@test "supervisor and netd killed: the next ones know who is on the network, from the records alone" {
	foreign
	talker one -p 0.0.0.0:18196:7
	start "$ENGINE_DIR/in" ip netns exec "$ENGINE_NAME-out" "$TALK" talk $OUT.1 18196
	six=$(ctl inspect --format '{{.NetworkSettings.GlobalIPv6Address}}' one)
	kill -STOP "$(engine_process "supervisor --serve")"
	netd=$(engine_process netd)
	kill -KILL "$(engine_process "supervisor --serve")" "$netd"
	# Somebody takes all away meanwhile.
	ip link del "${ENGINE_NAME}0"
	nft delete table inet "$ENGINE_NAME"
	wait_until 10 ctl version
	goes_on "$ENGINE_DIR/in"
	[[ $(ip -6 -o addr show dev "${ENGINE_NAME}0") == *"${six%::*}::1/64"* ]]
	ping -c 1 -w 20 "$six"
	run ctl run --rm -p 18196:80 "$bb" true
	[ "$status" = 125 ]
	[[ $output == *"in use by container"* ]]
	run ctl run --rm --ip "$(address one)" "$bb" true
	[ "$status" = 125 ]
	# The supervisor that held the way into its network is gone; its shim has it too.
	ip link del "$(link_of one)"
	goes_on "$ENGINE_DIR/in"
	[ -z "$(ctl inspect --format '{{.State.Error}}' one)" ]
	[ "$(ctl inspect --format '{{.State.Running}}' one)" = true ]
	ctl stop -t 0 one
	ctl start one
	[ -z "$(ctl inspect --format '{{.State.Error}}' one)" ]
	"$TALK" talk 127.0.0.1 18196 | head -n 1
	foreign_remove
}

foreign_is()
{
	ip -d -o link show "${ENGINE_NAME}f"
	ip -d -o link show "${ENGINE_NAME}g"
	ip -o addr show dev "${ENGINE_NAME}f"
	nft list table inet "${ENGINE_NAME}f"
	grep -rs . "/proc/sys/net/ipv4/conf/${ENGINE_NAME}f" "/proc/sys/net/ipv4/conf/${ENGINE_NAME}g"
}

# renamed LINK: kernels before 6.2 let only what is down have another name, and netd takes up what it finds down
renamed()
{
	ip link set "$1" down
	ip link set "$1" name "${ENGINE_NAME}k"
}

@test "whatever is done to bridge, links and tables is mended, connections go on, and others' are left alone" {
	foreign
	before=$(foreign_is)
	talker one -p 0.0.0.0:18197:7
	start "$ENGINE_DIR/in" ip netns exec "$ENGINE_NAME-out" "$TALK" talk $OUT.1 18197
	start "$ENGINE_DIR/outside" ip netns exec "$ENGINE_NAME-out" "$TALK" echo $OUT.2 7
	start "$ENGINE_DIR/out" ctl exec one python3 -c "$(cat "$TALK")" talk $OUT.2 7
	link=$(link_of one)
	bridge=${ENGINE_NAME}0
	gateway=$(ctl inspect --format '{{.NetworkSettings.Gateway}}' one)
	while read -r fault; do
		echo "$fault"
		eval "$fault"
		goes_on "$ENGINE_DIR/in"
		goes_on "$ENGINE_DIR/out"
		"$TALK" talk 127.0.0.1 18197 | head -n 1
	done <<-'FAULTS'
		ip link set $link down
		ip link set $link nomaster
		ip link set $link master ${ENGINE_NAME}f
		wait_until 10 renamed $link
		ip addr del $gateway/16 dev $bridge
		ip link set $bridge down
		ip link del $bridge
		ip link del $link
		nft delete table inet $ENGINE_NAME
		nft delete table bridge $ENGINE_NAME
		nft flush chain inet $ENGINE_NAME publish
		echo 0 >/proc/sys/net/ipv4/conf/$bridge/forwarding
		kill -KILL "$(engine_process netd)"; ip link del $bridge; nft delete table inet $ENGINE_NAME
	FAULTS
	[[ $(ctl exec one python3 -c 'print(open("/sys/class/net/eth0/address").read())') == "$(ctl inspect --format '{{.NetworkSettings.MacAddress}}' one)" ]]
	diff <(foreign_is) <(echo "$before")
	foreign_remove
}

@test "what the kernel doesn't tell of is mended in half a minute" {
	ctl run -d --name web -p 18198:80 "$bb" httpd -f -p 80 -h /var/www
	wait_until 5 get 127.0.0.1 18198
	# Unless the half minute is over just then.
	broken()
	{
		echo 0 >"/proc/sys/net/ipv4/conf/${ENGINE_NAME}0/route_localnet"
		! get 127.0.0.1 18198
	}
	wait_until 20 broken
	wait_until 45 get 127.0.0.1 18198
}

# ends_without_netd WHEN: netd is killed while the containers are being stopped, or while it is to take down. With an
# engine of its own, in a subshell: the file's is looked at afterwards.
ends_without_netd()
(
	engine_start || exit 1
	ctl pull -q "$bb"
	ctl run -d -p 18199:80 "$bb" sleep 600
	netd=$(engine_process netd)
	case $1 in
	before) # the workload doesn't heed SIGTERM, which gives ten seconds
		kill -TERM "$ENGINE_PID"
		sleep 1
		;;
	amid) # with nothing to stop netd is asked at once, and doesn't come to it
		ctl rm -f "$(ctl ps -q)"
		kill -STOP "$netd"
		kill -TERM "$ENGINE_PID"
		sleep 2
		;;
	esac
	kill -KILL "$netd"
	engine_stop
)

@test "an engine that ends takes all down, also when netd dies before it could, or over it" {
	ends_without_netd before
	ends_without_netd amid
}
