# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What tests of ways out share: an engine started as carelessly as can be, what a way out would change of the host, and
# setup and teardown. Sourced behind engine.sh.

escape=${engine_bin%/bin}/tests/hostile/escape

# The engine is started as carelessly as can be: 50 descriptors too many, and a key in its session.
careless_start()
{
	local real=$engine_bin

	mkdir "$ENGINE_DIR/bin"
	ln -s "$real/ctl" "$ENGINE_DIR/bin/ctl"
	cat >"$ENGINE_DIR/bin/supervisor" <<-END
		#!/bin/bash
		for i in {30..80}; do eval "exec \$i</etc/shadow"; done
		exec $escape --with-key $ENGINE_NAME-key $real/supervisor "\$@"
	END
	chmod 755 "$ENGINE_DIR/bin/supervisor"
	engine_bin=$ENGINE_DIR/bin
	engine_launch
	engine_bin=$real
}

# Services that only the host's own processes may reach; whoever connects leaves a line.
listen()
{
	python3 - "$ENGINE_DIR" "$ENGINE_NAME" </dev/null >"$ENGINE_DIR/listener" 2>&1 3>&- 4>&- <<-'END' &
		import os, select, socket, sys
		top, name = sys.argv[1:]
		tcp = socket.socket()
		tcp.bind(("127.0.0.1", 0))
		unix = socket.socket(socket.AF_UNIX)
		unix.bind("\0" + name + "-abstract")
		for s in (tcp, unix):
		    s.listen(8)
		with open(top + "/port.new", "w") as f:
		    f.write(str(tcp.getsockname()[1]))
		os.rename(top + "/port.new", top + "/port")
		while True:
		    for s in select.select([tcp, unix], [], [])[0]:
		        s.accept()[0].close()
		        with open(top + "/connected", "a") as f:
		            f.write("tcp\n" if s is tcp else "unix\n")
	END
	LISTENER=$!
	wait_until 10 test -s "$ENGINE_DIR/port"
	PORT=$(cat "$ENGINE_DIR/port")
	export LISTENER PORT
}

setup_file()
{
	engine_prepare
	export TARGET=$ENGINE_DIR/host/file
	mkdir "$ENGINE_DIR/host"
	echo "the host's own" >"$TARGET"
	careless_start
	engine_images busybox
	ESCAPE=$escape ESCAPE_TARGET=$TARGET python3 "$engine_lib/oci_layout.py" escape "$ENGINE_DIR/layout"
	skopeo --insecure-policy copy -q --preserve-digests --dest-tls-verify=false \
		"oci:$ENGINE_DIR/layout:latest" "docker://$REGISTRY/escape:latest"
	ctl pull -q "$REGISTRY/escape"
	ctl pull -q "$REGISTRY/busybox"
	listen
	host_state >"$ENGINE_DIR/host.before"
}

teardown_file()
{
	[ -z "${LISTENER:-}" ] || kill "$LISTENER"
	engine_stop
}

setup()
{
	bb=$REGISTRY/busybox
	img=$REGISTRY/escape
	env=(-e "ESCAPE_PORT=$PORT" -e "ESCAPE_ABSTRACT=$ENGINE_NAME-abstract" -e "ESCAPE_KEY=$ENGINE_NAME-key")
}

teardown()
{
	ctl ps -aq | xargs -r timeout 120 "$engine_bin/ctl" rm -f >/dev/null
}

# absent GREP-FLAGS...: no such line. A "!" before a command would be lost on bats, which goes by set -e.
absent()
{
	! grep "$@"
}

# What a way out would change. Mounts: the engine's never show on the host.
host_state()
{
	{
		(cd /proc/sys && head -c 4096 kernel/{core_pattern,hostname,domainname,printk,panic,modprobe,poweroff_cmd} \
			kernel/{core_uses_pid,ctrl-alt-del} vm/{panic_on_oom,overcommit_memory})
		cat /sys/kernel/uevent_helper
		awk '{ print $1, $2, $3, $5 }' /proc/swaps # not how much of it is used
		find /sys/fs/cgroup -maxdepth 2 -name release_agent -exec cat {} +
		find "$ENGINE_DIR/host" -printf '%p %y %m %U %s %T@\n'
		sha256sum "$TARGET" /etc/{passwd,shadow,group,hosts,hostname}
		grep -F "$ENGINE_NAME" /proc/self/mountinfo /proc/1/mountinfo
		stat -c '%n %a %u %g' /dev/null /dev/zero /dev
	} 2>&1 || true
}

host_is_same()
{
	host_state >"$ENGINE_DIR/host.now"
	diff "$ENGINE_DIR/host.before" "$ENGINE_DIR/host.now"
	[ ! -e "$ENGINE_DIR/connected" ]
}
