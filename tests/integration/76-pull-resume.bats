#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Pulls that something happens to: bytes that are wrong, transfers that are cut, an imaged that dies, and whoever waits
# meanwhile.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

setup_file()
{
	engine_start && engine_images busybox whiteouts &&
		fault_registry_start "$ENGINE_DIR/fault" "$REGISTRY" && engine_picture
}

teardown_file()
{
	engine_stop
}

setup()
{
	fault=$(cat "$ENGINE_DIR/fault/addr")
	mapfile -t layers < <(skopeo inspect --tls-verify=false "docker://$REGISTRY/whiteouts" | jq -r '.Layers[]')
	layer=${layers[0]} # a megabyte; the others are small
	forget
}

teardown()
{
	engine_unchanged
}

# forget: no image is here, and the fault registry has seen nothing
forget()
{
	ctl images -q | sort -u | xargs -r "$engine_bin/ctl" rmi -f >/dev/null
	: >"$ENGINE_DIR/fault/requests"
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
