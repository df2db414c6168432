#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The Debian package on a clean machine: installed.sh makes two versions of it and boots the machine, where
# installed.sh DEB LATER-DEB IMAGE-DIR is run by root under systemd. It installs the first, runs a container as a plain
# user of the group, upgrades while that serves, kills the engine, stops it, removes and purges the package, and looks
# at what is left. IMAGE-DIR is an OCI layout of busybox, which a registry on loopback serves.
set -u

first=${1:-}
second=${2:-}
layout=${3:-}
patience=${TEST_PATIENCE:-1}
work=$(mktemp -d)
failed=0

check()
{
	local what=$1

	shift
	if "$@" >"$work/out" 2>&1; then
		echo "ok      $what"
	else
		failed=$((failed + 1))
		echo "FAIL    $what"
		sed 's/^/# /' "$work/out" | tail -n 30
	fi
}

# until SECONDS CMD...: monotonic
wait_for()
{
	local tries=$(($1 * patience * 5))

	shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { "$@"; return 1; }
		sleep 0.2
	done
}

# What is on the host, but for what comes and goes by itself.
picture()
{
	{
		ip -o link show | sed -E 's/^[0-9]+: //; s/ (mtu|state|qlen) .*//'
		nft list tables
		getent passwd | cut -d : -f 1
		getent group | cut -d : -f 1
		find /sys/fs/cgroup -depth -name '*bulkhead*'
		find / -xdev \( -path /proc -o -path /sys -o -path /src -o -path /run/vm -o -path "$work" \) -prune -o \
			-path '*bulkhead*' -print
		find /run -path '*bulkhead*'
		grep -h bulkhead /proc/mounts /proc/*/mounts
		grep -lE '^Uid:.(5[3-9]|[6-9][0-9]|1[0-9]{2})[0-9]{7}' /proc/[0-9]*/status
		pgrep -a -x 'supervisor|netd|imaged|cgroupd|shim'
		systemctl list-unit-files --no-legend '*bulkhead*'
		systemctl list-units --all --no-legend '*bulkhead*'
	} 2>/dev/null | LC_ALL=C sort -u
}

is_active()
{
	[ "$(systemctl is-active "$@" | sort -u)" = active ]
}

as_user()
{
	runuser -u walker -- "$@"
}

not()
{
	! "$@"
}

is()
{
	[ "$1" = "$2" ] || { echo "\"$1\", to be \"$2\""; return 1; }
}

main_pid()
{
	systemctl show -P MainPID bulkhead
}

serve_image()
{
	printf '%s\n' 'version: 0.1' 'storage: {filesystem: {rootdirectory: '"$work"'/registry}}' \
		'http: {addr: "127.0.0.1:5000"}' >"$work/registry.yml"
	docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
	registry=$!
	wait_for 60 curl -sf http://127.0.0.1:5000/v2/ &&
		skopeo copy -q --dest-tls-verify=false "oci:$layout" docker://127.0.0.1:5000/busybox:latest
}

# A connection that lasts: says a word, hears it.
open_talk()
{
	exec 7<>/dev/tcp/127.0.0.1/8080
}

talk()
{
	local heard

	echo "$1" >&7
	read -r -t $((60 * patience)) heard <&7
	is "$heard" "$1"
}

install_first()
{
	useradd -m walker
	useradd -m stranger
	check "the package is installed" dpkg -i "$first"
	check "the units run" wait_for 60 is_active bulkhead.service bulkhead.socket bulkhead-containers.service
	check "they start with the machine" systemctl is-enabled bulkhead.service bulkhead.socket
	check "root talks to it" ctl version
	check "one who is not in the group is kept out" not runuser -u stranger -- ctl version
	usermod -aG bulkhead walker
	check "a member of the group is let in" as_user ctl version
	check "no process of the engine has more than it should" is \
		"$(ps -o user:20= -C supervisor,netd | sort -u | xargs)" "bulkhead bulkhead-net root"
	check "doctor finds nothing that is missing" as_user ctl doctor
	check "systemd has nothing to say about the units" systemd-analyze verify --man=no bulkhead.service bulkhead.socket
}

