#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# imaged --fetch alone: mirrors, the proxy, plain http, and what the fetcher may; see tests/lib/fetch.sh.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/fetch.sh"

# mirrored FAULT...: a fetcher for which these, in their order, are mirrors of the plain registry
mirrored()
{
	local fault options=()

	for fault; do
		case $fault in
		*:*) options+=(--mirror "$PLAIN=$fault") ;;
		*) options+=(--mirror "$PLAIN=$FAULTS/$fault") ;;
		esac
	done
	: >"$DIR/faults/requests"
	: >"$t/log"
	fetch_start --log debug --stall-seconds "${stall:-30}" "${options[@]}"
}

# at_home [WORD]: how often the registry itself was asked, for what has this in its path
at_home()
{
	grep -c "GET http://$PLAIN/v2/.*${1:-}" "$t/log" || true
}

@test "mirrors are asked first, in their order, then the registry" {
	mirrored good
	resolve "$PLAIN/busybox"
	[ "$(field image.refs)" = "$PLAIN/busybox:latest" ]
	ask "$(blob_line 0)"
	[ "$reply" = done ]
	[ "$(at_home)" = 0 ]
	[ "$(requests '.path | startswith("/v2/good/busybox/")' | wc -l)" = 3 ]
	# Nothing there; nobody there; all there.
	mirrored no-such-place 127.0.0.1:1/x good
	pull "$PLAIN/busybox"
	[ "$(at_home)" = 0 ]
	[ "$(requests '.status == 404' | wc -l)" = 3 ]
	[ "$(grep -c 'mirror 127.0.0.1:1: connection refused; asking elsewhere' "$t/log")" = 1 ]
	[ "$(requests '.status == 200' | wc -l)" = 3 ]
	# One that has no layers.
	mirrored not-found
	pull "$PLAIN/busybox"
	[ "$(at_home)" = 1 ]
	[ "$(at_home "blobs/${digests[0]}")" = 1 ]
	# Another registry's mirror is nobody's here.
	fetch_start --mirror "docker.io=$FAULTS/good"
	: >"$DIR/faults/requests"
	pull "$PLAIN/busybox"
	[ -z "$(requests true)" ]
	run -1 "$bin" --fetch --debug --mirror "docker.io=https://$FAULTS" </dev/null
	[[ $output = *'--mirror takes REGISTRY=HOST[:PORT][/PATH], not docker.io=https:'* ]]
}

@test "a mirror that is broken, slow, busy or wrong costs no pull" {
	for fault in wrong-config not-json big-manifest wrong-type type-mismatch both-kinds \
			many-layers huge-size bad-digest error-500 busy-forever busy-hour teapot redirect-loop \
			redirect-file endless-headers auth-good truncated-blob stall; do
		echo "$fault"
		stall=1 mirrored "$fault"
		start=$(uptime_s)
		pull "$PLAIN/busybox"
		[ "$(at_home)" -ge 1 ]
		[ -n "$(requests true)" ]
		[ $(($(uptime_s) - start)) -le 120 ]
	done
	# By digest, a mirror may not answer with anything else.
	mirrored wrong-manifest
	pull "$PLAIN/busybox@$(announced busybox/manifests/latest)"
	grep -q "mirror $FAULTS: what it gives is wrong; not asking it again" "$t/log"
	[ "$(requests true | wc -l)" = 1 ]
}

@test "a mirror's wrong layer is not taken in, and the mirror is not asked again" {
	for fault in wrong-layer short-blob; do
		mirrored "$fault"
		resolve "$PLAIN/busybox"
		ask "$(blob_line 0)"
		says "layer ${digests[0]}: "
		[ "$(at_home)" = 0 ]
		: >"$DIR/faults/requests"
		ask "fetch_blob session=$session digest=${digests[0]} size=${sizes[0]} out=@fd:26"
		[ "$reply" = done ]
		[ -z "$(requests true)" ]
		fetch_stop
		[ "sha256:$(sha256sum <"$t/piped" | cut -c1-64)" = "${digests[0]}" ]
	done
}

@test "what a mirror gave of a blob is gone on with at the registry" {
	mirrored truncated-blob
	pull "$PLAIN/busybox"
	# Half, twice broken off, and the rest.
	grep -qE "GET http://$PLAIN/v2/busybox/blobs/${digests[0]} from byte [0-9]{6}" "$t/log"
}

