# SPDX-License-Identifier: MIT
#
# ctl itself: terminals, signals, streams, and what it is while a container talks to it.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/containers.sh"

setup()
{
	bb=$REGISTRY/busybox
	terminal=$BATS_TEST_DIRNAME/../lib/terminal.py
}

@test "a terminal follows the caller's size, and its mode comes back" {
	# The new size comes by another way than what is typed: it is asked for until it is there. The pattern is not its own echo.
	run -0 "$terminal" 'wait:# type:stty\ssize\r wait:24\s80' \
		"size:50x120 type:until\\sstty\\ssize|grep\\s'^5[0]\\s120';do\\ssleep\\s0.1;done\\r wait:50\\s120" \
		'type:exit\s5\r' -- "$engine_bin/ctl" run --rm -it "$bb" sh
	[[ "${lines[-1]}" == "exit=5 restored=yes" ]]
}

@test "ctrl-p ctrl-q detaches with 0 and prints nothing; attach and exec join" {
	run -0 "$terminal" 'wait:# type:\x10\x11' -- "$engine_bin/ctl" run -it --name kept "$bb" sh
	[[ "${lines[-1]}" == "exit=0 restored=yes" ]]
	[[ "$output" != *ctl:* ]]
	[ "$(ctl inspect -f '{{.State.Status}}' kept)" = running ]
	run -0 "$terminal" 'type:echo\sa$((20+3))\r wait:a23 type:\x01z' -- \
		"$engine_bin/ctl" attach --detach-keys ctrl-a,z kept
	[[ "${lines[-1]}" == "exit=0 restored=yes" ]]
	run -0 "$terminal" 'wait:# type:exit\s3\r' -- "$engine_bin/ctl" exec -it kept sh
	[[ "${lines[-1]}" == "exit=3 restored=yes" ]]
	run -0 "$terminal" 'type:exit\s9\r' -- "$engine_bin/ctl" attach kept
	[[ "${lines[-1]}" == "exit=9 restored=yes" ]]
}

@test "a signal that kills ctl restores the terminal and leaves the container" {
	run -0 "$terminal" 'wait:# kill:15' -- "$engine_bin/ctl" run -it --name alive "$bb" sh
	[[ "${lines[-1]}" == "exit=-15 restored=yes" ]]
	[ "$(ctl inspect -f '{{.State.Status}}' alive)" = running ]
}

@test "without a terminal signals are forwarded" {
	"$engine_bin/ctl" run --rm "$bb" sh -c 'trap "exit 44" USR1; echo ready; while :; do sleep 0.05; done' \
		>"$BATS_TEST_TMPDIR/out" 3>&- &
	pid=$!
	wait_until 10 grep ready "$BATS_TEST_TMPDIR/out"
	kill -USR1 "$pid"
	code=0
	wait "$pid" || code=$?
	[ "$code" = 44 ]
}

@test "a stdin that stays open does not delay the end; a reader that leaves ends ctl" {
	mkfifo "$BATS_TEST_TMPDIR/in"
	exec 8<>"$BATS_TEST_TMPDIR/in"
	ctl run --rm -i "$bb" true <&8
	exec 8<&-
	run -0 bash -c "set -o pipefail; timeout 60 '$engine_bin/ctl' run '$bb' yes | head -n 1; echo \${PIPESTATUS[0]}"
	[ "${lines[0]}" = y ]
	[ "${lines[1]}" = 141 ]
}

@test "a slow reader gets every byte" {
	[ "$(ctl run --rm "$bb" sh -c 'head -c 3000000 /dev/zero' | { sleep 1; wc -c; })" = 3000000 ]
}

@test "ctl has no capability left while a container talks to it" {
	"$engine_bin/ctl" run --rm --name talk "$bb" sleep 600 3>&- &
	pid=$!
	wait_until 10 ctl exec talk true
	run -0 grep -E '^Cap(Prm|Eff|Inh|Bnd|Amb)' "/proc/$pid/status"
	[ "$(awk '{ print $2 }' <<<"$output" | sort -u)" = 0000000000000000 ]
	ctl kill talk
	wait "$pid" || true
}

