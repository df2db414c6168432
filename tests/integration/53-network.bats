# SPDX-License-Identifier: MIT
#
# Containers and the network: each other, the host, beyond it by NAT, and published ports.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

setup_file()
{
	engine_start && engine_images busybox debian || return 1
	# A second namespace stands for the outside: the host reaches it, but it has no route to any container.
	ip netns add "$ENGINE_NAME-out" || return 1
	ip link add "${ENGINE_NAME}h" type veth peer name eth0 netns "$ENGINE_NAME-out"
	ip addr add 10.213.77.1/24 dev "${ENGINE_NAME}h"
	# An address that comes a second later would look like something a test left.
	ip link set "${ENGINE_NAME}h" addrgenmode none
	ip link set "${ENGINE_NAME}h" up
	ip netns exec "$ENGINE_NAME-out" ip addr add 10.213.77.2/24 dev eth0
	ip netns exec "$ENGINE_NAME-out" ip link set eth0 up
	ip netns exec "$ENGINE_NAME-out" ip link set lo up
	engine_picture
}

teardown_file()
{
	ip netns del "$ENGINE_NAME-out"
	engine_stop
}

setup()
{
	bb=$REGISTRY/busybox
}

teardown()
{
	engine_unchanged
}

address()
{
	ctl inspect --format '{{.NetworkSettings.IPAddress}}' "$1"
}

# get CTL-WORDS... ADDRESS PORT: the page, asked for from inside; busybox's static wget can crash in getaddrinfo.
get()
{
	ctl "${@:1:$#-2}" sh -c 'printf "GET / HTTP/1.0\r\n\r\n" | nc -w 20 $0 $1 | tail -n 1' "${@: -2}"
}

# web FLAGS...: a server that serves by now; prints its id
web()
{
	local id

	id=$(ctl run -d "$@" "$bb" httpd -f -p 80 -h /var/www) || return 1
	wait_until 20 ctl exec "$id" sh -c 'netstat -tln | grep -q :80' || return 1
	echo "$id"
}

@test "eth0, lo and a default route, IPv4 and IPv6" {
	run ctl run --rm "$bb" sh -c 'ip addr; ip route; ip -6 route'
	[[ "$output" == *"eth0"* && "$output" == *"127.0.0.1/8"* ]]
	[[ "$output" == *"default via"*"dev eth0"* ]]
	[[ "$output" == *"inet6 fd"* ]]
}

@test "containers reach each other and the host" {
	one=$(web)
	run get run --rm "$bb" "$(address "$one")" 80
	[ "${lines[-1]}" = "hello from a container" ]
	gateway=$(ctl inspect --format '{{.NetworkSettings.Gateway}}' "$one")
	mkdir -p "$ENGINE_DIR/www"
	echo "hello from the host" >"$ENGINE_DIR/www/index.html"
	busybox httpd -f -p "$gateway:8098" -h "$ENGINE_DIR/www" 3>&- &
	server=$!
	wait_until 5 curl -s "http://$gateway:8098/"
	run get exec "$one" "$gateway" 8098
	kill $server
	[ "$output" = "hello from the host" ]
	six=$(ctl inspect --format '{{.NetworkSettings.GlobalIPv6Address}}' "$one")
	run get run --rm "$bb" "$six" 80
	[ "${lines[-1]}" = "hello from a container" ]
}

@test "beyond the host by NAT" {
	ip netns exec "$ENGINE_NAME-out" busybox httpd -f -p 10.213.77.2:8099 -h /etc 3>&- &
	server=$!
	wait_until 5 ip netns exec "$ENGINE_NAME-out" curl -fs http://10.213.77.2:8099/debian_version
	run ctl run --rm "$bb" sh -c 'printf "GET /debian_version HTTP/1.0\r\n\r\n" | nc -w 20 10.213.77.2 8099 | tail -n 1'
	kill $server
	[ "$status" = 0 ]
	[ "${lines[-1]}" = "$(cat /etc/debian_version)" ]
}

@test "the outside can't reach a container whose port isn't published" {
	one=$(web)
	ip netns exec "$ENGINE_NAME-out" ip route add default via 10.213.77.1
	run ip netns exec "$ENGINE_NAME-out" curl -sS -m 2 "http://$(address "$one")/"
	ip netns exec "$ENGINE_NAME-out" ip route del default
	[ "$status" != 0 ]
}

@test "-p: from the host's loopback, its addresses, from outside, from other containers" {
	one=$(web -p 0.0.0.0:18080:80)
	for address in 127.0.0.1 10.213.77.1; do
		run curl -sS -m 30 "http://$address:18080/"
		[ "$output" = "hello from a container" ]
	done
	run ip netns exec "$ENGINE_NAME-out" curl -sS -m 30 http://10.213.77.1:18080/
	[ "$output" = "hello from a container" ]
	gateway=$(ctl inspect --format '{{.NetworkSettings.Gateway}}' "$one")
	run get run --rm "$bb" "$gateway" 18080
	[ "${lines[-1]}" = "hello from a container" ]
	# itself, by the host's address
	run get exec "$one" "$gateway" 18080
	[ "$output" = "hello from a container" ]
	run ctl ps --format '{{.Ports}}'
	[[ "$output" == *"0.0.0.0:18080->80/tcp"* ]]
	ctl rm -f "$one"
	run curl -sS -m 2 http://127.0.0.1:18080/
	[ "$status" != 0 ]
}

