# SPDX-License-Identifier: MIT
#
# cp when somebody is against it: a container that lies, links and exchanges, signals, no room.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"
. "$BATS_TEST_DIRNAME/../lib/visit.sh"

# as_engine CASE [CODE] CMD...: runs ctl against an engine whose containers send that
as_engine()
{
	local case=$1 code=0 sock=$dir/lying.sock

	shift
	if [[ "$1" =~ ^[0-9]+$ ]]; then
		code=$1
		shift
	fi
	rm -f "$sock"
	OUTSIDE=$dir/w/outside python3 "$hostile/lying_engine.py" "$sock" "$case" "$code" 3>&- &
	lying=$!
	wait_until 10 test -S "$sock"
	BULKHEAD_SOCKET=$sock "$@"
}

@test "cp out of a container that sends what it likes: refused in a sentence, and nothing outside is touched" {
	mkdir outside dest
	echo secret >outside/file
	ln -s ../outside dest/mine
	cp -a outside before
	as_engine good ctl cp c:/t dest/t
	[ "$(cat dest/t/file)" = good ]
	rm -rf dest/t
	for case in dotdot absolute link abslink toplink hard hardlink abshard elsewhere existing noname nodevice garbage \
		nothing; do
		for to in dest/new dest; do
			run as_engine $case ctl cp c:/t "$to"
			echo "$case to $to: $output"
			[ "$status" = 1 ] || [ $case = existing ]
			[ "$status" != 1 ] || [ "${#lines[@]}" = 1 ]
			"$BATS_TEST_DIRNAME/treecmp" before outside
			[ -L dest/mine ]
			# What was new is gone with the failure.
			[ "$status" = 0 ] || [ "$(ls -A dest)" = mine ]
			rm -rf dest/new dest/t
		done
		run as_engine $case ctl cp c:/t/. dest
		[ "$status" = 1 ]
		[ -L dest/mine ]
		"$BATS_TEST_DIRNAME/treecmp" before outside
		find dest -mindepth 1 ! -name mine -delete
	done
	as_engine setuid ctl cp c:/t dest/t
	[ "$(stat -c %a dest/t/file)" = 755 ]
	run as_engine device ctl cp c:/t dest/t2
	[[ "$output" == *"1 devices left out" ]]
	[ "$(ls dest/t2)" = file ]
	# A stream that is whole, of a visit that failed.
	run as_engine good 137 ctl cp c:/t dest/t3
	[ "$status" = 1 ]
	[ ! -e dest/t3 ]
}

# unpacker CTL: pid of the process that reads what comes out of the container
unpacker()
{
	for pid in $(pgrep -P "$(pgrep -P "$1" | tr '\n' , | sed 's/,$//')" 2>/dev/null); do
		! grep -qx ctl-unpack "/proc/$pid/comm" || echo "$pid"
	done
}

# stop_visit SHIM: stops the one that is in its container once it has sent a megabyte, which somebody has read then; sets
# visit. Without a fork, each of which is time in which the visit may end.
stop_visit()
{
	local pid pids comm word count end

	wait_end end 10
	while ! wait_over "$end"; do
		read -r -d '' pids <"/proc/$1/task/$1/children" || true
		for pid in $pids; do
			read -r comm <"/proc/$pid/comm" && [ "$comm" = visit ] || continue
			while read -r word count; do
				[ "$word" = wchar: ] && [ "$count" -gt 1000000 ] || continue
				kill -STOP "$pid"
				visit=$pid
				return
			done <"/proc/$pid/io"
		done 2>/dev/null
	done
	return 1
}

# held NAME CMD...: a copy out of the container whose visit stands still; sets copy, below and visit
held()
{
	local shim

	shim=$(awk '/^PPid:/ { print $2 }' "/proc/$(ctl inspect --format '{{.State.Pid}}' "$1")/status")
	shift
	"$@" 3>&- &
	copy=$!
	stop_visit "$shim"
	wait_until 10 eval "[ -n \"\$(unpacker $copy)\" ] && grep -q '^Seccomp:.2' /proc/\$(unpacker $copy)/status"
	below=$(unpacker "$copy")
}

