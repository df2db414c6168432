# SPDX-License-Identifier: MIT
#
# cp and export of containers that don't run.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"
. "$BATS_TEST_DIRNAME/../lib/visit.sh"
. "$BATS_TEST_DIRNAME/../lib/copy-table.sh"

# cgroups NAME: those of it that there are
cgroups()
{
	find /sys/fs/cgroup -path "*/$ENGINE_NAME/$(ctl inspect --format '{{.Id}}' "$1")*" -type d
}

@test "cp and export of a container that was never started, and of one that has ended; its record stays as it is" {
	(eval "$make_from")
	ctl create --name new "$debian" bash -c 'cat /srv/in; cat /w/from/d/g; exit 3' >/dev/null
	ctl run --name ended "$debian" bash -c 'echo made >/made; exit 3' || true
	echo put >in
	mkdir w
	mv from w
	for c in new ended; do
		# But for the range of ids that its files now belong to.
		ctl inspect $c | grep -v UidBase >before
		ctl cp in $c:/srv
		ctl cp w $c:/
		ctl cp $c:/srv/in got
		[ "$(cat got)" = put ]
		[ "$(ctl cp $c:/w/from/d - | tar t | sort | tr '\n' ' ')" = "d/ d/g d/s/ d/s/h " ]
		ctl export -o $c.tar $c
		tar tf $c.tar | grep -qx w/from/d/s/h
		refused "container $c is not running" ctl top $c
		run -1 ctl exec $c true
		ctl inspect $c | grep -v UidBase | diff before -
		[ "$(cgroups $c)" = "" ]
	done
	tar tf ended.tar | grep -qx made
	[ "$(ctl inspect --format '{{.State.Status}} {{.State.Pid}}' new)" = "created 0" ]
	[ "$(ctl inspect --format '{{.State.Status}} {{.State.ExitCode}}' ended)" = "exited 3" ]
	# A visit makes nothing of its own: a fresh container's tree is its image's, to the last entry.
	for image in debian:12 busybox; do
		ctl create --name fresh "$REGISTRY/$image" true
		[ -z "$(ctl cp fresh:/dev - | tar t | grep mqueue)" ]
		ctl export -o fresh.tar fresh
		rm -rf tree
		unpacked fresh.tar tree
		"$BATS_TEST_DIRNAME/treecmp" --ignore-root "$(image_rootfs "${image%:*}")" tree
		ctl rm fresh
	done
	# What was put in is there when it starts.
	run ctl start -a new
	[ "$status" = 3 ]
	[ "$output" = "$(printf 'put\ng')" ]
	rm -rf tree
}

@test "cp into a container that doesn't run: docker's table, line by line" {
	ctl create --name c "$bb" true
	(eval "$make_from")
	# Looking is by cp too: no process may run in there.
	reset_stopped()
	{
		rm -rf to
		(eval "$make_to")
		ctl rm c >/dev/null
		ctl create --name c "$bb" true >/dev/null
		tar c to | ctl cp - c:/
	}
	look_stopped()
	{
		rm -rf to
		ctl cp c:/to to
		(eval "$look")
	}
	RESET=reset_stopped LOOK=look_stopped
	# A line of each kind: each takes four containers' time.
	table=$(grep -E '^(f|d|d/\.|-L&lf|lf) +(N|F|D|E|LD|M/N) ' <<<"$table")
	every_line ./from/ c:/to/
}

@test "binds of a container that doesn't run are in its tree; tmpfs is not" {
	mkdir bound
	echo out >bound/file
	ctl create --name c -v "$PWD/bound:/b" --tmpfs /t --read-only "$bb" true
	ctl cp c:/b/file got
	[ "$(cat got)" = out ]
	echo new >new
	ctl cp new c:/b
	[ "$(cat bound/new)" = new ]
	refused "cp c: /etc: making a directory beside it to copy into: read-only file system" ctl cp new c:/etc
	[ -z "$(ctl export c | tar t | grep ^b/f)" ]
	# After a restart of the supervisor their descriptors are gone: nothing goes where they would hide it.
	ctl create --name d -v "$PWD/bound:/b" -v "$PWD/new:/etc/new" -v "$PWD/new:/not/yet" "$bb" true
	ctl cp d:/etc/new got
	kill -KILL "$(pgrep -P "$ENGINE_PID" -f -- --serve)"
	wait_until 10 engine_answers
	refused "/b/file: no such file" ctl cp d:/b/file got2
	refused "read-only file system" ctl cp new d:/b
	refused "read-only file system" ctl cp new d:/b/new
	rm got
	ctl cp d:/etc/new got
	[ ! -s got ]
	ctl cp d:/etc/passwd got2
	ctl cp new d:/etc/passwd
	ctl cp d:/etc/passwd - | tar xO | cmp - new
	[ "$(cat bound/file bound/new)" = "$(printf 'out\nnew')" ]
}