@test "-p without an address is for the host's loopback alone" {
	web -p 18081:80 >/dev/null
	run curl -sS -m 30 http://127.0.0.1:18081/
	[ "$output" = "hello from a container" ]
	run ip netns exec "$ENGINE_NAME-out" curl -sS -m 2 http://10.213.77.1:18081/
	[ "$status" != 0 ]
}

@test "-p with udp" {
	ctl run -d -p 127.0.0.1:18082:53/udp "$REGISTRY/debian:12" python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 53))
while True:
    data, who = s.recvfrom(100)
    s.sendto(b"pong " + data, who)' >/dev/null
	run python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.5)
for i in range(120):
    s.sendto(b"ping", ("127.0.0.1", 18082))
    try:
        print(s.recv(100).decode())
        break
    except OSError:
        pass'
	[ "$output" = "pong ping" ]
}

@test "-P publishes what the image exposes, on free ports" {
	image_push config "$REGISTRY"
	one=$(ctl run -d -P --entrypoint sleep "$REGISTRY/config" 600)
	run ctl ps --format '{{.Ports}}'
	[[ "$output" == *"->8080/tcp"* && "$output" == *"->5353/udp"* ]]
}

@test "port tells where each is published" {
	id=$(ctl run -d --name told -p 127.0.0.1::80 -p 127.0.0.2::80 -p 53/udp -p '[::]::443' "$bb" sleep 600)
	run ctl port told
	[ "$status" = 0 ]
	[[ "$output" =~ ^53/udp\ -\>\ 127.0.0.1:[0-9]+.80/tcp\ -\>\ 127.0.0.1:[0-9]+.80/tcp\ -\>\ 127.0.0.2:[0-9]+.443/tcp\ -\>\ \[::\]:[0-9]+$ ]]
	port=$(ctl inspect --format '{{json .NetworkSettings.Ports}}' told | jq -r '.["53/udp"][0].HostPort')
	[ "$(ctl port told 53/udp)" = "127.0.0.1:$port" ]
	[ "$(ctl port told 80 | wc -l)" = 2 ]
	[ "$(ctl port told 443/tcp)" = "$(ctl port told 443)" ]
	for wrong in 53 81 80/udp; do
		run ctl port told $wrong
		[ "$status" = 1 ]
		[ "$output" = "ctl: port: port $wrong of container told is not published" ]
	done
	for wrong in "" 0 65536 x 80/sctp 80/ 000080; do
		run ctl port told "$wrong"
		[ "$status" = 1 ]
		[ "$output" = "ctl: port: \"$wrong\" is no port: PORT, PORT/tcp or PORT/udp" ]
	done
	ctl stop -t 0 told
	[ -z "$(ctl port told)" ]
	ctl rm told
	run ctl port told
	[ "$status" = 1 ]
	[ "$output" = "ctl: port: no such container: told" ]
}

@test "a port that is taken: 125, and its owner" {
	web --name first -p 18083:80 >/dev/null
	run ctl run -d --name second -p 18083:80 "$bb" sleep 600
	[ "$status" = 125 ]
	[[ "$output" == *18083*"in use by container $(ctl inspect -f '{{.Id}}' first | cut -c1-12)"* ]]
	busybox httpd -f -p 127.0.0.1:18084 -h /etc 3>&- &
	server=$!
	wait_until 5 curl -fs http://127.0.0.1:18084/hostname
	run ctl run -d --name third -p 18084:80 "$bb" sleep 600
	kill $server
	[ "$status" = 125 ]
	[[ "$output" == *18084* ]]
}

@test "resolv.conf, hosts and hostname are mounts of the container's own" {
	run ctl run --rm --name n -h box --dns 10.9.8.7 --dns-search example.test --add-host db:10.1.2.3 --add-host gw:host-gateway \
		"$bb" sh -c 'cat /etc/hostname /etc/resolv.conf /etc/hosts; hostname -i'
	[[ "$output" == *box* ]]
	[[ "$output" == *"nameserver 10.9.8.7"* ]]
	[[ "$output" == *"search example.test"* ]]
	[[ "$output" == *"10.1.2.3	db"* ]]
	gateway=$(ctl info | sed -nE 's/.*Subnets[:=] *([0-9.]+)\.0\/.*/\1.1/p')
	[ -n "$gateway" ]
	[[ "$output" == *"$gateway	gw"* ]]
	[ "$(grep -c '^nameserver' <<<"$output")" = 1 ]
	run ctl run --rm --dns-opt ndots:3 --dns-opt rotate "$bb" cat /etc/resolv.conf
	[[ "$output" == *"options ndots:3 rotate"* ]]
	run ctl run --rm "$bb" sh -c 'echo "# mine" >>/etc/hosts && grep mine /etc/hosts'
	[ "$status" = 0 ]
	run ctl run --rm --read-only "$bb" cat /etc/hosts
	[[ "$output" == *localhost* && "$output" != *mine* ]]
}

