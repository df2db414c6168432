# SPDX-License-Identifier: MIT
#
# Any process of the engine may be killed at any time: what runs goes on, and the next one of its kind knows it.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/containers.sh"
. "$BATS_TEST_DIRNAME/../lib/family.sh"

# counter [FLAGS...]: a container that counts in its log, ten a second
counter()
{
	# shellcheck disable=SC2016
	ctl run -d "$@" "$bb" sh -c 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done'
}

# Of a container: its log has no gap, and goes on.
counts_on()
{
	local n

	n=$(ctl logs "$1" | wc -l)
	wait_until 5 eval "[ \$(ctl logs $1 | wc -l) -gt $((n + 3)) ]" || return 1
	ctl logs "$1" | tr -d '\r' >"$ENGINE_DIR/counted"
	cmp "$ENGINE_DIR/counted" <(seq 0 $(($(wc -l <"$ENGINE_DIR/counted") - 1)))
}

@test "a shim killed: its container runs on, is heard, entered, stopped, and its code is told" {
	for flags in "" "-u 1000" "--init" "-t"; do
		# shellcheck disable=SC2086
		id=$(counter $flags)
		pid=$(workload_of "$id")
		for round in 1 2 3; do
			shim=$(shim_of "$id")
			kill -KILL "$shim"
			wait_until 3 eval "[ -n \"\$(shim_of $id)\" ] && [ \"\$(shim_of $id)\" != $shim ]"
			wait_until 3 ctl exec "$id" true
			[ "$(workload_of "$id")" = "$pid" ]
			counts_on "$id"
		done
		ctl stop -t 0 "$id"
		[ "$(ctl wait "$id")" = 137 ]
		ctl rm "$id"
		wait_until 5 engine_gone "$pid"
	done
}

# family: every process of the engine that is not of a container's: no shim, no keeper, no workload
family()
{
	echo "$ENGINE_PID"
	ps -o pid=,args= --ppid "$ENGINE_PID" | awk '$2 != "shim" && $2 != "shim:" { print $1 }'
}

@test "a shim and its keeper killed: nothing runs on unheard, the end is told, nothing is left" {
	for flags in "" "-u 1000" "--init"; do
		# shellcheck disable=SC2086
		id=$(ctl run -d $flags "$bb" sleep 300)
		pid=$(workload_of "$id")
		shim=$(shim_of "$id")
		keeper=$(ps -o pid=,args= --ppid "$shim" | awk '$2 == "shim:" { print $1 }')
		kill -STOP "$keeper" "$shim"
		kill -KILL "$keeper" "$shim"
		[ "$(ctl wait "$id")" = 255 ]
		wait_until 5 engine_gone "$pid"
		[ "$(ctl inspect --format '{{.State.Running}}' "$id")" = false ]
		ctl rm "$id"
		wait_until 60 cgroup_gone "$id"
		[ ! -d "$ENGINE_STATE/rootfs/$id" ]
	done
}

@test "an orphan's exit code is told, whether it ends by itself or by a signal" {
	id=$(ctl run -d "$bb" sh -c 'trap "exit 7" TERM; while :; do sleep 0.05; done')
	kill -KILL "$(shim_of "$id")"
	wait_until 3 ctl exec "$id" true
	ctl stop "$id"
	[ "$(ctl wait "$id")" = 7 ]
	[ -z "$(ctl inspect --format '{{.State.Error}}' "$id")" ]
	id=$(ctl run -d --rm "$bb" sleep 300)
	kill -KILL "$(shim_of "$id")"
	wait_until 3 ctl exec "$id" true
	ctl kill "$id"
	wait_until 5 eval "! ctl inspect $id"
}

