#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The shim alone: `shim --debug`, driven by text, with mounts made as imaged would make them.

bats_require_minimum_version 1.5.0

setup_file()
{
	. "$BATS_TEST_DIRNAME/../lib/shim.sh"
	export SHIM_TREE=$BATS_FILE_TMPDIR/tree
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
	shim_tree "$SHIM_TREE"
}

setup()
{
	. "$BATS_TEST_DIRNAME/../lib/shim.sh"
	SHIM_DIR=$(mktemp -d /tmp/tsh.XXXXXX)
	SHIM_LOG=$SHIM_DIR/stderr
	. "$BATS_TEST_DIRNAME/../lib/cgroup.sh"
	CGROUP=$(cgroup_at pids)/tsh-$$
	chmod 755 "$SHIM_DIR"
	shim_dirs "$SHIM_DIR" "$SHIM_TREE"
}

teardown()
{
	shim_close
	cat "$SHIM_LOG" 2>/dev/null || true
	[ ! -d "$CGROUP" ] || wait_until 20 rmdir "$CGROUP"
	rm -rf --one-file-system "$SHIM_DIR"
}

# run_in FIELDS...: a container to its end; what it wrote is in $output. Fields as of a spec.
run_in()
{
	[ -n "${SHIM_IN:-}" ] || shim_open
	start "$@"
	hear '^shim_started' && hear '^shim_exited'
	exited=$HEARD
	output=$(output)
	echo "$output"
}

