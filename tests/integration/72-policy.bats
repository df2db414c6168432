# SPDX-License-Identifier: MIT
#
# What becomes of containers: restart policies, pauses.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/containers.sh"
. "$BATS_TEST_DIRNAME/../lib/policy.sh"

@test "on-failure:2 runs three times in all, with growing pauses, and keeps the last code" {
	id=$(ctl run -d --restart on-failure:2 "$bb" sh -c "$(runs 3)")
	wait_until 10 is "$id" State.Status exited
	[ "$(state "$id" RestartCount State.ExitCode State.Restarting HostConfig.RestartPolicy.Name \
		HostConfig.RestartPolicy.MaximumRetryCount | xargs)" = "2 3 false on-failure 2" ]
	[ "$(ctl logs "$id" | xargs)" = "run 1 run 2 run 3" ]
	# 100 ms, then 200
	ctl logs -t "$id" | awk '{ print $1 }' | xargs -n 1 date +%s%3N -d >"$ENGINE_DIR/times"
	mapfile -t t <"$ENGINE_DIR/times"
	[ $((t[1] - t[0])) -ge 100 ] && [ $((t[2] - t[1])) -ge 200 ]
}

@test "on-failure leaves a container alone that ends well; no is the default" {
	id=$(ctl run -d --restart on-failure "$bb" sh -c "$(runs 0)")
	no=$(ctl run -d --restart no "$bb" sh -c "$(runs 1)")
	plain=$(ctl run -d "$bb" sh -c "$(runs 1)")
	for c in "$id" "$no" "$plain"; do
		wait_until 10 is "$c" State.Status exited
	done
	sleep 0.5
	for c in "$id" "$no" "$plain"; do
		[ "$(state "$c" State.Status RestartCount | xargs)" = "exited 0" ]
		[ "$(ctl logs "$c")" = "run 1" ]
	done
}

@test "policies that are none, and with --rm, are refused before anything is made" {
	for bad in never on-failure:x on-failure:-1 always:3 no:1 unless-stopped:1 "" ALWAYS; do
		run -125 ctl run -d --restart "$bad" "$bb" true
		echo "$output"
		[[ "$output" == *"--restart"* ]]
	done
	run -125 ctl run -d --rm --restart always "$bb" true
	[[ "$output" == *"--restart and --rm exclude each other"* ]]
	[ -z "$(ctl ps -aq)" ]
	ctl run --rm --restart no "$bb" true
}

@test "between two runs it is restarting: ps, filters, exec, rm and wait say so" {
	id=$(ctl run -d --name waits --restart always "$bb" sh -c "$(runs 4)")
	# seven pauses in, one is long enough to look at
	wait_until 20 eval "[ \$(ctl logs waits | wc -l) -ge 7 ]"
	wait_until 5 is waits State.Status restarting
	run ctl ps --format '{{.Status}}'
	[[ "$output" == "Restarting (4) "*" ago" ]]
	[ "$(ctl ps -q --no-trunc -f status=restarting)" = "$id" ]
	[ -z "$(ctl ps -q -f status=running)" ]
	[ "$(state waits State.Running State.Restarting State.Pid | xargs)" = "true true 0" ]
	run -1 ctl exec waits true
	[[ "$output" == *"is restarting"* ]]
	run -1 ctl rm waits
	[[ "$output" == *"is restarting; stop it first"* ]]
	run -1 ctl kill -s USR1 waits
	[ "$(ctl wait waits)" = 4 ] # the end of the next run, as docker has it
	ctl rm -f waits
}

# once_more NAME N: it ends, and is restarted for the Nth time
once_more()
{
	wait_until 5 ctl exec "$1" touch /go && wait_until 10 eval "[ \$(state $1 RestartCount) -ge $2 ]"
}

@test "stop and kill end the policy, start and restart begin anew" {
	ctl run -d --name ends --restart always "$bb" \
		sh -c "trap 'exit 5' TERM; while [ ! -e /go ]; do sleep 0.05; done; rm /go; exit 5"
	once_more ends 1
	once_more ends 2
	ctl stop ends
	[ "$(state ends State.Status)" = exited ]
	sleep 0.7
	[ "$(state ends State.Status)" = exited ]
	ctl start ends
	[ "$(state ends RestartCount)" = 0 ]
	once_more ends 1
	ctl restart -t 1 ends
	[ "$(state ends RestartCount)" = 0 ]
	once_more ends 1
	wait_until 5 ctl exec ends true
	ctl kill ends
	ctl wait ends
	sleep 0.7
	[ "$(state ends State.Status)" = exited ]
}

