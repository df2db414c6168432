/* SPDX-License-Identifier: MIT */
/*
 * The handlers of cgroupd: one request each, answered from the kernel's state. The peer is the
 * supervisor, which has no privilege: ids and limits are checked again here.
 */
#include "cgroupd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "group.h"

#define REMOVE_DEADLINE_MS 1000
#define REMOVE_FIRST_MS	   1
#define REMOVE_STEP_MAX_MS 32
#define LIST_MAX	   256U /* as messages.def has it */

/* A cgroup_remove whose group still holds a process. */
struct removal {
	struct removal *next;
	struct cgroupd *d;
	uint32_t request;
	char container[65];
	uint64_t deadline, step_ms;
	struct watch *timer;
	struct cgroup_state last;
};

static void on_cgroup_create(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroup_create *m = msg;
	struct cgroupd *d = self;
	int procs[HIERARCHY_MAX];
	unsigned int n = 0;
	struct limits_owned in_force;
	struct err e = {0};
	int r = group_create(&d->tree, m->container, m->limits, procs, &n, &in_force, &e);

	(void)f;
	if (r == 0) {
		r = oom_watch(d->oom, m->container, &e);
		if (r < 0)
			group_remove(&d->tree, m->container, NULL);
	}
	if (r == 0) {
		struct cgroup_created reply = {
			.procs = {.v = procs, .n = n}, .in_force = &in_force.limits};

		log_debug("container %s: made in %u hierarchies", m->container, n);
		chan_reply(c, id, MSG_cgroup_created, &reply);
	} else {
		chan_fail(c, id, &e);
	}
	while (n-- > 0)
		fd_close(&procs[n]);
}

static void on_cgroup_read(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroup_read *m = msg;
	struct cgroupd *d = self;
	struct limits_owned in_force;
	struct cgroup_state reply = {.in_force = &in_force.limits};
	struct err e = {0};
	int r = group_check_id(m->container, &e);

	(void)f;
	if (r == 0)
		r = group_read_limits(&d->tree, m->container, &in_force, &e);
	if (r < 0) {
		chan_fail(c, id, &e);
		return;
	}
	group_read_usage(&d->tree, m->container, &reply);
	chan_reply(c, id, MSG_cgroup_state, &reply);
}

static void removal_free(struct removal *r)
{
	struct removal **p = &r->d->removals;

	while (*p && *p != r)
		p = &(*p)->next;
	if (*p)
		*p = r->next;
	watch_free(r->timer);
	free(r);
}

/* 0 when the group is gone, -EBUSY to be asked again. The numbers are read before the directories
 * go: of a group that was half removed, what is left is read and the rest stays as it was. */
static int removal_try(struct removal *r, struct err *e)
{
	struct cgroupd *d = r->d;
	int k;

	if (group_read_usage(&d->tree, r->container, &r->last))
		oom_count(d->oom, r->container, r->last.oom_kills);
	k = group_remove(&d->tree, r->container, e);
	if (k == 0)
		oom_forget(d->oom, r->container);
	return k;
}

static void removal_run(void *arg);

static bool removal_later(struct removal *r)
{
	if (time_mono_ns() >= r->deadline)
		return false;
	if (r->timer)
		timer_again(r->timer, r->step_ms);
	else
		r->timer = loop_timer(r->d->loop, r->step_ms, removal_run, r);
	r->step_ms = MIN(r->step_ms * 2, (uint64_t)REMOVE_STEP_MAX_MS);
	return r->timer != NULL;
}

static void removal_run(void *arg)
{
	struct removal *r = arg;
	struct chan *c = r->d->chan;
	struct err e = {0};
	int k = removal_try(r, &e);

	if (k == -EBUSY && removal_later(r))
		return;
	if (k == -EBUSY)
		err_set(&e, EBUSY, "cgroup of container %s: a process is still in it after %d ms",
			r->container, REMOVE_DEADLINE_MS);
	if (k < 0)
		chan_fail(c, r->request, &e);
	else
		chan_reply(c, r->request, MSG_cgroup_state, &r->last);
	removal_free(r);
}

static struct removal *removal_new(struct cgroupd *d, uint32_t request, const char *container)
{
	struct removal *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->d = d;
	r->request = request;
	snprintf(r->container, sizeof(r->container), "%.64s", container);
	r->deadline = time_mono_ns() + REMOVE_DEADLINE_MS * 1000000ULL;
	r->step_ms = REMOVE_FIRST_MS;
	r->next = d->removals;
	d->removals = r;
	return r;
}

static void on_cgroup_remove(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroup_remove *m = msg;
	struct err e = {0};
	struct removal *r;

	(void)f;
	if (group_check_id(m->container, &e) < 0) {
		chan_fail(c, id, &e);
		return;
	}
	r = removal_new(self, id, m->container);
	if (r)
		removal_run(r);
	else
		chan_fail(c, id, &(struct err){ENOMEM, "out of memory"});
}

