# SPDX-License-Identifier: MIT
#
# Users who are not root: what they may do, that they don't see each other, and what a hostile one tries. The users are
# numbers, the group is the engine's option: nothing is written into /etc.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

group=41000
alice=41001
bob=41002
carol=41003 # whom the file allows more

setup_file()
{
	engine_prepare || return 1
	cp "$engine_bin/ctl" "$BATS_TEST_DIRNAME/../hostile/user.py" "$ENGINE_DIR"
	cat >"$ENGINE_DIR/conf" <<-END
		group $group
		quota * containers 6
		quota * memory 256m
		quota * cpus 1
		default * memory 32m
		default * cpus 0.1
		quota $carol binds 1
		allow $carol low-ports
		allow $carol publish
		allow $carol host-network
		allow $carol remove-images
		allow $carol devices
	END
	engine_launch --config "$ENGINE_DIR/conf" && engine_images busybox && engine_picture
}

teardown_file()
{
	engine_stop
}

setup()
{
	bb=$REGISTRY/busybox
	home=$BATS_TEST_TMPDIR/home
	install -d -m 755 -o $alice -g $alice "$home"
	chmod 711 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_RUN_TMPDIR"
}

teardown()
{
	ctl ps -aq | xargs -r timeout 120 "$engine_bin/ctl" rm -f >/dev/null
	engine_unchanged
}

# member UID CMD...: as a member of the group
member()
{
	local uid=$1

	shift
	timeout --foreground -k 5 $((120 * ${TEST_PATIENCE:-1})) setpriv --reuid "$uid" --regid "$uid" --groups $group "$@"
}

as()
{
	local uid=$1

	shift
	member "$uid" "$ENGINE_DIR/ctl" "$@"
}

hostile()
{
	# In a session of its own: SIGCONT goes through within one.
	member $alice setsid --wait /usr/bin/python3 "$ENGINE_DIR/user.py" "$@"
}

# refused WORDS CMD...: fails, not by a timeout, with one line that has these words
refused()
{
	local words=$1

	shift
	run "$@"
	[ "$status" != 0 ] && [ "$status" != 124 ] && [ "${#lines[@]}" = 1 ] && [[ "$output" == *"$words"* ]] && return
	echo "$* gave $status: $output"
	return 1
}

@test "members use ctl, which has no privilege of its own; others are told how to become one" {
	run as $alice run --rm "$bb" id -u
	[ "${lines[-1]}" = 0 ]
	[ "$(stat -c %a "$engine_bin/ctl")" = 755 ]
	[ -z "$(getcap "$engine_bin/ctl")" ]
	refused "only root and members of group $group may use it" \
		setpriv --reuid 65534 --regid 65534 --clear-groups "$ENGINE_DIR/ctl" ps
	chgrp daemon "$BULKHEAD_SOCKET"
	refused "usermod -aG daemon nobody" setpriv --reuid 65534 --regid 65534 --clear-groups "$ENGINE_DIR/ctl" ps
	chgrp $group "$BULKHEAD_SOCKET"
}