@test "a stopped container starts again with what was copied in; owners and modes are as they should be, in its own range" {
	ctl run -d --name c "$debian" bash -c 'echo run >>/runs; exec sleep 1000'
	ctl exec c bash -c 'mkdir /srv/own; echo x >/srv/own/f; chown -R 7:8 /srv/own; chmod 4640 /srv/own/f; ln -s f /srv/own/l'
	ctl stop -t 0 c
	echo put >put
	chown 1234:567 put
	chmod 604 put
	ctl cp put c:/srv/plain
	ctl cp -a put c:/srv/kept
	ctl cp put c:/srv/own/f
	[ "$(ctl cp c:/srv/own - | tar tv --numeric-owner | awk '$6 == "own/f" { print $1, $2 }')" = "-rw----r-- 0/0" ]
	ctl cp c:/srv/own got
	[ "$(stat -c %u:%g:%a got/f)" = 0:0:604 ]
	ctl cp -a c:/srv/own kept
	[ "$(stat -c %u:%g kept kept/l | tr '\n' ' ')" = "7:8 0:0 " ]
	upper=$ENGINE_STATE/rootfs/$(ctl inspect --format '{{.Id}}' c)/upper
	base=$(stat -c %u "$upper/runs")
	[ "$base" -gt 65536 ]
	[ "$(stat -c %u:%g "$upper/srv/plain")" = $base:$base ]
	[ "$(stat -c %u:%g "$upper/srv/kept")" = $((base + 1234)):$((base + 567)) ]
	[ -z "$(find "$upper" ! -uid -$((base + 65536)) -o -uid -$base)" ]
	ctl start c
	[ "$(ctl exec c stat -c '%u:%g:%a' /srv/plain /srv/kept | tr '\n' ' ')" = "0:0:604 1234:567:604 " ]
	[ "$(ctl exec c cat /srv/own/f /srv/own/l)" = "$(printf 'put\nput')" ]
	wait_until 10 eval "[ \$(ctl exec c cat /runs | wc -l) = 2 ]"
}

# stopped_stuck NAME: an export of a container that doesn't run, which nobody reads; sets stuck and visit
stopped_stuck()
{
	mkfifo "$dir/fifo"
	exec {reader}<>"$dir/fifo"
	"$engine_bin/ctl" export "$1" >"$dir/fifo" 2>"$dir/said" 3>&- {reader}<&- &
	stuck=$!
	wait_until 10 eval "[ -n \"\$(stopped_visit)\" ]"
	visit=$(stopped_visit)
	wait_until 10 grep -q ^1 "/proc/$visit/syscall"
}

stopped_visit()
{
	for pid in $(leaks_descendants "$ENGINE_PID"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != visit ] || echo "$pid"
	done
}

stopped_over()
{
	kill $stuck 2>/dev/null || true
	wait $stuck || true
	exec {reader}<&-
	rm "$dir/fifo"
}

@test "while a container's files are being copied nobody else gets them; rm -f ends that" {
	ctl create --name c -m 64m "$debian" true
	stopped_stuck c
	[ -n "$(cgroups c)" ]
	grep -q "$(ctl inspect --format '{{.Id}}' c)" "/proc/$visit/cgroup"
	grep -q '^Seccomp:.2$' "/proc/$visit/status"
	[ "$(awk '/^CapEff:/ { print $2 }' "/proc/$visit/status")" = 0000000000000004 ]
	[ "$(find "/proc/$visit/fd" -type l -printf '%l\n' | grep -vcE '^/($|[a-z])|^pipe:')" = 0 ]
	# They wait, side by side, and are refused.
	for words in "export -o two" "cp c:/etc/passwd ." start rm; do
		# shellcheck disable=SC2086
		ctl $words $([[ $words == cp* ]] || echo c) >"$dir/${words%% *}" 2>&1 3>&- {reader}<&- && touch "$dir/done" &
	done
	began=$(uptime_s)
	wait_until 30 eval "[ \$(cat '$dir/'{export,cp,start,rm} | wc -l) = 4 ]"
	[ $(($(uptime_s) - began)) -ge 8 ]
	[ ! -e "$dir/done" ]
	grep -q "its files are being copied; try again" "$dir/export"
	grep -q "its files are being copied; try again" "$dir/cp"
	grep -q "its files are being copied; try again" "$dir/start"
	grep -q "its files are being copied; wait for that, or use rm -f" "$dir/rm"
	[ ! -e passwd ]
	[ "$(ctl inspect --format '{{.State.Status}}' c)" = created ]
	[ "$(ctl ps -aq | wc -l)" = 1 ]
	timeout 60 "$engine_bin/ctl" rm -f c
	wait_until 10 engine_gone "$visit"
	cat <&"$reader" >/dev/null 3>&- &
	drain=$!
	wait $stuck && false
	kill $drain
	stopped_over
	[ "$(ctl ps -aq)" = "" ]
	[[ "$(cat "$dir/said")" == "ctl: export c: "* ]]
	ctl create --name c "$debian" true
	stopped_stuck c
	stopped_over
	# It can be had again at once.
	wait_until 10 ctl start -a c
}

