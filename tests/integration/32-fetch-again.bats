#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# imaged --fetch alone: transfers that break off, what is kept of them, tries and the waits between them, and servers that
# come to no end; see tests/lib/fetch.sh.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/fetch.sh"

@test "a broken transfer is taken up where it broke off" {
	for fault in drop-range drop-once; do
		fetch_start
		: >"$DIR/faults/requests"
		pull "$FAULTS/$fault/busybox"
		[ "$(requests '.range != null' | wc -l)" = 1 ]
	done
	for fault in drop-liar drop-liar-size; do
		fetch_start
		resolve "$FAULTS/$fault/busybox"
		ask "$(blob_line 0)"
		says 'another part of the blob'
	done
}

# keep FAULT: asks for busybox's layer with what is in the file kept
keep()
{
	fetch_start
	resolve "$FAULTS/$1/busybox"
	: >"$DIR/faults/requests"
	ask "fetch_blob session=$session digest=${digests[0]} size=${sizes[0]} out=@fd:26 kept=@fd:25"
	fetch_stop
	answers=$(requests true | jq -r '"\(.status)\(.range // "")"' | tr '\n' ' ')
}

# whole FILE...: each is the layer
whole()
{
	local f

	for f; do
		[ "sha256:$(sha256sum <"$f" | cut -c1-64)" = "${digests[0]}" ] || return 1
	done
}

@test "what is kept of a blob goes first, what comes is added, and the sum is over all of it" {
	keep good
	[ "$reply" = done ]
	[ "$answers" = "200 " ]
	whole "$t/piped" "$t/kept"
	size=$(stat -c %s "$t/kept")
	cp "$t/kept" "$t/all"
	# All but a hundredth, and all.
	truncate -s $((size * 99 / 100)) "$t/kept"
	keep good-range
	[ "$reply" = done ]
	[ "$answers" = "206bytes=$((size * 99 / 100))- " ]
	whole "$t/piped" "$t/kept"
	keep good-range
	[ "$reply" = done ]
	[ -z "$answers" ]
	whole "$t/piped"
	# Servers that know no ranges, in both ways.
	truncate -s 1000 "$t/kept"
	keep good
	[ "$reply" = done ]
	[ "$answers" = "200bytes=1000- " ]
	whole "$t/piped" "$t/kept"
	# Their first answer is another.
	for fault in drop-416 drop-liar-size; do
		! curl -sfo /dev/null "http://$FAULTS/v2/$fault/busybox/blobs/${digests[0]}" || false
	done
	truncate -s 1000 "$t/kept"
	keep drop-416
	[ "$reply" = done ]
	[ "$answers" = "416bytes=1000- 200 " ]
	whole "$t/piped" "$t/kept"
	truncate -s 1000 "$t/kept"
	keep drop-liar-size
	says 'another part of the blob'
	[ "$answers" = "206bytes=1000- " ]
	[ "$(stat -c %s "$t/kept")" = 1000 ]
}

@test "what is kept and wrong is found out at the end, whatever its length" {
	keep good
	size=$(stat -c %s "$t/kept")
	for n in 1 $((size / 2)) "$size" $((size + 1000)); do
		head -c "$n" /dev/zero >"$t/kept"
		keep good-range
		says "layer ${digests[0]}: digest mismatch: got sha256:"
	done
}

@test "a blob is fetched though it can't be kept" {
	readonly=yes keep good
	[ ! -s "$t/kept" ]
	[ "$reply" = done ]
	whole "$t/piped"
}

@test "a server that refuses ranges is asked for all, one that breaks off every time is followed to the end" {
	fetch_start
	pull "$FAULTS/drop-416/busybox"
	[ "$(requests '.path | contains("'"${digests[0]}"'")' | jq .status | tr '\n' ' ')" = "200 416 200 " ]
	fetch_start
	: >"$DIR/faults/requests"
	pull "$FAULTS/drop-often/busybox"
	[ "$(requests '.path | contains("'"${digests[0]}"'")' | jq .status | tr '\n' ' ')" = \
		"200 206 206 206 206 206 206 206 " ]
}

