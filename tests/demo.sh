#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The main job, shown: an image from a registry becomes a container, with every command and its
# real output. All of it happens beside whatever else the host does, under a name of its own, and
# the last step compares the host with what it was. Exits 1 at the first step that fails.
set -u
cd "$(dirname "$0")/.." || exit 1

. tests/lib/engine.sh

PATH=$engine_bin:$PATH
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'
else
	bold='' dim='' red='' plain=''
fi
before=

title()
{
	printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

fail()
{
	printf '%sdemo failed: %s%s\n' "$red" "$*" "$plain"
	[ ! -s "${ENGINE_LOG:-}" ] || tail -n 20 "$ENGINE_LOG"
	exit 1
}

show()
{
	printf '%s$ %s%s\n' "$dim" "$*" "$plain"
}

# step CMD: printed as written, run as written, must succeed.
step()
{
	show "$1"
	timeout -k 5 60 bash -c "$1" </dev/null || fail "\"$1\" exited $?"
}

# step_code CODE CMD: must exit with CODE.
step_code()
{
	local rc

	show "$2"
	timeout -k 5 60 bash -c "$2" </dev/null
	rc=$?
	[ $rc = "$1" ] || fail "\"$2\" exited $rc, not $1"
	printf '%s(exit code %s)%s\n' "$dim" "$rc" "$plain"
}

# step_says TEXT CMD: must succeed and print TEXT.
step_says()
{
	local out

	show "$2"
	out=$(timeout -k 5 60 bash -c "$2" </dev/null 2>&1) || fail "\"$2\" exited $?: $out"
	printf '%s\n' "$out"
	grep -qF -- "$1" <<<"$out" || fail "\"$2\" didn't print \"$1\""
}

capability_names()
{
	local mask=$((16#$1)) bit names=(chown dac_override dac_read_search fowner fsetid kill setgid
		setuid setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock
		ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot
		sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control
		setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf
		checkpoint_restore) text=

	for bit in "${!names[@]}"; do
		(( mask >> bit & 1 )) && text+="${names[bit]} "
	done
	[ "$(wc -w <<<"$text")" -lt 12 ] || text="$(wc -w <<<"$text") capabilities"
	echo "${text:-none}"
}

# Who runs with what, read from the live processes.
privilege_table()
{
	local pid where status

	printf '%-8s %-20s %-11s %-4s %-4s %s\n' PID PROCESS UID NNP SEC 'EFFECTIVE CAPABILITIES'
	for pid in $(leaks_descendants "$ENGINE_PID"); do
		status=/proc/$pid/status
		[ -r "$status" ] || continue
		where=
		[ "$(readlink "/proc/$pid/ns/user")" = "$(readlink /proc/self/ns/user)" ] ||
			where=' (own user namespace)'
		printf '%-8s %-20s %-11s %-4s %-4s %s%s\n' "$pid" \
			"$(tr '\0' ' ' <"/proc/$pid/cmdline" | sed -E 's#^[^ ]*/##;
				s/^([^ ]+)( --(serve|fetch|unpack|dns)\b)?.*/\1\2/')" \
			"$(awk '/^Uid:/ { print $3 }' "$status")" \
			"$(awk '/^NoNewPrivs:/ { print $2 }' "$status")" \
			"$(awk '/^Seccomp:/ { print $2 }' "$status")" \
			"$(capability_names "$(awk '/^CapEff:/ { print $2 }' "$status")")" "$where"
	done
}

leave()
{
	local rc=$?

	trap - EXIT
	engine_stop || rc=1
	if [ -n "$before" ]; then
		title 'What is left on the host'
		if leaks_diff "$before" 10; then
			echo "nothing: links, addresses, routes, mounts, cgroups, nft rules, loop devices and" \
				"processes are what they were"
		else
			# What carries the engine's name has failed in engine_stop; the rest may be somebody else's.
			printf '%sthe lines above came or went meanwhile%s\n' "$red" "$plain"
			[ "${CI:-}" != true ] || rc=1
		fi
		rm -f "$before"
	fi
	exit "$rc"
}

demo_pull()
{
	title 'An image from a registry on loopback'
	step "ctl pull $REGISTRY/busybox:latest"
	step "ctl images"
}

demo_run()
{
	title 'A container: its own processes, users, host name, network'
	step_says 'hello from' "ctl run --rm $image echo hello from a container"
	step_says 'uid=0(root)' "ctl run --rm $image id"
	step_says demo "ctl run --rm --hostname demo $image hostname"
	step "ctl run --rm $image ps"
	step_code 7 "ctl run --rm $image sh -c 'exit 7'"
	step_code 127 "ctl run --rm $image no-such-command"
}

demo_detached()
{
	title 'Detached: ps, exec, logs'
	step "ctl run -d --name web $image sh -c 'echo serving; exec httpd -f -p 80 -h /var/www'"
	step_says web "ctl ps"
	step "ctl exec web ip -4 addr show eth0"
	step_says serving "ctl logs web"
}

demo_limits()
{
	title 'Limits, in force before the first instruction'
	step_code 137 "ctl run --rm -m 64m --memory-swap 64m $image sh -c 'tail -c 200m /dev/zero >/dev/null'"
	step_says "can't fork" "ctl run --rm --pids-limit 20 $image sh -c 'i=0; while [ \$i -lt 40 ]; do sleep 1 & i=\$((i+1)); done' 2>&1 | tail -n 1"
}

free_port()
{
	/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

demo_network()
{
	local address port

	title 'Two containers and the host on one network'
	address=$(ctl inspect --format '{{.NetworkSettings.IPAddress}}' web) || fail "web has no address"
	step_says 'hello from a container' "ctl run --rm $image wget -qO- http://$address/"
	step_says 'hello from a container' "curl -sS http://$address/"
	port=$(free_port)
	step "ctl run -d --name published -p 127.0.0.1:$port:80 $image httpd -f -p 80 -h /var/www"
	step_says 'hello from a container' "curl -sS --retry 5 --retry-connrefused --retry-delay 1 http://127.0.0.1:$port/"
}

demo_privilege()
{
	title 'Who has which privilege, read from the live processes'
	show "grep -E 'Uid|CapEff|NoNewPrivs|Seccomp' /proc/PID/status"
	privilege_table
}

demo_stop()
{
	title 'Stop and remove'
	step "ctl stop -t 1 web"
	step "ctl rm web"
	step "ctl rm -f published"
	step "ctl ps -a"
}

main()
{
	[ "$(id -u)" = 0 ] || fail "run as root"
	before=$(mktemp)
	engine_prepare "demo$((RANDOM % 1000))" || fail "can't make a directory"
	leaks_before "$before"
	trap leave EXIT
	trap 'exit 130' INT TERM
	title 'A registry, a busybox image and an engine of its own name'
	engine_images busybox || fail "no registry"
	image=$REGISTRY/busybox
	show "supervisor --name $ENGINE_NAME --run-dir $ENGINE_RUN --state-dir $ENGINE_STATE &"
	engine_launch || fail "the engine didn't start"
	show "export BULKHEAD_SOCKET=$BULKHEAD_SOCKET"
	step "ctl version"
	demo_pull
	demo_run
	demo_detached
	demo_limits
	demo_network
	demo_privilege
	demo_stop
}

main "$@"
