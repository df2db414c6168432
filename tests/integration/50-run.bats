# SPDX-License-Identifier: MIT
#
# The main job, and what the teaching engines show, on images from a registry under the default protections.

bats_require_minimum_version 1.5.0

IMAGES="busybox config whiteouts zstd twoplat debian"
. "$BATS_TEST_DIRNAME/../lib/containers.sh"

teardown()
{
	umount -Rl "$ENGINE_DIR/shared-tree" 2>/dev/null || true
	engine_unchanged
}

@test "a command runs and its output arrives" {
	run ctl run --rm "$bb" echo hello
	[ "$status" = 0 ]
	[ "${lines[-1]}" = hello ]
}

@test "stdin, stdout and stderr are three streams" {
	run --separate-stderr bash -c "echo in | '$engine_bin/ctl' run --rm -i $bb sh -c 'cat; echo err >&2'"
	[ "$status" = 0 ]
	[ "$output" = in ]
	[[ "$stderr" == *err* ]]
}

@test "exit codes 0 to 255 come back" {
	# Some of them where a machine is emulated.
	step=$((TEST_PATIENCE > 1 ? 51 : 1))
	for code in $(seq 0 $step 255); do
		got=0
		ctl run --rm "$bb" sh -c "exit $code" || got=$?
		[ "$got" = "$code" ]
	done
}

@test "a signal is 128 and its number" {
	run ctl run --rm "$bb" sh -c 'sh -c "kill -9 \$\$"; exit $?'
	[ "$status" = 137 ]
	run ctl run --rm --init "$bb" sh -c 'kill -TERM $$'
	[ "$status" = 143 ]
}

@test "a command that isn't there is 127, one that can't be executed 126" {
	run ctl run --rm "$bb" no-such-command
	[ "$status" = 127 ]
	[[ "$output" == *'"no-such-command"'* ]]
	run ctl run --rm "$bb" /etc/passwd
	[ "$status" = 126 ]
	run ctl run --rm "$bb" /etc
	[ "$status" = 126 ]
	run ctl run --rm --no-such-flag "$bb" true
	[ "$status" = 125 ]
	[ -z "$(ctl ps -aq)" ]
}

@test "the host name is the container's own and does not leak" {
	before=$(hostname)
	run ctl run --rm -h inside "$bb" hostname
	[ "${lines[-1]}" = inside ]
	run ctl run --rm --cap-add SYS_ADMIN "$bb" sh -c 'hostname changed && hostname'
	[ "${lines[-1]}" = changed ]
	[ "$(hostname)" = "$before" ]
}

@test "the workload is pid 1 and sees only itself" {
	run ctl run --rm "$bb" sh -c 'echo $$; ps'
	[ "${lines[0]}" = 1 ]
	[ "$(printf '%s\n' "${lines[@]}" | grep -c ' sh \| ps$\|sh -c')" -le 3 ]
	[[ "$output" != *systemd* && "$output" != *supervisor* && "$output" != *shim* ]]
	run ctl run --rm "$bb" sh -c 'ls -d /proc/[0-9]* | wc -l'
	[ "${lines[-1]}" -le 3 ]
}

@test "all eight namespaces differ from the host's" {
	run ctl run --rm "$bb" sh -c 'for n in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$n; done'
	[ "$status" = 0 ]
	[ "${#lines[@]}" = 8 ]
	for n in cgroup ipc mnt net pid time user uts; do
		[[ "$output" != *"$(readlink /proc/self/ns/$n)"* ]]
	done
}

@test "uid 0 inside is nobody of the host" {
	id=$(ctl run -d "$bb" sleep 600)
	pid=$(ctl inspect --format '{{.State.Pid}}' "$id")
	uid=$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")
	[ "$uid" -gt 65535 ]
	run ctl exec "$id" id -u
	[ "$output" = 0 ]
	ctl rm -f "$id"
}

@test "a message queue made inside is invisible outside" {
	before=$(ipcs -q)
	id=$(ctl run -d "$REGISTRY/debian:12" sleep 600)
	ctl exec "$id" ipcmk -Q
	run ctl exec "$id" ipcs -q
	[[ "$output" == *0x* ]]
	[ "$(ipcs -q)" = "$before" ]
	ctl exec "$id" touch /dev/mqueue/probe
	[ ! -e /dev/mqueue/probe ]
	ctl rm -f "$id"
}

