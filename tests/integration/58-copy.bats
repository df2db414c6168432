# SPDX-License-Identifier: MIT
#
# cp: docker's table of what goes where, what a file keeps on its way, and archives.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"
. "$BATS_TEST_DIRNAME/../lib/visit.sh"
. "$BATS_TEST_DIRNAME/../lib/copy-table.sh"

# ---- docker's table ----

@test "cp out of a container: docker's table, line by line" {
	ctl run -d --name c "$bb" sleep 1000
	ctl exec c sh -c "mkdir /w; cd /w; $make_from"
	RESET=reset_here LOOK=look_here
	every_line c:/w/from/ "$PWD/to/"
	every_line c:w/from/ to/
}

@test "cp into a container: docker's table, line by line" {
	ctl run -d --name c "$bb" sleep 1000
	ctl exec c mkdir /w
	(eval "$make_from")
	RESET=reset_there LOOK=look_there
	every_line ./from/ c:/w/to/
	every_line "$PWD/from/" c:w/to/
}

@test "cp: what is where in a word" {
	ctl run -d --name c "$bb" sleep 1000
	printf x >host:b
	ctl cp ./host:b c:/x
	ctl cp "$PWD/host:b" c:/y
	ctl cp c:/x ./c:d
	[ "$(cat c:d)" = x ]
	refused "no such container: host" ctl cp host:b .
	refused "between containers" ctl cp c:/x c:/z
	refused "must be in a container" ctl cp x y
	refused "must be in a container" ctl cp - -
	refused "an empty path" ctl cp "" c:/x
	refused "is not CONTAINER:PATH" ctl cp c: x
	refused "is not CONTAINER:PATH" ctl cp :/x x
	refused "needs CONTAINER:SRC" ctl cp c:/x
	refused "unknown flag" ctl cp --nothing c:/x x
	# The id, and a beginning of it, name it too. The place it starts from is /, whatever WORKDIR says.
	id=$(ctl run -d -w /tmp "$bb" sleep 1000)
	ctl cp host:b "${id:0:12}:q" 2>/dev/null && false
	ctl cp ./host:b "${id:0:12}:q"
	ctl exec "$id" cat /q
	ctl cp "$id:/q" - | tar t | grep -qx q
	# . is what it holds, .. the directory above by its name.
	mkdir sub
	cd sub
	ctl cp . c:/tmp
	ctl cp .. c:/tmp
	[ "$(ctl exec c ls /tmp)" = w ]
	ctl cp c:/tmp/w/host:b .
	ctl cp c:/tmp/w ..
	[ "$(cat ../w/host:b)" = x ]
}

# ---- what a file has ----