@test "bad flags are refused before anything happens, whatever the command" {
	while IFS='|' read -r code words args; do
		# shellcheck disable=SC2086
		run --separate-stderr ctl $args
		echo "$args: $status: $stderr"
		[ "$status" = "$code" ]
		[[ "$stderr" == *"$words"* ]]
		[ "$(wc -l <<<"$stderr")" = 1 ]
	done <<-END
		125|see ctl --help|--bogus
		125|os/architecture|run --platform bogus $bb
		125|did you mean --name|run --nmae x $bb
		125|--userns is not supported yet|run --userns host $bb
		125|steps of 0.01, the nearest is 0.02|run --cpus 0.019 $bb
		125|the nearest it can is 9223372036854706176 bytes|run -m 8388608t $bb
		125|the nearest rate that can be had is|run --device-read-bps /dev/vda:8589934592g $bb
		125|named volumes are not supported yet|run -v data:/d $bb
		125|same place|run -v /etc:/d --tmpfs /d $bb
		125|the nearest it can is 6291456 bytes|create -m 1k $bb
		1|unknown flag --foo|ps --foo
		1|invalid signal|kill -s 65 nobody
		1|did you mean "run"|rnu $bb
		1|is no filter|ps --filter nmae=x
		1|}} is missing|ps --format {{.ID
	END
	[ -z "$(ctl ps -aq)" ]
	run -125 --separate-stderr "$engine_bin/ctl" --socket /nonexistent/sock ps
	[[ "$stderr" == *"start it with: supervisor"* ]]
}

@test "info: what is counted is a number, in JSON and in a template" {
	ctl create "$bb" true
	ctl info -f json | jq -e '.Containers == 1 and .Running == 0 and (.MemTotal | type) == "number" and .Name == env.ENGINE_NAME'
	[ "$(ctl info -f '{{.Containers}} {{json .Running}}')" = "1 0" ]
	[ "$(ctl info -f '{{.MemTotal}}')" = "$(ctl info | sed -n 's/^MemTotal: //p')" ]
}

@test "help of a command is that of its --help" {
	for command in run stop version; do
		[ "$(ctl help $command)" = "$(ctl $command --help)" ]
	done
	[ "$(ctl help)" = "$(ctl --help)" ]
	run -1 --separate-stderr ctl help rnu
	[ "$stderr" = 'ctl: unknown command "rnu", did you mean "run"?' ]
}

@test "output that can't be written is an error, and the container runs on" {
	run -125 --separate-stderr bash -c "'$engine_bin/ctl' run --name full '$bb' sh -c 'echo x; exec sleep 60' >/dev/full"
	[ "$stderr" = "ctl: run full: writing to stdout: no space left on device" ]
	[ "$(ctl inspect -f '{{.State.Status}}' full)" = running ]
	run -1 --separate-stderr bash -c "'$engine_bin/ctl' exec full seq 9 >/dev/full"
	[ "$stderr" = "ctl: exec full: writing to stdout: no space left on device" ]
	run -125 bash -c "'$engine_bin/ctl' run --rm '$bb' sh -c 'echo x >&2; exec sleep 60' 2>/dev/full"
	run -1 bash -c "'$engine_bin/ctl' ps >/dev/full"
	for said in "stats" "events --since 1h --until 0s"; do
		run -1 bash -c "exec timeout 60 '$engine_bin/ctl' $said >/dev/full"
		[ "$output" = "ctl: writing to stdout: No space left on device" ]
	done
}

@test "a megabyte of variables and the longest word arrive" {
	word=$(head -c 131071 /dev/zero | tr '\0' w)
	run -0 ctl run --rm "$bb" sh -c 'echo ${#1} ${#2}' - "$word" "$word"
	[ "$output" = "131071 131071" ]
	seq 3000 | awk '{ printf "V%d=", $1; for (i = 0; i < 33; i++) printf "0123456789"; print "" }' \
		>"$BATS_TEST_TMPDIR/vars"
	[ "$(wc -c <"$BATS_TEST_TMPDIR/vars")" -gt 1000000 ]
	run -0 ctl run -d --name vars --env-file "$BATS_TEST_TMPDIR/vars" "$bb" sleep 600
	run -0 ctl exec vars sh -c 'env | grep -c "^V[0-9]*=0123"; echo $V2999 | wc -c'
	[ "${lines[*]}" = "3000 331" ]
}

@test "too many words, variables and bytes are told with their limit" {
	ctl run -d --name host "$bb" sleep 600
	seq 4097 | sed 's/.*/V&=1/' >"$BATS_TEST_TMPDIR/many"
	{ printf 'LONG='; head -c 140000 /dev/zero | tr '\0' x; } >"$BATS_TEST_TMPDIR/long"
	head -c 1100000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/large"
	seq 2000 | awk '{ printf "V%d=", $1; for (i = 0; i < 50; i++) printf "0123456789"; print "" }' \
		>"$BATS_TEST_TMPDIR/half"
	mapfile -t words < <(seq 4097)
	for command in "run --rm $bb" "exec host"; do
		code=125
		[[ "$command" == run* ]] || code=1
		# shellcheck disable=SC2086
		run -$code --separate-stderr ctl $command "${words[@]}"
		[[ "$stderr" == *"4097 words of the command are too many: 4096 are the most" ]]
		# shellcheck disable=SC2086
		run -$code --separate-stderr ctl ${command%% *} --env-file "$BATS_TEST_TMPDIR/half" \
			--env-file "$BATS_TEST_TMPDIR/half" ${command#* } true
		[[ "$stderr" == *"bytes together: 1966080 are the most" ]]
		for kind in many:4096 long:131071 large:1048576; do
			# shellcheck disable=SC2086
			run -$code --separate-stderr ctl ${command%% *} --env-file "$BATS_TEST_TMPDIR/${kind%:*}" \
				${command#* } true
			echo "$stderr"
			[[ "$stderr" == *"${kind#*:}"*"the most"* ]]
			[ "$(wc -l <<<"$stderr")" = 1 ]
		done
	done
}

@test "messages name a thing once, and as it was typed" {
	run -1 --separate-stderr ctl exec nope true
	[ "$stderr" = "ctl: exec: no such container: nope" ]
	run -125 --separate-stderr ctl run --rm "UPPER CASE" true
	[[ "$stderr" == *'"UPPER CASE"'* ]]
	name=$(printf 'n%.0s' {1..128})
	run -0 ctl run --rm --name "$name" "$bb" true
	run -125 --separate-stderr ctl run --rm --name "${name}n" "$bb" true
	[[ "$stderr" == *"has 129 characters: 128 are the most" ]]
	for program in supervisor netd cgroupd imaged; do
		run -2 --separate-stderr "$engine_bin/$program" --bogus
		echo "$stderr"
		[[ "$stderr" == "$program: "*--help*--bogus ]]
		[ "$(wc -l <<<"$stderr")" = 1 ]
	done
	run -2 --separate-stderr "$engine_bin/supervisor" --name
	[[ "$stderr" == *"a value is missing behind: --name" ]]
}

@test "debug runs: a bad line is answered with its field, and the last may lack its newline" {
	run -0 --separate-stderr bash -c "printf 'cgroup_create container=c limits.memory=abc\ncgroup_teardown' |
		'$engine_bin/cgroupd' --debug --name ${ENGINE_NAME}d"
	[ "${lines[0]}" = 'failed code=22 text="limits.memory: not a number in range: abc"' ]
	[ "${lines[1]}" = done ]
	run -0 --separate-stderr bash -c "printf 'nonsense x=1\nshim_signal signal=uhu' | '$engine_bin/shim' --debug"
	[[ "$output" == *'failed code=22 text="no such message: nonsense"'* ]]
	[[ "$output" == *'text="signal: not a number in range: uhu"'* ]]
}
