/* SPDX-License-Identifier: MIT */
/*
 * Pauses between two starts; see backoff.h.
 */
#include "backoff.h"

#include "base/util.h"

void backoff_started(struct backoff *b, uint64_t now)
{
	b->since = now;
}

uint64_t backoff_pause(struct backoff *b, uint64_t now)
{
	uint64_t pause = b->next_ms;

	if (pause == 0 || (b->since && now - b->since >= BACKOFF_STABLE_MS * UINT64_C(1000000)))
		pause = BACKOFF_MIN_MS;
	b->next_ms = MIN(pause * 2, (uint64_t)BACKOFF_MAX_MS);
	b->since = 0;
	return pause;
}