@test "another's containers don't exist, by name, id or prefix, in any command" {
	id=$(as $alice run -d --name web "$bb" sleep 1000)
	for ref in web "$id" "${id:0:12}" "${id:0:5}"; do # with less, an image may have it
		for command in "inspect R" "exec R true" "logs R" "logs -f R" "kill R" "stop R" "restart R" "start R" \
				"start -a R" "attach R" "wait R" "rm R" "top R" "export R" "cp R:/etc -" \
				"cp /etc/passwd R:/tmp"; do
			# shellcheck disable=SC2086
			run as $bob ${command//R/$ref}
			theirs=$output status_theirs=$status
			# shellcheck disable=SC2086
			run as $bob ${command//R/nobody-here}
			echo "$command of $ref: $status_theirs $theirs; of nobody-here: $status $output"
			[ "$status" != 0 ]
			[ "$status_theirs" = "$status" ]
			[ "$theirs" = "${output//nobody-here/$ref}" ]
			[[ "$theirs" == *"no such "*": $ref"* ]]
		done
		run as $bob rm -f "$ref"
		[[ "$output" == *"no such container"* ]]
	done
	[ "$(as $bob ps -aq)" = "" ]
	[ "$(as $bob info | awk '$1 == "Containers:" { print $2 }')" = 0 ]
	[ "$(as $alice inspect --format '{{.State.Running}}' "$id")" = true ]
	# The name is free for others, and root tells the two apart by id.
	other=$(as $bob run -d --name web "$bb" sleep 1000)
	refused "already in use by container ${other:0:12}" as $bob create --name web "$bb" true
	[ "$(as $bob ps -q --no-trunc)" = "$other" ]
	refused "2 users have a container of the name web" ctl stop web
	ctl rm -f "$other"
	[ "$(ctl inspect --format '{{.Id}}' web)" = "$id" ]
}

@test "cp, export and top: of one's own containers, with one's own rights outside" {
	as $alice run -d --name c "$bb" sh -c 'mkdir /d; echo x >/d/f; chown -R 7:8 /d; chmod 600 /d/f; sleep 1000'
	wait_until 10 as $alice exec c test -e /d/f
	cd "$home"
	as $alice cp c:/d d
	[ "$(stat -c %u:%g d d/f | sort -u)" = $alice:$alice ]
	as $alice export -o all.tar c
	[ "$(stat -c %u all.tar)" = $alice ]
	tar tf all.tar | grep -qx d/f
	[[ "$(as $alice top c)" == *"sleep 1000"* ]]
	# What the user can't read can't be copied in, nor can it be written where he may not write.
	echo secret >secret
	chmod 600 secret
	refused "ermission denied" as $alice cp secret c:/
	refused "ermission denied" as $alice cp . c:/all
	refused "ermission denied" as $alice cp c:/d/f /root/f
	refused "ermission denied" as $alice cp c:/d/f /etc/f
	run as $alice exec c sh -c 'ls / | grep -E "all|secret"'
	[ "$status" = 1 ]
	# What goes in is the container's root's; the container's own user, to whom it is given, is none outside.
	as $alice cp d/f c:/mine
	[ "$(as $alice exec c stat -c %u:%g /mine)" = 0:0 ]
	install -o 0 -g 0 -m 644 /dev/null roots
	as $alice cp roots c:/roots
	[ "$(as $alice exec c stat -c %u:%g /roots)" = 0:0 ]
	refused "giving it to 7:8: operation not permitted" as $alice cp -a c:/d d2
	[ ! -e d2 ]
	# A bind mount is written as the user, whatever root of the container does.
	mkdir bound
	chown $alice:$alice bound
	as $alice run -d --name b -v "$home/bound:/b" "$bb" sleep 1000
	as $alice cp d b:/b
	[ "$(stat -c %u:%g bound/d bound/d/f | sort -u)" = $alice:$alice ]
	as $alice cp b:/b/d d3
	diff -r d d3
	# Of one that doesn't run, too.
	as $alice create --name stopped -v "$home/bound:/b" "$bb" true
	as $alice cp d stopped:/b/d4
	[ "$(stat -c %u:%g bound/d4/f)" = $alice:$alice ]
	as $alice cp stopped:/etc/passwd passwd
	refused "no such container: stopped" as $bob cp stopped:/etc/passwd -
}

@test "an error names no container of another" {
	id=$(as $alice run -d -p 18764:80 "$bb" sleep 1000)
	run as $bob run --rm -p 18764:80 "$bb" true
	[ "$status" = 125 ]
	[[ "$output" == *"port"*"18764"* ]]
	[[ "$output" != *"${id:0:12}"* ]]
	run as $alice run --rm -p 18764:80 "$bb" true
	[[ "$output" == *"${id:0:12}"* ]]
}

@test "what reaches beyond is for root, and for whom the file allows it" {
	refused "--network host is for root" as $alice run --rm --network host "$bb" true
	refused "--device is for root" as $alice run --rm --device /dev/full "$bb" true
	refused "--device-cgroup-rule is for root" as $alice run --rm --device-cgroup-rule "c 1:7 rw" "$bb" true
	refused "--cgroup-parent is for root" as $alice run --rm --cgroup-parent web.slice "$bb" true
	refused "publishing port 1023 is for root" as $alice run --rm -p 1023:80 "$bb" true
	refused "publishing on 0.0.0.0 is for root" as $alice run --rm -p 0.0.0.0:18767:80 "$bb" true
	refused "publishing on :: is for root" as $alice run --rm -p '[::]:18767:80' "$bb" true
	as $alice run --rm -p 18767:80 "$bb" true
	as $alice run --rm -p 127.0.0.2:18767:80 "$bb" true
	as $carol run --rm -p 0.0.0.0:1023:80 "$bb" true
	as $carol run --rm --network host "$bb" true
	# Without an address a port is the loopback's.
	as $alice run -d --name web -p 18767:80 "$bb" sleep 1000
	[ "$(as $alice inspect web | jq -r '.[0].NetworkSettings.Ports["80/tcp"][0].HostIp')" = 127.0.0.1 ]
	# All capabilities are the user namespace's.
	as $alice run --rm --privileged "$bb" sh -c '! mknod /x b 8 0 && ! echo x >/proc/sys/kernel/core_pattern'
}

@test "images are shared: who may run them all may not remove them" {
	image_push config "$REGISTRY"
	as $alice pull -q "$REGISTRY/config"
	[[ "$(as $bob images)" == *"$REGISTRY/config"* ]]
	as $bob create --name uses "$REGISTRY/config" true
	for user in $alice $bob; do
		refused "removing them is for root" as $user rmi "$REGISTRY/config"
	done
	refused "in use by a container" as $carol rmi "$REGISTRY/config"
	as $bob rm uses
	as $carol rmi "$REGISTRY/config"
}

@test "a user's log directory can be read, not written" {
	id=$(as $alice run -d "$bb" sh -c 'echo said; sleep 1000')
	wait_until 10 eval "as $alice logs $id | grep said"
	run member $alice /usr/bin/python3 "$ENGINE_DIR/user.py" log "$BULKHEAD_SOCKET" "$id"
	echo "$output"
	[ "$output" = "files=log got=" ]
}

@test "a bind mount: the user is root inside, everybody else is nobody and can't be written" {
	echo mine >"$home/mine"
	chown $alice:$alice "$home/mine"
	echo group >"$home/group" && chmod 640 "$home/group"
	echo root >"$home/root" && chmod 600 "$home/root"
	echo all >"$home/all" && chmod 666 "$home/all"
	install -d -m 700 "$home/secret"
	install -d -m 777 "$home/open"
	run as $alice run --rm -v "$home:/d" "$bb" sh -c '
		stat -c "%n %u %g" /d/mine /d/root
		cat /d/mine /d/all && echo more >>/d/mine && mkdir /d/dir && echo new >/d/dir/new || echo BAD
		for f in "cat /d/root" "cat /d/group" "ls /d/secret" "touch /d/secret/x" "sh -c \"echo x >>/d/all\"" "touch /d/open/x" \
			"chown 5 /d/mine" "chgrp 5 /d/mine" "chown 0 /d/root" "chmod 777 /d/root" "mv /d/root /d/x" "ln /d/root /d/y" \
			"mknod /d/dev b 8 0" "setfattr -n user.x -v y /d/root"; do
			$f 2>/dev/null && echo "BAD $f"
			eval "$f" 2>/dev/null && echo "BAD $f"
		done; true'
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" != *BAD* ]]
	[[ "$output" == *"/d/mine 0 0"*"/d/root 65534 65534"* ]]
	[ "$(cat "$home/mine")" = "$(printf 'mine\nmore')" ]
	[ "$(stat -c '%u:%g' "$home/dir/new")" = $alice:$alice ]
	[ "$(cat "$home/all" "$home/root")" = "$(printf 'all\nroot')" ]
	# Another id of the container is nobody: it reads what all may read, and makes nothing.
	chmod 777 "$home"
	run as $alice run --rm -u 1000 -v "$home:/d" "$bb" sh -c 'cat /d/mine; touch /d/x || echo refused'
	[[ "$output" == *more*refused* ]]
	[ -z "$(find "$home" ! -uid 0 ! -uid $alice)" ]
	# Read-only is read-only, and root's own binds are as they were.
	run as $alice run --rm -v "$home:/d:ro" "$bb" touch /d/x
	[ "$status" = 1 ]
	ctl run --rm -v "$home:/d" "$bb" sh -c 'cat /d/root && touch /d/by-root'
	[ "$(stat -c %u "$home/by-root")" = 0 ]
}

@test "no way to a host file that the user could not open" {
	install -d -m 700 "$BATS_TEST_TMPDIR/shut"
	echo secret >"$BATS_TEST_TMPDIR/shut/file"
	chmod 644 "$BATS_TEST_TMPDIR/shut/file"
	refused "permission denied" as $alice run --rm -v "$BATS_TEST_TMPDIR/shut/file:/d" "$bb" cat /d
	refused "no such file" as $alice run --rm -v /no/such:/d "$bb" true
	# The path is open to all, the file is not: it can be bound, and not read.
	for path in /etc/shadow "$ENGINE_STATE" "$BATS_TEST_TMPDIR/shut"; do
		run as $alice run --rm -v "$path:/d" "$bb" sh -c 'cat /d /d/* 2>&1; ls /d 2>&1'
		[[ "$output" != *root:* ]]
		[[ "$output" != *secret* ]]
		[[ "$output" != *containers* ]]
		[[ "$output" == *"ermission denied"* ]]
	done
	refused "can't be mapped" as $alice run --rm -v /:/host "$bb" true
	refused "can't be mapped" as $alice run --rm -v /proc:/host "$bb" true
	refused "can't be mapped" as $alice run --rm -v /sys:/host "$bb" true
	refused "can't be mapped" as $alice run --rm --rootfs / true
	# The engine's own socket leads nowhere: nobody inside is in the group.
	run as $alice run --rm -v "$ENGINE_RUN:/d" -v "$ENGINE_DIR/ctl:/ctl" "$bb" sh -c 'ls -ln /d/ctl.sock; echo x >/d/x'
	[[ "$output" == *65534*65534* ]]
	[ ! -e "$ENGINE_RUN/x" ]
}

@test "a device is what its mode on the host allows everybody, also when the right to it is given" {
	shut=$(find /dev -maxdepth 1 -type c ! -perm /o+rw | head -n 1)
	[ "$(as $carol run --rm --device /dev/zero:/dev/all "$bb" head -c 3 /dev/all | wc -c)" = 3 ]
	refused "$shut is open to others for \"\", and only root" as $carol run --rm --device "$shut" "$bb" true
	refused "/dev/zero is open to others for \"rw\", and only root" as $carol run --rm --device /dev/zero:r "$bb" true
	refused "--device is for root" as $alice run --rm --device /dev/zero "$bb" true
	refused "--device-cgroup-rule is for root" as $carol run --rm --device-cgroup-rule "c 1:7 rw" "$bb" true
	# A node elsewhere may be on a file system that answers nobody; bound it is dead, and one quota counts both.
	mknod -m 0666 "$home/all" c 1 5
	refused "this is no device of the host's /dev" as $carol run --rm --device "$home/all" "$bb" true
	run as $carol run --rm -v "$home/all:/dev/all" "$bb" head -c 3 /dev/all
	[[ "$output" == *"ermission denied"* ]]
	rm "$home/all"
	refused "your quota is 1 bind mounts" as $carol run --rm --device /dev/zero --device /dev/full "$bb" true
}

@test "a symlink swapped after it was opened changes nothing" {
	install -d -o $alice -g $alice "$home/one" "$home/two"
	echo one >"$home/one/f"
	echo two >"$home/two/f"
	ln -s one "$home/link"
	as $alice create --name c -v "$home/link:/d" "$bb" cat /d/f
	ln -sfn two "$home/link"
	mv "$home/one" "$home/moved"
	run as $alice start -a c
	[ "$output" = one ]
	ln -sfn /etc/shadow "$home/link"
	run as $alice start -a c
	[ "$output" = one ]
}

@test "a setuid file made through a bind mount is the user's own, and dead inside" {
	as $alice run --rm -v "$home:/d" "$bb" sh -c 'cp /bin/busybox /d/busybox && chmod 6755 /d/busybox'
	[ "$(stat -c '%u:%g' "$home/busybox")" = $alice:$alice ]
	run as $alice run --rm -u 1000 --security-opt no-new-privileges=false -v "$home:/d" "$bb" /d/busybox id -u
	[ "$output" = 1000 ]
	run as $alice run --rm -v "$home:/d" "$bb" grep ' /d ' /proc/mounts
	[[ "$output" == *nosuid*nodev* ]]
}

@test "--rootfs of a user's own tree" {
	cp -a "$(image_rootfs busybox)" "$home/tree"
	chown -R $alice:$alice "$home/tree"
	run as $alice run --rm --rootfs "$home/tree" sh -c 'touch /made && id -u'
	[ "$output" = 0 ]
	[ "$(stat -c %u "$home/tree/made")" = $alice ]
	run as $bob run --rm --rootfs "$home/tree" sh -c 'touch /theirs; rm -rf /bin/busybox; ls -ln /made'
	[[ "$output" == *65534* ]]
	[ ! -e "$home/tree/theirs" ]
	[ -e "$home/tree/bin/busybox" ]
}

@test "the engine's processes can't be signalled, traced or looked into" {
	as $alice run -d "$bb" sleep 1000
	pids=$(leaks_descendants "$ENGINE_PID")
	# shellcheck disable=SC2086
	run hostile pry $pids
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == "tried=$(wc -w <<<"$pids") got=" ]]
	engine_answers
	# The probe itself works, on a process of one's own.
	run member $alice sh -c "sleep 20 & /usr/bin/python3 $ENGINE_DIR/user.py pry \$!"
	[[ "$output" == *environ*signal:0* ]]
}

