#!/bin/bash
# SPDX-License-Identifier: MIT
#
# steps.sh DEB LATER-DEB: run by root in the machine. Installs the first, runs containers as a plain user of the group,
# upgrades while they serve, removes the package and purges it, and looks at what is left.
set -u
cd "$(dirname "$0")/../../.." || exit 1

. tests/lib/registry.sh
. tests/lib/images.sh
. tests/vm/installed/picture.sh

first=$1
second=$2
work=/run/vm/work
mkdir -p "$work"
failed=0
socket=/run/bulkhead/ctl.sock
engine='supervisor|netd|imaged|cgroupd|shim'
export DEBIAN_FRONTEND=noninteractive
exec </dev/null

check()
{
	local what=$1

	shift
	if "$@" >"$work/out" 2>&1; then
		echo "ok      $what"
	else
		failed=$((failed + 1))
		echo "FAIL    $what"
		sed 's/^/# /' "$work/out" | tail -n 40
	fi
}

not()
{
	! "$@"
}

is()
{
	[ "$1" = "$2" ] || { echo "\"$1\", to be \"$2\""; return 1; }
}

# waits SECONDS CMD...: and shows what CMD said last
waits()
{
	wait_until "$@" || { shift; "$@"; }
}

as()
{
	local user=$1

	shift
	runuser -u "$user" -- "$@"
}

mine()
{
	as walker ctl "$@"
}

unit()
{
	systemctl show -P "$1" "${2:-bulkhead.service}"
}

is_active()
{
	[ "$(systemctl is-active "$@" | sort -u)" = active ]
}

# ---- a clean machine ----

# serve_image: from a registry on loopback
serve_image()
{
	registry_start "$work/registry" && image_push busybox "$(registry_addr "$work/registry")" >/dev/null || return 1
	image=$(registry_addr "$work/registry")/busybox
}

clean()
{
	useradd -m walker && useradd -m stranger || return 1
	# Pages of the manual are not looked at, and take a long time to be gone through.
	rm -f /var/lib/man-db/auto-update
	# systemd's own, which stays once somebody has used it.
	systemctl start machine.slice
	picture "$work/before"
	[ "$(wc -l <"$work/before")" -gt 5000 ] && not grep -i 'bulkhead[^-]' "$work/before"
}

# ---- installed ----

# stranger_is_told: what, and nothing else
stranger_is_told()
{
	is "$(as stranger ctl "$@" 2>&1; echo $?)" "ctl: ${1}: cannot reach the engine at $socket: you are not in group \
bulkhead; root adds you by: usermod -aG bulkhead stranger, then log in anew
125"
}

# intact: each file as it is in the package, but for documents, which this machine leaves out
intact()
{
	dpkg --verify bulkhead | not grep -vE ' /usr/share/(doc|man)/'
}

install_first()
{
	check "the package is installed" dpkg -i "$first"
	check "its files are all there" intact
	check "its units run" waits 10 is_active bulkhead.service bulkhead.socket bulkhead-containers.service
	check "the service has told that it serves" is "$(unit Type) $(unit StatusText)" "notify serving on $socket"
	check "its units start with the machine" systemctl is-enabled bulkhead.service bulkhead.socket
	check "its socket is for the group alone" is "$(stat -c '%F %a %U:%G' "$socket")" "socket 660 root:bulkhead"
	check "root talks to it" ctl version
	check "one who is not in the group is told so" stranger_is_told ps
	usermod -aG bulkhead walker
	check "a member of the group is let in" mine version
	check "nobody of the engine is who he should not be" is \
		"$(ps -o user:20= -C supervisor,netd | sort -u | xargs)" "bulkhead bulkhead-net root"
	check "doctor finds nothing that is missing" mine doctor
	check "systemd has nothing to say about the units" systemd-analyze verify --man=no bulkhead.service bulkhead.socket
}

# ---- containers of a plain user ----

# A connection that lasts: says a word, hears it.
open_talk()
{
	exec 7<>/dev/tcp/127.0.0.1/8080
}

talk()
{
	local heard

	echo "$1" >&7
	read -r -t 120 heard <&7
	is "$heard" "$1"
}

page()
{
	is "$(curl -sf --max-time 60 http://127.0.0.1:8081/page)" hello
}

