#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# imaged --fetch alone, driven by text lines, against registries on loopback: plain, with TLS and a password, behind
# a token server, and one that lies in every way it knows.

bats_require_minimum_version 1.5.0

setup_file()
{
	. "$BATS_TEST_DIRNAME/../lib/registry.sh"
	. "$BATS_TEST_DIRNAME/../lib/images.sh"
	export DIR=$BATS_FILE_TMPDIR kind login=$registry_user:$registry_password
	for kind in plain tls token; do
		registry_start "$DIR/$kind" "$kind"
	done
	export PLAIN=$(registry_addr "$DIR/plain") TLS=$(registry_addr "$DIR/tls")
	export TOKEN=$(registry_addr "$DIR/token")
	for kind in busybox whiteouts config twoplat; do
		image_push "$kind" "$PLAIN"
	done
	image_push busybox "$TLS" busybox:latest --dest-creds "$login"
	image_push busybox "$TOKEN" busybox:latest --dest-creds "$login"
	image_push whiteouts "$TOKEN" whiteouts:latest --dest-creds "$login"
	fault_registry_start "$DIR/faults" "$PLAIN"
	export FAULTS=$(registry_addr "$DIR/faults")
	mkdir -p "$DIR/certs/$TLS"
	cp "$DIR/tls/ca.crt" "$DIR/certs/$TLS/"
	chmod 755 "$DIR" "$(dirname "$DIR")" "$(dirname "$(dirname "$DIR")")"
}

teardown_file()
{
	. "$BATS_TEST_DIRNAME/../lib/registry.sh"
	for kind in faults plain tls token; do
		registry_stop "$DIR/$kind"
	done
}

setup()
{
	. "$BATS_TEST_DIRNAME/../lib/registry.sh"
	bin=${BULKHEAD_BIN:-$BATS_TEST_DIRNAME/../../build/bin}/imaged
	t=$BATS_TEST_TMPDIR
	secret="username=$registry_user password=\"$registry_password\""
	fetcher=
	curl -fs "http://$FAULTS/forget"
	: >"$DIR/faults/requests"
}

teardown()
{
	fetch_stop
	cat "$t/log" 2>/dev/null || true
}

# fetch_start [OPTION...]: blobs may go to descriptors 20 to 24, each once; they are the files blob0 to blob4.
# 26 is a pipe, whose bytes are in the file piped; 25 is the file kept.
fetch_start()
{
	fetch_stop
	mkfifo "$t/in" "$t/out" "$t/pipe"
	cat "$t/pipe" >"$t/piped" 3>&- 9>&- &
	piper=$!
	exec 25<>"$t/kept"
	[ -z "${readonly:-}" ] || exec 25<"$t/kept"
	"$bin" --fetch --debug "$@" <"$t/in" >"$t/out" 2>>"$t/log" 3>&- 9>&- \
		20>"$t/blob0" 21>"$t/blob1" 22>"$t/blob2" 23>"$t/blob3" 24>"$t/blob4" 26>"$t/pipe" &
	fetcher=$!
	exec 25>&-
	exec 7>"$t/in" 8<"$t/out"
}

fetch_stop()
{
	[ -n "$fetcher" ] || return 0
	exec 7>&- 8<&-
	kill "$fetcher" 2>/dev/null || true
	wait "$fetcher" || true
	wait "$piper" # it has the last bytes yet to write, perhaps
	fetcher=
	rm -f "$t/in" "$t/out" "$t/pipe"
}

# say LINE: sends it; heard: leaves the next reply in $reply, progress events aside
say()
{
	echo "$1" >&7
}

heard()
{
	while read -r -t 90 -u 8 reply; do
		echo "$reply"
		[[ $reply = fetch_progress* ]] || return 0
		events=$((${events:-0} + 1))
	done
	return 1
}

ask()
{
	say "$1"
	heard
}

# says WORDS: the last reply is a failure that holds them
says()
{
	[[ $reply = failed* && $reply = *"$1"* ]] || { echo "not: $1"; return 1; }
}

# field NAME: its value in the last reply
field()
{
	sed -nE "s/.* $1=\"?([^ \"]*).*/\\1/p" <<<" $reply"
}

# resolve REF [WORD...]: leaves session, digests, sizes
resolve()
{
	ask "fetch_image ref=$*"
	[[ $reply = fetch_resolved* ]] || return 1
	session=$(field session)
	mapfile -t digests < <(grep -oE 'layers\.[0-9]+\.digest=[^ ]+' <<<"$reply" | cut -d= -f2)
	mapfile -t sizes < <(grep -oE 'layers\.[0-9]+\.size=[0-9]+' <<<"$reply" | cut -d= -f2)
}

blob_line()
{
	echo "fetch_blob session=$session digest=${digests[$1]} size=${sizes[$1]} out=@fd:$((20 + $1))"
}

# pull REF [WORD...]: every layer, side by side; each file must have the sum that names it
pull()
{
	local i

	resolve "$@" || return 1
	for i in "${!digests[@]}"; do
		say "$(blob_line "$i")"
	done
	for i in "${!digests[@]}"; do
		heard
		[ "$reply" = done ] || return 1
	done
	for i in "${!digests[@]}"; do
		[ "sha256:$(sha256sum <"$t/blob$i" | cut -c1-64)" = "${digests[i]}" ] || return 1
	done
}

# announced PATH: the digest that the plain registry says it has
announced()
{
	curl -fsSI -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
		-H 'Accept: application/vnd.oci.image.index.v1+json' "http://$PLAIN/v2/$1" |
		tr -d '\r' | sed -n 's/^Docker-Content-Digest: //Ip'
}

requests()
{
	jq -c "select($1)" "$DIR/faults/requests"
}

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

# big_blob: puts 64 MiB into repository big/x beside busybox; leaves blob
big_blob()
{
	. "$BATS_TEST_DIRNAME/../lib/images.sh"
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
