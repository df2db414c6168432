/* SPDX-License-Identifier: MIT */
/*
 * ctl update: other limits, or another restart policy, for a container that there is. What is new
 * is kept beside what is in force until cgroupd has set it: then it is the container's, else it is
 * forgotten. Quotas count the larger of the two meanwhile.
 */
#include <errno.h>
#include <string.h>

#include "engine.h"
#include "io_rate.h"

#define UPDATE_MS 10000

struct update {
	struct engine *engine;
	struct relay *relay; /* who asked, or NULL */
	char id[ID_LEN + 1];
};

#define TAKE(field)                                                                                \
	if (more->field)                                                                           \
	to->field = more->field

static struct io_rate *find_rate(const struct limits *l, const struct io_rate *like)
{
	for (uint32_t i = 0; i < l->io.n; i++)
		if (l->io.v[i].major == like->major && l->io.v[i].minor == like->minor)
			return &l->io.v[i];
	return NULL;
}

static int merge_rates(
	struct limits *to, const struct limits *more, struct io_rate *room, struct err *e)
{
	for (uint32_t i = 0; i < to->io.n; i++)
		room[i] = to->io.v[i];
	to->io.v = room;
	for (uint32_t i = 0; i < more->io.n; i++) {
		const struct io_rate *from = &more->io.v[i];
		struct io_rate *r = find_rate(to, from);

		if (!r && to->io.n == UPDATE_RATES_MAX)
			return err_set(e, E2BIG, "rates of more than %d devices", UPDATE_RATES_MAX);
		if (r)
			io_rate_merge(r, from);
		else
			to->io.v[to->io.n++] = *from;
	}
	return 0;
}

static int merge_hugepages(
	struct limits *to, const struct limits *more, struct hugepage_limit *room, struct err *e)
{
	if (more->hugepages.n == 0)
		return 0;
	for (uint32_t i = 0; i < to->hugepages.n; i++)
		room[i] = to->hugepages.v[i];
	to->hugepages.v = room;
	for (uint32_t i = 0; i < more->hugepages.n; i++) {
		uint32_t k = 0;

		while (k < to->hugepages.n && room[k].page != more->hugepages.v[i].page)
			k++;
		if (k == UPDATE_PAGES_MAX)
			return err_set(
				e, E2BIG, "huge pages of more than %d sizes", UPDATE_PAGES_MAX);
		room[k] = more->hugepages.v[i];
		to->hugepages.n = MAX(to->hugepages.n, k + 1);
	}
	return 0;
}

int update_lift(struct limits *to, const struct strv *names, struct err *e)
{
	static const struct {
		const char *name;
		size_t field; /* of 8 bytes; 0 is not set */
	} rows[] = {
		{"memory", offsetof(struct limits, memory)},
		{"memory", offsetof(struct limits, memory_swap)}, /* no total without it */
		{"memory_swap", offsetof(struct limits, memory_swap)},
		{"memory_reservation", offsetof(struct limits, memory_reservation)},
		{"cpu_quota", offsetof(struct limits, cpu_quota)},
		{"cpu_period", offsetof(struct limits, cpu_period)},
		{"cpu_shares", offsetof(struct limits, cpu_shares)},
		{"blkio_weight", offsetof(struct limits, blkio_weight)},
	};

	for (uint32_t i = 0; i < names->n; i++) {
		bool known = false;

		for (unsigned int k = 0; k < ARRAY_LEN(rows); k++) {
			if (strcmp(rows[k].name, names->v[i]) != 0)
				continue;
			memset((char *)to + rows[k].field, 0, sizeof(uint64_t));
			known = true;
		}
		if (!known)
			return err_set(
				e, EINVAL, "no limit called \"%.64s\" can be lifted", names->v[i]);
	}
	return 0;
}

int update_merge(
	struct limits *to, const struct limits *more, struct update_room *room, struct err *e)
{
	int r;

	if (more->memory && !more->memory_swap && to->memory_swap > 0 &&
		(uint64_t)to->memory_swap < more->memory)
		return err_set(e, EINVAL,
			"its memory-swap, the total of memory and swap, is below that: update it at the same time");
	if (to->cpus && to->cpu_quota > 0 && !more->cpus &&
		(more->cpu_quota > 0 || more->cpu_period))
		return err_set(e, EINVAL,
			"its processors are limited by --cpus, which is quota and period: update that, or end it with --cpus 0 first");
	TAKE(memory);
	TAKE(memory_swap);
	TAKE(memory_reservation);
	TAKE(cpu_quota);
	TAKE(cpu_period);
	if (more->cpu_quota)
		to->cpus = more->cpus;
	TAKE(cpu_shares);
	TAKE(cpuset_cpus);
	TAKE(cpuset_mems);
	TAKE(pids);
	TAKE(blkio_weight);
	if (more->swappiness_set) {
		to->swappiness_set = true;
		to->swappiness = more->swappiness;
	}
	if (to->memory && to->memory_reservation > to->memory)
		return err_set(e, EINVAL, "memory reservation is above the memory limit");
	/* As cgroupd has it, which nobody asks while the container is stopped. */
	if (to->memory_swap > 0 && !to->memory)
		return err_set(e, EINVAL, "memory-swap needs a memory limit beside it");
	if (to->memory_swap > 0 && (uint64_t)to->memory_swap < to->memory)
		return err_set(e, EINVAL,
			"memory-swap is the total of memory and swap: it can't be below the memory limit");
	r = merge_rates(to, more, room->rates, e);
	return r < 0 ? r : merge_hugepages(to, more, room->pages, e);
}

void update_undo(struct limits *to, const struct limits *tried, struct update_room *room)
{
	static const struct io_rate none = {0};
	uint32_t k;

	for (uint32_t i = 0; i < tried->io.n; i++) {
		const struct io_rate *old = find_rate(to, &tried->io.v[i]);

		room->rates[i] = tried->io.v[i];
		io_rate_undo(&room->rates[i], old ? old : &none);
	}
	for (uint32_t i = 0; i < tried->hugepages.n; i++) {
		room->pages[i] = tried->hugepages.v[i];
		for (k = 0; k < to->hugepages.n; k++)
			if (to->hugepages.v[k].page == room->pages[i].page)
				break;
		room->pages[i].limit = k < to->hugepages.n ? to->hugepages.v[k].limit : -1;
	}
	to->io.v = room->rates;
	to->io.n = tried->io.n;
	to->hugepages.v = room->pages;
	to->hugepages.n = tried->hugepages.n;
}

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

void update_forget_lifted(struct create *o)
{
	struct limits *l = o->limits;
	uint32_t n = 0;

	for (uint32_t i = 0; l && i < l->io.n; i++) {
		struct io_rate d = l->io.v[i];

		io_rate_forget_lifted(&d);
		if (io_rate_any(&d))
			l->io.v[n++] = d;
	}
	if (!l)
		return;
	l->io.n = n;
	n = 0;
	for (uint32_t i = 0; i < l->hugepages.n; i++)
		if (l->hugepages.v[i].limit >= 0)
			l->hugepages.v[n++] = l->hugepages.v[i];
	l->hugepages.n = n;
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

/* It holds more memory by now than it may have again: nobody is killed for an update that failed.
 */
static void stays(struct ctr *c, const struct err *e)
{
	struct err why = {0};

	log_warn("container %.12s: a failed update can't be taken back, its limits stay: %s", c->id,
		e->text);
	c->undo_due = settle(c, &why) < 0;
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
		stays(c, e);
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
	} else if (!e && settle(c, &why) == 0) {
		if (m->in_force && c->status != CTR_STARTING)
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
