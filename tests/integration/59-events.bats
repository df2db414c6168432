# SPDX-License-Identifier: MIT
#
# Events: what happens is told, in order, once, to who may see it; and kept for who asks later.

bats_require_minimum_version 1.5.0

IMAGES="busybox zstd"
. "$BATS_TEST_DIRNAME/../lib/containers.sh"

setup()
{
	bb=$REGISTRY/busybox
	zstd=$REGISTRY/zstd
	out=$BATS_TEST_TMPDIR/events
	follower=
}

teardown()
{
	if [ -n "$follower" ]; then
		kill "$follower" 2>/dev/null || true
		wait "$follower" || true
	fi
	engine_unchanged
}

# follow FLAGS...: events into $out, from now on.
follow()
{
	timeout 300 "$engine_bin/ctl" events "$@" >"$out" 3>&- &
	follower=$!
	# It follows once something of its own has come through.
	ctl create --name mark "$bb" true
	until_seen() { ctl rm mark && ctl create --name mark "$bb" true && grep -q mark "$out"; }
	wait_until 60 until_seen
	ctl rm mark
}

# actions NAME: of a container, in order, on one line.
actions()
{
	ctl events --since "$start" --until 0s --filter "container=$1" --format '{{.Action}}' | tr '\n' ' '
}

@test "a look from outside is told by docker's words, and not as an exec" {
	start=$(date +%s.%N)
	ctl run -d --name seen "$bb" sleep 600
	look()
	{
		ctl export seen >/dev/null
		ctl cp seen:/etc/passwd - >/dev/null
		ctl cp /etc/hosts seen:/new
	}
	ctl top seen
	look
	ctl stop -t 0 seen
	look
	run ! ctl cp seen:/nothing -
	told() { [ "$(actions seen)" = "create start top export archive-path extract-to-dir kill die stop export archive-path extract-to-dir " ]; }
	wait_until 20 told
	ctl rm seen
}

@test "a life is told from create to destroy, with how it ended" {
	start=$(date +%s.%N)
	ctl run --name life "$bb" sh -c 'exit 7' || true
	[ "$(actions life)" = "create start die " ]
	[ "$(ctl events --since "$start" --until 0s --filter event=die --format '{{.Actor.Attributes.exitCode}} {{.Actor.Attributes.name}}')" = "7 life" ]
	ctl rm life
	[ "$(actions life)" = "create start die destroy " ]
	ctl run -d --name stopped "$bb" sleep 600
	ctl exec stopped sh -c 'exit 3' || true
	ctl pause stopped
	ctl unpause stopped
	ctl update --pids-limit 9 stopped
	ctl stop -t 0 stopped
	ended() { [[ "$(actions stopped)" == *" exec_die "* ]]; }
	wait_until 60 ended
	[ "$(actions stopped)" = "create start exec_start exec_die pause unpause update kill die stop " ]
	[ "$(ctl events --since "$start" --until 0s --filter event=exec_die --format '{{.Actor.Attributes.exitCode}}')" = 3 ]
	[ "$(ctl events --since "$start" --until 0s --filter event=exec_start --format '{{.Actor.Attributes.execID}}')" = \
		"$(ctl events --since "$start" --until 0s --filter event=exec_die --format '{{.Actor.Attributes.execID}}')" ]
	ctl restart -t 0 stopped
	[[ "$(actions stopped)" == *" stop start restart " ]]
	ctl restart -t 1 stopped
	[[ "$(actions stopped)" == *" restart kill kill die stop start restart " ]]
	ctl kill -s USR1 stopped
	[ "$(ctl events --since "$start" --until 0s --filter event=kill --format '{{.Actor.Attributes.signal}}' | tr '\n' ' ')" = "9 15 9 10 " ]
	ctl rm -f stopped
	[[ "$(actions stopped)" == *" restart kill kill die stop destroy " ]]
	ctl run --rm --name brief "$bb" true
	gone() { [[ "$(actions brief)" == *destroy* ]]; }
	wait_until 60 gone
	[ "$(actions brief)" = "create start die destroy " ]
}

@test "out of memory is told before the end" {
	start=$(date +%s.%N)
	# It begins once its start has been told: that comes from another process than the word of its memory.
	ctl run -d --name hog -m 32m --memory-swap 32m "$bb" sh -c 'until [ -e /go ]; do sleep 0.1; done; exec tail /dev/zero'
	ctl exec hog touch /go
	[ "$(ctl wait hog)" = 137 ]
	[ "$(actions hog | sed 's/exec_[a-z]* //g')" = "create start oom die " ]
	ctl rm hog
}

