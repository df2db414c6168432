/* SPDX-License-Identifier: MIT */
/*
 * Shims: started by the launcher, kept ready in a small pool, given to containers, ended. A slot
 * has one shim at most at any time, since it decides the uid: a second one waits until the first is
 * gone.
 */
#include "engine.h"

#include <errno.h>

#include "base/fd.h"

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000

#define SPAWN_TRIES    120 /* the launcher gives a forgotten one five seconds */
#define SPAWN_PAUSE_MS 50

void slot_use(struct engine *g, uint32_t slot, bool used)
{
	if (used)
		g->slots[slot / 8] |= (uint8_t)(1U << slot % 8);
	else
		g->slots[slot / 8] &= (uint8_t) ~(1U << slot % 8);
}

static bool slot_is_used(const struct engine *g, uint32_t slot)
{
	return g->slots[slot / 8] & 1U << slot % 8;
}

static uint32_t slot_find(struct engine *g)
{
	for (uint32_t s = SLOT_MIN; s <= SLOT_MAX; s++)
		if (!slot_is_used(g, s))
			return s;
	return 0;
}

void slot_release(struct engine *g, uint32_t slot)
{
	for (const struct ctr *c = g->ctrs; c; c = c->next)
		if (c->slot == slot)
			return;
	for (const struct shim *s = g->shims; s; s = s->next)
		if (s->slot == slot)
			return;
	slot_use(g, slot, false);
}

static struct shim *shim_find(struct engine *g, uint32_t slot, enum shim_state state)
{
	for (struct shim *s = g->shims; s; s = s->next)
		if (s->slot == slot && s->state == state)
			return s;
	return NULL;
}

static void shim_free(struct shim *s)
{
	struct engine *g = s->engine;

	for (struct shim **p = &g->shims; *p; p = &(*p)->next) {
		if (*p != s)
			continue;
		*p = s->next;
		break;
	}
	watch_free(s->again);
	fd_close(&s->pidfd);
	fd_close(&s->userns);
	fd_close(&s->netns);
	fd_close(&s->rtnl);
	chan_close(s->chan);
	slot_release(g, s->slot);
	free(s);
}

static struct shim *shim_new(struct engine *g, uint32_t slot, uint32_t flags, enum shim_state state)
{
	struct shim *s = calloc(1, sizeof(*s));

	if (!s) {
		log_error("out of memory");
		abort();
	}
	*s = (struct shim){.next = g->shims,
		.engine = g,
		.state = state,
		.slot = slot,
		.flags = flags,
		.pidfd = -1,
		.userns = -1,
		.netns = -1,
		.rtnl = -1};
	g->shims = s;
	slot_use(g, slot, true);
	return s;
}

static void tell_ready(struct shim *s, const struct err *e)
{
	void (*fn)(void *, struct shim *, const struct err *) = s->on_ready;

	s->on_ready = NULL;
	if (fn)
		fn(s->on_ready_arg, e ? NULL : s, e);
}

static void on_shim_ready(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct shim_ready *m = msg;
	struct shim *s = self;

	(void)id;
	if (s->state != SHIM_SPAWNING) {
		chan_refuse(ch, "it is ready twice");
		return;
	}
	s->child_pid = m->pid;
	s->pidfd = frame_take_fd(f, m->pidfd);
	s->userns = frame_take_fd(f, m->userns);
	s->netns = frame_take_fd(f, m->netns);
	s->rtnl = frame_take_fd(f, m->rtnl);
	s->state = s->on_ready ? SHIM_USED : SHIM_STANDBY;
	s->engine->fill_pause_ms = 0;
	if (s->state == SHIM_STANDBY && s->engine->ending) /* who wanted it has given up */
		shim_end(s);
	else
		tell_ready(s, NULL);
}

static void on_exited(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct shim_exited *m = msg;
	struct shim *s = self;

	(void)ch;
	(void)id;
	(void)f;
	if (s->ctr && m->unknown && s->ctr->status == CTR_RUNNING)
		orphan_exited(s->ctr, m);
	else if (s->ctr)
		ctr_exited(s->ctr, m);
}

static void spawn(struct shim *s)
{
	s->state = SHIM_SPAWNING;
	helpers_spawn(s->engine, SHIM, s->slot, s->flags);
}