sh_in()
{
	local script=${1//$'\n'/ }

	shift
	run_in argv=/bin/sh argv=-c "argv=\"$script\"" cwd=/ "$@"
}

# A container that stays, for execs
stay()
{
	[ -n "${SHIM_IN:-}" ] || shim_open
	start argv=/bin/sleep argv=1000 cwd=/ "$@"
	hear '^shim_started'
}

# exec_in NUMBER SCRIPT [FIELDS]: its output is in $output, its end in $exited
exec_in()
{
	local reader fifo=$SHIM_DIR/exec$1

	mkfifo -m 666 "$fifo"
	cat "$fifo" >"$fifo.out" &
	reader=$!
	say "shim_exec exec=$1 spec=@{exec_spec argv=/bin/sh argv=-c argv=\"$2\" env=PATH=/bin ${3:-}}" \
		"out=@>$fifo err=@>$fifo ${4:-}"
	hear '^(shim_execed|failed)'
	[[ $HEARD != failed* ]] || { kill $reader; return 1; }
	hear "^shim_exec_exited exec=$1 "
	exited=$HEARD
	wait $reader
	output=$(cat "$fifo.out")
	echo "$output"
}

# kept_exec NUMBER SCRIPT [FIELDS]: its end, with what it wrote, is in $HEARD
kept_exec()
{
	say "shim_exec exec=$1 spec=@{exec_spec argv=/bin/sh argv=-c argv=\"$2\" env=PATH=/bin} ${3:-}"
	hear '^(shim_execed|failed)'
	hear "^shim_exec_exited exec=$1 "
}

@test "an exec's output is told with its end, as much of it as was asked for" {
	stay
	kept_exec 1 'echo out; echo err >&2; exit 3' keep=100
	[[ "$HEARD" == *"exit_code=3 "* && "$HEARD" != *cut* && "$HEARD" != *timed_out* ]]
	[[ "$HEARD" == *'output="out?err?"' ]]
	kept_exec 2 'head -c 100000 /dev/zero | tr \"\\0\" x' keep=4096
	[[ "$HEARD" == *"exit_code=0 "* && "$HEARD" == *"cut=true"* ]]
	[ "$(tr -cd x <<<"${HEARD#*output=}" | wc -c)" = 4096 ]
	kept_exec 3 true keep=10
	[[ "$HEARD" != *output* ]]
	kept_exec 4 'echo unheard'
	[[ "$HEARD" != *output* ]]
}

# sleepers NUMBER [GONE]: which of them the container has is in $HEARD; those that match GONE have a while to end, since
# what is killed on a busy machine is not gone at once
sleepers()
{
	local end

	wait_end end 20
	while kept_exec "$1" 'ps -o args | grep sleep' "keep=1000 timeout_ms=60000"; do
		[[ "$HEARD" == *${2:-nothing}* ]] && ! wait_over "$end" || return 0
	done
}

@test "an exec whose output is kept leaves nothing running that it started; others may" {
	stay
	kept_exec 1 'sleep 294 & sleep 295 >/dev/null 2>&1 & echo done' keep=100
	[[ "$HEARD" == *'exit_code=0 '*'output="done?"' ]]
	kept_exec 2 'sleep 296 >/dev/null 2>&1 &'
	sleepers 3 "sleep 29[45]"
	[[ "$HEARD" == *"sleep 296"* && "$HEARD" != *"sleep 29"[45]* ]]
}

@test "an exec whose time is over is killed with all that it started; others go on" {
	stay
	say "shim_exec exec=1 spec=@{exec_spec argv=/bin/sleep argv=290 env=PATH=/bin}"
	hear '^shim_execed'
	kept_exec 2 'echo begun; sleep 292 & sleep 293; echo never' "keep=100 timeout_ms=3000"
	[[ "$HEARD" == *"exit_code=137 timed_out=true "* ]]
	[[ "$HEARD" == *'output="begun?"' ]]
	sleepers 3 "sleep 29[23]"
	[[ "$HEARD" == *exit_code=0* && "$HEARD" != *timed_out* ]]
	[[ "$HEARD" == *"sleep 1000"*"sleep 290"* && "$HEARD" != *"sleep 29"[23]* ]]
	# not even one that heeds no signal, or has no time at all
	kept_exec 4 'trap \"\" TERM INT HUP; while :; do :; done' "timeout_ms=1"
	[[ "$HEARD" == *"exit_code=137 timed_out=true"* ]]
}

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

@test "masked paths are empty, read-only ones read-only" {
	sh_in 'for f in kallsyms interrupts keys timer_list kcore; do [ ! -e /proc/\$f ] || wc -c </proc/\$f; done;
ls -A /proc/acpi /sys/firmware /sys/kernel/debug /sys/kernel/security 2>/dev/null | grep -v :\$;
for f in /proc/sys/kernel/hostname /proc/sys/vm/swappiness /sys/kernel/uevent_helper; do echo x >\$f; done;
mkdir /sys/fs/cgroup/x; mkdir /sys/fs/cgroup/pids/x; echo end'
	[ "$(grep -vE '^(0|sh: |mkdir: |)$' <<<"$output" | grep -vE 'Read-only|Permission|nonexistent')" = end ]
	[ "$(grep -c 'Read-only file system' <<<"$output")" -ge 3 ]
}

@test "without masks proc and sys are whole" {
	sh_in 'wc -c </proc/interrupts; grep -c /proc/ /proc/self/mountinfo; grep -E \" /(proc|sys) \" /proc/self/mountinfo' unmask=true
	[ "$(head -n 1 <<<"$output")" -gt 0 ]
	! grep -E ' /(proc|sys) ro' <<<"$output" || false
}

@test "dev is complete and usable" {
	sh_in 'for d in null zero full random urandom tty; do [ -c /dev/\$d ] || echo no \$d; done;
echo x >/dev/null; head -c 8 /dev/zero | wc -c; head -c 8 /dev/urandom | wc -c; for l in ptmx fd stdin; do readlink /dev/\$l; done;
echo x >/dev/shm/x; df -m /dev/shm | tail -n 1 | awk \"{print \\\$2}\"; mknod /dev/evil c 1 1 || echo nodev;
echo again >/dev/stdout; grep -c mqueue /proc/mounts' shm_size=33554432
	[ "$(grep -v mknod <<<"$output")" = "8
8
pts/ptmx
/proc/self/fd
/proc/self/fd/0
32
nodev
again
1" ]
}

@test "a hostile image's dev, proc, sys and etc lead nowhere" {
	mkdir "$SHIM_DIR/victim"
	for how in "/../../../..$SHIM_DIR/victim" "../../../../..$SHIM_DIR/victim" /proc/self/root/etc loop; do
		rm -rf "$SHIM_DIR/tree" "$SHIM_DIR/w" "$SHIM_DIR/log"
		cp -a "$SHIM_TREE" "$SHIM_DIR/tree"
		rm -r "$SHIM_DIR/tree/etc"
		for d in dev proc sys etc; do ln -s "$how" "$SHIM_DIR/tree/$d"; done
		shim_dirs "$SHIM_DIR" "$SHIM_DIR/tree"
		shim_open
		start argv=/bin/true cwd=/
		hear '^(shim_started|failed)'
		shim_close
		[ -z "$(ls -A "$SHIM_DIR/victim")" ]
	done
	# without the link in the way of /etc it starts, on real directories
	rm -rf "$SHIM_DIR/tree" "$SHIM_DIR/w" "$SHIM_DIR/log"
	cp -a "$SHIM_TREE" "$SHIM_DIR/tree"
	ln -s / "$SHIM_DIR/tree/dev"; ln -s proc "$SHIM_DIR/tree/proc"; touch "$SHIM_DIR/tree/sys"
	ln -s /nowhere "$SHIM_DIR/tree/etc/resolv.conf"
	shim_dirs "$SHIM_DIR" "$SHIM_DIR/tree"
	sh_in 'ls -ld /dev /proc /sys | cut -c1; cat /etc/resolv.conf' 'resolv_conf="nameserver 192.0.2.1"'
	[ "$output" = $'d\nd\nd\nnameserver 192.0.2.1' ]
}

@test "a working directory is made, and can't be a way out" {
	sh_in pwd cwd=/a/b/c
	[ "$output" = /a/b/c ]
	shim_close
	for cwd in /proc/self/fd/3 /proc/self/fd/7 /proc/1/root relative; do
		rm -rf "$SHIM_DIR/w" "$SHIM_DIR/log"; shim_dirs "$SHIM_DIR" "$SHIM_TREE"
		shim_open
		start argv=/bin/true "cwd=$cwd"
		hear '^failed .*workdir'
		shim_close
	done
}

@test "a read-only root, with what stays writable" {
	sh_in 'touch /x || echo ro; touch /tmp/x || echo ro; touch /dev/shm/x && echo shm; echo y >>/etc/hosts && echo hosts; touch /t/x && echo tmpfs' \
		readonly=true 'hosts="127.0.0.1 localhost"' mounts.0.kind=tmpfs mounts.0.target=/t
	[ "$(grep -v touch: <<<"$output")" = $'ro\nro\nshm\nhosts\ntmpfs' ]
}

@test "hosts, hostname and resolv.conf are mounts and not in the image" {
	sh_in 'cat /etc/hostname /etc/hosts /etc/resolv.conf; echo more >>/etc/hosts' \
		'hosts="192.0.2.7 there"' 'resolv_conf="nameserver 192.0.2.1"'
	[ "$output" = "tsh
192.0.2.7 therenameserver 192.0.2.1" ]
	[ ! -s "$SHIM_DIR/w/upper/etc/hosts" ]
	[ ! -e "$SHIM_TREE/etc/hosts" ]
}

@test "bind mounts of directories and files, both ways and read-only" {
	mkdir "$SHIM_DIR/src" && echo file >"$SHIM_DIR/file" && echo deep >"$SHIM_DIR/src/deep"
	SHIM_MOUNTS+=(--tree "13=$SHIM_DIR/src" --tree "14=$SHIM_DIR/file" --tree "15=$SHIM_DIR/src")
	shim_open
	say "shim_start $(spec argv=/bin/sh argv=-c 'argv="cat /a/b/deep /a/file; echo back >/a/b/new; echo x >/ro/x; grep -c shared: /proc/self/mountinfo"' \
		cwd=/ mounts.0.kind=bind mounts.0.target=/a/b mounts.1.kind=bind mounts.1.target=/a/file \
		mounts.2.kind=bind mounts.2.target=/ro mounts.2.readonly=true) layers=@fd:10 writable=@fd:11 log=@fd:12 binds=@fd:13 binds=@fd:14 binds=@fd:15"
	hear '^shim_exited'
	output=$(output)
	echo "$output"
	grep -x deep <<<"$output"; grep -x file <<<"$output"; grep 'Read-only' <<<"$output"
	grep -x 0 <<<"$output" # two streams are in no order
	[ "$(cat "$SHIM_DIR/src/new")" = back ] && [ "$(stat -c %u "$SHIM_DIR/src/new")" = 0 ]
	[ ! -e "$SHIM_DIR/src/x" ]
}

@test "tmpfs mounts take docker's options, in any order, and refuse others" {
	sh_in 'grep -E \" /(t|t/u) \" /proc/self/mountinfo; stat -c %a /t /t/u' \
		mounts.0.kind=tmpfs mounts.0.target=/t/u 'mounts.0.options="size=1m,exec,mode=700"' \
		mounts.1.kind=tmpfs mounts.1.target=/t
	grep -E ' /t rw,nosuid,nodev,noexec' <<<"$output"
	grep -E ' /t/u rw,nosuid,nodev,relatime .*size=1024k' <<<"$output"
	[ "$(tail -n 2 <<<"$output")" = $'1777\n700' ]
	shim_close
	for bad in 'target=/t mounts.0.options=frob' 'target=/' 'target=/proc/sys' 'target=/proc' 'target=/..'; do
		rm -rf "$SHIM_DIR/w" "$SHIM_DIR/log"; shim_dirs "$SHIM_DIR" "$SHIM_TREE"
		shim_open
		start argv=/bin/true cwd=/ mounts.0.kind=tmpfs mounts.0.$bad
		hear '^failed .*mount: '
		shim_close
	done
}

@test "a tree as root instead of layers" {
	cp -a "$SHIM_TREE" "$SHIM_DIR/tree"
	SHIM_MOUNTS+=(--tree "13=$SHIM_DIR/tree")
	shim_open
	say "shim_start $(spec argv=/bin/touch argv=/new cwd=/) rootfs=@fd:13"
	hear '^shim_exited exit_code=0'
	[ "$(stat -c %u "$SHIM_DIR/tree/new")" = 0 ]
}

@test "nothing of it is in the host's mounts, no put_old, nothing shared" {
	cat /proc/self/mountinfo >"$SHIM_DIR/before"
	stay
	cmp "$SHIM_DIR/before" /proc/self/mountinfo
	exec_in 1 'grep -c shared: /proc/self/mountinfo; ls /; grep -c \" /mnt\" /proc/self/mountinfo'
	[ "$(head -n 1 <<<"$output")" = 0 ] && [ "$(tail -n 1 <<<"$output")" = 0 ]
	! grep -E 'old|mnt' <<<"$output" || false
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

@test "a terminal: controlling, sized, resized, owned by the user" {
	mkfifo -m 666 "$SHIM_DIR/in" "$SHIM_DIR/out"
	cat "$SHIM_DIR/out" >"$SHIM_DIR/got" & reader=$!
	exec {typed}<>"$SHIM_DIR/in"
	shim_open
	say "shim_start $(spec argv=/bin/sh cwd=/ user=web tty=true stdin_open=true env=PS1=) layers=@fd:10 writable=@fd:11 log=@fd:12 in=@<$SHIM_DIR/in out=@>$SHIM_DIR/out rows=33 cols=44"
	hear '^shim_started'
	echo 'tty; stty size; stat -c %u $(tty) /dev/console; echo set' >&"$typed"
	until grep -q '^set' "$SHIM_DIR/got"; do sleep 0.05; done
	say shim_resize rows=50 cols=60
	hear '^done'
	printf 'stty size\nexit 7\n' >&"$typed"
	hear '^shim_exited exit_code=7 '
	exec {typed}>&-
	wait $reader
	cat "$SHIM_DIR/got"
	for want in /dev/pts/0 '33 44' 1000 '50 60'; do
		tr -d '\r' <"$SHIM_DIR/got" | grep -xF -- "$want"
	done
}

@test "ctrl-c at the terminal interrupts what runs there" {
	mkfifo -m 666 "$SHIM_DIR/in" "$SHIM_DIR/out"
	cat "$SHIM_DIR/out" >"$SHIM_DIR/got" & reader=$!
	exec {typed}<>"$SHIM_DIR/in"
	shim_open
	say "shim_start $(spec argv=/bin/sh cwd=/ tty=true stdin_open=true init=true) layers=@fd:10 writable=@fd:11 in=@<$SHIM_DIR/in out=@>$SHIM_DIR/out"
	hear '^shim_started'
	echo 'echo ready; sleep 1000; echo $?' >&"$typed"
	until tr -d '\r' <"$SHIM_DIR/got" | grep -qx ready; do sleep 0.05; done
	sleep 0.3
	printf '\003' >&"$typed"
	sleep 0.3
	printf 'exit 9\n' >&"$typed"
	hear '^shim_exited exit_code=9 '
	exec {typed}>&-
	wait $reader
}

@test "1.5 MB through stdin and back, and the end of input" {
	head -c 1500000 /dev/urandom | base64 -w 100 >"$SHIM_DIR/data"
	mkfifo -m 666 "$SHIM_DIR/in" "$SHIM_DIR/out"
	cat "$SHIM_DIR/out" >"$SHIM_DIR/got" & reader=$!
	cat "$SHIM_DIR/data" >"$SHIM_DIR/in" &
	shim_open
	say "shim_start $(spec argv=/bin/cat cwd=/ stdin_open=true) layers=@fd:10 writable=@fd:11 log=@fd:12 in=@<$SHIM_DIR/in out=@>$SHIM_DIR/out"
	hear '^shim_exited exit_code=0'
	wait $reader
	cmp "$SHIM_DIR/data" "$SHIM_DIR/got"
	output | cmp - "$SHIM_DIR/data"
}

@test "a slow client loses nothing, not even after the workload's end" {
	mkfifo -m 666 "$SHIM_DIR/out"
	exec {slow}<>"$SHIM_DIR/out"
	shim_open
	say "shim_start $(spec argv=/bin/sh argv=-c 'argv="seq 1 30000"' cwd=/) layers=@fd:10 writable=@fd:11 log=@fd:12 out=@>$SHIM_DIR/out"
	hear '^shim_started'
	sleep 0.5
	[ "$(output | wc -l)" -lt 30000 ] # it waits for the client
	timeout 60 head -n 30000 <&"$slow" >"$SHIM_DIR/got"
	hear '^shim_exited exit_code=0'
	seq 1 30000 | cmp - "$SHIM_DIR/got"
	output | cmp - "$SHIM_DIR/got"
	exec {slow}<&-
}

@test "a client that went away doesn't hold the workload up" {
	mkfifo -m 666 "$SHIM_DIR/out"
	head -n 3 <"$SHIM_DIR/out" >/dev/null &
	shim_open
	say "shim_start $(spec argv=/bin/sh argv=-c 'argv="seq 1 50000"' cwd=/) layers=@fd:10 writable=@fd:11 log=@fd:12 out=@>$SHIM_DIR/out"
	hear '^shim_exited exit_code=0'
	seq 1 50000 | cmp - <(output)
}

@test "clients can be attached later, and files as streams are refused" {
	stay stdin_open=true
	touch "$SHIM_DIR/plain"; chmod 666 "$SHIM_DIR/plain"
	say "shim_attach out=@>$SHIM_DIR/plain"
	hear '^failed .*pipes or sockets'
	shim_close
	rm -rf "$SHIM_DIR/w" "$SHIM_DIR/log"; shim_dirs "$SHIM_DIR" "$SHIM_TREE"
	mkfifo -m 666 "$SHIM_DIR/in" "$SHIM_DIR/out"
	cat "$SHIM_DIR/out" >"$SHIM_DIR/got" & reader=$!
	shim_open
	start argv=/bin/cat cwd=/ stdin_open=true
	hear '^shim_started'
	echo first >"$SHIM_DIR/in" &
	say "shim_attach in=@<$SHIM_DIR/in"
	hear '^done'
	until output | grep -qx first; do sleep 0.05; done
	# an attached client's end of input isn't the workload's
	echo second >"$SHIM_DIR/in" &
	say "shim_attach in=@<$SHIM_DIR/in out=@>$SHIM_DIR/out"
	hear '^done'
	until grep -qx second "$SHIM_DIR/got"; do sleep 0.05; done
	say shim_signal signal=9
	hear '^shim_exited exit_code=137'
	wait $reader
	! grep -q first "$SHIM_DIR/got" || false
}

@test "the log is bounded, and in CRI's form" {
	sh_in 'i=0; while [ \$i -lt 26 ]; do head -c 1000000 /dev/zero | tr \"\\\\0\" x; i=\$((i+1)); done; echo; echo err >&2; printf part'
	[ "$(ls "$SHIM_DIR/log" | sort | tr '\n' ' ')" = "log log.1 log.2 " ]
	for f in log log.1 log.2; do
		[ "$(stat -c %s "$SHIM_DIR/log/$f")" -le 10485760 ]
	done
	! grep -hvE '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z (stdout|stderr) [FP] ' "$SHIM_DIR"/log/log* || false
	grep -E ' stderr F err$' "$SHIM_DIR/log/log"
	grep -E ' stdout P part$' "$SHIM_DIR/log/log"
}

@test "a full log doesn't stop the workload" {
	mount -t tmpfs -o size=64k,mode=777 tsh-log "$SHIM_DIR/log"
	shim_open
	start argv=/bin/sh argv=-c 'argv="seq 1 100000"' cwd=/
	hear '^shim_exited exit_code=0' || { umount -l "$SHIM_DIR/log"; false; }
	umount -l "$SHIM_DIR/log"
	grep 'output is being lost' "$SHIM_LOG"
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

@test "exec joins every namespace, the cgroup and the user's rules" {
	row=:pids:
	[ "$(cgroup_at pids)" != /sys/fs/cgroup ] || row=^0::
	mkdir "$CGROUP"
	SHIM_MOUNTS+=(--write "13=$CGROUP/cgroup.procs")
	shim_open
	say "shim_start $(spec argv=/bin/sleep argv=1000 cwd=/tmp caps=1 env=A=b) layers=@fd:10 writable=@fd:11 procs=@fd:13"
	hear '^shim_started'
	exec_in 1 'for n in cgroup ipc mnt net pid time user uts; do [ \$(readlink /proc/1/ns/\$n) = \$(readlink /proc/self/ns/\$n) ] || echo differs \$n; done; pwd; grep CapEff /proc/self/status; grep '$row' /proc/self/cgroup; ls /proc/self/fd; exit 11'
	[[ $exited == *exit_code=11* ]]
	[ "$(head -n 3 <<<"$output" | cut -d: -f1)" = $'/tmp\nCapEff\n'"$(grep -e "$row" <<<"$output" | cut -d: -f1)" ]
	grep -P '^CapEff:\t0{15}1$' <<<"$output"
	grep -e "$row/\$" <<<"$output"
	[ "$(tail -n 4 <<<"$output")" = $'0\n1\n2\n3' ]
	exec_in 2 'id -u; echo \$HOME; pwd' 'user=web cwd=/etc'
	[ "$output" = $'1000\n/home/web\n/etc' ]
}

@test "an exec that fails says why and leaves nothing" {
	stay
	for c in "argv=nope|4223" "argv=/etc|4222" "argv=sh user=nobody0|2" "argv=sh cwd=/nope|2"; do
		say "shim_exec exec=5 spec=@{exec_spec env=PATH=/bin ${c%|*}}"
		hear "^failed code=${c#*|} "
	done
	for i in {1..100}; do
		exec_in 6 'ps -o pid | wc -l'
		[ "$output" -gt 5 ] || break
	done
	[ "$output" -le 5 ]
	# the number is free again, and can't be used twice at once
	say "shim_exec exec=5 spec=@{exec_spec argv=sleep argv=100 env=PATH=/bin}"
	hear '^shim_execed'
	say "shim_exec exec=5 spec=@{exec_spec argv=sleep argv=100 env=PATH=/bin}"
	hear '^failed code=17 '
}

@test "40 execs at once all come back with their own code" {
	stay
	for i in {1..40}; do
		say "shim_exec exec=$i spec=@{exec_spec argv=/bin/sh argv=-c argv=\"exit $i\"}"
	done
	: >"$SHIM_DIR/seen"
	while [ "$(wc -l <"$SHIM_DIR/seen")" -lt 40 ]; do
		hear '^shim_exec_exited'
		echo "$HEARD" >>"$SHIM_DIR/seen"
	done
	for i in {1..40}; do
		grep -x "shim_exec_exited exec=$i exit_code=$i" "$SHIM_DIR/seen"
	done
}

@test "exec with a terminal, and one with 1.5 MB through stdin" {
	stay
	exec_in 1 'tty; stty size; echo x >/dev/tty' 'tty=true rows=12 cols=34'
	tr -d '\r' <<<"$output" | grep -x '/dev/pts/0'
	tr -d '\r' <<<"$output" | grep -x '12 34'
	head -c 1500000 /dev/urandom >"$SHIM_DIR/data"
	mkfifo -m 666 "$SHIM_DIR/in"
	cat "$SHIM_DIR/data" >"$SHIM_DIR/in" &
	exec_in 2 md5sum stdin_open=true "in=@<$SHIM_DIR/in"
	[ "${output%% *}" = "$(md5sum <"$SHIM_DIR/data" | cut -d' ' -f1)" ]
}

@test "a pipe that anyone may open is handed over as it is" {
	mkfifo "$SHIM_DIR/end"
	exec 20> >(cat >"$SHIM_DIR/got"; echo >"$SHIM_DIR/end")
	chmod 666 /proc/$$/fd/20
	stay
	exec 20>&-
	say "shim_exec exec=1 spec=@{exec_spec argv=/bin/sh argv=-c argv=\"echo one; echo two >/dev/stdout; readlink /proc/self/fd/1\" env=PATH=/bin} out=@fd:20"
	hear '^shim_exec_exited exec=1 exit_code=0'
	shim_close
	read -r -t 60 <"$SHIM_DIR/end"
	[ "$(head -n 2 "$SHIM_DIR/got")" = $'one\ntwo' ]
}

@test "a container full of processes can still be looked into, and killed" {
	cgroup_enable pids
	mkdir "$CGROUP"
	echo 8 >"$CGROUP/pids.max"
	SHIM_MOUNTS+=(--write "13=$CGROUP/cgroup.procs")
	shim_open
	say "shim_start $(spec argv=/bin/sh argv=-c 'argv="for i in 1 2 3 4 5 6 7; do sleep 100 & done; wait"' cwd=/) layers=@fd:10 writable=@fd:11 log=@fd:12 procs=@fd:13"
	hear '^shim_started'
	until [ "$(cat "$CGROUP/pids.current")" -ge 8 ]; do sleep 0.05; done
	say "shim_exec exec=1 spec=@{exec_spec argv=/bin/true}"
	hear '^shim_exec_exited exec=1 exit_code=0'
	say shim_signal signal=9
	hear '^shim_exited exit_code=137'
	until [ "$(cat "$CGROUP/pids.current")" = 0 ]; do sleep 0.05; done
}

@test "the joiner can't be looked into by the container" {
	stay
	mkfifo -m 666 "$SHIM_DIR/f"
	cat "$SHIM_DIR/f" >"$SHIM_DIR/seen" &
	say "shim_exec exec=2 spec=@{exec_spec argv=/bin/sh argv=-c argv=\"while :; do for p in /proc/[0-9]*; do for l in exe root cwd; do readlink \$p/\$l 2>/dev/null; done; done; done\" env=PATH=/bin} out=@>$SHIM_DIR/f"
	hear '^shim_execed'
	for i in {10..60}; do
		say "shim_exec exec=$i spec=@{exec_spec argv=/bin/true}"
		hear "^shim_exec_exited exec=$i "
	done
	say shim_signal signal=9
	hear '^shim_exited'
	sort "$SHIM_DIR/seen" | uniq -c
	[ -s "$SHIM_DIR/seen" ]
	! grep -vE '^(/bin/busybox|/)$' "$SHIM_DIR/seen" || false
}

@test "clean empties a directory of deep trees, many files and odd names" {
	shim_open
	start argv=/bin/sh argv=-c 'argv="mkdir /d; cd /d; i=0; while [ \$i -lt 300 ]; do touch \$i; i=\$((i+1)); done; mkdir -p a/b; touch a/b/c; chmod 000 a/b a; ln -s /etc link; mkfifo fifo; touch .0 .1; mkdir .2; rm /bin/ls; i=0; while [ \$i -lt 300 ]; do mkdir d && cd d || break; i=\$((i+1)); done"' cwd=/
	hear '^shim_exited exit_code=0' 60
	shim_close
	python3 - "$SHIM_DIR/w/upper/d/odd" "$SHIM_BASE" <<'PY'
import os, sys
top, base = sys.argv[1], int(sys.argv[2])
os.mkdir(top); os.chown(top, base, base)
for i in range(1, 256):
    if i not in (46, 47):
        name = top.encode() + b"/" + bytes([i]) * 3
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY)); os.lchown(name, base + i, base + i)
os.chdir(top)
for i in range(3000):
    os.mkdir("x" * 100); os.chown("x" * 100, base, base); os.chdir("x" * 100)
PY
	echo outside >"$SHIM_DIR/outside"
	ln -s "$SHIM_DIR/outside" "$SHIM_DIR/w/upper/d/out"
	shim_open
	for n in $(seq 200); do
		say 'shim_clean writable=@fd:11'
		hear '^(done|failed )' 120
		[[ "$HEARD" == *"there is more to remove"* ]] || break
	done
	[[ "$HEARD" == done* ]]
	[ -z "$(ls -A "$SHIM_DIR/w")" ]
	[ -s "$SHIM_DIR/outside" ]
	# and the same shim can still start
	start argv=/bin/true cwd=/
	hear '^shim_exited exit_code=0'
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