@test "run and state directories are closed, and no socket is abstract" {
	as $alice run -d "$bb" sleep 1000
	[ "$(member $alice find "$ENGINE_STATE" "$ENGINE_RUN" 2>/dev/null | sort)" = \
		"$(printf '%s\n' "$ENGINE_RUN" "$ENGINE_STATE" | sort)" ]
	for path in "$ENGINE_RUN" "$ENGINE_STATE"; do
		run member $alice touch "$path/x"
		[ "$status" = 1 ]
	done
	run member $alice cat "$ENGINE_RUN/lock"
	[ "$status" = 1 ]
	inodes=$(for pid in $(leaks_descendants "$ENGINE_PID"); do
		find "/proc/$pid/fd" -lname 'socket:*' -printf '%l\n' 2>/dev/null
	done | tr -dc '0-9\n' | sort -u)
	[ -n "$inodes" ]
	[ -z "$(awk 'FNR == NR { ours[$1]; next } ($7 in ours) && $8 ~ /^@/' <(echo "$inodes") /proc/net/unix)" ]
}

@test "events, stats and updates are of one's own containers" {
	start=$(date +%s.%N)
	as $alice create --name quiet "$bb" true
	seen() { "$@" events --since "$start" --until 0s --filter container=quiet --format '{{.Action}}'; }
	[ "$(seen as $alice)" = create ]
	[ "$(seen ctl)" = create ]
	[ -z "$(seen as $bob)" ]
	refused "no such container: quiet" as $bob stats --no-stream quiet
	refused "no such container: quiet" as $bob update --pids-limit 7 quiet
	as $alice rm quiet
}

