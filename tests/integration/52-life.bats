# SPDX-License-Identifier: MIT
#
# Detached containers and what is done to them: they outlive every ctl, and end as they are told.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/containers.sh"

@test "run -d prints the full id alone" {
	run --separate-stderr ctl run -d "$bb" sleep 600
	[ "$status" = 0 ]
	[[ "$output" =~ ^[0-9a-f]{64}$ ]]
}

@test "a detached container outlives its terminal and its ctl" {
	setsid script -qec "'$engine_bin/ctl' run -d --name stays $bb sh -c 'i=0; while :; do echo line \$i; i=\$((i+1)); sleep 0.1; done'" /dev/null >/dev/null
	wait_until 5 eval "ctl logs stays | grep 'line 0'"
	run ctl ps --format '{{.Names}}'
	[ "$output" = stays ]
	run ctl logs stays
	[[ "$output" == *"line 0"* ]]
	run ctl exec stays echo still-here
	[ "$output" = still-here ]
	run ctl stop -t 0 stays
	[ "$status" = 0 ]
	run ctl wait stays
	[ "$output" = 137 ]
}

@test "an attached ctl that is killed leaves its container running" {
	"$engine_bin/ctl" run --name orphan "$bb" sh -c 'while :; do echo x; sleep 0.05; done' >/dev/null 3>&- &
	pid=$!
	wait_until 5 eval 'ctl logs orphan | grep x'
	kill -KILL $pid
	sleep 0.5
	[ "$(ctl inspect --format '{{.State.Status}}' orphan)" = running ]
	run ctl logs -n 1 orphan
	[ "$output" = x ]
}