@test "a container of --rm is restarted with its files, and goes away at its own end or by rm -f" {
	id=$(ctl run -d --rm --name brief "$bb" sh -c 'echo run >>/runs; while [ ! -e /go ]; do sleep 0.05; done')
	for how in "-t 0" "-t 1"; do
		# shellcheck disable=SC2086
		ctl restart $how brief
	done
	wait_until 5 eval '[ "$(ctl exec brief wc -l /runs)" = "3 /runs" ]'
	[ "$(ctl inspect --format '{{.Id}}' brief)" = "$id" ]
	ctl exec brief touch /go
	wait_until 10 eval '! ctl inspect brief'
	ctl run -d --rm --name brief "$bb" sleep 600
	ctl restart -t 0 brief
	ctl rm -f brief
	ctl run -d --rm --name brief "$bb" sleep 600
	ctl restart -t 0 brief
	ctl stop -t 0 brief
	wait_until 10 eval '! ctl inspect brief'
	# Who started it in the foreground goes on with it.
	ctl run --rm --name brief "$bb" sh -c 'while [ ! -e /go ]; do sleep 0.05; done; exit 7' 3>&- &
	wait_until 10 ctl exec brief true
	ctl restart -t 0 brief
	wait_until 10 ctl exec brief touch /go
	status=0
	wait $! || status=$?
	[ "$status" = 7 ]
	run ! ctl inspect brief
}

# The run after which there are three seconds of pause, or where all is slow twelve.
long=$((${TEST_PATIENCE:-1} > 1 ? 7 : 5))

# paused_long NAME: a container that is between two runs, for half of that at least
paused_long()
{
	ctl run -d --name "$1" --restart always "$bb" sh -c "$(runs 1)" >/dev/null
	wait_until 20 eval "[ \$(state $1 RestartCount) -ge $long ]" && wait_until 20 is "$1" State.Status restarting
}

@test "stop, kill, start and rm -f of a container that waits for its next run" {
	for verb in stop "kill -s TERM" kill; do
		paused_long pauses
		ctl $verb pauses
		[ "$(state pauses State.Status)" = exited ]
		[ "$(ctl wait pauses)" = 1 ]
		sleep $((long > 5 ? 13 : 4))
		is pauses State.Status exited
		ctl rm pauses
	done
	paused_long pauses
	n=$(ctl logs pauses | wc -l)
	ctl start pauses
	wait_until 1 eval '[ "$(ctl logs pauses | wc -l)" -gt '"$n ]"
	count=$(state pauses RestartCount)
	[ "$count" -le $(($(ctl logs pauses | wc -l) - n)) ] # it began anew: no more than it has run since
	ctl rm -f pauses
	run -1 ctl inspect pauses
}

@test "a signal that is a word and no end leaves the policy in force" {
	ctl run -d --name hears --restart always "$bb" \
		sh -c "trap 'echo hup' HUP; echo run; while [ ! -e /go ]; do sleep 0.1; done; exit 0"
	wait_until 5 eval 'ctl logs hears | grep run'
	ctl kill -s HUP hears
	wait_until 5 eval 'ctl logs hears | grep hup'
	ctl exec hears touch /go || true # the container may end first, and take it along
	wait_until 5 eval '[ "$(ctl logs hears | grep -c run)" -ge 2 ]'
	ctl logs hears | grep hup
}

@test "an attached run follows all runs and ends with the last code" {
	run --separate-stderr ctl run --restart on-failure:2 "$bb" sh -c "$(runs 6); " </dev/null
	[ "$status" = 6 ]
	[ "${lines[*]}" = "run 1 run 2 run 3" ]
	echo one two | "$engine_bin/ctl" run -i --name reads --restart on-failure:1 "$bb" \
		sh -c 'cat; exit 9' >"$ENGINE_DIR/read" || [ $? = 9 ]
	[ "$(cat "$ENGINE_DIR/read")" = "one two" ]
	ctl create --name later --restart on-failure:1 "$bb" sh -c "$(runs 7)"
	run -7 ctl start -a later
	[ "$(xargs <<<"$output")" = "run 1 run 2" ]
	# and logs -f
	ctl run -d --name told --restart on-failure:2 "$bb" sh -c "$(runs 8 0.2)"
	run -0 ctl logs -f told
	[ "${lines[*]}" = "run 1 run 2 run 3" ]
}

