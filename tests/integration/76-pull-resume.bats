#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Pulls that something happens to: bytes that are wrong, transfers that are cut, an imaged that dies, and whoever waits
# meanwhile.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

setup_file()
{
	engine_start && engine_images busybox whiteouts debian &&
		fault_registry_start "$ENGINE_DIR/fault" "$REGISTRY" && engine_picture
}

teardown_file()
{
	ENGINE_PID=$(cat "$ENGINE_DIR/pid" 2>/dev/null || echo "$ENGINE_PID")
	engine_stop
}

setup()
{
	fault=$(cat "$ENGINE_DIR/fault/addr")
	mapfile -t layers < <(skopeo inspect --tls-verify=false "docker://$REGISTRY/whiteouts" | jq -r '.Layers[]')
	layer=${layers[0]} # a megabyte; the others are small
	# A test has started the engine anew: then it has another pid than setup_file knows.
	ENGINE_PID=$(cat "$ENGINE_DIR/pid" 2>/dev/null || echo "$ENGINE_PID")
	forget
}

teardown()
{
	rm -f "$ENGINE_STATE"/images/partial/*
	engine_unchanged
}

# forget: no image is here, and the fault registry has seen nothing
forget()
{
	ctl images -q | sort -u | xargs -r "$engine_bin/ctl" rmi -f >/dev/null
	rm -f "$ENGINE_STATE"/images/partial/*
	curl -fs "http://$fault/forget"
	: >"$ENGINE_DIR/fault/requests"
}

heal()
{
	curl -fs "http://$fault/heal"
	: >"$ENGINE_DIR/fault/requests"
}

# kept: how much of the layer is kept
kept()
{
	stat -c %s "$ENGINE_STATE/images/partial/${layer#sha256:}" 2>/dev/null || echo 0
}

keeps()
{
	[ "$(kept)" -ge "$1" ]
}

# pulling KIND [BYTES]: a pull whose layer has come so far; its ctl is $puller, its words are in $ENGINE_DIR/pulled
pulling()
{
	"$engine_bin/ctl" pull "$fault/$1/whiteouts" >"$ENGINE_DIR/pulled" 2>&1 3>&- &
	puller=$!
	wait_until 20 keeps "${2:-40000}"
}

# ranges: what was asked for of the layer
ranges()
{
	jq -r "select(.path | contains(\"$layer\")) | .range" "$ENGINE_DIR/fault/requests" | tr '\n' ' '
}

# halt: ends the engine in the middle of a pull
halt()
{
	engine_halt || [ -z "$ENGINE_PID" ] # which is not always this shell's child
	! wait $puller || false
}

# launch [OPTION...]
launch()
{
	engine_launch "$@"
	echo "$ENGINE_PID" >"$ENGINE_DIR/pid"
}

# goes_on_from BYTES: the next pull asks for the rest of the layer, and for nothing that has come whole
goes_on_from()
{
	heal
	run -0 ctl pull -q "$fault/$kind/whiteouts"
	[ "$(ranges)" = "bytes=$1- " ]
	[ "$(asked)" = "206 " ]
	[ -z "$(ls "$ENGINE_STATE/images/partial")" ]
	run -0 ctl run --rm "$fault/$kind/whiteouts" true
}

# asked [DIGEST]: how the fault registry answered each request for the layer, in order
asked()
{
	jq -r "select(.path | contains(\"${1:-$layer}\")) | .status" "$ENGINE_DIR/fault/requests" | tr '\n' ' '
}

@test "a layer with the wrong digest is fetched once more, that layer alone, and once" {
	for kind in spoilt-once spoilt-early; do
		forget
		run -0 ctl pull -q "$fault/$kind/whiteouts"
		for digest in "${layers[@]}"; do
			[ "$(asked "$digest")" = "200 200 " ]
		done
		grep -q "layer ${layer:0:19}: .*; fetching it once more" "$ENGINE_LOG"
		run -0 ctl run --rm "$fault/$kind/whiteouts" true
	done
	forget
	run -1 --separate-stderr ctl pull -q "$fault/wrong-layer/whiteouts"
	[[ $stderr = *"layer sha256:"*": "* ]]
	[[ $(asked) = 200\ * ]]
	[ "$(asked | wc -w)" -le 2 ]
	# What is what its digest says and can't be unpacked is not asked for again.
	forget
	run -1 --separate-stderr ctl pull -q "$fault/not-gzip/busybox"
	[[ $stderr = *"not a gzip, zstd or tar stream"* ]]
	[ "$(jq -r 'select(.path | contains("blobs")) | .status' "$ENGINE_DIR/fault/requests" | wc -l)" = 2 ]
}

@test "cut at 99 %: one sentence, and the next pull fetches the hundredth that is missing" {
	kind=cut
	run -1 --separate-stderr ctl pull -q "$fault/cut/whiteouts"
	[ "$stderr" = "ctl: pull: layer ${layer:0:19}: registry $fault: answers 503" ]
	[ "$(asked | cut -d ' ' -f 1-3)" = "200 503 503" ]
	size=$(kept)
	[ "$size" -gt 1000000 ]
	[ -z "$(find "$ENGINE_STATE"/images/{layers,dirs,tmp,records} -type f)" ]
	[ "$(stat -c %a%u "$ENGINE_STATE/images/partial" "$ENGINE_STATE/images/partial/${layer#sha256:}" | tr '\n' ' ')" = "7000 6000 " ]
	goes_on_from "$size"
	[ -z "$(asked "${layers[1]}")$(asked "${layers[2]}")" ]
}

@test "imaged killed, and its workers: the next pull goes on where this one was" {
	kind=crawl
	for whose in --state-dir --fetch --unpack; do
		forget
		pulling crawl
		# shellcheck disable=SC2046
		kill -KILL $(imaged_pid $whose)
		! wait $puller || false
		[ "$(grep -c '^ctl: ' "$ENGINE_DIR/pulled")" = 1 ]
		# The fetch worker ends when its channel does.
		wait_until 10 eval '[ -z "$(imaged_pid --fetch)" ]'
		size=$(kept)
		[ "$size" -ge 40000 ]
		wait_until 20 ctl images
		goes_on_from "$size"
	done
}

@test "the engine stopped and started: so it is after that, and old pieces go" {
	kind=crawl
	pulling crawl
	halt
	size=$(kept)
	[ "$size" -ge 40000 ]
	old=$ENGINE_STATE/images/partial/$(printf '7%.0s' {1..64})
	touch -d '8 days ago' "$old"
	launch
	wait_until 10 [ ! -e "$old" ]
	goes_on_from "$size"
	forget
	engine_picture
}

@test "a machine that lost power: what is kept and wrong costs one more download of that layer" {
	kind=crawl
	for spoil in tail head; do
		forget
		pulling crawl
		halt
		piece=$ENGINE_STATE/images/partial/${layer#sha256:}
		size=$(kept)
		at=$((size - 4096))
		[ $spoil = tail ] || at=0
		dd if=/dev/zero of="$piece" bs=1 count=4096 seek=$at conv=notrunc status=none
		[ "$(kept)" = "$size" ]
		launch
		heal
		run -0 ctl pull -q "$fault/crawl/whiteouts"
		# Bytes that unpacking stumbles over at once are not worth asking for the rest.
		[[ $(ranges) =~ ^("bytes=$size- ")?"null "$ ]]
		run -0 ctl run --rm "$fault/crawl/whiteouts" true
	done
	forget
	engine_picture
}

@test "what is wrong with the image, or full, leaves nothing to go on with" {
	for kind in wrong-layer not-gzip not-found drop-liar teapot; do
		run -1 ctl pull -q "$fault/$kind/whiteouts"
		# It is answered before the worker that has the other layer is gone.
		wait_until 10 eval '[ -z "$(ls "$ENGINE_STATE/images/partial")" ]'
	done
}

# another REF: a second pull; its ctl is $second
another()
{
	"$engine_bin/ctl" pull "$1" >"$ENGINE_DIR/second" 2>&1 3>&- &
	second=$!
}

@test "two pulls of one image download once, both see it come, and one may go" {
	forget
	pulling crawl
	another "$fault/crawl/whiteouts"
	wait_until 10 grep -q "^${layer:7:12}: Downloading" "$ENGINE_DIR/second"
	kill $puller
	! wait $puller || false
	sleep 1
	curl -fs "http://$fault/heal"
	wait $second
	[ "$(asked)" = "200 " ]
	run -0 ctl run --rm --pull never "$fault/crawl/whiteouts" true
}

@test "two images that share a layer download it once; when the first pull goes, the second goes on" {
	pulling crawl
	another "$fault/good-range/whiteouts"
	wait_until 10 grep -q "^${layer:7:12}: Downloading" "$ENGINE_DIR/second"
	curl -fs "http://$fault/heal"
	wait $puller
	wait $second
	[ "$(asked)" = "200 " ]
	forget
	pulling crawl
	another "$fault/good-range/whiteouts"
	wait_until 10 grep -q "^${layer:7:12}: Downloading" "$ENGINE_DIR/second"
	kill $puller
	! wait $puller || false
	wait $second
	[ "$(asked)" = "200 206 " ]
	run -0 ctl run --rm --pull never "$fault/good-range/whiteouts" true
	run -1 ctl inspect "$fault/crawl/whiteouts"
}

@test "a pull whose client has gone is called off, and what has come stays" {
	pulling crawl
	kill -KILL $puller
	! wait $puller || false
	wait_until 10 eval '[ -z "$(imaged_pid --fetch)$(imaged_pid --unpack)" ]'
	size=$(kept)
	[ "$size" -ge 40000 ]
	kind=crawl goes_on_from "$size"
	# Also while it is not even known what is to come.
	"$engine_bin/ctl" pull "$fault/endless-headers/busybox" >"$ENGINE_DIR/pulled" 2>&1 3>&- &
	puller=$!
	wait_until 10 grep -q endless-headers "$ENGINE_DIR/fault/requests"
	kill $puller
	! wait $puller || false
	wait_until 10 eval '[ -z "$(imaged_pid --fetch)" ]'
}

@test "a pull that stalls makes no container wait" {
	ctl pull -q "$REGISTRY/busybox"
	pullers=
	for kind in stall crawl slow endless-headers; do
		"$engine_bin/ctl" pull "$fault/$kind/whiteouts" >/dev/null 2>&1 3>&- &
		pullers+=" $!"
	done
	wait_until 20 keeps 1000
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		CTL_TIMEOUT=30 run -0 ctl run --rm --pull missing "$REGISTRY/busybox" echo here
		[ "$output" = here ]
	done
	CTL_TIMEOUT=30 run -0 ctl images
	CTL_TIMEOUT=30 run -0 ctl rmi "$REGISTRY/busybox"
	# shellcheck disable=SC2086
	kill $pullers
	wait_until 15 eval '[ -z "$(imaged_pid --fetch)$(imaged_pid --unpack)" ]'
}

@test "a mirror is asked first, and its wrong layers cost nothing but time" {
	engine_halt || [ -z "$ENGINE_PID" ]
	launch --mirror "$REGISTRY=$fault/wrong-layer"
	run -0 ctl pull -q "$REGISTRY/whiteouts"
	[ "$(asked)" = "200 " ]
	grep -q "mirror $fault: what it gives is wrong; not asking it again" "$ENGINE_LOG"
	run -0 ctl run --rm --pull never "$REGISTRY/whiteouts" true
	forget
	engine_halt || [ -z "$ENGINE_PID" ]
	launch
	engine_picture
	run -2 "$engine_bin/supervisor" --mirror docker.io
	[ "$output" = "supervisor: --mirror takes REGISTRY=HOST[:PORT][/PATH], not: docker.io" ]
}

@test "a mirror that can't be one ends the engine's start, and not each pull" {
	for bad in x =m docker.io= docker.io=M docker.io=http://m docker.io=m:0 docker.io=m:65536 docker.io=m/../x \
			docker.io=m//x 'docker.io=m?x' docker.io=m=n a/b=m docker.io=a:b:c docker.io=[] 'docker.io=[::1'; do
		run -2 timeout 20 "$engine_bin/supervisor" --name "$ENGINE_NAME-2" --run-dir "$BATS_TEST_TMPDIR/run" \
			--state-dir "$BATS_TEST_TMPDIR/state" --mirror "$bad"
		[ "$output" = "supervisor: --mirror takes REGISTRY=HOST[:PORT][/PATH], not: $bad" ]
	done
	for good in docker.io=mirror.example/hub/ '[::1]:5000=127.0.0.1:5000' docker.io=m; do
		run -1 timeout 20 "$engine_bin/supervisor" --run-dir /nonexistent/run --state-dir /nonexistent/state --mirror "$good"
		[[ "$output" == *"/nonexistent/"*": no such file or directory" ]]
		true | timeout 20 "$engine_bin/imaged" --fetch --debug --mirror "$good"
	done
	[ -z "$(ls "$BATS_TEST_TMPDIR")" ]
}

@test "slow registries make no pull from another one wait" {
	pullers=
	# Three layers that crawl, and more images that never come to that.
	for image in crawl/debian:12 endless-headers/{a,b,c,d,e}; do
		"$engine_bin/ctl" pull "$fault/$image" >/dev/null 2>&1 3>&- &
		pullers+=" $!"
	done
	wait_until 20 eval '[ "$(jq -r .path "$ENGINE_DIR/fault/requests" | grep -c headers)" -ge 3 ]'
	CTL_TIMEOUT=30 run -0 ctl run --rm --pull always "$REGISTRY/whiteouts" echo here
	[ "${lines[-1]}" = here ]
	# shellcheck disable=SC2086
	kill $pullers
	wait_until 15 eval '[ -z "$(imaged_pid --fetch)$(imaged_pid --unpack)" ]'
}

@test "a layer that crawls in from one registry comes from another meanwhile" {
	pulling crawl
	start=$(uptime_s)
	CTL_TIMEOUT=30 run -0 ctl run --rm --pull always "$REGISTRY/whiteouts" echo here
	[ "${lines[-1]}" = here ]
	echo "after $(($(uptime_s) - start)) s"
	kill -0 $puller
	[ "$(asked)" = "200 " ]
	curl -fs "http://$fault/heal"
	wait $puller
	run -0 ctl run --rm --pull never "$fault/crawl/whiteouts" true
	[ -z "$(find "$ENGINE_STATE"/images/{partial,tmp} -type f)" ]
}
