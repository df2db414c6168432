/* SPDX-License-Identifier: MIT */
/*
 * Pausing: cgroupd freezes all processes of a container. The kernel's word is what counts: it is
 * read back when this process or cgroupd is a new one.
 */
#include <errno.h>
#include <string.h>

#include "engine.h"

#define FREEZE_MS 5000 /* cgroupd gives up by itself before */
#define READ_MS	  10000

/* What is to be learned of a container, or done to it, by cgroupd; it may be gone by then. */
struct wish {
	struct engine *engine;
	char id[ID_LEN + 1];
	struct relay *relay; /* who asked, or NULL */
	bool frozen;
};

static struct wish *wish_new(struct ctr *c, struct relay *r, bool frozen)
{
	struct wish *w = calloc(1, sizeof(*w));

	if (!w) {
		log_error("out of memory");
		abort();
	}
	*w = (struct wish){.engine = c->engine, .relay = r, .frozen = frozen};
	memcpy(w->id, c->id, sizeof(w->id));
	return w;
}

void pause_settle(struct ctr *c, bool frozen)
{
	if (!c || c->status != CTR_RUNNING || c->paused == frozen)
		return;
	c->paused = frozen;
	event_tell(c, frozen ? "pause" : "unpause", NULL);
	health_paused(c);
	state_save_or_log(c);
}

static void ask(struct ctr *c, bool frozen, struct relay *r);

/* A freeze that failed may still be obeyed, late. */
static void on_set(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct done done = {0};
	struct wish *w = arg;
	struct ctr *c = ctr_by_id(w->engine, w->id);
	struct err why = e ? *e : (struct err){0};

	(void)msg;
	(void)f;
	if (c && w->relay)
		c->pausing = false;
	if (!e)
		pause_settle(c, w->frozen);
	else if (c && c->status == CTR_RUNNING && w->frozen)
		ask(c, false, NULL);
	if (e)
		err_prefix(&why, "container %s can't be %s", c ? c->name : w->id,
			w->frozen ? "paused" : "unpaused");
	if (w->relay && e)
		relay_fail(w->relay, &why);
	else if (w->relay)
		relay_reply(w->relay, MSG_done, &done);
	else if (e && c && c->status == CTR_RUNNING)
		log_warn("%s", why.text);
	free(w);
}

static void ask(struct ctr *c, bool frozen, struct relay *r)
{
	const struct cgroup_freeze m = {.container = ctr_cgroup(c), .frozen = frozen};

	helper_request(c->engine, H_CGROUPD, MSG_cgroup_freeze, &m, FREEZE_MS, on_set,
		wish_new(c, r, frozen));
}

void pause_thaw(struct ctr *c)
{
	if (c->paused || c->pausing)
		ask(c, false, NULL);
}

static void on_state(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct cgroup_state *m = msg;
	struct wish *w = arg;
	struct ctr *c = ctr_by_id(w->engine, w->id);

	(void)f;
	if (!e)
		pause_settle(c, m->frozen);
	if (!e && c && c->status == CTR_RUNNING && !c->oom_read_at) {
		c->oom_before = m->oom_kills;
		c->oom_read_at = time_now_ns();
	}
	free(w);
}

void pause_learn(struct engine *g)
{
	for (struct ctr *c = g->ctrs; c; c = c->next) {
		const struct cgroup_read m = {.container = ctr_cgroup(c)};

		if (c->status == CTR_RUNNING)
			helper_request(g, H_CGROUPD, MSG_cgroup_read, &m, READ_MS, on_state,
				wish_new(c, NULL, false));
	}
}

void on_container_pause(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_pause *m = msg;
	struct ctr *c = session_ctr(self, ch, id, m->ref);
	struct err e = {0};

	(void)f;
	if (!c || !session_check_running(c, ch, id))
		return;
	if (c->pausing)
		err_set(&e, EBUSY, "container %s is being paused or unpaused", c->name);
	else if (m->undo && !c->paused)
		err_set(&e, EALREADY, "container %s is not paused", c->name);
	else if (!m->undo && c->paused)
		err_set(&e, EALREADY, "container %s is already paused", c->name);
	if (e.code) {
		chan_fail(ch, id, &e);
		return;
	}
	c->pausing = true;
	ask(c, !m->undo, relay_new(self, ch, id));
}
