#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# imaged --fetch alone: what it makes of names, manifests, configs and layers, to whom it gives a password, and readers
# that sleep or go; see tests/lib/fetch.sh.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/fetch.sh"

@test "resolves an image to the digests that the registry has" {
	fetch_start
	resolve "$PLAIN/busybox"
	[ "$(field image.digest)" = "$(announced busybox/manifests/latest)" ]
	[ "$(field image.id)" = "$(curl -fsS -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
		"http://$PLAIN/v2/busybox/manifests/latest" | jq -r .config.digest)" ]
	[ "$(field image.refs)" = "$PLAIN/busybox:latest" ]
	[ "$(field image.config.architecture)" = amd64 ] || [ "$(uname -m)" != x86_64 ]
}

@test "streams every layer, and its sum is its name" {
	fetch_start
	pull "$PLAIN/whiteouts"
	[ "${#digests[@]}" = 3 ]
	[ "${events:-0}" -ge 3 ]
}

@test "reads every setting of a config" {
	fetch_start
	resolve "$PLAIN/config"
	for words in 'image.config.entrypoint=/srv/entry' 'image.config.cmd=default image.config.cmd=words' \
		'image.config.env="COLOUR=sea green" image.config.env=EMPTY=' 'image.config.user=app' \
		'image.config.workdir=/srv/work' 'image.config.volumes=/data' 'image.config.exposed=8080/tcp' \
		'image.config.labels="spaced label=a b"' 'image.config.stop_signal=SIGUSR1'; do
		[[ $reply = *" $words "* ]]
	done
}

@test "an index gives the platform asked for, and says what it has when it hasn't" {
	fetch_start
	ask "fetch_image ref=$PLAIN/twoplat platform=linux/arm64"
	[ "$(field image.config.architecture)" = arm64 ]
	[ "$(field image.digest)" = "$(announced twoplat/manifests/latest)" ]
	ask "fetch_image ref=$PLAIN/twoplat platform=linux/amd64"
	[ "$(field image.config.architecture)" = amd64 ]
	ask "fetch_image ref=$PLAIN/twoplat platform=linux/s390x"
	says 'nothing for linux/s390x; there is linux/arm64, linux/amd64'
	ask "fetch_image ref=$PLAIN/busybox platform=linux/s390x"
	says 'the image is for linux/amd64, not for linux/s390x'
	ask "fetch_image ref=$PLAIN/busybox platform=../x"
	says 'not a platform'
}

@test "a digest is held to, with a tag or without" {
	digest=$(announced busybox/manifests/latest)
	fetch_start
	ask "fetch_image ref=$PLAIN/busybox@$digest"
	[ "$(field image.digest)" = "$digest" ]
	ask "fetch_image ref=$PLAIN/busybox:nosuchtag@$digest"
	[ "$(field image.refs)" = "$PLAIN/busybox:nosuchtag@$digest" ]
	ask "fetch_image ref=$PLAIN/busybox@sha256:$(printf 'a%.0s' {1..64})"
	says "not found on $PLAIN"
}

@test "what isn't there, isn't reached or isn't a name is one sentence" {
	fetch_start
	ask "fetch_image ref=$PLAIN/nosuch:9"
	says "text=\"image \\\"nosuch:9\\\" not found on $PLAIN\""
	ask "fetch_image ref=127.0.0.1:1/x"
	says 'text="registry 127.0.0.1:1: connection refused"'
	ask 'fetch_image ref=no-such-host.invalid/x'
	says "registry no-such-host.invalid: its name can't be resolved"
	for ref in ../../etc/passwd host.io/../x x@sha256:12 X x:y:z 127.0.0.1:99999/x; do
		ask "fetch_image ref=$ref"
		says "image reference \\\"$ref\\\": "
	done
}

@test "blobs and sessions that don't exist are refused" {
	fetch_start
	resolve "$PLAIN/busybox"
	real=${digests[0]}
	digests[0]=sha256:$(printf 'a%.0s' {1..64})
	ask "$(blob_line 0)"
	says "layer ${digests[0]}: not found on $PLAIN"
	digests[0]=sha256:../../etc/passwd
	ask "fetch_blob session=$session digest=${digests[0]} size=1 out=@fd:21"
	says "not a blob's digest"
	digests[0]=$real session=77
	ask "fetch_blob session=77 digest=$real size=1 out=@fd:22"
	says 'no fetch session 77'
}

@test "TLS: the certificate must hold, the password must be right, and neither leads to plain http" {
	fetch_start --certs-dir "$DIR/nowhere"
	ask "fetch_image ref=$TLS/busybox $secret"
	says 'TLS certificate of 127.0.0.1 not trusted'
	[[ $reply = *"$DIR/nowhere/$TLS/"* ]]
	fetch_start --certs-dir "$DIR/certs"
	ask "fetch_image ref=$TLS/busybox"
	says "registry $TLS: authentication required"
	ask "fetch_image ref=$TLS/busybox username=$registry_user password=wrong"
	says "registry $TLS: user name or password refused"
	pull "$TLS/busybox" "$secret"
}

