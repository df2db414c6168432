/* SPDX-License-Identifier: MIT */
/*
 * What stays of a pull that fails, for the next one to go on with: the bytes of its layers as they
 * came (store.h), when what ended it may pass.
 */
#include "pull_impl.h"

#include <errno.h>

#include "../proto/base/log.h"

#define SWEEP_MS 3600000

/* Nobody has said that the image is wrong, or that there is no room for it. */
static bool may_pass(int code)
{
	static const int codes[] = {
		EBUSY, ECANCELED, ECONNABORTED, ECONNREFUSED, ECONNRESET, ETIMEDOUT};

	for (unsigned int i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i] == code)
			return true;
	return false;
}

static void sweep(struct pulls *all)
{
	struct err e;

	if (store_partials_sweep(all->store, &e) < 0)
		log_warn("%s", e.text);
}

static void on_sweep(void *arg)
{
	struct pulls *all = arg;

	sweep(all);
	timer_again(all->sweep, SWEEP_MS);
}

int pull_partial_open(const struct pull *p, const struct layer *l)
{
	if (p->bare || pulls_busy_with(p->all, l->digest))
		return -1; /* two can't write to it */
	return store_partial_open(p->all->store, l->digest, l->size);
}

bool pull_partials_yield(struct pull *p)
{
	if (p->bare)
		return false;
	p->bare = true;
	store_partials_drop(p->all->store);
	return true;
}

void pull_partials_end(struct pull *p)
{
	bool keep = p->state == PULL_FAILED && may_pass(p->failure.code);
	void (*end)(struct store * s, const char *digest) =
		keep ? store_partial_settle : store_partial_drop;

	for (uint32_t i = 0; p->jobs && i < p->image.layers.n; i++)
		if (!pulls_need(p->all, p, p->jobs[i].layer->digest))
			end(p->all->store, p->jobs[i].layer->digest);
	if (keep)
		sweep(p->all);
	if (!p->all->sweep)
		p->all->sweep = loop_timer(p->all->loop, SWEEP_MS, on_sweep, p->all);
}