@test "names in resolv.conf work" {
	# A name server on the outside, reached through NAT by the address in resolv.conf.
	cat >"$ENGINE_DIR/dns.py" <<-'E'
		import socket
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind(("10.213.77.2", 53))
		s.settimeout(300)
		while True:
		    q, who = s.recvfrom(512)
		    end = q.index(b"\0", 12) + 5
		    a = q[end - 4:end - 2] == b"\0\1"
		    head = q[:2] + b"\x81\x80\0\1" + (b"\0\1" if a else b"\0\0") + b"\0\0\0\0"
		    s.sendto(head + q[12:end] + (b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\xd5\x4d\2" if a else b""), who)
	E
	ip netns exec "$ENGINE_NAME-out" python3 "$ENGINE_DIR/dns.py" 3>&- &
	server=$!
	wait_until 10 ip netns exec "$ENGINE_NAME-out" sh -c 'ss -uln | grep -q 10.213.77.2:53'
	run ctl run --rm --dns 10.213.77.2 -h box "$REGISTRY/debian:12" python3 -c \
		'import socket; print(socket.gethostbyname("outside.example.test"), socket.gethostbyname("box"))'
	kill $server
	[ "$status" = 0 ]
	[[ "${lines[-1]}" == "10.213.77.2 "*.*.*.* ]]
}

@test "--network none has only lo, host has the host's links" {
	run ctl run --rm --network none "$bb" sh -c 'ip -o link | wc -l; ip -o link show lo | grep -o LOWER_UP'
	[ "${lines[0]}" = 1 ]
	[ "${lines[1]}" = LOWER_UP ]
	id=$(ctl run -d --network host "$bb" sleep 600)
	ctl exec "$id" ip -o link show "${ENGINE_NAME}0" | grep -q "${ENGINE_NAME}0"
	ctl top "$id" | grep -q 'sleep 600'
	ctl cp "$id:/etc/hostname" "$BATS_TEST_TMPDIR/copied"
	ctl rm -f "$id"
	run ctl run --rm --network host "$bb" ip -o link
	[ "$status" = 0 ]
	[[ "$output" == *"${ENGINE_NAME}h"* ]]
	run ctl run --rm --network nonsense "$bb" true
	[ "$status" = 125 ]
}

@test "low ports and ping work without capabilities" {
	run ctl run --rm -u 1000:1000 --cap-drop ALL "$REGISTRY/debian:12" python3 -c 'import socket
socket.socket().bind(("", 80))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
s.settimeout(2)
s.sendto(b"\x08\0\0\0\0\0\0\1", ("127.0.0.1", 0))
print(s.recv(100)[0])'
	[ "$status" = 0 ]
	[ "${lines[-1]}" = 0 ]
}

@test "addresses as asked for: --ip, --ip6, --mac-address" {
	one=$(web)
	ip4=$(address "$one" | sed -E 's/[0-9]+$/200/')
	ip6=$(ctl inspect --format '{{.NetworkSettings.GlobalIPv6Address}}' "$one" | sed -E 's/[0-9a-f]*$/c8/')
	run -0 ctl run --rm --ip "$ip4" --ip6 "$ip6" --mac-address 02:11:22:33:44:55 "$bb" ip addr show dev eth0
	[[ "$output" == *"inet $ip4/"* && "$output" == *"inet6 $ip6/"* && "$output" == *02:11:22:33:44:55* ]]
	ctl run -d --ip "$ip4" "$bb" sleep 600
	run ctl run --rm --ip "$ip4" "$bb" true
	[ "$status" = 125 ]
	[[ "$output" == *"$ip4"* ]]
}

@test "other firewall tables stay as they were" {
	nft add table inet "${ENGINE_NAME}_other"
	nft add chain inet "${ENGINE_NAME}_other" c '{ type filter hook forward priority 0; policy accept; }'
	before=$(nft list table inet "${ENGINE_NAME}_other")
	web -p 18085:80 >/dev/null
	[ "$(nft list table inet "${ENGINE_NAME}_other")" = "$before" ]
	nft delete table inet "${ENGINE_NAME}_other"
}

@test "the engine's firewall tables come back when somebody deletes them; ports and NAT go on" {
	web --name w -p 127.0.0.1:18973:80
	wait_until 5 curl -sf http://127.0.0.1:18973/
	nft delete table inet "$ENGINE_NAME"
	nft delete table bridge "$ENGINE_NAME"
	wait_until 5 nft list table bridge "$ENGINE_NAME"
	wait_until 5 curl -sf http://127.0.0.1:18973/
	[[ $(nft list table bridge "$ENGINE_NAME") == *"$(address w)"* ]]
	nsenter -t "$(ctl inspect --format "{{.State.Pid}}" w)" -n ping -c 1 -w 20 10.213.77.2
}