@test "who follows sees what comes, line by line, filtered" {
	follow --format json
	ctl run --name seen -l colour=blue "$bb" true
	three() { [ "$(grep -c '"name":"seen"' "$out")" = 3 ]; }
	wait_until 60 three
	jq -es 'map(select(.Actor.Attributes.name == "seen")) | [.[].Action] == ["create", "start", "die"] and
		all(.Type == "container" and .Actor.Attributes.colour == "blue" and .timeNano > 0 and (.time == (.timeNano / 1000000000 | floor)))' "$out"
	ctl rm seen
}

@test "an image is pulled, untagged and deleted; one that is there already is not pulled" {
	start=$(date +%s.%N)
	ctl pull -q "$zstd"
	ctl run --rm "$zstd" true
	ctl pull -q "$zstd"
	id=$(ctl inspect --format '{{.Id}}' "$zstd")
	ctl rmi "$zstd"
	list() { ctl events --since "$start" --until 0s --filter type=image --format '{{.Action}} {{.Actor.ID}}' "$@"; }
	[ "$(list)" = "pull $zstd:latest
pull $zstd:latest
untag $zstd:latest
delete $id" ]
	[ "$(list --filter image="$zstd" | wc -l)" = 3 ]
	[ "$(list --filter container="${zstd:0:3}")" = "" ]
	[ "$(ctl events --since "$start" --until 0s --filter image="$zstd" --filter type=container --format '{{.Action}}' | head -n 1)" = create ]
	ctl events --since "$start" --until 0s --filter event=pull | grep -E "^[^ ]+ image pull $zstd:latest \(name=$zstd:latest\)$"
	ctl events --since "$start" --until 0s --filter event=delete --format json |
		jq -e --arg id "$id" '.Type == "image" and .id == $id and (has("from") | not) and (.Actor.Attributes | has("image") | not)'
}

@test "a template has docker's names of fields, and what an event lacks does not end the list" {
	start=$(date +%s.%N)
	ctl pull -q "$zstd"
	ctl run --name named "$bb" true
	id=$(ctl inspect --format '{{.Id}}' named)
	list() { ctl events --since "$start" --until 0s --format "$@"; }
	[ "$(list 'Type={{.Type}} Status={{.Status}} ID={{.ID}} From={{.From}} {{.Scope}} {{.Actor.Attributes.exitCode}}')" = \
		"Type=image Status=pull ID=$zstd:latest From= local <no value>
Type=container Status=create ID=$id From=$bb local <no value>
Type=container Status=start ID=$id From=$bb local <no value>
Type=container Status=die ID=$id From=$bb local 0" ]
	read -r seconds nano <<<"$(list '{{.Time}} {{.TimeNano}}' --filter event=die)"
	[ "$seconds" = "$((nano / 1000000000))" ]
	ctl rm named
	ctl rmi "$zstd"
}

@test "filters: of one key any, of several all; bad ones are errors" {
	start=$(date +%s.%N)
	ctl create --name one -l x=1 "$bb" true
	ctl create --name two -l x=2 -l y "$bb" true
	list() { ctl events --since "$start" --until 0s --format '{{.Actor.Attributes.name}}' "$@" | sort | tr '\n' ' '; }
	[ "$(list)" = "one two " ]
	[ "$(list --filter container=one --filter container=two)" = "one two " ]
	[ "$(list --filter label=x=1)" = "one " ]
	[ "$(list --filter label=x --filter label=y)" = "two " ]
	[ "$(list --filter image="$bb")" = "one two " ]
	[ "$(list --filter image=other)" = "" ]
	[ "$(list --filter type=image)" = "" ]
	[ "$(list --filter event=create --filter container=one)" = "one " ]
	run ctl events --filter colour=x
	[ "$status" = 1 ]
	run ctl events --since never
	[ "$status" = 1 ]
	ctl rm one two
}

@test "what was is told first, and who waits until a time ends then" {
	start=$(date +%s.%N)
	for i in $(seq 8); do
		ctl create --name "n$i" "$bb" true
		ctl rm "n$i"
	done
	[ "$(ctl events --since "$start" --until 0s --format '{{.Action}}' | wc -l)" = 16 ]
	run timeout 120 "$engine_bin/ctl" events --until "$(($(date +%s) + 2))" --filter container=n8 --format '{{.Action}}'
	[ "$status" = 0 ]
	[ "$(tail -n 2 <<<"$output" | tr '\n' ' ')" = "create destroy " ]
}
