#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The shim alone: `shim --debug`, driven by text, with mounts made as imaged would make them. What the workload is: its
# process, privileges and user; and which messages the shim takes.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/shim.sh"
. "$BATS_TEST_DIRNAME/../lib/shim-tests.sh"

@test "the workload is pid 1 and root of its own namespaces" {
	sh_in 'echo \$\$; id -u; hostname; for n in /proc/self/ns/*; do readlink \$n; done' 
	[ "${output%%$'\n'*}" = 1 ]
	[ "$(sed -n 2,3p <<<"$output")" = $'0\ntsh' ]
	for n in cgroup ipc mnt net pid time user uts; do
		grep "^$n:" <<<"$output"
		! grep -F "$(readlink /proc/self/ns/$n)" <<<"$output" || false
	done
}

@test "the shim proves that it has nothing, and keeps nothing" {
	stay
	pid=$SHIM_PID
	grep -P "^Uid:\t$SHIM_UID\t$SHIM_UID\t$SHIM_UID\t$SHIM_UID\$" /proc/$pid/status
	for set in Prm Eff Bnd Inh Amb; do
		grep -P "^Cap$set:\t0{16}\$" /proc/$pid/status
	done
	grep -P '^NoNewPrivs:\t1$' /proc/$pid/status
	grep -P '^Groups:\t *$' /proc/$pid/status
	[ "$(stat -c %u /proc/$pid/fd)" = 0 ] # not dumpable
}

@test "root on the host is not root inside, and files belong to the container's range" {
	sh_in 'touch /made; stat -c %u /made /bin/busybox'
	[ "$output" = $'0\n0' ]
	[ "$(stat -c %u "$SHIM_DIR/w/upper/made")" = "$SHIM_BASE" ]
}

@test "exit codes and signals are told" {
	run_in argv=/bin/sh argv=-c 'argv="exit 42"' cwd=/
	[[ $exited == *"exit_code=42 "* ]]
	shim_close
	rm -rf "$SHIM_DIR/w" "$SHIM_DIR/log"; shim_dirs "$SHIM_DIR" "$SHIM_TREE"
	stay
	say shim_signal signal=9
	hear '^done'
	hear '^shim_exited exit_code=137 signal=9 '
}

@test "a command that isn't there is 127, one that can't run 126" {
	for c in "nope 4223" "/nope 4223" "/etc/passwd/x 4223" "/etc 4222" "/etc/passwd 4222"; do
		shim_open
		start "argv=${c% *}" cwd=/
		hear "^failed code=${c#* } text=\"exec: .*${c% *}"
		shim_close
		rm -rf "$SHIM_DIR/w" "$SHIM_DIR/log"; shim_dirs "$SHIM_DIR" "$SHIM_TREE"
	done
}

@test "only descriptors 0, 1 and 2 reach the workload, whatever was open" {
	for i in {30..80}; do eval "exec $i</etc/passwd"; done
	sh_in 'exec ls -l /proc/self/fd' 
	for i in {30..80}; do eval "exec $i<&-"; done
	# the last is the directory that ls reads
	[ "$(grep -c -- '->' <<<"$output")" = 3 ]
	grep -q '0 -> /dev/null$' <<<"$output"
	! grep -q passwd <<<"$output" || false
}

@test "capabilities, no_new_privs and groups are what the spec says" {
	sh_in 'grep -E \"^(Cap|NoNew|Groups)\" /proc/self/status' caps=1027
	grep -P '^CapEff:\t0{13}403$' <<<"$output"
	grep -P '^CapPrm:\t0{13}403$' <<<"$output"
	grep -P '^CapBnd:\t0{13}403$' <<<"$output"
	grep -P '^CapInh:\t0{16}$' <<<"$output"
	grep -P '^CapAmb:\t0{16}$' <<<"$output"
	grep -P '^NoNewPrivs:\t1$' <<<"$output"
}