run_some()
{
	check "a container is run by a plain user" is "$(as_user ctl run --rm 127.0.0.1:5000/busybox echo hello 2>/dev/null)" hello
	as_user ctl run -d --name web -m 64m --pids-limit 100 --cpus 0.5 -p 8080:7 127.0.0.1:5000/busybox \
		sh -c 'mkfifo /f; while :; do nc -l -p 7 </f | tee /f; done' >/dev/null
	check "one goes on in the background" wait_for 30 open_talk
	check "and answers" talk one
	web=$(as_user ctl inspect --format '{{.State.Pid}}' web)
	cgroup=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$web/cgroup")
	check "its cgroup lies where systemd has handed one over" \
		test "${cgroup#/sys/fs/cgroup/machine.slice/bulkhead-containers.service/}" != "$cgroup"
	check "its limits are in force" is "$(cat "$cgroup/memory.max" "$cgroup/pids.max" "$cgroup/cpu.max" | xargs)" \
		"67108864 100 50000 100000"
	check "and nothing is made at the root of the tree" test ! -e /sys/fs/cgroup/bulkhead
}

# goes_on WHAT BEFORE: the engine is another one than BEFORE, the container is not
goes_on()
{
	check "$1: another engine serves" wait_for 120 eval 'is_active bulkhead.service && [ "$(main_pid)" != '"$2"' ]'
	check "$1: it answers" wait_for 60 as_user ctl version
	check "$1: the container is the same" is "$(as_user ctl inspect --format '{{.State.Pid}}' web)" "$web"
	check "$1: its connection is, too" talk "$1"
	check "$1: it is this engine's" as_user ctl exec web true
	check "$1: others can be run" is "$(as_user ctl run --rm 127.0.0.1:5000/busybox echo hello 2>/dev/null)" hello
}

upgrade()
{
	local before

	before=$(main_pid)
	echo 'quota walker pids 3000' >>/etc/bulkhead/bulkhead.conf
	check "a later version is installed" dpkg -i --force-confold "$second"
	check "it is that one" is "$(dpkg-query -W -f '${Version}' bulkhead)" "$(dpkg-deb -f "$second" Version)"
	goes_on upgrade "$before"
	check "the configuration file was left as it was" grep -q '^quota walker' /etc/bulkhead/bulkhead.conf
	before=$(main_pid)
	check "restart" systemctl restart bulkhead
	goes_on restart "$before"
	before=$(main_pid)
	kill -KILL "$before"
	goes_on killed "$before"
	before=$(main_pid)
	systemctl daemon-reexec
	check "systemd itself anew: the same engine" is "$(main_pid)" "$before"
	check "systemd itself anew: the container goes on" talk reexec
}

stop_and_start()
{
	check "stop ends the containers, too" systemctl stop bulkhead.service
	check "the workload is gone" not kill -0 "$web"
	exec 7>&-
	check "the socket starts it again when somebody calls" as_user ctl ps -a
	check "what was stopped is still known" is "$(as_user ctl ps -aq | wc -l)" 1
}

remove()
{
	as_user ctl run -d --name last 127.0.0.1:5000/busybox sleep 1000 >/dev/null
	check "it is removed with a container running" dpkg -r bulkhead
	check "no process is left" not pgrep -x 'supervisor|netd|imaged|cgroupd|shim'
	check "images stay" test -d /var/lib/bulkhead
	check "so does what somebody has configured" test -e /etc/bulkhead/bulkhead.conf
	check "it comes back" dpkg -i "$second"
	check "with what there was" wait_for 60 eval '[ "$(as_user ctl ps -aq | wc -l)" = 2 ]'
	as_user ctl start last >/dev/null
	check "purged" dpkg -P bulkhead
}

left()
{
	picture >"$work/after"
	diff "$work/before" "$work/after"
}

# On the host.
outside()
{
	local debs=$work/deb

	cd "$(dirname "$0")/../.." || return 1
	make -s deb DEB="$debs" DEB_VERSION=1.0 && make -s deb DEB="$debs" DEB_VERSION=1.1 || return 1
	VM_FIXTURES=busybox tests/vm/tree.sh "$work/tree" || return 1
	printf 'export TEST_PATIENCE=%q\ncd /run/vm\nexec bash ./installed.sh bulkhead_1.0_*.deb bulkhead_1.1_*.deb %s\n' \
		"${TEST_PATIENCE:-10}" /src/build/fixtures/busybox >"$work/run"
	tests/vm/boot.sh --init systemd --tree "$work/tree" --limit "${VM_LIMIT:-1500}" "$work/run" \
		tests/vm/installed.sh "$debs"/*.deb
}

inside()
{
	picture >"$work/before"
	serve_image || exit 1
	install_first
	run_some
	upgrade
	stop_and_start
	remove
	userdel -r walker 2>/dev/null
	userdel -r stranger 2>/dev/null
	check "nothing is left" wait_for 30 left
	kill "$registry"
	rm -rf "$work"
	[ "$failed" = 0 ]
}

if [ $# = 0 ]; then
	trap 'rm -rf "$work"' EXIT
	outside
else
	inside
fi
