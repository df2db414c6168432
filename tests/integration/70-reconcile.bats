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

# goes_on FILE: ten more words on that connection, and it isn't broken
goes_on()
{
	local n

	n=$(tail -n 1 "$1")
	! grep broken "$1" || return 1
	wait_until 20 eval "[ \$(tail -n 1 '$1') -ge $((n + 10)) ]"
}

address()
{
	ctl inspect --format '{{.NetworkSettings.IPAddress}}' "$1"
}

pid_of()
{
	ps -o pid=,args= --ppid "$ENGINE_PID" | awk -v kind="$1" '$2 == kind || $2 " " $3 == kind { print $1; exit }'
}

alive()
{
	[ -n "$(pid_of "$1")" ] && [ "$(pid_of "$1")" != "${2:-}" ]
}

# without_netd CMD...: with netd dead, and the launcher kept from starting another
without_netd()
{
	local status=0

	kill -STOP "$ENGINE_PID"
	kill -KILL "$(pid_of netd)"
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
		kill -KILL "$(pid_of netd)"
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
	ctl run -d --name two "$bb" sleep 60
	[ "$(printf '%s\n' "$(address one)" "$(address two)" "$(address web)" | sort -u | wc -l)" = 3 ]
	ip4=$(address web)
	ctl rm -f web
	ctl run -d --name again --ip "$ip4" -p 18192:80 "$bb" httpd -f -p 80 -h /var/www
	wait_until 5 get 127.0.0.1 18192
}
