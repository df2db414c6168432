# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Waiting for what comes. Sourced by the other files here.
#
#	wait_until SECONDS CMD...	until CMD succeeds; fails when the time is over
#	wait_end VARIABLE SECONDS	when that time is over, by the clock of wait_over
#	wait_over END
#	uptime_s			seconds, by the same clock
#
# SECONDS is what an idle machine needs; a busy one gets WAIT_SCALE times as long, which costs nothing where the wait is
# not in vain; where a machine is emulated TEST_PATIENCE says how much slower it is. The clock is the one that counts from the machine's start: nobody sets it.

WAIT_SCALE=${WAIT_SCALE:-$((5 + ${TEST_PATIENCE:-1}))}

wait_end()
{
	local now more

	read -r now more </proc/uptime
	printf -v "$1" %d $((${now%.*} + $2 * WAIT_SCALE + 1))
}

wait_over()
{
	local now more

	read -r now more </proc/uptime
	[ "${now%.*}" -ge "$1" ]
}

uptime_s()
{
	local now more

	read -r now more </proc/uptime
	echo "${now%.*}"
}

wait_until()
{
	local wait_until_end

	wait_end wait_until_end "$1"
	shift
	until "$@" >/dev/null 2>&1; do
		! wait_over "$wait_until_end" || return 1
		sleep 0.05
	done
}
