#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The shim alone: what the workload has as its root: masks, devices, mounts, and what it leaves there.

bats_require_minimum_version 1.5.0

# Not those of another file that may run beside this one.
SHIM_UID=1877999702 SHIM_BASE=1879375872
. "$BATS_TEST_DIRNAME/../lib/shim.sh"
. "$BATS_TEST_DIRNAME/../lib/shim-tests.sh"

@test "masked paths are empty, read-only ones read-only" {
	sh_in 'for f in kallsyms interrupts keys timer_list kcore; do [ ! -e /proc/\$f ] || wc -c </proc/\$f; done;
ls -A /proc/acpi /sys/firmware /sys/kernel/debug /sys/kernel/security 2>/dev/null | grep -v :\$;
for f in /proc/sys/kernel/hostname /proc/sys/vm/swappiness /sys/kernel/uevent_helper; do echo x >\$f; done;
mkdir /sys/fs/cgroup/x; [ ! -d /sys/fs/cgroup/pids ] || mkdir /sys/fs/cgroup/pids/x; echo end'
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