@test "quotas are hit exactly, and given back by rm" {
	for i in 1 2 3 4 5 6; do
		as $alice create --name "c$i" "$bb" true
	done
	refused "your quota is 6 containers, 6 in use" as $alice create "$bb" true
	as $bob create --name c1 "$bb" true
	as $alice rm c6
	as $alice create --name c6 -m 96m --cpus 0.5 "$bb" true
	[ "$(as $alice info | awk '/^Quota.memory/ { print $2 $4 }')" = 256m256m ]
	[ "$(as $alice info | awk '/^Quota.cpus/ { print $2 $4 }')" = 11 ]
	as $alice rm c6 c5
	# An update counts what it adds, and gives back what it takes.
	run as $alice update -m 164m c1
	[ "$status" = 1 ]
	[[ "$output" == *"your quota is 256m of memory, 96m in use: 164m more would exceed it"* ]]
	as $alice update -m 160m c1
	[ "$(as $alice info | awk '/^Quota.memory/ { print $2 $4 }')" = 256m256m ]
	refused "say with --memory" as $alice update -m 0 c1
	as $alice update -m 32m c1
	run as $bob update -m 16m c2
	[ "$status" = 1 ]
	[[ "$output" == *"no such container: c2" ]]
	refused "your quota is 256m of memory, 128m in use" as $alice create -m $(((128 << 20) + 4096)) "$bb" true
	refused "your quota is 256m of memory" as $alice create -m 128m --memory-swap 512m "$bb" true
	refused "say with --memory" as $alice create -m 128m --memory-swap -1 "$bb" true
	refused "your quota is 1 processors, 0.4 in use" as $alice create --cpus 0.61 "$bb" true
	as $alice create -m 128m --cpus 0.6 "$bb" true
	refused "your quota is 256m of memory, 256m in use" as $alice create --cpus 0.01 "$bb" true
	refused "your quota is 1 bind mounts" as $carol create -v /etc:/a -v /usr:/b "$bb" true
	# Root has none.
	for i in 1 2 3 4 5 6 7; do
		ctl create -m 64m "$bb" true
	done
	# They outlive the supervisor process.
	kill -KILL "$(pgrep -P "$ENGINE_PID" -f -- --serve)"
	wait_until 10 engine_answers
	refused "256m in use" as $alice create "$bb" true
}