@test "no mount is shared, and none of the container's is on the host" {
	# With / made shared in a namespace of the test's own, the strictest case.
	unshare -m bash -c 'mount --make-rshared / && exec "$@"' - \
		"$engine_bin/ctl" run --rm "$bb" cat /proc/self/mountinfo >"$ENGINE_DIR/inside"
	! grep -q 'shared:\|master:' "$ENGINE_DIR/inside" || false
	id=$(ctl run -d "$bb" sleep 600)
	! grep -q "$ENGINE_NAME\|overlay.*$id" /proc/self/mountinfo || false
	! grep -q "$ENGINE_NAME" /proc/1/mountinfo || false
	ctl rm -f "$id"
}

@test "the old root is gone" {
	run ctl run --rm "$bb" sh -c 'grep -c " / / " /proc/self/mountinfo; ls -a /; cat /proc/self/mountinfo'
	[ "$status" = 0 ]
	[[ "$output" != *put_old* && "$output" != *oldroot* && "$output" != *newroot* ]]
	[[ "$output" != *" ext4 "* ]]
	[ "${lines[0]}" = 1 ]
}

@test "eleven capabilities, no_new_privs, nothing inheritable or ambient" {
	run ctl run --rm "$bb" cat /proc/self/status
	caps=$(awk '/^CapEff/ { print $2 }' <<<"$output")
	python3 - "$caps" <<-'E'
		import sys
		v = int(sys.argv[1], 16)
		want = {0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31}
		assert {b for b in range(64) if v >> b & 1} == want, hex(v)
	E
	[[ "$output" == *"NoNewPrivs:	1"* ]]
	[[ "$output" == *"CapInh:	0000000000000000"* ]]
	[[ "$output" == *"CapAmb:	0000000000000000"* ]]
	run ctl run --rm -u 1000 "$bb" cat /proc/self/status
	[[ "$output" == *"CapEff:	0000000000000000"* ]]
	[[ "$output" == *"CapPrm:	0000000000000000"* ]]
}

@test "capabilities are added and dropped" {
	run ctl run --rm --cap-drop ALL "$bb" grep CapEff /proc/self/status
	[[ "$output" == *0000000000000000* ]]
	run ctl run --rm --cap-drop ALL --cap-add KILL "$bb" grep CapEff /proc/self/status
	[[ "$output" == *0000000000000020* ]]
	run ctl run --rm --privileged "$bb" grep CapEff /proc/self/status
	[[ "$output" == *000001ffffffffff* ]]
	run ctl run --rm --cap-add FLY "$bb" true
	[ "$status" = 125 ]
}

@test "paths are masked and read-only" {
	run ctl run --rm "$bb" sh -c 'cat /proc/kcore /proc/keys /proc/timer_list | wc -c; ls /proc/acpi /sys/firmware 2>/dev/null | grep -v : | wc -w; echo x >/proc/sys/kernel/domainname; echo b >/proc/sysrq-trigger; mkdir /sys/x'
	[[ "$output" == *"can't create /proc/sys/kernel/domainname"* ]]
	[[ "$output" == *"can't create /proc/sysrq-trigger"* ]]
	[[ "$output" == *"Read-only file system"* ]]
}

@test "nothing of the caller's environment or descriptors is inside" {
	exec 7</etc/passwd
	SECRET_OF_CALLER=1 run ctl run --rm "$bb" sh -c 'env; ls -l /proc/self/fd'
	[[ "$output" != *SECRET_OF_CALLER* ]]
	[[ "$output" != *" 7 ->"* ]]
	[[ "$output" != *TERM=* ]]
	[[ "$output" == *"HOME=/root"* ]]
	[[ "$output" == *"PATH=/usr/local/sbin:"* ]]
	SECRET_OF_CALLER=1 run ctl run --rm -e SECRET_OF_CALLER -e A=b "$bb" env
	[[ "$output" == *SECRET_OF_CALLER=1* && "$output" == *A=b* ]]
	printf 'X=1\n# no\nY=2\n' >"$ENGINE_DIR/env"
	run ctl run --rm --env-file "$ENGINE_DIR/env" "$bb" env
	[[ "$output" == *X=1* && "$output" == *Y=2* && "$output" != *no* ]]
}

@test "an image's USER, WORKDIR, ENTRYPOINT, CMD and ENV hold, and can be overridden" {
	run ctl run --rm "$REGISTRY/config"
	[ "$status" = 0 ]
	inside=$(ctl run --rm --entrypoint sh "$REGISTRY/config" -c 'id -u; pwd; env')
	user=$(python3 -c 'import json,sys; print(json.load(sys.stdin)["config"]["User"])' <<<"$(skopeo inspect --config --tls-verify=false "docker://$REGISTRY/config")")
	[ -n "$user" ]
	workdir=$(skopeo inspect --config --tls-verify=false "docker://$REGISTRY/config" | jq -r .config.WorkingDir)
	[[ "$inside" == *"$workdir"* ]]
	[ "$(head -n 1 <<<"$inside")" != 0 ]
	run ctl run --rm --entrypoint sh -u 0 -w /tmp/made/here "$REGISTRY/config" -c 'id -u; pwd'
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = /tmp/made/here ]
}