# drained: somebody reads what the stuck export has written
drained()
{
	cat <&"$reader" >/dev/null 3>&- &
	drain=$!
	wait $stuck
	kill $drain
	stopped_over
}

@test "who comes while a container's files are being copied is served in turn; who goes away is not; rm comes last" {
	[ "${TEST_PATIENCE:-1}" = 1 ] || skip "who waits is told so after 10 s, which is a moment of an emulated machine"
	ctl create --name c "$debian" bash -c 'cat /srv/put; exec sleep 1000'
	echo put >put
	stopped_stuck c
	ctl cp put c:/srv 3>&- {reader}<&- &
	into=$!
	wait_until 5 engine_asked $into
	timeout 1 "$engine_bin/ctl" rm c 3>&- {reader}<&- && false
	ctl start c 3>&- {reader}<&- &
	start=$!
	wait_until 5 engine_asked $start
	ctl cp c:/srv/put out 3>&- {reader}<&- &
	out=$!
	wait_until 5 engine_asked $out
	[ ! -e out ]
	[ "$(ctl inspect --format '{{.State.Status}}' c)" = created ]
	began=$(uptime_s)
	drained
	wait $into
	wait $start
	wait $out
	# Before their time was over.
	[ $(($(uptime_s) - began)) -lt 8 ]
	cmp put out
	[ "$(ctl inspect --format '{{.State.Status}}' c)" = running ]
	wait_until 5 eval "[ \"\$(ctl logs c)\" = put ]"
	ctl stop -t 0 c
	stopped_stuck c
	ctl rm c 3>&- {reader}<&- &
	rm=$!
	wait_until 5 engine_asked $rm
	ctl start c 3>&- {reader}<&- >late 2>&1 &
	late=$!
	wait_until 5 engine_asked $late
	[ "$(ctl ps -aq | wc -l)" = 1 ]
	drained
	wait $rm
	wait $late && false
	grep -qE "no such container: c|being stopped or removed" late
}

# waiters: how many wait for a container's files: of each the supervisor has an end of two pipes, of its own it has both
waiters()
{
	echo $(($(find "/proc/$(pgrep -P "$ENGINE_PID" -f -- --serve)/fd" -lname 'pipe:*' -printf '%l\n' | sort | uniq -u | wc -l) / 2))
}

@test "32 may wait for a container, no more; all are served" {
	[ "${TEST_PATIENCE:-1}" = 1 ] || skip "who waits is told so after 10 s, which is a moment of an emulated machine"
	ctl create --name c "$bb" true
	stopped_stuck c
	wait_until 10 eval '[ "$(waiters)" = 0 ]'
	for i in $(seq 32); do
		ctl cp c:/etc/passwd - >"$dir/out.$i" 3>&- {reader}<&- &
		waiting[i]=$!
	done
	wait_until 10 eval '[ "$(waiters)" = 32 ]'
	began=$(uptime_s)
	refused "its files are being copied; try again" ctl cp c:/etc/passwd -
	[ $(($(uptime_s) - began)) -le 7 ] # not as long as those that wait
	drained
	for i in $(seq 32); do
		wait ${waiting[i]}
		[ "$(tar t <"$dir/out.$i")" = passwd ]
	done
}