others_are_served()
{
	local i

	for i in 1 2 3 4 5; do
		CTL_TIMEOUT=60 ctl ps >/dev/null && member $bob timeout 60 "$ENGINE_DIR/ctl" ps >/dev/null || return 1
	done
}

ten_thousand_connections()
{
	local pid

	coproc held { hostile connections "$BULKHEAD_SOCKET" 10000; }
	pid=$!
	read -r -t 110 said <&"${held[0]}" || return 1
	echo "$said"
	[[ "$said" == "stayed=64 refused=9936 said=your quota is 64 connections, 64 in use"* ]] || return 1
	others_are_served || return 1
	refused "your quota is 64 connections" as $alice ps || return 1
	eval "exec ${held[1]}>&-"
	wait "$pid"
	wait_until 10 as $alice ps
}

@test "10^4 connections of one user: 64 stay, others are served" {
	ten_thousand_connections
}

many_descriptors()
{
	run hostile descriptors "$BULKHEAD_SOCKET" 500
	echo "$output"
	[ "$output" = dropped=500 ] || return 1
	run hostile creations "$BULKHEAD_SOCKET" 960
	echo "$output"
	[[ "$output" == *said=*no/such* || "$output" == *"wait for them"* ]] || return 1
	others_are_served
}

@test "descriptors by the thousand: none stays" {
	many_descriptors
}

@test "a spec of 64 MB is refused in one sentence" {
	run hostile spec "$BULKHEAD_SOCKET" 64
	[ "$output" = "failed=True said=the container's options are larger than 2097152 bytes" ]
	others_are_served
}

many_requests()
{
	run hostile requests "$BULKHEAD_SOCKET" 100000
	[ "$output" = answered=100000 ] || return 1
	run hostile unread "$BULKHEAD_SOCKET" 100000
	echo "$output"
	[ "$output" = held_back=True ] || return 1
	others_are_served
}

@test "64 requests of a connection wait, no more" {
	id=$(as $alice run -d "$bb" sleep 1000)
	run hostile waits "$BULKHEAD_SOCKET" 500 "$id"
	[ "$output" = "refused=436 said=64 requests of this connection wait already" ]
	others_are_served
}

@test "10^5 requests are answered, who reads no answer is not read from" {
	many_requests
}
