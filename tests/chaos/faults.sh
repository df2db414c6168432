#!/bin/bash
# SPDX-License-Identifier: MIT
#
# One system call fails, in one process of an engine: at every step of a container's life (faults.py), or of the
# engine's own start (births.py).
#
#	faults.sh [faults|births] [--each N] [--only ROLE/CALL[/K]]
set -u
cd "$(dirname "$0")/../.." || exit 1

. tests/lib/engine.sh

what=faults
case ${1:-} in faults|births) what=$1; shift ;; esac
engine_prepare && engine_images busybox || exit 1
mkdir "$ENGINE_DIR/bind"
rc=0
tests/chaos/$what.py "$@" --image "$REGISTRY/busybox" --bin "$engine_bin" --name "$ENGINE_NAME" \
	--dirs "$ENGINE_RUN $ENGINE_STATE" --bind "$ENGINE_DIR/bind" --log "$ENGINE_LOG" --leaks "$PWD/tests/lib/leaks.py" \
	-- "$engine_bin/supervisor" --name "$ENGINE_NAME" --run-dir "$ENGINE_RUN" --state-dir "$ENGINE_STATE" \
	--log info ${FAULTS_FLAGS:-} || rc=1
[ $rc = 0 ] || cp "$ENGINE_LOG" "${FAULTS_LOG:-/dev/null}"
ENGINE_PID=
engine_stop || rc=1
exit $rc