@test "an attached ctl that is gone takes nothing along, and its streams are let go" {
	sup=$(supervisor_pid)
	pipes=$(ls -l "/proc/$sup/fd" | grep -c pipe:)
	"$engine_bin/ctl" run --name orphan --restart always "$bb" sh -c "$(runs 1 0.2)" >/dev/null 3>&- &
	pid=$!
	wait_until 10 eval '[ "$(state orphan RestartCount)" -ge 1 ]'
	kill -KILL $pid
	before=$(state orphan RestartCount)
	wait_until 10 eval '[ "$(state orphan RestartCount)" -gt $((before + 1)) ]'
	wait_until 5 eval "[ \$(ls -l /proc/$sup/fd | grep -c pipe:) -le $pipes ]"
}

@test "ports, address and name are there again for the next run" {
	ctl run -d --name serves --restart always -p 18765:80 --ip "$(bridge_ip 77)" "$bb" \
		sh -c 'httpd -p 80 -h /var/www; sleep 0.5; exit 1'
	wait_until 10 eval '[ "$(state serves RestartCount)" -ge 2 ]'
	wait_until 5 eval '[ "$(curl -fs --max-time 5 http://127.0.0.1:18765/)" = "hello from a container" ]'
	run -125 ctl run -d --name serves "$bb" true
	ctl stop -t 0 serves
	ctl run -d --name takes -p 18765:80 "$bb" sleep 1000
}

bridge_ip()
{
	ctl info | sed -nE 's/.*Subnets: ?([0-9]+\.[0-9]+)\..*/\1/p' | head -n 1 | sed "s/\$/.7.$1/"
}

# ---- pause ----

@test "pause and unpause: all of it stands still, and goes on where it was" {
	id=$(counter --name waits)
	counter --name other >/dev/null
	moves waits
	[ "$(ctl pause waits)" = waits ]
	stands_still waits
	moves other
	[ "$(state waits State.Status State.Paused State.Running | xargs)" = "paused true true" ]
	[ "$(state waits State.Pid)" -gt 1 ]
	run ctl ps --format '{{.Names}} {{.Status}}'
	[[ "${lines[0]}" == "other Up "* && "${lines[0]}" != *Paused* ]]
	[[ "${lines[1]}" == "waits Up "*" (Paused)" ]]
	[ "$(ctl ps -q --no-trunc -f status=paused)" = "$id" ]
	[[ "$(ctl ps -f status=running --format '{{.Names}}')" == other ]]
	[ "$(ctl info | sed -nE 's/^ *Paused: ?//p')" = 1 ]
	[ "$(ctl unpause waits)" = waits ]
	moves waits
	ctl logs waits >"$ENGINE_DIR/counted"
	cmp "$ENGINE_DIR/counted" <(seq 0 $(($(wc -l <"$ENGINE_DIR/counted") - 1)))
	[ "$(state waits State.Status State.Paused | xargs)" = "running false" ]
}

@test "what can't be done with a paused container, or to one that is none, is refused in one line" {
	counter --name waits >/dev/null
	run -1 --separate-stderr ctl unpause waits
	[ "$stderr" = "ctl: unpause: container waits is not paused" ]
	ctl pause waits
	run -1 --separate-stderr ctl pause waits
	[ "$stderr" = "ctl: pause: container waits is already paused" ]
	for verb in exec attach; do
		run -1 --separate-stderr ctl $verb waits $([ $verb = attach ] || echo true) </dev/null
		[ "$stderr" = "ctl: $verb: container waits is paused; unpause it first" ]
	done
	run -125 --separate-stderr ctl start waits
	[[ "$stderr" == *"is paused; unpause it" ]]
	run -1 ctl rm waits
	stands_still waits
	run -1 ctl pause nobody
	[[ "$output" == *"no such container: nobody"* ]]
	ctl create --name made "$bb" true
	run -1 ctl pause made
	[[ "$output" == *"container made is not running"* ]]
	run -1 --separate-stderr ctl pause made other
	[ "${#stderr_lines[@]}" = 2 ]
}

@test "a paused container is stopped, killed, restarted and removed as any other" {
	trapped='trap "exit 5" TERM; touch /ready; while :; do sleep 0.05; done'
	ctl run -d --name waits "$bb" sh -c "$trapped"
	ctl exec -d waits sleep 300
	wait_until 5 ctl exec waits test -e /ready
	ctl pause waits
	ctl stop waits
	[ "$(ctl wait waits)" = 5 ]
	ctl start waits
	ctl pause waits
	ctl kill waits
	[ "$(ctl wait waits)" = 137 ]
	ctl start waits
	ctl pause waits
	ctl restart -t 0 waits
	[ "$(state waits State.Status)" = running ]
	ctl pause waits
	# a word waits until it moves again
	ctl kill -s USR1 waits
	is waits State.Status paused
	ctl rm -f waits
	run -1 ctl inspect waits
}

