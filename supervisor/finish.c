/* SPDX-License-Identifier: MIT */
/*
 * The end of a workload, and removal: what a start built is taken down again. Every step can be
 * repeated, and one that finds nothing to do succeeds.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "job.h"

#define HELPER_MS  30000
#define FINISH_MS  5000	      /* what is not done by then, reconcile() does */
#define CLEAN_MS   20000      /* for a slice of half a second (clean.h), and a file that is large */
#define PEAK_SLACK (1U << 20) /* more than one charge asks for (try_charge_memcg) */
#define OOM_END_NS 10000000000ULL /* a process that holds much takes seconds to end */

/* ---- after the workload's end: network and limits ---- */

static bool has_endpoint(const struct job *j)
{
	return j->ctr->endpoint.obj != NULL;
}

/* What netd doesn't do now, since it is being started again, say, it does with the next list, which
 * this container is not on. */
static void on_detached(void *ref, void *msg, struct frame *f, const struct err *e)
{
	struct job *j = step_job(ref);

	(void)msg;
	(void)f;
	if (e) {
		log_warn("container %.12s: network: %s", j->ctr->id, e->text);
		network_sync_soon(j->engine);
	}
	job_step_done(ref, NULL);
}

/* A helper that does not answer must not keep the container. Its cgroup is reconcile()'s then,
 * once the job that has the container is over. */
static void step_over(void *ref, const struct err *e)
{
	if (e) {
		step_job(ref)->left = true;
		log_error("container %.12s: %s: %s", step_job(ref)->ctr->id,
			step_job(ref)->steps[((struct step_ref *)ref)->index].name, e->text);
	}
	job_step_done(ref, NULL);
}

static void detach_network(struct job *j, void *ref)
{
	const struct net_detach m = {.container = j->ctr->id};

	helper_request(j->engine, H_NETD, MSG_net_detach, &m, FINISH_MS, on_detached, ref);
}

/* A kernel that tells no peak leaves it open. */
static bool reached(uint64_t peak, uint64_t limit)
{
	return peak == 0 || peak + PEAK_SLACK >= limit;
}

/* The kernel names what it killed in its log alone, which takes a capability to read; but who has
 * ended is known. Our own init, or a shell, passes on what became of its child. */
static void tell_oom(struct ctr *c)
{
	const struct limits *l = c->in_force.obj;
	char limit[96] = "without a memory limit", who[64] = "a process of it";

	if (l && l->memory && (!c->cgroup || reached(c->memory_peak, l->memory)))
		snprintf(limit, sizeof(limit), "at the memory limit of %" PRIu64 " bytes",
			l->memory);
	else if (c->cgroup)
		snprintf(limit, sizeof(limit), "in %s", ctr_create(c)->cgroup_parent);
	if (c->end_signal == SIGKILL && !ctr_create(c)->init)
		snprintf(who, sizeof(who), "its first process, %" PRIu32 ",", c->pid);
	c->oom_killed = true;
	snprintf(c->error, sizeof(c->error),
		"out of memory: %s was killed %s; the peak was %" PRIu64 " bytes", who, limit,
		c->memory_peak);
	log_info("container %.12s: %s", c->id, c->error);
}

/* Whether its end came so soon after a kill as an end by it does. What a predecessor of this
 * process was told of is known by its number alone. */
static bool is_of_kill(const struct ctr *c, uint64_t kills)
{
	if (c->oom_at)
		return c->finished_at < c->oom_at + OOM_END_NS;
	return !c->oom_read_at || c->finished_at < c->oom_read_at || kills > c->oom_before;
}

/* Whether its end is blamed on the limit: a clean one never is, even if some child was killed on
 * the way, and neither is somebody's SIGKILL, ours or, long after that child, another's. */
static bool was_oom(const struct ctr *c, uint64_t kills)
{
	return kills > 0 && c->exit_code == 128 + SIGKILL && !c->was_killed && is_of_kill(c, kills);
}

/* Of its end: with how, and whether that had been asked for. */
static void tell_end(const struct ctr *c)
{
	event_tell(c, "die", "exitCode=%" PRIu32, c->exit_code);
	if (c->was_stopping)
		event_tell(c, "stop", NULL);
}

static void on_cgroup_state(void *ref, void *msg, struct frame *f, const struct err *e)
{
	const struct cgroup_state *m = msg;
	struct ctr *c = step_job(ref)->ctr;

	(void)f;
	if (m)
		ctr_count(c, m);
	if (m && was_oom(c, m->oom_kills))
		tell_oom(c);
	tell_end(c);
	step_over(ref, e);
}

