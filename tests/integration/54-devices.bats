# SPDX-License-Identifier: MIT
#
# --device: which nodes a container gets, what it may do with them, and that nothing of them is left on the host.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/containers.sh"

setup()
{
	bb=$REGISTRY/busybox
	nodes=$(ls -A /dev)
}

teardown()
{
	[ -z "${loop:-}" ] || losetup -d "$loop"
	[ "$(ls -A /dev)" = "$nodes" ] || diff <(echo "$nodes") <(ls -A /dev)
	engine_unchanged
}

# disk: makes $loop, a disk that begins with a word and that root alone may open on the host
disk()
{
	{ echo hello; head -c 65530 /dev/zero; } >"$BATS_TEST_TMPDIR/image"
	loop=$(losetup --find --show "$BATS_TEST_TMPDIR/image") || return
	[ "$(stat -c %A "$loop" | cut -c8-)" = --- ]
}

@test "a disk that is root's is the container's to read and write, and the host sees what was written" {
	disk
	run -0 ctl run --rm --device "$loop" "$bb" sh -c "dd if=$loop bs=5 count=1 && echo there | dd of=$loop conv=notrunc,fsync"
	[ "${lines[0]%%[0-9]*}" = hello ]
	blockdev --flushbufs "$loop"
	[ "$(head -c 5 "$BATS_TEST_TMPDIR/image")" = there ]
	# whoever it is inside
	[ "$(ctl run --rm -u 1234:1234 --device "$loop:/dev/xvdc" "$bb" head -c 5 /dev/xvdc)" = there ]
}

@test "the access is what was said: r, w or both, and m gives nothing" {
	disk
	for access in r rm; do
		[ "$(ctl run --rm --device "$loop:/dev/xvdc:$access" "$bb" head -c 5 /dev/xvdc)" = hello ]
		run -1 ctl run --rm --cap-add ALL --device "$loop:/dev/xvdc:$access" "$bb" dd if=/dev/zero of=/dev/xvdc count=1
		[[ "$output" == *"Permission denied"* ]]
	done
	run -1 ctl run --rm --privileged --device "$loop:w" "$bb" dd if="$loop" count=1
	[[ "$output" == *"Permission denied"* ]]
	echo THERE | ctl run -i --rm --device "$loop:w" "$bb" dd of="$loop" conv=notrunc,fsync
	blockdev --flushbufs "$loop"
	[ "$(head -c 5 "$BATS_TEST_TMPDIR/image")" = THERE ]
}

@test "the container's root can neither change what it got nor make it anew" {
	disk
	run -0 ctl run --rm --privileged --device "$loop:/dev/xvdc:r" "$bb" sh -c '
		chmod 666 /dev/xvdc && echo changed; chown 0 /dev/xvdc && echo owned
		mount -o remount,bind,dev / && mknod /own b 7 0 && echo made
		mkdir -p /mnt; mount -t tmpfs none /mnt && mknod /mnt/own b 7 0 && echo made
		cp -a /dev/xvdc /copy && echo copied
		umount /dev/xvdc 2>/dev/null; (: >/dev/xvdc) && echo written; true'
	[[ "$output" != *changed* && "$output" != *owned* && "$output" != *made* && "$output" != *copied* &&
		"$output" != *written* ]]
	[ "$(head -c 5 "$BATS_TEST_TMPDIR/image")" = hello ]
	# and nobody else has it
	run -1 ctl run --rm --privileged "$bb" ls "$loop"
}

@test "it stays through a restart, and exec, inspect and a process with another filter have it too" {
	disk
	id=$(ctl run -d --device "$loop:/dev/a:r" --device /dev/full "$bb" sleep 600)
	[ "$(ctl exec "$id" head -c 5 /dev/a)" = hello ]
	[ "$(ctl inspect --format '{{json .HostConfig.Devices}}' "$id" | jq -c 'map([.PathOnHost, .PathInContainer, .CgroupPermissions])')" = \
		"[[\"$loop\",\"/dev/a\",\"r\"],[\"/dev/full\",\"/dev/full\",\"rwm\"]]" ]
	[ "$(ctl inspect --format '{{json .Mounts}}' "$id")" = "[]" ]
	ctl restart -t 0 "$id" >/dev/null
	[ "$(ctl exec "$id" head -c 5 /dev/a)" = hello ]
	pid=$(imaged_pid)
	kill -9 "$pid"
	wait_until 10 eval '[[ $(imaged_pid) = [0-9]* && $(imaged_pid) != "$pid" ]]'
	wait_until 10 ctl restart -t 0 "$id"
	[ "$(ctl exec "$id" head -c 5 /dev/a)" = hello ]
	ctl rm -f "$id" >/dev/null
	id=$(ctl create --read-only --device "$loop:/opt/deep/disk" "$bb" head -c 5 /opt/deep/disk)
	[ "$(ctl start -a "$id")" = hello ]
	ctl rm "$id" >/dev/null
	[ "$(ctl run --rm --device "$loop:/opt/deep/disk" --security-opt seccomp=unconfined "$bb" head -c 5 /opt/deep/disk)" = hello ]
}

