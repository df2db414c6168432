/* SPDX-License-Identifier: MIT */
/*
 * A container whose shim has died. Its keeper takes the shim's place, and the launcher finds it;
 * how the workload ends is then known to the launcher alone, which reaps it. If nobody comes, what
 * is left is killed: a container that can't be reached must not run.
 */
#include "engine.h"

#include <sys/wait.h>

#define HEIR_MS	  5000 /* the launcher has told by then */
#define STATUS_MS 1000 /* between the end of a workload and word of how */

static void end_with(struct ctr *c, int status)
{
	const struct shim_exited how = {
		.exit_code = (uint32_t)(WIFEXITED(status) ? WEXITSTATUS(status)
							  : 128 + WTERMSIG(status)) &
			     0xff,
		.signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0,
		.finished_at = c->finished_at};

	ctr_exited(c, &how);
}

static void on_no_status(void *arg)
{
	struct ctr *c = arg;

	watch_free(c->heir_timer);
	c->heir_timer = NULL;
	ctr_lost(c, c->heirless ? "its shim died" : "its shim died before it");
}

static void await_status(struct ctr *c)
{
	watch_free(c->heir_timer);
	c->heir_timer = NULL;
	if (c->orphan_status >= 0)
		return end_with(c, c->orphan_status);
	c->heir_timer = loop_timer(c->engine->loop, STATUS_MS, on_no_status, c);
}

/* It may have ended by itself before: then the launcher tells how. */
static void on_nobody(void *arg)
{
	struct ctr *c = arg;

	helpers_kill(c->engine, c->slot);
	c->heirless = true;
	c->finished_at = time_now_ns();
	await_status(c);
}

void orphan_begin(struct ctr *c)
{
	ctr_end_execs(c);
	watch_free(c->heir_timer);
	c->heir_timer = loop_timer(c->engine->loop, HEIR_MS, on_nobody, c);
}

void orphans_heirless(struct engine *g, uint32_t slot)
{
	for (struct ctr *c = g->ctrs; c; c = c->next)
		if (c->slot == slot && c->status == CTR_RUNNING && !c->shim && c->heir_timer &&
			!c->heirless)
			return on_nobody(c);
}

void orphan_adopted(struct ctr *c)
{
	watch_free(c->heir_timer);
	c->heir_timer = NULL;
	log_info("container %.12s: the keeper has taken the place of its shim", c->id);
	stop_adopted(c);
}

/* The launcher's word may come before or after this one. */
void orphan_exited(struct ctr *c, const struct shim_exited *how)
{
	c->finished_at = how->finished_at;
	await_status(c);
}

void orphans_on_gone(struct engine *g, const struct launch_frame *f)
{
	for (struct ctr *c = g->ctrs; c; c = c->next) {
		if (c->status != CTR_RUNNING || c->pid != (uint32_t)f->pid || f->pid <= 0)
			continue;
		c->orphan_status = f->status;
		/* SIGKILL is what it got from us then. */
		if (c->heirless && WIFSIGNALED(f->status) && WTERMSIG(f->status) == SIGKILL)
			on_no_status(c);
		else if (c->finished_at)
			end_with(c, f->status);
		return;
	}
}
