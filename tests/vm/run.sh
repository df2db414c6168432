#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The tests on Debian 12's own kernel and cgroup v2: run.sh [TEST...] boots the machine once for each of VM_INITS
# and runs the tests there that are named as in tests/integration, or unit, or all; plain:TEST is for that init alone,
# v1:TEST for a machine with cgroup v1 and no v2, which runs no others; `reboot`, `installed` and `fresh` are the
# scripts beside this one. turn:HEX, of a commit's id, is a part of all that:
# with systemd 50-run and the files from one on, less those of `too_long`; or `installed` and `reboot`. In either machine
# no file begins more than VM_BEGIN seconds after the first. Prints one line a test, the output of what failed, and ends
# with the sum. 1 when something failed or when nothing ran.
set -u
cd "$(dirname "$0")/../.." || exit 1

inits=${VM_INITS:-plain systemd v1}
# Emulation is ten times as slow, and nobody knows what else the machine does.
patience=${TEST_PATIENCE:-10}
limit=${VM_LIMIT:-1500}
begin=${VM_BEGIN:-}
# A quarter of an hour each, or more
too_long='21-netd-sync 22-netd-annex 55-images 58-copy 58-copy-hostile 58-copy-stopped 58-visit 62-images-hostile
	63-rogue 65-escape 68-paths 69-isolated 70-reconcile 72-policy 74-health 76-pull-resume 77-disk 78-room 80-installed'
passed=0
failed=0
skipped=0
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$work"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# turn HEX: a test a line
turn()
{
	local n=$((16#$1)) names=(tests/integration/*.bats) from

	[ $((n % 4)) != 0 ] || { printf '%s\n' installed reboot; return; }
	mapfile -t names < <(printf '%s\n' "${names[@]##*/}" | sed 's/\.bats$//' | grep -vxF "$(printf '%s\n' $too_long)")
	from=$((n / 4 % ${#names[@]}))
	printf 'systemd:%s\n' 50-run "${names[@]:from}" "${names[@]:0:from}"
}

# expand TEST...: each one's name, or those of a turn
expand()
{
	local name

	for name; do
		case $name in
		turn:*) turn "${name#turn:}" ;;
		*) echo "$name" ;;
		esac
	done
}

# files INIT TEST...: as tests/run.sh takes them; of those with a machine of their own, or for another init, none
files()
{
	local init=$1 name

	shift
	for name; do
		[ "$init" != v1 ] || [ -n "${VM_INITS:-}" ] || [[ $name = v1:* ]] || continue
		name=${name#"$init:"}
		case $name in
		plain:*|systemd:*|v1:*) ;;
		all) printf '%s\n' tests/integration/*.bats ;;
		unit) echo unit ;;
		reboot|installed|fresh) ;;
		*)
			[ -e "tests/integration/$name.bats" ] ||
				{ echo "vm: there is no test \"$name\"" >&2; return 1; }
			echo "tests/integration/$name.bats"
			;;
		esac
	done
}

# results LABEL CMD...: of what CMD prints as tests/run.sh does; a CMD that fails and tells of no failed test is one. Of a
# file that runs once more, what it gave before doesn't count, as there.
results()
{
	local label=$1 line before=$failed kind rest file
	local -A of_file=()

	shift
	while IFS= read -r line; do
		kind=${line%% *}
		rest=$(sed -E 's/^[a-zA-Z]+ +//' <<<"$line")
		file=${rest%%: *}
		case $line in
		'ok '*' fixture image '*|*' passed, '*' failed, '*' skipped') continue ;;
		'ok '*) passed=$((passed + 1)) ;;
		'skip '*) skipped=$((skipped + 1)) ;;
		'FAIL '*) failed=$((failed + 1)) ;;
		'---- once more, alone: '*)
			file=${line#*alone: }
			passed=$((passed - ${of_file[ok $file]:-0}))
			failed=$((failed - ${of_file[FAIL $file]:-0}))
			skipped=$((skipped - ${of_file[skip $file]:-0}))
			printf '%s\n' "$line"
			continue
			;;
		*) printf '%s\n' "$line"; continue ;;
		esac
		of_file[$kind $file]=$((${of_file[$kind $file]:-0} + 1))
		printf '%-7s %s %s\n' "$kind" "$label" "$rest"
	done < <("$@" 2>&1)
	wait $! || [ "$failed" != "$before" ] || {
		failed=$((failed + 1))
		printf '%-7s %s the tests ended too early\n' FAIL "$label"
	}
}

# job INIT: writes what its machine is to run; sets `machine`, the command that boots it
job()
{
	local tests

	mapfile -t tests <"$work/$1"
	mkdir "$work/$1.job"
	printf 'export TEST_PATIENCE=%q BATS_LIMIT=%q BATS_BEGIN=%q UNIT_LIMIT=1200\nexec tests/run.sh %s\n' \
		"$patience" "$limit" "$begin" "${tests[*]}" >"$work/$1.job/run"
	machine=(tests/vm/boot.sh --init "$1" --tree "$work/tree" --limit "$limit" "$work/$1.job/run")
}

# machines INIT...: at the same time; what the first one tells is printed as it comes
machines()
{
	local init first=$1
	local -A pids=()

	shift
	for init; do
		job "$init"
		"${machine[@]}" >"$work/$init.out" 2>&1 &
		pids[$init]=$!
	done
	job "$first"
	results "vm-$first" "${machine[@]}"
	for init; do
		wait "${pids[$init]}"
		results "vm-$init" sh -c 'cat "$1"; exit "$2"' ended "$work/$init.out" $?
	done
}

main()
{
	local init own tests booted=()

	[ $# -gt 0 ] || set -- all reboot installed
	mapfile -t tests < <(expand "$@")
	set -- "${tests[@]}"
	for init in $inits; do
		files "$init" "$@" | awk '!seen[$0]++' >"$work/$init"
		[ "${PIPESTATUS[0]}" = 0 ] || exit 1
		[ ! -s "$work/$init" ] || booted+=("$init")
	done
	tests/vm/base.sh >/dev/null && tests/vm/tree.sh "$work/tree" || exit 1
	[ ${#booted[@]} = 0 ] || machines "${booted[@]}"
	for own in reboot installed fresh; do
		[[ " $* " != *" $own "* ]] || results "vm-$own" "tests/vm/$own.sh" "$work/tree"
	done
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

main "$@"