@test "cp keeps modes, times, links, holes, attributes; owners with -a alone" {
	ctl run -d --name c "$debian" sleep 1000
	ctl exec c bash -c 'mkdir -p /t/d /t/locked; cd /t; echo x >f; ln f d/hard; ln -s /etc/passwd abs; ln -s ../nowhere rel; mkfifo -m 640 fifo
		truncate -s 5G sparse; printf end | dd of=sparse bs=1 seek=5000000000 conv=notrunc status=none; echo in >locked/in
		python3 -c "
import os, socket
socket.socket(socket.AF_UNIX).bind(\"sock\")
os.setxattr(\"f\", \"user.a\", b\"\\x00\\xff=\\n\")
os.setxattr(\"d\", \"user.dir\", b\"v\")
os.mkdir(b\"\\xff\\n\")
os.utime(\"f\", ns=(0, -1250000000))
"
		chmod 4711 f; chmod 1777 d; chmod 2755 /t; chown 5:6 f; chown -h 7:8 abs; chown 65534:65535 d; chmod 500 locked
		touch -d @1000000000.123456789 d locked .'
	ctl cp c:/t .
	[ "$(stat -c '%u:%g' t t/f t/d t/abs | sort -u)" = "$(id -u):$(id -g)" ]
	# No set-user-id bit comes out of a container.
	[ "$(stat -c '%a %A' t/f t/d t t/locked t/fifo | tr '\n' ' ')" = "711 -rwx--x--x 1777 drwxrwxrwt 755 drwxr-xr-x 500 dr-x------ 640 prw-r----- " ]
	[ "$(stat -c %y t t/d t/locked | sort -u | cut -d. -f2 | cut -c1-9)" = 123456789 ]
	[ "$(stat -c %Y t/f)" = -2 ]
	[ "$(stat -c %i t/f)" = "$(stat -c %i t/d/hard)" ]
	[ "$(readlink t/abs) $(readlink t/rel)" = "/etc/passwd ../nowhere" ]
	[ "$(stat -c %s t/sparse)" = $((5 << 30)) ]
	[ "$(du -s t/sparse | cut -f1)" -lt 1024 ]
	[ "$(tail -c +5000000001 t/sparse | head -c 3)" = end ]
	[ ! -e t/sock ]
	[ -d t/$'\xff\n' ]
	python3 -c 'import os; assert os.getxattr("t/f", "user.a") == b"\0\xff=\n"; assert os.getxattr("t/d", "user.dir") == b"v"'
	# And back: the set-user-id bit is not there any more, all else is as it was.
	chmod 4711 t/f
	ctl cp -a c:/t keep
	[ "$(stat -c '%u:%g' keep/f keep/d keep | tr '\n' ' ')" = "5:6 65534:65535 0:0 " ]
	ctl cp t c:/back
	ctl exec c bash -c 'cd /back; stat -c "%n %a %u:%g %s %Y" f d . locked fifo abs; test f -ef d/hard; du -s sparse; cat locked/in
		python3 -c "import os; print(os.getxattr(\"f\", \"user.a\"), os.lstat(\"f\").st_mtime_ns)"; find . -uid +0' >there
	cat there
	grep -qx "f 4711 0:0 2 -2" there
	grep -qx "d 1777 0:0 4096 1000000000" there
	grep -qx "locked 500 0:0 4096 1000000000" there
	grep -qx "fifo 640 0:0 0 [0-9]*" there
	grep -qE '^[0-9]{1,3}	sparse$' there
	grep -qx in there
	grep -qF "b'\\x00\\xff=\\n' -1250000000" there
	run -1 grep '^\./' there
	# -a into it: numbers as they are outside, if they exist inside.
	chown 1000:1001 keep/f
	ctl cp -a keep c:/kept
	[ "$(ctl exec c stat -c '%u:%g' /kept/f /kept/d | tr '\n' ' ')" = "1000:1001 65534:65535 " ]
	chown 70000 keep/f
	refused "its owner 70000:1001 doesn't exist there" ctl cp -a keep c:/kept2
	[ "$(ctl exec c ls / | grep -c kept2)" = 0 ]
	rm -rf t keep
}

@test "cp -a: what is given away may have two names, and any mode" {
	ctl run -d --name c "$debian" bash -c 'mkdir -p /t/a/b; cd /t; echo x >a/f; ln a/f g; ln g a/b/h; echo y >none; mkdir shut
		echo z >shut/in; chmod 0 none; chmod 640 a/f; chmod 500 shut; chown -R 5:6 /t; chown 7:8 shut; touch /done; exec sleep 1000'
	wait_until 10 ctl exec c test -e /done
	ctl cp -a c:/t .
	[ "$(stat -c '%n %u:%g %a %h' t t/a t/a/b t/a/f t/g t/none t/shut t/shut/in | tr '\n' ' ')" = "t 5:6 755 4 t/a 5:6 755 3 t/a/b 5:6 755 2 \
t/a/f 5:6 640 3 t/g 5:6 640 3 t/none 5:6 0 1 t/shut 7:8 500 2 t/shut/in 5:6 644 1 " ]
	[ "$(stat -c %i t/g t/a/f t/a/b/h | sort -u | wc -l)" = 1 ]
	rm -rf t
}

@test "cp -a by one whose other processes have many descriptors on their way" {
	python3 -c '
import socket, sys, time
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
for _ in range(2):
    socket.send_fds(ours, [b"x"], [0] * 100)
print("sent", flush=True)
time.sleep(600)' >"$BATS_TEST_TMPDIR/sent" 3>&- &
	sender=$!
	wait_until 60 grep -q sent "$BATS_TEST_TMPDIR/sent"
	ctl run -d --name c "$debian" bash -c 'mkdir /given && echo x >/given/f && chown 5:6 /given/f && exec sleep 1000'
	wait_until 60 eval '[ "$(ctl exec c stat -c %u /given/f)" = 5 ]'
	run ctl cp -a c:/given "$BATS_TEST_TMPDIR/"
	kill "$sender"
	[ "$status" = 0 ]
	[ "$(stat -c %u:%g "$BATS_TEST_TMPDIR/given/f")" = 5:6 ]
}

@test "cp: file capabilities go in, not out" {
	ctl run -d --name c "$debian" sleep 1000
	cp /bin/true prog
	setcap cap_net_raw+ep prog
	ctl cp prog c:/prog
	[ -n "$(ctl exec c python3 -c 'import os; print(os.getxattr("/prog", "security.capability").hex())')" ]
	ctl cp c:/prog out
	[ -z "$(getcap out)" ]
}

@test "cp: devices and sockets" {
	ctl run -d --name c "$debian" sleep 1000
	refused "null: a device can't be copied" ctl cp c:/dev/null .
	refused "null: a device can't be copied" ctl cp /dev/null c:/tmp/null
	refused "neither a directory nor a regular file" ctl cp /etc/passwd c:/dev/null
	mkfifo fifo
	refused "neither a directory nor a regular file" ctl cp c:/etc/passwd fifo
	run ctl cp c:/dev d
	[ "$status" = 0 ]
	[[ "$output" == "ctl: cp: warning: "*" devices left out" ]]
	[ -L d/stdout ]
	[ ! -e d/null ]
	mknod null c 1 3
	mknod passwd c 1 3
	tar c null fifo | ctl cp - c:/tmp 2>said
	grep -q "warning: 1 devices left out: a container can't have them made" said
	ctl exec c bash -c 'test -p /tmp/fifo && ! test -e /tmp/null'
	ctl exec c python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/tmp/sock")'
	refused "a socket can't be copied" ctl cp c:/tmp/sock .
	refused "what the kernel makes up as it is read" ctl cp c:/proc/self/status .
	# What is there is replaced, whatever it is; a mount isn't.
	ctl cp c:/etc/passwd .
	[ -f passwd ]
	refused "something is mounted on it" ctl cp passwd c:/etc/hosts
	# /proc and the like are no files.
	ctl cp c:/ whole
	[ -z "$(find whole/proc whole/sys -mindepth 1)" ]
	[ -s whole/etc/hosts ]
	rm -rf whole
}

# ---- - ----

@test "cp - out: a tar archive, as docker names things" {
	ctl run -d --name c "$bb" sleep 1000
	ctl exec c sh -c "mkdir /w; cd /w; $make_from"
	[ "$(ctl cp c:/w/from/f - | tar t)" = f ]
	[ "$(ctl cp c:/w/from/d - | tar t | sort | tr '\n' ' ')" = "d/ d/g d/s/ d/s/h " ]
	[ "$(ctl cp c:/w/from/d/. - | tar t | sort | tr '\n' ' ')" = "./ ./g ./s/ ./s/h " ]
	[ "$(ctl cp c:/w/from/lf - | tar tv | sed 's/.*lf/lf/')" = "lf -> f" ]
	[ "$(ctl cp -L c:/w/from/lf - | tar t)" = lf ]
	run "$BATS_TEST_DIRNAME/../lib/terminal.py" wait:redirect -- "$engine_bin/ctl" cp c:/w -
	[[ "$output" == *"an archive is nothing for a terminal"*exit=1* ]]
	refused "no such file" ctl cp c:/w/none -
}

@test "cp - in: any tar archive, compressed or not" {
	ctl run -d --name c "$debian" sleep 1000
	mkdir -p t/"$(printf 'n%.0s' {1..120})" t/é
	echo x >t/f
	ln t/f t/hard
	ln -s f t/link
	echo long >t/"$(printf 'n%.0s' {1..120})"/"$(printf 'm%.0s' {1..120})"
	truncate -s 10M t/sparse
	echo mid | dd of=t/sparse bs=1 seek=5M conv=notrunc status=none
	chown 1000:1000 t/f
	n=0
	for how in "--format=gnu" "--format=pax" "--format=v7" "--format=ustar" "--format=gnu -S" "--format=pax -S" \
			"--format=oldgnu -S" -z -j -J --zstd; do
		n=$((n + 1))
		ctl exec c mkdir "/to$n"
		# shellcheck disable=SC2086
		tar $how -c t 2>/dev/null | ctl cp - "c:/to$n"
		ctl exec c bash -c "cd /to$n/t && stat -c '%u %a' f && test f -ef hard && readlink link && md5sum sparse && cat n*/m* ; ls" >"got$n" || true
		# Older formats have no room for such names.
		case $how in
		*v7*|*ustar*) grep -q sparse "got$n" ;;
		*) diff got1 "got$n" ;;
		esac
	done
	grep -qx "0 644" got1
	grep -qx "$(md5sum <t/sparse | cut -c1-32)  sparse" got1
	grep -qx é got1
	tar c t | ctl cp -a - c:/opt
	[ "$(ctl exec c stat -c %u:%g /opt/t/f)" = 1000:1000 ]
	# What is there already stays, directories that it leaves out are made.
	tar c t/é | ctl cp - c:/opt
	[ "$(ctl exec c cat /opt/t/f)" = x ]
	printf '' | refused "no tar archive" ctl cp - c:/opt
	head -c 100000 /dev/urandom | refused "no tar archive" ctl cp - c:/opt
	tar c t | head -c 20000 | refused "" ctl cp - c:/opt
	tar c t | refused "/none: no such file" ctl cp - c:/none
	tar c t | refused "/etc/passwd: not a directory" ctl cp - c:/etc/passwd
}

@test "cp - in: names that lead out are refused, and nothing outside of the directory is touched" {
	ctl run -d --name c "$debian" bash -c 'mkdir -p /a/dest /a/outside; echo secret >/a/outside/file; exec sleep 1000'
	wait_until 10 ctl exec c test -e /a/outside/file
	for case in dotdot absolute link abslink hard hardlink abshard; do
		python3 - "$hostile" $case >stream <<-'END'
			import sys
			sys.path.insert(0, sys.argv[1])
			import lying_engine
			sys.stdout.buffer.write(lying_engine.build(sys.argv[2], "/a/outside"))
		END
		refused "" ctl cp - c:/a/dest <stream
		echo "$case: $output"
		[ "$(ctl exec c sh -c 'cat /a/outside/*; ls /a /a/outside; stat -c %h /a/outside/file')" = \
			"$(printf '%s\n' secret /a: dest outside '' /a/outside: file 1)" ]
	done
}