# shows CONTAINER STATUS: by ps, which asks nobody
shows()
{
	ctl ps -a -f "name=$1" -f "status=$2" --format '{{.Names}}' | grep -qx "$1"
}

@test "a pause outlives cgroupd and the supervisor, and is what the kernel says" {
	id=$(counter --name waits)
	moves waits
	ctl pause waits
	for who in "$(helper_pid cgroupd)" "$(supervisor_pid)"; do
		kill -KILL "$who"
		wait_until 10 engine_answers
		wait_until 10 eval '[ "$(ctl info | grep -c down)" = 0 ]'
		shows waits paused
		stands_still waits
		run -1 ctl pause waits
		[[ "$output" == *"already paused"* ]]
	done
	ctl unpause waits
	moves waits
	# changed behind the supervisor's back, while there is none to see it
	ctl pause waits
	freezer THAWED "$id"
	kill -KILL "$(supervisor_pid)"
	wait_until 10 engine_answers
	wait_until 10 shows waits running
	ctl pause waits
	ctl stop -t 0 waits
	[ "$(ctl wait waits)" = 137 ]
}

# freezer WORD CONTAINER: as root may do by hand
freezer()
{
	local dir

	dir=$(find /sys/fs/cgroup -path "*/$ENGINE_NAME/$2" -type d | grep -m 1 freezer ||
		find /sys/fs/cgroup -path "*/$ENGINE_NAME/$2" -type d)
	if [ -e "$dir/freezer.state" ]; then
		echo "$1" >"$dir/freezer.state"
	else
		case $1 in FROZEN) echo 1 ;; *) echo 0 ;; esac >"$dir/cgroup.freeze"
	fi
}

@test "the shim of a paused container dies, then its keeper as well: it is not left standing there" {
	id=$(counter --name waits)
	pid=$(state waits State.Pid)
	ctl pause waits
	shim=$(shim_of waits)
	kill -KILL "$shim"
	wait_until 5 eval "[ -n \"\$(shim_of waits)\" ] && [ \"\$(shim_of waits)\" != $shim ]"
	stands_still waits
	is waits State.Status paused
	wait_until 5 ctl unpause waits
	moves waits
	ctl pause waits
	shim=$(shim_of waits)
	kill -KILL $(ps -o pid=,args= --ppid "$shim" | awk '$2 == "shim:" { print $1 }') "$shim"
	[ "$(ctl wait waits)" = 255 ]
	wait_until 5 engine_gone "$pid"
}

# ---- engines that go away: each in a subshell, with an engine of its own ----

# All processes with uids of the engine's block, or below its launcher.
everybody()
{
	leaks_descendants "$ENGINE_PID"
	awk -v from="${uids%-*}" -v to="${uids#*-}" \
		'/^Uid:/ && $2 >= from && $2 <= to { split(FILENAME, p, "/"); print p[3] }' \
		/proc/[0-9]*/status 2>/dev/null || true
}

# What a power cut does: no process, run directory, link, rule and cgroup is left; the state is.
power_cut()
{
	local uids all d

	uids=$(ctl info | sed -nE 's/^ *UidRange: ?//p')
	[[ $uids == *-* ]]
	kill -KILL "$ENGINE_PID"
	while all=$(everybody | sort -u | while read -r p; do [ ! -d "/proc/$p" ] || echo "$p"; done) && [ -n "$all" ]; do
		# shellcheck disable=SC2086
		kill -KILL $all 2>/dev/null || true
		sleep 0.05
	done
	wait "$ENGINE_PID" 2>/dev/null || true
	rm -rf "$ENGINE_RUN"
	ip link del "${ENGINE_NAME}0" 2>/dev/null || true
	nft list tables | grep -w "$ENGINE_NAME" | while read -r _ family table; do
		nft delete table "$family" "$table"
	done
	for d in $(find /sys/fs/cgroup -depth -path "*/$ENGINE_NAME*" -type d); do
		rmdir "$d" || true
	done
}

