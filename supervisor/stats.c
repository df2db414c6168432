/* SPDX-License-Identifier: MIT */
/*
 * What containers use, for ctl stats: cgroupd's numbers, passed on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define STATS_MS 10000

static void on_usage(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct cgroup_usage_is *m = msg;
	struct relay *r = arg;
	char *id = r->data;
	const struct ctr *c = ctr_by_id(r->engine, id);
	struct container_stats_are answer = {0};
	struct err why;

	(void)f;
	if (!c) {
		err_set(&why, ENOENT, "no such container: %.12s", id);
		relay_fail(r, &why);
	} else if (e && c->status == CTR_RUNNING) {
		relay_fail(r, e);
	} else { /* it may have ended meanwhile */
		answer.id = c->id;
		answer.name = c->name;
		answer.usage = m ? m->usage : NULL;
		answer.in_force = m ? m->in_force : NULL;
		relay_reply(r, MSG_container_stats_are, &answer);
	}
	free(id);
}

void on_container_stats(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_stats *m = msg;
	struct ctr *c = session_ctr(self, ch, id, m->ref);
	struct cgroup_usage ask;
	struct relay *r;

	(void)f;
	if (!c)
		return;
	if (c->status != CTR_RUNNING) {
		const struct container_stats_are none = {.id = c->id, .name = c->name};

		chan_reply(ch, id, MSG_container_stats_are, &none);
		return;
	}
	r = relay_new(self, ch, id);
	r->data = strdup(c->id);
	if (!r->data) {
		log_error("out of memory");
		abort();
	}
	ask = (struct cgroup_usage){.container = ctr_cgroup(c)};
	helper_request(self, H_CGROUPD, MSG_cgroup_usage, &ask, STATS_MS, on_usage, r);
}
