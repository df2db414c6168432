/* SPDX-License-Identifier: MIT */
/*
 * ctl update: other limits, or another restart policy, for a container that there is. What is new
 * is kept beside what is in force until cgroupd has set it: then it is the container's, else it is
 * forgotten. Quotas count the larger of the two meanwhile.
 */
#include <errno.h>
#include <string.h>

#include "engine.h"
#include "update.h"

#define UPDATE_MS 10000

struct update {
	struct engine *engine;
	struct relay *relay; /* who asked, or NULL */
	char id[ID_LEN + 1];
};

static int check_quotas(const struct ctr *c, const struct create *o, struct err *e)
{
	for (enum quota q = 0; q < QUOTA_CONNECTIONS; q++) {
		uint64_t is = policy_amount(q, ctr_create(c)), wanted = policy_amount(q, o);
		int r = wanted <= is
				? 0
				: policy_check_quota(c->engine->policy, c->owner, q,
					  ctr_taken_beside(c->engine, c->owner, q, c), wanted, e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Leaves in c->updated what c->create is to become. */
static int prepare(struct ctr *c, const struct container_update *m, struct err *e)
{
	struct create o = *ctr_create(c);
	struct limits l = o.limits ? *o.limits : (struct limits){0};
	struct update_room room;
	int r = m->limits ? update_lift(&l, &m->lifted, e) : 0;

	if (r == 0 && m->limits)
		r = update_merge(&l, m->limits, &room, e);
	if (m->limits)
		o.limits = &l;
	if (m->restart) {
		o.restart = m->restart;
		o.restart_max = m->restart_max;
	}
	if (r == 0)
		r = restart_check(&o, e);
	if (r == 0)
		r = check_quotas(c, &o, e);
	return r < 0 ? r : doc_copy(&c->updated, &schema_create, &o, e);
}

/* Not on record, it is not so: what was tried is c->updated as before. */
static int settle(struct ctr *c, struct err *e)
{
	struct doc was = c->create, tried = c->updated, next = {0};
	int r = doc_copy(&next, &schema_create, tried.obj, e);

	if (r < 0)
		return r;
	update_forget_lifted(next.obj);
	c->create = next;
	c->updated = (struct doc){0};
	r = state_save(c, e);
	if (r < 0) {
		c->create = was;
		c->updated = tried;
		c->unsaved = true; /* it may be on record nevertheless */
		doc_free(&next);
		return r;
	}
	doc_free(&was);
	doc_free(&tried);
	event_tell(c, "update", NULL);
	return 0;
}

static struct update *update_new(struct ctr *c, struct relay *r)
{
	struct update *u = calloc(1, sizeof(*u));

	if (!u) {
		log_error("out of memory");
		abort();
	}
	u->engine = c->engine;
	u->relay = r;
	memcpy(u->id, c->id, sizeof(u->id));
	return u;
}

static void answer(struct update *u, const struct err *e)
{
	const struct done done = {0};

	if (e->code)
		relay_fail(u->relay, e);
	else
		relay_reply(u->relay, MSG_done, &done);
	free(u);
}

/* Of what didn't run when it was asked for: the record alone. */
static void on_known(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct update *u = arg;
	struct ctr *c = ctr_by_id(u->engine, u->id);
	struct err why = e ? *e : (struct err){0};

	(void)msg;
	(void)f;
	if (!c || c->status == CTR_REMOVING)
		err_set(&why, ENOENT, "no such container: %.12s", u->id);
	if (c && (e || c->status == CTR_REMOVING)) {
		doc_free(&c->updated);
	} else if (c && (c->status == CTR_STARTING || c->status == CTR_RUNNING ||
				c->status == CTR_FINISHING)) {
		err_set(&why, EAGAIN, "container %s was started meanwhile: try again", c->name);
		doc_free(&c->updated);
	} else if (c && settle(c, &why) == 0) {
		doc_free(&c->in_force); /* its last run's */
	} else if (c) {
		doc_free(&c->updated);
	}
	answer(u, &why);
}

/* ---- an update that was not answered may have been obeyed, or be so late ---- */

static bool is_open(const struct err *e)
{
	return e && (e->code == ETIMEDOUT || e->code == ECONNRESET || e->code == ECONNREFUSED);
}

static void forget(struct ctr *c)
{
	doc_free(&c->updated);
	state_save_or_log(c);
}

static void on_kept(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct cgroup_state *m = msg;
	struct update *u = arg;
	struct ctr *c = ctr_by_id(u->engine, u->id);
	struct err why = {0};

	(void)f;
	free(u);
	if (!c || !c->updated.obj)
		return;
	c->undo_due = e || c->status != CTR_RUNNING || settle(c, &why) < 0;
	if (!c->undo_due && m->in_force)
		doc_copy(&c->in_force, &schema_limits, m->in_force, NULL);
}

/* It holds more memory by now than it may have again: nobody is killed for an update that failed.
 * Whole, for cgroupd may have died over it. */
static void keep(struct ctr *c, const struct err *e)
{
	const struct create *tried = c->updated.obj;
	const struct cgroup_limit m = {.container = ctr_cgroup(c), .limits = tried->limits};

	log_warn("container %.12s: a failed update can't be taken back, its limits stay: %s", c->id,
		e->text);
	helper_request(c->engine, H_CGROUPD, MSG_cgroup_limit, &m, UPDATE_MS, on_kept,
		update_new(c, NULL));
}

/* Until then it counts, and no other is begun. */
static void on_undone(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct cgroup_state *m = msg;
	struct update *u = arg;
	struct ctr *c = ctr_by_id(u->engine, u->id);

	(void)f;
	free(u);
	if (!c || !c->updated.obj)
		return;
	c->undo_due = c->status == CTR_RUNNING && is_open(e);
	if (c->undo_due)
		return;
	if (e && e->code == EBUSY && c->status == CTR_RUNNING) {
		keep(c, e);
		return;
	}
	if (!e && m->in_force && c->status == CTR_RUNNING)
		doc_copy(&c->in_force, &schema_limits, m->in_force, NULL);
	if (e && c->status == CTR_RUNNING)
		log_error("container %.12s: its limits from before a failed update: %s", c->id,
			e->text);
	forget(c);
}

static void undo(struct ctr *c)
{
	const struct create *was = ctr_create(c), *tried = c->updated.obj;
	struct limits l = was->limits ? *was->limits : (struct limits){0};
	const struct cgroup_limit m = {.container = ctr_cgroup(c), .limits = &l};
	struct update_room room;

	c->undo_due = false;
	update_undo(&l, tried->limits, &room);
	helper_request(c->engine, H_CGROUPD, MSG_cgroup_limit, &m, UPDATE_MS, on_undone,
		update_new(c, NULL));
}

/* The cgroup has gone with the container's end, and what was in force there. */
static void undo_is_moot(struct ctr *c)
{
	if (!c->undo_due || (c->status != CTR_CREATED && c->status != CTR_EXITED &&
				    c->status != CTR_RESTARTING))
		return;
	c->undo_due = false;
	doc_free(&c->in_force);
	forget(c);
}

void update_forget_due(struct ctr *c)
{
	if (c->undo_due)
		doc_free(&c->updated);
	c->undo_due = false;
}

int update_restore(struct ctr *c, const struct limits *tried, struct err *e)
{
	struct limits l = *tried;
	struct create o = *ctr_create(c);
	int r;

	o.limits = &l;
	r = doc_copy(&c->updated, &schema_create, &o, e);
	c->undo_due = r == 0;
	return r;
}

void updates_go_on(struct engine *g)
{
	for (struct ctr *c = g->ctrs; c; c = c->next)
		if (c->undo_due && c->status == CTR_RUNNING)
			undo(c);
		else
			undo_is_moot(c);
}

static void on_set(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct cgroup_state *m = msg;
	struct update *u = arg;
	struct ctr *c = ctr_by_id(u->engine, u->id);
	struct err why = e ? *e : (struct err){0};

	(void)f;
	if (!c || c->status == CTR_REMOVING) {
		err_set(&why, ENOENT, "no such container: %.12s", u->id);
		if (c)
			doc_free(&c->updated);
	} else if (!e && c->status == CTR_STARTING) { /* with what it had before */
		err_set(&why, EAGAIN, "container %s was started meanwhile: try again", c->name);
		forget(c);
	} else if (!e && settle(c, &why) == 0) {
		if (m->in_force)
			doc_copy(&c->in_force, &schema_limits, m->in_force, NULL);
	} else if (c->status == CTR_RUNNING && (!e || is_open(e))) {
		undo(c);
	} else {
		forget(c);
	}
	answer(u, &why);
}

/* On record before cgroupd is asked: the next supervisor takes it back if this one hears no answer.
 */
static void set_limits(struct ctr *c, struct relay *r)
{
	const struct create *o = c->updated.obj;
	const struct cgroup_limit m = {.container = ctr_cgroup(c), .limits = o->limits};
	struct err e = {0};

	if (state_save(c, &e) == 0) {
		helper_request(c->engine, H_CGROUPD, MSG_cgroup_limit, &m, UPDATE_MS, on_set,
			update_new(c, r));
		return;
	}
	doc_free(&c->updated);
	relay_fail(r, &e);
}

static void note_limits(struct ctr *c, const struct limits *asked, struct relay *r)
{
	struct update *u = update_new(c, r);

	if (!cpusets_check(c->engine, asked, on_known, u))
		on_known(u, NULL, NULL, NULL);
}

void on_container_update(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_update *m = msg;
	struct ctr *c = session_ctr(self, ch, id, m->ref);
	const struct done done = {0};
	struct err e = {0};
	int r = 0;

	(void)f;
	if (!c)
		return;
	undo_is_moot(c);
	if (c->updated.obj)
		r = err_set(&e, EBUSY, "container %s is being updated", c->name);
	else if (c->status == CTR_STARTING || c->status == CTR_FINISHING)
		r = err_set(
			&e, EAGAIN, "container %s is being started or ends: try again", c->name);
	else if (c->status == CTR_REMOVING)
		r = err_set(&e, ENOENT, "container %s is being removed", c->name);
	if (r == 0)
		r = prepare(c, m, &e);
	if (r == 0 && m->limits) {
		if (c->status == CTR_RUNNING)
			set_limits(c, relay_new(self, ch, id));
		else
			note_limits(c, m->limits, relay_new(self, ch, id));
		return;
	}
	if (r == 0 && (r = settle(c, &e)) < 0)
		doc_free(&c->updated);
	if (r < 0)
		chan_fail(ch, id, &e);
	else
		chan_reply(ch, id, MSG_done, &done);
}