boots()
{
	local again

	for again in power_cut power_cut engine_halt; do
		echo "by $again"
		ctl run -d --name runs --restart always "$bb" sh -c 'echo run >>/runs; sleep 300' >/dev/null
		ctl run -d --name runs2 --restart unless-stopped -p 18766:80 "$bb" httpd -f -p 80 -h /var/www >/dev/null
		ctl run -d --name stopped --restart always "$bb" sleep 300 >/dev/null
		ctl run -d --name stopped2 --restart unless-stopped "$bb" sleep 300 >/dev/null
		ctl stop -t 0 stopped stopped2 >/dev/null
		ctl run -d --name fails --restart on-failure "$bb" sleep 300 >/dev/null
		ctl run -d --name plain "$bb" sh -c 'echo kept >/file; sleep 300' >/dev/null
		ctl run -d --name ended --restart always "$bb" sh -c "$(runs 1)" >/dev/null
		wait_until 20 eval '[ "$(state ended RestartCount)" -ge 5 ]'
		ctl run -d --name binds --restart always -v /etc:/mnt:ro "$bb" sleep 300 >/dev/null
		ctl create --name made --restart always "$bb" sleep 300 >/dev/null
		runs=$(ctl logs ended | wc -l)
		$again
		engine_launch
		for c in runs runs2 stopped; do
			wait_until 10 is $c State.Status running || { echo "$c: $(state $c State.Status State.Error)"; false; }
		done
		wait_until 5 eval '[ "$(ctl exec runs cat /runs | wc -l)" = 2 ]'
		wait_until 10 eval '[ "$(curl -fs --max-time 5 http://127.0.0.1:18766/)" = "hello from a container" ]'
		is stopped2 State.Status exited
		is plain State.Status exited
		is made State.Status created
		is binds State.Status exited
		[[ "$(state binds State.Error)" == *"bind mounts or devices are from before"* ]]
		wait_until 20 eval "[ \$(ctl logs ended | wc -l) -gt $runs ]"
		if [ $again = power_cut ]; then
			wait_until 10 is fails State.Status running # how it ended is not known
		else
			is fails State.Status exited
		fi
		ctl start plain >/dev/null
		[ "$(ctl exec plain cat /file)" = kept ]
		# somebody starts it: after the next start it is no longer stopped
		ctl start stopped2 >/dev/null
		ctl rm -f $(ctl ps -aq) >/dev/null
	done
}

@test "an engine that starts: always and unless-stopped run again, stopped ones as docker has it" {
	own_engine boots
}

# The supervisor process alone, and the launcher alone: what was under way goes on.
successors()
{
	local who

	for who in supervisor launcher; do
		echo "by the $who's death"
		ctl run -d --name counts --restart on-failure:7 "$bb" sh -c "$(runs 1)" >/dev/null
		ctl run -d --name stopped2 --restart unless-stopped "$bb" sleep 300 >/dev/null
		ctl run -d --name stopped --restart always "$bb" sleep 300 >/dev/null
		ctl run -d --name stays --restart always "$bb" sleep 300 >/dev/null
		pid=$(state stays State.Pid)
		ctl stop -t 0 stopped stopped2 >/dev/null
		for n in 2 5; do
			wait_until 20 eval "[ \$(state counts RestartCount) -ge $n ]"
			if [ $who = supervisor ]; then
				kill -KILL "$(supervisor_pid)"
				wait_until 10 engine_answers
			else
				all=$(family)
				kill -KILL "$ENGINE_PID"
				wait_until 10 engine_gone $all
				engine_launch
			fi
		done
		wait_until 30 is counts State.Status exited
		[ "$(state counts RestartCount)" = 7 ]
		# a start that its end was not told of may have been undone: it counts as one, at each death
		[ "$(ctl logs counts | wc -l)" -ge 7 ] && [ "$(ctl logs counts | wc -l)" -le 9 ]
		[ "$(state stays State.Status State.Pid | xargs)" = "running $pid" ]
		is stopped2 State.Status exited
		if [ $who = supervisor ]; then
			is stopped State.Status exited
		else
			wait_until 5 is stopped State.Status running
		fi
		kill -KILL "$pid"
		wait_until 5 eval '[ "$(state stays RestartCount)" = 1 ]'
		ctl rm -f $(ctl ps -aq) >/dev/null
	done
}

family()
{
	echo "$ENGINE_PID"
	ps -o pid=,args= --ppid "$ENGINE_PID" | awk '$2 != "shim" && $2 != "shim:" { print $1 }'
}

@test "a supervisor and a launcher killed between two runs: counts, pauses and stops are known" {
	own_engine successors
}