@test "whiteouts, zstd layers and an index with two platforms" {
	run ctl run --rm "$REGISTRY/whiteouts" sh -c 'ls /w/gone /w/opaque; cat /w/replaced/x'
	[ "$status" = 0 ]
	[[ "$output" != *old* ]]
	run ctl run --rm "$REGISTRY/zstd" echo zstd
	[ "${lines[-1]}" = zstd ]
	run ctl run --rm "$REGISTRY/twoplat" uname -m
	[ "${lines[-1]}" = "$(uname -m)" ]
}

@test "a bind mount works both ways, and read-only" {
	mkdir -p "$ENGINE_DIR/shared"
	chmod 755 "$ENGINE_DIR/shared"
	echo outside >"$ENGINE_DIR/shared/a"
	run ctl run --rm -v "$ENGINE_DIR/shared:/s" "$bb" sh -c 'cat /s/a; echo inside >/s/b'
	[ "$status" = 0 ]
	[ "${lines[-1]}" = outside ]
	[ "$(cat "$ENGINE_DIR/shared/b")" = inside ]
	[ "$(stat -c %u "$ENGINE_DIR/shared/b")" = 0 ]
	run ctl run --rm -v "$ENGINE_DIR/shared:/s:ro" "$bb" sh -c 'echo x >/s/c'
	[ "$status" != 0 ]
	[ ! -e "$ENGINE_DIR/shared/c" ]
	run ctl run --rm -v "$ENGINE_DIR/shared/a:/etc/one" "$bb" cat /etc/one
	[ "${lines[-1]}" = outside ]
}

@test "tmpfs and a read-only root" {
	run ctl run --rm --tmpfs /t:size=64k,mode=700 "$bb" sh -c 'grep " /t " /proc/mounts; dd if=/dev/zero of=/t/x bs=1k count=100 2>&1'
	[[ "$output" == *"size=64k"* && "$output" == *"No space left"* ]]
	run ctl run --rm --read-only "$bb" sh -c 'touch /x; touch /dev/shm/y && echo shm'
	[[ "$output" == *"Read-only file system"* && "$output" == *shm* ]]
}

@test "--rootfs runs a directory" {
	mkdir -p "$ENGINE_DIR/rootfs/bin"
	cp /bin/busybox "$ENGINE_DIR/rootfs/bin/busybox"
	ln -sf busybox "$ENGINE_DIR/rootfs/bin/sh"
	run ctl run --rm --rootfs "$ENGINE_DIR/rootfs" /bin/busybox echo from-a-directory
	[ "$status" = 0 ]
	[ "${lines[-1]}" = from-a-directory ]
}

@test "where mounts are shared, as systemd shares all, a container's stay inside, and the host's come in to rslave alone" {
	tree=$ENGINE_DIR/shared-tree
	mkdir -p "$tree"/{bin,m,late}
	mount --bind "$tree" "$tree"
	mount --make-shared "$tree"
	cp /bin/busybox "$tree/bin/"
	for applet in sh mount touch test sleep; do
		ln -s busybox "$tree/bin/$applet"
	done
	over='mount -t tmpfs none /m && mount -t tmpfs none /s/m && touch /m/done && exec sleep 600'
	for how in rprivate rslave; do
		for root in "$bb" "--rootfs $tree"; do
			# shellcheck disable=SC2086
			id=$(ctl run -d --privileged --tmpfs /m -v "$tree:/s:$how" $root sh -c "$over")
			wait_until 20 ctl exec "$id" test -e /m/done
			grep " $tree" /proc/self/mountinfo
			[ "$(grep -c " $tree" /proc/self/mountinfo)" = 1 ]
			mount -t tmpfs none "$tree/late"
			touch "$tree/late/x"
			[ "$how" = rprivate ] || ctl exec "$id" test -e /s/late/x
			[ "$how" = rslave ] || ctl exec "$id" test ! -e /s/late/x
			ctl exec "$id" test ! -e /late/x
			umount "$tree/late"
			ctl rm -f "$id"
			[ "$(grep -c " $tree" /proc/self/mountinfo)" = 1 ]
		done
	done
}