@test "what reads a container's bytes has no capability, and reaches its own directory alone" {
	ctl run -d --name c "$debian" sleep 1000
	ctl exec c dd if=/dev/zero of=/big bs=1M count=300 status=none
	held c "$engine_bin/ctl" cp c:/big big
	for set in CapPrm CapEff CapBnd CapInh CapAmb; do
		[ "$(awk "/^$set:/ { print \$2 }" "/proc/$below/status")" = 0000000000000000 ]
	done
	grep -q '^NoNewPrivs:.1$' "/proc/$below/status"
	grep -q '^Seccomp:.2$' "/proc/$below/status"
	[ ! -e big ]
	kill -CONT "$visit"
	wait $copy
	[ "$(stat -c %s big)" = $((300 << 20)) ]
	rm big
	held c "$engine_bin/ctl" cp -a c:/big big
	[ "$(awk '/^CapPrm:/ { print $2 }' "/proc/$below/status")" = 0000000000000000 ]
	# Who gives files away holds CHOWN, no byte, and one socket.
	giver=$(pgrep -P "$(pgrep -P $copy)" ctl-give)
	wait_until 10 grep -q '^Seccomp:.2' "/proc/$giver/status"
	[ "$(awk '/^Cap(Prm|Eff|Bnd):/ { print $2 }' "/proc/$giver/status" | sort -u)" = 0000000000000001 ]
	[ "$(find "/proc/$giver/fd" -lname 'pipe:*' | grep -cv '/[012]$')" = 0 ]
	[ "$(find "/proc/$giver/fd" -lname 'socket:*' | grep -cv '/[012]$')" = 1 ]
	kill -CONT "$visit"
	wait $copy
	[ "$(ls)" = big ]
	# Its calls: files by openat2 below the directory; no exec, no socket, no name of chmod, chown or time.
	strace -f -qq -o "$dir/strace" "$engine_bin/ctl" cp c:/etc out
	awk '/seccomp\(SECCOMP_SET_MODE_FILTER/ { in_it[$1] = 1 } in_it[$1]' "$dir/strace" >"$dir/trace"
	grep -q openat2 "$dir/trace"
	run -1 grep -E '^[0-9]+ +(openat|open|execve|socket|connect|chmod|fchmodat|fchownat|chown|lchown|setxattr|mount)\(' "$dir/trace"
	run ! grep -E 'utimensat\([0-9]+, "' "$dir/trace"
}

@test "interrupted, killed, or out of room: what was there is as it was" {
	ctl run -d --name c "$debian" sleep 1000
	ctl exec c bash -c 'dd if=/dev/zero of=/big bs=1M count=300 status=none; mkdir /d; cp /big /d'
	for signal in INT TERM KILL; do
		echo old >big
		held c env --default-signal=INT "$engine_bin/ctl" cp c:/big big
		kill -$signal $copy
		kill -CONT "$visit"
		wait $copy || true
		wait_until 10 eval "[ \"\$(ls -A)\" = big ]"
		[ "$(cat big)" = old ]
		wait_until 10 eval "[ -z \"\$(visits c)\" ]"
	done
	# The visit killed, as by an out-of-memory killer.
	held c "$engine_bin/ctl" cp c:/d d 2>"$dir/said"
	kill -KILL "$visit"
	wait $copy && false
	grep -q "killed: the container has ended, or its memory limit" "$dir/said"
	[ "$(ls -A)" = big ]
	# The process that unpacks killed.
	held c "$engine_bin/ctl" cp c:/d d 2>"$dir/said"
	kill -KILL "$below"
	kill -CONT "$visit"
	wait $copy && false
	grep -q "the process that unpacks died" "$dir/said"
	[ "$(ls -A)" = big ]
	mkdir small
	mount -t tmpfs -o size=2m tmpfs small
	echo old >small/big
	run ctl cp c:/big small/big
	echo "$output"
	kept=$(cat small/big)
	left=$(ls -A small)
	run ctl cp c:/d small
	left="$left $(ls -A small)"
	umount small
	[ "$status" = 1 ]
	[[ "$output" == *"no space left on device"* ]]
	[ "$kept" = old ]
	[ "$left" = "big big" ]
	# The other way.
	ctl run -d --name s --tmpfs /small:size=2m "$bb" sleep 1000
	ctl exec s sh -c 'echo old >/small/big'
	truncate -s 300M big
	tr '\0' x <big >full
	refused "no space left on device" ctl cp full s:/small/big
	mkdir dir
	mv full dir
	refused "no space left on device" ctl cp dir s:/small
	[ "$(ctl exec s sh -c 'ls -A /small; cat /small/big')" = "$(printf 'big\nold')" ]
	# A source that can't be read to its end.
	mkdir dir2
	echo x >dir2/a
	mkdir -m 0 dir2/closed
	refused "ermission denied" setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --groups 0 "$engine_bin/ctl" cp dir2 c:/x || true
	[ "$(ctl exec c sh -c 'ls / | grep -c "^x$"')" = 0 ]
}

@test "root copies to others' directories what is new; what is there it fills without its capabilities" {
	ctl run -d --name c "$bb" sh -c 'mkdir /d; echo x >/d/f; sleep 1000'
	wait_until 10 ctl exec c test -e /d/f
	install -d -o 1000 -g 1000 -m 755 theirs theirs/d open
	ctl cp c:/d/f theirs
	ctl cp c:/d theirs/new
	[ "$(cat theirs/f theirs/new/f)" = "$(printf 'x\nx')" ]
	for to in theirs theirs/d; do
		run ctl cp c:/d/. $to
		[ "$status" = 1 ]
		[[ "$output" == "ctl: cp c: $to belongs to user 1000, and what comes out of a container is written without root's capabilities: "* ]]
	done
	refused "belongs to user 1000" ctl cp c:/d theirs
	[ -z "$(ls theirs/d)" ]
	chmod 777 open
	ctl cp c:/d/. open
	[ "$(cat open/f)" = x ]
}

