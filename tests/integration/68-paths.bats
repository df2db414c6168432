# SPDX-License-Identifier: MIT
#
# Rules R1, R2 and R6 over the whole engine: names in an image or in a container are resolved inside it, whatever they
# are and whoever changes them meanwhile; /proc is written through our own procfs alone; no working directory leads out.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

escape=${engine_bin%/bin}/tests/hostile/escape
images=$BATS_TEST_DIRNAME/../hostile/path_images.py

# Links lead to $HOST. What is found below it, in a container's output, has come from outside.
setup_file()
{
	engine_prepare && engine_launch && engine_images busybox || return 1
	export HOST=$ENGINE_DIR/host MARK=own-$ENGINE_NAME
	mkdir -p "$HOST/dir/$MARK"
	for name in file dir/hosts dir/hostname dir/resolv.conf dir/null dir/passwd; do
		echo "$MARK" >"$HOST/$name"
	done
	mkfifo "$HOST/dir/fifo"
	mknod "$HOST/dir/node" c 1 3
	# Everybody may write: what keeps them whole is the engine alone.
	chmod -R a+w "$HOST"
	mkdir -p "$ENGINE_DIR/given"
	echo given >"$ENGINE_DIR/given/mark"
	ctl pull -q "$REGISTRY/busybox"
	python3 "$images" kinds "$REGISTRY" "$HOST" >"$ENGINE_DIR/kinds"
	python3 "$images" workdirs "$REGISTRY" "$HOST" >"$ENGINE_DIR/workdirs"
	ESCAPE=$escape python3 "$images" fakes "$REGISTRY"
	host_state >"$ENGINE_DIR/host.before"
}

teardown_file()
{
	engine_stop
}

setup()
{
	bb=$REGISTRY/busybox
	given=$ENGINE_DIR/given
	race=$BATS_TEST_TMPDIR/race
	stop=$BATS_TEST_TMPDIR/stop
}

teardown()
{
	touch "$stop"
	ctl ps -aq | xargs -r timeout 120 "$engine_bin/ctl" rm -f >/dev/null
	host_is_same
}

host_state()
{
	find "$HOST" -printf '%p %i %y %m %U %G %n %s %T@ %C@ %l\n' | sort
	find "$HOST" -type f -exec sha256sum {} +
	sha256sum /etc/hosts /etc/hostname /etc/resolv.conf /etc/passwd /etc/shadow /proc/sys/kernel/{core_pattern,hostname}
	stat -c '%n %f %u %g %t:%T' / /etc /dev /proc /sys /run /mnt /dev/null /dev/shm /dev/pts /dev/pts/ptmx
	stat -c '%n %i %Y %Z' /etc/hosts /etc/hostname /etc/resolv.conf
	ls -d /nowhere /w /data /mnt/layers /mnt/etc /mnt/root /new /fds 2>&1 || true
	grep -F "$ENGINE_NAME" /proc/self/mountinfo || true
}

host_is_same()
{
	host_state 2>&1 | diff "$ENGINE_DIR/host.before" -
}

# one_sentence WORDS: the run that $output is of was refused so
one_sentence()
{
	[ "$status" = 125 ]
	[ "${#lines[@]}" = 1 ]
	[[ "$output" == "ctl: run: workload: "* ]]
	[[ "$output" == *"$1"* ]]
}

