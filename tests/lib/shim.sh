# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# One shim alone, driven by text lines. Sourced.
#
#	shim_open [SHIM-FLAGS...]	starts it; mounts come from SHIM_MOUNTS (flags of mounts.py)
#	say LINE			sends a line
#	hear REGEX [SECONDS]		reads answers until one matches; it is left in $HEARD
#	shim_close			ends it, and waits
#	spec FIELDS			a spec with what every one needs

shim_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$shim_lib/wait.sh"
shim_bin=${BULKHEAD_BIN:-$(cd "$shim_lib/../.." && pwd)/build/bin}/shim
SHIM_UID=${SHIM_UID:-1877999700}
SHIM_BASE=${SHIM_BASE:-1879048192}

# A root file system of busybox alone: shim_tree DIR
shim_tree()
{
	local a

	mkdir -p "$1"/{bin,etc,root,tmp} && chmod 755 "$1" && chmod 1777 "$1/tmp" || return 1
	cp "$(command -v busybox)" "$1/bin/busybox"
	for a in $("$1/bin/busybox" --list); do
		[ -e "$1/bin/$a" ] || ln -s busybox "$1/bin/$a"
	done
	printf '%s\n' root:x:0:0:root:/root:/bin/sh daemon:x:1:1::/:/bin/false \
		web:x:1000:1000::/home/web:/bin/sh >"$1/etc/passwd"
	printf '%s\n' root:x:0: daemon:x:1:web web:x:1000: audio:x:29:web >"$1/etc/group"
}

# Fresh writable and log directories below DIR, and SHIM_MOUNTS for them: shim_dirs DIR TREE
shim_dirs()
{
	mkdir "$1/w" "$1/log" && chmod 777 "$1/w" "$1/log" || return 1
	SHIM_MOUNTS=(--layer "10=$2" --plain "11=$1/w" --open "12=$1/log")
}

shim_open()
{
	# shellcheck disable=SC2034
	coproc SHIM {
		exec python3 "$shim_lib/mounts.py" --base "$SHIM_BASE" "${SHIM_MOUNTS[@]}" -- \
			"$shim_bin" --debug --uid "$SHIM_UID" --uid-base "$SHIM_BASE" "$@" 2>>"$SHIM_LOG"
	}
	exec {SHIM_IN}>&"${SHIM[1]}" {SHIM_OUT}<&"${SHIM[0]}"
	eval "exec ${SHIM[1]}>&- ${SHIM[0]}<&-"
	hear '^shim_ready' 20
}

say()
{
	printf '%s\n' "$*" >&"$SHIM_IN"
}

# A read that times out has taken the first part of a line already: it is kept.
hear()
{
	local end part rc line=

	wait_end end "${2:-15}"
	while ! wait_over "$end"; do
		rc=0
		IFS= read -r -t 1 -u "$SHIM_OUT" part || rc=$?
		line+=$part
		[ $rc -le 128 ] || continue
		if [ $rc != 0 ]; then
			echo "the shim has gone while waiting for $1"
			return 1
		fi
		HEARD=$line line=
		echo "< $HEARD"
		[[ ! $HEARD =~ $1 ]] || return 0
	done
	echo "waited in vain for $1"
	return 1
}

shim_close()
{
	local pid=$SHIM_PID

	[ -n "${SHIM_IN:-}" ] || return 0
	say shim_end 2>/dev/null
	exec {SHIM_IN}>&- {SHIM_OUT}<&-
	SHIM_IN=
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.02
	done
}

spec()
{
	echo "spec=@{spec id=x hostname=tsh env=PATH=/bin caps=34359740667 umask=18 $*}"
}

# start FIELDS: a container from the layers of shim_dirs
start()
{
	say "shim_start $(spec "$@") layers=@fd:10 writable=@fd:11 log=@fd:12"
}

# What the container wrote, put together from the records
output()
{
	awk '{ i = index($0, " "); r = substr($0, i + 1); i = index(r, " "); r = substr(r, i + 1);
		printf "%s%s", substr(r, 3), substr(r, 1, 1) == "F" ? "\n" : "" }' "$SHIM_DIR/log/log"
}
