#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs every test that has been built: unit tests, a short turn of each fuzzer, and the bats files,
# or only those named: run.sh [unit|fuzz|integration|hostile|FILE...]. Prints each result, the output of what failed, the reason of
# what was skipped, and ends with the sum. 1 when something failed or when nothing ran.
set -u
cd "$(dirname "$0")/.." || exit 1

build=${BUILD:-build}
unit_limit=${UNIT_LIMIT:-120}
bats_limit=${BATS_LIMIT:-600}
fuzz_seconds=${FUZZ_SECONDS:-5}
passed=0
failed=0
skipped=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

result()
{
	case $1 in
	ok) passed=$((passed + 1)); echo "ok      $2" ;;
	skip) skipped=$((skipped + 1)); echo "skip    $2" ;;
	fail) failed=$((failed + 1)); echo "FAIL    $2" ;;
	esac
}

# tap_results LABEL: reads TAP from $output, one result a line, and counts what never reported.
tap_results()
{
	local label=$1 line name more planned=0 seen=0 why=

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
			else
				result ok "$label: $name"
			fi
			;;
		'skipped: '*) why=${line#skipped: } ;;
		'#'*) [ "$planned" = 0 ] || echo "        $line" ;;
		esac
	done <"$output"
	while [ "$seen" -lt "$planned" ]; do
		seen=$((seen + 1))
		result fail "$label: test $seen of $planned never reported"
	done
	[ "$seen" -gt 0 ]
}

# run_tap LABEL SECONDS CMD...
run_tap()
{
	local label=$1 limit=$2 rc failed_before=$failed

	shift 2
	timeout -k 10 "$limit" "$@" </dev/null >"$output" 2>&1
	rc=$?
	tap_results "$label" || result fail "$label: no test reported a result, exit $rc"
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
}

run_unit()
{
	CMOCKA_MESSAGE_OUTPUT=TAP run_tap "unit ${1##*/}" "$unit_limit" "$1"
}

# Where the kernel refuses user namespaces, as it does to all that is in a chroot (user_namespaces(7)),
# no container can be made.
no_userns()
{
	[ "$(id -u)" = 0 ] && ! unshare -U true 2>/dev/null
}

run_bats()
{
	case $1 in
	*/10-cgroupd.bats|*/30-fetch.bats) ;;
	*)
		if no_userns; then
			result skip "${1#tests/}: no user namespace can be made here, as in a chroot"
			return
		fi
		;;
	esac
	run_tap "${1#tests/}" "$bats_limit" bats --formatter tap "$1"
}

run_fuzz()
{
	local name=${1##*/} work

	work=$(mktemp -d)
	mkdir "$work/corpus"
	[ ! -d "tests/fuzz/corpus/$name" ] || cp -r "tests/fuzz/corpus/$name/." "$work/corpus/"
	if timeout -k 10 $((fuzz_seconds * 3 + 60)) "$1" -seed=1 -max_total_time="$fuzz_seconds" \
			-timeout=10 -rss_limit_mb=2048 -artifact_prefix="$work/" "$work/corpus" \
			</dev/null >"$output" 2>&1; then
		result ok "fuzz $name: $(grep -aoE 'Done [0-9]+ runs in [0-9]+ second' "$output" |
			tail -n 1)s"
	else
		result fail "fuzz $name"
		tail -n 60 "$output"
		for f in "$work"/crash-* "$work"/leak-* "$work"/timeout-* "$work"/oom-*; do
			[ ! -e "$f" ] || { echo "input:"; od -A x -t x1z "$f" | head -n 20; }
		done
	fi
	rm -rf "$work"
}

run_one()
{
	case $1 in
	*.bats) run_bats "$1" ;;
	*/fuzz/*) run_fuzz "$1" ;;
	*) run_unit "$1" ;;
	esac
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
	local name

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
	local arg t tests=() more

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
		run_one "$t"
	done
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

main "$@"
