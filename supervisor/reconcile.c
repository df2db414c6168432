/* SPDX-License-Identifier: MIT */
/*
 * What helpers have is compared with what there should be, when one comes up and from time to time:
 * an end that was told while a helper was down left something behind.
 */
#include "engine.h"

#include <malloc.h>

#define PAUSE_MS 30000
#define SOON_MS	 1000
#define ASK_MS	 10000

static bool has_cgroup(struct engine *g, const char *id)
{
	const struct ctr *c = ctr_by_id(g, id);

	return c && (c->status == CTR_RUNNING || c->visit ||
			    (c->job && c->status != CTR_REMOVING));
}

static void ask(struct engine *g, const char *after);

static void on_listed(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct cgroup_listed *m = msg;
	struct engine *g = arg;

	(void)f;
	if (e)
		return;
	for (uint32_t i = 0; i < m->containers.n; i++) {
		const struct cgroup_remove gone = {.container = m->containers.v[i]};

		if (has_cgroup(g, gone.container))
			continue;
		log_info("cgroup %.12s is nobody's: removing it", gone.container);
		helper_tell(g, H_CGROUPD, MSG_cgroup_remove, &gone);
	}
	if (m->more && m->containers.n > 0)
		ask(g, m->containers.v[m->containers.n - 1]);
}

static void ask(struct engine *g, const char *after)
{
	const struct cgroup_list m = {.after = after};

	if (helper_chan(g, H_CGROUPD))
		helper_request(g, H_CGROUPD, MSG_cgroup_list, &m, ASK_MS, on_listed, g);
}

/* What a thousand containers took, free(3) keeps when they have gone. */
static void on_time(void *arg)
{
	malloc_trim(0);
	reconcile(arg);
}

/* --rm of a container of which nobody waits for the end any more. */
static void remove_again(struct engine *g)
{
	for (struct ctr *c = g->ctrs, *next; c; c = next) {
		next = c->next;
		if (c->status == CTR_EXITED && !c->job && !c->visit &&
			ctr_create(c)->autoremove)
			remove_begin(c);
	}
}

void reconcile_soon(struct engine *g)
{
	if (g->reconcile_timer)
		timer_again(g->reconcile_timer, SOON_MS);
}

void reconcile(struct engine *g)
{
	if (!g->serving || g->ending)
		return;
	ask(g, NULL);
	remove_again(g);
	watch_free(g->reconcile_timer);
	g->reconcile_timer = loop_timer(g->loop, PAUSE_MS, on_time, g);
}
