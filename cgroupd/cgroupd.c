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

#include "apply.h"
#include "base/fd.h"
#include "base/log.h"
#include "freeze.h"
#include "group.h"
#include "pending.h"
#include "usage.h"

#define REMOVE_DEADLINE_MS 1000
#define LIST_MAX	   200U /* as messages.def has it: a frame holds so many of the longest */

static void on_cgroup_create(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroup_create *m = msg;
	struct cgroupd *d = self;
	int procs[HIERARCHY_MAX];
	unsigned int n = 0;
	struct limits_owned in_force;
	const struct device_rules devices = {m->devices.v, m->devices.n, m->listed};
	struct err e = {0};
	int r = group_create(&d->tree, m->container, m->limits, &devices, procs, &n, &in_force, &e);

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
	struct device_list list;
	struct cgroup_state reply = {.in_force = &in_force.limits};
	struct err e = {0};
	int r = group_check_id(m->container, &e);

	(void)f;
	if (r == 0)
		r = group_read_limits(&d->tree, m->container, &in_force, &e);
	if (r == 0 && m->devices) {
		r = devices_read(&d->tree, m->container, &list, &e);
		reply.devices = (struct strv){list.v, list.n};
	}
	if (r < 0) {
		chan_fail(c, id, &e);
		return;
	}
	usage_read(&d->tree, m->container, &reply);
	freeze_get(&d->tree, m->container, &reply.frozen, NULL);
	chan_reply(c, id, MSG_cgroup_state, &reply);
}

static void on_cgroup_limit(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroup_limit *m = msg;
	struct cgroup_read read = {.container = m->container};
	struct cgroupd *d = self;
	struct err e = {0};
	int r = group_check_id(m->container, &e);

	if (r == 0)
		r = apply_update(&d->tree, m->container, m->limits, &e);
	if (r < 0)
		chan_fail(c, id, &e);
	else
		on_cgroup_read(self, c, id, &read, f);
}

static void on_cgroup_check(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroup_check *m = msg;
	struct cgroupd *d = self;
	struct err e = {0};

	(void)f;
	if (apply_check(&d->tree, m->limits, &e) < 0)
		chan_fail(c, id, &e);
	else
		chan_done(c, id);
}

/* 0 when the group is gone, -EBUSY to be asked again. The numbers are read before the directories
 * go: of a group that was half removed, what is left is read and the rest stays as it was. */
static int removal_try(struct pending *p, struct err *e)
{
	struct cgroupd *d = p->d;
	int r;

	if (usage_read(&d->tree, p->container, &p->last))
		oom_count(d->oom, p->container, p->last.oom_kills);
	r = group_remove(&d->tree, p->container, e);
	if (r == 0)
		oom_forget(d->oom, p->container);
	if (r == -EBUSY) /* what is frozen never leaves */
		freeze_set(&d->tree, p->container, false, NULL);
	return r;
}

static void removal_give_up(struct pending *p, struct err *e)
{
	err_set(e, EBUSY, "cgroup of container %s: a process is still in it after %d ms",
		p->container, REMOVE_DEADLINE_MS);
}

static void removal_answer(struct pending *p)
{
	chan_reply(p->d->chan, p->request, MSG_cgroup_state, &p->last);
}

static const struct pending_kind removal = {
	REMOVE_DEADLINE_MS, removal_try, removal_give_up, removal_answer};

static void on_cgroup_remove(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroup_remove *m = msg;

	(void)c;
	(void)f;
	pending_begin(self, &removal, id, m->container, false);
}

static void on_cgroup_list(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroup_list *m = msg;
	struct cgroupd *d = self;
	const char *ids[LIST_MAX];
	unsigned int all = group_list(&d->tree, m->after, ids, LIST_MAX), n = MIN(all, LIST_MAX);
	const struct cgroup_listed reply = {.containers = {ids, n}, .more = all > LIST_MAX};

	(void)f;
	if (!m->after) /* the supervisor asks when we come up and from time to time */
		group_sweep(&d->tree);
	chan_reply(c, id, MSG_cgroup_listed, &reply);
	while (n-- > 0)
		free((char *)(uintptr_t)ids[n]);
}