# counts MORE: each number follows the one before, and MORE come
counts()
{
	local from

	from=$(mine logs count | wc -l)
	waits 10 eval '[ "$(mine logs count | wc -l)" -gt '$((from + $1))' ]' &&
		mine logs count | awk '$1 != NR { print "line " NR ": " $1; bad = 1 } END { exit bad }'
}

run_web()
{
	mine run -d --name web -m 64m --pids-limit 100 --cpus 0.5 -p 8080:7 -p 8081:80 "$image" sh -c \
		'mkdir -p /w; echo hello >/w/page; httpd -p 80 -h /w; rm -f /f; mkfifo /f; while :; do nc -l -p 7 </f | tee /f; done'
}

run_some()
{
	check "a plain user runs a container of an image that is pulled" \
		is "$(mine run --rm "$image" sh -c 'id -u; echo hello' 2>/dev/null | xargs)" "0 hello"
	check "one goes on in the background" run_web
	check "it is in the list" waits 10 eval 'is "$(mine ps --format "{{.Names}} {{.State}}")" "web running"'
	check "its published ports answer" waits 10 eval 'open_talk && talk one && page'
	check "exec runs in it" is "$(mine exec web cat /w/page)" hello
	mine run -d --name count "$image" sh -c 'i=0; while :; do i=$((i + 1)); echo $i; usleep 100000; done' >/dev/null
	check "logs are read" counts 3
	web=$(mine inspect --format '{{.State.Pid}}' web)
	count=$(mine inspect --format '{{.State.Pid}}' count)
	cgroup=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$web/cgroup")
	check "its cgroup lies where systemd has handed one over" \
		test "${cgroup#/sys/fs/cgroup/machine.slice/bulkhead-containers.service/}" != "$cgroup"
	check "its limits are in force" is "$(cat "$cgroup/memory.max" "$cgroup/pids.max" "$cgroup/cpu.max" | xargs)" \
		"67108864 100 50000 100000"
	check "and nothing is made at the root of the tree" test ! -e /sys/fs/cgroup/bulkhead
}

# ---- other engines, the same containers ----

# goes_on WHAT BEFORE: the engine is another one than BEFORE, the containers are not
goes_on()
{
	check "$1: another engine serves" waits 20 eval 'is_active bulkhead.service && [ "$(unit MainPID)" != '"$2"' ]'
	check "$1: the containers are the same" \
		is "$(mine inspect --format '{{.State.Pid}}' web count | xargs)" "$web $count"
	check "$1: a connection has lasted, and another is made" eval 'talk '"$1"' && page'
	check "$1: they are this engine's" is "$(mine exec web cat /w/page)" hello
	check "$1: of a log no line is missing, and it goes on" counts 3
	check "$1: others can be run" is "$(mine run --rm "$image" echo hello 2>/dev/null)" hello
}

# all_new: whoever is of the engine is what is installed now, but shims of containers that run on
all_new()
{
	local pid exe seen=

	for pid in $(pgrep -x "$engine"); do
		exe=$(readlink "/proc/$pid/exe") || continue
		case $exe in
		/usr/bin/supervisor|/usr/libexec/bulkhead/*) [[ $exe != *' (deleted)' ]] ;;
		/memfd:shim*) ;;
		*) false ;;
		esac || { echo "$pid is $exe"; return 1; }
		seen+=" ${exe##*/}"
	done
	[[ "$seen " == *" supervisor "* && "$seen " == *" netd "* && "$seen " == *" imaged "* && "$seen " == *" cgroupd "* ]]
}

upgrade()
{
	local before

	before=$(unit MainPID)
	cp /etc/bulkhead/bulkhead.conf "$work/conf"
	echo 'quota nobody-of-this-name pids 1' >>/etc/bulkhead/bulkhead.conf
	check "with a line that no engine understands a later version is installed, too" dpkg -i "$second"
	check "the engine that runs is the one that did" is "$(unit MainPID)" "$before"
	check "and serves" mine ps
	cp "$work/conf" /etc/bulkhead/bulkhead.conf
	dpkg -i "$first"
	before=$(unit MainPID)
	echo 'quota walker pids 6000' >>/etc/bulkhead/bulkhead.conf
	check "a later version is installed, and asks nothing" dpkg -i "$second"
	check "it is that one" is "$(dpkg-query -W -f '${Version} ${db:Status-Status}' bulkhead)" "1.1 installed"
	goes_on upgrade "$before"
	check "upgrade: all that runs is what is installed now" all_new
	check "upgrade: the configuration file is as it was left" grep -q '^quota walker' /etc/bulkhead/bulkhead.conf
	check "upgrade: and is in force" eval 'mine info | grep -E "pids.*6000"'
	before=$(unit MainPID)
	kill -KILL "$before"
	goes_on killed "$before"
	before=$(unit MainPID)
	systemctl daemon-reexec
	check "systemd itself anew: the same engine" is "$(unit MainPID)" "$before"
	check "systemd itself anew: the containers go on" eval 'talk reexec && page'
}

