# SPDX-License-Identifier: MIT
#
# What a service manager sees of the engine, which here is one that `make install` has put somewhere else than it was
# built: the socket that is handed in, what is told, and a restart that containers don't notice.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

setup_file()
{
	export ROOT=$BATS_FILE_TMPDIR/root PREFIX=/opt/b SOURCE=$BATS_TEST_DIRNAME/../..
	make -s -C "$SOURCE" install DESTDIR="$ROOT" PREFIX="$PREFIX" || return 1
	engine_prepare || return 1
	TOLD=$ENGINE_DIR/told
	export TOLD
	"$BATS_TEST_DIRNAME/../lib/manager.py" "$BULKHEAD_SOCKET" "$TOLD" "$ROOT$PREFIX/bin/supervisor" \
		--name "$ENGINE_NAME" --run-dir "$ENGINE_RUN" --state-dir "$ENGINE_STATE" \
		</dev/null >>"$ENGINE_LOG" 2>&1 3>&- 4>&- 5>&- 6>&- &
	MANAGER=$!
	export MANAGER
	if ! wait_until 60 grep -q '^READY=1 ' "$TOLD"; then
		cat "$ENGINE_LOG"
		return 1
	fi
	engine_images busybox debian
}

# engine_stop looks at what is left; the manager is what goes last here.
teardown_file()
{
	wait_until 60 manager_ends || return 1
	ENGINE_PID=
	rm -f "$BULKHEAD_SOCKET" "$TOLD.sock"
	rmdir "$ENGINE_RUN" 2>/dev/null
	engine_stop
}

manager_ends()
{
	kill -TERM "$MANAGER" 2>/dev/null
	kill -CONT "$MANAGER" 2>/dev/null
	engine_ended "$MANAGER"
}

# told WORD: how often it has been
told()
{
	grep -c "^$1" "$TOLD" || true
}

@test "install: modes whatever the umask, pages for all, and uninstall takes away what nobody has changed" {
	root=$BATS_TEST_TMPDIR/root
	(umask 077 && make -s -C "$SOURCE" install DESTDIR="$root" PREFIX=/usr)
	[ "$(find "$root" -type d ! -perm 755)" = "" ]
	[ "$(find "$root" -type f ! -path '*/bin/*' ! -path '*/libexec/*' ! -perm 644)" = "" ]
	[ "$(find "$root/usr/bin" "$root/usr/libexec" -type f -perm 755 | wc -l)" = 7 ]
	grep -qx 'ExecStart=/usr/bin/supervisor .*' "$root/usr/lib/systemd/system/bulkhead.service"
	make -s -C "$SOURCE" uninstall DESTDIR="$root" PREFIX=/usr
	[ "$(find "$root" -type f)" = "" ]
	[ ! -e "$root/usr/libexec/bulkhead" ]
	mkdir -p "$root/etc/bulkhead"
	echo 'allow nobody publish' >"$root/etc/bulkhead/bulkhead.conf"
	make -s -C "$SOURCE" install uninstall DESTDIR="$root" PREFIX=/usr
	[ "$(cat "$root/etc/bulkhead/bulkhead.conf")" = 'allow nobody publish' ]
}

# page NAME SECTION: as a reader sees it, with a line a paragraph; nothing about it is to be warned of
page()
{
	MANWIDTH=9999 LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l "$ROOT$PREFIX/share/man/man$2/$1.$2" \
		2>"$BATS_TEST_TMPDIR/warnings" | col -b
	[ ! -s "$BATS_TEST_TMPDIR/warnings" ] || { cat "$BATS_TEST_TMPDIR/warnings"; return 1; }
}

# has PAGE: each flag of the help on standard input, and what it does, is in the page
has()
{
	local line

	while read -r line; do
		# Flags stand in a line of their own, or what they do follows.
		grep -qE -- "^ +${line//[^a-z0-9-]/.}( |\$)" <<<"$1" || { echo "not there: $line"; return 1; }
	done < <(sed -nE 's/^ +((-[a-zA-Z0-9], )?--[a-z0-9-]+).*/\1/p')
}

