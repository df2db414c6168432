/* SPDX-License-Identifier: MIT */
/*
 * Visits: what the engine does in a container by the shim's own code (shim/visit.h), asked for by
 * ctl. In a container that runs it is an exec. One that doesn't run is started as far as its files
 * and limits, in a shim as for a start, whose first process is the visit; its record stays as it
 * is. While a visit has its files nobody else gets them.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/fd.h"
#include "mounts.h"
#include "start.h"

/* What ctl may ask for, and with how many words. */
static const struct visit_kind {
	const char *name;
	uint32_t args;
	bool stopped;	   /* also of a container that doesn't run */
	const char *event; /* docker's word for it */
} kinds[] = {
	{"top", 0, false, "top"},
	{"export", 0, true, "export"},
	{"copy-out", 2, true, "archive-path"},
	{"copy-in", 4, true, "extract-to-dir"},
};

static const struct visit_kind *find(const struct exec_spec *x)
{
	for (unsigned int i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].name, x->visit) == 0 && kinds[i].args == x->argv.n)
			return &kinds[i];
	return NULL;
}

int visit_check(struct exec_spec *x, struct err *e)
{
	const struct exec_spec clean = {
		.visit = x->visit, .argv = x->argv, .stdin_open = x->stdin_open};

	if (!find(x))
		return err_set(e, EINVAL, "\"%.16s\" is no visit, or not with %u arguments",
			x->visit, x->argv.n);
	*x = clean;
	return 0;
}

/* ---- the beginning ---- */

/* A job's data begins with what a start gathers. */
struct visit {
	struct start start;
	struct doc asked; /* struct exec_spec */
	uint32_t number;
};

/* Any will do: it has no network, and gains no privileges. */
static void on_shim(void *ref, struct shim *s, const struct err *e)
{
	struct ctr *c = step_job(ref)->ctr;

	if (s) {
		c->shim = s;
		s->ctr = c;
		c->slot = s->slot;
		/* Its files belong to that range from now on, whatever comes between. */
		state_save_or_log(c);
	}
	job_step_done(ref, e);
}

static void take_shim(struct job *j, void *ref)
{
	shims_take(j->engine, j->ctr->slot, 0, on_shim, ref);
}

/* What there are no trees for any more is lost; the others' close ranks. */
static int add_binds(
	const struct create *o, struct start *s, struct arena *a, struct spec *spec, struct err *e)
{
	struct mount *v = arena_alloc(a, (o->mounts.n + 1) * sizeof(*v));
	uint32_t n = 0, kept = 0;

	if (!v)
		return err_set(e, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < o->mounts.n; i++) {
		if (!mount_has_source(&o->mounts.v[i]))
			continue;
		v[n] = o->mounts.v[i];
		if (n >= s->n_binds || s->binds[n] < 0)
			v[n].kind = "lost";
		else
			s->binds[kept++] = s->binds[n];
		n++;
	}
	s->n_binds = kept;
	spec->mounts.v = v;
	spec->mounts.n = n;
	return 0;
}

static void on_order(void *ref, void *msg, struct frame *f, const struct err *e)
{
	(void)msg;
	(void)f;
	job_step_done(ref, e);
}

/* The log's directory is what bounds the shim's files; it writes nothing there. */
static void start_visit(struct job *j, void *ref)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_fd_ int log = -1;
	struct visit *v = j->data;
	const struct exec_spec *x = v->asked.obj;
	const struct create *o = ctr_create(j->ctr);
	struct spec spec = {.id = j->ctr->id,
		.visit = x->visit,
		.argv = x->argv,
		.stdin_open = x->stdin_open && v->start.in >= 0,
		.readonly = o->readonly,
		.volatile_root = o->autoremove,
		.cwd = "/",
		.hostname = "visit"};
	struct err e = {0};

	if (add_binds(o, &v->start, &a, &spec, &e) == 0 && start_seal(&v->start, &spec, &e) == 0)
		log = state_open_log(j->ctr, &e);
	if (log < 0)
		job_step_done(ref, &e);
	else
		start_send(j, ref, log, on_order);
}

static const struct step steps[] = {
	{"shim", 0, NULL, take_shim, undo_shim},
	{"limits", 1, NULL, start_cgroup, undo_cgroup},
	{"rootfs", 1, wants_image, start_rootfs, NULL},
	{"mounts", 1, wants_binds, start_binds, NULL},
	{"visit", 2, NULL, start_visit, NULL},
	{0},
};