# dies_at CALL CMD...: the supervisor is killed as it enters a system call (strace's name and qualifiers), which CMD leads to
dies_at()
{
	local supervisor tracer

	supervisor=$(supervisor_pid)
	strace -qq -o /dev/null -e trace="${1%%:*}" -e inject="${1%%:*}:signal=KILL${1#"${1%%:*}"}" -p "$supervisor" 3>&- &
	tracer=$!
	wait_until 10 grep -q "^TracerPid:.$tracer" "/proc/$supervisor/status"
	"${@:2}" || true
	wait $tracer || true
	wait_until 5 eval "[ ! -e /proc/$supervisor ]"
	wait_until 10 ctl ps
}

@test "the supervisor dies when it is about to record an end: the exit code is told all the same" {
	id=$(ctl run -d "$bb" sh -c 'trap "exit 7" TERM; while :; do sleep 0.05; done')
	dies_at renameat,renameat2 kill -TERM "$(workload_of "$id")"
	[ "$(ctl wait "$id")" = 7 ]
	[ "$(ctl inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' "$id")" = "exited 7 " ]
	ctl rm "$id"
}

@test "the supervisor dies in the middle of a removal: it is done by the next one, and never half of it" {
	for at in renameat:when=1 renameat:when=2 unlinkat:when=1 unlinkat:when=2 unlinkat:when=3 unlinkat:when=4; do
		id=$(ctl run -d "$bb" echo hello)
		[ "$(ctl wait "$id")" = 0 ]
		dies_at "$at" ctl rm "$id"
		sleep 1
		if [[ $at == renameat* ]] && ctl inspect "$id"; then # before it was noted
			ctl start "$id" && [ "$(ctl wait "$id")" = 0 ]
			ctl rm "$id"
		fi
		wait_until 10 eval "! ctl inspect $id"
		[ -z "$(find "$ENGINE_STATE/containers" "$ENGINE_STATE/rootfs" -maxdepth 1 -name "$id*")" ]
	done
}

@test "the supervisor dies once it has noted that a container is to go, running or not: the next one removes it" {
	id=$(ctl run -d "$bb" sleep 300)
	state=$ENGINE_STATE/containers/$id/state
	wait_until 10 eval "[ ! -e '$state.old' ]"
	cp "$state" "$BATS_TEST_TMPDIR/before"
	shim=$(shim_of "$id")
	kill -STOP "$shim"
	ctl rm -f "$id" 3>&- &
	wait_until 10 eval "! cmp -s '$state' '$BATS_TEST_TMPDIR/before'"
	kill -KILL "$(supervisor_pid)"
	kill -CONT "$shim"
	wait_until 10 eval "ctl ps && ! ctl inspect $id" || { tail -n 30 "$ENGINE_LOG"; ctl ps -a; false; }
	[ -z "$(find "$ENGINE_STATE/containers" "$ENGINE_STATE/rootfs" -maxdepth 1 -name "$id*")" ]
}

@test "who made its network is gone, supervisor or shim: a link that somebody deletes is made again" {
	id=$(ctl run -d -p 127.0.0.1::80 "$bb" httpd -f -p 80 -h /bin)
	port=$(ctl inspect "$id" | jq -r '.[0].NetworkSettings.Ports["80/tcp"][0].HostPort')
	served() { curl -fs --max-time 2 -o "$BATS_TEST_TMPDIR/got" "127.0.0.1:$port/sh"; }
	wait_until 10 served
	for who in supervisor shim "shim again" supervisor; do
		case $who in
		supervisor) kill -KILL "$(supervisor_pid)" ;;
		shim*)
			shim=$(shim_of "$id")
			kill -KILL "$shim"
			wait_until 10 eval "[ -n \"\$(shim_of $id)\" ] && [ \"\$(shim_of $id)\" != $shim ]"
			;;
		esac
		wait_until 10 ctl exec "$id" true
		ip link del "bh${id:0:10}"
		wait_until 10 served
		ctl exec "$id" test -e "/sys/class/net/eth0"
		[ "$(ctl inspect --format '{{.State.Error}}' "$id")" = "" ]
	done
	ctl rm -f "$id"
}