@test "links in a container resolve in the container" {
	ctl run -d --name c "$debian" bash -c 'mkdir -p /l/real; cd /l; echo inside >/l/real/marker
		mkdir -p "/inside/$0"; echo inside >"/inside/$0/marker"; ln -s "/inside/$0" abs; ln -s "../../../../../../inside/$0" up; ln -s /proc/1/root magic
		ln -s /proc/self/root/l/real self; ln -s loop loop; exec sleep 1000' "$dir/w"
	wait_until 10 ctl exec c test -L /l/loop
	echo outside >marker
	for path in abs up; do
		ctl cp "c:/l/$path/marker" got
		[ "$(cat got)" = inside ]
		echo new >new
		ctl cp new "c:/l/$path"
		[ "$(ctl exec c cat "/inside/$dir/w/new")" = new ]
		rm got
	done
	for path in magic self; do
		refused "" ctl cp "c:/l/$path/marker" got
		refused "" ctl cp marker "c:/l/$path/x"
		refused "" ctl cp marker "c:/l/$path"
	done
	refused "oo many levels of symbolic links" ctl cp c:/l/loop/x got
	refused "oo many levels of symbolic links" ctl cp marker c:/l/loop
	[ "$(cat marker)" = outside ]
	[ "$(ls)" = "$(printf 'marker\nnew')" ]
}

@test "a process that exchanges directories and links during cp is no way out, nor to what its user can't reach" {
	ctl run -d --name c "$debian" bash -c 'mkdir -p /home/u/t/x /root/private; echo theirs >/home/u/t/x/f; echo private >/root/private/f
		chmod 700 /root /root/private; ln -s /root/private /home/u/t/y; chown -hR 1000 /home/u; exec sleep 1000'
	wait_until 10 ctl exec c test -e /home/u/t/y
	ctl exec -d -u 1000 c python3 -c '
import ctypes, os
libc = ctypes.CDLL(None)
while not os.path.exists("/tmp/stop"):
    for _ in range(100):
        libc.renameat2(-100, b"/home/u/t/x", -100, b"/home/u/t/y", 2)  # RENAME_EXCHANGE
'
	wait_until 20 ctl exec c test -L /home/u/t/x
	mkdir -p t/x
	echo written >t/x/g
	for i in $(seq 60); do
		rm -rf out
		ctl cp c:/home/u/t out || true
		[ ! -e out ] || run -1 grep -rq private out
		ctl cp t c:/home/u >/dev/null 2>&1 || true
		ctl cp t/. c:/home/u/t >/dev/null 2>&1 || true
	done
	ctl exec c touch /tmp/stop
	[ "$(ctl exec c ls /root/private)" = f ]
	[ "$(ctl exec c cat /root/private/f)" = private ]
	# Some of it got through, or this has shown nothing.
	ctl exec c sh -c 'test -e /home/u/t/x/g || test -e /home/u/t/y/g'
}

@test "cp springs no trap, and executes nothing inside" {
	trapped c
	mkdir t
	echo x >t/f
	watched c ctl cp c:/usr/lib/x86_64-linux-gnu/gconv out
	[ -e out/TRAP.so ]
	kept_to "$reading pread64 readlinkat flistxattr fgetxattr"
	[ "$(sprung c)" = "" ]
}

@test "cp into it springs no trap either" {
	trapped c
	mkdir t
	echo x >t/f
	ln -s f t/l
	watched c ctl cp t c:/new
	[ "$(sprung c)" = "" ]
	kept_to "$reading readlinkat mkdirat symlinkat linkat mknodat renameat renameat2 unlinkat faccessat faccessat2 ftruncate fsetxattr
		fchown fchownat fchmod utimensat getrandom"
	untouched
	[ "$(ctl exec c /usr/bin/cat /new/l)" = x ]
}

@test "100,000 files out of a container and back" {
	ctl run -d --name c "$debian" bash -c 'mkdir /many; cd /many; python3 -c "
import os
for i in range(100):
    os.mkdir(str(i))
    for k in range(1000):
        open(f\"{i}/{k}\", \"w\").write(str(k))
"; touch /ready; exec sleep 1000'
	wait_until 60 ctl exec c test -e /ready
	CTL_TIMEOUT=200 ctl cp c:/many .
	[ "$(find many -type f | wc -l)" = 100000 ]
	[ "$(cat many/42/777)" = 777 ]
	CTL_TIMEOUT=200 ctl cp many c:/back
	[ "$(CTL_TIMEOUT=200 ctl exec c sh -c 'find /back -type f | wc -l; diff -r /many /back && echo same')" = "$(printf '100000\nsame')" ]
	rm -rf many
	CTL_TIMEOUT=300 ctl rm -f c
}
