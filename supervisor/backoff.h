/* SPDX-License-Identifier: MIT */
/*
 * How long to wait before a process that has died is started again: what dies at once is not to
 * spin, and what was well is to be back in a moment. Times are CLOCK_MONOTONIC's, in ns.
 */
#pragma once

#include <stdint.h>

#define BACKOFF_MIN_MS	  100
#define BACKOFF_MAX_MS	  5000
#define BACKOFF_STABLE_MS 1000 /* one that has lived so long was well */

struct backoff {
	uint64_t next_ms, since;
};

/* It has been started. */
void backoff_started(struct backoff *b, uint64_t now);

/* It is gone, or could not be started: the ms to wait, twice those before. */
uint64_t backoff_pause(struct backoff *b, uint64_t now);
