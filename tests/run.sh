#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs every test that has been built: unit tests, the bats files, and a short turn of each fuzzer,
# or only those named: run.sh [unit|fuzz|integration|hostile|FILE...]. Prints each result, the output of what failed, the reason of
# what was skipped, how long each program or file took, and ends with the sum. 1 when something failed or when nothing ran.
#
# Bats files run TEST_JOBS at a time, since much of their time is waiting; one that says "# alone" has the machine to
# itself, when the others are through. What a file says is printed when it ends.
#
# When no more than TEST_AGAIN files have failed (0: none may), each of them runs once more, whole and with the machine
# to itself, and that run counts. What has passed only so is told at the end, in lines that begin with "again": each is
# a race to be found, in the test or in the engine. What has failed is repeated at the end, too.
set -u
shopt -s extglob
cd "$(dirname "$0")/.." || exit 1

build=${BUILD:-build}
unit_limit=${UNIT_LIMIT:-120}
bats_limit=${BATS_LIMIT:-900}
bats_begin=${BATS_BEGIN:-} # s: no bats file begins later; they run in the order in which they are named
fuzz_seconds=${FUZZ_SECONDS:-5} # each
fuzz_total=${FUZZ_TOTAL:-}      # of all together, instead
fuzz_jobs=${FUZZ_JOBS:-$(nproc)}
fuzz_keep=${FUZZ_KEEP:-}
test_jobs=${TEST_JOBS:-2}
test_again=${TEST_AGAIN:-3}
# These take longest: begun last, they would be waited for.
long_files='63-rogue 77-disk 65-escape 58-copy-hostile 58-copy-stopped 72-policy 74-health 76-pull-resume 32-fetch-again'
passed=0
failed=0
skipped=0
failures=()   # what failed, as it is told
second=()     # the bats files that failed
told_again=() # what failed, and then did not
declare -A reasons=() # what bats said of it
# As in builds whose undefined behaviour ends the process anyway.
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

result()
{
	case $1 in
	ok) passed=$((passed + 1)); echo "ok      $2" ;;
	skip) skipped=$((skipped + 1)); echo "skip    $2" ;;
	fail) failed=$((failed + 1)); failures+=("$2"); echo "FAIL    $2" ;;
	esac
}

