/* SPDX-License-Identifier: MIT */
/*
 * The launcher's other end, and the helpers that it starts for us: netd, imaged, cgroupd, and
 * imaged's workers. A helper that dies is asked for again, with a growing pause; what was asked of
 * it meanwhile fails.
 */
#include "engine.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "update.h"

/* Of a kind, on their way or alive; imaged asks for five, while as many may be ending. */
#define WORKERS_MAX 16

static void on_worker_wanted(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct worker_wanted *m = msg;
	struct helper *h = self;
	bool fetch = strcmp(m->kind, "fetch") == 0;
	uint32_t *n = &h->engine->workers[fetch];

	(void)id;
	(void)f;
	if (!fetch && strcmp(m->kind, "unpack") != 0) {
		chan_refuse(ch, "it wants a worker of no known kind");
	} else if (*n >= WORKERS_MAX) {
		chan_refuse(ch, "it wants workers without end");
	} else {
		(*n)++;
		helpers_spawn(h->engine, fetch ? FETCH : UNPACK, 0, 0);
	}
}

static void on_worker_over(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct worker_over *m = msg;
	struct helper *h = self;
	bool fetch = strcmp(m->kind, "fetch") == 0;

	(void)id;
	(void)f;
	if ((!fetch && strcmp(m->kind, "unpack") != 0) || m->worker == 0)
		chan_refuse(ch, "it ends a worker of no known kind");
	else
		helpers_forget(h->engine, fetch ? FETCH : UNPACK, 0, (int32_t)m->worker);
}

/* One that has ended, or could not be started. */
static void worker_down(struct engine *g, uint32_t role)
{
	uint32_t *n = &g->workers[role == FETCH];

	if ((role == FETCH || role == UNPACK) && *n > 0)
		(*n)--;
}

static void on_cgroup_oom(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroup_oom *m = msg;
	const struct helper *h = self;
	struct ctr *c = ctr_by_cgroup(h->engine, m->container);

	(void)ch;
	(void)id;
	(void)f;
	if (c) {
		c->oom_at = time_now_ns();
		event_tell(c, "oom", NULL);
	}
	log_info("container %s: out of memory in its cgroup", m->container);
}

static const struct handler imaged_handlers[] = {
	{MSG_worker_wanted, on_worker_wanted},
	{MSG_worker_over, on_worker_over},
	{MSG_image_progress, on_image_progress},
	{0},
};
static const struct handler cgroupd_handlers[] = {{MSG_cgroup_oom, on_cgroup_oom}, {0}};

static void spawn_again(void *arg)
{
	struct helper *h = arg;

	watch_free(h->again);
	h->again = NULL;
	helpers_spawn(h->engine, h->role, 0, 0);
}

static void helper_down(struct helper *h)
{
	struct engine *g = h->engine;

	h->chan = NULL;
	watch_free(h->again);
	h->again = loop_timer(g->loop, backoff_pause(&h->backoff, time_mono_ns()), spawn_again, h);
}

static void on_helper_close(void *self, struct chan *ch)
{
	struct helper *h = self;

	(void)ch;
	log_warn("%s is gone; starting it again", role_name(h->role));
	helpers_forget(h->engine, h->role, 0, h->pid);
	helper_down(h);
}

static struct helper *helper_of(struct engine *g, uint32_t role)
{
	for (unsigned int i = 0; i < H_COUNT; i++)
		if (g->helpers[i].role == role)
			return &g->helpers[i];
	return NULL;
}

static void helper_up(struct helper *h, int32_t pid, int channel)
{
	const struct chan_setup setup = {.self = SUPERVISOR,
		.peer = h->role,
		.handlers = h->handlers,
		.arg = h,
		.on_close = on_helper_close};

	if (h->chan) { /* one that was adopted and one that was asked for */
		fd_close(&channel);
		return;
	}
	h->pid = pid;
	h->chan = chan_open(h->engine->loop, channel, &setup);
	if (!h->chan)
		engine_deaf(role_name(h->role));
	h->backoff = (struct backoff){0}; /* it has come up, whatever becomes of it */
	if (h->on_up)
		h->on_up(h->engine);
	engine_serve_if_ready(h->engine);
	reconcile(h->engine);
	engine_end_if_idle(h->engine);
}

static void worker_up(struct engine *g, uint32_t role, int32_t pid, int channel)
{
	MSG_DECLARE(worker_ready, m);

	m.kind = role == FETCH ? "fetch" : "unpack";
	m.channel = channel;
	m.worker = (uint32_t)pid;
	if (g->helpers[H_IMAGED].chan)
		chan_event(g->helpers[H_IMAGED].chan, MSG_worker_ready, 0, &m);
	fd_close(&channel);
}

static void on_started(struct engine *g, const struct launch_frame *f, int channel)
{
	struct helper *h = helper_of(g, f->role);

	if (f->role == SHIM)
		shims_on_started(g, f, channel);
	else if (h)
		helper_up(h, f->pid, channel);
	else
		worker_up(g, f->role, f->pid, channel);
}

static void on_failed(struct engine *g, const struct launch_frame *f)
{
	struct helper *h = helper_of(g, f->role);

	/* A shim's place that is not free yet is asked for again. */
	if (f->role != SHIM || f->status != EAGAIN)
		log_error("starting %s: %s", role_name(f->role), strerror(f->status));
	if (f->role == SHIM)
		shims_on_failed(g, f);
	else if (h && !h->chan)
		helper_down(h);
	else if (!h)
		worker_down(g, f->role);
}