static void remove_cgroup(struct job *j, void *ref)
{
	const struct cgroup_remove m = {.container = ctr_cgroup(j->ctr)};

	helper_request(
		j->engine, H_CGROUPD, MSG_cgroup_remove, &m, FINISH_MS, on_cgroup_state, ref);
}

static const struct step finish_steps[] = {
	{"network", 0, has_endpoint, detach_network, NULL},
	{"limits", 0, NULL, remove_cgroup, NULL},
	{0},
};

void ctr_end_execs(struct ctr *c)
{
	health_lost(c);
	for (struct exec *x = c->execs; x; x = x->next) {
		if (x->ended)
			continue;
		x->ended = true;
		x->exit_code = 137;
		wait_notify(c, WAIT_EXIT, x->number);
	}
}

/* --rm waits for the second half of a `restart`, as docker has it; rm -f doesn't. */
static bool goes_away(const struct ctr *c)
{
	return c->removal_asked || (c->remove_after && !c->restart.by_hand);
}

static void ended(struct ctr *c)
{
	follow_end(c);
	wait_ended(c);
	/* Before the engine serves the helpers may not be there; settle() does it then. */
	if (goes_away(c) && c->engine->serving)
		remove_begin(c);
}

static void on_finished(struct job *j, const struct err *e)
{
	struct engine *g = j->engine;
	struct ctr *c = j->ctr;
	bool again = false;

	if (e)
		log_error("container %.12s: %s", c->id, e->text);
	c->status = CTR_EXITED;
	c->pid = 0;
	doc_free(&c->endpoint);
	ctr_end_execs(c);
	if (!goes_away(c)) {
		fd_close(&c->writable);
		again = restart_plan(c, c->finished_at - MIN(c->started_at, c->finished_at));
		state_save_or_log(c);
		/* Not before: until it is on record the shim alone knows how the workload ended. */
		shim_end(c->shim);
	}
	if (again)
		wait_notify(c, WAIT_EXIT, 0);
	else
		ended(c); /* c may be gone after this */
	engine_end_if_idle(g);
}

/* ---- rm: the writable layer, by a shim of the same uid range, then the records ---- */

static bool has_files(const struct job *j)
{
	return j->ctr->rootfs_made;
}

static bool wants_writable(const struct job *j)
{
	return j->ctr->rootfs_made && j->ctr->writable < 0;
}

static bool wants_shim(const struct job *j)
{
	return j->ctr->rootfs_made && !j->ctr->shim;
}

static void on_shim(void *ref, struct shim *s, const struct err *e)
{
	struct ctr *c = step_job(ref)->ctr;

	if (s) {
		c->shim = s;
		s->ctr = c;
	}
	job_step_done(ref, e);
}

void job_get_shim(struct job *j, void *ref)
{
	shims_take(j->engine, j->ctr->slot, 0, on_shim, ref);
}

static void on_writable(void *ref, void *msg, struct frame *f, const struct err *e)
{
	const struct rootfs_writable_opened *m = msg;

	if (m)
		step_job(ref)->ctr->writable = frame_take_fd(f, m->writable);
	job_step_done(ref, e && e->code != ENOENT ? e : NULL);
}

static void get_writable(struct job *j, void *ref)
{
	const struct rootfs_writable m = {.container = j->ctr->id};

	helper_request(j->engine, H_IMAGED, MSG_rootfs_writable, &m, HELPER_MS, on_writable, ref);
}

static void clean_files(struct job *j, void *ref);

static void on_other_shim(void *ref, struct shim *s, const struct err *e)
{
	struct ctr *c = step_job(ref)->ctr;

	if (!s) {
		job_step_done(ref, e);
		return;
	}
	c->shim = s;
	s->ctr = c;
	clean_files(step_job(ref), ref);
}

/* Of the shim that the container had, the keeper may have died, or it itself: another one does it,
 * once. */
static void clean_by_other(struct job *j, void *ref)
{
	j->data = j;
	shim_end(j->ctr->shim);
	shims_take(j->engine, j->ctr->slot, 0, on_other_shim, ref);
}

/* One that is stuck can't be asked again: the next attempt gets another. */
static void on_cleaned(void *ref, void *msg, struct frame *f, const struct err *e)
{
	struct job *j = step_job(ref);

	(void)msg;
	(void)f;
	if (e && e->code == EINPROGRESS) {
		clean_files(j, ref);
		return;
	}
	if (e && (e->code == EPIPE || e->code == ECONNRESET) && !j->data) {
		clean_by_other(j, ref);
		return;
	}
	if (e && e->code == ETIMEDOUT)
		helpers_kill(j->engine, j->ctr->slot);
	job_step_done(ref, e);
}

