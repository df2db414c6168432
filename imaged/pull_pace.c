/* SPDX-License-Identifier: MIT */
/*
 * Pulls that wait for their registries, and what they hold meanwhile: a fetch worker, and an unpack
 * worker for each layer, of which there are few. Those of slow ones are counted apart.
 */
#include "pull_impl.h"

#define PACE_MS	   5000
#define PACE_BYTES (64 * 1000 * PACE_MS / 1000) /* a layer that brings more is not slow */

static bool job_pace(struct job *j)
{
	bool slow = j->bytes - j->paced < PACE_BYTES;

	j->paced = j->bytes;
	if (j->unpacking)
		worker_set_slow(j->unpacker, slow);
	return slow;
}

static void on_pace(void *arg)
{
	struct pull *p = arg;

	p->slow = true;
	for (uint32_t i = 0; p->jobs && i < p->image.layers.n; i++)
		if (job_running(&p->jobs[i]))
			p->slow &= job_pace(&p->jobs[i]);
	if (p->fetcher)
		worker_set_slow(p->fetcher, p->slow);
	if (p->slow)
		pulls_kick(p->all);
	timer_again(p->pace, PACE_MS);
}

void pull_watch_pace(struct pull *p)
{
	p->pace = loop_timer(p->all->loop, PACE_MS, on_pace, p);
}