# Before 6.15 a detached mount can't be cloned: imaged moves it to and fro.
moves_to_and_fro()
{
	[ "$(printf '6.15\n%s\n' "$(uname -r)" | sort -V | head -n 1)" != 6.15 ]
}

@test "several devices serve start after start, and leave imaged nothing" {
	disk
	id=$(ctl run -d --device "$loop:/dev/a:r" --device /dev/full -v /etc:/host "$bb" sleep 600)
	for _ in 1 2 3; do
		[ "$(ctl exec "$id" head -c 5 /dev/a)" = hello ]
		ctl exec "$id" sh -c '[ -f /host/passwd ] && [ -c /dev/full ]'
		ctl restart -t 0 "$id" >/dev/null
	done
	ctl stop -t 0 "$id" >/dev/null
	ctl cp "$id:/host/hostname" - | tar -t | grep -qx hostname
	[ "$(grep -c ' /box ' "/proc/$(imaged_pid)/mountinfo")" = 0 ]
	ctl rm "$id" >/dev/null
}

@test "what imaged had in hand when it died is lost: the container says so, and its files can be had" {
	moves_to_and_fro || skip "this kernel clones what is detached: nothing is ever in imaged's hands alone"
	disk
	id=$(ctl create --device "$loop:/dev/a:r" -v /etc:/host "$bb" sleep 600)
	pid=$(imaged_pid)
	strace -qq -o /dev/null -p "$pid" -e trace=umount2 -e inject=umount2:signal=SIGKILL 3>&- &
	wait_until 10 eval '[ "$(awk "/^TracerPid/ { print \$2 }" /proc/$pid/status)" != 0 ]'
	run ! ctl start "$id"
	wait $! || true
	wait_until 10 eval '[[ $(imaged_pid) = [0-9]* && $(imaged_pid) != "$pid" ]]'
	wait_until 10 eval "ctl start $id 2>&1 | grep -q 'the device is lost with an answer that was never given'"
	run -125 ctl start "$id"
	[[ "$output" == *"bind mounts or devices from before the engine was restarted; remove and run it anew"* ]]
	echo kept >"$BATS_TEST_TMPDIR/data"
	ctl cp "$BATS_TEST_TMPDIR/data" "$id:/data"
	[ "$(ctl cp "$id:/data" - | tar -xO)" = kept ]
	ctl cp "$id:/host/hostname" - | tar -t | grep -qx hostname
	ctl rm "$id" >/dev/null
}