static void on_cgroup_list(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroup_list *m = msg;
	struct cgroupd *d = self;
	const char *ids[LIST_MAX];
	unsigned int all = group_list(&d->tree, m->after, ids, LIST_MAX), n = MIN(all, LIST_MAX);
	const struct cgroup_listed reply = {.containers = {ids, n}, .more = all > LIST_MAX};

	(void)f;
	chan_reply(c, id, MSG_cgroup_listed, &reply);
	while (n-- > 0)
		free((char *)(uintptr_t)ids[n]);
}

static void on_cgroup_teardown(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct cgroupd *d = self;
	struct err e = {0};

	(void)msg;
	(void)f;
	if (tree_teardown(&d->tree, &e) < 0)
		chan_fail(c, id, &e);
	else
		chan_done(c, id);
}

static const enum controller told[] = {CTL_MEMORY, CTL_CPU, CTL_CPUSET, CTL_PIDS};

struct texts {
	char name[32], found[255];
};

static struct fact tell_controller(const struct tree *t, enum controller c, struct texts *x)
{
	const struct branch *b = tree_find(t, c);

	snprintf(x->name, sizeof(x->name), "cgroup %s", controller_name(c));
	if (b)
		snprintf(x->found, sizeof(x->found), "v%d on %.200s, in use", b->version, b->mount);
	else
		snprintf(x->found, sizeof(x->found), "in no hierarchy that the engine can use");
	return (struct fact){.name = x->name, .level = b ? "ok" : "weaker", .found = x->found};
}

static struct fact tell_swap(const struct tree *t)
{
	if (t->swap_accounting)
		return (struct fact){.name = "swap accounting",
			.level = "ok",
			.found = "memory and swap are limited together"};
	return (struct fact){.name = "swap accounting",
		.level = "weaker",
		.found = "this kernel does not account swap",
		.instead =
			"a memory limit holds for memory alone: what lies in swap is not counted, and --memory-swap is refused",
		.mend = "boot with swapaccount=1, or do without swap"};
}

static void on_facts(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroupd *d = self;
	struct fact facts[ARRAY_LEN(told) + 1];
	struct texts texts[ARRAY_LEN(told)];
	struct facts_are answer = {.facts = {facts, ARRAY_LEN(facts)}};

	(void)msg;
	(void)f;
	for (unsigned int i = 0; i < ARRAY_LEN(told); i++)
		facts[i] = tell_controller(&d->tree, told[i], &texts[i]);
	facts[ARRAY_LEN(told)] = tell_swap(&d->tree);
	chan_reply(c, id, MSG_facts_are, &answer);
}

static void on_oom(void *arg, const char *id)
{
	struct cgroupd *d = arg;
	struct cgroup_oom m = {.container = id};

	log_info("container %s: the kernel killed for want of memory", id);
	if (d->chan)
		chan_event(d->chan, MSG_cgroup_oom, 0, &m);
}

static void on_close(void *self, struct chan *c)
{
	struct cgroupd *d = self;

	(void)c;
	d->chan = NULL;
	while (d->removals)
		removal_free(d->removals);
	loop_stop(d->loop, 0);
}

int cgroupd_start(struct cgroupd *d, struct err *e)
{
	for (unsigned int i = 0; i < d->tree.n; i++)
		log_debug("cgroup v%d %s: made %s", d->tree.b[i].version, d->tree.b[i].mount,
			d->tree.name);
	if (!tree_find(&d->tree, CTL_PIDS))
		log_warn(
			"this host has no pids controller: containers may make any number of processes");
	d->oom = oom_new(d->loop, &d->tree, on_oom, d);
	return d->oom ? 0 : err_set(e, ENOMEM, "out of memory");
}

void cgroupd_stop(struct cgroupd *d)
{
	while (d->removals)
		removal_free(d->removals);
	oom_free(d->oom);
	tree_teardown(&d->tree, NULL); /* unless containers live on */
	tree_close(&d->tree);
}

struct chan_setup cgroupd_setup(struct cgroupd *d)
{
	static const struct handler handlers[] = {
		{MSG_cgroup_create, on_cgroup_create},
		{MSG_cgroup_read, on_cgroup_read},
		{MSG_cgroup_remove, on_cgroup_remove},
		{MSG_cgroup_list, on_cgroup_list},
		{MSG_cgroup_teardown, on_cgroup_teardown},
		{MSG_facts, on_facts},
		{0},
	};

	return (struct chan_setup){.self = CGROUPD,
		.peer = SUPERVISOR,
		.handlers = handlers,
		.arg = d,
		.on_close = on_close};
}