@test "the shim, the supervisor or ctl killed in the middle: nothing is left, and the container is as it was" {
	ctl create --name c "$debian" true
	for who in visit shim supervisor ctl; do
		stopped_stuck c
		base=$(awk '{ print $2 }' "/proc/$visit/uid_map")
		case $who in
		visit) kill -KILL "$visit" ;;
		shim) kill -KILL "$(awk '/^PPid:/ { print $2 }' "/proc/$visit/status")" ;;
		supervisor) kill -KILL "$(pgrep -P "$ENGINE_PID" -f -- --serve)" ;;
		ctl) kill -KILL $stuck ;;
		esac
		# Whoever reads, or doesn't, what it wrote.
		[ $who = ctl ] || wait_until 10 engine_gone "$visit"
		stopped_over
		wait_until 10 engine_gone "$visit"
		wait_until 10 engine_answers
		wait_until 10 eval "[ \"\$(cgroups c)\" = '' ]"
		[ "$(ctl inspect --format '{{.State.Status}} {{.State.ExitCode}}' c)" = "created 0" ]
		# Its files stay of the range that they have got.
		[ "$(ctl inspect --format '{{.UidBase}}' c)" = "$base" ]
		ctl cp c:/etc/passwd got
		ctl rm c
		ctl create --name c "$debian" true
	done
}

@test "cgroupd killed in the middle: its successor leaves the limits of a visit alone" {
	ctl create --name c "$debian" true
	id=$(ctl inspect --format '{{.Id}}' c)
	stopped_stuck c
	kill -KILL "$(pgrep -P "$ENGINE_PID" -x cgroupd)"
	wait_until 10 pgrep -P "$ENGINE_PID" -x cgroupd
	# Whoever asks it is answered after its list of who is nobody's.
	wait_until 10 ctl run --rm "$bb" true
	[ -n "$(cgroups c)" ]
	run -1 grep -q "$id is nobody's" "$ENGINE_LOG"
	[ -d "/proc/$visit" ]
	stopped_over
	wait_until 10 eval "[ \"\$(cgroups c)\" = '' ]"
	ctl start -a c
}

# The whole engine, in a subshell with one of its own: the file's is looked at afterwards.
engine_dies()
(
	set -e
	engine_start
	trap 'engine_stop || exit 1' EXIT
	ctl pull -q "$debian"
	ctl create --name c "$debian" cat /srv/put
	echo put >put
	ctl cp put c:/srv
	stopped_stuck c
	shim=$(awk '/^PPid:/ { print $2 }' "/proc/$visit/status")
	pids="$ENGINE_PID $(pgrep -P "$ENGINE_PID" | grep -vx "$shim")"
	# shellcheck disable=SC2086
	kill -KILL $pids
	# shellcheck disable=SC2086
	wait_until 10 engine_gone $visit $shim $pids
	stopped_over
	engine_launch
	[ "$(ctl inspect --format '{{.State.Status}}' c)" = created ]
	wait_until 10 eval "[ \"\$(cgroups c)\" = '' ]"
	ctl cp c:/srv/put got
	cmp put got
	[ "$(ctl start -a c)" = put ]
)

@test "the whole engine killed in the middle: the visit ends, nothing is left, what was copied before is there" {
	# Not by run, where set -e has no force.
	engine_dies
}

@test "cp and export of a container that waits to be restarted; it is not started before they are done" {
	ctl run -d --restart always --name c "$debian" bash -c 'echo run >>/runs; cat /srv/put; exit 5'
	wait_until 20 eval "[ \$(ctl inspect --format '{{.RestartCount}}' c) -ge 5 ]"
	wait_until 20 eval "[ \$(ctl inspect --format '{{.State.Status}}' c) = restarting ]"
	stopped_stuck c
	count=$(ctl inspect --format '{{.RestartCount}}' c)
	[ "$(ctl ps --format '{{.Names}}')" = c ]
	# The pause ends meanwhile.
	sleep 4
	[ "$(ctl inspect --format '{{.State.Status}} {{.RestartCount}}' c)" = "restarting $count" ]
	[ -d "/proc/$visit" ]
	stopped_over
	wait_until 20 eval "[ \$(ctl inspect --format '{{.RestartCount}}' c) -gt $count ]"
	wait_until 20 eval "[ \$(ctl inspect --format '{{.State.Status}}' c) = restarting ]"
	echo put >put
	ctl cp put c:/srv
	ctl cp c:/runs got
	[ "$(wc -l <got)" -gt 5 ]
	wait_until 30 eval "ctl logs c 2>/dev/null | grep -qx put"
	# One that is stopped meanwhile is not started then.
	wait_until 40 eval "[ \$(ctl inspect --format '{{.State.Status}}' c) = restarting ]"
	stopped_stuck c
	ctl stop c
	[ "$(ctl inspect --format '{{.State.Status}}' c)" = exited ]
	stopped_over
	ctl cp c:/runs runs1
	sleep 1
	ctl cp c:/runs runs2
	cmp runs1 runs2
}