@test "a directory is all devices below it, at their places, and links and files are left out" {
	dir=$BATS_TEST_TMPDIR/dir
	mkdir -p "$dir/below"
	mknod "$dir/zero" c 1 5
	mknod "$dir/below/full" c 1 7
	ln -s zero "$dir/link"
	: >"$dir/file"
	[ "$(ctl run --rm --device "$dir:/dev/them" "$bb" sh -c 'cd /dev/them; find . | sort | xargs; head -c 3 zero | wc -c')" = \
		". ./below ./below/full ./zero
3" ]
	rm -r "$dir/zero" "$dir/below"
	run -125 ctl run --rm --device "$dir" "$bb" true
	[[ "$output" == *"--device: there is no device below $dir"* ]]
}

@test "what is no device, or no way to say one, is refused before anything is made" {
	while read -r word text; do
		run -125 ctl run --device "$word" "$bb" true
		echo "$output"
		[[ "$output" == "ctl: run: --device: "*"$text"* && ${#lines[@]} = 1 ]] ||
			[[ "$output" == "ctl: --device: "*"$text"* && ${#lines[@]} = 1 ]]
	done <<-END
		/etc/passwd is no device
		/dev/nothing no such file
		full a device is named by an absolute path
		vendor.com/class=one a device is named by an absolute path
		/dev/full:x must be an absolute path
		/dev/full:/dev/a:x the access is of r, w and m
		/dev/full:/dev/a: the access is of r, w and m
		/dev/full:/dev/a:rwmr the access is of r, w and m
		/dev/full:m with neither r nor w
		/dev/full:/ can't be /
	END
	run -125 ctl run --device /dev/full --device /dev/zero:/dev/full "$bb" true
	[[ "$output" == *"two mounts at the same place /dev/full"* ]]
	run -125 ctl run --rm --device /dev/full:/proc/stat "$bb" true
	[[ "$output" == *"/proc/stat: nothing may be mounted in /proc"* ]]
	[ -z "$(ctl ps -aq)" ]
}

@test "cp into a container that has stopped leaves its devices alone" {
	disk
	id=$(ctl create --device "$loop:/dev/a" "$bb" head -c 5 /dev/a)
	echo text >"$BATS_TEST_TMPDIR/text"
	ctl cp "$BATS_TEST_TMPDIR/text" "$id:/text"
	ctl cp "$id:/text" - | tar -xO | grep -qx text
	[ "$(ctl start -a "$id")" = hello ]
	ctl rm "$id" >/dev/null
}

# opens ID WORDS: 0 for those of WORDS ("r NODE", "w NODE") that a process may open that has joined the container's cgroups alone:
# it has no user namespace of its own, and modes mean nothing to it
opens()
{
	local dirs

	dirs=$(find /sys/fs/cgroup -path "*/$ENGINE_NAME/$(ctl inspect --format '{{.Id}}' "$1")" -type d)
	[ -n "$dirs" ]
	sh -c '
		for d in $1; do
			if [ -e "$d/tasks" ]; then echo 0 >"$d/tasks"; else echo 0 >"$d/cgroup.procs"; fi || exit
		done
		while read -r how node; do
			case $how in r) (: <"$node") ;; w) (: >"$node") ;; esac 2>/dev/null
			echo $?
		done' sh "$dirs" <<<"$2" | xargs
}

is_listed()
{
	[ "$(ctl doctor | awk '/ device lists / { print $1 }')" = ok ]
}

listed()
{
	is_listed || skip "this host keeps no list of devices of one's own"
}

# allowed ID: the kernel's list of a container as inspect shows it, less what everybody has: one line
allowed()
{
	local all

	all=$(ctl inspect --format '{{json .State.DevicesAllowed}}' "$1" | jq -r '.[]?')
	[ "$(grep -cxE 'c (1:(3|5|7|8|9)|5:0|5:2|136:\*) rw' <<<"$all")" = 8 ] || return 1
	grep -vxE 'c (1:(3|5|7|8|9)|5:0|5:2|136:\*) rw|[bc] \*:\* m' <<<"$all" | paste -sd , || true
}

@test "the kernel keeps a list: what is not everybody's or the container's own is refused whoever opens it" {
	listed
	disk
	asked="w /dev/zero
r /dev/urandom
r /dev/kmsg
r $loop
w $loop"
	id=$(ctl run -d "$bb" sleep 600)
	[ "$(opens "$id" "$asked")" = "0 0 2 2 2" ]
	own=$(ctl run -d --device "$loop:/dev/a:r" "$bb" sleep 600)
	[ "$(opens "$own" "$asked")" = "0 0 2 0 2" ]
	wide=$(ctl run -d --device "$loop:/dev/a" --device-cgroup-rule "c 1:* r" "$bb" sleep 600)
	[ "$(opens "$wide" "$asked")" = "0 0 0 0 0" ]
	number=$(stat -c %Hr:%Lr "$loop")
	out=$(allowed "$id")
	[ "$out" = "" ]
	out=$(allowed "$own")
	[ "$out" = "b $number r" ]
	out=$(allowed "$wide")
	[ "$out" = "b $number rw,c 1:* r" ]
	[ "$(ctl inspect --format '{{json .State.DevicesAllowed}}' "$id" | jq '. > []')" = true ]
	# the next cgroupd goes on with it, and so does a container that is started again
	pid=$(engine_process cgroupd)
	kill -9 "$pid"
	wait_until 10 eval '[[ $(engine_process cgroupd) = [0-9]* && $(engine_process cgroupd) != "$pid" ]]'
	[ "$(opens "$id" "$asked")" = "0 0 2 2 2" ]
	[ "$(opens "$own" "$asked")" = "0 0 2 0 2" ]
	wait_until 10 ctl restart -t 0 "$own"
	[ "$(opens "$own" "$asked")" = "0 0 2 0 2" ]
	[ "$(opens "$wide" "$asked")" = "0 0 0 0 0" ]
	out=$(allowed "$wide")
	[ "$out" = "b $number rw,c 1:* r" ]
	ctl stop -t 0 "$own" >/dev/null
	[ "$(ctl inspect --format '{{json .State.DevicesAllowed}}' "$own")" = null ]
	ctl rm -f "$id" "$own" "$wide" >/dev/null
}

# What the container's root may read and write of what lies in /n.
try='for n in zero fuse tty console; do (: </n/$n) && printf "r$n "; (: >/n/$n) && printf "w$n "; done 2>/dev/null; true'

@test "--device-cgroup-rule: nodes in root's binds live as far as the rules say, and dead without any" {
	listed
	dir=$BATS_TEST_TMPDIR/nodes
	mkdir "$dir"
	mknod "$dir/zero" c 1 5
	mknod "$dir/fuse" c 10 229
	mknod "$dir/tty" c 4 0
	mknod "$dir/console" c 5 1 # the host's: that of a container is a terminal like others
	bind="-v $dir:/n"
	for flags in "" "--privileged" "--device /dev/full" "--cap-add ALL --security-opt seccomp=unconfined"; do
		[ "$(ctl run --rm $bind $flags "$bb" sh -c "$try")" = "" ]
	done
	while read -r want rule; do
		got=$(ctl run --rm $bind --device-cgroup-rule "$rule" "$bb" sh -c "$try" | xargs | tr ' ' ,)
		echo "$rule: $got"
		[ "$got" = "$want" ]
	done <<-END
		rzero,wzero c 2:* rwm
		rzero,wzero b 10:229 rwm
		rzero,wzero a *:* m
		rzero,wzero,rfuse c 10:229 r
		rzero,wzero,wfuse c 10:* wm
		rzero,wzero,rfuse,wfuse c *:229 rw
	END
	[[ "$(ctl run --rm $bind --device-cgroup-rule "a *:* rwm" "$bb" sh -c "$try")" = "rzero wzero rfuse wfuse rtty wtty "* ]]
	id=$(ctl create $bind --device-cgroup-rule "c 10:229 r" --device-cgroup-rule "c 4:0 w" "$bb" sh -c "$try")
	[ "$(ctl start -a "$id")" = "rzero wzero rfuse wtty " ]
	[ "$(ctl start -a "$id")" = "rzero wzero rfuse wtty " ]
	[ "$(ctl inspect --format '{{json .HostConfig.DeviceCgroupRules}}' "$id")" = '["c 10:229 r","c 4:0 w"]' ]
	# one that comes later
	ctl rm "$id" >/dev/null
	id=$(ctl run -d $bind --device-cgroup-rule "c 1:7 w" "$bb" sleep 600)
	mknod "$dir/later" c 1 7
	ctl exec "$id" sh -c ': >/n/later'
	run -1 ctl exec "$id" sh -c ': </n/fuse'
	ctl rm -f "$id" >/dev/null
	rm -r "$dir"
}

@test "a rule and a bind of /dev: nodes are nobody's there, and what is mounted below it is not seen" {
	listed
	[ "$(findmnt -n -o FSTYPE /dev | tail -n 1)" = devtmpfs ] || skip "/dev is no devtmpfs here"
	run -125 ctl run --rm -v /dev:/n "$bb" true
	[[ "$output" == *"can't be mapped"* ]]
	run -0 ctl run --rm -v /dev:/n --device-cgroup-rule "a *:* rwm" "$bb" sh -c '
		stat -c %u /n/null; ls /n/pts /n/shm /n/mqueue 2>/dev/null | grep -v : | xargs
		(: >/n/null) && echo null; (: >/n/kmsg) || echo no kmsg; (: >/n/new) || echo no file
		chmod 666 /n/kmsg || echo no mode'
	[ "$(grep -v -e "can.t" -e "chmod" <<<"$output" | xargs)" = "65534 null no kmsg no file no mode" ]
	# a look at one that does not run sees it too, and its nodes are dead
	id=$(ctl create -v /dev:/n --device-cgroup-rule "a *:* rwm" "$bb" true)
	ctl cp "$id:/etc/passwd" - | tar -t | grep -qx passwd
	ctl rm "$id" >/dev/null
}

@test "a device rule that is none is refused, more than 64 are, and any where there is no list" {
	for rule in "" c "c 1:3" "d 1:3 r" "c 4096:1 r" "c 1:1048576 r" "c 1:3 rx" "c 1:3  r" "c -1:3 r" "a *:*" "c 1:3 r "; do
		run -125 ctl run --device-cgroup-rule "$rule" "$bb" true
		[[ "$output" == "ctl: run: --device-cgroup-rule: \"$rule\": a rule is KIND MAJOR:MINOR ACCESS"* && ${#lines[@]} = 1 ]]
	done
	rules=()
	for i in $(seq 65); do rules+=(--device-cgroup-rule "c 1:$i r"); done
	run -125 ctl run "${rules[@]}" "$bb" true
	[[ "$output" == *"64 are the most"* ]]
	run ctl run --rm "${rules[@]:0:128}" "$bb" echo all
	if is_listed; then
		[ "$status" = 0 ]
		[ "$output" = all ]
	else
		[ "$status" = 125 ]
		[[ "$output" == *"device rules: this host keeps no list of devices of one's own"* && ${#lines[@]} = 1 ]]
	fi
	[ -z "$(ctl ps -aq)" ]
}
