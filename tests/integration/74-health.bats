# SPDX-License-Identifier: MIT
#
# Health checks, the image's and the user's, and what is done about an unhealthy container.

bats_require_minimum_version 1.5.0

IMAGES="busybox health"
. "$BATS_TEST_DIRNAME/../lib/containers.sh"
. "$BATS_TEST_DIRNAME/../lib/policy.sh"

# What a test that failed has stopped or frozen goes on, or nothing could be taken down.
teardown()
{
	local pid state

	for pid in $(leaks_descendants "$ENGINE_PID"); do
		kill -CONT "$pid" 2>/dev/null || true
	done
	[ -z "${hung:-}" ] || kill "$hung" 2>/dev/null || true
	for state in "/sys/fs/cgroup/freezer/$ENGINE_NAME"{,/*}/freezer.state; do
		[ ! -e "$state" ] || echo THAWED >"$state"
	done
	engine_unchanged
}

# Until it has been well for once, it is not ill: a busy machine may come to the check before it comes to the workload.
patient=(--health-start-period 300s --health-start-interval 100ms)

# checked [FLAGS...]: a container that is well while there is a file /well
checked()
{
	ctl run -d --health-cmd 'test -e /well' --health-interval 200ms --health-retries 2 "${patient[@]}" "$@" "$bb" \
		sh -c 'touch /well; trap "exit 5" TERM; while :; do sleep 0.05; done'
}

health()
{
	[ "$(state "$1" State.Health.Status)" = "$2" ]
}

@test "a container is starting, healthy, unhealthy and healthy again; ps, filters and inspect say so" {
	# It is well when it is told to be, and starting as long.
	id=$(ctl run -d --name ill --health-cmd 'test -e /well' --health-interval 200ms --health-retries 2 "${patient[@]}" "$bb" sleep 1000)
	ctl run -d --name plain "$bb" sleep 1000
	[[ "$(ctl ps -f name=ill --format '{{.Status}}')" == "Up "*" (health: starting)" ]]
	[ "$(ctl ps -q --no-trunc -f health=starting)" = "$id" ]
	ctl exec ill touch /well
	wait_until 10 health ill healthy
	[[ "$(ctl ps -f name=ill --format '{{.Status}}')" == "Up "*" (healthy)" ]]
	[ "$(ctl ps -f health=none --format '{{.Names}}')" = plain ]
	[[ "$(ctl ps -f name=plain --format '{{.Status}}')" != *"("* ]]
	ctl exec ill rm /well
	wait_until 10 health ill unhealthy
	[[ "$(ctl ps -f health=unhealthy --format '{{.Names}} {{.Status}}')" == "ill Up "*" (unhealthy)" ]]
	[ "$(state ill State.Health.FailingStreak)" -ge 2 ]
	is ill State.Status running # none is the default
	ctl exec ill touch /well
	wait_until 10 health ill healthy
	[ "$(state ill State.Health.FailingStreak)" = 0 ]
	wait_until 5 eval '[ "$(ctl inspect ill | jq ".[0].State.Health.Log | length")" = 5 ]'
	ctl inspect ill | jq -e '.[0] | (.State.Health.Log | length == 5) and
		all(.State.Health.Log[]; .Start < .End) and .Config.Healthcheck.Test == ["CMD-SHELL", "test -e /well"] and
		.Config.Healthcheck.Interval == 200000000 and .Config.Healthcheck.Timeout == 30000000000 and
		.Config.Healthcheck.Retries == 2'
	ctl inspect plain | jq -e '.[0] | (.State | has("Health") | not) and (.Config | has("Healthcheck") | not)'
	for bad in health=ill health= ; do
		run -1 ctl ps -f "$bad"
	done
}

@test "in its start period failures do not count; without one they do" {
	ctl run -d --name slow --health-cmd false --health-interval 100ms --health-retries 1 --health-start-period 20s \
		--health-start-interval 100ms "$bb" sleep 1000
	wait_until 5 eval '[ "$(ctl inspect slow | jq ".[0].State.Health.Log | length")" = 5 ]'
	[ "$(state slow State.Health.Status State.Health.FailingStreak | xargs)" = "starting 0" ]
	wait_until 30 health slow unhealthy
}

# at_most_one CONTAINER SECONDS: such a sleep is there; what was killed with the last check may take a moment to end
at_most_one()
{
	[ "$(ctl exec "$1" ps | grep -c " sleep $2\$")" -le 1 ]
}

@test "what a check says is kept, bounded; one that hangs is killed and one at a time" {
	ctl run -d --name talks --health-cmd 'echo out; echo err >&2; exit 3' --health-interval 100ms "$bb" sleep 1000
	wait_until 5 eval '[ "$(ctl inspect talks | jq ".[0].State.Health.Log | length")" -ge 1 ]'
	ctl inspect talks | jq -e '.[0].State.Health.Log[0] | .ExitCode == 3 and .Output == "out\nerr\n"'
	ctl run -d --name loud --health-cmd 'yes | head -c 100000' --health-interval 100ms "$bb" sleep 1000
	wait_until 5 health loud healthy
	ctl inspect loud | jq -e '.[0].State.Health.Log[0].Output | length == 4099 and endswith("...")'
	ctl run -d --name hangs --health-cmd 'trap "" TERM; echo begun; sleep 299 & sleep 298' --health-interval 100ms \
		--health-timeout 3s --health-retries 3 "$bb" sleep 1000
	for i in $(seq 20); do
		wait_until 5 at_most_one hangs 298
	done
	wait_until 10 health hangs unhealthy
	ctl inspect hangs | jq -e '.[0].State.Health.Log[-1] | .ExitCode == -1 and
		(.Output | startswith("Health check exceeded timeout")) and (.Output | endswith("begun\n"))'
	ctl run -d --name lacks --health-cmd no-such --health-interval 100ms --health-retries 1 "$bb" sleep 1000
	wait_until 5 health lacks unhealthy
	ctl inspect lacks | jq -e '.[0].State.Health.Log[0] | .ExitCode == 127'
}

@test "the check is the container's: user, directory, variables, no streams of the host" {
	ctl run -d --name made -u 1000:100 -w /tmp -e FROM=run --health-interval 100ms \
		--health-cmd 'id -u; pwd; echo $FROM; cat | wc -c; (readlink /proc/1/ns/pid; readlink /proc/self/ns/pid) | uniq | wc -l' \
		"$bb" sleep 1000
	wait_until 5 health made healthy
	ctl inspect made | jq -e '.[0].State.Health.Log[0].Output == "1000\n/tmp\nrun\n0\n1\n"'
}

@test "who reads what a check says holds no capability of the host, and what it starts ends with it" {
	ctl run -d --name loud --health-interval 100ms --health-timeout 60s --health-cmd \
		'exec 3>&1; readlink /proc/$$/fd/3 >/pipe; sleep 293 >/dev/null 2>&1 & exec 3>&-; while [ ! -e /enough ]; do echo word; done' "$bb" sleep 1000
	wait_until 5 ctl exec loud test -s /pipe
	pipe=$(ctl exec loud cat /pipe)
	[[ $pipe == pipe:* ]]
	readers=0
	for fd in $(find /proc/[0-9]*/fd -lname "pipe:?${pipe//[^0-9]/}?" 2>/dev/null); do
		pid=${fd#/proc/}
		pid=${pid%%/*}
		[ "$(readlink "/proc/$pid/ns/user")" = "$(readlink /proc/self/ns/user)" ] || continue
		readers=$((readers + 1))
		[ "$(awk '/^Cap(Eff|Prm|Inh|Amb)/ { print $2 }' "/proc/$pid/status" | sort -u)" = 0000000000000000 ]
	done
	[ $readers = 1 ]
	[ "$(awk '/^CapEff/ { print $2 }' "/proc/$(supervisor_pid)/status")" = 0000000000000000 ]
	ctl exec loud touch /enough
	wait_until 5 health loud healthy
	ctl exec loud rm /enough # the next one hangs: one sleep is there at any time, and none of the last
	for i in 1 2 3 4 5; do
		ctl exec loud sh -c 'touch /enough; sleep 0.3; rm /enough'
		wait_until 5 at_most_one loud 293
	done
}

@test "an image's check is made; flags stand before it, and --no-healthcheck takes it away" {
	img=$REGISTRY/health
	ctl run -d --name own "$img"
	wait_until 5 health own unhealthy
	ctl exec own touch /well
	wait_until 5 health own healthy
	ctl inspect own | jq -e '.[0].Config.Healthcheck | .Test == ["CMD", "test", "-e", "/well"] and .Retries == 2'
	ctl inspect --type image "$img" | jq -e '.[0].Config.Healthcheck.Interval == 200000000'
	ctl run -d --name mixed --health-retries 7 --health-interval 150ms "$img"
	ctl inspect mixed | jq -e '.[0].Config.Healthcheck | .Test[0] == "CMD" and .Retries == 7 and .Interval == 150000000'
	ctl run -d --name other --health-cmd true "$img"
	wait_until 5 health other healthy
	ctl run -d --name none --no-healthcheck "$img"
	sleep 0.5
	ctl inspect none | jq -e '.[0] | .Config.Healthcheck.Test == ["NONE"] and (.State | has("Health") | not)'
	[ "$(ctl ps -f health=none --format '{{.Names}}')" = none ]
}

@test "--health-on-failure kill, stop and restart do that, once it is unhealthy" {
	checked --name kills --health-on-failure kill
	wait_until 5 health kills healthy
	ctl exec kills rm /well
	[ "$(ctl wait kills)" = 137 ]
	checked --name policy --health-on-failure kill --restart always
	wait_until 5 health policy healthy
	ctl exec policy rm /well
	wait_until 10 eval '[ "$(state policy RestartCount)" = 1 ]'
	wait_until 10 health policy healthy
	checked --name stops --health-on-failure stop --restart always
	wait_until 5 health stops healthy
	ctl exec stops rm /well
	[ "$(ctl wait stops)" = 5 ]
	sleep 0.5
	is stops State.Status exited
	checked --name again --health-on-failure restart
	pid=$(state again State.Pid)
	wait_until 5 health again healthy
	ctl exec again rm /well
	wait_until 10 eval '[ "$(state again State.Pid)" != '"$pid"' ] && is again State.Status running'
	[ "$(state again State.Health.Status State.Health.FailingStreak | xargs)" = "starting 0" ] || health again healthy
	wait_until 10 health again healthy
	ctl stop again
	sleep 0.5
	is again State.Status exited
}

@test "one that is ill since it shuts down has its time, whatever is done about those that are ill" {
	for action in kill stop restart; do
		ctl run -d --name "$action" --health-cmd 'test -e /well' --health-interval 100ms --health-retries 1 "${patient[@]}" \
			--health-on-failure "$action" --stop-timeout 1 "$bb" \
			sh -c 'touch /well; trap "rm /well; sleep 6; exit 7" TERM; while :; do sleep 0.05; done'
		wait_until 5 health "$action" healthy
	done
	for action in kill stop restart; do
		ctl stop -t 50 "$action" &
	done
	wait
	for action in kill stop restart; do
		is "$action" State.Health.Status unhealthy
		is "$action" State.ExitCode 7
	done
}

@test "what is done about those that are ill is done though the supervisor dies over it" {
	for action in stop restart; do
		ctl run -d --name "$action" --health-cmd 'test -e /well' --health-interval 200ms --health-retries 1 "${patient[@]}" \
			--health-on-failure "$action" --stop-timeout 20 "$bb" \
			sh -c 'touch /well; trap "" TERM; while :; do sleep 0.05; done'
		wait_until 5 health "$action" healthy
	done
	pid=$(state restart State.Pid)
	for action in stop restart; do
		ctl exec "$action" rm /well
	done
	for action in stop restart; do
		wait_until 5 health "$action" unhealthy
	done
	is stop State.Status running
	[ "$(state restart State.Pid)" = "$pid" ]
	kill -KILL "$(supervisor_pid)"
	wait_until 10 engine_answers
	wait_until 15 is stop State.Status exited
	wait_until 15 eval '[ "$(state restart State.Pid)" != '"$pid"' ] && health restart healthy'
	is stop State.Status exited
}

@test "flags of checks that can't be are refused before anything is made" {
	for bad in "--health-interval x" "--health-interval -1s" "--health-timeout 1us" "--health-retries -1" \
			"--health-retries x" "--health-on-failure die" "--no-healthcheck --health-cmd true" \
			"--no-healthcheck --health-interval 1s" "--rm --health-on-failure restart"; do
		# shellcheck disable=SC2086
		run -125 ctl run -d $bad "$bb" true
		[[ "$output" == *"--health"* || "$output" == *"--no-healthcheck"* ]]
	done
	[ -z "$(ctl ps -aq)" ]
}

@test "a paused container is not checked, and no check that stood still counts" {
	checked --name waits --health-timeout 3s --health-retries 1
	wait_until 5 health waits healthy
	ctl pause waits
	sleep 1 # a check that had ended before is told
	n=$(ctl inspect waits | jq -r '.[0].State.Health.Log[-1].Start')
	sleep 3.5
	pgrep -l -u "$(stat -c %u "/proc/$(shim_of waits)")" # shim and keeper: nobody stands at the door
	[ "$(pgrep -c -u "$(stat -c %u "/proc/$(shim_of waits)")")" = 2 ]
	[ "$(ctl inspect waits | jq -r '.[0].State.Health.Log[-1].Start')" = "$n" ]
	[[ "$(ctl ps --format '{{.Status}}')" == *"(Paused)" ]]
	ctl unpause waits
	wait_until 5 eval '[ "$(ctl inspect waits | jq -r ".[0].State.Health.Log[-1].Start")" != '"$n ]"
	health waits healthy
	# frozen in the middle of one
	ctl run -d --name middle --health-cmd 'sleep 0.4' --health-interval 50ms --health-timeout 3s --health-retries 1 "$bb" sleep 1000
	wait_until 5 health middle healthy
	for i in 1 2; do
		ctl pause middle
		sleep 3.5
		ctl unpause middle
		sleep 0.3
		health middle healthy
	done
}

@test "checks go on when supervisor, shim and engine die, and know what was" {
	checked --name ill --health-retries 1
	wait_until 5 health ill healthy
	ctl exec ill rm /well
	wait_until 5 health ill unhealthy
	kill -KILL "$(supervisor_pid)"
	wait_until 10 engine_answers
	health ill unhealthy
	ctl exec ill touch /well
	wait_until 10 health ill healthy
	kill -KILL "$(shim_of ill)"
	wait_until 5 ctl exec ill rm -f /well
	wait_until 10 health ill unhealthy
	# one that a dead shim has taken along says nothing, and the next one comes at once
	ctl run -d --name long --health-cmd 'sleep 1' --health-interval 50ms --health-retries 1 "$bb" sleep 1000
	wait_until 5 health long healthy
	wait_until 5 ctl exec long sh -c 'ps | grep -q "[s]leep 1$"'
	kill -KILL "$(shim_of long)"
	n=$(ctl inspect long | jq -r '.[0].State.Health.Log[-1].Start')
	wait_until 10 eval '[ "$(ctl inspect long | jq -r ".[0].State.Health.Log[-1].Start")" != '"$n ]"
	ctl inspect long | jq -e 'all(.[0].State.Health.Log[]; .ExitCode == 0)'
	# one that hangs when the supervisor dies is ended by the shim
	ctl run -d --name hangs --health-cmd 'sleep 297' --health-interval 50ms --health-timeout 2s "$bb" sleep 1000
	wait_until 5 ctl exec hangs sh -c 'ps | grep -q "[s]leep 297"'
	kill -KILL "$(supervisor_pid)"
	wait_until 10 engine_answers
	for i in $(seq 20); do
		[ "$(ctl exec hangs ps | grep -c '[s]leep 297')" -le 2 ]
	done
	ctl stop -t 0 hangs
}