# no_zombie CONTAINER: none is seen in it now
no_zombie()
{
	[ "$(ctl exec "$1" ps -o stat,args | grep -c '^Z')" = 0 ]
}

@test "--init reaps and forwards" {
	id=$(ctl run -d --init "$bb" sh -c 'trap "exit 7" TERM; (sleep 0.1 &) ; touch /ready; while :; do sleep 0.1; done')
	wait_until 5 ctl exec "$id" test -e /ready
	sleep 0.5
	wait_until 20 no_zombie "$id" # of its own children it reaps each when it gets to run
	ctl stop "$id"
	run ctl wait "$id"
	[ "$output" = 7 ]
	ctl rm "$id"
	[ "$(ctl run --rm "$bb" sh -c 'echo $$')" = 1 ]
	[ "$(ctl run --rm --init "$bb" sh -c 'echo $$')" != 1 ]
	id=$(ctl run -d --init "$bb" sleep 600)
	ctl exec "$id" sh -c 'sleep 0.1 & exit 0'
	sleep 0.5
	wait_until 20 no_zombie "$id"
}

@test "a pseudo-terminal with -t, of the caller's size" {
	run script -qec "stty rows 33 cols 99; '$engine_bin/ctl' run --rm -it $bb sh -c 'tty; stty size; echo \$TERM'" /dev/null
	[ "$status" = 0 ]
	[[ "$output" == */dev/pts/0* || "$output" == */dev/console* ]]
	[[ "$output" == *"33 99"* ]]
	[[ "$output" == *xterm* ]]
}

@test "umask, ulimits, groups, sysctls, /dev/shm and the OOM score are as asked" {
	run -0 ctl run --rm --umask 027 --ulimit nofile=77:88 --group-add 4242 --sysctl net.ipv4.ip_default_ttl=33 \
		--shm-size 3m --oom-score-adj 250 "$bb" sh -c 'umask; ulimit -Sn; ulimit -Hn; id -G; cat /proc/sys/net/ipv4/ip_default_ttl
			df -k /dev/shm | tail -n 1 | awk "{ print \$2 }"; cat /proc/self/oom_score_adj'
	[ "${lines[*]}" = "0027 77 88 0 4242 33 3072 250" ]
	run -0 ctl run --rm "$bb" sh -c 'umask; id -G; df -k /dev/shm | tail -n 1 | awk "{ print \$2 }"'
	[ "${lines[*]}" = "0022 0 65536" ]
}

@test "an image's command: CMD gives way to words, --entrypoint to both, variables replace in order" {
	image=$REGISTRY/config
	config=$(skopeo inspect --config --tls-verify=false "docker://$image" | jq .config)
	command()
	{
		ctl inspect --format '{{json .Path}} {{json .Args}}' "$1" | jq -cs 'flatten'
	}
	id=$(ctl create "$image")
	[ "$(command "$id")" = "$(jq -c '.Entrypoint + .Cmd' <<<"$config")" ]
	id=$(ctl create "$image" one two)
	[ "$(command "$id")" = "$(jq -c '.Entrypoint + ["one", "two"]' <<<"$config")" ]
	id=$(ctl create --entrypoint /bin/true "$image")
	[ "$(command "$id")" = '["/bin/true"]' ]
	id=$(ctl create --entrypoint "" "$image" /bin/false)
	[ "$(command "$id")" = '["/bin/false"]' ]
	run ctl create --entrypoint "" "$image"
	[ "$status" = 125 ]
	var=$(jq -r '[.Env[] | select(startswith("PATH=") | not)][0]' <<<"$config")
	run -0 ctl run --rm --entrypoint env "$image"
	[[ "$output" == *"$var"* ]]
	run -0 ctl run --rm -e "${var%%=*}=first" -e "${var%%=*}=mine" --entrypoint env "$image"
	[[ "$output" == *"${var%%=*}=mine"* && "$output" != *"$var"* && "$output" != *=first* ]]
}

@test "--privileged has no masked and no read-only paths, inside its user namespace" {
	masks='grep -cE " /proc/(kcore|keys|sysrq-trigger|timer_list|sys) |/sys/firmware " /proc/self/mountinfo'
	run ctl run --rm "$bb" sh -c "$masks"
	[ "${lines[-1]}" -ge 4 ]
	run ctl run --rm --privileged "$bb" sh -c "$masks"
	[ "${lines[-1]}" = 0 ]
}

@test "pid 1 killed from outside: 128 and the signal's number" {
	id=$(ctl run -d "$bb" sleep 600)
	kill -KILL "$(ctl inspect --format '{{.State.Pid}}' "$id")"
	[ "$(ctl wait "$id")" = 137 ]
}