@test "rename: in any state, for everything that asks by name, and not to a name that is taken or none" {
	id=$(ctl run -d --name first "$bb" sleep 600)
	ctl create --name other "$bb" true
	run --separate-stderr ctl rename first second
	[ "$status" = 0 ]
	[ -z "$output$stderr" ]
	[ "$(ctl ps --format '{{.Names}}' --filter id="$id")" = second ]
	[ "$(ctl inspect --format '{{.Id}} {{.Name}}' second)" = "$id /second" ]
	ctl exec second true
	run ctl inspect first
	[ "$status" = 1 ]
	[ "$(ctl events --since 0 --until 0s --filter event=rename --format '{{.Actor.Attributes.oldName}} {{.Actor.Attributes.name}}')" = "first second" ]
	# the old one is free
	ctl create --name first "$bb" true
	while IFS='|' read -r new text; do
		run ctl rename second "$new"
		echo "$output"
		[ "$status" = 1 ]
		[[ "$output" == "ctl: rename"*"$text"* && ${#lines[@]} = 1 ]]
	done <<-END
		other|the name "other" is already in use by container
		second|container second has that name already
		.second|invalid name ".second"
		a b|invalid name "a b"
	END
	run ctl rename nothing third
	[ "$status" = 1 ]
	[ "$output" = "ctl: rename: no such container: nothing" ]
	run ctl rename second
	[ "$status" = 1 ]
	[ "$(ctl inspect --format '{{.Name}}' "$id")" = /second ]
	# the next supervisor knows it by that, too, and what was renamed while it didn't run
	ctl rename other third
	kill -KILL "$(engine_process "supervisor --serve")"
	wait_until 20 ctl ps
	[ "$(ctl inspect --format '{{.Name}}' "$id")" = /second ]
	ctl start third
	ctl rm -f first second third
}

@test "create, start, wait, logs, rm" {
	id=$(ctl create --name steps "$bb" sh -c 'echo out; echo err >&2; exit 3')
	[ "$(ctl inspect --format '{{.State.Status}}' steps)" = created ]
	run ctl logs steps
	[ "$status" = 0 ]
	[ -z "$output" ]
	run ctl start steps
	[ "$status" = 0 ]
	[ "$output" = steps ]
	run ctl wait steps
	[ "$output" = 3 ]
	run --separate-stderr ctl logs steps
	[ "$output" = out ]
	[ "$stderr" = err ]
	[ "$(ctl inspect --format '{{.State.ExitCode}}' "$id")" = 3 ]
	run ctl rm steps
	[ "$output" = steps ]
	run ctl inspect steps
	[ "$status" = 1 ]
}

@test "a start that fails is told once, and ends what waits for the container" {
	id=$(ctl create "$bb" /nosuch)
	ctl wait "$id" >"$ENGINE_DIR/waited" &
	wait_until 20 engine_asked $!
	run --separate-stderr ctl start "$id"
	[ "$status" = 127 ]
	[ "${#stderr_lines[@]}" = 1 ]
	wait $!
	[ "$(cat "$ENGINE_DIR/waited")" = 127 ]
	ctl rm "$id"
}

@test "stop and rm -f of a container that is just being started wait for it" {
	for i in $(seq 8); do
		id=$(ctl create "$bb" sleep 600)
		ctl start "$id" >/dev/null 2>&1 &
		[ $((i % 2)) = 0 ] || ctl stop -t 0 "$id"
		run ctl rm -f "$id"
		[ "$status" = 0 ]
		wait
		run ctl inspect "$id"
		[ "$status" = 1 ]
	done
}

@test "a stopped container keeps its files when it is started again" {
	ctl run -d --name keeps "$bb" sh -c 'echo $((1 + $(cat /count 2>/dev/null || echo 0))) >/count; sleep 600'
	wait_until 5 ctl exec keeps test -s /count
	ctl stop -t 0 keeps
	ctl start keeps
	wait_until 5 ctl exec keeps grep -q 2 /count
}

@test "a start of what runs already is no error and changes nothing; one that is paused is told" {
	ctl run -d --name runs "$bb" sleep 300
	pid=$(ctl inspect --format '{{.State.Pid}}' runs)
	[ "$(ctl start runs)" = runs ]
	[ "$(ctl inspect --format '{{.State.Pid}}' runs)" = "$pid" ]
	ctl pause runs
	run -125 --separate-stderr ctl start runs
	[ "$stderr" = "ctl: start: container runs is paused; unpause it" ]
}

@test "stop sends the stop signal, then kills" {
	ctl run -d --name polite "$bb" sh -c 'trap "exit 5" TERM; touch /ready; while :; do sleep 0.05; done'
	wait_until 5 ctl exec polite test -e /ready
	ctl stop polite
	[ "$(ctl wait polite)" = 5 ]
	ctl run -d --name other --stop-signal USR1 "$bb" sh -c 'trap "exit 6" USR1; touch /ready; while :; do sleep 0.05; done'
	wait_until 5 ctl exec other test -e /ready
	ctl stop other
	[ "$(ctl wait other)" = 6 ]
	ctl run -d --name deaf "$bb" sh -c 'trap "" TERM; touch /ready; while :; do sleep 0.05; done'
	wait_until 5 ctl exec deaf test -e /ready
	CTL_TIMEOUT=9 ctl stop -t 1 deaf # sooner than the ten seconds of the default
	[ "$(ctl wait deaf)" = 137 ]
	run ctl stop deaf
	[ "$status" = 0 ]
}

@test "kill: by number, name and SIGNAME; bad ones are refused" {
	ctl run -d --name victim "$bb" sh -c 'trap "echo usr1" USR1; touch /ready; while :; do sleep 0.05; done'
	wait_until 5 ctl exec victim test -e /ready
	for s in 10 USR1 SIGUSR1; do
		run ctl kill -s $s victim
		[ "$status" = 0 ]
		[ "$output" = victim ]
	done
	wait_until 5 eval 'ctl logs victim | grep usr1'
	for s in 0 SIGBAD "" 65 99999; do
		run ctl kill -s "$s" victim
		[ "$status" = 1 ]
	done
	run ctl kill victim
	[ "$status" = 0 ]
	[ "$(ctl wait victim)" = 137 ]
	run ctl kill victim
	[ "$status" = 1 ]
	[[ "$output" == *"victim"*"not running"* ]]
}

@test "rm of a running container needs -f; of an unknown one is 1, with -f 0" {
	ctl run -d --name busy "$bb" sleep 600
	run ctl rm busy
	[ "$status" = 1 ]
	[[ "$output" == *"rm -f"* ]]
	run ctl rm -f busy
	[ "$status" = 0 ]
	run ctl rm nobody-here
	[ "$status" = 1 ]
	[[ "$output" == *"no such container: nobody-here"* ]]
	run ctl rm -f nobody-here
	[ "$status" = 0 ]
}

@test "names and ids: prefixes, duplicates, bad names" {
	id=$(ctl run -d --name first "$bb" sleep 600)
	[ "$(ctl inspect --format '{{.Name}}' "${id:0:6}")" = "$(ctl inspect --format '{{.Name}}' first)" ]
	run ctl run -d --name first "$bb" true
	[ "$status" = 125 ]
	[[ "$output" == *"already in use"* ]]
	# Of seventeen ids two begin alike.
	for i in $(seq 16); do
		ctl create "$bb" true >/dev/null
	done
	digit=$(ctl ps -aq | cut -c1 | sort | uniq -d | head -n 1)
	run ctl inspect "$digit"
	[ "$status" = 1 ]
	[[ "$output" == *"beginning of"*"more of it"* ]]
	ctl ps -aq -f status=created | xargs "$engine_bin/ctl" rm >/dev/null
	for bad in -x .x "a b" a/b ""; do
		run ctl run -d --name="$bad" "$bb" true
		[ "$status" = 125 ]
	done
	[ "$(ctl ps -aq | wc -l)" = 1 ]
}

@test "exec: its own exit code, stdin whole, user, directory, environment" {
	ctl run -d --name host "$bb" sleep 600
	run ctl exec host sh -c 'exit 9'
	[ "$status" = 9 ]
	run ctl exec host no-such
	[ "$status" = 127 ]
	run ctl exec host /etc
	[ "$status" = 126 ]
	sum=$(head -c 1500000 /dev/urandom | tee "$ENGINE_DIR/blob" | sha256sum)
	run bash -c "'$engine_bin/ctl' exec -i host sha256sum <'$ENGINE_DIR/blob'"
	[ "$output" = "$sum" ]
	run ctl exec -u 1000:100 -w /tmp -e X=y host sh -c 'id -u; id -g; pwd; echo $X'
	[ "${lines[*]}" = "1000 100 /tmp y" ]
	for n in cgroup ipc mnt net pid time user uts; do
		[ "$(ctl exec host readlink /proc/self/ns/$n)" = "$(ctl exec host readlink /proc/1/ns/$n)" ]
	done
	run ctl exec host sh -c 'cat /proc/self/cgroup; grep -E "CapEff|NoNewPrivs" /proc/self/status'
	[[ "$output" == *":/"* && "$output" != *".."* ]]
	[[ "$output" == *"NoNewPrivs:	1"* ]]
	run ctl exec -d host touch /tmp/detached
	[ "$status" = 0 ]
	wait_until 3 ctl exec host test -e /tmp/detached
	run ctl exec nobody-here true
	[ "$status" = 1 ]
	run ctl exec host sh -c 'kill -TERM $$'
	[ "$status" = 143 ]
}

# own_memory PID: the kB that belong to it alone; of a workload 0
own_memory()
{
	! grep -qzE '^(supervisor|shim|.*/ctl)$' "/proc/$1/cmdline" 2>/dev/null ||
		awk '/^(RssAnon|RssShmem):/ { n += $2 } END { print n }' "/proc/$1/status"
}

@test "exec and run: output that nobody reads waits in the pipe, and in nobody's memory" {
	id=$(ctl run -d "$bb" sleep 600)
	mkfifo "$ENGINE_DIR/unread"
	for words in "exec $id" "exec -t $id" "run --rm $bb"; do
		# shellcheck disable=SC2086
		"$engine_bin/ctl" $words sh -c 'head -c 100000000 /dev/zero | tr "\0" x; echo; echo end' >"$ENGINE_DIR/unread" 2>/dev/null </dev/null 3>&- &
		writer=$!
		exec 7<"$ENGINE_DIR/unread"
		sleep 2
		[ -d "/proc/$writer" ]
		most=$(for pid in $writer $(leaks_descendants "$ENGINE_PID"); do own_memory "$pid"; done | sort -n | tail -n 1)
		echo "$words: at most $most kB"
		[ "$most" -lt 8000 ]
		[ "$(tail -n 1 <&7 | tr -d '\r')" = end ]
		exec 7<&-
		wait $writer
	done
}

@test "exec: what it does not say is the container's" {
	ctl run -d --name made -u 1000:100 -e FROM=run -w /tmp --ulimit nofile=99:99 --umask 027 --cap-drop ALL \
		--security-opt no-new-privileges=false --oom-score-adj 300 "$bb" sleep 600
	run -0 ctl exec made sh -c 'id -u; id -g; pwd; echo $FROM; ulimit -n; umask; cat /proc/self/oom_score_adj'
	[ "${lines[*]}" = "1000 100 /tmp run 99 0027 300" ]
	run -0 ctl exec -u 0 made grep -E 'CapEff|NoNewPrivs' /proc/self/status
	[[ "$output" == *"CapEff:	0000000000000000"* ]]
	[[ "$output" == *"NoNewPrivs:	0"* ]]
	run -0 ctl exec -u 0 --privileged made grep CapEff /proc/self/status
	[[ "$output" == *000001ffffffffff* ]]
	# no_new_privs, as every container has it unless told otherwise
	ctl run -d --name plain "$bb" sleep 600
	run -0 ctl exec plain grep NoNewPrivs /proc/self/status
	[[ "$output" == *1 ]]
}

@test "logs: order, tail, time stamps, long lines, follow" {
	ctl run --name talk "$bb" sh -c 'for i in 1 2 3 4 5; do echo $i; done; head -c 40000 /dev/zero | tr "\\0" x; echo' >/dev/null
	run ctl logs talk
	[ "${lines[0]}" = 1 ]
	[ "${lines[4]}" = 5 ]
	[ "${#lines[5]}" = 40000 ]
	run ctl logs -n 2 talk
	[ "${#lines[@]}" = 2 ]
	[ "${lines[0]}" = 5 ]
	run ctl logs -t -n 6 talk
	[[ "${lines[0]}" =~ ^20[0-9-]+T[0-9:]+\.[0-9]{9}Z\ 1$ ]]
	ctl run -d --name slow "$bb" sh -c 'for i in 1 2 3; do echo $i; sleep 0.3; done'
	run timeout 60 "$engine_bin/ctl" logs -f slow
	[ "$status" = 0 ]
	[ "${lines[*]}" = "1 2 3" ]
	second=$(ctl logs -t slow | sed -n '2s/ .*//p')
	run ctl logs --since "$second" slow
	[ "${lines[*]}" = "2 3" ]
	run ctl logs --until "$second" slow
	[ "${lines[*]}" = "1 2" ]
}

@test "a log is bounded to three files of 10 MB" {
	ctl run --name loud "$bb" sh -c 'yes "$(head -c 1000 /dev/zero | tr "\\0" y)" | head -c 45000000' >/dev/null
	dir=$ENGINE_STATE/containers/$(ctl inspect --format '{{.Id}}' loud)/log
	[ "$(ls "$dir" | wc -l)" -le 3 ]
	[ "$(du -sb "$dir" | cut -f1)" -le 33000000 ]
}

bomb_hits()
{
	[ "$(ctl inspect --format '{{.State.PidsLimitHits}}' bomb)" -gt 0 ]
}

@test "a fork bomb under --pids-limit leaves host and engine responsive" {
	# One fork of the first process: a shell that can't fork ends, and with the first process everything would.
	ctl run -d --name bomb --pids-limit 20 "$bb" sh -c 'sh -c "b() { b | b & b; }; b" & exec sleep 600'
	wait_until 30 bomb_hits
	ctl ps >/dev/null
	[ "$(cat "$(cgroup_at pids)/$ENGINE_NAME/$(ctl inspect --format '{{.Id}}' bomb)/pids.current")" -le 20 ]
	ctl kill bomb
	ctl wait bomb
	[ "$(ctl inspect --format '{{.State.Running}}' bomb)" = false ]
}

@test "--rm removes, also after a failed start" {
	ctl run --rm --name gone "$bb" true
	run ctl inspect gone
	[ "$status" = 1 ]
	run ctl run --rm --name gone "$bb" /nope
	[ "$status" = 127 ]
	run ctl inspect gone
	[ "$status" = 1 ]
	run ctl run --name stays "$bb" /nope
	[ "$status" = 127 ]
	[ "$(ctl inspect --format '{{.State.Status}}' stays)" = created ]
}

@test "--rm: the end of a short life is heard by a ctl that is kept from running" {
	slow=(strace -qqo /dev/null -e inject=sendmsg:delay_exit=200000 "$engine_bin/ctl")
	run -7 "${slow[@]}" run --rm "$bb" sh -c 'exit 7'
	[ "$output" = "" ]
	id=$(ctl create --rm "$bb" sh -c 'exit 8')
	run -8 "${slow[@]}" start -a "$id"
	[ "$output" = "" ]
	run -127 "${slow[@]}" run --rm "$bb" /nope
	[ "$(ctl ps -aq)" = "" ]
}

# code_of CODE WORDS...: ctl WORDS ends with it, and says one line on stderr
code_of()
{
	local want=$1

	shift
	run "-$want" --separate-stderr ctl "$@"
	echo "$want: $*: $status: $stderr"
	[ "$status" = "$want" ] && [ "$(wc -l <<<"$stderr")" = 1 ]
}

@test "exit codes: what is not there, not running, in use, or no signal" {
	for verb in kill stop logs wait inspect rm; do
		code_of 1 $verb nobody
		[[ $stderr == *"no such container"*": nobody" ]]
	done
	code_of 1 exec nobody true
	[[ $stderr == *"no such container"*": nobody" ]]
	code_of 125 start
	code_of 125 run --rm "$bb-not-there" true
	code_of 125 create --frobnicate "$bb"
	code_of 126 run --rm "$bb" /etc
	code_of 126 run --rm "$bb" /etc/passwd
	code_of 127 run --rm "$bb" no-such
	code_of 0 rm -f nobody
	ctl run -d --name up "$bb" sleep 600
	code_of 127 exec up no-such
	code_of 126 exec up /etc
	code_of 1 rm up
	[[ $stderr == *"rm -f"* ]]
	code_of 1 rmi "$bb"
	for s in 0 SIGBAD "" 65 99999; do
		code_of 1 kill -s "$s" nobody
		[[ $stderr == *signal* && $stderr != *nobody* ]]
	done
	ctl kill up
	ctl wait up
	code_of 1 kill up
	BULKHEAD_SOCKET=/nonexistent/ctl.sock code_of 125 run "$bb" true
	[[ $stderr == *"start it with: supervisor"* ]]
}
