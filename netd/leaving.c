/* SPDX-License-Identifier: MIT */
/*
 * Links on their way out. When a container's last process ends, the kernel dismantles its network
 * namespace and deletes both ends of its link within some 50 ms. Where something keeps the
 * namespace alive, netd deletes the link after LEAVING_MS. Runs in netd.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "discard.h"
#include "netd.h"
#include "veth.h"

#define LEAVING_MS 250

bool leaving_has(const struct netd *d, const char *link)
{
	for (const struct leaving *l = d->leaving; l; l = l->next)
		if (strcmp(l->link, link) == 0)
			return true;
	return false;
}

void leaving_forget(struct netd *d, const char *link)
{
	struct leaving **at = &d->leaving;

	while (*at) {
		struct leaving *l = *at;

		if (strcmp(l->link, link) != 0) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		free(l);
	}
}

/* As many as go into one request. */
static void finish_some(struct netd *d)
{
	struct discard gone = {0};
	struct err e = {0};

	for (unsigned int i = 0; i + 1 < DISCARD_MAX && d->leaving; i++) {
		struct leaving *l = d->leaving;

		if (if_nametoindex(l->link))
			discard_add(&gone, l->link, d->rtnl, NULL);
		d->leaving = l->next;
		free(l);
	}
	if (discard_run(&gone, d->rtnl, &e) < 0)
		log_warn("link %s", e.text);
}

void leaving_finish(struct netd *d)
{
	while (d->leaving)
		finish_some(d);
}

/* Requests that have come in meanwhile are served in between. */
static void on_time(void *arg)
{
	struct netd *d = arg;

	finish_some(d);
	if (d->leaving)
		timer_again(d->reaper, 0);
}

void leaving_add(struct netd *d, const char *link)
{
	struct leaving *l = calloc(1, sizeof(*l));
	struct err e = {0};

	if (!d->reaper)
		d->reaper = loop_timer(d->loop, LEAVING_MS, on_time, d);
	if (!l || !d->reaper) {
		free(l);
		if (veth_delete(d->rtnl, link, &e) < 0)
			log_warn("link %s", e.text);
		return;
	}
	snprintf(l->link, sizeof(l->link), "%s", link);
	/* The timer runs from the first of them; those that follow may get less time, which only
	 * costs netd some. */
	if (!d->leaving)
		timer_again(d->reaper, LEAVING_MS);
	l->next = d->leaving;
	d->leaving = l;
}