# What is ours must be there: mounts of the right kind on real directories, files of the right text.
look='exec 2>&1; for d in /proc:proc /sys:sysfs /dev:tmpfs /dev/pts:devpts /dev/shm:tmpfs; do
		t=$(awk -v d=${d%:*} "\$5 == d { t = \$0; sub(/.* - /, \"\", t); sub(/ .*/, \"\", t) } END { print t }" /proc/self/mountinfo)
		[ "$t" = ${d#*:} ] || echo "BAD ${d%:*} is a $t"
		[ -d ${d%:*} ] && [ ! -L ${d%:*} ] || echo "BAD ${d%:*} is no directory"
	done
	[ "$(cat /etc/hostname)" = inside ] || echo "BAD hostname"
	grep -q "^192.0.2.9.there" /etc/hosts || echo "BAD hosts"
	grep -q "^nameserver 192.0.2.53" /etc/resolv.conf || echo "BAD resolv.conf"
	[ -c /dev/null ] && [ "$(stat -c %t:%T /dev/null)" = 1:3 ] || echo "BAD null"
	[ "$(cat /proc/self/comm)" = cat ] || echo "BAD proc"
	ls -A . /dev /run /data 2>/dev/null
	cat /proc/self/mountinfo
	echo "in $(pwd -P)"'

# run_it IMAGE FLAGS...: what it prints, with nothing of the host in it
run_it()
{
	local image=$1

	shift
	run ctl run --rm -q -h inside --add-host there:192.0.2.9 --dns 192.0.2.53 "$@" "$image" sh -c "$look"
	[[ "$output" != *"$MARK"* ]]
}

# runs_in DIR: it ran, all was there, and that was its working directory
runs_in()
{
	[ "$status" = 0 ]
	[[ "$output" != *BAD* ]]
	[[ "${lines[-1]}" == "in "$1 ]]
}

# each LIST IMAGES: check TAG VERDICT WORDS DIR for every line; says which was wrong
each()
{
	local tag verdict words where n=0

	while IFS=$'\t' read -r tag verdict words where; do
		echo "--- $tag: $verdict $words $where"
		check "$REGISTRY/$2:$tag" "$verdict" "$words" "$where"
		n=$((n + 1))
	done <"$1"
	echo "$n images"
	[ "$n" -gt 0 ]
}

@test "every place that the engine uses may be a link, a file, a FIFO or a device in the image" {
	[ "$(wc -l <"$ENGINE_DIR/kinds")" = $((12 * 17)) ]
	check()
	{
		run_it "$1"
		echo "$output" | grep -v ' - ' || true
		if [ "$2" = runs ]; then
			runs_in "$4"
		else
			one_sentence "$3"
		fi
	}
	each "$ENGINE_DIR/kinds" paths
}

@test "a link of the image stays, and what it leads to is made inside" {
	for place in etc w; do
		run ctl run --rm -q -h inside "$REGISTRY/paths:$place-abs" sh -c \
			"readlink /$place; ls -d $HOST/dir; ls $HOST/dir; cat /etc/hostname"
		echo "$output"
		[ "${lines[0]}" = "$HOST/dir" ]
		[ "${lines[1]}" = "$HOST/dir" ]
		[ "${lines[-1]}" = inside ]
		[[ "$output" != *"$MARK"* ]]
	done
	# Under the three files of /etc a link of the image's that leads nowhere gives way.
	for kind in abs rel dangling loop ring magic-root magic-fd3; do
		run ctl run --rm -q -h inside "$REGISTRY/paths:etc-hostname-$kind" sh -c 'readlink /etc/hostname; cat /etc/hostname'
		[ "$output" = inside ]
	done
}

@test "targets of -v, --tmpfs and --mount and -w may be all of that too" {
	grep -E '^(data|run)-' "$ENGINE_DIR/kinds" >"$BATS_TEST_TMPDIR/some"
	check()
	{
		local flags place=/data

		[[ $1 != *:run-* ]] || place=/run
		for flags in "--tmpfs $place" "-v $given:$place" "--mount type=bind,source=$given,target=$place" \
			"--mount type=tmpfs,target=$place/below" "-v $given:$place/below/it" "-w $place" "-w $place/below" \
			"-v $given/mark:$place/below"; do
			# shellcheck disable=SC2086
			run_it "$1" $flags
			echo "$flags: $status: ${lines[-1]}"
			if [[ $1 =~ -(abs|rel|stage|dangling)$ ]]; then
				runs_in "/*"
				[[ $flags == *-w* || $output == *$'\n'"in /w" ]]
			elif [[ $1 =~ -(file|fifo|null|mem)$ ]]; then
				one_sentence "not a directory"
			else
				one_sentence "a circle of links"
			fi
		done
		# A file as target: what is no directory is mounted over.
		run ctl run --rm -v "$given/mark:$place" "$1" cat $place
		if [[ $1 =~ -(loop|ring|magic-.*)$ ]]; then
			one_sentence "a circle of links"
		else
			[ "$output" = given ]
		fi
	}
	each "$BATS_TEST_TMPDIR/some" paths
}

@test "no working directory of an image leads out, through no descriptor" {
	[ "$(grep -c '^fd' "$ENGINE_DIR/workdirs")" = 41 ]
	check()
	{
		run_it "$1"
		echo "$output" | grep -v ' - ' || true
		if [ "$2" = runs ]; then
			runs_in "$4"
		else
			one_sentence "$3"
		fi
	}
	each "$ENGINE_DIR/workdirs" workdirs
	# And none of an exec, by that container's links.
	id=$(ctl run -d -w / "$REGISTRY/workdirs:file" sleep 1000)
	for n in $(seq 0 40); do
		for dir in /fds/$n /fds/$n/../../.. /proc/1/fd/$n /proc/self/task/../fd/$n; do
			run ctl exec -w "$dir" "$id" sh -c 'pwd -P; ls -a . ../../..'
			[ "$status" = 1 ]
			[[ "$output" == "ctl: exec $id: entering the working directory $dir: "* ]]
		done
	done
	for dir in /up /up/dir "/../../..$HOST/dir" /fds/../cwd /proc/1/root /proc/self/root/etc; do
		run ctl exec -w "$dir" "$id" sh -c 'pwd -P; ls -a'
		echo "$dir: $output"
		[ "$status" = 1 ]
		[[ "$output" != *"$MARK"* ]]
	done
	[ "$(ctl exec -w /../../../tmp/.. "$id" pwd -P)" = / ]
}

@test "links in a bind mount are neither followed out of the container nor taken away" {
	mkdir -p "$BATS_TEST_TMPDIR/etc/sub"
	cd "$BATS_TEST_TMPDIR/etc"
	# What /etc looks like on a host of systemd-resolved; and what somebody may put there.
	ln -s ../run/systemd/resolve/stub-resolv.conf resolv.conf
	ln -s "$HOST/dir/made-by-engine" hosts
	touch hostname
	ln -s loop loop
	ln -s /nowhere/file lost
	ln -s "$HOST/dir" out
	ln -s /proc/self/root root
	cd /
	find "$BATS_TEST_TMPDIR/etc" -mindepth 1 -printf '%p %i %y %s %l\n' | sort >"$BATS_TEST_TMPDIR/before"
	same()
	{
		find "$BATS_TEST_TMPDIR/etc" -mindepth 1 -printf '%p %i %y %s %l\n' | sort | diff "$BATS_TEST_TMPDIR/before" -
	}
	run_it "$bb" -v "$BATS_TEST_TMPDIR/etc:/etc"
	echo "$output" | grep -v ' - '
	runs_in /
	same
	for flags in "-v $given/mark:/s/lost" "-v $given:/s/out/made" "--tmpfs /s/out/made" "-w /s/out/made" "-v $given/mark:/s/out/f"; do
		# shellcheck disable=SC2086
		run_it "$bb" -v "$BATS_TEST_TMPDIR/etc:/s" $flags
		echo "$flags: $status: ${lines[-1]}"
		runs_in "/*"
		same
	done
	for flags in "-v $given/mark:/s/loop" "-v $given:/s/loop" "-v $given/mark:/s/root/f" "-v $given/mark:/s/root" "-w /s/root/etc" \
		"--tmpfs /s/loop/x"; do
		# shellcheck disable=SC2086
		run_it "$bb" -v "$BATS_TEST_TMPDIR/etc:/s" $flags
		echo "$flags: $output"
		one_sentence "a circle of links"
		same
	done
	# One that can't be followed is not the engine's to replace in there.
	rm "$BATS_TEST_TMPDIR/etc/hosts"
	ln -s hosts "$BATS_TEST_TMPDIR/etc/hosts"
	run_it "$bb" -v "$BATS_TEST_TMPDIR/etc:/etc"
	one_sentence "/etc/hosts in the container: a circle of links"
	[ "$(readlink "$BATS_TEST_TMPDIR/etc/hosts")" = hosts ]
}

# ---- names that change meanwhile ----

# Directories to start in and mount below, and links in their places half of the time: to the host's, and to what is
# there in the first process's own world and can be written, before the root is the container's.
race_dirs()
{
	mkdir -p "$1/a/t" "$1/c/t" "$1/c/layers"
	chmod -R 777 "$1"
	ln -s "$HOST/dir" "$1/b"
	ln -s "../../../../../../../../../mnt" "$1/d"
}

# tally CODE PATTERN WORDS: started, in a directory of that pattern and with WORDS among its mounts, or refused with CODE
# in one sentence; and saw nothing of the host. Counts both.
tally()
{
	[[ "$output" != *"$MARK"* ]]
	if [ "$status" = 0 ]; then
		started=$((started + 1))
		[[ "${lines[0]}" =~ ^$2$ ]]
		[[ "$output" == *"$3"* ]]
	else
		echo "$output"
		[ "$status" = "$1" ]
		[ "${#lines[@]}" = 1 ]
		[[ "$output" == "ctl: "* ]]
		refused=$((refused + 1))
	fi
}

seen='exec 2>&1; pwd -P; ls -A . .. ../..; cat /proc/self/mountinfo; cat /s/a/* /s/b/* /s/c/* /s/d/* 2>/dev/null; true'

@test "300 containers in whose mounts a directory and a link are exchanged all the while" {
	local started=0 refused=0 inside="(/s/[a-d]|/mnt|$HOST/dir)"

	race_dirs "$race"
	"$escape" --exchange "$race/a" "$race/b" "$stop" 3>&- & a=$!
	"$escape" --exchange "$race/c" "$race/d" "$stop" 3>&- & b=$!
	for i in $(seq 60); do
		run ctl run --rm -q -v "$race:/s" -v "$given:/s/a/t/made" -v "$given/mark:/s/c/file" "$bb" sh -c "$seen"
		tally 125 / "/given/mark "
		run ctl run --rm -q -v "$race:/s" -v "$given:/s/c/layers" "$bb" sh -c "$seen"
		tally 125 / "/given "
		run ctl run --rm -q -v "$race:/s" -w /s/c/t/w "$bb" sh -c "$seen"
		tally 125 "$inside/t/w" " / / "
		run ctl run --rm -q -v "$race:/s" --tmpfs /s/c/t/tmp:size=7m -w /s/a/t "$bb" sh -c "$seen"
		tally 125 "$inside/t" "size=7168k"
		run ctl run --rm -q -v "$race:/s" -v "$given:/s/c/x/../t/made" -v "$given/mark:/s/c/../a/file" -w /s/d/t "$bb" sh -c "$seen"
		tally 125 "$inside/t" "/given/mark "
	done
	touch "$stop"
	wait $a $b
	echo "$started started, $refused refused"
	[ "$started" -gt 30 ]
	[ $((started + refused)) = 300 ]
}

@test "execs and other containers in directories that a container exchanges for links all the while" {
	local started=0 refused=0 img=$REGISTRY/fakes

	race_dirs "$race"
	id=$(ctl run -d -q -v "$race:/s" "$img" sh -c "mkdir -p /r/a /r/c; ln -s /proc/1/root /r/b; ln -s /proc/self/cwd /r/d
		for p in '/s/a /s/b' '/s/c /s/d' '/r/a /r/b' '/r/c /r/d'; do /escape --exchange \$p /s/stop & done; wait")
	wait_until 5 eval "ctl exec $id ps | grep -c exchange | grep -x [4-9]"
	for i in $(seq 60); do
		for dir in /s/a/t /s/c/t /r/a /r/c; do
			run ctl exec -w "$dir" "$id" sh -c 'exec 2>&1; pwd -P; ls -A . .. ../..; cat * ../* 2>/dev/null; true'
			tally 1 "(/r/[a-d]|/s/[a-d]/t)" ""
		done
		run ctl run --rm -q -v "$race:/s" -v "$given:/s/c/layers" -w /s/a/t "$img" sh -c "$seen"
		tally 125 "(/s/[a-d]|/mnt|$HOST/dir)/t" "/given "
	done
	touch "$race/stop"
	[ "$(ctl wait "$id")" = 0 ]
	echo "$started started, $refused refused"
	[ "$started" -gt 30 ]
	[ "$refused" -gt 30 ]
}

# ---- /proc ----

# fakes FLAGS...: a container of the image whose /proc is full of them; what is real in it
fakes()
{
	run ctl run --rm -q -h inside --sysctl net.ipv4.ip_forward=1 --oom-score-adj 500 "$@" sh -c \
		'cat /proc/sys/net/ipv4/ip_forward /proc/self/oom_score_adj /proc/sys/kernel/hostname; grep -rl ^fake$ /proc/self/attr /proc/self/cgroup \
		/proc/sys/net/ipv4/ip_forward /proc/sys/kernel/core_pattern; grep -c " /proc .* - proc " /proc/self/mountinfo'
	[ "$output" = $'1\n500\ninside\n1' ]
}

@test "a /proc of the image's is never written, nor is one in a directory that serves as root" {
	fakes "$REGISTRY/fakes"
	fakes --privileged "$REGISTRY/fakes"
	fakes --init -u 1000 "$REGISTRY/fakes"
	id=$(ctl run -d -q --sysctl net.ipv4.ip_forward=1 --oom-score-adj 500 "$REGISTRY/fakes" sleep 1000)
	ctl exec "$id" true
	[ "$(ctl exec "$id" cat /proc/self/oom_score_adj)" = 500 ]
	# What the engine or the container had written there would have been copied up.
	[ -d "$ENGINE_STATE/rootfs/$id/upper" ]
	[ -z "$(find "$ENGINE_STATE/rootfs/$id/upper/proc" -mindepth 1 2>/dev/null)" ]
	ctl run --rm "$REGISTRY/fakes" tar -c -C / bin etc | tar -x -C "$(mkdir -p "$BATS_TEST_TMPDIR/root" && echo "$BATS_TEST_TMPDIR/root")"
	mkdir -p "$BATS_TEST_TMPDIR"/root/proc/{self/attr,sys/net/ipv4,sys/kernel}
	for f in self/attr/exec self/attr/current self/oom_score_adj self/cgroup sys/net/ipv4/ip_forward sys/kernel/hostname sys/kernel/core_pattern; do
		echo fake >"$BATS_TEST_TMPDIR/root/proc/$f"
	done
	before=$(find "$BATS_TEST_TMPDIR/root/proc" -printf '%p %i %s %T@ %C@\n' | sort)
	fakes --rootfs "$BATS_TEST_TMPDIR/root"
	[ "$(find "$BATS_TEST_TMPDIR/root/proc" -printf '%p %i %s %T@ %C@\n' | sort)" = "$before" ]
}

@test "no link leads a mount into /proc" {
	mkdir -p "$BATS_TEST_TMPDIR/d"
	ln -s /proc "$BATS_TEST_TMPDIR/d/p"
	ln -s ../proc/self "$BATS_TEST_TMPDIR/d/me"
	for flags in "--tmpfs /p" "--tmpfs /me/attr" "--mount type=tmpfs,target=/me/task" "--tmpfs /tmp/deep" "-v $given:/tmp/deep/kernel" \
		"--mount type=bind,source=$given,target=/p/1/attr" "-v $given/mark:/me/attr/exec" "-v $given/mark:/p/sys/kernel/core_pattern" \
		"-v $given:/p/thread-self" "-v $BATS_TEST_TMPDIR/d:/d -v $given:/d/p/sys" \
		"-v $BATS_TEST_TMPDIR/d:/d -v $given/mark:/d/me/attr/exec" "-v $BATS_TEST_TMPDIR/d:/d --tmpfs /d/p"; do
		for more in "" --privileged; do
			# shellcheck disable=SC2086
			run ctl run --rm -q $more $flags "$REGISTRY/fakes" true
			echo "$flags: $output"
			one_sentence "nothing may be mounted in /proc"
		done
	done
	for flags in "-v $given/mark:/tmp/../p/./kallsyms" "-v $given/mark:/proc/keys" "--tmpfs /sys/firmware"; do
		# shellcheck disable=SC2086
		run ctl run --rm -q $flags "$REGISTRY/fakes" true
		one_sentence "nothing may be mounted on what is masked"
	done
	run_it "$REGISTRY/fakes:proc"
	one_sentence "nothing may be mounted in /proc"
}

@test "/dev/null, /dev/console and terminals are the engine's, whatever lies on the names" {
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	mkdir "$BATS_TEST_TMPDIR/pts"
	stdin='stat -L -c %t:%T /proc/self/fd/0; readlink /proc/self/fd/0'
	for more in "" --privileged; do
		for flags in "$bb" "-v $given/mark:/dev/null $bb" "-v $given/mark:/dev/null:ro $bb" "-v $BATS_TEST_TMPDIR/fifo:/dev/null $bb" \
			"--tmpfs /dev $bb" "$REGISTRY/fakes:null"; do
			# shellcheck disable=SC2086
			run ctl run --rm -q $more $flags sh -c "$stdin"
			echo "$more $flags: $output"
			[ "${lines[0]}" = 1:3 ]
			# Of what is hidden in a tree of locked mounts the name is lost.
			[[ "${lines[1]}" == /dev/null || ($more == --privileged && $flags != "$bb" && ${lines[1]} =~ ^/(null)?$) ]]
		done
		for flags in "$bb" "-v $BATS_TEST_TMPDIR/fifo:/dev/console $bb" "-v $BATS_TEST_TMPDIR/pts:/dev/pts $bb" "$REGISTRY/fakes:console" \
			"-v $given:/dev $bb" "$REGISTRY/fakes:ptmx"; do
			# shellcheck disable=SC2086
			run script -qec "timeout 20 '$engine_bin/ctl' run --rm -q -t $more $flags sh -c 'test -t 0 && echo a terminal'" /dev/null </dev/null
			echo "$more $flags: $output"
			if [[ $flags == *:ptmx ]]; then
				[[ "$output" == "ctl: run: workload: unlocking a terminal: "* ]]
			else
				[ "${output//$'\r'}" = "a terminal" ]
			fi
		done
	done
	# A command that comes later is not deceived either.
	id=$(ctl run -d -q -v "$given/mark:/dev/null" "$bb" sleep 1000)
	[ "$(ctl exec "$id" stat -L -c %t:%T /proc/self/fd/0)" = 1:3 ]
}

@test "an exec into a container that has mounted over its /proc and /dev" {
	for how in "--cap-add SYS_ADMIN --security-opt seccomp=unconfined" --privileged; do
		# shellcheck disable=SC2086
		id=$(ctl run -d -q --oom-score-adj 500 $how "$REGISTRY/fakes" sh -c '
			mkdir -p /real /fake/self/attr /fake/self/fd /fake/sys/kernel /fake/1 && mount -o rbind /proc /real
			for f in self/attr/exec self/attr/current self/oom_score_adj self/cgroup self/status sys/kernel/hostname null; do echo fake >/fake/$f; done
			chmod -R a+w /fake; ln -s /real/1/root /fake/self/cwd; for i in $(seq 0 40); do ln -s / /fake/self/fd/$i; done
			mount -t tmpfs t /proc && cp -a /fake/. /proc/ && mount -o bind /fake/null /dev/null &&
			mount -t tmpfs t /dev/pts && echo over >/dev/pts/ptmx && touch /ready; sleep 1000')
		wait_until 10 ctl exec "$id" test -e /ready
		run ctl exec "$id" sh -c 'cat /dev/null; stat -L -c %t:%T /real/self/fd/0; cat /real/self/oom_score_adj; ls /real/self/fd'
		[ "$output" = $'fake\n1:3\n500\n0\n1\n2\n3' ]
		for more in "" "-u 1000" "--privileged" "-i" "-w /proc/self" "-w /proc/self/fd"; do
			# shellcheck disable=SC2086
			ctl exec $more "$id" true </dev/null
		done
		# In the tree of fakes these are links like any other.
		[ "$(ctl exec -w /proc/self/fd/7 "$id" pwd -P)" = / ]
		run ctl exec -w /proc/self/cwd "$id" true
		[ "$status" = 1 ]
		run script -qec "timeout 20 '$engine_bin/ctl' exec -t $id sh -c 'test -t 0 && echo a terminal'" /dev/null </dev/null
		[ "${output//$'\r'}" = "a terminal" ]
		[ "$(ctl exec "$id" sh -c 'find /proc /fake -type f -exec cat {} +' | sort | uniq -c | tr -s ' ')" = " 14 fake" ]
		ctl rm -f "$id"
	done
}