@test "no_new_privs can be left off, also for execs" {
	shim_open --new-privs
	stay new_privs=true
	exec_in 1 'grep NoNew /proc/1/status /proc/self/status' new_privs=true
	[ "$(grep -cP ':\t0$' <<<"$output")" = 2 ]
	exec_in 2 'grep NoNew /proc/self/status'
	grep -P ':\t1$' <<<"$output"
}

@test "a user by name has its groups and home, and no capabilities" {
	sh_in 'id; echo \$HOME; grep CapEff /proc/self/status; cat /proc/1/environ' user=web
	grep -F 'uid=1000(web) gid=1000(web) groups=1(daemon),29(audio)' <<<"$output"
	grep -x /home/web <<<"$output"
	grep -P '^CapEff:\t0{16}$' <<<"$output"
}

@test "a user by number, with an explicit group, or unknown" {
	for c in "1000|uid=1000(web) gid=1000(web) groups=1(daemon),29(audio)|/home/web" \
		"1000:29|uid=1000(web) gid=29(audio)|/home/web" "4242|uid=4242 gid=0(root)|/" \
		"web:daemon|uid=1000(web) gid=1(daemon)|/home/web" "4242:7|uid=4242 gid=7|/"; do
		IFS='|' read -r user ids home <<<"$c"
		sh_in 'id; echo \$HOME' "user=$user"
		[ "$output" = "$ids"$'\n'"$home" ]
		shim_close
		rm -rf "$SHIM_DIR/w" "$SHIM_DIR/log"; shim_dirs "$SHIM_DIR" "$SHIM_TREE"
	done
}

@test "what is not a user is refused" {
	for user in 4294967296 4294967295 0x0 +0 -1 00 1: :1 a:b:c 70000 nobody0 web:nogroup; do
		shim_open
		start argv=/bin/true cwd=/ "user=$user"
		hear '^failed code=[0-9]+ text="[^"]*(user|group|id)'
		shim_close
		rm -rf "$SHIM_DIR/w" "$SHIM_DIR/log"; shim_dirs "$SHIM_DIR" "$SHIM_TREE"
	done
}

@test "a FIFO, a link or a gigabyte as /etc/passwd gives nothing and hangs nothing" {
	cp -a "$SHIM_TREE" "$SHIM_DIR/tree"
	for kind in fifo link huge; do
		rm -f "$SHIM_DIR/tree/etc/passwd" "$SHIM_DIR/tree/etc/group"
		case $kind in
		fifo) mkfifo "$SHIM_DIR/tree/etc/passwd" "$SHIM_DIR/tree/etc/group" ;;
		link) ln -s /etc/p "$SHIM_DIR/tree/etc/passwd"; cp "$SHIM_TREE/etc/passwd" "$SHIM_DIR/tree/etc/p" ;;
		huge) truncate -s 1G "$SHIM_DIR/tree/etc/passwd" "$SHIM_DIR/tree/etc/group" ;;
		esac
		rm -rf "$SHIM_DIR/w" "$SHIM_DIR/log"; shim_dirs "$SHIM_DIR" "$SHIM_DIR/tree"
		sh_in 'grep -c \"^Uid:.0\" /proc/self/status; echo \$HOME'
		[ "$output" = $'1\n/' ]
		shim_close
		rm -rf "$SHIM_DIR/w" "$SHIM_DIR/log"; shim_dirs "$SHIM_DIR" "$SHIM_DIR/tree"
		shim_open
		start argv=/bin/true cwd=/ user=web
		hear "^failed .*not in the image's /etc/passwd: /etc/passwd"
		shim_close
	done
}

@test "ulimits, umask, sysctls and the oom score are set" {
	sh_in 'ulimit -n; umask; cat /proc/sys/net/ipv4/ip_forward /proc/self/oom_score_adj /proc/sys/net/ipv4/ip_unprivileged_port_start' \
		rlimits.0.name=nofile rlimits.0.soft=123 rlimits.0.hard=456 umask=63 \
		sysctls=net.ipv4.ip_forward=1 oom_score_adj=300
	[ "$output" = $'123\n0077\n1\n300\n0' ]
	shim_close
	for bad in sysctls=kernel.panic=1 sysctls=../../x=1 rlimits.0.name=frob\ rlimits.0.soft=1\ rlimits.0.hard=1; do
		rm -rf "$SHIM_DIR/w" "$SHIM_DIR/log"; shim_dirs "$SHIM_DIR" "$SHIM_TREE"
		shim_open
		start argv=/bin/true cwd=/ $bad
		hear '^failed'
		shim_close
	done
}

