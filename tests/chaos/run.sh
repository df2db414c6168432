#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Rounds of chaos.py, each with a seed and an engine of its own, and afterwards nothing may be left on the host:
#
#	run.sh [SEED...]	those seeds; without, new ones until CHAOS_SECONDS (3600) are over
#	CHAOS_ROUND=60		seconds a round
set -u
cd "$(dirname "$0")/../.." || exit 1

. tests/lib/engine.sh

passed=0
failed=0
round=${CHAOS_ROUND:-60}
until=$((SECONDS + ${CHAOS_SECONDS:-3600}))

one()
{
	local seed=$1 rc=0

	engine_prepare && engine_images busybox zstd || return 1
	printf '==== chaos, seed %s\n' "$seed"
	tests/chaos/chaos.py --seed "$seed" --seconds "$round" --image "$REGISTRY/busybox" --other "$REGISTRY/zstd" --bin "$engine_bin" \
		--name "$ENGINE_NAME" --log "$ENGINE_LOG" --run-dir "$ENGINE_RUN" --state-dir "$ENGINE_STATE" \
		-- "$engine_bin/supervisor" --name "$ENGINE_NAME" \
		--run-dir "$ENGINE_RUN" --state-dir "$ENGINE_STATE" --log info ${CHAOS_FLAGS:-} || rc=1
	[ $rc = 0 ] || tail -n 60 "$ENGINE_LOG"
	ENGINE_PID=
	engine_stop || rc=1
	if [ $rc = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL    chaos: again with tests/chaos/run.sh $seed"
	fi
}

if [ $# -gt 0 ]; then
	for seed in "$@"; do one "$seed"; done
else
	while [ $SECONDS -lt "$until" ] && [ $failed = 0 ]; do
		one "$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')"
	done
fi
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