@test "tokens: granted for a password, refused without" {
	fetch_start
	ask "fetch_image ref=$TOKEN/busybox"
	says "registry $TOKEN: authentication required"
	ask "fetch_image ref=$TOKEN/busybox username=$registry_user password=wrong"
	says "registry $TOKEN: user name or password refused"
	pull "$TOKEN/busybox" "$secret"
	grep -q "granted $registry_user .*repository:busybox:pull" "$DIR/token/token.log"
	! grep "granted $registry_user .*push" "$DIR/token/token.log" | grep -v 'pull,push' | grep . || false
}

@test "credentials stay with the registry; a redirect gets none" {
	for fault in auth-redirect auth-redirect-host; do
		fetch_start
		: >"$DIR/faults/requests"
		pull "$FAULTS/$fault/busybox" "$secret"
		[ -n "$(requests '.server == "registry" and .authorization and .status == 307')" ]
		[ -n "$(requests '.server == "elsewhere"')" ]
		[ -z "$(requests '.server == "elsewhere" and .authorization')" ]
	done
	ask "fetch_image ref=$FAULTS/auth-good/busybox"
	says 'authentication required'
}

@test "redirects end, and lead to no file" {
	fetch_start
	ask "fetch_image ref=$FAULTS/redirect-loop/busybox"
	says 'redirects without end'
	[ "$(requests '.status == 307' | wc -l)" = 6 ]
	ask "fetch_image ref=$FAULTS/redirect-file/busybox"
	says 'refused to follow a redirect: neither http nor https'
}

@test "manifests that lie are refused, each with its reason" {
	fetch_start
	while IFS=: read -r fault words; do
		ask "fetch_image ref=$FAULTS/$fault/busybox"
		says "$words"
	done <<-'END'
		wrong-config:digest mismatch of the config
		wrong-manifest:digest mismatch of the manifest
		not-json:not JSON
		big-manifest:a document of more than 4194304 bytes
		self-index:digest mismatch of the manifest
		deep-index:indexes within indexes
		wrong-type:the registry calls it application/vnd.oci.image.index
		type-mismatch:the registry calls it application/vnd.oci.image.manifest
		both-kinds:lists other manifests too
		many-layers:10000 layers
		huge-size:4611686018427387904 bytes
		bad-digest:layer 1 has no digest
	END
}

@test "layers that lie are refused, each with its reason" {
	while IFS=: read -r fault words; do
		fetch_start
		resolve "$FAULTS/$fault/busybox"
		ask "$(blob_line 0)"
		says "layer ${digests[0]}: $words"
	done <<-END
		wrong-layer:digest mismatch: got sha256
		short-blob:518
		not-found:not found on
	END
}

# big_blob: puts 64 MiB into repository big/x beside busybox; leaves blob
big_blob()
{
	image_push busybox "$PLAIN" big/x:1
	head -c 64M /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 >"$t/big" 2>/dev/null
	blob=sha256:$(sha256sum <"$t/big" | cut -c1-64)
	local where

	where=$(curl -fsS -X POST -D - -o /dev/null "http://$PLAIN/v2/big/x/blobs/uploads/" |
		tr -d '\r' | sed -n 's/^Location: //Ip')
	curl -fsS -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$t/big" \
		"$where&digest=$blob"
}

@test "a reader that sleeps blocks nobody, fills no memory and is no stall" {
	big_blob
	mkfifo "$t/blob0"
	exec 9<>"$t/blob0"
	fetch_start --stall-seconds 1
	resolve "$PLAIN/big/x:1"
	say "fetch_blob session=$session digest=$blob size=$((64 << 20)) out=@fd:20"
	sleep 3
	ask "fetch_image ref=$PLAIN/config"
	[[ $reply = fetch_resolved* ]]
	[ "$(awk '/VmHWM/ { print $2 }' "/proc/$fetcher/status")" -lt 40000 ]
	[ "$(head -c 64M <&9 | sha256sum | cut -c1-64)" = "${blob#sha256:}" ]
	heard
	[ "$reply" = done ]
	[ "$(awk '/VmHWM/ { print $2 }' "/proc/$fetcher/status")" -lt 40000 ]
	exec 9>&-
}

@test "a reader that goes ends its transfer" {
	big_blob
	mkfifo "$t/blob0"
	exec 9<>"$t/blob0"
	fetch_start
	resolve "$PLAIN/big/x:1"
	say "fetch_blob session=$session digest=$blob size=$((64 << 20)) out=@fd:20"
	head -c 1M <&9 >/dev/null
	exec 9>&-
	heard
	says "layer $blob: its reader is gone"
	resolve "$PLAIN/busybox"
}

@test "closing a session ends what runs in it" {
	fetch_start
	resolve "$FAULTS/slow/busybox"
	say "$(blob_line 0)"
	say "fetch_close session=$session"
	heard
	says 'its session was closed'
	ask "fetch_blob session=$session digest=${digests[0]} size=1 out=@fd:21"
	says "no fetch session $session"
}