@test "errors that may pass are tried again, and not for ever" {
	fetch_start
	pull "$FAULTS/error-500-once/busybox"
	fetch_start
	pull "$FAULTS/busy/busybox"
	fetch_start
	: >"$DIR/faults/requests"
	start=$(uptime_s)
	ask "fetch_image ref=$FAULTS/busy-forever/busybox"
	says 'too many requests'
	[ "$(requests '.status == 429' | wc -l)" = 6 ]
	[ $(($(uptime_s) - start)) -ge 5 ]
	resolve "$FAULTS/truncated-blob/busybox"
	ask "$(blob_line 0)"
	says "connection broken off"
	[ "$(requests '.path | contains("truncated-blob") and contains("'"${digests[0]}"'")' | wc -l)" = 6 ]
}

@test "a server that says when to come back is asked then: a date, and an hour is too long" {
	fetch_start
	ask "fetch_image ref=$FAULTS/busy-date/busybox"
	[[ $reply = fetch_resolved* ]]
	# The manifest's second request no sooner than two seconds behind the first: dates have whole seconds.
	mapfile -t times < <(requests '.path | contains("manifests")' | jq .time)
	[ "${#times[@]}" = 2 ]
	[ "$(jq -n "${times[1]} - ${times[0]} >= 2")" = true ]
	[ "$(jq -n "${times[1]} - ${times[0]} < 60")" = true ]
	: >"$DIR/faults/requests"
	ask "fetch_image ref=$FAULTS/busy-hour/busybox"
	says "registry $FAULTS: too many requests; it says to come back in 3600 seconds"
	[ "$(requests true | wc -l)" = 1 ]
}

@test "what is refused is not asked for again" {
	fetch_start
	ask "fetch_image ref=$FAULTS/teapot/busybox"
	says "registry $FAULTS: answers 418"
	[ "$(requests true | wc -l)" = 1 ]
}

@test "tries are apart, farther each time, and no two waits are the same" {
	fetch_start
	resolve "$FAULTS/error-500/busybox"
	: >"$DIR/faults/requests"
	ask "$(blob_line 0)"
	says "registry $FAULTS: answers 500"
	[ "$(requests true | wc -l)" = 6 ]
	mapfile -t waits < <(sed -nE 's/.*answers 500; trying again in ([0-9]+) ms.*/\1/p' "$t/log")
	echo "${waits[@]}"
	[ "${#waits[@]}" = 5 ]
	for i in {0..4}; do
		[ "${waits[i]}" -ge $((250 * (1 << i) * 3 / 4)) ]
		[ "${waits[i]}" -le $((250 * (1 << i) * 5 / 4)) ]
	done
	[ "${waits[*]}" != "250 500 1000 2000 4000" ]
	ask 'fetch_image ref=127.0.0.1:1/x'
	says 'registry 127.0.0.1:1: connection refused'
	[ "$(grep -c 'connection refused; trying again' "$t/log")" = 2 ]
}

@test "a server that keeps just above a stall has an end all the same" {
	fetch_start --stall-seconds 2 --grace-seconds 1
	resolve "$FAULTS/drip/busybox"
	start=$(uptime_s)
	ask "$(blob_line 0)"
	says "layer ${digests[0]}: registry $FAULTS: too slow to ever come to an end"
	# 40960 bytes and no more than 8000 a second, and one.
	[ $(($(uptime_s) - start)) -ge 5 ]
	[ $(($(uptime_s) - start)) -le 60 ]
}

@test "headers that never end do, slow ones and fast ones" {
	fetch_start --stall-seconds 1
	for fault in endless-headers fat-headers; do
		start=$(uptime_s)
		ask "fetch_image ref=$FAULTS/$fault/busybox"
		says "registry $FAULTS: "
		[ $(($(uptime_s) - start)) -le 120 ]
		[ "$(awk '/VmHWM/ { print $2 }' "/proc/$fetcher/status")" -lt 40000 ]
	done
}

@test "silence ends a transfer" {
	fetch_start --stall-seconds 1
	resolve "$FAULTS/stall/busybox"
	ask "$(blob_line 0)"
	says "layer ${digests[0]}: registry $FAULTS: stalled"
}