static void clean_files(struct job *j, void *ref)
{
	struct err e;

	MSG_DECLARE(shim_clean, m);
	m.writable = j->ctr->writable;
	if (m.writable < 0) { /* nothing there */
		job_step_done(ref, NULL);
		return;
	}
	if (!j->ctr->shim || !j->ctr->shim->chan) {
		err_set(&e, ECONNRESET, "its shim died");
		job_step_done(ref, &e);
		return;
	}
	chan_request(j->ctr->shim->chan, MSG_shim_clean, &m, CLEAN_MS, on_cleaned, ref);
}

static void remove_rootfs(struct job *j, void *ref)
{
	const struct rootfs_remove m = {.container = j->ctr->id};

	fd_close(&j->ctr->writable);
	helper_request(j->engine, H_IMAGED, MSG_rootfs_remove, &m, HELPER_MS, job_on_reply, ref);
}

static const struct step remove_steps[] = {
	{"shim", 0, wants_shim, job_get_shim, NULL},
	{"files", 0, wants_writable, get_writable, NULL},
	{"files", 1, has_files, clean_files, NULL},
	{"rootfs", 2, has_files, remove_rootfs, NULL},
	{0},
};

void removal_failed(struct ctr *c)
{
	c->removal_asked = false;
	c->remove_after = ctr_create(c)->autoremove;
	state_save_or_log(c);
}

static void on_removed(struct job *j, const struct err *e)
{
	struct engine *g = j->engine;
	struct ctr *c = j->ctr;
	struct err why;

	fd_close(&c->writable);
	if (!e && state_remove(c, &why) < 0)
		e = &why;
	if (e && e->code == ENOENT) { /* which would say that there is no such container */
		why = *e;
		why.code = EIO;
		e = &why;
	}
	if (e) {
		log_error("removing container %.12s: %s", c->id, e->text);
		memcpy(c->error, e->text, sizeof(c->error));
		c->status = CTR_EXITED;
		removal_failed(c);
		shim_end(c->shim);
		wait_fail(c, WAIT_REMOVED, 0, e);
		wait_ended(c);
		reconcile_soon(g);
	} else {
		event_tell(c, "destroy", NULL);
		wait_notify(c, WAIT_REMOVED, 0);
		wait_ended(c);
		ctr_free(c);
	}
	shims_fill(g);
	engine_end_if_idle(g);
}

void remove_begin(struct ctr *c)
{
	c->status = CTR_REMOVING;
	job_begin(c->engine, c, remove_steps, false, NULL, on_removed);
}

/* ---- both at once, for --rm: nothing of the second waits for the first ---- */

static const struct step finish_and_remove_steps[] = {
	{"network", 0, has_endpoint, detach_network, NULL},
	{"limits", 0, NULL, remove_cgroup, NULL},
	{"files", 0, has_files, clean_files, NULL},
	{"rootfs", 1, has_files, remove_rootfs, NULL},
	{0},
};

void finish_begin(struct ctr *c)
{
	c->was_stopping = c->stopping;
	stop_over(c);
	watch_free(c->heir_timer);
	c->heir_timer = NULL;
	c->orphan_status = -1;
	c->heirless = false;
	c->was_killed = c->kill_due;
	c->paused = c->kill_due = false;
	health_end(c);
	c->status = CTR_FINISHING;
	if (goes_away(c) && c->engine->serving && c->shim &&
		(c->writable >= 0 || !c->rootfs_made)) {
		ctr_end_execs(c);
		job_begin(c->engine, c, finish_and_remove_steps, true, NULL, on_removed);
		return;
	}
	job_begin(c->engine, c, finish_steps, true, NULL, on_finished);
}

void ctr_exited(struct ctr *c, const struct shim_exited *how)
{
	if (visit_ended(c, how->exit_code))
		return;
	if (c->status != CTR_RUNNING)
		return;
	c->error[0] = '\0'; /* of its network, if any, which it needs no more */
	c->exit_code = how->exit_code;
	c->end_signal = how->signal;
	c->finished_at = how->finished_at;
	finish_begin(c);
}

void ctr_lost(struct ctr *c, const char *why)
{
	if (c->status != CTR_RUNNING)
		return; /* a job is on it and will hear by itself */
	log_error("container %.12s: %s", c->id, why);
	snprintf(c->error, sizeof(c->error), "%s; its exit status is not known", why);
	c->exit_code = 255;
	c->end_signal = 0;
	c->finished_at = time_now_ns();
	finish_begin(c);
}
