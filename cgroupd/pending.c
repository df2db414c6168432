/* SPDX-License-Identifier: MIT */
/*
 * Requests that wait; see pending.h. Runs in cgroupd.
 */
#include "pending.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_FIRST_MS 1
#define STEP_MAX_MS   32

static void pending_free(struct pending *p)
{
	struct pending **at = &p->d->pending;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	watch_free(p->timer);
	free(p);
}

static void run(void *arg);

static bool later(struct pending *p)
{
	if (time_mono_ns() >= p->deadline)
		return false;
	if (p->timer)
		timer_again(p->timer, p->step_ms);
	else
		p->timer = loop_timer(p->d->loop, p->step_ms, run, p);
	p->step_ms = MIN(p->step_ms * 2, (uint64_t)STEP_MAX_MS);
	return p->timer != NULL;
}

static void run(void *arg)
{
	struct pending *p = arg;
	struct err e = {0};
	int r = p->kind->attempt(p, &e);

	if (r == -EBUSY && later(p))
		return;
	if (r == -EBUSY)
		p->kind->give_up(p, &e);
	if (r < 0)
		chan_fail(p->d->chan, p->request, &e);
	else
		p->kind->answer(p);
	pending_free(p);
}

void pending_begin(struct cgroupd *d, const struct pending_kind *kind, uint32_t request,
	const char *container, bool frozen)
{
	struct pending *p = NULL;
	struct err e = {0};

	if (group_check_id(container, &e) == 0) {
		p = calloc(1, sizeof(*p));
		err_set(&e, ENOMEM, "out of memory");
	}
	if (!p) {
		chan_fail(d->chan, request, &e);
		return;
	}
	*p = (struct pending){.next = d->pending,
		.d = d,
		.kind = kind,
		.request = request,
		.deadline = time_mono_ns() + kind->deadline_ms * 1000000ULL,
		.step_ms = STEP_FIRST_MS,
		.frozen = frozen};
	snprintf(p->container, sizeof(p->container), "%s", container);
	d->pending = p;
	run(p);
}

void pending_replace(struct cgroupd *d, const struct pending_kind *kind, const char *container)
{
	static const struct err replaced = {ECANCELED, "something else was asked for meanwhile"};

	for (struct pending *p = d->pending, *next; p; p = next) {
		next = p->next;
		if (p->kind != kind || strcmp(p->container, container) != 0)
			continue;
		chan_fail(d->chan, p->request, &replaced);
		pending_free(p);
	}
}

void pending_free_all(struct cgroupd *d)
{
	while (d->pending)
		pending_free(d->pending);
}