@test "cp of containers with layers of their own, of --rm, and of a directory as their root" {
	echo put >put
	ctl create --isolated-layers --name isolated "$debian" cat /srv/put
	ctl create --rm --name once "$debian" cat /srv/put
	mkdir -p root/bin root/srv
	cp /bin/busybox root/bin
	ctl create --name dir --rootfs "$PWD/root" /bin/busybox cat /srv/put
	for c in isolated once dir; do
		ctl cp put $c:/srv
		ctl cp $c:/srv/put got
		cmp put got
		[ "$(ctl start -a $c)" = put ]
	done
	run -1 ctl inspect once
	cmp put root/srv/put
	# The root is a directory's, whose descriptor an earlier supervisor had.
	kill -KILL "$(pgrep -P "$ENGINE_PID" -f -- --serve)"
	wait_until 10 engine_answers
	refused "has its files from before the engine was restarted" ctl cp dir:/srv/put got
	refused "has its files from before the engine was restarted" ctl export -o all.tar dir
}

@test "a stopped container's links lead nowhere else, its programs and libraries are not run" {
	echo secret >"$dir/secret"
	trapped c
	ctl exec c /usr/bin/ln -s "$dir/secret" /srv/absolute
	ctl exec c /usr/bin/ln -s "../../../../../../../../$dir/secret" /srv/relative
	ctl exec c /usr/bin/ln -s /proc/1/root/etc/passwd /srv/magic
	ctl exec c /usr/bin/ln -s "$dir" /srv/up
	ctl stop -t 0 c
	for link in absolute relative magic; do
		refused "no such file" ctl cp -L c:/srv/$link got
		refused "no such file" ctl cp c:/srv/$link/. got
	done
	refused "no such file" ctl cp c:/srv/up/secret got
	echo put >put
	run ctl cp put c:/srv/up/put
	[ "$status" != 0 ]
	[ ! -e "$dir/put" ]
	ctl cp put c:/srv
	ctl cp c:/etc/ etc
	ctl export -o all.tar c
	refused "no such file" ctl cp c:/sprung got
}

@test "a client that isn't ctl gets no other visits, no streams but pipes, and leaves a stopped container as it was" {
	ctl create --name c "$bb" true
	ctl cp c:/etc/passwd .
	ctl inspect c >before
	mkdir d
	echo kept >d/file
	"$hostile/visits.py" "$BULKHEAD_SOCKET" c "$PWD/d" >said
	diff said - <<-'END'
		no such visit: "shell" is no visit, or not with 0 arguments
		top: container c is not running
		a word too many: "export" is no visit, or not with 1 arguments
		a word too few: "copy-out" is no visit, or not with 1 arguments
		a program: container c is not running
		a file to read: visit: a visit's stream is no pipe
		a file to write: visit: a visit's stream is no pipe
		a file for sentences: visit: a visit's stream is no pipe
		a directory: visit: a visit's stream is no pipe
		a named pipe: visit: a visit's stream is no pipe
		a socket: visit: a visit's stream is no pipe
		a device: visit: a visit's stream is no pipe
		the wrong end of a pipe: ended with 1
		no streams: ended with 0
		no input: ended with 1
		privileges: ended with 0
		an empty path: ended with 0
		a path of links: ended with 1
		a relative path: ended with 1
		a long path: ended with 1
		a long name: ended with 1
		a name with a slash: ended with 1
	END
	[ "$(cat d/file)" = kept ]
	ctl inspect c | diff before -
	[ "$(cgroups c)" = "" ]
	[ "$(ctl cp c:/tmp - | tar t)" = tmp/ ]
	ctl start -a c
}

@test "a visit that can't begin undoes what it did, and says why" {
	mkdir bound
	ctl create --name c -v "$PWD/bound:/etc/passwd" "$bb" true
	refused "/etc/passwd" ctl cp c:/etc/group .
	refused "/etc/passwd" ctl export -o x c
	[ "$(cgroups c)" = "" ]
	[ "$(ls)" = bound ]
	[ "$(ctl inspect --format '{{.State.Status}}' c)" = created ]
	ctl rm c
}

many_visits()
{
	local i

	for i in $(seq 40); do
		ctl cp c:/etc/passwd . || return 1
		ctl cp passwd c:/tmp/$i || return 1
	done
}

@test "visits by the dozen leave nothing behind" {
	ctl create --name c "$bb" true
	many_visits
	ctl run -d --name d "$bb" sleep 1000
	for i in $(seq 100); do
		ctl cp passwd d:/tmp/$i && ctl top d >/dev/null
	done
	# engine_unchanged, as after every test.
}