/* Both its process and its channel are gone: the slot is free for who waits for it. */
static void shim_over(struct shim *s)
{
	struct engine *g = s->engine;
	uint32_t slot = s->slot;
	struct shim *queued;

	shim_free(s);
	queued = shim_find(g, slot, SHIM_QUEUED);
	if (queued)
		spawn(queued);
	shims_fill(g);
	engine_end_if_idle(g);
}

static void on_pause_over(void *arg)
{
	struct engine *g = arg;

	watch_free(g->fill_timer);
	g->fill_timer = NULL;
	shims_fill(g);
}

/* A standby died by itself: the next ones would too, so the pool is filled again only after a
 * growing pause. */
static void pause_filling(struct engine *g)
{
	if (g->fill_timer || g->ending)
		return;
	g->fill_pause_ms =
		MIN(MAX(g->fill_pause_ms * 2, (uint64_t)PAUSE_MIN_MS), (uint64_t)PAUSE_MAX_MS);
	g->fill_timer = loop_timer(g->loop, g->fill_pause_ms, on_pause_over, g);
}

static void ignore_reply(void *arg, void *msg, struct frame *f, const struct err *e)
{
	(void)arg;
	(void)msg;
	(void)f;
	(void)e;
}

static void take_place(struct shim *s, struct ctr *c)
{
	const struct shim_signal nothing = {.signal = 0};

	c->shim = s;
	s->ctr = c;
	s->child_pid = c->pid;
	if (c->heir_timer)
		orphan_adopted(c);
	/* Its end may have been told to our predecessor: then it is told again. */
	if (s->chan)
		chan_request(s->chan, MSG_shim_signal, &nothing, 0, ignore_reply, s);
}

/* Who took the place may be here before the last words of who had it are read. */
static void shim_lost(struct shim *s, struct ctr *c)
{
	struct shim *heir;

	c->shim = NULL;
	if (c->status != CTR_RUNNING)
		return visit_lost(c);
	orphan_begin(c);
	heir = shim_find(s->engine, s->slot, SHIM_USED);
	if (heir)
		take_place(heir, c);
	else if (s->gone && !s->heir)
		orphans_heirless(s->engine, s->slot);
}

static void on_shim_close(void *self, struct chan *ch)
{
	const struct err gone = {ECONNRESET, "the shim died"};
	struct shim *s = self;
	struct ctr *c = s->ctr;

	(void)ch;
	s->chan = NULL;
	helpers_forget(s->engine, SHIM, s->slot, s->pid);
	if (s->state == SHIM_SPAWNING || s->state == SHIM_STANDBY)
		pause_filling(s->engine);
	s->state = SHIM_ENDING;
	s->ctr = NULL;
	tell_ready(s, &gone);
	if (c)
		shim_lost(s, c);
	if (s->gone)
		shim_over(s);
}

static const struct handler handlers[] = {
	{MSG_shim_ready, on_shim_ready},
	{MSG_shim_exited, on_exited},
	{MSG_shim_exec_exited, on_exec_exited},
	{0},
};

static void connect_shim(struct shim *s, int32_t pid, int channel)
{
	const struct chan_setup setup = {.self = SUPERVISOR,
		.peer = SHIM,
		.handlers = handlers,
		.arg = s,
		.on_close = on_shim_close};

	s->pid = pid;
	s->chan = chan_open(s->engine->loop, channel, &setup);
	if (!s->chan)
		engine_deaf("a shim");
}

void shims_on_started(struct engine *g, const struct launch_frame *f, int channel)
{
	struct shim *s = shim_find(g, f->slot, SHIM_SPAWNING);

	if (s && !s->chan) {
		connect_shim(s, f->pid, channel);
		return;
	}
	s = shim_find(g, f->slot, SHIM_ENDING); /* not wanted any more: it ends with its channel */
	if (s && s->pid == 0)
		s->pid = f->pid;
	fd_close(&channel);
	helpers_forget(g, SHIM, f->slot, f->pid);
}

static void on_try_again(void *arg)
{
	struct shim *s = arg;

	watch_free(s->again);
	s->again = NULL;
	spawn(s);
}