stop_and_start()
{
	check "stop ends the containers, too" systemctl stop bulkhead.service
	check "the workloads are gone" not kill -0 "$web" "$count"
	exec 7>&-
	check "the socket starts it again when somebody calls" mine ps -a
	check "what was stopped is still known" is "$(mine ps -a --format '{{.Names}}' | sort | xargs)" "count web"
	check "and runs again" eval 'mine start web count && waits 10 page'
	systemctl stop bulkhead.socket bulkhead.service
	check "without the socket ctl says who starts it" eval 'mine ps 2>&1 | grep "start it with: systemctl start bulkhead"'
	check "which does" systemctl start bulkhead.service
	check "and the containers run again" eval 'mine start web count && waits 10 page'
}

# ---- gone ----

# left_but ALLOWED: nothing but what is allowed, a regex of lines of diff
left_but()
{
	picture_left "$work/before" | grep -vE "$1" | not grep .
}

# What Debian's policy leaves until the package is purged: configuration, with the links that enable units, and what
# somebody has made with it; so the users stay, too, whose files these are.
stays='[ /]etc/bulkhead|/etc/systemd/system/[a-z-]+\.target\.wants|/var/lib/systemd/deb-systemd-helper-enabled|'
stays+='/var/lib/(dpkg/info/)?bulkhead[ ./]|(user|group) bulkhead(-net|-img)?:|/run/bulkhead-uids|'
stays+='/etc/(passwd|group|shadow|gshadow)$|package bulkhead [0-9.]+ deinstall ok config-files|'
# Whom a link enables systemd knows by name.
stays+='(unit|failed) bulkhead\.(service|socket) +not-found'

# left_but REGEX: nothing beside what it names
left_but()
{
	picture_left "$work/before" >"$work/left"
	not grep -vE "$1" "$work/left"
}

nothing_left()
{
	picture_left "$work/before"
}

remove()
{
	check "it is removed, with containers running" dpkg --remove bulkhead
	check "of the machine all is as before, but for what policy leaves" left_but "$stays"
	check "what somebody has configured stays" grep -q '^quota walker' /etc/bulkhead/bulkhead.conf
	check "installed again it has what there was" eval \
		'dpkg -i "$second" && is "$(mine ps -a --format "{{.Names}} {{.State}}" | sort | xargs)" "count exited web exited"'
	check "and that runs" eval 'mine start web && waits 10 page'
	check "it is removed again" dpkg --remove bulkhead
	check "and purged" dpkg --purge bulkhead
	check "nothing is left" waits 5 nothing_left
}

# An engine that can't start any more, and one that root has disabled, is no reason to leave containers behind.
refused()
{
	check "purged it can be installed anew, and knows nothing" eval 'dpkg -i "$first" && is "$(ctl ps -aq; ctl images -q)" ""'
	usermod -aG bulkhead walker
	check "it runs a container" mine run -d --name last -p 8081:80 "$image" sh -c \
		'mkdir /w; echo hello >/w/page; exec httpd -f -p 80 -h /w'
	check "which serves" waits 10 page
	systemctl disable bulkhead.socket bulkhead.service 2>/dev/null
	echo 'quota nobody-of-this-name pids 1' >>/etc/bulkhead/bulkhead.conf
	systemctl restart bulkhead.service 2>/dev/null
	check "with a line that it does not understand it does not start" \
		waits 10 eval 'is "$(systemctl is-failed bulkhead.service)" failed'
	check "the log tells which" eval 'journalctl -q -u bulkhead.service | grep "bulkhead.conf:[0-9]*: .*nobody-of-this-name"'
	check "the container goes on" page
	check "it is purged while it can't start" dpkg --purge bulkhead
	check "nothing is left of it, either" waits 5 nothing_left
}

check "an image is served" serve_image
check "the machine knows nothing of it" clean
install_first
run_some
upgrade
stop_and_start
remove
refused
registry_stop "$work/registry"
[ "$failed" = 0 ]
