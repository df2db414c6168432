# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# imaged --fetch alone, driven by text lines, against registries on loopback: plain, with TLS and a password, behind
# a token server, and one that lies in every way it knows. Sourced by bats files; setup and teardown are here.

. "$BATS_TEST_DIRNAME/../lib/registry.sh"
. "$BATS_TEST_DIRNAME/../lib/images.sh"

setup_file()
{
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
	for kind in faults plain tls token; do
		registry_stop "$DIR/$kind"
	done
}

setup()
{
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