/* All that still ran has been handed over: now start what is missing. */
static void on_adopted(struct engine *g, uint32_t how)
{
	g->adopted = true;
	g->anew = how & LAUNCH_ANEW;
	if (how & LAUNCH_ENDING)
		engine_terminate(g);
	for (unsigned int i = 0; i < H_COUNT; i++)
		if (!g->helpers[i].chan && !g->helpers[i].again)
			helpers_spawn(g, g->helpers[i].role, 0, 0);
	engine_serve_if_ready(g);
}

static void on_launcher(void *arg, int what)
{
	struct engine *g = arg;
	struct launch_frame f;
	struct helper *h;
	int fd, r;

	(void)what;
	r = launch_recv(g->launcher, &f, &fd);
	if (r == -EAGAIN)
		return;
	if (r < 0) {
		/* The helpers and shims end with us: whoever is started next finds the place free.
		 */
		log_error("the launcher is gone; ending");
		loop_stop(g->loop, 1);
		return;
	}
	switch ((enum launch_op)f.op) {
	case LAUNCH_STARTED:
		on_started(g, &f, fd);
		return;
	case LAUNCH_FAILED:
		on_failed(g, &f);
		break;
	case LAUNCH_GONE:
		if (f.role == SHIM)
			shims_on_gone(g, &f);
		else
			worker_down(g, f.role);
		break;
	case LAUNCH_ADOPT:
		h = helper_of(g, f.role);
		if (f.role == SHIM)
			shims_on_adopt(g, &f, fd);
		else if (h)
			helper_up(h, f.pid, fd);
		return;
	case LAUNCH_ADOPTED:
		on_adopted(g, f.seq);
		break;
	case LAUNCH_IDMAPPED:
		idmaps_answer(g, &f, fd);
		break;
	case LAUNCH_ORPHAN:
		orphans_on_gone(g, &f);
		break;
	case LAUNCH_HEIRLESS:
		orphans_heirless(g, f.slot);
		break;
	case LAUNCH_KILL:
	case LAUNCH_SPAWN:
	case LAUNCH_FORGET:
	case LAUNCH_IDMAP:
	case LAUNCH_SETTLED:
		break;
	}
	fd_close(&fd);
}

static void cgroupd_up(struct engine *g)
{
	pause_learn(g);
	updates_go_on(g);
}

int helpers_open(struct engine *g, struct err *e)
{
	g->helpers[H_NETD] = (struct helper){
		.role = NETD, .handlers = network_handlers, .on_up = network_helper_up};
	g->helpers[H_IMAGED] = (struct helper){.role = IMAGED, .handlers = imaged_handlers};
	g->helpers[H_CGROUPD] =
		(struct helper){.role = CGROUPD, .handlers = cgroupd_handlers, .on_up = cgroupd_up};
	for (unsigned int i = 0; i < H_COUNT; i++)
		g->helpers[i].engine = g;
	g->launcher_watch = loop_fd(g->loop, g->launcher, LOOP_READ, on_launcher, g);
	return g->launcher_watch ? 0 : err_set(e, ENOMEM, "out of memory");
}

void helpers_spawn(struct engine *g, enum role role, uint32_t slot, uint32_t flags)
{
	const struct launch_frame f = {
		.op = LAUNCH_SPAWN, .role = role, .slot = slot, .flags = flags};

	if (launch_send(g->launcher, &f, -1) < 0)
		log_error("the launcher does not answer");
}

void helpers_forget(struct engine *g, enum role role, uint32_t slot, int32_t pid)
{
	const struct launch_frame f = {.op = LAUNCH_FORGET, .role = role, .slot = slot, .pid = pid};

	launch_send(g->launcher, &f, -1);
}

void helpers_settled(struct engine *g)
{
	const struct launch_frame f = {.op = LAUNCH_SETTLED};

	launch_send(g->launcher, &f, -1);
}

void helpers_kill(struct engine *g, uint32_t slot)
{
	const struct launch_frame f = {.op = LAUNCH_KILL, .slot = slot};

	launch_send(g->launcher, &f, -1);
}

struct chan *helper_chan(struct engine *g, unsigned int which)
{
	return g->helpers[which].chan;
}

struct refusal {
	struct watch *timer;
	reply_fn fn;
	void *arg;
	struct err e;
};

static void on_refusal(void *arg)
{
	struct refusal *r = arg;

	r->fn(r->arg, NULL, NULL, &r->e);
	watch_free(r->timer);
	free(r);
}

uint32_t helper_request(struct engine *g, unsigned int which, enum msg_type type, const void *msg,
	unsigned int deadline_ms, reply_fn fn, void *arg)
{
	struct helper *h = &g->helpers[which];
	struct refusal *r;

	if (h->chan)
		return chan_request(h->chan, type, msg, deadline_ms, fn, arg);
	r = calloc(1, sizeof(*r));
	if (!r) {
		log_error("out of memory");
		abort();
	}
	r->fn = fn;
	r->arg = arg;
	err_set(&r->e, ECONNREFUSED, "%s is not running; try again in a moment",
		role_name(h->role));
	r->timer = loop_timer(g->loop, 0, on_refusal, r);
	return 0;
}

static void on_told(void *arg, void *msg, struct frame *f, const struct err *e)
{
	(void)arg;
	(void)msg;
	(void)f;
	if (e && e->code != ECONNRESET)
		log_warn("%s", e->text);
}

void helper_tell(struct engine *g, unsigned int which, enum msg_type type, const void *msg)
{
	if (g->helpers[which].chan)
		chan_request(g->helpers[which].chan, type, msg, 0, on_told, g);
}