void shims_on_failed(struct engine *g, const struct launch_frame *f)
{
	struct shim *s = shim_find(g, f->slot, SHIM_SPAWNING), *ending;
	struct err e;

	if (!s) {
		ending = shim_find(g, f->slot, SHIM_ENDING);
		if (ending && ending->pid == 0) /* not wanted any more, and never there */
			shim_over(ending);
		return;
	}
	/* A predecessor of ours has ended the slot's last one, and it has not gone yet. */
	if (f->status == EAGAIN && s->tries++ < SPAWN_TRIES) {
		s->again = loop_timer(g->loop, SPAWN_PAUSE_MS, on_try_again, s);
		return;
	}
	err_errno(&e, f->status, "starting a shim");
	tell_ready(s, &e);
	shim_over(s);
}

void shims_on_gone(struct engine *g, const struct launch_frame *f)
{
	struct shim *s = g->shims;

	while (s && s->pid != f->pid)
		s = s->next;
	if (!s)
		return;
	s->gone = true;
	s->heir = f->seq;
	if (!s->chan && !s->heir)
		orphans_heirless(g, s->slot);
	if (!s->chan) /* else its last words may be unread: the end of the channel tells */
		shim_over(s);
}

void shims_on_adopt(struct engine *g, const struct launch_frame *f, int channel)
{
	struct shim *s = shim_new(g, f->slot, f->flags, SHIM_USED);
	struct ctr *c = g->ctrs;

	connect_shim(s, f->pid, channel);
	while (c && !(c->slot == f->slot && c->status == CTR_RUNNING))
		c = c->next;
	if (!c) { /* a standby whose descriptors went down with our predecessor, or a start that was
		     cut off */
		shim_end(s);
		return;
	}
	if (!c->shim)
		take_place(s, c);
}

void shims_fill(struct engine *g)
{
	uint32_t have = 0, slot;

	if (!g->serving || g->ending || g->fill_timer)
		return;
	for (const struct shim *s = g->shims; s; s = s->next)
		have += s->state == SHIM_STANDBY || (s->state == SHIM_SPAWNING && !s->on_ready);
	for (; have < g->o->standby && (slot = slot_find(g)) > 0; have++)
		spawn(shim_new(g, slot, 0, SHIM_SPAWNING));
}

bool shim_is_spare(const struct shim *s)
{
	return s->state == SHIM_STANDBY || (s->state == SHIM_SPAWNING && !s->on_ready);
}

bool slot_claim(struct engine *g, uint32_t slot)
{
	struct shim *s = g->shims;

	while (s && !(s->slot == slot && shim_is_spare(s)))
		s = s->next;
	if (!s && slot_is_used(g, slot))
		return false;
	shim_end(s);
	slot_use(g, slot, true);
	return true;
}

void shims_take(struct engine *g, uint32_t slot, uint32_t flags,
	void (*fn)(void *arg, struct shim *s, const struct err *e), void *arg)
{
	struct shim *s = g->shims;
	struct err e;

	while (slot == 0 && flags == 0 && s && s->state != SHIM_STANDBY)
		s = s->next;
	if (slot == 0 && flags == 0 && s) {
		s->state = SHIM_USED;
		fn(arg, s, NULL);
		return;
	}
	if (slot == 0 && (slot = slot_find(g)) == 0) {
		err_set(&e, EAGAIN, "all %u ranges of uids are in use; remove some containers",
			SLOT_MAX);
		fn(arg, NULL, &e);
		return;
	}
	s = shim_find(g, slot, SHIM_ENDING);
	s = shim_new(g, slot, flags, s ? SHIM_QUEUED : SHIM_SPAWNING);
	s->on_ready = fn;
	s->on_ready_arg = arg;
	if (s->state == SHIM_SPAWNING)
		spawn(s);
}

void shim_end(struct shim *s)
{
	const struct shim_end m = {0};

	if (!s || s->state == SHIM_ENDING)
		return;
	if (s->ctr)
		s->ctr->shim = NULL;
	s->ctr = NULL;
	s->state = SHIM_ENDING;
	if (s->chan) {
		chan_event(s->chan, MSG_shim_end, 0, &m);
		chan_close(s->chan);
		s->chan = NULL;
		helpers_forget(s->engine, SHIM, s->slot, s->pid);
	}
	if (s->gone || s->again) /* not there any more, or not yet */
		shim_over(s);
}
