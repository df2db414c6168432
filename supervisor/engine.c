/* SPDX-License-Identifier: MIT */
/*
 * The life of the supervisor process: load what there was, meet the helpers, serve, and at the end
 * stop the workloads and take down what the engine made on the host.
 */
#include "engine.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/fd.h"
#include "base/sandbox.h"
#include "profile.h"
#include "saver.h"
#include "seccomp.h"

#define END_GRACE_MS 15000 /* on top of what workloads get */

static struct chan *up(struct engine *g, unsigned int which)
{
	return g->helpers[which].chan;
}

/* A start that was cut off has left no trace in the record. */
static void sweep(struct ctr *c)
{
	const struct cgroup_remove cgroup = {.container = ctr_cgroup(c)};
	const struct net_detach net = {.container = c->id};

	helper_tell(c->engine, H_CGROUPD, MSG_cgroup_remove, &cgroup);
	helper_tell(c->engine, H_NETD, MSG_net_detach, &net);
	start_hurry(c);
}

/* What an earlier life left half done: starts, ends that nobody collected, removals. Not before the
 * helpers are there, which are asked to take down what is left. */
static void settle(struct engine *g)
{
	for (struct ctr *c = g->ctrs, *next; c; c = next) {
		next = c->next;
		if (c->shim && c->status == CTR_RUNNING)
			health_begin(c, false);
		if (c->shim && c->status == CTR_RUNNING && c->removal_asked && !c->job)
			stop_begin(c, 0);
		if (c->job || (c->shim && c->status == CTR_RUNNING))
			continue;
		if (c->status == CTR_RUNNING) {
			restart_lost(c);
			helpers_kill(g, c->slot);
			ctr_lost(c, "its shim ended while the supervisor was away");
			continue;
		}
		sweep(c);
		if (c->remove_after)
			remove_begin(c);
		else
			restart_settle(c);
	}
	helpers_settled(g);
}

void engine_serve_if_ready(struct engine *g)
{
	if (g->serving || g->ending || !g->adopted || !g->network.obj)
		return;
	if (!up(g, H_NETD) || !up(g, H_IMAGED) || !up(g, H_CGROUPD))
		return;
	settle(g);
	network_sync(g);
	g->serving = true;
	g->listen_watch = loop_fd(g->loop, g->listen, LOOP_READ, sessions_accept, g);
	if (!g->listen_watch)
		engine_deaf("ctl");
	log_info("engine %s serves on %s/ctl.sock", g->o->name, g->o->run_dir);
	if (g->end_due)
		return engine_terminate(g);
	shims_fill(g);
	reconcile(g);
}

_noreturn_ void engine_deaf(const char *whom)
{
	log_error("%s can't be listened to: starting anew", whom);
	abort();
}

void engine_give_up(struct engine *g, const struct err *e)
{
	log_error("%s", e->text);
	loop_stop(g->loop, 2); /* the launcher does not start us again then */
}

/* ---- the end ---- */

/* Who has made something on the host that outlives processes. */
static const struct {
	unsigned int helper;
	enum msg_type word;
} teardowns[] = {{H_NETD, MSG_net_teardown}, {H_CGROUPD, MSG_cgroup_teardown}};

/* A helper that dies meanwhile is started again, and asked again once it is up. */
static void on_torn_down(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct helper *h = arg;

	(void)msg;
	(void)f;
	h->teardown = TEARDOWN_DONE;
	if (e)
		log_warn("taking down: %s", e->text);
	if (e && e->code == ECONNRESET)
		h->teardown = TEARDOWN_DUE;
	else
		engine_end_if_idle(h->engine);
}

void engine_end_if_idle(struct engine *g)
{
	const struct done nothing = {0};
	bool done = true;

	if (!g->ending || g->shims)
		return;
	for (const struct ctr *c = g->ctrs; c; c = c->next)
		if (c->job || c->status == CTR_RUNNING)
			return;
	for (unsigned int i = 0; i < ARRAY_LEN(teardowns); i++) {
		struct helper *h = &g->helpers[teardowns[i].helper];

		done &= h->teardown == TEARDOWN_DONE;
		if (h->teardown != TEARDOWN_DUE || !h->chan)
			continue;
		h->teardown = TEARDOWN_ASKED;
		helper_request(g, teardowns[i].helper, teardowns[i].word, &nothing, END_GRACE_MS,
			on_torn_down, h);
	}
	if (done)
		loop_stop(g->loop, 0);
}

static void on_end_timeout(void *arg)
{
	struct engine *g = arg;

	log_error("ending although not everything could be stopped");
	loop_stop(g->loop, 1);
}

void engine_terminate(void *arg)
{
	struct engine *g = arg;

	if (g->ending)
		return;
	watch_free(g->end_timer);
	g->end_timer = loop_timer(
		g->loop, g->o->shutdown_timeout * 1000ULL + END_GRACE_MS, on_end_timeout, g);
	/* What runs can be stopped once it is known who does. */
	g->end_due = true;
	if (!g->serving)
		return;
	g->ending = true;
	watch_free(g->listen_watch);
	g->listen_watch = NULL;
	watch_free(g->accept_timer);
	g->accept_timer = NULL;
	for (struct shim *s = g->shims, *next; s; s = next) {
		next = s->next;
		if (shim_is_spare(s))
			shim_end(s);
	}
	for (struct ctr *c = g->ctrs; c; c = c->next)
		if (c->status == CTR_RUNNING)
			stop_begin(c, g->o->shutdown_timeout);
		else if (c->status == CTR_STARTING)
			start_hurry(c);
		else if (c->visit && !c->job)
			stop_begin(c, 0);
	engine_end_if_idle(g);
}

int engine_run(const struct options *o, const struct policy *policy)
{
	struct engine g = {.o = o,
		.policy = policy,
		.launcher = LAUNCH_FD_CHANNEL,
		.listen = LAUNCH_FD_LISTEN,
		.state = LAUNCH_FD_STATE,
		.network_file = LAUNCH_FD_NETWORK,
		.started_at = time_now_ns()};
	const struct sandbox_place places[] = {{"state", g.state}, {0}};
	struct err e = {0};

	g.loop = loop_new();
	if (!g.loop)
		return 1;
	for (int fd = LAUNCH_FD_CHANNEL; fd <= LAUNCH_FD_LAST; fd++)
		fd_set_cloexec(fd, true);
	if (gc_parse(o->image_gc, &g.gc, &e) < 0 || seccomp_warm(&g, &e) < 0 ||
		state_load(&g, &e) < 0 || helpers_open(&g, &e) < 0 ||
		loop_signal(g.loop, SIGTERM, engine_terminate, &g, &e) < 0 ||
		loop_signal(g.loop, SIGINT, engine_terminate, &g, &e) < 0) {
		log_error("%s", e.text);
		return 1;
	}
	if (sandbox_paths(&profile_supervisor, places, false, &e) < 0 ||
		saver_start(g.loop, &g.saver, &e) < 0 ||
		sandbox_syscalls(&profile_supervisor, false, &e) < 0) {
		log_error("%s", e.text);
		return 2;
	}
	return loop_run(g.loop);
}