# ways_of CONTAINER: network namespaces that its shim has a descriptor of
ways_of()
{
	local shim

	shim=$(shim_of "$1")
	find /proc/"$shim"/fd -lname 'net:*' -printf '%l\n'
}

@test "a shim keeps a way into its container's own network, into the host's none" {
	id=$(ctl run -d "$bb" sleep 300)
	[ "$(ways_of "$id" | sort -u)" = "$(readlink "/proc/$(workload_of "$id")/ns/net")" ]
	host=$(ctl run -d --network host "$bb" sleep 300)
	[ "$(workload_of "$host")" -gt 0 ]
	[ -z "$(ways_of "$host")" ]
	kill -KILL "$(shim_of "$host")"
	wait_until 10 ctl exec "$host" true
	[ -z "$(ways_of "$host")" ]
	ctl rm -f "$id" "$host"
}

@test "removed while its shim is dead and nobody has taken the place yet: it is killed all the same" {
	id=$(ctl run -d "$bb" sleep 300)
	shim=$(shim_of "$id")
	kill -STOP "$ENGINE_PID"
	kill -KILL "$shim"
	sleep 0.3
	ctl rm -f "$id" &
	client=$!
	sleep 0.5
	kill -CONT "$ENGINE_PID"
	wait $client
}

@test "an exec ends with the shim that made it, and another can follow" {
	id=$(ctl run -d "$bb" sleep 300)
	ctl exec "$id" sleep 298 &
	client=$!
	wait_until 5 ctl exec "$id" sh -c 'ps | grep -q "[s]leep 298"'
	kill -KILL "$(shim_of "$id")"
	code=0
	wait "$client" || code=$?
	[ "$code" = 137 ] || [ "$code" = 125 ]
	wait_until 5 ctl exec "$id" true
	wait_until 5 ctl exec "$id" sh -c '! ps | grep -q "[s]leep 298"'
}

@test "an exec runs on when the supervisor dies, and those of its successor are not taken for it" {
	id=$(ctl run -d "$bb" sleep 300)
	ctl exec -d "$id" sleep 298
	kill -KILL "$(supervisor_pid)"
	wait_until 10 engine_answers
	for i in 1 2 3; do
		[ "$(ctl exec "$id" echo $i)" = $i ]
	done
	ctl exec "$id" sh -c 'ps | grep -q "[s]leep 298"'
}

@test "a restart that could not start it again is refused, and the container runs on" {
	ctl run -d --name bound -v /etc:/mnt:ro "$bb" sleep 300
	ctl restart -t 0 bound
	kill -KILL "$(supervisor_pid)"
	wait_until 10 engine_answers
	run -1 --separate-stderr ctl restart -t 0 bound
	[[ "$stderr" == *"bind mounts or devices from before the engine was restarted; remove and run it anew" ]]
	ctl exec bound test -e /mnt/passwd
	ctl stop -t 0 bound
	run ! ctl start bound
}

# launch_again: what a service manager does
launch_again()
{
	wait_until 10 engine_gone "$@" || return 1
	engine_launch
}