@test "a page for each command, with each of its flags, and nothing in it that troff warns of" {
	overview=$(page ctl 1)
	ctl --help | has "$overview"
	commands=0
	while read -r command; do
		name=ctl-${command// /-}
		grep -qF "$name(1)" <<<"$overview"
		text=$(page "$name" 1)
		grep -qE "^ +$name - " <<<"$text"
		# shellcheck disable=SC2086
		ctl $command --help | has "$text"
		commands=$((commands + 1))
	done < <(ctl --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\( [a-z][a-z]*\)\{0,1\}\) .*/\1/p')
	[ "$commands" = "$(find "$ROOT$PREFIX/share/man/man1" -name 'ctl-*' | wc -l)" ]
	[ "$commands" -gt 20 ]
	"$engine_bin/supervisor" --help | grep -v internal | has "$(page supervisor 8)"
	page bulkhead.conf 5 >/dev/null
}

# complaint LINE: what the engine has to say of a configuration that is this line
complaint()
{
	printf '%s\n' "$1" >"$BATS_TEST_TMPDIR/conf"
	"$engine_bin/supervisor" --name "${ENGINE_NAME}c" --run-dir "$BATS_TEST_TMPDIR/run" \
		--state-dir "$BATS_TEST_TMPDIR/state" --config "$BATS_TEST_TMPDIR/conf" 2>&1
}

# known LINE: the words of "there are A, B and C"
known()
{
	complaint "$1" | sed -n 's/.*there are //p' | sed 's/ and /, /; s/, /\n/g'
}

@test "the configuration file that is installed: every key, quota and right, and each of its lines is good" {
	conf=$ROOT/etc/bulkhead/bulkhead.conf
	complaint "$(cat "$conf"; echo end)" | grep -q "conf:$(($(wc -l <"$conf") + 1)): unknown key \"end\""
	# With its examples in force it is still the line behind the last one that is wrong.
	complaint "$(sed 's/^#\([a-z]\)/\1/; s/alice/nobody/; s/staff/root/' "$conf"; echo end)" |
		grep -q "conf:$(($(wc -l <"$conf") + 1)): unknown key \"end\""
	[ "$(known 'no-such 1' | wc -l)" -ge 6 ]
	for key in $(known 'no-such 1'); do
		grep -qE "^#$key +" "$conf"
		page bulkhead.conf 5 | grep -qE "^ +$key "
	done
	for what in $(known 'quota * no-such 1'); do
		grep -qE "^#quota +\* +$what " "$conf"
	done
	for what in $(known 'allow nobody no-such'); do
		grep -qE "^#allow +alice +$what " "$conf"
	done
	[ ! -e "$BATS_TEST_TMPDIR/state" ]
}

@test "--check: whether an engine could start, without one" {
	conf=$BATS_TEST_TMPDIR/conf
	echo 'image-gc 85% 75%' >"$conf"
	run -0 "$ROOT$PREFIX/bin/supervisor" --config "$conf" --run-dir "$BATS_TEST_TMPDIR/run" --state-dir "$BATS_TEST_TMPDIR/state" --check
	[ -z "$output" ]
	echo 'image-gc 75% 85%' >"$conf"
	run -1 "$ROOT$PREFIX/bin/supervisor" --config "$conf" --check
	[[ $output == "supervisor: $conf:1: image-gc: "* ]]
	run -2 "$ROOT$PREFIX/bin/supervisor" --image-gc no --check
	[ "$(ls "$BATS_TEST_TMPDIR")" = conf ]
}

# As on a machine whose service manager is systemd, and has our unit.
systemd_has_it()
{
	unshare -m bash -c 'mount -t tmpfs none /run && mount -t tmpfs none /usr/local/lib &&
		mkdir -p /run/systemd/system /usr/local/lib/systemd/system &&
		touch /usr/local/lib/systemd/system/bulkhead.service && "$@"' bash "$@"
}

@test "who is to start an engine that isn't there: the service manager, where it has the unit" {
	run -125 systemd_has_it env -u BULKHEAD_SOCKET "$ROOT$PREFIX/bin/ctl" ps
	[[ $output == *"start it with: systemctl start bulkhead" ]]
	run -125 systemd_has_it env BULKHEAD_SOCKET=/run/other/ctl.sock "$ROOT$PREFIX/bin/ctl" ps
	[[ $output == *"start it with: supervisor" ]]
}

@test "systemd understands its units, and makes the users" {
	units=$ROOT$PREFIX/lib/systemd/system
	for unit in "$units"/bulkhead*; do
		# But for the programs, which lie below another root here.
		SYSTEMD_UNIT_PATH=$units: systemd-analyze verify --man=no "${unit##*/}" >"$BATS_TEST_TMPDIR/said" 2>&1 || true
		run grep -vE "Command $PREFIX/(bin/supervisor|libexec/bulkhead/hold-cgroup) is not executable: No such file" "$BATS_TEST_TMPDIR/said"
		[ "$output" = "" ]
	done
	mkdir -p "$BATS_TEST_TMPDIR/r/etc"
	mkdir -p "$BATS_TEST_TMPDIR/r/usr/lib/sysusers.d"
	cp "$ROOT$PREFIX/lib/sysusers.d/bulkhead.conf" "$BATS_TEST_TMPDIR/r/usr/lib/sysusers.d/"
	systemd-sysusers --root="$BATS_TEST_TMPDIR/r" bulkhead.conf
	[ "$(cut -d : -f 1 "$BATS_TEST_TMPDIR/r/etc/passwd" | sort | xargs)" = "bulkhead bulkhead-img bulkhead-net" ]
	grep -q '^bulkhead:' "$BATS_TEST_TMPDIR/r/etc/group"
}

@test "the Debian package: whose libraries it needs, what is in it, and what Debian has to say" {
	out=$BATS_TEST_TMPDIR/deb
	make -s -C "$SOURCE" deb DEB_VERSION=9.8.7 DEB="$out"
	deb=$(echo "$out"/*.deb)
	[ "${deb##*/}" = "bulkhead_9.8.7_$(dpkg --print-architecture).deb" ]
	[ "$(dpkg-deb -f "$deb" Version)" = 9.8.7 ]
	for library in libcurl4 libnftables1 libseccomp2; do
		[[ $(dpkg-deb -f "$deb" Depends) == *"$library "* ]]
	done
	[ "$(dpkg-deb -c "$deb" | awk '$2 != "root/root"')" = "" ]
	dpkg-deb -x "$deb" "$BATS_TEST_TMPDIR/x"
	[ "$("$BATS_TEST_TMPDIR/x/usr/bin/ctl" --version)" = "$(ctl --version)" ]
	[ "$(find "$BATS_TEST_TMPDIR/x/usr/share/man" -name '*.gz' | wc -l)" = "$(find "$ROOT$PREFIX/share/man" -type f | wc -l)" ]
	lintian --allow-root --fail-on warning,error --tag-display-limit 0 "$deb"
	run make -s -C "$SOURCE" deb DEB_VERSION='1 2' DEB="$out"
	[ "$status" != 0 ]
	[[ $output == *"is no version of a package"* ]]
}

@test "installed: the socket that was handed in is served, and all that runs is the installed one" {
	[[ $(head -n 1 "$TOLD") == "READY=1 STATUS=serving on $ENGINE_RUN/ctl.sock" ]]
	run ctl run --rm "$REGISTRY/busybox" echo hello
	[ "${lines[-1]}" = hello ]
	for pid in $(cat "/proc/$MANAGER"/task/*/children); do
		[ "$(readlink "/proc/$pid/exe")" = "$ROOT$PREFIX/bin/supervisor" ]
		for child in $(cat "/proc/$pid"/task/*/children); do
			exe=$(readlink "/proc/$child/exe") || continue # it has ended
			[[ $exe =~ ^("$ROOT$PREFIX/"(bin|libexec/bulkhead)/|/memfd:shim) ]]
		done
	done
}

@test "the watchdog is told, and nothing is in the environment of those who have no business with it" {
	wait_until 30 eval '[ "$(told WATCHDOG=1)" -ge 2 ]'
	for pid in $(leaks_descendants "$(cat "/proc/$MANAGER"/task/*/children)" | tail -n +2); do
		[ "$(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -c '^LISTEN_\|^NOTIFY_\|^WATCHDOG_')" = 0 ]
	done
}

@test "a restart by SIGUSR1: containers go on, a connection stays, whoever calls meanwhile is answered" {
	talk=$BATS_TEST_DIRNAME/../lib/talk.py
	ctl run -d --name going -p 7 "$REGISTRY/debian:12" python3 -c "$(cat "$talk")" echo 0.0.0.0 7
	wait_until 60 eval '[ "$(ctl logs going)" = listening ]'
	ctl run -d --name counting "$REGISTRY/busybox" sh -c 'while :; do echo x; sleep 0.1; done'
	pid=$(ctl inspect --format '{{.State.Pid}}' going)
	engine=$(cat "/proc/$MANAGER"/task/*/children)
	port=$(ctl ps --filter name=going --format '{{.Ports}}' | sed -E 's/.*:([0-9]+)->.*/\1/')
	exec 7<>"/dev/tcp/127.0.0.1/$port"
	echo before >&7
	read -r -t 60 answer <&7
	[ "$answer" = before ]
	ended=$(told ENDED=0) ready=$(told READY=1)
	kill -HUP "$MANAGER"
	wait_until 60 eval '[ "$(told ENDED=0)" -gt '"$ended"' ]'
	# Not one of its own processes is left, and the socket is there all the time.
	engine_gone $engine
	run ctl ps --format '{{.Names}}'
	[ "$status" = 0 ]
	[ "$(sort <<<"$output" | xargs)" = "counting going" ]
	wait_until 60 eval '[ "$(told READY=1)" -gt '"$ready"' ]'
	[ "$(cat "/proc/$MANAGER"/task/*/children)" != "$engine" ]
	[ "$(ctl inspect --format '{{.State.Pid}} {{.State.Running}}' going)" = "$pid true" ]
	echo after >&7
	read -r -t 60 answer <&7
	exec 7>&-
	[ "$answer" = after ]
	before=$(ctl logs counting | wc -l)
	wait_until 60 eval '[ "$(ctl logs counting | wc -l)" -gt '"$before"' ]'
	# And it is this one's by all means.
	ctl exec going true
	ctl stop -t 0 going counting
	ctl rm going counting
}

@test "a container that ends while there is no engine is told by the next one" {
	ctl run -d --name brief "$REGISTRY/busybox" sleep 1000
	pid=$(ctl inspect --format '{{.State.Pid}}' brief)
	engine=$(cat "/proc/$MANAGER"/task/*/children)
	kill -STOP "$MANAGER"
	kill -USR1 "$engine"
	wait_until 60 engine_ended "$engine"
	kill -KILL "$pid"
	wait_until 60 engine_ended "$pid"
	kill -CONT "$MANAGER"
	wait_until 60 eval '[ "$(CTL_TIMEOUT=50 ctl wait brief)" = 137 ]'
	ctl rm brief
}

@test "SIGTERM: told, the workload is stopped, and the socket stays with who made it" {
	ctl run -d --name last "$REGISTRY/busybox" sleep 1000
	pid=$(ctl inspect --format '{{.State.Pid}}' last)
	wait_until 60 manager_ends
	engine_gone "$pid"
	[ "$(told STOPPING=1)" -ge 3 ]
	[[ $(grep -vx WATCHDOG=1 "$TOLD" | tail -n 2 | head -n 1) == "STOPPING=1 EXTEND_TIMEOUT_USEC="* ]]
	[ "$(tail -n 1 "$TOLD")" = ENDED=0 ]
	[ -S "$BULKHEAD_SOCKET" ]
	[ "$(ls "$ENGINE_RUN")" = ctl.sock ]
}