@test "a password is the registry's, and no mirror's" {
	# This mirror asks for just that password.
	fetch_start --certs-dir "$DIR/certs" --mirror "$TLS=$FAULTS/auth-good" --mirror "$TLS=$FAULTS/good-range"
	: >"$DIR/faults/requests"
	pull "$TLS/busybox" "$secret"
	[ -n "$(requests '.status == 401')" ]
	[ -n "$(requests '.status == 200')" ]
	[ -z "$(requests .authorization)" ]
	fetch_start --certs-dir "$DIR/certs" --mirror "$TLS=$FAULTS/auth-good"
	pull "$TLS/busybox" "$secret"
	[ -z "$(requests .authorization)" ]
	# Nor is a token that one registry gave.
	fetch_start --mirror "$TOKEN=$FAULTS/not-found"
	: >"$DIR/faults/requests"
	resolve "$TOKEN/whiteouts" "$secret"
	for i in 0 1 2; do
		ask "$(blob_line $i)"
		[ "$reply" = done ]
	done
	[ "$(requests '.status == 404' | wc -l)" = 3 ]
	[ -z "$(requests .authorization)" ]
}

@test "runs as an ordinary user without any capability, and remembers no password aloud" {
	fetch_start --log debug
	pull "$TOKEN/busybox" "$secret"
	status=/proc/$fetcher/status
	[ "$(awk '/^Uid:/ { print ($2 == $3 && $3 == $4 && $4 == $5 && $2 != 0) }' $status)" = 1 ]
	[ "$(awk '/^Cap(Inh|Prm|Eff|Bnd|Amb):/ && $2 !~ /^0+$/' $status)" = "" ]
	[ "$(awk '/^NoNewPrivs:/ { print $2 }' $status)" = 1 ]
	[ "$(awk '/^Groups:/ { print NF }' $status)" = 1 ]
	! grep -F "$registry_password" "$t/log" || false
	! grep -iE 'Basic |Bearer [a-zA-Z0-9]' "$t/log" || false
	grep -q 'GET .*with credentials' "$t/log"
}

@test "plain http goes beyond this host only where it is listed" {
	command -v unshare >/dev/null || skip "unshare is missing"
	cat >"$t/far.sh" <<-'END'
		ip link set lo up && ip addr add 192.0.2.1/32 dev lo || exit 1
		python3 -c '
		import http.server
		class H(http.server.BaseHTTPRequestHandler):
		    def do_GET(self):
		        self.send_error(404)
		s = http.server.HTTPServer(("192.0.2.1", 5000), H)
		print("ready", flush=True)
		s.serve_forever()' >"$2" 2>"$3" 3>&- &
		server=$!
		trap 'kill $server' EXIT
		for i in $(seq 1200); do grep -q ready "$2" && break; sleep 0.05; done
		echo fetch_image ref=192.0.2.1:5000/x | "$1" --fetch --debug
		echo fetch_image ref=192.0.2.1:5000/x |
			"$1" --fetch --debug --insecure-registry 192.0.2.1:5000
	END
	run -0 unshare -n bash "$t/far.sh" "$bin" "$t/ready" "$t/asked"
	[[ ${lines[0]} = *'registry 192.0.2.1:5000: '*TLS* || ${lines[0]} = *'wrong version number'* ]]
	[[ ${lines[1]} = *'not found on 192.0.2.1:5000'* ]]
	[ "$(grep -c 'GET /v2/x/' "$t/asked")" = 1 ]
}

@test "a proxy is what an option names, never the environment" {
	export https_proxy=http://127.0.0.1:1 http_proxy=http://127.0.0.1:1 ALL_PROXY=http://127.0.0.1:1
	fetch_start
	resolve "$PLAIN/busybox"
	ask 'fetch_image ref=no-such-host.invalid/x'
	says "its name can't be resolved"
	# The plain registry is no proxy, and says so; loopback goes past it.
	fetch_start --proxy "http://$PLAIN"
	ask 'fetch_image ref=no-such-host.invalid/x'
	says 'registry no-such-host.invalid: the proxy answers '
	grep -q '"CONNECT ' "$DIR/plain/registry.log"
	resolve "$PLAIN/busybox"
}
