# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Registries on loopback for tests, demo and bench, each in a directory of its own that keeps its
# data, its logs and its pid. Sourced. Nothing here picks a port: the kernel does, and the address
# is read back from the log.
#
#	registry_start DIR plain|tls|token	leaves DIR/addr, DIR/ca.crt (tls), DIR/log
#	registry_requests DIR [REGEX]		how many requests it has answered
#	registry_requests_reset DIR
#	fault_registry_start DIR UPSTREAM	see fault_registry.py; leaves DIR/addr, DIR/requests
#	registry_stop DIR			stops what was started in DIR; data and logs stay

registry_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$registry_lib/wait.sh"
registry_user=sailor
registry_password='four winds'
# Debian's, whatever PATH has in front.
registry_python=/usr/bin/python3

registry_say()
{
	echo "registry: $*" >&2
}

# registry_wait PID FILE REGEX SECONDS: prints what REGEX's group captures in FILE.
registry_wait()
{
	local pid=$1 file=$2 regex=$3 end found

	wait_end end "$4"
	while ! wait_over "$end"; do
		found=$(sed -nE "s#.*$regex.*#\\1#p" "$file" 2>/dev/null | head -n1)
		if [ -n "$found" ]; then
			echo "$found"
			return 0
		fi
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	registry_say "no address in $file:"
	tail -n 5 "$file" >&2
	return 1
}

# registry_spawn DIR NAME CMD...: in the background, away from the terminal and from bats' fds.
registry_spawn()
{
	local dir=$1 name=$2

	shift 2
	# Appended to, or what registry_requests_reset cuts off would come back as a hole.
	: >"$dir/$name.log"
	setsid "$@" </dev/null >>"$dir/$name.log" 2>&1 3>&- 4>&- 5>&- 6>&- &
	echo $! >"$dir/$name.pid"
}

registry_certificate()
{
	local dir=$1

	[ ! -e "$dir/server.crt" ] || return 0
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
		-subj "/CN=Bulkhead test CA" -keyout "$dir/ca.key" -out "$dir/ca.crt" \
		-addext basicConstraints=critical,CA:TRUE \
		-addext keyUsage=critical,keyCertSign 2>"$dir/openssl.log" || return 1
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
		-subj "/CN=127.0.0.1" -keyout "$dir/server.key" -out "$dir/server.csr" \
		2>>"$dir/openssl.log" || return 1
	printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n' \
		>"$dir/server.ext"
	openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" \
		-CAcreateserial -days 3650 -extfile "$dir/server.ext" \
		-out "$dir/server.crt" 2>>"$dir/openssl.log"
}

# The registry accepts bcrypt alone; perl-base is on every Debian and its crypt() knows bcrypt.
registry_htpasswd()
{
	perl -e 'print "$ARGV[0]:", crypt($ARGV[1], "\$2y\$05\$" . "bulkheadbulkheadbulkhe"), "\n"' \
		"$registry_user" "$registry_password"
}

registry_config()
{
	local dir=$1 kind=$2

	cat <<CONFIG
version: 0.1
log:
  level: info
  fields: {service: registry}
storage:
  filesystem: {rootdirectory: "$dir/data"}
  delete: {enabled: true}
http:
  addr: 127.0.0.1:0
CONFIG
	case $kind in
	tls)
		cat <<CONFIG
  tls: {certificate: "$dir/server.crt", key: "$dir/server.key"}
auth:
  htpasswd: {realm: bulkhead, path: "$dir/htpasswd"}
CONFIG
		;;
	token)
		cat <<CONFIG
auth:
  token:
    realm: "http://$(cat "$dir/token.addr")/token"
    service: bulkhead-registry
    issuer: bulkhead-token
    rootcertbundle: "$dir/token.crt"
CONFIG
		;;
	esac
}

registry_token_server()
{
	local dir=$1

	[ -e "$dir/token.crt" ] ||
		openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=bulkhead token" \
			-keyout "$dir/token.key" -out "$dir/token.crt" 2>"$dir/openssl.log" ||
		return 1
	registry_spawn "$dir" token "$registry_python" "$registry_lib/token_server.py" \
		--key "$dir/token.key" --certificate "$dir/token.crt" \
		--user "$registry_user" --password "$registry_password"
	registry_wait "$(cat "$dir/token.pid")" "$dir/token.log" \
		'listening on ([0-9.]+:[0-9]+)' 10 >"$dir/token.addr"
}

registry_start()
{
	local dir=$1 kind=${2:-plain}

	mkdir -p "$dir" || return 1
	case $kind in
	plain) ;;
	tls)
		registry_certificate "$dir" || return 1
		registry_htpasswd >"$dir/htpasswd"
		;;
	token)
		registry_token_server "$dir" || return 1
		;;
	*)
		registry_say "unknown kind $kind"
		return 1
		;;
	esac
	registry_config "$dir" "$kind" >"$dir/config.yml"
	OTEL_TRACES_EXPORTER=none registry_spawn "$dir" registry \
		docker-registry serve "$dir/config.yml"
	registry_wait "$(cat "$dir/registry.pid")" "$dir/registry.log" \
		'listening on ([0-9.]+:[0-9]+)' 20 >"$dir/addr"
}

registry_addr()
{
	cat "$1/addr"
}

# Apache-style lines are the access log; the structured ones repeat them.
registry_requests()
{
	grep -E '^127\.0\.0\.[0-9]+ - - \[' "$1/registry.log" | grep -cE -- "${2:-.}" || true
}

registry_requests_reset()
{
	: >"$1/registry.log"
}

fault_registry_start()
{
	local dir=$1 upstream=$2

	mkdir -p "$dir" || return 1
	: >"$dir/requests"
	registry_spawn "$dir" fault "$registry_python" "$registry_lib/fault_registry.py" \
		--upstream "$upstream" --log "$dir/requests" \
		--user "$registry_user" --password "$registry_password"
	registry_wait "$(cat "$dir/fault.pid")" "$dir/fault.log" \
		'listening on ([0-9.]+:[0-9]+)' 10 >"$dir/addr"
}

registry_stop_pid()
{
	local pid=$1 end

	kill "$pid" 2>/dev/null || return 0
	wait_end end 5
	while kill -0 "$pid" 2>/dev/null; do
		if wait_over "$end"; then
			kill -KILL "$pid" 2>/dev/null
			break
		fi
		sleep 0.05
	done
	wait "$pid" 2>/dev/null || true
}

registry_stop()
{
	local f

	for f in "$1"/registry.pid "$1"/token.pid "$1"/fault.pid; do
		[ -e "$f" ] || continue
		registry_stop_pid "$(cat "$f")"
		rm -f "$f"
	done
}