@test "--host-net shares the network and nothing else" {
	shim_open --host-net
	start argv=/bin/sh argv=-c 'argv="readlink /proc/self/ns/net; readlink /proc/self/ns/ipc"' cwd=/ host_network=true
	hear '^shim_exited'
	[ "$(output | head -n 1)" = "$(readlink /proc/self/ns/net)" ]
	[ "$(output | sed -n 2p)" != "$(readlink /proc/self/ns/ipc)" ]
}

@test "--init reaps, passes signals on, and shows nothing of the engine" {
	shim_open
	start argv=/bin/sh argv=-c 'argv="(sleep 0.1 &); trap \"exit 33\" TERM; ps -o pid,args; cat /proc/1/cmdline | tr -d \"\\\\0\"; ls -l /proc/1/exe /proc/1/fd /proc/1/root; echo ready; sleep 1000 & wait"' cwd=/ init=true
	hear '^shim_started'
	until output | grep -qx ready; do sleep 0.05; done
	sleep 0.4
	# One that ends while it is looked at is no zombie that stays.
	for i in {1..100}; do
		exec_in $i 'ps -o pid,stat,args'
		grep -qw Z <<<"$output" || break
	done
	! grep -w Z <<<"$output" || false
	say shim_signal signal=15
	hear '^done'
	hear '^shim_exited exit_code=33 '
	output=$(output)
	echo "$output"
	! grep -iE 'shim|uid-base|memfd' <<<"$output" || false
	[ "$(grep -c 'ermission denied' <<<"$output")" -ge 2 ]
}

@test "messages out of turn or out of form are refused, and it serves on" {
	shim_open
	say 'shim_signal signal=9'; hear '^failed .*has not been started'
	say 'shim_exec exec=1 spec=@{exec_spec argv=x}'; hear '^failed .*has not been started'
	say 'net_setup network=x'; hear '^failed .*may not say this'
	say 'frobnicate'; hear '^failed .*no such message: frobnicate'
	say 'shim_signal signal=65'; hear '^failed .*signal: not a number in range: 65'
	say 'shim_signal'; hear '^failed .*shim_signal: '
	start argv=/bin/sleep argv=100 cwd=/
	hear '^shim_started'
	start argv=/bin/sleep argv=100 cwd=/
	hear '^failed .*is running'
	say 'shim_clean writable=@fd:11'; hear '^failed .*is running'
	say 'shim_resize rows=1 cols=1'; hear '^failed .*no terminal'
}

@test "a standby shim ends with its channel, a running container goes on" {
	shim_open
	pid=$SHIM_PID
	child=$(sed -E 's/.* pid=([0-9]+).*/\1/' <<<"$HEARD")
	exec {SHIM_IN}>&-; SHIM_IN=
	until ! kill -0 "$pid" 2>/dev/null && [ ! -d "/proc/$child" ]; do sleep 0.05; done
	shim_open
	pid=$SHIM_PID
	start argv=/bin/sh argv=-c 'argv="sleep 6; echo survived"' cwd=/
	hear '^shim_started'
	exec {SHIM_IN}>&-; SHIM_IN=
	kill -0 "$pid"
	for i in {1..1200}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
	! kill -0 "$pid" 2>/dev/null || false
	[ "$(output)" = survived ]
}

@test "shim_end takes a running container with it" {
	stay
	pid=$(sed -E 's/.* pid=([0-9]+).*/\1/' <<<"$HEARD")
	child=$(pgrep -P "$SHIM_PID")
	shim_close
	wait_until 10 [ ! -d "/proc/$child" ]
}