# reason NAME LINE: of what bats says of a test that failed, where and what it was
reason()
{
	local line=${2#\#}

	line=${line##*( )}
	case $line in
	'(in test file '*|'in test file '*) reasons[$1]=" (line ${line##*line }" ;;
	\`*\'\ failed*) reasons[$1]+=" $line" ;;
	esac
}

# tap_results LABEL OUTPUT: reads TAP, one result a line, and counts what never reported.
tap_results()
{
	local label=$1 output=$2 line name more planned=0 seen=0 why= failing=

	while IFS= read -r line; do
		case $line in
		1..*)
			more=${line#1..}
			planned=$((planned + ${more%% *}))
			;;
		'ok '*|'not ok '*)
			seen=$((seen + 1))
			name=$(sed -E 's/^(not )?ok [0-9]*( - | )?//' <<<"$line")
			# cmocka 1.1.5 writes a skip as "not ok 3 # SKIP name".
			if [[ ${name,,} =~ \#\ skip ]]; then
				result skip "$label: $name${why:+: $why}"
				why=
			elif [[ $line == 'not ok '* ]]; then
				result fail "$label: $name"
				failing="$label: $name"
			else
				result ok "$label: $name"
			fi
			;;
		'skipped: '*) why=${line#skipped: } ;;
		'#'*)
			[ "$planned" = 0 ] || echo "        $line"
			[ -z "$failing" ] || reason "$failing" "$line"
			;;
		esac
	done <"$output"
	while [ "$seen" -lt "$planned" ]; do
		seen=$((seen + 1))
		result fail "$label: test $seen of $planned never reported"
	done
	[ "$seen" -gt 0 ]
}

uptime_s()
{
	local up more

	read -r up more </proc/uptime
	echo "${up%.*}"
}

# tap_run DIR SECONDS CMD...: leaves its output, its exit code and the seconds it took in DIR
tap_run()
{
	local dir=$1 limit=$2 from rc

	shift 2
	from=$(uptime_s)
	timeout -k 10 "$limit" "$@" </dev/null >"$dir/output" 2>&1
	rc=$?
	echo $(($(uptime_s) - from)) >"$dir/seconds"
	echo $rc >"$dir/rc"
}

# tap_judge DIR LABEL SECONDS: what tap_run has left there
tap_judge()
{
	local label=$2 limit=$3 output=$1/output rc failed_before=$failed

	rc=$(cat "$1/rc")
	tap_results "$label" "$output" || result fail "$label: no test reported a result, exit $rc"
	if [ $rc != 0 ] && [ "$failed" = "$failed_before" ]; then
		result fail "$label: every test passed, but it exited $rc"
	fi
	if [ $rc = 124 ] || [ $rc = 137 ]; then
		echo "        # ended after $limit s"
	fi
	# What TAP's own diagnostics, printed above, don't tell: a crash, a sanitizer, a hang.
	if [ "$failed" != "$failed_before" ] && grep -qvE '^(#|ok |not ok |[0-9]+\.\.)' "$output"; then
		echo "--- output of $label"
		grep -vE '^(#|ok |not ok |[0-9]+\.\.)' "$output" | tail -n 200
		echo "---"
	fi
	echo "        # ${label##*/}: $(cat "$1/seconds") s"
	rm -rf "$1"
}

run_unit()
{
	mkdir "$work/unit"
	CMOCKA_MESSAGE_OUTPUT=TAP tap_run "$work/unit" "$unit_limit" "$1"
	tap_judge "$work/unit" "unit ${1##*/}" "$unit_limit"
}

# Where the kernel refuses user namespaces, as it does to all that is in a chroot (user_namespaces(7)),
# no container can be made.
no_userns()
{
	[ "$(id -u)" = 0 ] && ! unshare -U true 2>/dev/null
}

# may_run FILE
may_run()
{
	case $1 in
	*/10-cgroupd.bats|*/30-fetch.bats|*/32-fetch-again.bats|*/33-fetch-mirrors.bats) return 0 ;;
	esac
	no_userns || return 0
	result skip "${1#tests/}: no user namespace can be made here, as in a chroot"
	return 1
}

# bats_results: of those that have ended
bats_results()
{
	local rc dir label before

	for rc in "$work"/bats/*/rc; do
		[ -e "$rc" ] || continue
		dir=${rc%/rc}
		label=$(cat "$dir/label")
		before=("$passed" "$failed" "$skipped")
		tap_judge "$dir" "$label" "$bats_limit"
		[ "$failed" = "${before[1]}" ] ||
			second+=("$label $((passed - before[0])) $((failed - before[1])) $((skipped - before[2]))")
	done
}

# bats_again: those that failed, if they are few; what their first runs gave no longer counts
bats_again()
{
	local entry label p f s name first=("${failures[@]}") entries=("${second[@]}")
	local bats_begin= # it is late by now

	[ ${#entries[@]} -le "$test_again" ] || return 0
	for entry in "${entries[@]}"; do
		read -r label p f s <<<"$entry"
		echo "---- once more, alone: $label"
		passed=$((passed - p))
		failed=$((failed - f))
		skipped=$((skipped - s))
		mapfile -t failures < <(printf '%s\n' "${failures[@]}" | grep -vF "$label: ")
		bats_side_by_side 1 "tests/$label"
		for name in "${first[@]}"; do
			[[ $name == "$label: "* ]] || continue
			printf '%s\n' "${failures[@]}" | grep -qxF "$name" || told_again+=("$name${reasons[$name]:-}")
		done
	done
}

# bats_side_by_side JOBS FILE...
bats_side_by_side()
{
	local jobs=$1 n=0 left=0 f dir

	shift
	mkdir -p "$work/bats"
	for f; do
		may_run "$f" || continue
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
			wait -n
			bats_results
		done
		[ -z "$bats_begin" ] || [ $SECONDS -lt "$bats_begin" ] || {
			left=$((left + 1))
			continue
		}
		n=$((n + 1))
		dir=$work/bats/$n
		mkdir "$dir"
		echo "${f#tests/}" >"$dir/label"
		tap_run "$dir" "$bats_limit" bats --print-output-on-failure --formatter tap "$f" &
	done
	wait
	bats_results
	[ $left = 0 ] || echo "---- not begun within $bats_begin s: $left files"
}

# in_order FILE...: those of the table in front
in_order()
{
	local name f

	[ -z "$bats_begin" ] || { printf '%s\n' "$@"; return; }
	for name in $long_files; do
		printf '%s\n' "$@" | grep -- "/$name.bats\$"
	done
	for f; do
		[[ " $long_files " == *" $(basename "$f" .bats) "* ]] || echo "$f"
	done
}

run_bats()
{
	local f together=() alone=()

	while read -r f; do
		if grep -qsx '# alone' "$f"; then
			alone+=("$f")
		else
			together+=("$f")
		fi
	done < <(in_order "$@")
	bats_side_by_side "$test_jobs" "${together[@]}"
	bats_side_by_side 1 "${alone[@]}"
	bats_again
}

# ---- fuzzers: several at a time, each with a corpus of its own in a directory of its own ----

# fuzz_seeds NAME DIR: the kept corpus, and what the tables of today make of it.
fuzz_seeds()
{
	local tools=$build/tests/fuzz-tools

	[ ! -d "tests/fuzz/corpus/$1" ] || cp -r "tests/fuzz/corpus/$1/." "$2/"
	case $1 in
	fuzz_layer) "$tools/seed_layer" "$2" ;;
	fuzz_codec|fuzz_frame|fuzz_spec|fuzz_text) "$tools/seed_messages" "$1" "$2" ;;
	esac
}

# fuzz_keep FUZZER WORK: what covers the same code with the fewest bytes becomes the kept corpus;
# inputs that once found something, and those written by hand, stay.
fuzz_keep()
{
	local name=${1##*/} kept f

	kept=tests/fuzz/corpus/$name
	mkdir -p "$2/fresh" "$kept"
	"$1" -merge=1 -use_counters=0 "$2/fresh" "$2/corpus" >>"$2/log" 2>&1 || return
	find "$kept" -type f ! -name 'fixed-*' ! -name 'by-hand-*' -delete
	for f in "$2"/fresh/*; do
		cp "$f" "$kept/$(sha1sum "$f" | cut -c 1-16)"
	done
}

# fuzz_one FUZZER WORK: leaves its output in WORK/log and its exit code in WORK/rc.
fuzz_one()
{
	local name=${1##*/} rc

	mkdir "$2/corpus"
	fuzz_seeds "$name" "$2/corpus" >"$2/log" 2>&1
	timeout -k 10 $((fuzz_seconds * 3 + 60)) "$1" -seed=$((RANDOM + 1)) \
		-max_total_time="$fuzz_seconds" -timeout=20 -rss_limit_mb=2048 \
		-artifact_prefix="$2/" "$2/corpus" </dev/null >>"$2/log" 2>&1
	rc=$?
	if [ $rc = 0 ] && [ "$name" = fuzz_layer ]; then
		mkdir "$2/image"
		"$build/tests/fuzz-tools/judge_layers" "$2/image" "$2"/corpus/* >"$2/judged" 2>&1
		echo $? >"$2/judged.rc"
	fi
	if [ $rc = 0 ] && [ -n "$fuzz_keep" ]; then
		fuzz_keep "$1" "$2" || rc=1
	fi
	echo $rc >"$2/rc"
}

# fuzz_found NAME INPUT...: what was found is kept beside the build, to be run again, and shown.
fuzz_found()
{
	local name=$1 f found=$build/tests/fuzz-found

	shift
	for f; do
		[ -e "$f" ] || continue
		mkdir -p "$found"
		cp "$f" "$found/$name-${f##*/}"
		echo "input: $found/$name-${f##*/}"
		od -A x -t x1z "$f" | head -n 256
	done
}

# What it says of it, and not what it says on its way there.
fuzz_failed()
{
	local why

	why=$(grep -aE '^breach:|: runtime error:|^SUMMARY|Assertion' "$2/log" | head -n 1)
	result fail "fuzz $1${why:+: $why}"
	grep -avE '^#[0-9]+' "$2/log" | tail -n 60
	fuzz_found "$1" "$2"/crash-* "$2"/leak-* "$2"/timeout-* "$2"/oom-*
}

fuzz_judged()
{
	case $(cat "$1/judged.rc") in
	0) result ok "fuzz layers: fsck.erofs, the kernel and our reader agree: $(cat "$1/judged")" ;;
	77) result skip "fuzz layers: $(cat "$1/judged")" ;;
	*)
		result fail "fuzz layers: $(tail -n 1 "$1/judged")"
		fuzz_found layers "$(tail -n 1 "$1/judged" | sed -n 's/^\(\/[^:]*\): .*/\1/p')"
		;;
	esac
}

fuzz_result()
{
	local name=${1##*/}

	if [ "$(cat "$1/rc")" = 0 ]; then
		result ok "fuzz $name: $(grep -aoE 'Done [0-9]+ runs in [0-9]+ second' "$1/log" |
			tail -n 1)s, $(grep -aoE 'corp: [0-9]+' "$1/log" | tail -n 1 |
			cut -d ' ' -f 2) inputs"
		[ ! -e "$1/judged" ] || fuzz_judged "$1"
	else
		fuzz_failed "$name" "$1"
	fi
	rm -rf "$1"
}

# fuzz_results DIR: of those that have ended.
fuzz_results()
{
	local rc

	for rc in "$1"/*/rc; do
		[ ! -e "$rc" ] || fuzz_result "${rc%/rc}"
	done
}

run_fuzzers()
{
	local all f

	all=$(mktemp -d)
	[ -z "$fuzz_total" ] || fuzz_seconds=$((fuzz_total * fuzz_jobs / $#))
	[ "$fuzz_seconds" -gt 0 ] || fuzz_seconds=1
	for f; do
		while [ "$(jobs -rp | wc -l)" -ge "$fuzz_jobs" ]; do
			wait -n
			fuzz_results "$all"
		done
		mkdir "$all/${f##*/}"
		fuzz_one "$f" "$all/${f##*/}" &
	done
	wait
	fuzz_results "$all"
	rmdir "$all"
}

# find_tests KIND
find_tests()
{
	case $1 in
	unit|fuzz) find "$build/tests/$1" -maxdepth 1 -type f -executable 2>/dev/null ;;
	*) find "tests/$1" -name '*.bats' 2>/dev/null ;;
	esac | LC_ALL=C sort
}

# The images first, once, and not within a test's time.
make_images()
{
	local name output=$work/output

	. tests/lib/images.sh
	for name in busybox config whiteouts zstd twoplat debian; do
		if image_layout "$name" >"$output" 2>&1; then
			result ok "fixture image $name"
		else
			result fail "fixture image $name"
			tail -n 20 "$output"
		fi
	done
}

main()
{
	local arg t tests=() fuzzers=() files=() more

	[ $# -gt 0 ] || set -- unit fuzz integration hostile
	for arg in "$@"; do
		case $arg in
		unit|fuzz|integration|hostile)
			mapfile -t more < <(find_tests "$arg")
			tests+=("${more[@]}")
			;;
		*) tests+=("$arg") ;;
		esac
	done
	[[ "${tests[*]}" != *.bats* ]] || make_images
	for t in "${tests[@]}"; do
		case $t in
		*/fuzz/*) fuzzers+=("$t") ;;
		*.bats) files+=("$t") ;;
		*) run_unit "$t" ;;
		esac
	done
	[ ${#files[@]} = 0 ] || run_bats "${files[@]}"
	[ ${#fuzzers[@]} = 0 ] || run_fuzzers "${fuzzers[@]}"
	[ ${#told_again[@]} = 0 ] || printf 'again   %s\n' "${told_again[@]}"
	[ ${#failures[@]} = 0 ] || printf 'failed  %s\n' "${failures[@]}"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

main "$@"