# With an engine of its own, in a subshell: the file's is looked at afterwards.
survive()
(
	set -e
	engine_start
	trap 'engine_stop || exit 1' EXIT
	ctl pull -q "$bb"
	for who in launcher all; do
		id=$(counter)
		tty=$(counter -t -u 1000)
		gone=$(ctl run -d --rm "$bb" sh -c 'while [ ! -e /go ]; do sleep 0.05; done')
		ends=$(ctl run -d "$bb" sh -c 'while [ ! -e /go ]; do sleep 0.05; done; sleep 0.5; exit 9')
		ctl exec "$ends" touch /go
		pids=$(family)
		# shellcheck disable=SC2086
		if [ $who = launcher ]; then kill -KILL "$ENGINE_PID"; else kill -KILL $pids; fi
		sleep 1
		# shellcheck disable=SC2086
		launch_again $pids
		[ "$(ctl wait "$ends")" = 9 ]
		[ "$(ctl inspect --format '{{.State.Status}}' "$ends")" = exited ]
		for c in $id $tty; do
			[ "$(ctl inspect --format '{{.State.Running}}' "$c")" = true ]
			counts_on "$c"
			[ "$(ctl exec "$c" echo reached)" = reached ]
			ip link del "bh${c:0:10}"
			wait_until 10 ip link show "bh${c:0:10}"
		done
		ctl exec "$gone" touch /go || true # the container may end first, and take it along
		wait_until 5 eval "! ctl inspect $gone"
		ctl stop -t 0 "$id" "$tty"
		[ "$(ctl wait "$id")" = 137 ]
		ctl start "$id"
		ctl rm -f "$id" "$tty" "$ends"
		ctl run --rm "$bb" true
	done
)

@test "the launcher killed, then all but the shims at once: what ran runs, and its end is told" {
	# Not by run, where set -e has no force.
	survive
}

# A helper that has been forked and is kept from its exec, while the launcher that did so is killed.
again_at_once()
(
	set -e
	engine_start
	trap 'engine_stop || exit 1' EXIT
	launcher=$ENGINE_PID
	strace -f -qq -o /dev/null -e trace=execveat -e inject=execveat:delay_enter=5000000 -p "$launcher" 3>&- &
	tracer=$!
	wait_until 10 grep -q "^TracerPid:.$tracer" "/proc/$launcher/status"
	kill -KILL "$(pgrep -P "$launcher" netd)"
	wait_until 10 pgrep -P "$launcher" -f -- "supervisor --name $ENGINE_NAME "
	kill -KILL "$launcher"
	wait "$launcher" || true
	pgrep -f -- "supervisor --name $ENGINE_NAME " # it is there still, and has all that the launcher had
	engine_launch
	ctl version
	wait "$tracer"
)

@test "the launcher killed while a child of it has not become a helper yet: the next one starts at once" {
	again_at_once
}

@test "another engine does not take the uids of a dead one whose containers run" {
	run bash -c '
		. "$0/../lib/engine.sh"
		engine_start && ctl pull -q "$1" && id=$(ctl run -d "$1" sleep 300) || exit 1
		mine=$(awk "{ print \$2 }" /proc/$(ctl inspect --format "{{.State.Pid}}" $id)/uid_map)
		kill -KILL $ENGINE_PID; sleep 1
		a=$ENGINE_DIR; an=$ENGINE_NAME; ar=$ENGINE_RUN; as=$ENGINE_STATE; al=$ENGINE_LOG; asock=$BULKHEAD_SOCKET
		engine_start && ctl pull -q "$1" && other=$(ctl run -d "$1" sleep 300) || exit 1
		its=$(awk "{ print \$2 }" /proc/$(ctl inspect --format "{{.State.Pid}}" $other)/uid_map)
		echo "mine=$mine its=$its"
		engine_stop || exit 1
		ENGINE_DIR=$a ENGINE_NAME=$an ENGINE_RUN=$ar ENGINE_STATE=$as ENGINE_LOG=$al BULKHEAD_SOCKET=$asock
		engine_launch && [ "$(ctl inspect --format "{{.State.Running}}" $id)" = true ] && engine_stop || exit 1
		[ $((mine / 65536 / 2048)) != $((its / 65536 / 2048)) ]' "$BATS_TEST_DIRNAME" "$bb"
	echo "$output"
	[ "$status" = 0 ]
}