/* Nothing has the container's files any more; what was asked meanwhile comes now. */
static void let_go(struct ctr *c)
{
	struct engine *g = c->engine;

	c->visit = 0;
	if (c->removal_asked)
		remove_begin(c);
	else
		restart_resume(c);
	shims_fill(g);
	engine_end_if_idle(g);
}

static void on_begun(struct job *j, const struct err *e)
{
	struct visit *v = j->data;
	struct ctr *c = j->ctr;
	struct container_execed m = {.exec = v->number, .pid = c->shim ? c->shim->child_pid : 0};

	if (e) {
		exec_forget(c, v->number);
		relay_fail(v->start.relay, e);
	} else {
		relay_reply(v->start.relay, MSG_container_execed, &m);
	}
	start_close(&v->start);
	doc_free(&v->asked);
	free(v);
	if (e)
		let_go(c);
	else if (c->removal_asked || c->engine->ending)
		stop_begin(c, 0);
}

const char *visit_event(const struct exec_spec *x)
{
	const struct visit_kind *k = x->visit ? find(x) : NULL;

	return k ? k->event : NULL;
}

bool visit_needs_no_run(const struct exec_spec *x)
{
	const struct visit_kind *k = find(x);

	return k && k->stopped;
}

int visit_may_begin(const struct ctr *c, struct err *e)
{
	if (c->visit)
		return err_set(e, EBUSY,
			"container %s: its files are being copied; try again when that is done",
			c->name);
	if (c->engine->ending)
		return err_set(e, ESHUTDOWN, "the engine is ending");
	if (c->job || c->status == CTR_RUNNING)
		return err_set(
			e, EBUSY, "container %s is being started, stopped or removed", c->name);
	if (ctr_create(c)->rootfs && c->rootfs < 0)
		return err_set(e, ESTALE,
			"container %s has its files from before the engine was restarted; remove and run it anew",
			c->name);
	return 0;
}

void visit_begin(struct ctr *c, struct doc *asked, const struct container_exec *how,
	struct frame *f, struct relay *r, uint32_t number)
{
	struct visit *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	*v = (struct visit){.start = {.relay = r, START_NONE}, .asked = *asked, .number = number};
	*asked = (struct doc){0};
	v->start.may_lack = true;
	v->start.in = frame_take_fd(f, how->in);
	v->start.out = frame_take_fd(f, how->out);
	v->start.err = frame_take_fd(f, how->err);
	c->visit = number;
	job_begin(c->engine, c, steps, false, v, on_begun);
}

/* ---- the end ---- */

static void on_left(struct job *j, const struct err *e)
{
	struct ctr *c = j->ctr;
	uint32_t number = c->visit;

	if (e)
		log_error("container %.12s: %s", c->id, e->text);
	stop_over(c);
	c->kill_due = false;
	shim_end(c->shim);
	/* Who hears of the end may begin the next one. */
	c->visit = 0;
	exec_ended(c, number, (uint32_t)(uintptr_t)j->data);
	let_go(c);
}

static void leave_cgroup(struct job *j, void *ref)
{
	const struct cgroup_remove m = {.container = ctr_cgroup(j->ctr)};

	helper_request(
		j->engine, H_CGROUPD, MSG_cgroup_remove, &m, START_HELPER_MS, job_on_reply, ref);
}

static const struct step leave_steps[] = {
	{"limits", 0, NULL, leave_cgroup, NULL},
	{0},
};

bool visit_ended(struct ctr *c, uint32_t exit_code)
{
	if (!c->visit)
		return false;
	/* While it begins, the job hears of it by itself. */
	if (c->job)
		return true;
	job_begin(c->engine, c, leave_steps, true, (void *)(uintptr_t)exit_code, on_left);
	return true;
}

/* Between its order and the word that it is tied to the shim, a visit could outlive it. */
void visit_lost(struct ctr *c)
{
	if (!c->visit || c->job)
		return;
	helpers_kill(c->engine, c->slot);
	visit_ended(c, 128 + SIGKILL);
}

void visit_cut_short(struct ctr *c)
{
	if (!c->job)
		stop_begin(c, 0);
}
