# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# netd alone: `netd --debug`, driven by text, in a network namespace that stands for the host, as an
# unprivileged user with NET_ADMIN. Containers are user and network namespaces whose own root opened
# the netlink socket; a third namespace is the world outside. Sourced by bats files; setup and teardown are here.

. "$BATS_TEST_DIRNAME/../lib/wait.sh"

setup()
{
	NETD_BIN=${BULKHEAD_BIN:-$BATS_TEST_DIRNAME/../../build/bin}/netd
	NETNS=$BATS_TEST_DIRNAME/../lib/netns.py
	PIDS=()
	HOST=$(hold hold-net)
	OUTSIDE=$(hold hold-net)
	WEB=$(hold hold)
	PEER=$(hold hold)
	# A new namespace takes some of these over from the machine's own.
	in_ns "$HOST" sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding'
	in_ns "$HOST" ip link set lo up
	in_ns "$HOST" ip link add uplink type veth peer name uplink netns "$OUTSIDE"
	in_ns "$HOST" ip addr add 198.51.100.1/24 dev uplink
	in_ns "$HOST" ip addr add 2001:db8:1::1/64 dev uplink nodad
	in_ns "$OUTSIDE" ip addr add 198.51.100.2/24 dev uplink
	in_ns "$OUTSIDE" ip addr add 2001:db8:1::2/64 dev uplink nodad
	in_ns "$HOST" ip link set uplink up
	in_ns "$OUTSIDE" ip link set uplink up
	PIDS+=("$HOST" "$OUTSIDE" "$WEB" "$PEER")
	netd_start tnet
}

teardown()
{
	# The servers first: one may still hold the input of another netd open.
	[ ${#PIDS[@]} = 0 ] || kill "${PIDS[@]}" 2>/dev/null || true
	netd_stop
	cat "$BATS_TEST_TMPDIR"/netd-*.log 2>/dev/null || true
}

# start FILE CMD...: in the background until teardown, its first output line awaited
start()
{
	local file=$1

	shift
	# Without netd's pipes, or it would never see their end.
	(
		[ -z "${TO:-}" ] || exec {TO}>&- {FROM}<&-
		exec "$@" >"$file" 2>&1 3>&-
	) &
	LAST=$!
	wait_until 10 test -s "$file"
}

# Printed, so called in a subshell: the pid is noted in a file.
hold()
{
	local file
	file=$(mktemp -p "$BATS_TEST_TMPDIR")

	start "$file" "$NETNS" "$1" || return 1
	echo "$LAST"
}

in_ns()
{
	local pid=$1

	shift
	nsenter -t "$pid" -n -- "$@"
}

serve()
{
	local file pid=$1
	file=$(mktemp -p "$BATS_TEST_TMPDIR")

	shift
	start "$file" nsenter -t "$pid" -n -- "$NETNS" serve "$@"
	PIDS+=("$LAST")
}

# witnessed PID...: who listens to frames there has read all that came, and is through with it: each waits for more
witnessed()
{
	local pid

	for pid; do
		[ -z "$(in_ns "$pid" awk 'NR > 1 && $7 > 0' /proc/net/packet)" ] || return 1
	done
	for pid in "${PIDS[@]}"; do
		grep -q '^State:.S' "/proc/$pid/status" || return 1
	done
}

knock()
{
	local pid=$1

	shift
	run in_ns "$pid" "$NETNS" ask "$@"
}

# With NETD_ROOM as many containers go on one bridge: with 1 PEER is not on WEB's. Those of NETD_LENT follow from 14
# on; with NETD_CROWD there are as many namespaces from 100 on, and none of WEB and PEER.
# netd_start NAME [ARGS]: fds 10 and 11 of netd are the netns and the rtnl socket of WEB, 12 and 13 of PEER
netd_start()
{
	local name=$1 from=(lend "$WEB" "$PEER")

	# shellcheck disable=SC2206
	[ -z "${NETD_LENT:-}" ] || from+=($NETD_LENT)
	[ -z "${NETD_CROWD:-}" ] || from=(crowd "$NETD_CROWD")
	mkfifo "$BATS_TEST_TMPDIR/in-$name" "$BATS_TEST_TMPDIR/out-$name"
	nsenter -t "$HOST" -n -- "$NETNS" "${from[@]}" -- "$NETD_BIN" --debug --log debug \
		${NETD_ROOM:+--room "$NETD_ROOM"} --name "$@" \
		<"$BATS_TEST_TMPDIR/in-$name" >"$BATS_TEST_TMPDIR/out-$name" \
		2>>"$BATS_TEST_TMPDIR/netd-$name.log" 3>&- &
	NETD=$!
	exec {TO}>"$BATS_TEST_TMPDIR/in-$name" {FROM}<"$BATS_TEST_TMPDIR/out-$name"
	rm "$BATS_TEST_TMPDIR/in-$name" "$BATS_TEST_TMPDIR/out-$name"
}

netd_stop()
{
	exec {TO}>&- {FROM}<&-
	TO=
	kill -CONT "$NETD" 2>/dev/null || true # a test that failed while it stood still
	wait "$NETD"
}

# say LINE: sends it; REPLY is the answer
say()
{
	echo "$1" >&"$TO"
	read -r -t $((20 * WAIT_SCALE)) -u "$FROM" REPLY
	echo "$1 -> $REPLY"
}

value()
{
	sed -E "s/.*\\b$1=\"?([^ \"]*).*/\\1/" <<<"$REPLY"
}

web="net_attach container=web network=bridge netns=@fd:10 rtnl=@fd:11"
peer="net_attach container=peer network=bridge netns=@fd:12 rtnl=@fd:13"

set_up()
{
	say "net_setup network=bridge $*"
	[[ $REPLY == net_ready* ]]
}

attach()
{
	say "$*"
	[[ $REPLY == net_attached* ]]
}

refused()
{
	say "$1"
	[[ $REPLY == "failed code="* ]]
	[[ $REPLY == *"$2"* ]]
}

sysctls()
{
	in_ns "$HOST" grep -rs . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf /proc/sys/net/ipv4/ip_forward | sort
}

links()
{
	in_ns "$HOST" ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/\1/' | sort
}

has_no_link()
{
	! links | grep -q "$1"
}

# Waits until no link matches: the kernel takes its time over a namespace's end.
no_link()
{
	wait_until 5 has_no_link "$1" || { links; false; }
}

# The engine's tables, with the elements of each set in order: the kernel lists them by a hash with a random key.
rules()
{
	local family

	for family in inet bridge; do
		in_ns "$HOST" nft -s list table "$family" tnet | python3 -c 'import re, sys
print(re.sub(r"elements = \{(.*?)\}\n", lambda m: ",".join(sorted(" ".join(m[1].split()).split(", "))), sys.stdin.read(), flags=re.S))'
	done
}

has_rules()
{
	[ "$(rules 2>/dev/null)" = "$1" ]
}

# back WANTED: soon the tables are as they were
back()
{
	wait_until 2 has_rules "$1" || diff <(rules) <(echo "$1")
}