@test "nor those of one that was stopped, or whose disk is away, as long as there are others" {
	run bash -c '
		. "$0/../lib/engine.sh"
		base() { cat "$1/uid-base"; }
		engine_start || exit 1
		first=$(base "$ENGINE_STATE")
		kill -TERM $ENGINE_PID && wait $ENGINE_PID
		one=$(declare -p ENGINE_DIR ENGINE_NAME ENGINE_RUN ENGINE_STATE ENGINE_LOG BULKHEAD_SOCKET)
		engine_start || exit 1
		second=$(base "$ENGINE_STATE")
		other=$(declare -p ENGINE_DIR ENGINE_NAME ENGINE_RUN ENGINE_STATE ENGINE_LOG ENGINE_PID BULKHEAD_SOCKET)
		eval "$one"
		engine_launch || exit 1 # beside the other
		[ "$(base "$ENGINE_STATE")" = "$first" ] && engine_stop || exit 1
		eval "$other"
		engine_stop || exit 1
		# Away as a disk is, while another one starts.
		engine_start || exit 1
		away=$ENGINE_STATE its=$(base "$ENGINE_STATE")
		kill -TERM $ENGINE_PID && wait $ENGINE_PID
		mv "$away" "$away.away"
		one=$(declare -p ENGINE_DIR ENGINE_NAME ENGINE_RUN ENGINE_STATE ENGINE_LOG BULKHEAD_SOCKET)
		engine_start && [ "$(base "$ENGINE_STATE")" != "$its" ] && engine_stop || exit 1
		eval "$one"
		mv "$away.away" "$away"
		engine_launch && engine_stop || exit 1
		echo "first=$first second=$second"
		[ "$first" != "$second" ]' "$BATS_TEST_DIRNAME"
	echo "$output"
	[ "$status" = 0 ]
}

@test "what the host's network was like before the first engine it is after the last, whatever ended those between" {
	run unshare -n bash -c '
		. "$0/../lib/engine.sh"
		settings() { sysctl -a --pattern "^net\.ipv[46]\." 2>/dev/null; }
		sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 net.ipv6.conf.default.accept_ra=1
		ip link set lo up
		before=$(settings)
		engine_start || exit 1
		[ "$(sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding | xargs)" = "1 1" ] || exit 1
		kill -USR1 $ENGINE_PID && wait $ENGINE_PID
		engine_launch || exit 1
		its=$(leaks_descendants $ENGINE_PID)
		kill -KILL $ENGINE_PID; wait $ENGINE_PID
		wait_until 10 engine_gone $its && engine_launch && engine_stop || exit 1
		diff <(echo "$before") <(settings)' "$BATS_TEST_DIRNAME"
	echo "$output"
	[ "$status" = 0 ]
}

@test "a container that ends while cgroupd is dead leaves no cgroup behind" {
	id=$(ctl run -d "$bb" sleep 300)
	cgroupd=$(ps -o pid=,args= --ppid "$ENGINE_PID" | awk '$2 == "cgroupd" { print $1 }')
	! cgroup_gone "$id" || false
	kill -KILL "$cgroupd"
	kill -KILL "$(workload_of "$id")"
	[ "$(ctl wait "$id")" = 137 ]
	wait_until 10 cgroup_gone "$id"
	ctl rm "$id"
}

@test "a cgroup of ours that nobody needs goes, with the next helper or in half a minute; others stay" {
	stray=$(printf '%064d' 7)
	mkdir "$(cgroup_at pids)/$ENGINE_NAME/$stray" "$(cgroup_at pids)/$ENGINE_NAME.other"
	id=$(ctl run -d "$bb" sleep 300)
	kill -KILL "$(ps -o pid=,args= --ppid "$ENGINE_PID" | awk '$2 == "cgroupd" { print $1 }')"
	wait_until 10 cgroup_gone "$stray"
	[ -d "$(cgroup_at pids)/$ENGINE_NAME.other" ]
	rmdir "$(cgroup_at pids)/$ENGINE_NAME.other"
	[ -d "$(cgroup_at pids)/$ENGINE_NAME/$id" ]
	[ "$(ctl inspect --format '{{.State.Running}}' "$id")" = true ]
}