/* Of containers whose removal has failed before: what is not empty stays. */
static void remove_leftovers(const struct tree *t)
{
	const char *ids[LIST_MAX], *after = NULL;
	unsigned int n;

	do {
		char *last = NULL;

		n = group_list(t, after, ids, LIST_MAX);
		for (unsigned int i = 0; i < MIN(n, LIST_MAX); i++) {
			group_remove(t, ids[i], NULL);
			free(last);
			last = (char *)(uintptr_t)ids[i];
		}
		free((char *)(uintptr_t)after);
		after = last;
	} while (n > LIST_MAX);
	free((char *)(uintptr_t)after);
}

static void on_cgroup_teardown(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct cgroupd *d = self;
	struct err e = {0};
	const char *left[1] = {NULL};
	int r;

	(void)msg;
	(void)f;
	remove_leftovers(&d->tree);
	group_sweep(&d->tree);
	r = tree_teardown(&d->tree, &e);
	/* What holds no container holds a slice of somebody's, whose limits are to stay. */
	if (r == -EBUSY && group_list(&d->tree, NULL, left, 1) == 0) {
		log_info("%s by somebody's slice: it stays", e.text);
		r = 0;
	}
	free((char *)(uintptr_t)left[0]);
	if (r < 0)
		chan_fail(c, id, &e);
	else
		chan_done(c, id);
}

static const enum controller told[] = {CTL_MEMORY, CTL_CPU, CTL_CPUSET, CTL_PIDS, CTL_IO};

#define FOUND_MAX 255
struct texts {
	char name[32], found[FOUND_MAX];
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

/* Everybody's, and those of containers with devices of their own: hybrid hosts have two lists. */
static struct fact tell_devices(const struct tree *t, char found[FOUND_MAX])
{
	const struct devices *d = &t->devices;
	const struct branch *b = tree_find(t, CTL_DEVICES);
	bool own = d->program >= 0;
	bool usual = b && (b->version == 1 ? d->v1 : own && group_is_usual(t, b));
	struct fact f = {.name = "device lists", .level = "weaker", .found = found};

	if (usual && own) {
		f.level = "ok";
		snprintf(found, FOUND_MAX, "v%d on %.160s, in use%s", b->version, b->mount,
			b->version == 1 ? "; v2's for devices of one's own" : "");
	} else if (own) {
		snprintf(found, FOUND_MAX, "for containers with devices of their own alone");
		f.instead = "the usual container opens what it has nodes of, by their modes";
		f.mend = "end the engine with its containers and start it anew";
	} else {
		snprintf(found, FOUND_MAX, "none%s: %.160s",
			usual ? " for containers with devices of their own" : "", d->lacking);
		f.instead =
			"what a container has nodes of it opens, by their modes; --device-cgroup-rule is refused";
		f.mend = "boot Linux 6.1 or later with CONFIG_CGROUP_BPF and cgroup v2";
	}
	return f;
}

static void on_facts(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroupd *d = self;
	struct fact facts[ARRAY_LEN(told) + 2];
	struct texts texts[ARRAY_LEN(told)];
	char devices[FOUND_MAX];
	struct facts_are answer = {.facts = {facts, ARRAY_LEN(facts)}};

	(void)msg;
	(void)f;
	for (unsigned int i = 0; i < ARRAY_LEN(told); i++)
		facts[i] = tell_controller(&d->tree, told[i], &texts[i]);
	facts[ARRAY_LEN(told)] = tell_swap(&d->tree);
	facts[ARRAY_LEN(told) + 1] = tell_devices(&d->tree, devices);
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
	pending_free_all(d);
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
	pending_free_all(d);
	oom_free(d->oom);
	group_sweep(&d->tree);
	tree_teardown(&d->tree, NULL); /* unless containers live on */
	tree_close(&d->tree);
}

struct chan_setup cgroupd_setup(struct cgroupd *d)
{
	static const struct handler handlers[] = {
		{MSG_cgroup_create, on_cgroup_create},
		{MSG_cgroup_read, on_cgroup_read},
		{MSG_cgroup_limit, on_cgroup_limit},
		{MSG_cgroup_check, on_cgroup_check},
		{MSG_cgroup_usage, on_cgroup_usage},
		{MSG_cgroup_remove, on_cgroup_remove},
		{MSG_cgroup_list, on_cgroup_list},
		{MSG_cgroup_freeze, on_cgroup_freeze},
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
